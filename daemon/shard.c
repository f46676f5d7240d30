/*
 * DESIGN. A record's way through a shard is the table of stages below: each does one thing to one record or customer, in
 * this order. The first two are done by intake.c, which knows bytes but no customers; the next two when the record comes
 * (seg_part_apply); the last three once per customer and commit, however many records they had in it.
 */
#include "daemon/shard_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/event_id.h"
#include "daemon/rule_segments.h"
#include "daemon/stages.h"

const struct seg_stage seg_stages[] = {
	{"decode", "intake.c", "bytes to a plain event by the writer's compiled schema; refused: dead letter"},
	{"clean", "intake.c", "the record alone: fields, time, money, ids, key and partition; refused: dead letter"},
	{"deduplicate", "state/aggregate.c", "a repeat of an event id within the source's window changes nothing"},
	{"aggregates", "state/aggregate.c", "counters, sums, registers of the customer's profile"},
	{"features", "evaluate.c", "the profile as of stream time, transformed to the model's fixed-point values"},
	{"assign", "evaluate.c", "nearest centroid, hysteresis and dwell: the decision; the sums follow"},
	{"outputs", "shard.c", "segment change, decision record, checkpointed profiles, sums, the cut"},
};
const size_t seg_stages_len = sizeof(seg_stages) / sizeof(seg_stages[0]);

enum {
	DEFAULT_SCAN_BUDGET = 5000,
	PROFILES_MOST = 50000, /* in one transaction, however much is left: it must not take its time-out */
	KEY_MAX = 4096,
	VALUE_MAX = 4 * 1024 * 1024
};

/* Customers let into the sample before there is a model, against what it aims at: some partitions have fewer. */
static const double FIRST_SAMPLE = 3;

static enum seg_rc follow_contribution(void *ctx, const struct seg_contribution *c, int sign, struct seg_error *err)
{
	struct seg_shard *shard = ctx;
	return seg_sums_change(shard->sums, shard->basis.id ? &shard->basis : NULL, c, sign, err);
}

static void init_rules(struct seg_shard *shard)
{
	const struct seg_config *c = shard->config;
	shard->rules = (struct seg_evaluate_rules){
		.moves = {.hysteresis = c->segmenter.hysteresis,
			  .dwell_ms = c->segmenter.dwell_ms,
			  .return_ms = c->segmenter.return_dwell_ms},
		.min_move = c->segmenter.reevaluate.min_move,
	};
	double rate = shard->options.reread_per_second;
	shard->pace = (struct seg_pace){
		.reread_per_second = rate > 0 ? rate : seg_pace_guess(shard->options.partitions),
		.target_ms = c->recovery.target_ms,
		.max_interval_ms = c->checkpoint.max_interval_ms,
	};
}

static void init_time(struct seg_shard *shard)
{
	bool read[SEG_SOURCES];
	for (int s = 0; s < SEG_SOURCES; s++)
		read[s] = shard->config->sources[s].read;
	seg_stream_time_init(&shard->time, read);
	shard->scan = (struct seg_scan_state){.done_ms = SEG_NO_TIME};
	shard->publication.sent_mono_ms = SEG_NO_TIME;
	shard->publication.resend = true;
}

enum seg_rc seg_shard_open(const struct seg_shard_options *options, struct seg_shard **ret, struct seg_error *err)
{
	struct seg_shard *shard = calloc(1, sizeof(*shard));
	if (!shard)
		return seg_error_set(err, SEG_NO_MEMORY, "partition %d: out of memory", options->part.partition);
	shard->options = *options;
	shard->config = options->config;
	if (shard->options.scan_budget == 0)
		shard->options.scan_budget = DEFAULT_SCAN_BUDGET;
	shard->evaluate = options->evaluate ? options->evaluate : seg_evaluate;
	seg_buf_init(&shard->key, KEY_MAX);
	seg_buf_init(&shard->value, VALUE_MAX);
	seg_sample_init(&shard->sample);
	init_rules(shard);
	init_time(shard);
	enum seg_rc rc = SEG_OK;
	shard->sums = seg_sums_new();
	if (!shard->sums) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "partition %d: out of memory", options->part.partition);
		goto out;
	}
	struct seg_part_options part = options->part;
	part.contribution = follow_contribution;
	part.ctx = shard;
	rc = seg_rules_from(&shard->config->rules, &shard->rule_set, err);
	if (!rc)
		rc = seg_part_open(&part, &shard->part, err);
	if (rc)
		goto out;
	shard->rule_set_len = seg_rule_set_len(shard->rule_set);
	*ret = shard;
	return SEG_OK;
