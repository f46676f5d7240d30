/*
 * One event into one profile. First everything that can fail (memory), then the changes, so that an error leaves the
 * profile as it was.
 */
#include "state/aggregate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "state/sections.h"
#include "state/window.h"

#define HOUR_MS 3600000.0

bool seg_days_reserve(struct seg_orders *o)
{
	if (o->days_len < o->days_cap || o->days_len >= SEG_PURCHASE_DAYS)
		return true;
	uint32_t cap = o->days_cap < 2 ? 2 : o->days_cap * 2;
	if (cap > SEG_PURCHASE_DAYS)
		cap = SEG_PURCHASE_DAYS;
	int32_t *days = realloc(o->days, cap * sizeof(*days));
	if (!days)
		return false;
	o->days = days;
	o->days_cap = cap;
	return true;
}

void seg_days_insert(struct seg_orders *o, int32_t day)
{
	uint32_t at = o->days_len;
	while (at > 0 && o->days[at - 1] > day)
		at--;
	if (at > 0 && o->days[at - 1] == day)
		return;
	if (o->days_len < SEG_PURCHASE_DAYS) {
		memmove(o->days + at + 1, o->days + at, (o->days_len - at) * sizeof(*o->days));
		o->days[at] = day;
		o->days_len++;
	} else if (at > 0) {
		memmove(o->days, o->days + 1, (at - 1) * sizeof(*o->days));
		o->days[at - 1] = day;
	}
}

void seg_first_day_add(struct seg_orders *o, int64_t first_ms, int64_t micro)
{
	int64_t day = seg_floor_div(first_ms, SEG_DAY_MS);
	int64_t first = o->first_ms == SEG_NO_TIME ? INT64_MAX : seg_floor_div(o->first_ms, SEG_DAY_MS);
	if (day > first)
		return;
	if (day < first)
		o->first_day_micro = micro;
	else if (micro == SEG_UNKNOWN_MONEY)
		o->first_day_micro = SEG_UNKNOWN_MONEY;
	else if (o->first_day_micro != SEG_UNKNOWN_MONEY)
		seg_add_money(&o->first_day_micro, micro);
}

static void apply_order(struct seg_orders *o, const struct seg_event *e)
{
	if (e->kind == SEG_ORDER_REFUND) {
		seg_add_count(&o->refunds, 1);
		seg_add_money(&o->refunded_micro, e->amount_micro);
		return;
	}
	seg_add_count(&o->purchases, 1);
	seg_add_money(&o->purchased_micro, e->amount_micro);
	seg_first_day_add(o, e->time_ms, e->amount_micro);
	o->first_ms = seg_time_min(o->first_ms, e->time_ms);
	o->last_ms = seg_time_max(o->last_ms, e->time_ms);
	seg_decayed1_add(&o->decayed_60d, SEG_ORDERS_HALF_LIFE_MS, e->time_ms, 1);
	seg_days_insert(o, (int32_t)seg_floor_div(e->time_ms, SEG_DAY_MS));
}

void seg_sessions_advance(uint64_t bits[SEG_SESSION_WORDS], int64_t *anchor, int64_t to)
{
	uint64_t by = (uint64_t)to - (uint64_t)*anchor;
	*anchor = to;
	if (by >= SEG_SESSION_BUCKETS) {
		memset(bits, 0, SEG_SESSION_WORDS * sizeof(*bits));
		return;
	}
	unsigned words = (unsigned)(by / 64), shift = by % 64;
	for (unsigned i = SEG_SESSION_WORDS; i-- > 0;) {
		uint64_t word = i >= words ? bits[i - words] << shift : 0;
		if (shift && i > words)
			word |= bits[i - words - 1] >> (64 - shift);
		bits[i] = word;
	}
	/* Bits between the 30 days and the end of the last word would make the content depend on the order. */
	bits[SEG_SESSION_WORDS - 1] &= UINT64_MAX >> (SEG_SESSION_WORDS * 64 - SEG_SESSION_BUCKETS);
}

