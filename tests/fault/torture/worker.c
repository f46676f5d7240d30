#include "tests/fault/torture/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/store_internal.h"
#include "tests/property/protocol/engine.h"

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

struct seg_part *torture_part_of(struct torture *t)
{
	return engine_part(t->engine);
}

void torture_forget(struct torture *t)
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
			UNDER_TEST(rc, seg_part_take(torture_part_of(t), r->key, r->value, r->offset, err));
	}
	return rc;
}

static enum seg_rc reread(struct torture *t, int64_t pos[SEG_SOURCES], const int64_t to[SEG_SOURCES],
			  struct seg_error *err)
{
	struct seg_part *part = torture_part_of(t);
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
	UNDER_TEST(rc, seg_part_recover(torture_part_of(t), facts, &from, why, err));
	if (rc != SEG_OK)
		return rc;
	t->result->rebuilds += from == SEG_PART_FROM_START;
	rc = take_all(t, from, facts->changelog_high, err);
	if (rc == SEG_OK)
		UNDER_TEST(rc, seg_part_taken(torture_part_of(t), ret_from, ret_to, &warn, err));
	*ret_again = rc == SEG_CORRUPT && !seg_part_is_rebuilding(torture_part_of(t));
	return rc;
}

/* As worker_lane.c: what cannot be right is emptied and filled from the changelog's start. */
static enum seg_rc take_in(struct torture *t, const struct seg_recovery *facts, struct seg_error *err)
{
	int64_t from[SEG_SOURCES], to[SEG_SOURCES];
	bool again = false;
	enum seg_rc rc = take_changelog(t, facts, from, to, &again, err);

	if (again) {
		UNDER_TEST(rc, seg_part_rebuild(torture_part_of(t), err));
		if (rc == SEG_OK)
			rc = take_changelog(t, facts, from, to, &again, err);
	}
	if (rc == SEG_OK)
		rc = reread(t, from, to, err);
	if (rc == SEG_OK)
		UNDER_TEST(rc, seg_part_recovered(torture_part_of(t), err));
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
		seg_part_set_start(torture_part_of(t), (enum seg_source)s, 0);
	engine_started(t->engine);
}

/* An assignment, with or without memory. */
enum seg_rc torture_assign(struct torture *t, struct seg_error *err)
{
	enum seg_rc rc = open_engine(t, err);

	if (rc != SEG_OK)
		return rc;
	resolve_all(t); /* init_transactions */
	torture_forget(t);
	t->result->recoveries++;
	if (seg_part_is_current(torture_part_of(t), &t->w.group)) {
		engine_started(t->engine);
		return SEG_OK;
	}
	struct seg_recovery facts = {.group = t->w.group, .wall_ms = t->w.wall_ms, .changelog_high = t->w.log_end};
	rc = take_in(t, &facts, err);
	if (rc != SEG_OK)
		return rc;
	begin_running(t);
	check_part(&t->w, torture_part_of(t), "after recovery:");
	return SEG_OK;
}

/* ---- steps ---- */

static void note_erased(struct torture *t, int customer)
{
	struct erased *e = &t->erased[t->erased_len++];

	e->customer = customer;
	for (int s = 0; s < SEG_SOURCES; s++)
		e->stay_out[s] = seg_part_next(torture_part_of(t), (enum seg_source)s) - 1;
}

static enum seg_rc poll_one(struct torture *t, struct seg_error *err)
{
	enum seg_source s = (enum seg_source)(t->turn++ % SEG_SOURCES);
	const struct input *in = world_next(&t->w, s, seg_part_next(torture_part_of(t), s));
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

enum seg_rc torture_poll(struct torture *t, int n, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	while (rc == SEG_OK && n-- > 0)
		rc = poll_one(t, err);
	return rc;
}

enum seg_rc torture_reevaluate(struct torture *t, struct seg_error *err)
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

	if (seg_part_pending(torture_part_of(t), &entries, &len, NULL) != SEG_OK)
		return true;
	for (size_t i = 0; i < len; i++)
		if (seg_entry_profile(entries[i]) && customer_of(seg_entry_profile(entries[i])->id) == customer)
			return true;
	return false;
}

/* Of those whom no record of the commit to come names. */
enum seg_rc torture_expire(struct torture *t, int customer, struct seg_error *err)
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

enum seg_rc torture_write_some(struct torture *t, size_t n, struct seg_error *err)
{
	enum seg_rc rc;

	UNDER_TEST(rc, seg_part_write(torture_part_of(t), n, err));
	return rc;
}

enum seg_rc torture_recount(struct torture *t, struct seg_error *err)
{
	bool done;
	enum seg_rc rc;

	UNDER_TEST(rc, seg_part_recount(torture_part_of(t), 2, &done, err));
	return rc;
}

enum seg_rc torture_verify(struct torture *t, struct seg_error *err)
{
	uint64_t profiles;
	enum seg_rc rc;

	UNDER_TEST(rc, seg_store_verify(seg_part_store(torture_part_of(t)), &profiles, err));
	return rc;
}

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
	torture_forget(t);
	txn->has_offsets = true;
	txn->offsets = (struct seg_group){.known = true, .seq = seg_part_sealed_seq(torture_part_of(t))};
	for (int s = 0; s < SEG_SOURCES; s++)
		txn->offsets.next[s] = seg_part_sealed_next(torture_part_of(t), (enum seg_source)s);
	return SEG_OK;
}

void torture_check_after(struct torture *t, const char *what)
{
	struct seg_part_numbers n;

	check_part(&t->w, torture_part_of(t), what);
	check_outputs(&t->w);
	engine_check_sums(t->engine);
	seg_part_numbers(torture_part_of(t), &n);
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
		torture_forget(t);
		UNDER_TEST(rc, engine_aborted(t->engine));
		break;
	case IS_UNKNOWN:
		c->txn->state = TXN_PREPARED;
		return torture_assign(t, err);
	}
	if (rc == SEG_OK)
		torture_check_after(t, outcome == COMMITS ? "after commit:" : "after abort:");
	return rc;
}

/* `logs`: how many of the running cycle's profiles. Some more is read while the commit is under way. */
enum seg_rc torture_commit(struct torture *t, size_t logs, enum outcome outcome, struct seg_error *err)
{
	struct engine_commit c = {.cut_offset = -1, .max_profiles = logs};
	enum seg_rc rc;

	if (!engine_has_work(t->engine) && !seg_part_cycle_waits(torture_part_of(t)))
		return SEG_OK;
	rc = seal(t, &c, err);
	if (rc == SEG_OK) {
		rc = torture_poll(t, 2, err);
		if (rc != SEG_OK) {
			world_finish(&t->w, c.txn, false);
			return rc;
		}
		rc = conclude(t, &c, outcome, err);
	}
	return rc;
}

void torture_stop(struct torture *t)
{
	engine_close(t->engine);
	t->engine = NULL;
	torture_forget(t);
}

/* The partition goes elsewhere, or comes back: what is left of the memory is given up. */
enum seg_rc torture_move(struct torture *t, const char *dir, size_t memory_bytes, struct seg_error *err)
{
	torture_stop(t);
	t->dir = dir;
	t->memory_bytes = memory_bytes;
	return torture_assign(t, err);
}
