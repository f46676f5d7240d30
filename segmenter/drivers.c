/* Which features make the difference between two clusters for one customer. */
#include <math.h>

#include "segmenter/model.h"

/* The SEG_DRIVERS largest differences above 0, by insertion; of equal ones the first. */
static uint32_t strongest(const double *difference, uint32_t d, uint32_t ret[SEG_DRIVERS])
{
	uint32_t len = 0;

	for (uint32_t j = 0; j < d; j++) {
		uint32_t at = len;

		if (!(difference[j] > 0))
			continue;
		while (at > 0 && difference[ret[at - 1]] < difference[j])
			at--;
		if (at == SEG_DRIVERS)
			continue;
		if (len < SEG_DRIVERS)
			len++;
		for (uint32_t i = len - 1; i > at; i--)
			ret[i] = ret[i - 1];
		ret[at] = j;
	}
	return len;
}

/* The value as it is, not as fixed point and the transform's way back leave it. */
static void fill(const struct seg_model *m, uint32_t j, const struct seg_profile *p, int64_t now_ms, int32_t value,
		 double share, struct seg_driver *ret)
{
	const struct seg_basis_feature *f = &m->basis.features[j];
	double transformed = seg_basis_unfix(f, value);

	ret->feature = f->config.name;
	ret->value = seg_basis_feature_value(f, p, now_ms, &m->constants);
	ret->zscore = ((isnan(transformed) ? m->scale[j].imputed : transformed) - m->scale[j].mean) / m->scale[j].scale;
	ret->contribution = share;
}

static void scaled_row(const struct seg_model *m, const int32_t *values, double *ret)
{
	struct seg_space space = seg_model_space(m);
	double row[SEG_MAX_FEATURES];

	for (uint32_t j = 0; j < m->d; j++)
		row[j] = seg_basis_unfix(&m->basis.features[j], values[j]);
	seg_space_fill(&space, row, 1, ret);
}

/* What each feature adds to the squared length of `apart` in model space: apart_j (C'C apart)_j, C the components. */
static void add_parts(const struct seg_model *m, const double *apart, double sign, double *ret)
{
	double projected[SEG_MAX_FEATURES];

	if (!m->pca) {
		for (uint32_t j = 0; j < m->d; j++)
			ret[j] += sign * apart[j] * apart[j];
		return;
	}
	for (uint32_t i = 0; i < m->pca->n; i++) {
		projected[i] = 0;
		for (uint32_t j = 0; j < m->d; j++)
			projected[i] += m->pca->components[(size_t)i * m->d + j] * apart[j];
	}
	for (uint32_t j = 0; j < m->d; j++) {
		double back = 0;
		for (uint32_t i = 0; i < m->pca->n; i++)
			back += m->pca->components[(size_t)i * m->d + j] * projected[i];
		ret[j] += sign * apart[j] * back;
	}
}

/* By feature: squared distance from `from` (< 0: the mean of all customers) less that from `to`. */
static void shares_of(const struct seg_model *m, const double *row, int from, int to, double *ret)
{
	double a[SEG_MAX_FEATURES] = {0}, b[SEG_MAX_FEATURES] = {0};

	for (uint32_t j = 0; j < m->d; j++) {
		double mean = m->pca ? m->pca->mean[j] : 0;
		a[j] = row[j] - (from < 0 ? mean : m->scaled[(size_t)from * m->d + j]);
		b[j] = row[j] - m->scaled[(size_t)to * m->d + j];
		ret[j] = 0;
	}
	add_parts(m, a, 1, ret);
	add_parts(m, b, -1, ret);
}

uint32_t seg_model_drivers(const struct seg_model *m, const struct seg_profile *p, int64_t now_ms,
			   const int32_t *values, uint64_t from, uint64_t to, struct seg_driver ret[SEG_DRIVERS])
{
	double row[SEG_MAX_FEATURES], difference[SEG_MAX_FEATURES], total = 0, magnitude = 0;
	int from_index = from ? seg_model_index(m, from) : -1, to_index = seg_model_index(m, to);
	uint32_t best[SEG_DRIVERS], len;

	if (to_index < 0)
		return 0;
	scaled_row(m, values, row);
	shares_of(m, row, from_index, to_index, difference);
	for (uint32_t j = 0; j < m->d; j++) {
		total += difference[j];
		magnitude += fabs(difference[j]);
	}
	if (!(total > 0))
		total = magnitude;
	len = strongest(difference, m->d, best);
	for (uint32_t i = 0; i < len; i++)
		fill(m, best[i], p, now_ms, values[best[i]], difference[best[i]] / total, &ret[i]);
	return len;
}
