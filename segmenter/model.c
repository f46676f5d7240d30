#include "segmenter/model.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A row of soa is a whole number of blocks of the distance loop, and begins on a cache line. */
enum { PAD = 8, ALIGN = 64 };

struct seg_model *seg_model_new(void)
{
	struct seg_model *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->time_ms = m->promoted_ms = m->first_fit_ms = SEG_NO_TIME;
	m->next_cluster = 1;
	m->refs = 1;
	return m;
}

struct seg_model *seg_model_get(struct seg_model *m)
{
	if (m)
		__atomic_add_fetch(&m->refs, 1, __ATOMIC_RELAXED);
	return m;
}

void seg_model_put(struct seg_model *m)
{
	if (!m || __atomic_sub_fetch(&m->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free(m->clusters);
	free(m->centroids);
	free(m->vectors);
	free(m->soa);
	free(m->segments);
	json_decref(m->learning);
	json_decref(m->fit);
	free(m);
}

static enum seg_rc check_clusters(const struct seg_model *m, struct seg_error *err)
{
	if (m->d != m->basis.len || m->d > SEG_MAX_FEATURES || m->k > SEG_MAX_CLUSTERS || (m->k && !m->d))
		return seg_error_set(err, SEG_INVALID,
				     "model: %" PRIu32 " clusters of %" PRIu32 " features, basis of %" PRIu32, m->k,
				     m->d, m->basis.len);
	for (uint32_t i = 0; i < m->k; i++)
		if (m->clusters[i] == 0 || (i && m->clusters[i] <= m->clusters[i - 1]) ||
		    m->clusters[i] >= m->next_cluster)
			return seg_error_set(err, SEG_INVALID,
					     "model: cluster %" PRIu64 " is out of order or not given yet",
					     m->clusters[i]);
	return SEG_OK;
}

static enum seg_rc check_scale(const struct seg_model *m, struct seg_error *err)
{
	for (uint32_t j = 0; j < m->d && m->k; j++) {
		const struct seg_scale *s = &m->scale[j];
		if (!isfinite(s->mean) || !isfinite(s->imputed) || !isfinite(s->scale) || s->scale <= 0 ||
		    !isfinite(s->weight) || s->weight <= 0)
			return seg_error_set(
				err, SEG_INVALID, "model: scale of %s: mean %g, scale %g, weight %g, imputed %g",
				m->basis.features[j].config.name, s->mean, s->scale, s->weight, s->imputed);
	}
	for (size_t i = 0; i < (size_t)m->k * m->d; i++)
		if (isinf(m->centroids[i]))
			return seg_error_set(err, SEG_INVALID, "model: a centroid is infinite");
	return SEG_OK;
}

static inline double to_model_space(const struct seg_scale *s, double transformed)
{
	return (transformed - s->mean) / s->scale * s->weight;
}

static void fill_vectors(const struct seg_model *m, uint32_t padded, double *vectors, double *soa)
{
	for (uint32_t c = 0; c < m->k; c++) {
		for (uint32_t j = 0; j < m->d; j++) {
			double x = m->centroids[(size_t)c * m->d + j];
			double v = to_model_space(&m->scale[j], isnan(x) ? m->scale[j].imputed : x);
			vectors[(size_t)c * m->d + j] = v;
			soa[(size_t)j * padded + c] = v;
		}
	}
}

enum seg_rc seg_model_finish(struct seg_model *m, struct seg_error *err)
{
	uint32_t padded = (m->k + PAD - 1) / PAD * PAD;
	size_t cells = (size_t)m->k * m->d;
	double *vectors = NULL, *soa = NULL;
	enum seg_rc rc = check_clusters(m, err);

	if (!rc)
		rc = check_scale(m, err);
	if (rc)
		return rc;
	if (cells) {
		vectors = calloc(cells, sizeof(*vectors));
		soa = aligned_alloc(ALIGN, (size_t)padded * m->d * sizeof(*soa));
		if (!vectors || !soa) {
			free(vectors);
			free(soa);
			return seg_error_set(err, SEG_NO_MEMORY, "model: out of memory for %" PRIu32 " clusters", m->k);
		}
		memset(soa, 0, (size_t)padded * m->d * sizeof(*soa));
		fill_vectors(m, padded, vectors, soa);
	}
	free(m->vectors);
	free(m->soa);
	m->vectors = vectors;
	m->soa = soa;
	m->k_padded = padded;
	return SEG_OK;
}

const struct seg_segment *seg_model_segment(const struct seg_model *m, uint64_t cluster)
{
	for (uint32_t i = 0; i < m->segments_len; i++)
		if (m->segments[i].cluster == cluster)
			return &m->segments[i];
	return NULL;
}

const char *seg_model_segment_name(const struct seg_model *m, uint64_t cluster)
{
	const struct seg_segment *s = cluster ? seg_model_segment(m, cluster) : NULL;

	if (!s)
		return "";
	return s->alias[0] ? s->alias : s->name;
}

int seg_model_index(const struct seg_model *m, uint64_t cluster)
{
	uint32_t lo = 0, hi = m->k;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;
		if (m->clusters[mid] < cluster)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo < m->k && m->clusters[lo] == cluster ? (int)lo : -1;
}

void seg_model_vector(const struct seg_model *m, const int32_t *values, double *ret_vector)
{
	for (uint32_t j = 0; j < m->d; j++) {
		const struct seg_scale *s = &m->scale[j];
		double x = values[j] == SEG_MISSING ? s->imputed : values[j] * m->basis.features[j].quantum;

		ret_vector[j] = to_model_space(s, x);
	}
}
