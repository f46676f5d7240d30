/*
 * Looks again and again whether the topics are still those that the state was made from. Partitions added would split
 * customers, a topic made anew gives old offsets a new meaning; either ends the instance with what to do.
 *
 * librdkafka 2.0.2 cannot tell topic ids. What is seen: a topic that is gone, another number of partitions, a log that
 * ends before a position that was committed. Not seen: a topic deleted and made anew between two looks whose log has
 * already grown past our positions.
 *
 * start, check (any thread), stop.
 */
#ifndef SEG_DAEMON_TOPIC_WATCH_H
#define SEG_DAEMON_TOPIC_WATCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "consumers/kafka_reader.h"

struct seg_topic_watch;

struct seg_watched_topic {
	const char *name; /* borrowed */
	bool input;
	/* [partitions]: a position that has been committed; 0: none of this process. NULL: not compared. Borrowed. */
	const atomic_llong *reached;
};

enum { SEG_WATCHED_TOPICS = 8 };
struct seg_topic_watch_options {
	struct seg_kafka_watermarks *watermarks; /* borrowed */
	struct seg_watched_topic topics[SEG_WATCHED_TOPICS];
	size_t topics_len;
	int32_t partitions; /* that each of them must have */
	int interval_ms;    /* 0: 5 s */
};

enum seg_rc seg_topic_watch_start(const struct seg_topic_watch_options *options, struct seg_topic_watch **ret,
				  struct seg_error *err) SEG_MUST_CHECK;
void seg_topic_watch_stop(struct seg_topic_watch *w); /* NULL is fine */

/* SEG_FATAL with what has become of which topic, and what to do. */
enum seg_rc seg_topic_watch_check(struct seg_topic_watch *w, struct seg_error *err) SEG_MUST_CHECK;

/* The texts, also for those who find out in another way. */
enum seg_rc seg_topic_has_partitions(const char *topic, int32_t now, int32_t before,
				     struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_topic_is_shorter(const char *topic, int32_t partition, int64_t high, int64_t reached,
				 struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_topic_has_lost(const char *topic, int32_t partition, int64_t low, int64_t next,
			       struct seg_error *err) SEG_MUST_CHECK;

#endif
