/* What the status and the summaries both tell, as JSON. New references: the caller's. NULL: no memory. Pure. */
#ifndef SEG_DAEMON_REPORT_JSON_H
#define SEG_DAEMON_REPORT_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "base/outputs.h"
#include "base/reasons.h"
#include "daemon/flaps.h"
#include "segmenter/model.h"

/* [{segment_id, name, customers, share}] of the active segments; m NULL: none. */
json_t *seg_report_segments(const struct seg_model *m);

/* {reason: count} of those that are not 0. */
json_t *seg_report_changes(const uint64_t changes[SEG_REASONS]);
json_t *seg_report_dead_letters(const uint64_t dead_letters[SEG_REFUSALS]);

/* {window_days, flaps, moves, advice: null | {hysteresis, held_back}, segments: [{segment_id, flaps, suppressed}]}, of the
 * model's active segments (NULL: none). */
json_t *seg_report_flapping(const struct seg_moves *moves, const struct seg_model *m);

#endif
