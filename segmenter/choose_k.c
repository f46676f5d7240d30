#include "segmenter/choose_k.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/kmeans.h"
#include "segmenter/model.h"
#include "segmenter/silhouette.h"

enum { FIT_ROWS = 2048, SILHOUETTE_ROWS = 1000, PAIRS = 3, STARTS = 3 };

struct rows {
	const double *x;
	size_t n;
	uint32_t d;
	const atomic_bool *cancelled;
};

/* Fits on halves of the rows x [n * d]. */
struct halves {
	const double *x;
	size_t n;
	uint32_t d;
	struct seg_kmeans_options options;
	uint32_t *order, *labels[2], k[2]; /* labels of all rows by the fit on each half */
	double *rows;
};

static void halves_release(struct halves *h)
{
	free(h->order);
	free(h->labels[0]);
	free(h->labels[1]);
	free(h->rows);
}

/* Release also after a failure. */
static enum seg_rc halves_init(struct halves *h, const double *x, size_t n, uint32_t d, struct seg_error *err)
{
	*h = (struct halves){
		.x = x,
		.n = n,
		.d = d,
		.order = calloc(n, sizeof(*h->order)),
		.labels = {calloc(n, sizeof(uint32_t)), calloc(n, sizeof(uint32_t))},
		.rows = calloc(n * d, sizeof(*h->rows)),
	};
	if (h->order && h->labels[0] && h->labels[1] && h->rows)
		return SEG_OK;
	return seg_error_set(err, SEG_NO_MEMORY, "choice of k: out of memory (%zu rows)", n);
}

static void shuffle(uint32_t *order, size_t n, struct seg_rng *rng)
{
	for (size_t i = 0; i < n; i++)
		order[i] = (uint32_t)i;
	for (size_t i = n; i > 1; i--) {
		size_t j = seg_rng_below(rng, i);
		uint32_t swap = order[i - 1];
		order[i - 1] = order[j];
		order[j] = swap;
	}
}

/* Fits on one half and labels all of x. */
static enum seg_rc fit_half(struct halves *h, unsigned half, struct seg_error *err)
{
	size_t from = half ? h->n / 2 : 0, len = half ? h->n - h->n / 2 : h->n / 2;
	struct seg_kmeans km;
	enum seg_rc rc;

	for (size_t i = 0; i < len; i++)
		memcpy(h->rows + i * h->d, h->x + (size_t)h->order[from + i] * h->d, h->d * sizeof(*h->rows));
	rc = seg_kmeans_fit(h->rows, len, h->d, &h->options, &km, err);
	if (rc)
		return rc;
	if (isnan(seg_kmeans_assign(h->x, h->n, h->d, km.centroids, km.k, h->labels[half], NULL, NULL)))
		rc = seg_error_set(err, SEG_NO_MEMORY, "choice of k: out of memory");
	h->k[half] = km.k;
	seg_kmeans_release(&km);
	return rc;
}

static enum seg_rc stability_of(const struct rows *r, uint32_t k, uint64_t seed, double *ret, struct seg_error *err)
{
	struct seg_rng rng;
	struct halves h;
	double total = 0;
	size_t n = r->n;
	enum seg_rc rc;

	if (n < 2)
		return seg_error_set(err, SEG_INVALID, "stability: fewer than two rows");
	rc = halves_init(&h, r->x, n, r->d, err);
	if (rc)
		goto out;
	seg_rng_init(&rng, seed);
	h.options = (struct seg_kmeans_options){.k = k, .starts = STARTS, .swaps = k, .cancelled = r->cancelled};
	for (unsigned pair = 0; pair < PAIRS; pair++) {
		shuffle(h.order, n, &rng);
		for (unsigned half = 0; half < 2; half++) {
			h.options.seed = seg_rng_next(&rng);
			rc = fit_half(&h, half, err);
			if (rc)
				goto out;
		}
		total += seg_adjusted_rand(h.labels[0], h.k[0], h.labels[1], h.k[1], n);
	}
	*ret = total / PAIRS;
out:
	halves_release(&h);
	return rc;
}

enum seg_rc seg_stability(const double *x, size_t n, uint32_t d, uint32_t k, uint64_t seed,
			  const atomic_bool *cancelled, double *ret, struct seg_error *err)
{
	return stability_of(&(struct rows){x, n, d, cancelled}, k, seed, ret, err);
}

/* Of all rows about their mean. */
static double total_inertia(const struct rows *r)
{
	double total = 0;

	for (uint32_t j = 0; j < r->d; j++) {
		double sum = 0, square = 0;
		for (size_t i = 0; i < r->n; i++) {
			double v = r->x[i * r->d + j];
			sum += v;
			square += v * v;
		}
		total += fmax(square - sum * sum / (double)r->n, 0);
	}
	return total;
}

static enum seg_rc measure_fit(const struct rows *rows, const struct seg_kmeans *km, struct seg_k_point *p,
			       struct seg_error *err)
{
	size_t n = rows->n;
	double *distance2 = malloc((n + 1) * sizeof(*distance2));
	enum seg_rc rc = SEG_OK;

	if (!distance2 || isnan(seg_kmeans_assign(rows->x, n, rows->d, km->centroids, km->k, NULL, distance2, NULL))) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "choice of k: out of memory");
		goto out;
	}
	p->inertia = km->inertia / (double)n;
	p->davies_bouldin = seg_davies_bouldin(km->labels, distance2, n, km->centroids, rows->d, km->k);
	if (km->inertia > 0 && n > km->k)
		p->calinski_harabasz =
			(total_inertia(rows) - km->inertia) / km->inertia * (double)(n - km->k) / (double)(km->k - 1);
	rc = seg_silhouette(rows->x, n, rows->d, km->labels, km->k, SILHOUETTE_ROWS, &p->silhouette, err);
	if (rc == SEG_INVALID) {
		p->silhouette = NAN;
		rc = SEG_OK;
	}
