/* Promotions: a candidate becomes the model, with ids, lineage and names of what lives on. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/learner_internal.h"

/* Candidate clusters in ascending order of the ids they get. */
struct given {
	uint64_t cluster;
	uint32_t index;
};

static int compare(const void *a, const void *b)
{
	uint64_t x = ((const struct given *)a)->cluster, y = ((const struct given *)b)->cluster;

	return (x > y) - (x < y);
}

/* Ids that a candidate has been shown with are taken, whatever becomes of it. */
static uint64_t give_ids(const struct seg_learner *l, const struct seg_candidate *c, struct given *given)
{
	const struct seg_model *old = l->model;
	uint64_t next = old->next_cluster > l->memory->next_cluster ? old->next_cluster : l->memory->next_cluster;

	for (uint32_t i = 0; i < c->k; i++) {
		given[i].index = i;
		given[i].cluster = c->matches[i].old >= 0 ? old->clusters[c->matches[i].old] : next++;
	}
	qsort(given, c->k, sizeof(*given), compare);
	return next;
}

static void fill_segment(struct seg_segment *s, const struct seg_model *old, const struct seg_match *match,
			 uint64_t promotion)
{
	if (match->old >= 0) {
		*s = old->segments[match->old];
	} else {
		*s = (struct seg_segment){.since_promotion = promotion};
	}
	s->state = SEG_SEGMENT_ACTIVE;
	s->origin = match->origin;
	s->parents_len = match->parents_len;
	memcpy(s->parents, match->parents, sizeof(s->parents));
}

/* Old clusters without a heir, then those retired before; the newest SEG_RETIRED_KEPT. */
static uint32_t retire(struct seg_segment *ret, const struct seg_model *old, const struct seg_candidate *c)
{
	uint32_t len = 0;

	for (uint32_t j = 0; j < old->segments_len && len < SEG_RETIRED_KEPT; j++) {
		bool lives = false;
		for (uint32_t i = 0; i < c->k && j < old->k; i++)
			lives = lives || c->matches[i].old == (int32_t)j;
		if (lives)
			continue;
		ret[len] = old->segments[j];
		ret[len].state = SEG_SEGMENT_RETIRED;
		ret[len].customers = 0;
		ret[len++].share = 0;
	}
	return len;
}

static void fill(struct seg_learner *l, struct seg_model *m, const struct seg_candidate *c, const struct given *given)
{
	const struct seg_model *old = l->model;
	uint64_t sampled = 0;

	for (uint32_t i = 0; i < c->k; i++)
		sampled += c->sizes[i];
	for (uint32_t i = 0; i < c->k; i++) {
		uint32_t from = given[i].index;
		struct seg_segment *s = &m->segments[i];
		fill_segment(s, old, &c->matches[from], m->promotion);
		s->cluster = m->clusters[i] = given[i].cluster;
		s->share = sampled ? (double)c->sizes[from] / (double)sampled : 0;
		s->customers = (uint64_t)(s->share * (double)l->customers + 0.5);
		for (uint32_t f = 0; f < m->d; f++) {
			double v = c->centroids[(size_t)from * m->d + f];
			m->centroids[(size_t)i * m->d + f] =
				v / c->scale[f].weight * c->scale[f].scale + c->scale[f].mean;
		}
	}
}

uint64_t seg_next_promotion(struct seg_learner *l)
{
	if (l->memory->next_promotion <= l->model->promotion)
		l->memory->next_promotion = l->model->promotion + 1;
	return l->memory->next_promotion++;
}

enum seg_rc seg_candidate_model(struct seg_learner *l, const struct seg_candidate *c, struct seg_model **ret,
				struct seg_error *err)
{
	const struct seg_model *old = l->model;
	struct seg_model *m = seg_model_new();
	struct given given[SEG_MAX_CLUSTERS];
	enum seg_rc rc;

	if (!m)
		return seg_error_set(err, SEG_NO_MEMORY, "model: out of memory");
	m->promotion = seg_next_promotion(l);
	m->base = old->promotion;
	snprintf(m->reason, sizeof(m->reason), "%s", c->reason);
	m->fit = json_incref(c->fit);
	m->time_ms = m->promoted_ms = c->now_ms;
	m->first_fit_ms = old->promotion ? old->first_fit_ms : c->now_ms;
	m->basis = *c->basis;
	m->d = c->basis->len;
	m->constants = *c->constants;
	memcpy(m->scale, c->scale, m->d * sizeof(*m->scale));
	if ((c->pca && !(m->pca = seg_pca_copy(c->pca))) || (c->donors && !(m->donors = seg_donors_copy(c->donors)))) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "model: out of memory");
		goto fail;
	}
	m->sample_bound = l->bound;
	m->inertia_per_customer = c->inertia_per_customer;
	rc = seg_model_alloc(m, c->k, c->k + old->segments_len, err);
	if (rc)
		goto fail;
	l->memory->next_cluster = m->next_cluster = give_ids(l, c, given);
	fill(l, m, c, given);
	m->segments_len = c->k + retire(m->segments + c->k, old, c);
	rc = seg_name_model(l, m, err);
	if (!rc)
		rc = seg_model_finish(m, err);
	if (rc)
		goto fail;
	*ret = m;
	return SEG_OK;
fail:
	seg_model_put(m);
	return rc;
}

void seg_adopt(struct seg_learner *l, struct seg_model *m)
{
	seg_candidate_drop(l);
	seg_drift_forget(&l->memory->drift);
	seg_model_put(l->model);
	l->model = m;
	l->promoted = true;
	l->settled = false;
}

void seg_hold(struct seg_learner *l, struct seg_model *m)
{
	seg_candidate_drop(l);
	m->state = SEG_MODEL_CANDIDATE;
	l->candidate = m;
	l->candidate_untold = l->changed = true;
}

void seg_candidate_drop(struct seg_learner *l)
{
	if (!l->candidate)
		return;
	if (l->dropped_len < sizeof(l->dropped) / sizeof(l->dropped[0]))
		l->dropped[l->dropped_len++] = l->candidate->promotion;
	l->changed = true;
	l->candidate_untold = false;
	seg_model_put(l->candidate);
	l->candidate = NULL;
}
