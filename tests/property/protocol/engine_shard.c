/*
 * The engine as it is: daemon/shard.h, with arbitrary decisions in place of a model's. Looks into shard_internal.h for
 * what cannot be asked for: pacing by chance, expiry of whom the history names, births of changes.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "config/config.h"
#include "daemon/event_id.h"
#include "daemon/shard_internal.h"
#include "state/codec.h"
#include "tests/property/protocol/engine.h"

struct engine {
	struct world *w;
	struct seg_config config;
	struct seg_config_rule rules[RULES];
	struct seg_model *model; /* without clusters */
	struct seg_shard *shard;
	struct seg_buf scratch;
	struct engine_commit *commit;
	double p;
};

static struct engine *evaluating; /* seg_evaluate_fn has no context */

static const char *const topics[SEG_SOURCES] = {"web", "email", "orders", "profiles"};

static int32_t digest(struct engine *e, const struct seg_profile *p)
{
	struct seg_profile *copy = seg_profile_clone(p);
	struct seg_error err;
	uint64_t hash;

	if (!copy)
		abort();
	free(copy->contribution.values);
	copy->contribution = (struct seg_contribution){0};
	memset(&copy->decision, 0, sizeof copy->decision);
	memset(copy->applied, 0, sizeof copy->applied);
	seg_buf_clear(&e->scratch);
	if (seg_profile_encode(copy, &e->scratch, &err) != SEG_OK)
		violation(e->w, "encode: %s", err.text);
	hash = seg_hash64(e->scratch.data, e->scratch.len);
	seg_profile_free(copy);
	return (int32_t)(hash & 0x3fffffff);
}

/* A contribution's cluster follows from its values: with the same cluster, nothing has moved. */
static void evaluate(const struct seg_model *model, const struct seg_profile *p, int64_t now_ms,
		     const struct seg_evaluate_rules *rules, struct seg_evaluation *ret)
{
	struct engine *e = evaluating;
	uint64_t held = p->decision.cluster;

	world_in_harness++;
	(void)model;
	(void)now_ms;
	(void)rules;
	ret->to = held;
	if (chance(e->w, .7 * e->w->lively))
		do
			ret->to = (uint64_t)between(e->w, 1, 3);
		while (ret->to == held);
	ret->suppressed = false;
	ret->distance_from = ret->distance_to = ret->margin = NAN;
	ret->values[0] = (int32_t)between(e->w, 1, 9);
	ret->values[1] = digest(e, p);
	ret->cluster = (uint64_t)ret->values[0] << 32 | (uint64_t)ret->values[1];
	ret->contribution =
		(struct seg_contribution){.basis = 1, .cluster = ret->cluster, .len = 2, .values = ret->values};
	world_in_harness--;
}

/* Rules come and go with restarts, in any order: whoever is in one that is gone must be told to have left. */
static void set_rules(struct engine *e)
{
	static const char *const when[RULES] = {"web_recency_days * 86400 > 2 or attr:e3 is missing",
						"frequency in (1, 3, 5)", "attr:e0 > attr:e1"};

	e->config.rules.items = e->rules;
	for (int r = RULES - 1; r >= 0; r--)
		if (chance(e->w, .8))
			e->rules[e->config.rules.len++] = (struct seg_config_rule){
				.name = (char *)(uintptr_t)rule_names[r], .when = (char *)(uintptr_t)when[r]};
}

static int rule_of(const char *name)
{
	for (int r = 0; name && r < RULES; r++)
		if (strcmp(name, rule_names[r]) == 0)
			return r + 1;
	return 0;
}

enum seg_rc engine_try_open(struct world *w, struct seg_store_env *env, const char *dir, size_t memory_bytes,
			    struct engine **ret, struct seg_error *err)
{
	world_in_harness++;
	struct engine *e = calloc(1, sizeof *e);

	if (!e)
		abort();
	e->w = w;
	e->model = seg_model_new();
	e->config.app = (char *)"test";
	e->config.segmenter.reevaluate.interval_ms = 2000;
	e->config.recovery.target_ms = 1000;
	for (int s = 0; s < SEG_SOURCES; s++)
		e->config.sources[s].read = true;
	set_rules(e);
	struct seg_shard_options options = {.config = &e->config,
					    .part = {.env = env,
						     .dir = dir,
						     .aggregates = world_aggregates,
						     .memory_bytes = memory_bytes,
						     .tombstone_retention_ms = w->retention_ms - 1},
					    .scan_budget = 2,
					    .reread_per_second = 1e9,
					    .evaluate = evaluate};
	memcpy(options.topics, topics, sizeof topics);
	seg_buf_init(&e->scratch, SEG_PROFILE_BYTES_MAX);
	seg_cut_init(&options.part.identity);
	world_in_harness--;
	enum seg_rc rc = seg_shard_open(&options, &e->shard, err);
	if (rc != SEG_OK)
		engine_close(e);
	else
		*ret = e;
	return rc;
}

