/* The learner's memory as JSON, inside the published model: whoever folds next goes on where the last one stopped. */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/learner_internal.h"

const char *const seg_attempt_names[SEG_ATTEMPT_REASONS] = {"first",  "basis",	 "demand", "starved", "schedule",
							    "growth", "inertia", "drift",  "rollback"};
const char *const seg_gate_names[SEG_GATE_RULES] = {"", "gain", "silhouette", "stability", "moved", "min_size"};

/* JSON has no NaN. */
static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

/* 64 bits as text, since JSON readers may keep 53. */
static json_t *id(uint64_t x)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu", (unsigned long long)x);
	return json_string(text);
}

static json_t *ids(const uint64_t *x, uint32_t len)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < len; i++)
		json_array_append_new(list, id(x[i]));
	return list;
}

static json_t *attempts_encode(const struct seg_memory *m)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < m->history_len; i++) {
		const struct seg_attempt *a = &m->history[i];
		json_array_append_new(list, json_pack("{s:I,s:s,s:i,s:i,s:o,s:o,s:o,s:o,s:b,s:b,s:s}", "time_ms",
						      (json_int_t)a->time_ms, "reason", seg_attempt_names[a->reason],
						      "k", (int)a->k, "wanted", (int)a->wanted, "customers",
						      id(a->customers), "gain", number(a->gain), "best_gain",
						      number(a->best_gain), "inertia_per_customer",
						      number(a->inertia_per_customer), "promoted", (int)a->promoted,
						      "held", (int)a->held, "refused", seg_gate_names[a->refused]));
	}
	return list;
}

static json_t *names_encode(const struct seg_memory *m)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < m->names_len; i++) {
		const struct seg_name_reason *r = &m->names[i];
		json_t *terms = json_array();
		for (uint32_t t = 0; t < r->terms_len; t++)
			json_array_append_new(terms, json_pack("{s:s,s:i}", "feature", r->terms[t].feature, "sign",
							       r->terms[t].sign));
		json_array_append_new(list, json_pack("{s:o,s:s,s:o}", "cluster", id(m->name_clusters[i]), "archetype",
						      r->archetype, "terms", terms));
	}
	return list;
}

static json_t *counts(const uint64_t *x, uint32_t len)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < len; i++)
		json_array_append_new(list, json_integer((json_int_t)x[i]));
	return list;
}

static json_t *references_encode(const struct seg_drift_reference *references, uint32_t len)
{
	json_t *list = json_array();

	for (uint32_t f = 0; f < len; f++) {
		const struct seg_drift_reference *r = &references[f];
		json_t *ends = json_array();
		for (uint32_t i = 0; i < r->bins; i++)
			json_array_append_new(ends, json_integer(r->ends[i]));
		json_array_append_new(list, json_pack("{s:o,s:o,s:b}", "ends", ends, "counts",
						      counts(r->counts, r->bins + 1), "missing", (int)r->missing));
	}
	return list;
}

static json_t *flow_encode(const struct seg_drift *d)
{
	json_t *list = json_array();

	for (uint32_t f = 0; f < d->features_len; f++)
		json_array_append_new(list, counts(d->flow[f], d->features[f].bins + 1));
	return list;
}

/* Those that remember something; the others follow from the reference. */
static json_t *subjects_encode(const struct seg_drift *d)
{
	json_t *list = json_array();

	for (uint32_t i = 0; i < d->subjects_len; i++) {
		const struct seg_drift_subject *s = &d->subjects[i];
		if (s->open || s->hits)
			json_array_append_new(list, json_pack("{s:s,s:i,s:b,s:i,s:s}", "subject", s->subject, "hits",
							      (int)s->hits, "open", (int)s->open, "severity",
							      (int)s->severity, "alert_id", s->alert_id));
	}
	return list;
}

