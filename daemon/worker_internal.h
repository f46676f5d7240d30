/* Inside of a worker, for daemon/worker*.c only. All of it belongs to the worker's thread but what `lock` guards. */
#ifndef SEG_DAEMON_WORKER_INTERNAL_H
#define SEG_DAEMON_WORKER_INTERNAL_H

#include <stdatomic.h>

#include "consumers/kafka_input.h"
#include "daemon/fold.h"
#include "daemon/intake.h"
#include "daemon/kafka_sink.h"
#include "daemon/mismatch.h"
#include "daemon/worker.h"

struct seg_lane {
	int32_t partition;
	enum seg_lane_state state;
	struct seg_shard *shard; /* NULL: TAKING */
	unsigned doubts;	 /* how often group and newest cut did not agree */
	int64_t again_mono_ms;	 /* TAKING, NEW: not before this */

	/* recovery */
	int64_t changelog_from, changelog_high;
	uint32_t changelog_stream;
	bool changelog_open;
	int64_t from[SEG_SOURCES], to[SEG_SOURCES];
	uint32_t input_stream[SEG_SOURCES];
	bool input_open[SEG_SOURCES];
	int64_t input_low[SEG_SOURCES]; /* log starts */
	int64_t began_mono_ms, phase_mono_ms, reported_mono_ms;
	uint64_t reread;   /* records of the phase so far */
	bool first_commit; /* to be told: none since recovery */

	/* running */
	bool paused[SEG_SOURCES];    /* for being too far ahead */
	int64_t judged[SEG_SOURCES]; /* keys of records before it are in the window: an abort brings them again */
	bool sealed;		     /* takes part in the commit under way */
	bool place_told;	     /* where it can be asked for, since it is ours */
	uint32_t cut_ticket;
	int64_t store_again_mono_ms, store_wait_ms, store_failed_mono_ms; /* its store is in trouble: not before this */
};

struct seg_latencies { /* Kafka timestamps of the records since the last commit */
	int64_t *items;
	size_t len, cap;
};

/* Of the records since the last commit: counted when it has succeeded. */
struct seg_open_counts {
	uint64_t read[SEG_SOURCES], dead_letters[SEG_REFUSALS];
};

struct seg_worker {
	struct seg_instance *inst;
	const struct seg_config *config;
	unsigned index;
	char id[512]; /* transactional id, group instance id */
	pthread_t thread;
	atomic_bool stop;
	struct seg_mailbox *mailbox;

	struct seg_txn *txn;
	struct seg_kafka_input *input;
	struct seg_kafka_reader *reader; /* of recovery; NULL: none needed yet */
	struct seg_kafka_sink *sink;
	struct seg_intake *intake;

	uint32_t topics_len; /* of the input: sources that are read, then the sums */
	enum seg_source source_of[SEG_SOURCES + 1];
	int topic_of[SEG_SOURCES]; /* -1: not read */
	uint32_t sums_topic;

	struct seg_lane **lanes; /* [partitions]; NULL: not ours */
	struct seg_mismatch mismatch[SEG_SOURCES];

	struct seg_fold *fold; /* NULL: not ours */
	bool fold_ready;       /* all of <app>-model-sums taken in */
	bool fold_begun;
	bool fold_place_told;
	int64_t fold_high, fold_model_high; /* ends when it was assigned; -1: not asked yet */

	int64_t committed_mono_ms, first_mono_ms; /* last commit; first record since then, 0: none */
	size_t events, bytes;			  /* since the last commit */
	bool behind;				  /* the last poll came back full */
	struct seg_latencies latencies;
	struct seg_error failed; /* in a callback */
	bool answered;		 /* by the group: the assignment is known, maybe empty */
	bool left_unflushed;	 /* taken back by the group before a checkpoint was whole, and not answered since */
	bool recreate;		 /* outcome unknown or fenced: the producer is to be made anew */
	int64_t recreate_not_before_ms;

	int64_t looked_mono_ms; /* status last made */
	int64_t tidied_mono_ms; /* parked stores last looked at */
	int64_t lag_mono_ms, quality_mono_ms;
	bool lag_in_vain; /* nobody answered in this look */
	struct seg_quality quality;
	int64_t judged_mono_ms;	      /* the fold's status last made */
	struct seg_shard_counts past; /* of lanes that were given back */
	uint64_t past_hits, past_misses, past_cycles;
	uint64_t dead_letters[SEG_REFUSALS], records; /* committed */
	struct seg_open_counts open;

	pthread_mutex_t lock;
	struct seg_worker_status status; /* guarded, as what follows */
	struct seg_fold_status fold_status;
	bool has_fold_status;
	struct seg_beat beat;
	int64_t waits_since_ms, waits_told_ms; /* for brokers; 0: it does not */
};

struct seg_now seg_worker_now(void);

static inline bool seg_lane_may(const struct seg_lane *lane, unsigned what)
{
	return lane && seg_lane_state_may(lane->state, what);
}

static inline bool seg_worker_is_stopping(struct seg_worker *w)
{
	return atomic_load(&w->stop);
}

/* Moves on, with this. */
static inline void seg_worker_does(struct seg_worker *w, enum seg_doing doing)
{
	seg_beat(&w->beat, doing);
	w->waits_since_ms = 0;
}

