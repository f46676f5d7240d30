#include "segmenter/drift.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "segmenter/catalogue.h"
#include "segmenter/chi2.h"

#define FALSE_DISCOVERIES 0.005
#define WINDOWS_TO_RAISE 2

double seg_psi(const uint64_t *reference, const uint64_t *current, size_t bins)
{
	double n = 0.5 * (double)bins, m = n, psi = 0;

	for (size_t i = 0; i < bins; i++) {
		n += (double)reference[i];
		m += (double)current[i];
	}
	for (size_t i = 0; i < bins; i++) {
		double p = ((double)reference[i] + 0.5) / n, q = ((double)current[i] + 0.5) / m;
		psi += (q - p) * log(q / p);
	}
	return psi;
}

uint32_t seg_deciles(const uint64_t *histogram, size_t len, uint16_t *ret_ends)
{
	uint64_t total = 0, below = 0;
	uint32_t bins = 0, decile = 1;

	for (size_t i = 0; i < len; i++)
		total += histogram[i];
	for (size_t i = 0; i < len && total; i++) {
		below += histogram[i];
		if (below * SEG_DRIFT_DECILES < decile * total)
			continue;
		ret_ends[bins++] = (uint16_t)(i + 1);
		decile = (uint32_t)(below * SEG_DRIFT_DECILES / total) + 1;
	}
	if (bins)
		ret_ends[bins - 1] = (uint16_t)len;
	return bins;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

double seg_benjamini_hochberg(const double *p, size_t len, double q)
{
	double sorted[SEG_DRIFT_SUBJECTS], limit = -1;

	if (len > SEG_DRIFT_SUBJECTS)
		len = SEG_DRIFT_SUBJECTS;
	memcpy(sorted, p, len * sizeof(*sorted));
	qsort(sorted, len, sizeof(*sorted), compare);
	for (size_t i = 0; i < len; i++)
		if (sorted[i] <= q * (double)(i + 1) / (double)len)
			limit = sorted[i];
	return limit;
}

/* A feature's histogram over all active clusters, and how many have no value. */
static uint64_t histogram_of(const struct seg_model *m, const struct seg_sums *total, uint32_t f,
			     uint64_t histogram[SEG_GRID_BINS])
{
	uint64_t missing = 0;

	memset(histogram, 0, SEG_GRID_BINS * sizeof(*histogram));
	for (uint32_t j = 0; j < m->k; j++) {
		const struct seg_sum_bucket *b = seg_sums_find(total, m->basis.id, m->clusters[j]);
		if (!b)
			continue;
		missing += (uint64_t)(b->count - b->features[f].count);
		for (unsigned i = 0; i < SEG_GRID_BINS; i++)
			histogram[i] += b->features[f].bins[i];
	}
	return missing;
}

static uint64_t size_of(const struct seg_model *m, const struct seg_sums *total, uint64_t cluster)
{
	const struct seg_sum_bucket *b = seg_sums_find(total, m->basis.id, cluster);

	return b && b->count > 0 ? (uint64_t)b->count : 0;
}

static void fold(const struct seg_drift_reference *r, const uint64_t *histogram, uint64_t missing, uint64_t *ret)
{
	unsigned at = 0;

	memset(ret, 0, SEG_DRIFT_BINS * sizeof(*ret));
	for (uint32_t i = 0; i < r->bins; i++)
		while (at < r->ends[i])
			ret[i] += histogram[at++];
	ret[r->bins] = missing;
}

void seg_drift_forget(struct seg_drift *drift)
{
	drift->frozen = false;
}

/* The subjects of the model, with the open alerts of those that were there before. */
static void name_subjects(struct seg_drift *drift, const struct seg_model *m)
{
	static const struct seg_drift_subject none = {.psi = NAN, .critical = NAN, .p = 1};
	struct seg_drift_subject before[SEG_DRIFT_SUBJECTS];
	uint32_t before_len = drift->subjects_len;

	/* Features only change together with the basis; then alerts on features that went are dropped. */
	memcpy(before, drift->subjects, sizeof(before));
	for (uint32_t i = 0; i <= m->basis.len; i++) {
		char name[SEG_SUBJECT_MAX];
		int catalogue = i < m->basis.len ? m->basis.features[i].catalogue : -1;
		struct seg_drift_subject subject = none;

		if (i < m->basis.len)
			snprintf(name, sizeof(name), "feature:%s", m->basis.features[i].config.name);
		else
			snprintf(name, sizeof(name), "shares");
		for (uint32_t j = 0; j < before_len; j++)
			if (before[j].open && strcmp(before[j].subject, name) == 0)
				subject = before[j];
		memcpy(subject.subject, name, sizeof(name));
		subject.clock = catalogue >= 0 && seg_catalogue_at((size_t)catalogue)->clock;
		subject.hits = 0;
		drift->subjects[i] = subject;
	}
	drift->subjects_len = m->basis.len + 1;
}

void seg_drift_freeze(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total, int64_t now_ms)
{
	uint64_t histogram[SEG_GRID_BINS];

	name_subjects(drift, m);
	drift->features_len = m->basis.len;
	for (uint32_t f = 0; f < m->basis.len; f++) {
		struct seg_drift_reference *r = &drift->features[f];
		uint64_t missing = histogram_of(m, total, f, histogram);
		*r = (struct seg_drift_reference){.missing = missing > 0};
		r->bins = seg_deciles(histogram, SEG_GRID_BINS, r->ends);
		fold(r, histogram, missing, r->counts);
	}
	drift->clusters_len = m->k;
	for (uint32_t j = 0; j < m->k; j++) {
		drift->clusters[j] = m->clusters[j];
		drift->shares[j] = size_of(m, total, m->clusters[j]);
	}
	drift->frozen = true;
	drift->promotion = m->promotion;
	drift->basis = m->basis.id;
	drift->window_start_ms = now_ms;
}

static uint64_t sum_of(const uint64_t *counts, uint32_t len)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < len; i++)
		sum += counts[i];
	return sum;
}

