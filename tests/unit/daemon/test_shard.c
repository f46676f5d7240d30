/*
 * A shard and a fold without Kafka: commits go to a sink in memory. Checked after each step: sums equal the recount of all
 * contributions, each customer's changes form a chain that ends in the stored segment.
 */
#include "tests/support/test.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "config/load.h"
#include "daemon/fold.h"
#include "daemon/shard.h"
#include "tests/support/learner_peek.h"

#define DAY INT64_C(86400000)
#define START (INT64_C(15000) * DAY)

enum { CUSTOMERS = 300, IDS_MAX = 20000 };

struct world {
	struct seg_config *config;
	struct seg_store_env *env;
	struct seg_shard *shard;
	struct seg_fold *fold;
	struct seg_model *model;
	struct seg_sink sink;
	int64_t now_ms, next, cuts;
	uint64_t held[CUSTOMERS]; /* by the chain of changes */
	char ids[IDS_MAX][SEG_EVENT_ID_LEN + 1];
	size_t ids_len;
	size_t changes, by_reason[SEG_REASONS], dead, alerts, rows;
	bool refuse;	 /* the sink fails at changes: as a full queue would */
	bool refuse_cut; /* ... at the changelog's cut: all has been put in */
	size_t closes;	 /* closing records of sums */
	size_t shard_budget;
};

static int customer_of(struct seg_str id)
{
	int n = 0;
	for (uint32_t i = 1; i < id.len; i++)
		n = n * 10 + (id.ptr[i] - '0');
	return n;
}

static enum seg_rc on_change(void *ctx, int32_t partition, const struct seg_change *c, struct seg_error *err)
{
	struct world *w = ctx;
	if (w->refuse)
		return seg_error_set(err, SEG_ABORT, "as asked");
	int n = customer_of(c->customer_id);
	assert_int_equal(partition, 0);
	assert_true(c->from_cluster == w->held[n]);
	assert_true(c->to_cluster != w->held[n]);
	assert_true(c->to_cluster == 0 || (c->to_name && c->to_name[0]));
	w->held[n] = c->to_cluster;
	assert_true(w->ids_len < IDS_MAX);
	memcpy(w->ids[w->ids_len++], c->event_id, sizeof(c->event_id));
	w->changes++;
	w->by_reason[c->reason]++;
	bool by_event = c->reason == SEG_REASON_BEHAVIOUR || c->reason == SEG_REASON_ERASURE;
	if (by_event)
		assert_non_null(c->cause.topic);
	if (c->reason == SEG_REASON_TIME || c->reason == SEG_REASON_MODEL || c->reason == SEG_REASON_EXPIRY)
		assert_null(c->cause.topic);
	return SEG_OK;
}

static enum seg_rc on_segment(void *ctx, const struct seg_segment_row *row, struct seg_error *err)
{
	struct world *w = ctx;
	(void)row;
	(void)err;
	w->rows++;
	return SEG_OK;
}

static enum seg_rc on_alert(void *ctx, const struct seg_alert *a, struct seg_error *err)
{
	struct world *w = ctx;
	(void)a;
	(void)err;
	w->alerts++;
	return SEG_OK;
}

static enum seg_rc on_dead_letter(void *ctx, const struct seg_dead_letter *d, struct seg_error *err)
{
	struct world *w = ctx;
	(void)d;
	(void)err;
	w->dead++;
	return SEG_OK;
}

static enum seg_rc on_internal(void *ctx, enum seg_internal topic, int32_t partition, struct seg_str key,
			       struct seg_str value, uint32_t *ret_ticket, struct seg_error *err)
{
	struct world *w = ctx;
	(void)partition;
	if (ret_ticket && w->refuse_cut)
		return seg_error_set(err, SEG_ABORT, "as asked");
	if (ret_ticket)
		*ret_ticket = 7;
	w->closes += seg_str_is(key, "sums/0");
	if (topic == SEG_INTERNAL_SUMS)
		return seg_fold_take(w->fold, key, value, err);
	if (topic == SEG_INTERNAL_MODEL && seg_str_is(key, "current")) {
		seg_model_put(w->model);
		return seg_model_decode(value.ptr, value.len, &w->model, err);
	}
	return SEG_OK;
}

