#include "tests/property/protocol/history_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "tests/property/protocol/store_memory.h"

_Noreturn static void crash(struct history *h)
{
	longjmp(h->crashed, 1);
}

static void maybe_crash(struct history *h, double p)
{
	if (chance(&h->w, p * h->w.storm))
		crash(h);
}

/* Anything but success ends the process: what a worker does with SEG_IO or SEG_FATAL. */
void must(struct history *h, enum seg_rc rc)
{
	if (rc == SEG_FATAL)
		crash(h);
	if (rc != SEG_OK)
		violation(&h->w, "unexpected error: %s", seg_rc_text(rc));
}

void down(struct worker *k)
{
	engine_close(k->engine);
	k->engine = NULL;
	k->limps = false;
}

/* ---- recovery ---- */

static void reread(struct history *h, struct seg_part *part, const int64_t from[SEG_SOURCES],
		   const int64_t to[SEG_SOURCES])
{
	int64_t pos[SEG_SOURCES];

	memcpy(pos, from, sizeof pos);
	for (int idle = 0; !seg_part_reread_done(part); idle++) {
		enum seg_source s = (enum seg_source)between(&h->w, 0, SEG_SOURCES - 1);
		const struct input *in = world_next(&h->w, s, pos[s] < 0 ? 0 : pos[s]);

		need(&h->w, idle < 5000, "re-reading waits for ever");
		if (pos[s] >= to[s])
			continue;
		if (!in) {
			pos[s] = h->w.end[s];
			seg_part_reread_position(part, s, pos[s]);
			continue;
		}
		pos[s] = in->offset + 1;
		if (in->kind == IN_BAD)
			seg_part_reread_position(part, s, pos[s]);
		else
			must(h, seg_part_reread(part, world_event(&h->w, s, in), in->offset, NULL));
	}
}

static struct seg_recovery facts_of(const struct history *h, const struct seg_group *group, int64_t high)
{
	struct seg_recovery f = {.group = *group, .wall_ms = h->w.wall_ms, .changelog_high = high};

	return f;
}

static void recover(struct history *h, struct engine *engine, const struct seg_group *group, int64_t high)
{
	struct seg_part *part = engine_part(engine);
	struct seg_recovery facts = facts_of(h, group, high);
	int64_t from, rfrom[SEG_SOURCES], rto[SEG_SOURCES];
	int64_t end = SEG_MUTANT(LSO) && world_lso(&h->w) < high ? world_lso(&h->w) : high;
	struct seg_error err = {SEG_OK, ""};
	bool warn;
	char why[256];
	enum seg_rc rc;

	engine_drop(engine);
	rc = seg_part_recover(part, &facts, &from, why, &err);

	if (rc != SEG_OK)
		violation(&h->w, "recover: %s", err.text);
	h->counts->rebuilds += from == SEG_PART_FROM_START;
	for (size_t i = 0; i < h->w.log_len; i++) {
		const struct record *r = &h->w.log[i];

		if (r->offset < from || r->offset >= end || r->txn->state != TXN_COMMITTED)
			continue;
		rc = seg_part_take(part, r->key, r->value, r->offset, &err);
		if (rc != SEG_OK)
			violation(&h->w, "take: %s", err.text);
		if (engine != h->probe)
			maybe_crash(h, .03);
	}
	rc = seg_part_taken(part, rfrom, rto, &warn, &err);
	if (rc != SEG_OK)
		violation(&h->w, "taken: %s", err.text);
	reread(h, part, rfrom, rto);
	must(h, seg_part_recovered(part, NULL));
}

static struct worker *other_of(struct history *h, const struct worker *k)
{
	return k == &h->workers[0] ? &h->workers[1] : &h->workers[0];
}

static void resolve_offsets(struct history *h)
{
	for (size_t i = 0; i < h->w.txns_len; i++)
		if (txn_is_open(h->w.txns[i]) && h->w.txns[i]->has_offsets)
			world_resolve(&h->w, h->w.txns[i]);
}

