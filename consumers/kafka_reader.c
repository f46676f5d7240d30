/*
 * Streams by librdkafka's simple consumer: each partition is started and stopped alone, all forward to one queue. A batch
 * that was taken from the queue is handed out one by one and may outlive a call of poll, so each stream knows the number of
 * the batch it was added in: what is older does not belong to it.
 */
#include "consumers/kafka_reader.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/log.h"
#include "consumers/kafka_util.h"
#include "consumers/kafka_wake.h"

enum { READER_BATCH = 1000, OPEN_GIVE_UP_MS = 2000, BACKLOG_BYTES = 1 << 20 };
enum { ASK_EVERY_MS = 1000, METADATA_MS = 2000, ASKS = 3 };

struct stream {
	rd_kafka_topic_t *rkt; /* NULL: free */
	char *topic;
	int32_t partition;
	int64_t position;
	uint64_t born; /* batch number when it was added */
	bool gone;
	uint8_t missing; /* how often in a row the brokers did not know it */
};

struct seg_kafka_reader {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	struct seg_kafka_wake *wake;
	struct stream *streams;
	uint32_t streams_len;
	rd_kafka_message_t *batch[READER_BATCH];
	size_t batch_len, batch_at;
	uint64_t batch_number;
	bool ask; /* a topic or partition seems not to exist */
	int64_t asked_ms;
};

/* Errors that are not in the stream of records; of a topic that does not exist, say. Runs inside poll. */
static void error_cb(rd_kafka_t *rk, int code, const char *why, void *opaque)
{
	static struct seg_log_limit limit;
	struct seg_kafka_reader *r = opaque;

	(void)rk;
	if (seg_kafka_is_missing(code))
		r->ask = true;
	seg_log_rarely(&limit, SEG_KAFKA_TROUBLE_TOLD_S, SEG_LOG_WARN, "kafka_reader", "error=%s text=\"%s\"",
		       rd_kafka_err2name(code), why);
}

enum seg_rc seg_kafka_reader_open(const struct seg_kafka_client *client, struct seg_kafka_reader **ret,
				  struct seg_error *err)
{
	static const struct seg_kafka_setting own[] = {
		{"enable.auto.commit", "false"},
		{"enable.auto.offset.store", "false"},
		{"auto.offset.reset", "error"},
		{"isolation.level", "read_committed"},
		{"enable.partition.eof", "true"},
		{"allow.auto.create.topics", "false"},
		/* Topics exist when a reader asks for them; the default takes half a minute to say that one does not. */
		{"topic.metadata.propagation.max.ms", "3000"},
	};
	struct seg_kafka_reader *r;
	rd_kafka_conf_t *conf = NULL;
	enum seg_rc rc;

	if ((rc = seg_kafka_conf(client, false, own, sizeof own / sizeof *own, &conf, err)))
		return rc;
	if (!(r = calloc(1, sizeof *r))) {
		rd_kafka_conf_destroy(conf);
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for a Kafka reader");
	}
	rd_kafka_conf_set_opaque(conf, r);
	rd_kafka_conf_set_error_cb(conf, error_cb);
	if ((rc = seg_kafka_new(RD_KAFKA_CONSUMER, conf, &r->rk, err)))
		goto out;
	r->queue = rd_kafka_queue_new(r->rk);
	if ((rc = seg_kafka_wake_start(r->rk, &r->wake, err)))
		goto out;
	*ret = r;
	return SEG_OK;
out:
	if (r->queue)
		rd_kafka_queue_destroy(r->queue);
	seg_kafka_destroy(r->rk, OPEN_GIVE_UP_MS);
	free(r);
	return rc;
}

static void drop_batch(struct seg_kafka_reader *r)
{
	while (r->batch_at < r->batch_len)
		rd_kafka_message_destroy(r->batch[r->batch_at++]);
}

bool seg_kafka_reader_close(struct seg_kafka_reader *r, int timeout_ms)
{
	int64_t until = seg_monotonic_ms() + timeout_ms, left;
	bool fine;

	if (!r)
		return true;
	drop_batch(r);
	for (uint32_t i = 0; i < r->streams_len; i++)
		seg_kafka_reader_remove(r, i);
	fine = seg_kafka_wake_stop(r->wake, timeout_ms);
	rd_kafka_queue_destroy(r->queue);
	left = until - seg_monotonic_ms();
	if (fine)
		fine = seg_kafka_destroy(r->rk, left > 100 ? (int)left : 100);
	free(r->streams);
	free(r);
	return fine;
}

static void update_wake(struct seg_kafka_reader *r)
{
	struct seg_wake_target *targets = calloc(r->streams_len + 1, sizeof *targets);
	size_t n = 0;

	for (uint32_t i = 0; targets && i < r->streams_len; i++) {
		if (r->streams[i].rkt)
			targets[n++] = (struct seg_wake_target){r->streams[i].topic, r->streams[i].partition};
	}
	if (targets)
		seg_kafka_wake_targets(r->wake, targets, n);
	free(targets);
}

