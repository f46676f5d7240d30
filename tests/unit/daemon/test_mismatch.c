#include "tests/support/test.h"

#include "daemon/mismatch.h"

/* Good and wrong records, none of which may stop the source. */
static void take(struct seg_mismatch *m, int good, int wrong)
{
	for (int i = 0; i < good; i++)
		assert_false(seg_mismatch_take(m, false));
	for (int i = 0; i < wrong; i++)
		assert_false(seg_mismatch_take(m, true));
}

static void test_ten_in_a_thousand_pass_for_ever(void **state)
{
	struct seg_mismatch m = {0};
	(void)state;
	for (int i = 0; i < 100000; i++)
		assert_false(seg_mismatch_take(&m, i % 100 == 37));
	for (int block = 0; block < 50; block++)
		take(&m, 990, 10);
	assert_false(m.stopped);
	assert_int_equal(m.wrong, 10);
}

static void test_the_eleventh_stops_wherever_it_lies(void **state)
{
	(void)state;
	for (int first = 0; first < 2 * SEG_MISMATCH_WINDOW; first += 13) {
		for (int between = 0; between < 90; between += 7) {
			struct seg_mismatch m = {0};
			take(&m, first, 1);
			for (int i = 0; i < 9; i++)
				take(&m, between, 1);
			take(&m, between, 0);
			assert_true(seg_mismatch_take(&m, true));
			assert_true(m.stopped);
		}
	}
}

/* 6 at the end of one block of 1,000 and 5 at the beginning of the next. */
static void test_blocks_that_are_straddled(void **state)
{
	struct seg_mismatch m = {0};
	(void)state;
	take(&m, 994, 6);
	take(&m, 0, 4);
	assert_true(seg_mismatch_take(&m, true));
}

/* The first of eleven is the oldest of 1,000, or has just left the window. */
static void test_the_window_has_its_length(void **state)
{
	struct seg_mismatch in = {0}, out = {0};
	(void)state;
	take(&in, 500, 1);
	take(&in, 989, 9);
	assert_true(seg_mismatch_take(&in, true));
	take(&out, 500, 1);
	take(&out, 990, 9);
	assert_false(seg_mismatch_take(&out, true));
	assert_true(seg_mismatch_take(&out, true));
}

static void test_stopped_is_told_once_and_stays(void **state)
{
	struct seg_mismatch m = {0};
	(void)state;
	take(&m, 0, 10);
	assert_true(seg_mismatch_take(&m, true));
	take(&m, 0, 20);
	take(&m, 5000, 0);
	assert_true(m.stopped);
	assert_int_equal(m.wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ten_in_a_thousand_pass_for_ever),
		cmocka_unit_test(test_the_eleventh_stops_wherever_it_lies),
		cmocka_unit_test(test_blocks_that_are_straddled),
		cmocka_unit_test(test_the_window_has_its_length),
		cmocka_unit_test(test_stopped_is_told_once_and_stays),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
