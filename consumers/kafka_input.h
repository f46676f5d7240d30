/*
 * The input topics of one worker: one rd_kafka consumer in the group, eager `range` assignment, positions set by us alone.
 *
 * Lifecycle: open, subscribe (after the producer's init_transactions), poll again and again, close.
 * Threads: everything from the one worker thread that polls; callbacks run inside poll (and close) on that thread. A helper
 * thread inside only wakes librdkafka's fetcher (see the .c file).
 *
 * Order of things at an assignment: poll calls `assigned` with the partitions; the callback must call
 * seg_kafka_input_assign() with all of them and any start offset it knows (or 0): all are paused from then on, and no record
 * comes before seg_kafka_input_resume() names the partition and the offset to begin with. Poll keeps the membership alive
 * all the while, so recovery runs between polls, not in the callback.
 */
#ifndef SEG_CONSUMERS_KAFKA_INPUT_H
#define SEG_CONSUMERS_KAFKA_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/kafka_client.h"
#include "base/outputs.h"
#include "base/str.h"

struct seg_kafka_input;

/* `topic` is the index in the list given to open. */
struct seg_position {
	uint32_t topic;
	int32_t partition;
	int64_t offset; /* next to read; -1: none */
	bool has_seq;
	uint64_t seq; /* of "seq=N" in the commit's metadata; only from seg_kafka_input_committed() */
};

struct seg_kafka_input_events {
	/* Must call seg_kafka_input_assign(). A failure makes poll return it. */
	enum seg_rc (*assigned)(void *ctx, const struct seg_position *list, size_t len, struct seg_error *err);
	/* Commit and let go. lost: somebody else has them already, nothing of them can be committed any more: abort. The
	 * partitions are unassigned when it returns, whatever it returns; a failure makes poll return it. */
	enum seg_rc (*revoked)(void *ctx, const struct seg_position *list, size_t len, bool lost,
			       struct seg_error *err);
	void *ctx;
};

struct seg_kafka_input_options {
	struct seg_kafka_client client;
	const char *group, *instance_id; /* group.id, group.instance.id (static member) */
	const char *const *topics;	 /* copied */
	size_t topics_len;
	int session_timeout_ms;	  /* 0: 45 s */
	int max_poll_interval_ms; /* 0: 300 s */
	struct seg_kafka_input_events events;
};

SEG_MUST_CHECK enum seg_rc seg_kafka_input_open(const struct seg_kafka_input_options *options,
						struct seg_kafka_input **ret, struct seg_error *err);

/*
 * Leaves the group (calling `revoked`) and destroys the handle. False: librdkafka hung for timeout_ms and the handle is left
 * behind; the memory of `in` is freed in both cases. NULL is fine.
 */
bool seg_kafka_input_close(struct seg_kafka_input *in, int timeout_ms);

SEG_MUST_CHECK enum seg_rc seg_kafka_input_subscribe(struct seg_kafka_input *in, struct seg_error *err);

struct seg_kafka_message {
	uint32_t topic;
	int32_t partition;
	int64_t offset;		   /* eof: the position at the end of the log, transaction markers included */
	int64_t timestamp_ms;	   /* SEG_NO_TIME: none */
	struct seg_str key, value; /* ptr NULL: null */
	bool eof;		   /* only topic, partition and offset are set */
	rd_kafka_message_t *raw;   /* for seg_kafka_message_headers() */
};

struct seg_kafka_batch {
	const struct seg_kafka_message *items; /* valid until the next call of poll, release, seek or close */
	size_t len;
};

/*
 * Waits at most timeout_ms for records or end marks of resumed partitions: at most `max` (≤ 1,000 are taken). Offsets of a
 * partition only go up: records below the expected one are dropped here. A batch is released by the next poll or by
 * seg_kafka_input_release(); pause must not be called with a batch in hand (SEG_INVALID).
 *
 * Errors: what a callback returned; SEG_NOT_FOUND: an offset is no longer, or not yet, in the log (err names it);
 * SEG_FATAL: the group or a topic cannot be used (fenced static member, no such topic, not authorized).
 * Everything that librdkafka mends itself is logged and SEG_OK with an empty batch. So is being fenced after an outage, which
 * may be for an answer that got lost: all is revoked as lost, and the same member joins anew; without an outage, or at the
 * second time, another process has the instance id: SEG_FATAL.
 */
SEG_MUST_CHECK enum seg_rc seg_kafka_input_poll(struct seg_kafka_input *in, int timeout_ms, size_t max,
						struct seg_kafka_batch *ret, struct seg_error *err);
void seg_kafka_input_release(struct seg_kafka_input *in);

/*
 * Headers of a record, at most max; returns how many there are in `ret` (borrowed, as long as the record). Duplicates and
 * order are kept. A null value has len 0 and value NULL.
 */
size_t seg_kafka_message_headers(const struct seg_kafka_message *m, struct seg_header *ret, size_t max);

/* From `assigned` only: all partitions of the list, paused. */
SEG_MUST_CHECK enum seg_rc seg_kafka_input_assign(struct seg_kafka_input *in, const struct seg_position *list,
						  size_t len, struct seg_error *err);

/*
 * Records begin at `offset` of each (≥ 0, a position that exists). Works on paused and on running partitions alike: what was
 * fetched before is dropped, so this is also the rewind after an abort (for all partitions that the transaction touched).
 * A batch in hand is released.
 */
SEG_MUST_CHECK enum seg_rc seg_kafka_input_seek(struct seg_kafka_input *in, const struct seg_position *list, size_t len,
						struct seg_error *err);

/* The same as seek for those that are paused; named differently because it reads better. Offset -1: where it was. */
SEG_MUST_CHECK enum seg_rc seg_kafka_input_resume(struct seg_kafka_input *in, const struct seg_position *list,
						  size_t len, struct seg_error *err);

/* Purges what was fetched, so rarely. Offsets in the list are ignored. Already paused ones are left alone. */
SEG_MUST_CHECK enum seg_rc seg_kafka_input_pause(struct seg_kafka_input *in, const struct seg_position *list,
						 size_t len, struct seg_error *err);

/* The next offset expected (after the last record or end mark handed out); -1 if not assigned. */
int64_t seg_kafka_input_position(const struct seg_kafka_input *in, uint32_t topic, int32_t partition);
/* The end of the log as the last fetch told it, without asking; -1: nothing was fetched yet. */
int64_t seg_kafka_input_high(const struct seg_kafka_input *in, uint32_t topic, int32_t partition);
bool seg_kafka_input_paused(const struct seg_kafka_input *in, uint32_t topic, int32_t partition);

/*
 * The group's stable committed offsets (waits while a transaction with offsets of ours is open): fills offset (-1: none) and
 * seq of each item of the list. May be called in `assigned`. SEG_RETRY: not answered within timeout_ms.
 */
SEG_MUST_CHECK enum seg_rc seg_kafka_input_committed(struct seg_kafka_input *in, struct seg_position *list, size_t len,
						     int timeout_ms, struct seg_error *err);

/*
 * The group metadata captured before the `assigned` callback: generation ≥ 0 and member id checked. Borrowed until the next
 * assignment, revocation or close; NULL while nothing is assigned. For seg_txn_commit().
 */
const rd_kafka_consumer_group_metadata_t *seg_kafka_input_group(const struct seg_kafka_input *in);

/* No broker has answered for a while (logged as kafka_down and kafka_back). */
bool seg_kafka_input_is_down(const struct seg_kafka_input *in);

/* Records fetched and waiting, for metrics; lag is the caller's affair. */
size_t seg_kafka_input_queued(const struct seg_kafka_input *in);

#endif
