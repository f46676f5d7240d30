#include "tests/property/protocol/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "state/codec.h"

enum { LEAVERS = 16 };

struct leaver {
	int customer;
	struct seg_decision was;
	bool has_cause;
	int64_t offset;
};

struct sums {
	int64_t count, total;
};

struct engine {
	struct world *w;
	struct seg_part *part;
	struct sums sums;
	struct leaver leavers[LEAVERS];
	size_t leavers_len, leavers_sealed;
	struct seg_buf scratch;
	double p;
};

static enum seg_rc follow(void *ctx, const struct seg_contribution *c, int sign, struct seg_error *err)
{
	struct engine *e = ctx;

	(void)err;
	e->sums.count += sign;
	e->sums.total += sign * c->values[0];
	return SEG_OK;
}

struct engine *engine_open(struct world *w, struct seg_store_env *env, const char *dir, size_t memory_bytes)
{
	struct engine *e = calloc(1, sizeof *e);
	struct seg_part_options options = {.env = env,
					   .dir = dir,
					   .aggregates = world_aggregates,
					   .memory_bytes = memory_bytes,
					   .tombstone_retention_ms = w->retention_ms - 1,
					   .contribution = follow,
					   .ctx = e};
	struct seg_error err = {SEG_OK, ""};

	if (!e)
		abort();
	e->w = w;
	seg_buf_init(&e->scratch, SEG_PROFILE_BYTES_MAX);
	seg_cut_init(&options.identity);
	if (seg_part_open(&options, &e->part, &err) != SEG_OK)
		violation(w, "open: %s", err.text);
	return e;
}

void engine_close(struct engine *e)
{
	if (!e)
		return;
	seg_part_close(e->part);
	seg_buf_release(&e->scratch);
	free(e);
}

struct seg_part *engine_part(struct engine *e)
{
	return e->part;
}

void engine_started(struct engine *e)
{
	(void)e;
}

void engine_refused(struct engine *e, enum seg_source source, int64_t offset)
{
	seg_part_advance(e->part, source, offset + 1);
}

void engine_end(struct engine *e, enum seg_source source, int64_t next)
{
	seg_part_advance(e->part, source, next);
}

void engine_drop(struct engine *e)
{
	e->sums = (struct sums){0, 0};
	e->leavers_len = e->leavers_sealed = 0;
}

static bool leave(struct engine *e, int customer, bool has_cause, int64_t offset)
{
	struct leaver *l = &e->leavers[e->leavers_len];
	struct seg_error err = {SEG_OK, ""};
	enum seg_rc rc = seg_part_erase(e->part, seg_str_from(customer_ids[customer]), &l->was, &err);

	if (rc == SEG_NOT_FOUND)
		return false;
	if (rc != SEG_OK || ++e->leavers_len == LEAVERS)
		violation(e->w, "erase: %s", err.text);
	l->customer = customer;
	l->has_cause = has_cause;
	l->offset = offset;
	return true;
}

enum seg_rc engine_event(struct engine *e, const struct seg_event *event, int64_t offset, bool *ret_erased)
{
	enum seg_applied applied;

	*ret_erased = false;
	if (event->source == SEG_PROFILES && event->kind == SEG_UPDATE_ERASE) {
		seg_part_advance(e->part, SEG_PROFILES, offset + 1);
		*ret_erased = leave(e, customer_of(event->customer_id), true, offset);
		return SEG_OK;
	}
	return seg_part_apply(e->part, event, offset, &applied, NULL, NULL);
}

bool engine_expire(struct engine *e, int customer)
{
	return leave(e, customer, false, -1);
}

static bool wants(void *ctx, const struct seg_profile *p)
{
	struct engine *e = ctx;

	(void)p;
	return chance(e->w, e->p);
}

enum seg_rc engine_reevaluate(struct engine *e, double p)
{
	uint64_t next = 0;
	bool done = false;
	enum seg_rc rc = SEG_OK;

	e->p = p;
	while (rc == SEG_OK && !done)
		rc = seg_part_scan(e->part, next, UINT64_MAX, (size_t)between(e->w, 1, 4), wants, e, &next, &done,
				   NULL);
	return rc;
}

bool engine_has_work(const struct engine *e)
{
	return seg_part_has_work(e->part) || e->leavers_len > e->leavers_sealed;
}

/* What a contribution was made from. */
static int32_t digest(struct engine *e, const struct seg_profile *p)
{
	struct seg_profile *copy = seg_profile_clone(p);
	struct seg_error err;
	uint64_t hash;

	if (!copy)
		abort();
	free(copy->contribution.values);
	copy->contribution = (struct seg_contribution){0};
	memset(&copy->decision, 0, sizeof copy->decision);
	memset(copy->applied, 0, sizeof copy->applied);
	seg_buf_clear(&e->scratch);
	if (seg_profile_encode(copy, &e->scratch, &err) != SEG_OK)
		violation(e->w, "encode: %s", err.text);
	hash = seg_hash64(e->scratch.data, e->scratch.len);
	seg_profile_free(copy);
	return (int32_t)(hash & 0x3fffffff);
}

static void put_out(struct engine *e, struct txn *t, struct output *o)
{
	for (int s = 0; s < SEG_SOURCES; s++) {
		o->lo[s] = e->w->group.known ? e->w->group.next[s] : 0;
		o->hi[s] = seg_part_next(e->part, (enum seg_source)s);
	}
	outputs_add(&t->outputs, o);
}

