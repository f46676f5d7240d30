#include "tests/support/test.h"

#include <stdatomic.h>

#include "base/clock.h"
#include "base/periodic.h"

enum { PATIENCE_MS = 20000, LONG_MS = 3600000 };

struct counted {
	struct seg_periodic periodic;
	atomic_int turns;
	int last; /* the turn after which there is nothing more to do */
};

static bool count(void *ctx)
{
	struct counted *c = ctx;

	return atomic_fetch_add(&c->turns, 1) + 1 != c->last;
}

static void wait_for(struct counted *c, int turns)
{
	for (int64_t until = seg_monotonic_ms() + PATIENCE_MS; atomic_load(&c->turns) < turns;) {
		assert_true(seg_monotonic_ms() < until);
		seg_sleep_ms(1);
	}
}

static void test_turns_come_again_until_it_is_stopped(void **state)
{
	struct counted c = {.last = -1};
	struct seg_error err;

	(void)state;
	seg_periodic_init(&c.periodic);
	assert_int_equal(seg_periodic_start(&c.periodic, 1, count, &c, "test", &err), SEG_OK);
	wait_for(&c, 3);
	assert_false(seg_periodic_is_stopping(&c.periodic));
	seg_periodic_stop(&c.periodic);
	int turns = atomic_load(&c.turns);
	seg_sleep_ms(20);
	assert_int_equal(atomic_load(&c.turns), turns);
}

static void test_a_turn_can_be_the_last(void **state)
{
	struct counted c = {.last = 2};
	struct seg_error err;

	(void)state;
	seg_periodic_init(&c.periodic);
	assert_int_equal(seg_periodic_start(&c.periodic, 1, count, &c, "test", &err), SEG_OK);
	wait_for(&c, 2);
	seg_sleep_ms(20);
	seg_periodic_stop(&c.periodic);
	assert_int_equal(atomic_load(&c.turns), 2);
}

/* If it did not, this would take an hour. */
static void test_stop_ends_the_wait(void **state)
{
	struct counted c = {.last = -1};
	struct seg_error err;

	(void)state;
	seg_periodic_init(&c.periodic);
	assert_int_equal(seg_periodic_start(&c.periodic, LONG_MS, count, &c, "test", &err), SEG_OK);
	seg_periodic_stop(&c.periodic);
	assert_int_equal(atomic_load(&c.turns), 0);
}

static void test_never_started(void **state)
{
	struct seg_periodic p;

	(void)state;
	seg_periodic_init(&p);
	seg_periodic_stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_turns_come_again_until_it_is_stopped),
		cmocka_unit_test(test_a_turn_can_be_the_last),
		cmocka_unit_test(test_stop_ends_the_wait),
		cmocka_unit_test(test_never_started),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
