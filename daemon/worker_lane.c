/*
 * Recovery of partition numbers, several side by side, beside normal polling. A lane's states and all moves between them
 * are the table in worker_states.h.
 *
 * Inputs of a lane are paused in the group's consumer until it runs; what is read again comes through a reader of its own.
 */
#include "daemon/worker_internal.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/log.h"
#include "base/mutant.h"

enum {
	ASK_MS = 3000,
	AGAIN_MS = 200,
	TAKE_AGAIN_MS = 50,
	BATCH = 1000,
	REPORT_MS = 5000,
	WAITS_MS = 30000,
	CLOSE_MS = 5000,
	DOUBTS_MOST = 3,
	DOUBT_MS = 700
};

static bool reads(const struct seg_worker *w, int source)
{
	return w->topic_of[source] >= 0;
}

bool seg_worker_is_recovering(const struct seg_worker *w)
{
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		if (w->lanes[p] && w->lanes[p]->state != SEG_LANE_RUNNING)
			return true;
	}
	return false;
}

static bool is_reading(const struct seg_lane *lane)
{
	return seg_lane_may(lane, SEG_MAY_READ);
}

bool seg_worker_is_reading(const struct seg_worker *w)
{
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		if (w->lanes[p] && is_reading(w->lanes[p]))
			return true;
	}
	return false;
}

static void close_streams(struct seg_worker *w, struct seg_lane *lane)
{
	if (lane->changelog_open)
		seg_kafka_reader_remove(w->reader, lane->changelog_stream);
	lane->changelog_open = false;
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (lane->input_open[s])
			seg_kafka_reader_remove(w->reader, lane->input_stream[s]);
		lane->input_open[s] = false;
	}
}

void seg_lane_move(const struct seg_worker *w, struct seg_lane *lane, enum seg_lane_state to)
{
	seg_lane_check_move(w->index, lane->partition, lane->state, to);
	lane->state = to;
	lane->phase_mono_ms = lane->reported_mono_ms = seg_monotonic_ms();
	lane->reread = 0;
}

void seg_lane_reset(struct seg_worker *w, struct seg_lane *lane)
{
	close_streams(w, lane);
	if (lane->state != SEG_LANE_TAKING)
		seg_lane_move(w, lane, SEG_LANE_NEW);
	lane->again_mono_ms = 0;
	lane->sealed = lane->place_told = false;
	memset(lane->paused, 0, sizeof(lane->paused));
}

/* ---- TAKING ---- */

/* Another worker of this process may have lost the partition and not have polled since: it still has the store. */
static enum seg_rc step_taking(struct seg_worker *w, struct seg_lane *lane, struct seg_error *err)
{
	int64_t mono = seg_monotonic_ms();
	if (mono < lane->again_mono_ms)
		return SEG_OK;
	lane->again_mono_ms = mono + TAKE_AGAIN_MS;
	enum seg_rc rc = seg_instance_take(w->inst, lane->partition, w->id, &lane->shard, err);
	if (rc == SEG_RETRY) {
		if (mono - lane->reported_mono_ms >= REPORT_MS) {
			lane->reported_mono_ms = mono;
			seg_log(SEG_LOG_WARN, "store_waits", "worker=%u partition=%" PRId32 " for=\"%s\"", w->index,
				lane->partition, err->text);
		}
		return SEG_OK;
	}
	if (rc)
		return rc;
	lane->again_mono_ms = 0;
	seg_lane_move(w, lane, SEG_LANE_NEW);
	return SEG_OK;
}

/* ---- NEW ---- */

static enum seg_rc ask_group(struct seg_worker *w, struct seg_lane *lane, struct seg_group *ret, struct seg_error *err)
{
	struct seg_position list[SEG_SOURCES];
	enum seg_source of[SEG_SOURCES];
	size_t len = 0;
	*ret = (struct seg_group){.known = false};
	for (int s = 0; s < SEG_SOURCES; s++) {
		ret->next[s] = -1;
		if (!reads(w, s))
			continue;
		of[len] = (enum seg_source)s;
		list[len++] = (struct seg_position){
			.topic = (uint32_t)w->topic_of[s], .partition = lane->partition, .offset = -1};
	}
	enum seg_rc rc = seg_kafka_input_committed(w->input, list, len, ASK_MS, err);
	if (rc)
		return rc;
	for (size_t i = 0; i < len; i++) {
		ret->next[of[i]] = list[i].offset;
		if (list[i].offset < 0)
			continue;
		ret->known = true;
		if (list[i].has_seq && list[i].seq > ret->seq)
			ret->seq = list[i].seq;
	}
	return SEG_OK;
}

