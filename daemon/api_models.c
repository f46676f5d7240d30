/* Segments, versions of the model, drift: what is told of them. */
#include "daemon/api_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/catalogue.h"
#include "segmenter/describe.h"
#include "segmenter/hierarchy.h"
#include "segmenter/naming.h"

static const char *const state_names[] = {"active", "retired"};
static const char *const origin_names[] = {"created", "split", "merged", "kept"};

/* ---- segments ---- */

static json_t *centroid_json(const struct seg_model *m, uint32_t index, const double *zscores)
{
	json_t *list = json_array();
	double own[SEG_MAX_FEATURES];
	seg_api_centroid(m, index, own);
	for (uint32_t j = 0; j < m->d; j++) {
		const struct seg_basis_feature *f = &m->basis.features[j];
		const char *unit = f->catalogue >= 0 ? seg_catalogue_at((size_t)f->catalogue)->unit : "";
		json_array_append_new(list, json_pack("{s:s, s:o, s:s, s:o}", "feature", f->config.name, "value",
						      seg_api_number(own[j]), "unit", unit, "zscore",
						      seg_api_number(zscores[(size_t)index * m->d + j])));
	}
	return list;
}

static json_t *description_json(const struct seg_model *m, uint32_t index, const double *zscores)
{
	char text[SEG_DESCRIPTION_MAX];
	seg_segment_describe(m, index, zscores, text, sizeof(text));
	return json_string(text);
}

static json_t *parents_json(const struct seg_segment *s)
{
	json_t *list = json_array();
	for (uint32_t i = 0; i < s->parents_len; i++)
		json_array_append_new(list, seg_api_segment_id(s->parents[i]));
	return list;
}

static json_t *segment_json(const struct seg_model *m, const struct seg_segment *s, const double *zscores,
			    const uint32_t *groups)
{
	json_t *o = json_object();
	int index = seg_model_index(m, s->cluster);
	json_object_set_new(o, "segment_id", seg_api_segment_id(s->cluster));
	json_object_set_new(o, "name", json_string(s->name));
	json_object_set_new(o, "alias", s->alias[0] ? json_string(s->alias) : json_null());
	json_object_set_new(o, "description",
			    index >= 0 && zscores ? description_json(m, (uint32_t)index, zscores) : json_null());
	json_object_set_new(o, "state", json_string(state_names[s->state]));
	json_object_set_new(o, "origin", json_string(origin_names[s->origin]));
	json_object_set_new(o, "parents", parents_json(s));
	json_object_set_new(o, "customers", json_integer((json_int_t)s->customers));
	json_object_set_new(o, "share", seg_api_number(s->share));
	json_object_set_new(o, "since_version", seg_api_id64(s->since_promotion));
	json_object_set_new(o, "group", index >= 0 && groups ? json_integer((json_int_t)groups[index]) : json_null());
	json_object_set_new(o, "centroid",
			    index >= 0 && zscores ? centroid_json(m, (uint32_t)index, zscores) : json_null());
	return o;
}

/* [k * d], NULL when out of memory. Caller frees. */
static double *zscores_of(const struct seg_model *m)
{
	double *zscores = calloc((size_t)m->k * m->d + 1, sizeof(*zscores));
	double *shares = calloc((size_t)m->k + 1, sizeof(*shares));
	for (uint32_t c = 0; shares && c < m->k; c++) {
		const struct seg_segment *s = seg_model_segment(m, m->clusters[c]);
		shares[c] = s && s->share > 0 ? s->share : 0;
	}
	if (zscores && shares)
		seg_model_zscores(m, shares, zscores);
	free(shares);
	return zscores;
}

/* So many that about three segments share one. */
static uint32_t groups_wanted(uint32_t k)
{
	return k < 4 ? 1 : (k + 1) / 3;
}

/* [k], NULL: fewer than two segments, or out of memory. Caller frees. */
static uint32_t *groups_of(const struct seg_model *m)
{
	struct seg_merge *merges = calloc((size_t)m->k + 1, sizeof(*merges));
	uint32_t *groups = calloc((size_t)m->k + 1, sizeof(*groups));
	bool made = merges && groups && seg_hierarchy(m, merges) > 0;
	if (made)
		seg_hierarchy_cut(merges, m->k, groups_wanted(m->k), groups);
	free(merges);
	if (made)
		return groups;
	free(groups);
	return NULL;
}

static json_t *segments_json(const struct seg_model *m)
{
	json_t *list = json_array();
	double *zscores = m && m->k > 0 ? zscores_of(m) : NULL;
	uint32_t *groups = m ? groups_of(m) : NULL;
	for (uint32_t i = 0; m && i < m->segments_len; i++)
		json_array_append_new(list, segment_json(m, &m->segments[i], zscores, groups));
	free(groups);
	free(zscores);
	return list;
}

void seg_api_segments(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct seg_model *m = seg_model_feed_get(s->inst->feed);
	(void)request;
	seg_api_send(answer, 200,
		     json_pack("{s:o, s:o, s:o}", "model_version", seg_api_id64(seg_model_version(m)), "time_ms",
			       seg_api_time(m ? m->time_ms : SEG_NO_TIME), "segments", segments_json(m)));
	seg_model_put(m);
}

