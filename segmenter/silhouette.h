/* How good a clustering is: silhouettes, Davies-Bouldin, and how much two clusterings agree. Pure. */
#ifndef SEG_SEGMENTER_SILHOUETTE_H
#define SEG_SEGMENTER_SILHOUETTE_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/*
 * Mean silhouette (Rousseeuw 1987) of the first min(n, rows) rows of x [n * d], distances among these only; labels
 * below k. Clusters of one row count 0. SEG_INVALID: fewer than two clusters have rows.
 */
enum seg_rc seg_silhouette(const double *x, size_t n, uint32_t d, const uint32_t *labels, uint32_t k, size_t rows,
			   double *ret, struct seg_error *err) SEG_MUST_CHECK;

/*
 * Davies-Bouldin index (1979): mean over clusters of the worst (s_i + s_j) / d_ij, s the mean distance to the centroid.
 * distance2 [n]: squared distances to the own centroid. Empty clusters are left out; NAN: fewer than two have rows.
 */
double seg_davies_bouldin(const uint32_t *labels, const double *distance2, size_t n, const double *centroids,
			  uint32_t d, uint32_t k);

/* Adjusted Rand index (Hubert & Arabie 1985) of two labelings: 1 equal, about 0 by chance. NAN: out of memory. */
double seg_adjusted_rand(const uint32_t *a, uint32_t a_k, const uint32_t *b, uint32_t b_k, size_t n);

#endif
