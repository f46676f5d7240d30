/*
 * What the learner takes in: sums in pieces, closing records, profiles of the sample.
 *
 * Pieces wait until a closing record of their sequence or a later one has been read; then those that the record lists
 * are the partition's sums, and what it does not list is gone, so tombstones (which compaction may have removed) need
 * not be seen. A closing record that lists a cluster without a piece is incomplete and is not used: the sums stay as
 * they were until the next. A sequence below the last is old and does no harm, unless stream time went on: then the
 * partition's log begins anew.
 */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mutant.h"
#include "segmenter/learner_internal.h"

/* More profiles than this many times the wanted ones are not kept, whatever arrives. */
#define SAMPLE_MOST 3
#define SAMPLE_AIM 1.5
#define SAMPLE_LEAST 1.15
#define SAMPLE_FULL 2.0

static void piece_release(struct seg_piece *p)
{
	seg_sums_free(p->sums);
	p->sums = NULL;
}

static void pieces_release(struct seg_pieces *pieces)
{
	for (uint32_t i = 0; i < pieces->len; i++)
		piece_release(&pieces->items[i]);
	free(pieces->items);
	*pieces = (struct seg_pieces){0};
}

static struct seg_piece *pieces_find(const struct seg_pieces *pieces, uint64_t cluster)
{
	for (uint32_t i = 0; i < pieces->len; i++)
		if (pieces->items[i].cluster == cluster)
			return &pieces->items[i];
	return NULL;
}

static void pieces_drop(struct seg_pieces *pieces, struct seg_piece *p)
{
	piece_release(p);
	*p = pieces->items[--pieces->len];
}

/* Puts a piece in the place of the one of the same cluster; takes ownership, also on failure. */
static enum seg_rc pieces_put(struct seg_pieces *pieces, struct seg_piece piece, struct seg_error *err)
{
	struct seg_piece *old = pieces_find(pieces, piece.cluster), *grown;

	if (old) {
		piece_release(old);
		*old = piece;
		return SEG_OK;
	}
	if (pieces->len == pieces->cap) {
		uint32_t cap = pieces->cap ? pieces->cap * 2 : 16;
		grown = realloc(pieces->items, cap * sizeof(*grown));
		if (!grown) {
			piece_release(&piece);
			return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory (%u pieces)", cap);
		}
		pieces->items = grown;
		pieces->cap = cap;
	}
	pieces->items[pieces->len++] = piece;
	return SEG_OK;
}

static struct seg_part *part_of(struct seg_learner *l, int32_t partition)
{
	struct seg_part *grown;

	for (uint32_t i = 0; i < l->parts_len; i++)
		if (l->parts[i].partition == partition)
			return &l->parts[i];
	if (l->parts_len == l->parts_cap) {
		uint32_t cap = l->parts_cap ? l->parts_cap * 2 : 16;
		grown = realloc(l->parts, cap * sizeof(*grown));
		if (!grown)
			return NULL;
		l->parts = grown;
		l->parts_cap = cap;
	}
	l->parts[l->parts_len] = (struct seg_part){.partition = partition};
	return &l->parts[l->parts_len++];
}

enum seg_rc seg_learner_take_piece(struct seg_learner *l, int32_t partition, uint64_t cluster, const void *value,
				   size_t len, struct seg_error *err)
{
	struct seg_part *part = part_of(l, partition);
	struct seg_piece piece = {.cluster = cluster}, *waiting;
	enum seg_rc rc;

	if (!part)
		return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory");
	waiting = pieces_find(&part->waiting, cluster);
	if (!value) {
		if (waiting)
			pieces_drop(&part->waiting, waiting);
		return SEG_OK;
	}
	piece.sums = seg_sums_new();
	if (!piece.sums)
		return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory");
	rc = seg_sums_decode(piece.sums, cluster, value, len, &piece.sequence, err);
	if (rc) {
		piece_release(&piece);
		return seg_error_wrap(err, rc, "sums/%d/%llu", partition, (unsigned long long)cluster);
	}
	if (waiting && waiting->sequence > piece.sequence) {
		piece_release(&piece);
		return SEG_OK;
	}
	return pieces_put(SEG_MUTANT(FOLD_UNCLOSED) ? &part->pieces : &part->waiting, piece, err);
}

static bool is_old(const struct seg_part *part, const struct seg_sums_close *close)
{
	if (!part->closed || close->sequence > part->close.sequence || SEG_MUTANT(FOLD_OLD))
		return false;
	return close->sequence == part->close.sequence || close->stream_time_ms <= part->close.stream_time_ms;
}

/* A waiting piece that this closing record makes count. */
static bool counts(const struct seg_part *part, const struct seg_piece *p, const struct seg_sums_close *close)
{
	bool anew = part->closed && close->sequence < part->close.sequence;

	return p && p->sequence <= close->sequence && (!part->closed || anew || p->sequence > part->close.sequence);
}

