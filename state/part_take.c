/* Recovery's first half: taking the changelog in, record after record; what memory cannot hold goes to the store. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "state/codec.h"
#include "state/part_internal.h"

/* What is taken in goes to RocksDB in sorted batches when memory is short. The position does not move: the next
 * recovery takes it in once more. */
enum seg_rc seg_part_spill(struct seg_part *part, struct seg_error *err)
{
	enum seg_rc rc;

	seg_keyed_sort(part->dirty.items, part->dirty.len);
	rc = seg_part_write_items(part, part->dirty.items, part->dirty.len, err);
	if (rc == SEG_OK)
		seg_part_tidy_dirty(part);
	return rc;
}

enum seg_rc seg_part_spill_if_full(struct seg_part *part, struct seg_error *err)
{
	enum seg_rc rc;

	if (part->memory_bytes <= part->options.memory_bytes)
		return SEG_OK;
	rc = seg_part_spill(part, err);
	if (rc == SEG_OK)
		seg_part_evict_to(part, part->options.memory_bytes / 2, SIZE_MAX);
	return rc;
}

void seg_part_replace_now(struct seg_part *part, struct seg_entry *e, struct seg_profile *p)
{
	seg_profile_free(e->now);
	e->now = p;
	seg_part_account(part, e);
}

/* The customer's entry where the old content does not matter: no look into the store. */
static enum seg_rc entry_unread(struct seg_part *part, struct seg_str id, struct seg_entry **ret, struct seg_error *err)
{
	uint64_t hash = seg_hash_customer(id);
	struct seg_entry *e = seg_table_find(&part->table, id, hash);

	if (!e)
		return seg_part_load(part, id, hash, NULL, 0, ret, err);
	*ret = e;
	return SEG_OK;
}

/* Seeded bugs: what is in the store or came earlier may win over what comes later. */
static bool older_wins(const struct seg_profile *cur, const struct seg_profile *p)
{
	if (SEG_MUTANT(NUMBER_WINS))
		return cur->decision.change_number >= p->decision.change_number;
	for (int s = 0; s < SEG_SOURCES; s++)
		if (p->applied[s] > cur->applied[s])
			return false;
	return SEG_MUTANT(P_IF_AHEAD);
}

static enum seg_rc take_profile(struct seg_part *part, struct seg_str id, struct seg_str value, struct seg_entry **ret,
				struct seg_error *err)
{
	bool compare = SEG_MUTANT(P_IF_AHEAD) || SEG_MUTANT(NUMBER_WINS);
	struct seg_profile *p = NULL;
	enum seg_rc rc =
		compare ? seg_part_entry(part, id, seg_hash_customer(id), ret, err) : entry_unread(part, id, ret, err);

	if (rc != SEG_OK)
		return rc;
	if (value.ptr) {
		rc = seg_profile_decode(value.ptr, value.len, &p, err);
		if (rc != SEG_OK)
			return rc;
		if (!seg_str_eq(p->id, id)) {
			seg_profile_free(p);
			return seg_error_set(err, SEG_CORRUPT, "a profile record has another customer's key");
		}
	}
	if (compare && p && (*ret)->now && older_wins((*ret)->now, p)) {
		seg_profile_free(p);
		return SEG_OK;
	}
	seg_part_replace_now(part, *ret, p);
	return SEG_OK;
}

static bool same_life(const struct seg_decision *a, const struct seg_decision *b)
{
	return a->alive && b->alive && a->birth_source == b->birth_source && a->birth_offset == b->birth_offset;
}

enum seg_rc seg_profile_take_decision(struct seg_profile **p, struct seg_str id, uint64_t hash,
				      const struct seg_decision *d, struct seg_error *err)
{
	if (*p && same_life(&(*p)->decision, d)) {
		(*p)->decision = *d;
		return SEG_OK;
	}
	struct seg_profile *fresh = seg_profile_new(id, hash);

	if (!fresh)
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for a profile");
	if (d->has_stay_out)
		memcpy(fresh->applied, d->stay_out, sizeof fresh->applied);
	fresh->decision = *d;
	seg_profile_free(*p);
	*p = fresh;
	return SEG_OK;
}

