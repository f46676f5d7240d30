/* Two parts of a customer's history put together, and aggregates compared. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "state/aggregate.h"
#include "state/sections.h"
#include "state/window.h"

bool seg_days_merge(struct seg_orders *into, const struct seg_orders *from)
{
	for (uint32_t i = 0; i < from->days_len; i++) {
		if (!seg_days_reserve(into))
			return false;
		seg_days_insert(into, from->days[i]);
	}
	return true;
}

static bool merge_orders(struct seg_profile *into, const struct seg_orders *from)
{
	if (!from)
		return true;
	if (!into->orders && !(into->orders = seg_orders_new()))
		return false;
	struct seg_orders *to = into->orders;
	seg_add_count(&to->purchases, from->purchases);
	seg_add_count(&to->refunds, from->refunds);
	seg_add_money(&to->purchased_micro, from->purchased_micro);
	seg_add_money(&to->refunded_micro, from->refunded_micro);
	if (from->first_ms != SEG_NO_TIME)
		seg_first_day_add(to, from->first_ms, from->first_day_micro);
	to->first_ms = seg_time_min(to->first_ms, from->first_ms);
	to->last_ms = seg_time_max(to->last_ms, from->last_ms);
	seg_decayed1_merge(&to->decayed_60d, SEG_ORDERS_HALF_LIFE_MS, &from->decayed_60d);
	return seg_days_merge(to, from);
}

static void merge_sessions(struct seg_web *to, const struct seg_web *from)
{
	uint64_t bits[SEG_SESSION_WORDS];
	int64_t anchor = from->session_anchor;
	memcpy(bits, from->session_bits, sizeof(bits));
	if (to->last_ms == SEG_NO_TIME)
		to->session_anchor = anchor;
	if (anchor < to->session_anchor)
		seg_sessions_advance(bits, &anchor, to->session_anchor);
	else if (anchor > to->session_anchor)
		seg_sessions_advance(to->session_bits, &to->session_anchor, anchor);
	for (int i = 0; i < SEG_SESSION_WORDS; i++)
		to->session_bits[i] |= bits[i];
}

static bool merge_web(struct seg_profile *into, const struct seg_web *from)
{
	if (!from || from->last_ms == SEG_NO_TIME)
		return true;
	if (!into->web && !(into->web = seg_web_new()))
		return false;
	struct seg_web *to = into->web;
	merge_sessions(to, from);
	to->last_ms = seg_time_max(to->last_ms, from->last_ms);
	for (int i = 1; i < SEG_WEB_KINDS; i++)
		seg_decayed_merge(&to->kinds[i], &from->kinds[i]);
	for (int i = 0; i < SEG_DEVICES; i++)
		seg_decayed1_merge(&to->devices[i], SEG_HABIT_HALF_LIFE_MS, &from->devices[i]);
	for (int i = 0; i < SEG_DAY_PARTS; i++)
		seg_decayed1_merge(&to->day_parts[i], SEG_HABIT_HALF_LIFE_MS, &from->day_parts[i]);
	return true;
}

static bool merge_email(struct seg_profile *into, const struct seg_email *from)
{
	if (!from)
		return true;
	if (!into->email && !(into->email = seg_email_new()))
		return false;
	struct seg_email *to = into->email;
	to->last_human_ms = seg_time_max(to->last_human_ms, from->last_human_ms);
	to->last_click_ms = seg_time_max(to->last_click_ms, from->last_click_ms);
	for (int i = 1; i < SEG_EMAIL_KINDS; i++)
		seg_decayed_merge(&to->kinds[i], &from->kinds[i]);
	seg_decayed1_merge(&to->latency_weight, SEG_HABIT_HALF_LIFE_MS, &from->latency_weight);
	seg_decayed1_merge(&to->latency_sum, SEG_HABIT_HALF_LIFE_MS, &from->latency_sum);
	seg_add_count(&to->machine_opens, from->machine_opens);
	return true;
}

static bool merge_all(struct seg_profile *to, const struct seg_profile *from, const struct seg_aggregate_config *cfg)
{
	const struct seg_attributes *a = from->attributes;
	if (a && !seg_attributes_take(&to->attributes, a->items, a->len, a->consents, a->consents_len))
		return false;
	for (int s = 0; s < SEG_SOURCES; s++)
		if (!seg_window_merge(&to->seen[s], &from->seen[s], seg_window_limit(cfg, (enum seg_source)s)))
			return false;
	return merge_orders(to, from->orders) && merge_web(to, from->web) && merge_email(to, from->email);
}

/* Makes b's aggregates a's and the other way round. */
static void swap_aggregates(struct seg_profile *a, struct seg_profile *b)
{
	struct seg_profile old = *a;
	a->orders = b->orders;
	a->web = b->web;
	a->email = b->email;
	a->attributes = b->attributes;
	memcpy(a->seen, b->seen, sizeof(a->seen));
	b->orders = old.orders;
	b->web = old.web;
	b->email = old.email;
	b->attributes = old.attributes;
	memcpy(b->seen, old.seen, sizeof(b->seen));
}

