/* A look into a learner, for tests that also include state/ (both sides have a struct seg_part of their own). */
#ifndef SEG_TESTS_LEARNER_PEEK_H
#define SEG_TESTS_LEARNER_PEEK_H

#include "segmenter/learner.h"

/* Sums over all partitions as of the last tick; borrowed. */
const struct seg_sums *peek_total(const struct seg_learner *l);
/* Of one partition, as closed; caller frees. NULL: not closed, or no memory. */
struct seg_sums *peek_partition(const struct seg_learner *l, int32_t partition, struct seg_sums_close *ret_close);
uint64_t peek_customers(const struct seg_learner *l);
/* Profiles of the sample in the order of their hashes; borrowed. */
size_t peek_sample(const struct seg_learner *l);
const struct seg_profile *peek_sampled(const struct seg_learner *l, size_t at);

#endif
