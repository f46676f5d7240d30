#include "tests/support/test.h"

#include "base/rng.h"
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
	assert_int_equal(seg_stream_time_move(&t, &now, NULL), 0);
	seg_stream_time_event(&t, SEG_WEB, 5000, now.wall_ms);
	assert_int_equal(seg_stream_time_move(&t, &now, NULL), 0); /* orders: not at its end, nothing seen */
	assert_true(t.now_ms == SEG_NO_TIME);
	seg_stream_time_event(&t, SEG_ORDERS, 3000, now.wall_ms);
	seg_stream_time_move(&t, &now, NULL);
	assert_int_equal(t.now_ms, 3000);
	seg_stream_time_event(&t, SEG_ORDERS, 9000, now.wall_ms);
	assert_int_equal(seg_stream_time_move(&t, &now, NULL), 2000);
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
	seg_stream_time_move(&t, &now, NULL);
	assert_int_equal(t.now_ms, 5000);
	seg_stream_time_event(&t, SEG_ORDERS, 1000, now.wall_ms); /* late, and not at its end any more */
	assert_int_equal(seg_stream_time_move(&t, &now, NULL), 0);
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
	seg_stream_time_move(&t, &now, NULL);
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
	seg_stream_time_move(&t, &now, NULL);
	now = at(60100);
	assert_int_equal(seg_stream_time_move(&t, &now, NULL),
			 0); /* web is not at its end: its next event may be old */
	seg_stream_time_end(&t, SEG_WEB);
	seg_stream_time_move(&t, &now, NULL);
	assert_true(t.idle);
	assert_int_equal(t.now_ms, 4000); /* counts from here */
	now = at(61100);
	assert_int_equal(seg_stream_time_move(&t, &now, NULL), 1000);
	assert_int_equal(t.now_ms, 5000);

	seg_stream_time_forget_ends(&t); /* others have read it for a minute: who knows what has come */
	now = at(121100);
	assert_int_equal(seg_stream_time_move(&t, &now, NULL), 0);
	assert_false(t.idle);
	seg_stream_time_event(&t, SEG_ORDERS, 6000, now.wall_ms);
	seg_stream_time_event(&t, SEG_WEB, 7000, now.wall_ms);
	assert_int_equal(seg_stream_time_move(&t, &now, NULL), 1000);
	assert_int_equal(t.now_ms, 6000);
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
	seg_stream_time_move(&t, &now, NULL);
	now.mono_ms = 3600000; /* the monotonic clock ran, the wall clock was set back */
	seg_stream_time_move(&t, &now, NULL);
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
	assert_int_equal(seg_stream_time_move(&t, &now, NULL), 0); /* there may be events to read */
	seg_stream_time_end(&t, SEG_WEB);
	seg_stream_time_end(&t, SEG_ORDERS);
	assert_int_equal(seg_stream_time_move(&t, &now, NULL), 30000);
	assert_int_equal(t.now_ms, 37000);
}

enum { HOUR = 3600 * 1000, WEEK = 7 * 24 * HOUR };

/* Idle, both topics at their ends, stream time `now_ms`. */
static struct seg_stream_time idle_at(int64_t now_ms, const struct seg_now *now)
{
	struct seg_stream_time t;
	seg_stream_time_init(&t, two);
	seg_stream_time_event(&t, SEG_WEB, now_ms, now->wall_ms);
	seg_stream_time_end(&t, SEG_WEB);
	seg_stream_time_end(&t, SEG_ORDERS);
	seg_stream_time_move(&t, now, NULL);
	assert_int_equal(t.now_ms, now_ms);
	return t;
}

static void test_restart_after_a_week_is_told_once_and_spread(void **state)
{
	struct seg_stream_time t;
	const int64_t base = INT64_C(1700000000000), max_ms[SEG_SOURCES] = {base, SEG_NO_TIME, base, SEG_NO_TIME};
	struct seg_now now = {.wall_ms = base + WEEK, .mono_ms = 500};
	int64_t jump_ms;
	size_t told = 0;
	(void)state;
	seg_stream_time_init(&t, two);
	seg_stream_time_restore(&t, base, max_ms, base, &now);
	seg_stream_time_end(&t, SEG_WEB);
	seg_stream_time_end(&t, SEG_ORDERS);
	for (int i = 0; i < 4000; i++) { /* 200 s: a week takes 168 */
		int64_t before = t.now_ms;
		seg_stream_time_move(&t, &now, &jump_ms);
		told += jump_ms > 0;
		if (jump_ms > 0)
			assert_int_equal(jump_ms, WEEK);
		assert_true(t.now_ms - before <= HOUR);
		now.mono_ms += 50;
		now.wall_ms += 50;
	}
	assert_int_equal(told, 1);
	assert_true(now.wall_ms - t.now_ms <= 50);
}