/* The ends of the logs: after the group's offsets, or a commit in between would be missed. */
static enum seg_rc ask_logs(struct seg_worker *w, struct seg_lane *lane, struct seg_recovery *facts,
			    struct seg_error *err)
{
	enum seg_rc rc =
		seg_kafka_watermarks_query(w->inst->watermarks, w->config->internals.changelog, lane->partition, ASK_MS,
					   &facts->changelog_low, &facts->changelog_high, err);
	for (int s = 0; !rc && s < SEG_SOURCES; s++) {
		facts->input_low[s] = lane->input_low[s] = -1;
		if (!reads(w, s))
			continue;
		rc = seg_kafka_watermarks_query(w->inst->watermarks, w->inst->topics[s], lane->partition, ASK_MS,
						&facts->input_low[s], &facts->input_high[s], err);
		lane->input_low[s] = facts->input_low[s];
	}
	return rc;
}

static enum seg_rc open_reader(struct seg_worker *w, struct seg_error *err)
{
	return w->reader ? SEG_OK : seg_kafka_reader_open(&w->inst->client, &w->reader, err);
}

static enum seg_rc changelog_read(struct seg_worker *w, struct seg_lane *lane, struct seg_error *err);

static enum seg_rc begin_changelog(struct seg_worker *w, struct seg_lane *lane, const struct seg_recovery *facts,
				   struct seg_error *err)
{
	char why[SEG_PART_WHY] = "";
	struct seg_part *part = seg_shard_part(lane->shard);
	seg_shard_drop(lane->shard);
	enum seg_rc rc = seg_part_recover(part, facts, &lane->changelog_from, why, err);
	if (rc)
		return rc;
	if (why[0])
		seg_log(SEG_LOG_WARN, "store_rebuilt", "partition=%" PRId32 " why=\"%s\"", lane->partition, why);
	lane->changelog_high = facts->changelog_high;
	lane->began_mono_ms = seg_monotonic_ms();
	seg_lane_move(w, lane, SEG_LANE_CHANGELOG);
	int64_t from = lane->changelog_from == SEG_PART_FROM_START ? facts->changelog_low : lane->changelog_from;
	if (from < facts->changelog_low)
		from = facts->changelog_low; /* compaction has taken what lay before */
	lane->changelog_from = from;
	seg_log(SEG_LOG_INFO, "recovery_begins",
		"partition=%" PRId32 " changelog_from=%" PRId64 " changelog_to=%" PRId64, lane->partition, from,
		lane->changelog_high);
	if (from >= lane->changelog_high)
		return changelog_read(w, lane, err);
	rc = open_reader(w, err);
	if (!rc)
		rc = seg_kafka_reader_add(w->reader, w->config->internals.changelog, lane->partition, from,
					  &lane->changelog_stream, err);
	lane->changelog_open = !rc;
	return rc;
}

/* What is read again cannot be evicted before it has been checkpointed, so lanes begin one after the other when those under
 * way hold more than the worker's share. */
static bool memory_is_short(const struct seg_worker *w)
{
	size_t bytes = 0, share = seg_instance_profile_bytes(w->inst) / (size_t)w->config->workers;
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		if (!seg_lane_may(w->lanes[p], SEG_MAY_HOLD))
			continue;
		struct seg_part_numbers n;
		seg_part_numbers(seg_shard_part(w->lanes[p]->shard), &n);
		bytes += n.memory_bytes;
	}
	return bytes > share && seg_worker_is_reading(w);
}

