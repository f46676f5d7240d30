/*
 * Seeded bugs. In a build with SEG_MUTATIONS each rule of the protocol can be broken on purpose, so that the tests that
 * guard it can be shown to fail; in every other build SEG_MUTANT() is the constant false and leaves no trace.
 * The names are those of the protocol's model, see docs/protocol.md.
 */
#ifndef SEG_BASE_MUTANT_H
#define SEG_BASE_MUTANT_H

#include <stdbool.h>

#define SEG_MUTANT_TABLE(X)                                                                                            \
	X(NONE, "none", "the protocol as it is")                                                                       \
	X(NUMBER_WINS, "number_wins", "of two decisions the one with the larger change number wins")                   \
	X(P_IF_AHEAD, "p_if_ahead", "a profile from the changelog is taken only if its applied is ahead")              \
	X(OLD_STORE, "old_store", "a store older than tombstones already gone is trusted")                             \
	X(END_BY_RECORD, "end_by_record", "re-reading ends only when the record before the group's offset has come")   \
	X(ABORT_FORGETS, "abort_forgets", "an abort forgets who was to be evaluated because of re-reading")            \
	X(E_APPLIED, "e_applied", "an erasure keeps the profile's applied instead of the partition's positions")       \
	X(E_NOT_CARRIED, "e_not_carried", "decisions of a customer who came back do not repeat the positions")         \
	X(TOMB_RUNNING_CYCLE, "tomb_running_cycle", "the erasure's decision goes when the running cycle ends")         \
	X(TOMB_NEXT_COMMIT, "tomb_next_commit", "... in a later transaction than the one that moves replay_from")      \
	X(TOMB_REBORN, "tomb_reborn", "... even if the customer has come back")                                        \
	X(REREAD_ERASE, "reread_erase", "re-reading applies erase records")                                            \
	X(POS_BEFORE_CUT, "pos_before_cut", "the store's position moves before the cut has committed")                 \
	X(OWN_REPLAY_FROM, "own_replay_from", "with a store its own replay_from is used, not the newest cut's")        \
	X(POS_AT_TARGET, "pos_at_target", "after recovery the store's position becomes the end that was read to")      \
	X(TAKEN_IS_CLEAN, "taken_is_clean", "what recovery took counts as clean though not in RocksDB")                \
	X(ONE_DIRTY, "one_dirty", "writing RocksDB makes a profile clean for the changelog, too")                      \
	X(ABORT_KEEPS_MARKS, "abort_keeps_marks", "an abort puts pre-images back, but not the cycle's marks")          \
	X(SET_BEFORE_COMMIT, "set_before_commit", "the cycle's offsets are of its commit, its set of the one before")  \
	X(END_BEFORE_SET, "end_before_set", "the cycle's position is taken after later transactions")                  \
	X(EXPIRY_PLAIN, "expiry_plain", "expiry tombstones profile and decision at once, keeps no positions")          \
	X(BACK_UNCHECKED, "back_unchecked", "a partition that comes back is not compared by sequence number")          \
	X(ONE_WINDOW, "one_window", "one dedup window for all sources")                                                \
	X(CAUSE_REREAD, "cause_reread", "the first evaluation after recovery names a re-read record as cause")         \
	X(UNSTABLE, "unstable", "group offsets are read without waiting for open transactions")                        \
	X(END_FIRST, "end_first", "the changelog's end is captured before the group's offsets")                        \
	X(LSO, "lso", "the changelog is read to the last stable offset only")                                          \
	X(BIRTH_UNLOGGED, "birth_unlogged", "a decision is logged only when the change number moves")                  \
	X(RECOUNT_TWICE, "recount_twice", "changes of customers the recount has not reached are added as well")        \
	X(RECOUNT_STORE, "recount_store", "the recount scans RocksDB only and not the memory above it")                \
	X(HALF_REBUILT, "half_rebuilt", "a store whose rebuild was cut short is not emptied first")                    \
	X(NO_OFFSETS, "no_offsets", "a re-evaluation's transaction carries no offsets")                                \
	X(SKIPPED_IS_CLEAN, "skipped_is_clean", "a profile whose re-read records are all skipped counts as clean")     \
	X(LATE_ERASED, "late_erased", "what comes back while its tombstone is under way is dropped with it")           \
	X(NO_EVAL, "no_eval", "who was changed by re-reading is not evaluated at the first commit")                    \
	X(ROCKS_UNCOMMITTED, "rocks_uncommitted", "RocksDB gets the newest state, not the newest committed one")

enum seg_mutant {
#define X(name, id, text) SEG_MUTANT_##name,
	SEG_MUTANT_TABLE(X)
#undef X
		SEG_MUTANTS
};

#ifdef SEG_MUTATIONS
extern enum seg_mutant seg_mutant_now; /* set by the test, before the engine starts */
#define SEG_MUTANT(name) (seg_mutant_now == SEG_MUTANT_##name)
#else
#define SEG_MUTANT(name) false
#endif

#endif
