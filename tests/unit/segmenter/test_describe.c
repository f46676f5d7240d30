#include "tests/support/test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/describe.h"

static const char *describe(const struct seg_trait *traits, uint32_t len)
{
	static char text[SEG_DESCRIPTION_MAX];
	seg_traits_describe(traits, len, text, sizeof(text));
	return text;
}

static void test_describe_tells_own_units_and_comparisons(void **state)
{
	const struct seg_trait traits[] = {
		{"recency_days", 201.4, 1.3},	 {"frequency", 1.4, -0.6},  {"monetary", 1234, 0.1},
		{"avg_order_value", 9.94, -1.5}, {"open_rate", 0.125, 0.7}, {"attr:age", 41, 0},
	};
	(void)state;
	assert_string_equal(
		describe(traits, 6),
		"Customers who typically last bought 201 days (7 months) ago (much longer ago than most), bought "
		"once or twice (less often than most), spent 1200 in all, spent 9.9 a purchase (much less than "
		"most), have open rate of 12 % (more than most), have age of 41.");
}

static void test_describe_takes_the_strongest_and_leaves_out_what_is_unknown(void **state)
{
	struct seg_trait traits[8];
	(void)state;
	for (uint32_t i = 0; i < 8; i++)
		traits[i] = (struct seg_trait){"frequency", i + 1, i == 2 || i == 5 ? 0 : 0.4};
	assert_string_equal(describe(traits, 8),
			    "Customers who typically bought once, bought twice, bought 4 times, bought "
			    "5 times, bought 7 times, bought 8 times.");
	for (uint32_t i = 0; i < 8; i++)
		traits[i].value = i == 3 ? 12 : (double)NAN;
	assert_string_equal(describe(traits, 8), "Customers who typically bought 12 times.");
	assert_string_equal(describe(traits, 0), "Customers of whom nothing is known.");
}

static void test_describe_knows_who_hardly_bought(void **state)
{
	struct seg_trait traits[] = {{"recency_days", 55, 0},
				     {"frequency", 0.1, -3},
				     {"monetary", -12.4, -2},
				     {"avg_order_value", 13, 0},
				     {"orders_60d", 0.1, 0}};
	(void)state;
	assert_string_equal(describe(traits, 5),
			    "Customers who typically bought nothing or at most once (much less often than "
			    "most), got back what they paid, or more (-12 in all) (much less than most).");
	traits[1].value = 2.2;
	assert_string_equal(
		describe(traits, 5),
		"Customers who typically last bought 55 days ago, bought twice (much less often than most), got "
		"back what they paid, or more (-12 in all) (much less than most), spent 13 a purchase, have 0.1 "
		"purchases lately.");
}

static void test_describe_is_cut_at_a_phrase(void **state)
{
	const struct seg_trait traits[] = {{"frequency", 3, 0}, {"monetary", 5, 0}, {"avg_order_value", 1e300, 0}};
	char whole[SEG_DESCRIPTION_MAX];
	(void)state;
	seg_traits_describe(traits, 2, whole, sizeof(whole));
	for (size_t size = 1; size <= strlen(whole) + 1; size++) {
		char *text = malloc(size);
		seg_traits_describe(traits, 2, text, size);
		assert_true(strlen(text) < size);
		if (size > 64)
			assert_true(text[strlen(text) - 1] == '.');
		free(text);
	}
	/* Absurd values end the sentence before them. */
	assert_true(strlen(describe(traits, 3)) < SEG_DESCRIPTION_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_describe_tells_own_units_and_comparisons),
		cmocka_unit_test(test_describe_takes_the_strongest_and_leaves_out_what_is_unknown),
		cmocka_unit_test(test_describe_knows_who_hardly_bought),
		cmocka_unit_test(test_describe_is_cut_at_a_phrase),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