out:
	seg_shard_close(shard);
	return rc;
}

void seg_shard_close(struct seg_shard *shard)
{
	if (!shard)
		return;
	seg_part_close(shard->part);
	seg_rule_set_free(shard->rule_set);
	seg_model_put(shard->used);
	seg_model_put(shard->before);
	seg_sums_free(shard->sums);
	seg_sample_release(&shard->sample);
	seg_leavers_clear(&shard->leavers);
	free(shard->leavers.items);
	free(shard->publication.close.clusters);
	free(shard->publication.sealed_close.clusters);
	seg_buf_release(&shard->key);
	seg_buf_release(&shard->value);
	free(shard);
}

struct seg_part *seg_shard_part(struct seg_shard *shard)
{
	return shard->part;
}

int32_t seg_shard_partition(const struct seg_shard *shard)
{
	return shard->options.part.partition;
}

void seg_shard_back(struct seg_shard *shard)
{
	seg_stream_time_forget_ends(&shard->time);
}

const struct seg_stream_time *seg_shard_time(const struct seg_shard *shard)
{
	return &shard->time;
}

const struct seg_sums *seg_shard_sums(const struct seg_shard *shard)
{
	return shard->sums;
}

uint64_t seg_shard_swept(const struct seg_shard *shard)
{
	return shard->scan.sweep_promotion;
}

void seg_shard_counts_add(struct seg_shard_counts *to, const struct seg_shard_counts *from)
{
	for (int r = 0; r < SEG_REASONS; r++)
		to->changes[r] += from->changes[r];
	to->suppressed += from->suppressed;
	to->accepted += from->accepted;
	to->duplicates += from->duplicates;
	to->identified += from->identified;
	to->erased += from->erased;
	to->evaluated += from->evaluated;
	to->scanned += from->scanned;
	to->late += from->late;
	to->below_window += from->below_window;
	seg_moves_add(&to->moves, &from->moves);
}

void seg_shard_counts(const struct seg_shard *shard, struct seg_shard_counts *ret)
{
	struct seg_part_numbers n;
	seg_part_numbers(shard->part, &n);
	*ret = shard->counts;
	ret->below_window = n.below_window;
}

void seg_shard_counts_forget(struct seg_shard *shard)
{
	memset(&shard->counts, 0, sizeof(shard->counts));
	seg_part_numbers_forget(shard->part);
}

/* What did not come to be: its records come again. */
static void forget_counts(struct seg_shard *shard)
{
	memset(&shard->sealed_counts, 0, sizeof(shard->sealed_counts));
	memset(&shard->open_counts, 0, sizeof(shard->open_counts));
}

void seg_shard_drop(struct seg_shard *shard)
{
	seg_part_drop(shard->part);
	seg_sums_reset(shard->sums);
	seg_leavers_clear(&shard->leavers);
	seg_sample_clear(&shard->sample);
	seg_shard_sums_aborted(shard);
	forget_counts(shard);
	init_time(shard);
}

void seg_shard_started(struct seg_shard *shard, const struct seg_now *now)
{
	const struct seg_cut *cut = seg_part_cut(shard->part);
	if (!cut)
		return;
	seg_stream_time_restore(&shard->time, cut->stream_time_ms, cut->source_max_time_ms, cut->wall_ms, now);
	shard->scan.done_ms = cut->scan_cursor == 0 ? SEG_NO_TIME : (int64_t)cut->scan_cursor;
	shard->scan.sweep_promotion = cut->sweep_promotion;
	seg_sample_restore(&shard->sample, cut->sample_reach, cut->sample_reach_ms);
	shard->model_version = cut->model_version;
}

/* ---- records ---- */

static void count_accepted(struct seg_shard *shard, const struct seg_event *e)
{
	int64_t now_ms = shard->time.now_ms;
	shard->open_counts.accepted++;
	shard->open_counts.late += now_ms != SEG_NO_TIME && e->time_ms < now_ms - shard->config->lateness_ms;
}

