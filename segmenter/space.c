#include "segmenter/space.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/model.h"

struct seg_donors *seg_donors_new(uint32_t n, uint32_t d)
{
	struct seg_donors *donors = calloc(1, sizeof(*donors));

	if (!donors)
		return NULL;
	*donors = (struct seg_donors){n, d, calloc((size_t)n * d + 1, sizeof(double))};
	if (donors->rows)
		return donors;
	free(donors);
	return NULL;
}

struct seg_donors *seg_donors_copy(const struct seg_donors *donors)
{
	struct seg_donors *c = seg_donors_new(donors->n, donors->d);

	if (c)
		memcpy(c->rows, donors->rows, (size_t)c->n * c->d * sizeof(*c->rows));
	return c;
}

void seg_donors_free(struct seg_donors *donors)
{
	if (!donors)
		return;
	free(donors->rows);
	free(donors);
}

bool seg_basis_imputes_by_row(const struct seg_basis *basis)
{
	for (uint32_t f = 0; f < basis->len; f++)
		if (basis->features[f].config.impute == SEG_IMPUTE_SEGMENT ||
		    basis->features[f].config.impute == SEG_IMPUTE_KNN)
			return true;
	return false;
}

static double scaled(const struct seg_scale *s, double x)
{
	return (x - s->mean) / s->scale * s->weight;
}

/* Mean squared distance on the features that both have; NAN: none. */
static double distance2(const double *a, const double *b, uint32_t d)
{
	double sum = 0;
	uint32_t both = 0;

	for (uint32_t f = 0; f < d; f++) {
		double apart = a[f] - b[f];
		if (isnan(apart))
			continue;
		sum += apart * apart;
		both++;
	}
	return both ? sum / both : (double)NAN;
}

static const double *nearest_centroid(const struct seg_space *s, const double *v)
{
	const double *nearest = NULL;
	double least = INFINITY;

	for (uint32_t j = 0; s->centroids && j < s->k; j++) {
		double at = distance2(v, s->centroids + (size_t)j * s->basis->len, s->basis->len);
		if (at < least) {
			least = at;
			nearest = s->centroids + (size_t)j * s->basis->len;
		}
	}
	return nearest;
}

/* Mean of feature f over the nearest donors that have it; NAN: none. away [donors]: distances of v. */
static double of_neighbours(const struct seg_donors *donors, const double *away, uint32_t f)
{
	double least[SEG_NEIGHBOURS], value[SEG_NEIGHBOURS], sum = 0;
	uint32_t len = 0;

	for (uint32_t i = 0; i < donors->n; i++) {
		double x = donors->rows[(size_t)i * donors->d + f];
		uint32_t at = len;
		if (isnan(x) || isnan(away[i]) || (len == SEG_NEIGHBOURS && !(away[i] < least[len - 1])))
			continue;
		if (len < SEG_NEIGHBOURS)
			len++;
		else
			at--;
		for (; at > 0 && away[i] < least[at - 1]; at--) {
			least[at] = least[at - 1];
			value[at] = value[at - 1];
		}
		least[at] = away[i];
		value[at] = x;
	}
	for (uint32_t i = 0; i < len; i++)
		sum += value[i];
	return len ? sum / len : (double)NAN;
}

static bool by_row(const struct seg_basis_feature *f)
{
	return f->config.impute == SEG_IMPUTE_SEGMENT || f->config.impute == SEG_IMPUTE_KNN;
}

/* v [d] scaled, NAN where missing: those that the rest of the row says something about. */
static void fill_by_row(const struct seg_space *s, double *v)
{
	uint32_t d = s->basis->len;
	double observed[SEG_MAX_FEATURES], away[SEG_DONORS_MAX];
	const double *centroid = nearest_centroid(s, v);
	bool measured = false;

	memcpy(observed, v, d * sizeof(*v));
	for (uint32_t f = 0; f < d; f++) {
		if (!isnan(observed[f]))
			continue;
		if (s->basis->features[f].config.impute == SEG_IMPUTE_SEGMENT && centroid) {
			v[f] = centroid[f];
		} else if (s->basis->features[f].config.impute == SEG_IMPUTE_KNN && s->donors) {
			for (uint32_t i = 0; !measured && i < s->donors->n; i++)
				away[i] = distance2(observed, s->donors->rows + (size_t)i * d, d);
			measured = true;
			v[f] = of_neighbours(s->donors, away, f);
		}
	}
}

static void fill_row(const struct seg_space *s, const double *row, double *ret)
{
	bool left = false;

	for (uint32_t f = 0; f < s->basis->len; f++) {
		ret[f] = scaled(&s->scale[f], row[f]);
		left = left || (isnan(row[f]) && by_row(&s->basis->features[f]));
	}
	if (left)
		fill_by_row(s, ret);
	for (uint32_t f = 0; f < s->basis->len; f++)
		if (isnan(ret[f]))
			ret[f] = scaled(&s->scale[f], s->scale[f].imputed);
}

void seg_space_fill(const struct seg_space *s, const double *rows, size_t n, double *ret)
{
	for (size_t i = 0; i < n; i++)
		fill_row(s, rows + i * s->basis->len, ret + i * s->basis->len);
}

void seg_space_apply(const struct seg_space *s, const double *rows, size_t n, double *ret)
{
	double v[SEG_MAX_FEATURES];

	if (!s->pca) {
		seg_space_fill(s, rows, n, ret);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		fill_row(s, rows + i * s->basis->len, v);
		seg_pca_apply(s->pca, v, ret + i * s->pca->n);
	}
}
