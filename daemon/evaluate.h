/*
 * One customer under one model at one instant: features, vector, nearest centroid, and which segment they are to be told
 * after hysteresis and dwell. Pure; no allocation.
 */
#ifndef SEG_DAEMON_EVALUATE_H
#define SEG_DAEMON_EVALUATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/profile.h"
#include "segmenter/model.h"

struct seg_evaluate_rules {
	struct seg_move_rules moves;
	double min_move; /* standard deviations within which a contribution counts as unmoved */
};

struct seg_evaluation {
	uint64_t cluster;     /* nearest, 0: no model yet */
	uint64_t to;	      /* segment to be held; equal to what was held: no change */
	bool suppressed;      /* the nearest is another, but hysteresis or dwell kept the customer */
	double distance_from; /* to the segment held before; NAN: none, or retired */
	double distance_to;   /* to `to` */
	double margin;
	struct seg_contribution contribution; /* values point to `values`; basis 0: no model yet */
	int32_t values[SEG_MAX_FEATURES];
	double vector[SEG_MAX_FEATURES];
};

/* model may be NULL (nobody has been fitted yet). p must be alive. */
void seg_evaluate(const struct seg_model *model, const struct seg_profile *p, int64_t now_ms,
		  const struct seg_evaluate_rules *rules, struct seg_evaluation *ret);

/* The evaluation changes nothing worth a write: same segment, basis and cluster, and no value moved by min_move. */
bool seg_evaluation_is_unmoved(const struct seg_evaluation *e, const struct seg_model *model,
			       const struct seg_profile *p, const struct seg_evaluate_rules *rules);

#endif
