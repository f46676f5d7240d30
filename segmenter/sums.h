/*
 * Sums of contributions: per (basis, cluster) exact integers that are additive over partitions, independent of order,
 * and equal bit for bit to the recount over all contributions. A bucket goes when its count is 0, and then all its sums
 * must be 0.
 *
 * On <app>-model-sums they travel in pieces: `sums/<partition>/<cluster>` (only clusters that changed; tombstone at
 * count 0) and last `sums/<partition>`, which closes the sequence. Not thread-safe; one owner.
 */
#ifndef SEG_SEGMENTER_SUMS_H
#define SEG_SEGMENTER_SUMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/profile.h"
#include "segmenter/basis.h"

struct seg_sum_feature {
	int64_t count; /* customers with a value */
	int64_t sum;
	__int128 square;
	int32_t lo, hi;		      /* the grid in quanta (seg_basis_grid), if the bucket is binned */
	uint32_t bins[SEG_GRID_BINS]; /* add up to count if the bucket is binned, else all 0 */
};

struct seg_sum_bucket {
	uint64_t basis, cluster;
	int64_t count; /* customers */
	bool changed;  /* since the last seg_sums_clear_changed() */
	bool binned;   /* has histograms: made by a contribution that came with its basis */
	uint32_t len;  /* features */
	struct seg_sum_feature *features;
};

struct seg_sums; /* buckets by (basis, cluster) */

struct seg_sums *seg_sums_new(void);
void seg_sums_free(struct seg_sums *s);
void seg_sums_reset(struct seg_sums *s);

/* Adds (sign 1) or takes out (sign -1) one contribution; basis 0 is nothing. `basis` gives the grid of a bucket that is
 * new; it must have the contribution's basis id, or be NULL or another: then the bucket has no histograms as long as it
 * lives (a recount of an old basis, which only shrinks). A bucket that has them keeps its grid and needs no basis any
 * more. SEG_NO_MEMORY, or SEG_CORRUPT if what is taken out was never put in as far as can be seen; s is then unchanged. */
enum seg_rc seg_sums_change(struct seg_sums *s, const struct seg_basis *basis, const struct seg_contribution *c,
			    int sign, struct seg_error *err) SEG_MUST_CHECK;

/* total += part, exactly. A total's bucket stays binned only if both are. SEG_NO_MEMORY; SEG_CORRUPT (numbers of features
 * or grids differ, or a sum overflows): total is then not to be used any more. */
enum seg_rc seg_sums_add(struct seg_sums *total, const struct seg_sums *part, struct seg_error *err) SEG_MUST_CHECK;

/* The same buckets with the same sums; histograms are compared where both have them. */
bool seg_sums_equal(const struct seg_sums *a, const struct seg_sums *b);
/* The first bucket that is not equal, or that only one has (of that one); NULL: they are equal. */
const struct seg_sum_bucket *seg_sums_difference(const struct seg_sums *a, const struct seg_sums *b);
bool seg_sums_any_changed(const struct seg_sums *s);

size_t seg_sums_len(const struct seg_sums *s);
const struct seg_sum_bucket *seg_sums_at(const struct seg_sums *s, size_t i); /* ascending (basis, cluster) */
const struct seg_sum_bucket *seg_sums_find(const struct seg_sums *s, uint64_t basis, uint64_t cluster);

/* Clusters that went to count 0 since the last clear (their piece is to be tombstoned). */
size_t seg_sums_gone(const struct seg_sums *s, const uint64_t **ret_clusters);
void seg_sums_clear_changed(struct seg_sums *s);

/* Drops all buckets of a cluster (a tombstone was read). */
void seg_sums_drop(struct seg_sums *s, uint64_t cluster);

/* A cluster's piece: all its buckets (of any basis) as sparse varints. `sequence` is that of the closing record it
 * belongs to. SEG_NOT_FOUND: it has none. decode puts the buckets into s (as changed), replacing what it had of that
 * cluster; SEG_CORRUPT: bytes that no encode makes; s is then unchanged. */
enum seg_rc seg_sums_encode(const struct seg_sums *s, uint64_t cluster, uint64_t sequence, struct seg_buf *out,
			    struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_sums_decode(struct seg_sums *s, uint64_t cluster, const void *data, size_t len, uint64_t *ret_sequence,
			    struct seg_error *err) SEG_MUST_CHECK;

/* Closing record of a partition's sums. */
struct seg_sums_close {
	uint64_t sequence;
	uint32_t pieces;	  /* pieces of this sequence sent before it (changed and tombstoned) */
	uint64_t customers;	  /* living profiles in the partition */
	uint64_t swept_promotion; /* all its customers have been evaluated under this promotion; 0: none */
	int64_t stream_time_ms;
	bool idle;	       /* all its topics are at their ends */
	uint32_t clusters_len; /* clusters with a bucket, ascending: lets a reader drop what compaction took */
	uint64_t *clusters;
};
void seg_sums_close_encode(const struct seg_sums_close *c, struct seg_buf *out);
/* Allocates ret->clusters (free with free()). */
enum seg_rc seg_sums_close_decode(struct seg_sums_close *ret, const void *data, size_t len,
				  struct seg_error *err) SEG_MUST_CHECK;

#endif
