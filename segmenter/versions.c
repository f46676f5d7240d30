/* What people do with versions: promote what waits, go back to what was, and name segments themselves. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/learner_internal.h"

static uint64_t number_of(uint64_t version)
{
	return version > UINT32_MAX ? version >> 32 : version;
}

static void record(struct seg_learner *l, int64_t now_ms, enum seg_attempt_reason reason)
{
	seg_attempt_record(l, &(struct seg_attempt){
				      .time_ms = now_ms,
				      .reason = reason,
				      .k = l->model->k,
				      .wanted = l->config.k_auto ? 0 : l->config.k,
				      .customers = l->customers,
				      .gain = NAN,
				      .inertia_per_customer = NAN,
				      .promoted = true,
			      });
}

/* Names and aliases may have changed since the candidate was made. */
static void take_names(struct seg_model *m, const struct seg_model *from)
{
	for (uint32_t i = 0; i < m->segments_len; i++) {
		const struct seg_segment *s = seg_model_segment(from, m->segments[i].cluster);
		if (!s)
			continue;
		memcpy(m->segments[i].alias, s->alias, sizeof(s->alias));
		if (s->name[0] && s->state == SEG_SEGMENT_ACTIVE)
			memcpy(m->segments[i].name, s->name, sizeof(s->name));
	}
}

enum seg_rc seg_learner_promote(struct seg_learner *l, uint64_t version, int64_t now_ms, struct seg_error *err)
{
	uint64_t number = number_of(version);
	struct seg_model *m;
	enum seg_rc rc;

	if (!l->candidate)
		return seg_error_set(
			err, SEG_NOT_FOUND,
			"no candidate waits; a refit makes one, and rollback goes back to an older version");
	if (l->candidate->promotion != number)
		return seg_error_set(err, SEG_NOT_FOUND, "version %llu does not wait; the candidate is %llu",
				     (unsigned long long)number, (unsigned long long)l->candidate->promotion);
	m = seg_model_copy(l->candidate, err);
	if (!m)
		return SEG_NO_MEMORY;
	m->state = SEG_MODEL_PROMOTED;
	m->fit = json_incref(l->candidate->fit);
	m->time_ms = m->promoted_ms = now_ms;
	m->sample_bound = l->bound;
	take_names(m, l->model);
	seg_aliases_apply(l, m);
	rc = seg_name_model(l, m, err);
	if (!rc)
		rc = seg_model_finish(m, err);
	if (rc) {
		seg_model_put(m);
		return rc;
	}
	/* It keeps its record: it is promoted now. */
	seg_model_put(l->candidate);
	l->candidate = NULL;
	l->candidate_untold = false;
	seg_adopt(l, m);
	record(l, now_ms, SEG_ATTEMPT_DEMAND);
	return SEG_OK;
}

/* The catalogue of a rollback: what `to` had is active again, all others that are known are retired. */
static enum seg_rc make_catalogue(struct seg_model *m, const struct seg_model *to, const struct seg_model *current,
				  struct seg_error *err)
{
	struct seg_segment *all = calloc((size_t)to->k + current->segments_len + 1, sizeof(*all));
	uint32_t len = 0;

	if (!all)
		return seg_error_set(err, SEG_NO_MEMORY, "rollback: out of memory");
	for (uint32_t j = 0; j < to->k; j++) {
		const struct seg_segment *known = seg_model_segment(current, to->clusters[j]);
		all[len] = to->segments[j];
		if (known) {
			memcpy(all[len].alias, known->alias, sizeof(known->alias));
			if (known->state == SEG_SEGMENT_ACTIVE)
				memcpy(all[len].name, known->name, sizeof(known->name));
		}
		all[len].origin = SEG_ORIGIN_KEPT;
		all[len].parents_len = 0;
		len++;
	}
	for (uint32_t i = 0; i < current->segments_len && len < to->k + SEG_RETIRED_KEPT; i++) {
		if (seg_model_index(to, current->segments[i].cluster) >= 0)
			continue;
		all[len] = current->segments[i];
		all[len].state = SEG_SEGMENT_RETIRED;
		all[len].customers = 0;
		all[len++].share = 0;
	}
	free(m->segments);
	m->segments = all;
	m->segments_len = len;
	return SEG_OK;
}

static enum seg_rc check_rollback(const struct seg_learner *l, const struct seg_model *to, struct seg_error *err)
{
	unsigned long long number = to->promotion;

