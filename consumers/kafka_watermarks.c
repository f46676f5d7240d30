/*
 * The library's query keeps no time-out while a broker is away (librdkafka #4460), so each runs on a thread of its own,
 * which is left behind when it does not answer in time.
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "consumers/kafka_reader.h"
#include "consumers/kafka_util.h"

/* A broker that has just started may not know a topic yet: what is missing is asked for again for MISSING_MS. */
enum { ONE_QUERY_MS = 5000, AGAIN_MS = 50, MISSING_MS = 1500 };
enum { QUERIES_MOST = 16 };

struct seg_kafka_watermarks {
	rd_kafka_t *rk;
	pthread_mutex_t lock; /* of what follows, and of queries */
	pthread_cond_t changed;
	unsigned running; /* threads, also those left behind */
};

struct query {
	struct seg_kafka_watermarks *w;
	char *topic; /* owned */
	int32_t partition;
	int timeout_ms;
	bool done, left; /* left: the thread frees it */
	rd_kafka_resp_err_t e;
	int64_t low, high;
};

static void query_free(struct query *q)
{
	free(q->topic);
	free(q);
}

static void *query_main(void *ctx)
{
	struct query *q = ctx;
	struct seg_kafka_watermarks *w = q->w;
	bool left;

	q->e = rd_kafka_query_watermark_offsets(w->rk, q->topic, q->partition, &q->low, &q->high, q->timeout_ms);
	pthread_mutex_lock(&w->lock);
	q->done = true;
	left = q->left;
	if (left)
		query_free(q);
	w->running--;
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* With the lock; false: the time is over. */
static bool wait_until(struct seg_kafka_watermarks *w, int64_t until_mono_ms)
{
	int64_t left = until_mono_ms - seg_monotonic_ms();
	struct timespec until;

	if (left <= 0)
		return false;
	until = seg_deadline(left);
	pthread_cond_clockwait(&w->changed, &w->lock, CLOCK_MONOTONIC, &until);
	return true;
}

/* With the lock, one of `running` taken. q is freed, or left to its thread. */
static rd_kafka_resp_err_t run_query(struct seg_kafka_watermarks *w, struct query *q, int64_t until_mono_ms,
				     int64_t *ret_low, int64_t *ret_high)
{
	rd_kafka_resp_err_t e = RD_KAFKA_RESP_ERR__TIMED_OUT;
	pthread_t thread;

	if (pthread_create(&thread, NULL, query_main, q) != 0) {
		w->running--;
		query_free(q);
		return RD_KAFKA_RESP_ERR__FAIL;
	}
	pthread_detach(thread);
	while (!q->done && wait_until(w, until_mono_ms))
		;
	if (!q->done) {
		q->left = true;
		return e;
	}
	e = q->e;
	*ret_low = q->low;
	*ret_high = q->high;
	query_free(q);
	return e;
}

static rd_kafka_resp_err_t ask(struct seg_kafka_watermarks *w, const char *topic, int32_t partition, int timeout_ms,
			       int64_t *ret_low, int64_t *ret_high)
{
	int64_t until = seg_monotonic_ms() + timeout_ms;
	rd_kafka_resp_err_t e = RD_KAFKA_RESP_ERR__TIMED_OUT;
	struct query *q = calloc(1, sizeof *q);

	if (!q || !(q->topic = strdup(topic))) {
		free(q);
		return RD_KAFKA_RESP_ERR__FAIL;
	}
	q->w = w;
	q->partition = partition;
	q->timeout_ms = timeout_ms;
	pthread_mutex_lock(&w->lock);
	while (w->running >= QUERIES_MOST && wait_until(w, until))
		;
	if (w->running < QUERIES_MOST) {
		w->running++;
		e = run_query(w, q, until, ret_low, ret_high);
	} else {
		query_free(q);
	}
	pthread_mutex_unlock(&w->lock);
	return e;
}

enum seg_rc seg_kafka_watermarks_open(const struct seg_kafka_client *client, struct seg_kafka_watermarks **ret,
				      struct seg_error *err)
{
	/* A read_committed handle would answer with the last stable offset (KAFKA-10167): bounding a restore by it misses
	 * what an open transaction is about to commit. */
	static const struct seg_kafka_setting own[] = {
		{"isolation.level", "read_uncommitted"},
		{"enable.auto.commit", "false"},
		{"allow.auto.create.topics", "false"},
		{"topic.metadata.propagation.max.ms", "3000"},
	};
	struct seg_kafka_watermarks *w;
	rd_kafka_conf_t *conf = NULL;
	enum seg_rc rc;

	if ((rc = seg_kafka_conf(client, false, own, sizeof own / sizeof *own, &conf, err)))
		return rc;
	if (!(w = calloc(1, sizeof *w))) {
		rd_kafka_conf_destroy(conf);
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for a Kafka client");
	}
	if ((rc = seg_kafka_new(RD_KAFKA_CONSUMER, conf, &w->rk, err))) {
		free(w);
		return rc;
	}
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	*ret = w;
	return SEG_OK;
}

bool seg_kafka_watermarks_close(struct seg_kafka_watermarks *w, int timeout_ms)
{
	int64_t until = seg_monotonic_ms() + timeout_ms, left;
	bool fine;

	if (!w)
		return true;
	pthread_mutex_lock(&w->lock);
	while (w->running > 0 && wait_until(w, until))
		;
	fine = w->running == 0;
	pthread_mutex_unlock(&w->lock);
	if (!fine)
		return false; /* its threads use all of it */
	left = until - seg_monotonic_ms();
	fine = seg_kafka_destroy(w->rk, left > 100 ? (int)left : 100);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return fine;
}

enum seg_rc seg_kafka_watermarks_query(struct seg_kafka_watermarks *w, const char *topic, int32_t partition,
				       int timeout_ms, int64_t *ret_low, int64_t *ret_high, struct seg_error *err)
{
	int64_t since = seg_monotonic_ms(), until = since + timeout_ms, low, high;
	rd_kafka_resp_err_t e;

	rd_kafka_poll(w->rk, 0); /* events of the library, which nobody else serves */
	for (;;) {
		int64_t left = until - seg_monotonic_ms();

		left = left < 1 ? 1 : left < ONE_QUERY_MS ? left : ONE_QUERY_MS;
		e = ask(w, topic, partition, (int)left, &low, &high);
		if (!e) {
			*ret_low = low;
			*ret_high = high;
			return SEG_OK;
		}
		bool over = seg_monotonic_ms() + AGAIN_MS >= until;
		if (seg_kafka_is_missing(e) && (over || seg_monotonic_ms() - since >= MISSING_MS))
			return seg_error_set(err, SEG_NOT_FOUND, "%s[%d]: no such topic or partition", topic,
					     (int)partition);
		if (over)
			return seg_error_set(err, SEG_RETRY, "%s[%d]: end of the log not told: %s", topic,
					     (int)partition, rd_kafka_err2str(e));
		seg_sleep_ms(AGAIN_MS);
	}
}

int32_t seg_kafka_watermarks_partitions(struct seg_kafka_watermarks *w, const char *topic, int timeout_ms)
{
	return seg_kafka_topic_partitions(w->rk, topic, timeout_ms);
}
