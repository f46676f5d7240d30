/*
 * Customers in key order over store and memory as one: the rolling scan, and the recount of the sums. Memory lies over
 * the store: where both know a customer, the entry counts.
 */
#include <stdlib.h>

#include "base/buf.h"
#include "base/fault.h"
#include "state/codec.h"
#include "state/part_internal.h"

struct walk {
	struct seg_part *part;
	uint64_t to;
	size_t left; /* customers still to be looked at */
	/* e is NULL for who is only in the store; p is alive. */
	enum seg_rc (*visit)(struct walk *w, struct seg_entry *e, const struct seg_profile *p,
			     const struct seg_scan_item *item, struct seg_error *err);
	void *ctx;
	seg_part_visit wants;
	struct seg_scan *scan;
	struct seg_scan_item item;
	bool has_item;
	bool store_only;
	uint64_t last; /* hash of the last customer looked at */
	bool looked, full;
};

static enum seg_rc next_item(struct walk *w, struct seg_error *err)
{
	enum seg_rc rc = seg_scan_next(w->scan, &w->item, err);

	w->has_item = rc == SEG_OK;
	return rc == SEG_NOT_FOUND ? SEG_OK : rc;
}

/* The walk stops between hashes only. */
static bool is_full(struct walk *w, uint64_t hash)
{
	if (w->looked && hash == w->last)
		return false;
	if (w->left == 0) {
		w->full = true;
		return true;
	}
	return false;
}

static void looked_at(struct walk *w, uint64_t hash)
{
	w->last = hash;
	w->looked = true;
	w->left -= w->left > 0;
}

static enum seg_rc visit_stored(struct walk *w, struct seg_error *err)
{
	struct seg_profile *p = NULL;
	struct seg_error own = {SEG_OK, ""};
	enum seg_rc rc = seg_profile_decode(w->item.data, w->item.len, &p, &own);

	if (rc == SEG_CORRUPT)
		seg_store_distrust(w->part->store, own.text);
	if (rc != SEG_OK)
		return seg_error_set(err, rc, "%s", own.text);
	looked_at(w, w->item.hash);
	if (seg_profile_is_alive(p))
		rc = w->visit(w, NULL, p, &w->item, err);
	seg_profile_free(p);
	return rc == SEG_OK ? next_item(w, err) : rc;
}

static enum seg_rc visit_entry(struct walk *w, struct seg_entry *e, struct seg_error *err)
{
	if (w->store_only)
		return SEG_OK;
	looked_at(w, e->hash);
	return seg_profile_is_alive(e->now) ? w->visit(w, e, e->now, NULL, err) : SEG_OK;
}

/* <0: the store's item comes first; 0: the same customer. */
static int compare(const struct seg_scan_item *item, const struct seg_entry *e)
{
	uint32_t n = item->id.len < e->id_len ? item->id.len : e->id_len;
	int c;

	if (item->hash != e->hash)
		return item->hash < e->hash ? -1 : 1;
	c = memcmp(item->id.ptr, e->id, n);
	return c ? c : (item->id.len > e->id_len) - (item->id.len < e->id_len);
}

/* Both sides up to and including `to`. */
static enum seg_rc merge(struct walk *w, uint64_t to, struct seg_error *err)
{
	struct seg_part *part = w->part;
	size_t i = 0, len = w->store_only ? 0 : part->range_len;
	enum seg_rc rc = SEG_OK;

	while (rc == SEG_OK) {
		struct seg_entry *e = i < len ? part->range[i] : NULL;
		bool stored = w->has_item && w->item.hash <= to;
		int order = e && stored ? compare(&w->item, e) : stored ? -1 : 1;

		if (!e && !stored)
			break;
		if (is_full(w, order < 0 ? w->item.hash : e->hash))
			break;
		if (order < 0) {
			rc = visit_stored(w, err);
			continue;
		}
		rc = visit_entry(w, e, err);
		i++;
		if (rc == SEG_OK && order == 0)
			rc = next_item(w, err);
	}
	return rc;
}

/* A stretch of hashes in which memory has about as many customers as are still to be looked at. */
static uint64_t stretch(const struct walk *w, uint64_t from)
{
	uint64_t each = UINT64_MAX / (w->part->table.len + 1);
	uint64_t want = w->left < SIZE_MAX / 2 ? w->left + 64 : w->left, width;

	if (__builtin_mul_overflow(each, want, &width) || width >= w->to - from)
		return w->to;
	return from + width;
}

static enum seg_rc walk(struct walk *w, uint64_t from, uint64_t *ret_next, bool *ret_done, struct seg_error *err)
{
	struct seg_part *part = w->part;
	enum seg_rc rc = seg_scan_open(part->store, from, &w->scan, err);

	if (rc != SEG_OK)
		return seg_part_wrong(part, rc, err);
	rc = next_item(w, err);
	for (uint64_t at = from; rc == SEG_OK;) {
		uint64_t end = stretch(w, at);

		if (seg_table_range(&part->table, at, end, &part->range, &part->range_len, &part->range_cap) != SEG_OK)
			rc = seg_part_no_memory(part, err);
		else
			rc = merge(w, end, err);
		if (w->full || end == w->to)
			break;
		at = end + 1;
	}
	seg_scan_close(w->scan);
	if (rc != SEG_OK)
		return seg_part_wrong(part, rc, err);
	*ret_done = !w->full;
	*ret_next = w->full ? (w->looked ? w->last + 1 : from) : w->to + 1;
	return SEG_OK;
}

/* ---- the rolling scan ---- */

static enum seg_rc visit_scan(struct walk *w, struct seg_entry *e, const struct seg_profile *p,
			      const struct seg_scan_item *item, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	if (!w->wants(w->ctx, p))
		return SEG_OK;
	if (!e)
		rc = seg_part_load(w->part, item->id, item->hash, item->data, item->len, &e, err);
	return rc == SEG_OK ? seg_part_mark_evaluate(w->part, e, err) : rc;
}

enum seg_rc seg_part_scan(struct seg_part *part, uint64_t from, uint64_t to, size_t max, seg_part_visit visit,
			  void *ctx, uint64_t *ret_next, bool *ret_done, struct seg_error *err)
{
	struct walk w = {.part = part, .to = to, .left = max, .visit = visit_scan, .ctx = ctx, .wants = visit};

	return walk(&w, from, ret_next, ret_done, err);
}

/* ---- the recount ---- */

static enum seg_rc visit_recount(struct walk *w, struct seg_entry *e, const struct seg_profile *p,
				 const struct seg_scan_item *item, struct seg_error *err)
{
	const struct seg_part_options *o = &w->part->options;

	(void)e;
	(void)item;
	SEG_CRASH_POINT(RECOUNT);
	if (!o->contribution || p->contribution.basis == 0)
		return SEG_OK;
	return o->contribution(o->ctx, &p->contribution, 1, err);
}

bool seg_part_recounted(const struct seg_part *part)
{
	return part->recounted;
}

enum seg_rc seg_part_recount(struct seg_part *part, size_t max, bool *ret_done, struct seg_error *err)
{
	struct walk w = {.part = part,
			 .to = UINT64_MAX,
			 .left = max,
			 .visit = visit_recount,
			 .store_only = SEG_MUTANT(RECOUNT_STORE)};
	uint64_t next;
	bool done = true;

	if (!part->recounted) {
		enum seg_rc rc = walk(&w, part->recount_next, &next, &done, err);

		if (rc != SEG_OK)
			return rc;
		part->recounted = done;
		part->recount_next = done ? UINT64_MAX : next;
	}
	*ret_done = done;
	return SEG_OK;
}