/* The old owner, not yet deposed, commits once more: after the changelog's end was captured (a seeded bug). */
static void late_commit(struct history *h, struct worker *k)
{
	struct worker *o = other_of(h, k);

	if (!o->engine || !seg_part_cut(engine_part(o->engine)) ||
	    seg_part_cut(engine_part(o->engine))->seq != (h->w.group.known ? h->w.group.seq : 0))
		return;
	h->owner = o;
	commit(h, o);
	h->owner = k;
	down(o);
	resolve_offsets(h);
}

static void start_sources(struct seg_part *part)
{
	for (int s = 0; s < SEG_SOURCES; s++)
		seg_part_set_start(part, (enum seg_source)s, 0);
}

void assign(struct history *h, struct worker *k)
{
	struct world *w = &h->w;
	int64_t high = -1;

	h->counts->recoveries++;
	for (size_t i = 0; i < w->txns_len; i++)
		if (w->txns[i]->by == k)
			world_resolve(w, w->txns[i]); /* init_transactions */
	h->owner = k;
	if (SEG_MUTANT(END_FIRST)) {
		high = w->log_end;
		if (chance(w, .3))
			late_commit(h, k);
	}
	if (!SEG_MUTANT(UNSTABLE))
		resolve_offsets(h); /* stable offsets wait for it */
	struct seg_group group = w->group;
	if (high < 0)
		high = w->log_end;
	if (SEG_MUTANT(UNSTABLE) && chance(w, .5))
		resolve_offsets(h);
	maybe_crash(h, .02);
	if (!k->engine) {
		k->memory_bytes = chance(w, .5) ? 1 : (size_t)1 << 20;
		k->engine = engine_open(w, h->env, k->dir, k->memory_bytes);
		k->cycles = 0;
	} else if (seg_part_is_current(engine_part(k->engine), &group)) {
		engine_started(k->engine); /* it came back, and nobody else has committed since */
		return;
	}
	if (!SEG_MUTANT(LSO))
		for (size_t i = 0; i < w->txns_len; i++)
			if (txn_is_open(w->txns[i]) && w->txns[i]->first >= 0 && w->txns[i]->first < high)
				world_resolve(w, w->txns[i]); /* a read_committed reader waits here */
	k->dead_len = k->erased_len = 0;
	recover(h, k->engine, &group, high);
	start_sources(engine_part(k->engine));
	engine_started(k->engine);
	check_part(w, engine_part(k->engine), "after recovery:");
}

/* At any moment every store, as it is or with what was not synced lost, and no store at all must lead to the truth. */
static void virtual_recovery(struct history *h, const char *dir, size_t n)
{
	char what[64];

	if (dir)
		disk_copy(h->env, dir, n, "/virtual");
	else
		disk_lost(h->env, "/virtual");
	h->counts->virtual_recoveries++;
	snprintf(what, sizeof what, "virtual recovery (%s):", dir ? dir : "no store");
	h->probe = engine_open(&h->w, h->env, "/virtual", chance(&h->w, .5) ? 1 : (size_t)1 << 20);
	recover(h, h->probe, &h->w.group, h->w.log_end);
	check_part(&h->w, engine_part(h->probe), what);
	engine_close(h->probe);
	h->probe = NULL;
}

double history_probe_share = 1;

void virtual_recoveries(struct history *h)
{
	struct world *w = &h->w;

	if (history_probe_share < 1 && !chance(w, history_probe_share))
		return;
	for (size_t i = 0; i < w->txns_len; i++)
		if (txn_is_open(w->txns[i]) &&
		    (w->txns[i]->has_offsets || w->txns[i]->state == TXN_PREPARED || SEG_MUTANT(LSO)))
			return;
	if (!w->group.known)
		return;
	virtual_recovery(h, NULL, 0);
	for (int i = 0; i < 2; i++) {
		size_t all = disk_unsynced(h->env, h->workers[i].dir), some = (size_t)between(w, 0, (int64_t)all);

		virtual_recovery(h, h->workers[i].dir, all);
		if (some != all)
			virtual_recovery(h, h->workers[i].dir, some);
	}
}

/* ---- work ---- */

static void note_erased(struct history *h, struct worker *k, int customer)
{
	struct erased *e = &k->erased[k->erased_len++ % 8];

	e->customer = customer;
	for (int s = 0; s < SEG_SOURCES; s++)
		e->stay_out[s] = seg_part_next(engine_part(k->engine), (enum seg_source)s) - 1;
	h->counts->erasures++;
}

