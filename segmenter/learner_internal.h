/* The learner from inside: what its files share. Not for other folders. */
#ifndef SEG_SEGMENTER_LEARNER_INTERNAL_H
#define SEG_SEGMENTER_LEARNER_INTERNAL_H

#include "segmenter/drift.h"
#include "segmenter/inflow.h"
#include "segmenter/learner.h"
#include "segmenter/matching.h"
#include "segmenter/naming.h"

/* A cluster's piece of one partition's sums. */
struct seg_piece {
	uint64_t cluster, sequence;
	struct seg_sums *sums;
};

struct seg_pieces {
	struct seg_piece *items;
	uint32_t len, cap;
};

struct seg_part {
	int32_t partition;
	bool closed; /* `close` and `pieces` mean something */
	struct seg_sums_close close;
	struct seg_pieces pieces;  /* as of the close */
	struct seg_pieces waiting; /* read, not closed yet */
};

/* A profile of the sample. Kept ascending by (hash, id). */
struct seg_sampled {
	uint64_t hash;
	struct seg_profile *profile;
};

/* Which of its figures kept a candidate from being promoted. */
enum seg_gate_rule {
	SEG_GATE_NONE,
	SEG_GATE_GAIN,
	SEG_GATE_SILHOUETTE,
	SEG_GATE_STABILITY,
	SEG_GATE_MOVED,
	SEG_GATE_MIN_SIZE,
	SEG_GATE_RULES
};
extern const char *const seg_gate_names[SEG_GATE_RULES];

/* An attempt to refit, for the record. */
enum seg_attempt_reason {
	SEG_ATTEMPT_FIRST,
	SEG_ATTEMPT_BASIS,
	SEG_ATTEMPT_DEMAND,
	SEG_ATTEMPT_STARVED,
	SEG_ATTEMPT_SCHEDULE,
	SEG_ATTEMPT_GROWTH,
	SEG_ATTEMPT_INERTIA,
	SEG_ATTEMPT_DRIFT,
	SEG_ATTEMPT_ROLLBACK, /* not a fit, but it counts as one: the schedule begins anew */
	SEG_ATTEMPT_REASONS
};
extern const char *const seg_attempt_names[SEG_ATTEMPT_REASONS];

enum { SEG_ATTEMPTS_KEPT = 20, SEG_RETIRED_KEPT = 1000, SEG_PROMOTIONS_KEPT = 20 };

struct seg_attempt {
	int64_t time_ms;
	enum seg_attempt_reason reason;
	uint32_t k, wanted; /* got, and configured (0: auto) */
	uint64_t customers;
	double gain;		     /* share of the current centroids' inertia saved; NAN: nothing to compare */
	double best_gain;	     /* of the best fit; NAN: nothing to compare */
	double inertia_per_customer; /* all customers under their contributions then; NAN: unknown */
	bool promoted, held;	     /* held: it became the candidate */
	enum seg_gate_rule refused;  /* SEG_GATE_NONE: it passed */
};

/* What the learner remembers beside the model itself; travels as model->learning. */
struct seg_memory {
	uint64_t k_customers;	 /* customers when k was last chosen by itself */
	uint64_t attempts;	 /* ever made: also varies the seeds */
	uint64_t next_promotion; /* numbers below are taken, by promotions or candidates */
	uint64_t next_cluster;	 /* ids below are taken, by models or candidates */
	uint64_t oldest_kept;	 /* promotions below have been tombstoned */
	int64_t drifted_ms;	 /* drift asked for a refit that is still to come; SEG_NO_TIME: none */
	struct seg_attempt history[SEG_ATTEMPTS_KEPT]; /* oldest first */
	uint32_t history_len;
	struct seg_name_reason names[SEG_MAX_CLUSTERS]; /* of the active clusters, by name_clusters */
	uint64_t name_clusters[SEG_MAX_CLUSTERS];
	uint32_t names_len;
	uint64_t told_clusters[SEG_MAX_CLUSTERS], told[SEG_MAX_CLUSTERS]; /* rows last told of: customers then */
	uint32_t told_len;
	int64_t told_ms;
	struct seg_drift drift;
	struct seg_inflow inflow;
};

struct seg_learner {
	struct seg_learner_config config;
	struct seg_basis basis; /* of the configuration, for attributes without data */
	bool basis_changed;	/* the model's features are not the configured ones */
	uint32_t target;	/* sample wanted */
	struct seg_part *parts;
	uint32_t parts_len, parts_cap;
	bool sums_changed;	/* a sequence was closed since the last tick */
	struct seg_sums *total; /* over partitions, as of the last tick */
	uint64_t customers;
	struct seg_sampled *sample;
	size_t sample_len, sample_cap;
	uint64_t bound;
	struct seg_model *model; /* newest made; NULL: none */
	struct seg_memory *memory;
	struct seg_model *candidate; /* waits for a person; NULL: none */
	bool candidate_untold;
	uint64_t dropped[4]; /* numbers of candidates let go that no tick has told */
	uint32_t dropped_len;
	struct seg_alias {
		uint64_t cluster;
		char text[SEG_SEGMENT_NAME_MAX];
	} aliases[8]; /* wait for the next revision */
	uint32_t aliases_len;
	struct {
		uint64_t promotion;
		int64_t at_ms;
		double inertia;
	} looked;      /* of seg_inertia_now(), where it is costly */
	bool promoted; /* the model is a promotion that no tick has told */
	bool changed;  /* the memory or the bound changed: worth a revision */
	bool renamed;  /* a name changed since rows were told */
	bool demanded;
	bool complete, settled; /* every partition closed; and swept for this promotion */
	enum seg_attempt_reason due;
	struct seg_error refit_error; /* of the last attempt; rc SEG_OK: none */
	/* What the last tick told. */
	struct seg_segment_row *rows;
	struct seg_centroid_feature *row_features;
	double *row_zscores;
	struct seg_model *row_model; /* keeps the borrowed names alive */
	struct seg_alert alerts[SEG_DRIFT_SUBJECTS + SEG_INFLOW_SUBJECTS];
	struct seg_drift_value drift_values[SEG_DRIFT_SUBJECTS + SEG_INFLOW_SUBJECTS];
	size_t drift_values_len;
};

