#include "daemon/worker_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/mailbox.h"

enum {
	POLL_MAX = 1000,
	IDLE_POLL_MS = 50,
	RECOVER_POLL_MS = 20,
	AGAIN_MS = 1000,
	TIDY_MS = 5000,
	CLOSE_MS = 10000,
	CLOSE_LEAST_MS = 1000
};

struct seg_now seg_worker_now(void)
{
	return (struct seg_now){.wall_ms = seg_wall_ms(), .mono_ms = seg_monotonic_ms()};
}

void seg_worker_move(struct seg_worker *w, enum seg_worker_state to)
{
	seg_worker_check_move(w->index, w->status.state, to);
	pthread_mutex_lock(&w->lock);
	w->status.state = to;
	pthread_mutex_unlock(&w->lock);
}

/* ---- the loop ---- */

static enum seg_rc poll_input(struct seg_worker *w, int timeout_ms, struct seg_error *err)
{
	struct seg_kafka_batch batch = {0};
	enum seg_rc rc = seg_kafka_input_poll(w->input, timeout_ms, POLL_MAX, &batch, err);
	if (rc)
		return rc == SEG_NOT_FOUND ? seg_worker_out_of_log(w, err) : rc;
	w->behind = batch.len == POLL_MAX;
	if (w->recreate) { /* a callback found out: what is in hand will come again */
		seg_kafka_input_release(w->input);
		return SEG_OK;
	}
	rc = seg_worker_take_batch(w, &batch, err);
	seg_kafka_input_release(w->input);
	if (rc == SEG_ABORT || rc == SEG_RECREATE)
		rc = seg_worker_txn_failed(w, rc, err);
	return rc;
}

static enum seg_rc maintain(struct seg_worker *w, struct seg_error *err)
{
	seg_worker_does(w, SEG_DOING_STORE);
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		struct seg_lane *lane = w->lanes[p];
		if (!seg_lane_may(lane, SEG_MAY_COMMIT))
			continue;
		enum seg_rc rc = seg_part_trouble(seg_shard_part(lane->shard), err); /* of who only looked, maybe */
		if (!rc)
			rc = seg_shard_maintain(lane->shard, err);
		if (rc)
			return seg_error_wrap(err, rc, "store of partition %" PRId32, p);
		seg_worker_does(w, SEG_DOING_STORE);
	}
	return SEG_OK;
}

static int poll_timeout(const struct seg_worker *w, const struct seg_now *now)
{
	if (seg_worker_is_reading(w))
		return 0; /* the reader has waited */
	int64_t interval = w->config->commit.interval_ms, left = w->committed_mono_ms + interval - now->mono_ms;
	if (left > interval)
		left = interval;
	if (left < 1 && w->events == 0) /* a commit is due, but there is nothing to commit: wait for records */
		left = IDLE_POLL_MS;
	if (left > RECOVER_POLL_MS && seg_worker_is_recovering(w))
		left = RECOVER_POLL_MS;
	return left > 0 ? (int)left : 0;
}

static enum seg_rc turn(struct seg_worker *w, struct seg_error *err)
{
	struct seg_now now = seg_worker_now();
	seg_worker_look(w, &now, false);
	if (now.mono_ms - w->tidied_mono_ms >= TIDY_MS) {
		w->tidied_mono_ms = now.mono_ms;
		seg_instance_tidy(w->inst, now.mono_ms);
	}
	enum seg_rc rc = seg_model_feed_check(w->inst->feed, err);
	if (!rc)
		rc = seg_topic_watch_check(w->inst->topic_watch, err);
	if (!rc && w->recreate && now.mono_ms >= w->recreate_not_before_ms)
		rc = seg_worker_recreate(w, err);
	seg_worker_does(w, SEG_DOING_RECOVER);
	if (!rc)
		rc = seg_worker_recover(w, RECOVER_POLL_MS, err);
	seg_worker_does(w, SEG_DOING_POLL);
	if (!rc)
		rc = poll_input(w, poll_timeout(w, &now), err);
	seg_worker_does(w, SEG_DOING_FOLD);
	seg_worker_answer(w);
	now = seg_worker_now();
	if (!rc && !w->recreate)
		rc = seg_worker_fold_step(w, &now, err);
	if (!rc && !w->recreate && seg_worker_commit_is_due(w, &now)) {
		rc = seg_worker_commit(w, err);
		if (!rc && !w->recreate)
			rc = maintain(w, err);
	}
	if (!rc && !w->recreate)
		rc = seg_worker_balance(w, err);
	return rc;
}

/* ---- beginning and end ---- */

