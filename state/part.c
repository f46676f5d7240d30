/*
 * A partition's life and its cache: open, close, drop, look-ups through memory and store, eviction, figures.
 *
 * DESIGN. Memory lies over the store: whoever has an entry is what the entry says, also when it says that there is nobody.
 * An entry may leave memory only when the store has all of it and the changelog, too (dirty marks), when no list names
 * it, and when it is not an erased customer, whom only the changelog remembers.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "state/codec.h"
#include "state/part_internal.h"

bool seg_entries_add(struct seg_entries *l, struct seg_entry *e)
{
	if (l->len == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 256;
		struct seg_entry **bigger = realloc(l->items, cap * sizeof(struct seg_entry *));

		if (!bigger)
			return false;
		l->items = bigger;
		l->cap = cap;
	}
	l->items[l->len++] = e;
	return true;
}

enum seg_rc seg_part_no_memory(const struct seg_part *part, struct seg_error *err)
{
	return seg_error_set(err, SEG_NO_MEMORY, "partition %d: no memory for %zu customers, %zu bytes in use",
			     part->options.partition, part->table.len, part->memory_bytes);
}

enum seg_rc seg_part_wrong(const struct seg_part *part, enum seg_rc rc, struct seg_error *err)
{
	return seg_error_wrap(err, rc, "partition %d", part->options.partition);
}

/* ---- lifecycle ---- */

/* Spare blocks for images, of some 2 KiB, may take an eighth of the memory. */
enum { SPARE_SHARE = 8 * 2048 };

static void forget_all(struct seg_part *part)
{
	seg_table_clear(&part->table);
	part->work.len = part->dirty.len = part->erased.len = 0;
	memset(part->dirty.slices, 0, sizeof part->dirty.slices);
	part->sealed.work.len = part->sealed.gone.len = 0;
	part->sealed.active = false;
	part->cycle.runs = false;
	part->cycle.len = part->cycle.logged = part->cycle.written = 0;
	part->dirty_len = part->dirty_stale = part->memory_bytes = part->hand = 0;
	part->customers = part->customers_committed = part->below_open = 0;
	part->recounted = false;
	part->recount_next = 0;
}

void seg_part_drop(struct seg_part *part)
{
	forget_all(part);
	seg_part_bulk_drop(part);
	part->ready = part->has_cut = part->taking = part->rereading = part->tombs_late = false;
	part->seq = 0;
	part->changelog_position = -1;
	for (int s = 0; s < SEG_SOURCES; s++)
		part->start[s] = part->next[s] = part->replay_from[s] = -1;
}

/* A damaged store is never trusted, and no reason to stop: Kafka has it all. */
static enum seg_rc open_store(struct seg_part *part, struct seg_error *err)
{
	const struct seg_part_options *o = &part->options;
	enum seg_rc rc = seg_store_open(o->env, o->dir, &part->store, err);

	if (rc != SEG_CORRUPT)
		return rc;
	char kept[SEG_STORE_ASIDE_BYTES], why[sizeof err->text];

	memcpy(why, err->text, sizeof why);
	rc = seg_store_set_aside(o->env, o->dir, kept, err);
	snprintf(part->damaged, sizeof part->damaged, "it could not be opened: %.*s; kept as %s",
		 (int)(sizeof part->damaged - strlen(kept) - 48), why, kept);
	return rc == SEG_OK ? seg_store_open(o->env, o->dir, &part->store, err) : rc;
}

enum seg_rc seg_part_open(const struct seg_part_options *options, struct seg_part **ret, struct seg_error *err)
{
	struct seg_part *part = calloc(1, sizeof *part);
	struct seg_error local = {SEG_OK, ""};
	enum seg_rc rc;

