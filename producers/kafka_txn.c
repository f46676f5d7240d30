#include "producers/kafka_txn_impl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/mutant.h"

enum { DEFAULT_TXN_MS = 10000, DEFAULT_QUEUE = 100000, DEFAULT_MAX_BYTES = (4 << 20) + (64 << 10) };
enum { DEFAULT_GIVE_UP_MS = 60000, POLL_EVERY = 256, FULL_POLL_MS = 100, PING_MS = 1000 };
enum { METADATA_MS = 1000, TOPIC_GIVE_UP_MS = 5000, KEY_SHOWN = 64, RECORD_OVERHEAD = 64, HEADER_OVERHEAD = 10 };

static void key_text(const void *key, size_t len, char *ret, size_t cap)
{
	const unsigned char *at = key;
	size_t n = 0;

	if (!key)
		len = 0;
	for (size_t i = 0; i < len && i < KEY_SHOWN && n + 5 < cap; i++) {
		if (at[i] < 0x20 || at[i] >= 0x7f || at[i] == '"')
			n += (size_t)snprintf(ret + n, cap - n, "\\x%02x", at[i]);
		else
			ret[n++] = (char)at[i];
	}
	ret[n] = 0;
}

static void delivered_cb(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	struct seg_txn *t = opaque;
	uintptr_t ticket = (uintptr_t)m->_private;
	char key[KEY_SHOWN * 4 + 8];

	(void)rk;
	if (!m->err) {
		/* Invalid when the broker had the batch already (a duplicate sequence number): then it stays unknown. */
		if (ticket && ticket <= t->tickets_len && m->offset >= 0)
			t->tickets[ticket - 1] = m->offset;
		return;
	}
	t->failed++;
	if (m->err != RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE && m->err != RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE)
		return;
	if (m->len + m->key_len < t->too_large_bytes)
		return;
	t->too_large_bytes = m->len + m->key_len + 1;
	for (size_t i = 0; i < t->topics_len; i++) {
		if (t->topics[i].rkt == m->rkt)
			t->too_large_topic = (uint32_t)i;
	}
	key_text(m->key, m->key_len, key, sizeof key);
	snprintf(t->too_large, sizeof t->too_large,
		 "%s[%d]: a broker refused the record with key \"%s\" (key %zu, value %zu bytes): raise the topic's "
		 "max.message.bytes",
		 m->rkt ? rd_kafka_topic_name(m->rkt) : "?", (int)m->partition, key, m->key_len, m->len);
}

static enum seg_rc make_handle(struct seg_txn *t, const struct seg_txn_options *o, struct seg_error *err)
{
	char timeout[16], queue[16], max_bytes[16];
	const struct seg_kafka_setting own[] = {
		{"transactional.id", o->transactional_id},
		{"transaction.timeout.ms", timeout},
		{"enable.idempotence", "true"},
		{"queue.buffering.max.messages", queue},
		{"message.max.bytes", max_bytes},
		{"allow.auto.create.topics", "false"},
	};
	rd_kafka_conf_t *conf = NULL;
	enum seg_rc rc;

	snprintf(timeout, sizeof timeout, "%d", o->transaction_timeout_ms ? o->transaction_timeout_ms : DEFAULT_TXN_MS);
	snprintf(queue, sizeof queue, "%u", o->queue_messages ? o->queue_messages : DEFAULT_QUEUE);
	snprintf(max_bytes, sizeof max_bytes, "%u", t->max_message_bytes);
	if ((rc = seg_kafka_conf(&o->client, true, own, sizeof own / sizeof *own, &conf, err)))
		return rc;
	rd_kafka_conf_set_opaque(conf, t);
	rd_kafka_conf_set_dr_msg_cb(conf, delivered_cb);
	txn_watch_requests(conf);
	return seg_kafka_new(RD_KAFKA_PRODUCER, conf, &t->rk, err);
}

static enum seg_rc make_topics(struct seg_txn *t, const struct seg_txn_options *o, struct seg_error *err)
{
	if (!(t->topics = calloc(o->topics_len + 1, sizeof *t->topics)))
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for a producer");
	t->topics_len = o->topics_len;
	for (size_t i = 0; i < o->topics_len; i++) {
		if (!(t->topics[i].name = strdup(o->topics[i])))
			return seg_error_set(err, SEG_NO_MEMORY, "no memory for a producer");
		if (!(t->topics[i].rkt = rd_kafka_topic_new(t->rk, o->topics[i], NULL)))
			return seg_error_set(err, SEG_INVALID, "topic \"%s\": %s", o->topics[i],
					     rd_kafka_err2str(rd_kafka_last_error()));
	}
	return SEG_OK;
}

