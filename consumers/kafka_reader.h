/*
 * Reading partitions without a group: recovery (changelog and inputs), the model topic, the fold's sums; and watermarks.
 *
 * A reader holds any number of streams, each one (topic, partition, from offset), read_committed, all at once through one
 * queue. To follow the model, open a reader of its own with the one stream <app>-model/0 from SEG_OFFSET_START and poll it.
 * Threads: a reader belongs to one thread at a time; a watermarks handle may be used by any number of threads.
 */
#ifndef SEG_CONSUMERS_KAFKA_READER_H
#define SEG_CONSUMERS_KAFKA_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/kafka_client.h"
#include "consumers/kafka_input.h"

struct seg_kafka_reader;

#define SEG_OFFSET_START INT64_C(-2) /* the first record that is still there */

SEG_MUST_CHECK enum seg_rc seg_kafka_reader_open(const struct seg_kafka_client *client, struct seg_kafka_reader **ret,
						 struct seg_error *err);

/* Removes what is left. False: librdkafka hung, the handle is left behind. NULL is fine. */
bool seg_kafka_reader_close(struct seg_kafka_reader *r, int timeout_ms);

/* Starts a stream; *ret_stream is its number (small, used again after remove). One stream a partition. */
SEG_MUST_CHECK enum seg_rc seg_kafka_reader_add(struct seg_kafka_reader *r, const char *topic, int32_t partition,
						int64_t from, uint32_t *ret_stream, struct seg_error *err);

/* Nothing of this stream comes after it returns. May be called inside the callback of poll. */
void seg_kafka_reader_remove(struct seg_kafka_reader *r, uint32_t stream);

enum seg_stream_event {
	SEG_STREAM_RECORD,
	SEG_STREAM_EOF, /* end of the log for now; message.offset is the position, transaction markers included */
	SEG_STREAM_GONE /* position is not in the log (any more), or no such topic: nothing more will come */
};

/* message.topic is the stream's number. A value other than SEG_OK ends the poll, which returns it. */
typedef enum seg_rc (*seg_stream_fn)(void *ctx, enum seg_stream_event event, const struct seg_kafka_message *message,
				     struct seg_error *err);

/*
 * Waits at most timeout_ms and hands out at most `max` events (≤ 1,000 are taken). *ret_events (may be NULL): how many.
 * After a failure of the callback the rest of the batch is not lost: it comes with the next poll.
 */
SEG_MUST_CHECK enum seg_rc seg_kafka_reader_poll(struct seg_kafka_reader *r, int timeout_ms, size_t max,
						 seg_stream_fn fn, void *ctx, size_t *ret_events,
						 struct seg_error *err);

/* After the last record or end mark handed out; `from` (may be SEG_OFFSET_START) before the first. */
int64_t seg_kafka_reader_position(const struct seg_kafka_reader *r, uint32_t stream);

struct seg_kafka_watermarks;

/* One read_uncommitted handle for the instance. */
SEG_MUST_CHECK enum seg_rc seg_kafka_watermarks_open(const struct seg_kafka_client *client,
						     struct seg_kafka_watermarks **ret, struct seg_error *err);
bool seg_kafka_watermarks_close(struct seg_kafka_watermarks *w, int timeout_ms);

/*
 * First offset of the log and the one after its last, uncommitted records and markers included. Retries until timeout_ms is
 * over (librdkafka may take longer), then SEG_RETRY; SEG_NOT_FOUND: no such topic or partition. Any thread.
 */
SEG_MUST_CHECK enum seg_rc seg_kafka_watermarks_query(struct seg_kafka_watermarks *w, const char *topic,
						      int32_t partition, int timeout_ms, int64_t *ret_low,
						      int64_t *ret_high, struct seg_error *err);

/* Partitions of the topic; 0: there is no such topic; -1: not answered within timeout_ms. Any thread. */
int32_t seg_kafka_watermarks_partitions(struct seg_kafka_watermarks *w, const char *topic, int timeout_ms);

#endif
