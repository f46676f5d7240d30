/*
 * The sink of a worker: encodes records and puts them into the open transaction. One thread.
 */
#ifndef SEG_DAEMON_KAFKA_SINK_H
#define SEG_DAEMON_KAFKA_SINK_H

#include "config/config.h"
#include "daemon/sink.h"
#include "producers/kafka_txn.h"

struct seg_kafka_sink;

/* Topics of the producer, in the order of seg_txn_options.topics. */
enum seg_output_topic {
	SEG_TOPIC_OUT_CHANGES,
	SEG_TOPIC_OUT_SEGMENTS,
	SEG_TOPIC_OUT_ALERTS,
	SEG_TOPIC_OUT_DEAD_LETTERS,
	SEG_TOPIC_OUT_CHANGELOG,
	SEG_TOPIC_OUT_SUMS,
	SEG_TOPIC_OUT_MODEL,
	SEG_TOPIC_OUTS
};

/* Names by config; borrowed from it. */
void seg_output_topics(const struct seg_config *config, const char *ret[SEG_TOPIC_OUTS]);

/* config is borrowed until free. */
enum seg_rc seg_kafka_sink_new(const struct seg_config *config, struct seg_kafka_sink **ret,
			       struct seg_error *err) SEG_MUST_CHECK;
void seg_kafka_sink_free(struct seg_kafka_sink *s);

/* The transaction to produce into, borrowed until changed; and the sink's interface. */
void seg_kafka_sink_use(struct seg_kafka_sink *s, struct seg_txn *txn);
const struct seg_sink *seg_kafka_sink_interface(struct seg_kafka_sink *s);

/* A broker refused a dead letter of that size: from now on those of more than half of it go without their value. False: it
 * was so small that this does not help. */
bool seg_kafka_sink_cut_letters(struct seg_kafka_sink *s, size_t refused_bytes);

/* Bytes handed to the producer since the last call of this function: bounds a commit. */
size_t seg_kafka_sink_bytes(struct seg_kafka_sink *s);

#endif
