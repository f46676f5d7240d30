/*
 * A model version as JSON. 64-bit ids are strings (JSON numbers are doubles to many readers), times are numbers or null,
 * numbers have the 17 digits that give the same double back. What is read is checked: it may be of another version of
 * this program, or damaged.
 */
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/model.h"

enum { FORMAT = 1 };
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(17))

static const char *const state_names[] = {"active", "retired"};
static const char *const model_state_names[] = {"promoted", "candidate"};
static const char *const origin_names[] = {"created", "split", "merged", "kept"};

/* ---- writing; a NULL anywhere makes the set fail, and `ok` false */

static void put(json_t *object, const char *key, json_t *value, bool *ok)
{
	if (json_object_set_new(object, key, value))
		*ok = false;
}

static json_t *id_json(uint64_t id)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, id);
	return json_string(text);
}

static json_t *time_json(int64_t ms)
{
	return ms == SEG_NO_TIME ? json_null() : json_integer(ms);
}

static json_t *number_json(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *numbers_json(const double *x, uint32_t len)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < len; i++) {
		if (json_array_append_new(a, number_json(x[i]))) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

static json_t *feature_json(const struct seg_model *m, uint32_t j, bool *ok)
{
	const struct seg_basis_feature *f = &m->basis.features[j];
	const struct seg_scale *s = &m->scale[j];
	json_t *o = json_object();

	put(o, "name", json_string(f->config.name), ok);
	put(o, "transform", json_string(seg_transform_name(f->config.transform)), ok);
	put(o, "scaler", json_string(seg_scaler_name(f->config.scaler)), ok);
	put(o, "impute", json_string(seg_impute_name(f->config.impute)), ok);
	put(o, "configured_weight", number_json(f->config.weight), ok);
	put(o, "quantum", number_json(f->quantum), ok);
	put(o, "grid_lo", number_json(f->grid_lo), ok);
	put(o, "grid_hi", number_json(f->grid_hi), ok);
	if (f->has_knots)
		put(o, "knots", numbers_json(f->knots, SEG_KNOTS), ok);
	put(o, "mean", number_json(s->mean), ok);
	put(o, "scale", number_json(s->scale), ok);
	put(o, "weight", number_json(s->weight), ok);
	put(o, "imputed", number_json(s->imputed), ok);
	return o;
}

static json_t *ids_json(const uint64_t *ids, uint32_t len)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < len; i++) {
		if (json_array_append_new(a, id_json(ids[i]))) {
			json_decref(a);
			return NULL;
		}
	}
	return a;
}

static json_t *segment_json(const struct seg_segment *s, bool *ok)
{
	json_t *o = json_object();

	put(o, "cluster", id_json(s->cluster), ok);
	put(o, "name", json_string(s->name), ok);
	put(o, "alias", json_string(s->alias), ok);
	put(o, "state", json_string(state_names[s->state]), ok);
	put(o, "origin", json_string(origin_names[s->origin]), ok);
	put(o, "parents", ids_json(s->parents, s->parents_len), ok);
	put(o, "customers", id_json(s->customers), ok);
	put(o, "share", number_json(s->share), ok);
	put(o, "since_promotion", id_json(s->since_promotion), ok);
	return o;
}

static json_t *scores_json(const struct seg_constants *c)
{
	json_t *a = json_array();

	if (!c->scores)
		return a;
	for (unsigned s = 0; s < SEG_SCORES; s++)
		json_array_append_new(a, json_pack("[i,i,i,i]", c->quintiles[s].from[0], c->quintiles[s].from[1],
						   c->quintiles[s].from[2], c->quintiles[s].from[3]));
	return a;
}

static json_t *constants_json(const struct seg_constants *c, bool *ok)
{
	const struct seg_lifetime *l = &c->lifetime;
	const double counts[] = {l->r, l->alpha, l->a, l->b, l->log_likelihood};
	const double spend[] = {l->p, l->q, l->v, l->spend_log_likelihood};
	json_t *o = json_object();

	put(o, "quintiles", scores_json(c), ok);
	put(o, "bg_nbd", numbers_json(counts, l->counts ? 5 : 0), ok);
	put(o, "gamma_gamma", numbers_json(spend, l->spend ? 4 : 0), ok);
	put(o, "horizon_weeks", number_json(c->horizon_weeks), ok);
	return o;
}

static json_t *rows_json(const double *x, uint32_t n, uint32_t d)
{
	json_t *a = json_array();

	for (uint32_t i = 0; i < n; i++)
		json_array_append_new(a, numbers_json(x + (size_t)i * d, d));
	return a;
}

