/* The catalogue's table, the rule of what is missing, presets, attributes and the printed document. */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "segmenter/catalogue.h"
#include "segmenter/catalogue_doc.h"

#define NOW_MS (INT64_C(15000) * SEG_DAY_MS + 12345)

static double value(const char *name, const struct seg_profile *p, int64_t now_ms)
{
	int i = seg_catalogue_find(name);

	if (i < 0)
		fail_msg("no feature %s", name);
	return seg_catalogue_value((size_t)i, p, now_ms, NULL);
}

static struct seg_profile *empty_profile(void)
{
	struct seg_profile *p = seg_profile_new(seg_str_from("c1"), 7);

	assert_non_null(p);
	return p;
}

static struct seg_orders *with_orders(struct seg_profile *p)
{
	p->orders = calloc(1, sizeof(*p->orders));
	assert_non_null(p->orders);
	p->orders->first_ms = p->orders->last_ms = p->orders->decayed_60d.time_ms = SEG_NO_TIME;
	return p->orders;
}

static void test_table_is_sound(void **state)
{
	(void)state;
	assert_true(seg_catalogue_len() > 60 && seg_catalogue_len() <= SEG_MAX_FEATURES);
	for (size_t i = 0; i < seg_catalogue_len(); i++) {
		const struct seg_feature_def *d = seg_catalogue_at(i);
		assert_int_equal(seg_catalogue_find(d->name), (int)i);
		assert_true(strlen(d->name) < SEG_FEATURE_NAME_MAX);
		assert_true(d->lo < d->hi);
		assert_true(d->unit[0] && d->help[0] && d->more[0] && d->less[0]);
		assert_int_equal(d->help[strlen(d->help) - 1], '.');
		assert_string_not_equal(d->more, d->less);
		assert_int_equal(d->clock, strstr(d->name, "recency") != NULL || strcmp(d->name, "tenure_days") == 0 ||
						   strcmp(d->name, "r_score") == 0);
	}
}

static void test_find_knows_no_other_name(void **state)
{
	(void)state;
	assert_int_equal(seg_catalogue_find("recency"), -1);
	assert_int_equal(seg_catalogue_find(""), -1);
}

static void test_nearest_repairs_typos(void **state)
{
	char lengthy[500];

	(void)state;
	assert_string_equal(seg_catalogue_nearest("recencydays"), "recency_days");
	assert_string_equal(seg_catalogue_nearest("page_view_30d"), "page_views_30d");
	assert_string_equal(seg_catalogue_nearest("frequencies"), "frequency");
	memset(lengthy, 'x', sizeof(lengthy) - 1);
	lengthy[sizeof(lengthy) - 1] = 0;
	assert_non_null(seg_catalogue_nearest(lengthy));
}

static void test_value_of_an_empty_profile(void **state)
{
	static const char *const missing[] = {"recency_days",	    "tenure_days",	  "avg_order_value",
					      "interpurchase_days", "web_recency_days",	  "session_minutes",
					      "email_recency_days", "click_recency_days", "open_latency_hours"};
	static const char *const zero[] = {"frequency",	     "monetary",       "orders_60d",	  "purchase_days",
					   "page_views_1d",  "logins_30d",     "sessions_30d",	  "engagement_trend",
					   "emails_sent_7d", "complaints_30d", "email_engagement"};
	struct seg_profile *p = empty_profile();

	(void)state;
	for (size_t i = 0; i < sizeof(missing) / sizeof(missing[0]); i++)
		assert_true(isnan(value(missing[i], p, NOW_MS)));
	for (size_t i = 0; i < sizeof(zero) / sizeof(zero[0]); i++)
		assert_near(value(zero[i], p, NOW_MS), 0, 0);
	assert_near(value("open_rate", p, NOW_MS), 0.2, 1e-15);
	assert_near(value("click_rate", p, NOW_MS), 0.02, 1e-15);
	assert_near(value("click_to_open_rate", p, NOW_MS), 0.1, 1e-15);
	assert_near(value("cart_abandonment_rate", p, NOW_MS), 0.7, 1e-15);
	for (size_t i = 0; i < seg_catalogue_len(); i++)
		assert_false(isinf(seg_catalogue_value(i, p, NOW_MS, NULL)));
	seg_profile_free(p);
}

static void test_value_with_a_refund_alone(void **state)
{
	struct seg_profile *p = empty_profile();
	struct seg_orders *o = with_orders(p);

	(void)state;
	o->refunds = 1;
	o->refunded_micro = 12500000;
	assert_true(isnan(value("recency_days", p, NOW_MS)));
	assert_true(isnan(value("tenure_days", p, NOW_MS)));
	assert_true(isnan(value("avg_order_value", p, NOW_MS)));
	assert_near(value("frequency", p, NOW_MS), 0, 0);
	assert_near(value("monetary", p, NOW_MS), -12.5, 0);
	seg_profile_free(p);
}

