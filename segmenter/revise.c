/*
 * Revisions: the model follows the sums. A centroid is the mean of its customers' vectors under the version's frozen
 * scaler; a customer without a value stands at the imputed one, as in the assignment, so that the mean is what k-means
 * would take.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/learner_internal.h"

enum seg_rc seg_model_alloc(struct seg_model *m, uint32_t k, uint32_t segments, struct seg_error *err)
{
	m->clusters = calloc(k ? k : 1, sizeof(*m->clusters));
	m->centroids = calloc((size_t)(k ? k : 1) * (m->d ? m->d : 1), sizeof(*m->centroids));
	m->segments = calloc(segments ? segments : 1, sizeof(*m->segments));
	if (!m->clusters || !m->centroids || !m->segments)
		return seg_error_set(err, SEG_NO_MEMORY, "model: out of memory for %u clusters", k);
	m->k = k;
	m->segments_len = segments;
	return SEG_OK;
}

/* A copy without vectors and learning, which belong to one version. */
struct seg_model *seg_model_copy(const struct seg_model *m, struct seg_error *err)
{
	struct seg_model *c = seg_model_new();

	if (!c) {
		seg_error_set(err, SEG_NO_MEMORY, "model: out of memory");
		return NULL;
	}
	*c = *m;
	c->refs = 1;
	c->clusters = NULL;
	c->centroids = c->scaled = c->vectors = c->soa = NULL;
	c->pca = m->pca ? seg_pca_copy(m->pca) : NULL;
	c->donors = m->donors ? seg_donors_copy(m->donors) : NULL;
	c->segments = NULL;
	c->learning = c->fit = NULL;
	if ((m->pca && !c->pca) || (m->donors && !c->donors) || seg_model_alloc(c, m->k, m->segments_len, err)) {
		seg_model_put(c);
		return NULL;
	}
	if (m->k) {
		memcpy(c->clusters, m->clusters, m->k * sizeof(*c->clusters));
		memcpy(c->centroids, m->centroids, (size_t)m->k * m->d * sizeof(*c->centroids));
	}
	if (m->segments_len)
		memcpy(c->segments, m->segments, m->segments_len * sizeof(*c->segments));
	return c;
}

static bool imputed_by_row(const struct seg_basis_feature *f)
{
	return f->config.impute == SEG_IMPUTE_SEGMENT || f->config.impute == SEG_IMPUTE_KNN;
}

void seg_centroids_of_sums(const struct seg_model *m, const struct seg_sums *total, double *ret)
{
	for (uint32_t j = 0; j < m->k; j++) {
		const struct seg_sum_bucket *b = seg_sums_find(total, m->basis.id, m->clusters[j]);
		for (uint32_t f = 0; f < m->d; f++) {
			size_t at = (size_t)j * m->d + f;
			if (!b || b->count <= 0) {
				ret[at] = m->centroids[at];
				continue;
			}
			double sum = (double)b->features[f].sum * m->basis.features[f].quantum;
			double missing = (double)(b->count - b->features[f].count);
			/* What is imputed from the rest of the row stands where those are who have a value. */
			if (imputed_by_row(&m->basis.features[f]))
				ret[at] = b->features[f].count ? sum / (double)b->features[f].count : m->centroids[at];
			else
				ret[at] = (sum + missing * m->scale[f].imputed) / (double)b->count;
		}
	}
}

double seg_inertia_of_sums(const struct seg_model *m, const struct seg_sums *total)
{
	double inertia = 0, customers = 0;

	for (uint32_t j = 0; j < m->k; j++) {
		const struct seg_sum_bucket *b = seg_sums_find(total, m->basis.id, m->clusters[j]);
		if (!b)
			continue;
		customers += (double)b->count;
		for (uint32_t f = 0; f < m->d; f++) {
			const struct seg_sum_feature *s = &b->features[f];
			double q = m->basis.features[f].quantum, c = m->centroids[(size_t)j * m->d + f];
			double unit = m->scale[f].weight / m->scale[f].scale, off = m->scale[f].imputed - c;
			double present =
				(double)s->square * q * q - 2 * c * (double)s->sum * q + (double)s->count * c * c;
			inertia += unit * unit * (fmax(present, 0) + (double)(b->count - s->count) * off * off);
		}
	}
	return customers > 0 ? inertia / customers : NAN;
}

