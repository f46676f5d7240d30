/*
 * The producer's thread: init, commit and abort.
 *
 * A commit sends the offsets first (records go on being written meanwhile), then commits, which waits for the records. An
 * error up to there is definite: nothing has been committed, the abort is done here and the caller rewinds. From
 * rd_kafka_commit_transaction() on only records that were not written are definite, see not_asked(); anything else that is
 * not a success may have been committed all the same and asks for a new producer.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/fault.h"
#include "base/mutant.h"
#include "producers/kafka_txn_impl.h"

enum { FOR_EVER = -1, INIT_STEP_MS = 1000, RETRY_MS = 20, PING_MS = 1000, LOOKS = 5, ABORT_FLUSH_MS = 1000 };

/* Nobody waits: a call that can be tried again is not. */
static bool left_alone(struct seg_txn *t)
{
	bool abandoned;

	pthread_mutex_lock(&t->lock);
	abandoned = t->abandoned;
	pthread_mutex_unlock(&t->lock);
	return abandoned;
}

/* Takes e (not NULL). */
static void failed(struct seg_txn *t, enum seg_rc rc, const char *what, rd_kafka_error_t *e)
{
	char fatal[256] = "";

	if (rd_kafka_error_is_fatal(e))
		rd_kafka_fatal_error(t->rk, fatal, sizeof fatal);
	seg_error_set(&t->result, rc, "%s: %s: %s%s%s", what, rd_kafka_error_name(e), rd_kafka_error_string(e),
		      *fatal ? ": " : "", fatal);
	rd_kafka_error_destroy(e);
}

/* SEG_OK: the broker has aborted it, or there was nothing to abort. */
static enum seg_rc do_abort(struct seg_txn *t)
{
	for (;;) {
		rd_kafka_error_t *e = rd_kafka_abort_transaction(t->rk, FOR_EVER);
		enum seg_rc rc = seg_txn_classify(e);

		if (!e)
			return SEG_OK;
		if (rc != SEG_RETRY || left_alone(t)) {
			failed(t, SEG_RECREATE, "the transaction cannot be aborted", e);
			return SEG_RECREATE;
		}
		rd_kafka_error_destroy(e);
		seg_sleep_ms(RETRY_MS);
	}
}

/* Aborts because of e (taken). */
static void abort_because(struct seg_txn *t, const char *what, rd_kafka_error_t *e)
{
	struct seg_error why;

	failed(t, SEG_ABORT, what, e);
	why = t->result;
	if (do_abort(t))
		return;
	t->result = why;
	if (t->too_large_bytes)
		seg_error_set(&t->result, SEG_LIMIT, "%s", t->too_large);
}

/* NULL: sent. The caller owns what is returned. */
static rd_kafka_error_t *send_offsets(struct seg_txn *t)
{
	for (;;) {
		rd_kafka_error_t *e = rd_kafka_send_offsets_to_transaction(t->rk, t->offsets, t->group, FOR_EVER);

		if (seg_txn_classify(e) != SEG_RETRY || left_alone(t))
			return e;
		rd_kafka_error_destroy(e);
		seg_sleep_ms(RETRY_MS);
	}
}

/*
 * Whether a commit that failed had not come to asking the coordinator: it does so only when every record has been written
 * and reported. A failed record proves that it did not, and so does one that is still under way (looked at a few times,
 * because other events of the library count there, too, until they are served).
 */
static bool not_asked(struct seg_txn *t)
{
	for (int i = 0; i < LOOKS && !t->failed; i++) {
		rd_kafka_poll(t->rk, RETRY_MS);
		if (!t->failed && rd_kafka_outq_len(t->rk) == 0)
			return false;
	}
	return true;
}

/* Seeded bug: what has been produced commits without the offsets. */
static void commit_apart(struct seg_txn *t)
{
	rd_kafka_error_t *e = rd_kafka_commit_transaction(t->rk, FOR_EVER);

	rd_kafka_error_destroy(e ? e : rd_kafka_begin_transaction(t->rk));
}

static void do_commit(struct seg_txn *t)
{
	rd_kafka_error_t *e;

	if (SEG_MUTANT(OFFSETS_APART))
		commit_apart(t);
	e = send_offsets(t);
	if (e) {
		if (seg_txn_classify(e) == SEG_ABORT)
			abort_because(t, "the offsets are refused", e);
		else
			failed(t, SEG_RECREATE, "the offsets cannot be sent", e);
		return;
	}
	SEG_CRASH_POINT(AFTER_OFFSETS);
	SEG_CRASH_POINT(COMMIT_ENTERED);
	while ((e = rd_kafka_commit_transaction(t->rk, FOR_EVER)) && seg_txn_classify(e) == SEG_RETRY &&
	       !left_alone(t)) {
		rd_kafka_error_destroy(e);
		seg_sleep_ms(RETRY_MS);
	}
	if (!e)
		return;
	if (seg_txn_classify(e) == SEG_ABORT && not_asked(t))
		abort_because(t, "records could not be written", e);
	else
		failed(t, SEG_RECREATE, "the commit's outcome is unknown", e);
}

/* As do_commit(), or as a test wants it to end. */
static void commit_or_fail(struct seg_txn *t)
{
	enum seg_commit_outcome outcome = seg_fault_commit();

	if (outcome == SEG_COMMIT_AS_IT_IS || outcome == SEG_COMMIT_UNKNOWN_COMMITTED)
		do_commit(t);
	else
		(void)do_abort(t);
	if (outcome == SEG_COMMIT_ABORTED && t->result.rc == SEG_OK)
		seg_error_set(&t->result, SEG_ABORT, "made to abort");
	else if (outcome != SEG_COMMIT_AS_IT_IS && t->result.rc == SEG_OK)
		seg_error_set(&t->result, SEG_RECREATE, "made to be of unknown outcome");
}

