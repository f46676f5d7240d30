#include "tests/unit/state/aggregate_events.h"

#include <stdlib.h>
#include <string.h>

#define HOUR INT64_C(3600000)

static void test_apply_orders(void **state)
{
	struct seg_profile *p = new_profile();
	(void)state;
	apply(p, order_at(SEG_ORDER_PURCHASE, T0 + SEG_DAY_MS, 5000000));
	apply(p, order_at(SEG_ORDER_PURCHASE, T0, 0));
	apply(p, order_at(SEG_ORDER_PURCHASE, T0 + 1, 7));
	apply(p, order_at(SEG_ORDER_REFUND, T0 + 9 * SEG_DAY_MS, 2000000));
	const struct seg_orders *o = p->orders;
	assert_int_equal(o->purchases, 3);
	assert_int_equal(o->refunds, 1);
	assert_int_equal(o->purchased_micro, 5000007);
	assert_int_equal(o->refunded_micro, 2000000);
	assert_int_equal(o->first_ms, T0);
	assert_int_equal(o->first_day_micro, 7);
	assert_int_equal(o->last_ms, T0 + SEG_DAY_MS);
	assert_int_equal(o->days_len, 2);
	assert_int_equal(o->days[0], T0 / SEG_DAY_MS);
	assert_int_equal(o->days[1], T0 / SEG_DAY_MS + 1);
	assert_near(seg_decayed1_at(&o->decayed_60d, SEG_ORDERS_HALF_LIFE_MS, T0 + 61 * SEG_DAY_MS),
		    0.5 + exp2(-61. / 60) + exp2(-(61 * 86400000. - 1) / (60 * 86400000.)), 1e-12);
	assert_int_equal(p->first_ms, T0);
	assert_int_equal(p->last_ms, T0 + 9 * SEG_DAY_MS);
	seg_profile_free(p);
}

static void test_apply_refund_alone_leaves_times_missing(void **state)
{
	struct seg_profile *p = new_profile();
	(void)state;
	apply(p, order_at(SEG_ORDER_REFUND, T0, 1));
	assert_int_equal(p->orders->first_ms, SEG_NO_TIME);
	assert_int_equal(p->orders->last_ms, SEG_NO_TIME);
	assert_int_equal(p->orders->days_len, 0);
	assert_near(seg_decayed1_at(&p->orders->decayed_60d, SEG_ORDERS_HALF_LIFE_MS, T0), 0, 0);
	seg_profile_free(p);
}

static void test_apply_money_stays_at_its_greatest(void **state)
{
	struct seg_profile *p = new_profile();
	(void)state;
	apply(p, order_at(SEG_ORDER_PURCHASE, T0, INT64_MAX - 1));
	apply(p, order_at(SEG_ORDER_PURCHASE, T0 + 1, 5));
	assert_int_equal(p->orders->purchased_micro, INT64_MAX);
	seg_profile_free(p);
}

static void test_apply_days_before_1970_and_newest_1024(void **state)
{
	struct seg_profile *p = new_profile();
	(void)state;
	apply(p, order_at(SEG_ORDER_PURCHASE, -1, 1));
	assert_int_equal(p->orders->days[0], -1);
	for (int i = SEG_PURCHASE_DAYS; i > 0; i--)
		apply(p, order_at(SEG_ORDER_PURCHASE, i * SEG_DAY_MS, 1));
	assert_int_equal(p->orders->days_len, SEG_PURCHASE_DAYS);
	assert_int_equal(p->orders->days[0], 1);
	apply(p, order_at(SEG_ORDER_PURCHASE, 2000 * SEG_DAY_MS, 1));
	assert_int_equal(p->orders->days_len, SEG_PURCHASE_DAYS);
	assert_int_equal(p->orders->days[0], 2);
	assert_int_equal(p->orders->days[SEG_PURCHASE_DAYS - 1], 2000);
	apply(p, order_at(SEG_ORDER_PURCHASE, 0, 1));
	assert_int_equal(p->orders->days[0], 2);
	assert_int_equal(p->orders->purchases, SEG_PURCHASE_DAYS + 3);
	seg_profile_free(p);
}

