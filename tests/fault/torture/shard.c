#include "tests/fault/torture/shard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/store_internal.h"
#include "tests/property/protocol/engine.h"

enum { MUCH = 1 << 20 };

enum seg_rc __real_seg_store_sync(struct seg_store *s, struct seg_error *err);
enum seg_rc __wrap_seg_store_sync(struct seg_store *s, struct seg_error *err);

/* Stores in memory are not synced. Here they are, as those on a disk: RocksDB's call is failing.c's. */
enum seg_rc __wrap_seg_store_sync(struct seg_store *s, struct seg_error *err)
{
	s->env->in_memory = false;
	enum seg_rc rc = __real_seg_store_sync(s, err);
	s->env->in_memory = true;
	return rc;
}

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

static struct seg_part *part_of(struct torture *t)
{
	return engine_part(t->engine);
}

static void forget(struct torture *t)
{
	t->dead_len = t->erased_len = 0;
}

/* ---- recovery ---- */

static void resolve_all(struct torture *t)
{
	for (size_t i = 0; i < t->w.txns_len; i++)
		world_resolve(&t->w, t->w.txns[i]);
}

static enum seg_rc take_all(struct torture *t, int64_t from, int64_t high, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	for (size_t i = 0; rc == SEG_OK && i < t->w.log_len; i++) {
		const struct record *r = &t->w.log[i];

		if (r->offset >= from && r->offset < high && r->txn->state == TXN_COMMITTED)
			UNDER_TEST(rc, seg_part_take(part_of(t), r->key, r->value, r->offset, err));
	}
	return rc;
}

static enum seg_rc reread(struct torture *t, int64_t pos[SEG_SOURCES], const int64_t to[SEG_SOURCES],
			  struct seg_error *err)
{
	struct seg_part *part = part_of(t);
	enum seg_rc rc = SEG_OK;

	for (int turn = 0; rc == SEG_OK && !seg_part_reread_done(part); turn++) {
		enum seg_source s = (enum seg_source)(turn % SEG_SOURCES);
		const struct input *in = world_next(&t->w, s, pos[s] < 0 ? 0 : pos[s]);

		need(&t->w, turn < 10000, "re-reading waits for ever");
		if (pos[s] >= to[s])
			continue;
		pos[s] = in ? in->offset + 1 : t->w.end[s];
		if (!in || in->kind == IN_BAD)
			seg_part_reread_position(part, s, pos[s]);
		else
			UNDER_TEST(rc, seg_part_reread(part, world_event(&t->w, s, in), in->offset, err));
	}
	return rc;
}

static enum seg_rc take_changelog(struct torture *t, const struct seg_recovery *facts, int64_t ret_from[SEG_SOURCES],
				  int64_t ret_to[SEG_SOURCES], bool *ret_again, struct seg_error *err)
{
	int64_t from;
	char why[256];
	bool warn;
	enum seg_rc rc;

	engine_drop(t->engine);
	UNDER_TEST(rc, seg_part_recover(part_of(t), facts, &from, why, err));
	if (rc != SEG_OK)
		return rc;
	t->result->rebuilds += from == SEG_PART_FROM_START;
	rc = take_all(t, from, facts->changelog_high, err);
	if (rc == SEG_OK)
		UNDER_TEST(rc, seg_part_taken(part_of(t), ret_from, ret_to, &warn, err));
	*ret_again = rc == SEG_CORRUPT && !seg_part_is_rebuilding(part_of(t));
	return rc;
}

/* As worker_lane.c: what cannot be right is emptied and filled from the changelog's start. */
static enum seg_rc take_in(struct torture *t, const struct seg_recovery *facts, struct seg_error *err)
{
	int64_t from[SEG_SOURCES], to[SEG_SOURCES];
	bool again = false;
	enum seg_rc rc = take_changelog(t, facts, from, to, &again, err);

	if (again) {
		UNDER_TEST(rc, seg_part_rebuild(part_of(t), err));
		if (rc == SEG_OK)
			rc = take_changelog(t, facts, from, to, &again, err);
	}
	if (rc == SEG_OK)
		rc = reread(t, from, to, err);
	if (rc == SEG_OK)
		UNDER_TEST(rc, seg_part_recovered(part_of(t), err));
	return rc;
}

static enum seg_rc open_engine(struct torture *t, struct seg_error *err)
{
	enum seg_rc rc;

	if (t->engine)
		return SEG_OK;
	UNDER_TEST(rc, engine_try_open(&t->w, t->env, t->dir, t->memory_bytes, &t->engine, err));
	return rc;
}

static void begin_running(struct torture *t)
{
	for (int s = 0; s < SEG_SOURCES; s++)
		seg_part_set_start(part_of(t), (enum seg_source)s, 0);
	engine_started(t->engine);
}

/* An assignment, with or without memory. */
static enum seg_rc assign(struct torture *t, struct seg_error *err)
{
	enum seg_rc rc = open_engine(t, err);