static enum seg_rc step_new(struct seg_worker *w, struct seg_lane *lane, struct seg_error *err)
{
	int64_t mono = seg_monotonic_ms();
	if (mono < lane->again_mono_ms)
		return SEG_OK;
	lane->again_mono_ms = mono + AGAIN_MS;
	bool waits;
	enum seg_rc rc = seg_lane_mend_store(lane, &waits, err);
	if (rc || waits)
		return rc;
	struct seg_recovery facts = {.wall_ms = seg_wall_ms(), .knows_input_high = true};
	rc = ask_group(w, lane, &facts.group, err);
	if (!rc)
		rc = ask_logs(w, lane, &facts, err);
	if (rc == SEG_RETRY || rc == SEG_NOT_FOUND) { /* that a topic is gone is told by the watch over the topics */
		/* At once, and then now and then: an outage may last. */
		if (lane->reported_mono_ms == lane->phase_mono_ms || mono - lane->reported_mono_ms >= WAITS_MS) {
			lane->reported_mono_ms = mono;
			seg_log(SEG_LOG_INFO, "recovery_waits", "partition=%" PRId32 " for=\"%s\"", lane->partition,
				err->text);
		}
		return SEG_OK;
	}
	if (rc)
		return rc;
	if (seg_part_is_current(seg_shard_part(lane->shard), &facts.group)) {
		seg_log(SEG_LOG_INFO, "partition_back", "partition=%" PRId32 " seq=%" PRIu64, lane->partition,
			facts.group.seq);
		seg_shard_back(lane->shard);
		seg_lane_move(w, lane, SEG_LANE_MODEL);
		return SEG_OK;
	}
	if (memory_is_short(w)) {
		if (mono - lane->reported_mono_ms >= REPORT_MS) {
			lane->reported_mono_ms = mono;
			seg_log(SEG_LOG_INFO, "recovery_waits",
				"partition=%" PRId32 " for=\"memory: others recover first\"", lane->partition);
		}
		return SEG_OK;
	}
	return begin_changelog(w, lane, &facts, err);
}

/* ---- CHANGELOG ---- */

static enum seg_rc recovered(struct seg_worker *w, struct seg_lane *lane, struct seg_error *err)
{
	int64_t mono = seg_monotonic_ms(), took_ms = mono - lane->phase_mono_ms;
	/* A rebuild is not what recovery.target is about. */
	bool rebuilt = seg_part_is_rebuilding(seg_shard_part(lane->shard));
	seg_shard_reread(lane->shard, lane->reread, rebuilt ? took_ms : mono - lane->began_mono_ms);
	enum seg_rc rc = seg_part_recovered(seg_shard_part(lane->shard), err);
	if (rc)
		return rc;
	SEG_CRASH_POINT(RECOVERY_DONE);
	struct seg_now now = seg_worker_now();
	seg_shard_started(lane->shard, &now);
	struct seg_part_numbers n;
	seg_part_numbers(seg_shard_part(lane->shard), &n);
	seg_log(SEG_LOG_INFO, "recovered",
		"partition=%" PRId32 " seq=%" PRIu64 " customers=%" PRIu64 " reread=%" PRIu64 " ms=%" PRId64
		" changelog_ms=%" PRId64 " inputs_ms=%" PRId64 " events_per_s=%.0f",
		lane->partition, n.seq, n.customers, lane->reread, mono - lane->began_mono_ms,
		lane->phase_mono_ms - lane->began_mono_ms, took_ms, seg_shard_reread_rate(lane->shard));
	if (n.faults > 0)
		seg_log(SEG_LOG_WARN, "recovery_left_out",
			"partition=%" PRId32 " records=%" PRIu64
			" for=\"customers that neither changelog nor store knows\"",
			lane->partition, n.faults);
	lane->first_commit = true;
	lane->doubts = 0;
	seg_lane_move(w, lane, SEG_LANE_MODEL);
	return SEG_OK;
}

