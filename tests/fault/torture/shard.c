#include "tests/fault/torture/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fault/torture/worker.h"

enum step_kind {
	INPUT,
	POLL,
	COMMIT,
	ABORT,
	UNKNOWN,
	WRITE,
	RECOUNT,
	EVICT,
	EXPIRE,
	REEVALUATE,
	MOVE,
	BACK,
	VERIFY,
	CALM
};

struct step {
	enum step_kind kind;
	size_t n;
	const char *name;
};

static const struct step script[] = {
	{MOVE, 1, "first assignment"},
	{INPUT, 24, "input"},
	{POLL, 8, "intake"},
	{REEVALUATE, 0, "scan"},
	{COMMIT, 0, "first commit, begins a cycle"},
	{RECOUNT, 0, "recount"},
	{POLL, 6, "intake"},
	{COMMIT, 2, "commit with a part of the cycle"},
	{WRITE, 1, "checkpoint write"},
	{POLL, 6, "intake"},
	{ABORT, MUCH, "commit that is aborted"},
	{POLL, 8, "intake after an abort"},
	{COMMIT, MUCH, "commit with the rest of the cycle"},
	{WRITE, MUCH, "checkpoint write"},
	{EXPIRE, 0, "expiry"},
	{COMMIT, 0, "commit that ends the cycle"},
	{EVICT, 0, "evict"},
	{INPUT, 24, "input"},
	{POLL, 8, "intake over the store"},
	{RECOUNT, 0, "recount"},
	{COMMIT, MUCH, "commit"},
	{WRITE, MUCH, "checkpoint write"},
	{REEVALUATE, 0, "scan"},
	{COMMIT, 0, "commit"},
	{MOVE, 0, "crash and recovery"},
	{RECOUNT, 0, "recount"},
	{POLL, 8, "intake"},
	{UNKNOWN, 0, "commit with an unknown outcome, recovery in place"},
	{MOVE, 1, "recovery by another owner, without a store"},
	{INPUT, 16, "input"},
	{POLL, 12, "intake"},
	{EXPIRE, 3, "expiry"},
	{COMMIT, MUCH, "commit"},
	{WRITE, MUCH, "checkpoint write"},
	{COMMIT, MUCH, "commit"},
	{BACK, 0, "recovery by the first owner, over an older store"},
	{POLL, 8, "intake"},
	{COMMIT, MUCH, "commit"},
	{WRITE, MUCH, "checkpoint write"},
	{COMMIT, MUCH, "commit"},
	{RECOUNT, 0, "recount"},
	{RECOUNT, 0, "recount"},
	{RECOUNT, 0, "recount"},
	{VERIFY, 0, "check of the open store"},
	{CALM, 0, "the end"},
};

static enum seg_rc finish(struct torture *t, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	t->w.lively = 0;
	for (int i = 0; rc == SEG_OK && i < 4; i++) {
		rc = torture_poll(t, 16, err);
		if (rc == SEG_OK)
			rc = torture_commit(t, MUCH, COMMITS, err);
		if (rc == SEG_OK)
			rc = torture_write_some(t, MUCH, err);
	}
	for (int i = 0; rc == SEG_OK && i < CUSTOMERS; i++)
		rc = torture_recount(t, err);
	return rc;
}

static enum seg_rc one_step(struct torture *t, const struct step *s, struct seg_error *err)
{
	t->w.wall_ms++;
	switch (s->kind) {
	case INPUT:
		for (size_t i = 0; i < s->n; i++)
			world_input(&t->w);
		return SEG_OK;
	case POLL:
		return torture_poll(t, (int)s->n, err);
	case COMMIT:
		return torture_commit(t, s->n, COMMITS, err);
	case ABORT:
		return torture_commit(t, s->n, ABORTS, err);
	case UNKNOWN:
		return torture_commit(t, s->n, IS_UNKNOWN, err);
	case WRITE:
		return torture_write_some(t, s->n, err);
	case RECOUNT:
		return torture_recount(t, err);
	case EVICT:
		seg_part_evict(torture_part_of(t));
		return SEG_OK;
	case EXPIRE:
		return torture_expire(t, (int)s->n, err);
	case REEVALUATE:
		return torture_reevaluate(t, err);
	case MOVE:
		return torture_move(t, s->n == 1 && t->w.commits > 0 ? "/w1" : "/w0", s->n == 1 ? 1 : MUCH, err);
	case BACK:
		return torture_move(t, "/w0", 1, err);
	case VERIFY:
		return torture_verify(t, err);
	case CALM:
		return finish(t, err);
	}
	abort();
}