static void open_shard(struct world *w)
{
	struct seg_error err = {0};
	struct seg_shard_options options = {
		.config = w->config,
		.scan_budget = w->shard_budget ? w->shard_budget : SIZE_MAX,
		.topics = {"web", "email", "orders", "profiles"},
		.part = {.env = w->env, .dir = "/p0", .memory_bytes = 64 << 20},
	};
	for (int s = 0; s < SEG_SOURCES; s++)
		options.part.aggregates.window[s] = (uint32_t)w->config->dedup.window;
	seg_cut_init(&options.part.identity);
	assert_ok(seg_shard_open(&options, &w->shard, &err));
	struct seg_recovery facts = {.group = {.next = {-1, -1, -1, -1}}};
	int64_t from, re_from[SEG_SOURCES], re_to[SEG_SOURCES];
	bool warn;
	struct seg_part *part = seg_shard_part(w->shard);
	assert_ok(seg_part_recover(part, &facts, &from, NULL, &err));
	assert_ok(seg_part_taken(part, re_from, re_to, &warn, &err));
	assert_ok(seg_part_recovered(part, &err));
	for (int s = 0; s < SEG_SOURCES; s++)
		seg_part_set_start(part, (enum seg_source)s, 0);
}

/* With other settings; nothing has happened yet. */
static void reopen_shard(struct world *w)
{
	seg_shard_close(w->shard);
	open_shard(w);
}

static void open_world(struct world *w, const char *more)
{
	char text[1024];
	struct seg_error err = {0};
	memset(w, 0, sizeof(*w));
	snprintf(text, sizeof(text),
		 "features: rfm\n"
		 "segmenter: {k: 4, min_customers: 100, seed: 3, dwell: 1h, reevaluate: {interval: 1d, min_move: "
		 "0}}\n%s",
		 more);
	if (seg_config_load_text(text, strlen(text), "test", NULL, &w->config, &err))
		fail_msg("%s", err.text);
	struct seg_store_options store = {.in_memory = true};
	assert_ok(seg_store_env_new(&store, &w->env, &err));
	open_shard(w);
	struct seg_fold_options fold = {.config = w->config, .partitions = 1, .in_place = true};
	assert_ok(seg_fold_new(&fold, &w->fold, &err));
	assert_ok(seg_fold_begin(w->fold, NULL, &err));
	w->sink = (struct seg_sink){on_change, on_dead_letter, on_segment, on_alert, on_internal, w};
	w->now_ms = START;
}

static void close_world(struct world *w)
{
	seg_fold_free(w->fold);
	seg_shard_close(w->shard);
	seg_store_env_free(w->env);
	seg_model_put(w->model);
	seg_config_free(w->config);
}

static void order_at(struct world *w, int customer, double amount, int64_t time_ms)
{
	char id[32], event[64];
	struct seg_event e;
	struct seg_error err = {0};
	seg_event_reset(&e, SEG_ORDERS);
	snprintf(id, sizeof(id), "c%d", customer);
	snprintf(event, sizeof(event), "e%" PRId64, w->next);
	e.kind = SEG_ORDER_PURCHASE;
	e.time_ms = time_ms;
	e.customer_id = seg_str_from(id);
	e.event_id = seg_str_from(event);
	e.id_hash = seg_hash64(event, strlen(event));
	e.has_amount = true;
	e.amount = amount;
	e.amount_micro = (int64_t)(amount * 1e6);
	assert_ok(seg_shard_event(w->shard, &e, w->next++, w->now_ms, NULL, &err));
}

static void order(struct world *w, int customer, double amount)
{
	order_at(w, customer, amount, w->now_ms);
}

