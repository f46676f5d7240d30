/* Which rows of the segment catalogue are worth telling: new, renamed and retired ones at once, sizes now and then. */
#include <stdlib.h>
#include <string.h>

#include "segmenter/learner_internal.h"

#define TELL_PAUSE_MS INT64_C(3600000)
#define TELL_SHARE 0.01

static int told_index(const struct seg_memory *m, uint64_t cluster)
{
	for (uint32_t i = 0; i < m->told_len; i++)
		if (m->told_clusters[i] == cluster)
			return (int)i;
	return -1;
}

static bool size_changed(const struct seg_memory *m, const struct seg_segment *s)
{
	int i = told_index(m, s->cluster);
	double was, change;

	if (i < 0)
		return true;
	was = (double)m->told[i];
	change = (double)s->customers - was;
	return change > TELL_SHARE * was || -change > TELL_SHARE * was;
}

static bool row_due(const struct seg_learner *l, const struct seg_segment *s, int64_t now_ms)
{
	if (s->state == SEG_SEGMENT_RETIRED)
		return told_index(l->memory, s->cluster) >= 0;
	if (l->promoted || l->renamed || told_index(l->memory, s->cluster) < 0)
		return true;
	return now_ms - l->memory->told_ms >= TELL_PAUSE_MS && size_changed(l->memory, s);
}

static enum seg_rc reserve(struct seg_learner *l, struct seg_error *err)
{
	const struct seg_model *m = l->model;

	seg_rows_release(l);
	l->rows = calloc(m->segments_len + 1, sizeof(*l->rows));
	l->row_features = calloc((size_t)m->k * m->d + 1, sizeof(*l->row_features));
	l->row_zscores = calloc((size_t)m->k * m->d + 1, sizeof(*l->row_zscores));
	if (!l->rows || !l->row_features || !l->row_zscores)
		return seg_error_set(err, SEG_NO_MEMORY, "segments: out of memory");
	l->row_model = seg_model_get(l->model);
	return SEG_OK;
}

void seg_rows_release(struct seg_learner *l)
{
	free(l->rows);
	free(l->row_features);
	free(l->row_zscores);
	seg_model_put(l->row_model);
	l->rows = NULL;
	l->row_features = NULL;
	l->row_zscores = NULL;
	l->row_model = NULL;
}

static void fill_features(struct seg_learner *l)
{
	const struct seg_model *m = l->model;
	double shares[SEG_MAX_CLUSTERS];

	for (uint32_t j = 0; j < m->k; j++)
		shares[j] = m->segments[j].share;
	seg_model_zscores(m, shares, l->row_zscores);
	for (size_t at = 0; at < (size_t)m->k * m->d; at++) {
		const struct seg_feature_config *config = &m->basis.features[at % m->d].config;
		l->row_features[at] = (struct seg_centroid_feature){
			.feature = config->name,
			.value = seg_basis_invert(&m->basis.features[at % m->d], m->centroids[at]),
			.zscore = l->row_zscores[at],
		};
	}
}

/* What was not told now keeps the size it was last told with, so that small changes add up. */
static void remember(struct seg_learner *l, uint32_t rows, int64_t now_ms)
{
	struct seg_memory *memory = l->memory;
	const struct seg_model *m = l->model;
	uint64_t sizes[SEG_MAX_CLUSTERS] = {0};

	for (uint32_t j = 0; j < m->k; j++) {
		int i = told_index(memory, m->clusters[j]);
		sizes[j] = i < 0 ? m->segments[j].customers : memory->told[i];
		for (uint32_t r = 0; r < rows; r++)
			if (l->rows[r].cluster == m->clusters[j])
				sizes[j] = l->rows[r].customers;
	}
	memory->told_len = m->k;
	for (uint32_t j = 0; j < m->k; j++) {
		memory->told_clusters[j] = m->clusters[j];
		memory->told[j] = sizes[j];
	}
	memory->told_ms = now_ms;
	l->renamed = false;
}

enum seg_rc seg_rows_make(struct seg_learner *l, int64_t now_ms, struct seg_learner_news *news, struct seg_error *err)
{
	struct seg_model *m = l->model;
	enum seg_rc rc = reserve(l, err);
	uint32_t len = 0;

	if (rc)
		return rc;
	fill_features(l);
	for (uint32_t i = 0; i < m->segments_len; i++) {
		const struct seg_segment *s = &m->segments[i];
		if (!row_due(l, s, now_ms))
			continue;
		l->rows[len++] = (struct seg_segment_row){
			.cluster = s->cluster,
			.name = s->name,
			.alias = s->alias[0] ? s->alias : NULL,
			.state = s->state,
			.origin = s->origin,
			.parents = s->parents,
			.parents_len = s->parents_len,
			.customers = s->customers,
			.share = s->share,
			.centroid = i < m->k ? l->row_features + (size_t)i * m->d : NULL,
			.centroid_len = i < m->k ? m->d : 0,
			.model_version = seg_model_version(m),
			.updated_at_ms = now_ms,
		};
	}
	if (len)
		remember(l, len, now_ms);
	news->segments = l->rows;
	news->segments_len = len;
	return SEG_OK;
}