static void take_sizes(struct seg_model *m, const struct seg_sums *total)
{
	uint64_t all = 0;

	for (uint32_t j = 0; j < m->k; j++) {
		const struct seg_sum_bucket *b = seg_sums_find(total, m->basis.id, m->clusters[j]);
		m->segments[j].customers = b && b->count > 0 ? (uint64_t)b->count : 0;
		all += m->segments[j].customers;
	}
	for (uint32_t j = 0; j < m->k; j++)
		m->segments[j].share = all ? (double)m->segments[j].customers / (double)all : 0;
}

/* Retired segments give way when a living one has taken their name. */
static void rename_retired(struct seg_model *m)
{
	for (uint32_t i = m->k; i < m->segments_len; i++) {
		struct seg_segment *s = &m->segments[i];
		for (uint32_t j = 0; j < m->segments_len; j++) {
			char base[SEG_SEGMENT_NAME_MAX];
			if (j == i || strcmp(m->segments[j].name, s->name) != 0)
				continue;
			memcpy(base, s->name, sizeof(base));
			snprintf(s->name, sizeof(s->name), "%.60s (s%llu)", base, (unsigned long long)s->cluster);
			break;
		}
	}
}

static void remember_names(struct seg_memory *memory, const struct seg_model *m, const struct seg_name_reason *reasons)
{
	memory->names_len = m->k;
	for (uint32_t j = 0; j < m->k; j++) {
		memory->names[j] = reasons[j];
		memory->name_clusters[j] = m->clusters[j];
	}
}

/* Purchases at the centroids; false: frequency is no feature. */
static bool frequencies_of(const struct seg_model *m, double *ret)
{
	for (uint32_t f = 0; f < m->d; f++) {
		const struct seg_feature_config *config = &m->basis.features[f].config;
		if (strcmp(config->name, "frequency") != 0)
			continue;
		for (uint32_t j = 0; j < m->k; j++)
			ret[j] = seg_basis_invert(&m->basis.features[f], m->centroids[(size_t)j * m->d + f]);
		return true;
	}
	return false;
}

enum seg_rc seg_name_model(struct seg_learner *l, struct seg_model *m, struct seg_error *err)
{
	struct seg_name_reason *reasons = calloc(m->k + 1, sizeof(*reasons));
	char(*names)[SEG_SEGMENT_NAME_MAX] = calloc(m->k + 1, sizeof(*names));
	double *zscores = calloc((size_t)m->k * m->d + 1, sizeof(*zscores));
	bool named[SEG_MAX_CLUSTERS] = {false};
	double shares[SEG_MAX_CLUSTERS], frequencies[SEG_MAX_CLUSTERS];
	enum seg_rc rc = SEG_OK;

	if (!reasons || !names || !zscores) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "names: out of memory");
		goto out;
	}
	for (uint32_t j = 0; j < m->k; j++) {
		shares[j] = m->segments[j].share;
		memcpy(names[j], m->segments[j].name, sizeof(names[j]));
		for (uint32_t i = 0; i < l->memory->names_len; i++) {
			if (l->memory->name_clusters[i] != m->clusters[j])
				continue;
			reasons[j] = l->memory->names[i];
			named[j] = names[j][0] != 0;
		}
	}
	seg_model_zscores(m, shares, zscores);
	if (seg_names_choose(&(struct seg_naming){
		    .basis = &m->basis,
		    .k = m->k,
		    .zscores = zscores,
		    .frequencies = frequencies_of(m, frequencies) ? frequencies : NULL,
		    .named = named,
		    .names = names,
		    .reasons = reasons,
	    })) {
		for (uint32_t j = 0; j < m->k; j++)
			memcpy(m->segments[j].name, names[j], sizeof(names[j]));
		l->renamed = true;
	}
	rename_retired(m);
	remember_names(l->memory, m, reasons);
out:
	free(reasons);
	free(names);
	free(zscores);
	return rc;
}

enum seg_rc seg_revise(struct seg_learner *l, int64_t now_ms, bool follow, struct seg_error *err)
{
	struct seg_model *m = seg_model_copy(l->model, err);
	enum seg_rc rc = SEG_OK;

	if (!m)
		return SEG_NO_MEMORY;
	m->revision++;
	m->time_ms = now_ms;
	m->sample_bound = l->bound;
	if (follow) {
		seg_centroids_of_sums(l->model, l->total, m->centroids);
		take_sizes(m, l->total);
		rc = seg_name_model(l, m, err);
	}
	if (l->memory->next_cluster > m->next_cluster)
		m->next_cluster = l->memory->next_cluster;
	if (!rc)
		rc = seg_model_finish(m, err);
	if (rc) {
		seg_model_put(m);
		return rc;
	}
	seg_aliases_apply(l, m);
	seg_model_put(l->model);
	l->model = m;
	return SEG_OK;
}