/* A free slot; SEG_INVALID when the partition is read already. */
static enum seg_rc find_slot(struct seg_kafka_reader *r, const char *topic, int32_t partition, uint32_t *ret,
			     struct seg_error *err)
{
	struct stream *more;
	uint32_t slot = r->streams_len;

	for (uint32_t i = 0; i < r->streams_len; i++) {
		struct stream *s = &r->streams[i];

		if (!s->rkt && slot == r->streams_len)
			slot = i;
		if (s->rkt && s->partition == partition && strcmp(s->topic, topic) == 0)
			return seg_error_set(err, SEG_INVALID, "%s[%d] is read already", topic, (int)partition);
	}
	if (slot == r->streams_len) {
		if (!(more = realloc(r->streams, (slot + 1) * sizeof *more)))
			return seg_error_set(err, SEG_NO_MEMORY, "no memory for a stream");
		r->streams = more;
		r->streams_len++;
		memset(&more[slot], 0, sizeof *more);
	}
	*ret = slot;
	return SEG_OK;
}

enum seg_rc seg_kafka_reader_add(struct seg_kafka_reader *r, const char *topic, int32_t partition, int64_t from,
				 uint32_t *ret_stream, struct seg_error *err)
{
	struct stream s = {.partition = partition, .position = from, .born = r->batch_number};
	uint32_t slot = 0;
	enum seg_rc rc;

	if (partition < 0 || (from < 0 && from != SEG_OFFSET_START))
		return seg_error_set(err, SEG_INVALID, "%s[%d] cannot be read from offset %lld", topic, (int)partition,
				     (long long)from);
	if ((rc = find_slot(r, topic, partition, &slot, err)))
		return rc;
	if (!(s.topic = strdup(topic)))
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for a stream");
	s.rkt = rd_kafka_topic_new(r->rk, topic, NULL);
	if (!s.rkt ||
	    rd_kafka_consume_start_queue(s.rkt, partition, from == SEG_OFFSET_START ? RD_KAFKA_OFFSET_BEGINNING : from,
					 r->queue) == -1) {
		rc = seg_error_set(err, SEG_INVALID, "%s[%d] cannot be read: %s", topic, (int)partition,
				   rd_kafka_err2str(rd_kafka_last_error()));
		if (s.rkt)
			rd_kafka_topic_destroy(s.rkt);
		free(s.topic);
		return rc;
	}
	r->streams[slot] = s;
	update_wake(r);
	seg_kafka_wake_now(r->wake);
	*ret_stream = slot;
	return SEG_OK;
}

void seg_kafka_reader_remove(struct seg_kafka_reader *r, uint32_t stream)
{
	struct stream *s;

	if (stream >= r->streams_len || !(s = &r->streams[stream])->rkt)
		return;
	rd_kafka_consume_stop(s->rkt, s->partition);
	rd_kafka_topic_destroy(s->rkt);
	free(s->topic);
	memset(s, 0, sizeof *s);
	update_wake(r);
}

/* NULL: nobody's (any more). Streams are few, and a batch is mostly of one. */
static struct stream *stream_of(struct seg_kafka_reader *r, const rd_kafka_message_t *m)
{
	const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : NULL;

	for (uint32_t i = 0; topic && i < r->streams_len; i++) {
		struct stream *s = &r->streams[i];

		if (s->rkt && s->partition == m->partition && strcmp(s->topic, topic) == 0)
			return s->born < r->batch_number && !s->gone ? s : NULL;
	}
	return NULL;
}

static bool is_gone(rd_kafka_resp_err_t e)
{
	return seg_kafka_is_out_of_log(e) || seg_kafka_is_missing(e);
}

static bool is_fatal(rd_kafka_resp_err_t e)
{
	return e == RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED || e == RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION ||
	       e == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED || e == RD_KAFKA_RESP_ERR__FATAL;
}

/* What one message of the library is for its stream. False: nothing for the caller. */
static bool take_message(struct stream *s, uint32_t number, rd_kafka_message_t *m, enum seg_stream_event *ret_event,
			 struct seg_kafka_message *ret)
{
	*ret = (struct seg_kafka_message){
		.topic = number, .partition = m->partition, .offset = m->offset, .timestamp_ms = SEG_NO_TIME, .raw = m};
	if (m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
		if (m->offset < s->position)
			return false;
		s->position = m->offset;
		ret->eof = true;
		*ret_event = SEG_STREAM_EOF;
		return true;
	}
	if (is_gone(m->err)) {
		s->gone = true;
		ret->offset = s->position;
		*ret_event = SEG_STREAM_GONE;
		return true;
	}
	if (m->offset < s->position)
		return false;
	s->position = m->offset + 1;
	ret->key = seg_kafka_str(m->key, m->key_len);
	ret->value = seg_kafka_str(m->payload, m->len);
	ret->timestamp_ms = seg_kafka_timestamp(m);
	*ret_event = SEG_STREAM_RECORD;
	return true;
}