static enum seg_rc begin_inputs(struct seg_worker *w, struct seg_lane *lane, struct seg_error *err)
{
	seg_lane_move(w, lane, SEG_LANE_INPUTS);
	int64_t records = 0;
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (!reads(w, s) || lane->from[s] < 0 || lane->from[s] >= lane->to[s])
			continue;
		records += lane->to[s] - lane->from[s];
		enum seg_rc rc = open_reader(w, err);
		if (!rc)
			rc = seg_kafka_reader_add(w->reader, w->inst->topics[s], lane->partition, lane->from[s],
						  &lane->input_stream[s], err);
		if (rc)
			return rc;
		lane->input_open[s] = true;
	}
	seg_log(SEG_LOG_INFO, "recovery_rereads", "partition=%" PRId32 " records=%" PRId64, lane->partition, records);
	return seg_part_reread_done(seg_shard_part(lane->shard)) ? recovered(w, lane, err) : SEG_OK;
}

/* From the start again, with an empty store; begin_changelog() says why. */
static enum seg_rc rebuild(struct seg_worker *w, struct seg_lane *lane, const struct seg_error *why)
{
	seg_store_distrust(seg_part_store(seg_shard_part(lane->shard)), why->text);
	lane->store_again_mono_ms = 0;
	seg_lane_reset(w, lane);
	return SEG_OK;
}

/*
 * The newest cut is newer than the group's offsets. Who has just lost the partition and does not know it yet sees that when
 * the next owner commits between the two questions: so it is asked again before it is taken for what the operator must look at.
 */
static enum seg_rc ask_again(struct seg_worker *w, struct seg_lane *lane, const struct seg_error *why)
{
	lane->doubts++;
	seg_log(SEG_LOG_WARN, "recovery_again", "partition=%" PRId32 " why=\"%s\"", lane->partition, why->text);
	seg_lane_reset(w, lane);
	lane->again_mono_ms = seg_monotonic_ms() + DOUBT_MS;
	return SEG_OK;
}

static enum seg_rc changelog_read(struct seg_worker *w, struct seg_lane *lane, struct seg_error *err)
{
	bool warn = false;
	close_streams(w, lane);
	enum seg_rc rc = seg_part_taken(seg_shard_part(lane->shard), lane->from, lane->to, &warn, err);
	if (rc == SEG_CORRUPT)
		return rebuild(w, lane, err);
	if (rc == SEG_INVALID && lane->doubts < DOUBTS_MOST && seg_part_is_outrun(seg_shard_part(lane->shard)))
		return ask_again(w, lane, err);
	if (rc)
		return seg_error_wrap(err, rc, "partition %" PRId32, lane->partition);
	if (warn)
		seg_log(SEG_LOG_WARN, "group_offsets_gone",
			"partition=%" PRId32 " text=\"the group's offsets have expired: going on from the last cut\"",
			lane->partition);
	SEG_CRASH_POINT(RECOVERY_TAKEN);
	return begin_inputs(w, lane, err);
}

/* ---- the reader's events ---- */

static struct seg_lane *lane_of(struct seg_worker *w, uint32_t stream, int *ret_source)
{
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		struct seg_lane *lane = w->lanes[p];
		if (!lane)
			continue;
		*ret_source = -1;
		if (lane->changelog_open && lane->changelog_stream == stream)
			return lane;
		for (int s = 0; s < SEG_SOURCES; s++) {
			*ret_source = s;
			if (lane->input_open[s] && lane->input_stream[s] == stream)
				return lane;
		}
	}
	return NULL;
}

static enum seg_rc take_changelog(struct seg_worker *w, struct seg_lane *lane, enum seg_stream_event event,
				  const struct seg_kafka_message *m, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;
	if (event == SEG_STREAM_GONE)
		return seg_error_set(err, SEG_INVALID,
				     "partition %" PRId32 ": the changelog cannot be read from offset %" PRId64
				     ": see that it is compacted, not deleted",
				     lane->partition, lane->changelog_from);
	if (event == SEG_STREAM_RECORD && m->offset < lane->changelog_high) {
		rc = seg_part_take(seg_shard_part(lane->shard), m->key, m->value, m->offset, err);
		if (rc == SEG_CORRUPT && !seg_part_is_rebuilding(seg_shard_part(lane->shard)))
			return rebuild(w, lane, err);
		lane->reread++;
		SEG_CRASH_POINT(RECOVERY_CHANGELOG);
	}
	if (rc)
		return seg_error_wrap(err, rc, "changelog of partition %" PRId32 ", offset %" PRId64, lane->partition,
				      m->offset);
	int64_t at = event == SEG_STREAM_EOF ? m->offset : m->offset + 1;
	return at >= lane->changelog_high ? changelog_read(w, lane, err) : SEG_OK;
}