static void measure(struct seg_drift_subject *s, const uint64_t *reference, const uint64_t *current, uint32_t bins)
{
	double chance;

	s->psi = s->critical = NAN;
	s->p = 1;
	s->df = bins ? bins - 1 : 0;
	s->n_reference = sum_of(reference, bins);
	s->n_current = sum_of(current, bins);
	if (s->df == 0 || s->n_reference == 0 || s->n_current == 0)
		return;
	chance = 1.0 / (double)s->n_reference + 1.0 / (double)s->n_current;
	s->psi = seg_psi(reference, current, bins);
	s->p = seg_chi2_above(s->psi / chance, s->df);
}

/* The PSI from which Benjamini-Hochberg rejects, at the step it reached (at least the first). */
static double tell_critical(struct seg_drift *drift)
{
	double p[SEG_DRIFT_SUBJECTS] = {0}, limit, step;
	size_t len = 0;

	for (uint32_t i = 0; i < drift->subjects_len; i++)
		if (!drift->subjects[i].clock && drift->subjects[i].df)
			p[len++] = drift->subjects[i].p;
	limit = seg_benjamini_hochberg(p, len, FALSE_DISCOVERIES);
	step = len ? FALSE_DISCOVERIES / (double)len : FALSE_DISCOVERIES;
	if (limit >= 0) {
		size_t rejected = 0;
		for (size_t i = 0; i < len; i++)
			rejected += p[i] <= limit;
		step *= (double)rejected;
	}
	for (uint32_t i = 0; i < drift->subjects_len; i++) {
		struct seg_drift_subject *s = &drift->subjects[i];
		if (s->df && s->n_reference && s->n_current)
			s->critical = seg_chi2_critical(step, s->df) *
				      (1.0 / (double)s->n_reference + 1.0 / (double)s->n_current);
	}
	return limit;
}

