/*
 * Bytes to profiles; the layout is at the top of codec_write.c. Whatever the bytes are, what comes out satisfies what
 * aggregate.h and profile.h promise (orders, bounds, ranges), or nothing comes out. Memory is got only for what is
 * there in full: every item takes at least a byte of the record.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "state/aggregate.h"
#include "state/codec.h"
#include "state/codec_frame.h"
#include "state/sections.h"

struct reader {
	struct seg_view *v;
	struct seg_profile *p;
	int64_t base;
	unsigned version;
	const char *wrong; /* what is wrong with the section; NULL: nothing so far */
	bool no_memory;
};

static void wrong(struct reader *r, const char *what)
{
	if (!r->wrong)
		r->wrong = what;
}

static bool bad(const struct reader *r)
{
	return r->wrong || r->no_memory || r->v->failed;
}

static int64_t get_time(struct reader *r)
{
	int64_t time_ms = seg_get_time(r->v, r->base);
	if (time_ms < SEG_TIME_MIN || time_ms > SEG_TIME_MAX)
		wrong(r, "a time outside the years 1 to 9999");
	return time_ms;
}

static double get_count(struct reader *r)
{
	double count = seg_get_f64(r->v);
	if (!(count >= 0) || isinf(count))
		wrong(r, "a counter that is not a number");
	return count;
}

/* A number of items that follow. */
static uint32_t get_len(struct reader *r, uint32_t max)
{
	uint64_t len = seg_get_varint(r->v);
	if (len > max || len > (uint64_t)(r->v->end - r->v->at)) {
		wrong(r, "more items than there can be");
		return 0;
	}
	return (uint32_t)len;
}

static void *get_memory(struct reader *r, size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);
	if (!memory)
		r->no_memory = true;
	return memory;
}

static struct seg_str get_str(struct reader *r, uint32_t max)
{
	size_t len;
	const void *bytes = seg_view_bytes(r->v, &len);
	if (bytes && len > max)
		wrong(r, "a string that is too long");
	char *copy = !bytes || bad(r) ? NULL : get_memory(r, len + 1, 1);
	if (!copy)
		return (struct seg_str){NULL, 0};
	memcpy(copy, bytes, len);
	return (struct seg_str){copy, (uint32_t)len};
}

struct counter_bits {
	uint64_t present, ones;
};

static void get_counter_bits(struct reader *r, struct counter_bits *bits, unsigned present, unsigned counters)
{
	bits->present = seg_get_varint(r->v);
	bits->ones = seg_get_varint(r->v);
	if (bits->present >> present || bits->ones >> counters || bits->ones & ~bits->present)
		wrong(r, "unknown counters");
}

static void get_counter(struct reader *r, const struct counter_bits *bits, unsigned at, int64_t *ret_time_ms,
			double *ret_count, int len)
{
	if (!(bits->present >> at & 1))
		return;
	*ret_time_ms = get_time(r);
	for (int i = 0; i < len; i++)
		ret_count[i] = bits->ones >> at & 1 ? 1 : get_count(r);
}

static void get1(struct reader *r, const struct counter_bits *bits, unsigned at, struct seg_decayed1 *ret)
{
	get_counter(r, bits, at, &ret->time_ms, &ret->count, 1);
}

static void get3(struct reader *r, const struct counter_bits *bits, unsigned at, struct seg_decayed *ret)
{
	get_counter(r, bits, at, &ret->time_ms, ret->count, SEG_HALF_LIVES);
}