void poll_source(struct history *h, struct worker *k, enum seg_source s)
{
	struct seg_part *part = engine_part(k->engine);
	const struct input *in = world_next(&h->w, s, seg_part_next(part, s));
	bool erased;

	if (!in) {
		if (chance(&h->w, .3))
			engine_end(k->engine, s, h->w.end[s]); /* the end of the partition, past a marker */
		return;
	}
	h->counts->events++;
	if (in->kind == IN_BAD) {
		engine_refused(k->engine, s, in->offset);
		need(&h->w, k->dead_len < 64 && k->erased_len < 8, "the harness has no room");
		k->dead[k->dead_len++] = (struct dead_letter){s, in->offset};
		return;
	}
	must(h, engine_event(k->engine, world_event(&h->w, s, in), in->offset, &erased));
	if (erased)
		note_erased(h, k, in->customer);
}

static void poll(struct history *h, struct worker *k)
{
	poll_source(h, k, (enum seg_source)between(&h->w, 0, SEG_SOURCES - 1));
}

static bool is_touched(struct history *h, struct worker *k, int c)
{
	struct seg_entry **entries;
	size_t len;

	must(h, seg_part_pending(engine_part(k->engine), &entries, &len, NULL));
	for (size_t i = 0; i < len; i++)
		if (seg_entry_profile(entries[i]) && customer_of(seg_entry_profile(entries[i])->id) == c)
			return true;
	return false;
}

static struct txn *seal(struct history *h, struct worker *k, struct engine_commit *c)
{
	struct world *w = &h->w;

	c->txn = world_begin(w, k);
	c->crash = .01 * w->storm;
	c->max_profiles = chance(w, w->hurry) ? SIZE_MAX : (size_t)between(w, 0, 3);
	c->begin_cycle = chance(w, .3 + w->hurry);
	if (h->scripted) {
		c->max_profiles = h->max;
		c->begin_cycle = h->begin;
	}
	must(h, engine_seal(k->engine, c));
	memcpy(c->txn->dead, k->dead, sizeof k->dead);
	c->txn->dead_len = k->dead_len;
	memcpy(c->txn->erased, k->erased, sizeof k->erased);
	c->txn->erased_len = k->erased_len;
	k->dead_len = k->erased_len = 0;
	return c->txn;
}

static void send_offsets(struct worker *k, struct txn *t)
{
	struct seg_part *part = engine_part(k->engine);

	t->has_offsets = true;
	t->offsets = (struct seg_group){.known = true, .seq = seg_part_sealed_seq(part)};
	for (int s = 0; s < SEG_SOURCES; s++)
		t->offsets.next[s] = seg_part_sealed_next(part, (enum seg_source)s);
}

/* The outcome of a commit: true it has committed, false it is definitely aborted, or we do not live to hear it. */
static bool outcome(struct history *h, struct txn *t, bool fenced)
{
	double x = h->scripted ? 1 : seg_rng_unit(&h->w.rng);

	if (fenced || x < .1) {
		world_finish(&h->w, t, false);
		if (fenced)
			crash(h);
		return false;
	}
	if (x < .1 + .1 * h->w.storm) { /* indefinite */
		if (chance(&h->w, .4))
			t->state = TXN_PREPARED;
		else if (chance(&h->w, .3))
			world_finish(&h->w, t, false);
		crash(h);
	}
	world_finish(&h->w, t, true);
	if (x < .1 + .15 * h->w.storm) /* committed, and we die before we hear of it */
		crash(h);
	return true;
}

