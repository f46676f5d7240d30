#include "segmenter/silhouette.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double distance(const double *a, const double *b, uint32_t d)
{
	double sum = 0;

	for (uint32_t f = 0; f < d; f++)
		sum += (a[f] - b[f]) * (a[f] - b[f]);
	return sqrt(sum);
}

/* Silhouette of one row, from the sums of its distances to each cluster. */
static double row_silhouette(const double *sums, const size_t *sizes, uint32_t k, uint32_t own)
{
	double a, b = INFINITY;

	if (sizes[own] < 2)
		return 0;
	a = sums[own] / (double)(sizes[own] - 1);
	for (uint32_t j = 0; j < k; j++)
		if (j != own && sizes[j] && sums[j] / (double)sizes[j] < b)
			b = sums[j] / (double)sizes[j];
	return fmax(a, b) > 0 ? (b - a) / fmax(a, b) : 0;
}

enum seg_rc seg_silhouette(const double *x, size_t n, uint32_t d, const uint32_t *labels, uint32_t k, size_t rows,
			   double *ret, struct seg_error *err)
{
	double *sums = calloc(k ? k : 1, sizeof(*sums)), total = 0;
	size_t *sizes = calloc(k ? k : 1, sizeof(*sizes));
	enum seg_rc rc = SEG_OK;
	uint32_t filled = 0;

	n = n < rows ? n : rows;
	if (!sums || !sizes) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "silhouette: out of memory");
		goto out;
	}
	for (size_t i = 0; i < n; i++)
		filled += sizes[labels[i]]++ == 0;
	if (filled < 2) {
		rc = seg_error_set(err, SEG_INVALID, "silhouette: fewer than two clusters have rows");
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		memset(sums, 0, k * sizeof(*sums));
		for (size_t j = 0; j < n; j++)
			sums[labels[j]] += distance(x + i * d, x + j * d, d);
		total += row_silhouette(sums, sizes, k, labels[i]);
	}
	*ret = total / (double)n;
out:
	free(sums);
	free(sizes);
	return rc;
}

double seg_davies_bouldin(const uint32_t *labels, const double *distance2, size_t n, const double *centroids,
			  uint32_t d, uint32_t k)
{
	double *spread = calloc(k ? k : 1, sizeof(*spread)), total = 0, result = NAN;
	size_t *sizes = calloc(k ? k : 1, sizeof(*sizes)), filled = 0;

	if (!spread || !sizes)
		goto out;
	for (size_t i = 0; i < n; i++) {
		spread[labels[i]] += sqrt(distance2[i]);
		sizes[labels[i]]++;
	}
	for (uint32_t i = 0; i < k; i++) {
		filled += sizes[i] > 0;
		if (sizes[i])
			spread[i] /= (double)sizes[i];
	}
	for (uint32_t i = 0; i < k; i++) {
		double worst = 0;
		for (uint32_t j = 0; sizes[i] && j < k; j++) {
			double apart = distance(centroids + (size_t)i * d, centroids + (size_t)j * d, d);
			if (j != i && sizes[j] && apart > 0)
				worst = fmax(worst, (spread[i] + spread[j]) / apart);
		}
		total += worst;
	}
	if (filled > 1)
		result = total / (double)filled;
out:
	free(spread);
	free(sizes);
	return result;
}

static double pairs(double n)
{
	return n * (n - 1) / 2;
}

double seg_adjusted_rand(const uint32_t *a, uint32_t a_k, const uint32_t *b, uint32_t b_k, size_t n)
{
	size_t *both = calloc((size_t)a_k * b_k + 1, sizeof(*both));
	size_t *in_a = calloc((size_t)a_k + 1, sizeof(*in_a)), *in_b = calloc((size_t)b_k + 1, sizeof(*in_b));
	double sum = 0, sum_a = 0, sum_b = 0, expected, most, result = NAN;

	if (!both || !in_a || !in_b)
		goto out;
	for (size_t i = 0; i < n; i++) {
		both[(size_t)a[i] * b_k + b[i]]++;
		in_a[a[i]]++;
		in_b[b[i]]++;
	}
	for (size_t i = 0; i < (size_t)a_k * b_k; i++)
		sum += pairs((double)both[i]);
	for (uint32_t i = 0; i < a_k; i++)
		sum_a += pairs((double)in_a[i]);
	for (uint32_t i = 0; i < b_k; i++)
		sum_b += pairs((double)in_b[i]);
	expected = n > 1 ? sum_a * sum_b / pairs((double)n) : 0;
	most = (sum_a + sum_b) / 2;
	result = most == expected ? 1 : (sum - expected) / (most - expected);
out:
	free(both);
	free(in_a);
	free(in_b);
	return result;
}
