/*
 * k-means over a matrix in memory: greedy k-means++ (Arthur & Vassilvitskii 2007, with 2 + ln k candidates a step), Lloyd,
 * then random swaps (Fränti 2018), because plain k-means++ gets stuck on data with many clusters.
 *
 * Matrices are row-major double, n x d; rows must be finite. Pure and deterministic: the same input and seed give the
 * same bits whatever the vector width. No global state: calls on different memory may run on different threads.
 */
#ifndef SEG_SEGMENTER_KMEANS_H
#define SEG_SEGMENTER_KMEANS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct seg_kmeans_options {
	uint32_t k;	 /* wanted; > 0 */
	uint32_t starts; /* greedy k-means++ starts; 0: 5 */
	uint32_t swaps;	 /* random swaps tried on the best start; SEG_KMEANS_SWAPS: 10 * k */
	uint64_t seed;
	const double *initial;	      /* an extra start, [initial_k * d]; borrowed, NULL: none */
	uint32_t initial_k;	      /* more than k: the first k; fewer: filled up by greedy k-means++ */
	const atomic_bool *cancelled; /* true: give up soon, SEG_RETRY; set by another thread; NULL: never */
};
enum { SEG_KMEANS_SWAPS = -1 };

struct seg_kmeans {
	uint32_t k;	   /* less than wanted only if there are fewer distinct rows */
	double inertia;	   /* sum of squared distances to the nearest centroid */
	double *centroids; /* [k * d] */
	uint32_t *labels;  /* [n], nearest centroid; lowest index on ties */
};

static inline bool seg_is_cancelled(const atomic_bool *cancelled)
{
	return cancelled && atomic_load_explicit(cancelled, memory_order_relaxed);
}

/* Fits. ret is filled on success; release it with seg_kmeans_release(). SEG_INVALID: no rows, no columns or k 0. */
enum seg_rc seg_kmeans_fit(const double *x, size_t n, uint32_t d, const struct seg_kmeans_options *options,
			   struct seg_kmeans *ret, struct seg_error *err) SEG_MUST_CHECK;
void seg_kmeans_release(struct seg_kmeans *km);

/* Lloyd alone, from k centroids [k * d], at most `steps`, until inertia gains less than 1e-7 of itself. */
enum seg_rc seg_kmeans_refine(const double *x, size_t n, uint32_t d, const double *centroids, uint32_t k,
			      unsigned steps, struct seg_kmeans *ret, struct seg_error *err) SEG_MUST_CHECK;

/* Nearest of k centroids for every row: labels [n] and squared distances [n] (either may be NULL), second_distance2 [n]
 * (NULL: not wanted; INFINITY if k == 1). Returns the inertia, or NAN when out of memory. */
double seg_kmeans_assign(const double *x, size_t n, uint32_t d, const double *centroids, uint32_t k,
			 uint32_t *ret_labels, double *ret_distance2, double *ret_second_distance2);

#endif