static void test_apply_web_counts_decay_by_each_half_life(void **state)
{
	struct seg_profile *p = new_profile();
	(void)state;
	apply(p, event_at(SEG_WEB, SEG_WEB_CART_ADD, T0));
	apply(p, event_at(SEG_WEB, SEG_WEB_CART_ADD, T0 + 7 * SEG_DAY_MS));
	apply(p, event_at(SEG_WEB, SEG_WEB_PURCHASE, T0 + 3));
	const struct seg_decayed *carts = &p->web->kinds[SEG_WEB_CART_ADD];
	int64_t now = T0 + 7 * SEG_DAY_MS;
	assert_near(seg_decayed_at(carts, 0, now), 1 + exp2(-7), 1e-14);
	assert_near(seg_decayed_at(carts, 1, now), 1.5, 1e-14);
	assert_near(seg_decayed_at(carts, 2, now), 1 + exp2(-7. / 30), 1e-14);
	assert_near(seg_decayed_at(carts, 1, now + 7 * SEG_DAY_MS), 0.75, 1e-14);
	assert_near(seg_decayed_at(&p->web->kinds[SEG_WEB_SEARCH], 1, now), 0, 0);
	assert_int_equal(p->web->last_ms, now);
	assert_null(p->orders);
	seg_profile_free(p);
}

static void test_apply_web_devices_and_day_parts(void **state)
{
	struct seg_profile *p = new_profile();
	const char *devices[] = {"desktop", "Mobile", "tablet", "APP", "television", ""};
	(void)state;
	for (int i = 0; i < 6; i++) {
		struct seg_event *e = event_at(SEG_WEB, SEG_WEB_LOGIN, 100 * SEG_DAY_MS + i % 4 * 6 * HOUR);
		e->device = seg_str_from(devices[i]);
		apply(p, e);
	}
	for (int i = 0; i < SEG_DEVICES; i++)
		assert_near(p->web->devices[i].count, 1, 0);
	assert_near(p->web->day_parts[0].count, 2, 0);
	assert_near(p->web->day_parts[1].count, 2, 0);
	assert_near(p->web->day_parts[2].count, 1, 0);
	assert_near(p->web->day_parts[3].count, 1, 0);
	apply(p, event_at(SEG_WEB, SEG_WEB_LOGIN, -1));
	assert_near(seg_decayed1_at(&p->web->day_parts[3], SEG_HABIT_HALF_LIFE_MS, 100 * SEG_DAY_MS + 18 * HOUR),
		    1 + exp2(-(100 + .75 + 1. / 86400000) / 30), 1e-12);
	seg_profile_free(p);
}

static unsigned bits_set(const struct seg_web *w)
{
	unsigned n = 0;
	for (int i = 0; i < SEG_SESSION_WORDS; i++)
		n += (unsigned)__builtin_popcountll(w->session_bits[i]);
	return n;
}

static bool bit(const struct seg_web *w, unsigned i)
{
	return w->session_bits[i / 64] >> i % 64 & 1;
}

static void test_apply_sessions(void **state)
{
	struct seg_profile *p = new_profile();
	const int64_t b = HOUR / 2, last = 10000 * b;
	(void)state;
	apply(p, event_at(SEG_WEB, SEG_WEB_LOGIN, last - 63 * b));
	apply(p, event_at(SEG_WEB, SEG_WEB_LOGIN, last + b - 1));
	apply(p, event_at(SEG_WEB, SEG_WEB_LOGIN, last - 1));
	apply(p, event_at(SEG_WEB, SEG_WEB_LOGIN, last - 1439 * b));
	apply(p, event_at(SEG_WEB, SEG_WEB_LOGIN, last - 1439 * b - 1));
	const struct seg_web *w = p->web;
	assert_int_equal(w->session_anchor, 10000);
	assert_int_equal(bits_set(w), 4);
	assert_true(bit(w, 0) && bit(w, 1) && bit(w, 63) && bit(w, 1439));
	/* One bucket on: the oldest falls out, although the last word has room. */
	apply(p, event_at(SEG_WEB, SEG_WEB_LOGIN, last + b));
	assert_int_equal(bits_set(w), 4);
	assert_true(bit(w, 0) && bit(w, 1) && bit(w, 2) && bit(w, 64));
	apply(p, event_at(SEG_WEB, SEG_WEB_LOGIN, last + 5000 * b));
	assert_int_equal(bits_set(w), 1);
	seg_profile_free(p);
}

