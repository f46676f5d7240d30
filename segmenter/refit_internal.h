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
	int64_t now_ms;
	enum seg_attempt_reason reason;
	struct seg_model *current; /* reference; promotion 0: nothing to compare with */
	struct seg_basis basis;
	bool comparable; /* the basis is the current one */
	struct seg_gate_limits limits;
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
	struct seg_scale scale[SEG_MAX_FEATURES];
	struct seg_kmeans km;
	struct seg_match *matches;
	uint64_t *sizes;
	uint32_t *current_labels; /* [n] nearest under the current model and its own scale; NULL: it has no clusters */
	struct seg_gate gate;
	struct seg_k_curve curve;
	void *fit; /* json_t *: both, told with the version */
};

/* gate.c */
void seg_gate_clear(struct seg_gate *g);
/* Fills r->gate and r->fit after fit, labels and match; x: the sample in the candidate's model space [n * d]. */
enum seg_rc seg_gate_judge(struct seg_refit *r, const double *x, struct seg_error *err) SEG_MUST_CHECK;

#endif
