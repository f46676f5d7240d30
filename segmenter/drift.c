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
	double sorted[2 * SEG_DRIFT_SUBJECTS], limit = -1;

	if (len > 2 * SEG_DRIFT_SUBJECTS)
		len = 2 * SEG_DRIFT_SUBJECTS;
	memcpy(sorted, p, len * sizeof(*sorted));
	qsort(sorted, len, sizeof(*sorted), compare);
	for (size_t i = 0; i < len; i++)
		if (sorted[i] <= q * (double)(i + 1) / (double)len)
			limit = sorted[i];
	return limit;
}

/* A feature's histogram over all active clusters (cluster 0) or in one, and how many have no value. */
static uint64_t histogram_of(const struct seg_model *m, const struct seg_sums *total, uint32_t f, uint64_t cluster,
			     uint64_t histogram[SEG_GRID_BINS])
{
	uint64_t missing = 0;

	memset(histogram, 0, SEG_GRID_BINS * sizeof(*histogram));
	for (uint32_t j = 0; j < m->k; j++) {
		const struct seg_sum_bucket *b =
			cluster && m->clusters[j] != cluster ? NULL : seg_sums_find(total, m->basis.id, m->clusters[j]);
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

static const struct seg_drift_test no_test = {NAN, NAN, NAN, 1, NAN, 0, 0, 0};

static void name_subject(struct seg_drift_subject *s, const struct seg_model *m, uint64_t cluster, int32_t feature)
{
	const char *name = feature < 0 ? NULL : m->basis.features[feature].config.name;
	int catalogue = feature < 0 ? -1 : m->basis.features[feature].catalogue;

	*s = (struct seg_drift_subject){.cluster = cluster, .feature = feature, .stock = no_test, .flow = no_test};
	s->clock = catalogue >= 0 && seg_catalogue_at((size_t)catalogue)->clock;
	if (cluster)
		snprintf(s->subject, sizeof(s->subject), "segment:s%llu/feature:%s", (unsigned long long)cluster, name);
	else if (name)
		snprintf(s->subject, sizeof(s->subject), "feature:%s", name);
	else
		snprintf(s->subject, sizeof(s->subject), "shares");
}

/* What is known of the same subject from before: an open alert, and hits under the same reference. */
static void take_state(struct seg_drift_subject *s, const struct seg_drift_subject *before, uint32_t before_len,
		       bool hits)
{
	for (uint32_t i = 0; i < before_len; i++) {
		const struct seg_drift_subject *was = &before[i];
		if (strcmp(was->subject, s->subject) != 0)
			continue;
		s->open = was->open;
		s->severity = was->severity;
		s->hits = hits ? was->hits : 0;
		memcpy(s->alert_id, was->alert_id, sizeof(s->alert_id));
		return;
	}
}

static bool is_named(const struct seg_drift *drift, uint32_t len, const char *subject)
{
	for (uint32_t i = 0; i < len; i++)
		if (strcmp(drift->subjects[i].subject, subject) == 0)
			return true;
	return false;
}

/* The subjects of the model, with the state of those that were there before; behind them open alerts of those that are
 * gone, for the next window to clear. */
static void name_subjects(struct seg_drift *drift, const struct seg_model *m, bool hits)
{
	uint32_t before_len = drift->subjects_len, len = 0;
	struct seg_drift_subject *before = malloc((before_len + 1) * sizeof(*before));

	if (before)
		memcpy(before, drift->subjects, before_len * sizeof(*before));
	else
		before_len = 0;
	for (uint32_t f = 0; f < m->basis.len; f++)
		name_subject(&drift->subjects[len++], m, 0, (int32_t)f);
	name_subject(&drift->subjects[len++], m, 0, -1);
	for (uint32_t j = 0; drift->segments_len && j < m->k; j++)
		for (uint32_t f = 0; f < m->basis.len; f++)
			name_subject(&drift->subjects[len++], m, m->clusters[j], (int32_t)f);
	for (uint32_t i = 0; i < len; i++)
		take_state(&drift->subjects[i], before, before_len, hits);
	drift->subjects_len = len;
	for (uint32_t i = 0; i < before_len && drift->subjects_len < SEG_DRIFT_SUBJECTS; i++)
		if (before[i].open && !is_named(drift, len, before[i].subject)) {
			drift->subjects[drift->subjects_len] = before[i];
			drift->subjects[drift->subjects_len++].feature = -2;
		}
	free(before);
	drift->named = true;
}

static void freeze_feature(struct seg_drift_reference *r, const uint64_t *histogram, uint64_t missing)
{
	*r = (struct seg_drift_reference){.missing = missing > 0};
	r->bins = seg_deciles(histogram, SEG_GRID_BINS, r->ends);
	fold(r, histogram, missing, r->counts);
}

void seg_drift_freeze(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total,
		      const struct seg_sums *flow, int64_t now_ms)
{
	uint64_t histogram[SEG_GRID_BINS], missing;

	drift->features_len = m->basis.len;
	drift->segments_len = m->k * m->basis.len <= SEG_DRIFT_SEGMENT_SUBJECTS ? m->k * m->basis.len : 0;
	memset(drift->flow, 0, sizeof(drift->flow));
	for (uint32_t f = 0; f < m->basis.len; f++) {
		missing = histogram_of(m, total, f, 0, histogram);
		freeze_feature(&drift->features[f], histogram, missing);
		if (!flow)
			continue;
		missing = histogram_of(m, flow, f, 0, histogram);
		fold(&drift->features[f], histogram, missing, drift->flow[f]);
	}
	for (uint32_t i = 0; i < drift->segments_len; i++) {
		missing = histogram_of(m, total, i % m->basis.len, m->clusters[i / m->basis.len], histogram);
		freeze_feature(&drift->segments[i], histogram, missing);
	}
	drift->clusters_len = m->k;
	for (uint32_t j = 0; j < m->k; j++) {
		drift->clusters[j] = m->clusters[j];
		drift->shares[j] = size_of(m, total, m->clusters[j]);
	}
	name_subjects(drift, m, false);
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

struct seg_drift_test seg_drift_compare(const uint64_t *reference, const uint64_t *current, uint32_t bins)
{
	struct seg_drift_test t = no_test;
	double n, m;

	t.df = bins ? bins - 1 : 0;
	t.n_reference = sum_of(reference, bins);
	t.n_current = sum_of(current, bins);
	if (t.df == 0 || t.n_reference == 0 || t.n_current == 0) {
		t.df = 0;
		return t;
	}
	t.psi = seg_psi(reference, current, bins);
	t.p = seg_chi2_above(t.psi / (1.0 / (double)t.n_reference + 1.0 / (double)t.n_current), t.df);
	n = (double)t.n_reference + 0.5 * bins;
	m = (double)t.n_current + 0.5 * bins;
	t.kl = t.js = 0;
	for (uint32_t i = 0; i < bins; i++) {
		double p = ((double)reference[i] + 0.5) / n, q = ((double)current[i] + 0.5) / m, mid = (p + q) / 2;
		t.kl += q * log(q / p);
		t.js += (p * log(p / mid) + q * log(q / mid)) / 2;
	}
	return t;
}

static bool is_judged(const struct seg_drift_subject *s, const struct seg_drift_test *t)
{
	return !s->clock && t->df > 0;
}

static void tell_chance(struct seg_drift_test *t, double step)
{
	if (t->df)
		t->critical =
			seg_chi2_critical(step, t->df) * (1.0 / (double)t->n_reference + 1.0 / (double)t->n_current);
}

/* The PSI from which Benjamini-Hochberg rejects, at the step it reached (at least the first). */
static double tell_critical(struct seg_drift *drift)
{
	double p[2 * SEG_DRIFT_SUBJECTS] = {0}, limit, step;
	size_t len = 0;

	for (uint32_t i = 0; i < drift->subjects_len; i++) {
		const struct seg_drift_subject *s = &drift->subjects[i];
		if (is_judged(s, &s->stock))
			p[len++] = s->stock.p;
		if (is_judged(s, &s->flow))
			p[len++] = s->flow.p;
	}
	limit = seg_benjamini_hochberg(p, len, FALSE_DISCOVERIES);
	step = len ? FALSE_DISCOVERIES / (double)len : FALSE_DISCOVERIES;
	if (limit >= 0) {
		size_t rejected = 0;
		for (size_t i = 0; i < len; i++)
			rejected += p[i] <= limit;
		step *= (double)rejected;
	}
	for (uint32_t i = 0; i < drift->subjects_len; i++) {
		tell_chance(&drift->subjects[i].stock, step);
		tell_chance(&drift->subjects[i].flow, step);
	}
	return limit;
}

static void measure_feature(const struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total,
			    const struct seg_sums *flow, struct seg_drift_subject *s)
{
	const struct seg_drift_reference *r = &drift->features[s->feature];
	uint64_t histogram[SEG_GRID_BINS], current[SEG_DRIFT_BINS];
	uint64_t missing = histogram_of(m, total, (uint32_t)s->feature, 0, histogram);

	fold(r, histogram, missing, current);
	s->stock = seg_drift_compare(r->counts, current, r->bins + r->missing);
	if (!flow)
		return;
	missing = histogram_of(m, flow, (uint32_t)s->feature, 0, histogram);
	fold(r, histogram, missing, current);
	s->flow = seg_drift_compare(drift->flow[s->feature], current, r->bins + r->missing);
}

static void measure_segment(const struct seg_model *m, const struct seg_sums *total,
			    const struct seg_drift_reference *r, struct seg_drift_subject *s)
{
	uint64_t histogram[SEG_GRID_BINS], current[SEG_DRIFT_BINS];
	uint64_t missing = histogram_of(m, total, (uint32_t)s->feature, s->cluster, histogram);

	fold(r, histogram, missing, current);
	s->stock = seg_drift_compare(r->counts, current, r->bins + r->missing);
	if (s->stock.n_reference < SEG_SEGMENT_CUSTOMERS_LEAST || s->stock.n_current < SEG_SEGMENT_CUSTOMERS_LEAST)
		s->stock.df = 0;
}

void seg_drift_measure(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total,
		       const struct seg_sums *flow)
{
	uint64_t current[SEG_MAX_CLUSTERS];
	uint32_t first;

	if (!drift->frozen || drift->basis != m->basis.id || drift->features_len != m->basis.len)
		return;
	if (!drift->named)
		name_subjects(drift, m, true);
	first = drift->features_len + 1;
	for (uint32_t f = 0; f < drift->features_len; f++)
		measure_feature(drift, m, total, flow, &drift->subjects[f]);
	for (uint32_t j = 0; j < drift->clusters_len; j++)
		current[j] = size_of(m, total, drift->clusters[j]);
	drift->subjects[drift->features_len].stock = seg_drift_compare(drift->shares, current, drift->clusters_len);
	for (uint32_t i = 0; i < drift->segments_len; i++)
		measure_segment(m, total, &drift->segments[i], &drift->subjects[first + i]);
}

static void make_id(struct seg_drift_subject *s, const struct seg_model *m, int64_t window_end_ms)
{
	char text[SEG_SUBJECT_MAX + 64];
	int len = snprintf(text, sizeof(text), "drift/%s/%llu/%lld", s->subject, (unsigned long long)m->promotion,
			   (long long)window_end_ms);

	seg_hash128_hex(text, (size_t)len, s->alert_id);
}

static bool is_hit(const struct seg_drift_subject *s, const struct seg_drift_test *t,
		   const struct seg_drift_rules *rules, double limit)
{
	return is_judged(s, t) && t->p <= limit && t->psi >= rules->psi_warning;
}

/* The comparison that is told: one that hits before one that does not, then the stronger; the stock if nothing says else. */
static const struct seg_drift_test *told(const struct seg_drift_subject *s, const struct seg_drift_rules *rules,
					 double limit)
{
	bool stock = is_hit(s, &s->stock, rules, limit), flow = is_hit(s, &s->flow, rules, limit);

	return flow && (!stock || s->flow.psi > s->stock.psi) ? &s->flow : &s->stock;
}

/* What this window does to the subject; false: nothing to tell. */
static bool judge(struct seg_drift_subject *s, const struct seg_model *m, const struct seg_drift_rules *rules,
		  double limit, int64_t window_end_ms, enum seg_alert_state *ret)
{
	const struct seg_drift_test *t = told(s, rules, limit);
	bool hit = is_hit(s, t, rules, limit), critical = hit && t->psi >= rules->psi_critical;

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

static const char *action_of(const struct seg_drift_subject *s, enum seg_alert_state state,
			     const struct seg_drift_rules *rules)
{
	if (state == SEG_ALERT_CLEARED)
		return "none";
	if (rules->broken && s->feature >= 0 && rules->broken(rules->ctx, s->feature))
		return "check_source";
	return rules->refit ? "refit_started" : "refit_recommended";
}

static struct seg_alert alert_of(const struct seg_drift_subject *s, enum seg_alert_state state,
				 const struct seg_model *m, const struct seg_drift_rules *rules, double limit)
{
	const struct seg_drift_test *t = told(s, rules, limit);

	return (struct seg_alert){
		.alert_id = s->alert_id,
		.subject = s->subject,
		.cluster = s->cluster,
		.action = action_of(s, state, rules),
		.metric = SEG_DRIFT_PSI,
		.value = isnan(t->psi) ? 0 : t->psi,
		.threshold = s->severity == SEG_SEVERITY_CRITICAL ? rules->psi_critical : rules->psi_warning,
		.critical_value = t->critical,
		.n_reference = t->n_reference,
		.n_current = t->n_current,
		.severity = s->severity,
		.state = state,
		.model_version = seg_model_version(m),
	};
}

bool seg_drift_is_due(const struct seg_drift *drift, const struct seg_model *m, const struct seg_drift_rules *rules,
		      int64_t now_ms)
{
	return drift->frozen && drift->basis == m->basis.id && rules->window_ms > 0 &&
	       now_ms - drift->window_start_ms >= rules->window_ms;
}

size_t seg_drift_tick(struct seg_drift *drift, const struct seg_model *m, const struct seg_sums *total,
		      const struct seg_sums *flow, const struct seg_drift_rules *rules, int64_t now_ms,
		      struct seg_alert *ret, bool *ret_ended)
{
	int64_t start = drift->window_start_ms, end;
	enum seg_alert_state state;
	double limit;
	size_t len = 0;

	*ret_ended = false;
	if (!seg_drift_is_due(drift, m, rules, now_ms))
		return 0;
	/* Stream time may have jumped over several windows: there is one stock to look at, so they count as one. */
	end = start + (now_ms - start) / rules->window_ms * rules->window_ms;
	start = end - rules->window_ms;
	seg_drift_measure(drift, m, total, flow);
	limit = tell_critical(drift);
	for (uint32_t i = 0; i < drift->subjects_len; i++) {
		if (!judge(&drift->subjects[i], m, rules, limit, end, &state))
			continue;
		ret[len] = alert_of(&drift->subjects[i], state, m, rules, limit);
		ret[len].window_start_ms = start;
		ret[len].window_end_ms = end;
		ret[len++].event_time_ms = now_ms;
	}
	drift->window_start_ms = end;
	*ret_ended = true;
	return len;
}
