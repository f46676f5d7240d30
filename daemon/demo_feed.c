/*
 * DESIGN. The in-memory broker drops what lies more than 5 MiB back in a partition, read or not. So no more than 2 MiB may
 * be unread: the events sent, less those the workers have read, times their mean size. This counts all partitions
 * together, which holds for each of them however keys fall.
 */
#include "daemon/demo_feed.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/kafka_client.h"

enum {
	UNREAD_BYTES = 2 * 1024 * 1024,
	RECORD_BYTES = 40, /* what a record takes beside key and value, at most */
	SLICE_MS = 20,
	SLICE_MOST = 5000, /* events between two looks at what is unread */
	CLOSE_MS = 5000,
	FLUSH_MS = 1000
};

struct seg_demo_feed {
	const struct seg_config *config;
	bool (*ready)(void *ctx);
	uint64_t (*read)(void *ctx);
	void *ctx;
	struct seg_demo_events *events;
	rd_kafka_t *rk;
	rd_kafka_topic_t *topics[SEG_SOURCES];
	pthread_t thread;
	bool started;
	int64_t rate, began_us;
	uint64_t bytes, began_sent; /* began_*: where the pace is measured from */
	atomic_bool stop;

	pthread_mutex_t lock; /* of what follows */
	struct seg_demo_progress progress;
	struct seg_error failed;
};

static void fail(struct seg_demo_feed *f, const char *what, rd_kafka_resp_err_t e)
{
	pthread_mutex_lock(&f->lock);
	if (!f->failed.rc)
		seg_error_set(&f->failed, SEG_IO, "%s: %s", what, rd_kafka_err2str(e));
	pthread_mutex_unlock(&f->lock);
	atomic_store(&f->stop, true);
}

static void delivered(rd_kafka_t *rk, const rd_kafka_message_t *m, void *opaque)
{
	(void)rk;
	if (m->err && m->err != RD_KAFKA_RESP_ERR__PURGE_QUEUE && m->err != RD_KAFKA_RESP_ERR__PURGE_INFLIGHT)
		fail(opaque, "an event did not reach the in-memory broker", m->err);
}

static void send_event(struct seg_demo_feed *f, const struct seg_demo_event *e)
{
	rd_kafka_resp_err_t rc;
	do {
		rc = rd_kafka_producev(f->rk, RD_KAFKA_V_RKT(f->topics[e->source]),
				       RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
				       RD_KAFKA_V_KEY((void *)(uintptr_t)e->key.ptr, e->key.len),
				       RD_KAFKA_V_VALUE((void *)(uintptr_t)e->value.ptr, e->value.len),
				       RD_KAFKA_V_TIMESTAMP(e->time_ms), RD_KAFKA_V_END);
		if (rc == RD_KAFKA_RESP_ERR__QUEUE_FULL)
			rd_kafka_poll(f->rk, SLICE_MS);
	} while (rc == RD_KAFKA_RESP_ERR__QUEUE_FULL && !atomic_load(&f->stop));
	if (rc && rc != RD_KAFKA_RESP_ERR__QUEUE_FULL)
		fail(f, "an event could not be sent", rc);
	f->bytes += e->key.len + e->value.len + RECORD_BYTES;
}

/* How many more may be sent now, by the pace and by what is unread. */
static uint64_t allowance(struct seg_demo_feed *f, uint64_t sent)
{
	uint64_t read = f->read(f->ctx), unread = sent > read ? sent - read : 0;
	uint64_t mean = sent ? f->bytes / sent + 1 : 256, room = UNREAD_BYTES / mean;
	int64_t now_us = seg_monotonic_us();
	if (unread >= room) { /* what is missed while waiting is not made up for in a burst */
		f->began_us = now_us;
		f->began_sent = sent;
		return 0;
	}
	uint64_t n = room - unread < SLICE_MOST ? room - unread : SLICE_MOST;
	if (f->rate == 0)
		return n;
	uint64_t due = f->began_sent + (uint64_t)((double)(now_us - f->began_us) / 1e6 * (double)f->rate);
	uint64_t paced = due > sent ? due - sent : 0;
	return paced < n ? paced : n;
}

static uint64_t send_some(struct seg_demo_feed *f, uint64_t most)
{
	struct seg_demo_event e;
	int64_t time_ms = SEG_NO_TIME;
	uint64_t n = 0;
	while (n < most && !atomic_load(&f->stop) && seg_demo_events_next(f->events, &e) == SEG_OK) {
		send_event(f, &e);
		time_ms = e.time_ms;
		n++;
	}
	pthread_mutex_lock(&f->lock);
	f->progress.sent += n;
	if (n > 0 && f->progress.first_ms == SEG_NO_TIME)
		f->progress.first_ms = time_ms;
	if (n > 0)
		f->progress.time_ms = time_ms;
	pthread_mutex_unlock(&f->lock);
	rd_kafka_poll(f->rk, 0);
	return n;
}

