/*
 * Reads back what segmentd writes to its output topics: Avro single-object encoding by the shipped schemas of this very
 * version. For the demo's view; whoever reads the topics from outside resolves schemas. Pure; strings are borrowed from
 * the bytes.
 */
#ifndef SEG_DAEMON_OUTPUT_READ_H
#define SEG_DAEMON_OUTPUT_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outputs.h"

struct seg_read_driver {
	struct seg_str feature;
	double value, zscore; /* value NAN: null */
};

struct seg_read_change {
	struct seg_str customer_id, from_segment, from_name, to_segment, to_name; /* ptr NULL: null */
	enum seg_reason reason;
	struct seg_read_driver drivers[SEG_DRIVERS];
	uint32_t drivers_len;
	int64_t event_time_ms;
};

enum { SEG_READ_CENTROID_MAX = 128 };

struct seg_read_segment {
	struct seg_str segment_id, name;
	bool active;
	struct seg_read_driver centroid[SEG_READ_CENTROID_MAX];
	uint32_t centroid_len;
};

struct seg_read_alert {
	struct seg_str subject, segment_id, action;
	double value;
	enum seg_severity severity;
	enum seg_alert_state state;
	int64_t event_time_ms;
};

/* False: not such a record. */
bool seg_read_change(struct seg_str bytes, struct seg_read_change *ret);
bool seg_read_segment(struct seg_str bytes, struct seg_read_segment *ret);
bool seg_read_alert(struct seg_str bytes, struct seg_read_alert *ret);

#endif