static void read_identity(struct reader *r)
{
	int64_t first_ms = SEG_NO_TIME, last_ms = SEG_NO_TIME;
	unsigned flags = seg_get_u8(r->v);
	if (flags > 3)
		wrong(r, "unknown flags");
	if (flags & 1)
		last_ms = r->base = get_time(r);
	if (flags & 2)
		first_ms = get_time(r);
	size_t len = (size_t)(r->v->end - r->v->at);
	if (len == 0 || len > SEG_CUSTOMER_ID_BYTES)
		wrong(r, "a customer id that is empty or too long");
	const void *bytes = seg_view_raw(r->v, len);
	if (bad(r))
		return;
	struct seg_str id = {bytes, (uint32_t)len};
	r->p = seg_profile_new(id, seg_hash_customer(id));
	if (!r->p) {
		r->no_memory = true;
		return;
	}
	r->p->first_ms = first_ms;
	r->p->last_ms = last_ms;
}

static unsigned get_sources(struct reader *r)
{
	unsigned mask = seg_get_u8(r->v);
	if (mask >> SEG_SOURCES)
		wrong(r, "unknown sources");
	return mask;
}

static void read_applied(struct reader *r)
{
	unsigned mask = get_sources(r);
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (!(mask >> s & 1))
			continue;
		uint64_t offset = seg_get_varint(r->v);
		if (offset > INT64_MAX)
			wrong(r, "a negative offset");
		r->p->applied[s] = (int64_t)offset;
	}
}

static void read_days(struct reader *r, struct seg_orders *o)
{
	uint32_t len = get_len(r, SEG_PURCHASE_DAYS);
	if (len == 0)
		return;
	o->days = get_memory(r, len, sizeof(*o->days));
	if (!o->days)
		return;
	o->days_len = o->days_cap = len;
	uint64_t day = (uint64_t)seg_floor_div(r->base, SEG_DAY_MS) - (uint64_t)seg_get_zigzag(r->v);
	for (uint32_t i = len; i-- > 0 && !bad(r);) {
		if ((int64_t)day < INT32_MIN || (int64_t)day > INT32_MAX)
			wrong(r, "a purchase day that cannot be");
		o->days[i] = (int32_t)(int64_t)day;
		if (i == 0)
			break;
		uint64_t gap = seg_get_varint(r->v);
		if (gap > UINT32_MAX)
			wrong(r, "a purchase day that cannot be");
		day -= gap + 1;
	}
}

static uint64_t get_money(struct reader *r)
{
	uint64_t micro = seg_get_varint(r->v);
	if (micro > INT64_MAX)
		wrong(r, "a negative amount");
	return micro;
}

static void read_orders(struct reader *r)
{
	struct seg_orders *o = r->p->orders = seg_orders_new();
	if (!o) {
		r->no_memory = true;
		return;
	}
	o->purchases = seg_get_varint(r->v);
	o->refunds = seg_get_varint(r->v);
	o->purchased_micro = (int64_t)get_money(r);
	o->refunded_micro = (int64_t)get_money(r);
	unsigned flags = seg_get_u8(r->v);
	struct counter_bits bits = {flags >> 2 & 1, flags >> 3 & 1};
	if (flags >> (r->version > 2 ? 6 : 4) || bits.ones > bits.present || flags >> 4 == 3)
		wrong(r, "unknown flags");
	o->first_day_micro = o->purchased_micro;
	if (flags & 16)
		o->first_day_micro = (int64_t)get_money(r);
	else if (flags & 32)
		o->first_day_micro = SEG_UNKNOWN_MONEY;
	if (o->purchases == 0 && o->refunds == 0)
		wrong(r, "orders without an order");
	if (flags & 1)
		o->first_ms = get_time(r);
	if (flags & 2)
		o->last_ms = get_time(r);
	get1(r, &bits, 0, &o->decayed_60d);
	read_days(r, o);
	/* Earlier versions did not keep it: with one day it is all there was. */
	if (r->version < 3 && o->days_len > 1)
		o->first_day_micro = SEG_UNKNOWN_MONEY;
}