static void test_value_with_a_free_purchase(void **state)
{
	struct seg_profile *p = empty_profile();
	struct seg_orders *o = with_orders(p);

	(void)state;
	o->purchases = 1;
	o->first_ms = o->last_ms = NOW_MS - SEG_DAY_MS * 3 / 2;
	o->days = calloc(1, sizeof(*o->days));
	o->days_len = o->days_cap = 1;
	assert_near(value("recency_days", p, NOW_MS), 1.5, 0);
	assert_near(value("tenure_days", p, NOW_MS), 1.5, 0);
	assert_near(value("avg_order_value", p, NOW_MS), 0, 0);
	assert_near(value("frequency", p, NOW_MS), 1, 0);
	assert_true(isnan(value("interpurchase_days", p, NOW_MS)));
	/* An event from the future is no negative recency. */
	assert_near(value("recency_days", p, NOW_MS - 9 * SEG_DAY_MS), 0, 0);
	seg_profile_free(p);
}

static void test_value_is_finite_at_any_time(void **state)
{
	static const int64_t times[] = {INT64_MIN + 1, -62135596800000, 0, NOW_MS, 253402300799999, INT64_MAX};
	struct seg_profile *p = empty_profile();
	struct seg_orders *o = with_orders(p);

	(void)state;
	p->web = calloc(1, sizeof(*p->web));
	p->email = calloc(1, sizeof(*p->email));
	assert_true(p->web && p->email);
	o->purchases = 2;
	o->first_ms = o->last_ms = o->decayed_60d.time_ms = NOW_MS;
	o->decayed_60d.count = 2;
	p->web->last_ms = NOW_MS;
	p->web->session_anchor = NOW_MS / 1800000;
	p->web->session_bits[0] = 1;
	for (size_t t = 0; t < sizeof(times) / sizeof(times[0]); t++)
		for (size_t i = 0; i < seg_catalogue_len(); i++)
			assert_false(isinf(seg_catalogue_value(i, p, times[t], NULL)));
	seg_profile_free(p);
}

static void test_sessions_are_runs(void **state)
{
	struct seg_profile *p = empty_profile();
	int64_t bucket = 1800000, anchor = NOW_MS / bucket;

	(void)state;
	p->web = calloc(1, sizeof(*p->web));
	assert_non_null(p->web);
	p->web->last_ms = NOW_MS;
	p->web->session_anchor = anchor;
	/* Runs: 0..1, 63..64 (over two words), 1438..1439 (the window's end); 1440 lies beyond it. */
	p->web->session_bits[0] = 3 | UINT64_C(1) << 63;
	p->web->session_bits[1] = 1;
	p->web->session_bits[22] = UINT64_C(7) << (1438 - 22 * 64);
	assert_near(value("sessions_30d", p, NOW_MS), 3, 0);
	assert_near(value("session_minutes", p, NOW_MS), 60, 0);
	/* One bucket later the window cuts the oldest session in two, two later it is gone. */
	assert_near(value("sessions_30d", p, (anchor + 1) * bucket), 3, 0);
	assert_near(value("session_minutes", p, (anchor + 1) * bucket), 50, 0);
	assert_near(value("sessions_30d", p, (anchor + 2) * bucket), 2, 0);
	assert_near(value("sessions_30d", p, (anchor + 1439) * bucket), 1, 0);
	assert_near(value("sessions_30d", p, (anchor + 1440) * bucket), 0, 0);
	assert_true(isnan(value("session_minutes", p, (anchor + 1440) * bucket)));
	/* Buckets that are still to come count as if they were now. */
	assert_near(value("sessions_30d", p, (anchor - 100) * bucket), 3, 0);
	seg_profile_free(p);
}

static void test_attribute_value_takes_numbers(void **state)
{
	struct seg_attribute items[] = {
		{.name = seg_str_from("age"), .value = {.type = SEG_VALUE_LONG, .i = 41}},
		{.name = seg_str_from("score"), .value = {.type = SEG_VALUE_DOUBLE, .d = -1.5}},
		{.name = seg_str_from("vip"), .value = {.type = SEG_VALUE_BOOL, .b = true}},
		{.name = seg_str_from("city"), .value = {.type = SEG_VALUE_STRING, .s = seg_str_from("12")}},
		{.name = seg_str_from("gone"), .value = {.type = SEG_VALUE_NULL}},
		{.name = seg_str_from("huge"), .value = {.type = SEG_VALUE_DOUBLE, .d = INFINITY}},
	};
	struct seg_attributes attributes = {.len = 6, .items = items};
	struct seg_profile p = {.attributes = &attributes}, none = {0};

	(void)state;
	assert_near(seg_attribute_value(&p, seg_str_from("age")), 41, 0);
	assert_near(seg_attribute_value(&p, seg_str_from("score")), -1.5, 0);
	assert_near(seg_attribute_value(&p, seg_str_from("vip")), 1, 0);
	assert_true(isnan(seg_attribute_value(&p, seg_str_from("city"))));
	assert_true(isnan(seg_attribute_value(&p, seg_str_from("gone"))));
	assert_true(isnan(seg_attribute_value(&p, seg_str_from("huge"))));
	assert_true(isnan(seg_attribute_value(&p, seg_str_from("ag"))));
	assert_true(isnan(seg_attribute_value(&none, seg_str_from("age"))));
}

