/* The learner from inside: what its files share. Not for other folders. */
#ifndef SEG_SEGMENTER_LEARNER_INTERNAL_H
#define SEG_SEGMENTER_LEARNER_INTERNAL_H

#include "segmenter/drift.h"
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

/* An attempt to refit, for the record. */
enum seg_attempt_reason {
	SEG_ATTEMPT_FIRST,
	SEG_ATTEMPT_BASIS,
	SEG_ATTEMPT_DEMAND,
	SEG_ATTEMPT_STARVED,
	SEG_ATTEMPT_SCHEDULE,
	SEG_ATTEMPT_GROWTH,
	SEG_ATTEMPT_INERTIA,
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
	double inertia_per_customer; /* all customers under their contributions then; NAN: unknown */
	bool promoted;
};

/* What the learner remembers beside the model itself; travels as model->learning. */
struct seg_memory {
	uint64_t k_customers;			       /* customers when k was last chosen by itself */
	uint64_t attempts;			       /* ever made: also varies the seeds */
	struct seg_attempt history[SEG_ATTEMPTS_KEPT]; /* oldest first */
	uint32_t history_len;
	struct seg_name_reason names[SEG_MAX_CLUSTERS]; /* of the active clusters, by name_clusters */
	uint64_t name_clusters[SEG_MAX_CLUSTERS];
	uint32_t names_len;
	uint64_t told_clusters[SEG_MAX_CLUSTERS], told[SEG_MAX_CLUSTERS]; /* rows last told of: customers then */
	uint32_t told_len;
	int64_t told_ms;
	struct seg_drift drift;
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
	struct seg_alert alerts[SEG_DRIFT_SUBJECTS];
	struct seg_drift_value drift_values[SEG_DRIFT_SUBJECTS];
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
/* The next revision becomes l->model: centroids and sizes from the sums if `follow`, names whose reason is gone anew. */
enum seg_rc seg_revise(struct seg_learner *l, int64_t now_ms, bool follow, struct seg_error *err) SEG_MUST_CHECK;
/* Centroids of the sums (transformed units) into ret [k * d]; clusters without customers keep theirs. */
void seg_centroids_of_sums(const struct seg_model *m, const struct seg_sums *total, double *ret);
/* Inertia per customer of all contributions under the model; NAN: no customers. */
double seg_inertia_of_sums(const struct seg_model *m, const struct seg_sums *total);
/* Names the active segments and tells the retired ones apart from them. */
enum seg_rc seg_name_model(struct seg_learner *l, struct seg_model *m, struct seg_error *err) SEG_MUST_CHECK;

/* due.c */
bool seg_refit_due(const struct seg_learner *l, int64_t now_ms, enum seg_attempt_reason *ret_reason);
/* The cluster has nobody, or next to nobody left of those it had. Only asked when settled. */
bool seg_cluster_starved(const struct seg_learner *l, uint32_t index);

/* promote.c: the candidate becomes l->model under the next promotion. */
struct seg_candidate {
	const struct seg_basis *basis;
	const struct seg_scale *scale;
	uint32_t k;
	const double *centroids;	 /* [k * d] model space of `scale` */
	const uint64_t *sizes;		 /* [k] members in the sample */
	const struct seg_match *matches; /* [k] */
	double inertia_per_customer;
	int64_t now_ms;
};
enum seg_rc seg_promote(struct seg_learner *l, const struct seg_candidate *c, struct seg_error *err) SEG_MUST_CHECK;

/* rows.c: what of the new model's catalogue is worth telling; remembers what was told. */
enum seg_rc seg_rows_make(struct seg_learner *l, int64_t now_ms, struct seg_learner_news *news,
			  struct seg_error *err) SEG_MUST_CHECK;
void seg_rows_release(struct seg_learner *l);

/* learning.c */
void *seg_memory_encode(const struct seg_memory *memory, struct seg_error *err); /* json_t *, NULL: no memory */
enum seg_rc seg_memory_decode(struct seg_memory *memory, const void *json, struct seg_error *err) SEG_MUST_CHECK;

#endif