static enum seg_rc reread_record(struct seg_worker *w, struct seg_lane *lane, enum seg_source source,
				 const struct seg_kafka_message *m, struct seg_error *err)
{
	const struct seg_event *event;
	struct seg_raw raw = {source, m->partition, m->offset, m->timestamp_ms, m->key, m->value};
	struct seg_part *part = seg_shard_part(lane->shard);
	bool beyond = m->offset >= lane->to[source];
	lane->reread += !beyond;
	enum seg_refusal refusal = beyond ? SEG_REFUSED_NOT : seg_intake_read(w->intake, &raw, &event);
	if (refusal == SEG_REFUSED_NO_MEMORY)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory for a record");
	if (beyond || refusal != SEG_REFUSED_NOT) {
		seg_part_reread_position(part, source, m->offset + 1);
		return SEG_MUTANT(REREAD_LETTERS) && !beyond ? seg_worker_dead_letter(w, source, m, refusal, err)
							     : SEG_OK;
	}
	return seg_part_reread(part, event, m->offset, err);
}

static enum seg_rc take_input(struct seg_worker *w, struct seg_lane *lane, enum seg_source source,
			      enum seg_stream_event event, const struct seg_kafka_message *m, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;
	struct seg_part *part = seg_shard_part(lane->shard);
	switch (event) {
	case SEG_STREAM_RECORD:
		rc = reread_record(w, lane, source, m, err);
		SEG_CRASH_POINT(RECOVERY_REREAD);
		break;
	case SEG_STREAM_EOF:
		seg_part_reread_position(part, source, m->offset);
		break;
	case SEG_STREAM_GONE:
		return seg_error_set(err, SEG_INVALID,
				     "partition %" PRId32 ": %s no longer reaches back to offset %" PRId64
				     ", from which it must be read again: keep inputs longer than recovery needs; this "
				     "partition can only start over with its topics reset",
				     lane->partition, w->inst->topics[source], lane->from[source]);
	}
	if (rc)
		return seg_error_wrap(err, rc, "re-reading %s/%" PRId32 ", offset %" PRId64, w->inst->topics[source],
				      lane->partition, m->offset);
	if (seg_part_reread_done(part)) {
		close_streams(w, lane);
		return recovered(w, lane, err);
	}
	if ((event == SEG_STREAM_EOF ? m->offset : m->offset + 1) >= lane->to[source]) {
		/* Others go on: nothing beyond the group's offset is read here. */
		seg_kafka_reader_remove(w->reader, lane->input_stream[source]);
		lane->input_open[source] = false;
	}
	return SEG_OK;
}

static enum seg_rc take_event(void *ctx, enum seg_stream_event event, const struct seg_kafka_message *m,
			      struct seg_error *err)
{
	struct seg_worker *w = ctx;
	int source;
	struct seg_lane *lane = lane_of(w, m->topic, &source);
	if (!lane)
		return SEG_OK;
	return source < 0 ? take_changelog(w, lane, event, m, err)
			  : take_input(w, lane, (enum seg_source)source, event, m, err);
}

/* ---- MODEL ---- */

