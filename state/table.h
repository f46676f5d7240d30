/*
 * The customers of one partition in memory: an open hash table whose home slot is the hash's leading bits, so that a
 * range of hashes is a range of slots, and memory can be scanned in the store's key order.
 *
 * Linear probing, backward-shift deletion, load at most 2/3. Entries are heap objects at fixed addresses. Not
 * thread-safe; one owner.
 */
#ifndef SEG_STATE_TABLE_H
#define SEG_STATE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/profile.h"
#include "state/spare.h"

/*
 * Up to three versions: the one of the last commit, the one of the commit under way, and the current one. Which of them
 * are there is said by `touched` and `in_seal`: a version may be NULL (no such customer) and yet be one.
 */
struct seg_entry {
	uint64_t hash;
	struct seg_profile *now;  /* current; NULL: there is no such customer, whatever the store says */
	struct seg_image *sealed; /* of the commit under way, if in_seal and touched since (else it is `now`) */
	struct seg_image *before; /* of the last commit, if touched or in_seal (else it is `now`) */
	bool touched : 1;	  /* changed since the last seal */
	bool in_seal : 1;	  /* changed by the commit under way */
	bool dirty_log : 1;	  /* not all of the last commit's version is in the changelog */
	bool dirty_store : 1;	  /* not all of it is in RocksDB */
	bool in_work : 1;	  /* listed: touched, or to be evaluated */
	unsigned listed : 2;	  /* in the partition's dirty list, in the running cycle and not yet written by it: a
				   * bit each, which of them is said by the partition (part_internal.h) */
	bool in_erased : 1;	  /* listed: dead, kept until replay_from has passed its positions */
	bool evaluate : 1;	  /* to be evaluated at the next commit, whatever else happens */
	bool evaluate_sealed : 1; /* was, in the commit under way */
	bool recent : 1;	  /* second chance for eviction */
	bool caused : 1;	  /* a new event since the last seal: cause_* */
	bool tombstone : 1;	  /* its profile's changelog record is to be tombstoned by the next commit */
	enum seg_source cause_source;
	int64_t cause_offset;
	size_t bytes; /* of memory, as last accounted */
	uint32_t id_len;
	char id[];
};

struct seg_table {
	struct seg_slot {
		uint64_t hash;
		struct seg_entry *entry;
	} * slots;
	unsigned bits; /* 1 << bits slots */
	size_t len;
};

static inline struct seg_str seg_entry_id(const struct seg_entry *e)
{
	return (struct seg_str){e->id, e->id_len};
}

enum seg_rc seg_table_init(struct seg_table *t) SEG_MUST_CHECK;
/* Frees all entries with their profiles. */
void seg_table_release(struct seg_table *t);
void seg_table_clear(struct seg_table *t);

struct seg_entry *seg_table_find(const struct seg_table *t, struct seg_str id, uint64_t hash);
/* The same by the hash alone, so that no entry is looked at; another customer's in the rarest case. */
struct seg_entry *seg_table_find_hash(const struct seg_table *t, uint64_t hash);
void seg_table_prefetch(const struct seg_table *t, uint64_t hash);
/* A new entry without a profile; the id must not be there yet. NULL: no memory. */
struct seg_entry *seg_table_add(struct seg_table *t, struct seg_str id, uint64_t hash);
/* Removes and frees the entry with its profiles. */
void seg_table_remove(struct seg_table *t, struct seg_entry *e);

/* Entries with from <= hash <= to in (hash, id) order, into *ret (grown with realloc; caller frees). */
enum seg_rc seg_table_range(const struct seg_table *t, uint64_t from, uint64_t to, struct seg_entry ***ret,
			    size_t *ret_len, size_t *ret_cap) SEG_MUST_CHECK;

/* Order of the store: hash, then id bytes. */
int seg_entry_compare(const struct seg_entry *a, const struct seg_entry *b);

/* Entry at a slot (for eviction's clock hand), or NULL. */
static inline struct seg_entry *seg_table_at(const struct seg_table *t, size_t slot)
{
	return t->slots[slot].entry;
}
static inline size_t seg_table_slots(const struct seg_table *t)
{
	return (size_t)1 << t->bits;
}

#endif
