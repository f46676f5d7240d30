/* A shard and a fold without Kafka: sums, chains, erasure and expiry, aborts, clean stops. */
#include "tests/unit/daemon/shard_world.h"

static void test_shard_keeps_sums_and_chains(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_rng rng;
	(void)state;
	open_world(w, "");
	seg_rng_init(&rng, 1);
	days(w, &rng, 30, CUSTOMERS);
	check(w);
	assert_non_null(w->model);
	assert_true(w->model->promotion > 0);
	assert_int_equal(w->model->k, 4);
	assert_true(w->by_reason[SEG_REASON_FIRST] > 100);
	assert_true(w->by_reason[SEG_REASON_BEHAVIOUR] > 0);
	/* Silence: nobody buys for half a year, and yet customers move. */
	size_t before = w->by_reason[SEG_REASON_TIME];
	for (int d = 0; d < 180; d++) {
		w->now_ms += DAY;
		commit(w);
	}
	check(w);
	assert_true(w->by_reason[SEG_REASON_TIME] > before);
	assert_int_equal(seg_shard_swept(w->shard), w->model->promotion);
	check_ids_unique(w);
	close_world(w);
	free(w);
}

static void test_shard_erasure_ends_the_chain_and_a_new_life_begins(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_rng rng;
	(void)state;
	open_world(w, "");
	seg_rng_init(&rng, 2);
	days(w, &rng, 30, CUSTOMERS);
	assert_true(w->held[0] != 0);
	erase(w, 0, 0);
	order(w, 0, 10); /* back in the same commit */
	commit(w);
	assert_int_equal(w->by_reason[SEG_REASON_ERASURE], 1);
	assert_true(w->held[0] != 0);
	erase(w, 0, 1);
	erase(w, 0, 2); /* nobody there: nothing */
	commit(w);
	assert_int_equal(w->by_reason[SEG_REASON_ERASURE], 2);
	assert_true(w->held[0] == 0);
	check(w);
	check_ids_unique(w);
	close_world(w);
	free(w);
}

static void test_shard_expiry_takes_the_silent_out(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_rng rng;
	struct seg_part_numbers n;
	(void)state;
	open_world(w, "profile: {expire: 60d}\n");
	seg_rng_init(&rng, 3);
	days(w, &rng, 30, CUSTOMERS);
	for (int d = 0; d < 63; d++) {
		w->now_ms += DAY;
		if (d == 30)
			order(w, 7, 10);
		commit(w);
	}
	seg_part_numbers(seg_shard_part(w->shard), &n);
	assert_int_equal(n.customers, 1);
	assert_true(w->held[7] != 0);
	assert_true(w->by_reason[SEG_REASON_EXPIRY] > 100);
	check(w);
	/* A clean stop leaves nothing of them, also of one who went after the last record was read. */
	seg_shard_flush(w->shard);
	for (int i = 0; i < 20 && !seg_shard_is_flushed(w->shard); i++)
		commit_once(w);
	struct seg_decision was;
	assert_ok(seg_part_erase(seg_shard_part(w->shard), seg_str_from("c7"), &was, NULL));
	assert_true(commit_once(w));
	assert_false(seg_shard_is_flushed(w->shard));
	for (int i = 0; i < 20 && !seg_shard_is_flushed(w->shard); i++)
		commit_once(w);
	assert_true(seg_shard_is_flushed(w->shard));
	seg_part_numbers(seg_shard_part(w->shard), &n);
	assert_int_equal(n.erased, 0);
	close_world(w);
	free(w);
}

