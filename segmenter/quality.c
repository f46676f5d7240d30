/* How well the current model fits the sample as it is now. */
#include <math.h>
#include <stdlib.h>

#include "segmenter/kmeans.h"
#include "segmenter/learner_internal.h"
#include "segmenter/silhouette.h"

struct scratch {
	double *x, *first, *second;
	uint32_t *labels;
};

static double mean_simplified(const struct scratch *s, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		sum += s->second[i] > 0 && isfinite(s->second[i]) ? 1 - sqrt(s->first[i] / s->second[i]) : 0;
	return sum / (double)n;
}

static void measure(const struct seg_learner *l, size_t n, int64_t now_ms, struct scratch *s, struct seg_quality *ret)
{
	const struct seg_model *m = l->model;
	int32_t values[SEG_MAX_FEATURES];

	for (size_t i = 0; i < n; i++) {
		seg_basis_values(&m->basis, l->sample[i].profile, now_ms, &m->constants, values);
		seg_model_vector(m, values, s->x + i * m->dims);
	}
	ret->inertia = seg_kmeans_assign(s->x, n, m->dims, m->vectors, m->k, s->labels, s->first, s->second);
	if (isnan(ret->inertia))
		return;
	ret->inertia_per_customer = ret->inertia / (double)n;
	ret->simplified_silhouette = m->k > 1 ? mean_simplified(s, n) : NAN;
	ret->davies_bouldin = seg_davies_bouldin(s->labels, s->first, n, m->vectors, m->dims, m->k);
	ret->sample = n;
}

void seg_learner_quality(struct seg_learner *l, int64_t now_ms, struct seg_quality *ret)
{
	size_t n = l->sample_len < l->target ? l->sample_len : l->target;
	struct scratch s = {0};

	*ret = (struct seg_quality){NAN, NAN, NAN, NAN, 0};
	if (!l->model || l->model->k == 0 || n == 0 || now_ms == SEG_NO_TIME)
		return;
	s.x = malloc(n * l->model->dims * sizeof(*s.x));
	s.first = malloc(n * sizeof(*s.first));
	s.second = malloc(n * sizeof(*s.second));
	s.labels = malloc(n * sizeof(*s.labels));
	if (s.x && s.first && s.second && s.labels)
		measure(l, n, now_ms, &s, ret);
	free(s.x);
	free(s.first);
	free(s.second);
	free(s.labels);
}

double seg_inertia_now(struct seg_learner *l, int64_t now_ms)
{
	struct seg_quality q;

	if (!l->model->pca && !l->model->by_row)
		return seg_inertia_of_sums(l->model, l->total);
	if (l->looked.promotion != l->model->promotion || now_ms - l->looked.at_ms >= SEG_DAY_MS) {
		seg_learner_quality(l, now_ms, &q);
		l->looked.promotion = l->model->promotion;
		l->looked.at_ms = now_ms;
		l->looked.inertia = q.inertia_per_customer;
	}
	return l->looked.inertia;
}