static json_t *drift_encode(const struct seg_drift *d)
{
	return json_pack("{s:b,s:o,s:o,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "frozen", (int)d->frozen, "promotion",
			 id(d->promotion), "basis", id(d->basis), "window_start_ms", (json_int_t)d->window_start_ms,
			 "features", references_encode(d->features, d->features_len), "flow", flow_encode(d),
			 "segments", references_encode(d->segments, d->segments_len), "clusters",
			 ids(d->clusters, d->clusters_len), "shares", ids(d->shares, d->clusters_len), "subjects",
			 subjects_encode(d));
}

static json_t *inflow_encode(const struct seg_inflow *in)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < SEG_INFLOW_SUBJECTS; i++) {
		const struct seg_inflow_subject *s = &in->subjects[i];
		json_t *history = json_array();
		for (uint32_t d = 0; d < s->len; d++)
			json_array_append_new(history, number(s->history[d]));
		json_array_append_new(list, json_pack("{s:f,s:o,s:i,s:b,s:s}", "sum", isfinite(s->sum) ? s->sum : 0.0,
						      "history", history, "hits", (int)s->hits, "open", (int)s->open,
						      "alert_id", s->alert_id));
	}
	return json_pack("{s:I,s:o}", "day", (json_int_t)in->day, "subjects", list);
}

void *seg_memory_encode(const struct seg_memory *m, struct seg_error *err)
{
	json_t *json = json_pack(
		"{s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:I,s:o,s:o}", "next_promotion", id(m->next_promotion),
		"next_cluster", id(m->next_cluster), "oldest_kept", id(m->oldest_kept), "drifted_ms",
		m->drifted_ms == SEG_NO_TIME ? json_null() : json_integer(m->drifted_ms), "attempts", id(m->attempts),
		"k_customers", id(m->k_customers), "history", attempts_encode(m), "names", names_encode(m),
		"told_clusters", ids(m->told_clusters, m->told_len), "told", ids(m->told, m->told_len), "told_ms",
		(json_int_t)m->told_ms, "drift", drift_encode(&m->drift), "inflow", inflow_encode(&m->inflow));

	if (!json)
		seg_error_set(err, SEG_NO_MEMORY, "the learner's memory: out of memory");
	return json;
}

static double number_of(const json_t *json, const char *key)
{
	const json_t *x = json_object_get(json, key);

	return json_is_number(x) ? json_number_value(x) : NAN;
}

static int64_t integer_of(const json_t *json, const char *key)
{
	return json_integer_value(json_object_get(json, key));
}

static uint64_t id_value(const json_t *x)
{
	const char *text = json_string_value(x);

	return text ? strtoull(text, NULL, 10) : 0;
}

static uint64_t id_of(const json_t *json, const char *key)
{
	return id_value(json_object_get(json, key));
}

static void text_of(const json_t *json, const char *key, char *ret, size_t len)
{
	const char *text = json_string_value(json_object_get(json, key));

	snprintf(ret, len, "%s", text ? text : "");
}

static bool flag_of(const json_t *json, const char *key)
{
	return json_is_true(json_object_get(json, key));
}

/* At most `most`: what is stored may be anybody's. */
static uint32_t length_of(const json_t *list, size_t most)
{
	size_t len = json_array_size(list);

	return (uint32_t)(len < most ? len : most);
}

static uint32_t ids_of(const json_t *json, const char *key, uint64_t *ret, uint32_t most)
{
	const json_t *list = json_object_get(json, key);
	uint32_t len = length_of(list, most);

	for (uint32_t i = 0; i < len; i++)
		ret[i] = id_value(json_array_get(list, i));
	return len;
}

static enum seg_gate_rule gate_rule_of(const char *name)
{
	for (unsigned r = 0; name && r < SEG_GATE_RULES; r++)
		if (strcmp(name, seg_gate_names[r]) == 0)
			return (enum seg_gate_rule)r;
	return SEG_GATE_NONE;
}