void seg_drift_measure(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total)
{
	uint64_t histogram[SEG_GRID_BINS], current[SEG_MAX_CLUSTERS];

	if (!drift->frozen || drift->basis != m->basis.id || drift->features_len != m->basis.len)
		return;
	for (uint32_t f = 0; f < drift->features_len; f++) {
		const struct seg_drift_reference *r = &drift->features[f];
		uint64_t missing = histogram_of(m, total, f, histogram);
		fold(r, histogram, missing, current);
		measure(&drift->subjects[f], r->counts, current, r->bins + r->missing);
	}
	for (uint32_t j = 0; j < drift->clusters_len; j++)
		current[j] = size_of(m, total, drift->clusters[j]);
	measure(&drift->subjects[drift->features_len], drift->shares, current, drift->clusters_len);
}

static void make_id(struct seg_drift_subject *s, const struct seg_model *m, int64_t window_end_ms)
{
	char text[SEG_SUBJECT_MAX + 64];
	int len = snprintf(text, sizeof(text), "drift/%s/%llu/%lld", s->subject, (unsigned long long)m->promotion,
			   (long long)window_end_ms);

	seg_hash128_hex(text, (size_t)len, s->alert_id);
}

/* What this window does to the subject; false: nothing to tell. */
static bool judge(struct seg_drift_subject *s, const struct seg_model *m, const struct seg_drift_rules *rules,
		  double limit, int64_t window_end_ms, enum seg_alert_state *ret)
{
	bool hit = !s->clock && s->df && s->p <= limit && s->psi >= rules->psi_warning;
	bool critical = hit && s->psi >= rules->psi_critical;

	s->hits = hit ? s->hits + 1 : 0;
	if (s->open && !hit) {
		s->open = false;
		*ret = SEG_ALERT_CLEARED;
		return true;
	}
	if (s->open && critical && s->severity == SEG_SEVERITY_WARNING) {
		s->severity = SEG_SEVERITY_CRITICAL;
		*ret = SEG_ALERT_ESCALATED;
		return true;
	}
	if (s->open || !(critical || s->hits >= WINDOWS_TO_RAISE))
		return false;
	s->open = true;
	s->severity = critical ? SEG_SEVERITY_CRITICAL : SEG_SEVERITY_WARNING;
	make_id(s, m, window_end_ms);
	*ret = SEG_ALERT_RAISED;
	return true;
}

static struct seg_alert alert_of(const struct seg_drift_subject *s, enum seg_alert_state state,
				 const struct seg_model *m, const struct seg_drift_rules *rules)
{
	return (struct seg_alert){
		.alert_id = s->alert_id,
		.subject = s->subject,
		.action = state == SEG_ALERT_CLEARED ? "none"
			  : rules->refit	     ? "refit_started"
						     : "refit_recommended",
		.metric = SEG_DRIFT_PSI,
		.value = s->psi,
		.threshold = s->severity == SEG_SEVERITY_CRITICAL ? rules->psi_critical : rules->psi_warning,
		.critical_value = s->critical,
		.n_reference = s->n_reference,
		.n_current = s->n_current,
		.severity = s->severity,
		.state = state,
		.model_version = seg_model_version(m),
	};
}

size_t seg_drift_tick(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total,
		      const struct seg_drift_rules *rules, int64_t now_ms, struct seg_alert *ret, bool *ret_ended)
{
	int64_t start = drift->window_start_ms, end;
	enum seg_alert_state state;
	double limit;
	size_t len = 0;

	*ret_ended = false;
	if (!drift->frozen || drift->basis != m->basis.id || rules->window_ms <= 0 || now_ms - start < rules->window_ms)
		return 0;
	/* Stream time may have jumped over several windows: there is one stock to look at, so they count as one. */
	end = start + (now_ms - start) / rules->window_ms * rules->window_ms;
	start = end - rules->window_ms;
	seg_drift_measure(drift, m, total);
	limit = tell_critical(drift);
	for (uint32_t i = 0; i < drift->subjects_len; i++) {
		if (!judge(&drift->subjects[i], m, rules, limit, end, &state))
			continue;
		ret[len] = alert_of(&drift->subjects[i], state, m, rules);
		ret[len].window_start_ms = start;
		ret[len].window_end_ms = end;
		ret[len++].event_time_ms = now_ms;
	}
	drift->window_start_ms = end;
	*ret_ended = true;
	return len;
}
