#include "consumers/clean.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "consumers/arena.h"

#define EARLIEST_MS INT64_C(31536000000) /* 1971-01-01 */
#define LATEST_MS INT64_C(7258118400000) /* 2200-01-01 */

enum { OPTIONS_MAX = 4 << 20, MAX_ITEMS = 10000, MAX_USER_AGENT = 1024 };

struct list {
	struct seg_str *items; /* lower case */
	size_t len;
};

struct seg_cleaner {
	int64_t max_future_ms;
	double max_amount;
	struct seg_str base;
	struct seg_rate *rates;
	size_t rates_len;
	struct list placeholders, bots;
	bool bot_starts[256]; /* bytes with which one of them begins, in both cases */
	struct seg_arena arena;
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static char *copy_lower(struct seg_arena *a, const char *text)
{
	char *copy = seg_arena_copy(a, text, strlen(text));

	for (char *c = copy; c && *c; c++)
		*c = lower(*c);
	return copy;
}

static bool copy_list(struct seg_arena *a, const char *const *items, size_t len, struct list *ret)
{
	if (len > MAX_ITEMS)
		return false;
	ret->items = seg_arena_alloc(a, (len + 1) * sizeof(*ret->items));
	for (size_t i = 0; ret->items && i < len; i++) {
		char *copy = copy_lower(a, items[i]);

		if (!copy)
			return false;
		if (*copy) /* an empty part would match every user agent */
			ret->items[ret->len++] = seg_str_from(copy);
	}
	return ret->items != NULL;
}

static bool copy_options(struct seg_cleaner *c, const struct seg_cleaner_options *o)
{
	c->base = seg_str_from(seg_arena_copy(&c->arena, o->base_currency, strlen(o->base_currency)));
	c->rates =
		o->rates_len <= MAX_ITEMS ? seg_arena_alloc(&c->arena, (o->rates_len + 1) * sizeof(*c->rates)) : NULL;
	for (size_t i = 0; c->rates && i < o->rates_len; i++) {
		char *name = seg_arena_copy(&c->arena, o->rates[i].currency, strlen(o->rates[i].currency));

		if (!name)
			return false;
		c->rates[c->rates_len++] = (struct seg_rate){name, o->rates[i].rate};
	}
	return c->base.ptr && c->rates &&
	       copy_list(&c->arena, o->placeholder_ids, o->placeholder_ids_len, &c->placeholders) &&
	       copy_list(&c->arena, o->bots, o->bots_len, &c->bots);
}

enum seg_rc seg_cleaner_new(const struct seg_cleaner_options *options, struct seg_cleaner **ret, struct seg_error *err)
{
	struct seg_cleaner *c = calloc(1, sizeof(*c));