static void *run(void *arg)
{
	struct seg_demo_feed *f = arg;
	uint64_t sent = 0, total = f->progress.total;
	while (!atomic_load(&f->stop) && !f->ready(f->ctx))
		seg_sleep_ms(SLICE_MS);
	f->began_us = seg_monotonic_us();
	while (sent < total && !atomic_load(&f->stop)) {
		uint64_t most = allowance(f, sent);
		if (most > total - sent)
			most = total - sent;
		if (most > 0)
			sent += send_some(f, most);
		if (f->rate > 0 || most == 0)
			rd_kafka_poll(f->rk, SLICE_MS);
	}
	while (!atomic_load(&f->stop) && rd_kafka_flush(f->rk, FLUSH_MS))
		;
	pthread_mutex_lock(&f->lock);
	f->progress.done = sent == total && !f->failed.rc;
	pthread_mutex_unlock(&f->lock);
	return NULL;
}

static enum seg_rc open_producer(struct seg_demo_feed *f, const char *brokers, struct seg_error *err)
{
	static const struct seg_kafka_setting own[] = {{"partitioner", "murmur2_random"}};
	struct seg_kafka_client client = {.brokers = brokers, .client_id = "segmentd-demo-feed"};
	rd_kafka_conf_t *conf;
	enum seg_rc rc = seg_kafka_conf(&client, true, own, 1, &conf, err);
	if (rc)
		return rc;
	rd_kafka_conf_set_opaque(conf, f);
	rd_kafka_conf_set_dr_msg_cb(conf, delivered);
	rc = seg_kafka_new(RD_KAFKA_PRODUCER, conf, &f->rk, err);
	for (int s = 0; !rc && s < SEG_SOURCES; s++) {
		f->topics[s] = rd_kafka_topic_new(f->rk, f->config->sources[s].topic, NULL);
		if (!f->topics[s])
			rc = seg_error_set(err, SEG_FATAL, "topic %s: %s", f->config->sources[s].topic,
					   rd_kafka_err2str(rd_kafka_last_error()));
	}
	return rc;
}

enum seg_rc seg_demo_feed_start(const struct seg_demo_feed_options *options, struct seg_demo_feed **ret,
				struct seg_error *err)
{
	struct seg_demo_feed *f = calloc(1, sizeof(*f));
	if (!f)
		return seg_error_set(err, SEG_NO_MEMORY, "feed: out of memory");
	pthread_mutex_init(&f->lock, NULL);
	f->config = options->config;
	f->ready = options->ready;
	f->read = options->read;
	f->ctx = options->ctx;
	f->rate = options->rate;
	f->progress.first_ms = f->progress.time_ms = SEG_NO_TIME;
	f->events = options->events;
	enum seg_rc rc = open_producer(f, options->brokers, err);
	if (!rc) {
		f->progress.total = seg_demo_events_len(f->events);
		if (options->limit > 0 && options->limit < f->progress.total)
			f->progress.total = options->limit;
		int failed = pthread_create(&f->thread, NULL, run, f);
		f->started = !failed;
		if (failed)
			rc = seg_error_set(err, SEG_IO, "feed: no thread: %s", strerror(failed));
	}
	if (rc) {
		seg_demo_feed_stop(f);
		return rc;
	}
	*ret = f;
	return SEG_OK;
}

void seg_demo_feed_stop(struct seg_demo_feed *f)
{
	if (!f)
		return;
	atomic_store(&f->stop, true);
	if (f->started)
		pthread_join(f->thread, NULL);
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (f->topics[s])
			rd_kafka_topic_destroy(f->topics[s]);
	}
	if (f->rk)
		rd_kafka_purge(f->rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	seg_kafka_destroy(f->rk, CLOSE_MS);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

enum seg_rc seg_demo_feed_progress(struct seg_demo_feed *f, struct seg_demo_progress *ret, struct seg_error *err)
{
	pthread_mutex_lock(&f->lock);
	*ret = f->progress;
	enum seg_rc rc = f->failed.rc ? seg_error_set(err, f->failed.rc, "%s", f->failed.text) : SEG_OK;
	pthread_mutex_unlock(&f->lock);
	return rc;
}
