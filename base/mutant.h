/*
 * Seeded bugs. In a build with SEG_MUTATIONS each rule of the protocol can be broken on purpose, so that the tests that
 * guard it can be shown to fail; in every other build SEG_MUTANT() is the constant false and leaves no trace.
 * The names are those of the protocol's model, see docs/design.md, section 2.
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

/* Of the sums and the fold: tests/property/fold tries these. */
#define SEG_FOLD_MUTANT_TABLE(X)                                                                                       \
	X(FOLD_UNCLOSED, "fold_unclosed", "a piece of the sums counts before its sequence is closed")                  \
	X(FOLD_OLD, "fold_old", "an old closing record that comes again is taken")                                     \
	X(FOLD_KEEPS_GONE, "fold_keeps_gone", "a cluster that the closing record does not list stays")                 \
	X(FOLD_FORGETS, "fold_forgets", "a new owner does not begin with the newest published model")                  \
	X(FOLD_MEMORY, "fold_memory", "a new owner does not take over what the learner remembers")                     \
	X(SUMS_NOT_RESENT, "sums_not_resent", "sums of an aborted transaction are not sent again")                     \
	X(SUMS_EARLY, "sums_early", "sums are published before the recount has ended")                                 \
	X(ABORT_KEEPS_SUMS, "abort_keeps_sums", "an abort puts profiles back, but not the sums")                       \
	X(OUT_OF_NEW, "out_of_new", "a contribution is taken out of the cluster it moves to, not of the stored one")   \
	X(SWEEP_EARLY, "sweep_early", "a sweep counts as done when its first stretch is")                              \
	X(SAMPLE_STAYS, "sample_stays", "who is erased stays in the sample, if a restart has forgotten the record")

/* Those of the daemon, out of reach for the protocol's property test; tests/fault/seeded_bugs.py has each shown to be caught
 * by the oracle, and not to be seen without a fault. */
#define SEG_DAEMON_MUTANT_TABLE(X)                                                                                     \
	X(DROP_RECORD, "drop_record", "the first commit after a recovery leaves decision records out")                 \
	X(ROCKS_EARLY, "rocks_early", "a cycle's profiles are in RocksDB before their transaction has committed")      \
	X(NO_REWIND, "no_rewind", "an abort does not rewind the inputs")                                               \
	X(IGNORES_CUT, "ignores_cut", "recovery reads no inputs again, whatever the newest cut's replay_from")         \
	X(REPLAY_EARLY, "replay_early", "replay_from moves when a cycle begins, not when it is whole")                 \
	X(APPLIED_FORGOT, "applied_forgot", "re-reading forgets `applied` for web events")                             \
	X(REREAD_LETTERS, "reread_letters", "re-reading sends dead letters")                                           \
	X(WINDOW_REREAD, "window_reread", "re-reading has one dedup window for all sources")                           \
	X(ROCKS_IS_CLEAN, "rocks_is_clean", "what recovery re-read goes to RocksDB and counts as clean")               \
	X(OFFSETS_APART, "offsets_apart", "offsets are sent after the transaction, in one of their own")               \
	X(REEVALUATION_BARE, "reevaluation_bare", "a commit that moves no input carries no offsets")                   \
	X(ABORT_KEEPS_CACHE, "abort_keeps_cache", "an abort leaves what was changed in memory as it is")               \
	X(UNKNOWN_IS_ABORT, "unknown_is_abort", "a commit of unknown outcome is taken for an abort")                   \
	X(UNKNOWN_IS_COMMIT, "unknown_is_commit", "a commit of unknown outcome is taken for a success")                \
	X(LETTER_ONCE, "letter_once", "a refused record that comes again after an abort gets no dead letter")

enum seg_mutant {
#define X(name, id, text) SEG_MUTANT_##name,
	SEG_MUTANT_TABLE(X) SEG_MUTANTS,
	SEG_FOLD_MUTANT_TABLE(X) SEG_DAEMON_MUTANT_TABLE(X)
#undef X
		SEG_MUTANTS_ALL
};

#ifdef SEG_MUTATIONS
extern enum seg_mutant seg_mutant_now; /* set by the test, before the engine starts */
#define SEG_MUTANT(name) (seg_mutant_now == SEG_MUTANT_##name)
#else
#define SEG_MUTANT(name) false
#endif

#endif
