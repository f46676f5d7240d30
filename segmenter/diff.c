/* What changes from one version to another: who of the sample would be where, and what the segments are. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/learner_internal.h"

enum { CUSTOMERS_TOLD = 20 };
#define DUMP_FLAGS (JSON_COMPACT | JSON_REAL_PRECISION(17))

struct diff {
	const struct seg_learner *l;
	const struct seg_model *from, *to;
	int64_t now_ms;
	size_t n, moved;
	uint64_t *cells; /* [from->k * to->k] */
	json_t *customers;
};

static json_t *segment_id(uint64_t cluster)
{
	return json_sprintf("s%llu", (unsigned long long)cluster);
}

static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *features_json(const struct seg_model *m, const struct seg_profile *p, int64_t now_ms)
{
	json_t *o = json_object();

	for (uint32_t f = 0; f < m->d; f++)
		json_object_set_new(o, m->basis.features[f].config.name,
				    number(seg_basis_feature_value(&m->basis.features[f], p, now_ms, &m->constants)));
	return o;
}

static uint32_t nearest(const struct seg_model *m, const struct seg_profile *p, int64_t now_ms)
{
	int32_t values[SEG_MAX_FEATURES];
	double vector[SEG_MAX_FEATURES];
	struct seg_assignment a;

	seg_basis_values(&m->basis, p, now_ms, &m->constants, values);
	seg_model_vector(m, values, vector);
	seg_model_assign(m, vector, &a);
	return a.nearest;
}

static void look(struct diff *d, const struct seg_profile *p)
{
	uint32_t from = nearest(d->from, p, d->now_ms), to = nearest(d->to, p, d->now_ms);

	d->n++;
	d->cells[(size_t)from * d->to->k + to]++;
	if (d->from->clusters[from] == d->to->clusters[to])
		return;
	d->moved++;
	if (json_array_size(d->customers) < CUSTOMERS_TOLD)
		json_array_append_new(d->customers,
				      json_pack("{s:o,s:o,s:o,s:o}", "customer_id", json_stringn(p->id.ptr, p->id.len),
						"from", segment_id(d->from->clusters[from]), "to",
						segment_id(d->to->clusters[to]), "features",
						features_json(d->to, p, d->now_ms)));
}

static json_t *matrix_json(const struct diff *d)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < d->from->k; i++) {
		for (uint32_t j = 0; j < d->to->k; j++) {
			uint64_t count = d->cells[(size_t)i * d->to->k + j];
			if (count)
				json_array_append_new(
					list, json_pack("{s:o,s:o,s:I,s:f}", "from", segment_id(d->from->clusters[i]),
							"to", segment_id(d->to->clusters[j]), "customers",
							(json_int_t)count, "share", (double)count / (double)d->n));
		}
	}
	return list;
}

static json_t *centroid_json(const struct seg_model *m, uint32_t cluster)
{
	json_t *o = json_object();

	for (uint32_t f = 0; f < m->d; f++) {
		const struct seg_feature_config *c = &m->basis.features[f].config;
		json_object_set_new(
			o, c->name,
			number(seg_basis_invert(&m->basis.features[f], m->centroids[(size_t)cluster * m->d + f])));
	}
	return o;
}

static json_t *segments_json(const struct diff *d)
{
	static const char *const origins[] = {"created", "split", "merged", "kept"};
	json_t *list = json_array();

	for (uint32_t j = 0; j < d->to->k; j++) {
		const struct seg_segment *s = &d->to->segments[j];
		json_t *parents = json_array();
		uint64_t count = 0;
		for (uint32_t i = 0; i < d->from->k; i++)
			count += d->cells[(size_t)i * d->to->k + j];
		for (uint32_t i = 0; i < s->parents_len; i++)
			json_array_append_new(parents, segment_id(s->parents[i]));
		json_array_append_new(list,
				      json_pack("{s:o,s:s,s:s,s:o,s:I,s:f,s:o}", "segment_id", segment_id(s->cluster),
						"name", s->alias[0] ? s->alias : s->name, "origin", origins[s->origin],
						"parents", parents, "customers", (json_int_t)count, "share",
						(double)count / (double)d->n, "centroid", centroid_json(d->to, j)));
	}
	return list;
}

static int append(const char *text, size_t len, void *out)
{
	seg_buf_append(out, text, len);
	return ((struct seg_buf *)out)->failed ? -1 : 0;
}

static enum seg_rc write_json(const struct diff *d, struct seg_buf *out, struct seg_error *err)
{
	json_t *root =
		json_pack("{s:o,s:o,s:I,s:I,s:f,s:o,s:o,s:O}", "from",
			  json_sprintf("%llu", (unsigned long long)d->from->promotion), "to",
			  json_sprintf("%llu", (unsigned long long)d->to->promotion), "time_ms", (json_int_t)d->now_ms,
			  "sample", (json_int_t)d->n, "moved", (double)d->moved / (double)d->n, "matrix",
			  matrix_json(d), "segments", segments_json(d), "customers", d->customers);
	enum seg_rc rc = SEG_OK;

	if (!root)
		rc = seg_error_set(err, SEG_NO_MEMORY, "diff: out of memory");
	else if (json_dump_callback(root, append, out, DUMP_FLAGS))
		rc = seg_error_set(err, SEG_LIMIT, "diff: its JSON does not fit %zu bytes", out->max);
	json_decref(root);
	return rc;
}

enum seg_rc seg_learner_diff(const struct seg_learner *l, const struct seg_model *from, const struct seg_model *to,
			     int64_t now_ms, struct seg_buf *out, struct seg_error *err)
{
	struct diff d = {.l = l, .from = from, .to = to, .now_ms = now_ms};
	enum seg_rc rc;

	if (from->k == 0 || to->k == 0)
		return seg_error_set(err, SEG_INVALID, "version %llu has no segments",
				     (unsigned long long)(from->k ? to->promotion : from->promotion));
	if (l->sample_len == 0 || now_ms == SEG_NO_TIME)
		return seg_error_set(err, SEG_INVALID, "there is no sample of customers yet to compare versions on");
	d.cells = calloc((size_t)from->k * to->k, sizeof(*d.cells));
	d.customers = json_array();
	if (!d.cells || !d.customers) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "diff: out of memory");
		goto out;
	}
	for (size_t i = 0; i < l->sample_len; i++)
		look(&d, l->sample[i].profile);
	rc = write_json(&d, out, err);
out:
	free(d.cells);
	json_decref(d.customers);
	return rc;
}
