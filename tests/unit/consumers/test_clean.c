/* Each rule of cleaning, and that nothing else is refused. */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "consumers/clean.h"

#define NOW INT64_C(1700000000000)

static const struct seg_rate rates[] = {{"GBP", 1.17}, {"USD", 0.92}};
static const char *const placeholders[] = {"null", "Anonymous"};
static const char *const bots[] = {"Bot", "crawler", ""};

static int setup(void **state)
{
	const struct seg_cleaner_options o = {.max_future_ms = 3600000,
					      .base_currency = "EUR",
					      .rates = rates,
					      .rates_len = 2,
					      .placeholder_ids = placeholders,
					      .placeholder_ids_len = 2,
					      .bots = bots,
					      .bots_len = 3,
					      .max_amount = 1e6};

	return seg_cleaner_new(&o, (struct seg_cleaner **)state, NULL);
}

static int teardown(void **state)
{
	seg_cleaner_free(*state);
	return 0;
}

static struct seg_event order(void)
{
	struct seg_event e;

	seg_event_reset(&e, SEG_ORDERS);
	e.kind = SEG_ORDER_PURCHASE;
	e.time_ms = NOW;
	e.event_id = seg_str_from("e-1");
	e.customer_id = seg_str_from("c-1");
	e.order_id = seg_str_from("o-1");
	e.has_amount = true;
	e.amount = 10.1;
	return e;
}

static enum seg_refusal check(void **state, struct seg_event *e)
{
	const struct seg_origin origin = {.timestamp_ms = NOW};
	char text[256] = "";
	enum seg_refusal r = seg_clean(*state, &origin, e, text, sizeof(text));

	assert_true((r == SEG_REFUSED_NOT) == (text[0] == '\0'));
	return r;
}

static void test_clean_accepts_and_fills(void **state)
{
	struct seg_event e = order();

	assert_int_equal(check(state, &e), SEG_REFUSED_NOT);
	assert_int_equal(e.amount_micro, 10100000);
	assert_int_equal(e.id_hash, seg_hash64("e-1", 3));
	e.currency = seg_str_from("EUR");
	assert_int_equal(check(state, &e), SEG_REFUSED_NOT);
	assert_int_equal(e.amount_micro, 10100000);
	e.currency = seg_str_from("USD");
	e.amount = 19.99;
	assert_int_equal(check(state, &e), SEG_REFUSED_NOT);
	assert_int_equal(e.amount_micro, llround(19.99 * 0.92 * 1e6));
}

static void test_clean_wants_required_fields(void **state)
{
	struct seg_event e = order();

	e.event_id = (struct seg_str){"", 0};
	assert_int_equal(check(state, &e), SEG_REFUSED_MISSING_FIELD);
	e = order();
	e.customer_id = (struct seg_str){NULL, 0};
	assert_int_equal(check(state, &e), SEG_REFUSED_MISSING_FIELD);
	e = order();
	e.order_id = (struct seg_str){NULL, 0};
	assert_int_equal(check(state, &e), SEG_REFUSED_MISSING_FIELD);
	e = order();
	e.has_amount = false;
	assert_int_equal(check(state, &e), SEG_REFUSED_MISSING_FIELD);
	e.source = SEG_WEB; /* an amount is not required there */
	assert_int_equal(check(state, &e), SEG_REFUSED_NOT);
	e = order();
	e.time_ms = SEG_NO_TIME;
	assert_int_equal(check(state, &e), SEG_REFUSED_MISSING_FIELD);
}

static void test_clean_refuses_placeholder_ids(void **state)
{
	static const char *const bad[] = {
		"null", "NULL", "anonymous", "ANONYMOUS", "0", "0000", "00000000-0000-0000-0000-000000000000"};
	static const char *const good[] = {"nulls", "nul", "anonymous1", "00001", "a0"};
	struct seg_event e = order();

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		e.customer_id = seg_str_from(bad[i]);
		assert_int_equal(check(state, &e), SEG_REFUSED_PLACEHOLDER_ID);
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		e.customer_id = seg_str_from(good[i]);
		assert_int_equal(check(state, &e), SEG_REFUSED_NOT);
	}
}

static void test_clean_refuses_bad_ids(void **state)
{
	static char longest[SEG_ID_MAX_BYTES + 2];
	struct seg_event e = order();

	memset(longest, 'x', sizeof(longest) - 1);
	e.customer_id = (struct seg_str){longest, SEG_ID_MAX_BYTES};
	assert_int_equal(check(state, &e), SEG_REFUSED_NOT);
	e.customer_id.len++;
	assert_int_equal(check(state, &e), SEG_REFUSED_BAD_ID);
	e.customer_id = (struct seg_str){"a\0b", 3};
	assert_int_equal(check(state, &e), SEG_REFUSED_BAD_ID);
	e.customer_id = seg_str_from("a\nb");
	assert_int_equal(check(state, &e), SEG_REFUSED_BAD_ID);
}