static void name_topics(struct seg_worker *w, const char *ret[SEG_SOURCES + 1])
{
	for (int s = 0; s < SEG_SOURCES; s++) {
		w->topic_of[s] = -1;
		if (!w->config->sources[s].read)
			continue;
		w->topic_of[s] = (int)w->topics_len;
		w->source_of[w->topics_len] = (enum seg_source)s;
		ret[w->topics_len++] = w->config->sources[s].topic;
	}
	w->sums_topic = w->topics_len;
	w->source_of[w->topics_len] = SEG_SOURCES;
	ret[w->topics_len++] = w->config->internals.model_sums;
}

static enum seg_rc begin(struct seg_worker *w, struct seg_error *err)
{
	const char *topics[SEG_SOURCES + 1];
	name_topics(w, topics);
	struct seg_kafka_input_options options = {
		.client = w->inst->client,
		.group = w->config->group,
		.instance_id = w->id,
		.topics = topics,
		.topics_len = w->topics_len,
		.session_timeout_ms = w->inst->session_timeout_ms ? w->inst->session_timeout_ms
								  : (int)w->config->kafka.session_timeout_ms,
		.max_poll_interval_ms = (int)w->config->kafka.max_poll_interval_ms,
		.events = {seg_worker_assigned, seg_worker_revoked, w},
	};
	enum seg_rc rc = seg_kafka_sink_new(w->config, &w->sink, err);
	if (!rc)
		rc = seg_intake_new(w->config, w->inst->partitions, &w->intake, err);
	if (!rc)
		rc = seg_worker_open_txn(w, err); /* first: our own dead transaction would hold the stable offsets */
	if (!rc)
		rc = seg_kafka_input_open(&options, &w->input, err);
	if (!rc)
		rc = seg_kafka_input_subscribe(w->input, err);
	return rc;
}

bool seg_worker_is_flushed(const struct seg_worker *w)
{
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		const struct seg_lane *lane = w->lanes[p];
		if (seg_lane_may(lane, SEG_MAY_COMMIT) && !seg_shard_is_flushed(lane->shard))
			return false;
	}
	return true;
}

/* Who was still being recovered has nothing to flush, but is not whole. */
static bool is_whole(const struct seg_worker *w)
{
	return !w->recreate && !w->left_unflushed && seg_worker_is_flushed(w) && !seg_worker_is_recovering(w);
}

enum seg_rc seg_worker_flush(struct seg_worker *w, struct seg_error *err)
{
	int64_t until = seg_monotonic_ms() + seg_instance_time_left(w->inst, SEG_STOP_COMMITS_MS, SEG_STOP_COMMITS_MS);
	enum seg_rc rc = SEG_OK;
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		if (seg_lane_may(w->lanes[p], SEG_MAY_HOLD))
			seg_shard_flush(w->lanes[p]->shard);
	}
	while (!rc && !w->recreate && !seg_worker_is_flushed(w) && seg_monotonic_ms() < until) {
		rc = seg_worker_commit(w, err);
		if (!rc && !w->recreate)
			rc = maintain(w, err);
	}
	return rc;
}

static const char *why_not_whole(const struct seg_worker *w)
{
	if (w->recreate)
		return " why=\"the last commit was not answered: the next start recovers\"";
	return w->left_unflushed ? " why=\"the group took partitions back: who gets them recovers\"" : "";
}

static enum seg_rc finish(struct seg_worker *w, struct seg_error *err)
{
	enum seg_rc rc = seg_worker_flush(w, err);
	if (!rc)
		seg_log(SEG_LOG_INFO, "checkpoint_at_stop", "worker=%u whole=%s%s", w->index,
			is_whole(w) ? "yes" : "no", why_not_whole(w));
	return rc;
}

static int time_left(int64_t until_mono_ms)
{
	int64_t left = until_mono_ms - seg_monotonic_ms();
	return left > CLOSE_LEAST_MS ? (int)left : CLOSE_LEAST_MS;
}

/* All of it within CLOSE_MS or so, also when no broker answers. */
static void end(struct seg_worker *w)
{
	int64_t until = seg_monotonic_ms() + seg_instance_time_left(w->inst, SEG_STOP_WORKERS_MS, CLOSE_MS);
	seg_worker_does(w, SEG_DOING_CLOSE);
	if (w->input && !seg_kafka_input_close(w->input, time_left(until)))
		seg_log(SEG_LOG_WARN, "consumer_close", "worker=%u the Kafka client did not close", w->index);
	seg_worker_does(w, SEG_DOING_CLOSE);
	seg_worker_drop_lanes(w);
	seg_worker_fold_revoked(w);
	seg_worker_does(w, SEG_DOING_CLOSE);
	if (w->reader)
		seg_kafka_reader_close(w->reader, time_left(until));
	if (w->txn)
		seg_txn_close(w->txn, time_left(until));
	seg_kafka_sink_free(w->sink);
	seg_intake_free(w->intake);
	w->input = NULL;
	w->reader = NULL;
	w->txn = NULL;
	w->sink = NULL;
	w->intake = NULL;
}