	if (!part)
		return seg_error_set(err, SEG_NO_MEMORY, "partition %d: no memory", options->partition);
	part->options = *options;
	part->spares.limit = options->memory_bytes / SPARE_SHARE;
	if (part->spares.limit > SEG_SPARES)
		part->spares.limit = SEG_SPARES;
	part->batch = seg_batch_new();
	seg_buf_init(&part->key, SEG_CUSTOMER_ID_BYTES + 64);
	seg_buf_init(&part->value, SEG_PROFILE_BYTES_MAX + 4096);
	seg_buf_init(&part->load, SEG_PROFILE_BYTES_MAX);
	if (!part->batch || seg_table_init(&part->table) != SEG_OK) {
		rc = seg_part_no_memory(part, err);
		goto out;
	}
	seg_part_drop(part);
	rc = open_store(part, err ? err : &local);
	if (rc == SEG_OK) {
		*ret = part;
		return SEG_OK;
	}
	rc = seg_part_wrong(part, rc, err);
out:
	seg_part_close(part);
	return rc;
}

void seg_part_set_identity(struct seg_part *part, const struct seg_cut *identity)
{
	part->options.identity = *identity;
}

void seg_part_close(struct seg_part *part)
{
	if (!part)
		return;
	seg_part_bulk_drop(part);
	seg_table_release(&part->table);
	free(part->work.items);
	free(part->dirty.items);
	free(part->erased.items);
	free(part->sealed.work.items);
	free(part->sealed.gone.items);
	free(part->cycle.items);
	free(part->range);
	seg_batch_free(part->batch);
	seg_spares_release(&part->spares);
	seg_buf_release(&part->key);
	seg_buf_release(&part->value);
	seg_buf_release(&part->load);
	seg_store_close(part->store);
	free(part);
}

/* ---- look-ups ---- */

/* An entry's places in the lists: work, erased, dirty and cycle. */
enum { LISTS_BYTES = 2 * sizeof(struct seg_entry *) + 2 * sizeof(struct seg_keyed) };

void seg_part_account(struct seg_part *part, struct seg_entry *e)
{
	size_t bytes = sizeof *e + e->id_len + 2 * sizeof(struct seg_slot) + LISTS_BYTES;

	bytes += e->now ? seg_profile_size(e->now) : 0;
	bytes += e->before ? e->before->bytes : 0;
	bytes += e->sealed ? e->sealed->bytes : 0;
	part->memory_bytes += bytes - e->bytes;
	e->bytes = bytes;
}

static enum seg_rc decode_stored(const struct seg_part *part, struct seg_str id, uint64_t hash, const void *data,
				 size_t len, struct seg_profile **ret, struct seg_error *err)
{
	struct seg_profile *p = NULL;
	enum seg_rc rc = seg_profile_decode(data, len, &p, err);

	if (rc != SEG_OK)
		return seg_error_wrap(err, rc, "partition %d, store", part->options.partition);
	if (!seg_str_eq(p->id, id) || p->hash != hash) {
		seg_profile_free(p);
		return seg_error_set(err, SEG_CORRUPT,
				     "partition %d: the store has another customer's record under hash %016llx",
				     part->options.partition, (unsigned long long)hash);
	}
	*ret = p;
	return SEG_OK;
}

static enum seg_rc decode(const struct seg_part *part, struct seg_str id, uint64_t hash, const void *data, size_t len,
			  struct seg_profile **ret, struct seg_error *err)
{
	struct seg_error own = {SEG_OK, ""};
	enum seg_rc rc = decode_stored(part, id, hash, data, len, ret, &own);

	if (rc == SEG_CORRUPT)
		seg_store_distrust(part->store, own.text);
	if (rc != SEG_OK && err)
		*err = own;
	return rc;
}

enum seg_rc seg_part_load(struct seg_part *part, struct seg_str id, uint64_t hash, const void *data, size_t len,
			  struct seg_entry **ret, struct seg_error *err)
{
	struct seg_profile *p = NULL;
	struct seg_entry *e;
	enum seg_rc rc = data ? decode(part, id, hash, data, len, &p, err) : SEG_OK;

