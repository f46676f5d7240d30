/* What comes and goes with the group's assignments, and making the producer anew. Runs inside poll, on the worker's thread. */
#include "daemon/worker_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

enum {
	GIVE_UP_FACTOR = 6,
	RIVAL_MS = 3500,
	CLOSE_MS = 5000,
	QUEUE_FACTOR = 4,
	STOPPING_WAIT_MS = 8000,
	WAITS_TOLD_MS = 30000,
	WAITS_UNREADY_MS = 5000
};

/* Waiting for brokers is not hanging: it gives beats, and is told now and then. */
static void tell_waiting(struct seg_worker *w, int64_t mono_ms)
{
	seg_beat_again(&w->beat);
	if (w->waits_since_ms == 0)
		w->waits_since_ms = w->waits_told_ms = mono_ms;
	if (mono_ms - w->waits_since_ms >= WAITS_UNREADY_MS)
		seg_worker_unreachable(w);
	if (mono_ms - w->waits_told_ms < WAITS_TOLD_MS)
		return;
	w->waits_told_ms = mono_ms;
	seg_log(SEG_LOG_WARN, "brokers_wait", "worker=%u doing=%s seconds=%" PRId64, w->index,
		seg_doing_names[atomic_load(&w->beat.doing)], (mono_ms - w->waits_since_ms) / 1000);
}

/* While stopping, a commit that is under way gets its time: the last ones carry whole checkpoints. */
static bool keep_waiting(void *ctx)
{
	struct seg_worker *w = ctx;
	int64_t mono_ms = seg_monotonic_ms();
	tell_waiting(w, mono_ms);
	if (!seg_worker_is_stopping(w))
		return true;
	return w->txn && mono_ms - seg_txn_busy_since_ms(w->txn) < STOPPING_WAIT_MS &&
	       seg_instance_time_left(w->inst, SEG_STOP_COMMITS_MS, STOPPING_WAIT_MS) > 1;
}

enum seg_rc seg_worker_open_txn(struct seg_worker *w, struct seg_error *err)
{
	const char *topics[SEG_TOPIC_OUTS];
	seg_output_topics(w->config, topics);
	struct seg_txn_options options = {
		.client = w->inst->client,
		.transactional_id = w->id,
		.topics = topics,
		.topics_len = SEG_TOPIC_OUTS,
		.transaction_timeout_ms = (int)w->config->kafka.transaction_timeout_ms,
		.give_up_ms = GIVE_UP_FACTOR * (int)w->config->kafka.transaction_timeout_ms,
		.queue_messages = (uint32_t)(w->config->commit.max_events * QUEUE_FACTOR),
		.keep_waiting = keep_waiting,
		.ctx = w,
	};
	enum seg_rc rc = seg_txn_open(&options, &w->txn, err);
	if (!rc)
		rc = seg_txn_init(w->txn, err);
	seg_kafka_sink_use(w->sink, w->txn);
	return rc;
}

static enum seg_rc begin_lane(struct seg_worker *w, int32_t partition, struct seg_error *err)
{
	struct seg_lane *lane = calloc(1, sizeof(*lane));
	if (!lane)
		return seg_error_set(err, SEG_NO_MEMORY, "partition %" PRId32 ": out of memory", partition);
	lane->partition = partition;
	lane->state = SEG_LANE_TAKING;
	lane->cut_ticket = SEG_NO_TICKET;
	w->lanes[partition] = lane;
	seg_log(SEG_LOG_INFO, "assigned", "worker=%u partition=%" PRId32, w->index, partition);
	return SEG_OK;
}

/* All inputs of a partition number must come together, or a customer's events would be split. */
static enum seg_rc check_together(const struct seg_worker *w, const struct seg_position *list, size_t len,
				  int32_t partition, struct seg_error *err)
{
	uint32_t found = 0;
	for (size_t i = 0; i < len; i++)
		found += list[i].partition == partition && list[i].topic != w->sums_topic;
	uint32_t want = w->topics_len - 1;
	if (found != want)
		return seg_error_set(err, SEG_FATAL,
				     "partition %" PRId32 " of only %u of %u inputs was assigned: do all members of "
				     "group %s read the same topics, and have these the same number of partitions? If "
				     "`sources` was just changed: brokers remember what a member read until "
				     "kafka.session_timeout (%" PRId64 " s) after its stop; start again then",
				     partition, found, want, w->config->group,
				     w->config->kafka.session_timeout_ms / 1000);
	return SEG_OK;
}

enum seg_rc seg_worker_assigned(void *ctx, const struct seg_position *list, size_t len, struct seg_error *err)
{
	struct seg_worker *w = ctx;
	struct seg_position *all = calloc(len ? len : 1, sizeof(*all));
	if (!all)
		return seg_error_set(err, SEG_NO_MEMORY, "assignment: out of memory");
	memcpy(all, list, len * sizeof(*all));
	for (size_t i = 0; i < len; i++)
		all[i].offset = 0;
	enum seg_rc rc = seg_kafka_input_assign(w->input, all, len, err);
	for (size_t i = 0; !rc && i < len; i++) {
		int32_t p = list[i].partition;
		if (list[i].topic == w->sums_topic) {
			rc = seg_worker_fold_assigned(w, err);
			continue;
		}
		if (p >= w->inst->partitions) {
			rc = seg_error_set(err, SEG_FATAL, "%s has got more partitions: restart all instances",
					   w->inst->topics[w->source_of[list[i].topic]]);
			continue;
		}
		if (w->lanes[p])
			continue;
		rc = check_together(w, list, len, p, err);
		if (!rc)
			rc = begin_lane(w, p, err);
	}
	free(all);
	w->answered = !rc;
	w->left_unflushed = false;
	w->committed_mono_ms = seg_monotonic_ms();
	return rc;
}