/* Late: more than a day (the default lateness) behind stream time. Identify and what a full window cannot know, too. */
static void test_shard_counts_the_late_the_unknown_and_identify(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_shard_counts counts;
	struct seg_event e;
	struct seg_error err = {0};
	assert_non_null(w);
	(void)state;
	open_world(w, "dedup: {window: 2}\n");
	order_at(w, 1, 10, START - 10 * DAY); /* no stream time yet: nothing to be late for */
	seg_shard_clock(w->shard, START);
	order_at(w, 1, 10, START - DAY);
	order_at(w, 1, 10, START + DAY);
	commit_once(w);
	seg_shard_counts(w->shard, &counts);
	assert_int_equal(counts.late, 0);
	assert_int_equal(counts.below_window, 0);
	order_at(w, 1, 10, START - DAY - 1);
	order_at(w, 2, 10, START - 30 * DAY);
	seg_event_reset(&e, SEG_PROFILES);
	e.kind = SEG_UPDATE_IDENTIFY;
	e.time_ms = START;
	e.customer_id = e.event_id = seg_str_from("c3");
	assert_ok(seg_shard_event(w->shard, &e, 0, w->now_ms, NULL, &err));
	seg_shard_counts(w->shard, &counts);
	assert_int_equal(counts.accepted, 3); /* not committed yet */
	commit_once(w);
	seg_shard_counts(w->shard, &counts);
	assert_int_equal(counts.accepted, 5);
	assert_int_equal(counts.late, 2);
	assert_int_equal(counts.below_window, 1);
	assert_int_equal(counts.identified, 1);
	close_world(w);
	free(w);
}

static void test_shard_abort_puts_everything_back(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_rng rng;
	(void)state;
	open_world(w, "");
	seg_rng_init(&rng, 4);
	days(w, &rng, 40, CUSTOMERS);
	size_t aborts = 0;
	for (int i = 0; i < 200; i++) {
		int64_t next = w->next;
		w->now_ms += DAY / 8;
		for (int c = 0; c < 20; c++)
			order(w, (int)seg_rng_below(&rng, CUSTOMERS), 500);
		w->refuse = i % 3 == 0;
		size_t changes = w->changes;
		bool did = commit_once(w);
		if (w->refuse && !did) {
			aborts++;
			assert_int_equal(w->next, next);
			assert_int_equal(w->changes, changes);
		}
		w->refuse = false;
		check(w);
	}
	assert_true(aborts > 10);
	check_ids_unique(w);
	close_world(w);
	free(w);
}

static void test_shard_counts_once_what_an_abort_brings_again(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_shard_counts counts;
	(void)state;
	assert_non_null(w);
	open_world(w, "");
	w->refuse_cut = true;
	for (int aborted = 0; aborted < 3; aborted++) {
		for (int c = 0; c < 10; c++)
			order(w, c, 5);
		assert_false(commit_once(w));
	}
	seg_shard_counts(w->shard, &counts);
	assert_int_equal(counts.accepted, 0);
	w->refuse_cut = false;
	for (int c = 0; c < 10; c++)
		order(w, c, 5);
	assert_true(commit_once(w));
	seg_shard_counts(w->shard, &counts);
	assert_int_equal(counts.accepted, 10);
	close_world(w);
	free(w);
}

/* An interval in which nobody can look at everyone: the scan goes round all the same and passes nobody over. */
static void test_shard_scan_goes_round_when_the_interval_is_tiny(void **state)
{
	static const int64_t intervals_ms[] = {1, 7, 1000, 60000};
	(void)state;
	for (size_t i = 0; i < sizeof(intervals_ms) / sizeof(intervals_ms[0]); i++) {
		struct world *w = malloc(sizeof(*w));
		struct seg_rng rng;
		assert_non_null(w);
		open_world(w, "profile: {expire: 60d}\n");
		w->config->segmenter.reevaluate.interval_ms = intervals_ms[i];
		w->shard_budget = 7;
		reopen_shard(w);
		seg_rng_init(&rng, 5);
		days(w, &rng, 3, CUSTOMERS);
		struct seg_part_numbers n;
		seg_part_numbers(seg_shard_part(w->shard), &n);
		assert_true(n.customers > 50);
		w->now_ms += 61 * DAY; /* all of them have been silent for too long */
		for (int64_t commits = 0; commits < 200 + intervals_ms[i] / 50; commits++) {
			w->now_ms += 50;
			commit_once(w);
		}
		seg_part_numbers(seg_shard_part(w->shard), &n);
		assert_int_equal(n.customers, 0);
		close_world(w);
		free(w);
	}
}