	if (rc != SEG_OK)
		return rc;
	e = seg_table_add(&part->table, id, hash);
	if (!e) {
		seg_profile_free(p);
		return seg_part_no_memory(part, err);
	}
	e->now = p;
	e->recent = true;
	seg_part_account(part, e);
	*ret = e;
	return SEG_OK;
}

enum seg_rc seg_part_entry(struct seg_part *part, struct seg_str id, uint64_t hash, struct seg_entry **ret,
			   struct seg_error *err)
{
	struct seg_entry *e = seg_table_find(&part->table, id, hash);
	enum seg_rc rc;

	if (e) {
		e->recent = true;
		part->hits++;
		*ret = e;
		return SEG_OK;
	}
	part->misses++;
	rc = seg_store_get(part->store, hash, id, &part->load, err);
	if (rc == SEG_NOT_FOUND)
		return seg_part_load(part, id, hash, NULL, 0, ret, err);
	if (rc != SEG_OK)
		return seg_part_wrong(part, rc, err);
	return seg_part_load(part, id, hash, part->load.data, part->load.len, ret, err);
}

static void prefetch(const void *from, size_t len)
{
	enum { LINE = 64 };

	for (size_t i = 0; from && i < len; i += LINE)
		__builtin_prefetch((const char *)from + i);
}

static void prefetch_sections(const struct seg_profile *p)
{
	prefetch(p->web, sizeof *p->web);
	prefetch(p->email, sizeof *p->email);
	prefetch(p->orders, sizeof *p->orders);
	for (int s = 0; s < SEG_SOURCES; s++)
		prefetch(p->seen[s].items, p->seen[s].len * sizeof *p->seen[s].items);
}

/* Step by step for all of them: each step's addresses come from what the step before has asked for. */
void seg_part_prefetch(const struct seg_part_hint *hints, size_t len)
{
	uint64_t hashes[SEG_PART_HINTS];
	const struct seg_entry *entries[SEG_PART_HINTS];

	for (size_t i = 0; i < len; i++) {
		hashes[i] = seg_hash_customer(hints[i].id);
		seg_table_prefetch(&hints[i].part->table, hashes[i]);
	}
	for (size_t i = 0; i < len; i++) {
		entries[i] = seg_table_find_hash(&hints[i].part->table, hashes[i]);
		prefetch(entries[i], sizeof *entries[i]);
	}
	for (size_t i = 0; i < len; i++)
		if (entries[i])
			prefetch(entries[i]->now, sizeof *entries[i]->now);
	for (size_t i = 0; i < len; i++)
		if (entries[i] && entries[i]->now)
			prefetch_sections(entries[i]->now);
}

void seg_part_look_ahead(const struct seg_keyed *items, size_t at, size_t to)
{
	enum { SECTIONS = 3, PROFILE = 6, ENTRY = 9 };

	if (at + ENTRY < to)
		__builtin_prefetch(items[at + ENTRY].entry);
	if (at + PROFILE < to)
		prefetch(items[at + PROFILE].entry->now, sizeof(struct seg_profile));
	if (at + SECTIONS < to && items[at + SECTIONS].entry->now)
		prefetch_sections(items[at + SECTIONS].entry->now);
}

static enum seg_rc find_stored(struct seg_part *part, struct seg_str id, uint64_t hash, struct seg_profile **ret,
			       struct seg_error *err)
{
	struct seg_profile *p = NULL;
	enum seg_rc rc = seg_store_get(part->store, hash, id, &part->load, err);

	if (rc == SEG_OK)
		rc = decode(part, id, hash, part->load.data, part->load.len, &p, err);
	if (rc != SEG_OK)
		return rc;
	if (!seg_profile_is_alive(p)) {
		seg_profile_free(p);
		return SEG_NOT_FOUND;
	}
	*ret = p;
	return SEG_OK;
}

enum seg_rc seg_part_find(struct seg_part *part, struct seg_str id, struct seg_profile **ret, struct seg_error *err)
{
	uint64_t hash = seg_hash_customer(id);
	struct seg_entry *e;
	struct seg_profile *copy;