	if (rc != SEG_OK)
		return rc;
	resolve_all(t); /* init_transactions */
	forget(t);
	t->result->recoveries++;
	if (seg_part_is_current(part_of(t), &t->w.group)) {
		engine_started(t->engine);
		return SEG_OK;
	}
	struct seg_recovery facts = {.group = t->w.group, .wall_ms = t->w.wall_ms, .changelog_high = t->w.log_end};
	rc = take_in(t, &facts, err);
	if (rc != SEG_OK)
		return rc;
	begin_running(t);
	check_part(&t->w, part_of(t), "after recovery:");
	return SEG_OK;
}

/* ---- steps ---- */

static void note_erased(struct torture *t, int customer)
{
	struct erased *e = &t->erased[t->erased_len++];

	e->customer = customer;
	for (int s = 0; s < SEG_SOURCES; s++)
		e->stay_out[s] = seg_part_next(part_of(t), (enum seg_source)s) - 1;
}

static enum seg_rc poll_one(struct torture *t, struct seg_error *err)
{
	enum seg_source s = (enum seg_source)(t->turn++ % SEG_SOURCES);
	const struct input *in = world_next(&t->w, s, seg_part_next(part_of(t), s));
	bool erased = false;
	enum seg_rc rc;

	(void)err;
	if (!in) {
		engine_end(t->engine, s, t->w.end[s]);
		return SEG_OK;
	}
	need(&t->w, t->dead_len < 64 && t->erased_len < 8, "the harness has no room");
	if (in->kind == IN_BAD) {
		engine_refused(t->engine, s, in->offset);
		t->dead[t->dead_len++] = (struct dead_letter){s, in->offset};
		return SEG_OK;
	}
	UNDER_TEST(rc, engine_event(t->engine, world_event(&t->w, s, in), in->offset, &erased));
	if (rc == SEG_OK && erased)
		note_erased(t, in->customer);
	return rc;
}

static enum seg_rc poll(struct torture *t, int n, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	while (rc == SEG_OK && n-- > 0)
		rc = poll_one(t, err);
	return rc;
}

static enum seg_rc reevaluate(struct torture *t, struct seg_error *err)
{
	enum seg_rc rc;

	(void)err;
	UNDER_TEST(rc, engine_reevaluate(t->engine, .5));
	return rc;
}

static bool is_touched(struct torture *t, int customer)
{
	struct seg_entry **entries;
	size_t len;

	if (seg_part_pending(part_of(t), &entries, &len, NULL) != SEG_OK)
		return true;
	for (size_t i = 0; i < len; i++)
		if (seg_entry_profile(entries[i]) && customer_of(seg_entry_profile(entries[i])->id) == customer)
			return true;
	return false;
}

/* Of those whom no record of the commit to come names. */
static enum seg_rc expire(struct torture *t, int customer, struct seg_error *err)
{
	bool erased = false;
	enum seg_rc rc;

	if (is_touched(t, customer))
		return SEG_OK;
	UNDER_TEST(rc, engine_try_expire(t->engine, customer, &erased, err));
	if (rc == SEG_OK && erased)
		note_erased(t, customer);
	return rc;
}

static enum seg_rc write_some(struct torture *t, size_t n, struct seg_error *err)
{
	enum seg_rc rc;

	UNDER_TEST(rc, seg_part_write(part_of(t), n, err));
	return rc;
}

static enum seg_rc recount(struct torture *t, struct seg_error *err)
{
	bool done;
	enum seg_rc rc;

	UNDER_TEST(rc, seg_part_recount(part_of(t), 2, &done, err));
	return rc;
}

static enum seg_rc verify(struct torture *t, struct seg_error *err)
{
	uint64_t profiles;
	enum seg_rc rc;

	UNDER_TEST(rc, seg_store_verify(seg_part_store(part_of(t)), &profiles, err));
	return rc;
}

enum outcome { COMMITS, ABORTS, IS_UNKNOWN };

static enum seg_rc seal(struct torture *t, struct engine_commit *c, struct seg_error *err)
{
	enum seg_rc rc;

	(void)err;
	c->txn = world_begin(&t->w, NULL);
	UNDER_TEST(rc, engine_seal(t->engine, c));
	if (rc != SEG_OK) {
		world_finish(&t->w, c->txn, false); /* the daemon aborts it, or init_transactions does */
		return rc;
	}
	struct txn *txn = c->txn;
	memcpy(txn->dead, t->dead, sizeof t->dead);
	txn->dead_len = t->dead_len;
	memcpy(txn->erased, t->erased, sizeof t->erased);
	txn->erased_len = t->erased_len;
	forget(t);
	txn->has_offsets = true;
	txn->offsets = (struct seg_group){.known = true, .seq = seg_part_sealed_seq(part_of(t))};
	for (int s = 0; s < SEG_SOURCES; s++)
		txn->offsets.next[s] = seg_part_sealed_next(part_of(t), (enum seg_source)s);
	return SEG_OK;
}

