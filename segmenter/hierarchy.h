/*
 * A hierarchy over the segments, so that twelve can be read as four groups: Ward linkage (Ward 1963) on the centroids in model
 * space, weighted by their customers, by the recurrence of Lance & Williams 1967. Pure.
 */
#ifndef SEG_SEGMENTER_HIERARCHY_H
#define SEG_SEGMENTER_HIERARCHY_H

#include "segmenter/model.h"

/* Clusters are 0 .. k - 1, merge i makes cluster k + i. Heights ascend. */
struct seg_merge {
	uint32_t a, b;	  /* a < b */
	double height;	  /* by how much the merge raises the sum of squared distances, per customer */
	double customers; /* in the merged cluster */
};

/* k - 1 merges into ret (room for k). A segment without customers weighs as one. Of equal heights the pair of the lowest
 * numbers. Returns how many; 0: fewer than two clusters, or out of memory. */
uint32_t seg_hierarchy(const struct seg_model *m, struct seg_merge *ret);

/* The group of each cluster after all but groups - 1 merges, ret [k]: 1, 2, … in the order of the clusters. */
void seg_hierarchy_cut(const struct seg_merge *merges, uint32_t k, uint32_t groups, uint32_t *ret);

#endif
