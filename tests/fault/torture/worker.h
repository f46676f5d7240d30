/*
 * The worker of the torture test: what it does with one partition number, call by call, over the shard and a store. The order
 * is shard.c's script.
 */
#ifndef SEG_TESTS_TORTURE_WORKER_H
#define SEG_TESTS_TORTURE_WORKER_H

#include "tests/fault/torture/shard.h"
#include "tests/property/protocol/engine.h"

enum { MUCH = 1 << 20 };

struct torture {
	struct world w;
	const struct torture_run *run;
	struct torture_result *result;
	struct seg_store_env *env;
	struct engine *engine; /* NULL: no process runs */
	const char *dir;
	size_t memory_bytes;
	int turn; /* of the sources */

	struct dead_letter dead[64]; /* of the commit to come */
	size_t dead_len;
	struct erased erased[8];
	size_t erased_len;
};

/* Only the engine's own calls are under test. */
#define UNDER_TEST(rc, call)                                                                                           \
	do {                                                                                                           \
		failing.armed = true;                                                                                  \
		(rc) = (call);                                                                                         \
		failing.armed = false;                                                                                 \
	} while (0)

enum outcome { COMMITS, ABORTS, IS_UNKNOWN };

struct seg_part *torture_part_of(struct torture *t);
/* What the commit to come would have told. */
void torture_forget(struct torture *t);
/* Recovers: takes the changelog, reads inputs again. */
enum seg_rc torture_assign(struct torture *t, struct seg_error *err);
enum seg_rc torture_poll(struct torture *t, int n, struct seg_error *err);
enum seg_rc torture_reevaluate(struct torture *t, struct seg_error *err);
enum seg_rc torture_expire(struct torture *t, int customer, struct seg_error *err);
enum seg_rc torture_write_some(struct torture *t, size_t n, struct seg_error *err);
enum seg_rc torture_recount(struct torture *t, struct seg_error *err);
enum seg_rc torture_verify(struct torture *t, struct seg_error *err);
/* The harness's own checks. */
void torture_check_after(struct torture *t, const char *what);
/* logs: profiles of the cycle at most. */
enum seg_rc torture_commit(struct torture *t, size_t logs, enum outcome outcome, struct seg_error *err);
/* The process ends as after a clean stop. */
void torture_stop(struct torture *t);
/* Another process has the partition from now on, with the store in dir. */
enum seg_rc torture_move(struct torture *t, const char *dir, size_t memory_bytes, struct seg_error *err);

#endif