static void test_apply_email(void **state)
{
	struct seg_profile *p = new_profile();
	struct seg_event *e;
	(void)state;
	apply(p, event_at(SEG_EMAIL, SEG_EMAIL_DELIVERED, T0));
	e = event_at(SEG_EMAIL, SEG_EMAIL_OPEN, T0 + 9 * HOUR);
	e->machine_open = true;
	e->sent_time_ms = T0;
	apply(p, e);
	assert_int_equal(p->email->machine_opens, 1);
	assert_int_equal(p->email->last_human_ms, SEG_NO_TIME);
	assert_near(seg_decayed_at(&p->email->kinds[SEG_EMAIL_OPEN], 2, T0), 0, 0);
	assert_int_equal(p->email->latency_weight.time_ms, SEG_NO_TIME);
	e = event_at(SEG_EMAIL, SEG_EMAIL_OPEN, T0 + 3 * HOUR);
	e->sent_time_ms = T0;
	apply(p, e);
	e = event_at(SEG_EMAIL, SEG_EMAIL_OPEN, T0 + 3 * HOUR);
	e->sent_time_ms = T0 + 4 * HOUR; /* clocks differ */
	apply(p, e);
	apply(p, event_at(SEG_EMAIL, SEG_EMAIL_OPEN, T0 + 3 * HOUR));
	assert_near(p->email->latency_weight.count, 2, 0);
	assert_near(p->email->latency_sum.count, log1p(3), 1e-15);
	assert_near(p->email->kinds[SEG_EMAIL_OPEN].count[0], 3, 0);
	assert_int_equal(p->email->last_human_ms, T0 + 3 * HOUR);
	assert_int_equal(p->email->last_click_ms, SEG_NO_TIME);
	apply(p, event_at(SEG_EMAIL, SEG_EMAIL_CLICK, T0 + 4 * HOUR));
	assert_int_equal(p->email->last_human_ms, T0 + 4 * HOUR);
	assert_int_equal(p->email->last_click_ms, T0 + 4 * HOUR);
	assert_int_equal(p->last_ms, T0 + 9 * HOUR);
	seg_profile_free(p);
}

static void test_apply_repeat_is_told_by_its_id_whatever_its_time(void **state)
{
	struct seg_profile *p = new_profile();
	struct seg_event *e;
	(void)state;
	e = event_at(SEG_WEB, SEG_WEB_LOGIN, T0);
	e->id_hash = 42;
	apply(p, e);
	e->time_ms = T0 + 5;
	assert_int_equal(apply_with(p, e, NULL), SEG_APPLIED_DUPLICATE);
	assert_int_equal(p->applied[SEG_WEB], 0);
	assert_near(p->web->kinds[SEG_WEB_LOGIN].count[0], 1, 0);
	assert_int_equal(p->last_ms, T0);
	/* Each source has its own window. */
	e = order_at(SEG_ORDER_PURCHASE, T0, 1);
	e->id_hash = 42;
	apply(p, e);
	seg_profile_free(p);
}

static void test_apply_window_keeps_the_largest(void **state)
{
	struct seg_profile *p = new_profile();
	const struct seg_aggregate_config cfg = {.window = {2, 0, 0, 0}};
	static const int64_t times[] = {5, 3, 4, 5, 1};
	(void)state;
	for (uint64_t i = 0; i < 5; i++) {
		struct seg_event *e = event_at(SEG_WEB, SEG_WEB_LOGIN, T0 + times[i]);
		e->id_hash = 100 + i;
		assert_int_equal(apply_with(p, e, &cfg), SEG_APPLIED);
	}
	const struct seg_window *w = &p->seen[SEG_WEB];
	assert_int_equal(w->len, 2);
	assert_int_equal(w->items[0].hash, 100);
	assert_int_equal(w->items[1].hash, 103);
	/* A repeat of what is older than all of a full window counts again. */
	struct seg_event *e = event_at(SEG_WEB, SEG_WEB_LOGIN, T0 + 4);
	e->id_hash = 102;
	assert_int_equal(apply_with(p, e, &cfg), SEG_APPLIED);
	for (int i = 0; i < 100; i++)
		apply(p, event_at(SEG_WEB, SEG_WEB_LOGIN, T0 + 10 + i));
	assert_int_equal(w->len, SEG_WINDOW_DEFAULT);
	/* A smaller window from now on. */
	assert_int_equal(apply_with(p, event_at(SEG_WEB, SEG_WEB_LOGIN, T0 + 200), &cfg), SEG_APPLIED);
	assert_int_equal(w->len, 2);
	assert_int_equal(w->items[0].time_ms, T0 + 109);
	seg_profile_free(p);
}

