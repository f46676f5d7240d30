/* Customers who leave for good: by an erase record, or because they have been silent for profile.expire. */
#include "daemon/shard_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "daemon/event_id.h"

static struct seg_leaver *add_leaver(struct seg_leavers *l, struct seg_str id)
{
	if (l->len == l->cap) {
		size_t cap = l->cap ? l->cap * 2 : 8;
		struct seg_leaver *more = realloc(l->items, cap * sizeof(*more));
		if (!more)
			return NULL;
		l->items = more;
		l->cap = cap;
	}
	char *copy = malloc(id.len ? id.len : 1);
	if (!copy)
		return NULL;
	memcpy(copy, id.ptr, id.len);
	struct seg_leaver *leaver = &l->items[l->len++];
	*leaver = (struct seg_leaver){.id = copy, .id_len = id.len};
	return leaver;
}

/* Drops the first ones. */
void seg_leavers_drop(struct seg_leavers *l, size_t first)
{
	for (size_t i = 0; i < first; i++)
		free(l->items[i].id);
	if (first > 0)
		memmove(l->items, l->items + first, (l->len - first) * sizeof(*l->items));
	l->len -= first;
	l->sealed = 0;
}

void seg_leavers_clear(struct seg_leavers *l)
{
	seg_leavers_drop(l, l->len);
}

enum seg_rc seg_shard_leave(struct seg_shard *shard, struct seg_str id, enum seg_reason reason,
			    const struct seg_event *cause, int64_t offset, struct seg_error *err)
{
	struct seg_leaver *leaver = add_leaver(&shard->leavers, id);
	if (!leaver)
		return seg_error_set(err, SEG_NO_MEMORY, "taking a customer out: out of memory");
	enum seg_rc rc = seg_part_erase(shard->part, id, &leaver->was, err);
	if (rc) {
		free(leaver->id);
		shard->leavers.len--;
		return rc == SEG_NOT_FOUND ? SEG_OK : rc;
	}
	leaver->reason = reason;
	leaver->has_cause = cause != NULL;
	leaver->source = cause ? cause->source : SEG_SOURCES;
	leaver->offset = offset;
	shard->open_counts.erased++;
	return SEG_OK;
}

/* From a learned segment (rule NULL) or from a rule's, to none. number: of this change of theirs. */
static enum seg_rc send_change(struct seg_shard *shard, const struct seg_leaver *l, const char *rule, uint64_t number,
			       const struct seg_now *now, const struct seg_sink *sink, struct seg_error *err)
{
	struct seg_str id = {l->id, l->id_len};
	struct seg_birth birth = {shard->options.topics[l->was.birth_source], seg_shard_partition(shard),
				  l->was.birth_offset};
	struct seg_change change = {
		.customer_id = id,
		.from_cluster = rule ? 0 : l->was.cluster,
		.from_rule = rule,
		.from_name = rule ? NULL : seg_model_segment_name(shard->model, l->was.cluster),
		.reason = l->reason,
		.model_version = seg_model_version(shard->model),
		.distance_from = NAN,
		.distance_to = NAN,
		.margin = NAN,
		.event_time_ms = shard->time.now_ms == SEG_NO_TIME ? now->wall_ms : shard->time.now_ms,
		.decided_at_ms = now->wall_ms,
	};
	if (l->has_cause)
		change.cause =
			(struct seg_cause){shard->options.topics[l->source], seg_shard_partition(shard), l->offset};
	seg_event_id(shard->config->app, id, &birth, number, change.event_id);
	shard->sealed_counts.changes[l->reason]++;
	return sink->change(sink->ctx, seg_shard_partition(shard), &change, err);
}

/* Out of the learned segment and of all rule segments. */
static enum seg_rc send_changes(struct seg_shard *shard, const struct seg_leaver *l, const struct seg_now *now,
				const struct seg_sink *sink, struct seg_error *err)
{
	const struct seg_held_rules *rules = &l->was.rules;
	uint64_t number = l->was.change_number;
	enum seg_rc rc = SEG_OK;
	if (l->was.cluster != 0)
		rc = send_change(shard, l, NULL, ++number, now, sink, err);
	for (size_t at = 0; at < rules->len && !rc; at += strlen(rules->names + at) + 1)
		rc = send_change(shard, l, rules->names + at, ++number, now, sink, err);
	return rc;
}

enum seg_rc seg_shard_leavers_send(struct seg_shard *shard, const struct seg_now *now, const struct seg_sink *sink,
				   struct seg_error *err)
{
	for (size_t i = 0; i < shard->leavers.len; i++) {
		const struct seg_leaver *l = &shard->leavers.items[i];
		enum seg_rc rc =
			seg_sample_remove(&shard->sample, (struct seg_str){l->id, l->id_len}, sink, &shard->key, err);
		if (!rc)
			rc = send_changes(shard, l, now, sink, err);
		if (rc)
			return rc;
	}
	shard->leavers.sealed = shard->leavers.len;
	return SEG_OK;
}
