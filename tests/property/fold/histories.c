/*
 * Random histories of the sums and the fold. At the end of each, when everything is quiet: every partition's sums on the
 * topic are the recount of its customers' contributions bit for bit, and so is the fold's total; the sample is who lives;
 * all contributions are of the newest basis; and a new fold, made from the topics alone, fits the same model as the old.
 *
 *   fold_histories [-n HISTORIES] [-s SEED] [-m MUTANT]
 *   fold_histories --all [-n HISTORIES]                    each rule of SEG_FOLD_MUTANT_TABLE broken in turn: caught?
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/mutant.h"
#include "tests/property/fold/fleet.h"
#include "tests/support/learner_peek.h"

enum { STEPS = 700, ROUNDS_MAX = 600, QUIET_ROUNDS = 3 };

static enum outcome any_outcome(struct fleet *f)
{
	double p = seg_rng_unit(&f->rng);

	return p < .8 ? OUTCOME_COMMITTED : p < .9 ? OUTCOME_ABORTED : p < .95 ? OUTCOME_LOST : OUTCOME_UNKNOWN;
}

static void happen(struct fleet *f)
{
	for (size_t n = fleet_below(f, 10); n > 0; n--)
		fleet_order(f, (int)fleet_below(f, (size_t)f->customers), 1 + seg_rng_unit(&f->rng) * 300);
	if (fleet_chance(f, .2))
		fleet_erase(f, (int)fleet_below(f, (size_t)f->customers));
	f->now_ms += (int64_t)fleet_below(f, 3 * 3600 * 1000);
}

static void step_lane(struct fleet *f)
{
	struct lane *l = &f->lanes[fleet_below(f, (size_t)f->partitions)];

	if (fleet_chance(f, .3))
		lane_take_model(f, l);
	lane_read(f, l, fleet_below(f, 40));
	lane_commit(f, l, any_outcome(f));
	if (fleet_chance(f, .01))
		lane_crash(f, l);
	if (fleet_chance(f, .01))
		lane_move(f, l);
}

static void step_fold(struct fleet *f)
{
	if (fleet_chance(f, .02)) {
		f->config ^= fleet_chance(f, .3);
		fold_move(f, fleet_chance(f, .5));
	}
	zombie_step(f);
	for (size_t n = fleet_below(f, 4); n > 0; n--)
		fold_read(f, &f->folding, 1 + fleet_below(f, 60));
	if (fleet_chance(f, .2)) {
		fold_check(f, &f->folding);
		fold_repeat(f, &f->folding);
	}
	if (fleet_chance(f, .3))
		fold_check(f, &f->folding);
	if (fleet_chance(f, .03))
		seg_fold_request_refit(f->folding.fold);
	fold_publish(f, any_outcome(f));
}

/* Everything is read, committed and published, until nothing more comes of it. */
static void settle(struct fleet *f)
{
	int quiet = 0;

	for (int round = 0; quiet < QUIET_ROUNDS; round++) {
		bool any = false;

		need(f, round < ROUNDS_MAX, "it does not come to rest");
		f->now_ms++; /* sums are published once a millisecond */
		for (int32_t p = 0; p < f->partitions; p++) {
			struct lane *l = &f->lanes[p];

			lane_take_model(f, l);
			lane_read(f, l, SIZE_MAX);
			any = lane_commit(f, l, OUTCOME_COMMITTED) || any;
			any = any || (f->model && seg_shard_swept(l->shard) != f->model->promotion);
		}
		fold_read_all(f, &f->folding);
		any = fold_publish(f, OUTCOME_COMMITTED) || any;
		quiet = any ? 0 : quiet + 1;
	}
}

struct counting {
	struct fleet *f;
	struct seg_sums *sums;
	size_t customers;
};

static bool count(void *ctx, const struct seg_profile *p)
{
	struct counting *c = ctx;
	uint64_t basis = c->f->model ? c->f->model->basis.id : 0;

	c->customers++;
	if (c->f->model && c->f->model->promotion > 0)
		need(c->f, p->contribution.basis == basis, "%.*s is in another basis than the model", (int)p->id.len,
		     p->id.ptr);
	if (seg_sums_change(c->sums, NULL, &p->contribution, 1, NULL) != SEG_OK)
		violation(c->f, "the recount failed");
	return false;
}

static void check_equal(struct fleet *f, const struct seg_sums *a, const struct seg_sums *b, const char *what)
{
	const struct seg_sum_bucket *d = seg_sums_difference(a, b);

	need(f, !d, "%s: cluster %llu of basis %016llx differs", what, (unsigned long long)d->cluster,
	     (unsigned long long)d->basis);
}