struct engine *engine_open(struct world *w, struct seg_store_env *env, const char *dir, size_t memory_bytes)
{
	struct engine *e = NULL;
	struct seg_error err = {SEG_OK, ""};

	if (engine_try_open(w, env, dir, memory_bytes, &e, &err) != SEG_OK)
		violation(w, "open: %s", err.text);
	return e;
}

void engine_close(struct engine *e)
{
	if (!e)
		return;
	seg_shard_close(e->shard);
	seg_model_put(e->model);
	seg_buf_release(&e->scratch);
	free(e);
}

struct seg_part *engine_part(struct engine *e)
{
	return seg_shard_part(e->shard);
}

static struct seg_now now_of(const struct engine *e)
{
	return (struct seg_now){.wall_ms = e->w->wall_ms, .mono_ms = e->w->wall_ms};
}

void engine_drop(struct engine *e)
{
	seg_shard_drop(e->shard);
}

void engine_started(struct engine *e)
{
	struct seg_now now = now_of(e);

	seg_shard_started(e->shard, &now);
}

void engine_refused(struct engine *e, enum seg_source source, int64_t offset)
{
	seg_shard_refused(e->shard, source, offset, SEG_NO_TIME, e->w->wall_ms);
}

void engine_end(struct engine *e, enum seg_source source, int64_t next)
{
	seg_shard_end(e->shard, source, next);
}

enum seg_rc engine_event(struct engine *e, const struct seg_event *event, int64_t offset, bool *ret_erased)
{
	uint64_t before = e->shard->open_counts.erased;
	enum seg_rc rc = seg_shard_event(e->shard, event, offset, e->w->wall_ms, NULL, NULL);

	*ret_erased = e->shard->open_counts.erased != before;
	return rc;
}

enum seg_rc engine_try_expire(struct engine *e, int customer, bool *ret_erased, struct seg_error *err)
{
	uint64_t before = e->shard->open_counts.erased;
	enum seg_rc rc =
		seg_shard_leave(e->shard, seg_str_from(customer_ids[customer]), SEG_REASON_EXPIRY, NULL, 0, err);

	*ret_erased = e->shard->open_counts.erased != before;
	return rc;
}

bool engine_expire(struct engine *e, int customer)
{
	struct seg_error err = {SEG_OK, ""};
	bool erased;

	if (engine_try_expire(e, customer, &erased, &err) != SEG_OK)
		violation(e->w, "expiry: %s", err.text);
	return erased;
}

static bool wants(void *ctx, const struct seg_profile *p)
{
	struct engine *e = ctx;

	(void)p;
	return chance(e->w, e->p);
}

/* Some by the rolling scan, some at random. */
enum seg_rc engine_reevaluate(struct engine *e, double p)
{
	struct seg_now now = now_of(e);
	uint64_t next;
	bool done;
	enum seg_rc rc;

	evaluating = e;
	e->p = p;
	rc = seg_shard_prepare(e->shard, e->model, &now, NULL);
	return rc == SEG_OK ? seg_part_scan(engine_part(e), 0, UINT64_MAX, SIZE_MAX, wants, e, &next, &done, NULL) : rc;
}

bool engine_has_work(const struct engine *e)
{
	struct seg_now now = now_of(e);

	return seg_shard_has_work(e->shard, &now);
}

/* The life that a change belongs to, and its number, are in its event id only. One commit has one of the decided segments,
 * and one of each rule's. */
static bool is_id_of(const struct seg_change *change, const struct seg_decision *d, uint64_t *ret_n)
{
	struct seg_birth birth = {topics[d->birth_source], 0, d->birth_offset};
	char id[SEG_EVENT_ID_LEN + 1];

	for (*ret_n = d->change_number + 1; *ret_n <= d->change_number + 1 + RULES; ++*ret_n) {
		seg_event_id("test", change->customer_id, &birth, *ret_n, id);
		if (strcmp(id, change->event_id) == 0)
			return true;
	}
	return false;
}

static const struct seg_decision *decision_of(struct engine *e, const struct seg_change *change, uint64_t *ret_n)
{
	struct seg_entry **entries;
	size_t len;

	for (size_t i = 0; i < e->shard->leavers.len; i++) {
		const struct seg_leaver *l = &e->shard->leavers.items[i];

		if (seg_str_eq((struct seg_str){l->id, l->id_len}, change->customer_id) &&
		    is_id_of(change, &l->was, ret_n))
			return &l->was;
	}
	if (seg_part_pending(engine_part(e), &entries, &len, NULL) != SEG_OK)
		return NULL;
	for (size_t i = 0; i < len; i++) {
		const struct seg_profile *p = seg_entry_profile(entries[i]);

		if (p && seg_str_eq(p->id, change->customer_id) && is_id_of(change, &p->decision, ret_n))
			return &p->decision;
	}
	return NULL;
}