static void check_after(struct history *h, struct worker *k)
{
	struct world *w = &h->w;
	struct seg_part *part = engine_part(k->engine);

	check_part(w, part, "after commit:");
	for (size_t i = 0; i < w->log_len; i++) {
		const struct record *r = &w->log[i];
		bool last = r->txn->state == TXN_COMMITTED && r->key.ptr[0] == 'd' && r->value.ptr;

		for (size_t j = i + 1; last && j < w->log_len; j++)
			last = w->log[j].txn->state != TXN_COMMITTED || !seg_str_eq(w->log[j].key, r->key);
		if (!last || r->offset >= seg_part_cut(part)->changelog_position)
			continue;
		int c = customer_of((struct seg_str){r->key.ptr + 1, r->key.len - 1});
		need(w, w->truth[c], "%s: an erasure's decision is left behind the store's position", customer_ids[c]);
	}
	engine_check_sums(k->engine);
	if (!seg_part_has_work(part))
		engine_check_evaluated(k->engine);
	check_outputs(w);
}

/* What else may happen while a commit is under way. */
static void go_on(struct history *h, struct worker *k)
{
	struct world *w = &h->w;
	struct seg_part *part = engine_part(k->engine);

	if (chance(w, .3))
		for (int64_t n = between(w, 1, 3); n > 0; n--)
			poll(h, k);
	if (chance(w, .2))
		must(h, seg_part_write(part, (size_t)between(w, 1, 3), NULL));
	if (chance(w, .1))
		must(h, engine_reevaluate(k->engine, .3));
	if (chance(w, .1))
		must(h, engine_recount(k->engine));
	if (chance(w, .1))
		seg_part_evict(part);
}

void commit(struct history *h, struct worker *k)
{
	struct world *w = &h->w;
	struct seg_part *part = engine_part(k->engine);
	struct engine_commit c = {.cut_offset = -1};
	int who = (int)between(w, 0, CUSTOMERS - 1);

	if (!h->scripted && chance(w, .15 * w->lively) && !is_touched(h, k, who) && engine_expire(k->engine, who))
		note_erased(h, k, who);
	if (!h->scripted && chance(w, .5 * w->lively))
		must(h, engine_reevaluate(k->engine, .3));
	if (!engine_has_work(k->engine) && !seg_part_cycle_waits(part))
		return;
	bool progress = !w->group.known;
	for (int s = 0; s < SEG_SOURCES; s++)
		progress |= seg_part_next(part, (enum seg_source)s) != w->group.next[s];
	maybe_crash(h, .02);
	struct txn *t = seal(h, k, &c);
	if (!h->scripted)
		go_on(h, k);
	maybe_crash(h, .02);
	bool fenced = false;
	if (!SEG_MUTANT(NO_OFFSETS) || progress) {
		fenced = h->owner != k; /* generation and member are checked with the offsets */
		if (!fenced)
			send_offsets(k, t);
	}
	maybe_crash(h, .03);
	if (!outcome(h, t, fenced)) {
		h->counts->aborts++;
		k->dead_len = k->erased_len = 0;
		must(h, engine_aborted(k->engine));
		if (seg_part_recounted(part))
			engine_check_sums(k->engine);
		return;
	}
	h->counts->commits++;
	must(h, engine_committed(k->engine, !h->scripted && chance(w, .05) ? -1 : c.cut_offset));
	if (!h->scripted && chance(w, w->hurry))
		must(h, seg_part_write(part, (size_t)between(w, 1, 4), NULL));
	if (chance(w, .3))
		must(h, engine_recount(k->engine));
	if (h->owner == k)
		check_after(h, k);
}

/* A deposed owner goes on producing, but cannot commit. */
static void zombie(struct history *h)
{
	struct txn *z = world_begin(&h->w, NULL);

	for (int64_t n = between(&h->w, 1, 2); n > 0; n--)
		world_append(&h->w, z, seg_str_from("pann"), seg_str_from("rubbish"));
	if (chance(&h->w, .5))
		world_resolve(&h->w, z);
}

/* Revoked: commit, keep memory; the other owner for a while, or the same again. */
static void move(struct history *h)
{
	struct worker *k = h->active, *o;

	commit(h, k);
	if (seg_part_has_work(engine_part(k->engine)) && !SEG_MUTANT(BACK_UNCHECKED))
		return;
	if (SEG_MUTANT(NO_OFFSETS) && chance(&h->w, .3))
		k->limps = true;
	h->active = chance(&h->w, .7) ? other_of(h, k) : k;
	assign(h, h->active);
	h->counts->moves++;
	o = other_of(h, h->active);
	if (!o->limps || !o->engine)
		return;
	o->limps = false; /* late, in the belief that it still owns the partition */
	must(h, engine_reevaluate(o->engine, .5));
	struct engine_commit c = {.cut_offset = -1};
	if (engine_has_work(o->engine)) {
		struct txn *t = seal(h, o, &c);

		world_finish(&h->w, t, h->w.group.known);
	}
	down(o);
}