/* Not allowed, or not possible with these brokers: nothing to wait for. */
static bool is_hopeless(rd_kafka_resp_err_t e)
{
	return e == RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED ||
	       e == RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED ||
	       e == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT || e == RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE ||
	       e == RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION;
}

static void do_init(struct seg_txn *t)
{
	rd_kafka_error_t *e = rd_kafka_init_transactions(t->rk, INIT_STEP_MS);
	char fatal[256];
	rd_kafka_resp_err_t code;

	if (!e)
		return;
	code = rd_kafka_error_is_fatal(e) ? rd_kafka_fatal_error(t->rk, fatal, sizeof fatal) : rd_kafka_error_code(e);
	failed(t,
	       is_hopeless(code)		  ? SEG_FATAL
	       : seg_txn_classify(e) == SEG_RETRY ? SEG_RETRY
						  : SEG_RECREATE,
	       "transactions cannot be initialised", e);
}

static void run(struct seg_txn *t, enum txn_job job)
{
	t->result.rc = SEG_OK;
	switch (job) {
	case JOB_INIT:
		do_init(t);
		break;
	case JOB_COMMIT:
		commit_or_fail(t);
		break;
	case JOB_ABORT:
		/* While partitions are still being added, an abort can reach the coordinator before that, which refuses it
		 * for good: let the records out first. */
		if (!t->failed)
			rd_kafka_flush(t->rk, ABORT_FLUSH_MS);
		if (!do_abort(t))
			seg_error_set(&t->result, SEG_ABORT, "the transaction is aborted");
		break;
	case JOB_NONE:
	case JOB_STOP:
		break;
	}
}

static void *thread_main(void *ctx)
{
	struct seg_txn *t = ctx;
	enum txn_job job;
	bool orphan;

	for (;;) {
		pthread_mutex_lock(&t->lock);
		while (t->job == JOB_NONE)
			pthread_cond_wait(&t->wake, &t->lock);
		job = t->job;
		pthread_mutex_unlock(&t->lock);
		run(t, job);
		pthread_mutex_lock(&t->lock);
		t->job = JOB_NONE;
		orphan = t->orphan;
		pthread_cond_signal(&t->finished);
		pthread_mutex_unlock(&t->lock);
		if (orphan)
			txn_free(t, INIT_STEP_MS);
		if (orphan || job == JOB_STOP)
			return NULL;
	}
}

enum seg_rc txn_thread_start(struct seg_txn *t, struct seg_error *err)
{
	if (pthread_create(&t->thread, NULL, thread_main, t) != 0)
		return seg_error_set(err, SEG_FATAL, "cannot start a producer's thread");
	return SEG_OK;
}

/* Waits a second at most; true: the job has ended. With the lock. */
static bool wait_a_second(struct seg_txn *t)
{
	struct timespec until = seg_deadline(PING_MS);

	while (t->job != JOB_NONE) {
		if (pthread_cond_clockwait(&t->finished, &t->lock, CLOCK_MONOTONIC, &until) != 0)
			break;
	}
	return t->job == JOB_NONE;
}

/* False: given up, the job goes on without us. Init ends by itself within a second or so: its caller asks. */
static bool wait_for_job(struct seg_txn *t, enum txn_job job, int64_t give_up_at)
{
	bool ended, go_on = true;

	pthread_mutex_lock(&t->lock);
	while (!(ended = wait_a_second(t)) && go_on) {
		pthread_mutex_unlock(&t->lock);
		go_on = !t->keep_waiting || t->keep_waiting(t->ctx) || job == JOB_INIT;
		go_on = go_on && seg_monotonic_ms() < give_up_at;
		pthread_mutex_lock(&t->lock);
	}
	t->abandoned = !ended;
	pthread_mutex_unlock(&t->lock);
	return ended;
}

enum seg_rc txn_run(struct seg_txn *t, enum txn_job job, struct seg_error *err)
{
	int64_t now = seg_monotonic_ms();
	enum seg_rc rc;

	atomic_store(&t->busy_since_ms, now);
	pthread_mutex_lock(&t->lock);
	t->job = job;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	if (!wait_for_job(t, job, now + t->give_up_ms)) {
		rc = seg_error_set(err, SEG_RECREATE, "no answer from the brokers in %lld ms: the outcome is unknown",
				   (long long)(seg_monotonic_ms() - now));
	} else if ((rc = t->result.rc)) {
		seg_error_set(err, rc, "%s", t->result.text);
	}
	atomic_store(&t->busy_since_ms, 0);
	if (rc == SEG_RECREATE)
		t->dead = true;
	if (rc == SEG_OK || rc == SEG_ABORT || rc == SEG_LIMIT)
		t->open = false;
	return rc;
}

/* The job in the thread may never end while no broker answers. It is then left with all that it uses, and frees it. */
bool seg_txn_close(struct seg_txn *t, int timeout_ms)
{
	int64_t until = seg_monotonic_ms() + timeout_ms, left;
	bool ended;

	if (!t)
		return true;
	pthread_mutex_lock(&t->lock);
	while (!(ended = t->job == JOB_NONE) && seg_monotonic_ms() < until)
		wait_a_second(t);
	if (ended) {
		t->job = JOB_STOP;
		pthread_cond_signal(&t->wake);
	} else {
		t->orphan = true;
		pthread_detach(t->thread);
	}
	pthread_mutex_unlock(&t->lock);
	if (!ended)
		return false;
	pthread_join(t->thread, NULL);
	left = until - seg_monotonic_ms();
	return txn_free(t, left > INIT_STEP_MS ? (int)left : INIT_STEP_MS);
}
