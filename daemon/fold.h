/*
 * The fold: what the owner of <app>-model-sums does beside its other work. It takes every partition's sums and the sample,
 * lets the learner learn, and publishes the model, the segment catalogue and drift alerts in its worker's transaction.
 * A fit or refit runs on a thread of its own (or in place, for replay), and is taken in at a later tick.
 *
 *   new, begin (on assignment), take… all of <app>-model-sums from its start, then again and again:
 *   take…, tick, has_work? seal, then committed or aborted
 *
 * Not thread-safe; one owner.
 */
#ifndef SEG_DAEMON_FOLD_H
#define SEG_DAEMON_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/sink.h"
#include "segmenter/learner.h"

struct seg_fold;

struct seg_fold_options {
	const struct seg_config *config; /* borrowed until free */
	int32_t partitions;		 /* of the inputs: all must have told their sums before anything is learned */
	bool in_place;			 /* fits run inside tick: deterministic */
	int64_t tick_interval_ms;	 /* least monotonic time between two ticks */
};

/* The learner's settings as the configuration has them; preset and features resolved. */
enum seg_rc seg_learner_config_from(const struct seg_config *config, struct seg_learner_config *ret,
				    struct seg_error *err) SEG_MUST_CHECK;

enum seg_rc seg_fold_new(const struct seg_fold_options *options, struct seg_fold **ret,
			 struct seg_error *err) SEG_MUST_CHECK;
void seg_fold_free(struct seg_fold *fold); /* ends a fit under way; NULL is fine */

/* Forgets all and starts from the newest published model (borrowed; NULL: none). All sums are to be taken again. */
enum seg_rc seg_fold_begin(struct seg_fold *fold, struct seg_model *current, struct seg_error *err) SEG_MUST_CHECK;
/* After begin: the candidate that waited for a person (NULL is fine). */
void seg_fold_take_candidate(struct seg_fold *fold, struct seg_model *candidate);

/* A record of <app>-model-sums; value.ptr NULL: tombstone. SEG_SKIP: not one of ours, ignored. */
enum seg_rc seg_fold_take(struct seg_fold *fold, struct seg_str key, struct seg_str value,
			  struct seg_error *err) SEG_MUST_CHECK;

/* Learns, at most once an interval and not while news wait for their commit; starts and ends fits. */
enum seg_rc seg_fold_tick(struct seg_fold *fold, const struct seg_now *now, struct seg_error *err) SEG_MUST_CHECK;
bool seg_fold_has_work(const struct seg_fold *fold);

/* Puts what is new into the sink. After an abort the same is sent again. */
enum seg_rc seg_fold_seal(struct seg_fold *fold, const struct seg_sink *sink, struct seg_error *err) SEG_MUST_CHECK;
void seg_fold_committed(struct seg_fold *fold);
void seg_fold_aborted(struct seg_fold *fold);

/* The newest model the learner has made (may be not yet published). Borrowed until the next tick; NULL: none. */
struct seg_model *seg_fold_model(const struct seg_fold *fold);
struct seg_learner *seg_fold_learner(struct seg_fold *fold);
void seg_fold_request_refit(struct seg_fold *fold);
/* See learner.h; told with the next commits. SEG_RETRY: news wait for their commit, ask again. */
enum seg_rc seg_fold_promote(struct seg_fold *fold, uint64_t version, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_fold_rollback(struct seg_fold *fold, const struct seg_model *to, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_fold_alias(struct seg_fold *fold, uint64_t cluster, const char *alias,
			   struct seg_error *err) SEG_MUST_CHECK;
/* A fit is under way on its thread. */
bool seg_fold_is_fitting(const struct seg_fold *fold);

/* Alerts put out by committed seals, for summaries. */
uint64_t seg_fold_alerts(const struct seg_fold *fold);

#endif
