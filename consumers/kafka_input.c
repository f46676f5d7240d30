/*
 * Membership, polling and what an error of the library means.
 *
 * Records come in batches of up to 1,000 through rd_kafka_consume_batch_queue(), which is .3 to .65 µs a record cheaper than
 * one by one. It runs callbacks while it gathers, so a batch may hold records of partitions that were revoked or assigned
 * anew after they were put into it: after each call everything of partitions that are not running, or below the expected
 * offset, is dropped. It also waits its whole timeout for a batch to become full, so the waiting is done for one record.
 */
#include "consumers/kafka_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/event.h"
#include "base/log.h"
#include "consumers/kafka_input_impl.h"
#include "consumers/kafka_util.h"

enum { SESSION_MS = 45000, MAX_POLL_MS = 300000, HEARTBEAT_MS = 3000, CLOSE_STEP_MS = 100 };
enum { MISSING_GIVE_UP_MS = 15000, MISSING_ASK_MS = 1000, METADATA_MS = 2000, BACKLOG_BYTES = 1 << 20 };
enum { TROUBLE_MS = 120000, REOPEN_CLOSE_MS = 5000, STALE_MS = 10000 };

int input_topic_index(const struct seg_kafka_input *in, const char *name)
{
	for (size_t i = 0; i < in->topics_len; i++) {
		if (strcmp(in->topics[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

struct input_part *input_part(const struct seg_kafka_input *in, uint32_t topic, int32_t partition)
{
	if (topic >= in->topics_len || partition < 0 || partition >= in->topics[topic].len)
		return NULL;
	return &in->topics[topic].parts[partition];
}

void input_group_clear(struct seg_kafka_input *in)
{
	if (in->group)
		rd_kafka_consumer_group_metadata_destroy(in->group);
	in->group = NULL;
}

static void remember(struct seg_kafka_input *in, enum seg_rc rc, const char *text)
{
	if (in->pending.rc == SEG_OK)
		seg_error_set(&in->pending, rc, "%s", text);
}

/*
 * A static member is fenced when another one uses its id, but also when its own answer from the coordinator got lost: the
 * coordinator had given it a new member id, and takes the old one for another member's. After an outage it is therefore
 * tried once more with a new handle; a real rival fences that one, too, and then there was no outage.
 */
static bool may_be_spurious(const struct seg_kafka_input *in, rd_kafka_resp_err_t e)
{
	return e == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID && in->trouble_ms &&
	       seg_monotonic_ms() - in->trouble_ms < TROUBLE_MS;
}

static void take_fatal(struct seg_kafka_input *in, rd_kafka_resp_err_t e, const char *text)
{
	if (!may_be_spurious(in, e)) {
		remember(in, SEG_FATAL,
			 e == RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID ? "another process has joined the group with the "
								     "same `instance`: this one ends. Give each "
								     "running process an `instance` of its own"
								   : text);
		return;
	}
	if (!in->reopen)
		seg_log(SEG_LOG_WARN, "kafka_fenced", "text=\"%s\" so=\"after an outage this is tried once more\"",
			text);
	in->reopen = true;
}

/*
 * Errors that are not in the stream of records: brokers that are away, and topics that are assigned but do not exist (any
 * more). Runs inside poll.
 */
static void error_cb(rd_kafka_t *rk, int code, const char *why, void *opaque)
{
	static struct seg_log_limit limit;
	struct seg_kafka_input *in = opaque;
	char fatal[300] = "";
	rd_kafka_resp_err_t e;

	input_watch_error(in, code);
	if (code == RD_KAFKA_RESP_ERR__FATAL) {
		e = rd_kafka_fatal_error(rk, fatal, sizeof fatal);
		take_fatal(in, e, fatal);
	} else if (seg_kafka_is_missing(code) && !in->missing_since_ms) {
		in->missing_since_ms = seg_monotonic_ms();
	}
	seg_log_rarely(&limit, SEG_KAFKA_TROUBLE_TOLD_S, SEG_LOG_WARN, "kafka_input", "error=%s text=\"%s\"",
		       rd_kafka_err2name(code), why);
}

static enum seg_rc make_conf(const struct seg_kafka_input_options *o, rd_kafka_conf_t **ret, struct seg_error *err)
{
	int session = o->session_timeout_ms ? o->session_timeout_ms : SESSION_MS;
	int max_poll = o->max_poll_interval_ms ? o->max_poll_interval_ms : MAX_POLL_MS;
	char session_text[16], max_poll_text[16], heartbeat_text[16];
	const struct seg_kafka_setting own[] = {
		{"group.id", o->group},
		{"group.instance.id", o->instance_id},
		{"partition.assignment.strategy", "range"},
		{"session.timeout.ms", session_text},
		{"max.poll.interval.ms", max_poll_text},
		{"heartbeat.interval.ms", heartbeat_text},
		{"enable.auto.commit", "false"},
		{"enable.auto.offset.store", "false"},
		{"auto.offset.reset", "error"},
		{"isolation.level", "read_committed"},
		{"enable.partition.eof", "true"},
		{"allow.auto.create.topics", "false"},
	};

	if (!o->group || !*o->group || !o->instance_id || !*o->instance_id || !o->topics_len)
		return seg_error_set(err, SEG_INVALID,
				     "a Kafka input needs a group, an instance id and at least one topic");
	snprintf(session_text, sizeof session_text, "%d", session);
	/* librdkafka refuses an interval below the session's. */
	snprintf(max_poll_text, sizeof max_poll_text, "%d", max_poll < session ? session : max_poll);
	snprintf(heartbeat_text, sizeof heartbeat_text, "%d", session / 3 < HEARTBEAT_MS ? session / 3 : HEARTBEAT_MS);
	return seg_kafka_conf(&o->client, false, own, sizeof own / sizeof *own, ret, err);
}

static void free_input(struct seg_kafka_input *in)
{
	if (in->conf)
		rd_kafka_conf_destroy(in->conf);
	for (size_t i = 0; in->topics && i < in->topics_len; i++) {
		free(in->topics[i].name);
		free(in->topics[i].parts);
	}
	free(in->topics);
	input_group_clear(in);
	free(in);
}

static bool copy_topics(struct seg_kafka_input *in, const char *const *topics, size_t len)
{
	if (!(in->topics = calloc(len, sizeof *in->topics)))
		return false;
	in->topics_len = len;
	for (size_t i = 0; i < len; i++) {
		if (!(in->topics[i].name = strdup(topics[i])))
			return false;
	}
	return true;
}

static enum seg_rc open_handle(struct seg_kafka_input *in, struct seg_error *err)
{
	enum seg_rc rc = seg_kafka_new(RD_KAFKA_CONSUMER, rd_kafka_conf_dup(in->conf), &in->rk, err);

	if (rc)
		return rc;
	rd_kafka_poll_set_consumer(in->rk);
	in->queue = rd_kafka_queue_get_consumer(in->rk);
	return seg_kafka_wake_start(in->rk, &in->wake, err);
}

enum seg_rc seg_kafka_input_open(const struct seg_kafka_input_options *options, struct seg_kafka_input **ret,
				 struct seg_error *err)
{
	struct seg_kafka_input *in = NULL;
	rd_kafka_conf_t *conf = NULL;
	enum seg_rc rc;

	if ((rc = make_conf(options, &conf, err)))
		return rc;
	in = calloc(1, sizeof *in);
	if (!in || !copy_topics(in, options->topics, options->topics_len)) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "no memory for a Kafka consumer");
		goto out;
	}
	in->events = options->events;
	rd_kafka_conf_set_opaque(conf, in);
	rd_kafka_conf_set_rebalance_cb(conf, input_rebalance_cb);
	rd_kafka_conf_set_error_cb(conf, error_cb);
	in->conf = conf;
	conf = NULL;
	if ((rc = open_handle(in, err)))
		goto out;
	*ret = in;
	in = NULL;
out:
	if (conf)
		rd_kafka_conf_destroy(conf);
	if (in) {
		if (in->queue)
			rd_kafka_queue_destroy(in->queue);
		seg_kafka_destroy(in->rk, METADATA_MS);
		free_input(in);
	}
	return rc;
}

/*
 * Closes by a queue that this thread serves, so that `revoked` runs here and a group that never answers (librdkafka #4187,
 * #4724) costs the time-out and no more.
 */
static bool leave_group(struct seg_kafka_input *in, int64_t until_ms)
{
	rd_kafka_queue_t *q = rd_kafka_queue_new(in->rk);
	rd_kafka_error_t *e = rd_kafka_consumer_close_queue(in->rk, q);
	rd_kafka_message_t *m;
	bool closed = false;

	if (e) {
		rd_kafka_error_destroy(e);
	} else {
		while (!(closed = rd_kafka_consumer_closed(in->rk)) && seg_monotonic_ms() < until_ms) {
			if ((m = rd_kafka_consume_queue(q, CLOSE_STEP_MS)))
				rd_kafka_message_destroy(m);
		}
	}
	rd_kafka_queue_destroy(q);
	return closed;
}

bool seg_kafka_input_close(struct seg_kafka_input *in, int timeout_ms)
{
	int64_t until_ms = seg_monotonic_ms() + timeout_ms, left;
	bool closed, awake;

	if (!in)
		return true;
	seg_kafka_input_release(in);
	if (!in->rk) { /* it could not be made anew */
		free_input(in);
		return true;
	}
	closed = leave_group(in, until_ms);
	left = until_ms - seg_monotonic_ms();
	awake = seg_kafka_wake_stop(in->wake, left > 0 ? (int)left : 0);
	if (in->queue)
		rd_kafka_queue_destroy(in->queue);
	left = until_ms - seg_monotonic_ms();
	if (awake && !seg_kafka_destroy(in->rk, left > CLOSE_STEP_MS ? (int)left : CLOSE_STEP_MS))
		closed = false;
	free_input(in);
	return closed && awake;
}

enum seg_rc seg_kafka_input_subscribe(struct seg_kafka_input *in, struct seg_error *err)
{
	rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new((int)in->topics_len);
	rd_kafka_resp_err_t e;

	for (size_t i = 0; i < in->topics_len; i++)
		rd_kafka_topic_partition_list_add(list, in->topics[i].name, RD_KAFKA_PARTITION_UA);
	e = rd_kafka_subscribe(in->rk, list);
	rd_kafka_topic_partition_list_destroy(list);
	if (e)
		return seg_error_set(err, SEG_FATAL, "cannot subscribe to the inputs: %s", rd_kafka_err2str(e));
	return SEG_OK;
}

/* The old handle does not leave the group: who it belonged to is the same member. What hangs is left behind. */
static enum seg_rc reopen(struct seg_kafka_input *in, struct seg_error *err)
{
	struct seg_error callback;
	enum seg_rc rc;

	seg_kafka_input_release(in);
	input_lose_all(in);
	callback = in->callback;
	if (seg_kafka_wake_stop(in->wake, REOPEN_CLOSE_MS)) {
		rd_kafka_queue_destroy(in->queue);
		seg_kafka_destroy(in->rk, REOPEN_CLOSE_MS);
	}
	in->wake = NULL;
	in->queue = NULL;
	in->rk = NULL;
	in->pending.rc = in->callback.rc = SEG_OK;
	in->trouble_ms = in->missing_since_ms = in->down_since_ms = in->stale_since_ms = 0;
	in->reopen = false;
	if ((rc = open_handle(in, err)) || (rc = seg_kafka_input_subscribe(in, err)))
		return rc;
	seg_log(SEG_LOG_WARN, "kafka_input_reopened", "client=%s", rd_kafka_name(in->rk));
	if (callback.rc)
		return seg_error_set(err, callback.rc, "%s", callback.text);
	return SEG_OK;
}

void seg_kafka_input_release(struct seg_kafka_input *in)
{
	for (size_t i = 0; i < in->raw_len; i++)
		rd_kafka_message_destroy(in->raw[i]);
	in->raw_len = 0;
}

/* The group or a topic cannot be used: waiting does not mend it. */
static bool is_fatal(rd_kafka_resp_err_t e)
{
	static const rd_kafka_resp_err_t fatal[] = {
		RD_KAFKA_RESP_ERR__FATAL,
		RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID,
		RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
		RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
		RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
		RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL,
		RD_KAFKA_RESP_ERR_INVALID_GROUP_ID,
		RD_KAFKA_RESP_ERR_INVALID_SESSION_TIMEOUT,
		RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION,
	};

	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
		if (e == fatal[i])
			return true;
	}
	return false;
}

/* What an error message of the library asks for. It may belong to a partition (part is NULL if not). */
static void take_error(struct seg_kafka_input *in, const rd_kafka_message_t *m, const struct input_part *part)
{
	static struct seg_log_limit limit;
	const char *why = rd_kafka_message_errstr(m);
	const char *topic = m->rkt ? rd_kafka_topic_name(m->rkt) : "-";
	char text[400];

	if (seg_kafka_is_out_of_log(m->err)) {
		/* Told once more for a position left long ago, or of a partition that waits: not ours to report. */
		if (!part || !part->assigned || part->paused || m->offset < part->next)
			return;
		snprintf(text, sizeof text, "%s[%d]: offset %lld is not in the log: %s", topic, (int)m->partition,
			 (long long)m->offset, why);
		remember(in, SEG_NOT_FOUND, text);
	} else if (is_fatal(m->err)) {
		char fatal[300] = "";
		rd_kafka_resp_err_t e = m->err;

		if (e == RD_KAFKA_RESP_ERR__FATAL)
			e = rd_kafka_fatal_error(in->rk, fatal, sizeof fatal);
		snprintf(text, sizeof text, "the inputs cannot be read: %s: %s", rd_kafka_err2name(m->err),
			 *fatal ? fatal : why);
		take_fatal(in, e, text);
	} else if (seg_kafka_is_missing(m->err)) {
		if (!in->missing_since_ms)
			in->missing_since_ms = seg_monotonic_ms();
	} else {
		seg_log_limited(&limit, SEG_LOG_WARN, "kafka_input", "topic=%s partition=%d error=%s text=\"%s\"",
				topic, (int)m->partition, rd_kafka_err2name(m->err), why);
	}
}

/* A broker that has just started may not know a topic yet, so a missing one is asked for again before it is believed. */
static enum seg_rc check_missing(struct seg_kafka_input *in, struct seg_error *err)
{
	int64_t now = seg_monotonic_ms();

	if (now - in->missing_asked_ms < MISSING_ASK_MS)
		return SEG_OK;
	in->missing_asked_ms = now;
	for (size_t i = 0; i < in->topics_len; i++) {
		int32_t partitions = seg_kafka_topic_partitions(in->rk, in->topics[i].name, METADATA_MS);

		if (partitions > 0)
			continue;
		if (partitions < 0 || now - in->missing_since_ms < MISSING_GIVE_UP_MS)
			return SEG_OK;
		return seg_error_set(err, SEG_FATAL, "no such topic: %s: create it (segmentd topics create)",
				     in->topics[i].name);
	}
	in->missing_since_ms = 0;
	return SEG_OK;
}

/* Whether the record goes to the caller; moves the expected offset. */
static bool take_record(struct input_part *part, uint32_t topic, rd_kafka_message_t *m, struct seg_kafka_message *to)
{
	bool eof = m->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;

	if (!part || !part->assigned || part->paused || m->offset < part->next)
		return false;
	part->next = eof ? m->offset : m->offset + 1;
	if (eof)
		part->eof_at = m->offset;
	*to = (struct seg_kafka_message){
		.topic = topic, .partition = m->partition, .offset = m->offset, .eof = eof, .raw = m};
	to->timestamp_ms = SEG_NO_TIME;
	if (eof)
		return true;
	to->key = seg_kafka_str(m->key, m->key_len);
	to->value = seg_kafka_str(m->payload, m->len);
	to->timestamp_ms = seg_kafka_timestamp(m);
	return true;
}

/* Sorts out a batch in place: raw[0..n) becomes what is handed out. Returns its bytes. */
static size_t take_batch(struct seg_kafka_input *in, size_t n)
{
	const rd_kafka_topic_t *last = NULL;
	size_t kept = 0, bytes = 0;
	int topic = -1;

	for (size_t i = 0; i < n; i++) {
		rd_kafka_message_t *m = in->raw[i];
		struct input_part *part;

		if (!m->rkt || m->rkt != last) {
			topic = m->rkt ? input_topic_index(in, rd_kafka_topic_name(m->rkt)) : -1;
			last = m->rkt;
		}
		part = topic < 0 ? NULL : input_part(in, (uint32_t)topic, m->partition);
		if (m->err && m->err != RD_KAFKA_RESP_ERR__PARTITION_EOF) {
			take_error(in, m, part);
		} else if (take_record(part, (uint32_t)topic, m, &in->items[kept])) {
			bytes += m->len + m->key_len;
			in->raw[kept++] = m;
			continue;
		}
		last = NULL; /* the topic's handle lives as long as its messages */
		rd_kafka_message_destroy(m);
	}
	in->raw_len = kept;
	if (kept)
		input_watch_alive(in);
	return bytes;
}

/* One record or callback is waited for, the rest of the batch is what is there already. */
static size_t gather(struct seg_kafka_input *in, int timeout_ms, size_t max)
{
	ssize_t n = rd_kafka_consume_batch_queue(in->queue, 0, in->raw, max);

	if (n > 0)
		return (size_t)n;
	if (timeout_ms <= 0 || in->callback.rc)
		return 0;
	if (!(in->raw[0] = rd_kafka_consume_queue(in->queue, timeout_ms)))
		return 0;
	n = max > 1 ? rd_kafka_consume_batch_queue(in->queue, 0, in->raw + 1, max - 1) : 0;
	return n > 0 ? (size_t)n + 1 : 1;
}

static enum seg_rc take_pending(struct seg_error *pending, struct seg_error *err)
{
	enum seg_rc rc = pending->rc;

	if (rc) {
		seg_error_set(err, rc, "%s", pending->text);
		pending->rc = SEG_OK;
	}
	return rc;
}

enum seg_rc seg_kafka_input_poll(struct seg_kafka_input *in, int timeout_ms, size_t max, struct seg_kafka_batch *ret,
				 struct seg_error *err)
{
	enum seg_rc rc;
	size_t n, bytes;

	ret->len = 0;
	ret->items = in->items;
	seg_kafka_input_release(in);
	if ((rc = take_pending(&in->pending, err)))
		return rc;
	if (in->reopen)
		return reopen(in, err);
	if (max == 0 || max > SEG_INPUT_BATCH)
		max = SEG_INPUT_BATCH;
	n = gather(in, timeout_ms, max);
	bytes = take_batch(in, n);
	if (n == SEG_INPUT_BATCH || bytes >= BACKLOG_BYTES || (n == max && rd_kafka_queue_length(in->queue) > 0))
		seg_kafka_wake_now(in->wake);
	if ((rc = take_pending(&in->callback, err)))
		return rc;
	if (in->raw_len == 0 && (rc = take_pending(&in->pending, err)))
		return rc;
	if (in->missing_since_ms && (rc = check_missing(in, err)))
		return rc;
	/* Without this, partitions that the group believes to be ours would be read by nobody. */
	if (in->stale_since_ms && seg_monotonic_ms() - in->stale_since_ms >= STALE_MS)
		in->reopen = true;
	if (in->reopen)
		seg_kafka_input_release(in);
	input_watch(in);
	ret->len = in->raw_len;
	return SEG_OK;
}

size_t seg_kafka_message_headers(const struct seg_kafka_message *m, struct seg_header *ret, size_t max)
{
	rd_kafka_headers_t *headers;
	size_t n = 0;

	if (m->eof || !m->raw || rd_kafka_message_headers(m->raw, &headers))
		return 0;
	while (n < max && !rd_kafka_header_get_all(headers, n, &ret[n].name, &ret[n].value, &ret[n].len))
		n++;
	return n;
}

const rd_kafka_consumer_group_metadata_t *seg_kafka_input_group(const struct seg_kafka_input *in)
{
	return in->group;
}

size_t seg_kafka_input_queued(const struct seg_kafka_input *in)
{
	return rd_kafka_queue_length(in->queue);
}