static bool is_listed(const struct seg_sums_close *close, uint64_t cluster)
{
	for (uint32_t i = 0; i < close->clusters_len; i++)
		if (close->clusters[i] == cluster)
			return true;
	return false;
}

static bool is_whole(const struct seg_part *part, const struct seg_sums_close *close)
{
	bool anew = part->closed && close->sequence < part->close.sequence;

	for (uint32_t i = 0; i < close->clusters_len; i++)
		if (!counts(part, pieces_find(&part->waiting, close->clusters[i]), close) &&
		    (anew || !pieces_find(&part->pieces, close->clusters[i])))
			return false;
	return true;
}

/* Takes the waiting pieces over and forgets what is not listed. */
static enum seg_rc adopt(struct seg_part *part, const struct seg_sums_close *close, struct seg_error *err)
{
	for (uint32_t i = 0; i < part->waiting.len;) {
		struct seg_piece *p = &part->waiting.items[i];
		enum seg_rc rc;
		if (p->sequence > close->sequence) {
			i++;
			continue;
		}
		if (counts(part, p, close) && is_listed(close, p->cluster)) {
			rc = pieces_put(&part->pieces, *p, err);
			p->sums = NULL;
			if (rc)
				return rc;
		}
		pieces_drop(&part->waiting, p);
	}
	for (uint32_t i = 0; i < part->pieces.len;) {
		if (is_listed(close, part->pieces.items[i].cluster) || SEG_MUTANT(FOLD_KEEPS_GONE))
			i++;
		else
			pieces_drop(&part->pieces, &part->pieces.items[i]);
	}
	return SEG_OK;
}

/* After an incomplete or old record its pieces would never be taken: a newer piece may replace them, but no memory is
 * won by dropping them here, as there is one per cluster at most. */
enum seg_rc seg_learner_take_close(struct seg_learner *l, int32_t partition, const void *value, size_t len,
				   struct seg_error *err)
{
	struct seg_part *part = part_of(l, partition);
	struct seg_sums_close close = {0};
	enum seg_rc rc;

	if (!part)
		return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory");
	if (!value)
		return SEG_OK;
	rc = seg_sums_close_decode(&close, value, len, err);
	if (rc)
		return seg_error_wrap(err, rc, "sums/%d", partition);
	if (is_old(part, &close) || !is_whole(part, &close)) {
		free(close.clusters);
		return SEG_OK;
	}
	rc = adopt(part, &close, err);
	if (rc) {
		free(close.clusters);
		return rc;
	}
	free(part->close.clusters);
	part->close = close;
	part->closed = true;
	l->sums_changed = true;
	return SEG_OK;
}

static int sampled_compare(const struct seg_sampled *a, uint64_t hash, struct seg_str id)
{
	uint32_t len = a->profile->id.len < id.len ? a->profile->id.len : id.len;
	int order;

	if (a->hash != hash)
		return a->hash < hash ? -1 : 1;
	order = len ? memcmp(a->profile->id.ptr, id.ptr, len) : 0;
	return order ? order : (a->profile->id.len > id.len) - (a->profile->id.len < id.len);
}

