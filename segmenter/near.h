/*
 * Of fits that are about as good as the best, the one under which the fewest customers change segment. k-means on customers
 * has many optima within a percent or two of each other that divide them quite differently; going from one to another
 * wins nothing that anybody would notice and costs a third of the customers their segment. So a refit looks around the
 * current centroids, too: Lloyd from them, and from them with one or two centroids put elsewhere, and weighs what each
 * candidate lacks against the best by whom it would move. (The idea of evolutionary clustering, Chakrabarti, Kumar and
 * Tomkins 2006: snapshot quality less history cost.) Pure, deterministic for a seed.
 */
#ifndef SEG_SEGMENTER_NEAR_H
#define SEG_SEGMENTER_NEAR_H

#include "segmenter/kmeans.h"

struct seg_near_search {
	const double *x; /* [n * d] */
	size_t n;
	uint32_t d, k;
	const double *current;	/* [k * d] centroids in the space of x */
	const uint32_t *labels; /* [n] where the current model puts the rows */
	uint64_t seed;
	const atomic_bool *cancelled; /* as in kmeans.h */
};

/* Share of rows [n] that change cluster between two labellings into 0..k-1, when clusters are matched so that the fewest do. */
enum seg_rc seg_moved_share(const uint32_t *from, const uint32_t *to, size_t n, uint32_t k, double *ret,
			    struct seg_error *err) SEG_MUST_CHECK;

/* Puts the candidate of the least cost in the place of *best, a fit of the same k and rows: it may be *best itself.
 * *ret_moved: the share of rows that it moves. SEG_RETRY: cancelled; SEG_NO_MEMORY. */
enum seg_rc seg_near_find(const struct seg_near_search *search, struct seg_kmeans *best, double *ret_moved,
			  struct seg_error *err) SEG_MUST_CHECK;

#endif