static bool may_abort(const struct step *s)
{
	switch (s->kind) {
	case POLL:
	case EXPIRE:
	case REEVALUATE:
	case COMMIT:
		return true;
	case INPUT:
	case ABORT:
	case UNKNOWN:
	case WRITE:
	case RECOUNT:
	case EVICT:
	case MOVE:
	case BACK:
	case VERIFY:
	case CALM:
		break;
	}
	return false;
}

/* While calls go on failing, the process ends or aborts all the same; then nothing fails any more. */
static void answer(struct torture *t, const struct step *s, enum seg_rc rc, bool sealed)
{
	struct seg_error err = {SEG_OK, ""};

	need(&t->w, rc == SEG_NO_MEMORY || rc == SEG_IO || rc == SEG_CORRUPT || rc == SEG_ABORT,
	     "%s failed with \"%s\"", s->name, seg_rc_text(rc));
	t->result->errors++;
	if (!t->result->step)
		t->result->step = s->name;
	if (t->engine && t->run->answer == TORTURE_ABORT && may_abort(s) && !sealed) {
		torture_forget(t);
		UNDER_TEST(rc, engine_aborted(t->engine));
		failing.last = 0;
		if (rc == SEG_OK) {
			torture_check_after(t, "after an error and an abort:");
			return;
		}
		need(&t->w, rc == SEG_NO_MEMORY, "an abort failed with \"%s\"", seg_rc_text(rc));
	}
	if (t->engine && t->run->answer != TORTURE_DROP) {
		failing.armed = true;
		torture_stop(t);
		failing.armed = false;
	}
	failing.last = 0;
	if (t->engine)
		engine_drop(t->engine);
	rc = torture_assign(t, &err);
	if (rc == SEG_IO && t->run->answer == TORTURE_DROP) { /* emptying the store had failed: only closing helps */
		torture_stop(t);
		rc = torture_assign(t, &err);
	}
	need(&t->w, rc == SEG_OK, "%s, and recovery after it failed: %s", s->name, err.text);
	torture_check_after(t, "after an error and a recovery:");
}

/* Without any store, from Kafka alone. */
static void check_from_nothing(struct torture *t)
{
	struct seg_error err = {SEG_OK, ""};
	enum seg_rc rc = torture_move(t, "/none", MUCH, &err);

	need(&t->w, rc == SEG_OK, "recovery without a store failed: %s", err.text);
}

static void play(struct torture *t)
{
	for (size_t i = 0; i < sizeof script / sizeof script[0]; i++) {
		struct seg_error err = {SEG_OK, ""};
		long commits = t->result->commits, failed = failing.failed;
		enum seg_rc rc = one_step(t, &script[i], &err);

		need(&t->w, rc == SEG_OK || failing.failed > failed, "%s: error without a cause: %s: %s",
		     script[i].name, seg_rc_text(rc), err.text);
		if (rc != SEG_OK)
			answer(t, &script[i], rc, t->result->commits > commits);
	}
	torture_check_after(t, "at the end:");
	t->result->calls = failing.calls;
	failing.last = 0;
	check_from_nothing(t);
}

bool torture_run(const struct torture_run *run, struct torture_result *ret)
{
	struct torture *t = calloc(1, sizeof *t);
	struct seg_store_options options = {.in_memory = true};
	volatile bool ok = true;

	*ret = (struct torture_result){.why = ""};
	failing_reset();
	failing.first = run->first;
	failing.last = run->last;
	failing.how = run->how;
	if (!t || seg_store_env_new(&options, &t->env, NULL) != SEG_OK)
		abort();
	world_init(&t->w, run->seed);
	world_in_harness = 0;
	t->w.refuses = failing_refuses;
	t->w.hurry = t->w.lively = 1;
	t->w.storm = 0;
	t->w.retention_ms = 1000;
	t->run = run;
	t->result = ret;
	if (setjmp(t->w.failed) == 0) {
		play(t);
	} else {
		ok = false;
		memcpy(ret->why, t->w.why, sizeof ret->why);
	}
	failing.armed = false;
	ret->rocksdb = failing.rocksdb;
	ret->failed = failing.failed;
	ret->name = failing.name;
	ret->outputs = t->w.outputs.len;
	engine_close(t->engine);
	seg_store_env_free(t->env);
	world_release(&t->w);
	free(t);
	return ok;
}
