/*
 * Pieces and closing records of sums. Layout of a piece: version, sequence, number of buckets; per bucket, ascending by
 * basis: basis (8 bytes), count, binned, number of features; per feature: count, and if binned the grid, and if the
 * count is not 0: sum, square (low and high 64 bits), and if binned the number of bins that are not 0 and for each its
 * distance from the one before and its count. All but the basis are varints.
 */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/sums_internal.h"

/* MAX_BUCKETS bounds the memory that a hostile piece can claim; a cluster lives under a basis or two. */
enum { PIECE_VERSION = 1, CLOSE_VERSION = 1, MAX_BUCKETS = 8 };

static void put_bins(const struct seg_sum_feature *f, struct seg_buf *out)
{
	unsigned used = 0, before = 0;

	for (unsigned i = 0; i < SEG_GRID_BINS; i++)
		used += f->bins[i] != 0;
	seg_buf_varint(out, used);
	for (unsigned i = 0; i < SEG_GRID_BINS; i++) {
		if (!f->bins[i])
			continue;
		seg_buf_varint(out, i - before);
		seg_buf_varint(out, f->bins[i]);
		before = i;
	}
}

static void put_bucket(const struct seg_sum_bucket *b, struct seg_buf *out)
{
	seg_buf_u64le(out, b->basis);
	seg_buf_varint(out, (uint64_t)b->count);
	seg_buf_u8(out, b->binned);
	seg_buf_varint(out, b->len);
	for (uint32_t i = 0; i < b->len; i++) {
		const struct seg_sum_feature *f = &b->features[i];

		seg_buf_varint(out, (uint64_t)f->count);
		if (b->binned) {
			seg_buf_zigzag(out, f->lo);
			seg_buf_zigzag(out, f->hi);
		}
		if (!f->count)
			continue;
		seg_buf_zigzag(out, f->sum);
		seg_buf_varint(out, (uint64_t)f->square);
		seg_buf_varint(out, (uint64_t)(f->square >> 64));
		if (b->binned)
			put_bins(f, out);
	}
}

enum seg_rc seg_sums_encode(const struct seg_sums *s, uint64_t cluster, uint64_t sequence, struct seg_buf *out,
			    struct seg_error *err)
{
	uint64_t buckets = 0;

	for (size_t i = 0; i < s->len; i++)
		buckets += s->buckets[i]->cluster == cluster;
	if (!buckets)
		return seg_error_set(err, SEG_NOT_FOUND, "sums: cluster %" PRIu64 " has no customers", cluster);
	if (buckets > MAX_BUCKETS)
		return seg_error_set(err, SEG_LIMIT, "sums: cluster %" PRIu64 " has customers of %" PRIu64 " bases",
				     cluster, buckets);
	seg_buf_u8(out, PIECE_VERSION);
	seg_buf_varint(out, sequence);
	seg_buf_varint(out, buckets);
	for (size_t i = 0; i < s->len; i++)
		if (s->buckets[i]->cluster == cluster)
			put_bucket(s->buckets[i], out);
	if (out->failed)
		return seg_error_set(err, seg_buf_rc(out), "sums: %s of cluster %" PRIu64,
				     out->no_memory ? "no memory for the piece" : "too large is the piece", cluster);
	return SEG_OK;
}

static bool get_bins(struct seg_view *v, struct seg_sum_feature *f)
{
	uint64_t used = seg_view_varint(v), at = 0;
	int64_t total = 0;

	if (used == 0 || used > SEG_GRID_BINS)
		return false;
	for (uint64_t i = 0; i < used; i++) {
		uint64_t step = seg_view_varint(v), count = seg_view_varint(v);
		if (v->failed || step >= SEG_GRID_BINS || (i && !step) || count == 0 || count > UINT32_MAX)
			return false;
		at += step;
		if (at >= SEG_GRID_BINS)
			return false;
		f->bins[at] = (uint32_t)count;
		total += (int64_t)count;
	}
	return total == f->count;
}

static bool get_grid(struct seg_view *v, struct seg_sum_feature *f)
{
	int64_t lo = seg_view_zigzag(v), hi = seg_view_zigzag(v);

	if (v->failed || lo < -INT32_MAX || hi > INT32_MAX || lo >= hi)
		return false;
	f->lo = (int32_t)lo;
	f->hi = (int32_t)hi;
	return true;
}

/* What no set of values has: |sum| <= count * max, square <= count * max^2, sum^2 <= count * square (Cauchy-Schwarz). */
static bool plausible(const struct seg_sum_feature *f)
{
	__int128 sum = f->sum, max = INT32_MAX;

	return sum <= f->count * max && -sum <= f->count * max && f->square >= 0 && f->square <= f->count * max * max &&
	       sum * sum <= f->count * f->square;
}

static bool get_feature(struct seg_view *v, struct seg_sum_feature *f, int64_t customers, bool binned)
{
	uint64_t count = seg_view_varint(v), low, high;

	if (v->failed || count > (uint64_t)customers || (binned && !get_grid(v, f)))
		return false;
	f->count = (int64_t)count;
	if (!count)
		return true;
	f->sum = seg_view_zigzag(v);
	low = seg_view_varint(v);
	high = seg_view_varint(v);
	if (v->failed || high > INT64_MAX)
		return false;
	f->square = (__int128)high << 64 | low;
	return plausible(f) && (!binned || get_bins(v, f));
}

/* NULL: *ret_rc says why. */
static struct seg_sum_bucket *get_bucket(struct seg_view *v, uint64_t cluster, enum seg_rc *ret_rc)
{
	uint64_t basis = seg_view_u64le(v), count = seg_view_varint(v);
	uint8_t binned = seg_view_u8(v);
	uint64_t len = seg_view_varint(v);
	struct seg_sum_bucket *b;

