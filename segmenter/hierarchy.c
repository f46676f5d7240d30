#include "segmenter/hierarchy.h"

#include <math.h>
#include <stdlib.h>

struct ward {
	uint32_t k;
	double *apart; /* [k * k] increase of the sum of squares if merged; of clusters that are still there */
	double *size;
	uint32_t *number; /* of the cluster in this place: its own, or that of the merge */
	bool *gone;
};

static double increase(const struct seg_model *m, const double *size, uint32_t i, uint32_t j)
{
	double sum = 0;

	for (uint32_t d = 0; d < m->dims; d++) {
		double x = m->vectors[(size_t)i * m->dims + d] - m->vectors[(size_t)j * m->dims + d];
		sum += x * x;
	}
	return sum * size[i] * size[j] / (size[i] + size[j]);
}

static bool ward_init(struct ward *w, const struct seg_model *m)
{
	*w = (struct ward){m->k, calloc((size_t)m->k * m->k, sizeof(double)), calloc(m->k, sizeof(double)),
			   calloc(m->k, sizeof(uint32_t)), calloc(m->k, sizeof(bool))};
	if (!w->apart || !w->size || !w->number || !w->gone)
		return false;
	for (uint32_t i = 0; i < m->k; i++) {
		w->number[i] = i;
		w->size[i] = m->segments[i].customers ? (double)m->segments[i].customers : 1;
	}
	for (uint32_t i = 0; i < m->k; i++)
		for (uint32_t j = 0; j < m->k; j++)
			w->apart[(size_t)i * m->k + j] = increase(m, w->size, i, j);
	return true;
}

static void ward_release(struct ward *w)
{
	free(w->apart);
	free(w->size);
	free(w->number);
	free(w->gone);
}

static void find_nearest(const struct ward *w, uint32_t *ret_i, uint32_t *ret_j)
{
	double least = INFINITY;

	for (uint32_t i = 0; i < w->k; i++) {
		for (uint32_t j = i + 1; j < w->k && !w->gone[i]; j++) {
			if (w->gone[j] || !(w->apart[(size_t)i * w->k + j] < least))
				continue;
			least = w->apart[(size_t)i * w->k + j];
			*ret_i = i;
			*ret_j = j;
		}
	}
}

/* j goes into the place of i. */
static void merge(struct ward *w, uint32_t i, uint32_t j)
{
	double both = w->apart[(size_t)i * w->k + j];

	for (uint32_t l = 0; l < w->k; l++) {
		double *il = &w->apart[(size_t)i * w->k + l], jl = w->apart[(size_t)j * w->k + l];
		if (w->gone[l] || l == i || l == j)
			continue;
		*il = ((w->size[i] + w->size[l]) * *il + (w->size[j] + w->size[l]) * jl - w->size[l] * both) /
		      (w->size[i] + w->size[j] + w->size[l]);
		w->apart[(size_t)l * w->k + i] = *il;
	}
	w->size[i] += w->size[j];
	w->gone[j] = true;
}

uint32_t seg_hierarchy(const struct seg_model *m, struct seg_merge *ret)
{
	double total = 0;
	struct ward w;
	uint32_t len = 0;

	if (m->k < 2)
		return 0;
	if (!ward_init(&w, m))
		goto out;
	for (uint32_t i = 0; i < m->k; i++)
		total += w.size[i];
	for (; len < m->k - 1; len++) {
		uint32_t i = 0, j = 1, a, b;
		find_nearest(&w, &i, &j);
		a = w.number[i] < w.number[j] ? w.number[i] : w.number[j];
		b = w.number[i] < w.number[j] ? w.number[j] : w.number[i];
		ret[len] = (struct seg_merge){a, b, w.apart[(size_t)i * m->k + j] / total, w.size[i] + w.size[j]};
		merge(&w, i, j);
		w.number[i] = m->k + len;
	}
out:
	ward_release(&w);
	return len;
}

void seg_hierarchy_cut(const struct seg_merge *merges, uint32_t k, uint32_t groups, uint32_t *ret)
{
	uint32_t joined = groups < k ? k - (groups ? groups : 1) : 0, next = 0;
	uint32_t root[2 * SEG_MAX_CLUSTERS] = {0};

	for (uint32_t i = 0; i < k + joined; i++)
		root[i] = i;
	/* From the last merge down, so that what a merge made is known before what it was made of. */
	for (uint32_t step = joined; step-- > 0;)
		root[merges[step].a] = root[merges[step].b] = root[k + step];
	for (uint32_t i = 0; i < k; i++) {
		ret[i] = 0;
		for (uint32_t j = 0; j < i && !ret[i]; j++)
			if (root[j] == root[i])
				ret[i] = ret[j];
		if (!ret[i])
			ret[i] = ++next;
	}
}
