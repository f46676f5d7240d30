/*
 * Exact sums. A change is checked as a whole before the first number moves, so a refused one leaves no trace.
 */
#include "segmenter/sums.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/sums_internal.h"

struct seg_sum_bucket *seg_sum_bucket_new(uint64_t basis, uint64_t cluster, uint32_t len)
{
	struct seg_sum_bucket *b = calloc(1, sizeof(*b));

	if (!b)
		return NULL;
	*b = (struct seg_sum_bucket){.basis = basis, .cluster = cluster, .len = len, .changed = true};
	b->features = calloc(len, sizeof(*b->features));
	if (!b->features) {
		free(b);
		return NULL;
	}
	return b;
}

void seg_sum_bucket_free(struct seg_sum_bucket *b)
{
	if (!b)
		return;
	free(b->features);
	free(b);
}

struct seg_sums *seg_sums_new(void)
{
	return calloc(1, sizeof(struct seg_sums));
}

void seg_sums_free(struct seg_sums *s)
{
	if (!s)
		return;
	seg_sums_reset(s);
	free(s->buckets);
	free(s->gone);
	free(s);
}

void seg_sums_reset(struct seg_sums *s)
{
	for (size_t i = 0; i < s->len; i++)
		seg_sum_bucket_free(s->buckets[i]);
	s->len = 0;
	s->gone_len = 0;
}

/* Where the bucket is, or would be put. */
static size_t position(const struct seg_sums *s, uint64_t basis, uint64_t cluster, bool *ret_found)
{
	size_t lo = 0, hi = s->len;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		const struct seg_sum_bucket *b = s->buckets[mid];
		if (b->basis < basis || (b->basis == basis && b->cluster < cluster))
			lo = mid + 1;
		else
			hi = mid;
	}
	*ret_found = lo < s->len && s->buckets[lo]->basis == basis && s->buckets[lo]->cluster == cluster;
	return lo;
}

static struct seg_sum_bucket *find(const struct seg_sums *s, uint64_t basis, uint64_t cluster)
{
	bool found;
	size_t at = position(s, basis, cluster, &found);

	return found ? s->buckets[at] : NULL;
}

static size_t gone_position(const struct seg_sums *s, uint64_t cluster)
{
	size_t at = 0;

	while (at < s->gone_len && s->gone[at] < cluster)
		at++;
	return at;
}

static bool grow(void **array, size_t *cap, size_t len, size_t size)
{
	size_t more = *cap ? *cap * 2 : 16;
	void *moved;

	if (len < *cap)
		return true;
	moved = realloc(*array, more * size);
	if (!moved)
		return false;
	*array = moved;
	*cap = more;
	return true;
}

/* Room for a cluster that goes is made when its bucket comes, so that taking out needs no memory. */
enum seg_rc seg_sums_insert(struct seg_sums *s, struct seg_sum_bucket *b, struct seg_error *err)
{
	bool found;
	size_t at = position(s, b->basis, b->cluster, &found), gone = gone_position(s, b->cluster);

	if (!grow((void **)&s->buckets, &s->cap, s->len, sizeof(struct seg_sum_bucket *)) ||
	    !grow((void **)&s->gone, &s->gone_cap, s->gone_len + s->len + 1, sizeof(*s->gone)))
		return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory for %zu buckets", s->len + 1);
	memmove(s->buckets + at + 1, s->buckets + at, (s->len - at) * sizeof(struct seg_sum_bucket *));
	s->buckets[at] = b;
	s->len++;
	if (gone < s->gone_len && s->gone[gone] == b->cluster) {
		memmove(s->gone + gone, s->gone + gone + 1, (s->gone_len - gone - 1) * sizeof(*s->gone));
		s->gone_len--;
	}
	return SEG_OK;
}

/* A cluster without buckets is gone; what else it has must be sent again, because a piece holds all its buckets. */
static void note_removal(struct seg_sums *s, uint64_t cluster)
{
	bool any = false;
	size_t at;

	for (size_t i = 0; i < s->len; i++) {
		if (s->buckets[i]->cluster == cluster) {
			s->buckets[i]->changed = true;
			any = true;
		}
	}
	if (any)
		return;
	at = gone_position(s, cluster);
	if (at < s->gone_len && s->gone[at] == cluster)
		return;
	memmove(s->gone + at + 1, s->gone + at, (s->gone_len - at) * sizeof(*s->gone));
	s->gone[at] = cluster;
	s->gone_len++;
}

static void remove_bucket(struct seg_sums *s, const struct seg_sum_bucket *b)
{
	uint64_t cluster = b->cluster;
	bool found;
	size_t at = position(s, b->basis, cluster, &found);

	seg_sum_bucket_free(s->buckets[at]);
	memmove(s->buckets + at, s->buckets + at + 1, (s->len - at - 1) * sizeof(struct seg_sum_bucket *));
	s->len--;
	note_removal(s, cluster);
}

