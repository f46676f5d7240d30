#include "tests/support/learner_peek.h"

#include "segmenter/learner_internal.h"

const struct seg_sums *peek_total(const struct seg_learner *l)
{
	return l->total;
}

struct seg_sums *peek_partition(const struct seg_learner *l, int32_t partition, struct seg_sums_close *ret_close)
{
	for (uint32_t i = 0; i < l->parts_len; i++) {
		const struct seg_part *part = &l->parts[i];
		struct seg_sums *sums;

		if (part->partition != partition || !part->closed)
			continue;
		sums = seg_sums_new();
		for (uint32_t j = 0; sums && j < part->pieces.len; j++) {
			if (seg_sums_add(sums, part->pieces.items[j].sums, NULL)) {
				seg_sums_free(sums);
				return NULL;
			}
		}
		*ret_close = part->close;
		return sums;
	}
	return NULL;
}

uint64_t peek_customers(const struct seg_learner *l)
{
	return l->customers;
}

size_t peek_sample(const struct seg_learner *l)
{
	return l->sample_len;
}

const struct seg_profile *peek_sampled(const struct seg_learner *l, size_t at)
{
	return l->sample[at].profile;
}