/* A transaction that takes no more. */
static enum seg_rc refuses(struct engine *e, struct seg_error *err)
{
	if (e->w->refuses && e->w->refuses())
		return seg_error_set(err, SEG_ABORT, "the transaction has failed");
	return SEG_OK;
}

static enum seg_rc on_change(void *ctx, int32_t partition, const struct seg_change *change, struct seg_error *err)
{
	struct engine *e = ctx;
	uint64_t n;
	const struct seg_decision *d = decision_of(e, change, &n);
	int rule = rule_of(change->from_rule ? change->from_rule : change->to_rule);
	struct output o = {.customer = customer_of(change->customer_id),
			   .rule = rule,
			   .from = rule ? change->from_rule != NULL : change->from_cluster,
			   .to = rule ? change->to_rule != NULL : change->to_cluster,
			   .has_cause = change->cause.topic != NULL,
			   .offset = change->cause.offset};

	(void)partition;
	if (!d)
		return seg_error_set(err, SEG_INVALID, "an event id that follows from no life");
	o.birth_source = d->birth_source;
	o.birth_offset = d->birth_offset;
	o.n = n;
	for (int s = 0; o.has_cause && s < SEG_SOURCES; s++)
		if (strcmp(topics[s], change->cause.topic) == 0)
			o.source = (enum seg_source)s;
	for (int s = 0; s < SEG_SOURCES; s++) {
		o.lo[s] = e->w->group.known ? e->w->group.next[s] : 0;
		o.hi[s] = seg_part_next(engine_part(e), (enum seg_source)s);
	}
	world_in_harness++;
	outputs_add(&e->commit->txn->outputs, &o);
	world_in_harness--;
	return refuses(e, err);
}

static enum seg_rc on_internal(void *ctx, enum seg_internal topic, int32_t partition, struct seg_str key,
			       struct seg_str value, uint32_t *ret_ticket, struct seg_error *err)
{
	struct engine *e = ctx;

	(void)partition;
	if (topic != SEG_INTERNAL_CHANGELOG)
		return refuses(e, err);
	world_in_harness++;
	int64_t offset = world_append(e->w, e->commit->txn, key, value);
	world_in_harness--;
	if (ret_ticket) {
		*ret_ticket = 0;
		e->commit->cut_offset = offset;
	}
	if (chance(e->w, e->commit->crash))
		return seg_error_set(err, SEG_FATAL, "crash");
	return refuses(e, err);
}

enum seg_rc engine_seal(struct engine *e, struct engine_commit *c)
{
	struct seg_sink sink = {.change = on_change, .internal = on_internal, .ctx = e};
	struct seg_now now = now_of(e);
	uint32_t ticket;

	evaluating = e;
	e->commit = c;
	/* As far as the cycle is to be by now: all, a part, nothing. */
	e->shard->pace.max_interval_ms =
		c->max_profiles > 3 ? 1
				    : 1 + (now.mono_ms - e->shard->cycle_mono_ms) * 3 / (int64_t)(c->max_profiles + 1);
	return seg_shard_seal(e->shard, e->model, &now, &sink, &ticket, NULL);
}

enum seg_rc engine_committed(struct engine *e, int64_t cut_offset)
{
	return seg_shard_committed(e->shard, cut_offset, NULL);
}

enum seg_rc engine_aborted(struct engine *e)
{
	return seg_shard_aborted(e->shard, NULL);
}

enum seg_rc engine_recount(struct engine *e)
{
	bool done;

	return seg_part_recount(engine_part(e), 1, &done, NULL);
}

struct counting {
	struct engine *e;
	struct seg_sums *sums;
};

static bool count(void *ctx, const struct seg_profile *p)
{
	struct counting *c = ctx;

	if (seg_sums_change(c->sums, NULL, &p->contribution, 1, NULL) != SEG_OK)
		violation(c->e->w, "the recount failed");
	return false;
}

void engine_check_sums(struct engine *e)
{
	struct counting c = {e, NULL};
	uint64_t next;
	bool done;

	if (!seg_part_recounted(engine_part(e)))
		return;
	c.sums = seg_sums_new();
	if (!c.sums || seg_part_scan(engine_part(e), 0, UINT64_MAX, SIZE_MAX, count, &c, &next, &done, NULL) != SEG_OK)
		violation(e->w, "the scan failed");
	bool equal = seg_sums_equal(c.sums, e->shard->sums);
	seg_sums_free(c.sums);
	need(e->w, equal, "sums differ from the recount");
}

static bool is_evaluated(void *ctx, const struct seg_profile *p)
{
	struct engine *e = ctx;

	need(e->w, p->contribution.basis && p->contribution.values[1] == digest(e, p), "%s is not evaluated",
	     customer_ids[customer_of(p->id)]);
	return false;
}

void engine_check_evaluated(struct engine *e)
{
	uint64_t next;
	bool done;

	if (seg_part_scan(engine_part(e), 0, UINT64_MAX, SIZE_MAX, is_evaluated, e, &next, &done, NULL) != SEG_OK)
		violation(e->w, "the scan failed");
}
