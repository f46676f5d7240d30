/* When to refit. */
#include <math.h>

#include "segmenter/learner_internal.h"

#define GROWTH 1.25
#define WORSE 1.2
#define YOUNG_LOOKS 8
#define GROWING 0.5
#define STARVED_SHARE 0.001
#define STARVED_LEFT 0.1
#define STARVED_PAUSE_MS SEG_DAY_MS
#define WORSE_PAUSE_MS (SEG_DAY_MS / 24)

/* Sample records may lag behind the customers they are of. */
#define SAMPLE_THERE 0.5

static uint64_t model_customers(const struct seg_model *m)
{
	uint64_t sum = 0;

	for (uint32_t j = 0; j < m->k; j++)
		sum += m->segments[j].customers;
	return sum;
}

/* The last attempt; a model from elsewhere counts as one. */
static struct seg_attempt last_attempt(const struct seg_learner *l)
{
	if (l->memory->history_len)
		return l->memory->history[l->memory->history_len - 1];
	return (struct seg_attempt){.time_ms = l->model->promoted_ms,
				    .customers = model_customers(l->model),
				    .inertia_per_customer = NAN,
				    .promoted = true};
}

static bool sample_is_there(const struct seg_learner *l)
{
	double below = (double)l->customers * ((double)l->bound / 0x1p64);
	double wanted = fmin(l->target, below);

	return l->sample_len >= 2 && (double)l->sample_len >= SAMPLE_THERE * wanted;
}

static bool first_is_due(const struct seg_learner *l)
{
	const struct seg_memory *m = l->memory;

	if (l->customers < l->config.min_customers)
		return false;
	/* One that failed is not tried again on the same customers. */
	return m->history_len == 0 || l->customers > m->history[m->history_len - 1].customers;
}

/* Customers it had when all were first swept for this promotion; 0: unknown. */
static uint64_t size_at_promotion(const struct seg_learner *l, uint64_t cluster)
{
	const struct seg_drift *drift = &l->memory->drift;

	if (!drift->frozen || drift->promotion != l->model->promotion)
		return 0;
	for (uint32_t i = 0; i < drift->clusters_len; i++)
		if (drift->clusters[i] == cluster)
			return drift->shares[i];
	return 0;
}

/* A few odd customers may be a cluster of their own; only one that lost nearly all it had is starved. */
bool seg_cluster_starved(const struct seg_learner *l, uint32_t index)
{
	const struct seg_model *m = l->model;
	const struct seg_sum_bucket *b = seg_sums_find(l->total, m->basis.id, m->clusters[index]);
	uint64_t size = b && b->count > 0 ? (uint64_t)b->count : 0;

	if (size == 0)
		return true;
	return (double)size < STARVED_SHARE * (double)l->customers &&
	       (double)size < STARVED_LEFT * (double)size_at_promotion(l, m->clusters[index]);
}

static bool any_starved(const struct seg_learner *l)
{
	for (uint32_t j = 0; j < l->model->k; j++)
		if (seg_cluster_starved(l, j))
			return true;
	return false;
}

/* A fit that was promoted and has bettered nothing is not tried again at once: what it saw was the sample, whose records
 * may be a round of the scan old, and each promotion sweeps everybody. */
static bool is_worse(struct seg_learner *l, const struct seg_attempt *last, int64_t now_ms)
{
	double now = seg_inertia_now(l, now_ms), before = l->model->inertia_per_customer;

	if (last->reason == SEG_ATTEMPT_INERTIA && last->promoted && now >= last->inertia_per_customer &&
	    now_ms - last->time_ms < WORSE_PAUSE_MS)
		return false;
	/* What the last attempt could not better is no reason for the next. */
	if (!last->promoted && last->inertia_per_customer > before)
		before = last->inertia_per_customer;
	return before > 0 && now > WORSE * before;
}

/*
 * How long after the last attempt the schedule asks again. A young model's customers change as fast as it is young: all their
 * ages have doubled when its own has, so it is looked at eight times until then. And a gap to the best fit that was left open and
 * is half of what would be promoted grows fast once a centroid has begun to wander (CDNOW: .4 %, 1.4 %, 4.4 % in three weeks).
 */
static int64_t schedule_ms(const struct seg_learner *l, const struct seg_attempt *last, int64_t now_ms)
{
	int64_t pause_ms = (now_ms - l->model->first_fit_ms) / YOUNG_LOOKS;

	if ((last->promoted ? last->best_gain - last->gain : last->best_gain) > GROWING * l->config.gate.gain)
		pause_ms = 0;
	if (pause_ms < SEG_DAY_MS)
		pause_ms = SEG_DAY_MS;
	return pause_ms < l->config.refit_interval_ms ? pause_ms : l->config.refit_interval_ms;
}

bool seg_refit_due(struct seg_learner *l, int64_t now_ms, enum seg_attempt_reason *ret_reason)
{
	struct seg_attempt last;

	if (!l->model || !l->complete || now_ms == SEG_NO_TIME || !sample_is_there(l))
		return false;
	*ret_reason = SEG_ATTEMPT_FIRST;
	if (l->model->promotion == 0)
		return first_is_due(l);
	last = last_attempt(l);
	if (l->demanded)
		*ret_reason = SEG_ATTEMPT_DEMAND;
	else if (l->basis_changed)
		*ret_reason = SEG_ATTEMPT_BASIS;
	else if (!l->settled)
		return false;
	else if (any_starved(l) && now_ms - last.time_ms >= STARVED_PAUSE_MS)
		*ret_reason = SEG_ATTEMPT_STARVED;
	else if (l->config.refit_interval_ms > 0 && now_ms - last.time_ms >= schedule_ms(l, &last, now_ms))
		*ret_reason = SEG_ATTEMPT_SCHEDULE;
	else if ((double)l->customers >= GROWTH * (double)last.customers)
		*ret_reason = SEG_ATTEMPT_GROWTH;
	else if (is_worse(l, &last, now_ms))
		*ret_reason = SEG_ATTEMPT_INERTIA;
	else if (l->memory->drifted_ms != SEG_NO_TIME)
		*ret_reason = SEG_ATTEMPT_DRIFT;
	else
		return false;
	return true;
}
