/* The table of states: what follows from it must hold whatever is added to it. */
#include "tests/support/test.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/worker_states.h"

static void reach(bool reached[SEG_LANE_STATES], enum seg_lane_state from)
{
	if (reached[from])
		return;
	reached[from] = true;
	for (int to = 0; to < SEG_LANE_STATES; to++) {
		if (seg_lane_may_move(from, (enum seg_lane_state)to))
			reach(reached, (enum seg_lane_state)to);
	}
}

static void test_lane_reaches_all_and_ends(void **state)
{
	bool reached[SEG_LANE_STATES] = {false};
	(void)state;
	reach(reached, SEG_LANE_TAKING);
	for (int s = 0; s < SEG_LANE_STATES; s++) {
		assert_true(reached[s]);
		/* Whatever it does: it can be taken away, and then nothing more happens to it. */
		assert_int_equal(seg_lane_may_move((enum seg_lane_state)s, SEG_LANE_GONE), s != SEG_LANE_GONE);
		assert_false(seg_lane_may_move(SEG_LANE_GONE, (enum seg_lane_state)s));
	}
}

/* To commit without having read all that was committed before would be a fork of the truth. */
static void test_lane_runs_only_after_model(void **state)
{
	(void)state;
	for (int s = 0; s < SEG_LANE_STATES; s++) {
		assert_int_equal(seg_lane_may_move((enum seg_lane_state)s, SEG_LANE_RUNNING), s == SEG_LANE_MODEL);
		assert_int_equal(seg_lane_state_may((enum seg_lane_state)s, SEG_MAY_COMMIT), s == SEG_LANE_RUNNING);
		assert_true(!seg_lane_state_may((enum seg_lane_state)s, SEG_MAY_READ) ||
			    !seg_lane_state_may((enum seg_lane_state)s, SEG_MAY_COMMIT));
	}
}

/* Every state that has memory can fall back to the beginning, as an outcome may become unknown at any time. */
static void test_lane_begins_anew(void **state)
{
	(void)state;
	for (int s = 0; s < SEG_LANE_STATES; s++) {
		bool holds = seg_lane_state_may((enum seg_lane_state)s, SEG_MAY_HOLD);
		assert_true(!holds || seg_lane_may_move((enum seg_lane_state)s, SEG_LANE_NEW));
	}
}

static void test_worker_ends(void **state)
{
	(void)state;
	for (int s = 0; s < SEG_WORKER_STATES; s++) {
		bool over = s == SEG_WORKER_STOPPED || s == SEG_WORKER_FAILED;
		assert_int_equal(seg_worker_may_move((enum seg_worker_state)s, SEG_WORKER_FAILED), !over);
		for (int to = 0; over && to < SEG_WORKER_STATES; to++)
			assert_false(seg_worker_may_move((enum seg_worker_state)s, (enum seg_worker_state)to));
	}
}

static void test_illegal_move_ends_the_process(void **state)
{
	int status;
	(void)state;
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
		signal(SIGABRT, SIG_DFL);
		seg_lane_check_move(0, 3, SEG_LANE_MODEL, SEG_LANE_RUNNING); /* fine */
		seg_lane_check_move(0, 3, SEG_LANE_CHANGELOG, SEG_LANE_RUNNING);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lane_reaches_all_and_ends),
		cmocka_unit_test(test_lane_runs_only_after_model),
		cmocka_unit_test(test_lane_begins_anew),
		cmocka_unit_test(test_worker_ends),
		cmocka_unit_test(test_illegal_move_ends_the_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
