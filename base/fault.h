/*
 * Faults from within, for tests/fault. Only in builds with SEG_FAULTS (preset `fault`, or the target segmentd_fault of
 * the dev build), where environment variables say what is to fail; in every other build nothing of it is there.
 *
 *   SEGMENTD_CRASH=name:n[:delay_us]   the n-th passing (from 1) of the crash point ends the process by SIGKILL, after one
 *                                      line on stderr, "crash_point name=… n=…"; with a delay from another thread, that
 *                                      many microseconds later, so that the kill falls into what comes next
 *   SEGMENTD_STALL=name:n:ms[:again]   the n-th passing of the crash point sleeps that long and goes on, after one line on
 *                                      stderr, "stall name=… n=…"; with again so does every further n-th
 *   SEGMENTD_ARMED_BY=signal           passings are counted from the first SIGUSR2 on
 *   SEGMENTD_FAIL_COMMIT=how:n         the n-th commit fails: abort (the transaction is aborted), unknown_committed (it is
 *                                      committed, and the caller told that the outcome is unknown), unknown_aborted; after
 *                                      one line on stderr, "commit_fails how=… n=…"
 *   SEGMENTD_MUTANT=id                 the seeded bug of base/mutant.h
 *
 * Any thread may pass a crash point.
 */
#ifndef SEG_BASE_FAULT_H
#define SEG_BASE_FAULT_H

#define SEG_CRASH_POINT_TABLE(X)                                                                                       \
	X(BEFORE_PRODUCE, "before_produce", "a commit is due, nothing of it has been produced")                        \
	X(AFTER_PRODUCE, "after_produce", "all records are produced, no offsets sent")                                 \
	X(AFTER_OFFSETS, "after_offsets", "the offsets are in the transaction, it has not been asked to end")          \
	X(COMMIT_ENTERED, "commit_entered", "the call that commits is entered (give a delay)")                         \
	X(END_TXN_SENT, "end_txn_sent", "EndTxn is on its way, no answer has been read")                               \
	X(AFTER_COMMIT, "after_commit", "the commit was answered, nothing in memory or RocksDB knows of it")           \
	X(CYCLE_BETWEEN, "cycle_between", "between the transactions of a checkpoint cycle")                            \
	X(CYCLE_WRITE, "cycle_write", "RocksDB is about to be given a batch of the cycle")                             \
	X(CYCLE_PART_WRITTEN, "cycle_part_written", "RocksDB has some of the cycle's profiles")                        \
	X(CYCLE_WRITTEN, "cycle_written", "RocksDB has all of the cycle's profiles, no cut says so")                   \
	X(CYCLE_CUT, "cycle_cut", "the cut that says so has committed, the store's position has not moved")            \
	X(CYCLE_POSITION, "cycle_position", "the store's position has moved")                                          \
	X(RECOVERY_CHANGELOG, "recovery_changelog", "a record of the changelog has been taken in")                     \
	X(RECOVERY_TAKEN, "recovery_taken", "the changelog has been taken in, no input read again")                    \
	X(RECOVERY_REREAD, "recovery_reread", "an input record has been read again")                                   \
	X(RECOVERY_DONE, "recovery_done", "all inputs have been read again")                                           \
	X(RECOUNT, "recount", "a part of the sums has been counted anew")

enum seg_crash_point {
#define X(name, id, text) SEG_CRASH_##name,
	SEG_CRASH_POINT_TABLE(X)
#undef X
		SEG_CRASH_POINTS
};

enum seg_commit_outcome { /* what a commit is made to be */
			  SEG_COMMIT_AS_IT_IS,
			  SEG_COMMIT_ABORTED,
			  SEG_COMMIT_UNKNOWN_COMMITTED,
			  SEG_COMMIT_UNKNOWN_ABORTED,
			  SEG_COMMIT_OUTCOMES
};

#ifdef SEG_FAULTS
/* Reads the environment; ends the program with a message if it names what is not there. First thing in main(). */
void seg_faults_begin(void);
void seg_crash_point(enum seg_crash_point point);
/* A crash of this point that is still delayed comes now: what it was to fall into is over. */
void seg_crash_point_ends(enum seg_crash_point point);
enum seg_commit_outcome seg_fault_commit(void);
#define SEG_CRASH_POINT(name) seg_crash_point(SEG_CRASH_##name)
#else
#define seg_faults_begin() ((void)0)
#define seg_fault_commit() SEG_COMMIT_AS_IT_IS
#define SEG_CRASH_POINT(name) ((void)0)
#endif

#endif
