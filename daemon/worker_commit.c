/*
 * A commit: one transaction over all running partition numbers that have something to commit, and the fold's news.
 * Whatever the outcome, lanes are afterwards either as if it had succeeded, as if it had never been tried, or dropped to
 * be recovered; nothing is guessed.
 */
#include "daemon/worker_internal.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mutant.h"

enum { BEHIND_MS = 1000 };

struct commit {
	struct seg_worker *w;
	struct seg_now now;
	struct seg_model *model;
	const struct seg_sink *sink;
	struct seg_txn_offset *offsets;
	size_t offsets_len;
	bool fold;
};

bool seg_worker_commit_is_due(const struct seg_worker *w, const struct seg_now *now)
{
	if (w->events >= (size_t)w->config->commit.max_events || w->bytes >= (size_t)w->config->commit.max_bytes)
		return true;
	int64_t interval = w->config->commit.interval_ms;
	if (w->behind && interval < BEHIND_MS)
		interval = BEHIND_MS;
	return now->mono_ms - w->committed_mono_ms >= interval;
}

static void add_offset(struct commit *c, const char *topic, int32_t partition, int64_t offset, uint64_t seq)
{
	if (offset >= 0)
		c->offsets[c->offsets_len++] = (struct seg_txn_offset){topic, partition, offset, seq};
}

/* Prepares all running lanes; true if any of them, or the fold, has something to commit. */
static enum seg_rc prepare(struct commit *c, bool *ret_any, struct seg_error *err)
{
	struct seg_worker *w = c->w;
	c->fold = w->fold && w->fold_ready &&
		  (seg_fold_has_work(w->fold) || seg_worker_place_untold(w, SEG_PLACE_FOLD, w->fold_place_told));
	*ret_any = c->fold;
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		struct seg_lane *lane = w->lanes[p];
		if (!seg_lane_may(lane, SEG_MAY_COMMIT))
			continue;
		enum seg_rc rc = seg_shard_prepare(lane->shard, c->model, &c->now, err);
		if (rc)
			return rc;
		lane->sealed =
			seg_shard_has_work(lane->shard, &c->now) || seg_worker_place_untold(w, p, lane->place_told);
		*ret_any = *ret_any || lane->sealed;
	}
	return SEG_OK;
}

static enum seg_rc seal_lane(struct commit *c, struct seg_lane *lane, struct seg_error *err)
{
	enum seg_rc rc = seg_shard_seal(lane->shard, c->model, &c->now, c->sink, &lane->cut_ticket, err);
	if (rc)
		return seg_error_wrap(err, rc, "partition %d", lane->partition);
	if (seg_worker_place_untold(c->w, lane->partition, lane->place_told))
		rc = seg_worker_tell_place(c->w, lane->partition, c->sink, err);
	if (rc)
		return rc;
	const struct seg_part *part = seg_shard_part(lane->shard);
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (c->w->topic_of[s] >= 0)
			add_offset(c, c->w->inst->topics[s], lane->partition,
				   seg_part_sealed_next(part, (enum seg_source)s), seg_part_sealed_seq(part));
	}
	return SEG_OK;
}

static enum seg_rc seal(struct commit *c, struct seg_error *err)
{
	struct seg_worker *w = c->w;
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		struct seg_lane *lane = w->lanes[p];
		if (!seg_lane_may(lane, SEG_MAY_COMMIT) || !lane->sealed)
			continue;
		enum seg_rc rc = seal_lane(c, lane, err);
		if (rc)
			return rc;
	}
	if (!c->fold)
		return SEG_OK;
	enum seg_rc rc = seg_fold_seal(w->fold, c->sink, err);
	if (!rc && seg_worker_place_untold(w, SEG_PLACE_FOLD, w->fold_place_told))
		rc = seg_worker_tell_place(w, SEG_PLACE_FOLD, c->sink, err);
	add_offset(c, w->config->internals.model_sums, 0, seg_kafka_input_position(w->input, w->sums_topic, 0), 0);
	return rc;
}

