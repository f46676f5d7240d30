/* Small things that the inputs and the readers share. Any thread. */
#ifndef SEG_CONSUMERS_KAFKA_UTIL_H
#define SEG_CONSUMERS_KAFKA_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <librdkafka/rdkafka.h>

#include "base/str.h"

/* How often errors of connections are told: for as long as an outage lasts there are many a second. */
enum { SEG_KAFKA_TROUBLE_TOLD_S = 30 };

/* No such topic or partition, as far as one broker knows: one that has just started may not know it yet. */
bool seg_kafka_is_missing(rd_kafka_resp_err_t e);

/* auto.offset.reset is error for all: a position outside of the log is told and never moved. */
bool seg_kafka_is_out_of_log(rd_kafka_resp_err_t e);

/* How many partitions the brokers know; 0: no such topic, -1: no answer. */
int32_t seg_kafka_topic_partitions(rd_kafka_t *rk, const char *topic, int timeout_ms);

/* A message's timestamp; SEG_NO_TIME: none. */
int64_t seg_kafka_timestamp(const rd_kafka_message_t *m);

static inline struct seg_str seg_kafka_str(const void *ptr, size_t len)
{
	return (struct seg_str){ptr, ptr ? (uint32_t)len : 0};
}

#endif