/* worker.c: the one place where a worker's state changes. */
void seg_worker_move(struct seg_worker *w, enum seg_worker_state to);

/* worker_assign.c */
enum seg_rc seg_worker_assigned(void *ctx, const struct seg_position *list, size_t len, struct seg_error *err);
enum seg_rc seg_worker_revoked(void *ctx, const struct seg_position *list, size_t len, bool lost,
			       struct seg_error *err);
void seg_worker_drop_lanes(struct seg_worker *w);
/* Drops all memory, makes the producer anew; all lanes and the fold start over. */
enum seg_rc seg_worker_recreate(struct seg_worker *w, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_worker_open_txn(struct seg_worker *w, struct seg_error *err) SEG_MUST_CHECK;

/* worker_lane.c: brings lanes that are not running a step further. */
enum seg_rc seg_worker_recover(struct seg_worker *w, int timeout_ms, struct seg_error *err) SEG_MUST_CHECK;
bool seg_worker_is_recovering(const struct seg_worker *w);
/* Some of them read changelog or inputs; else they only wait. */
bool seg_worker_is_reading(const struct seg_worker *w);
/* Fills remaining and seconds_left. */
void seg_lane_progress(const struct seg_worker *w, const struct seg_lane *lane, struct seg_lane_status *ret);
/* The one place where a lane's state changes. */
void seg_lane_move(const struct seg_worker *w, struct seg_lane *lane, enum seg_lane_state to);
/* Streams are closed, nothing is sealed or paused any more; TAKING stays, from anything else it begins as NEW. */
void seg_lane_reset(struct seg_worker *w, struct seg_lane *lane);

/* worker_store.c: rc came of a store that is in trouble, or there is one: the worker must recreate. */
bool seg_worker_store_failed(struct seg_worker *w, enum seg_rc rc);
/* Before a recovery: a store in trouble is mended. *ret_waits: not yet. */
enum seg_rc seg_lane_mend_store(struct seg_lane *lane, bool *ret_waits, struct seg_error *err) SEG_MUST_CHECK;

/* worker_records.c */
enum seg_rc seg_worker_dead_letter(struct seg_worker *w, enum seg_source source, const struct seg_kafka_message *m,
				   enum seg_refusal refusal, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_worker_take_batch(struct seg_worker *w, const struct seg_kafka_batch *batch,
				  struct seg_error *err) SEG_MUST_CHECK;
void seg_worker_count_committed(struct seg_worker *w);
enum seg_rc seg_worker_balance(struct seg_worker *w, struct seg_error *err) SEG_MUST_CHECK;

/* worker_topics.c: how far this lane has committed, for the watch over the topics; or that it is not ours any more. */
void seg_worker_reached(struct seg_worker *w, const struct seg_lane *lane);
void seg_worker_reached_nothing(struct seg_worker *w, const struct seg_lane *lane);
/* A position is not in its log (err says so): SEG_FATAL with which, why and what to do, or err as it is. */
enum seg_rc seg_worker_out_of_log(struct seg_worker *w, struct seg_error *err) SEG_MUST_CHECK;

/* worker_fold.c */
enum seg_rc seg_worker_fold_step(struct seg_worker *w, const struct seg_now *now, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_worker_fold_assigned(struct seg_worker *w, struct seg_error *err) SEG_MUST_CHECK;
void seg_worker_fold_revoked(struct seg_worker *w);
void seg_worker_fold_restart(struct seg_worker *w);

/* worker_commit.c: one transaction over all running lanes and the fold, if there is anything to commit. After an abort
 * or an unknown outcome (`recreate`) it returns SEG_OK, having done what follows from it. */
enum seg_rc seg_worker_commit(struct seg_worker *w, struct seg_error *err) SEG_MUST_CHECK;
/* worker.c, at a stop: commits, ends the running cycle and runs one more, or as much of it as fits. */
enum seg_rc seg_worker_flush(struct seg_worker *w, struct seg_error *err) SEG_MUST_CHECK;
/* All of it is in changelog and stores, and all sums are told. */
bool seg_worker_is_flushed(const struct seg_worker *w);
/* A record could not be put into the open transaction: SEG_ABORT and SEG_RECREATE are dealt with as in a commit. */
enum seg_rc seg_worker_txn_failed(struct seg_worker *w, enum seg_rc outcome, struct seg_error *err) SEG_MUST_CHECK;
bool seg_worker_commit_is_due(const struct seg_worker *w, const struct seg_now *now);

/* worker_place.c: where this instance's API is, for others; goes with a commit. */
bool seg_worker_place_untold(const struct seg_worker *w, int32_t partition, bool told);
enum seg_rc seg_worker_tell_place(struct seg_worker *w, int32_t partition, const struct seg_sink *sink,
				  struct seg_error *err) SEG_MUST_CHECK;

/* worker_mail.c: what other threads have asked. */
void seg_worker_answer(struct seg_worker *w);

/* worker_status.c */
/* The gauges of a partition that is not ours any more go. */
void seg_worker_hide_lane(struct seg_worker *w, int32_t p);
/* Until the next look it is said to wait for brokers that do not answer. */
void seg_worker_unreachable(struct seg_worker *w);
void seg_worker_look(struct seg_worker *w, const struct seg_now *now, bool always);

#endif
