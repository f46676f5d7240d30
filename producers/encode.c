#include "producers/encode.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/avro_fingerprint.h"
#include "base/event.h"
#include "base/schemas.h"
#include "producers/encode_fields.h"
#include "producers/field_writer.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

const char *const seg_output_names[SEG_OUTPUTS] = {[SEG_OUTPUT_CHANGE] = "segment_change",
						   [SEG_OUTPUT_SEGMENT] = "segment",
						   [SEG_OUTPUT_ALERT] = "drift_alert",
						   [SEG_OUTPUT_CUSTOMER] = "customer",
						   [SEG_OUTPUT_DEAD_LETTER] = "dead_letter"};

/* Symbols of the schemas' enums, in their order. */
static const char *const segment_states[] = {"active", "retired"};
static const char *const segment_origins[] = {"created", "split", "merged", "kept"};
static const char *const drift_metrics[] = {"other", "psi", "kl", "js", "centroid_shift", "inertia", "silhouette"};
static const char *const severities[] = {"warning", "critical"};
static const char *const alert_states[] = {"raised", "escalated", "cleared"};

struct seg_encoder {
	bool json;
	uint64_t fingerprints[SEG_OUTPUTS];
	uint8_t headers[SEG_OUTPUTS][SEG_SINGLE_OBJECT_HEADER];
};

enum { ID_TEXT = 24, RULE_TEXT = 80 }; /* "s" and 20 digits; "rule:" and a name */

/* A segment's id or a cluster's number as text; 0 is none. */
static struct seg_str cluster_text(const char *prefix, uint64_t cluster, char text[ID_TEXT])
{
	if (!cluster)
		return (struct seg_str){0};
	snprintf(text, ID_TEXT, "%s%llu", prefix, (unsigned long long)cluster);
	return seg_str_from(text);
}

static struct seg_str segment_id(uint64_t cluster, char text[ID_TEXT])
{
	return cluster_text("s", cluster, text);
}

static void put_driver(struct seg_fields *f, const struct seg_driver *d)
{
	seg_field_record_begin(f, NULL);
	seg_field_string(f, "feature", seg_str_from(d->feature));
	seg_field_opt_double(f, "value", d->value);
	seg_field_double(f, "zscore", d->zscore);
	seg_field_double(f, "contribution", d->contribution);
	seg_field_record_end(f);
}

static void put_cause(struct seg_fields *f, const struct seg_cause *c)
{
	if (!seg_field_branch(f, "cause", c->topic != NULL))
		return;
	seg_field_record_begin(f, "cause");
	seg_field_string(f, "topic", seg_str_from(c->topic));
	seg_field_long(f, "partition", c->partition);
	seg_field_long(f, "offset", c->offset);
	seg_field_record_end(f);
}

/* Id and name of one end of a change: a rule segment, a learned one, or none. */
static void put_segment_of(struct seg_fields *f, const char *id_field, const char *name_field, uint64_t cluster,
			   const char *rule, const char *name)
{
	char text[ID_TEXT], id[RULE_TEXT];

	if (rule)
		snprintf(id, sizeof(id), "rule:%s", rule);
	seg_field_opt_string(f, id_field, rule ? seg_str_from(id) : segment_id(cluster, text));
	seg_field_opt_string(f, name_field, seg_str_from(rule ? rule : name));
}

static void put_change(struct seg_fields *f, const struct seg_change *c)
{
	uint32_t drivers_len = c->drivers_len < SEG_DRIVERS ? c->drivers_len : SEG_DRIVERS;

	seg_field_string(f, "event_id", seg_str_from(c->event_id));
	seg_field_string(f, "customer_id", c->customer_id);
	put_segment_of(f, "from_segment", "from_name", c->from_cluster, c->from_rule, c->from_name);
	put_segment_of(f, "to_segment", "to_name", c->to_cluster, c->to_rule, c->to_name);
	seg_field_enum(f, "reason", c->reason, seg_reason_names, SEG_REASONS);
	seg_field_ulong(f, "model_version", c->model_version);
	seg_field_opt_double(f, "distance_from", c->distance_from);
	seg_field_opt_double(f, "distance_to", c->distance_to);
	seg_field_opt_double(f, "margin", c->margin);
	seg_field_array_begin(f, "drivers", drivers_len);
	for (uint32_t i = 0; i < drivers_len; i++)
		put_driver(f, &c->drivers[i]);
	seg_field_array_end(f);
	seg_field_long(f, "event_time", c->event_time_ms);
	seg_field_long(f, "decided_at", c->decided_at_ms);
	put_cause(f, &c->cause);
}

