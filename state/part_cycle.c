/*
 * The fuzzy checkpoint: who is dirty, the cycle that takes the dirty set into changelog and RocksDB, and what is written
 * to RocksDB. Marks belong to the last commit's versions and change only when a commit is known, or a batch written.
 */
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "state/codec.h"
#include "state/part_internal.h"

/* ---- dirty marks ---- */

static size_t slice_of(uint64_t hash)
{
	return (size_t)(hash >> (64 - SEG_SLICE_BITS));
}

static bool add_dirty(struct seg_dirty *dirty, struct seg_entry *e)
{
	if (dirty->len == dirty->cap) {
		size_t cap = dirty->cap ? dirty->cap * 2 : 256;
		struct seg_keyed *bigger = realloc(dirty->items, cap * sizeof *bigger);

		if (!bigger)
			return false;
		dirty->items = bigger;
		dirty->cap = cap;
	}
	dirty->items[dirty->len++] = (struct seg_keyed){e->hash, e};
	dirty->slices[slice_of(e->hash)]++;
	return true;
}

enum seg_rc seg_part_mark_dirty(struct seg_part *part, struct seg_entry *e, bool log, bool store, struct seg_error *err)
{
	if (!log && !store)
		return SEG_OK;
	if (!(e->listed & seg_dirty_bit(part))) {
		if (!add_dirty(&part->dirty, e))
			return seg_part_no_memory(part, err);
		e->listed |= seg_dirty_bit(part);
	} else if (!e->dirty_log && !e->dirty_store) {
		part->dirty_stale--;
	}
	part->dirty_len += !e->dirty_log && !e->dirty_store;
	e->dirty_log |= log;
	e->dirty_store |= store;
	return SEG_OK;
}

void seg_part_clean(struct seg_part *part, struct seg_entry *e, bool log, bool store)
{
	bool was = e->dirty_log || e->dirty_store;

	if (log)
		e->dirty_log = false;
	if (store)
		e->dirty_store = false;
	if (was && !e->dirty_log && !e->dirty_store) {
		part->dirty_len--;
		part->dirty_stale += (e->listed & seg_dirty_bit(part)) != 0;
	}
}

void seg_part_tidy_dirty(struct seg_part *part)
{
	enum { AHEAD = 16 };
	struct seg_dirty *dirty = &part->dirty;
	size_t kept = 0;

	for (size_t i = 0; i < dirty->len; i++) {
		struct seg_entry *e = dirty->items[i].entry;

		if (i + AHEAD < dirty->len)
			__builtin_prefetch(dirty->items[i + AHEAD].entry);
		if (e->dirty_log || e->dirty_store) {
			dirty->items[kept++] = dirty->items[i];
			continue;
		}
		e->listed &= ~seg_dirty_bit(part);
		dirty->slices[slice_of(e->hash)]--;
	}
	dirty->len = kept;
	part->dirty_stale = 0;
}

/* ---- the set ---- */

static int compare_keyed(const void *a, const void *b)
{
	const struct seg_keyed *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return seg_entry_compare(x->entry, y->entry);
}

void seg_keyed_sort(struct seg_keyed *items, size_t len)
{
	if (len > 1)
		qsort(items, len, sizeof *items, compare_keyed);
}

void seg_part_cycle_sort(struct seg_part *part, size_t to)
{
	struct seg_part_cycle *c = &part->cycle;
	size_t at = c->sorted > 0 ? c->ends[c->sorted - 1] : 0;

	for (; at < to && c->sorted < SEG_SLICES; at = c->ends[c->sorted++])
		seg_keyed_sort(c->items + at, c->ends[c->sorted] - at);
}

static enum seg_rc reserve_items(struct seg_part *part, size_t len, struct seg_error *err)
{
	struct seg_keyed *bigger;

	if (len <= part->cycle.cap)
		return SEG_OK;
	bigger = realloc(part->cycle.items, len * sizeof *bigger);
	if (!bigger)
		return seg_part_no_memory(part, err);
	part->cycle.items = bigger;
	part->cycle.cap = len;
	return SEG_OK;
}