/* Where it is, or would be. */
static size_t sampled_find(const struct seg_learner *l, uint64_t hash, struct seg_str id, bool *ret_found)
{
	size_t lo = 0, hi = l->sample_len;

	*ret_found = false;
	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;
		int order = sampled_compare(&l->sample[mid], hash, id);
		if (order == 0) {
			*ret_found = true;
			return mid;
		}
		if (order < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void sample_cut(struct seg_learner *l, size_t len)
{
	while (l->sample_len > len)
		seg_profile_free(l->sample[--l->sample_len].profile);
}

/* Only the smallest hashes are kept; the bound moves down to what is left. */
static void sample_bound_to(struct seg_learner *l, size_t len)
{
	if (l->sample_len <= len)
		return;
	l->bound = l->sample[len].hash;
	while (len > 0 && l->sample[len - 1].hash >= l->bound)
		len--;
	sample_cut(l, len);
}

static enum seg_rc sample_insert(struct seg_learner *l, size_t at, uint64_t hash, struct seg_profile *profile,
				 struct seg_error *err)
{
	if (l->sample_len == l->sample_cap) {
		size_t cap = l->sample_cap ? l->sample_cap * 2 : 1024;
		struct seg_sampled *grown = realloc(l->sample, cap * sizeof(*grown));
		if (!grown)
			return seg_error_set(err, SEG_NO_MEMORY, "sample: out of memory (%zu profiles)", cap);
		l->sample = grown;
		l->sample_cap = cap;
	}
	memmove(l->sample + at + 1, l->sample + at, (l->sample_len - at) * sizeof(*l->sample));
	l->sample[at] = (struct seg_sampled){.hash = hash, .profile = profile};
	l->sample_len++;
	if (l->sample_len > (size_t)SAMPLE_MOST * l->target)
		sample_bound_to(l, (size_t)(SAMPLE_AIM * l->target));
	return SEG_OK;
}

enum seg_rc seg_learner_take_sample(struct seg_learner *l, struct seg_str customer, struct seg_profile *profile,
				    struct seg_error *err)
{
	uint64_t hash = seg_hash_sample(customer);
	bool found;
	size_t at = sampled_find(l, hash, customer, &found);
	enum seg_rc rc = SEG_OK;

	if (profile && !seg_str_eq(profile->id, customer)) {
		rc = seg_error_set(err, SEG_SKIP, "sample: the profile is of another customer than its key");
		goto out;
	}
	if (found && !profile) {
		seg_profile_free(l->sample[at].profile);
		memmove(l->sample + at, l->sample + at + 1, (l->sample_len - at - 1) * sizeof(*l->sample));
		l->sample_len--;
	} else if (found) {
		seg_profile_free(l->sample[at].profile);
		l->sample[at].profile = profile;
		return SEG_OK;
	} else if (profile && hash < l->bound) {
		rc = sample_insert(l, at, hash, profile, err);
		if (!rc)
			return SEG_OK;
	}
out:
	seg_profile_free(profile);
	return rc;
}

bool seg_intake_aim(struct seg_learner *l)
{
	uint64_t before = l->model ? l->model->sample_bound : UINT64_MAX;
	size_t aim = (size_t)(SAMPLE_AIM * l->target);
	double bound, share = (double)l->bound / 0x1p64;

	if (l->sample_len > (size_t)(SAMPLE_FULL * l->target)) {
		sample_bound_to(l, aim);
	} else if (l->complete && (double)l->customers * share < SAMPLE_LEAST * l->target && l->bound != UINT64_MAX) {
		/* Customers left: more hashes are needed. Told from their number, as the answer takes a while. */
		bound = 0x1p64 * (double)aim / (double)(l->customers ? l->customers : 1);
		l->bound = bound >= 0x1p64 ? UINT64_MAX : (uint64_t)bound;
	}
	return l->bound != before;
}

int64_t seg_learner_now(const struct seg_learner *l)
{
	int64_t least = INT64_MAX, greatest = SEG_NO_TIME;

	for (uint32_t i = 0; i < l->parts_len; i++) {
		const struct seg_part *p = &l->parts[i];
		if (!p->closed || p->close.stream_time_ms == SEG_NO_TIME)
			continue;
		if (p->close.stream_time_ms > greatest)
			greatest = p->close.stream_time_ms;
		if (!p->close.idle && p->close.stream_time_ms < least)
			least = p->close.stream_time_ms;
	}
	return least == INT64_MAX ? greatest : least;
}

static const struct seg_part *part_find(const struct seg_learner *l, int32_t partition)
{
	for (uint32_t i = 0; i < l->parts_len; i++)
		if (l->parts[i].partition == partition && l->parts[i].closed)
			return &l->parts[i];
	return NULL;
}

bool seg_intake_complete(const struct seg_learner *l, int32_t expected)
{
	for (int32_t p = 0; p < expected; p++)
		if (!part_find(l, p))
			return false;
	return expected > 0;
}

bool seg_intake_swept(const struct seg_learner *l, int32_t expected, uint64_t promotion)
{
	for (int32_t p = 0; p < expected; p++) {
		const struct seg_part *part = part_find(l, p);
		if (!part || part->close.swept_promotion < promotion)
			return false;
	}
	return expected > 0;
}

enum seg_rc seg_intake_total(struct seg_learner *l, struct seg_error *err)
{
	struct seg_sums *total = seg_sums_new();
	uint64_t customers = 0;
	enum seg_rc rc = SEG_OK;

	if (!total)
		return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory");
	for (uint32_t i = 0; i < l->parts_len && !rc; i++) {
		const struct seg_part *part = &l->parts[i];
		if (!part->closed)
			continue;
		customers += part->close.customers;
		for (uint32_t j = 0; j < part->pieces.len && !rc; j++)
			rc = seg_sums_add(total, part->pieces.items[j].sums, err);
	}
	if (rc) {
		seg_sums_free(total);
		return rc;
	}
	seg_sums_free(l->total);
	l->total = total;
	l->customers = customers;
	return SEG_OK;
}

void seg_intake_release(struct seg_learner *l)
{
	for (uint32_t i = 0; i < l->parts_len; i++) {
		pieces_release(&l->parts[i].pieces);
		pieces_release(&l->parts[i].waiting);
		free(l->parts[i].close.clusters);
	}
	free(l->parts);
	sample_cut(l, 0);
	free(l->sample);
}