static void put_space(const struct seg_model *m, json_t *root, bool *ok)
{
	const struct seg_pca *pca = m->pca;

	if (pca)
		put(root, "pca",
		    json_pack("{s:o,s:o,s:o,s:f}", "mean", numbers_json(pca->mean, pca->d), "components",
			      rows_json(pca->components, pca->n, pca->d), "variance",
			      numbers_json(pca->variance, pca->n), "total", pca->total),
		    ok);
	if (m->donors)
		put(root, "donors", rows_json(m->donors->rows, m->donors->n, m->donors->d), ok);
}

static void put_arrays(const struct seg_model *m, json_t *root, bool *ok)
{
	json_t *features = json_array(), *centroids = json_array(), *segments = json_array();

	for (uint32_t j = 0; j < m->basis.len; j++)
		if (json_array_append_new(features, feature_json(m, j, ok)))
			*ok = false;
	for (uint32_t c = 0; c < m->k; c++)
		if (json_array_append_new(centroids, numbers_json(m->centroids + (size_t)c * m->d, m->d)))
			*ok = false;
	for (uint32_t i = 0; i < m->segments_len; i++)
		if (json_array_append_new(segments, segment_json(&m->segments[i], ok)))
			*ok = false;
	put(root, "features", features, ok);
	put(root, "clusters", ids_json(m->clusters, m->k), ok);
	put(root, "centroids", centroids, ok);
	put(root, "segments", segments, ok);
}

static int append(const char *text, size_t len, void *out)
{
	seg_buf_append(out, text, len);
	return ((struct seg_buf *)out)->failed ? -1 : 0;
}

enum seg_rc seg_model_encode(const struct seg_model *m, struct seg_buf *out, struct seg_error *err)
{
	json_t *root = json_object();
	enum seg_rc rc = SEG_OK;
	bool ok = root != NULL;

	put(root, "format", json_integer(FORMAT), &ok);
	put(root, "promotion", id_json(m->promotion), &ok);
	put(root, "revision", id_json(m->revision), &ok);
	put(root, "state", json_string(model_state_names[m->state]), &ok);
	put(root, "base", id_json(m->base), &ok);
	put(root, "restored_from", id_json(m->restored_from), &ok);
	put(root, "reason", json_string(m->reason), &ok);
	put(root, "time_ms", time_json(m->time_ms), &ok);
	put(root, "promoted_ms", time_json(m->promoted_ms), &ok);
	put(root, "first_fit_ms", time_json(m->first_fit_ms), &ok);
	put(root, "basis", id_json(m->basis.id), &ok);
	put_arrays(m, root, &ok);
	put(root, "constants", constants_json(&m->constants, &ok), &ok);
	put_space(m, root, &ok);
	put(root, "next_cluster", id_json(m->next_cluster), &ok);
	put(root, "sample_bound", id_json(m->sample_bound), &ok);
	put(root, "inertia_per_customer", number_json(m->inertia_per_customer), &ok);
	if (m->learning && json_object_set(root, "learning", m->learning))
		ok = false;
	if (m->fit && json_object_set(root, "fit", m->fit))
		ok = false;
	if (!ok)
		rc = seg_error_set(err, SEG_NO_MEMORY, "model %" PRIu64 ": cannot be written as JSON",
				   seg_model_version(m));
	else if (json_dump_callback(root, append, out, DUMP_FLAGS))
		rc = seg_error_set(err, SEG_LIMIT, "model %" PRIu64 ": its JSON does not fit %zu bytes",
				   seg_model_version(m), out->max);
	json_decref(root);
	return rc;
}

/* ---- reading; each returns false for what cannot be right */

static bool get_id(const json_t *o, const char *key, uint64_t *ret)
{
	const char *text = json_string_value(key ? json_object_get(o, key) : o);
	char *end;

	if (!text || *text < '0' || *text > '9')
		return false;
	errno = 0;
	*ret = strtoull(text, &end, 10);
	return errno == 0 && *end == 0;
}

static bool get_time(const json_t *o, const char *key, int64_t *ret)
{
	const json_t *v = json_object_get(o, key);

	if (!json_is_integer(v) && !json_is_null(v))
		return false;
	*ret = json_is_null(v) ? SEG_NO_TIME : json_integer_value(v);
	return true;
}

static bool get_number(const json_t *v, double *ret)
{
	if (!json_is_number(v) && !json_is_null(v))
		return false;
	*ret = json_is_null(v) ? (double)NAN : json_number_value(v);
	return true;
}

static bool get_real(const json_t *o, const char *key, double *ret)
{
	return get_number(json_object_get(o, key), ret);
}

