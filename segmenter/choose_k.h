/* How many clusters: silhouette and stability. Pure, deterministic for a seed. */
#ifndef SEG_SEGMENTER_CHOOSE_K_H
#define SEG_SEGMENTER_CHOOSE_K_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SEG_SILHOUETTE_SLACK 0.02
#define SEG_STABILITY_LEAST 0.75

struct seg_k_choice {
	uint32_t k;
	double silhouette, stability; /* of the chosen k; stability NAN: not looked at (one candidate) */
};

/*
 * Chooses k in k_min..k_max for rows x [n * d]: the smallest whose silhouette is within .02 of the best there and whose
 * stability (mean adjusted Rand index of fits on half samples, predicted on the whole) is at least .75; if none is
 * stable, the most stable of those within .02. current (0: none) is kept while it meets both conditions, so that a
 * change of sample alone does not change k. Silhouettes are taken of at most 1,000 rows, fits of at most 2,048: rows
 * must be in random order.
 */
enum seg_rc seg_choose_k(const double *x, size_t n, uint32_t d, uint32_t k_min, uint32_t k_max, uint32_t current,
			 uint64_t seed, struct seg_k_choice *ret, struct seg_error *err) SEG_MUST_CHECK;

/* Mean adjusted Rand index over pairs of fits on disjoint halves, both predicted on all rows. */
enum seg_rc seg_stability(const double *x, size_t n, uint32_t d, uint32_t k, uint64_t seed, double *ret,
			  struct seg_error *err) SEG_MUST_CHECK;

#endif