static enum seg_rc step_model(struct seg_worker *w, struct seg_lane *lane, struct seg_error *err)
{
	const struct seg_cut *cut = seg_part_cut(seg_shard_part(lane->shard));
	uint64_t need = cut ? cut->model_version : 0, have = seg_model_feed_version(w->inst->feed);
	int64_t mono = seg_monotonic_ms();
	if (have < need) {
		if (mono - lane->reported_mono_ms >= REPORT_MS) {
			lane->reported_mono_ms = mono;
			seg_log(SEG_LOG_WARN, "model_waits", "partition=%" PRId32 " need=%" PRIu64 " have=%" PRIu64,
				lane->partition, need, have);
		}
		return SEG_OK;
	}
	struct seg_position list[SEG_SOURCES];
	size_t len = 0;
	struct seg_part *part = seg_shard_part(lane->shard);
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (!reads(w, s))
			continue;
		if (seg_part_next(part, (enum seg_source)s) < 0)
			seg_part_set_start(part, (enum seg_source)s, lane->input_low[s]);
		int64_t next = seg_part_next(part, (enum seg_source)s);
		if (next < lane->input_low[s])
			return seg_topic_has_lost(w->inst->topics[s], lane->partition, lane->input_low[s], next, err);
		list[len++] = (struct seg_position){.topic = (uint32_t)w->topic_of[s],
						    .partition = lane->partition,
						    .offset = seg_part_next(part, (enum seg_source)s)};
	}
	enum seg_rc rc = seg_kafka_input_resume(w->input, list, len, err);
	if (!rc)
		seg_lane_move(w, lane, SEG_LANE_RUNNING);
	return rc;
}

static void report(struct seg_worker *w, struct seg_lane *lane)
{
	int64_t mono = seg_monotonic_ms();
	if (mono - lane->reported_mono_ms < REPORT_MS)
		return;
	lane->reported_mono_ms = mono;
	struct seg_lane_status s = {.partition = lane->partition};
	seg_lane_progress(w, lane, &s);
	seg_log(SEG_LOG_INFO, "recovery", "partition=%" PRId32 " phase=%s remaining=%" PRId64 " seconds_left=%.0f",
		lane->partition, lane->state == SEG_LANE_CHANGELOG ? "changelog" : "inputs", s.remaining,
		isnan(s.seconds_left) ? -1.0 : s.seconds_left);
}

void seg_lane_progress(const struct seg_worker *w, const struct seg_lane *lane, struct seg_lane_status *ret)
{
	int64_t left = 0;
	if (lane->state == SEG_LANE_CHANGELOG && lane->changelog_open) {
		left = lane->changelog_high - seg_kafka_reader_position(w->reader, lane->changelog_stream);
	} else if (lane->state == SEG_LANE_INPUTS) {
		for (int s = 0; s < SEG_SOURCES; s++) {
			int64_t at = lane->input_open[s] ? seg_kafka_reader_position(w->reader, lane->input_stream[s])
							 : lane->to[s];
			left += lane->to[s] > at ? lane->to[s] - at : 0;
		}
	}
	double seconds = (double)(seg_monotonic_ms() - lane->phase_mono_ms) / 1000.0;
	ret->remaining = left > 0 ? left : 0;
	ret->seconds_left = lane->reread > 0 ? seconds / (double)lane->reread * (double)ret->remaining : NAN;
}

enum seg_rc seg_worker_recover(struct seg_worker *w, int timeout_ms, struct seg_error *err)
{
	bool reading = false;
	enum seg_rc rc = SEG_OK;
	for (int32_t p = 0; !rc && p < w->inst->partitions && !seg_worker_is_stopping(w); p++) {
		struct seg_lane *lane = w->lanes[p];
		if (!lane)
			continue;
		if (lane->state == SEG_LANE_TAKING)
			rc = step_taking(w, lane, err);
		if (!rc && lane->state == SEG_LANE_NEW) {
			rc = step_new(w, lane, err);
			seg_worker_does(w, SEG_DOING_RECOVER); /* it may have waited for a broker */
		}
		if (!rc && lane->state == SEG_LANE_MODEL)
			rc = step_model(w, lane, err);
		if (!rc && is_reading(lane)) {
			reading = true;
			report(w, lane);
		}
	}
	if (!rc && reading)
		rc = seg_kafka_reader_poll(w->reader, timeout_ms, BATCH, take_event, w, NULL, err);
	if (!rc && w->reader && !seg_worker_is_recovering(w)) { /* its threads and buffers are not needed any more */
		seg_kafka_reader_close(w->reader, CLOSE_MS);
		w->reader = NULL;
	}
	return rc;
}