/* ---- versions ---- */

static json_t *version_json(const struct seg_model *m, uint64_t number, uint64_t current)
{
	bool candidate = m->state == SEG_MODEL_CANDIDATE;
	json_t *o = json_object();
	json_object_set_new(o, "version", json_integer((json_int_t)number));
	json_object_set_new(o, "model_version", seg_api_id64(seg_model_version(m)));
	json_object_set_new(o, "current", json_boolean(number == current));
	json_object_set_new(o, "state", json_string(candidate ? "candidate" : number == current ? "current" : "kept"));
	json_object_set_new(o, "reason", m->reason[0] ? json_string(m->reason) : json_null());
	json_object_set_new(o, "base", m->base ? json_integer((json_int_t)m->base) : json_null());
	json_object_set_new(o, "restored_from",
			    m->restored_from ? json_integer((json_int_t)m->restored_from) : json_null());
	json_object_set_new(o, "time_ms", seg_api_time(m->time_ms));
	json_object_set_new(o, "promoted_ms", candidate ? json_null() : seg_api_time(m->promoted_ms));
	json_object_set_new(o, "k", json_integer(m->k));
	json_object_set_new(o, "inertia_per_customer", seg_api_number(m->inertia_per_customer));
	return o;
}

static json_t *features_json(const struct seg_model *m)
{
	json_t *list = json_array();
	for (uint32_t j = 0; j < m->d; j++) {
		const struct seg_feature_config *f = &m->basis.features[j].config;
		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o, s:o, s:o, s:s, s:o}", "name", f->name, "transform",
					seg_transform_name(f->transform), "mean", seg_api_number(m->scale[j].mean),
					"scale", seg_api_number(m->scale[j].scale), "weight",
					seg_api_number(m->scale[j].weight), "impute", seg_impute_name(f->impute),
					"imputed", seg_api_number(m->scale[j].imputed)));
	}
	return list;
}

/* Versions stay as they were stored; the current one is the newest revision of its promotion. */
void seg_api_model(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct seg_model *m = seg_api_find_version(s, request->param, answer);
	if (!m)
		return;
	struct seg_model *now = seg_model_feed_get(s->inst->feed);
	bool is_current = now && now->promotion == m->promotion && m->state != SEG_MODEL_CANDIDATE;
	json_t *o = version_json(m, m->promotion, is_current ? m->promotion : 0);
	json_object_set_new(o, "fit", m->fit ? json_deep_copy(m->fit) : json_null());
	json_object_set_new(o, "features", features_json(m));
	json_object_set_new(o, "segments", segments_json(is_current ? now : m));
	seg_api_send(answer, 200, o);
	seg_model_put(now);
	seg_model_put(m);
}

void seg_api_models(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	uint64_t numbers[SEG_FEED_VERSIONS];
	struct seg_model *models[SEG_FEED_VERSIONS], *m = seg_model_feed_get(s->inst->feed);
	size_t len = seg_model_feed_versions(s->inst->feed, numbers, models);
	json_t *list = json_array();
	(void)request;
	for (size_t i = 0; i < len; i++) {
		json_array_append_new(list, version_json(models[i], numbers[i], m ? m->promotion : 0));
		seg_model_put(models[i]);
	}
	seg_api_send(answer, 200,
		     json_pack("{s:o, s:I, s:o}", "model_version", seg_api_id64(seg_model_version(m)), "version",
			       (json_int_t)(m ? m->promotion : 0), "versions", list));
	seg_model_put(m);
}

/* ---- drift ---- */

static json_t *drift_json(const struct seg_drift_status *d)
{
	const struct seg_drift_value *v = &d->value;
	const char *state = !v->open ? "quiet" : v->severity == SEG_SEVERITY_CRITICAL ? "critical" : "warning";
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:b, s:s}", "subject", d->subject, "psi",
			 seg_api_number(v->psi), "kl", seg_api_number(v->kl), "js", seg_api_number(v->js),
			 "critical_psi", seg_api_number(v->critical), "flow_psi", seg_api_number(v->flow_psi),
			 "n_reference", (json_int_t)v->n_reference, "n_current", (json_int_t)v->n_current,
			 "moves_with_time", (int)v->clock, "state", state);
}

void seg_api_drift(struct seg_server *s, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct seg_fold_status *f = malloc(sizeof(*f));
	json_t *list = json_array();
	bool here = false;
	for (size_t i = 0; f && i < s->workers_len; i++) {
		if (!seg_worker_fold_status(s->workers[i], f))
			continue;
		here = true;
		for (size_t j = 0; j < f->drift_len; j++)
			json_array_append_new(list, drift_json(&f->drift[j]));
	}
	free(f);
	if (here) {
		seg_api_send(answer, 200, json_pack("{s:O}", "subjects", list));
	} else if (seg_api_has_fold(s) || !seg_api_elsewhere(s, request, SEG_PLACE_FOLD, answer)) {
		answer->retry_after_s = SEG_API_AGAIN_S;
		seg_api_refuse(answer, 503,
			       "This instance does not have the fold, or it has learned nothing yet: ask the "
			       "instance whose status says fold: true.");
	}
	json_decref(list);
}