static enum seg_rc committed(struct commit *c, struct seg_error *err)
{
	struct seg_worker *w = c->w;
	enum seg_rc first = SEG_OK;
	SEG_CRASH_POINT(AFTER_COMMIT);
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		struct seg_lane *lane = w->lanes[p];
		if (!lane || !lane->sealed)
			continue;
		lane->sealed = false;
		lane->place_told = true;
		if (lane->first_commit)
			seg_log(SEG_LOG_INFO, "first_commit", "partition=%d ms=%lld", (int)p,
				(long long)(seg_monotonic_ms() - lane->began_mono_ms));
		lane->first_commit = false;
		int64_t cut = lane->cut_ticket == SEG_NO_TICKET ? -1 : seg_txn_offset(w->txn, lane->cut_ticket);
		enum seg_rc rc = seg_shard_committed(lane->shard, cut, first ? NULL : err);
		if (rc && !first)
			first = rc;
		seg_worker_reached(w, lane);
	}
	if (c->fold) {
		seg_fold_committed(w->fold);
		w->fold_place_told = true;
	}
	return first;
}

/* The broker said that it is aborted: all lanes as before, inputs rewound. */
static enum seg_rc aborted(struct commit *c, struct seg_error *err)
{
	struct seg_worker *w = c->w;
	if (c->fold)
		seg_fold_aborted(w->fold);
	struct seg_position *list = calloc((size_t)w->inst->partitions * SEG_SOURCES, sizeof(*list));
	if (!list)
		return seg_error_set(err, SEG_NO_MEMORY, "rewind: out of memory");
	size_t len = 0;
	enum seg_rc rc = SEG_OK;
	for (int32_t p = 0; !rc && p < w->inst->partitions; p++) {
		struct seg_lane *lane = w->lanes[p];
		if (!seg_lane_may(lane, SEG_MAY_COMMIT))
			continue;
		lane->sealed = false;
		rc = seg_shard_aborted(lane->shard, err);
		for (int s = 0; !rc && s < SEG_SOURCES; s++) {
			int64_t next = seg_part_next(seg_shard_part(lane->shard), (enum seg_source)s);
			if (w->topic_of[s] >= 0 && next >= 0)
				list[len++] = (struct seg_position){
					.topic = (uint32_t)w->topic_of[s], .partition = p, .offset = next};
		}
	}
	if (!rc && len > 0 && !SEG_MUTANT(NO_REWIND))
		rc = seg_kafka_input_seek(w->input, list, len, err);
	free(list); /* what was paused for being ahead still is: seeking does not resume it */
	return rc;
}

static void count(struct seg_worker *w, const char *result)
{
	seg_metric_inc(seg_meter_labelled(w->inst->meters, SEG_METER_COMMITS, result, NULL), 1);
}

static void observe(struct seg_worker *w, enum seg_meter which, int64_t wall_ms)
{
	struct seg_metric *metric = seg_meter(w->inst->meters, which);
	for (size_t i = 0; metric && i < w->latencies.len; i++) {
		int64_t took = wall_ms - w->latencies.items[i];
		seg_metric_observe(metric, took > 0 ? (double)took / 1000.0 : 0);
	}
}

static void begin_anew(struct seg_worker *w)
{
	w->events = w->bytes = 0;
	w->open = (struct seg_open_counts){0};
	w->first_mono_ms = 0;
	w->latencies.len = 0;
	seg_kafka_sink_bytes(w->sink);
	w->committed_mono_ms = seg_monotonic_ms();
}

/* Seeded bugs: a new producer, and the outcome is not asked of Kafka. */
static enum seg_rc guess(struct commit *c, struct seg_error *err)
{
	seg_kafka_sink_use(c->w->sink, NULL);
	seg_txn_close(c->w->txn, BEHIND_MS);
	c->w->txn = NULL;
	enum seg_rc rc = seg_worker_open_txn(c->w, err);
	if (rc)
		return rc;
	return SEG_MUTANT(UNKNOWN_IS_COMMIT) ? committed(c, err) : aborted(c, err);
}

/* Aborted because a record was too large for a broker: the same again would end in the same way, for ever. A dead letter goes
 * without its value then; anything else stops us. */
