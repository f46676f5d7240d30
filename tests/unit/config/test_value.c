#include "tests/support/test.h"

#include <float.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"

static void test_parse_int_takes_whole_numbers_only(void **state)
{
	int64_t v = 7;

	(void)state;
	assert_int_equal(seg_parse_int("0", &v), SEG_PARSE_OK);
	assert_int_equal(v, 0);
	assert_int_equal(seg_parse_int("-12", &v), SEG_PARSE_OK);
	assert_int_equal(v, -12);
	assert_int_equal(seg_parse_int("+9223372036854775807", &v), SEG_PARSE_OK);
	assert_true(v == INT64_MAX);
	assert_int_equal(seg_parse_int("9223372036854775808", &v), SEG_PARSE_OVERFLOW);
	assert_int_equal(seg_parse_int("99999999999999999999999999", &v), SEG_PARSE_OVERFLOW);
	for (const char *const *bad =
		     (const char *const[]){"", " 1", "1 ", "1.0", "1e3", "0x10", "--1", "-", "1_000", NULL};
	     *bad; bad++)
		assert_int_equal(seg_parse_int(*bad, &v), SEG_PARSE_FORMAT);
	assert_true(v == INT64_MAX);
}

static void test_parse_double_takes_finite_decimals_only(void **state)
{
	double v = 0;

	(void)state;
	assert_int_equal(seg_parse_double("0.1", &v), SEG_PARSE_OK);
	assert_near(v, 0.1, 0);
	assert_int_equal(seg_parse_double("-1e-3", &v), SEG_PARSE_OK);
	assert_near(v, -0.001, 0);
	assert_int_equal(seg_parse_double("1e999", &v), SEG_PARSE_OVERFLOW);
	for (const char *const *bad =
		     (const char *const[]){"", "nan", "inf", "0x1p3", "1,5", " 1", "1 ", "e5", "1.2.3", NULL};
	     *bad; bad++)
		assert_int_equal(seg_parse_double(*bad, &v), SEG_PARSE_FORMAT);
}

static void test_parse_duration_needs_a_unit(void **state)
{
	static const struct {
		const char *text;
		int64_t ms;
	} good[] = {{"0s", 0}, {"50ms", 50}, {"10s", 10000}, {"5m", 300000}, {"2h", 7200000}, {"7d", 604800000}};
	int64_t v = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(seg_parse_duration(good[i].text, &v), SEG_PARSE_OK);
		assert_true(v == good[i].ms);
	}
	for (const char *const *bad =
		     (const char *const[]){"", "10", "d", "-1s", "1.5h", "1 s", "1w", "1S", "1sx", NULL};
	     *bad; bad++)
		assert_int_equal(seg_parse_duration(*bad, &v), SEG_PARSE_FORMAT);
	assert_int_equal(seg_parse_duration("106751991168d", &v), SEG_PARSE_OVERFLOW);
	assert_int_equal(seg_parse_duration("106751991167d", &v), SEG_PARSE_OK);
}

static void test_parse_bytes_takes_binary_units(void **state)
{
	int64_t v = 0;

	(void)state;
	assert_int_equal(seg_parse_bytes("65536", &v), SEG_PARSE_OK);
	assert_true(v == 65536);
	assert_int_equal(seg_parse_bytes("8MiB", &v), SEG_PARSE_OK);
	assert_true(v == 8 << 20);
	assert_int_equal(seg_parse_bytes("8 MiB", &v), SEG_PARSE_OK);
	assert_true(v == 8 << 20);
	for (const char *const *bad = (const char *const[]){"", "8MB", "8  MiB", "8 ", "MiB", "-1", NULL}; *bad; bad++)
		assert_int_equal(seg_parse_bytes(*bad, &v), SEG_PARSE_FORMAT);
	assert_int_equal(seg_parse_bytes("9007199254740992GiB", &v), SEG_PARSE_OVERFLOW);
}

static void test_format_gives_back_what_was_parsed(void **state)
{
	static const double doubles[] = {0,    0.1,  0.25, 1e7,	    1e9,     1.0 / 3, 12345.678,	 1e-7,
					 1e15, 1e22, -2.5, DBL_MAX, DBL_MIN, 5e-324,  9007199254740991.0};
	char text[SEG_VALUE_TEXT_MAX];
	int64_t v;
	double d;

	(void)state;
	for (int64_t x = 0, i = 0; i < 30; i++, x = x * 3 + i * 1000) {
		seg_format_duration(x, text);
		assert_int_equal(seg_parse_duration(text, &v), SEG_PARSE_OK);
		assert_true(v == x);
		seg_format_bytes(x, text);
		assert_int_equal(seg_parse_bytes(text, &v), SEG_PARSE_OK);
		assert_true(v == x);
	}
	for (size_t i = 0; i < sizeof(doubles) / sizeof(doubles[0]); i++) {
		seg_format_double(doubles[i], text);
		assert_int_equal(seg_parse_double(text, &d), SEG_PARSE_OK);
		assert_true(d == doubles[i]);
	}
	seg_format_double(1e7, text);
	assert_string_equal(text, "10000000");
	seg_format_double(0.05, text);
	assert_string_equal(text, "0.05");
	seg_format_duration(86400000, text);
	assert_string_equal(text, "1d");
}

static void test_edit_distance_counts_edits(void **state)
{
	char longer[200];

	(void)state;
	assert_int_equal(seg_edit_distance("", ""), 0);
	assert_int_equal(seg_edit_distance("workers", "Workers"), 0);
	assert_int_equal(seg_edit_distance("worker", "workers"), 1);
	assert_int_equal(seg_edit_distance("wrokers", "workers"), 1);
	assert_int_equal(seg_edit_distance("kitten", "sitting"), 3);
	assert_int_equal(seg_edit_distance("", "abc"), 3);
	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(seg_edit_distance(longer, "a"), 199);
}

static void test_nearest_keeps_the_best_and_knows_the_unlikely(void **state)
{
	struct seg_nearest n = {.name = "hysteresys"};

	(void)state;
	assert_false(seg_nearest_likely(&n));
	seg_nearest_offer(&n, "dwell");
	assert_false(seg_nearest_likely(&n));
	seg_nearest_offer(&n, "hysteresis");
	seg_nearest_offer(&n, "hysteresiz");
	assert_string_equal(n.best, "hysteresis");
	assert_true(seg_nearest_likely(&n));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse_int_takes_whole_numbers_only),
		cmocka_unit_test(test_parse_double_takes_finite_decimals_only),
		cmocka_unit_test(test_parse_duration_needs_a_unit),
		cmocka_unit_test(test_parse_bytes_takes_binary_units),
		cmocka_unit_test(test_format_gives_back_what_was_parsed),
		cmocka_unit_test(test_edit_distance_counts_edits),
		cmocka_unit_test(test_nearest_keeps_the_best_and_knows_the_unlikely),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