enum seg_rc seg_aggregate_merge(struct seg_profile *into, const struct seg_profile *from,
				const struct seg_aggregate_config *cfg, struct seg_error *err)
{
	/* A merge is rare: it is made in a copy, so that a failure half-way is nobody's problem. */
	struct seg_profile *copy = seg_profile_clone(into);
	if (!copy || !merge_all(copy, from, cfg)) {
		seg_profile_free(copy);
		return seg_error_set(err, SEG_NO_MEMORY, "no memory to merge two profiles");
	}
	swap_aggregates(into, copy);
	seg_profile_free(copy);
	into->first_ms = seg_time_min(into->first_ms, from->first_ms);
	into->last_ms = seg_time_max(into->last_ms, from->last_ms);
	for (int s = 0; s < SEG_SOURCES; s++)
		if (into->applied[s] < from->applied[s])
			into->applied[s] = from->applied[s];
	return SEG_OK;
}

static bool near(double a, double b, double rel_eps)
{
	double larger = fmax(fabs(a), fabs(b));
	return fabs(a - b) <= rel_eps * fmax(larger, 1);
}

static bool decayed_near(const struct seg_decayed *a, const struct seg_decayed *b, double rel_eps)
{
	if (a->time_ms != b->time_ms)
		return false;
	for (int i = 0; a->time_ms != SEG_NO_TIME && i < SEG_HALF_LIVES; i++)
		if (!near(a->count[i], b->count[i], rel_eps))
			return false;
	return true;
}

static bool decayed1_near(const struct seg_decayed1 *a, const struct seg_decayed1 *b, double rel_eps)
{
	return a->time_ms == b->time_ms && (a->time_ms == SEG_NO_TIME || near(a->count, b->count, rel_eps));
}

static bool orders_equal(const struct seg_orders *a, const struct seg_orders *b, double rel_eps)
{
	static const struct seg_orders none = {
		.first_ms = SEG_NO_TIME, .last_ms = SEG_NO_TIME, .decayed_60d.time_ms = SEG_NO_TIME};
	a = a ? a : &none;
	b = b ? b : &none;
	return a->purchases == b->purchases && a->refunds == b->refunds && a->purchased_micro == b->purchased_micro &&
	       a->refunded_micro == b->refunded_micro && a->first_day_micro == b->first_day_micro &&
	       a->first_ms == b->first_ms && a->last_ms == b->last_ms &&
	       decayed1_near(&a->decayed_60d, &b->decayed_60d, rel_eps) && a->days_len == b->days_len &&
	       (a->days_len == 0 || memcmp(a->days, b->days, a->days_len * sizeof(*a->days)) == 0);
}