static void test_events_are_never_spread(void **state)
{
	struct seg_now now = {.wall_ms = INT64_C(1700000000000), .mono_ms = 0};
	struct seg_stream_time t = idle_at(now.wall_ms - WEEK, &now);
	int64_t jump_ms;
	(void)state;
	seg_stream_time_event(&t, SEG_WEB, now.wall_ms - 5, now.wall_ms);
	assert_int_equal(seg_stream_time_move(&t, &now, &jump_ms), WEEK - 5);
	assert_int_equal(jump_ms, 0);
	/* Nor when the topic that was behind turns out to have no more. */
	seg_stream_time_init(&t, two);
	seg_stream_time_event(&t, SEG_WEB, now.wall_ms - WEEK, now.wall_ms);
	seg_stream_time_event(&t, SEG_ORDERS, now.wall_ms - 5, now.wall_ms);
	seg_stream_time_move(&t, &now, NULL);
	seg_stream_time_end(&t, SEG_WEB);
	seg_stream_time_end(&t, SEG_ORDERS);
	assert_int_equal(seg_stream_time_move(&t, &now, &jump_ms), WEEK - 5);
	assert_int_equal(jump_ms, 0);
}

static void test_wall_clock_set_back_holds_time_and_set_right_again_is_spread(void **state)
{
	struct seg_now now = {.wall_ms = INT64_C(1700000000000), .mono_ms = 0};
	struct seg_stream_time t = idle_at(now.wall_ms, &now);
	int64_t held = t.now_ms, jump_ms;
	(void)state;
	now.wall_ms -= 24 * HOUR;
	for (int i = 0; i < 10; i++) {
		now.mono_ms += HOUR / 2;
		now.wall_ms += HOUR / 2;
		assert_int_equal(seg_stream_time_move(&t, &now, NULL), 0);
	}
	now.wall_ms += 24 * HOUR; /* set right: five hours have really passed */
	assert_true(seg_stream_time_move(&t, &now, &jump_ms) <= HOUR);
	assert_int_equal(jump_ms, 5 * HOUR);
	for (int s = 0; s < 6; s++) {
		now.mono_ms += 1000;
		now.wall_ms += 1000;
		assert_true(seg_stream_time_move(&t, &now, &jump_ms) <= HOUR);
		assert_int_equal(jump_ms, 0);
	}
	assert_int_equal(t.now_ms, held + 5 * HOUR + 6000);
}

static void test_wall_clock_set_forward_does_not_move_an_idle_partition(void **state)
{
	struct seg_now now = {.wall_ms = INT64_C(1700000000000), .mono_ms = 0};
	struct seg_stream_time t = idle_at(now.wall_ms - 1000, &now);
	(void)state;
	now.wall_ms += 24 * HOUR;
	now.mono_ms += 10;
	assert_int_equal(seg_stream_time_move(&t, &now, NULL), 10); /* the monotonic clock counts */
}

static void test_ahead_is_measured_against_the_slowest_that_has_more(void **state)
{
	struct seg_stream_time t;
	struct seg_now now = {.wall_ms = INT64_C(1700000000000), .mono_ms = 0};
	(void)state;
	seg_stream_time_init(&t, two);
	seg_stream_time_event(&t, SEG_WEB, now.wall_ms - WEEK, now.wall_ms);
	seg_stream_time_event(&t, SEG_ORDERS, now.wall_ms, now.wall_ms);
	assert_int_equal(seg_stream_time_ahead(&t, SEG_ORDERS), WEEK);
	seg_stream_time_move(&t, &now, NULL);
	assert_int_equal(t.now_ms, now.wall_ms - WEEK); /* one topic a week ahead makes nobody silent */
	seg_stream_time_end(&t, SEG_WEB);
	assert_int_equal(seg_stream_time_ahead(&t, SEG_ORDERS), 0); /* the slow one has nothing more */
	seg_stream_time_move(&t, &now, NULL);
	assert_int_equal(t.now_ms, now.wall_ms);
}

struct model { /* the paragraph of the design, word by word */
	int64_t most[SEG_SOURCES];
	bool end[SEG_SOURCES];
};

