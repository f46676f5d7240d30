#include "tests/support/test.h"

#include "daemon/event_id.h"
#include "daemon/pace.h"

static const struct seg_pace pace = {.reread_per_second = 1000, .target_ms = 10000, .max_interval_ms = 600000};

static void test_progress_follows_events_and_time(void **state)
{
	(void)state;
	assert_near(seg_pace_progress(&pace, 0, 0, 0), 0, 0);
	/* 10 s at 1,000 a second are 10,000 events; a cycle may take .4 of them */
	assert_near(seg_pace_progress(&pace, 0, 2000, 0), 0.5, 1e-12);
	assert_near(seg_pace_progress(&pace, 0, 4000, 0), 1, 0);
	assert_near(seg_pace_progress(&pace, 0, 1000000, 0), 1, 0);
	assert_near(seg_pace_progress(&pace, 0, 0, 150000), 0.25, 1e-12);
}

/* What crashes have left behind replay_from is taken off what the cycle may take. */
static void test_progress_hurries_when_far_behind(void **state)
{
	(void)state;
	assert_near(seg_pace_progress(&pace, 4000, 2000, 0), 0.5, 1e-12);
	assert_near(seg_pace_progress(&pace, 6000, 1000, 0), 0.5, 1e-12);
	assert_near(seg_pace_progress(&pace, 1000000, 100, 0), 0.5, 1e-12);
	assert_near(seg_pace_progress(&pace, 1000000, 200, 0), 1, 0);
}

/* Whatever the steps, two cycles' worth of events never exceed what the target allows to re-read. */
static void test_profiles_are_done_when_progress_is(void **state)
{
	uint64_t set = 1000, left = set;
	(void)state;
	for (uint64_t events = 100; left > 0; events += 100) {
		assert_true(events <= 4000);
		size_t now = seg_pace_profiles(seg_pace_progress(&pace, 0, events, 0), set, left);
		assert_true(now <= left);
		left -= now;
	}
	assert_int_equal(seg_pace_profiles(0.5, 1000, 400), 0); /* ahead of the pace */
	assert_int_equal(seg_pace_profiles(1, 1000, 400), 400);
}

static void test_measured_weighs_by_time(void **state)
{
	struct seg_pace p = pace;
	(void)state;
	seg_pace_measured(&p, 0, 5000);
	seg_pace_measured(&p, 100, 0);
	assert_near(p.reread_per_second, 1000, 0); /* nothing was measured */
	seg_pace_measured(&p, 10, 100);		   /* a tenth of the rate, but for a moment */
	assert_near(p.reread_per_second, (2500 + 10) / 2.6, 1e-9);
	p = pace;
	seg_pace_measured(&p, 10000, 20000); /* half as fast as was thought, so twice too long */
	assert_near(p.reread_per_second, 12500 / 22.5, 1e-9);
}

/* Whatever was guessed: after a recovery or two, what is let lie is what the target allows at the true rate. */
static void test_measured_comes_to_the_true_rate(void **state)
{
	static const double truths[] = {100, 900, 20000};
	(void)state;
	for (size_t i = 0; i < sizeof(truths) / sizeof(*truths); i++) {
		struct seg_pace p = pace;
		double took_s = 0;
		for (int kill = 0; kill < 12; kill++) {
			double events = 0.8 * p.reread_per_second * 10; /* the most that lies between two cycles */
			took_s = events / truths[i];
			seg_pace_measured(&p, (uint64_t)events, (int64_t)(took_s * 1000));
		}
		assert_true(took_s < 10);
		assert_near(p.reread_per_second, truths[i], truths[i] * 0.1);
	}
}

static void test_guess_is_shared(void **state)
{
	(void)state;
	assert_near(seg_pace_guess(0), 50000, 0);
	assert_near(seg_pace_guess(4), 50000, 0);
	assert_near(seg_pace_guess(40), 5000, 0);
}

/* Computed by another implementation: python xxhash.xxh3_128_hexdigest over the documented bytes. */
static void test_event_id_as_documented(void **state)
{
	char id[SEG_EVENT_ID_LEN + 1], other[SEG_EVENT_ID_LEN + 1];
	struct seg_birth birth = {"orders", 3, 42};
	(void)state;
	seg_event_id("segmentd", seg_str_from("c-1"), &birth, 1, id);
	assert_string_equal(id, "3aae0a4ea56c00ae4160fd2658f588b9");
	seg_event_id("segmentd", seg_str_from("c-1"), &birth, 2, other);
	assert_string_not_equal(id, other);
	birth.offset = 43;
	seg_event_id("segmentd", seg_str_from("c-1"), &birth, 1, other);
	assert_string_not_equal(id, other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_progress_follows_events_and_time),
		cmocka_unit_test(test_progress_hurries_when_far_behind),
		cmocka_unit_test(test_measured_weighs_by_time),
		cmocka_unit_test(test_measured_comes_to_the_true_rate),
		cmocka_unit_test(test_guess_is_shared),
		cmocka_unit_test(test_profiles_are_done_when_progress_is),
		cmocka_unit_test(test_event_id_as_documented),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
