/* Inside of a partition, for state/part*.c only. */
#ifndef SEG_STATE_PART_INTERNAL_H
#define SEG_STATE_PART_INTERNAL_H

#include "base/buf.h"
#include "base/mutant.h"
#include "state/codec.h"
#include "state/part.h"
#include "state/spare.h"
#include "state/table.h"

enum { SEG_PART_BATCH = 2048, SEG_PART_BATCH_BYTES = 4 << 20 };

struct seg_entries {
	struct seg_entry **items;
	size_t len, cap;
};

/* Hash beside the pointer, so that sorting does not go through pointers. */
struct seg_keyed {
	uint64_t hash;
	struct seg_entry *entry;
};

/* Slices of the hashes, each a run of leading bits: a set is parted by them at once, and each is sorted when its turn
 * comes, so that no commit waits for the sorting of all customers. */
enum { SEG_SLICE_BITS = 8, SEG_SLICES = 1 << SEG_SLICE_BITS };

struct seg_dirty {
	struct seg_keyed *items; /* in no order */
	size_t len, cap;
	size_t slices[SEG_SLICES]; /* how many of them are in each */
};

/* items[0 .. written) are in RocksDB (their pointers may be stale), [written .. logged) are in the changelog or needed
 * not go there, the rest is still to be logged. Who was clean when it began is in it, too, and passed over. */
struct seg_part_cycle {
	bool runs;
	int64_t next[SEG_SOURCES]; /* O: input positions of the commit that it began with */
	int64_t position;	   /* L: offset of that commit's cut in the changelog */
	int64_t wall_ms;	   /* of that cut */
	struct seg_keyed *items;   /* by slice; in key order up to the end of slice `sorted` - 1 */
	size_t len, cap;
	size_t logged, written;
	size_t ends[SEG_SLICES]; /* of the slices, in items */
	size_t sorted;		 /* slices */
};

/* The commit under way. */
struct seg_part_sealed {
	bool active, begins, ends;
	struct seg_cut cut;
	uint64_t customers, below_window;
	size_t logged_to;	 /* cycle.logged once it has committed */
	struct seg_entries work; /* touched or evaluated by it */
	struct seg_entries gone; /* whose erasure's decision it tombstones */
};

struct seg_part {
	struct seg_part_options options;
	struct seg_store *store;
	char damaged[SEG_PART_WHY]; /* why the store had to be made anew at open; told by the next recovery */
	struct seg_table table;
	struct seg_batch *batch;
	struct seg_spares spares;
	struct seg_buf key, value, load;

	bool ready;	    /* recovered, and nothing is unknown */
	struct seg_cut cut; /* newest committed; has_cut */
	bool has_cut;
	uint64_t seq;		    /* of the last commit */
	int64_t start[SEG_SOURCES]; /* committed positions, or where to start; -1 */
	int64_t next[SEG_SOURCES];  /* current positions */
	int64_t replay_from[SEG_SOURCES];
	int64_t changelog_position; /* L of the newest cut */

	uint64_t customers, customers_committed;
	struct seg_entries work, erased;
	struct seg_dirty dirty;
	unsigned turn;	    /* bit of seg_entry.listed that means the dirty list; the other means the cycle */
	size_t dirty_len;   /* entries with a dirty mark */
	size_t dirty_stale; /* of the dirty list: clean by now */
	struct seg_part_cycle cycle;
	struct seg_part_sealed sealed;

	size_t memory_bytes, hand;
	uint64_t hits, misses, cycles, faults;
	uint64_t below_window, below_open; /* committed; since the last seal */

	/* recount and merged scans */
	bool recounted;
	uint64_t recount_next; /* hashes below it are in the sums */
	struct seg_entry **range;
	size_t range_len, range_cap;

	/* recovery */
	struct seg_recovery facts;
	bool taking, rereading, rebuilding, took_cut;
	int64_t from_offset; /* where the changelog is read from; SEG_PART_FROM_START */
	int64_t reread_at[SEG_SOURCES], reread_to[SEG_SOURCES];
	bool reread_last[SEG_SOURCES]; /* the record before the end has come (a seeded bug looks at it) */
	struct seg_bulk *bulk;	       /* of a rebuild; NULL: nothing is kept */
	struct seg_cut store_cut;      /* as the store had it, has_store_cut */
	bool has_store_cut;
	bool cut_stored; /* the store has the newest cut */
	bool tombs_late; /* seeded bug: tombstones wait for the next commit */
};

/* part.c */
bool seg_entries_add(struct seg_entries *l, struct seg_entry *e) SEG_MUST_CHECK;
enum seg_rc seg_part_no_memory(const struct seg_part *part, struct seg_error *err);
/* part_mend.c: an empty store takes the place of this one, which is kept aside (why then says where) or deleted. */
enum seg_rc seg_part_replace_store(struct seg_part *part, bool keep, char why[SEG_PART_WHY],
				   struct seg_error *err) SEG_MUST_CHECK;

enum seg_rc seg_part_wrong(const struct seg_part *part, enum seg_rc rc, struct seg_error *err);
/* The entry of a customer, from memory or the store; its `now` may be NULL (no such customer). */
enum seg_rc seg_part_entry(struct seg_part *part, struct seg_str id, uint64_t hash, struct seg_entry **ret,
			   struct seg_error *err) SEG_MUST_CHECK;