static enum seg_rc refused(struct seg_worker *w, enum seg_rc outcome, const struct seg_error *err)
{
	uint32_t topic = 0;
	size_t bytes = seg_txn_refused(w->txn, &topic);
	if (bytes == 0)
		return outcome;
	if (topic != SEG_TOPIC_OUT_DEAD_LETTERS || !seg_kafka_sink_cut_letters(w->sink, bytes))
		return SEG_LIMIT;
	seg_log(SEG_LOG_WARN, "dead_letters_cut", "worker=%u larger_than=%zu error=\"%s\"", w->index, bytes / 2,
		err->text);
	return SEG_ABORT;
}

/* What became of the transaction, and what to do about it. */
static enum seg_rc conclude(struct commit *c, enum seg_rc outcome, struct seg_error *err)
{
	struct seg_worker *w = c->w;
	if (outcome == SEG_ABORT || outcome == SEG_LIMIT)
		outcome = refused(w, outcome, err);
	switch (outcome) {
	case SEG_OK: {
		count(w, "committed");
		int64_t began = w->first_mono_ms ? w->first_mono_ms : c->now.mono_ms;
		seg_metric_observe(seg_meter(w->inst->meters, SEG_METER_COMMIT_SECONDS),
				   (double)(seg_monotonic_ms() - began) / 1000.0);
		observe(w, SEG_METER_TO_COMMIT, seg_wall_ms());
		seg_worker_count_committed(w);
		return committed(c, err);
	}
	case SEG_ABORT:
		count(w, "aborted");
		seg_log(SEG_LOG_WARN, "commit_aborted", "worker=%u error=\"%s\"", w->index, err->text);
		return aborted(c, err);
	case SEG_RECREATE:
		count(w, "unknown");
		seg_log(SEG_LOG_WARN, "commit_unknown", "worker=%u error=\"%s\"", w->index, err->text);
		if (SEG_MUTANT(UNKNOWN_IS_ABORT) || SEG_MUTANT(UNKNOWN_IS_COMMIT))
			return guess(c, err);
		w->recreate = true;
		return SEG_OK;
	case SEG_NOT_FOUND:
	case SEG_RETRY:
	case SEG_SKIP:
	case SEG_INVALID:
	case SEG_LIMIT:
	case SEG_NO_MEMORY:
	case SEG_IO:
	case SEG_CORRUPT:
	case SEG_FATAL:
		break;
	}
	return outcome;
}

enum seg_rc seg_worker_txn_failed(struct seg_worker *w, enum seg_rc outcome, struct seg_error *err)
{
	struct commit c = {.w = w, .now = seg_worker_now()};
	enum seg_rc rc = conclude(&c, outcome, err);
	begin_anew(w);
	return rc;
}

enum seg_rc seg_worker_commit(struct seg_worker *w, struct seg_error *err)
{
	struct commit c = {
		.w = w,
		.now = seg_worker_now(),
		.model = seg_model_feed_get(w->inst->feed),
		.sink = seg_kafka_sink_interface(w->sink),
		.offsets = calloc((size_t)w->inst->partitions * SEG_SOURCES + 1, sizeof(*c.offsets)),
	};
	bool any = false;
	enum seg_rc rc = SEG_OK;
	seg_worker_does(w, SEG_DOING_COMMIT);
	if (!c.offsets) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "commit: out of memory");
		goto out;
	}
	rc = prepare(&c, &any, err);
	if (rc || !any) {
		w->committed_mono_ms = c.now.mono_ms;
		goto out;
	}
	const rd_kafka_consumer_group_metadata_t *group = seg_kafka_input_group(w->input);
	if (!group) { /* nothing assigned any more: the revoke callback has dealt with it */
		w->recreate = true;
		goto out;
	}
	SEG_CRASH_POINT(BEFORE_PRODUCE);
	rc = seal(&c, err);
	SEG_CRASH_POINT(AFTER_PRODUCE);
	observe(w, SEG_METER_TO_DECISION, c.now.wall_ms);
	if (!rc && c.offsets_len == 0)
		rc = seg_error_set(err, SEG_FATAL, "commit without an offset: this is a mistake in the program");
	if (SEG_MUTANT(REEVALUATION_BARE) && w->events == 0 && !seg_worker_is_stopping(w))
		c.offsets_len = 0;
	if (!rc)
		rc = seg_txn_commit(w->txn, c.offsets, c.offsets_len, group, err);
	rc = conclude(&c, rc, err);
	begin_anew(w);
out:
	seg_model_put(c.model);
	free(c.offsets);
	return rc;
}