static void test_clean_bounds_the_time(void **state)
{
	struct seg_origin origin = {.timestamp_ms = NOW};
	struct seg_event e = order();
	char text[256];

	e.time_ms = NOW + 3600000;
	assert_int_equal(check(state, &e), SEG_REFUSED_NOT);
	e.time_ms++;
	assert_int_equal(check(state, &e), SEG_REFUSED_TOO_FAR_AHEAD);
	origin.timestamp_ms = SEG_NO_TIME;
	assert_int_equal(seg_clean(*state, &origin, &e, text, sizeof(text)), SEG_REFUSED_NOT);
	e.time_ms = NOW / 1000;
	assert_int_equal(seg_clean(*state, &origin, &e, text, sizeof(text)), SEG_REFUSED_BAD_TIME);
	assert_non_null(strstr(text, "seconds"));
	e.time_ms = NOW * 1000;
	assert_int_equal(seg_clean(*state, &origin, &e, text, sizeof(text)), SEG_REFUSED_BAD_TIME);
	assert_non_null(strstr(text, "microseconds"));
	e.time_ms = INT64_MAX;
	assert_int_equal(check(state, &e), SEG_REFUSED_BAD_TIME);
	e.time_ms = -1;
	assert_int_equal(check(state, &e), SEG_REFUSED_BAD_TIME);
}

static void test_clean_refuses_absurd_amounts(void **state)
{
	const double bad[] = {-0.01, 1000000.5, 1e300, (double)INFINITY, -(double)INFINITY, (double)NAN};
	struct seg_event e = order();

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		e.amount = bad[i];
		assert_int_equal(check(state, &e), SEG_REFUSED_BAD_AMOUNT);
	}
	e.amount = 0;
	assert_int_equal(check(state, &e), SEG_REFUSED_NOT);
	e.amount = 1e6;
	assert_int_equal(check(state, &e), SEG_REFUSED_NOT);
	e.currency = seg_str_from("GBP"); /* the bound is on the base currency */
	assert_int_equal(check(state, &e), SEG_REFUSED_BAD_AMOUNT);
	e.currency = seg_str_from("XXX");
	assert_int_equal(check(state, &e), SEG_REFUSED_UNKNOWN_CURRENCY);
}

static void test_clean_refuses_unknown_kinds_and_bots(void **state)
{
	struct seg_event e = order();

	e.kind = SEG_ORDER_OTHER;
	assert_int_equal(check(state, &e), SEG_REFUSED_UNKNOWN_KIND);
	e = order();
	e.source = SEG_WEB;
	e.user_agent = seg_str_from("Mozilla/5.0 (compatible; GoogleBOT/2.1)");
	assert_int_equal(check(state, &e), SEG_REFUSED_BOT);
	e.user_agent = seg_str_from("Mozilla/5.0 (X11; Linux)");
	assert_int_equal(check(state, &e), SEG_REFUSED_NOT);
	e.user_agent = seg_str_from("bo");
	assert_int_equal(check(state, &e), SEG_REFUSED_NOT);
}

static void test_clean_checks_key_and_partition(void **state)
{
	struct seg_event e = order();
	struct seg_origin o = {.key = seg_str_from("c-1"), .check_key = true, .partitions = 8, .timestamp_ms = NOW};
	char text[256];

	o.partition = seg_partition_for_key("c-1", 3, 8);
	assert_int_equal(seg_clean(*state, &o, &e, text, sizeof(text)), SEG_REFUSED_NOT);
	o.partition = (o.partition + 1) % 8;
	assert_int_equal(seg_clean(*state, &o, &e, text, sizeof(text)), SEG_REFUSED_WRONG_PARTITION);
	assert_non_null(strstr(text, "murmur2"));
	o.key = seg_str_from("c-2");
	assert_int_equal(seg_clean(*state, &o, &e, text, sizeof(text)), SEG_REFUSED_KEY_MISMATCH);
	assert_null(strstr(text, "c-2"));
	o.key = (struct seg_str){NULL, 0};
	assert_int_equal(seg_clean(*state, &o, &e, NULL, 0), SEG_REFUSED_KEY_MISMATCH);
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_clean_accepts_and_fills),
		CASE(test_clean_wants_required_fields),
		CASE(test_clean_refuses_placeholder_ids),
		CASE(test_clean_refuses_bad_ids),
		CASE(test_clean_bounds_the_time),
		CASE(test_clean_refuses_absurd_amounts),
		CASE(test_clean_refuses_unknown_kinds_and_bots),
		CASE(test_clean_checks_key_and_partition),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
