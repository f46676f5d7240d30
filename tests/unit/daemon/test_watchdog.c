/* The watchdog: who moves is left alone, who does not is told and, at last, given up; a stop has an end. */
#include "tests/support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/watchdog.h"

struct given_up {
	pthread_mutex_t lock;
	int times;
	char text[256];
};

static void give_up(void *ctx, const char *message)
{
	struct given_up *g = ctx;
	pthread_mutex_lock(&g->lock);
	g->times++;
	snprintf(g->text, sizeof(g->text), "%s", message);
	pthread_mutex_unlock(&g->lock);
}

static int times(struct given_up *g)
{
	pthread_mutex_lock(&g->lock);
	int n = g->times;
	pthread_mutex_unlock(&g->lock);
	return n;
}

static bool comes(struct given_up *g)
{
	for (int64_t until = seg_monotonic_ms() + 20000; seg_monotonic_ms() < until; seg_sleep_ms(5)) {
		if (times(g) > 0)
			return true;
	}
	return false;
}

static struct seg_watchdog *start(struct given_up *g, int give_up_ms)
{
	struct seg_watchdog_options options = {
		.look_ms = 10, .warn_ms = 20, .give_up_ms = give_up_ms, .give_up = give_up, .ctx = g};
	struct seg_watchdog *w;
	assert_ok(seg_watchdog_start(&options, &w, NULL));
	return w;
}

static void test_who_moves_is_left_alone(void **state)
{
	struct given_up g = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct seg_beat beat = {0};
	struct seg_watchdog *w = start(&g, 3000);
	(void)state;
	assert_ok(seg_watchdog_add(w, 0, &beat, NULL));
	for (int i = 0; i < 50; i++) { /* five seconds would be too many without beats */
		seg_beat_again(&beat);
		seg_sleep_ms(100);
	}
	assert_int_equal(times(&g), 0);
	seg_watchdog_stop(w);
}

static void test_who_hangs_is_given_up_with_what_it_does(void **state)
{
	struct given_up g = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct seg_beat moves = {0}, hangs = {0};
	struct seg_watchdog *w = start(&g, 100);
	(void)state;
	seg_beat(&hangs, SEG_DOING_STORE);
	assert_ok(seg_watchdog_add(w, 7, &hangs, NULL));
	assert_true(comes(&g));
	assert_non_null(strstr(g.text, "worker 7"));
	assert_non_null(strstr(g.text, "store"));
	seg_watchdog_remove(w, &hangs);
	assert_ok(seg_watchdog_add(w, 8, &moves, NULL));
	seg_watchdog_remove(w, &moves);
	int before = times(&g);
	seg_sleep_ms(300); /* nobody is watched */
	assert_int_equal(times(&g), before);
	seg_watchdog_stop(w);
}

static void test_stop_has_an_end(void **state)
{
	struct given_up g = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct seg_watchdog *w = start(&g, 60000);
	(void)state;
	int64_t began = seg_monotonic_ms();
	seg_watchdog_stop_by(w, began + 200);
	seg_watchdog_stop_by(w, began + 600000); /* the first counts */
	assert_true(comes(&g));
	assert_true(seg_monotonic_ms() - began >= 200);
	assert_non_null(strstr(g.text, "the stop has not come to its end"));
	seg_sleep_ms(100);
	assert_int_equal(times(&g), 1);
	seg_watchdog_stop(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_moves_is_left_alone),
		cmocka_unit_test(test_who_hangs_is_given_up_with_what_it_does),
		cmocka_unit_test(test_stop_has_an_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