/* The fold waits for every partition: one whose topics are empty says so, once. */
static void test_shard_without_a_single_event_tells_its_sums(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_error err = {0};
	struct seg_now now = {.wall_ms = START, .mono_ms = 5};
	uint32_t cut;
	(void)state;
	assert_non_null(w);
	open_world(w, "");
	assert_ok(seg_shard_maintain(w->shard, &err));
	assert_ok(seg_shard_prepare(w->shard, NULL, &now, &err));
	assert_false(seg_shard_has_work(w->shard, &now)); /* the ends are not known yet */
	for (int s = 0; s < SEG_SOURCES; s++)
		seg_shard_end(w->shard, (enum seg_source)s, 0);
	assert_ok(seg_shard_prepare(w->shard, NULL, &now, &err));
	assert_true(seg_shard_has_work(w->shard, &now));
	assert_ok(seg_shard_seal(w->shard, NULL, &now, &w->sink, &cut, &err));
	assert_ok(seg_shard_committed(w->shard, 0, &err));
	assert_int_equal(w->closes, 1);
	now.mono_ms += 300 * 1000;
	assert_ok(seg_shard_prepare(w->shard, NULL, &now, &err));
	assert_false(seg_shard_has_work(w->shard, &now));
	close_world(w);
	free(w);
}

/* A clean stop: the topic's sums, as a reader puts them together, are the shard's, also if the last were aborted. */
static void test_shard_tells_all_sums_at_a_clean_stop(void **state)
{
	struct world *w = malloc(sizeof(*w));
	struct seg_rng rng;
	struct seg_error err = {0};
	(void)state;
	assert_non_null(w);
	open_world(w, "");
	seg_rng_init(&rng, 6);
	days(w, &rng, 20, CUSTOMERS);
	assert_true(w->model && w->model->promotion > 0);
	for (int c = 0; c < 40; c++)
		order(w, c, 900);
	struct world *as_it_was = malloc(sizeof(*w)); /* what the aborted commit told does not count */
	assert_non_null(as_it_was);
	memcpy(as_it_was, w, sizeof(*w));
	w->refuse_cut = true;
	assert_false(commit_once(w));
	as_it_was->next = w->next;
	memcpy(w, as_it_was, sizeof(*w));
	free(as_it_was);
	for (int c = 0; c < 40; c++)
		order(w, c, 900);
	seg_shard_flush(w->shard);
	for (int i = 0; i < 20 && !seg_shard_is_flushed(w->shard); i++)
		commit_once(w);
	assert_true(seg_shard_is_flushed(w->shard));
	check(w);
	struct seg_now now = {w->now_ms, w->now_ms + 10000};
	assert_ok(seg_fold_tick(w->fold, &now, &err));
	assert_true(seg_sums_equal(peek_total(seg_fold_learner(w->fold)), seg_shard_sums(w->shard)));
	close_world(w);
	free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_shard_keeps_sums_and_chains),
		cmocka_unit_test(test_shard_erasure_ends_the_chain_and_a_new_life_begins),
		cmocka_unit_test(test_shard_expiry_takes_the_silent_out),
		cmocka_unit_test(test_shard_abort_puts_everything_back),
		cmocka_unit_test(test_shard_counts_once_what_an_abort_brings_again),
		cmocka_unit_test(test_shard_scan_goes_round_when_the_interval_is_tiny),
		cmocka_unit_test(test_shard_without_a_single_event_tells_its_sums),
		cmocka_unit_test(test_shard_tells_all_sums_at_a_clean_stop),
		cmocka_unit_test(test_shard_counts_the_late_the_unknown_and_identify),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
