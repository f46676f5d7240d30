/*
 * A fit or refit as a job. begin copies the sample as vectors of now; run makes a fresh scaler, chooses k, fits from
 * several starts and from the current centroids, passes the gate and matches; end takes the result in, if the model it
 * was made against is still the current one.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/catalogue.h"
#include "segmenter/near.h"
#include "segmenter/refit_internal.h"
#include "segmenter/scaler.h"

#define CLAMPED_MOST 0.001

/* k is chosen anew when the customers are this many times those it was chosen for. */
#define CHOOSE_ANEW 2

void seg_refit_cancel(struct seg_refit *r)
{
	if (r)
		atomic_store(&r->cancelled, true);
}

void seg_refit_free(struct seg_refit *r)
{
	if (!r)
		return;
	seg_model_put(r->current);
	if (r->current_rows != r->rows)
		free(r->current_rows);
	free(r->rows);
	seg_kmeans_release(&r->km);
	free(r->buyers);
	seg_donors_free(r->donors);
	seg_pca_free(r->pca);
	free(r->filled);
	free(r->centers);
	free(r->matches);
	free(r->sizes);
	free(r->current_labels);
	json_decref(r->fit);
	free(r);
}

/* ---- begin */

/* The sampled customers as transformed values in a basis. NULL: no memory. */
static double *sample_rows(const struct seg_learner *l, const struct seg_basis *basis,
			   const struct seg_constants *constants, size_t n, int64_t now_ms)
{
	double *rows = malloc((n * basis->len + 1) * sizeof(*rows));
	int32_t values[SEG_MAX_FEATURES];

	for (size_t i = 0; rows && i < n; i++) {
		seg_basis_values(basis, l->sample[i].profile, now_ms, constants, values);
		for (uint32_t f = 0; f < basis->len; f++)
			rows[i * basis->len + f] = seg_basis_unfix(&basis->features[f], values[f]);
	}
	return rows;
}

/* Largest magnitude of the attributes in the sample; 0 for other features. */
static void attribute_most(const struct seg_learner *l, size_t n, int64_t now_ms, double ret[SEG_MAX_FEATURES])
{
	for (uint32_t f = 0; f < l->basis.len; f++) {
		ret[f] = 0;
		for (size_t i = 0; l->basis.features[f].catalogue < 0 && i < n; i++) {
			double x = fabs(
				seg_basis_feature_value(&l->basis.features[f], l->sample[i].profile, now_ms, NULL));
			if (x > ret[f] && isfinite(x))
				ret[f] = x;
		}
	}
}

/* The same features under the same transforms: the sums go on being right. */
static bool same_features(const struct seg_learner *l, const struct seg_basis *basis)
{
	bool same = basis->len == l->config.features_len;

	for (uint32_t f = 0; same && f < basis->len; f++)
		same = strcmp(basis->features[f].config.name, l->config.features[f].name) == 0 &&
		       basis->features[f].config.transform == l->config.features[f].transform;
	return same;
}

/* Quantiles of what the sample has now. */
static enum seg_rc set_knots(const struct seg_learner *l, struct seg_refit *r, struct seg_error *err)
{
	double *values = malloc((r->n + 1) * sizeof(*values));

	if (!values)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory (%zu profiles)", r->n);
	for (uint32_t f = 0; f < r->basis.len; f++) {
		size_t len = 0;
		if (r->basis.features[f].config.transform != SEG_QUANTILE)
			continue;
		for (size_t i = 0; i < r->n; i++) {
			double x =
				seg_basis_feature_value(&r->basis.features[f], l->sample[i].profile, r->now_ms, NULL);
			if (isfinite(x))
				values[len++] = x;
		}
		seg_basis_set_knots(&r->basis, f, values, len);
	}
	free(values);
	return SEG_OK;
}

static bool too_clamped(const struct seg_basis *basis, const double *rows, size_t n)
{
	for (uint32_t f = 0; f < basis->len; f++) {
		double most = INT32_MAX * basis->features[f].quantum;
		size_t clamped = 0;
		if (most >= SEG_ATTRIBUTE_MOST)
			continue;
		for (size_t i = 0; basis->features[f].catalogue < 0 && i < n; i++)
			clamped += fabs(rows[i * basis->len + f]) >= most;
		if ((double)clamped > CLAMPED_MOST * (double)n)
			return true;
	}
	return false;
}