static bool web_equal(const struct seg_web *a, const struct seg_web *b, double rel_eps)
{
	bool none_a = !a || a->last_ms == SEG_NO_TIME, none_b = !b || b->last_ms == SEG_NO_TIME;
	if (none_a || none_b)
		return none_a && none_b;
	if (a->last_ms != b->last_ms || a->session_anchor != b->session_anchor ||
	    memcmp(a->session_bits, b->session_bits, sizeof(a->session_bits)) != 0)
		return false;
	for (int i = 1; i < SEG_WEB_KINDS; i++)
		if (!decayed_near(&a->kinds[i], &b->kinds[i], rel_eps))
			return false;
	for (int i = 0; i < SEG_DEVICES; i++)
		if (!decayed1_near(&a->devices[i], &b->devices[i], rel_eps))
			return false;
	for (int i = 0; i < SEG_DAY_PARTS; i++)
		if (!decayed1_near(&a->day_parts[i], &b->day_parts[i], rel_eps))
			return false;
	return true;
}

/* Has no event gone in? Every one leaves a count. */
static bool email_empty(const struct seg_email *m)
{
	for (int i = 1; m && i < SEG_EMAIL_KINDS; i++)
		if (m->kinds[i].time_ms != SEG_NO_TIME)
			return false;
	return !m || m->machine_opens == 0;
}

static bool email_equal(const struct seg_email *a, const struct seg_email *b, double rel_eps)
{
	if (email_empty(a) || email_empty(b))
		return email_empty(a) && email_empty(b);
	for (int i = 1; i < SEG_EMAIL_KINDS; i++)
		if (!decayed_near(&a->kinds[i], &b->kinds[i], rel_eps))
			return false;
	return a->last_human_ms == b->last_human_ms && a->last_click_ms == b->last_click_ms &&
	       a->machine_opens == b->machine_opens && decayed1_near(&a->latency_weight, &b->latency_weight, rel_eps) &&
	       decayed1_near(&a->latency_sum, &b->latency_sum, rel_eps);
}

static bool value_equal(const struct seg_value *a, const struct seg_value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case SEG_VALUE_NULL:
		return true;
	case SEG_VALUE_BOOL:
		return a->b == b->b;
	case SEG_VALUE_LONG:
		return a->i == b->i;
	case SEG_VALUE_DOUBLE:
		return a->i == b->i; /* the bits: also a NaN is itself */
	case SEG_VALUE_STRING:
		return seg_str_eq(a->s, b->s);
	}
	return false;
}

static bool attributes_equal(const struct seg_attributes *a, const struct seg_attributes *b)
{
	static const struct seg_attributes none;
	a = a ? a : &none;
	b = b ? b : &none;
	if (a->len != b->len || a->consents_len != b->consents_len)
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		const struct seg_attribute *x = &a->items[i], *y = &b->items[i];
		if (!seg_str_eq(x->name, y->name) || x->time_ms != y->time_ms || x->id_hash != y->id_hash ||
		    !value_equal(&x->value, &y->value))
			return false;
	}
	for (uint32_t i = 0; i < a->consents_len; i++) {
		const struct seg_consent *x = &a->consents[i], *y = &b->consents[i];
		if (!seg_str_eq(x->purpose, y->purpose) || x->time_ms != y->time_ms || x->granted != y->granted)
			return false;
	}
	return true;
}

static bool window_equal(const struct seg_window *a, const struct seg_window *b)
{
	return a->len == b->len && (a->len == 0 || memcmp(a->items, b->items, a->len * sizeof(*a->items)) == 0);
}

bool seg_aggregate_equal(const struct seg_profile *a, const struct seg_profile *b, double rel_eps)
{
	for (int s = 0; s < SEG_SOURCES; s++)
		if (!window_equal(&a->seen[s], &b->seen[s]))
			return false;
	return a->first_ms == b->first_ms && a->last_ms == b->last_ms && orders_equal(a->orders, b->orders, rel_eps) &&
	       web_equal(a->web, b->web, rel_eps) && email_equal(a->email, b->email, rel_eps) &&
	       attributes_equal(a->attributes, b->attributes);
}
