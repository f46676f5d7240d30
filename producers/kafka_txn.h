/*
 * The transactional producer of one worker.
 *
 * Lifecycle: open, init (before the worker's input subscribes), then per commit: produce…, send of offsets and commit. A
 * transaction begins with the first produce and is never open while idle.
 * Threads: everything from the one worker thread; only seg_txn_busy_since_ms() from any (for the watchdog).
 *
 * What the codes ask of the caller, the same for all functions here:
 *   SEG_OK        done
 *   SEG_ABORT     the transaction *has been* aborted, the broker said so: put back and rewind, then go on with this producer
 *   SEG_LIMIT     a record is too large (err names topic, key and sizes). From produce: it was not taken, the transaction goes
 *                 on without it. From commit: a broker refused it and the transaction has been aborted, as SEG_ABORT
 *   SEG_RECREATE  fenced, fatal, or the outcome is unknown: drop memory, close, open, init, recover as after an assignment
 *   SEG_INVALID   programmer's or configuration's mistake (no such partition, empty offsets); nothing was done
 * What can be retried with identical arguments is retried inside.
 */
#ifndef SEG_PRODUCERS_KAFKA_TXN_H
#define SEG_PRODUCERS_KAFKA_TXN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/kafka_client.h"
#include "base/outputs.h"
#include "base/str.h"

struct seg_txn;

struct seg_txn_options {
	struct seg_kafka_client client;
	const char *transactional_id;
	const char *const *topics; /* all that will be produced to; copied; produce names them by index */
	size_t topics_len;
	int transaction_timeout_ms; /* 0: 10 s */
	uint32_t queue_messages;    /* at least twice the largest commit; 0: 100,000 */
	uint32_t max_message_bytes; /* largest record this client sends; 0: 4 MiB + 64 KiB */
	int give_up_ms;		    /* commit or abort not answered for that long: SEG_RECREATE; 0: 60 s */
	/* Called about once a second while a call waits (also the watchdog's ping); false: stop waiting. May be NULL. */
	bool (*keep_waiting)(void *ctx);
	void *ctx;
};

SEG_MUST_CHECK enum seg_rc seg_txn_open(const struct seg_txn_options *options, struct seg_txn **ret,
					struct seg_error *err);

/* Aborts nothing: an open transaction is left to init of the next one. False: librdkafka hung. NULL is fine. */
bool seg_txn_close(struct seg_txn *t, int timeout_ms);

/*
 * Fences older producers with this id, ends their transactions, reads the topics' partition counts. Waits for ever unless
 * keep_waiting says no (SEG_RETRY then). SEG_FATAL: not allowed, a topic is missing, or the broker cannot do transactions.
 */
SEG_MUST_CHECK enum seg_rc seg_txn_init(struct seg_txn *t, struct seg_error *err);

/* Partitions of topics[topic], known after init; 0 before. */
int32_t seg_txn_partitions(const struct seg_txn *t, uint32_t topic);

struct seg_txn_record {
	uint32_t topic;			  /* index in options.topics */
	int32_t partition;		  /* -1: by murmur2 of the key, which then must not be null */
	struct seg_str key, value;	  /* ptr NULL: null; copied */
	const struct seg_header *headers; /* copied */
	size_t headers_len;
	int64_t timestamp_ms; /* 0: now */
	bool want_offset;     /* hand out a ticket */
};

/* Waits while the queue is full. *ret_ticket (may be NULL) names the record for seg_txn_offset() when want_offset. */
SEG_MUST_CHECK enum seg_rc seg_txn_produce(struct seg_txn *t, const struct seg_txn_record *record, uint32_t *ret_ticket,
					   struct seg_error *err);

/* A transaction is open: something was produced since the last commit or abort. */
bool seg_txn_is_open(const struct seg_txn *t);

struct seg_txn_offset {
	const char *topic; /* input topic */
	int32_t partition;
	int64_t offset; /* next to read, ≥ 0 */
	uint64_t seq;	/* goes as metadata "seq=N" */
};

/*
 * Waits until all records are written, sends the offsets with the group's metadata and commits. At least one offset, all
 * ≥ 0 (a transaction without is not fenced), and the metadata as seg_kafka_input_group() gives it. Nothing produced is
 * fine. After SEG_OK seg_txn_offset() answers until the next produce.
 */
SEG_MUST_CHECK enum seg_rc seg_txn_commit(struct seg_txn *t, const struct seg_txn_offset *offsets, size_t len,
					  const rd_kafka_consumer_group_metadata_t *group, struct seg_error *err);

/* Offset of a ticketed record after its commit; -1: librdkafka does not know it (a retried batch). */
int64_t seg_txn_offset(const struct seg_txn *t, uint32_t ticket);

/* SEG_OK when nothing was open; SEG_ABORT when it is aborted (as from the others); SEG_RECREATE. */
SEG_MUST_CHECK enum seg_rc seg_txn_abort(struct seg_txn *t, struct seg_error *err);

/*
 * Key and value bytes, and topic, of the largest record that a broker refused for its size in the transaction that was
 * last; 0: none was. From SEG_ABORT or SEG_LIMIT until the next produce: trying the same again would end in the same way.
 */
size_t seg_txn_refused(const struct seg_txn *t, uint32_t *ret_topic);

/* When the call into librdkafka that is under way began (monotonic clock); 0: none is. Any thread. */
int64_t seg_txn_busy_since_ms(const struct seg_txn *t);

/* What a transactional error asks for: SEG_OK (NULL), SEG_RETRY, SEG_ABORT (abort, then rewind), SEG_RECREATE. Pure. */
enum seg_rc seg_txn_classify(const rd_kafka_error_t *error);

#endif
