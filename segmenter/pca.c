/* Principal components by the eigenvectors of the covariance. */
#include <lapacke.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/space.h"

/* Of the total variance: what is below is rounding. */
#define NO_VARIANCE 1e-12

struct seg_pca *seg_pca_new(uint32_t n, uint32_t d)
{
	struct seg_pca *pca = calloc(1, sizeof(*pca));

	if (!pca)
		return NULL;
	*pca = (struct seg_pca){
		.n = n,
		.d = d,
		.mean = calloc(d ? d : 1, sizeof(double)),
		.components = calloc((size_t)n * d + 1, sizeof(double)),
		.variance = calloc(n ? n : 1, sizeof(double)),
	};
	if (pca->mean && pca->components && pca->variance)
		return pca;
	seg_pca_free(pca);
	return NULL;
}

struct seg_pca *seg_pca_copy(const struct seg_pca *pca)
{
	struct seg_pca *c = seg_pca_new(pca->n, pca->d);

	if (!c)
		return NULL;
	memcpy(c->mean, pca->mean, pca->d * sizeof(*c->mean));
	memcpy(c->components, pca->components, (size_t)pca->n * pca->d * sizeof(*c->components));
	memcpy(c->variance, pca->variance, pca->n * sizeof(*c->variance));
	c->total = pca->total;
	return c;
}

void seg_pca_free(struct seg_pca *pca)
{
	if (!pca)
		return;
	free(pca->mean);
	free(pca->components);
	free(pca->variance);
	free(pca);
}

void seg_pca_apply(const struct seg_pca *pca, const double *v, double *ret)
{
	for (uint32_t i = 0; i < pca->n; i++) {
		const double *component = pca->components + (size_t)i * pca->d;
		double sum = 0;
		for (uint32_t f = 0; f < pca->d; f++)
			sum += component[f] * (v[f] - pca->mean[f]);
		ret[i] = sum;
	}
}

static void covariance(const double *x, size_t rows, uint32_t d, double *mean, double *ret)
{
	double apart[SEG_MAX_FEATURES];

	for (size_t i = 0; i < rows; i++)
		for (uint32_t f = 0; f < d; f++)
			mean[f] += x[i * d + f] / (double)rows;
	for (size_t i = 0; i < rows; i++) {
		for (uint32_t f = 0; f < d; f++)
			apart[f] = x[i * d + f] - mean[f];
		for (uint32_t f = 0; f < d; f++)
			for (uint32_t g = f; g < d; g++)
				ret[(size_t)f * d + g] += apart[f] * apart[g] / (double)rows;
	}
	for (uint32_t f = 0; f < d; f++)
		for (uint32_t g = 0; g < f; g++)
			ret[(size_t)f * d + g] = ret[(size_t)g * d + f];
}

/* values ascending, as LAPACK gives them. */
static uint32_t count_components(const double *values, uint32_t d, const struct seg_pca_wish *wish, double total)
{
	uint32_t most = wish->components && wish->components < d ? wish->components : d, n = 0;
	double seen = 0;

	while (n < most && values[d - 1 - n] > NO_VARIANCE * total) {
		seen += values[d - 1 - n++];
		if (!wish->components && seen >= wish->share * total * (1 - 1e-12))
			break;
	}
	return n ? n : 1;
}

/* The sign of an eigenvector is LAPACK's whim: the largest loading is made positive. */
static void take_component(const double *vectors, uint32_t d, uint32_t column, double *ret)
{
	uint32_t largest = 0;

	for (uint32_t f = 0; f < d; f++) {
		ret[f] = vectors[(size_t)f * d + column];
		if (fabs(ret[f]) > fabs(ret[largest]) * (1 + 1e-9))
			largest = f;
	}
	for (uint32_t f = 0; f < d && ret[largest] < 0; f++)
		ret[f] = -ret[f];
	for (uint32_t f = 0; f < d; f++)
		ret[f] += 0.0;
}

enum seg_rc seg_pca_fit(const double *x, size_t rows, uint32_t d, const struct seg_pca_wish *wish, struct seg_pca **ret,
			struct seg_error *err)
{
	double *matrix = calloc((size_t)d * d + 1, sizeof(*matrix)), *values = calloc(d + 1, sizeof(*values));
	double *mean = calloc(d + 1, sizeof(*mean)), total = 0;
	struct seg_pca *pca = NULL;
	enum seg_rc rc = SEG_OK;

	if (!matrix || !values || !mean) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "PCA: out of memory (%u features)", d);
		goto out;
	}
	if (rows == 0 || d == 0) {
		rc = seg_error_set(err, SEG_INVALID, "PCA: no rows");
		goto out;
	}
	covariance(x, rows, d, mean, matrix);
	for (uint32_t f = 0; f < d; f++)
		total += matrix[(size_t)f * d + f];
	if (LAPACKE_dsyevd(LAPACK_ROW_MAJOR, 'V', 'U', (lapack_int)d, matrix, (lapack_int)d, values) != 0) {
		rc = seg_error_set(err, SEG_INVALID, "PCA: the eigenvectors cannot be found");
		goto out;
	}
	pca = seg_pca_new(count_components(values, d, wish, total), d);
	if (!pca) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "PCA: out of memory (%u features)", d);
		goto out;
	}
	memcpy(pca->mean, mean, d * sizeof(*mean));
	for (uint32_t i = 0; i < pca->n; i++) {
		pca->variance[i] = fmax(values[d - 1 - i], 0);
		take_component(matrix, d, d - 1 - i, pca->components + (size_t)i * d);
	}
	pca->total = total;
	*ret = pca;
out:
	free(matrix);
	free(values);
	free(mean);
	return rc;
}