static bool is_fitted(const struct seg_basis *basis, uint32_t f)
{
	return basis->features[f].catalogue >= 0 && seg_catalogue_is_fitted((size_t)basis->features[f].catalogue);
}

static bool any_fitted(const struct seg_basis *basis)
{
	for (uint32_t f = 0; f < basis->len; f++)
		if (is_fitted(basis, f))
			return true;
	return false;
}

/* The same rows, unless features are to be fitted anew. */
static enum seg_rc copy_rows(struct seg_refit *r, struct seg_error *err)
{
	size_t size = (r->n * r->basis.len + 1) * sizeof(*r->rows);
	bool fitted = any_fitted(&r->basis);

	r->rows = fitted ? malloc(size) : r->current_rows;
	if (!r->rows)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory (%zu profiles)", r->n);
	if (fitted)
		memcpy(r->rows, r->current_rows, size - sizeof(*r->rows));
	return SEG_OK;
}

/* What the constants are fitted from. */
static enum seg_rc reduce_buyers(const struct seg_learner *l, struct seg_refit *r, struct seg_error *err)
{
	r->constants.horizon_weeks = l->config.horizon_weeks;
	r->buyers = malloc((r->n + 1) * sizeof(*r->buyers));
	if (!r->buyers)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory (%zu profiles)", r->n);
	for (size_t i = 0; i < r->n; i++)
		seg_buyer_of(l->sample[i].profile, r->now_ms, &r->buyers[i]);
	return SEG_OK;
}

static enum seg_rc choose_basis(struct seg_learner *l, struct seg_refit *r, struct seg_error *err)
{
	double most[SEG_MAX_FEATURES];
	enum seg_rc rc;

	if (r->current->promotion > 0) {
		r->current_rows = sample_rows(l, &r->current->basis, &r->current->constants, r->n, r->now_ms);
		if (!r->current_rows)
			return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory (%zu profiles)", r->n);
	}
	if (r->current_rows && same_features(l, &r->current->basis) &&
	    !too_clamped(&r->current->basis, r->current_rows, r->n)) {
		/* Scaler, imputation and weight may have been configured anew: they are not in the sums. */
		r->basis = r->current->basis;
		for (uint32_t f = 0; f < r->basis.len; f++)
			r->basis.features[f].config = l->config.features[f];
		r->comparable = true;
		return copy_rows(r, err);
	}
	attribute_most(l, r->n, r->now_ms, most);
	rc = seg_basis_init(&r->basis, l->config.features, l->config.features_len, most, err);
	if (rc)
		return rc;
	rc = set_knots(l, r, err);
	if (rc)
		return rc;
	r->rows = sample_rows(l, &r->basis, NULL, r->n, r->now_ms);
	return r->rows ? SEG_OK : seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory (%zu profiles)", r->n);
}

struct seg_refit *seg_learner_refit_begin(struct seg_learner *l, int64_t now_ms)
{
	struct seg_refit *r = calloc(1, sizeof(*r));
	struct seg_rng rng;

	if (!r || !l->model) {
		free(r);
		return NULL;
	}
	seg_rng_init(&rng, l->config.seed + l->memory->attempts * UINT64_C(0x9e3779b97f4a7c15));
	r->seed = seg_rng_next(&rng);
	r->k_auto = l->config.k_auto;
	r->k_anew = l->model->k == 0 || (double)l->customers >= CHOOSE_ANEW * (double)l->memory->k_customers;
	r->k = l->config.k;
	r->k_min = l->config.k_min;
	r->k_max = l->config.k_max;
	r->now_ms = now_ms;
	r->reason = l->demanded && l->model->promotion ? SEG_ATTEMPT_DEMAND : l->due;
	r->answers = l->demanded;
	r->limits = l->config.gate;
	r->pca_wish = l->config.pca;
	seg_gate_clear(&r->gate);
	r->current = seg_model_get(l->model);
	r->n = l->sample_len < l->target ? l->sample_len : l->target;
	for (uint32_t j = 0; l->settled && j < l->model->k; j++)
		r->gone[j] = seg_cluster_starved(l, j);
	r->rc = reduce_buyers(l, r, &r->error);
	if (!r->rc)
		r->rc = choose_basis(l, r, &r->error);
	if (r->rc == SEG_NO_MEMORY) {
		seg_refit_free(r);
		return NULL;
	}
	return r;
}