/* `fresh` has read the topic from its start. Adds the recount to *total. */
static void check_lane(struct fleet *f, struct lane *l, const struct seg_learner *fresh, struct seg_sums *total,
		       uint64_t *customers)
{
	struct counting c = {f, seg_sums_new(), 0};
	struct seg_sums_close close;
	uint64_t next;
	bool done;

	if (!c.sums || seg_part_scan(seg_shard_part(l->shard), 0, UINT64_MAX, SIZE_MAX, count, &c, &next, &done, NULL))
		violation(f, "the scan failed");
	need(f, seg_part_recounted(seg_shard_part(l->shard)), "the recount has not ended");
	check_equal(f, c.sums, seg_shard_sums(l->shard), "the shard's sums and the recount");
	struct seg_sums *told = peek_partition(fresh, l->partition, &close);
	need(f, told, "partition %d has told nothing", (int)l->partition);
	check_equal(f, c.sums, told, "the topic's sums and the recount");
	need(f, close.customers == c.customers, "partition %d told %llu customers, it has %zu", (int)l->partition,
	     (unsigned long long)close.customers, c.customers);
	need(f, seg_sums_add(total, c.sums, NULL) == SEG_OK, "the sums do not add up");
	*customers += c.customers;
	seg_sums_free(told);
	seg_sums_free(c.sums);
}

static void check_sample(struct fleet *f, const struct seg_learner *l, uint64_t customers)
{
	need(f, peek_sample(l) == customers, "%zu profiles in the sample, %llu customers", peek_sample(l),
	     (unsigned long long)customers);
	for (size_t i = 0; i < peek_sample(l); i++) {
		struct seg_str id = peek_sampled(l, i)->id;
		struct seg_profile *p = NULL;
		int32_t partition = seg_partition_for_key(id.ptr, id.len, f->partitions);
		enum seg_rc rc = seg_part_find(seg_shard_part(f->lanes[partition].shard), id, &p, NULL);

		seg_profile_free(p);
		need(f, rc == SEG_OK, "%.*s is in the sample, but not there", (int)id.len, id.ptr);
	}
}

static void check_same_model(struct fleet *f, const struct seg_model *a, const struct seg_model *b)
{
	struct seg_buf x, y;

	seg_buf_init(&x, 1 << 24);
	seg_buf_init(&y, 1 << 24);
	if (seg_model_encode(a, &x, NULL) || seg_model_encode(b, &y, NULL))
		violation(f, "a model cannot be written");
	bool same = x.len == y.len && memcmp(x.data, y.data, x.len) == 0;
	seg_buf_release(&x);
	seg_buf_release(&y);
	need(f, same, "a new fold makes another model than the old one");
}

/* Both are asked to fit again: the same sample, seeds, memory and sums make the same model. */
static void check_successor(struct fleet *f, struct seg_fold *fresh)
{
	struct seg_fold *old = f->folding.fold;
	struct seg_now now = {f->now_ms, f->now_ms};
	struct seg_error err = {0};

	seg_fold_request_refit(old);
	seg_fold_request_refit(fresh);
	for (int i = 0; i < 3; i++) {
		if (seg_fold_tick(old, &now, &err) || seg_fold_tick(fresh, &now, &err))
			violation(f, "tick: %s", err.text);
		need(f, seg_fold_has_work(old) == seg_fold_has_work(fresh), "only one of two folds has news");
		check_same_model(f, seg_fold_model(old), seg_fold_model(fresh));
		if (seg_fold_has_work(old))
			return;
	}
}

static void check(struct fleet *f)
{
	uint64_t customers = 0;
	struct seg_sums *total = seg_sums_new();
	struct folding was = f->folding;
	struct seg_now now = {f->now_ms, f->now_ms};
	struct seg_error err = {0};

	need(f, total, "no memory");
	f->folding = (struct folding){0};
	fold_move(f, false);
	struct folding fresh = f->folding;
	f->folding = was;
	fold_read_all(f, &fresh);
	for (int32_t p = 0; p < f->partitions; p++)
		check_lane(f, &f->lanes[p], seg_fold_learner(fresh.fold), total, &customers);
	if (seg_fold_tick(was.fold, &now, &err) || seg_fold_tick(fresh.fold, &now, &err))
		violation(f, "tick: %s", err.text);
	check_equal(f, total, peek_total(seg_fold_learner(was.fold)), "the fold's total and the recount");
	check_equal(f, total, peek_total(seg_fold_learner(fresh.fold)), "a new fold's total and the recount");
	need(f, peek_customers(seg_fold_learner(was.fold)) == customers, "the fold counts other customers");
	check_sample(f, seg_fold_learner(was.fold), customers);
	check_sample(f, seg_fold_learner(fresh.fold), customers);
	if (f->model && f->model->promotion > 0)
		check_successor(f, fresh.fold);
	seg_sums_free(total);
	seg_fold_free(fresh.fold);
}

