/*
 * What kafka_input.c (membership, polling) and kafka_input_assign.c (assignment and positions) share. Nobody else includes
 * this. All of it belongs to the thread that polls.
 */
#ifndef SEG_CONSUMERS_KAFKA_INPUT_IMPL_H
#define SEG_CONSUMERS_KAFKA_INPUT_IMPL_H

#include "consumers/kafka_input.h"
#include "consumers/kafka_wake.h"

enum { SEG_INPUT_BATCH = 1000 };

struct input_part {
	int64_t next; /* expected offset; -1: none */
	bool assigned, paused;
	int64_t eof_at;			/* the last end mark came there; -1: none did */
	int64_t held_at, held_since_ms; /* at the end mark, but the log goes on; -1: not */
	bool held_told;
};

struct input_topic {
	char *name;
	struct input_part *parts; /* by partition; grows, never shrinks */
	int32_t len;
};

struct seg_kafka_input {
	rd_kafka_conf_t *conf; /* for a handle made anew */
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	struct seg_kafka_wake *wake;
	struct seg_kafka_input_events events;
	struct input_topic *topics;
	size_t topics_len;
	rd_kafka_consumer_group_metadata_t *group;

	rd_kafka_message_t *raw[SEG_INPUT_BATCH]; /* the batch in hand: what was not dropped */
	struct seg_kafka_message items[SEG_INPUT_BATCH];
	size_t raw_len;
	struct seg_error pending;  /* came beside good records: returned by the next poll; rc SEG_OK: none */
	struct seg_error callback; /* of the first callback that failed inside this poll */
	int64_t missing_since_ms, missing_asked_ms; /* a topic seemed not to exist since then; 0: no */
	int64_t down_since_ms, watched_ms;	    /* no broker can be reached since then, 0: not so; last looked */
	int64_t trouble_ms;			    /* connections last failed then; 0: not since the handle was made */
	int64_t stale_since_ms; /* an assignment could not be taken, and none has come since; 0: not so */
	bool reopen;		/* fenced, but maybe only for an outage: the handle is to be made anew */
};

/* NULL: not one of ours, or never assigned. */
struct input_part *input_part(const struct seg_kafka_input *in, uint32_t topic, int32_t partition);
/* Index in the list given to open; -1: not ours. */
int input_topic_index(const struct seg_kafka_input *in, const char *name);
void input_rebalance_cb(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque);
void input_group_clear(struct seg_kafka_input *in);
/* kafka_input_watch.c. An error that is in no stream of records; a sign of life; about once a second does something. */
void input_watch_error(struct seg_kafka_input *in, int code);
void input_watch_alive(struct seg_kafka_input *in);
void input_watch(struct seg_kafka_input *in);
/* Everything assigned is revoked as lost. */
void input_lose_all(struct seg_kafka_input *in);

#endif