/* ---- run */

/* And the columns of the features that depend on them, as contributions will have them. */
static enum seg_rc fit_constants(struct seg_refit *r, struct seg_error *err)
{
	enum seg_rc rc = seg_constants_fit(r->buyers, r->n, &r->current->constants, &r->cancelled, &r->constants, err);

	for (uint32_t f = 0; f < r->basis.len && !rc; f++) {
		const struct seg_basis_feature *feature = &r->basis.features[f];
		for (size_t i = 0; is_fitted(&r->basis, f) && i < r->n; i++) {
			double x = seg_catalogue_fitted((size_t)feature->catalogue, &r->buyers[i], &r->constants);
			double transformed = seg_basis_transform(feature, x);
			r->rows[i * r->basis.len + f] = seg_basis_unfix(feature, seg_basis_fix(feature, transformed));
		}
	}
	return rc;
}

static enum seg_rc fit(struct seg_refit *r, const double *x, struct seg_error *err)
{
	uint32_t d = r->dims, initial_k = 0;
	struct seg_kmeans_options options = {
		.k = r->k, .swaps = (uint32_t)SEG_KMEANS_SWAPS, .seed = r->seed, .cancelled = &r->cancelled};
	double *initial = NULL;
	enum seg_rc rc;

	if (r->k_auto) {
		struct seg_k_choice choice;
		rc = seg_choose_k(x, r->n, d,
				  &(struct seg_k_search){r->k_min, r->k_max, r->current->k, r->k_anew, r->seed,
							 &r->cancelled, &r->curve},
				  &choice, err);
		if (rc)
			return rc;
		options.k = choice.k;
		r->k_anew = choice.switched;
	}
	if (r->comparable) {
		initial = malloc((size_t)r->current->k * d * sizeof(*initial));
		if (!initial)
			return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
		seg_refit_current(r, initial);
		for (uint32_t j = 0; j < r->current->k; j++)
			if (!r->gone[j])
				memmove(initial + (size_t)initial_k++ * d, initial + (size_t)j * d,
					d * sizeof(*initial));
		options.initial = initial_k ? initial : NULL;
		options.initial_k = initial_k;
	}
	rc = seg_kmeans_fit(x, r->n, d, &options, &r->km, err);
	free(initial);
	return rc;
}

/* Who is where under the current model, under its own scaler. */
static enum seg_rc label_by_current(struct seg_refit *r, struct seg_error *err)
{
	const struct seg_model *m = r->current;
	struct seg_space space = seg_model_space(m);
	double *x;
	bool failed;

	if (m->k == 0)
		return SEG_OK;
	x = malloc(r->n * m->dims * sizeof(*x));
	r->current_labels = malloc((r->n + 1) * sizeof(*r->current_labels));
	failed = !x || !r->current_labels;
	if (!failed) {
		seg_space_apply(&space, r->current_rows, r->n, x);
		failed = isnan(seg_kmeans_assign(x, r->n, m->dims, m->vectors, m->k, r->current_labels, NULL, NULL));
	}
	free(x);
	return failed ? seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory") : SEG_OK;
}

static bool any_gone(const struct seg_refit *r)
{
	bool any = false;

	for (uint32_t j = 0; j < r->current->k; j++)
		any = any || r->gone[j];
	return any;
}

/* If the best fit is better enough to be promoted, a fit nearly as good that moves fewer takes its place. */
static enum seg_rc settle(struct seg_refit *r, const double *x, struct seg_error *err)
{
	uint32_t d = r->dims, k = r->current->k;
	double *centroids, inertia, moved;
	enum seg_rc rc = SEG_OK;