static void test_apply_seen_and_ignored_change_nothing(void **state)
{
	struct seg_profile *p = new_profile(), *before;
	enum seg_applied applied;
	(void)state;
	apply(p, event_at(SEG_PROFILES, SEG_UPDATE_UPDATE, T0));
	before = seg_profile_clone(p);
	assert_non_null(before);
	assert_int_equal(apply_with(p, event_at(SEG_PROFILES, SEG_UPDATE_ERASE, T0 + 1), NULL), SEG_APPLIED_IGNORED);
	assert_int_equal(apply_with(p, event_at(SEG_PROFILES, SEG_UPDATE_IDENTIFY, T0 + 1), NULL), SEG_APPLIED_IGNORED);
	assert_ok(seg_aggregate_apply(p, event_at(SEG_PROFILES, SEG_UPDATE_UPDATE, T0 + 1), 0, NULL, &applied, NULL));
	assert_int_equal(applied, SEG_APPLIED_SEEN);
	assert_true(seg_aggregate_equal(p, before, 0));
	assert_memory_equal(p->applied, before->applied, sizeof(p->applied));
	seg_profile_free(before);
	seg_profile_free(p);
}

static void test_apply_impossible_events_are_skipped(void **state)
{
	struct seg_profile *p = new_profile(), *none = new_profile();
	enum seg_applied applied;
	struct seg_error err;
	const struct {
		enum seg_source source;
		unsigned kind;
		int64_t time_ms, amount_micro;
	} bad[] = {
		{SEG_WEB, SEG_WEB_OTHER, T0, 0},
		{SEG_WEB, SEG_WEB_KINDS, T0, 0},
		{SEG_EMAIL, SEG_EMAIL_KINDS, T0, 0},
		{SEG_PROFILES, SEG_UPDATE_OTHER, T0, 0},
		{SEG_ORDERS, SEG_ORDER_KINDS, T0, 0},
		{SEG_ORDERS, SEG_ORDER_PURCHASE, T0, -1},
		{SEG_ORDERS, SEG_ORDER_REFUND, SEG_TIME_MAX + 1, 0},
		{SEG_ORDERS, SEG_ORDER_REFUND, SEG_TIME_MIN - 1, 0},
		{SEG_WEB, SEG_WEB_LOGIN, SEG_NO_TIME, 0},
		{SEG_SOURCES, 1, T0, 0},
	};
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct seg_event *e = event_at(bad[i].source, bad[i].kind, bad[i].time_ms);
		e->amount_micro = bad[i].amount_micro;
		assert_int_equal(seg_aggregate_apply(p, e, 5, NULL, &applied, &err), SEG_SKIP);
		assert_int_equal(err.rc, SEG_SKIP);
		assert_true(seg_aggregate_equal(p, none, 0));
		assert_memory_equal(p->applied, none->applied, sizeof(p->applied));
	}
	apply(p, order_at(SEG_ORDER_PURCHASE, SEG_TIME_MIN, 1));
	apply(p, order_at(SEG_ORDER_PURCHASE, SEG_TIME_MAX, 1));
	seg_profile_free(p);
	seg_profile_free(none);
}

static void test_clear_keeps_what_is_no_aggregate(void **state)
{
	struct seg_profile *p = new_profile(), *none = new_profile();
	(void)state;
	apply(p, order_at(SEG_ORDER_PURCHASE, T0, 1));
	apply(p, event_at(SEG_WEB, SEG_WEB_LOGIN, T0));
	p->decision.alive = true;
	p->decision.cluster = 3;
	p->contribution.basis = 4;
	seg_aggregate_clear(p);
	assert_true(seg_aggregate_equal(p, none, 0));
	assert_int_equal(p->applied[SEG_WEB], 0);
	assert_int_equal(p->applied[SEG_ORDERS], 0);
	assert_int_equal(p->decision.cluster, 3);
	assert_int_equal(p->contribution.basis, 4);
	assert_int_equal(p->hash, 7);
	assert_true(seg_str_is(p->id, "c1"));
	seg_profile_free(p);
	seg_profile_free(none);
}

