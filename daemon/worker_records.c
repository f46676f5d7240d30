/* Records of the inputs: decode, clean, apply, dead letters; and keeping topics together in a backlog. */
#include "daemon/worker_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mutant.h"

enum { HEADERS_MAX = 64, LATENCIES_MAX = 65536 };

/* For the latency histograms; more than can be kept are left out. */
static void note_latency(struct seg_worker *w, int64_t timestamp_ms)
{
	struct seg_latencies *l = &w->latencies;
	if (timestamp_ms == SEG_NO_TIME || timestamp_ms <= 0)
		return;
	if (l->len == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 1024;
		if (cap > LATENCIES_MAX)
			return;
		int64_t *more = realloc(l->items, cap * sizeof(*more));
		if (!more)
			return;
		l->items = more;
		l->cap = cap;
	}
	l->items[l->len++] = timestamp_ms;
}

enum seg_rc seg_worker_dead_letter(struct seg_worker *w, enum seg_source source, const struct seg_kafka_message *m,
				   enum seg_refusal refusal, struct seg_error *err)
{
	static struct seg_log_limit limit;
	struct seg_header headers[HEADERS_MAX];
	struct seg_dead_letter letter = {
		.key = m->key,
		.value = m->value,
		.headers = headers,
		.headers_len = seg_kafka_message_headers(m, headers, HEADERS_MAX),
		.topic = w->inst->topics[source],
		.partition = m->partition,
		.offset = m->offset,
		.timestamp_ms = m->timestamp_ms,
		.reason = seg_refusal_code(refusal),
		.text = seg_intake_text(w->intake),
		.schema_id = seg_str_from(seg_intake_schema(w->intake)),
	};
	if (letter.schema_id.len == 0)
		letter.schema_id.ptr = NULL;
	w->open.dead_letters[refusal]++;
	seg_log_limited(&limit, SEG_LOG_WARN, "dead_letter",
			"topic=%s partition=%" PRId32 " offset=%" PRId64 " reason=%s", letter.topic, letter.partition,
			letter.offset, letter.reason);
	const struct seg_sink *sink = seg_kafka_sink_interface(w->sink);
	return sink->dead_letter(sink->ctx, &letter, err);
}

/* Many keys that do not fit mean that customers would be split in two: that source stops. */
static void watch_mismatch(struct seg_worker *w, struct seg_lane *lane, enum seg_source source, int64_t offset,
			   enum seg_refusal refusal)
{
	if (offset < lane->judged[source])
		return;
	lane->judged[source] = offset + 1;
	bool wrong = refusal == SEG_REFUSED_KEY_MISMATCH || refusal == SEG_REFUSED_WRONG_PARTITION;
	if (!seg_mismatch_take(&w->mismatch[source], wrong))
		return;
	seg_log(SEG_LOG_ERROR, "source_stopped",
		"worker=%u source=%s topic=%s partition=%" PRId32 " offset=%" PRId64
		" text=\"more than 1 %% of the last 1,000 records have a key that is not the customer id or lie in "
		"another "
		"partition than their key's: give the topic's producers partitioner murmur2_random and the customer id "
		"as "
		"key, then restart\"",
		w->index, seg_source_names[source], w->inst->topics[source], lane->partition, offset);
}

static enum seg_rc take_record(struct seg_worker *w, struct seg_lane *lane, enum seg_source source,
			       const struct seg_kafka_message *m, int64_t wall_ms, struct seg_error *err)
{
	const struct seg_event *event;
	struct seg_raw raw = {source, m->partition, m->offset, m->timestamp_ms, m->key, m->value};
	enum seg_refusal refusal = seg_intake_read(w->intake, &raw, &event);
	if (refusal == SEG_REFUSED_NO_MEMORY) /* says nothing about the record: it must not be lost for it */
		return seg_error_set(err, SEG_NO_MEMORY, "%s/%" PRId32 ", offset %" PRId64 ": out of memory",
				     w->inst->topics[source], m->partition, m->offset);
	bool again = m->offset < lane->judged[source];
	watch_mismatch(w, lane, source, m->offset, refusal);
	w->events++;
	w->open.read[source]++;
	w->bytes += m->key.len + m->value.len;
	note_latency(w, m->timestamp_ms);
	if (refusal == SEG_REFUSED_NOT)
		return seg_shard_event(lane->shard, event, m->offset, wall_ms, NULL, err);
	enum seg_rc rc = SEG_OK;
	if (!again || !SEG_MUTANT(LETTER_ONCE))
		rc = seg_worker_dead_letter(w, source, m, refusal, err);
	if (!rc)
		seg_shard_refused(lane->shard, source, m->offset, seg_intake_time(w->intake), wall_ms);
	return rc;
}

static enum seg_rc take_message(struct seg_worker *w, const struct seg_kafka_message *m, int64_t wall_ms,
				struct seg_error *err)
{
	if (m->topic == w->sums_topic) {
		if (!w->fold || m->eof)
			return SEG_OK;
		enum seg_rc rc = seg_fold_take(w->fold, m->key, m->value, err);
		return rc == SEG_SKIP ? SEG_OK : rc;
	}
	enum seg_source source = w->source_of[m->topic];
	struct seg_lane *lane = w->lanes[m->partition];
	if (!seg_lane_may(lane, SEG_MAY_COMMIT) || w->mismatch[source].stopped)
		return SEG_OK;
	if (m->eof) {
		seg_shard_end(lane->shard, source, m->offset);
		return SEG_OK;
	}
	return take_record(w, lane, source, m, wall_ms, err);
}

