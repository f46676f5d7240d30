/* What sums.c and sums_codec.c share. */
#ifndef SEG_SEGMENTER_SUMS_INTERNAL_H
#define SEG_SEGMENTER_SUMS_INTERNAL_H

#include "segmenter/sums.h"

/* Buckets are separate allocations, so that they stay where they are when others come and go. */
struct seg_sums {
	struct seg_sum_bucket **buckets; /* ascending (basis, cluster) */
	size_t len, cap;
	uint64_t *gone; /* ascending */
	size_t gone_len, gone_cap;
};

struct seg_sum_bucket *seg_sum_bucket_new(uint64_t basis, uint64_t cluster, uint32_t len); /* NULL: no memory */
void seg_sum_bucket_free(struct seg_sum_bucket *b);

/* Takes ownership of the bucket on success; (basis, cluster) must not be there yet. */
enum seg_rc seg_sums_insert(struct seg_sums *s, struct seg_sum_bucket *b, struct seg_error *err) SEG_MUST_CHECK;

#endif