static void remember_counts(struct seg_worker *w, const struct seg_lane *lane)
{
	struct seg_shard_counts c;
	seg_shard_counts(lane->shard, &c);
	seg_shard_counts_add(&w->past, &c);
	struct seg_part_numbers n;
	seg_part_numbers(seg_shard_part(lane->shard), &n);
	w->past_hits += n.hits;
	w->past_misses += n.misses;
	w->past_cycles += n.cycles;
	seg_shard_counts_forget(lane->shard);
}

/* Back to the instance: with its memory if that is what was committed last, else without. */
static void park(struct seg_worker *w, struct seg_lane *lane, bool drop)
{
	bool whole = !drop && seg_lane_may(lane, SEG_MAY_COMMIT);
	w->left_unflushed |= !drop && !(whole && seg_shard_is_flushed(lane->shard));
	seg_lane_reset(w, lane);
	if (seg_lane_may(lane, SEG_MAY_HOLD)) {
		remember_counts(w, lane);
		if (!whole)
			seg_shard_drop(lane->shard);
	}
	/* Before a neighbour can take it, whose word these are then. */
	seg_worker_reached_nothing(w, lane);
	seg_worker_hide_lane(w, lane->partition);
	if (seg_lane_may(lane, SEG_MAY_HOLD))
		seg_instance_park(w->inst, lane->shard);
	lane->shard = NULL;
	seg_lane_move(w, lane, SEG_LANE_GONE);
	w->lanes[lane->partition] = NULL;
	free(lane);
}

enum seg_rc seg_worker_revoked(void *ctx, const struct seg_position *list, size_t len, bool lost, struct seg_error *err)
{
	struct seg_worker *w = ctx;
	enum seg_rc rc = SEG_OK;
	w->answered = false;
	if (lost) {
		seg_log(SEG_LOG_WARN, "assignment_lost", "worker=%u partitions=%zu", w->index, len);
		w->recreate = true; /* what is open must not be committed by anybody */
	} else if (!w->recreate) {
		/* In the middle of a stop nobody may come for them who ends the checkpoint. After that only the time that has
		 * passed could be committed, and the stores would be older than the group's offsets again. */
		bool stopping = seg_worker_is_stopping(w);
		rc = stopping ? seg_worker_flush(w, err) : SEG_OK;
		if (!rc && !w->recreate && !(stopping && seg_worker_is_flushed(w)))
			rc = seg_worker_commit(w, err);
	}
	bool drop = lost || w->recreate || rc;
	for (size_t i = 0; i < len; i++) {
		if (list[i].topic == w->sums_topic) {
			seg_worker_fold_revoked(w);
			continue;
		}
		int32_t p = list[i].partition;
		if (p >= w->inst->partitions || !w->lanes[p])
			continue;
		seg_log(SEG_LOG_INFO, lost ? "lost" : "revoked", "worker=%u partition=%" PRId32, w->index, p);
		park(w, w->lanes[p], drop);
	}
	return rc;
}

void seg_worker_drop_lanes(struct seg_worker *w)
{
	for (int32_t p = 0; w->lanes && p < w->inst->partitions; p++) {
		if (w->lanes[p])
			park(w, w->lanes[p], true);
	}
}

/*
 * Who is fenced makes the producer anew, which fences the other one: two processes with the same id would go on so for ever.
 * The group says which of them is to end, but by a heartbeat only, so a second time comes after the next one.
 */
enum seg_rc seg_worker_recreate(struct seg_worker *w, struct seg_error *err)
{
	w->recreate = false;
	seg_worker_move(w, SEG_WORKER_MENDING);
	seg_worker_does(w, SEG_DOING_PRODUCER);
	seg_log(SEG_LOG_WARN, "producer_recreated", "worker=%u id=%s", w->index, w->id);
	struct seg_position *list = calloc((size_t)w->inst->partitions * SEG_SOURCES + 1, sizeof(*list));
	if (!list)
		return seg_error_set(err, SEG_NO_MEMORY, "producer: out of memory");
	size_t len = 0;
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		struct seg_lane *lane = w->lanes[p];
		if (!lane)
			continue;
		seg_lane_reset(w, lane);
		if (seg_lane_may(lane, SEG_MAY_HOLD))
			seg_shard_drop(lane->shard);
		for (int s = 0; s < SEG_SOURCES; s++) {
			if (w->topic_of[s] >= 0)
				list[len++] = (struct seg_position){.topic = (uint32_t)w->topic_of[s], .partition = p};
		}
	}
	if (w->fold)
		list[len++] = (struct seg_position){.topic = w->sums_topic, .partition = 0};
	seg_kafka_input_release(w->input);
	enum seg_rc rc = len > 0 ? seg_kafka_input_pause(w->input, list, len, err) : SEG_OK;
	free(list);
	if (rc)
		return rc;
	seg_worker_fold_restart(w);
	seg_kafka_sink_use(w->sink, NULL);
	if (!seg_txn_close(w->txn, seg_instance_time_left(w->inst, SEG_STOP_COMMITS_MS, CLOSE_MS)))
		seg_log(SEG_LOG_WARN, "producer_close", "worker=%u the Kafka client did not close", w->index);
	w->txn = NULL;
	rc = seg_worker_open_txn(w, err);
	w->recreate_not_before_ms = seg_monotonic_ms() + RIVAL_MS;
	if (!rc)
		seg_worker_move(w, SEG_WORKER_RUNNING);
	return rc;
}
