#include "tests/support/test.h"

#include "daemon/stream_time.h"

static const bool two[SEG_SOURCES] = {[SEG_WEB] = true, [SEG_ORDERS] = true};

static struct seg_now at(int64_t mono_ms)
{
	return (struct seg_now){.wall_ms = 1000000000, .mono_ms = mono_ms};
}

static void test_move_takes_the_slowest_source(void **state)
{
	struct seg_stream_time t;
	struct seg_now now = at(0);
	(void)state;
	seg_stream_time_init(&t, two);
	assert_int_equal(seg_stream_time_move(&t, &now), 0);
	seg_stream_time_event(&t, SEG_WEB, 5000, now.wall_ms);
	assert_int_equal(seg_stream_time_move(&t, &now), 0); /* orders: not at its end, nothing seen */
	assert_true(t.now_ms == SEG_NO_TIME);
	seg_stream_time_event(&t, SEG_ORDERS, 3000, now.wall_ms);
	seg_stream_time_move(&t, &now);
	assert_int_equal(t.now_ms, 3000);
	seg_stream_time_event(&t, SEG_ORDERS, 9000, now.wall_ms);
	assert_int_equal(seg_stream_time_move(&t, &now), 2000);
	assert_int_equal(t.now_ms, 5000);
	assert_int_equal(seg_stream_time_ahead(&t, SEG_ORDERS), 4000);
	assert_int_equal(seg_stream_time_ahead(&t, SEG_WEB), 0);
}

static void test_move_never_goes_back(void **state)
{
	struct seg_stream_time t;
	struct seg_now now = at(0);
	(void)state;
	seg_stream_time_init(&t, two);
	seg_stream_time_event(&t, SEG_WEB, 5000, now.wall_ms);
	seg_stream_time_end(&t, SEG_ORDERS);
	seg_stream_time_move(&t, &now);
	assert_int_equal(t.now_ms, 5000);
	seg_stream_time_event(&t, SEG_ORDERS, 1000, now.wall_ms); /* late, and not at its end any more */
	assert_int_equal(seg_stream_time_move(&t, &now), 0);
	assert_int_equal(t.now_ms, 5000);
}

static void test_event_later_than_the_wall_clock_does_not_count(void **state)
{
	struct seg_stream_time t;
	struct seg_now now = at(0);
	(void)state;
	seg_stream_time_init(&t, two);
	seg_stream_time_end(&t, SEG_ORDERS);
	seg_stream_time_event(&t, SEG_WEB, 4000, now.wall_ms);
	seg_stream_time_event(&t, SEG_WEB, now.wall_ms + 1, now.wall_ms);
	seg_stream_time_move(&t, &now);
	assert_int_equal(t.now_ms, 4000);
}

static void test_clock_moves_it_only_when_all_sources_are_at_their_ends(void **state)
{
	struct seg_stream_time t;
	struct seg_now now = at(100);
	(void)state;
	seg_stream_time_init(&t, two);
	seg_stream_time_event(&t, SEG_WEB, 4000, now.wall_ms);
	seg_stream_time_end(&t, SEG_ORDERS);
	seg_stream_time_move(&t, &now);
	now = at(60100);
	assert_int_equal(seg_stream_time_move(&t, &now), 0); /* web is not at its end: its next event may be old */
	seg_stream_time_end(&t, SEG_WEB);
	seg_stream_time_move(&t, &now);
	assert_true(t.idle);
	assert_int_equal(t.now_ms, 4000); /* counts from here */
	now = at(61100);
	assert_int_equal(seg_stream_time_move(&t, &now), 1000);
	assert_int_equal(t.now_ms, 5000);
}

static void test_clock_never_passes_the_wall_clock(void **state)
{
	struct seg_stream_time t;
	struct seg_now now = {.wall_ms = 10000, .mono_ms = 0};
	(void)state;
	seg_stream_time_init(&t, two);
	seg_stream_time_event(&t, SEG_WEB, 9000, now.wall_ms);
	seg_stream_time_end(&t, SEG_WEB);
	seg_stream_time_end(&t, SEG_ORDERS);
	seg_stream_time_move(&t, &now);
	now.mono_ms = 3600000; /* the monotonic clock ran, the wall clock was set back */
	seg_stream_time_move(&t, &now);
	assert_int_equal(t.now_ms, 10000);
}

static void test_restore_adds_the_time_away_once_all_are_at_their_ends(void **state)
{
	struct seg_stream_time t;
	const int64_t max_ms[SEG_SOURCES] = {7000, SEG_NO_TIME, 6000, SEG_NO_TIME};
	struct seg_now now = {.wall_ms = 500000, .mono_ms = 40};
	(void)state;
	seg_stream_time_init(&t, two);
	seg_stream_time_restore(&t, 7000, max_ms, 500000 - 30000, &now);
	assert_int_equal(seg_stream_time_move(&t, &now), 0); /* there may be events to read */
	seg_stream_time_end(&t, SEG_WEB);
	seg_stream_time_end(&t, SEG_ORDERS);
	assert_int_equal(seg_stream_time_move(&t, &now), 30000);
	assert_int_equal(t.now_ms, 37000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_move_takes_the_slowest_source),
		cmocka_unit_test(test_move_never_goes_back),
		cmocka_unit_test(test_event_later_than_the_wall_clock_does_not_count),
		cmocka_unit_test(test_clock_moves_it_only_when_all_sources_are_at_their_ends),
		cmocka_unit_test(test_clock_never_passes_the_wall_clock),
		cmocka_unit_test(test_restore_adds_the_time_away_once_all_are_at_their_ends),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
