#include "segmenter/export.h"

#include <assert.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>

#include "segmenter/catalogue.h"

#define DUMP_FLAGS (JSON_INDENT(2) | JSON_REAL_PRECISION(17))

/* A NULL anywhere makes the set fail, and `ok` false. */
static void put(json_t *object, const char *key, json_t *value, bool *ok)
{
	if (json_object_set_new(object, key, value))
		*ok = false;
}

static void add(json_t *array, json_t *value, bool *ok)
{
	if (json_array_append_new(array, value))
		*ok = false;
}

static json_t *number_json(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *time_json(int64_t ms)
{
	return ms == SEG_NO_TIME ? json_null() : json_integer(ms);
}

static json_t *numbers_json(const double *x, uint32_t len, bool *ok)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < len; i++)
		add(a, number_json(x[i]), ok);
	return a;
}

static json_t *features_json(const struct seg_model *m, bool *ok)
{
	json_t *a = json_array();

	for (uint32_t j = 0; m && j < m->d; j++) {
		const struct seg_basis_feature *f = &m->basis.features[j];
		json_t *o = json_object();

		put(o, "name", json_string(f->config.name), ok);
		put(o, "transform", json_string(seg_transform_name(f->config.transform)), ok);
		put(o, "mean", number_json(m->scale[j].mean), ok);
		put(o, "scale", number_json(m->scale[j].scale), ok);
		put(o, "weight", number_json(m->scale[j].weight), ok);
		put(o, "imputed", number_json(m->scale[j].imputed), ok);
		add(a, o, ok);
	}
	return a;
}

static json_t *centroid_json(const struct seg_model *m, uint32_t c, bool *ok)
{
	const struct seg_segment *s = seg_model_segment(m, m->clusters[c]);
	double transformed[SEG_MAX_FEATURES];
	json_t *o = json_object();

	for (uint32_t j = 0; j < m->d; j++) {
		double x = m->centroids[(size_t)c * m->d + j];
		transformed[j] = isnan(x) ? m->scale[j].imputed : x;
	}
	put(o, "cluster", json_sprintf("%" PRIu64, m->clusters[c]), ok);
	put(o, "segment_id", json_sprintf("s%" PRIu64, m->clusters[c]), ok);
	put(o, "name", json_string(seg_model_segment_name(m, m->clusters[c])), ok);
	put(o, "customers", json_integer(s ? (json_int_t)s->customers : 0), ok);
	put(o, "transformed", numbers_json(transformed, m->d, ok), ok);
	put(o, "vector", numbers_json(m->vectors + (size_t)c * m->dims, m->dims, ok), ok);
	return o;
}

static json_t *pca_json(const struct seg_pca *pca, bool *ok)
{
	json_t *o, *rows;

	if (!pca)
		return json_null();
	o = json_object();
	rows = json_array();
	for (uint32_t i = 0; i < pca->n; i++)
		add(rows, numbers_json(pca->components + (size_t)i * pca->d, pca->d, ok), ok);
	put(o, "mean", numbers_json(pca->mean, pca->d, ok), ok);
	put(o, "components", rows, ok);
	return o;
}

static int append(const char *text, size_t len, void *out)
{
	seg_buf_append(out, text, len);
	return ((struct seg_buf *)out)->failed ? -1 : 0;
}

/* The version is a string, for it may need more than the 53 bits of a double; the promotion is 32 bits of it. */
enum seg_rc seg_model_export(const struct seg_model *m, struct seg_buf *out, struct seg_error *err)
{
	json_t *root = json_object(), *centroids = json_array();
	enum seg_rc rc = SEG_OK;
	bool ok = true;

	put(root, "version", json_sprintf("%" PRIu64, seg_model_version(m)), &ok);
	put(root, "promotion", json_integer(m ? (json_int_t)m->promotion : 0), &ok);
	put(root, "time_ms", time_json(m ? m->time_ms : SEG_NO_TIME), &ok);
	put(root, "first_fit_ms", time_json(m ? m->first_fit_ms : SEG_NO_TIME), &ok);
	put(root, "features", features_json(m, &ok), &ok);
	put(root, "pca", m ? pca_json(m->pca, &ok) : json_null(), &ok);
	for (uint32_t c = 0; m && c < m->k; c++)
		add(centroids, centroid_json(m, c, &ok), &ok);
	put(root, "centroids", centroids, &ok);
	if (!ok)
		rc = seg_error_set(err, SEG_NO_MEMORY, "model %" PRIu64 ": cannot be written as JSON",
				   seg_model_version(m));
	else if (json_dump_callback(root, append, out, DUMP_FLAGS) || append("\n", 1, out))
		rc = seg_error_set(err, SEG_LIMIT, "model %" PRIu64 ": its JSON does not fit %zu bytes",
				   seg_model_version(m), out->max);
	json_decref(root);
	return rc;
}

static size_t fill_features(const struct seg_model *m, const struct seg_basis *basis, const struct seg_profile *p,
			    int64_t now_ms, struct seg_named_value *ret)
{
	const struct seg_constants *constants = m ? &m->constants : NULL;
	size_t len = 0;

	assert(seg_catalogue_len() <= SEG_CATALOGUE_MAX);
	for (size_t i = 0; i < seg_catalogue_len(); i++)
		ret[len++] = (struct seg_named_value){seg_catalogue_at(i)->name,
						      seg_catalogue_value(i, p, now_ms, constants)};
	for (uint32_t j = 0; j < basis->len; j++) {
		const struct seg_basis_feature *f = &basis->features[j];
		if (f->catalogue < 0)
			ret[len++] = (struct seg_named_value){f->config.name,
							      seg_basis_feature_value(f, p, now_ms, constants)};
	}
	return len;
}

void seg_customer_row_fill(const struct seg_model *m, const struct seg_basis *configured, const struct seg_profile *p,
			   int64_t now_ms, struct seg_row_scratch *scratch, struct seg_customer_row *ret)
{
	bool fitted = m && m->k;
	const struct seg_basis *basis = fitted ? &m->basis : configured;
	struct seg_assignment a;

	*ret = (struct seg_customer_row){
		.customer_id = p->id, .segment = p->decision.cluster, .distance = NAN, .margin = NAN};
	ret->features = scratch->features;
	ret->features_len = fill_features(fitted ? m : NULL, basis, p, now_ms, scratch->features);
	seg_basis_values(basis, p, now_ms, fitted ? &m->constants : NULL, scratch->values);
	for (uint32_t j = 0; j < basis->len; j++)
		scratch->transformed[j] = seg_basis_unfix(&basis->features[j], scratch->values[j]);
	ret->transformed = scratch->transformed;
	ret->transformed_len = basis->len;
	ret->vector = scratch->vector;
	if (!fitted)
		return;
	seg_model_vector(m, scratch->values, scratch->vector);
	ret->vector_len = m->dims;
	seg_model_assign(m, scratch->vector, &a);
	ret->cluster = m->clusters[a.nearest];
	ret->distance = a.distance;
	ret->margin = a.margin;
}