void seg_sums_drop(struct seg_sums *s, uint64_t cluster)
{
	size_t kept = 0, before = s->len;

	for (size_t i = 0; i < s->len; i++) {
		if (s->buckets[i]->cluster == cluster)
			seg_sum_bucket_free(s->buckets[i]);
		else
			s->buckets[kept++] = s->buckets[i];
	}
	s->len = kept;
	if (kept < before)
		note_removal(s, cluster);
}

/* Whether one contribution can be taken out of the bucket and leave sums that some set of customers has. */
static bool can_take_out(const struct seg_sum_bucket *b, const struct seg_contribution *c)
{
	for (uint32_t i = 0; i < c->len; i++) {
		const struct seg_sum_feature *f = &b->features[i];
		int64_t v = c->values[i];

		if (v == SEG_MISSING) {
			if (f->count >= b->count)
				return false;
			continue;
		}
		if (f->count < 1 || (b->binned && f->bins[seg_grid_bin(f->lo, f->hi, c->values[i])] == 0))
			return false;
		/* A feature's last value, and so a bucket's last customer, takes everything with it. */
		if (f->count == 1 && (f->sum != v || f->square != (__int128)v * v))
			return false;
	}
	return true;
}

static void apply(struct seg_sum_bucket *b, const struct seg_contribution *c, int sign)
{
	b->count += sign;
	b->changed = true;
	for (uint32_t i = 0; i < c->len; i++) {
		struct seg_sum_feature *f = &b->features[i];
		int64_t v = c->values[i];

		if (v == SEG_MISSING)
			continue;
		f->count += sign;
		f->sum += sign * v;
		f->square += sign * (__int128)(v * v);
		if (b->binned)
			f->bins[seg_grid_bin(f->lo, f->hi, c->values[i])] += (uint32_t)sign;
	}
}

static struct seg_sum_bucket *make_bucket(const struct seg_basis *basis, const struct seg_contribution *c)
{
	struct seg_sum_bucket *b = seg_sum_bucket_new(c->basis, c->cluster, c->len);

	if (!b || !basis || basis->id != c->basis || basis->len != c->len)
		return b;
	b->binned = true;
	for (uint32_t i = 0; i < b->len; i++) {
		int64_t lo, hi;
		seg_basis_grid(&basis->features[i], &lo, &hi);
		b->features[i].lo = (int32_t)lo;
		b->features[i].hi = (int32_t)hi;
	}
	return b;
}

enum seg_rc seg_sums_change(struct seg_sums *s, const struct seg_basis *basis, const struct seg_contribution *c,
			    int sign, struct seg_error *err)
{
	struct seg_sum_bucket *b;
	enum seg_rc rc;

	if (c->basis == 0)
		return SEG_OK;
	if (c->cluster == 0 || c->len == 0 || c->len > SEG_MAX_FEATURES)
		return seg_error_set(err, SEG_CORRUPT,
				     "sums: a contribution of %" PRIu32 " features to cluster %" PRIu64, c->len,
				     c->cluster);
	b = find(s, c->basis, c->cluster);
	if (b && b->len != c->len)
		return seg_error_set(err, SEG_CORRUPT,
				     "sums: %" PRIu32 " features where basis %016" PRIx64 " has %" PRIu32, c->len,
				     c->basis, b->len);
	if (sign < 0) {
		if (!b || !can_take_out(b, c))
			return seg_error_set(err, SEG_CORRUPT,
					     "sums: a contribution to cluster %" PRIu64
					     " is taken out that is not in it",
					     c->cluster);
		apply(b, c, -1);
		if (b->count == 0)
			remove_bucket(s, b);
		return SEG_OK;
	}
	if (!b) {
		b = make_bucket(basis, c);
		if (!b)
			return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory for cluster %" PRIu64,
					     c->cluster);
		rc = seg_sums_insert(s, b, err);
		if (rc) {
			seg_sum_bucket_free(b);
			return rc;
		}
	}
	apply(b, c, 1);
	return SEG_OK; /* NOLINT(clang-analyzer-unix.Malloc): the sums own the bucket now */
}

static bool add_feature(struct seg_sum_feature *to, const struct seg_sum_feature *from, bool binned)
{
	if (__builtin_add_overflow(to->count, from->count, &to->count) ||
	    __builtin_add_overflow(to->sum, from->sum, &to->sum) ||
	    __builtin_add_overflow(to->square, from->square, &to->square))
		return false;
	if (!binned)
		return true;
	if (to->lo != from->lo || to->hi != from->hi)
		return false;
	for (unsigned i = 0; i < SEG_GRID_BINS; i++)
		if (__builtin_add_overflow(to->bins[i], from->bins[i], &to->bins[i]))
			return false;
	return true;
}

