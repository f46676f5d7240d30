/*
 * The learner's life and its tick. Everything that decides about the future is in the sums, the sample, the model and
 * the memory that travels in it, so that a new owner of the fold goes on as the old one would have.
 */
#include "segmenter/learner.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mutant.h"
#include "segmenter/learner_internal.h"

enum { SAMPLE_PER_CLUSTER = 200 };

enum seg_rc seg_learner_new(const struct seg_learner_config *config, struct seg_learner **ret, struct seg_error *err)
{
	struct seg_learner *l;
	uint32_t k = config->k_auto ? config->k_max : config->k;
	enum seg_rc rc;

	if (k < 1 || k > SEG_MAX_CLUSTERS || (config->k_auto && (config->k_min < 1 || config->k_min > config->k_max)))
		return seg_error_set(err, SEG_INVALID,
				     "segmenter: k must be within 1 and %d, and k_min not above k_max",
				     SEG_MAX_CLUSTERS);
	l = calloc(1, sizeof(*l));
	if (!l)
		return seg_error_set(err, SEG_NO_MEMORY, "learner: out of memory");
	l->config = *config;
	l->bound = UINT64_MAX;
	l->target = config->refit_sample > SAMPLE_PER_CLUSTER * k ? config->refit_sample : SAMPLE_PER_CLUSTER * k;
	l->memory = calloc(1, sizeof(*l->memory));
	if (l->memory)
		l->memory->drifted_ms = SEG_NO_TIME;
	l->total = seg_sums_new();
	if (!l->memory || !l->total)
		rc = seg_error_set(err, SEG_NO_MEMORY, "learner: out of memory");
	else
		rc = seg_basis_init(&l->basis, config->features, config->features_len, NULL, err);
	if (rc) {
		seg_learner_free(l);
		return rc;
	}
	seg_inflow_name(&l->memory->inflow, config->topics[SEG_WEB], config->topics[SEG_EMAIL],
			config->topics[SEG_ORDERS]);
	*ret = l;
	return SEG_OK;
}

void seg_learner_free(struct seg_learner *l)
{
	if (!l)
		return;
	seg_intake_release(l);
	seg_rows_release(l);
	seg_sums_free(l->total);
	seg_model_put(l->model);
	seg_model_put(l->candidate);
	free(l->memory);
	free(l);
}

bool seg_features_same(const struct seg_learner *l, const struct seg_model *m)
{
	bool same = m->basis.len == l->config.features_len &&
		    !m->pca == !(l->config.pca.components || l->config.pca.share > 0);

	for (uint32_t f = 0; same && f < m->basis.len; f++) {
		const struct seg_feature_config *a = &m->basis.features[f].config, *b = &l->config.features[f];
		same = strcmp(a->name, b->name) == 0 && a->transform == b->transform && a->scaler == b->scaler &&
		       a->impute == b->impute && a->weight == b->weight;
	}
	return same;
}

/* Fewer clusters than configured are no difference if that is what asking for them gave (too few distinct customers). */
static bool k_differs(const struct seg_learner *l, const struct seg_memory *memory, const struct seg_model *m)
{
	uint32_t wanted = l->config.k_auto ? 0 : l->config.k;

	if (memory->history_len && memory->history[memory->history_len - 1].wanted == wanted)
		return false;
	return l->config.k_auto ? m->k < l->config.k_min || m->k > l->config.k_max : m->k != l->config.k;
}

enum seg_rc seg_learner_start(struct seg_learner *l, struct seg_model *current, struct seg_error *err)
{
	struct seg_memory *memory;
	enum seg_rc rc;

	if (!current)
		return SEG_OK;
	memory = calloc(1, sizeof(*memory));
	if (!memory)
		return seg_error_set(err, SEG_NO_MEMORY, "learner: out of memory");
	rc = seg_memory_decode(memory, SEG_MUTANT(FOLD_MEMORY) ? NULL : current->learning, err);
	if (rc) {
		free(memory);
		return rc;
	}
	free(l->memory);
	l->memory = memory;
	seg_inflow_name(&memory->inflow, l->config.topics[SEG_WEB], l->config.topics[SEG_EMAIL],
			l->config.topics[SEG_ORDERS]);
	seg_model_put(l->model);
	l->model = seg_model_get(current);
	l->bound = current->sample_bound;
	l->basis_changed = current->promotion > 0 && (!seg_features_same(l, current) || k_differs(l, memory, current));
	return SEG_OK;
}

void seg_learner_request_refit(struct seg_learner *l)
{
	l->demanded = true;
}

bool seg_learner_last_refit(const struct seg_learner *l, struct seg_refit_record *ret)
{
	const struct seg_attempt *a;

	if (l->memory->history_len == 0)
		return false;
	a = &l->memory->history[l->memory->history_len - 1];
	*ret = (struct seg_refit_record){
		.number = l->memory->attempts,
		.time_ms = a->time_ms,
		.reason = seg_attempt_names[a->reason],
		.k = a->k,
		.customers = a->customers,
		.gain = a->gain,
		.promoted = a->promoted,
		.held = a->held,
		.refused = seg_gate_names[a->refused],
		.error = l->refit_error.rc ? l->refit_error.text : "",
	};
	return true;
}