static void part_slices(const struct seg_dirty *dirty, struct seg_part_cycle *cycle)
{
	size_t at[SEG_SLICES], sum = 0;

	for (size_t i = 0; i < SEG_SLICES; i++) {
		at[i] = sum;
		sum += dirty->slices[i];
		cycle->ends[i] = sum;
	}
	for (size_t i = 0; i < dirty->len; i++)
		cycle->items[at[slice_of(dirty->items[i].hash)]++] = dirty->items[i];
}

enum seg_rc seg_part_cycle_begin(struct seg_part *part, const struct seg_cut *cut, int64_t cut_offset,
				 struct seg_error *err)
{
	struct seg_part_cycle *cycle = &part->cycle;
	enum seg_rc rc = reserve_items(part, part->dirty.len, err);

	if (rc != SEG_OK)
		return rc;
	cycle->len = part->dirty.len;
	cycle->logged = cycle->written = cycle->sorted = 0;
	part_slices(&part->dirty, cycle);
	part->dirty.len = part->dirty_stale = 0;
	memset(part->dirty.slices, 0, sizeof part->dirty.slices);
	part->turn ^= 1; /* whoever was listed as dirty is listed in the cycle; no entry need be looked at */
	memcpy(cycle->next, cut->next, sizeof cycle->next);
	cycle->position = cut_offset;
	cycle->wall_ms = cut->wall_ms;
	cycle->runs = true;
	return SEG_OK;
}

bool seg_part_cycle_waits(const struct seg_part *part)
{
	const struct seg_part_cycle *c = &part->cycle;

	return c->runs && (c->logged < c->len || c->written == c->len);
}

/* ---- RocksDB ---- */

static enum seg_rc put_cut(struct seg_part *part, const struct seg_cut *cut, struct seg_error *err)
{
	enum seg_rc rc;

	seg_buf_clear(&part->value);
	rc = seg_cut_encode(cut, &part->value, err);
	if (rc == SEG_OK)
		seg_batch_put_meta(part->batch, "cut", part->value.data, part->value.len);
	return rc;
}

static enum seg_rc put_item(struct seg_part *part, const struct seg_entry *e, struct seg_error *err)
{
	const struct seg_profile *p =
		SEG_MUTANT(ROCKS_UNCOMMITTED) || SEG_MUTANT(ROCKS_EARLY) ? e->now : seg_entry_committed(e);
	enum seg_rc rc;

	if (!seg_profile_is_alive(p)) {
		seg_batch_delete_profile(part->batch, e->hash, seg_entry_id(e));
		return SEG_OK;
	}
	seg_buf_clear(&part->value);
	rc = seg_profile_encode(p, &part->value, err);
	if (rc == SEG_OK)
		seg_batch_put_profile(part->batch, e->hash, seg_entry_id(e), part->value.data, part->value.len);
	return rc;
}

/* One batch; *ret_len: how many of the items it took. */
static enum seg_rc write_batch(struct seg_part *part, struct seg_keyed *items, size_t len, size_t *ret_len,
			       struct seg_error *err)
{
	size_t n = 0;
	enum seg_rc rc = SEG_OK;

	seg_batch_clear(part->batch);
	for (; n < len && n < SEG_PART_BATCH && seg_batch_bytes(part->batch) < SEG_PART_BATCH_BYTES; n++) {
		seg_part_look_ahead(items, n, len < SEG_PART_BATCH ? len : SEG_PART_BATCH);
		if (items[n].entry->dirty_store)
			rc = put_item(part, items[n].entry, err);
		if (rc != SEG_OK)
			return seg_part_wrong(part, rc, err);
	}
	bool with_cut = part->has_cut && seg_batch_len(part->batch) > 0;
	if (with_cut)
		rc = put_cut(part, &part->cut, err);
	if (seg_batch_len(part->batch) > 0)
		SEG_CRASH_POINT(CYCLE_WRITE);
	if (rc == SEG_OK)
		rc = seg_batch_write(part->store, part->batch, err);
	if (rc != SEG_OK)
		return seg_part_wrong(part, rc, err);
	part->cut_stored |= with_cut;
	for (size_t i = 0; i < n; i++) {
		seg_part_clean(part, items[i].entry, SEG_MUTANT(ONE_DIRTY) || SEG_MUTANT(ROCKS_IS_CLEAN), true);
		items[i].entry->listed &= ~seg_cycle_bit(part);
	}
	*ret_len = n;
	return SEG_OK;
}