/* intake.c */
void seg_intake_release(struct seg_learner *l);
/* Sums of all partitions into l->total; l->customers. */
enum seg_rc seg_intake_total(struct seg_learner *l, struct seg_error *err) SEG_MUST_CHECK;
bool seg_intake_complete(const struct seg_learner *l, int32_t expected);
bool seg_intake_swept(const struct seg_learner *l, int32_t expected, uint64_t promotion);
/* Moves the bound so that about 1.5 times the wanted sample lies below it. True: it moved. */
bool seg_intake_aim(struct seg_learner *l);

/* revise.c */
/* Arrays for k clusters and their segments (zeroed). */
enum seg_rc seg_model_alloc(struct seg_model *m, uint32_t k, uint32_t segments, struct seg_error *err) SEG_MUST_CHECK;
/* A copy without vectors, learning and fit, which belong to one version. NULL: no memory. */
struct seg_model *seg_model_copy(const struct seg_model *m, struct seg_error *err);
/* The next revision becomes l->model: centroids and sizes from the sums if `follow`, names whose reason is gone anew. */
enum seg_rc seg_revise(struct seg_learner *l, int64_t now_ms, bool follow, struct seg_error *err) SEG_MUST_CHECK;
/* Centroids of the sums (transformed units) into ret [k * d]; clusters without customers keep theirs. */
void seg_centroids_of_sums(const struct seg_model *m, const struct seg_sums *total, double *ret);
/* Inertia per customer of all contributions under the model; NAN: no customers. */
double seg_inertia_of_sums(const struct seg_model *m, const struct seg_sums *total);
/* The same where the sums do not know it (PCA, imputation by row): on the sample, looked at once a day of stream time. */
double seg_inertia_now(struct seg_learner *l, int64_t now_ms);
/* Names the active segments and tells the retired ones apart from them. */
enum seg_rc seg_name_model(struct seg_learner *l, struct seg_model *m, struct seg_error *err) SEG_MUST_CHECK;

/* due.c */
bool seg_refit_due(struct seg_learner *l, int64_t now_ms, enum seg_attempt_reason *ret_reason);
/* The cluster has nobody, or next to nobody left of those it had. Only asked when settled. */
bool seg_cluster_starved(const struct seg_learner *l, uint32_t index);

/* promote.c */
struct seg_candidate {
	const struct seg_basis *basis;
	const struct seg_scale *scale;
	const struct seg_constants *constants;
	const struct seg_pca *pca;	 /* NULL: none */
	const struct seg_donors *donors; /* NULL: none */
	uint32_t k;
	const double *centroids;	 /* [k * d] scaled by `scale` */
	const uint64_t *sizes;		 /* [k] members in the sample */
	const struct seg_match *matches; /* [k] */
	double inertia_per_customer;
	int64_t now_ms;
	const char *reason;
	void *fit; /* json_t *, counted by the model; may be NULL */
};
/* A model of it, with ids, lineage and names, under the next number. */
enum seg_rc seg_candidate_model(struct seg_learner *l, const struct seg_candidate *c, struct seg_model **ret,
				struct seg_error *err) SEG_MUST_CHECK;
/* It becomes l->model (takes the reference); the candidate that waited, if another, is let go. */
void seg_adopt(struct seg_learner *l, struct seg_model *m);
/* It waits for a person (takes the reference), in place of the one that waited. */
void seg_hold(struct seg_learner *l, struct seg_model *m);
void seg_candidate_drop(struct seg_learner *l);

uint64_t seg_next_promotion(struct seg_learner *l); /* takes the next number */

/* learner.c: the model's features are those of the configuration. */
bool seg_features_same(const struct seg_learner *l, const struct seg_model *m);

/* refit.c: one attempt more in the memory. */
void seg_attempt_record(struct seg_learner *l, const struct seg_attempt *a);

/* versions.c: aliases that wait, into a model that is being made. */
void seg_aliases_apply(struct seg_learner *l, struct seg_model *m);

/* watch.c: drift and data quality; true: the memory changed. Alerts into news. */
bool seg_watch(struct seg_learner *l, int64_t now_ms, struct seg_learner_news *news, bool *ret_failed);
void seg_watch_show(struct seg_learner *l);

/* rows.c: what of the new model's catalogue is worth telling; remembers what was told. */
enum seg_rc seg_rows_make(struct seg_learner *l, int64_t now_ms, struct seg_learner_news *news,
			  struct seg_error *err) SEG_MUST_CHECK;
void seg_rows_release(struct seg_learner *l);

/* learning.c */
void *seg_memory_encode(const struct seg_memory *memory, struct seg_error *err); /* json_t *, NULL: no memory */
enum seg_rc seg_memory_decode(struct seg_memory *memory, const void *json, struct seg_error *err) SEG_MUST_CHECK;

#endif