enum seg_rc seg_shard_event(struct seg_shard *shard, const struct seg_event *e, int64_t offset, int64_t wall_ms,
			    enum seg_applied *ret, struct seg_error *err)
{
	enum seg_applied applied = SEG_APPLIED_IGNORED;
	enum seg_rc rc;
	seg_stream_time_event(&shard->time, e->source, e->time_ms, wall_ms);
	if (e->source == SEG_PROFILES && e->kind == SEG_UPDATE_ERASE) {
		if (offset < seg_part_next(shard->part, e->source)) {
			applied = SEG_APPLIED_SEEN;
			rc = SEG_OK;
		} else {
			seg_part_advance(shard->part, e->source, offset + 1);
			rc = seg_shard_leave(shard, e->customer_id, SEG_REASON_ERASURE, e, offset, err);
		}
	} else {
		rc = seg_part_apply(shard->part, e, offset, &applied, NULL, err);
	}
	if (rc)
		return rc;
	if (applied == SEG_APPLIED)
		count_accepted(shard, e);
	else if (applied == SEG_APPLIED_DUPLICATE)
		shard->open_counts.duplicates++;
	else if (applied == SEG_APPLIED_IGNORED)
		shard->open_counts.identified += e->kind == SEG_UPDATE_IDENTIFY;
	if (ret)
		*ret = applied;
	return SEG_OK;
}

void seg_shard_refused(struct seg_shard *shard, enum seg_source source, int64_t offset, int64_t time_ms,
		       int64_t wall_ms)
{
	seg_stream_time_event(&shard->time, source, time_ms, wall_ms);
	seg_part_advance(shard->part, source, offset + 1);
}

void seg_shard_end(struct seg_shard *shard, enum seg_source source, int64_t next)
{
	seg_stream_time_end(&shard->time, source);
	seg_part_advance(shard->part, source, next);
}

void seg_shard_clock(struct seg_shard *shard, int64_t stream_ms)
{
	if (stream_ms > shard->time.now_ms)
		shard->time.now_ms = stream_ms;
}

/* ---- commit ---- */

/* Before the first model names a bound: one that lets in twice what the learner's first bound does, if the other partitions
 * have as many customers as this one. Without it every customer of a long backlog would be in the sample until then. */
static uint64_t first_bound(const struct seg_shard *shard)
{
	struct seg_part_numbers n;
	seg_part_numbers(shard->part, &n);
	double want = (double)shard->config->segmenter.refit.sample;
	if (want < 200.0 * (double)shard->config->segmenter.k_max)
		want = 200.0 * (double)shard->config->segmenter.k_max;
	double partitions = shard->options.partitions > 0 ? shard->options.partitions : 1;
	double share = FIRST_SAMPLE * want / ((double)n.customers * partitions + 1);
	return share < 1 ? (uint64_t)(share * 0x1p64) : UINT64_MAX;
}

/* Keeps the model, and at a promotion the one before it. */
static void keep_model(struct seg_shard *shard, const struct seg_model *model)
{
	if (model == shard->used)
		return;
	if (shard->used && model->promotion > shard->used->promotion) {
		seg_model_put(shard->before);
		shard->before = shard->used;
	} else {
		seg_model_put(shard->used);
	}
	shard->used = seg_model_get((struct seg_model *)model); /* only its count changes */
}

static void use_model(struct seg_shard *shard, const struct seg_model *model)
{
	shard->model = model;
	if (!model) {
		uint64_t bound = first_bound(shard);
		if (bound <
		    shard->sample.bound) /* it only falls: a customer who was let in stays until the model speaks */
			seg_sample_set_bound(&shard->sample, bound);
		return;
	}
	keep_model(shard, model);
	if (model->basis.id != shard->basis.id)
		shard->basis = model->basis;
	seg_sample_set_bound(&shard->sample, model->sample_bound);
}

static void move_time(struct seg_shard *shard, const struct seg_now *now)
{
	int64_t jump_ms;
	seg_stream_time_move(&shard->time, now, &jump_ms);
	if (jump_ms > 0)
		seg_log(SEG_LOG_WARN, "stream_time_jump",
			"partition=%" PRId32 " ms=%" PRId64
			" text=\"the clock is that far ahead of stream time, which follows at an hour a second\"",
			seg_shard_partition(shard), jump_ms);
}

enum seg_rc seg_shard_prepare(struct seg_shard *shard, const struct seg_model *model, const struct seg_now *now,
			      struct seg_error *err)
{
	use_model(shard, model);
	move_time(shard, now);
	enum seg_rc rc = seg_shard_scan(shard, err);
	shard->model = NULL;
	return rc;
}

bool seg_shard_scan_waits(const struct seg_shard *shard)
{
	return shard->scan.waits;
}

/* A customer whom a sweep moves: was another segment the nearest under the model before the promotion, too? Then it was
 * time that carried them there, and the promotion only came before the scan, or past the margin. */
