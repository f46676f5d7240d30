/*
 * A segment in a sentence: what is typical of its customers, in the features' own units, and how that compares with all
 * customers. For people who know the shop and no statistics. Pure; any thread.
 */
#ifndef SEG_SEGMENTER_DESCRIBE_H
#define SEG_SEGMENTER_DESCRIBE_H

#include <stddef.h>
#include <stdint.h>

#include "segmenter/model.h"

enum { SEG_DESCRIPTION_MAX = 768 };

struct seg_trait {
	const char *feature; /* borrowed: a name of the catalogue or attr:NAME */
	double value;	     /* typical of the segment, in the feature's own unit */
	double zscore;	     /* against all customers */
};

/* "Customers who typically bought once or twice, last bought 9 months ago (longer than most), …." At most the 6 traits
 * with the largest |z-score|, in the order given; values that are NAN or infinite are left out. ret has size bytes (at
 * most SEG_DESCRIPTION_MAX are of use) and is cut at a whole phrase. */
void seg_traits_describe(const struct seg_trait *traits, uint32_t len, char *ret, size_t size);

/* The same of active cluster `index`, from its centroid; zscores [k * d] as seg_model_zscores() makes them. */
void seg_segment_describe(const struct seg_model *m, uint32_t index, const double *zscores, char *ret, size_t size);

#endif