static void act(struct history *h)
{
	struct world *w = &h->w;
	struct worker *k = h->active;
	double x = seg_rng_unit(&w->rng);

	if (x < .33) {
		if (chance(w, .2 + w->lively))
			poll(h, k);
	} else if (x < .58) {
		commit(h, k);
		if (chance(w, .3))
			virtual_recoveries(h);
	} else if (x < .73) {
		must(h, seg_part_write(engine_part(k->engine), (size_t)between(w, 1, 2), NULL));
		maybe_crash(h, .05);
	} else if (x < .78) {
		seg_part_evict(engine_part(k->engine));
	} else if (x < .82) {
		must(h, engine_recount(k->engine));
	} else if (x < .84) {
		must(h, seg_store_sync(seg_part_store(engine_part(k->engine)), NULL));
	} else if (x < .89) {
		world_compact(w);
	} else if (x < .91) {
		zombie(h);
	} else if (x < .96) {
		move(h);
	} else if (x < .98) {
		maybe_crash(h, 1);
	}
}

static void step(struct history *h)
{
	for (int64_t n = between(&h->w, 0, 2); n > 0; n--)
		world_input(&h->w);
	h->w.wall_ms++;
	if (chance(&h->w, .1))
		world_change(&h->w);
	if (!h->active) {
		h->active = &h->workers[between(&h->w, 0, 1)];
		assign(h, h->active);
		virtual_recoveries(h);
	}
	act(h);
}

static void after_crash(struct history *h)
{
	struct worker *k = h->active;
	double y = seg_rng_unit(&h->w.rng);

	h->counts->crashes++;
	engine_close(h->probe);
	h->probe = NULL;
	down(k);
	if (y < .25)
		disk_power_loss(h->env, k->dir, (size_t)between(&h->w, 0, (int64_t)disk_unsynced(h->env, k->dir)));
	else if (y < .32)
		disk_lost(h->env, k->dir);
	h->active = NULL;
}

static void settle(struct history *h)
{
	for (size_t i = 0; i < h->w.txns_len; i++)
		if (txn_is_open(h->w.txns[i]) && chance(&h->w, .1) && (!h->active || h->w.txns[i]->by != h->active))
			world_resolve(&h->w, h->w.txns[i]);
}

static void run(struct history *h, int steps)
{
	if (h->w.seed % 8 == 0) {
		if (setjmp(h->crashed) == 0)
			store_ahead_of_changelog(h);
		else
			violation(&h->w, "the script crashed");
	}
	for (volatile int i = 0; i < steps; i++) {
		if (setjmp(h->crashed) == 0)
			step(h);
		else
			after_crash(h);
		check_outputs(&h->w);
		settle(h);
	}
	for (size_t i = 0; i < h->w.txns_len; i++)
		world_resolve(&h->w, h->w.txns[i]);
	if (setjmp(h->crashed) == 0)
		virtual_recoveries(h);
	check_outputs(&h->w);
}

bool history_run(uint64_t seed, int steps, struct history_counts *counts, char *why)
{
	struct history *h = calloc(1, sizeof *h);
	struct seg_store_options options = {.in_memory = true};
	volatile bool ok = true;

	if (!h || seg_store_env_new(&options, &h->env, NULL) != SEG_OK)
		abort();
	world_init(&h->w, seed);
	h->counts = counts;
	h->workers[0].dir = "/w0";
	h->workers[1].dir = "/w1";
	if (setjmp(h->w.failed) == 0) {
		run(h, steps);
	} else {
		ok = false;
		memcpy(why, h->w.why, sizeof h->w.why);
	}
	counts->outputs += h->w.outputs.len;
	engine_close(h->probe);
	down(&h->workers[0]);
	down(&h->workers[1]);
	seg_store_env_free(h->env);
	world_release(&h->w);
	free(h);
	return ok;
}
