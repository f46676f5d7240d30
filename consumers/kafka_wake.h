/*
 * Keeps librdkafka fetching. A partition whose queue is over its limit is not looked at again for up to a second, hard-coded
 * before `fetch.queue.backoff.ms` came, unless something else wakes the thread of its broker. A thread of ours asks each
 * leader for a watermark every 20 ms while there is a backlog; with a newer library it is not started.
 *
 * Threads: all functions from the one thread that owns the consumer.
 */
#ifndef SEG_CONSUMERS_KAFKA_WAKE_H
#define SEG_CONSUMERS_KAFKA_WAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/kafka_client.h"

struct seg_kafka_wake;

struct seg_wake_target {
	const char *topic;
	int32_t partition;
};

/* *ret is NULL when the library needs no waking (then all other functions do nothing). rk must outlive it. */
SEG_MUST_CHECK enum seg_rc seg_kafka_wake_start(rd_kafka_t *rk, struct seg_kafka_wake **ret, struct seg_error *err);

/* False: the thread hangs in librdkafka; it and its memory are left behind, and rk must not be destroyed then. */
bool seg_kafka_wake_stop(struct seg_kafka_wake *w, int timeout_ms);

/* The partitions that are read now; copied. */
void seg_kafka_wake_targets(struct seg_kafka_wake *w, const struct seg_wake_target *list, size_t len);

/* There is a backlog: keep waking for the next second and a half. Cheap. */
void seg_kafka_wake_now(struct seg_kafka_wake *w);

#endif