enum seg_rc seg_txn_open(const struct seg_txn_options *options, struct seg_txn **ret, struct seg_error *err)
{
	struct seg_txn *t;
	enum seg_rc rc;

	if (!options->transactional_id || !*options->transactional_id)
		return seg_error_set(err, SEG_INVALID, "a transactional producer needs a transactional id");
	if (!(t = calloc(1, sizeof *t)))
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for a producer");
	t->max_message_bytes = options->max_message_bytes ? options->max_message_bytes : DEFAULT_MAX_BYTES;
	t->give_up_ms = options->give_up_ms ? options->give_up_ms : DEFAULT_GIVE_UP_MS;
	t->keep_waiting = options->keep_waiting;
	t->ctx = options->ctx;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->wake, NULL);
	pthread_cond_init(&t->finished, NULL);
	if (!(rc = make_handle(t, options, err)) && !(rc = make_topics(t, options, err)) &&
	    !(rc = txn_thread_start(t, err))) {
		*ret = t;
		return SEG_OK;
	}
	txn_free(t, DEFAULT_TXN_MS);
	return rc;
}

bool txn_free(struct seg_txn *t, int timeout_ms)
{
	bool fine;

	for (size_t i = 0; t->topics && i < t->topics_len; i++) {
		if (t->topics[i].rkt)
			rd_kafka_topic_destroy(t->topics[i].rkt);
		free(t->topics[i].name);
	}
	free(t->topics);
	fine = seg_kafka_destroy(t->rk, timeout_ms);
	if (t->offsets)
		rd_kafka_topic_partition_list_destroy(t->offsets);
	if (t->group)
		rd_kafka_consumer_group_metadata_destroy(t->group);
	free(t->tickets);
	pthread_cond_destroy(&t->finished);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
	return fine;
}

enum seg_rc seg_txn_classify(const rd_kafka_error_t *error)
{
	if (!error)
		return SEG_OK;
	if (rd_kafka_error_is_fatal(error))
		return SEG_RECREATE;
	if (rd_kafka_error_txn_requires_abort(error))
		return SEG_ABORT;
	return rd_kafka_error_is_retriable(error) ? SEG_RETRY : SEG_RECREATE;
}

static bool go_on(const struct seg_txn *t)
{
	return !t->keep_waiting || t->keep_waiting(t->ctx);
}

/* *ret_again: not answered, or just created and not known yet. */
static enum seg_rc read_partitions(struct seg_txn *t, struct txn_topic *topic, bool *ret_again, struct seg_error *err)
{
	const struct rd_kafka_metadata *md = NULL;
	rd_kafka_resp_err_t e = rd_kafka_metadata(t->rk, 0, topic->rkt, &md, METADATA_MS);
	enum seg_rc rc = SEG_OK;

	*ret_again = false;
	if (e || md->topic_cnt != 1) {
		*ret_again = true;
		rc = seg_error_set(err, SEG_RETRY, "%s: the brokers do not tell its partitions: %s", topic->name,
				   rd_kafka_err2str(e));
	} else if (md->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
		   md->topics[0].err == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
		*ret_again = true;
		rc = seg_error_set(err, SEG_FATAL, "no such topic: %s: create it (segmentd topics create)",
				   topic->name);
	} else if (md->topics[0].err) {
		rc = seg_error_set(err, SEG_FATAL, "%s: %s", topic->name, rd_kafka_err2str(md->topics[0].err));
	} else {
		topic->partitions = md->topics[0].partition_cnt;
	}
	if (md)
		rd_kafka_metadata_destroy(md);
	return rc;
}

/* Also warms the metadata, without which the first records would wait. */
static enum seg_rc read_all_partitions(struct seg_txn *t, struct seg_error *err)
{
	for (size_t i = 0; i < t->topics_len; i++) {
		int64_t missing_since = 0;

		for (;;) {
			bool again;
			enum seg_rc rc = read_partitions(t, &t->topics[i], &again, err);

			if (!rc)
				break;
			if (!again)
				return rc;
			if (rc == SEG_FATAL) {
				missing_since = missing_since ? missing_since : seg_monotonic_ms();
				if (seg_monotonic_ms() - missing_since > TOPIC_GIVE_UP_MS)
					return rc;
			}
			if (!go_on(t))
				return SEG_RETRY;
			seg_sleep_ms(FULL_POLL_MS);
		}
	}
	return SEG_OK;
}

enum seg_rc seg_txn_init(struct seg_txn *t, struct seg_error *err)
{
	enum seg_rc rc;