static bool get_text(const json_t *o, const char *key, char *ret, size_t size)
{
	const char *text = json_string_value(json_object_get(o, key));

	if (!text || strlen(text) >= size)
		return false;
	memset(ret, 0, size);
	memcpy(ret, text, strlen(text) + 1);
	return true;
}

static int get_symbol(const json_t *o, const char *key, const char *const *names, int len)
{
	const char *text = json_string_value(json_object_get(o, key));

	for (int i = 0; text && i < len; i++)
		if (strcmp(names[i], text) == 0)
			return i;
	return -1;
}

static int get_named(const json_t *o, const char *key, int (*find)(const char *))
{
	const char *text = json_string_value(json_object_get(o, key));

	return text ? find(text) : -1;
}

/* Quanta are powers of two and grids whole numbers of them, far inside an int32: seg_basis_grid() relies on it. */
static bool grid_is_sound(const struct seg_basis_feature *f)
{
	int exponent;
	double lo, hi;

	if (!isnormal(f->quantum) || f->quantum < 0 || frexp(f->quantum, &exponent) != 0.5)
		return false;
	lo = f->grid_lo / f->quantum;
	hi = f->grid_hi / f->quantum;
	return fabs(lo) < INT32_MAX && fabs(hi) < INT32_MAX && lo == rint(lo) && hi == rint(hi) && lo < hi;
}

static bool get_numbers(const json_t *a, double *ret, uint32_t len)
{
	if (!json_is_array(a) || json_array_size(a) != len)
		return false;
	for (uint32_t i = 0; i < len; i++)
		if (!get_number(json_array_get(a, i), &ret[i]))
			return false;
	return true;
}

static bool get_knots(const json_t *a, struct seg_basis_feature *f)
{
	if (!a)
		return true;
	f->has_knots = get_numbers(a, f->knots, SEG_KNOTS);
	for (unsigned i = 0; f->has_knots && i < SEG_KNOTS; i++)
		if (!isfinite(f->knots[i]) || (i && f->knots[i] < f->knots[i - 1]))
			return false;
	return f->has_knots;
}

static bool get_feature(const json_t *o, struct seg_basis_feature *f, struct seg_scale *s)
{
	int transform = get_named(o, "transform", seg_transform_find), scaler = get_named(o, "scaler", seg_scaler_find),
	    impute = get_named(o, "impute", seg_impute_find);

	if (transform < 0 || scaler < 0 || impute < 0 || !get_text(o, "name", f->config.name, sizeof(f->config.name)) ||
	    !get_real(o, "configured_weight", &f->config.weight) || !get_real(o, "quantum", &f->quantum) ||
	    !get_real(o, "grid_lo", &f->grid_lo) || !get_real(o, "grid_hi", &f->grid_hi) ||
	    !get_real(o, "mean", &s->mean) || !get_real(o, "scale", &s->scale) || !get_real(o, "weight", &s->weight) ||
	    !get_real(o, "imputed", &s->imputed))
		return false;
	if (!get_knots(json_object_get(o, "knots"), f))
		return false;
	f->config.transform = (enum seg_transform)transform;
	f->config.scaler = (enum seg_scaler_kind)scaler;
	f->config.impute = (enum seg_impute)impute;
	return f->config.weight > 0 && isfinite(f->config.weight) && seg_basis_resolve(f) && grid_is_sound(f);
}

static bool get_features(const json_t *root, struct seg_model *m)
{
	const json_t *a = json_object_get(root, "features");
	uint64_t id;

	if (!json_is_array(a) || json_array_size(a) > SEG_MAX_FEATURES || !get_id(root, "basis", &id))
		return false;
	for (size_t j = 0; j < json_array_size(a); j++)
		if (!get_feature(json_array_get(a, j), &m->basis.features[j], &m->scale[j]))
			return false;
	m->d = m->basis.len = (uint32_t)json_array_size(a);
	m->basis.id = id;
	return m->d == 0 || seg_basis_id(&m->basis) == id;
}

static bool get_rows(const json_t *a, double *ret, uint32_t n, uint32_t d)
{
	for (uint32_t i = 0; i < n; i++)
		if (!get_numbers(json_array_get(a, i), ret + (size_t)i * d, d))
			return false;
	return true;
}