	if (!part->ready)
		return seg_error_set(err, SEG_RETRY, "partition %d is being recovered", part->options.partition);
	e = seg_table_find(&part->table, id, hash);
	if (!e)
		return find_stored(part, id, hash, ret, err);
	if (!seg_profile_is_alive(seg_entry_committed(e)))
		return SEG_NOT_FOUND;
	copy = seg_profile_clone(seg_entry_committed(e));
	if (!copy)
		return seg_part_no_memory(part, err);
	*ret = copy;
	return SEG_OK;
}

/* ---- memory ---- */

bool seg_entry_is_idle(const struct seg_entry *e)
{
	return !(e->touched || e->in_seal || e->in_work || e->evaluate || e->evaluate_sealed || e->dirty_log ||
		 e->dirty_store || e->listed || e->in_erased);
}

void seg_part_forget(struct seg_part *part, struct seg_entry *e)
{
	assert(seg_entry_is_idle(e));
	part->memory_bytes -= e->bytes;
	seg_table_remove(&part->table, e);
}

/* Second chance: two rounds at most, none when hardly anybody may leave. */
void seg_part_evict_to(struct seg_part *part, size_t bytes, size_t max_steps)
{
	size_t slots = seg_table_slots(&part->table), steps = 2 * slots < max_steps ? 2 * slots : max_steps;

	if (part->memory_bytes <= bytes)
		return;
	if (part->dirty_stale > part->dirty.len / 4)
		seg_part_tidy_dirty(part);
	while (steps-- > 0 && part->memory_bytes > bytes && part->table.len > part->dirty_len) {
		struct seg_entry *e = seg_table_at(&part->table, part->hand & (slots - 1));

		if (e && seg_entry_is_idle(e) && !e->recent) {
			seg_part_forget(part, e); /* what is shifted into the slot is looked at next */
			continue;
		}
		if (e)
			e->recent = false;
		part->hand = (part->hand + 1) & (slots - 1);
	}
	if (part->memory_bytes > bytes)
		seg_spares_release(&part->spares);
}

void seg_part_evict(struct seg_part *part)
{
	enum {
		STEPS = 16384
	}; /* the hand stays where it is: the next call goes on, the owner's thread is not held up */

	seg_part_evict_to(part, part->options.memory_bytes, STEPS + seg_table_slots(&part->table) / 8);
}

bool seg_part_hurry(const struct seg_part *part)
{
	/* Neither the dirty nor the erased may leave memory before a cycle has ended. */
	return part->memory_bytes > part->options.memory_bytes &&
	       part->dirty_len + part->erased.len > part->table.len / 2;
}

/* ---- figures ---- */

const struct seg_cut *seg_part_cut(const struct seg_part *part)
{
	return part->has_cut ? &part->cut : NULL;
}

struct seg_store *seg_part_store(struct seg_part *part)
{
	return part->store;
}

void seg_part_numbers_forget(struct seg_part *part)
{
	part->hits = part->misses = part->cycles = part->faults = part->below_window = 0;
}

void seg_part_numbers(const struct seg_part *part, struct seg_part_numbers *ret)
{
	*ret = (struct seg_part_numbers){
		.customers = part->customers,
		.cached = part->table.len,
		.memory_bytes = part->memory_bytes,
		.hits = part->hits,
		.misses = part->misses,
		.cycle = part->cycle.runs,
		.cut_stored = !part->has_cut || part->cut_stored,
		.cycle_set = part->cycle.runs ? part->cycle.len : 0,
		.cycle_left = part->cycle.runs ? part->cycle.len - part->cycle.logged : 0,
		.seq = part->seq,
		.dirty = part->dirty_len,
		.erased = part->erased.len,
		.cycles = part->cycles,
		.faults = part->faults,
		.below_window = part->below_window,
	};
	for (int s = 0; s < SEG_SOURCES; s++) {
		ret->cycle_next[s] = part->cycle.runs ? part->cycle.next[s] : -1;
		ret->replay_from[s] = part->replay_from[s];
	}
}