static void test_preset_lists_are_the_contract(void **state)
{
	static const char *const full[] = {"recency_days",	 "frequency",
					   "monetary",		 "avg_order_value",
					   "tenure_days",	 "orders_60d",
					   "page_views_30d",	 "product_views_30d",
					   "searches_30d",	 "carts_30d",
					   "checkouts_30d",	 "web_purchases_30d",
					   "web_recency_days",	 "sessions_30d",
					   "session_minutes",	 "cart_abandonment_rate",
					   "engagement_trend",	 "emails_delivered_30d",
					   "open_rate",		 "click_rate",
					   "click_to_open_rate", "email_recency_days",
					   "open_latency_hours", "email_engagement"};
	struct seg_feature_config f[SEG_MAX_FEATURES];

	(void)state;
	assert_int_equal(seg_preset("rfm", f, SEG_MAX_FEATURES), 6);
	assert_int_equal(seg_preset("behaviour", f, SEG_MAX_FEATURES), 11);
	assert_string_equal(f[0].name, "page_views_30d");
	assert_int_equal(seg_preset("email", f, SEG_MAX_FEATURES), 7);
	assert_int_equal(seg_preset("Full", f, SEG_MAX_FEATURES), 0);
	assert_int_equal(seg_preset("full", f, 3), 3);
	assert_int_equal(seg_preset("full", f, SEG_MAX_FEATURES), 24);
	for (size_t i = 0; i < 24; i++) {
		bool linear = strstr(f[i].name, "rate") || strcmp(f[i].name, "engagement_trend") == 0 ||
			      strcmp(f[i].name, "email_engagement") == 0;
		assert_string_equal(f[i].name, full[i]);
		assert_int_equal(f[i].transform, linear ? SEG_LINEAR : SEG_LOG1P);
		assert_int_equal(f[i].scaler, SEG_SCALER_Z);
		assert_int_equal(f[i].impute, SEG_IMPUTE_MEAN);
		assert_near(f[i].weight, 1, 0);
	}
}

static void check_document(bool markdown)
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	assert_non_null(out);
	seg_catalogue_print(out, markdown);
	assert_int_equal(fclose(out), 0);
	for (size_t i = 0; i < seg_catalogue_len(); i++) {
		assert_non_null(strstr(text, seg_catalogue_at(i)->name));
		assert_non_null(strstr(text, seg_catalogue_at(i)->help));
	}
	assert_non_null(strstr(text, markdown ? "- `rfm`: recency_days, frequency" : "  rfm: recency_days, frequency"));
	assert_non_null(strstr(text, "open_rate (linear)"));
	free(text);
}

static void test_print_has_every_feature_and_preset(void **state)
{
	(void)state;
	check_document(false);
	check_document(true);
}

static void test_one_hot_attributes(void **state)
{
	struct seg_attribute items[] = {
		{.name = seg_str_from("plan"), .value = {.type = SEG_VALUE_STRING, .s = seg_str_from("pro")}},
		{.name = seg_str_from("vip"), .value = {.type = SEG_VALUE_BOOL, .b = true}},
		{.name = seg_str_from("seats"), .value = {.type = SEG_VALUE_LONG, .i = 5}},
		{.name = seg_str_from("gone"), .value = {.type = SEG_VALUE_NULL}},
		{.name = seg_str_from("x"), .value = {.type = SEG_VALUE_STRING, .s = seg_str_from("a=b")}},
	};
	struct seg_attributes attributes = {.len = 5, .items = items};
	struct seg_profile p = {.attributes = &attributes}, none = {0};

	(void)state;
	assert_true(seg_attribute_feature(&p, "plan=pro") == 1 && seg_attribute_feature(&p, "plan=pr") == 0);
	assert_true(seg_attribute_feature(&p, "vip=true") == 1 && seg_attribute_feature(&p, "vip=false") == 0);
	assert_true(seg_attribute_feature(&p, "seats=5.0") == 1 && seg_attribute_feature(&p, "seats=five") == 0);
	assert_true(seg_attribute_feature(&p, "x=a=b") == 1);
	assert_true(isnan(seg_attribute_feature(&p, "gone=1")) && isnan(seg_attribute_feature(&p, "color=red")));
	assert_true(isnan(seg_attribute_feature(&none, "plan=pro")));
	assert_true(seg_attribute_feature(&p, "seats") == 5 && isnan(seg_attribute_feature(&p, "plan")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table_is_sound),
		cmocka_unit_test(test_find_knows_no_other_name),
		cmocka_unit_test(test_nearest_repairs_typos),
		cmocka_unit_test(test_value_of_an_empty_profile),
		cmocka_unit_test(test_value_with_a_refund_alone),
		cmocka_unit_test(test_value_with_a_free_purchase),
		cmocka_unit_test(test_value_is_finite_at_any_time),
		cmocka_unit_test(test_sessions_are_runs),
		cmocka_unit_test(test_attribute_value_takes_numbers),
		cmocka_unit_test(test_preset_lists_are_the_contract),
		cmocka_unit_test(test_print_has_every_feature_and_preset),
		cmocka_unit_test(test_one_hot_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
