/*
 * What kafka_txn.c (opening, producing) and kafka_txn_commit.c (what waits for brokers) share. Nobody else includes this.
 *
 * Calls that may wait for ever (commit and abort must have no time-out: a local one leaves the outcome unknown) run on a
 * thread of the producer, so that the worker can go on telling its watchdog that it lives. While a job runs, the worker
 * touches nothing but what `lock` guards; delivery reports come on the thread that is inside librdkafka.
 */
#ifndef SEG_PRODUCERS_KAFKA_TXN_IMPL_H
#define SEG_PRODUCERS_KAFKA_TXN_IMPL_H

#include <pthread.h>
#include <stdatomic.h>

#include "producers/kafka_txn.h"

enum txn_job { JOB_NONE, JOB_INIT, JOB_COMMIT, JOB_ABORT, JOB_STOP };

struct txn_topic {
	char *name;
	rd_kafka_topic_t *rkt;
	int32_t partitions;
};

struct seg_txn {
	rd_kafka_t *rk;
	struct txn_topic *topics;
	size_t topics_len;
	uint32_t max_message_bytes;
	int give_up_ms;
	bool (*keep_waiting)(void *ctx);
	void *ctx;

	bool ready;	   /* init has succeeded */
	bool open;	   /* a transaction is */
	bool dead;	   /* SEG_RECREATE was returned: nothing works any more */
	uint32_t unpolled; /* records produced since delivery reports were last served */

	/* Of the transaction that is open, or was last. */
	int64_t *tickets; /* offsets by ticket; -1: not known */
	uint32_t tickets_len, tickets_cap;
	size_t failed;		/* records that were not delivered */
	size_t too_large_bytes; /* largest that a broker refused for its size; 0: none */
	uint32_t too_large_topic;
	char too_large[400];

	_Atomic int64_t busy_since_ms;

	pthread_t thread;
	pthread_mutex_t lock;
	pthread_cond_t wake, finished;
	enum txn_job job; /* under lock; JOB_NONE when finished */
	bool abandoned;	  /* under lock: nobody waits for the job any more */
	bool orphan;	  /* under lock: the thread frees everything when its job ends */

	/* Given to the job and taken back from it. */
	rd_kafka_topic_partition_list_t *offsets;
	rd_kafka_consumer_group_metadata_t *group;
	struct seg_error result;
};

SEG_MUST_CHECK enum seg_rc txn_thread_start(struct seg_txn *t, struct seg_error *err);

/*
 * Lets the thread do the job and waits. After SEG_RECREATE t is dead. SEG_RETRY only from JOB_INIT.
 */
SEG_MUST_CHECK enum seg_rc txn_run(struct seg_txn *t, enum txn_job job, struct seg_error *err);

#ifdef SEG_FAULTS
/* For the crash point END_TXN_SENT. */
void txn_watch_requests(rd_kafka_conf_t *conf);
#else
#define txn_watch_requests(conf) ((void)(conf))
#endif

/* The librdkafka handle and everything else; the thread must have ended (or be the caller). */
bool txn_free(struct seg_txn *t, int timeout_ms);

#endif
