#include "daemon/summary.h"

#include <jansson.h>
#include <math.h>

#include "daemon/report_json.h"

static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

enum seg_rc seg_summary_print(const struct seg_summary *s, FILE *out, struct seg_error *err)
{
	uint64_t changes = 0;
	for (int r = 0; r < SEG_REASONS; r++)
		changes += s->changes[r];
	json_t *o = json_object();
	json_object_set_new(o, "events", json_integer((json_int_t)s->events));
	json_object_set_new(o, "accepted", json_integer((json_int_t)s->accepted));
	json_object_set_new(o, "duplicates", json_integer((json_int_t)s->duplicates));
	json_object_set_new(o, "customers", json_integer((json_int_t)s->customers));
	json_object_set_new(o, "changes", json_integer((json_int_t)changes));
	json_object_set_new(o, "changes_by_reason", seg_report_changes(s->changes));
	json_object_set_new(o, "alerts", json_integer((json_int_t)s->alerts));
	json_object_set_new(o, "dead_letters", seg_report_dead_letters(s->dead_letters));
	json_object_set_new(o, "model_version", json_integer((json_int_t)seg_model_version(s->model)));
	json_object_set_new(o, "promotions", json_integer(s->model ? (json_int_t)s->model->promotion : 0));
	json_object_set_new(o, "segments", seg_report_segments(s->model));
	json_object_set_new(o, "inertia", number(s->quality.inertia));
	json_object_set_new(o, "simplified_silhouette", number(s->quality.simplified_silhouette));
	json_object_set_new(o, "seconds", json_real(s->seconds));
	int failed = !o || json_dumpf(o, out, JSON_COMPACT | JSON_REAL_PRECISION(12)) || fputc('\n', out) == EOF ||
		     fflush(out);
	json_decref(o);
	return failed ? seg_error_set(err, SEG_IO, "the summary could not be written to standard output") : SEG_OK;
}
