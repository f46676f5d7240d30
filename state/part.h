/*
 * One partition number of the inputs: its customers in memory and on disk, how far it has read, what of it the changelog
 * and RocksDB have, and the checkpoint cycle. This is the heart of the exactly-once protocol (docs/design.md, section 2):
 * the inputs are the log, a profile knows what it has seen, only decisions are logged at once.
 *
 * No Kafka here: the owner feeds events and changelog records, and sends what seal() emits in one transaction. A seal is
 * one commit: at most one is under way. Events may be applied between seal() and committed()/aborted(); they belong to the
 * next commit.
 *
 *   open -> recover -> take… -> taken -> reread… -> recovered -> { apply… decide… seal committed|aborted write evict }…
 *
 * After an outcome that nobody knows, or when the partition is lost: drop() and recover again, which is what an assignment
 * does, too. Not thread-safe; one owner. RocksDB is never ahead of Kafka.
 */
#ifndef SEG_STATE_PART_H
#define SEG_STATE_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event.h"
#include "base/profile.h"
#include "state/aggregate.h"
#include "state/cut.h"
#include "state/store.h"

struct seg_part;
struct seg_entry;

struct seg_part_options {
	struct seg_store_env *env; /* borrowed until close */
	const char *dir;
	int32_t partition; /* for messages */
	struct seg_aggregate_config aggregates;
	size_t memory_bytes;	 /* profiles in memory: above it clean ones are evicted, and above it with
						 * too few clean ones seg_part_hurry() is true */
	struct seg_cut identity; /* constant fields of this owner's cuts: config_fingerprint, topic ids,
						 * transactional id, cluster id, instance */
	bool accept_config_change;
	int64_t tombstone_retention_ms; /* the changelog's delete.retention.ms less a margin; 0: no limit */

	/* The sums follow every change of a contribution (sign 1: goes in, -1: is taken out), of customers whose keys the
	 * recount has passed. */
	enum seg_rc (*contribution)(void *ctx, const struct seg_contribution *c, int sign, struct seg_error *err);
	void *ctx;
};

/* A store that is damaged so that it cannot be opened is set aside; the next seg_part_recover() says so. */
enum seg_rc seg_part_open(const struct seg_part_options *options, struct seg_part **ret,
			  struct seg_error *err) SEG_MUST_CHECK;
void seg_part_close(struct seg_part *part); /* NULL is fine; the store keeps what was written */
/* Another owner in the same process: constant fields of cuts from now on. */
void seg_part_set_identity(struct seg_part *part, const struct seg_cut *identity);

/* ---- recovery ---- */

enum { SEG_PART_FROM_START = -2, SEG_PART_WHY = 256 };

struct seg_group {		   /* the group's stable committed offsets of this partition number */
	bool known;		   /* false: nothing committed yet (or expired) */
	uint64_t seq;		   /* of "seq=N" */
	int64_t next[SEG_SOURCES]; /* -1: none */
};

struct seg_recovery {
	struct seg_group group;
	int64_t wall_ms;
	int64_t changelog_low, changelog_high; /* read_uncommitted watermarks, captured after the group's offsets */
	int64_t input_low[SEG_SOURCES];	       /* log starts; -1: source not read */
	bool knows_input_high;
	int64_t input_high[SEG_SOURCES]; /* log ends, read_uncommitted: a cut beyond them is of another log */
};

/* True: what is in memory is still right (same seq, nothing touched): no recovery is needed, resume at seg_part_next(). */
bool seg_part_is_current(const struct seg_part *part, const struct seg_group *group);

/*
 * Drops all memory and begins: *ret_from is where to read the changelog (SEG_PART_FROM_START or an offset), up to
 * changelog_high. A store that cannot be right (no position, older than the tombstones kept, other cluster or topic ids,
 * position beyond the log) is set aside first; ret_why (may be NULL, SEG_PART_WHY bytes) then says why, else is "".
 */
enum seg_rc seg_part_recover(struct seg_part *part, const struct seg_recovery *facts, int64_t *ret_from, char *ret_why,
			     struct seg_error *err) SEG_MUST_CHECK;

/* A committed changelog record, in order. value.ptr NULL: tombstone. SEG_CORRUPT / SEG_INVALID (newer version). */
enum seg_rc seg_part_take(struct seg_part *part, struct seg_str key, struct seg_str value, int64_t offset,
			  struct seg_error *err) SEG_MUST_CHECK;

/*
 * The changelog is read. Re-read inputs from ret_from[s] to ret_to[s] (exclusive; equal: nothing to do). SEG_INVALID: stop,
 * the text says what to do (fingerprint differs, inputs no longer reach back, group offsets differ from the cut);
 * SEG_CORRUPT: seg_store_distrust(), seg_part_mend() and recover again. A cut without group offsets is resumed from with *ret_warn set.
 */
enum seg_rc seg_part_taken(struct seg_part *part, int64_t ret_from[SEG_SOURCES], int64_t ret_to[SEG_SOURCES],
			   bool *ret_warn, struct seg_error *err) SEG_MUST_CHECK;