/* What the brokers have not answered, or a producer that cannot be used: all over again, with what Kafka says then. */
static enum seg_rc mend(struct seg_worker *w, enum seg_rc rc, const struct seg_error *err)
{
	if (seg_worker_is_stopping(w))
		return rc;
	if (seg_worker_store_failed(w, rc)) {
		w->recreate = true;
		return SEG_OK;
	}
	if (rc != SEG_RETRY && rc != SEG_RECREATE)
		return rc;
	seg_log(SEG_LOG_WARN, "worker_again", "worker=%u error=\"%s\"", w->index, err->text);
	w->recreate = true;
	seg_sleep_ms(AGAIN_MS);
	return SEG_OK;
}

static void *run(void *arg)
{
	struct seg_worker *w = arg;
	struct seg_error err = {0};
	enum seg_rc rc = begin(w, &err);
	if (!rc)
		seg_worker_move(w, SEG_WORKER_RUNNING);
	while (!rc && !seg_worker_is_stopping(w))
		rc = mend(w, turn(w, &err), &err);
	if ((rc == SEG_RETRY || rc == SEG_RECREATE) && seg_worker_is_stopping(w)) {
		w->recreate = true;
		rc = SEG_OK; /* stopped while it waited for the broker */
	}
	if (!rc && w->input) {
		seg_worker_move(w, SEG_WORKER_STOPPING);
		rc = finish(w, &err);
	}
	if (rc)
		w->recreate = true; /* the revoke callback must not commit any more */
	struct seg_now now = seg_worker_now();
	seg_worker_look(w, &now, true);
	end(w);
	if (rc) {
		pthread_mutex_lock(&w->lock);
		snprintf(w->status.error, sizeof(w->status.error), "%s", err.text);
		w->failed = err;
		w->failed.rc = rc;
		pthread_mutex_unlock(&w->lock);
		seg_log(SEG_LOG_ERROR, "worker_failed", "worker=%u error=\"%s\"", w->index, err.text);
	}
	seg_mailbox_close(w->mailbox); /* failed: nobody answers any more */
	seg_worker_move(w, rc ? SEG_WORKER_FAILED : SEG_WORKER_STOPPED);
	return NULL;
}

static void free_worker(struct seg_worker *w)
{
	free(w->lanes);
	free(w->latencies.items);
	free(w->status.lanes);
	seg_mailbox_free(w->mailbox);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

enum seg_rc seg_worker_start(struct seg_instance *inst, unsigned index, struct seg_worker **ret, struct seg_error *err)
{
	struct seg_worker *w = calloc(1, sizeof(*w));
	if (!w)
		return seg_error_set(err, SEG_NO_MEMORY, "worker %u: out of memory", index);
	pthread_mutex_init(&w->lock, NULL);
	w->inst = inst;
	w->config = inst->config;
	w->index = index;
	w->fold_high = w->fold_model_high = -1;
	seg_beat(&w->beat, SEG_DOING_START);
	w->lanes = calloc((size_t)inst->partitions, sizeof(struct seg_lane *));
	w->mailbox = seg_mailbox_new();
	enum seg_rc rc = SEG_OK;
	if (!w->lanes || !w->mailbox)
		rc = seg_error_set(err, SEG_NO_MEMORY, "worker %u: out of memory", index);
	else if (!seg_config_worker_id(w->config, index, w->id, sizeof(w->id)))
		rc = seg_error_set(err, SEG_INVALID, "app and instance: names are too long");
	else
		rc = seg_watchdog_add(inst->watchdog, index, &w->beat, err);
	int failed = rc ? 0 : pthread_create(&w->thread, NULL, run, w);
	if (failed)
		rc = seg_error_set(err, SEG_IO, "worker %u: no thread: %s", index, strerror(failed));
	if (rc) {
		seg_watchdog_remove(inst->watchdog, &w->beat);
		free_worker(w);
		return rc;
	}
	*ret = w;
	return SEG_OK;
}

void seg_worker_stop(struct seg_worker *w)
{
	seg_instance_stop_asked(w->inst);
	atomic_store(&w->stop, true);
	seg_mailbox_close(w->mailbox);
}

enum seg_rc seg_worker_join(struct seg_worker *w, struct seg_error *err)
{
	pthread_join(w->thread, NULL);
	seg_watchdog_remove(w->inst->watchdog, &w->beat);
	enum seg_rc rc = w->failed.rc;
	if (rc)
		seg_error_set(err, rc, "%s", w->failed.text);
	free_worker(w);
	return rc;
}