	if (to->state == SEG_MODEL_CANDIDATE)
		return seg_error_set(err, SEG_INVALID, "version %llu was never promoted: promote it instead", number);
	if (to->k == 0)
		return seg_error_set(err, SEG_INVALID, "version %llu has no segments", number);
	if (!l->model || l->model->promotion == to->promotion)
		return seg_error_set(err, SEG_INVALID, "version %llu is the current one", number);
	if (!seg_features_same(l, to))
		return seg_error_set(err, SEG_INVALID,
				     "version %llu has other features than the configuration: configure those first",
				     number);
	return SEG_OK;
}

enum seg_rc seg_learner_rollback(struct seg_learner *l, const struct seg_model *to, int64_t now_ms,
				 struct seg_error *err)
{
	enum seg_rc rc = check_rollback(l, to, err);
	struct seg_model *m;

	if (rc)
		return rc;
	m = seg_model_copy(to, err);
	if (!m)
		return SEG_NO_MEMORY;
	m->promotion = seg_next_promotion(l);
	m->revision = 0;
	m->base = l->model->promotion;
	m->restored_from = to->promotion;
	memcpy(m->reason, "rollback", sizeof("rollback"));
	m->time_ms = m->promoted_ms = now_ms;
	m->sample_bound = l->bound;
	m->next_cluster = l->model->next_cluster;
	if (l->memory->next_cluster > m->next_cluster)
		m->next_cluster = l->memory->next_cluster;
	rc = make_catalogue(m, to, l->model, err);
	if (!rc)
		rc = seg_name_model(l, m, err);
	if (!rc)
		rc = seg_model_finish(m, err);
	if (rc) {
		seg_model_put(m);
		return rc;
	}
	seg_adopt(l, m);
	record(l, now_ms, SEG_ATTEMPT_ROLLBACK);
	return SEG_OK;
}

static enum seg_rc check_alias(const struct seg_model *m, uint64_t cluster, const char *alias, struct seg_error *err)
{
	json_t *text = json_string(alias); /* NULL: not UTF-8 */

	json_decref(text);
	if (!text)
		return seg_error_set(err, SEG_INVALID, "the alias is not UTF-8");
	if (strlen(alias) >= SEG_SEGMENT_NAME_MAX)
		return seg_error_set(err, SEG_INVALID, "the alias is longer than %d bytes", SEG_SEGMENT_NAME_MAX - 1);
	for (const char *c = alias; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return seg_error_set(err, SEG_INVALID, "the alias has control characters");
	for (uint32_t i = 0; *alias && i < m->k; i++) {
		const struct seg_segment *s = &m->segments[i];
		if (s->cluster != cluster && (strcmp(s->name, alias) == 0 || strcmp(s->alias, alias) == 0))
			return seg_error_set(err, SEG_INVALID, "segment s%llu is already called that",
					     (unsigned long long)s->cluster);
	}
	return SEG_OK;
}

enum seg_rc seg_learner_alias(struct seg_learner *l, uint64_t cluster, const char *alias, struct seg_error *err)
{
	struct seg_alias *a;
	enum seg_rc rc;

	if (!l->model || !seg_model_segment(l->model, cluster))
		return seg_error_set(err, SEG_NOT_FOUND, "there is no segment s%llu", (unsigned long long)cluster);
	rc = check_alias(l->model, cluster, alias, err);
	if (rc)
		return rc;
	if (l->aliases_len == sizeof(l->aliases) / sizeof(l->aliases[0]))
		return seg_error_set(err, SEG_RETRY, "too many aliases at once: try again in a second");
	a = &l->aliases[l->aliases_len++];
	a->cluster = cluster;
	memcpy(a->text, alias, strlen(alias) + 1);
	return SEG_OK;
}

void seg_aliases_apply(struct seg_learner *l, struct seg_model *m)
{
	for (uint32_t i = 0; i < l->aliases_len; i++)
		for (uint32_t j = 0; j < m->segments_len; j++)
			if (m->segments[j].cluster == l->aliases[i].cluster)
				memcpy(m->segments[j].alias, l->aliases[i].text, sizeof(m->segments[j].alias));
	l->renamed = l->renamed || l->aliases_len > 0;
	l->aliases_len = 0;
}

void seg_learner_take_candidate(struct seg_learner *l, struct seg_model *candidate)
{
	if (!candidate || !l->model || candidate->state != SEG_MODEL_CANDIDATE)
		return;
	if (candidate->base != l->model->promotion || candidate->promotion <= l->model->promotion)
		return;
	seg_model_put(l->candidate);
	l->candidate = seg_model_get(candidate);
}

struct seg_model *seg_learner_candidate(const struct seg_learner *l)
{
	return l->candidate;
}
