/*
 * A run of the torture test: a fixed script over the daemon's shard and a real RocksDB, in which one call, or all from one
 * on, fails; what the worker does about it; and the protocol harness's checks from then on to the end of the script.
 */
#ifndef SEG_TESTS_TORTURE_SHARD_H
#define SEG_TESTS_TORTURE_SHARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/fault/torture/failing.h"

/* What follows an error: what the daemon does, and what its headers allow. */
#define TORTURE_ANSWER_TABLE(X)                                                                                        \
	X(RESTART, "restart", "the process ends; another one recovers over the same store")                            \
	X(DROP, "drop", "memory is dropped and recovered in place")                                                    \
	X(ABORT, "abort", "the transaction is aborted and the work goes on; a restart where that is not allowed")

enum torture_answer {
#define X(name, id, text) TORTURE_##name,
	TORTURE_ANSWER_TABLE(X)
#undef X
		TORTURE_ANSWERS
};

struct torture_run {
	uint64_t seed;
	long first, last;
	enum failing_class how;
	enum torture_answer answer;
};

struct torture_result {
	long calls, rocksdb; /* under test */
	long failed;
	long errors; /* that the engine returned */
	long commits, aborts, recoveries, rebuilds, cycles;
	size_t outputs;
	const char *name, *step; /* what failed first, and in which step the engine said so */
	char why[1024];		 /* of a violation */
};

/* False: a rule does not hold, see why. */
bool torture_run(const struct torture_run *run, struct torture_result *ret);

#endif
