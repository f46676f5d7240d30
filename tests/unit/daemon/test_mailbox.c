/* Questions to a thread that answers when it has the time. */
#include "tests/support/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/mailbox.h"

struct owner {
	struct seg_mailbox *mailbox;
	pthread_t thread;
	atomic_bool stop;
	pthread_t answered_by;
	int sum;
};

struct question {
	int add, seen;
	int64_t takes_ms;
};

static void add(void *owner, void *question)
{
	struct owner *o = owner;
	struct question *q = question;
	seg_sleep_ms(q->takes_ms);
	o->answered_by = pthread_self();
	o->sum += q->add;
	q->seen = o->sum;
}

static void *own(void *arg)
{
	struct owner *o = arg;
	while (!atomic_load(&o->stop)) {
		seg_mailbox_answer(o->mailbox, o, 20);
		seg_sleep_ms(1);
	}
	return NULL;
}

static int setup(void **state)
{
	struct owner *o = calloc(1, sizeof(*o));
	o->mailbox = seg_mailbox_new();
	assert_non_null(o->mailbox);
	*state = o;
	return 0;
}

static void start(struct owner *o)
{
	assert_int_equal(pthread_create(&o->thread, NULL, own, o), 0);
}

static void stop(struct owner *o)
{
	atomic_store(&o->stop, true);
	pthread_join(o->thread, NULL);
}

static int teardown(void **state)
{
	struct owner *o = *state;
	seg_mailbox_free(o->mailbox);
	free(o);
	return 0;
}

static void *ask_many(void *arg)
{
	struct owner *o = arg;
	for (int i = 0; i < 200; i++) {
		struct question q = {.add = 1};
		struct seg_error err = {0};
		if (seg_mailbox_ask(o->mailbox, add, &q, 20000, &err))
			return (void *)1;
		if (q.seen < 1)
			return (void *)2;
	}
	return NULL;
}

static void test_answers_come_from_the_owner(void **state)
{
	struct owner *o = *state;
	pthread_t askers[8];
	start(o);
	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&askers[i], NULL, ask_many, o), 0);
	for (int i = 0; i < 8; i++) {
		void *failed;
		pthread_join(askers[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(o->sum, 1600);
	assert_true(pthread_equal(o->answered_by, o->thread));
	stop(o);
}

static void test_nobody_answers_in_time(void **state)
{
	struct owner *o = *state;
	struct question q = {.add = 1};
	struct seg_error err = {0};
	int64_t began = seg_monotonic_ms();
	assert_int_equal(seg_mailbox_ask(o->mailbox, add, &q, 50, &err), SEG_RETRY);
	assert_true(seg_monotonic_ms() - began >= 50);
	/* Given up is given up. */
	assert_int_equal(seg_mailbox_answer(o->mailbox, o, 20), 0);
	assert_int_equal(o->sum, 0);
}

static void *ask_one(void *arg)
{
	struct owner *o = arg;
	struct question q = {.add = 1};
	return (void *)(uintptr_t)seg_mailbox_ask(o->mailbox, add, &q, 20000, NULL);
}

static void test_closing_tells_who_waits(void **state)
{
	struct owner *o = *state;
	pthread_t askers[5];
	void *rc;
	for (int i = 0; i < 5; i++)
		assert_int_equal(pthread_create(&askers[i], NULL, ask_one, o), 0);
	seg_sleep_ms(50);
	int64_t began = seg_monotonic_ms();
	seg_mailbox_close(o->mailbox);
	for (int i = 0; i < 5; i++) {
		pthread_join(askers[i], &rc);
		assert_int_equal((uintptr_t)rc, SEG_NOT_FOUND);
	}
	assert_true(seg_monotonic_ms() - began < 5000);
	struct question q = {.add = 1};
	assert_int_equal(seg_mailbox_ask(o->mailbox, add, &q, 20000, NULL), SEG_NOT_FOUND);
	assert_int_equal(o->sum, 0);
}

/* The one who looks whether it is full may have taken the last place for a moment. */
static void *ask_until_answered(void *arg)
{
	void *rc;
	while ((uintptr_t)(rc = ask_one(arg)) == SEG_RETRY)
		seg_sleep_ms(1);
	return rc;
}

static void test_a_turn_is_bounded_and_the_box_too(void **state)
{
	enum { ASKERS = SEG_MAILBOX_MAX + 10 };
	struct owner *o = *state;
	pthread_t askers[ASKERS];
	struct question q = {.add = 1};
	struct seg_error err = {0};
	for (int i = 0; i < ASKERS; i++)
		assert_int_equal(pthread_create(&askers[i], NULL, ask_until_answered, o), 0);
	int64_t until = seg_monotonic_ms() + 20000;
	while (seg_mailbox_ask(o->mailbox, add, &q, 1, &err) != SEG_RETRY || !strstr(err.text, "wait for this worker"))
		assert_true(seg_monotonic_ms() < until);
	assert_int_equal(seg_mailbox_answer(o->mailbox, o, 0), 1);
	start(o);
	for (int i = 0; i < ASKERS; i++) {
		void *rc;
		pthread_join(askers[i], &rc);
		assert_int_equal((uintptr_t)rc, SEG_OK);
	}
	stop(o);
	assert_int_equal(o->sum, ASKERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_answers_come_from_the_owner, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nobody_answers_in_time, setup, teardown),
		cmocka_unit_test_setup_teardown(test_closing_tells_who_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_a_turn_is_bounded_and_the_box_too, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
