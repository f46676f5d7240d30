/* The watch over what comes in and who the customers are: data quality first, since what it finds explains drift. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/catalogue.h"
#include "segmenter/learner_internal.h"

/* Contributions, as of now, of the sample's customers who were active in the last whole window. NULL: no memory. */
static struct seg_sums *flow_sums(const struct seg_learner *l, int64_t now_ms)
{
	const struct seg_model *m = l->model;
	struct seg_sums *flow = seg_sums_new();
	int32_t values[SEG_MAX_FEATURES];
	double vector[SEG_MAX_FEATURES];
	struct seg_assignment a;

	for (size_t i = 0; flow && i < l->sample_len; i++) {
		const struct seg_profile *p = l->sample[i].profile;
		struct seg_contribution c = {
			.basis = m->basis.id, .promotion = m->promotion, .len = m->d, .values = values};
		if (p->last_ms == SEG_NO_TIME || p->last_ms > now_ms ||
		    now_ms - p->last_ms >= l->config.drift_window_ms)
			continue;
		seg_basis_values(&m->basis, p, now_ms, &m->constants, values);
		seg_model_vector(m, values, vector);
		seg_model_assign(m, vector, &a);
		c.cluster = m->clusters[a.nearest];
		if (seg_sums_change(flow, &m->basis, &c, 1, NULL)) {
			seg_sums_free(flow);
			return NULL;
		}
	}
	return flow;
}

static enum seg_source source_of(const char *group)
{
	if (strcmp(group, "behaviour") == 0)
		return SEG_WEB;
	return strcmp(group, "email") == 0 ? SEG_EMAIL : SEG_ORDERS;
}

static bool is_broken(void *ctx, int32_t feature)
{
	const struct seg_learner *l = ctx;
	int catalogue = l->model->basis.features[feature].catalogue;

	return catalogue >= 0 &&
	       seg_inflow_is_broken(&l->memory->inflow, source_of(seg_catalogue_at((size_t)catalogue)->group));
}

/* Once a day; false: no memory. */
static bool watch_inflow(struct seg_learner *l, int64_t now_ms, struct seg_learner_news *news, bool *ret_looked)
{
	const struct seg_profile **profiles;
	struct seg_inflow *in = &l->memory->inflow;

	*ret_looked = now_ms / SEG_DAY_MS > in->day;
	if (!*ret_looked)
		return true;
	profiles = malloc((l->sample_len + 1) * sizeof(const struct seg_profile *));
	if (!profiles)
		return false;
	for (size_t i = 0; i < l->sample_len; i++)
		profiles[i] = l->sample[i].profile;
	news->alerts_len += (uint32_t)seg_inflow_tick(in, profiles, l->sample_len, now_ms, seg_model_version(l->model),
						      l->alerts + news->alerts_len, ret_looked);
	free(profiles);
	return true;
}

bool seg_watch(struct seg_learner *l, int64_t now_ms, struct seg_learner_news *news, bool *ret_failed)
{
	struct seg_drift *drift = &l->memory->drift;
	struct seg_drift_rules rules = {l->config.drift_window_ms,
					l->config.psi_warning,
					l->config.psi_critical,
					l->config.refit_on_drift,
					is_broken,
					l};
	bool ended = false, looked, freeze = !drift->frozen || drift->promotion != l->model->promotion;
	struct seg_sums *flow = NULL;
	uint32_t from;

	news->alerts = l->alerts;
	*ret_failed = !watch_inflow(l, now_ms, news, &looked);
	if (*ret_failed)
		return false;
	from = news->alerts_len;
	if (freeze || seg_drift_is_due(drift, l->model, &rules, now_ms)) {
		flow = flow_sums(l, now_ms);
		*ret_failed = !flow;
		if (!flow)
			return false;
	}
	if (freeze)
		seg_drift_freeze(drift, l->model, l->total, flow, now_ms);
	/* Once a day is enough to look at it. */
	if (freeze || looked || !drift->named)
		seg_drift_measure(drift, l->model, l->total, flow);
	if (!freeze)
		news->alerts_len += (uint32_t)seg_drift_tick(drift, l->model, l->total, flow, &rules, now_ms,
							     l->alerts + from, &ended);
	for (uint32_t i = from; i < news->alerts_len; i++)
		if (strcmp(l->alerts[i].action, "refit_started") == 0)
			l->memory->drifted_ms = now_ms;
	seg_sums_free(flow);
	return freeze || ended || looked;
}

void seg_watch_show(struct seg_learner *l)
{
	const struct seg_drift *drift = &l->memory->drift;
	const struct seg_inflow *in = &l->memory->inflow;
	size_t len = 0;

	for (uint32_t i = 0; i < drift->subjects_len; i++) {
		const struct seg_drift_subject *s = &drift->subjects[i];
		/* A segment's features are many: those that say something. */
		if (s->feature == -2 || (s->cluster && !s->open && !s->hits))
			continue;
		l->drift_values[len++] = (struct seg_drift_value){
			s->subject,	   s->stock.psi, s->stock.kl,	       s->stock.js,
			s->stock.critical, s->flow.psi,	 s->stock.n_reference, s->stock.n_current,
			s->open,	   s->clock,	 s->severity};
	}
	for (unsigned i = 0; i < SEG_INFLOW_SUBJECTS; i++)
		if (in->subjects[i].open)
			l->drift_values[len++] = (struct seg_drift_value){.subject = in->names[i],
									  .psi = NAN,
									  .kl = NAN,
									  .js = NAN,
									  .critical = NAN,
									  .flow_psi = NAN,
									  .open = true,
									  .severity = SEG_SEVERITY_CRITICAL};
	l->drift_values_len = len;
}