static enum seg_rc take_decision(struct seg_part *part, struct seg_str id, struct seg_str value, struct seg_entry **ret,
				 struct seg_error *err)
{
	struct seg_decision d;
	enum seg_rc rc;

	if (!value.ptr) {
		rc = entry_unread(part, id, ret, err);
		if (rc == SEG_OK)
			seg_part_replace_now(part, *ret, NULL);
		return rc;
	}
	rc = seg_decision_decode(value.ptr, value.len, &d, err);
	if (rc == SEG_OK)
		rc = seg_part_entry(part, id, seg_hash_customer(id), ret, err);
	if (rc != SEG_OK)
		return rc;
	if (SEG_MUTANT(NUMBER_WINS) && (*ret)->now && (*ret)->now->decision.alive) {
		struct seg_decision *decision = &(*ret)->now->decision;

		if (d.change_number > decision->change_number || !d.alive)
			*decision = d;
		return SEG_OK;
	}
	rc = seg_profile_take_decision(&(*ret)->now, id, (*ret)->hash, &d, err);
	if (rc != SEG_OK)
		return rc;
	seg_part_account(part, *ret);
	if (d.alive || (*ret)->in_erased)
		return SEG_OK;
	if (!seg_entries_add(&part->erased, *ret))
		return seg_part_no_memory(part, err);
	(*ret)->in_erased = true;
	return SEG_OK;
}

static enum seg_rc take_cut(struct seg_part *part, struct seg_str value, struct seg_error *err)
{
	struct seg_cut cut;
	enum seg_rc rc;

	if (!value.ptr)
		return SEG_OK;
	rc = seg_cut_decode(value.ptr, value.len, &cut, err);
	if (rc != SEG_OK)
		return rc;
	part->cut = cut;
	part->took_cut = true;
	return SEG_OK;
}

enum seg_rc seg_part_take_into_memory(struct seg_part *part, enum seg_changelog_kind kind, struct seg_str id,
				      struct seg_str value, struct seg_error *err)
{
	struct seg_entry *e = NULL;
	enum seg_rc rc = kind == SEG_CHANGELOG_PROFILE ? take_profile(part, id, value, &e, err)
						       : take_decision(part, id, value, &e, err);

	if (rc == SEG_OK && !SEG_MUTANT(TAKEN_IS_CLEAN))
		rc = seg_part_mark_dirty(part, e, false, true, err);
	return rc;
}

/* Seeded bugs of what follows here are bugs of memory's way. */
static bool in_bulk(const struct seg_part *part)
{
	return part->rebuilding && !(SEG_MUTANT(P_IF_AHEAD) || SEG_MUTANT(NUMBER_WINS) || SEG_MUTANT(TAKEN_IS_CLEAN));
}

static enum seg_rc take(struct seg_part *part, struct seg_str key, struct seg_str value, struct seg_error *err)
{
	enum seg_changelog_kind kind;
	struct seg_str id;
	bool kept = false;
	enum seg_rc rc = seg_changelog_key_parse(key.ptr, key.len, &kind, &id, err);

	if (rc != SEG_OK)
		return rc;
	if (kind == SEG_CHANGELOG_CUT)
		return take_cut(part, value, err);
	if (in_bulk(part))
		rc = seg_part_bulk_keep(part, kind, id, value, &kept, err);
	if (rc == SEG_OK && !kept)
		rc = seg_part_take_into_memory(part, kind, id, value, err);
	return rc == SEG_OK ? seg_part_spill_if_full(part, err) : rc;
}

enum seg_rc seg_part_take(struct seg_part *part, struct seg_str key, struct seg_str value, int64_t offset,
			  struct seg_error *err)
{
	enum seg_rc rc;

	assert(part->taking);
	rc = take(part, key, value, err);
	if (rc != SEG_OK && rc != SEG_NO_MEMORY)
		return seg_error_wrap(err, rc, "partition %d, changelog offset %lld", part->options.partition,
				      (long long)offset);
	return rc;
}