static void play(struct fleet *f)
{
	for (int i = 0; i < STEPS; i++) {
		happen(f);
		step_lane(f);
		step_lane(f);
		step_fold(f);
	}
	settle(f);
	for (int i = 0; i < 8; i++) { /* the scan goes round: the sample is complete then */
		f->now_ms += 3600 * 1000;
		settle(f);
	}
	check(f);
}

static bool run(uint64_t seed, struct fleet_counts *counts, char *why)
{
	struct fleet *f = calloc(1, sizeof *f);

	if (!f)
		abort();
	if (setjmp(f->failed)) {
		memcpy(why, f->why, sizeof f->why);
		free(f); /* what it holds is left as it stands */
		return false;
	}
	fleet_open(f, seed);
	play(f);
	for (size_t i = 0; i < sizeof *counts / sizeof(uint64_t); i++)
		((uint64_t *)counts)[i] += ((uint64_t *)&f->counts)[i];
	fleet_close(f);
	free(f);
	return true;
}

/* Number of histories until one fails; 0: none has. */
static long run_many(long n, uint64_t seed, struct fleet_counts *counts, char *why)
{
	for (long i = 0; i < n; i++)
		if (!run(seed + (uint64_t)i, counts, why))
			return i + 1;
	return 0;
}

static const struct {
	enum seg_mutant mutant;
	const char *id, *text;
} mutants[] = {
#define X(name, id, text) {SEG_MUTANT_##name, id, text},
	SEG_FOLD_MUTANT_TABLE(X)
#undef X
};
enum { MUTANTS = sizeof mutants / sizeof mutants[0] };

static void set_mutant(enum seg_mutant m)
{
#ifdef SEG_MUTATIONS
	seg_mutant_now = m;
#else
	if (m != SEG_MUTANT_NONE) {
		fprintf(stderr, "this program was built without SEG_MUTATIONS\n");
		exit(2);
	}
#endif
}

static int run_all(long n, uint64_t seed)
{
	int missed = 0;

	for (int m = 0; m < MUTANTS; m++) {
		struct fleet_counts counts = {0};
		char why[1024];

		set_mutant(mutants[m].mutant);
		long at = run_many(n, seed, &counts, why);
		if (at)
			printf("%-18s caught after %ld: %s\n", mutants[m].id, at, why);
		else
			printf("%-18s NOT CAUGHT in %ld: %s\n", mutants[m].id, n, mutants[m].text);
		fflush(stdout);
		missed += at == 0;
	}
	return missed ? 1 : 0;
}

int main(int argc, char **argv)
{
	struct fleet_counts c = {0};
	long n = 60;
	uint64_t seed = 1;
	char why[1024];
	bool all = false;

	seg_log_init(SEG_LOG_ERROR, false);
	for (int i = 1; i < argc; i++) {
		const char *value = i + 1 < argc ? argv[i + 1] : "";

		all = all || strcmp(argv[i], "--all") == 0;
		if (strcmp(argv[i], "-n") == 0)
			n = strtol(value, NULL, 10);
		if (strcmp(argv[i], "-s") == 0)
			seed = strtoull(value, NULL, 10);
		for (int m = 0; strcmp(argv[i], "-m") == 0 && m < MUTANTS; m++)
			if (strcmp(mutants[m].id, value) == 0)
				set_mutant(mutants[m].mutant);
	}
	if (all)
		return run_all(n, seed);
	long at = run_many(n, seed, &c, why);
	printf("%ld histories: commits %llu, aborts %llu, crashes %llu, moves %llu, models %llu, promotions %llu, "
	       "folds "
	       "%llu, new bases %llu, erasures %llu, repeats %llu\n",
	       at ? at : n, (unsigned long long)c.commits, (unsigned long long)c.aborts, (unsigned long long)c.crashes,
	       (unsigned long long)c.moves, (unsigned long long)c.models, (unsigned long long)c.promotions,
	       (unsigned long long)c.folds, (unsigned long long)c.bases, (unsigned long long)c.erasures,
	       (unsigned long long)c.repeats);
	if (at)
		printf("violation: seed %llu: %s\n", (unsigned long long)(seed + (uint64_t)at - 1), why);
	return at ? 1 : 0;
}
