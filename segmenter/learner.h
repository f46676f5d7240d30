/*
 * The learner: what the fold knows. Takes every partition's sums and the sample's profiles, and makes model versions:
 * revisions (centroids follow the sums) and promotions (first fit, refits), with the segment catalogue and drift alerts.
 * Pure: no I/O, no clock; a refit can run on another thread because it works on a copy (struct seg_refit).
 */
#ifndef SEG_SEGMENTER_LEARNER_H
#define SEG_SEGMENTER_LEARNER_H

#include "segmenter/model.h"
#include "segmenter/sums.h"

/* What a candidate must keep to be promoted by itself. Shares are 0 to 1. */
struct seg_gate_limits {
	double gain;	   /* least share of the current centroids' inertia that it saves */
	double silhouette; /* most that the silhouette may fall */
	double stability;  /* least mean adjusted Rand index of fits on half samples */
	double moved;	   /* largest share of the sample whose segment would be another */
	double min_size;   /* least share of the sample in its smallest segment */
};

#define SEG_GATE_DEFAULTS                                                                                              \
	{                                                                                                              \
		0.015, 0.05, 0.3, 0.23, 0                                                                              \
	} /* as in the option table */

struct seg_learner_config {
	struct seg_feature_config features[SEG_MAX_FEATURES];
	uint32_t features_len;
	bool k_auto;
	uint32_t k, k_min, k_max;
	uint64_t min_customers, seed;
	uint32_t refit_sample; /* 4096; at least 200 * k are taken */
	int64_t refit_interval_ms;
	bool promotion_manual;
	struct seg_gate_limits gate;
	bool refit_on_drift;
	char topics[SEG_SOURCES][256]; /* of the sources, for the names of data-quality alerts */
	double horizon_weeks;	       /* of lifetime_value */
	struct seg_pca_wish pca;
	double hysteresis;
	int64_t drift_window_ms;
	double psi_warning, psi_critical;
};

struct seg_learner;

enum seg_rc seg_learner_new(const struct seg_learner_config *config, struct seg_learner **ret,
			    struct seg_error *err) SEG_MUST_CHECK;
void seg_learner_free(struct seg_learner *l);

/* Starts from the newest published model (NULL: none) with no sums and no sample: the fold re-reads them. */
enum seg_rc seg_learner_start(struct seg_learner *l, struct seg_model *current, struct seg_error *err) SEG_MUST_CHECK;

/* Records of <app>-model-sums, by key (see sums.h): a piece, a closing record, a sample profile or a tombstone
 * (value NULL). Pieces count only when their sequence is closed, and sequences of a partition grow: a lower one is old
 * and ignored, unless its stream time is later than that of the last (the partition's numbering began anew; then all its
 * clusters must come again). Unknown keys are SEG_SKIP. Profiles come decoded (learner takes ownership of `profile`, also
 * on failure; NULL: tombstone). */