/* After a seg_part_taken() that failed: the changelog has a commit that the group, asked before, did not have yet. */
bool seg_part_is_outrun(const struct seg_part *part);

/* One accepted (decoded, cleaned) input record at its offset; erase and identify records only move the position. */
enum seg_rc seg_part_reread(struct seg_part *part, const struct seg_event *e, int64_t offset,
			    struct seg_error *err) SEG_MUST_CHECK;
/* Position of the re-reading of a source: after a refused record, or from an end mark. */
void seg_part_reread_position(struct seg_part *part, enum seg_source source, int64_t next);
/* Each source is at or past its end; `last_record` bookkeeping is inside. */
bool seg_part_reread_done(const struct seg_part *part);
enum seg_rc seg_part_recovered(struct seg_part *part, struct seg_error *err) SEG_MUST_CHECK;

/* The store was emptied and is being filled from the changelog's start: what is corrupt now is so in Kafka. */
bool seg_part_is_rebuilding(const struct seg_part *part);
/* What ails the store since it was opened, see seg_store_trouble(): then seg_part_mend() and recover. */
enum seg_rc seg_part_trouble(const struct seg_part *part, struct seg_error *ret);
/*
 * Before a recovery: drops memory and opens a store again that could not be written; one that is damaged is set aside and
 * a new one takes its place, the next seg_part_recover() says so. SEG_IO: not yet (no space): try again later.
 */
enum seg_rc seg_part_mend(struct seg_part *part, struct seg_error *err) SEG_MUST_CHECK;
/* Empties the store for a rebuild from changelog and inputs. */
enum seg_rc seg_part_rebuild(struct seg_part *part, struct seg_error *err) SEG_MUST_CHECK;
/* Lost, or outcome unknown: memory is dropped; recover before anything else. */
void seg_part_drop(struct seg_part *part);

/* The newest cut known: from recovery or the last commit. NULL: none yet. */
const struct seg_cut *seg_part_cut(const struct seg_part *part);

/* ---- running ---- */

/* Next input offset of a source: where to resume and what the commit sends. -1: none yet. */
int64_t seg_part_next(const struct seg_part *part, enum seg_source source);
/* First position of a source without a committed one (the concrete log start). */
void seg_part_set_start(struct seg_part *part, enum seg_source source, int64_t offset);
/* Records that are about to come: what memory has of their customers is brought near the processor. A hint and no more;
 * at most SEG_PART_HINTS. */
enum { SEG_PART_HINTS = 8 };
struct seg_part_hint {
	const struct seg_part *part;
	struct seg_str id;
};
void seg_part_prefetch(const struct seg_part_hint *hints, size_t len);
/* A record that does nothing to a profile (refused, erase of nobody), or an end mark past markers. */
void seg_part_advance(struct seg_part *part, enum seg_source source, int64_t next);

/* One accepted event. Makes the customer when there is none (its birth is this record). Moves the position. *ret_entry
 * (may be NULL) is the customer's, valid until evict. SEG_APPLIED_SEEN, _DUPLICATE, _IGNORED: nothing changed. */
enum seg_rc seg_part_apply(struct seg_part *part, const struct seg_event *e, int64_t offset, enum seg_applied *ret,
			   struct seg_entry **ret_entry, struct seg_error *err) SEG_MUST_CHECK;

/*
 * Erasure (source and offset of the erase record) or expiry (source SEG_SOURCES): the profile becomes empty with the
 * partition's positions as what stays out. Call before the position moves past the erase record's offset + 1, i.e. after
 * seg_part_advance() of that record. *ret_was: the decision it had (for the change to null). SEG_NOT_FOUND: nobody.
 */
enum seg_rc seg_part_erase(struct seg_part *part, struct seg_str id, struct seg_decision *ret_was,
			   struct seg_error *err) SEG_MUST_CHECK;

/* Who is to be evaluated by this commit: touched since the last seal, or marked; in order of first touch. The list is
 * valid until the next call of any function that is not seg_part_decide() or seg_entry_*. */
enum seg_rc seg_part_pending(struct seg_part *part, struct seg_entry ***ret, size_t *ret_len,
			     struct seg_error *err) SEG_MUST_CHECK;
/* Current profile; NULL or not alive: nothing to evaluate. */
const struct seg_profile *seg_entry_profile(const struct seg_entry *e);
/* The customer's last record of this commit; false: none (time, model, or recovery's re-reading). */
bool seg_entry_cause(const struct seg_entry *e, enum seg_source *ret_source, int64_t *ret_offset);

/* Evaluated: takes copies. `stay_out` of the decision is kept or dropped by the part itself, birth is untouched. */
enum seg_rc seg_part_decide(struct seg_part *part, struct seg_entry *e, const struct seg_decision *decision,
			    const struct seg_contribution *contribution, struct seg_error *err) SEG_MUST_CHECK;

/*
 * Visits living customers with from <= hash <= to in (hash, id) order, over store and memory as of now, at most `max`.
 * visit returns true when the customer is to be evaluated at the next commit. *ret_next: the hash to go on from, and
 * *ret_done when `to` was reached. The scan stops between hashes, never within one.
 */
