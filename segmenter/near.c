#include "segmenter/near.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/hungarian.h"

/*
 * The cost of a candidate: the share of inertia by which it is worse than the best, plus MOVE_COST for each share of
 * customers it moves, and more beyond MOVED_MUCH; never more than GAP_MOST worse than the best.
 */
#define MOVE_COST 0.07
#define MOVED_MUCH 0.22
#define MUCH_COST 0.25
#define GAP_MOST 0.0125

enum { ROUNDS = 2, TRIES_MOST = 96, TRIES_LEAST = 16, LLOYD_STEPS = 20, BASES = 4, PULLS = 8 };
#define PULL 0.08
#define WORK_MOST 4e8 /* rows * clusters * dimensions looked at in all tries of a round */

struct candidate {
	double moved, cost; /* as a base: rank */
	double *centroids;  /* [k * d] */
};

struct near {
	const struct seg_near_search *s;
	double best_inertia;	       /* > 0 */
	struct candidate chosen;       /* of the least cost */
	struct candidate bases[BASES]; /* where the next round starts, best rank first */
	uint32_t bases_len;
	double *start;
	struct seg_rng rng;
};

/* ret_column [k]: of each cluster of `to` its own in `from`, if that has most of its rows, else -1. */
static enum seg_rc match_labels(const uint32_t *from, const uint32_t *to, size_t n, uint32_t k, int32_t *ret_column,
				double *ret_moved, struct seg_error *err)
{
	double *cost = calloc((size_t)k * k + 1, sizeof(*cost)), kept = 0;
	enum seg_rc rc;

	if (!cost)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
	for (size_t i = 0; i < n; i++)
		cost[(size_t)to[i] * k + from[i]]--;
	rc = seg_hungarian(cost, k, k, ret_column, err);
	for (uint32_t i = 0; !rc && i < k; i++) {
		double members = 0, both = ret_column[i] < 0 ? 0 : -cost[(size_t)i * k + (uint32_t)ret_column[i]];
		for (uint32_t j = 0; j < k; j++)
			members -= cost[(size_t)i * k + j];
		kept += both;
		if (2 * both < members)
			ret_column[i] = -1;
	}
	free(cost);
	if (!rc)
		*ret_moved = n ? 1 - kept / (double)n : 0;
	return rc;
}

enum seg_rc seg_moved_share(const uint32_t *from, const uint32_t *to, size_t n, uint32_t k, double *ret,
			    struct seg_error *err)
{
	int32_t *column = malloc((k + 1) * sizeof(*column));
	enum seg_rc rc;

	if (!column)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
	rc = match_labels(from, to, n, k, column, ret, err);
	free(column);
	return rc;
}

static double cost_of(const struct near *w, double inertia, double moved)
{
	double gap = inertia / w->best_inertia - 1;

	if (gap > GAP_MOST)
		return INFINITY;
	return fmax(gap, 0) + MOVE_COST * moved + MUCH_COST * fmax(0, moved - MOVED_MUCH);
}

static void take(struct candidate *to, const double *centroids, double moved, double cost, size_t cells)
{
	to->moved = moved;
	to->cost = cost;
	memcpy(to->centroids, centroids, cells * sizeof(double));
}

static void keep_base(struct near *w, const double *centroids, double moved, double rank, size_t cells)
{
	uint32_t at = w->bases_len;
	struct candidate last;

	while (at > 0 && w->bases[at - 1].cost > rank)
		at--;
	if (at == BASES)
		return;
	if (w->bases_len < BASES)
		w->bases_len++;
	last = w->bases[w->bases_len - 1];
	memmove(w->bases + at + 1, w->bases + at, (w->bases_len - 1 - at) * sizeof(*w->bases));
	w->bases[at] = last;
	take(&w->bases[at], centroids, moved, rank, cells);
}

/* Lloyd from w->start, and what comes of it is weighed. */
static enum seg_rc try_start(struct near *w, struct seg_error *err)
{
	const struct seg_near_search *s = w->s;
	size_t cells = (size_t)s->k * s->d;
	struct seg_kmeans km;
	double moved = 1, cost;
	enum seg_rc rc = seg_kmeans_refine(s->x, s->n, s->d, w->start, s->k, LLOYD_STEPS, &km, err);

	if (rc)
		return rc;
	if (km.k == s->k)
		rc = seg_moved_share(s->labels, km.labels, s->n, s->k, &moved, err);
	if (!rc && km.k == s->k) {
		cost = cost_of(w, km.inertia, moved);
		if (cost < w->chosen.cost)
			take(&w->chosen, km.centroids, moved, cost, cells);
		/* A fit that lacks too much may be a step on the way to one that does not. */
		keep_base(w, km.centroids, moved,
			  km.inertia / w->best_inertia + (isfinite(cost) ? 0 : MOVE_COST * moved), cells);
	}
	seg_kmeans_release(&km);
	return rc;
}

/* One centroid put elsewhere, from each of the bases in turn. `copies`: as the bases are now, since trying changes them. */
static enum seg_rc try_swaps(struct near *w, int tries, const double *copies, uint32_t len, struct seg_error *err)
{
	const struct seg_near_search *s = w->s;
	size_t cells = (size_t)s->k * s->d;
	enum seg_rc rc = SEG_OK;