enum seg_rc seg_learner_take_piece(struct seg_learner *l, int32_t partition, uint64_t cluster, const void *value,
				   size_t len, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_learner_take_close(struct seg_learner *l, int32_t partition, const void *value, size_t len,
				   struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_learner_take_sample(struct seg_learner *l, struct seg_str customer, struct seg_profile *profile,
				    struct seg_error *err) SEG_MUST_CHECK;

/* The fold's now: the least stream time over partitions that are not idle (all idle: the greatest). SEG_NO_TIME. */
int64_t seg_learner_now(const struct seg_learner *l);

/* What a tick has to tell. Owned by the learner, valid until the next tick. */
struct seg_learner_news {
	struct seg_model *model;     /* to be published; NULL: nothing new. Borrowed: get() to keep */
	bool promoted;		     /* also publish as v/<promotion> */
	struct seg_model *candidate; /* to be published as v/<promotion>: it waits for a person; NULL. Borrowed */
	uint64_t unkept[8];	     /* numbers to be tombstoned: older than the newest 20, or a superseded candidate */
	uint32_t unkept_len;
	const struct seg_segment_row *segments; /* rows that changed */
	uint32_t segments_len;
	const struct seg_alert *alerts;
	uint32_t alerts_len;
	bool refit_due; /* start one with seg_learner_refit_begin() */
};

/* Learns from what was taken since the last tick. now_ms: the fold's stream time. `expected_partitions`: all of these
 * must have closed sums before anything is learned. Call at most once a second of wall time. */
enum seg_rc seg_learner_tick(struct seg_learner *l, int64_t now_ms, int32_t expected_partitions,
			     struct seg_learner_news *ret, struct seg_error *err) SEG_MUST_CHECK;

/* A fit or refit as a job of its own: begin copies what it needs, run may be on any thread and touches only the job,
 * end takes the result in and frees it, also on failure; the next tick publishes. A failed or held fit is recorded and
 * no error of end; one made against a model that is no longer the current one is dropped. One at a time: refit_due
 * stays true while one runs. With promotion_manual only the first fit and one for a changed configuration are
 * promoted; others that pass the gate wait as the candidate, and so does one on demand whatever the gate says. */
struct seg_refit;
struct seg_refit *seg_learner_refit_begin(struct seg_learner *l, int64_t now_ms); /* NULL: no memory */
void seg_refit_run(struct seg_refit *r);
/* From another thread while run is under way: it ends within milliseconds, without a result; then it is to be freed. */
void seg_refit_cancel(struct seg_refit *r);
void seg_refit_free(struct seg_refit *r); /* abandoned */
enum seg_rc seg_learner_refit_end(struct seg_learner *l, struct seg_refit *r, struct seg_error *err) SEG_MUST_CHECK;

void seg_learner_request_refit(struct seg_learner *l); /* on demand */

/*
 * What people may do with versions; told by the next ticks. A version is a promotion's number, or the whole model version.
 *
 * promote: the candidate that waits becomes the model under its own number. SEG_NOT_FOUND: no such candidate waits (or a
 * newer promotion has superseded it).
 * rollback: a new promotion with exactly the basis, scale, clusters and centroids of `to`, a version that was promoted.
 * Names and aliases of segments that live stay; retired ones come back under id and name. SEG_INVALID: `to` is a
 * candidate, the current one, without clusters, or has other features than the configuration.
 * alias: a segment's name by its operator, in any state; "" takes it away. SEG_NOT_FOUND: no such segment. SEG_INVALID: not
 * UTF-8, longer than SEG_SEGMENT_NAME_MAX - 1 bytes, with control characters, or the name or alias of another active one.
 */
enum seg_rc seg_learner_promote(struct seg_learner *l, uint64_t version, int64_t now_ms,
				struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_learner_rollback(struct seg_learner *l, const struct seg_model *to, int64_t now_ms,
				 struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_learner_alias(struct seg_learner *l, uint64_t cluster, const char *alias,
			      struct seg_error *err) SEG_MUST_CHECK;

/* After start: the candidate that was stored (NULL is fine). One made against another promotion is let go. */
void seg_learner_take_candidate(struct seg_learner *l, struct seg_model *candidate);
struct seg_model *seg_learner_candidate(const struct seg_learner *l); /* borrowed; NULL: none waits */

/*
 * What changes from one version to another, on the sample as of now_ms, as JSON: {from, to, sample, moved, matrix: [{from,
 * to, customers, share}], segments: [{segment_id, name, origin, parents, customers, share, centroid: {feature: value}}],
 * customers: [{customer_id, from, to, features: {name: value}}]}. customers, of the sample; share, of it; segments are
 * those of `to`, customers at most 20 who would move, those of the smallest hashes. Nearest centroids, without hysteresis.
 * SEG_INVALID: a version without clusters, or no sample. SEG_LIMIT: it does not fit `out`.
 */
enum seg_rc seg_learner_diff(const struct seg_learner *l, const struct seg_model *from, const struct seg_model *to,
			     int64_t now_ms, struct seg_buf *out, struct seg_error *err) SEG_MUST_CHECK;

/*
 * The segments held against labels, on the sample (each customer as last told by their partition), as JSON: {labels,
 * model_version, compared, missing, unassigned, adjusted_rand, purity, matrix: [{label, segment_id, name, customers, of_label,
 * of_segment}]}. labels: "rules", or attr:NAME. compared: customers with a segment and a label; adjusted_rand: Hubert & Arabie
 * 1985; purity: share of customers who have the label that is most frequent in their segment (Manning et al. 2008, 16.3).
 * of_label and of_segment: the cell's share of its row, and of the segment. With rules a row is a rule, rows overlap, and
 * the label of index and purity is the set of all rules a customer is in. At most 256 labels, what is more is "(other)".
 * SEG_INVALID: no such kind of labels. SEG_NOT_FOUND: nothing to compare. SEG_LIMIT: it does not fit `out`.
 */
enum seg_rc seg_learner_validate(const struct seg_learner *l, const char *labels, struct seg_buf *out,
				 struct seg_error *err) SEG_MUST_CHECK;

/* The last attempt to fit, promoted or not; false: none yet. For logs and metrics. */
struct seg_refit_record {
	uint64_t number; /* attempts so far, this one included */
	int64_t time_ms;
	const char *reason; /* first, basis, demand, starved, schedule, growth, inertia, drift, rollback; static */
	uint32_t k;
	uint64_t customers;
	double gain;	     /* share of the current centroids' inertia that it saves; NAN: nothing to compare */
	bool promoted, held; /* held: it waits for a person */
	const char *refused; /* by which of the gate's figures; "": none, static */
	const char *error;   /* why it failed; "": it did not. Valid until the next attempt */
};
bool seg_learner_last_refit(const struct seg_learner *l, struct seg_refit_record *ret);

/* Quality on the sample, for metrics and summaries. NAN where unknown. Subjects of drift with their newest PSI. */
struct seg_quality {
	double inertia, inertia_per_customer, simplified_silhouette, davies_bouldin;
	uint64_t sample;
};
void seg_learner_quality(struct seg_learner *l, int64_t now_ms, struct seg_quality *ret);
struct seg_drift_value { /* NAN: unknown, or not compared */
	const char *subject;
	double psi, kl, js, critical; /* of the stock; critical: PSI that chance alone reaches */
	double flow_psi;
	uint64_t n_reference, n_current;
	bool open, clock;
	enum seg_severity severity; /* if open */
};
size_t seg_learner_drift(const struct seg_learner *l, const struct seg_drift_value **ret);

#endif
