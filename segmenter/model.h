/*
 * A model version: an immutable snapshot that workers assign customers with. Made by the learner (fold), serialised as
 * JSON to <app>-model (`current`, `v/<promotion>`), read by every worker and swapped at a commit.
 *
 * model version in outputs = promotion * 2^32 + revision. Promotion 0: before the first fit, nobody is assigned.
 * Reference-counted; get/put from any thread, contents never change.
 */
#ifndef SEG_SEGMENTER_MODEL_H
#define SEG_SEGMENTER_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/outputs.h"
#include "base/profile.h"
#include "segmenter/basis.h"
#include "segmenter/constants.h"
#include "segmenter/space.h"

enum { SEG_MAX_CLUSTERS = 256, SEG_SEGMENT_NAME_MAX = 96, SEG_MAX_PARENTS = 8, SEG_MODEL_REASON_MAX = 16 };

/* A candidate waits for a person; it has never been anybody's model. */
enum seg_model_state { SEG_MODEL_PROMOTED, SEG_MODEL_CANDIDATE };

struct seg_scale {			     /* model space = (transformed - mean) / scale * weight; missing: imputed */
	double mean, scale, weight, imputed; /* mean and imputed in transformed units */
};

struct seg_segment {	  /* entry of the catalogue; retired ones are kept */
	uint64_t cluster; /* segment_id is "s<cluster>" */
	char name[SEG_SEGMENT_NAME_MAX], alias[SEG_SEGMENT_NAME_MAX];
	enum seg_segment_state state;
	enum seg_segment_origin origin;
	uint64_t parents[SEG_MAX_PARENTS];
	uint32_t parents_len;
	uint64_t customers;
	double share;
	uint64_t since_promotion; /* created at */
};

struct seg_model {
	uint64_t promotion, revision;
	enum seg_model_state state;
	uint64_t base;			   /* the promotion it was fitted against, 0: none */
	uint64_t restored_from;		   /* rollback: the promotion that it repeats; 0: none */
	char reason[SEG_MODEL_REASON_MAX]; /* why it was fitted: first, schedule, demand, …, rollback; "": unknown */
	int64_t time_ms;		   /* fold's stream time when made */
	int64_t promoted_ms, first_fit_ms;
	struct seg_basis basis;
	struct seg_constants constants; /* of features that depend on the promotion */
	uint32_t d, k;			/* features; active clusters */
	uint32_t dims;			/* of model space: d, or the components of pca */
	struct seg_pca *pca;		/* NULL: none */
	struct seg_donors *donors;	/* for imputation by kNN; NULL: none */
	struct seg_scale scale[SEG_MAX_FEATURES];
	uint64_t *clusters; /* [k] ids, ascending */
	double *centroids;  /* [k * d] transformed units, row per cluster */
	double *scaled;	    /* [k * d] scaled, before pca */
	double *vectors;    /* [k * dims] model space */
	double *soa;	    /* [dims * k_padded] model space, a row per dimension, for distances */
	bool by_row;	    /* a feature is imputed by segment or kNN */
	uint32_t k_padded;
	struct seg_segment *segments; /* active first, in the order of `clusters`, then retired */
	uint32_t segments_len;
	uint64_t next_cluster;	     /* ids below are taken for ever */
	uint64_t sample_bound;	     /* customers with seg_hash_sample() below it send sample records */
	double inertia_per_customer; /* at promotion, on the sample */
	void *learning; /* json_t *: the learner's own state (drift references, refit history), opaque here */
	void *fit; /* json_t *: how the fit went: the gate's figures, the curve over k; NULL: not told (revisions) */
	int refs;
};

/* Reference counting: new models start at 1. put(NULL) is nothing. */
struct seg_model *seg_model_new(void);
struct seg_model *seg_model_get(struct seg_model *m);
void seg_model_put(struct seg_model *m);

static inline uint64_t seg_model_version(const struct seg_model *m)
{
	return m ? m->promotion << 32 | m->revision : 0;
}

/* Fills dims, k_padded, scaled, vectors and soa from d, k, clusters, centroids, scale and pca (a centroid that is NAN in a feature, because
 * none of its customers has it, is at the imputed value). SEG_NO_MEMORY; SEG_INVALID: k, d, ids or numbers cannot be right. */
enum seg_rc seg_model_finish(struct seg_model *m, struct seg_error *err) SEG_MUST_CHECK;

enum seg_rc seg_model_encode(const struct seg_model *m, struct seg_buf *out, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_model_decode(const void *data, size_t len, struct seg_model **ret,
			     struct seg_error *err) SEG_MUST_CHECK;

const struct seg_segment *seg_model_segment(const struct seg_model *m, uint64_t cluster); /* any state; NULL */
/* Alias if there is one, else name; "" for cluster 0. */
const char *seg_model_segment_name(const struct seg_model *m, uint64_t cluster);

/* The way into the model's space; borrows from m. */
struct seg_space seg_model_space(const struct seg_model *m);

/* Model-space vector [dims] of fixed-point values [d]; missing ones imputed. */
void seg_model_vector(const struct seg_model *m, const int32_t *values, double *ret_vector);

struct seg_assignment {
	uint32_t nearest, second;	  /* indexes into clusters; second == nearest if k == 1 */
	double distance, second_distance; /* Euclidean */
	double margin;			  /* (second - nearest) / second; 0 if k == 1 or second is 0 */
};
/* Of equally near ones the first. k == 0: nearest and second 0, distances NAN. */
void seg_model_assign(const struct seg_model *m, const double *vector, struct seg_assignment *ret);
double seg_model_distance(const struct seg_model *m, const double *vector, uint32_t cluster_index);
int seg_model_index(const struct seg_model *m, uint64_t cluster); /* active cluster's index or -1 */

/* Hysteresis and dwell: which cluster the customer is to be told. held 0: none; previous: held before it, 0: none. since SEG_NO_TIME: never moved. A held
 * cluster that is not active any more is left at once. ret_suppressed: the nearest was another and it stayed. k == 0: held. */
struct seg_move_rules {
	double hysteresis;
	int64_t dwell_ms;
	int64_t return_ms; /* dwell before going back to the segment held before */
};
uint64_t seg_model_decide(const struct seg_model *m, const double *vector, const struct seg_assignment *a,
			  uint64_t held, uint64_t previous, int64_t since_ms, int64_t now_ms,
			  const struct seg_move_rules *rules, bool *ret_suppressed);

/* Why `to` is nearer than `from` (from 0: than the mean of all customers): strongest first, at most SEG_DRIVERS;
 * contributions are shares of the difference in squared distance and sum to 1 over all features (if `to` is not nearer:
 * shares of the sum of magnitudes). Only features that speak for `to`. Not active `from`: as 0; not active `to`: none.
 * Feature names are borrowed from the model. `values` are the profile's as of now_ms (seg_basis_values); a driver's value
 * is the feature itself, in its own unit. Returns how many. */
uint32_t seg_model_drivers(const struct seg_model *m, const struct seg_profile *p, int64_t now_ms,
			   const int32_t *values, uint64_t from, uint64_t to, struct seg_driver ret[SEG_DRIVERS]);

#endif