/* What comes next of the batch: customers lie scattered in memory, and one after the other each would be waited for. */
static void look_ahead(const struct seg_worker *w, const struct seg_kafka_message *items, size_t len)
{
	struct seg_part_hint hints[SEG_PART_HINTS];
	size_t n = 0;
	for (size_t i = 0; i < len && i < SEG_PART_HINTS; i++) {
		const struct seg_kafka_message *m = &items[i];
		const struct seg_lane *lane = m->topic == w->sums_topic ? NULL : w->lanes[m->partition];
		if (!m->eof && m->key.ptr && seg_lane_may(lane, SEG_MAY_COMMIT))
			hints[n++] = (struct seg_part_hint){seg_shard_part(lane->shard), m->key};
	}
	seg_part_prefetch(hints, n);
}

/* After an abort the inputs are rewound, but the sums are not read twice: those of the batch must still be taken. */
static enum seg_rc take_sums_of(struct seg_worker *w, const struct seg_kafka_message *items, size_t len,
				int64_t wall_ms, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;
	for (size_t i = 0; !rc && i < len; i++) {
		if (items[i].topic == w->sums_topic)
			rc = take_message(w, &items[i], wall_ms, err);
	}
	return rc;
}

enum seg_rc seg_worker_take_batch(struct seg_worker *w, const struct seg_kafka_batch *batch, struct seg_error *err)
{
	int64_t wall_ms = seg_wall_ms();
	enum seg_rc rc = SEG_OK;
	if (batch->len > 0 && w->first_mono_ms == 0)
		w->first_mono_ms = seg_monotonic_ms();
	for (size_t i = 0; !rc && i < batch->len; i++) {
		const struct seg_kafka_message *m = &batch->items[i];
		if (i % SEG_PART_HINTS == 0)
			look_ahead(w, m, batch->len - i);
		rc = take_message(w, m, wall_ms, err);
		if (rc && rc != SEG_ABORT && rc != SEG_RECREATE)
			seg_error_wrap(err, rc, "topic %u partition %" PRId32 " offset %" PRId64, m->topic,
				       m->partition, m->offset);
		if (rc == SEG_ABORT) {
			enum seg_rc sums = take_sums_of(w, m + 1, batch->len - i - 1, wall_ms, err);
			rc = sums ? sums : rc;
		}
	}
	return rc;
}

/* Only now: what is aborted comes again. */
void seg_worker_count_committed(struct seg_worker *w)
{
	for (int s = 0; s < SEG_SOURCES; s++) {
		w->records += w->open.read[s];
		if (w->open.read[s] > 0)
			seg_metric_inc(seg_meter_labelled(w->inst->meters, SEG_METER_EVENTS, w->inst->topics[s], NULL),
				       w->open.read[s]);
	}
	for (int r = 0; r < SEG_REFUSALS; r++) {
		w->dead_letters[r] += w->open.dead_letters[r];
		if (w->open.dead_letters[r] > 0)
			seg_metric_inc(seg_meter_labelled(w->inst->meters, SEG_METER_DEAD_LETTERS,
							  seg_refusal_code((enum seg_refusal)r), NULL),
				       w->open.dead_letters[r]);
	}
}

/* Pauses sources that are more than sync.max_skew ahead of the slowest, resumes them when half of that is left. */
static enum seg_rc balance_lane(struct seg_worker *w, struct seg_lane *lane, struct seg_error *err)
{
	int64_t most = w->config->sync.max_skew_ms;
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (w->topic_of[s] < 0)
			continue;
		int64_t next = seg_part_next(seg_shard_part(lane->shard), (enum seg_source)s);
		bool stopped = w->mismatch[s].stopped;
		if (stopped) /* nothing more comes of it: the others must not wait for its event time */
			seg_shard_end(lane->shard, (enum seg_source)s, next);
		int64_t ahead = seg_stream_time_ahead(seg_shard_time(lane->shard), (enum seg_source)s);
		struct seg_position at = {
			.topic = (uint32_t)w->topic_of[s], .partition = lane->partition, .offset = -1};
		enum seg_rc rc = SEG_OK;
		if (!lane->paused[s] && (ahead > most || stopped)) {
			rc = seg_kafka_input_pause(w->input, &at, 1, err);
			lane->paused[s] = true;
		} else if (lane->paused[s] && ahead <= most / 2 && !stopped) {
			at.offset = next;
			rc = seg_kafka_input_resume(w->input, &at, 1, err);
			lane->paused[s] = false;
		}
		if (rc)
			return rc;
	}
	return SEG_OK;
}

enum seg_rc seg_worker_balance(struct seg_worker *w, struct seg_error *err)
{
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		struct seg_lane *lane = w->lanes[p];
		if (!seg_lane_may(lane, SEG_MAY_COMMIT))
			continue;
		enum seg_rc rc = balance_lane(w, lane, err);
		if (rc)
			return rc;
	}
	return SEG_OK;
}