static int64_t bound_of(const struct model *m)
{
	int64_t least = INT64_MAX;
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (two[s] && !m->end[s] && m->most[s] < least)
			least = m->most[s];
	}
	return least;
}

static void random_step(struct seg_stream_time *t, struct model *m, struct seg_now *now, struct seg_rng *rng)
{
	enum seg_source s = seg_rng_below(rng, 2) ? SEG_WEB : SEG_ORDERS;
	int64_t time_ms = now->wall_ms - (int64_t)seg_rng_below(rng, 3 * WEEK) + WEEK / 2;
	switch (seg_rng_below(rng, 6)) {
	case 0:
	case 1:
		seg_stream_time_event(t, s, time_ms, now->wall_ms);
		m->end[s] = false;
		if (time_ms <= now->wall_ms && time_ms > m->most[s])
			m->most[s] = time_ms;
		break;
	case 2:
	case 3:
		seg_stream_time_end(t, s);
		m->end[s] = true;
		break;
	case 4: {
		int64_t by = (int64_t)seg_rng_below(rng, 2 * HOUR);
		now->mono_ms += by;
		now->wall_ms += by;
		break;
	}
	default: /* the wall clock is set */
		now->wall_ms += (int64_t)seg_rng_below(rng, 4 * 24 * HOUR) - 2 * 24 * HOUR;
		break;
	}
}

/* A restart: the same as of its cut, nothing known of the ends; the clocks have gone on, the monotonic one anew. */
static void random_restart(struct seg_stream_time *t, struct model *m, struct seg_now *now, struct seg_rng *rng)
{
	struct seg_stream_time was = *t;
	int64_t cut_wall_ms = now->wall_ms;
	now->wall_ms += (int64_t)seg_rng_below(rng, 2 * WEEK);
	now->mono_ms = (int64_t)seg_rng_below(rng, 1000);
	seg_stream_time_init(t, two);
	seg_stream_time_restore(t, was.now_ms, was.max_ms, cut_wall_ms, now);
	for (int s = 0; s < SEG_SOURCES; s++)
		m->end[s] = !two[s];
}

static void test_random_histories_keep_the_rules(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct seg_now now = {.wall_ms = INT64_C(1700000000000), .mono_ms = 77};
		struct model m = {{SEG_NO_TIME, SEG_NO_TIME, SEG_NO_TIME, SEG_NO_TIME}, {false, true, false, true}};
		struct seg_stream_time t;
		struct seg_rng rng;
		seg_rng_init(&rng, seed);
		seg_stream_time_init(&t, two);
		for (int i = 0; i < 500; i++) {
			int64_t before = t.now_ms, mono_ms = now.mono_ms, jump_ms;
			bool restart = seg_rng_below(&rng, 100) == 0;
			if (restart)
				random_restart(&t, &m, &now, &rng);
			else
				random_step(&t, &m, &now, &rng);
			int64_t moved = seg_stream_time_move(&t, &now, &jump_ms), bound = bound_of(&m);
			int64_t most = m.most[SEG_WEB] > m.most[SEG_ORDERS] ? m.most[SEG_WEB] : m.most[SEG_ORDERS];
			assert_true(t.now_ms >= before); /* monotonic */
			assert_true(moved == 0 || t.now_ms > before || before == SEG_NO_TIME);
			if (bound != INT64_MAX) /* the slowest topic that is not at its end */
				assert_true(t.now_ms == (bound > before ? bound : before));
			if (bound == INT64_MAX && t.now_ms > before && t.now_ms > most) { /* the clock */
				assert_true(t.now_ms <= now.wall_ms);
				int64_t ran = restart ? 0 : now.mono_ms - mono_ms, from = before > most ? before : most;
				if (before != SEG_NO_TIME && t.now_ms - from > HOUR)
					assert_true(t.now_ms - from <= ran * 3600);
			}
			assert_true(jump_ms == 0 || jump_ms > HOUR);
		}
	}
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
		cmocka_unit_test(test_restart_after_a_week_is_told_once_and_spread),
		cmocka_unit_test(test_events_are_never_spread),
		cmocka_unit_test(test_wall_clock_set_back_holds_time_and_set_right_again_is_spread),
		cmocka_unit_test(test_wall_clock_set_forward_does_not_move_an_idle_partition),
		cmocka_unit_test(test_ahead_is_measured_against_the_slowest_that_has_more),
		cmocka_unit_test(test_random_histories_keep_the_rules),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
