/*
 * A shard and a fold without Kafka: commits go to a sink in memory. Checked after each step: sums equal the recount of all
 * contributions, each customer's changes form a chain that ends in the stored segment.
 */
#ifndef SEG_TESTS_UNIT_DAEMON_SHARD_WORLD_H
#define SEG_TESTS_UNIT_DAEMON_SHARD_WORLD_H

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
#include "segmenter/rule.h"
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
	uint64_t held[CUSTOMERS];   /* by the chain of changes */
	bool in_rule[2][CUSTOMERS]; /* "fresh", "rich" */
	size_t rule_changes[SEG_REASONS];
	char ids[IDS_MAX][SEG_EVENT_ID_LEN + 1];
	size_t ids_len;
	size_t changes, by_reason[SEG_REASONS], dead, alerts, rows;
	bool refuse;	 /* the sink fails at changes: as a full queue would */
	bool refuse_cut; /* ... at the changelog's cut: all has been put in */
	size_t closes;	 /* closing records of sums */
	size_t shard_budget;
};

static inline int customer_of(struct seg_str id)
{
	int n = 0;
	for (uint32_t i = 1; i < id.len; i++)
		n = n * 10 + (id.ptr[i] - '0');
	return n;
}

/* A chain of its own for each rule: in from nowhere, out to nowhere. */
static inline void on_rule_change(struct world *w, const struct seg_change *c, int n)
{
	const char *name = c->from_rule ? c->from_rule : c->to_rule;
	bool *in = &w->in_rule[strcmp(name, "rich") == 0][n];
	assert_true(strcmp(name, "rich") == 0 || strcmp(name, "fresh") == 0);
	assert_true((c->from_rule == NULL) != (c->to_rule == NULL));
	assert_true(c->from_cluster == 0 && c->to_cluster == 0 && c->drivers_len == 0);
	assert_true(*in == (c->from_rule != NULL));
	*in = c->to_rule != NULL;
	w->rule_changes[c->reason]++;
}

static inline enum seg_rc on_change(void *ctx, int32_t partition, const struct seg_change *c, struct seg_error *err)
{
	struct world *w = ctx;
	if (w->refuse)
		return seg_error_set(err, SEG_ABORT, "as asked");
	int n = customer_of(c->customer_id);
	assert_int_equal(partition, 0);
	if (c->from_rule || c->to_rule) {
		on_rule_change(w, c, n);
	} else {
		assert_true(c->from_cluster == w->held[n]);
		assert_true(c->to_cluster != w->held[n]);
		assert_true(c->to_cluster == 0 || (c->to_name && c->to_name[0]));
		w->held[n] = c->to_cluster;
	}
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

static inline enum seg_rc on_segment(void *ctx, const struct seg_segment_row *row, struct seg_error *err)
{
	struct world *w = ctx;
	(void)row;
	(void)err;
	w->rows++;
	return SEG_OK;
}

static inline enum seg_rc on_alert(void *ctx, const struct seg_alert *a, struct seg_error *err)
{
	struct world *w = ctx;
	(void)a;
	(void)err;
	w->alerts++;
	return SEG_OK;
}

static inline enum seg_rc on_dead_letter(void *ctx, const struct seg_dead_letter *d, struct seg_error *err)
{
	struct world *w = ctx;
	(void)d;
	(void)err;
	w->dead++;
	return SEG_OK;
}

static inline enum seg_rc on_internal(void *ctx, enum seg_internal topic, int32_t partition, struct seg_str key,
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

static inline void open_shard(struct world *w)
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
static inline void reopen_shard(struct world *w)
{
	seg_shard_close(w->shard);
	open_shard(w);
}

static inline void open_world(struct world *w, const char *more)
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

static inline void close_world(struct world *w)
{
	seg_fold_free(w->fold);
	seg_shard_close(w->shard);
	seg_store_env_free(w->env);
	seg_model_put(w->model);
	seg_config_free(w->config);
}

static inline void order_at(struct world *w, int customer, double amount, int64_t time_ms)
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

static inline void order(struct world *w, int customer, double amount)
{
	order_at(w, customer, amount, w->now_ms);
}

static inline void erase(struct world *w, int customer, int64_t offset)
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

static inline bool add_contribution(void *ctx, const struct seg_profile *p)
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

static inline bool check_held(void *ctx, const struct seg_profile *p)
{
	struct holder *h = ctx;
	h->seen++;
	assert_true(p->decision.cluster == h->w->held[customer_of(p->id)]);
	assert_true(seg_held_rules_have(&p->decision.rules, "fresh") == h->w->in_rule[0][customer_of(p->id)]);
	assert_true(seg_held_rules_have(&p->decision.rules, "rich") == h->w->in_rule[1][customer_of(p->id)]);
	return false;
}

static inline void check(struct world *w)
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

static inline bool commit_once(struct world *w)
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

static inline void commit(struct world *w)
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
static inline void days(struct world *w, struct seg_rng *rng, int how_many, int customers)
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

static inline int by_text(const void *a, const void *b)
{
	return strcmp(a, b);
}

static inline void check_ids_unique(struct world *w)
{
	qsort(w->ids, w->ids_len, sizeof(w->ids[0]), by_text);
	for (size_t i = 1; i < w->ids_len; i++)
		assert_string_not_equal(w->ids[i - 1], w->ids[i]);
}

#endif
