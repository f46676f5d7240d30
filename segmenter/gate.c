/*
 * The gate: is a candidate so much better that customers should move for it? Inertia first (without that rule, weekly
 * refits alone moved each customer of a retail year 1.1 to 2.0 times, with it .2 to .4, at the same inertia), then
 * silhouette, stability, how many would move, and the smallest segment. Cheap figures come first; what is refused by them
 * is not looked at further.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "segmenter/refit_internal.h"
#include "segmenter/silhouette.h"

enum { SILHOUETTE_ROWS = 1000, STABILITY_ROWS = 2048 };

/* The rule for inertia asks what could be won, so that a candidate that moves fewer for less of it can pass; one that
 * moves many has to win more. */
/* So many times the least gain is worth any move: the customers are not those that the segments were made for. */
#define WORTH_MOVING 5
#define GAIN_LEAST 0.003
#define MOVED_MUCH 0.22
#define MUCH_GAIN 0.0045

void seg_gate_clear(struct seg_gate *g)
{
	*g = (struct seg_gate){NAN, NAN, NAN, NAN, NAN, NAN, NAN, SEG_GATE_NONE};
}

/* Inertia and silhouette of the current centroids, under the fresh scaler. */
static enum seg_rc compare(struct seg_refit *r, const double *x, struct seg_error *err)
{
	uint32_t d = r->dims, k = r->current->k;
	double *centroids = malloc((size_t)k * d * sizeof(*centroids)), inertia = NAN;
	uint32_t *labels = malloc((r->n + 1) * sizeof(*labels));
	enum seg_rc rc = SEG_OK;

	if (centroids && labels) {
		seg_refit_current(r, centroids);
		inertia = seg_kmeans_assign(x, r->n, d, centroids, k, labels, NULL, NULL);
	}
	if (isnan(inertia)) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
		goto out;
	}
	r->gate.gain = inertia > 0 ? 1 - r->km.inertia / inertia : 0;
	rc = seg_silhouette(x, r->n, d, labels, k, SILHOUETTE_ROWS, &r->gate.current_silhouette, err);
	if (rc == SEG_INVALID) {
		r->gate.current_silhouette = NAN;
		rc = SEG_OK;
	}
out:
	free(centroids);
	free(labels);
	return rc;
}

static enum seg_rc own_silhouette(struct seg_refit *r, const double *x, struct seg_error *err)
{
	enum seg_rc rc =
		seg_silhouette(x, r->n, r->dims, r->km.labels, r->km.k, SILHOUETTE_ROWS, &r->gate.silhouette, err);

	if (rc != SEG_INVALID)
		return rc;
	r->gate.silhouette = NAN;
	return SEG_OK;
}

static void count(struct seg_refit *r)
{
	uint64_t smallest = UINT64_MAX;
	size_t moved = 0;

	for (uint32_t i = 0; i < r->km.k; i++)
		smallest = r->sizes[i] < smallest ? r->sizes[i] : smallest;
	r->gate.min_size = (double)smallest / (double)r->n;
	if (!r->current_labels)
		return;
	for (size_t i = 0; i < r->n; i++)
		moved += r->matches[r->km.labels[i]].old != (int32_t)r->current_labels[i];
	r->gate.moved = (double)moved / (double)r->n;
}

/* Nothing else would work: there is no model, it has another basis, or a segment has nobody left. */
static bool must_pass(const struct seg_refit *r)
{
	return !r->comparable || r->reason == SEG_ATTEMPT_FIRST || r->reason == SEG_ATTEMPT_BASIS ||
	       r->reason == SEG_ATTEMPT_STARVED;
}

static enum seg_gate_rule verdict(const struct seg_refit *r)
{
	const struct seg_gate *g = &r->gate;
	const struct seg_gate_limits *limits = &r->limits;

	/* Inertias of different k say nothing about each other; the choice of k has its own conditions. */
	if (r->comparable && r->km.k == r->current->k) {
		if (!(g->best_gain > limits->gain) || !(g->gain > GAIN_LEAST))
			return SEG_GATE_GAIN;
		if (g->moved > MOVED_MUCH && !(g->best_gain > limits->gain + MUCH_GAIN))
			return SEG_GATE_MOVED;
	}
	if (g->silhouette < g->current_silhouette - limits->silhouette)
		return SEG_GATE_SILHOUETTE;
	if (g->stability < limits->stability)
		return SEG_GATE_STABILITY;
	if (g->moved > limits->moved && !(g->best_gain > WORTH_MOVING * limits->gain))
		return SEG_GATE_MOVED;
	if (g->min_size < limits->min_size)
		return SEG_GATE_MIN_SIZE;
	return SEG_GATE_NONE;
}

/* JSON has no NaN. */
static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *curve_json(const struct seg_k_curve *c)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < c->len; i++) {
		const struct seg_k_point *p = &c->points[i];
		json_array_append_new(list,
				      json_pack("{s:i,s:o,s:o,s:o,s:o,s:o}", "k", (int)p->k, "silhouette",
						number(p->silhouette), "davies_bouldin", number(p->davies_bouldin),
						"calinski_harabasz", number(p->calinski_harabasz), "inertia",
						number(p->inertia), "stability", number(p->stability)));
	}
	return list;
}

static json_t *fit_json(const struct seg_refit *r)
{
	const struct seg_gate *g = &r->gate;
	const struct seg_gate_limits *l = &r->limits;

	return json_pack("{s:I,s:i,s:{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s},s:{s:f,s:f,s:f,s:f,s:f},s:o}", "sample",
			 (json_int_t)r->n, "k", (int)r->km.k, "gate", "gain", number(g->gain), "best_gain",
			 number(g->best_gain), "silhouette", number(g->silhouette), "current_silhouette",
			 number(g->current_silhouette), "stability", number(g->stability), "moved", number(g->moved),
			 "min_size", number(g->min_size), "refused", seg_gate_names[g->refused], "limits", "gain",
			 l->gain, "silhouette", l->silhouette, "stability", l->stability, "moved", l->moved, "min_size",
			 l->min_size, "curve", curve_json(&r->curve));
}

enum seg_rc seg_gate_judge(struct seg_refit *r, const double *x, struct seg_error *err)
{
	struct seg_gate *g = &r->gate;
	enum seg_rc rc = SEG_OK;

	count(r);
	if (r->comparable)
		rc = compare(r, x, err);
	if (!rc)
		rc = own_silhouette(r, x, err);
	if (rc)
		return rc;
	g->refused = verdict(r);
	if (g->refused == SEG_GATE_NONE && r->km.k > 1 && r->n >= 4) {
		size_t rows = r->n < STABILITY_ROWS ? r->n : STABILITY_ROWS;
		rc = seg_stability(x, rows, r->dims, r->km.k, r->seed, &r->cancelled, &g->stability, err);
		if (rc)
			return rc;
		g->refused = verdict(r);
	}
	if (must_pass(r))
		g->refused = SEG_GATE_NONE;
	if (g->refused == SEG_GATE_NONE || r->reason == SEG_ATTEMPT_DEMAND)
		rc = seg_k_neighbours(x, r->n, r->dims, r->km.k, r->seed, &r->cancelled, &r->curve, err);
	if (rc)
		return rc;
	r->fit = fit_json(r);
	return r->fit ? SEG_OK : seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
}
