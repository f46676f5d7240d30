/* The folds of a fleet: reading in whatever order, repeats, publication, owners that come and go. */
#include <stdlib.h>
#include <string.h>

#include "tests/property/fold/fleet_internal.h"
#include "tests/support/learner_peek.h"

void fold_open(struct fleet *f, struct folding *g)
{
	struct seg_error err = {0};
	struct seg_fold_options options = {
		.config = f->configs[f->config], .partitions = f->partitions, .in_place = true};

	memset(g, 0, sizeof *g);
	ok(f, seg_fold_new(&options, &g->fold, &err), &err, "fold");
	ok(f, seg_fold_begin(g->fold, f->model, &err), &err, "fold");
	g->ready_at = f->sums.len;
	g->compacted = fleet_below(f, f->sums.len + 1);
	f->counts.folds++;
}

void fold_move(struct fleet *f, bool zombie)
{
	seg_fold_free(f->zombie.fold);
	f->zombie = (struct folding){0};
	if (zombie)
		f->zombie = f->folding;
	else
		seg_fold_free(f->folding.fold);
	fold_open(f, &f->folding);
}

/* Which partition's record it is; the sample's come last. */
static size_t stream_of(const struct fleet *f, const struct record *r)
{
	return r->key.len > 5 && memcmp(r->key.ptr, "sums/", 5) == 0 ? (size_t)(r->key.ptr[5] - '0')
								     : (size_t)f->partitions;
}

/* Gone by compaction: a later record of the key lies below the bound, or it was a tombstone. */
static bool is_compacted(const struct fleet *f, size_t at, size_t bound)
{
	const struct record *r = &f->sums.items[at];

	if (at >= bound)
		return false;
	for (size_t i = at + 1; i < bound; i++)
		if (seg_str_eq(f->sums.items[i].key, r->key))
			return true;
	return !r->value.ptr;
}

static void take(struct fleet *f, struct folding *g, size_t at)
{
	const struct record *r = &f->sums.items[at];
	struct seg_error err = {0};
	enum seg_rc rc = seg_fold_take(g->fold, r->key, r->value, &err);

	need(f, rc == SEG_OK, "the fold does not take %.*s: %s", (int)r->key.len, r->key.ptr, err.text);
}

static void read_stream(struct fleet *f, struct folding *g, size_t stream, size_t max)
{
	while (g->read[stream] < f->sums.len && max > 0) {
		size_t at = g->read[stream]++;
		if (stream_of(f, &f->sums.items[at]) != stream || is_compacted(f, at, g->compacted))
			continue;
		take(f, g, at);
		max--;
	}
}

static void see_ready(const struct fleet *f, struct folding *g)
{
	bool ready = true;

	for (int32_t s = 0; s <= f->partitions; s++)
		ready = ready && g->read[s] >= g->ready_at;
	g->ready = g->ready || ready;
}

void fold_read(struct fleet *f, struct folding *g, size_t max)
{
	read_stream(f, g, fleet_below(f, (size_t)f->partitions + 1), max);
	see_ready(f, g);
}

void fold_read_all(struct fleet *f, struct folding *g)
{
	for (int32_t s = 0; s <= f->partitions; s++)
		read_stream(f, g, (size_t)s, SIZE_MAX);
	see_ready(f, g);
}

/* Sums may come again at any time; a sample's record is a register, and its order the log's. */
void fold_repeat(struct fleet *f, struct folding *g)
{
	size_t stream = fleet_below(f, (size_t)f->partitions), to = fleet_below(f, g->read[stream] + 1);
	size_t from = fleet_below(f, to + 1);

	for (size_t at = from; at < to; at++)
		if (stream_of(f, &f->sums.items[at]) == stream && f->sums.items[at].value.ptr)
			take(f, g, at);
	f->counts.repeats++;
}

