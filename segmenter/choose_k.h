/* How many clusters: silhouette and stability. Pure, deterministic for a seed. */
#ifndef SEG_SEGMENTER_CHOOSE_K_H
#define SEG_SEGMENTER_CHOOSE_K_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define SEG_SILHOUETTE_SLACK 0.02
#define SEG_SILHOUETTE_SWITCH 0.05
#define SEG_STABILITY_LEAST 0.75

/* How good fits with k clusters are; NAN: not looked at, or the rows do not have k distinct ones. */
struct seg_k_point {
	uint32_t k;
	double silhouette;	  /* mean over at most 1,000 rows (Rousseeuw 1987) */
	double davies_bouldin;	  /* lower is better (Davies & Bouldin 1979) */
	double calinski_harabasz; /* between over within dispersion, higher is better (Calinski & Harabasz 1974) */
	double inertia;		  /* per row */
	double stability;	  /* mean adjusted Rand index of fits on half samples, predicted on the whole */
};
enum { SEG_K_CURVE_MAX = 64 };
struct seg_k_curve { /* ascending k; what does not fit is left out */
	uint32_t len;
	struct seg_k_point points[SEG_K_CURVE_MAX];
};

struct seg_k_search {
	uint32_t k_min, k_max;
	uint32_t current; /* k of the model that is there; 0: none */
	bool anew;	  /* choose as if there were none, but keep current if it meets the rule */
	uint64_t seed;
	const atomic_bool *cancelled; /* as in kmeans.h */
	struct seg_k_curve *curve;    /* what was seen on the way is put there; NULL: not wanted */
};

struct seg_k_choice {
	uint32_t k;
	bool switched;		      /* chosen by the rule; false: current, which is good enough */
	double silhouette, stability; /* of the chosen k; stability NAN: not looked at */
};

/*
 * Chooses k in k_min..k_max for rows x [n * d]: the smallest whose silhouette is within .02 of the best there and whose
 * stability (mean adjusted Rand index of fits on half samples, predicted on the whole) is at least .75; if none is
 * stable, the most stable of those within .02. Both numbers are noisy and every change of k costs customers their
 * segments, so unless asked to choose anew, current stays while its silhouette is within .05 of the best.
 * Silhouettes are taken of at most 1,000 rows, fits of at most 2,048: rows must be in random order.
 */
enum seg_rc seg_choose_k(const double *x, size_t n, uint32_t d, const struct seg_k_search *search,
			 struct seg_k_choice *ret, struct seg_error *err) SEG_MUST_CHECK;

/* Mean adjusted Rand index over pairs of fits on disjoint halves, both predicted on all rows. */
enum seg_rc seg_stability(const double *x, size_t n, uint32_t d, uint32_t k, uint64_t seed,
			  const atomic_bool *cancelled, double *ret, struct seg_error *err) SEG_MUST_CHECK;

/* Points of k - 1, k and k + 1 that the curve does not have yet, by small fits: advice beside a given k. */
enum seg_rc seg_k_neighbours(const double *x, size_t n, uint32_t d, uint32_t k, uint64_t seed,
			     const atomic_bool *cancelled, struct seg_k_curve *curve,
			     struct seg_error *err) SEG_MUST_CHECK;

#endif