	*ret_rc = SEG_CORRUPT;
	/* 2^32 customers: as many as the sums of int32 have room for. A feature takes a byte at least. */
	if (v->failed || !basis || !count || count > UINT32_MAX || binned > 1 || !len || len > SEG_MAX_FEATURES ||
	    len > (size_t)(v->end - v->at))
		return NULL;
	b = seg_sum_bucket_new(basis, cluster, (uint32_t)len);
	if (!b) {
		*ret_rc = SEG_NO_MEMORY;
		return NULL;
	}
	b->count = (int64_t)count;
	b->binned = binned;
	for (uint32_t i = 0; i < b->len; i++) {
		if (!get_feature(v, &b->features[i], b->count, b->binned)) {
			seg_sum_bucket_free(b);
			return NULL;
		}
	}
	*ret_rc = SEG_OK;
	return b;
}

static enum seg_rc get_piece(struct seg_view *v, uint64_t cluster, uint64_t *ret_sequence,
			     struct seg_sum_bucket **buckets, size_t *ret_len)
{
	uint8_t version = seg_view_u8(v);
	uint64_t sequence = seg_view_varint(v), len = seg_view_varint(v);
	enum seg_rc rc;

	if (v->failed || version != PIECE_VERSION || len == 0 || len > MAX_BUCKETS)
		return SEG_CORRUPT;
	for (uint64_t i = 0; i < len; i++) {
		buckets[i] = get_bucket(v, cluster, &rc);
		if (!buckets[i])
			return rc;
		*ret_len = i + 1;
		if (i && buckets[i - 1]->basis >= buckets[i]->basis)
			return SEG_CORRUPT;
	}
	*ret_sequence = sequence;
	return v->at == v->end ? SEG_OK : SEG_CORRUPT;
}

enum seg_rc seg_sums_decode(struct seg_sums *s, uint64_t cluster, const void *data, size_t len, uint64_t *ret_sequence,
			    struct seg_error *err)
{
	struct seg_view v = seg_view_of(data, len);
	struct seg_sum_bucket *buckets[MAX_BUCKETS];
	size_t buckets_len = 0, taken = 0;
	uint64_t sequence = 0;
	enum seg_rc rc = get_piece(&v, cluster, &sequence, buckets, &buckets_len);

	if (rc) {
		seg_error_set(err, rc, "sums: the piece of cluster %" PRIu64 " (%zu bytes) cannot be read", cluster,
			      len);
		goto out;
	}
	seg_sums_drop(s, cluster);
	while (taken < buckets_len) {
		rc = seg_sums_insert(s, buckets[taken], err);
		if (rc)
			goto out;
		taken++;
	}
	*ret_sequence = sequence;
out:
	while (taken < buckets_len)
		seg_sum_bucket_free(buckets[taken++]);
	return rc;
}

void seg_sums_close_encode(const struct seg_sums_close *c, struct seg_buf *out)
{
	uint64_t before = 0;

	seg_buf_u8(out, CLOSE_VERSION);
	seg_buf_varint(out, c->sequence);
	seg_buf_varint(out, c->pieces);
	seg_buf_varint(out, c->customers);
	seg_buf_varint(out, c->swept_promotion);
	seg_buf_zigzag(out, c->stream_time_ms);
	seg_buf_u8(out, c->idle);
	seg_buf_varint(out, c->clusters_len);
	for (uint32_t i = 0; i < c->clusters_len; i++) {
		seg_buf_varint(out, c->clusters[i] - before);
		before = c->clusters[i];
	}
}

static bool get_close(struct seg_view *v, struct seg_sums_close *c)
{
	uint8_t version = seg_view_u8(v), idle;
	uint64_t pieces, clusters;

	c->sequence = seg_view_varint(v);
	pieces = seg_view_varint(v);
	c->customers = seg_view_varint(v);
	c->swept_promotion = seg_view_varint(v);
	c->stream_time_ms = seg_view_zigzag(v);
	idle = seg_view_u8(v);
	clusters = seg_view_varint(v);
	/* Each cluster takes a byte at least. */
	if (v->failed || version != CLOSE_VERSION || idle > 1 || pieces > UINT32_MAX || clusters > UINT32_MAX ||
	    clusters > (size_t)(v->end - v->at))
		return false;
	c->pieces = (uint32_t)pieces;
	c->idle = idle;
	c->clusters_len = (uint32_t)clusters;
	return true;
}

static bool get_clusters(struct seg_view *v, struct seg_sums_close *c)
{
	uint64_t cluster = 0;

	for (uint32_t i = 0; i < c->clusters_len; i++) {
		uint64_t step = seg_view_varint(v);
		if (v->failed || !step || __builtin_add_overflow(cluster, step, &cluster))
			return false;
		c->clusters[i] = cluster;
	}
	return v->at == v->end;
}

enum seg_rc seg_sums_close_decode(struct seg_sums_close *ret, const void *data, size_t len, struct seg_error *err)
{
	struct seg_view v = seg_view_of(data, len);
	struct seg_sums_close c = {0};

	if (!get_close(&v, &c))
		return seg_error_set(err, SEG_CORRUPT, "sums: the closing record (%zu bytes) cannot be read", len);
	if (c.clusters_len) {
		c.clusters = malloc(c.clusters_len * sizeof(*c.clusters));
		if (!c.clusters)
			return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory for %" PRIu32 " clusters",
					     c.clusters_len);
	}
	if (!get_clusters(&v, &c)) {
		free(c.clusters);
		return seg_error_set(err, SEG_CORRUPT, "sums: the closing record's clusters (%zu bytes) cannot be read",
				     len);
	}
	*ret = c;
	return SEG_OK;
}