static void check_after(struct torture *t, const char *what)
{
	struct seg_part_numbers n;

	check_part(&t->w, part_of(t), what);
	check_outputs(&t->w);
	engine_check_sums(t->engine);
	seg_part_numbers(part_of(t), &n);
	t->result->cycles = (long)n.cycles;
}

static enum seg_rc conclude(struct torture *t, struct engine_commit *c, enum outcome outcome, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	switch (outcome) {
	case COMMITS:
		t->result->commits++;
		world_finish(&t->w, c->txn, true);
		UNDER_TEST(rc, engine_committed(t->engine, c->cut_offset));
		break;
	case ABORTS:
		t->result->aborts++;
		world_finish(&t->w, c->txn, false);
		forget(t);
		UNDER_TEST(rc, engine_aborted(t->engine));
		break;
	case IS_UNKNOWN:
		c->txn->state = TXN_PREPARED;
		return assign(t, err);
	}
	if (rc == SEG_OK)
		check_after(t, outcome == COMMITS ? "after commit:" : "after abort:");
	return rc;
}

/* `logs`: how many of the running cycle's profiles. Some more is read while the commit is under way. */
static enum seg_rc commit(struct torture *t, size_t logs, enum outcome outcome, struct seg_error *err)
{
	struct engine_commit c = {.cut_offset = -1, .max_profiles = logs};
	enum seg_rc rc;

	if (!engine_has_work(t->engine) && !seg_part_cycle_waits(part_of(t)))
		return SEG_OK;
	rc = seal(t, &c, err);
	if (rc == SEG_OK) {
		rc = poll(t, 2, err);
		if (rc != SEG_OK) {
			world_finish(&t->w, c.txn, false);
			return rc;
		}
		rc = conclude(t, &c, outcome, err);
	}
	return rc;
}

static void stop(struct torture *t)
{
	engine_close(t->engine);
	t->engine = NULL;
	forget(t);
}

/* The partition goes elsewhere, or comes back: what is left of the memory is given up. */
static enum seg_rc move(struct torture *t, const char *dir, size_t memory_bytes, struct seg_error *err)
{
	stop(t);
	t->dir = dir;
	t->memory_bytes = memory_bytes;
	return assign(t, err);
}

/* ---- the script ---- */

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
		rc = poll(t, 16, err);
		if (rc == SEG_OK)
			rc = commit(t, MUCH, COMMITS, err);
		if (rc == SEG_OK)
			rc = write_some(t, MUCH, err);
	}
	for (int i = 0; rc == SEG_OK && i < CUSTOMERS; i++)
		rc = recount(t, err);
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
		return poll(t, (int)s->n, err);
	case COMMIT:
		return commit(t, s->n, COMMITS, err);
	case ABORT:
		return commit(t, s->n, ABORTS, err);
	case UNKNOWN:
		return commit(t, s->n, IS_UNKNOWN, err);
	case WRITE:
		return write_some(t, s->n, err);
	case RECOUNT:
		return recount(t, err);
	case EVICT:
		seg_part_evict(part_of(t));
		return SEG_OK;
	case EXPIRE:
		return expire(t, (int)s->n, err);
	case REEVALUATE:
		return reevaluate(t, err);
	case MOVE:
		return move(t, s->n == 1 && t->w.commits > 0 ? "/w1" : "/w0", s->n == 1 ? 1 : MUCH, err);
	case BACK:
		return move(t, "/w0", 1, err);
	case VERIFY:
		return verify(t, err);
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
		forget(t);
		UNDER_TEST(rc, engine_aborted(t->engine));
		failing.last = 0;
		if (rc == SEG_OK) {
			check_after(t, "after an error and an abort:");
			return;
		}
		need(&t->w, rc == SEG_NO_MEMORY, "an abort failed with \"%s\"", seg_rc_text(rc));
	}
	if (t->engine && t->run->answer != TORTURE_DROP) {
		failing.armed = true;
		stop(t);
		failing.armed = false;
	}
	failing.last = 0;
	if (t->engine)
		engine_drop(t->engine);
	rc = assign(t, &err);
	if (rc == SEG_IO && t->run->answer == TORTURE_DROP) { /* emptying the store had failed: only closing helps */
		stop(t);
		rc = assign(t, &err);
	}
	need(&t->w, rc == SEG_OK, "%s, and recovery after it failed: %s", s->name, err.text);
	check_after(t, "after an error and a recovery:");
}

/* Without any store, from Kafka alone. */
static void check_from_nothing(struct torture *t)
{
	struct seg_error err = {SEG_OK, ""};
	enum seg_rc rc = move(t, "/none", MUCH, &err);

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
	check_after(t, "at the end:");
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