	if (!r->comparable || k == 0)
		return SEG_OK;
	centroids = malloc((size_t)k * d * sizeof(*centroids));
	if (!centroids)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
	seg_refit_current(r, centroids);
	inertia = seg_kmeans_assign(x, r->n, d, centroids, k, NULL, NULL, NULL);
	if (isnan(inertia))
		rc = seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
	else
		r->gate.best_gain = inertia > 0 ? 1 - r->km.inertia / inertia : 0;
	if (!rc && r->km.k == k && r->gate.best_gain > r->limits.gain && !any_gone(r))
		rc = seg_near_find(
			&(struct seg_near_search){x, r->n, d, k, centroids, r->current_labels, r->seed, &r->cancelled},
			&r->km, &moved, err);
	free(centroids);
	return rc;
}

static enum seg_rc centroid_distances(const struct seg_refit *r, double *ret, struct seg_error *err)
{
	uint32_t d = r->dims, k = r->current->k;
	double *old = malloc(((size_t)k * d + 1) * sizeof(*old));

	if (!old)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
	seg_refit_current(r, old);
	for (uint32_t j = 0; j < k; j++) {
		for (uint32_t i = 0; i < r->km.k; i++) {
			double sum = 0;
			for (uint32_t f = 0; f < d; f++) {
				double apart = r->km.centroids[(size_t)i * d + f] - old[(size_t)j * d + f];
				sum += apart * apart;
			}
			ret[(size_t)i * k + j] = sqrt(sum);
		}
	}
	free(old);
	return SEG_OK;
}

static enum seg_rc match(struct seg_refit *r, struct seg_error *err)
{
	size_t cells = (size_t)r->km.k * r->current->k + 1;
	double *distances = calloc(cells, sizeof(*distances));
	enum seg_rc rc;

	r->matches = calloc(r->km.k, sizeof(*r->matches));
	r->sizes = calloc(r->km.k, sizeof(*r->sizes));
	if (!distances || !r->matches || !r->sizes) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
		goto out;
	}
	rc = r->comparable ? centroid_distances(r, distances, err) : SEG_OK;
	if (rc)
		goto out;
	for (size_t i = 0; i < r->n; i++)
		r->sizes[r->km.labels[i]]++;
	rc = seg_match_clusters(
		&(struct seg_match_input){
			.old_k = r->current->k,
			.new_k = r->km.k,
			.old_clusters = r->current->clusters,
			.old_gone = r->gone,
			.n = r->n,
			.old_labels = r->current_labels,
			.new_labels = r->km.labels,
			.distances = r->comparable ? distances : NULL,
			.spread = sqrt(r->km.inertia / (double)r->n) + 1e-9,
		},
		r->matches, err);
out:
	free(distances);
	return rc;
}

void seg_refit_run(struct seg_refit *r)
{
	double *x = NULL;

	if (r->rc || r->ran)
		return;
	r->ran = true;
	if (any_fitted(&r->basis))
		r->rc = fit_constants(r, &r->error);
	if (r->rc)
		return;
	r->rc = seg_scaler_fit(&r->basis, r->rows, r->n, r->scale, &r->error);
	if (r->rc)
		return;
	r->rc = seg_refit_space(r, &x, &r->error);
	if (!r->rc)
		r->rc = fit(r, x, &r->error);
	if (!r->rc)
		r->rc = label_by_current(r, &r->error);
	if (!r->rc)
		r->rc = settle(r, x, &r->error);
	if (!r->rc)
		r->rc = seg_refit_centers(r, x, &r->error);
	if (!r->rc)
		r->rc = match(r, &r->error);
	if (!r->rc)
		r->rc = seg_gate_judge(r, x, &r->error);
	r->passed = !r->rc && r->gate.refused == SEG_GATE_NONE;
	/* Of no use to what is not kept. */
	if (!r->rc && !any_fitted(&r->basis) && (r->passed || r->reason == SEG_ATTEMPT_DEMAND))
		r->rc = fit_constants(r, &r->error);
	free(x);
}