static void put_segment(struct seg_fields *f, const struct seg_segment_row *s)
{
	char id[ID_TEXT];

	seg_field_string(f, "segment_id", segment_id(s->cluster, id));
	seg_field_string(f, "name", seg_str_from(s->name));
	seg_field_opt_string(f, "alias", seg_str_from(s->alias));
	seg_field_enum(f, "state", s->state, segment_states, COUNT(segment_states));
	seg_field_enum(f, "origin", s->origin, segment_origins, COUNT(segment_origins));
	seg_field_array_begin(f, "parents", s->parents_len);
	for (uint32_t i = 0; i < s->parents_len; i++)
		seg_field_string(f, NULL, segment_id(s->parents[i], id));
	seg_field_array_end(f);
	seg_field_ulong(f, "customers", s->customers);
	seg_field_double(f, "share", s->share);
	seg_field_array_begin(f, "centroid", s->centroid_len);
	for (uint32_t i = 0; i < s->centroid_len; i++) {
		seg_field_record_begin(f, NULL);
		seg_field_string(f, "feature", seg_str_from(s->centroid[i].feature));
		seg_field_double(f, "value", s->centroid[i].value);
		seg_field_double(f, "zscore", s->centroid[i].zscore);
		seg_field_record_end(f);
	}
	seg_field_array_end(f);
	seg_field_ulong(f, "model_version", s->model_version);
	seg_field_long(f, "updated_at", s->updated_at_ms);
}

static void put_alert(struct seg_fields *f, const struct seg_alert *a)
{
	char id[ID_TEXT];

	seg_field_string(f, "alert_id", seg_str_from(a->alert_id));
	seg_field_string(f, "subject", seg_str_from(a->subject));
	seg_field_opt_string(f, "segment_id", segment_id(a->cluster, id));
	seg_field_enum(f, "metric", a->metric, drift_metrics, COUNT(drift_metrics));
	seg_field_double(f, "value", a->value);
	seg_field_double(f, "threshold", a->threshold);
	seg_field_opt_double(f, "critical_value", a->critical_value);
	seg_field_ulong(f, "n_reference", a->n_reference);
	seg_field_ulong(f, "n_current", a->n_current);
	seg_field_long(f, "window_start", a->window_start_ms);
	seg_field_long(f, "window_end", a->window_end_ms);
	seg_field_enum(f, "severity", a->severity, severities, COUNT(severities));
	seg_field_enum(f, "state", a->state, alert_states, COUNT(alert_states));
	seg_field_ulong(f, "model_version", a->model_version);
	seg_field_string(f, "action", seg_str_from(a->action));
	seg_field_long(f, "event_time", a->event_time_ms);
}

static void put_customer(struct seg_fields *f, const struct seg_customer_row *c)
{
	char segment[ID_TEXT], cluster[ID_TEXT];

	seg_field_string(f, "customer_id", c->customer_id);
	seg_field_opt_string(f, "segment_id", segment_id(c->segment, segment));
	seg_field_opt_string(f, "cluster", cluster_text("", c->cluster, cluster));
	seg_field_opt_double(f, "distance", c->distance);
	seg_field_opt_double(f, "margin", c->margin);
	seg_field_map_begin(f, "features", c->features_len);
	for (size_t i = 0; i < c->features_len; i++) {
		seg_field_key(f, c->features[i].name);
		seg_field_opt_double(f, NULL, c->features[i].value);
	}
	seg_field_map_end(f);
	seg_field_array_begin(f, "transformed", c->transformed_len);
	for (size_t i = 0; i < c->transformed_len; i++)
		seg_field_opt_double(f, NULL, c->transformed[i]);
	seg_field_array_end(f);
	seg_field_array_begin(f, "vector", c->vector_len);
	for (size_t i = 0; i < c->vector_len; i++)
		seg_field_double(f, NULL, c->vector[i]);
	seg_field_array_end(f);
}