typedef bool (*seg_part_visit)(void *ctx, const struct seg_profile *p);
enum seg_rc seg_part_scan(struct seg_part *part, uint64_t from, uint64_t to, size_t max, seg_part_visit visit,
			  void *ctx, uint64_t *ret_next, bool *ret_done, struct seg_error *err) SEG_MUST_CHECK;

/* Recount of the sums beside the work: adds the contributions of at most max further customers through the hook. */
enum seg_rc seg_part_recount(struct seg_part *part, size_t max, bool *ret_done, struct seg_error *err) SEG_MUST_CHECK;
bool seg_part_recounted(const struct seg_part *part);

/* Living customer of that id as of the last commit; decoded or cloned, caller frees with seg_profile_free().
 * SEG_NOT_FOUND; SEG_RETRY: being recovered. */
enum seg_rc seg_part_find(struct seg_part *part, struct seg_str id, struct seg_profile **ret,
			  struct seg_error *err) SEG_MUST_CHECK;

/* ---- commit ---- */

struct seg_seal {
	int64_t stream_time_ms, source_max_time_ms[SEG_SOURCES], wall_ms;
	uint64_t scan_cursor, sweep_promotion, model_version;
	uint64_t sample_reach;
	int64_t sample_reach_ms;
	size_t max_profiles; /* of the running cycle to log in this commit (at least) */
	bool begin_cycle;    /* begin one if none runs */
};

enum seg_emit { SEG_EMIT_RECORD, SEG_EMIT_CUT };
/* value.ptr NULL: tombstone. Key and value are borrowed until return. The cut comes last: keep its offset. */
typedef enum seg_rc (*seg_part_emit)(void *ctx, enum seg_emit what, struct seg_str key, struct seg_str value,
				     struct seg_error *err);

/* Anything since the last seal: positions moved, somebody touched or to be evaluated. A running cycle alone is no work:
 * see seg_part_cycle_waits(). */
bool seg_part_has_work(const struct seg_part *part);
/* A cycle runs and has profiles to log, or is whole and waits for the commit that ends it. */
bool seg_part_cycle_waits(const struct seg_part *part);

/* On failure nothing is sealed: abort the transaction and call seg_part_aborted(), which undoes all since the last commit. */
enum seg_rc seg_part_seal(struct seg_part *part, const struct seg_seal *seal, seg_part_emit emit, void *ctx,
			  struct seg_error *err) SEG_MUST_CHECK;
uint64_t seg_part_sealed_seq(const struct seg_part *part); /* goes with the offsets as "seq=N" */
int64_t seg_part_sealed_next(const struct seg_part *part, enum seg_source source);

/* cut_offset: of the cut in the changelog; -1: not known (a cycle that began with it is given up). SEG_IO: the store. */
enum seg_rc seg_part_committed(struct seg_part *part, int64_t cut_offset, struct seg_error *err) SEG_MUST_CHECK;
/* Definite abort: everything since the last commit, also what was applied after the seal, is as before; rewind to
 * seg_part_next(). Who was to be evaluated still is. SEG_NO_MEMORY: drop and recover. */
enum seg_rc seg_part_aborted(struct seg_part *part, struct seg_error *err) SEG_MUST_CHECK;

/* Writes at most max committed profiles of the cycle, already logged, to RocksDB as one batch in key order. */
enum seg_rc seg_part_write(struct seg_part *part, size_t max, struct seg_error *err) SEG_MUST_CHECK;
/* Writes the newest committed cut to RocksDB, if a batch of profiles has not taken it along. */
enum seg_rc seg_part_write_cut(struct seg_part *part, struct seg_error *err) SEG_MUST_CHECK;
/* Lets clean profiles go while memory is above its bound. Entries got before are invalid then. */
void seg_part_evict(struct seg_part *part);
bool seg_part_hurry(const struct seg_part *part);

struct seg_part_numbers {
	uint64_t customers; /* living, exactly */
	uint64_t cached, memory_bytes, hits, misses;
	bool cycle;			 /* one runs */
	bool cut_stored;		 /* the store has the newest cut, or there is none */
	uint64_t cycle_set, cycle_left;	 /* profiles of it: in all, still to be logged */
	int64_t cycle_next[SEG_SOURCES]; /* its positions O; -1 */
	int64_t replay_from[SEG_SOURCES];
	uint64_t seq, dirty, erased; /* erased: kept in memory until replay_from has passed them */
	uint64_t cycles;	     /* ended since open */
	uint64_t below_window;	     /* applied though older than all of a full dedup window, by commits since open: a
				* repeat counts */
	uint64_t faults;	     /* re-read records of customers who are not there, since open: left out */
};
void seg_part_numbers(const struct seg_part *part, struct seg_part_numbers *ret);
/* Those "since open" begin at 0 again. */
void seg_part_numbers_forget(struct seg_part *part);
struct seg_store *seg_part_store(struct seg_part *part);

#endif