enum seg_rc seg_part_write_items(struct seg_part *part, struct seg_keyed *items, size_t len, struct seg_error *err)
{
	for (size_t at = 0, n = 0; at < len; at += n) {
		enum seg_rc rc = write_batch(part, items + at, len - at, &n, err);

		if (rc != SEG_OK)
			return rc;
	}
	return SEG_OK;
}

enum seg_rc seg_part_write(struct seg_part *part, size_t max, struct seg_error *err)
{
	struct seg_part_cycle *c = &part->cycle;

	while (c->runs && max > 0 && c->written < c->logged) {
		size_t len = c->logged - c->written, n = 0;
		enum seg_rc rc = write_batch(part, c->items + c->written, len < max ? len : max, &n, err);

		if (rc != SEG_OK)
			return rc;
		c->written += n;
		max -= n;
		if (c->written < c->len)
			SEG_CRASH_POINT(CYCLE_PART_WRITTEN);
		else
			SEG_CRASH_POINT(CYCLE_WRITTEN);
	}
	return SEG_OK;
}

enum { POSITION_VERSION = 1 };

/* In a batch of its own, after all that belongs to it. */
enum seg_rc seg_part_write_position(struct seg_part *part, int64_t position, int64_t wall_ms, const struct seg_cut *cut,
				    struct seg_error *err)
{
	enum seg_rc rc;

	seg_batch_clear(part->batch);
	seg_buf_clear(&part->value);
	seg_buf_u8(&part->value, POSITION_VERSION);
	seg_buf_zigzag(&part->value, position);
	seg_buf_zigzag(&part->value, wall_ms);
	seg_batch_put_meta(part->batch, "position", part->value.data, part->value.len);
	rc = put_cut(part, cut, err);
	if (rc == SEG_OK)
		rc = seg_batch_write(part->store, part->batch, err);
	part->cut_stored |= rc == SEG_OK && cut == &part->cut;
	return rc == SEG_OK ? SEG_OK : seg_part_wrong(part, rc, err);
}

enum seg_rc seg_part_write_cut(struct seg_part *part, struct seg_error *err)
{
	enum seg_rc rc;

	if (!part->has_cut || part->cut_stored)
		return SEG_OK;
	seg_batch_clear(part->batch);
	rc = put_cut(part, &part->cut, err);
	if (rc == SEG_OK)
		rc = seg_batch_write(part->store, part->batch, err);
	part->cut_stored = rc == SEG_OK;
	return rc == SEG_OK ? SEG_OK : seg_part_wrong(part, rc, err);
}

enum seg_rc seg_part_cycle_end(struct seg_part *part, struct seg_error *err)
{
	struct seg_part_cycle *c = &part->cycle;

	c->runs = false;
	part->cycles++;
	if (SEG_MUTANT(POS_BEFORE_CUT))
		return SEG_OK;
	SEG_CRASH_POINT(CYCLE_CUT);
	/* Logs of RocksDB that are not synced may be lost one by one: the position must not outlive what lies before it. */
	enum seg_rc rc = seg_store_sync(part->store, err);
	if (rc != SEG_OK)
		return seg_part_wrong(part, rc, err);
	rc = seg_part_write_position(part, c->position, c->wall_ms, &part->cut, err);
	SEG_CRASH_POINT(CYCLE_POSITION);
	return rc;
}