out:
	free(distance2);
	return rc;
}

/* The best fit with k clusters; NAN if the rows do not have as many distinct ones, or k is 1. */
static enum seg_rc look_at(const struct rows *rows, uint32_t k, uint64_t seed, struct seg_k_point *ret,
			   struct seg_error *err)
{
	struct seg_kmeans_options options = {
		.k = k, .starts = STARTS, .swaps = 2 * k, .seed = seed, .cancelled = rows->cancelled};
	struct seg_kmeans km;
	enum seg_rc rc = seg_kmeans_fit(rows->x, rows->n, rows->d, &options, &km, err);

	if (rc)
		return rc;
	*ret = (struct seg_k_point){k, NAN, NAN, NAN, NAN, NAN};
	if (km.k == k && k > 1)
		rc = measure_fit(rows, &km, ret, err);
	seg_kmeans_release(&km);
	return rc;
}

static struct seg_k_point *point_of(struct seg_k_curve *c, uint32_t k)
{
	for (uint32_t i = 0; i < c->len; i++)
		if (c->points[i].k == k)
			return &c->points[i];
	return NULL;
}

static void put_point(struct seg_k_curve *c, const struct seg_k_point *p)
{
	uint32_t at = c->len;

	if (c->len == SEG_K_CURVE_MAX)
		return;
	for (; at > 0 && c->points[at - 1].k > p->k; at--)
		c->points[at] = c->points[at - 1];
	c->points[at] = *p;
	c->len++;
}

enum seg_rc seg_k_neighbours(const double *x, size_t n, uint32_t d, uint32_t k, uint64_t seed,
			     const atomic_bool *cancelled, struct seg_k_curve *curve, struct seg_error *err)
{
	struct rows rows = {x, n < SILHOUETTE_ROWS ? n : SILHOUETTE_ROWS, d, cancelled};
	struct seg_k_point p;

	for (uint32_t at = k > 2 ? k - 1 : 2; at <= k + 1 && at <= SEG_MAX_CLUSTERS && at < rows.n; at++) {
		enum seg_rc rc = SEG_OK;
		if (point_of(curve, at))
			continue;
		rc = look_at(&rows, at, seed + at, &p, err);
		if (!rc && isfinite(p.silhouette))
			rc = stability_of(&rows, at, seed + at, &p.stability, err);
		if (rc)
			return rc;
		put_point(curve, &p);
	}
	return SEG_OK;
}

/* A candidate within .02 of the best: is it stable, and if not, is it the most stable so far? */
static enum seg_rc consider(const struct rows *rows, uint32_t k, double silhouette, const struct seg_k_search *s,
			    struct seg_k_choice *choice, struct seg_error *err)
{
	struct seg_k_point *point = s->curve ? point_of(s->curve, k) : NULL;
	double stability;
	enum seg_rc rc = stability_of(rows, k, s->seed + k, &stability, err);

	if (rc)
		return rc;
	if (point)
		point->stability = stability;
	if (stability >= SEG_STABILITY_LEAST || isnan(choice->stability) || stability > choice->stability)
		*choice = (struct seg_k_choice){
			.k = k, .switched = true, .silhouette = silhouette, .stability = stability};
	return SEG_OK;
}

/* The rule: ascending k, but current before all others. */
static enum seg_rc choose(const struct rows *rows, const struct seg_k_search *s, const double *silhouettes, double best,
			  struct seg_k_choice *choice, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	for (uint32_t i = s->k_min - 1; i <= s->k_max && !rc; i++) {
		uint32_t k = i < s->k_min ? s->current : i;
		bool again = i >= s->k_min && k == s->current;
		if (again || k < s->k_min || k > s->k_max || silhouettes[k] < best - SEG_SILHOUETTE_SLACK)
			continue;
		rc = consider(rows, k, silhouettes[k], s, choice, err);
		if (choice->stability >= SEG_STABILITY_LEAST)
			break;
	}
	return rc;
}

enum seg_rc seg_choose_k(const double *x, size_t n, uint32_t d, const struct seg_k_search *s, struct seg_k_choice *ret,
			 struct seg_error *err)
{
	struct rows rows = {x, n < FIT_ROWS ? n : FIT_ROWS, d, s->cancelled};
	struct seg_k_choice choice = {.k = s->k_min, .switched = true, .silhouette = NAN, .stability = NAN};
	double silhouettes[SEG_MAX_CLUSTERS + 1] = {0}, best = -1;
	enum seg_rc rc = SEG_OK;

	if (s->k_min < 1 || s->k_max > SEG_MAX_CLUSTERS || s->k_min > s->k_max)
		return seg_error_set(err, SEG_INVALID, "k_min %u and k_max %u must be within 1 and %d", s->k_min,
				     s->k_max, SEG_MAX_CLUSTERS);
	for (uint32_t k = s->k_min; k <= s->k_max; k++) {
		struct seg_k_point point;
		rc = look_at(&rows, k, s->seed + k, &point, err);
		if (rc)
			return rc;
		silhouettes[k] = isnan(point.silhouette) ? -1 : point.silhouette;
		if (s->curve)
			put_point(s->curve, &point);
		best = fmax(best, silhouettes[k]);
	}
	if (!s->anew && s->current >= s->k_min && s->current <= s->k_max &&
	    silhouettes[s->current] >= best - SEG_SILHOUETTE_SWITCH)
		choice =
			(struct seg_k_choice){.k = s->current, .silhouette = silhouettes[s->current], .stability = NAN};
	else
		rc = choose(&rows, s, silhouettes, best, &choice, err);
	if (!rc)
		*ret = choice;
	return rc;
}
