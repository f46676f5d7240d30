#include "segmenter/scaler.h"

#include <math.h>
#include <stdlib.h>

/* Interquartile range of a normal distribution in standard deviations. */
#define NORMAL_IQR 1.3489795003921634

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Quantile of ascending values, linear between neighbours (type 7 of Hyndman & Fan 1996). */
static double quantile(const double *sorted, size_t n, double q)
{
	double at = q * (double)(n - 1);
	size_t i = (size_t)at;

	return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

/* Most frequent of ascending values; the smallest of equally frequent ones. */
static double mode(const double *sorted, size_t n)
{
	size_t best = 0, run = 0;
	double value = sorted[0];

	for (size_t i = 0; i < n; i++) {
		run = i && sorted[i] == sorted[i - 1] ? run + 1 : 1;
		if (run > best) {
			best = run;
			value = sorted[i];
		}
	}
	return value;
}

static void moments(const double *values, size_t n, double *ret_mean, double *ret_sd)
{
	double sum = 0, square = 0;

	for (size_t i = 0; i < n; i++)
		sum += values[i];
	*ret_mean = sum / (double)n;
	for (size_t i = 0; i < n; i++)
		square += (values[i] - *ret_mean) * (values[i] - *ret_mean);
	*ret_sd = sqrt(square / (double)n);
}

static double imputed_of(enum seg_impute impute, double mean, const double *sorted, size_t n)
{
	switch (impute) {
	case SEG_IMPUTE_ZERO:
		return 0;
	case SEG_IMPUTE_MODE:
		return mode(sorted, n);
	case SEG_IMPUTE_MEAN:
	case SEG_IMPUTE_SEGMENT:
	case SEG_IMPUTE_KNN:
		break;
	}
	return mean;
}

static void fit_feature(const struct seg_feature_config *config, double *values, size_t n, struct seg_scale *ret)
{
	double mean, sd, spread;

	*ret = (struct seg_scale){.scale = 1, .weight = config->weight};
	if (n == 0)
		return;
	moments(values, n, &mean, &sd);
	qsort(values, n, sizeof(*values), compare);
	/* A constant feature's rounding residue is no spread. */
	if (values[0] == values[n - 1])
		sd = 0;
	ret->mean = mean;
	ret->scale = sd;
	ret->imputed = imputed_of(config->impute, mean, values, n);
	if (config->scaler == SEG_SCALER_ROBUST) {
		spread = (quantile(values, n, 0.75) - quantile(values, n, 0.25)) / NORMAL_IQR;
		ret->mean = quantile(values, n, 0.5);
		if (spread > 0)
			ret->scale = spread;
	}
	if (!(ret->scale > 0))
		ret->scale = 1;
}

enum seg_rc seg_scaler_fit(const struct seg_basis *basis, const double *rows, size_t n, struct seg_scale *ret,
			   struct seg_error *err)
{
	double *values = malloc((n ? n : 1) * sizeof(*values));

	if (!values)
		return seg_error_set(err, SEG_NO_MEMORY, "scaler: out of memory (%zu rows)", n);
	for (uint32_t f = 0; f < basis->len; f++) {
		size_t len = 0;
		for (size_t i = 0; i < n; i++)
			if (!isnan(rows[i * basis->len + f]))
				values[len++] = rows[i * basis->len + f];
		fit_feature(&basis->features[f].config, values, len, &ret[f]);
	}
	free(values);
	return SEG_OK;
}

void seg_scaler_apply(const struct seg_scale *scale, uint32_t d, const double *rows, size_t n, double *ret)
{
	for (size_t i = 0; i < n; i++)
		for (uint32_t f = 0; f < d; f++) {
			double x = rows[i * d + f];
			if (isnan(x))
				x = scale[f].imputed;
			ret[i * d + f] = (x - scale[f].mean) / scale[f].scale * scale[f].weight;
		}
}

void seg_scaler_invert(const struct seg_scale *scale, uint32_t d, const double *vectors, size_t n, double *ret)
{
	for (size_t i = 0; i < n; i++)
		for (uint32_t f = 0; f < d; f++)
			ret[i * d + f] = vectors[i * d + f] / scale[f].weight * scale[f].scale + scale[f].mean;
}