static void read_sessions(struct reader *r, struct seg_web *web)
{
	uint64_t count = seg_get_varint(r->v);
	if (count > SEG_SESSION_RUNS) {
		for (unsigned i = 0; i < SEG_SESSION_BYTES; i++)
			web->session_bits[i / 8] |= (uint64_t)seg_get_u8(r->v) << i % 8 * 8;
		return;
	}
	uint64_t at = 0;
	for (; count > 0 && !bad(r); count--) {
		uint64_t gap = seg_get_varint(r->v), len = seg_get_varint(r->v);
		if (gap >= SEG_SESSION_BUCKETS || len >= SEG_SESSION_BUCKETS || at + gap + len >= SEG_SESSION_BUCKETS) {
			wrong(r, "sessions beyond 30 days");
			return;
		}
		at += gap;
		for (uint64_t i = 0; i <= len; i++, at++)
			web->session_bits[at / 64] |= UINT64_C(1) << at % 64;
	}
}

static void read_web(struct reader *r)
{
	enum { COUNTERS = SEG_WEB_KINDS - 1 + SEG_DEVICES + SEG_DAY_PARTS };
	struct counter_bits bits;
	unsigned at = 0;
	struct seg_web *web = r->p->web = seg_web_new();
	if (!web) {
		r->no_memory = true;
		return;
	}
	get_counter_bits(r, &bits, COUNTERS, COUNTERS);
	web->last_ms = get_time(r);
	for (int i = 1; i < SEG_WEB_KINDS; i++)
		get3(r, &bits, at++, &web->kinds[i]);
	for (int i = 0; i < SEG_DEVICES; i++)
		get1(r, &bits, at++, &web->devices[i]);
	for (int i = 0; i < SEG_DAY_PARTS; i++)
		get1(r, &bits, at++, &web->day_parts[i]);
	int64_t latest = seg_session_bucket(SEG_TIME_MAX), earliest = seg_session_bucket(SEG_TIME_MIN);
	web->session_anchor = seg_get_time(r->v, bad(r) ? 0 : seg_session_bucket(web->last_ms));
	if (web->session_anchor < earliest || web->session_anchor > latest)
		wrong(r, "sessions at a time that cannot be");
	read_sessions(r, web);
}

static void read_email(struct reader *r)
{
	enum { KINDS = SEG_EMAIL_KINDS - 1, COUNTERS = KINDS + 2, LAST_HUMAN = COUNTERS, LAST_CLICK, BITS };
	struct counter_bits bits;
	unsigned at = 0;
	struct seg_email *m = r->p->email = seg_email_new();
	if (!m) {
		r->no_memory = true;
		return;
	}
	get_counter_bits(r, &bits, BITS, COUNTERS);
	m->machine_opens = seg_get_varint(r->v);
	if (bits.present == 0 && m->machine_opens == 0)
		wrong(r, "e-mail without a message");
	if (bits.present >> LAST_HUMAN & 1)
		m->last_human_ms = get_time(r);
	if (bits.present >> LAST_CLICK & 1)
		m->last_click_ms = get_time(r);
	for (int i = 1; i < SEG_EMAIL_KINDS; i++)
		get3(r, &bits, at++, &m->kinds[i]);
	get1(r, &bits, at++, &m->latency_weight);
	get1(r, &bits, at++, &m->latency_sum);
}

/* On the way out the type is set only when what belongs to it is there, so that the profile can be freed any time. */
static void get_value(struct reader *r, unsigned type, struct seg_value *ret)
{
	switch (type) {
	case SEG_VALUE_NULL:
		break;
	case SEG_VALUE_BOOL: {
		unsigned b = seg_get_u8(r->v);
		if (b > 1)
			wrong(r, "a truth value that is neither");
		ret->b = b != 0;
		break;
	}
	case SEG_VALUE_LONG:
		ret->i = seg_get_zigzag(r->v);
		break;
	case SEG_VALUE_DOUBLE:
		ret->d = seg_get_f64(r->v);
		break;
	case SEG_VALUE_STRING:
		ret->s = get_str(r, SEG_VALUE_BYTES);
		break;
	default:
		wrong(r, "an attribute of unknown type");
		return;
	}
	ret->type = (enum seg_value_type)type;
}