/* Promotion 0: tells the workers whose profiles are wanted. */
static enum seg_rc make_first(struct seg_learner *l, int64_t now_ms, struct seg_error *err)
{
	struct seg_model *m = seg_model_new();
	enum seg_rc rc;

	if (!m)
		return seg_error_set(err, SEG_NO_MEMORY, "model: out of memory");
	m->revision = 1;
	m->time_ms = now_ms;
	m->basis = l->basis;
	m->d = l->basis.len;
	m->sample_bound = l->bound;
	for (uint32_t f = 0; f < m->d; f++)
		m->scale[f] = (struct seg_scale){.scale = 1, .weight = m->basis.features[f].config.weight};
	rc = seg_model_alloc(m, 0, 0, err);
	if (!rc)
		rc = seg_model_finish(m, err);
	if (rc) {
		seg_model_put(m);
		return rc;
	}
	l->model = m;
	return SEG_OK;
}

/* True if the sums say other centroids than the model. */
static bool moved(const struct seg_learner *l, double *scratch)
{
	size_t len = (size_t)l->model->k * l->model->d;

	seg_centroids_of_sums(l->model, l->total, scratch);
	for (size_t i = 0; i < len; i++)
		if (scratch[i] != l->model->centroids[i])
			return true;
	return false;
}

/* Makes the next revision if there is anything to say; *ret: there is. */
static enum seg_rc learn(struct seg_learner *l, int64_t now_ms, struct seg_learner_news *news, bool *ret,
			 struct seg_error *err)
{
	bool follow = false, changed = l->changed, failed = false;
	double *scratch;

	if (l->model->promotion && l->settled) {
		scratch = malloc(((size_t)l->model->k * l->model->d + 1) * sizeof(*scratch));
		if (!scratch)
			return seg_error_set(err, SEG_NO_MEMORY, "model: out of memory");
		follow = moved(l, scratch);
		free(scratch);
		changed = seg_watch(l, now_ms, news, &failed) || changed;
		if (failed)
			return seg_error_set(err, SEG_NO_MEMORY, "drift: out of memory");
		seg_watch_show(l);
	}
	*ret = changed || follow || l->aliases_len > 0 || l->bound != l->model->sample_bound;
	return *ret ? seg_revise(l, now_ms, l->model->promotion && l->settled, err) : SEG_OK;
}

/* Numbers of promotions have gaps where candidates were let go: a tombstone too many does no harm. */
static void tell_unkept(struct seg_learner *l, struct seg_learner_news *news)
{
	struct seg_memory *memory = l->memory;
	uint64_t promotion = l->model->promotion, room = sizeof(news->unkept) / sizeof(news->unkept[0]);

	while (l->dropped_len > 0)
		news->unkept[news->unkept_len++] = l->dropped[--l->dropped_len];
	if (memory->oldest_kept == 0)
		memory->oldest_kept = promotion > SEG_PROMOTIONS_KEPT ? promotion - SEG_PROMOTIONS_KEPT : 1;
	while (memory->oldest_kept + SEG_PROMOTIONS_KEPT <= promotion && news->unkept_len < room) {
		if (!l->candidate || l->candidate->promotion != memory->oldest_kept)
			news->unkept[news->unkept_len++] = memory->oldest_kept;
		memory->oldest_kept++;
	}
}

/* The model goes out: rows of its catalogue first, since what was told is remembered in it. */
static enum seg_rc publish(struct seg_learner *l, int64_t now_ms, struct seg_learner_news *news, struct seg_error *err)
{
	enum seg_rc rc = seg_rows_make(l, now_ms, news, err);

	if (rc)
		return rc;
	tell_unkept(l, news);
	json_decref(l->model->learning);
	l->model->learning = seg_memory_encode(l->memory, err);
	if (!l->model->learning)
		return SEG_NO_MEMORY;
	news->model = l->model;
	news->promoted = l->promoted;
	if (l->candidate_untold)
		news->candidate = l->candidate;
	l->candidate_untold = l->promoted = l->changed = false;
	return SEG_OK;
}

enum seg_rc seg_learner_tick(struct seg_learner *l, int64_t now_ms, int32_t expected_partitions,
			     struct seg_learner_news *ret, struct seg_error *err)
{
	bool news = false;
	enum seg_rc rc = SEG_OK;

	*ret = (struct seg_learner_news){0};
	if (!l->model) {
		rc = make_first(l, now_ms, err);
		news = true;
	}
	if (rc || !l->model)
		return rc;
	if (l->sums_changed)
		rc = seg_intake_total(l, err);
	if (rc)
		return rc;
	l->sums_changed = false;
	l->complete = seg_intake_complete(l, expected_partitions);
	l->settled = l->complete && seg_intake_swept(l, expected_partitions, l->model->promotion);
	(void)seg_intake_aim(l);
	/* A promotion goes out as it was made; what the sums say comes after. */
	if (l->promoted)
		news = true;
	else if (!news)
		rc = learn(l, now_ms, ret, &news, err);
	if (!rc && news)
		rc = publish(l, now_ms, ret, err);
	if (!rc)
		ret->refit_due = seg_refit_due(l, now_ms, &l->due);
	return rc;
}

size_t seg_learner_drift(const struct seg_learner *l, const struct seg_drift_value **ret)
{
	*ret = l->drift_values;
	return l->drift_values_len;
}
