#include "consumers/kafka_wake.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

enum { TICK_MS = 20, AWAKE_MS = 1500, QUERY_MS = 1000, METADATA_MS = 2000, REFRESH_MS = 30000, MAX_LEADERS = 64 };

struct target {
	char *topic;
	int32_t partition;
};

struct seg_kafka_wake {
	rd_kafka_t *rk;
	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* stop, or awake again */
	_Atomic int64_t awake_until;
	atomic_bool stop;
	atomic_uint version;	/* of targets; guards nothing, only says that they changed */
	struct target *targets; /* under lock */
	size_t targets_len;
};

/* One partition for each leader: the queries' only purpose is to wake that leader's thread. */
struct leaders {
	struct target list[MAX_LEADERS];
	size_t len;
	unsigned version;
	int64_t read_at;
};

static void targets_free(struct target *list, size_t len)
{
	for (size_t i = 0; i < len; i++)
		free(list[i].topic);
	free(list);
}

static void leaders_clear(struct leaders *l)
{
	for (size_t i = 0; i < l->len; i++)
		free(l->list[i].topic);
	l->len = 0;
}

/* A copy, so that no lock is held while librdkafka waits. */
static struct target *targets_copy(struct seg_kafka_wake *w, size_t *ret_len, unsigned *ret_version)
{
	struct target *copy;

	pthread_mutex_lock(&w->lock);
	*ret_version = atomic_load(&w->version);
	copy = calloc(w->targets_len + 1, sizeof *copy);
	*ret_len = copy ? w->targets_len : 0;
	for (size_t i = 0; i < *ret_len; i++) {
		copy[i].topic = strdup(w->targets[i].topic);
		copy[i].partition = w->targets[i].partition;
	}
	pthread_mutex_unlock(&w->lock);
	return copy;
}

static int32_t leader_of(const struct rd_kafka_metadata *md, const struct target *t)
{
	for (int i = 0; i < md->topic_cnt; i++) {
		const struct rd_kafka_metadata_topic *topic = &md->topics[i];

		for (int p = 0; t->topic && p < topic->partition_cnt && strcmp(topic->topic, t->topic) == 0; p++) {
			if (topic->partitions[p].id == t->partition)
				return topic->partitions[p].leader;
		}
	}
	return -1;
}

static void leaders_add(struct leaders *l, int32_t leader, const struct target *t, int32_t *ids)
{
	for (size_t i = 0; i < l->len; i++) {
		if (ids[i] == leader)
			return;
	}
	if (leader < 0 || l->len == MAX_LEADERS || !(l->list[l->len].topic = strdup(t->topic)))
		return;
	l->list[l->len].partition = t->partition;
	ids[l->len++] = leader;
}

static void leaders_read(struct seg_kafka_wake *w, struct leaders *l)
{
	int32_t ids[MAX_LEADERS] = {0};
	size_t len;
	struct target *targets = targets_copy(w, &len, &l->version);

	leaders_clear(l);
	l->read_at = seg_monotonic_ms();
	for (size_t i = 0; i < len && !atomic_load(&w->stop); i++) {
		const struct rd_kafka_metadata *md = NULL;
		rd_kafka_topic_t *rkt;

		/* Targets are sorted by topic: one request for each. */
		if (!targets[i].topic ||
		    (i > 0 && targets[i - 1].topic && !strcmp(targets[i].topic, targets[i - 1].topic)))
			continue;
		rkt = rd_kafka_topic_new(w->rk, targets[i].topic, NULL);
		if (rkt && !rd_kafka_metadata(w->rk, 0, rkt, &md, METADATA_MS)) {
			for (size_t j = i; j < len; j++)
				leaders_add(l, leader_of(md, &targets[j]), &targets[j], ids);
			rd_kafka_metadata_destroy(md);
		}
		if (rkt)
			rd_kafka_topic_destroy(rkt);
	}
	targets_free(targets, len);
}

/* Sleeps a tick; without a backlog until there is one. False: stop. */
static bool wait_for_work(struct seg_kafka_wake *w)
{
	if (seg_monotonic_ms() < atomic_load(&w->awake_until)) {
		seg_sleep_ms(TICK_MS);
		return !atomic_load(&w->stop);
	}
	pthread_mutex_lock(&w->lock);
	while (!atomic_load(&w->stop) && seg_monotonic_ms() >= atomic_load(&w->awake_until))
		pthread_cond_wait(&w->changed, &w->lock);
	pthread_mutex_unlock(&w->lock);
	return !atomic_load(&w->stop);
}