static struct seg_attributes *attributes_of(struct reader *r)
{
	if (!r->p->attributes)
		r->p->attributes = get_memory(r, 1, sizeof(*r->p->attributes));
	return r->p->attributes;
}

/* Names must ascend: readers search them, and the same content must have one form. */
static void check_order(struct reader *r, struct seg_str name, struct seg_str *before, uint64_t *before_hash)
{
	if (bad(r))
		return;
	uint64_t hash = seg_hash64(name.ptr, name.len);
	if (before->ptr && seg_name_compare(*before_hash, *before, hash, name) >= 0)
		wrong(r, "names out of order");
	*before = name;
	*before_hash = hash;
}

/* When and of which event the attribute is; returns the type of the value that follows. */
static unsigned get_origin(struct reader *r, struct seg_attribute *ret, const struct seg_attribute *before)
{
	unsigned type = r->version > 1 ? seg_get_u8(r->v) : 0;
	bool again = type & SEG_ATTRIBUTE_AGAIN;

	if (again && !before)
		wrong(r, "a first attribute that is of the event of the one before");
	if (again && before) {
		ret->time_ms = before->time_ms;
		ret->id_hash = before->id_hash;
	} else {
		ret->time_ms = get_time(r);
		ret->id_hash = seg_get_u64(r->v);
	}
	if (!again && r->version > 1 && before && before->time_ms == ret->time_ms && before->id_hash == ret->id_hash)
		wrong(r, "an attribute that is not in its shortest form");
	return r->version > 1 ? type & ~(unsigned)SEG_ATTRIBUTE_AGAIN : seg_get_u8(r->v);
}

static void read_attributes(struct reader *r)
{
	struct seg_attributes *a = attributes_of(r);
	struct seg_str before = {NULL, 0};
	uint64_t before_hash = 0;
	uint32_t len = get_len(r, SEG_ATTRIBUTES_MAX);
	if (!a || !(a->items = get_memory(r, len, sizeof(*a->items))))
		return;
	while (a->len < len && !bad(r)) {
		struct seg_attribute *item = &a->items[a->len++];
		item->name = get_str(r, SEG_NAME_BYTES);
		check_order(r, item->name, &before, &before_hash);
		get_value(r, get_origin(r, item, a->len > 1 ? item - 1 : NULL), &item->value);
	}
}

static void read_consents(struct reader *r)
{
	struct seg_attributes *a = attributes_of(r);
	struct seg_str before = {NULL, 0};
	uint64_t before_hash = 0;
	uint32_t len = get_len(r, SEG_CONSENTS_MAX);
	if (!a || !(a->consents = get_memory(r, len, sizeof(*a->consents))))
		return;
	while (a->consents_len < len && !bad(r)) {
		struct seg_consent *consent = &a->consents[a->consents_len++];
		consent->purpose = get_str(r, SEG_NAME_BYTES);
		check_order(r, consent->purpose, &before, &before_hash);
		consent->time_ms = get_time(r);
		unsigned granted = seg_get_u8(r->v);
		if (granted > 1)
			wrong(r, "a truth value that is neither");
		consent->granted = granted != 0;
	}
}

static void read_window(struct reader *r, struct seg_window *w)
{
	uint32_t len = get_len(r, SEG_WINDOW_MAX);
	if (len == 0 || !(w->items = get_memory(r, len, sizeof(*w->items))))
		return;
	w->len = w->cap = len;
	for (uint32_t i = len; i-- > 0 && !bad(r);) {
		struct seg_seen *item = &w->items[i];
		if (i + 1 == len) {
			item->time_ms = get_time(r);
			item->hash = seg_get_u64(r->v);
			continue;
		}
		uint64_t back = seg_get_varint(r->v);
		item->hash = seg_get_u64(r->v);
		if (back > (uint64_t)item[1].time_ms - (uint64_t)SEG_TIME_MIN ||
		    (back == 0 && item->hash >= item[1].hash))
			wrong(r, "a window out of order");
		item->time_ms = (int64_t)((uint64_t)item[1].time_ms - back);
	}
}