/* ---- end */

void seg_attempt_record(struct seg_learner *l, const struct seg_attempt *a)
{
	struct seg_memory *m = l->memory;

	if (m->history_len == SEG_ATTEMPTS_KEPT)
		memmove(m->history, m->history + 1, --m->history_len * sizeof(*m->history));
	m->history[m->history_len++] = *a;
	m->attempts++;
	l->changed = true;
}

static void record(struct seg_learner *l, const struct seg_refit *r, double inertia, bool promoted, bool held)
{
	seg_attempt_record(l, &(struct seg_attempt){
				      .time_ms = r->now_ms,
				      .reason = r->reason,
				      .k = r->km.k,
				      .wanted = r->k_auto ? 0 : r->k,
				      .customers = l->customers,
				      .gain = r->gate.gain,
				      .best_gain = r->gate.best_gain,
				      .inertia_per_customer = inertia,
				      .promoted = promoted,
				      .held = held,
				      .refused = r->gate.refused,
			      });
	if (r->k_auto && r->k_anew && !r->rc)
		l->memory->k_customers = l->customers;
	l->memory->drifted_ms = SEG_NO_TIME;
	if (r->answers) /* what is asked for while a fit runs comes next */
		l->demanded = false;
	l->basis_changed = false;
}

enum fate { LEFT, HELD, PROMOTED };

/* By itself, or only when a person says so. What a person asked for waits for them, whatever the gate says. */
static enum fate fate_of(const struct seg_learner *l, const struct seg_refit *r)
{
	bool asked = r->reason == SEG_ATTEMPT_DEMAND;

	if (r->rc)
		return LEFT;
	if (r->reason == SEG_ATTEMPT_FIRST || r->reason == SEG_ATTEMPT_BASIS)
		return PROMOTED;
	if (l->config.promotion_manual)
		return r->passed || asked ? HELD : LEFT;
	if (r->passed)
		return PROMOTED;
	return asked ? HELD : LEFT;
}

static enum seg_rc make_model(struct seg_learner *l, const struct seg_refit *r, struct seg_model **ret,
			      struct seg_error *err)
{
	return seg_candidate_model(
		l,
		&(struct seg_candidate){
			.basis = &r->basis,
			.scale = r->scale,
			.constants = &r->constants,
			.k = r->km.k,
			.pca = r->pca,
			.donors = r->donors,
			.centroids = r->pca || seg_basis_imputes_by_row(&r->basis) ? r->centers : r->km.centroids,
			.sizes = r->sizes,
			.matches = r->matches,
			.inertia_per_customer = r->km.inertia / (double)r->n,
			.now_ms = r->now_ms,
			.reason = seg_attempt_names[r->reason],
			.fit = r->fit,
		},
		ret, err);
}

enum seg_rc seg_learner_refit_end(struct seg_learner *l, struct seg_refit *r, struct seg_error *err)
{
	struct seg_model *m = NULL;
	enum seg_rc rc = SEG_OK;
	double inertia;
	enum fate fate;

	/* Made against another model: its matches name clusters that are no longer there. Or never run. */
	if (l->model->promotion != r->current->promotion || l->model->basis.id != r->current->basis.id ||
	    (!r->rc && !r->ran)) {
		seg_refit_free(r);
		return SEG_OK;
	}
	l->refit_error = r->error;
	l->refit_error.rc = r->rc;
	fate = fate_of(l, r);
	inertia = seg_inertia_of_sums(l->model, l->total);
	if (fate != LEFT)
		rc = make_model(l, r, &m, err);
	if (m && fate == PROMOTED)
		seg_adopt(l, m);
	else if (m)
		seg_hold(l, m);
	/* Drift asked, and nothing better was found: what is now is what the model is for. */
	if (r->reason == SEG_ATTEMPT_DRIFT && !r->rc && fate == LEFT && r->gate.refused == SEG_GATE_GAIN)
		seg_drift_forget(&l->memory->drift);
	record(l, r, inertia, m && fate == PROMOTED, m && fate == HELD);
	seg_refit_free(r);
	return rc;
}