static void attempts_decode(struct seg_memory *m, const json_t *list)
{
	m->history_len = length_of(list, SEG_ATTEMPTS_KEPT);
	for (uint32_t i = 0; i < m->history_len; i++) {
		const json_t *json = json_array_get(list, i);
		const char *reason = json_string_value(json_object_get(json, "reason"));
		struct seg_attempt *a = &m->history[i];
		*a = (struct seg_attempt){
			.time_ms = integer_of(json, "time_ms"),
			.reason = SEG_ATTEMPT_SCHEDULE,
			.k = (uint32_t)integer_of(json, "k"),
			.wanted = (uint32_t)integer_of(json, "wanted"),
			.customers = id_of(json, "customers"),
			.gain = number_of(json, "gain"),
			.best_gain = number_of(json, "best_gain"),
			.inertia_per_customer = number_of(json, "inertia_per_customer"),
			.promoted = flag_of(json, "promoted"),
			.held = flag_of(json, "held"),
			.refused = gate_rule_of(json_string_value(json_object_get(json, "refused"))),
		};
		for (unsigned r = 0; reason && r < SEG_ATTEMPT_REASONS; r++)
			if (strcmp(reason, seg_attempt_names[r]) == 0)
				a->reason = (enum seg_attempt_reason)r;
	}
}

static void names_decode(struct seg_memory *m, const json_t *list)
{
	m->names_len = length_of(list, SEG_MAX_CLUSTERS);
	for (uint32_t i = 0; i < m->names_len; i++) {
		const json_t *json = json_array_get(list, i), *terms = json_object_get(json, "terms");
		struct seg_name_reason *r = &m->names[i];
		m->name_clusters[i] = id_of(json, "cluster");
		text_of(json, "archetype", r->archetype, sizeof(r->archetype));
		r->terms_len = length_of(terms, SEG_NAME_TERMS);
		for (uint32_t t = 0; t < r->terms_len; t++) {
			const json_t *term = json_array_get(terms, t);
			text_of(term, "feature", r->terms[t].feature, sizeof(r->terms[t].feature));
			r->terms[t].sign = integer_of(term, "sign") < 0 ? -1 : 1;
		}
	}
}

/* Also as text, as they once were. */
static void counts_of(const json_t *list, uint64_t *ret, uint32_t most)
{
	uint32_t len = length_of(list, most);

	for (uint32_t i = 0; i < len; i++) {
		const json_t *x = json_array_get(list, i);
		json_int_t n = json_integer_value(x);
		ret[i] = json_is_string(x) ? id_value(x) : n > 0 ? (uint64_t)n : 0;
	}
}

static enum seg_rc reference_decode(struct seg_drift_reference *r, const json_t *json, struct seg_error *err)
{
	const json_t *ends = json_object_get(json, "ends");

	r->bins = length_of(ends, SEG_DRIFT_DECILES);
	r->missing = flag_of(json, "missing");
	for (uint32_t i = 0; i < r->bins; i++) {
		json_int_t end = json_integer_value(json_array_get(ends, i));
		if (end < 1 || end > SEG_GRID_BINS || (i && end <= r->ends[i - 1]))
			return seg_error_set(err, SEG_CORRUPT, "the model's drift reference has bins out of order");
		r->ends[i] = (uint16_t)end;
	}
	counts_of(json_object_get(json, "counts"), r->counts, r->bins + 1);
	return SEG_OK;
}

static void subjects_decode(struct seg_drift *d, const json_t *list)
{
	d->subjects_len = length_of(list, SEG_DRIFT_SUBJECTS);
	for (uint32_t i = 0; i < d->subjects_len; i++) {
		const json_t *json = json_array_get(list, i);
		struct seg_drift_subject *s = &d->subjects[i];
		*s = (struct seg_drift_subject){
			.feature = -2,
			.stock = {NAN, NAN, NAN, 1, NAN, 0, 0, 0},
			.flow = {NAN, NAN, NAN, 1, NAN, 0, 0, 0},
			.hits = (uint32_t)integer_of(json, "hits"),
			.open = flag_of(json, "open"),
			.severity = integer_of(json, "severity") ? SEG_SEVERITY_CRITICAL : SEG_SEVERITY_WARNING,
		};
		text_of(json, "subject", s->subject, sizeof(s->subject));
		text_of(json, "alert_id", s->alert_id, sizeof(s->alert_id));
	}
}

