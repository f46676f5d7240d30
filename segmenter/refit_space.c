/* A refit's sample in the candidate's model space. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/refit_internal.h"

enum { FILL_ROUNDS = 3, REFINE_STEPS = 20 };

static struct seg_space space_of(const struct seg_refit *r)
{
	return (struct seg_space){&r->basis, r->scale, r->centers, r->centers ? r->km.k : 0, r->donors, NULL};
}

static bool imputes(const struct seg_basis *basis, enum seg_impute how)
{
	for (uint32_t f = 0; f < basis->len; f++)
		if (basis->features[f].config.impute == how)
			return true;
	return false;
}

/* The first rows of the sample: those of the smallest hashes, so a random choice. */
static enum seg_rc take_donors(struct seg_refit *r, struct seg_error *err)
{
	uint32_t d = r->basis.len, n = r->n < SEG_DONORS_MAX ? (uint32_t)r->n : SEG_DONORS_MAX;

	if (!imputes(&r->basis, SEG_IMPUTE_KNN))
		return SEG_OK;
	r->donors = seg_donors_new(n, d);
	if (!r->donors)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
	for (uint32_t i = 0; i < n; i++)
		for (uint32_t f = 0; f < d; f++)
			r->donors->rows[(size_t)i * d + f] = (r->rows[(size_t)i * d + f] - r->scale[f].mean) /
							     r->scale[f].scale * r->scale[f].weight;
	return SEG_OK;
}

/* x of r->filled. */
static void project(const struct seg_refit *r, const double *filled, size_t n, double *ret)
{
	uint32_t d = r->basis.len;

	if (!r->pca)
		memcpy(ret, filled, n * d * sizeof(*ret));
	for (size_t i = 0; r->pca && i < n; i++)
		seg_pca_apply(r->pca, filled + i * d, ret + i * r->dims);
}

enum seg_rc seg_refit_space(struct seg_refit *r, double **ret_x, struct seg_error *err)
{
	struct seg_space space;
	enum seg_rc rc = take_donors(r, err);

	if (rc)
		return rc;
	r->filled = malloc((r->n * r->basis.len + 1) * sizeof(*r->filled));
	*ret_x = malloc((r->n * r->basis.len + 1) * sizeof(**ret_x));
	if (!r->filled || !*ret_x)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
	space = space_of(r);
	seg_space_fill(&space, r->rows, r->n, r->filled);
	r->dims = r->basis.len;
	if (r->pca_wish.components || r->pca_wish.share > 0) {
		rc = seg_pca_fit(r->filled, r->n, r->basis.len, &r->pca_wish, &r->pca, err);
		if (rc)
			return rc;
		r->dims = r->pca->n;
	}
	project(r, r->filled, r->n, *ret_x);
	return SEG_OK;
}

void seg_refit_current(const struct seg_refit *r, double *ret)
{
	const struct seg_model *m = r->current;
	struct seg_space space = space_of(r);
	double row[SEG_MAX_FEATURES];

	for (uint32_t j = 0; j < m->k; j++) {
		seg_space_fill(&space, m->centroids + (size_t)j * m->d, 1, row);
		project(r, row, 1, ret + (size_t)j * r->dims);
	}
}

static void find_centers(struct seg_refit *r)
{
	uint32_t d = r->basis.len;
	double counts[SEG_MAX_CLUSTERS] = {0};

	memset(r->centers, 0, (size_t)r->km.k * d * sizeof(*r->centers));
	for (size_t i = 0; i < r->n; i++) {
		counts[r->km.labels[i]]++;
		for (uint32_t f = 0; f < d; f++)
			r->centers[(size_t)r->km.labels[i] * d + f] += r->filled[i * d + f];
	}
	for (uint32_t j = 0; j < r->km.k; j++)
		for (uint32_t f = 0; f < d; f++)
			r->centers[(size_t)j * d + f] /= counts[j] > 0 ? counts[j] : 1;
}

static enum seg_rc refine(struct seg_refit *r, double *x, struct seg_error *err)
{
	struct seg_kmeans better;
	enum seg_rc rc;

	project(r, r->filled, r->n, x);
	rc = seg_kmeans_refine(x, r->n, r->dims, r->km.centroids, r->km.k, REFINE_STEPS, &better, err);
	if (rc)
		return rc;
	seg_kmeans_release(&r->km);
	r->km = better;
	return SEG_OK;
}

enum seg_rc seg_refit_centers(struct seg_refit *r, double *x, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	free(r->centers);
	r->centers = calloc((size_t)r->km.k * r->basis.len + 1, sizeof(*r->centers));
	if (!r->centers)
		return seg_error_set(err, SEG_NO_MEMORY, "refit: out of memory");
	find_centers(r);
	for (int round = 0; imputes(&r->basis, SEG_IMPUTE_SEGMENT) && round < FILL_ROUNDS && !rc; round++) {
		struct seg_space space = space_of(r);
		seg_space_fill(&space, r->rows, r->n, r->filled);
		rc = refine(r, x, err);
		if (!rc)
			find_centers(r);
	}
	return rc;
}