static void read_windows(struct reader *r)
{
	unsigned mask = get_sources(r);
	for (int s = 0; s < SEG_SOURCES && !bad(r); s++)
		if (mask >> s & 1)
			read_window(r, &r->p->seen[s]);
}

static void read_contribution(struct reader *r)
{
	struct seg_contribution *c = &r->p->contribution;
	c->basis = seg_get_varint(r->v);
	c->cluster = seg_get_varint(r->v);
	c->promotion = seg_get_varint(r->v);
	c->evaluated_at_ms = seg_get_time(r->v, r->base);
	if (c->basis == 0)
		wrong(r, "a contribution without a basis");
	uint32_t len = get_len(r, SEG_CONTRIBUTION_MAX);
	if (len == 0 || !(c->values = get_memory(r, len, sizeof(*c->values))))
		return;
	c->len = len;
	for (uint32_t i = 0; i < len && !bad(r); i++) {
		uint64_t x = seg_get_varint(r->v);
		if (x > UINT32_MAX)
			wrong(r, "a value that is too large");
		uint32_t zigzag = (uint32_t)(x - 1);
		c->values[i] = x == 0 ? SEG_MISSING : (int32_t)(zigzag >> 1 ^ -(zigzag & 1));
	}
}

static void read_section(struct reader *r, enum seg_profile_tag tag)
{
	/* Identity is always there and comes first: all else needs the profile and the base of its times. */
	if ((tag == SEG_TAG_IDENTITY) != !r->p) {
		wrong(r, "comes before the identity");
		return;
	}
	switch (tag) {
	case SEG_TAG_IDENTITY:
		read_identity(r);
		return;
	case SEG_TAG_APPLIED:
		read_applied(r);
		return;
	case SEG_TAG_ORDERS:
		read_orders(r);
		return;
	case SEG_TAG_WEB:
		read_web(r);
		return;
	case SEG_TAG_EMAIL:
		read_email(r);
		return;
	case SEG_TAG_ATTRIBUTES:
		read_attributes(r);
		return;
	case SEG_TAG_CONSENTS:
		read_consents(r);
		return;
	case SEG_TAG_WINDOWS:
		read_windows(r);
		return;
	case SEG_TAG_DECISION: {
		const char *why = seg_decision_read(r->v, &r->p->decision, r->base, r->version > 2);
		if (why)
			wrong(r, why);
		return;
	}
	case SEG_TAG_CONTRIBUTION:
		read_contribution(r);
		return;
	}
}

enum seg_rc seg_profile_decode(const void *data, size_t len, struct seg_profile **ret, struct seg_error *err)
{
	struct seg_record record = {.what = NULL};
	if (len > SEG_PROFILE_BYTES_MAX)
		return seg_error_set(err, SEG_CORRUPT, "profile record of %zu bytes: none has more than %d", len,
				     SEG_PROFILE_BYTES_MAX);
	enum seg_rc rc = seg_record_open(&record, data, len, "profile", SEG_PROFILE_VERSION, err);
	if (rc)
		return rc;
	struct reader r = {.v = &record.body, .version = record.version};
	while (!(rc = seg_record_next(&record, SEG_TAG_LAST, err))) {
		/* Tag 0 cannot be: sections ascend from above 0. */
		read_section(&r, (enum seg_profile_tag)record.tag);
		if (r.no_memory)
			rc = seg_error_set(err, SEG_NO_MEMORY, "no memory for a profile");
		else
			rc = seg_record_section_end(&record, r.wrong, err);
		if (rc)
			break;
	}
	if (rc == SEG_NOT_FOUND)
		rc = r.p ? SEG_OK : seg_error_set(err, SEG_CORRUPT, "profile record is empty");
	if (rc) {
		seg_profile_free(r.p);
		return rc;
	}
	*ret = r.p;
	return SEG_OK;
}