/* Something of everything. */
static struct seg_profile *full_profile(void)
{
	struct seg_profile *p = new_profile();
	apply(p, order_at(SEG_ORDER_PURCHASE, T0, 1));
	apply(p, event_at(SEG_WEB, SEG_WEB_LOGIN, T0));
	apply(p, event_at(SEG_EMAIL, SEG_EMAIL_CLICK, T0));
	struct seg_event *e = event_at(SEG_PROFILES, SEG_UPDATE_UPDATE, T0);
	e->attributes_len = e->consents_len = 1;
	e->attributes[0] = (struct seg_event_attribute){{"a", 1}, {.type = SEG_VALUE_LONG, .i = 1}};
	e->consents[0] = (struct seg_event_consent){{"p", 1}, true};
	apply(p, e);
	return p;
}

/* Compares and frees both. */
static void check_differs(struct seg_profile *p, struct seg_profile *q, const char *change)
{
	if (seg_aggregate_equal(p, q, 1e-9))
		fail_msg("not seen: %s", change);
	seg_profile_free(p);
	seg_profile_free(q);
}

/* The change is made to q. */
#define DIFFERS(change)                                                                                                \
	do {                                                                                                           \
		struct seg_profile *p = full_profile(), *q = seg_profile_clone(p);                                     \
		assert_true(q &&seg_aggregate_equal(p, q, 0));                                                         \
		change;                                                                                                \
		check_differs(p, q, #change);                                                                          \
	} while (0)

static void test_equal_sees_orders(void **state)
{
	(void)state;
	DIFFERS(q->orders->purchases++);
	DIFFERS(q->orders->refunds++);
	DIFFERS(q->orders->purchased_micro++);
	DIFFERS(q->orders->refunded_micro++);
	DIFFERS(q->orders->first_day_micro++);
	DIFFERS(q->orders->decayed_60d.count += 1e-8);
	DIFFERS(q->orders->days[0]++);
}

static void test_equal_sees_web(void **state)
{
	(void)state;
	DIFFERS(q->web->session_bits[22] |= 1);
	DIFFERS(q->web->session_anchor++);
	DIFFERS(q->web->kinds[SEG_WEB_LOGIN].count[2] += 1e-8);
	DIFFERS(q->web->kinds[SEG_WEB_SEARCH] = q->web->kinds[SEG_WEB_LOGIN]);
	DIFFERS(q->web->day_parts[3].count += 1e-8);
	DIFFERS(q->web->devices[1] = q->web->day_parts[3]);
}

static void test_equal_sees_email(void **state)
{
	(void)state;
	DIFFERS(q->email->last_click_ms++);
	DIFFERS(q->email->last_human_ms++);
	DIFFERS(q->email->machine_opens++);
	DIFFERS(q->email->kinds[SEG_EMAIL_CLICK].time_ms++);
	DIFFERS(q->email->latency_sum = q->web->day_parts[3]);
}

static void test_equal_sees_attributes_windows_and_times(void **state)
{
	(void)state;
	DIFFERS(q->first_ms--);
	DIFFERS(q->last_ms++);
	DIFFERS(q->attributes->items[0].value.i++);
	DIFFERS(q->attributes->items[0].time_ms++);
	DIFFERS(q->attributes->items[0].id_hash++);
	DIFFERS(q->attributes->consents[0].granted = false);
	DIFFERS(q->attributes->consents_len = 0; free((char *)q->attributes->consents[0].purpose.ptr));
	DIFFERS(q->seen[SEG_EMAIL].items[0].hash++);
	DIFFERS(seg_aggregate_clear(q));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_apply_orders),
		cmocka_unit_test(test_apply_refund_alone_leaves_times_missing),
		cmocka_unit_test(test_apply_money_stays_at_its_greatest),
		cmocka_unit_test(test_apply_days_before_1970_and_newest_1024),
		cmocka_unit_test(test_apply_web_counts_decay_by_each_half_life),
		cmocka_unit_test(test_apply_web_devices_and_day_parts),
		cmocka_unit_test(test_apply_sessions),
		cmocka_unit_test(test_apply_email),
		cmocka_unit_test(test_apply_repeat_is_told_by_its_id_whatever_its_time),
		cmocka_unit_test(test_apply_window_keeps_the_largest),
		cmocka_unit_test(test_apply_seen_and_ignored_change_nothing),
		cmocka_unit_test(test_apply_impossible_events_are_skipped),
		cmocka_unit_test(test_clear_keeps_what_is_no_aggregate),
		cmocka_unit_test(test_equal_sees_orders),
		cmocka_unit_test(test_equal_sees_web),
		cmocka_unit_test(test_equal_sees_email),
		cmocka_unit_test(test_equal_sees_attributes_windows_and_times),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