	if (t->dead)
		return seg_error_set(err, SEG_RECREATE, "this producer was given up");
	while (!t->ready) {
		if (!(rc = txn_run(t, JOB_INIT, err)))
			break;
		if (rc != SEG_RETRY || !go_on(t))
			return rc;
	}
	if ((rc = read_all_partitions(t, err)))
		return rc;
	t->ready = true;
	return SEG_OK;
}

int32_t seg_txn_partitions(const struct seg_txn *t, uint32_t topic)
{
	return t->ready && topic < t->topics_len ? t->topics[topic].partitions : 0;
}

bool seg_txn_is_open(const struct seg_txn *t)
{
	return t->open;
}

static enum seg_rc begin(struct seg_txn *t, struct seg_error *err)
{
	rd_kafka_error_t *e;

	if (t->open)
		return SEG_OK;
	t->tickets_len = 0;
	t->failed = 0;
	t->too_large_bytes = 0;
	if ((e = rd_kafka_begin_transaction(t->rk))) {
		t->dead = true;
		seg_error_set(err, SEG_RECREATE, "a transaction cannot begin: %s", rd_kafka_error_string(e));
		rd_kafka_error_destroy(e);
		return SEG_RECREATE;
	}
	t->open = true;
	return SEG_OK;
}

static enum seg_rc usable(const struct seg_txn *t, struct seg_error *err)
{
	if (t->dead)
		return seg_error_set(err, SEG_RECREATE, "this producer was given up");
	if (!t->ready)
		return seg_error_set(err, SEG_INVALID, "the producer is not initialised");
	return SEG_OK;
}

static enum seg_rc check_record(const struct seg_txn *t, const struct seg_txn_record *r, int32_t *ret_partition,
				struct seg_error *err)
{
	size_t bytes = (size_t)r->key.len + r->value.len + RECORD_OVERHEAD;
	const struct txn_topic *topic;
	char key[KEY_SHOWN * 4 + 8];

	if (r->topic >= t->topics_len)
		return seg_error_set(err, SEG_INVALID, "no topic with index %u", r->topic);
	topic = &t->topics[r->topic];
	if (r->partition < -1 || r->partition >= topic->partitions || (r->partition == -1 && !r->key.ptr))
		return seg_error_set(err, SEG_INVALID, "%s has no partition %d (it has %d)%s", topic->name,
				     (int)r->partition, (int)topic->partitions,
				     r->key.ptr ? "" : ", and there is no key");
	for (size_t i = 0; i < r->headers_len; i++)
		bytes += strlen(r->headers[i].name) + r->headers[i].len + HEADER_OVERHEAD;
	if (bytes > t->max_message_bytes) {
		key_text(r->key.ptr, r->key.len, key, sizeof key);
		return seg_error_set(err, SEG_LIMIT,
				     "%s: the record with key \"%s\" has %zu bytes (key %u, value %u), more than %u",
				     topic->name, key, bytes, r->key.len, r->value.len, t->max_message_bytes);
	}
	*ret_partition =
		r->partition >= 0 ? r->partition : seg_partition_for_key(r->key.ptr, r->key.len, topic->partitions);
	return SEG_OK;
}

static enum seg_rc make_headers(const struct seg_txn_record *r, rd_kafka_headers_t **ret, struct seg_error *err)
{
	*ret = NULL;
	if (!r->headers_len)
		return SEG_OK;
	if (!(*ret = rd_kafka_headers_new(r->headers_len)))
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for headers");
	for (size_t i = 0; i < r->headers_len; i++) {
		const struct seg_header *h = &r->headers[i];

		if (rd_kafka_header_add(*ret, h->name, -1, h->value, h->value ? (ssize_t)h->len : 0)) {
			rd_kafka_headers_destroy(*ret);
			return seg_error_set(err, SEG_INVALID, "header \"%s\" cannot be added", h->name);
		}
	}
	return SEG_OK;
}

static enum seg_rc take_ticket(struct seg_txn *t, uint32_t *ret, struct seg_error *err)
{
	uint32_t cap = t->tickets_cap ? t->tickets_cap * 2 : 64;
	int64_t *more;

	if (t->tickets_len == t->tickets_cap) {
		if (!(more = realloc(t->tickets, cap * sizeof *more)))
			return seg_error_set(err, SEG_NO_MEMORY, "no memory for a delivery report");
		t->tickets = more;
		t->tickets_cap = cap;
	}
	t->tickets[t->tickets_len] = -1;
	*ret = t->tickets_len++;
	return SEG_OK;
}