static enum seg_rc evaluate(struct engine *e, struct seg_entry *entry, struct txn *t)
{
	const struct seg_profile *p = seg_entry_profile(entry);
	double x = seg_rng_unit(&e->w->rng);
	int32_t values[2];

	if (!p || !p->decision.alive)
		return SEG_OK;
	struct seg_decision d = p->decision;
	if (x < .7 * e->w->lively) {
		struct output o = {.customer = customer_of(p->id),
				   .birth_source = d.birth_source,
				   .birth_offset = d.birth_offset,
				   .n = d.change_number + 1,
				   .from = d.cluster};
		do
			d.cluster = (uint64_t)between(e->w, 1, 3);
		while (d.cluster == o.from);
		d.change_number++;
		o.to = d.cluster;
		o.has_cause = seg_entry_cause(entry, &o.source, &o.offset);
		put_out(e, t, &o);
	} else if (x < .8 * e->w->lively) {
		d.since_ms = between(e->w, 0, 1000);
	}
	values[0] = (int32_t)between(e->w, 1, 99);
	values[1] = digest(e, p);
	struct seg_contribution c = {.basis = 1, .cluster = d.cluster, .len = 2, .values = values};
	return seg_part_decide(e->part, entry, &d, &c, NULL);
}

struct emitting {
	struct engine *e;
	struct engine_commit *c;
};

static enum seg_rc emit(void *ctx, enum seg_emit what, struct seg_str key, struct seg_str value, struct seg_error *err)
{
	struct emitting *em = ctx;
	int64_t offset = world_append(em->e->w, em->c->txn, key, value);

	if (what == SEG_EMIT_CUT)
		em->c->cut_offset = offset;
	return chance(em->e->w, em->c->crash) ? seg_error_set(err, SEG_FATAL, "crash") : SEG_OK;
}

enum seg_rc engine_seal(struct engine *e, struct engine_commit *c)
{
	struct seg_seal seal = {
		.wall_ms = e->w->wall_ms, .max_profiles = c->max_profiles, .begin_cycle = c->begin_cycle};
	struct emitting em = {e, c};
	struct seg_entry **entries;
	size_t len;
	enum seg_rc rc;

	for (size_t i = 0; i < e->leavers_len; i++) {
		const struct leaver *l = &e->leavers[i];
		struct output o = {.customer = l->customer,
				   .birth_source = l->was.birth_source,
				   .birth_offset = l->was.birth_offset,
				   .n = l->was.change_number + 1,
				   .from = l->was.cluster,
				   .has_cause = l->has_cause,
				   .source = SEG_PROFILES,
				   .offset = l->offset};
		if (o.from != 0)
			put_out(e, c->txn, &o);
	}
	e->leavers_sealed = e->leavers_len;
	rc = seg_part_pending(e->part, &entries, &len, NULL);
	for (size_t i = 0; rc == SEG_OK && i < len; i++)
		rc = evaluate(e, entries[i], c->txn);
	return rc == SEG_OK ? seg_part_seal(e->part, &seal, emit, &em, NULL) : rc;
}

enum seg_rc engine_committed(struct engine *e, int64_t cut_offset)
{
	e->leavers_len -= e->leavers_sealed;
	memmove(e->leavers, e->leavers + e->leavers_sealed, e->leavers_len * sizeof *e->leavers);
	e->leavers_sealed = 0;
	return seg_part_committed(e->part, cut_offset, NULL);
}

enum seg_rc engine_aborted(struct engine *e)
{
	e->leavers_len = e->leavers_sealed = 0;
	return seg_part_aborted(e->part, NULL);
}

enum seg_rc engine_recount(struct engine *e)
{
	bool done;

	return seg_part_recount(e->part, 1, &done, NULL);
}

struct counting {
	struct engine *e;
	struct sums sums;
	bool digests;
};

static bool count(void *ctx, const struct seg_profile *p)
{
	struct counting *c = ctx;

	if (p->contribution.basis) {
		c->sums.count++;
		c->sums.total += p->contribution.values[0];
	}
	if (c->digests)
		need(c->e->w, p->contribution.basis && p->contribution.values[1] == digest(c->e, p),
		     "%s is not evaluated", customer_ids[customer_of(p->id)]);
	return false;
}

static void count_all(struct engine *e, struct counting *c)
{
	uint64_t next = 0;
	bool done = false;

	while (!done)
		if (seg_part_scan(e->part, next, UINT64_MAX, 2, count, c, &next, &done, NULL) != SEG_OK)
			violation(e->w, "the scan failed");
}

void engine_check_sums(struct engine *e)
{
	struct counting c = {.e = e};

	if (!seg_part_recounted(e->part))
		return;
	count_all(e, &c);
	need(e->w, c.sums.count == e->sums.count && c.sums.total == e->sums.total,
	     "sums: %lld of %lld customers, the recount says %lld of %lld", (long long)e->sums.total,
	     (long long)e->sums.count, (long long)c.sums.total, (long long)c.sums.count);
}

void engine_check_evaluated(struct engine *e)
{
	struct counting c = {.e = e, .digests = true};

	count_all(e, &c);
}