static bool moves_anyway(const struct seg_shard *shard, const struct seg_profile *p)
{
	struct seg_evaluation was;
	if (!shard->before || seg_model_index(shard->before, p->decision.cluster) < 0)
		return false;
	shard->evaluate(shard->before, p, shard->time.now_ms, &shard->rules, &was);
	return was.cluster != p->decision.cluster;
}

static enum seg_reason reason_of(const struct seg_shard *shard, const struct seg_profile *p, bool caused)
{
	if (p->decision.cluster == 0)
		return SEG_REASON_FIRST;
	if (caused)
		return SEG_REASON_BEHAVIOUR;
	if (shard->sweeping_at_prepare && p->hash >= shard->sweep_at_prepare)
		return moves_anyway(shard, p) ? SEG_REASON_TIME : SEG_REASON_MODEL;
	return SEG_REASON_TIME;
}

/* stream_ms: the instant that the evaluation was made for. */
static enum seg_rc send_change(struct seg_shard *shard, const struct seg_profile *p, const struct seg_entry *entry,
			       int64_t stream_ms, const struct seg_now *now, const struct seg_sink *sink,
			       struct seg_error *err)
{
	const struct seg_evaluation *ev = &shard->evaluation;
	const struct seg_decision *d = &p->decision;
	int32_t partition = seg_shard_partition(shard);
	enum seg_source source = SEG_WEB;
	int64_t offset = -1;
	bool caused = seg_entry_cause(entry, &source, &offset);
	struct seg_change change = {
		.customer_id = p->id,
		.from_cluster = d->cluster,
		.to_cluster = ev->to,
		.from_name = d->cluster ? seg_model_segment_name(shard->model, d->cluster) : NULL,
		.to_name = ev->to ? seg_model_segment_name(shard->model, ev->to) : NULL,
		.reason = reason_of(shard, p, caused),
		.model_version = seg_model_version(shard->model),
		.distance_from = ev->distance_from,
		.distance_to = ev->distance_to,
		.margin = ev->margin,
		.event_time_ms = shard->time.now_ms,
		.decided_at_ms = now->wall_ms,
	};
	if (shard->model)
		change.drivers_len =
			seg_model_drivers(shard->model, p, stream_ms, ev->values, d->cluster, ev->to, change.drivers);
	if (caused)
		change.cause = (struct seg_cause){shard->options.topics[source], partition, offset};
	struct seg_birth birth = {shard->options.topics[d->birth_source], partition, d->birth_offset};
	seg_event_id(shard->config->app, p->id, &birth, d->change_number + 1, change.event_id);
	shard->sealed_counts.changes[change.reason]++;
	return sink->change(sink->ctx, partition, &change, err);
}

/* One customer of the commit: features, assignment, and what follows from them. */
static enum seg_rc decide_entry(struct seg_shard *shard, struct seg_entry *entry, const struct seg_now *now,
				const struct seg_sink *sink, struct seg_error *err)
{
	const struct seg_profile *p = seg_entry_profile(entry);
	if (!p || !p->decision.alive)
		return SEG_OK;
	int64_t stream_ms = shard->time.now_ms == SEG_NO_TIME ? p->last_ms : shard->time.now_ms;
	shard->evaluate(shard->model, p, stream_ms, &shard->rules, &shard->evaluation);
	const struct seg_evaluation *ev = &shard->evaluation;
	shard->sealed_counts.evaluated++;
	shard->sealed_counts.suppressed += ev->suppressed;
	if (ev->suppressed)
		seg_moves_suppressed(&shard->sealed_counts.moves, p->decision.cluster);
	struct seg_decision decision = p->decision;
	enum seg_rc rc;
	if (ev->to != decision.cluster) {
		rc = send_change(shard, p, entry, stream_ms, now, sink, err);
		if (rc)
			return rc;
		seg_moves_note(&shard->sealed_counts.moves, &decision, ev->to, ev->distance_from, ev->distance_to,
			       stream_ms);
		decision.cluster = ev->to;
		decision.change_number++;
		decision.since_ms = stream_ms;
	}
	rc = seg_shard_rules_decide(shard, entry, stream_ms, now, sink, &decision, err);
	if (rc)
		return rc;
	rc = seg_part_decide(shard->part, entry, &decision, &ev->contribution, err);
	if (rc)
		return rc;
	return seg_sample_send(&shard->sample, seg_entry_profile(entry), sink, &shard->key, &shard->value, err);
}

