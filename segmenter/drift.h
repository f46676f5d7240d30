/*
 * Drift: is what we see what the model was promoted on? Two references are frozen once all customers have been swept for
 * the promotion: the stock (all customers, the exact sums) and the flow (those active in the last whole window, on the
 * sample). Each is compared with its like: per feature of stock and flow, per feature of each segment, and the shares of
 * the segments.
 *
 * Bins are deciles of the reference that are unions of the fine grid's bins, equal edges merged. At each window's end PSI =
 * sum (p - q) ln(p / q) with half a customer added to every bin; PSI / (1/n + 1/m) is about chi-squared with bins - 1
 * degrees of freedom (Yurdakul 2018), and Benjamini & Hochberg (1995) say at q = .005 over all comparisons which are more
 * than chance. Customers who are in both are alike in both, which makes the test of the stock conservative. Clock features
 * (recency, tenure) have values and never alerts.
 *
 * Pure; belongs to one learner. Everything in struct seg_drift is plain data.
 */
#ifndef SEG_SEGMENTER_DRIFT_H
#define SEG_SEGMENTER_DRIFT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/outputs.h"
#include "segmenter/model.h"
#include "segmenter/sums.h"

enum {
	SEG_DRIFT_DECILES = 10,
	SEG_DRIFT_BINS = SEG_DRIFT_DECILES + 1, /* and one for the missing */
	SEG_DRIFT_SEGMENT_SUBJECTS = 512,	/* features of segments: none are looked at where there would be more */
	SEG_DRIFT_SUBJECTS = SEG_MAX_FEATURES + 1 + SEG_DRIFT_SEGMENT_SUBJECTS,
	SEG_SEGMENT_CUSTOMERS_LEAST = 200, /* of a segment, then and now, for its features to be compared */
	SEG_SUBJECT_MAX = SEG_FEATURE_NAME_MAX + 48
};

struct seg_drift_reference {		  /* of one feature */
	uint32_t bins;			  /* deciles after merging; the bin of the missing comes after them */
	uint16_t ends[SEG_DRIFT_DECILES]; /* first grid bin after the decile */
	uint64_t counts[SEG_DRIFT_BINS];
	bool missing; /* somebody had no value */
};

/* One comparison of counts; df 0: it says nothing. */
struct seg_drift_test {
	double psi, kl, js; /* nats; kl of the current against the reference, js at most ln 2 */
	double p, critical; /* critical: PSI that chance alone reaches; NAN: unknown */
	uint32_t df;
	uint64_t n_reference, n_current;
};

struct seg_drift_subject {
	char subject[SEG_SUBJECT_MAX];
	uint64_t cluster; /* 0: all customers */
	int32_t feature;  /* -1: the shares */
	bool clock;
	struct seg_drift_test stock, flow; /* newest; of segments only the stock */
	uint32_t hits;			   /* windows in a row above the warning and rejected */
	bool open;			   /* an alert is raised */
	enum seg_severity severity;
	char alert_id[SEG_EVENT_ID_LEN + 1];
};

struct seg_drift {
	bool frozen;		   /* there is a reference */
	bool named;		   /* subjects are those of the reference; else only what is open or has hits */
	uint64_t promotion, basis; /* that it belongs to */
	int64_t window_start_ms;
	uint32_t features_len;
	struct seg_drift_reference features[SEG_MAX_FEATURES];
	uint64_t flow[SEG_MAX_FEATURES][SEG_DRIFT_BINS]; /* in the bins of features */
	uint32_t clusters_len;
	uint64_t clusters[SEG_MAX_CLUSTERS], shares[SEG_MAX_CLUSTERS];
	uint32_t segments_len; /* clusters_len * features_len, or 0 */
	struct seg_drift_reference segments[SEG_DRIFT_SEGMENT_SUBJECTS];
	uint32_t subjects_len; /* features in order of the basis, then "shares", then segments */
	struct seg_drift_subject subjects[SEG_DRIFT_SUBJECTS];
};

struct seg_drift_rules {
	int64_t window_ms;
	double psi_warning, psi_critical;
	bool refit;				    /* what is raised starts a refit: alerts say so */
	bool (*broken)(void *ctx, int32_t feature); /* its input is not to be trusted now; NULL: all is */
	void *ctx;
};

/* Forgets the reference (a new promotion); open alerts stay, by subject, until a window clears them. */
void seg_drift_forget(struct seg_drift *drift);

/* Takes the sums of the model's clusters as the reference, window from now_ms. flow: contributions of the sample's customers
 * who were active in the last whole window, under the model (NULL: not known). */
void seg_drift_freeze(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total,
		      const struct seg_sums *flow, int64_t now_ms);

/* Newest figures of all subjects; flow NULL: those of the flow stay. */
void seg_drift_measure(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total,
		       const struct seg_sums *flow);

/* A window is over. */
bool seg_drift_is_due(const struct seg_drift *drift, const struct seg_model *m, const struct seg_drift_rules *rules,
		      int64_t now_ms);

/* At a window's end: measures, and writes what is raised, escalated or cleared to ret (room for SEG_DRIFT_SUBJECTS;
 * strings are borrowed from drift). Returns how many; *ret_ended tells whether a window ended. */
size_t seg_drift_tick(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total,
		      const struct seg_sums *flow, const struct seg_drift_rules *rules, int64_t now_ms,
		      struct seg_alert *ret, bool *ret_ended);

/* Compares two histograms, +0.5 in each bin. critical is NAN. */
struct seg_drift_test seg_drift_compare(const uint64_t *reference, const uint64_t *current, uint32_t bins);

/* PSI of two histograms with +0.5 smoothing. */
double seg_psi(const uint64_t *reference, const uint64_t *current, size_t bins);

/* Deciles of a histogram as unions of its bins: ends [SEG_DRIFT_DECILES]. Returns how many there are. */
uint32_t seg_deciles(const uint64_t *histogram, size_t len, uint16_t *ret_ends);

/* Benjamini-Hochberg: the largest p that is rejected at level q, or -1. */
double seg_benjamini_hochberg(const double *p, size_t len, double q);

#endif
