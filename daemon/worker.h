/*
 * A worker: one thread with one Kafka consumer, one transactional producer and the shards of the partition numbers
 * assigned to it. The unit of scale; workers share nothing but the instance.
 */
#ifndef SEG_DAEMON_WORKER_H
#define SEG_DAEMON_WORKER_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/instance.h"
#include "daemon/shard.h"
#include "daemon/worker_states.h"
#include "segmenter/learner.h"

struct seg_lane_status {
	int32_t partition;
	enum seg_lane_state state;
	int64_t lag;		/* records of all sources not yet read, as of the last look; -1: unknown */
	int64_t stream_time_ms; /* SEG_NO_TIME */
	uint64_t seq, customers;
	int64_t remaining;   /* recovering: records still to read in this phase */
	double seconds_left; /* estimated; NAN: unknown */
};

struct seg_drift_status {
	char subject[160];
	double psi;
};
enum { SEG_DRIFT_STATUS_MAX = 160 };

/* Of the fold; made every few seconds. */
struct seg_fold_status {
	struct seg_drift_status drift[SEG_DRIFT_STATUS_MAX];
	size_t drift_len;
};

/* As of the worker's last look at itself (a few times a second). lanes: caller frees. */
struct seg_worker_status {
	enum seg_worker_state state;
	bool fold; /* owns <app>-model-sums */
	uint64_t cache_hits, cache_misses, cache_bytes, store_bytes, cycles;
	int64_t beat_mono_ms; /* the thread was last seen moving */
	enum seg_doing doing;
	struct seg_shard_counts counts;
	uint64_t dead_letters[SEG_REFUSALS];
	uint64_t events;
	bool stopped[SEG_SOURCES];  /* sources with too many keys that do not fit: not read any more by this worker */
	bool answered;		    /* the group has told it its partitions, maybe none */
	bool unreachable;	    /* no broker answers: it waits */
	struct seg_quality quality; /* fold: of its model on its sample, every few seconds; else sample is 0 */
	struct seg_lane_status *lanes;
	size_t lanes_len;
	char error[512]; /* FAILED: why */
};

struct seg_worker;

/* Starts the thread. inst is borrowed until join. */
enum seg_rc seg_worker_start(struct seg_instance *inst, unsigned index, struct seg_worker **ret,
			     struct seg_error *err) SEG_MUST_CHECK;

/* Asks for a clean stop: commit, finish the checkpoint (at most 20 s), release. Returns at once. */
void seg_worker_stop(struct seg_worker *w);

/* Waits for the end and frees. SEG_OK after a clean stop; else err says why. */
enum seg_rc seg_worker_join(struct seg_worker *w, struct seg_error *err);

/* False: no memory. Any thread. */
bool seg_worker_status(struct seg_worker *w, struct seg_worker_status *ret);

/* False: this worker has no fold, or it has learned nothing yet. Any thread. */
bool seg_worker_fold_status(struct seg_worker *w, struct seg_fold_status *ret);

/* Any thread: the fold (if this worker has it) refits at its next tick. */
void seg_worker_request_refit(struct seg_worker *w);

#endif
