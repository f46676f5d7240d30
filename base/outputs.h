/*
 * What segmentd tells the world, as plain structs: made by segmenter/ and daemon/, encoded by producers/.
 * All strings are borrowed. NAN in a nullable double means null; cluster 0 means null (segment ids are "s<cluster>").
 */
#ifndef SEG_BASE_OUTPUTS_H
#define SEG_BASE_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

enum { SEG_DRIVERS = 5, SEG_EVENT_ID_LEN = 32 };

/* Form of the values of a topic: Avro single-object encoding, or one JSON object a record. */
enum seg_format { SEG_FORMAT_AVRO, SEG_FORMAT_JSON };

/* Indexes of the shipped schema's symbols. */
enum seg_reason {
	SEG_REASON_OTHER,
	SEG_REASON_FIRST,
	SEG_REASON_BEHAVIOUR,
	SEG_REASON_TIME,
	SEG_REASON_MODEL,
	SEG_REASON_MERGE,
	SEG_REASON_CONSENT,
	SEG_REASON_ERASURE,
	SEG_REASON_EXPIRY,
	SEG_REASONS
};
extern const char *const seg_reason_names[SEG_REASONS];

struct seg_driver {
	const char *feature;
	double value; /* feature's own unit; NAN: imputed */
	double zscore;
	double contribution; /* share of the difference in squared distance */
};

struct seg_cause {
	const char *topic; /* NULL: no cause */
	int32_t partition;
	int64_t offset;
};

struct seg_change {
	char event_id[SEG_EVENT_ID_LEN + 1];
	struct seg_str customer_id;
	uint64_t from_cluster, to_cluster;
	const char *from_rule, *to_rule; /* names of rule segments (their ids are rule:NAME); then clusters are 0 */
	const char *from_name, *to_name; /* of clusters */
	enum seg_reason reason;
	uint64_t model_version;
	double distance_from, distance_to, margin;
	struct seg_driver drivers[SEG_DRIVERS];
	uint32_t drivers_len;
	int64_t event_time_ms; /* stream time of the decision */
	int64_t decided_at_ms; /* wall clock */
	struct seg_cause cause;
};

enum seg_segment_state { SEG_SEGMENT_ACTIVE, SEG_SEGMENT_RETIRED };
enum seg_segment_origin { SEG_ORIGIN_CREATED, SEG_ORIGIN_SPLIT, SEG_ORIGIN_MERGED, SEG_ORIGIN_KEPT };

struct seg_centroid_feature {
	const char *feature;
	double value; /* feature's own unit */
	double zscore;
};

struct seg_segment_row {
	uint64_t cluster;
	const char *name, *alias; /* alias may be NULL */
	enum seg_segment_state state;
	enum seg_segment_origin origin;
	const uint64_t *parents;
	uint32_t parents_len;
	uint64_t customers;
	double share;
	const struct seg_centroid_feature *centroid;
	uint32_t centroid_len;
	uint64_t model_version;
	int64_t updated_at_ms;
};

/* Indexes of the shipped schema's symbols. */
enum seg_drift_metric {
	SEG_DRIFT_OTHER,
	SEG_DRIFT_PSI,
	SEG_DRIFT_KL,
	SEG_DRIFT_JS,
	SEG_DRIFT_CENTROID_SHIFT,
	SEG_DRIFT_INERTIA,
	SEG_DRIFT_SILHOUETTE
};
enum seg_severity { SEG_SEVERITY_WARNING, SEG_SEVERITY_CRITICAL };
enum seg_alert_state { SEG_ALERT_RAISED, SEG_ALERT_ESCALATED, SEG_ALERT_CLEARED };

struct seg_alert {
	const char *alert_id, *subject, *action;
	uint64_t cluster;
	enum seg_drift_metric metric;
	double value, threshold, critical_value;
	uint64_t n_reference, n_current;
	int64_t window_start_ms, window_end_ms;
	enum seg_severity severity;
	enum seg_alert_state state;
	uint64_t model_version;
	int64_t event_time_ms;
};

struct seg_named_value {
	const char *name;
	double value; /* NAN: null */
};

/* One customer at one instant (config/schemas/customer.avsc). */
struct seg_customer_row {
	struct seg_str customer_id;
	uint64_t segment;	 /* held, 0: null */
	uint64_t cluster;	 /* nearest centroid, 0: null */
	double distance, margin; /* NAN: null */
	const struct seg_named_value *features;
	size_t features_len;
	const double *transformed; /* NAN: null */
	size_t transformed_len;
	const double *vector; /* vector_len 0 before the first fit */
	size_t vector_len;
};

struct seg_header {
	const char *name;
	const void *value;
	size_t len;
};

/* A refused record: its bytes untouched, and why. */
struct seg_dead_letter {
	struct seg_str key, value; /* ptr NULL: null */
	const struct seg_header *headers;
	size_t headers_len;
	const char *topic;
	int32_t partition;
	int64_t offset;
	int64_t timestamp_ms;	  /* SEG_NO_TIME: none */
	const char *reason;	  /* code */
	const char *text;	  /* what, where, what to do */
	struct seg_str schema_id; /* fingerprint or registry id as text; may be absent */
};

#endif
