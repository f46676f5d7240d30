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
	char subject[320];
	struct seg_drift_value value; /* its subject is the one above */
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

/*
 * Questions, from any thread, answered by the worker's own within some milliseconds while it runs. SEG_RETRY: it did not
 * come to it within timeout_ms; SEG_NOT_FOUND: it is stopping. Who asks keeps the question until the call returns.
 */
struct seg_customer_question {
	struct seg_str id;
	int32_t partition;
	enum seg_rc rc; /* SEG_SKIP: the partition is not this worker's; SEG_RETRY: see `lane`; as seg_part_find() */
	enum seg_lane_state lane;    /* unless SEG_SKIP */
	struct seg_profile *profile; /* as of the last commit; caller frees; NULL unless rc is SEG_OK */
	int64_t now_ms;		     /* stream time of that commit */
};
enum seg_rc seg_worker_ask_customers(struct seg_worker *w, struct seg_customer_question *items, size_t len,
				     int timeout_ms, struct seg_error *err) SEG_MUST_CHECK;

/* Runs fn on the worker's thread if it has the fold and has read all sums; else SEG_SKIP: another has it, SEG_RETRY. */
struct seg_fold;
typedef enum seg_rc seg_fold_fn(struct seg_fold *fold, void *arg, struct seg_error *err);
enum seg_rc seg_worker_ask_fold(struct seg_worker *w, seg_fold_fn *fn, void *arg, int timeout_ms,
				struct seg_error *err) SEG_MUST_CHECK;

#endif