static void inflow_decode(struct seg_inflow *in, const json_t *json)
{
	const json_t *list = json_object_get(json, "subjects");

	if (!json)
		return;
	in->day = integer_of(json, "day");

	for (unsigned i = 0; i < length_of(list, SEG_INFLOW_SUBJECTS); i++) {
		const json_t *o = json_array_get(list, i), *history = json_object_get(o, "history");
		struct seg_inflow_subject *s = &in->subjects[i];
		s->len = length_of(history, SEG_INFLOW_DAYS);
		for (uint32_t d = 0; d < s->len; d++)
			s->history[d] = json_number_value(json_array_get(history, d));
		s->sum = json_number_value(json_object_get(o, "sum"));
		s->hits = (uint32_t)integer_of(o, "hits");
		s->open = flag_of(o, "open");
		text_of(o, "alert_id", s->alert_id, sizeof(s->alert_id));
	}
}

static enum seg_rc references_decode(struct seg_drift_reference *ret, const json_t *list, uint32_t len,
				     struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	for (uint32_t f = 0; f < len && !rc; f++)
		rc = reference_decode(&ret[f], json_array_get(list, f), err);
	return rc;
}

static enum seg_rc drift_decode(struct seg_drift *d, const json_t *json, struct seg_error *err)
{
	const json_t *features = json_object_get(json, "features"), *segments = json_object_get(json, "segments");
	enum seg_rc rc;

	d->frozen = flag_of(json, "frozen");
	d->promotion = id_of(json, "promotion");
	d->basis = id_of(json, "basis");
	d->window_start_ms = integer_of(json, "window_start_ms");
	d->features_len = length_of(features, SEG_MAX_FEATURES);
	rc = references_decode(d->features, features, d->features_len, err);
	for (uint32_t f = 0; f < d->features_len; f++)
		counts_of(json_array_get(json_object_get(json, "flow"), f), d->flow[f], d->features[f].bins + 1);
	d->clusters_len = ids_of(json, "clusters", d->clusters, SEG_MAX_CLUSTERS);
	ids_of(json, "shares", d->shares, d->clusters_len);
	d->segments_len = length_of(segments, SEG_DRIFT_SEGMENT_SUBJECTS);
	if (!rc)
		rc = references_decode(d->segments, segments, d->segments_len, err);
	if (!rc && d->segments_len && d->segments_len != d->clusters_len * d->features_len)
		rc = seg_error_set(err, SEG_CORRUPT, "the model's drift state has %u features of segments, not %u x %u",
				   d->segments_len, d->clusters_len, d->features_len);
	subjects_decode(d, json_object_get(json, "subjects"));
	return rc;
}

enum seg_rc seg_memory_decode(struct seg_memory *m, const void *learning, struct seg_error *err)
{
	const json_t *json = learning;

	memset(m, 0, sizeof(*m));
	m->drifted_ms = SEG_NO_TIME;
	if (!json)
		return SEG_OK;
	m->next_promotion = id_of(json, "next_promotion");
	m->next_cluster = id_of(json, "next_cluster");
	m->oldest_kept = id_of(json, "oldest_kept");
	if (json_is_integer(json_object_get(json, "drifted_ms")))
		m->drifted_ms = integer_of(json, "drifted_ms");
	m->attempts = id_of(json, "attempts");
	m->k_customers = id_of(json, "k_customers");
	attempts_decode(m, json_object_get(json, "history"));
	names_decode(m, json_object_get(json, "names"));
	m->told_len = ids_of(json, "told_clusters", m->told_clusters, SEG_MAX_CLUSTERS);
	ids_of(json, "told", m->told, m->told_len);
	m->told_ms = integer_of(json, "told_ms");
	inflow_decode(&m->inflow, json_object_get(json, "inflow"));
	return drift_decode(&m->drift, json_object_get(json, "drift"), err);
}