static void *wake_main(void *ctx)
{
	struct seg_kafka_wake *w = ctx;
	struct leaders l = {.version = 0};

	while (wait_for_work(w)) {
		if (l.version != atomic_load(&w->version) || seg_monotonic_ms() - l.read_at > REFRESH_MS)
			leaders_read(w, &l);
		for (size_t i = 0; i < l.len && !atomic_load(&w->stop); i++) {
			int64_t low, high;

			(void)rd_kafka_query_watermark_offsets(w->rk, l.list[i].topic, l.list[i].partition, &low, &high,
							       QUERY_MS);
		}
	}
	leaders_clear(&l);
	return NULL;
}

/* Whether this librdkafka has the setting that makes the thread needless. */
static bool library_wakes_itself(void)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char value[32];
	size_t len = sizeof value;
	bool knows = rd_kafka_conf_get(conf, "fetch.queue.backoff.ms", value, &len) == RD_KAFKA_CONF_OK;

	rd_kafka_conf_destroy(conf);
	return knows;
}

enum seg_rc seg_kafka_wake_start(rd_kafka_t *rk, struct seg_kafka_wake **ret, struct seg_error *err)
{
	struct seg_kafka_wake *w;

	if (library_wakes_itself()) {
		*ret = NULL;
		return SEG_OK;
	}
	if (!(w = calloc(1, sizeof *w)))
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for a Kafka consumer");
	w->rk = rk;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->changed, NULL);
	if (pthread_create(&w->thread, NULL, wake_main, w) != 0) {
		pthread_cond_destroy(&w->changed);
		pthread_mutex_destroy(&w->lock);
		free(w);
		return seg_error_set(err, SEG_FATAL, "cannot start a thread for a Kafka consumer");
	}
	*ret = w;
	return SEG_OK;
}

bool seg_kafka_wake_stop(struct seg_kafka_wake *w, int timeout_ms)
{
	struct timespec until;

	if (!w)
		return true;
	pthread_mutex_lock(&w->lock);
	atomic_store(&w->stop, true);
	pthread_cond_broadcast(&w->changed);
	pthread_mutex_unlock(&w->lock);
	until = seg_deadline(timeout_ms);
	if (pthread_clockjoin_np(w->thread, NULL, CLOCK_MONOTONIC, &until) != 0) {
		pthread_detach(w->thread);
		return false;
	}
	targets_free(w->targets, w->targets_len);
	pthread_cond_destroy(&w->changed);
	pthread_mutex_destroy(&w->lock);
	free(w);
	return true;
}

static int compare_targets(const void *a, const void *b)
{
	return strcmp(((const struct target *)a)->topic, ((const struct target *)b)->topic);
}

void seg_kafka_wake_targets(struct seg_kafka_wake *w, const struct seg_wake_target *list, size_t len)
{
	struct target *copy;
	size_t n = 0;

	if (!w || !(copy = calloc(len + 1, sizeof *copy)))
		return;
	for (size_t i = 0; i < len; i++) {
		if ((copy[n].topic = strdup(list[i].topic)))
			copy[n++].partition = list[i].partition;
	}
	qsort(copy, n, sizeof *copy, compare_targets);
	pthread_mutex_lock(&w->lock);
	targets_free(w->targets, w->targets_len);
	w->targets = copy;
	w->targets_len = n;
	atomic_fetch_add(&w->version, 1);
	pthread_mutex_unlock(&w->lock);
}

void seg_kafka_wake_now(struct seg_kafka_wake *w)
{
	int64_t now, until;

	if (!w)
		return;
	now = seg_monotonic_ms();
	until = atomic_load(&w->awake_until);
	/* Most calls come while the thread is awake anyway: no lock for those. */
	if (until - now > AWAKE_MS / 2)
		return;
	pthread_mutex_lock(&w->lock);
	atomic_store(&w->awake_until, now + AWAKE_MS);
	pthread_cond_signal(&w->changed);
	pthread_mutex_unlock(&w->lock);
}