static void drop_histograms(struct seg_sum_bucket *b)
{
	b->binned = false;
	for (uint32_t i = 0; i < b->len; i++) {
		b->features[i].lo = b->features[i].hi = 0;
		memset(b->features[i].bins, 0, sizeof(b->features[i].bins));
	}
}

static enum seg_rc add_new(struct seg_sums *total, const struct seg_sum_bucket *from, struct seg_error *err)
{
	struct seg_sum_bucket *b = seg_sum_bucket_new(from->basis, from->cluster, from->len);
	enum seg_rc rc;

	if (!b)
		return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory for cluster %" PRIu64, from->cluster);
	b->count = from->count;
	b->binned = from->binned;
	memcpy(b->features, from->features, from->len * sizeof(*b->features));
	rc = seg_sums_insert(total, b, err);
	if (rc)
		seg_sum_bucket_free(b);
	return rc; /* NOLINT(clang-analyzer-unix.Malloc): the sums own the bucket now */
}

enum seg_rc seg_sums_add(struct seg_sums *total, const struct seg_sums *part, struct seg_error *err)
{
	for (size_t i = 0; i < part->len; i++) {
		const struct seg_sum_bucket *from = part->buckets[i];
		struct seg_sum_bucket *to = find(total, from->basis, from->cluster);
		enum seg_rc rc;

		if (!to) {
			rc = add_new(total, from, err);
			if (rc)
				return rc;
			continue;
		}
		bool ok = to->len == from->len && !__builtin_add_overflow(to->count, from->count, &to->count);
		if (ok && to->binned && !from->binned)
			drop_histograms(to);
		for (uint32_t j = 0; ok && j < to->len; j++)
			ok = add_feature(&to->features[j], &from->features[j], to->binned);
		if (!ok)
			return seg_error_set(err, SEG_CORRUPT,
					     "sums: partitions disagree about basis %016" PRIx64 " of cluster %" PRIu64,
					     from->basis, from->cluster);
		to->changed = true;
	}
	return SEG_OK;
}

static bool bucket_equal(const struct seg_sum_bucket *a, const struct seg_sum_bucket *b)
{
	if (a->basis != b->basis || a->cluster != b->cluster || a->count != b->count || a->len != b->len)
		return false;
	for (uint32_t i = 0; i < a->len; i++) {
		const struct seg_sum_feature *f = &a->features[i], *g = &b->features[i];
		if (f->count != g->count || f->sum != g->sum || f->square != g->square)
			return false;
		if (a->binned && b->binned &&
		    (f->lo != g->lo || f->hi != g->hi || memcmp(f->bins, g->bins, sizeof(f->bins)) != 0))
			return false;
	}
	return true;
}

static bool stands_before(const struct seg_sum_bucket *a, const struct seg_sum_bucket *b)
{
	return a->basis != b->basis ? a->basis < b->basis : a->cluster < b->cluster;
}

const struct seg_sum_bucket *seg_sums_difference(const struct seg_sums *a, const struct seg_sums *b)
{
	size_t i = 0;

	for (; i < a->len && i < b->len; i++)
		if (!bucket_equal(a->buckets[i], b->buckets[i]))
			return stands_before(b->buckets[i], a->buckets[i]) ? b->buckets[i] : a->buckets[i];
	return i < a->len ? a->buckets[i] : i < b->len ? b->buckets[i] : NULL;
}

bool seg_sums_equal(const struct seg_sums *a, const struct seg_sums *b)
{
	return !seg_sums_difference(a, b);
}

bool seg_sums_any_changed(const struct seg_sums *s)
{
	if (s->gone_len)
		return true;
	for (size_t i = 0; i < s->len; i++)
		if (s->buckets[i]->changed)
			return true;
	return false;
}

size_t seg_sums_len(const struct seg_sums *s)
{
	return s->len;
}

const struct seg_sum_bucket *seg_sums_at(const struct seg_sums *s, size_t i)
{
	return s->buckets[i];
}

const struct seg_sum_bucket *seg_sums_find(const struct seg_sums *s, uint64_t basis, uint64_t cluster)
{
	return find(s, basis, cluster);
}

size_t seg_sums_gone(const struct seg_sums *s, const uint64_t **ret_clusters)
{
	*ret_clusters = s->gone;
	return s->gone_len;
}

void seg_sums_clear_changed(struct seg_sums *s)
{
	s->gone_len = 0;
	for (size_t i = 0; i < s->len; i++)
		s->buckets[i]->changed = false;
}