	if (!c)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory for the cleaning rules");
	c->max_future_ms = options->max_future_ms;
	c->max_amount = options->max_amount;
	seg_arena_init(&c->arena, OPTIONS_MAX);
	if (!copy_options(c, options)) {
		bool no_memory = c->arena.no_memory;

		seg_cleaner_free(c);
		if (no_memory)
			return seg_error_set(err, SEG_NO_MEMORY, "out of memory for the cleaning rules");
		return seg_error_set(err, SEG_LIMIT,
				     "cleaning: the lists of rates, placeholder ids and bots are too large");
	}
	for (size_t i = 0; i < c->bots.len; i++) {
		unsigned char first = (unsigned char)c->bots.items[i].ptr[0];

		c->bot_starts[first] = true;
		if (first >= 'a' && first <= 'z')
			c->bot_starts[first - 'a' + 'A'] = true;
	}
	*ret = c;
	return SEG_OK;
}

void seg_cleaner_free(struct seg_cleaner *c)
{
	if (!c)
		return;
	seg_arena_release(&c->arena);
	free(c);
}

bool seg_time_plausible(int64_t ms)
{
	return ms >= EARLIEST_MS && ms < LATEST_MS;
}

/* The message of a refusal; the customer's own values stay out of it. */
struct says {
	char *text;
	size_t size;
};

static enum seg_refusal refuse(const struct says *s, enum seg_refusal r, const char *field)
{
	if (s->text && s->size)
		snprintf(s->text, s->size, "%s%s%s", field, *field ? ": " : "", seg_refusal_text(r));
	return r;
}

static enum seg_refusal check_id(const struct says *s, struct seg_str id, const char *field, bool required)
{
	if (!id.ptr || id.len == 0)
		return required ? refuse(s, SEG_REFUSED_MISSING_FIELD, field) : SEG_REFUSED_NOT;
	if (id.len > SEG_ID_MAX_BYTES)
		return refuse(s, SEG_REFUSED_BAD_ID, field);
	for (uint32_t i = 0; i < id.len; i++) {
		if ((unsigned char)id.ptr[i] < 0x20 || id.ptr[i] == 0x7f)
			return refuse(s, SEG_REFUSED_BAD_ID, field);
	}
	return SEG_REFUSED_NOT;
}

static bool equal_lower(struct seg_str s, struct seg_str low)
{
	uint32_t i = 0;

	if (s.len != low.len)
		return false;
	while (i < s.len && lower(s.ptr[i]) == low.ptr[i])
		i++;
	return i == s.len;
}

/* "0", "000", "00000000-0000-0000-0000-000000000000". */
static bool zeros_only(struct seg_str id)
{
	uint32_t i = 0;

	while (i < id.len && (id.ptr[i] == '0' || id.ptr[i] == '-'))
		i++;
	return i == id.len;
}

static bool placeholder(const struct seg_cleaner *c, struct seg_str id)
{
	if (zeros_only(id))
		return true;
	for (size_t i = 0; i < c->placeholders.len; i++) {
		if (equal_lower(id, c->placeholders.items[i]))
			return true;
	}
	return false;
}

static enum seg_refusal check_place(const struct says *s, const struct seg_origin *o, const struct seg_event *e)
{
	if (o->check_key && !(o->key.ptr && seg_str_eq(o->key, e->customer_id)))
		return refuse(s, SEG_REFUSED_KEY_MISMATCH, o->key.ptr ? "" : "the key is null");
	if (o->partitions <= 0)
		return SEG_REFUSED_NOT;
	int32_t right = seg_partition_for_key(e->customer_id.ptr, e->customer_id.len, o->partitions);

	if (right == o->partition)
		return SEG_REFUSED_NOT;
	if (s->text && s->size)
		snprintf(s->text, s->size,
			 "partition %" PRId32 ", but murmur2 of the key says %" PRId32 " of %" PRId32
			 ": set partitioner=murmur2_random in the producer",
			 o->partition, right, o->partitions);
	return SEG_REFUSED_WRONG_PARTITION;
}

static enum seg_refusal check_time(const struct seg_cleaner *c, const struct says *s, const struct seg_origin *o,
				   const struct seg_event *e)
{
	if (e->time_ms == SEG_NO_TIME)
		return refuse(s, SEG_REFUSED_MISSING_FIELD, "event_time");
	if (!seg_time_plausible(e->time_ms)) {
		/* The usual mistake is the unit, and the magnitude shows it. */
		const char *hint = e->time_ms > 0 && e->time_ms < EARLIEST_MS ? "seconds instead of milliseconds?"
				   : e->time_ms >= LATEST_MS ? "microseconds without logical type timestamp-micros?"
							     : "before 1970";

		if (s->text && s->size)
			snprintf(s->text, s->size,
				 "event_time is %" PRId64 " ms since 1970, not within 1971 to 2199: %s", e->time_ms,
				 hint);
		return SEG_REFUSED_BAD_TIME;
	}
	if (o->timestamp_ms == SEG_NO_TIME || e->time_ms <= o->timestamp_ms ||
	    e->time_ms - o->timestamp_ms <= c->max_future_ms)
		return SEG_REFUSED_NOT;
	if (s->text && s->size)
		snprintf(s->text, s->size,
			 "event_time is %" PRId64 " ms ahead of the record's timestamp, max_future is %" PRId64 " ms",
			 e->time_ms - o->timestamp_ms, c->max_future_ms);
	return SEG_REFUSED_TOO_FAR_AHEAD;
}

static bool rate_of(const struct seg_cleaner *c, struct seg_str currency, double *ret)
{
	*ret = 1;
	if (!currency.ptr || currency.len == 0 || seg_str_eq(currency, c->base))
		return true;
	for (size_t i = 0; i < c->rates_len; i++) {
		*ret = c->rates[i].rate;
		if (seg_str_is(currency, c->rates[i].currency))
			return true;
	}
	return false;
}

static enum seg_refusal clean_amount(const struct seg_cleaner *c, const struct says *s, struct seg_event *e)
{
	double rate;