/* V_HEADERS and not V_HEADER, nor produceva: what fails then frees headers twice (librdkafka #4628). */
static rd_kafka_resp_err_t enqueue(struct seg_txn *t, const struct seg_txn_record *r, int32_t partition,
				   rd_kafka_headers_t *headers, uintptr_t opaque)
{
	rd_kafka_topic_t *rkt = t->topics[r->topic].rkt;

#define COMMON                                                                                                         \
	RD_KAFKA_V_RKT(rkt), RD_KAFKA_V_PARTITION(partition), RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),                \
		RD_KAFKA_V_KEY(r->key.ptr, (size_t)r->key.len),                                                        \
		RD_KAFKA_V_VALUE((void *)(uintptr_t)r->value.ptr, (size_t)r->value.len),                               \
		RD_KAFKA_V_TIMESTAMP(r->timestamp_ms), RD_KAFKA_V_OPAQUE((void *)opaque)
	if (headers)
		return rd_kafka_producev(t->rk, COMMON, RD_KAFKA_V_HEADERS(headers), RD_KAFKA_V_END);
	return rd_kafka_producev(t->rk, COMMON, RD_KAFKA_V_END);
#undef COMMON
}

/* The queue empties by delivery reports, which come in poll. */
static enum seg_rc enqueue_waiting(struct seg_txn *t, const struct seg_txn_record *r, int32_t partition,
				   rd_kafka_headers_t *headers, uintptr_t opaque, rd_kafka_resp_err_t *ret)
{
	int64_t since = seg_monotonic_ms(), pinged = since, now;

	while ((*ret = enqueue(t, r, partition, headers, opaque)) == RD_KAFKA_RESP_ERR__QUEUE_FULL) {
		atomic_store(&t->busy_since_ms, since);
		rd_kafka_poll(t->rk, FULL_POLL_MS);
		now = seg_monotonic_ms();
		if (now - pinged >= PING_MS) {
			pinged = now;
			if (!go_on(t) || now - since > t->give_up_ms)
				return SEG_RECREATE;
		}
	}
	return SEG_OK;
}

/* What a refused enqueue means. Librdkafka lets nothing in once the transaction has failed. */
static enum seg_rc enqueue_failed(struct seg_txn *t, const struct seg_txn_record *r, rd_kafka_resp_err_t e,
				  struct seg_error *err)
{
	const char *topic = t->topics[r->topic].name;
	struct seg_error aborted;
	enum seg_rc rc;

	if (e == RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE)
		return seg_error_set(err, SEG_LIMIT, "%s: a record of key %u and value %u bytes is too large", topic,
				     r->key.len, r->value.len);
	if (e == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION || e == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC)
		return seg_error_set(err, SEG_INVALID, "%s: %s", topic, rd_kafka_err2str(e));
	/* Whatever an abort may say: nothing is let in any more, ever. */
	if (e == RD_KAFKA_RESP_ERR__FATAL) {
		char fatal[256] = "";

		rd_kafka_fatal_error(t->rk, fatal, sizeof fatal);
		t->dead = true;
		return seg_error_set(err, SEG_RECREATE, "%s: the producer has failed: %s", topic, fatal);
	}
	rc = txn_run(t, JOB_ABORT, &aborted);
	if (rc == SEG_ABORT && t->too_large_bytes)
		return seg_error_set(err, SEG_ABORT, "%s", t->too_large);
	return seg_error_set(err, rc, "%s: the transaction has failed: %s%s%s", topic, rd_kafka_err2str(e),
			     rc == SEG_ABORT ? "" : ": ", rc == SEG_ABORT ? "" : aborted.text);
}

enum seg_rc seg_txn_produce(struct seg_txn *t, const struct seg_txn_record *record, uint32_t *ret_ticket,
			    struct seg_error *err)
{
	rd_kafka_headers_t *headers = NULL;
	rd_kafka_resp_err_t e = RD_KAFKA_RESP_ERR_NO_ERROR;
	uint32_t ticket = 0;
	int32_t partition = 0;
	enum seg_rc rc;

	if ((rc = usable(t, err)) || (rc = check_record(t, record, &partition, err)) ||
	    (rc = make_headers(record, &headers, err)))
		return rc;
	if ((rc = begin(t, err)) || (record->want_offset && (rc = take_ticket(t, &ticket, err)))) {
		if (headers)
			rd_kafka_headers_destroy(headers);
		return rc;
	}
	rc = enqueue_waiting(t, record, partition, headers, record->want_offset ? (uintptr_t)ticket + 1 : 0, &e);
	atomic_store(&t->busy_since_ms, 0);
	if ((rc || e) && headers)
		rd_kafka_headers_destroy(headers);
	if (rc) {
		t->dead = true;
		return seg_error_set(err, rc, "the producer's queue stays full: no broker takes records");
	}
	if (e)
		return enqueue_failed(t, record, e, err);
	if (ret_ticket && record->want_offset)
		*ret_ticket = ticket;
	if (++t->unpolled >= POLL_EVERY) {
		t->unpolled = 0;
		rd_kafka_poll(t->rk, 0);
	}
	return SEG_OK;
}

