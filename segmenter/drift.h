/*
 * Drift, plain form: the stock (all customers) when the model was promoted against the stock now, per feature and for
 * the shares of the segments.
 *
 * The reference is frozen once all customers have been swept for the promotion: per feature deciles that are unions of
 * the fine grid's bins, equal edges merged. At each window's end PSI = Σ (p - q) ln(p / q) with half a customer added to
 * every bin; PSI / (1/n + 1/m) is about chi-squared with bins - 1 degrees of freedom, and Benjamini & Hochberg (1995)
 * say at q = .005 which subjects are more than chance. Clock features (recency, tenure) have values and never alerts.
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
	SEG_DRIFT_SUBJECTS = SEG_MAX_FEATURES + 1,
	SEG_SUBJECT_MAX = SEG_FEATURE_NAME_MAX + 16
};

struct seg_drift_reference {		  /* of one feature */
	uint32_t bins;			  /* deciles after merging; the bin of the missing comes after them */
	uint16_t ends[SEG_DRIFT_DECILES]; /* first grid bin after the decile */
	uint64_t counts[SEG_DRIFT_BINS];
	bool missing; /* somebody had no value */
};

struct seg_drift_subject {
	char subject[SEG_SUBJECT_MAX];
	bool clock;
	double psi, critical; /* newest; critical: PSI that chance alone reaches; NAN: unknown */
	double p;
	uint32_t df;
	uint64_t n_reference, n_current;
	uint32_t hits; /* windows in a row above the warning and rejected */
	bool open;     /* an alert is raised */
	enum seg_severity severity;
	char alert_id[SEG_EVENT_ID_LEN + 1];
};

struct seg_drift {
	bool frozen;		   /* there is a reference */
	uint64_t promotion, basis; /* that it belongs to */
	int64_t window_start_ms;
	uint32_t features_len;
	struct seg_drift_reference features[SEG_MAX_FEATURES];
	uint32_t clusters_len;
	uint64_t clusters[SEG_MAX_CLUSTERS], shares[SEG_MAX_CLUSTERS];
	uint32_t subjects_len; /* features in order of the basis, then "shares" */
	struct seg_drift_subject subjects[SEG_DRIFT_SUBJECTS];
};

struct seg_drift_rules {
	int64_t window_ms;
	double psi_warning, psi_critical;
	bool refit; /* what is raised starts a refit: alerts say so */
};

/* Forgets the reference (a new promotion); open alerts stay, by subject, until a window clears them. */
void seg_drift_forget(struct seg_drift *drift);

/* Takes the sums of the model's clusters as the reference, window from now_ms. */
void seg_drift_freeze(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total, int64_t now_ms);

/* Newest PSI of all subjects. */
void seg_drift_measure(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total);

/* At a window's end: measures, and writes what is raised, escalated or cleared to ret (room for SEG_DRIFT_SUBJECTS;
 * strings are borrowed from drift). Returns how many; *ret_ended tells whether a window ended. */
size_t seg_drift_tick(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total,
		      const struct seg_drift_rules *rules, int64_t now_ms, struct seg_alert *ret, bool *ret_ended);

/* PSI of two histograms with +0.5 smoothing. */
double seg_psi(const uint64_t *reference, const uint64_t *current, size_t bins);

/* Deciles of a histogram as unions of its bins: ends [SEG_DRIFT_DECILES]. Returns how many there are. */
uint32_t seg_deciles(const uint64_t *histogram, size_t len, uint16_t *ret_ends);

/* Benjamini-Hochberg: the largest p that is rejected at level q, or -1. */
double seg_benjamini_hochberg(const double *p, size_t len, double q);

#endif