	e->amount_micro = 0;
	if (!e->has_amount)
		return e->source == SEG_ORDERS ? refuse(s, SEG_REFUSED_MISSING_FIELD, "amount") : SEG_REFUSED_NOT;
	if (!isfinite(e->amount) || e->amount < 0)
		return refuse(s, SEG_REFUSED_BAD_AMOUNT, "amount");
	if (!rate_of(c, e->currency, &rate)) {
		bool code = e->currency.len == 3;

		if (s->text && s->size)
			snprintf(s->text, s->size,
				 "currency \"%.*s\": no rate is configured: add it to currencies.rates", code ? 3 : 0,
				 code ? e->currency.ptr : "");
		return SEG_REFUSED_UNKNOWN_CURRENCY;
	}
	double value = e->amount * rate;

	/* The second bound keeps llround defined whatever is configured. */
	if (!(value <= c->max_amount) || !(value * 1e6 < 9e18))
		return refuse(s, SEG_REFUSED_BAD_AMOUNT, "amount");
	e->amount_micro = llround(value * 1e6);
	return SEG_REFUSED_NOT;
}

static bool starts_lower(const char *at, const char *end, struct seg_str part)
{
	uint32_t i = 0;

	if ((size_t)(end - at) < part.len)
		return false;
	while (i < part.len && lower(at[i]) == part.ptr[i])
		i++;
	return i == part.len;
}

/* User agents are long and their bytes are many: only where some rule begins is anything compared. */
static bool is_bot(const struct seg_cleaner *c, struct seg_str agent)
{
	if (!agent.ptr)
		return false;
	const char *end = agent.ptr + (agent.len < MAX_USER_AGENT ? agent.len : (uint32_t)MAX_USER_AGENT);

	for (const char *at = agent.ptr; at < end; at++) {
		if (!c->bot_starts[(unsigned char)*at])
			continue;
		for (size_t i = 0; i < c->bots.len; i++) {
			if (starts_lower(at, end, c->bots.items[i]))
				return true;
		}
	}
	return false;
}

static enum seg_refusal check_source(const struct seg_cleaner *c, const struct says *s, struct seg_event *e)
{
	switch (e->source) {
	case SEG_WEB:
		if (is_bot(c, e->user_agent))
			return refuse(s, SEG_REFUSED_BOT, "user_agent");
		return clean_amount(c, s, e);
	case SEG_ORDERS: {
		enum seg_refusal r = check_id(s, e->order_id, "order_id", true);

		return r != SEG_REFUSED_NOT ? r : clean_amount(c, s, e);
	}
	case SEG_EMAIL:
		/* A send time that cannot be is worth no more than none. */
		if (e->sent_time_ms != SEG_NO_TIME && !seg_time_plausible(e->sent_time_ms))
			e->sent_time_ms = SEG_NO_TIME;
		return SEG_REFUSED_NOT;
	case SEG_PROFILES:
		return SEG_REFUSED_NOT;
	case SEG_SOURCES:
		break;
	}
	return refuse(s, SEG_REFUSED_UNKNOWN_KIND, "source");
}

enum seg_refusal seg_clean(const struct seg_cleaner *c, const struct seg_origin *origin, struct seg_event *e,
			   char *ret_text, size_t size)
{
	const struct says s = {ret_text, size};
	enum seg_refusal r = check_id(&s, e->event_id, "event_id", true);

	if (r == SEG_REFUSED_NOT)
		r = check_id(&s, e->customer_id, "customer_id", true);
	if (r == SEG_REFUSED_NOT && placeholder(c, e->customer_id))
		r = refuse(&s, SEG_REFUSED_PLACEHOLDER_ID, "customer_id");
	if (r == SEG_REFUSED_NOT)
		r = check_place(&s, origin, e);
	if (r == SEG_REFUSED_NOT)
		r = check_time(c, &s, origin, e);
	if (r == SEG_REFUSED_NOT && e->kind == 0)
		r = refuse(&s, SEG_REFUSED_UNKNOWN_KIND, "kind");
	if (r == SEG_REFUSED_NOT)
		r = check_source(c, &s, e);
	if (r == SEG_REFUSED_NOT)
		e->id_hash = seg_hash64(e->event_id.ptr, e->event_id.len);
	return r;
}