static void erase(struct world *w, int customer, int64_t offset)
{
	char id[32];
	struct seg_event e;
	struct seg_error err = {0};
	seg_event_reset(&e, SEG_PROFILES);
	snprintf(id, sizeof(id), "c%d", customer);
	e.kind = SEG_UPDATE_ERASE;
	e.time_ms = w->now_ms;
	e.customer_id = e.event_id = seg_str_from(id);
	assert_ok(seg_shard_event(w->shard, &e, offset, w->now_ms, NULL, &err));
}

static bool add_contribution(void *ctx, const struct seg_profile *p)
{
	struct seg_error err = {0};
	if (p->contribution.basis)
		assert_ok(seg_sums_change(ctx, NULL, &p->contribution, 1, &err));
	return false;
}

struct holder {
	struct world *w;
	size_t seen;
};

static bool check_held(void *ctx, const struct seg_profile *p)
{
	struct holder *h = ctx;
	h->seen++;
	assert_true(p->decision.cluster == h->w->held[customer_of(p->id)]);
	return false;
}

static void check(struct world *w)
{
	uint64_t next;
	bool done;
	struct seg_error err = {0};
	struct seg_part_numbers n;
	struct seg_sums *recount = seg_sums_new();
	struct holder h = {w, 0};
	assert_ok(seg_part_scan(seg_shard_part(w->shard), 0, UINT64_MAX, SIZE_MAX, add_contribution, recount, &next,
				&done, &err));
	assert_true(done);
	assert_true(seg_sums_equal(recount, seg_shard_sums(w->shard)));
	seg_sums_free(recount);
	assert_ok(seg_part_scan(seg_shard_part(w->shard), 0, UINT64_MAX, SIZE_MAX, check_held, &h, &next, &done, &err));
	seg_part_numbers(seg_shard_part(w->shard), &n);
	assert_int_equal(n.customers, h.seen);
}

static bool commit_once(struct world *w)
{
	struct seg_error err = {0};
	struct seg_now now = {w->now_ms, w->now_ms};
	uint32_t cut;
	seg_shard_clock(w->shard, w->now_ms);
	assert_ok(seg_shard_prepare(w->shard, w->model, &now, &err));
	if (!seg_shard_has_work(w->shard, &now))
		return false;
	enum seg_rc rc = seg_shard_seal(w->shard, w->model, &now, &w->sink, &cut, &err);
	if (rc == SEG_ABORT) {
		assert_ok(seg_shard_aborted(w->shard, &err));
		w->next = seg_part_next(seg_shard_part(w->shard), SEG_ORDERS);
		return false;
	}
	if (rc)
		fail_msg("seal: %s", err.text);
	assert_ok(seg_shard_committed(w->shard, w->cuts++, &err));
	assert_ok(seg_shard_maintain(w->shard, &err));
	return true;
}

static void commit(struct world *w)
{
	struct seg_error err = {0};
	for (int round = 0; round < 3; round++) {
		struct seg_now now = {w->now_ms, w->now_ms + round};
		commit_once(w);
		if (seg_fold_tick(w->fold, &now, &err))
			fail_msg("tick: %s", err.text);
		if (!seg_fold_has_work(w->fold))
			return;
		assert_ok(seg_fold_seal(w->fold, &w->sink, &err));
		seg_fold_committed(w->fold);
	}
}

/* Days of orders: some customers buy often, some once. */
static void days(struct world *w, struct seg_rng *rng, int how_many, int customers)
{
	for (int d = 0; d < how_many; d++) {
		for (int hour = 0; hour < 24; hour += 6) {
			w->now_ms += DAY / 4;
			for (int i = 0; i < customers; i++) {
				double often = i % 3 == 0 ? 0.3 : i % 3 == 1 ? 0.03 : 0.004;
				if (seg_rng_unit(rng) < often / 4)
					order(w, i, 5 + seg_rng_unit(rng) * (i % 5) * 40);
			}
			commit(w);
		}
	}
}

static int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void check_ids_unique(struct world *w)
{
	qsort(w->ids, w->ids_len, sizeof(w->ids[0]), by_text);
	for (size_t i = 1; i < w->ids_len; i++)
		assert_string_not_equal(w->ids[i - 1], w->ids[i]);
}

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