/* A version is published once, and numbers only grow: by one, but for those that candidates have taken. */
static void follow_line(struct fleet *f, struct seg_model *m)
{
	const struct seg_model *was = f->model;

	if (was) {
		need(f, seg_model_version(m) > seg_model_version(was), "version %llu comes after version %llu",
		     (unsigned long long)seg_model_version(m), (unsigned long long)seg_model_version(was));
		need(f, m->promotion <= f->highest_number + 1, "promotion %llu comes after promotion %llu",
		     (unsigned long long)m->promotion, (unsigned long long)was->promotion);
		need(f, m->next_cluster >= was->next_cluster, "cluster ids are given again");
		f->counts.bases += m->basis.id != was->basis.id && was->promotion > 0;
	}
	f->counts.models++;
	f->counts.promotions += !was || m->promotion != was->promotion;
	seg_model_put(f->model);
	f->model = m;
}

static void publish(struct fleet *f)
{
	struct seg_error err = {0};
	uint64_t highest = f->highest_number;

	for (size_t i = 0; i < f->pending[SEG_INTERNAL_MODEL].len; i++) {
		const struct record *r = &f->pending[SEG_INTERNAL_MODEL].items[i];
		struct seg_model *m;

		if (!r->value.ptr)
			continue;
		ok(f, seg_model_decode(r->value.ptr, r->value.len, &m, &err), &err, "model");
		if (m->promotion > highest)
			highest = m->promotion;
		if (seg_str_is(r->key, "current"))
			follow_line(f, m);
		else
			seg_model_put(m);
	}
	f->highest_number = highest;
}

static bool fold_learn(struct fleet *f, struct folding *g)
{
	struct seg_now now = now_of(f);
	struct seg_error err = {0};

	if (!g->ready)
		return false;
	ok(f, seg_fold_tick(g->fold, &now, &err), &err, "tick");
	return seg_fold_has_work(g->fold);
}

bool fold_publish(struct fleet *f, enum outcome outcome)
{
	struct folding *g = &f->folding;
	struct seg_sink sink = sink_of(f);
	struct seg_error err = {0};

	if (!fold_learn(f, g))
		return false;
	txn_begin(f);
	enum seg_rc rc = seg_fold_seal(g->fold, &sink, &err);
	if (rc == SEG_ABORT)
		outcome = outcome == OUTCOME_COMMITTED ? OUTCOME_ABORTED : OUTCOME_LOST;
	else
		ok(f, rc, &err, "the fold's seal");
	switch (outcome) {
	case OUTCOME_COMMITTED:
		publish(f);
		seg_fold_committed(g->fold);
		break;
	case OUTCOME_ABORTED:
		seg_fold_aborted(g->fold);
		break;
	case OUTCOME_UNKNOWN:
		publish(f);
		fold_move(f, false);
		break;
	case OUTCOME_LOST:
		fold_move(f, false);
		break;
	}
	return true;
}

void zombie_step(struct fleet *f)
{
	struct folding *g = &f->zombie;
	struct seg_sink sink = sink_of(f);
	struct seg_error err = {0};

	if (!g->fold)
		return;
	fold_read(f, g, 50);
	if (!fold_learn(f, g))
		return;
	txn_begin(f);
	enum seg_rc rc = seg_fold_seal(g->fold, &sink, &err);
	need(f, rc == SEG_OK || rc == SEG_ABORT, "the zombie's seal: %s", err.text);
	seg_fold_free(g->fold); /* fenced */
	g->fold = NULL;
}

void fold_check(struct fleet *f, struct folding *g)
{
	for (int32_t p = 0; p < f->partitions; p++) {
		const struct lane *l = &f->lanes[p];
		struct seg_sums_close close;
		struct seg_sums *has = peek_partition(seg_fold_learner(g->fold), p, &close);
		size_t i = 0;

		while (has && i < l->told_len && l->told[i].sequence != close.sequence)
			i++;
		need(f, !has || i < l->told_len, "the fold has a sequence that partition %d has not told", (int)p);
		need(f, !has || seg_sums_equal(has, l->told[i].sums),
		     "the fold has other sums of partition %d than it told as of %llu", (int)p,
		     (unsigned long long)close.sequence);
		need(f, !has || close.sequence >= g->sequences[p], "the fold went back to old sums of partition %d",
		     (int)p);
		g->sequences[p] = has ? close.sequence : 0;
		seg_sums_free(has);
	}
}