static void put_dead_letter(struct seg_fields *f, const struct seg_dead_letter *d)
{
	seg_field_opt_bytes(f, "key", d->key);
	seg_field_opt_bytes(f, "value", d->value);
	seg_field_map_begin(f, "headers", d->headers_len);
	for (size_t i = 0; i < d->headers_len; i++) {
		seg_field_key(f, d->headers[i].name);
		seg_field_bytes(f, NULL, d->headers[i].value, d->headers[i].len);
	}
	seg_field_map_end(f);
	seg_field_string(f, "topic", seg_str_from(d->topic));
	seg_field_long(f, "partition", d->partition);
	seg_field_long(f, "offset", d->offset);
	seg_field_opt_long(f, "timestamp", d->timestamp_ms != SEG_NO_TIME, d->timestamp_ms);
	seg_field_string(f, "reason", seg_str_from(d->reason));
	seg_field_lossy_string(f, "text", d->text);
}

static void put_output(struct seg_fields *f, enum seg_output output, const void *record)
{
	switch (output) {
	case SEG_OUTPUT_CHANGE:
		put_change(f, record);
		break;
	case SEG_OUTPUT_SEGMENT:
		put_segment(f, record);
		break;
	case SEG_OUTPUT_ALERT:
		put_alert(f, record);
		break;
	case SEG_OUTPUT_CUSTOMER:
		put_customer(f, record);
		break;
	case SEG_OUTPUT_DEAD_LETTER:
		put_dead_letter(f, record);
		break;
	case SEG_OUTPUTS:
		break;
	}
}

enum seg_rc seg_encode_body(enum seg_output output, const void *record, bool json, struct seg_buf *to,
			    struct seg_error *err)
{
	struct seg_fields f = seg_fields_to(to, json);
	size_t len = to->len;
	enum seg_rc rc = SEG_OK;

	if (output >= SEG_OUTPUTS)
		return seg_error_set(err, SEG_INVALID, "there is no output %d", (int)output);
	seg_field_record_begin(&f, NULL);
	put_output(&f, output, record);
	seg_field_record_end(&f);
	if (f.bad)
		rc = seg_error_set(err, SEG_INVALID, "a %s cannot be written: %s %s", seg_output_names[output], f.bad,
				   f.why);
	else if (to->failed)
		rc = to->no_memory ? seg_error_set(err, SEG_NO_MEMORY, "a %s: no memory", seg_output_names[output])
				   : seg_error_set(err, SEG_LIMIT, "a %s does not fit into the %zu bytes allowed",
						   seg_output_names[output], to->max);
	if (rc != SEG_OK) {
		to->len = len;
		to->failed = to->no_memory = false;
	}
	return rc;
}

enum seg_rc seg_encode(struct seg_encoder *e, enum seg_output output, const void *record, struct seg_buf *to,
		       struct seg_error *err)
{
	size_t len = to->len;
	enum seg_rc rc;

	if (!e->json && output < SEG_OUTPUTS)
		seg_buf_append(to, e->headers[output], SEG_SINGLE_OBJECT_HEADER);
	rc = seg_encode_body(output, record, e->json, to, err);
	if (rc != SEG_OK)
		to->len = len;
	return rc;
}

enum seg_rc seg_encoder_new(enum seg_format format, struct seg_encoder **ret, struct seg_error *err)
{
	struct seg_encoder *e = calloc(1, sizeof *e);

	if (!e)
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for an encoder");
	e->json = format == SEG_FORMAT_JSON;
	for (size_t i = 0; i < SEG_OUTPUTS; i++) {
		const char *text = seg_schema_text(seg_output_names[i]);
		enum seg_rc rc = seg_avro_fingerprint(text, strlen(text), &e->fingerprints[i], err);

		if (rc != SEG_OK) {
			free(e);
			return seg_error_wrap(err, rc, "schema %s", seg_output_names[i]);
		}
		seg_single_object_header(e->fingerprints[i], e->headers[i]);
	}
	*ret = e;
	return SEG_OK;
}

void seg_encoder_free(struct seg_encoder *e)
{
	free(e);
}

uint64_t seg_encoder_fingerprint(const struct seg_encoder *e, enum seg_output output)
{
	return e->fingerprints[output];
}