/* One record is waited for, the rest is what is there: the batch call would wait its whole time-out for a full batch. */
static void fetch_batch(struct seg_kafka_reader *r, int timeout_ms)
{
	ssize_t n = rd_kafka_consume_batch_queue(r->queue, 0, r->batch, READER_BATCH);
	size_t bytes = 0;

	r->batch_number++;
	r->batch_at = r->batch_len = 0;
	if (n <= 0 && timeout_ms > 0 && (r->batch[0] = rd_kafka_consume_queue(r->queue, timeout_ms))) {
		n = rd_kafka_consume_batch_queue(r->queue, 0, r->batch + 1, READER_BATCH - 1);
		n = n > 0 ? n + 1 : 1;
	}
	r->batch_len = n > 0 ? (size_t)n : 0;
	for (size_t i = 0; i < r->batch_len; i++)
		bytes += r->batch[i]->len;
	if (r->batch_len == READER_BATCH || bytes >= BACKLOG_BYTES)
		seg_kafka_wake_now(r->wake);
}

static enum seg_rc hand_out(struct seg_kafka_reader *r, size_t max, seg_stream_fn fn, void *ctx, size_t *events,
			    struct seg_error *err)
{
	static struct seg_log_limit limit;
	enum seg_rc rc = SEG_OK;

	while (!rc && *events < max && r->batch_at < r->batch_len) {
		rd_kafka_message_t *m = r->batch[r->batch_at++];
		struct stream *s = stream_of(r, m);
		struct seg_kafka_message message;
		enum seg_stream_event event;

		if (s && is_fatal(m->err)) {
			rc = seg_error_set(err, SEG_FATAL, "%s[%d] cannot be read: %s", s->topic, (int)s->partition,
					   rd_kafka_message_errstr(m));
		} else if (m->err && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF && !is_gone(m->err)) {
			seg_log_limited(&limit, SEG_LOG_WARN, "kafka_reader", "topic=%s partition=%d error=%s",
					m->rkt ? rd_kafka_topic_name(m->rkt) : "-", (int)m->partition,
					rd_kafka_err2name(m->err));
		} else if (s && take_message(s, (uint32_t)(s - r->streams), m, &event, &message)) {
			(*events)++;
			rc = fn(ctx, event, &message, err);
		}
		rd_kafka_message_destroy(m);
	}
	return rc;
}

/* The library only says that something is missing, not what. A broker that has just started may be wrong, so it is asked
 * a few times. */
static enum seg_rc report_missing(struct seg_kafka_reader *r, seg_stream_fn fn, void *ctx, size_t *events,
				  struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;
	bool unsure = false;

	if (seg_monotonic_ms() - r->asked_ms < ASK_EVERY_MS)
		return SEG_OK;
	r->asked_ms = seg_monotonic_ms();
	for (uint32_t i = 0; i < r->streams_len && !rc; i++) {
		struct stream *s = &r->streams[i];
		struct seg_kafka_message m = {.topic = i, .partition = s->partition, .offset = s->position};
		int32_t partitions;

		if (!s->rkt || s->gone)
			continue;
		partitions = seg_kafka_topic_partitions(r->rk, s->topic, METADATA_MS);
		if (partitions > s->partition)
			s->missing = 0;
		else if (partitions >= 0)
			s->missing++;
		unsure |= s->missing > 0 || partitions < 0;
		if (s->missing < ASKS)
			continue;
		s->gone = true;
		m.timestamp_ms = SEG_NO_TIME;
		(*events)++;
		rc = fn(ctx, SEG_STREAM_GONE, &m, err);
	}
	r->ask = unsure;
	return rc;
}

enum seg_rc seg_kafka_reader_poll(struct seg_kafka_reader *r, int timeout_ms, size_t max, seg_stream_fn fn, void *ctx,
				  size_t *ret_events, struct seg_error *err)
{
	size_t events = 0;
	enum seg_rc rc;

	if (max == 0 || max > READER_BATCH)
		max = READER_BATCH;
	if (r->batch_at == r->batch_len)
		fetch_batch(r, timeout_ms);
	rd_kafka_poll(r->rk, 0);
	rc = hand_out(r, max, fn, ctx, &events, err);
	if (!rc && r->ask && events < max)
		rc = report_missing(r, fn, ctx, &events, err);
	if (ret_events)
		*ret_events = events;
	return rc;
}

int64_t seg_kafka_reader_position(const struct seg_kafka_reader *r, uint32_t stream)
{
	return stream < r->streams_len && r->streams[stream].rkt ? r->streams[stream].position : -1;
}