	for (int i = 0; !rc && len && i < tries && !seg_is_cancelled(s->cancelled); i++) {
		uint32_t c = (uint32_t)seg_rng_below(&w->rng, s->k);
		size_t at = seg_rng_below(&w->rng, s->n);

		memcpy(w->start, copies + (uint32_t)i % len * cells, cells * sizeof(double));
		memcpy(w->start + (size_t)c * s->d, s->x + at * s->d, s->d * sizeof(double));
		rc = try_start(w, err);
	}
	return rc;
}

static enum seg_rc look_around(struct near *w, double *copies, struct seg_error *err)
{
	const struct seg_near_search *s = w->s;
	size_t cells = (size_t)s->k * s->d;
	double tries = fmin(WORK_MOST / ((double)s->n * (double)cells), 8.0 * s->k);
	enum seg_rc rc;

	memcpy(w->start, s->current, cells * sizeof(double));
	rc = try_start(w, err);
	for (int round = 0; !rc && round < ROUNDS; round++) {
		uint32_t len = w->bases_len;

		for (uint32_t i = 0; i < len; i++)
			memcpy(copies + i * cells, w->bases[i].centroids, cells * sizeof(double));
		rc = try_swaps(w, (int)fmin(fmax(tries, TRIES_LEAST), TRIES_MOST), copies, len, err);
	}
	return rc;
}

/* Inertia is flat around an optimum, and who is nearest to what is not: pulled back a little towards where they were, the
 * centroids lose next to nothing, and fewer customers on the borders move. */
static enum seg_rc pull_back(struct near *w, double *pulled, struct seg_error *err)
{
	const struct seg_near_search *s = w->s;
	size_t cells = (size_t)s->k * s->d;
	struct candidate from = {.centroids = w->start};
	struct seg_kmeans at = {.k = s->k, .centroids = pulled, .labels = malloc((s->n + 1) * sizeof(*at.labels))};
	int32_t *column = malloc((s->k + 1) * sizeof(*column));
	enum seg_rc rc = SEG_OK;

	if (!at.labels || !column) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
		goto out;
	}
	take(&from, w->chosen.centroids, w->chosen.moved, w->chosen.cost, cells);
	seg_kmeans_assign(s->x, s->n, s->d, from.centroids, s->k, at.labels, NULL, NULL);
	rc = match_labels(s->labels, at.labels, s->n, s->k, column, &from.moved, err);
	for (int step = 1; !rc && step <= PULLS; step++) {
		double moved = 1, cost, share = PULL * step;

		for (size_t i = 0; i < cells; i++) {
			int32_t old = column[i / s->d];
			double c = from.centroids[i];
			pulled[i] = old < 0 ? c : c + share * (s->current[(size_t)old * s->d + i % s->d] - c);
		}
		at.inertia = seg_kmeans_assign(s->x, s->n, s->d, pulled, s->k, at.labels, NULL, NULL);
		rc = seg_moved_share(s->labels, at.labels, s->n, s->k, &moved, err);
		cost = cost_of(w, at.inertia, moved);
		if (!rc && cost < w->chosen.cost)
			take(&w->chosen, pulled, moved, cost, cells);
	}
out:
	free(at.labels);
	free(column);
	return rc;
}

enum seg_rc seg_near_find(const struct seg_near_search *search, struct seg_kmeans *best, double *ret_moved,
			  struct seg_error *err)
{
	size_t cells = (size_t)search->k * search->d;
	double *memory = malloc((2 * BASES + 2) * cells * sizeof(double) + 1);
	struct near w = {.s = search, .best_inertia = best->inertia};
	double moved;
	enum seg_rc rc;

	if (!(best->inertia > 0)) {
		free(memory);
		return seg_moved_share(search->labels, best->labels, search->n, search->k, ret_moved, err);
	}
	if (!memory)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
	seg_rng_init(&w.rng, search->seed);
	w.start = memory;
	w.chosen.centroids = memory + cells;
	for (uint32_t i = 0; i < BASES; i++)
		w.bases[i].centroids = memory + (2 + i) * cells;
	rc = seg_moved_share(search->labels, best->labels, search->n, search->k, &moved, err);
	if (!rc) {
		take(&w.chosen, best->centroids, moved, cost_of(&w, best->inertia, moved), cells);
		rc = look_around(&w, memory + (2 + BASES) * cells, err);
	}
	if (!rc)
		rc = pull_back(&w, memory + (2 + BASES) * cells, err);
	if (!rc && seg_is_cancelled(search->cancelled))
		rc = seg_error_set(err, SEG_RETRY, "k-means: cancelled");
	if (!rc) {
		memcpy(best->centroids, w.chosen.centroids, cells * sizeof(double));
		best->inertia = seg_kmeans_assign(search->x, search->n, search->d, best->centroids, search->k,
						  best->labels, NULL, NULL);
		*ret_moved = w.chosen.moved;
	}
	free(memory);
	return rc;
}
