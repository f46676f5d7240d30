/* A fit or refit from inside: the job, and what judges its result. Not for other folders. */
#ifndef SEG_SEGMENTER_REFIT_INTERNAL_H
#define SEG_SEGMENTER_REFIT_INTERNAL_H

#include "segmenter/choose_k.h"
#include "segmenter/kmeans.h"
#include "segmenter/learner_internal.h"

/* The gate's figures; NAN: not looked at, or nothing to compare with. */
struct seg_gate {
	double gain;	  /* share of the current centroids' inertia saved, under the fresh scale */
	double best_gain; /* that of the best fit, which may have given way to one that moves fewer (near.h) */
	double silhouette, current_silhouette; /* of the candidate and of the current centroids on the same rows */
	double stability;		       /* mean adjusted Rand index of fits on half samples */
	double moved;			       /* share of the sample whose nearest segment would be another */
	double min_size;		       /* share of the sample in the smallest segment */
	enum seg_gate_rule refused;
};

struct seg_refit {
	atomic_bool cancelled;
	/* The question. */
	bool k_auto, k_anew; /* anew: k is to be, and then: was, chosen by the rule */
	uint32_t k, k_min, k_max;
	uint64_t seed;
	bool answers; /* a refit was asked for before it began */
	int64_t now_ms;
	enum seg_attempt_reason reason;
	struct seg_model *current; /* reference; promotion 0: nothing to compare with */
	struct seg_basis basis;
	bool comparable; /* the basis is the current one */
	struct seg_gate_limits limits;
	struct seg_pca_wish pca_wish;
	bool gone[SEG_MAX_CLUSTERS]; /* starved clusters of the current model */
	size_t n;
	struct seg_buyer *buyers; /* [n] what the constants are fitted from */
	double *rows;		  /* [n * basis.len] transformed, NAN: missing */
	double *current_rows;	  /* the same in the current basis; may be rows */
	/* The answer. */
	bool ran, passed;
	enum seg_rc rc;
	struct seg_error error;
	struct seg_constants constants;
	struct seg_donors *donors; /* NULL: not needed */
	struct seg_pca *pca;	   /* NULL: none */
	uint32_t dims;		   /* of model space */
	double *filled;		   /* [n * basis.len] scaled, nothing missing; what x is made of */
	double *centers;	   /* [km.k * basis.len] means of the clusters' filled rows */
	struct seg_scale scale[SEG_MAX_FEATURES];
	struct seg_kmeans km;
	struct seg_match *matches;
	uint64_t *sizes;
	uint32_t *current_labels; /* [n] nearest under the current model and its own scale; NULL: it has no clusters */
	struct seg_gate gate;
	struct seg_k_curve curve;
	void *fit; /* json_t *: both, told with the version */
};

/* refit_space.c: the sample in the candidate's model space. */
/* Donors and PCA if configured, r->filled, and x [n * dims] (malloc; the caller's). Clusters are not known yet. */
enum seg_rc seg_refit_space(struct seg_refit *r, double **ret_x, struct seg_error *err) SEG_MUST_CHECK;
/* The current centroids [current->k * dims] there. */
void seg_refit_current(const struct seg_refit *r, double *ret);
/* Means of the clusters into r->centers; where features are imputed by segment, fills them from these and refines the fit,
 * a few times (k-POD, Chi, Chi & Baraniuk 2016). Changes x and r->km. */
enum seg_rc seg_refit_centers(struct seg_refit *r, double *x, struct seg_error *err) SEG_MUST_CHECK;

/* gate.c */
void seg_gate_clear(struct seg_gate *g);
/* Fills r->gate and r->fit after fit, labels and match; x: the sample in the candidate's model space [n * d]. */
enum seg_rc seg_gate_judge(struct seg_refit *r, const double *x, struct seg_error *err) SEG_MUST_CHECK;

#endif