static bool get_pca(const json_t *o, struct seg_model *m)
{
	const json_t *rows = json_object_get(o, "components");
	size_t n = json_array_size(rows);

	if (!o)
		return true;
	if (n == 0 || n > m->d || !(m->pca = seg_pca_new((uint32_t)n, m->d)))
		return false;
	return get_numbers(json_object_get(o, "mean"), m->pca->mean, m->d) &&
	       get_rows(rows, m->pca->components, m->pca->n, m->d) &&
	       get_numbers(json_object_get(o, "variance"), m->pca->variance, m->pca->n) &&
	       get_real(o, "total", &m->pca->total);
}

static bool get_donors(const json_t *a, struct seg_model *m)
{
	size_t n = json_array_size(a);

	if (!a)
		return true;
	if (!json_is_array(a) || n > SEG_DONORS_MAX || !(m->donors = seg_donors_new((uint32_t)n, m->d)))
		return false;
	return get_rows(a, m->donors->rows, m->donors->n, m->d);
}

static bool get_centroids(const json_t *root, struct seg_model *m)
{
	const json_t *clusters = json_object_get(root, "clusters"), *centroids = json_object_get(root, "centroids");
	size_t k = json_array_size(clusters);

	if (!json_is_array(clusters) || !json_is_array(centroids) || k > SEG_MAX_CLUSTERS ||
	    json_array_size(centroids) != k)
		return false;
	m->k = (uint32_t)k;
	m->clusters = calloc(k + 1, sizeof(*m->clusters));
	m->centroids = calloc(k * m->d + 1, sizeof(*m->centroids));
	if (!m->clusters || !m->centroids)
		return false;
	for (size_t c = 0; c < k; c++) {
		const json_t *row = json_array_get(centroids, c);
		if (!get_id(json_array_get(clusters, c), NULL, &m->clusters[c]) || json_array_size(row) != m->d)
			return false;
		for (uint32_t j = 0; j < m->d; j++)
			if (!get_number(json_array_get(row, j), &m->centroids[c * m->d + j]))
				return false;
	}
	return true;
}

static bool get_segment(const json_t *o, struct seg_segment *s)
{
	const json_t *parents = json_object_get(o, "parents");
	int state = get_symbol(o, "state", state_names, 2), origin = get_symbol(o, "origin", origin_names, 4);

	if (state < 0 || origin < 0 || !json_is_array(parents) || json_array_size(parents) > SEG_MAX_PARENTS ||
	    !get_id(o, "cluster", &s->cluster) || !get_text(o, "name", s->name, sizeof(s->name)) ||
	    !get_text(o, "alias", s->alias, sizeof(s->alias)) || !get_id(o, "customers", &s->customers) ||
	    !get_real(o, "share", &s->share) || !get_id(o, "since_promotion", &s->since_promotion))
		return false;
	s->state = (enum seg_segment_state)state;
	s->origin = (enum seg_segment_origin)origin;
	s->parents_len = (uint32_t)json_array_size(parents);
	for (uint32_t i = 0; i < s->parents_len; i++)
		if (!get_id(json_array_get(parents, i), NULL, &s->parents[i]))
			return false;
	return true;
}

/* Active ones first, in the order of `clusters`. */
static bool get_segments(const json_t *root, struct seg_model *m)
{
	const json_t *a = json_object_get(root, "segments");
	size_t len = json_array_size(a);

	if (!json_is_array(a) || len < m->k)
		return false;
	m->segments = calloc(len + 1, sizeof(*m->segments));
	if (!m->segments)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (!get_segment(json_array_get(a, i), &m->segments[i]))
			return false;
		if ((i < m->k) != (m->segments[i].state == SEG_SEGMENT_ACTIVE) ||
		    (i < m->k && m->segments[i].cluster != m->clusters[i]))
			return false;
	}
	m->segments_len = (uint32_t)len;
	return true;
}

static bool get_quintiles(const json_t *a, struct seg_constants *c)
{
	if (!json_is_array(a) || (json_array_size(a) != 0 && json_array_size(a) != SEG_SCORES))
		return false;
	c->scores = json_array_size(a) == SEG_SCORES;
	for (size_t s = 0; s < json_array_size(a); s++) {
		const json_t *row = json_array_get(a, s);
		for (size_t i = 0; i < 4; i++) {
			json_int_t from = json_integer_value(json_array_get(row, i));
			if (json_array_size(row) != 4 || from < 0 || from > SEG_GRID_BINS)
				return false;
			c->quintiles[s].from[i] = (uint16_t)from;
		}
	}
	return true;
}

