#include "daemon/summary.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>

static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *changes_by_reason(const struct seg_summary *s, uint64_t *ret_total)
{
	json_t *o = json_object();
	*ret_total = 0;
	for (int r = 0; r < SEG_REASONS; r++) {
		*ret_total += s->changes[r];
		if (s->changes[r] > 0)
			json_object_set_new(o, seg_reason_names[r], json_integer((json_int_t)s->changes[r]));
	}
	return o;
}

static json_t *dead_letters(const struct seg_summary *s)
{
	json_t *o = json_object();
	for (int r = 1; r < SEG_REFUSALS; r++) {
		if (s->dead_letters[r] > 0)
			json_object_set_new(o, seg_refusal_code((enum seg_refusal)r),
					    json_integer((json_int_t)s->dead_letters[r]));
	}
	return o;
}

static json_t *segments(const struct seg_model *m)
{
	json_t *list = json_array();
	for (uint32_t i = 0; m && i < m->segments_len; i++) {
		const struct seg_segment *seg = &m->segments[i];
		char id[32];
		if (seg->state != SEG_SEGMENT_ACTIVE)
			continue;
		snprintf(id, sizeof(id), "s%" PRIu64, seg->cluster);
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:o}", "segment_id", id, "name",
						      seg_model_segment_name(m, seg->cluster), "customers",
						      (json_int_t)seg->customers, "share", number(seg->share)));
	}
	return list;
}

enum seg_rc seg_summary_print(const struct seg_summary *s, FILE *out, struct seg_error *err)
{
	uint64_t changes;
	json_t *by_reason = changes_by_reason(s, &changes);
	json_t *o = json_object();
	json_object_set_new(o, "events", json_integer((json_int_t)s->events));
	json_object_set_new(o, "accepted", json_integer((json_int_t)s->accepted));
	json_object_set_new(o, "duplicates", json_integer((json_int_t)s->duplicates));
	json_object_set_new(o, "customers", json_integer((json_int_t)s->customers));
	json_object_set_new(o, "changes", json_integer((json_int_t)changes));
	json_object_set_new(o, "changes_by_reason", by_reason);
	json_object_set_new(o, "alerts", json_integer((json_int_t)s->alerts));
	json_object_set_new(o, "dead_letters", dead_letters(s));
	json_object_set_new(o, "model_version", json_integer((json_int_t)seg_model_version(s->model)));
	json_object_set_new(o, "promotions", json_integer(s->model ? (json_int_t)s->model->promotion : 0));
	json_object_set_new(o, "segments", segments(s->model));
	json_object_set_new(o, "inertia", number(s->quality.inertia));
	json_object_set_new(o, "simplified_silhouette", number(s->quality.simplified_silhouette));
	json_object_set_new(o, "seconds", json_real(s->seconds));
	int failed = !o || json_dumpf(o, out, JSON_COMPACT | JSON_REAL_PRECISION(12)) || fputc('\n', out) == EOF ||
		     fflush(out);
	json_decref(o);
	return failed ? seg_error_set(err, SEG_IO, "the summary could not be written to standard output") : SEG_OK;
}
