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
	free(m->scaled);
	free(m->vectors);
	free(m->soa);
	free(m->segments);
	seg_pca_free(m->pca);
	seg_donors_free(m->donors);
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

static void fill_vectors(const struct seg_model *m, uint32_t dims, uint32_t padded, double *scaled, double *vectors,
			 double *soa)
{
	for (uint32_t c = 0; c < m->k; c++) {
		double *row = scaled + (size_t)c * m->d, *vector = vectors + (size_t)c * dims;
		for (uint32_t j = 0; j < m->d; j++) {
			double x = m->centroids[(size_t)c * m->d + j];
			row[j] = to_model_space(&m->scale[j], isnan(x) ? m->scale[j].imputed : x);
		}
		if (m->pca)
			seg_pca_apply(m->pca, row, vector);
		else
			memcpy(vector, row, dims * sizeof(*vector));
		for (uint32_t j = 0; j < dims; j++)
			soa[(size_t)j * padded + c] = vector[j];
	}
}

static enum seg_rc check_space(const struct seg_model *m, struct seg_error *err)
{
	bool sound = (!m->pca || (m->pca->d == m->d && m->pca->n > 0 && m->pca->n <= m->d)) &&
		     (!m->donors || (m->donors->d == m->d && m->donors->n <= SEG_DONORS_MAX));

	for (size_t i = 0; sound && m->pca && i < (size_t)m->pca->n * m->d; i++)
		sound = isfinite(m->pca->components[i]);
	for (uint32_t j = 0; sound && m->pca && j < m->d; j++)
		sound = isfinite(m->pca->mean[j]);
	return sound ? SEG_OK
		     : seg_error_set(err, SEG_INVALID, "model: PCA or donors do not fit %" PRIu32 " features", m->d);
}

enum seg_rc seg_model_finish(struct seg_model *m, struct seg_error *err)
{
	uint32_t padded = (m->k + PAD - 1) / PAD * PAD, dims = m->pca ? m->pca->n : m->d;
	size_t cells = (size_t)m->k * dims;
	double *scaled = NULL, *vectors = NULL, *soa = NULL;
	enum seg_rc rc = check_clusters(m, err);

	if (!rc)
		rc = check_scale(m, err);
	if (!rc)
		rc = check_space(m, err);
	if (rc)
		return rc;
	if (cells) {
		scaled = calloc((size_t)m->k * m->d, sizeof(*scaled));
		vectors = calloc(cells, sizeof(*vectors));
		soa = aligned_alloc(ALIGN, (size_t)padded * dims * sizeof(*soa));
		if (!scaled || !vectors || !soa) {
			free(scaled);
			free(vectors);
			free(soa);
			return seg_error_set(err, SEG_NO_MEMORY, "model: out of memory for %" PRIu32 " clusters", m->k);
		}
		memset(soa, 0, (size_t)padded * dims * sizeof(*soa));
		fill_vectors(m, dims, padded, scaled, vectors, soa);
	}
	free(m->scaled);
	free(m->vectors);
	free(m->soa);
	m->scaled = scaled;
	m->vectors = vectors;
	m->soa = soa;
	m->k_padded = padded;
	m->dims = dims;
	m->by_row = seg_basis_imputes_by_row(&m->basis);
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

struct seg_space seg_model_space(const struct seg_model *m)
{
	return (struct seg_space){&m->basis, m->scale, m->scaled, m->k, m->donors, m->pca};
}

static void vector_by_space(const struct seg_model *m, const int32_t *values, double *ret_vector)
{
	struct seg_space space = seg_model_space(m);
	double row[SEG_MAX_FEATURES];

	for (uint32_t j = 0; j < m->d; j++)
		row[j] = seg_basis_unfix(&m->basis.features[j], values[j]);
	seg_space_apply(&space, row, 1, ret_vector);
}

void seg_model_vector(const struct seg_model *m, const int32_t *values, double *ret_vector)
{
	if (m->pca || m->by_row) {
		vector_by_space(m, values, ret_vector);
		return;
	}
	for (uint32_t j = 0; j < m->d; j++) {
		const struct seg_scale *s = &m->scale[j];
		double x = values[j] == SEG_MISSING ? s->imputed : values[j] * m->basis.features[j].quantum;

		ret_vector[j] = to_model_space(s, x);
	}
}