static enum seg_rc copy_group(struct seg_txn *t, const rd_kafka_consumer_group_metadata_t *group, struct seg_error *err)
{
	rd_kafka_error_t *e;
	void *bytes = NULL;
	size_t len;

	/* The library has no copy function; the job may outlive the caller's. */
	if (!(e = rd_kafka_consumer_group_metadata_write(group, &bytes, &len)))
		e = rd_kafka_consumer_group_metadata_read(&t->group, bytes, len);
	if (bytes)
		rd_kafka_mem_free(NULL, bytes);
	if (!e)
		return SEG_OK;
	seg_error_set(err, SEG_INVALID, "bad group metadata: %s", rd_kafka_error_string(e));
	rd_kafka_error_destroy(e);
	return SEG_INVALID;
}

static enum seg_rc copy_offsets(struct seg_txn *t, const struct seg_txn_offset *offsets, size_t len,
				struct seg_error *err)
{
	t->offsets = rd_kafka_topic_partition_list_new((int)len);
	for (size_t i = 0; i < len; i++) {
		rd_kafka_topic_partition_t *p;
		char seq[32];
		int n = snprintf(seq, sizeof seq, "seq=%llu", (unsigned long long)offsets[i].seq);

		p = rd_kafka_topic_partition_list_add(t->offsets, offsets[i].topic, offsets[i].partition);
		p->offset = offsets[i].offset;
		/* The library frees it with the list. ASCII only: binary metadata is mangled (#4876). */
		if (!(p->metadata = strdup(seq)))
			return seg_error_set(err, SEG_NO_MEMORY, "no memory for offsets");
		p->metadata_size = (size_t)n;
	}
	return SEG_OK;
}

static void job_inputs_clear(struct seg_txn *t)
{
	if (t->offsets)
		rd_kafka_topic_partition_list_destroy(t->offsets);
	if (t->group)
		rd_kafka_consumer_group_metadata_destroy(t->group);
	t->offsets = NULL;
	t->group = NULL;
}

enum seg_rc seg_txn_commit(struct seg_txn *t, const struct seg_txn_offset *offsets, size_t len,
			   const rd_kafka_consumer_group_metadata_t *group, struct seg_error *err)
{
	enum seg_rc rc;

	if ((rc = usable(t, err)))
		return rc;
	if ((len == 0 && !SEG_MUTANT(REEVALUATION_BARE)) || !group)
		return seg_error_set(err, SEG_INVALID,
				     "a commit needs offsets and the group's metadata, or nothing fences it");
	for (size_t i = 0; i < len; i++) {
		if (!offsets[i].topic || offsets[i].partition < 0 || offsets[i].offset < 0)
			return seg_error_set(err, SEG_INVALID, "commit of a bad position: %s[%d] offset %lld",
					     offsets[i].topic ? offsets[i].topic : "?", (int)offsets[i].partition,
					     (long long)offsets[i].offset);
	}
	if (!(rc = copy_offsets(t, offsets, len, err)) && !(rc = copy_group(t, group, err)) && !(rc = begin(t, err)))
		rc = txn_run(t, JOB_COMMIT, err);
	/* A job that was left behind still uses them. */
	if (!t->abandoned)
		job_inputs_clear(t);
	return rc;
}

int64_t seg_txn_offset(const struct seg_txn *t, uint32_t ticket)
{
	return !t->open && ticket < t->tickets_len ? t->tickets[ticket] : -1;
}

enum seg_rc seg_txn_abort(struct seg_txn *t, struct seg_error *err)
{
	enum seg_rc rc = usable(t, err);

	if (rc || !t->open)
		return rc;
	return txn_run(t, JOB_ABORT, err);
}

size_t seg_txn_refused(const struct seg_txn *t, uint32_t *ret_topic)
{
	if (t->open || !t->too_large_bytes)
		return 0;
	*ret_topic = t->too_large_topic;
	return t->too_large_bytes - 1;
}

int64_t seg_txn_busy_since_ms(const struct seg_txn *t)
{
	return atomic_load(&t->busy_since_ms);
}
