/* Data quality: a shop with its weeks, campaigns and holidays is left alone; a tracker that breaks is told within two days. */
#include "tests/support/test.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/inflow.h"

enum { CUSTOMERS = 1500, WARM_UP = 45 };

struct shop {
	struct seg_profile *customers[CUSTOMERS];
	struct seg_inflow inflow;
	struct seg_rng rng;
	int64_t day;
	bool no_page_views;
	double amount_factor;
	unsigned raised, cleared;
	char last[SEG_INFLOW_NAME_MAX];
};

static void open_shop(struct shop *s, uint64_t seed)
{
	memset(s, 0, sizeof(*s));
	seg_rng_init(&s->rng, seed);
	seg_inflow_name(&s->inflow, "web", "mail", "orders");
	s->amount_factor = 1;
	s->day = 15000;
	for (size_t i = 0; i < CUSTOMERS; i++) {
		char id[32];
		int len = snprintf(id, sizeof(id), "c%zu", i);
		s->customers[i] = seg_profile_new((struct seg_str){id, (uint32_t)len}, i);
		assert_non_null(s->customers[i]);
		assert_non_null(s->customers[i]->web = seg_web_new());
		assert_non_null(s->customers[i]->email = seg_email_new());
	}
}

static void close_shop(struct shop *s)
{
	for (size_t i = 0; i < CUSTOMERS; i++)
		seg_profile_free(s->customers[i]);
}

/* A customer whose first order this is. */
static void first_order(struct shop *s, size_t customer, int64_t time_ms)
{
	struct seg_profile *p = s->customers[customer];
	struct seg_orders *o = p->orders;

	if (o)
		free(o->days);
	free(o);
	assert_non_null(o = p->orders = seg_orders_new());
	o->purchases = 1;
	o->purchased_micro = o->first_day_micro =
		(int64_t)(s->amount_factor * 40e6 * exp(0.8 * seg_rng_normal(&s->rng))) + 1;
	o->first_ms = o->last_ms = time_ms;
	o->days = malloc(sizeof(*o->days));
	assert_non_null(o->days);
	o->days[0] = (int32_t)(time_ms / SEG_DAY_MS);
	o->days_len = o->days_cap = 1;
}

/* busy: of all kinds. Web at .3 views a customer and day, quiet at weekends; mail on Tuesdays. */
static void live_a_day(struct shop *s, double busy)
{
	struct seg_alert alerts[SEG_INFLOW_SUBJECTS];
	bool weekend = s->day % 7 >= 5, looked;

	for (size_t i = 0; i < CUSTOMERS; i++) {
		struct seg_profile *p = s->customers[i];
		int64_t at = s->day * SEG_DAY_MS + (int64_t)seg_rng_below(&s->rng, SEG_DAY_MS);
		double u = seg_rng_unit(&s->rng), rate = busy * (weekend ? 0.5 : 1);
		if (u < 0.3 * rate && !s->no_page_views)
			seg_decayed_add(&p->web->kinds[SEG_WEB_PAGE_VIEW], at, 1);
		if (u < 0.2 * rate)
			seg_decayed_add(&p->web->kinds[SEG_WEB_PRODUCT_VIEW], at, 1);
		if (u < 0.1 * rate)
			seg_decayed_add(&p->web->kinds[SEG_WEB_CART_ADD], at, 1);
		if (s->day % 7 == 2) {
			seg_decayed_add(&p->email->kinds[SEG_EMAIL_SENT], at, 1);
			if (u < 0.4 * busy)
				seg_decayed_add(&p->email->kinds[SEG_EMAIL_OPEN], at, 1);
		}
		if (u < 0.03 * rate)
			first_order(s, i, at);
	}
	s->day++;
	size_t len = seg_inflow_tick(&s->inflow, (const struct seg_profile *const *)s->customers, CUSTOMERS,
				     s->day * SEG_DAY_MS + 3600000, 7, alerts, &looked);
	assert_true(looked);
	for (size_t i = 0; i < len; i++) {
		s->raised += alerts[i].state == SEG_ALERT_RAISED;
		s->cleared += alerts[i].state == SEG_ALERT_CLEARED;
		snprintf(s->last, sizeof(s->last), "%s", alerts[i].subject);
		assert_string_equal(alerts[i].action, alerts[i].state == SEG_ALERT_RAISED ? "check_source" : "none");
	}
}

static void test_a_year_of_trade_is_left_alone(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++) {
		struct shop s;
		open_shop(&s, seed);
		for (int day = 0; day < 365; day++) {
			/* Christmas: nearly nothing for four days; and a sale. */
			double busy = day >= 200 && day < 204 ? 0.1 : day >= 300 && day < 303 ? 3 : 1;
			live_a_day(&s, busy);
		}
		assert_int_equal(s.raised, 0);
		close_shop(&s);
	}
}

static void test_a_broken_tracker_is_told_within_two_days(void **state)
{
	struct shop s;
	int days = 0;

	(void)state;
	for (uint64_t weekday = 0; weekday < 7; weekday++) {
		open_shop(&s, 10 + weekday);
		for (uint64_t day = 0; day < WARM_UP + weekday; day++)
			live_a_day(&s, 1);
		s.no_page_views = true;
		for (days = 0; s.raised == 0 && days < 5; days++)
			live_a_day(&s, 1);
		assert_true(s.raised > 0 && days <= 2);
		assert_string_equal(s.last, "input:web/page_view");
		assert_true(seg_inflow_is_broken(&s.inflow, SEG_WEB));
		assert_false(seg_inflow_is_broken(&s.inflow, SEG_EMAIL) || seg_inflow_is_broken(&s.inflow, SEG_ORDERS));
		/* Three weeks later it is still broken, and then mended. */
		for (int day = 0; day < 21; day++)
			live_a_day(&s, 1);
		assert_true(s.raised == 1 && s.cleared == 0);
		s.no_page_views = false;
		for (int day = 0; s.cleared == 0 && day < 5; day++)
			live_a_day(&s, 1);
		assert_int_equal(s.cleared, 1);
		assert_false(seg_inflow_is_broken(&s.inflow, SEG_WEB));
		close_shop(&s);
	}
}

static void test_amounts_in_cents_are_told(void **state)
{
	struct shop s;

	(void)state;
	open_shop(&s, 20);
	for (int day = 0; day < WARM_UP; day++)
		live_a_day(&s, 1);
	s.amount_factor = 100;
	for (int day = 0; s.raised == 0 && day < 4; day++)
		live_a_day(&s, 1);
	assert_int_equal(s.raised, 1);
	assert_string_equal(s.last, "input:orders/purchase");
	assert_true(seg_inflow_is_broken(&s.inflow, SEG_ORDERS));
	close_shop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_year_of_trade_is_left_alone),
		cmocka_unit_test(test_a_broken_tracker_is_told_within_two_days),
		cmocka_unit_test(test_amounts_in_cents_are_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