/* Empty, or `len` numbers of which the first `positive` are parameters. */
static bool get_parameters(const json_t *a, double *ret, size_t len, size_t positive, bool *ret_fitted)
{
	if (!json_is_array(a) || (json_array_size(a) != 0 && json_array_size(a) != len))
		return false;
	*ret_fitted = json_array_size(a) == len;
	for (size_t i = 0; i < json_array_size(a); i++)
		if (!get_number(json_array_get(a, i), &ret[i]) || !isfinite(ret[i]) || (i < positive && !(ret[i] > 0)))
			return false;
	return true;
}

/* Models written before there were constants have none fitted. */
static bool get_constants(const json_t *root, struct seg_constants *c)
{
	const json_t *o = json_object_get(root, "constants");
	double counts[5] = {0}, spend[4] = {0};
	struct seg_lifetime *l = &c->lifetime;

	if (!o)
		return true;
	if (!get_quintiles(json_object_get(o, "quintiles"), c) ||
	    !get_parameters(json_object_get(o, "bg_nbd"), counts, 5, 4, &l->counts) ||
	    !get_parameters(json_object_get(o, "gamma_gamma"), spend, 4, 3, &l->spend) ||
	    !get_real(o, "horizon_weeks", &c->horizon_weeks) || !(c->horizon_weeks >= 0) || (l->spend && spend[1] <= 1))
		return false;
	l->r = counts[0];
	l->alpha = counts[1];
	l->a = counts[2];
	l->b = counts[3];
	l->log_likelihood = counts[4];
	l->p = spend[0];
	l->q = spend[1];
	l->v = spend[2];
	l->spend_log_likelihood = spend[3];
	return true;
}

/* Models written before there were candidates have none of it. */
static bool get_origin(const json_t *root, struct seg_model *m)
{
	int state;

	if (!json_object_get(root, "state"))
		return true;
	state = get_symbol(root, "state", model_state_names, 2);
	if (state < 0 || !get_id(root, "base", &m->base) || !get_id(root, "restored_from", &m->restored_from) ||
	    !get_text(root, "reason", m->reason, sizeof(m->reason)))
		return false;
	m->state = (enum seg_model_state)state;
	m->fit = json_incref(json_object_get(root, "fit"));
	return true;
}

static const char *get_model(const json_t *root, struct seg_model *m)
{
	json_t *learning = json_object_get(root, "learning");

	if (!json_is_integer(json_object_get(root, "format")) ||
	    json_integer_value(json_object_get(root, "format")) != FORMAT)
		return "the format (another version of segmentd?)";
	if (!get_id(root, "promotion", &m->promotion) || !get_id(root, "revision", &m->revision) ||
	    m->promotion > UINT32_MAX || m->revision > UINT32_MAX)
		return "the version";
	if (!get_time(root, "time_ms", &m->time_ms) || !get_time(root, "promoted_ms", &m->promoted_ms) ||
	    !get_time(root, "first_fit_ms", &m->first_fit_ms))
		return "a time";
	if (!get_origin(root, m))
		return "where it comes from";
	if (!get_constants(root, &m->constants))
		return "the constants";
	if (!get_features(root, m))
		return "the features";
	if (!get_pca(json_object_get(root, "pca"), m) || !get_donors(json_object_get(root, "donors"), m))
		return "PCA or donors";
	if (!get_centroids(root, m))
		return "the centroids";
	if (!get_segments(root, m))
		return "the segments";
	if (!get_id(root, "next_cluster", &m->next_cluster) || !get_id(root, "sample_bound", &m->sample_bound) ||
	    !get_real(root, "inertia_per_customer", &m->inertia_per_customer))
		return "a number";
	m->learning = json_incref(learning);
	return NULL;
}

enum seg_rc seg_model_decode(const void *data, size_t len, struct seg_model **ret, struct seg_error *err)
{
	struct seg_model *m = seg_model_new();
	json_error_t error;
	json_t *root = NULL;
	const char *wrong;
	enum seg_rc rc = SEG_OK;

	if (!m)
		return seg_error_set(err, SEG_NO_MEMORY, "model: out of memory");
	root = json_loadb(data, len, JSON_REJECT_DUPLICATES, &error);
	if (!root) {
		rc = seg_error_set(err, SEG_CORRUPT, "model: not JSON: %s", error.text);
		goto out;
	}
	wrong = get_model(root, m);
	if (wrong) {
		rc = seg_error_set(err, SEG_CORRUPT, "model: %s cannot be right", wrong);
		goto out;
	}
	rc = seg_model_finish(m, err);
	if (rc) {
		rc = rc == SEG_INVALID ? seg_error_wrap(err, SEG_CORRUPT, "stored model") : rc;
		goto out;
	}
	*ret = m;
	m = NULL;
out:
	json_decref(root);
	seg_model_put(m);
	return rc;
}
