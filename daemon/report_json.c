#include "daemon/report_json.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

json_t *seg_report_segments(const struct seg_model *m)
{
	json_t *list = json_array();
	for (uint32_t i = 0; m && i < m->segments_len; i++) {
		const struct seg_segment *seg = &m->segments[i];
		char id[32];
		if (seg->state != SEG_SEGMENT_ACTIVE)
			continue;
		snprintf(id, sizeof(id), "s%" PRIu64, seg->cluster);
		json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:f}", "segment_id", id, "name",
						      seg_model_segment_name(m, seg->cluster), "customers",
						      (json_int_t)seg->customers, "share",
						      isfinite(seg->share) ? seg->share : 0.0));
	}
	return list;
}

json_t *seg_report_changes(const uint64_t changes[SEG_REASONS])
{
	json_t *o = json_object();
	for (int r = 0; r < SEG_REASONS; r++) {
		if (changes[r] > 0)
			json_object_set_new(o, seg_reason_names[r], json_integer((json_int_t)changes[r]));
	}
	return o;
}

json_t *seg_report_dead_letters(const uint64_t dead_letters[SEG_REFUSALS])
{
	json_t *o = json_object();
	for (int r = 1; r < SEG_REFUSALS; r++) {
		if (dead_letters[r] > 0)
			json_object_set_new(o, seg_refusal_code((enum seg_refusal)r),
					    json_integer((json_int_t)dead_letters[r]));
	}
	return o;
}

json_t *seg_report_flapping(const struct seg_moves *moves, const struct seg_model *m)
{
	struct seg_margin_advice advice;
	json_t *list = json_array();
	seg_moves_advice(moves, &advice);
	for (uint32_t i = 0; m && i < m->segments_len; i++) {
		const struct seg_segment_counts *c = seg_moves_of(moves, m->segments[i].cluster);
		if (m->segments[i].state != SEG_SEGMENT_ACTIVE)
			continue;
		json_array_append_new(list, json_pack("{s:o, s:I, s:I}", "segment_id",
						      json_sprintf("s%" PRIu64, m->segments[i].cluster), "flaps",
						      (json_int_t)(c ? c->flaps : 0), "suppressed",
						      (json_int_t)(c ? c->suppressed : 0)));
	}
	return json_pack("{s:i, s:I, s:I, s:o, s:o}", "window_days", SEG_FLAP_DAYS, "flaps", (json_int_t)advice.flaps,
			 "moves", (json_int_t)advice.moves, "advice",
			 isnan(advice.margin)
				 ? json_null()
				 : json_pack("{s:f, s:f}", "hysteresis", advice.margin, "held_back", advice.others),
			 "segments", list);
}