static void apply_session(struct seg_web *w, int64_t time_ms)
{
	int64_t bucket = seg_session_bucket(time_ms);
	if (w->last_ms == SEG_NO_TIME)
		w->session_anchor = bucket;
	if (bucket > w->session_anchor)
		seg_sessions_advance(w->session_bits, &w->session_anchor, bucket);
	uint64_t back = (uint64_t)(w->session_anchor - bucket);
	if (back < SEG_SESSION_BUCKETS)
		w->session_bits[back / 64] |= UINT64_C(1) << back % 64;
}

static enum seg_device device_of(struct seg_str s)
{
	static const struct {
		const char *name;
		uint32_t len;
		enum seg_device device;
	} names[] = {
		{"desktop", 7, SEG_DEVICE_DESKTOP},
		{"mobile", 6, SEG_DEVICE_MOBILE},
		{"tablet", 6, SEG_DEVICE_TABLET},
		{"app", 3, SEG_DEVICE_APP},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (s.len == names[i].len && strncasecmp(s.ptr, names[i].name, s.len) == 0)
			return names[i].device;
	return SEG_DEVICE_OTHER;
}

static void apply_web(struct seg_web *w, const struct seg_event *e)
{
	apply_session(w, e->time_ms);
	w->last_ms = seg_time_max(w->last_ms, e->time_ms);
	seg_decayed_add(&w->kinds[e->kind], e->time_ms, 1);
	if (e->device.ptr && e->device.len > 0)
		seg_decayed1_add(&w->devices[device_of(e->device)], SEG_HABIT_HALF_LIFE_MS, e->time_ms, 1);
	int64_t in_day = e->time_ms - seg_floor_div(e->time_ms, SEG_DAY_MS) * SEG_DAY_MS;
	seg_decayed1_add(&w->day_parts[in_day / (SEG_DAY_MS / SEG_DAY_PARTS)], SEG_HABIT_HALF_LIFE_MS, e->time_ms, 1);
}

static void apply_email(struct seg_email *m, const struct seg_event *e)
{
	if (e->kind == SEG_EMAIL_OPEN && e->machine_open) {
		seg_add_count(&m->machine_opens, 1);
		return;
	}
	seg_decayed_add(&m->kinds[e->kind], e->time_ms, 1);
	if (e->kind == SEG_EMAIL_CLICK)
		m->last_click_ms = seg_time_max(m->last_click_ms, e->time_ms);
	if (e->kind == SEG_EMAIL_CLICK || e->kind == SEG_EMAIL_OPEN)
		m->last_human_ms = seg_time_max(m->last_human_ms, e->time_ms);
	if (e->kind == SEG_EMAIL_OPEN && e->sent_time_ms != SEG_NO_TIME) {
		/* Clocks of sender and tracker differ: an open before its send took no time. */
		double hours = ((double)e->time_ms - (double)e->sent_time_ms) / HOUR_MS;
		seg_decayed1_add(&m->latency_weight, SEG_HABIT_HALF_LIFE_MS, e->time_ms, 1);
		seg_decayed1_add(&m->latency_sum, SEG_HABIT_HALF_LIFE_MS, e->time_ms, log1p(hours > 0 ? hours : 0));
	}
}

static enum seg_rc check_event(const struct seg_event *e, struct seg_error *err)
{
	static const uint8_t kinds[SEG_SOURCES] = {
		[SEG_WEB] = SEG_WEB_KINDS,
		[SEG_EMAIL] = SEG_EMAIL_KINDS,
		[SEG_ORDERS] = SEG_ORDER_KINDS,
		[SEG_PROFILES] = SEG_UPDATE_KINDS,
	};
	if (e->kind == 0 || e->kind >= kinds[e->source])
		return seg_error_set(err, SEG_SKIP, "%s event of unknown kind %u", seg_source_names[e->source],
				     e->kind);
	if (e->time_ms < SEG_TIME_MIN || e->time_ms > SEG_TIME_MAX)
		return seg_error_set(err, SEG_SKIP, "event time %lld ms is outside the years 1 to 9999",
				     (long long)e->time_ms);
	if (e->source == SEG_ORDERS && e->amount_micro < 0)
		return seg_error_set(err, SEG_SKIP, "negative amount of an order (%lld micro-units)",
				     (long long)e->amount_micro);
	if (e->source == SEG_PROFILES &&
	    (e->attributes_len > SEG_EVENT_ATTRIBUTES || e->consents_len > SEG_EVENT_CONSENTS))
		return seg_error_set(err, SEG_SKIP, "more than %d attributes or %d consents in one event",
				     SEG_EVENT_ATTRIBUTES, SEG_EVENT_CONSENTS);
	return SEG_OK;
}

/* The day list of a new section is got before the section is hung into the profile. */
static struct seg_orders *orders_ready(struct seg_profile *p)
{
	struct seg_orders *o = p->orders ? p->orders : seg_orders_new();
	if (!o)
		return NULL;
	if (!seg_days_reserve(o)) {
		if (!p->orders)
			free(o);
		return NULL;
	}
	return p->orders = o;
}

/* False: no memory, p is unchanged. */
static bool apply_to_section(struct seg_profile *p, const struct seg_event *e)
{
	switch (e->source) {
	case SEG_WEB:
		if (!p->web && !(p->web = seg_web_new()))
			return false;
		apply_web(p->web, e);
		return true;
	case SEG_EMAIL:
		if (!p->email && !(p->email = seg_email_new()))
			return false;
		apply_email(p->email, e);
		return true;
	case SEG_ORDERS:
		if (!orders_ready(p))
			return false;
		apply_order(p->orders, e);
		return true;
	case SEG_PROFILES:
		return seg_attributes_apply(&p->attributes, e);
	case SEG_SOURCES:
		break;
	}
	return false;
}

enum seg_rc seg_aggregate_apply(struct seg_profile *p, const struct seg_event *e, int64_t offset,
				const struct seg_aggregate_config *cfg, enum seg_applied *ret, struct seg_error *err)
{
	if ((unsigned)e->source >= SEG_SOURCES)
		return seg_error_set(err, SEG_SKIP, "event of unknown source %u", (unsigned)e->source);
	if (offset <= p->applied[e->source]) {
		*ret = SEG_APPLIED_SEEN;
		return SEG_OK;
	}
	enum seg_rc rc = check_event(e, err);
	if (rc)
		return rc;
	if (e->source == SEG_PROFILES && (e->kind == SEG_UPDATE_IDENTIFY || e->kind == SEG_UPDATE_ERASE)) {
		*ret = SEG_APPLIED_IGNORED;
		return SEG_OK;
	}
	struct seg_window *window = &p->seen[SEG_MUTANT(ONE_WINDOW) ? 0 : e->source];
	if (seg_window_has(window, e->id_hash)) {
		*ret = SEG_APPLIED_DUPLICATE;
		return SEG_OK;
	}
	uint32_t limit = seg_window_limit(cfg, e->source);
	if (!seg_window_reserve(window, limit) || !apply_to_section(p, e))
		return seg_error_set(err, SEG_NO_MEMORY, "no memory to apply an event");
	seg_window_insert(window, limit, (struct seg_seen){e->time_ms, e->id_hash});
	p->first_ms = seg_time_min(p->first_ms, e->time_ms);
	p->last_ms = seg_time_max(p->last_ms, e->time_ms);
	p->applied[e->source] = offset;
	*ret = SEG_APPLIED;
	return SEG_OK;
}

void seg_aggregate_clear(struct seg_profile *p)
{
	seg_profile_clear_aggregates(p);
}
