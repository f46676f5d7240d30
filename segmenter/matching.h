/*
 * Matching new clusters to old ones, so that ids and names survive a refit, and telling where clusters came from. Pure.
 */
#ifndef SEG_SEGMENTER_MATCHING_H
#define SEG_SEGMENTER_MATCHING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/outputs.h"
#include "segmenter/model.h"

struct seg_match_input {
	uint32_t old_k, new_k;
	const uint64_t *old_clusters;		 /* [old_k] ids */
	const bool *old_gone;			 /* [old_k] never matched (starved); NULL: none */
	size_t n;				 /* the sample */
	const uint32_t *old_labels, *new_labels; /* [n] */
	const double *distances; /* [new_k * old_k] between centroids; NULL: not comparable (new features) */
	double spread;		 /* a customer's usual distance to the centroid; > 0 */
};

struct seg_match {
	int32_t old; /* index of the old cluster it continues, -1: a new one */
	enum seg_segment_origin origin;
	uint64_t parents[SEG_MAX_PARENTS];
	uint32_t parents_len;
};

/*
 * Hungarian (hungarian.h) on 1 - Jaccard overlap of members in the sample plus half the centroids' distance relative to
 * the spread; a pair holds if the members overlap enough to call it the same segment.
 * Lineage: an unmatched new cluster is `split` when it has at least a third of an old cluster's members (its parent)
 * that lives on, else `created`; a matched one into which most of an unmatched old cluster went is `merged` (parents: its
 * own id and theirs), else `kept`.
 */
enum seg_rc seg_match_clusters(const struct seg_match_input *in, struct seg_match *ret,
			       struct seg_error *err) SEG_MUST_CHECK;

#endif