static enum seg_rc decide_all(struct seg_shard *shard, const struct seg_now *now, const struct seg_sink *sink,
			      struct seg_error *err)
{
	struct seg_entry **entries;
	size_t len;
	enum seg_rc rc = seg_part_pending(shard->part, &entries, &len, err);
	for (size_t i = 0; !rc && i < len; i++)
		rc = decide_entry(shard, entries[i], now, sink, err);
	return rc;
}

struct emit_to {
	const struct seg_sink *sink;
	int32_t partition;
	uint32_t cut;
};

static enum seg_rc emit_changelog(void *ctx, enum seg_emit what, struct seg_str key, struct seg_str value,
				  struct seg_error *err)
{
	struct emit_to *to = ctx;
	return to->sink->internal(to->sink->ctx, SEG_INTERNAL_CHANGELOG, to->partition, key, value,
				  what == SEG_EMIT_CUT ? &to->cut : NULL, err);
}

static enum seg_rc seal_part(struct seg_shard *shard, const struct seg_now *now, const struct seg_sink *sink,
			     uint32_t *ret_cut, struct seg_error *err)
{
	struct seg_part_numbers n;
	seg_part_numbers(shard->part, &n);
	uint64_t version = seg_model_version(shard->model);
	if (version > shard->model_version)
		shard->model_version = version;
	struct seg_seal seal = {
		.stream_time_ms = shard->time.now_ms,
		.wall_ms = now->wall_ms,
		.scan_cursor = shard->scan.done_ms == SEG_NO_TIME ? 0 : (uint64_t)shard->scan.done_ms,
		.sweep_promotion = shard->scan.sweep_promotion,
		.model_version = shard->model_version,
		.sample_reach = shard->sample.reach,
		.sample_reach_ms = shard->sample.since_ms,
		.begin_cycle = true,
	};
	memcpy(seal.source_max_time_ms, shard->time.max_ms, sizeof(seal.source_max_time_ms));
	if (n.cycle) {
		seal.max_profiles =
			seg_pace_profiles(seg_shard_cycle_progress(shard, &n, now), n.cycle_set, n.cycle_left);
	} else {
		shard->cycle_mono_ms = now->mono_ms;
	}
	if (seal.max_profiles > PROFILES_MOST)
		seal.max_profiles = PROFILES_MOST;
	struct emit_to to = {sink, seg_shard_partition(shard), SEG_NO_TICKET};
	enum seg_rc rc = seg_part_seal(shard->part, &seal, emit_changelog, &to, err);
	if (!rc)
		*ret_cut = to.cut;
	return rc;
}

enum seg_rc seg_shard_seal(struct seg_shard *shard, const struct seg_model *model, const struct seg_now *now,
			   const struct seg_sink *sink, uint32_t *ret_cut, struct seg_error *err)
{
	use_model(shard, model);
	move_time(shard, now);
	shard->sealed_counts = shard->open_counts;
	memset(&shard->open_counts, 0, sizeof(shard->open_counts));
	enum seg_rc rc = seg_shard_leavers_send(shard, now, sink, err);
	if (!rc)
		rc = decide_all(shard, now, sink, err);
	if (!rc && seg_shard_sums_due(shard, now, true))
		rc = seg_shard_sums_send(shard, now, sink, err);
	if (!rc)
		rc = seal_part(shard, now, sink, ret_cut, err);
	shard->model = NULL;
	return rc;
}

static void count_sealed(struct seg_shard *shard)
{
	seg_shard_counts_add(&shard->counts, &shard->sealed_counts);
	memset(&shard->sealed_counts, 0, sizeof(shard->sealed_counts));
}

enum seg_rc seg_shard_committed(struct seg_shard *shard, int64_t cut_offset, struct seg_error *err)
{
	enum seg_rc rc = seg_part_committed(shard->part, cut_offset, err);
	seg_leavers_drop(&shard->leavers, shard->leavers.sealed);
	seg_sample_committed(&shard->sample);
	seg_shard_sums_committed(shard);
	count_sealed(shard);
	return rc;
}

enum seg_rc seg_shard_aborted(struct seg_shard *shard, struct seg_error *err)
{
	/* Erase records are read again; who expired is found again by the scan's next round. */
	seg_leavers_clear(&shard->leavers);
	seg_sample_aborted(&shard->sample);
	seg_shard_sums_aborted(shard);
	forget_counts(shard);
	return seg_part_aborted(shard->part, err);
}
