/* Rule segments: who enters and who leaves one, beside the learned segments and in the same commit. */
#include "daemon/shard_internal.h"

#include <math.h>
#include <string.h>

#include "daemon/event_id.h"

static void hold(const struct seg_shard *shard, const struct seg_profile *p, int64_t now_ms, struct seg_held_rules *ret)
{
	seg_rule_set_hold(shard->rule_set, p, now_ms, shard->model ? &shard->model->constants : NULL, ret);
}

bool seg_shard_rules_moved(const struct seg_shard *shard, const struct seg_profile *p)
{
	struct seg_held_rules now;

	if (!shard->rule_set_len && p->decision.rules.len == 0)
		return false;
	hold(shard, p, shard->time.now_ms, &now);
	return !seg_held_rules_equal(&now, &p->decision.rules);
}

/* The rule is gone from the configuration, or a new model changed it; else the customer did something, or time. */
static enum seg_reason reason_of(const struct seg_shard *shard, const struct seg_profile *p, const char *name,
				 bool caused, bool first)
{
	const struct seg_rule *rule = seg_rule_set_find(shard->rule_set, name);

	if (!rule)
		return SEG_REASON_MODEL;
	if (first)
		return SEG_REASON_FIRST;
	if (caused)
		return SEG_REASON_BEHAVIOUR;
	bool swept = shard->sweeping_at_prepare && p->hash >= shard->sweep_at_prepare;
	return swept && seg_rule_is_fitted(rule) ? SEG_REASON_MODEL : SEG_REASON_TIME;
}

struct passage {
	struct seg_shard *shard;
	const struct seg_profile *p;
	const struct seg_entry *entry;
	const struct seg_sink *sink;
	struct seg_decision *decision;
	int64_t stream_ms, wall_ms;
	bool first; /* nobody has been told anything of this customer yet */
};

static enum seg_rc send_passage(const struct passage *w, const char *name, bool enters, struct seg_error *err)
{
	struct seg_shard *shard = w->shard;
	struct seg_decision *d = w->decision;
	int32_t partition = seg_shard_partition(shard);
	enum seg_source source = SEG_WEB;
	int64_t offset = -1;
	bool caused = seg_entry_cause(w->entry, &source, &offset);
	struct seg_change change = {
		.customer_id = w->p->id,
		.from_rule = enters ? NULL : name,
		.to_rule = enters ? name : NULL,
		.reason = reason_of(shard, w->p, name, caused, w->first && enters),
		.model_version = seg_model_version(shard->model),
		.distance_from = NAN,
		.distance_to = NAN,
		.margin = NAN,
		.event_time_ms = w->stream_ms,
		.decided_at_ms = w->wall_ms,
	};

	if (caused && change.reason != SEG_REASON_MODEL)
		change.cause = (struct seg_cause){shard->options.topics[source], partition, offset};
	struct seg_birth birth = {shard->options.topics[d->birth_source], partition, d->birth_offset};
	seg_event_id(shard->config->app, w->p->id, &birth, ++d->change_number, change.event_id);
	shard->sealed_counts.changes[change.reason]++;
	return w->sink->change(w->sink->ctx, partition, &change, err);
}

/* Names of `of` that `other` has not. */
static enum seg_rc send_missing(const struct passage *w, const struct seg_held_rules *of,
				const struct seg_held_rules *other, bool enters, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	for (size_t at = 0; at < of->len && !rc; at += strlen(of->names + at) + 1) {
		if (!seg_held_rules_have(other, of->names + at))
			rc = send_passage(w, of->names + at, enters, err);
	}
	return rc;
}

enum seg_rc seg_shard_rules_decide(struct seg_shard *shard, const struct seg_entry *entry, int64_t stream_ms,
				   const struct seg_now *now, const struct seg_sink *sink,
				   struct seg_decision *decision, struct seg_error *err)
{
	const struct seg_profile *p = seg_entry_profile(entry);
	struct passage w = {
		shard, p, entry, sink, decision, stream_ms, now->wall_ms, p->decision.change_number == 0,
	};
	struct seg_held_rules held;

	if (!shard->rule_set_len && p->decision.rules.len == 0)
		return SEG_OK;
	hold(shard, p, stream_ms, &held);
	if (seg_held_rules_equal(&held, &p->decision.rules))
		return SEG_OK;
	enum seg_rc rc = send_missing(&w, &p->decision.rules, &held, false, err);
	if (!rc)
		rc = send_missing(&w, &held, &p->decision.rules, true, err);
	if (!rc)
		decision->rules = held;
	return rc;
}
