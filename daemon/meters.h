/*
 * The program's table of metrics, and what the workers update. Series of a partition are made at its first use. All
 * functions work with meters NULL (replay, tests).
 */
#ifndef SEG_DAEMON_METERS_H
#define SEG_DAEMON_METERS_H

#include <stdio.h>

#include "base/reasons.h"
#include "http/metrics.h"

/* id, type, labels, help: names get the prefix segmentd_ */
#define SEG_METER_TABLE(X)                                                                                             \
	X(EVENTS, "segmentd_events_total", COUNTER, "topic", NULL, "Input records, counted when committed")            \
	X(DUPLICATES, "segmentd_duplicates_total", COUNTER, NULL, NULL,                                                \
	  "Repeats of an event id, which change nothing")                                                              \
	X(LATE, "segmentd_late_events_total", COUNTER, NULL, NULL,                                                     \
	  "Accepted events more than `lateness` behind stream time")                                                   \
	X(BELOW_WINDOW, "segmentd_events_below_dedup_window_total", COUNTER, NULL, NULL,                               \
	  "Accepted events older than all of a full dedup window: a repeat of one counts again")                       \
	X(IDENTIFIED, "segmentd_identify_events_total", COUNTER, NULL, NULL,                                           \
	  "Profile events of kind identify, which change nothing yet")                                                 \
	X(COMMITS, "segmentd_commits_total", COUNTER, "result", NULL, "Transactions by how they ended")                \
	X(COMMIT_SECONDS, "segmentd_commit_seconds", HISTOGRAM, NULL, NULL,                                            \
	  "Time from the first record handed to a transaction to its commit")                                          \
	X(TO_DECISION, "segmentd_event_to_decision_seconds", HISTOGRAM, NULL, NULL,                                    \
	  "Time from a record's Kafka timestamp to the decision")                                                      \
	X(TO_COMMIT, "segmentd_event_to_commit_seconds", HISTOGRAM, NULL, NULL,                                        \
	  "Time from a record's Kafka timestamp to the commit of what it led to")                                      \
	X(LAG, "segmentd_lag_records", GAUGE, "topic", "partition", "Records of an input not yet read")                \
	X(RECOVERY, "segmentd_recovery_remaining_records", GAUGE, "partition", "phase",                                \
	  "Records a recovery still has to read")                                                                      \
	X(RECOVERY_SECONDS, "segmentd_recovery_seconds_left", GAUGE, "partition", NULL,                                \
	  "Estimated time that this phase of a recovery still takes; 0: none runs")                                    \
	X(UNREACHABLE, "segmentd_brokers_unreachable", GAUGE, "worker", NULL,                                          \
	  "1: no broker answers this worker; else 0")                                                                  \
	X(STUCK, "segmentd_worker_stuck_seconds", GAUGE, "worker", NULL,                                               \
	  "Time that a worker's thread has not moved, once it is long; waiting for brokers is no such time")           \
	X(HITS, "segmentd_cache_hits_total", COUNTER, NULL, NULL, "Customers found in memory")                         \
	X(MISSES, "segmentd_cache_misses_total", COUNTER, NULL, NULL, "Customers looked up in the store")              \
	X(CACHE_BYTES, "segmentd_cache_bytes", GAUGE, NULL, NULL, "Memory of the profiles in memory")                  \
	X(STORE_BYTES, "segmentd_store_bytes", GAUGE, NULL, NULL, "Size of the stores on disk")                        \
	X(CUSTOMERS, "segmentd_customers", GAUGE, NULL, NULL, "Living customers of this instance's partitions")        \
	X(CHECKPOINTS, "segmentd_checkpoint_cycles_total", COUNTER, NULL, NULL, "Checkpoint cycles that ended")        \
	X(MODEL_VERSION, "segmentd_model_version", GAUGE, NULL, NULL, "promotion * 2^32 + revision in use")            \
	X(SEGMENT_CUSTOMERS, "segmentd_segment_customers", GAUGE, "segment", NULL, "Customers by segment")             \
	X(CHANGES, "segmentd_segment_changes_total", COUNTER, "reason", NULL, "Segment changes by reason")             \
	X(SUPPRESSED, "segmentd_moves_suppressed_total", COUNTER, NULL, NULL,                                          \
	  "Evaluations whose move hysteresis or dwell held back")                                                      \
	X(SEGMENT_SUPPRESSED, "segmentd_segment_moves_suppressed_total", COUNTER, "segment", NULL,                     \
	  "The same by the segment that was not left")                                                                 \
	X(SEGMENT_FLAPS, "segmentd_segment_flaps_total", COUNTER, "segment", NULL,                                     \
	  "Customers who went to another segment and back within 7 days, counted for both")                            \
	X(HYSTERESIS_ADVICE, "segmentd_hysteresis_advice", GAUGE, NULL, NULL,                                          \
	  "Least segmenter.hysteresis that would have prevented half of the flaps; from 20 flaps on")                  \
	X(HYSTERESIS_COST, "segmentd_hysteresis_advice_held_back_ratio", GAUGE, NULL, NULL,                            \
	  "Share of the other moves that it would have held back, too")                                                \
	X(EVALUATED, "segmentd_evaluations_total", COUNTER, NULL, NULL, "Customers evaluated at commits")              \
	X(DEAD_LETTERS, "segmentd_dead_letters_total", COUNTER, "reason", NULL,                                        \
	  "Refused records by reason, counted when committed")                                                         \
	X(SOURCE_STOPPED, "segmentd_source_stopped", GAUGE, "topic", NULL,                                             \
	  "1: not read any more, too many records have a key or a partition that does not fit; else 0")                \
	X(DRIFT, "segmentd_drift_psi", GAUGE, "subject", NULL, "Newest population stability index by subject")         \
	X(INERTIA, "segmentd_model_inertia_per_customer", GAUGE, NULL, NULL,                                           \
	  "Mean squared distance to the nearest centroid, on the sample")                                              \
	X(SILHOUETTE, "segmentd_model_simplified_silhouette", GAUGE, NULL, NULL,                                       \
	  "Mean of 1 - nearest over second nearest distance, on the sample")                                           \
	X(STREAM_TIME, "segmentd_stream_time_seconds", GAUGE, "partition", NULL, "Stream time, seconds since 1970")

enum seg_meter {
#define X(id, name, type, first, second, help) SEG_METER_##id,
	SEG_METER_TABLE(X)
#undef X
		SEG_METERS
};

struct seg_meters;

/* m is borrowed until free. */
struct seg_meters *seg_meters_new(struct seg_metrics *m); /* NULL: no memory */
void seg_meters_free(struct seg_meters *m);

struct seg_metric *seg_meter(struct seg_meters *m, enum seg_meter which);
struct seg_metric *seg_meter_labelled(struct seg_meters *m, enum seg_meter which, const char *first,
				      const char *second);
struct seg_metric *seg_meter_partition(struct seg_meters *m, enum seg_meter which, int32_t partition);

/* The table as Markdown, for the docs. */
void seg_meters_print(FILE *out);

#endif