/* Adds an entry with a decoded record of the store (data NULL: none). */
enum seg_rc seg_part_load(struct seg_part *part, struct seg_str id, uint64_t hash, const void *data, size_t len,
			  struct seg_entry **ret, struct seg_error *err) SEG_MUST_CHECK;
/* In a loop over items that lie scattered in memory: brings near what is some steps ahead. */
void seg_part_look_ahead(const struct seg_keyed *items, size_t at, size_t to);
void seg_part_account(struct seg_part *part, struct seg_entry *e);
/* Takes the entry out of memory; it must be in no list. */
void seg_part_forget(struct seg_part *part, struct seg_entry *e);
bool seg_entry_is_idle(const struct seg_entry *e);
void seg_part_evict_to(struct seg_part *part, size_t bytes, size_t max_steps);

static inline bool seg_profile_is_alive(const struct seg_profile *p)
{
	return p && p->decision.alive;
}

static inline unsigned seg_dirty_bit(const struct seg_part *part)
{
	return 1U << part->turn;
}

static inline unsigned seg_cycle_bit(const struct seg_part *part)
{
	return 2U >> part->turn;
}

/* The version of the last commit. */
static inline const struct seg_profile *seg_entry_committed(const struct seg_entry *e)
{
	if (e->touched || e->in_seal)
		return e->before ? &e->before->profile : NULL;
	return e->now;
}

/* part_apply.c: a pre-image is taken at the first touch after a seal. */
enum seg_rc seg_part_touch(struct seg_part *part, struct seg_entry *e, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_part_mark_evaluate(struct seg_part *part, struct seg_entry *e, struct seg_error *err) SEG_MUST_CHECK;
/* The sums follow a change from one version to another (either may be NULL) of a customer the recount has passed. */
enum seg_rc seg_part_contribute(struct seg_part *part, uint64_t hash, const struct seg_contribution *from,
				const struct seg_contribution *to, struct seg_error *err) SEG_MUST_CHECK;
/* Positions at or below `stay_out` can be re-read no more once replay_from (or another limit) is past them all. */
bool seg_stay_out_is_passed(const struct seg_decision *d, const int64_t limit[SEG_SOURCES]);
/* Makes *p an empty dead profile whose positions stay out. */
void seg_profile_bury(struct seg_profile *p, const int64_t stay_out[SEG_SOURCES]);

/* part_cycle.c */
enum seg_rc seg_part_mark_dirty(struct seg_part *part, struct seg_entry *e, bool log, bool store,
				struct seg_error *err) SEG_MUST_CHECK;
void seg_part_clean(struct seg_part *part, struct seg_entry *e, bool log, bool store);
void seg_part_tidy_dirty(struct seg_part *part);
/* Sorts the cycle's slices that reach below `to`. */
void seg_part_cycle_sort(struct seg_part *part, size_t to);
/* Begins a cycle with the dirty set as it is now. */
enum seg_rc seg_part_cycle_begin(struct seg_part *part, const struct seg_cut *cut, int64_t cut_offset,
				 struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_part_cycle_end(struct seg_part *part, struct seg_error *err) SEG_MUST_CHECK;
/* Writes entries in the order given as batches, their committed state. */
enum seg_rc seg_part_write_items(struct seg_part *part, struct seg_keyed *items, size_t len,
				 struct seg_error *err) SEG_MUST_CHECK;
void seg_keyed_sort(struct seg_keyed *items, size_t len);
enum seg_rc seg_part_write_position(struct seg_part *part, int64_t position, int64_t wall_ms, const struct seg_cut *cut,
				    struct seg_error *err) SEG_MUST_CHECK;

/* part_take.c: what is taken in and not in RocksDB yet goes there; the position does not move. */
enum seg_rc seg_part_spill(struct seg_part *part, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_part_spill_if_full(struct seg_part *part, struct seg_error *err) SEG_MUST_CHECK;
void seg_part_replace_now(struct seg_part *part, struct seg_entry *e, struct seg_profile *p);
enum seg_rc seg_part_take_into_memory(struct seg_part *part, enum seg_changelog_kind kind, struct seg_str id,
				      struct seg_str value, struct seg_error *err) SEG_MUST_CHECK;
/* A decision onto a profile: of another life, or without one (*p NULL), what was is freed and an empty one begins, with what
 * the erasure in between keeps out as applied. */
enum seg_rc seg_profile_take_decision(struct seg_profile **p, struct seg_str id, uint64_t hash,
				      const struct seg_decision *d, struct seg_error *err) SEG_MUST_CHECK;

/* part_bulk.c: keeps a record of a rebuild, unless memory has its customer or it is too large (*ret_kept false). */
enum seg_rc seg_part_bulk_keep(struct seg_part *part, enum seg_changelog_kind kind, struct seg_str id,
			       struct seg_str value, bool *ret_kept, struct seg_error *err) SEG_MUST_CHECK;
/* What is kept goes to the store. */
enum seg_rc seg_part_bulk_write(struct seg_part *part, struct seg_error *err) SEG_MUST_CHECK;
void seg_part_bulk_drop(struct seg_part *part);

#endif
