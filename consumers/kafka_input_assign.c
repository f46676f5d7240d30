/*
 * Assignment and positions. librdkafka's own notion of where a partition is differs in small ways over pause, resume and
 * markers (#3567, #4208, #4636), so we keep the expected offset and the pauses ourselves: a partition begins or goes on only
 * by a seek to an offset that we name, and resume is called only for what we know to be paused.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "consumers/kafka_input_impl.h"

enum { SEEK_STEP_MS = 2000, SEEK_GIVE_UP_MS = 10000, SEEK_AGAIN_MS = 5, SEEK_RESTART_MS = 100 };

static const char group_magic[] = "CGMDv2:";

/* The serialised form is the only way to see the generation: magic, generation (int32), group id\0, member id\0, … */
static bool group_is_joined(const rd_kafka_consumer_group_metadata_t *group)
{
	const size_t magic = sizeof group_magic - 1;
	rd_kafka_error_t *e;
	const char *bytes, *end, *member;
	int32_t generation = -1;
	void *buffer = NULL;
	size_t len = 0;
	bool joined = false;

	if ((e = rd_kafka_consumer_group_metadata_write(group, &buffer, &len))) {
		rd_kafka_error_destroy(e);
		return false;
	}
	bytes = buffer;
	end = bytes + len;
	if (len > magic + sizeof generation && memcmp(bytes, group_magic, magic) == 0) {
		memcpy(&generation, bytes + magic, sizeof generation);
		member = memchr(bytes + magic + sizeof generation, 0, len - magic - sizeof generation);
		joined = generation >= 0 && member && member + 1 < end && member[1];
	}
	rd_kafka_mem_free(NULL, buffer);
	return joined;
}

static void callback_failed(struct seg_kafka_input *in, enum seg_rc rc, const struct seg_error *err)
{
	if (!in->callback.rc)
		seg_error_set(&in->callback, rc, "%s", err->text);
}

static void forget_all(struct seg_kafka_input *in)
{
	for (size_t t = 0; t < in->topics_len; t++) {
		for (int32_t p = 0; p < in->topics[t].len; p++)
			in->topics[t].parts[p] = (struct input_part){.next = -1, .eof_at = -1, .held_at = -1};
	}
	seg_kafka_wake_targets(in->wake, NULL, 0);
}

static void unassign(struct seg_kafka_input *in)
{
	static struct seg_log_limit limit;
	rd_kafka_resp_err_t e = rd_kafka_assign(in->rk, NULL);

	if (e)
		seg_log_limited(&limit, SEG_LOG_WARN, "kafka_unassign", "error=%s", rd_kafka_err2name(e));
	forget_all(in);
}

/* Partitions of ours in the library's list; with positions when they are assigned. Caller frees. */
static struct seg_position *positions_of(const struct seg_kafka_input *in, const rd_kafka_topic_partition_list_t *list,
					 bool only_assigned, size_t *ret_len)
{
	struct seg_position *positions = calloc((size_t)list->cnt + 1, sizeof *positions);
	size_t n = 0;

	for (int i = 0; positions && i < list->cnt; i++) {
		int topic = input_topic_index(in, list->elems[i].topic);
		const struct input_part *part;

		if (topic < 0)
			continue;
		part = input_part(in, (uint32_t)topic, list->elems[i].partition);
		if (only_assigned && (!part || !part->assigned))
			continue;
		positions[n++] = (struct seg_position){.topic = (uint32_t)topic,
						       .partition = list->elems[i].partition,
						       .offset = only_assigned ? part->next : -1};
	}
	*ret_len = n;
	return positions;
}

static void on_assigned(struct seg_kafka_input *in, const rd_kafka_topic_partition_list_t *list)
{
	struct seg_error err = {.rc = SEG_OK};
	struct seg_position *positions;
	enum seg_rc rc;
	size_t len;

	input_group_clear(in);
	in->group = rd_kafka_consumer_group_metadata(in->rk);
	/* -1 would switch the brokers' check of the generation off. The group has moved on: the next assignment is near. */
	if (!in->group || !group_is_joined(in->group)) {
		seg_log(SEG_LOG_WARN, "kafka_assignment_stale", "partitions=%d", list->cnt);
		in->stale_since_ms = seg_monotonic_ms();
		input_group_clear(in);
		unassign(in);
		return;
	}
	in->stale_since_ms = 0;
	if (!(positions = positions_of(in, list, false, &len))) {
		rc = seg_error_set(&err, SEG_NO_MEMORY, "no memory for an assignment of %d partitions", list->cnt);
	} else {
		rc = in->events.assigned(in->events.ctx, positions, len, &err);
		if (!rc && len == 0)
			rc = seg_kafka_input_assign(in, NULL, 0, &err);
	}
	free(positions);
	if (!rc)
		return;
	callback_failed(in, rc, &err);
	unassign(in);
	input_group_clear(in);
}

static void on_revoked(struct seg_kafka_input *in, const rd_kafka_topic_partition_list_t *list, bool lost)
{
	struct seg_error err = {.rc = SEG_OK};
	struct seg_position *positions;
	enum seg_rc rc = SEG_OK;
	size_t len;

	if (!(positions = positions_of(in, list, true, &len)))
		rc = seg_error_set(&err, SEG_NO_MEMORY, "no memory for a revocation of %d partitions", list->cnt);
	else if (len)
		rc = in->events.revoked(in->events.ctx, positions, len, lost, &err);
	free(positions);
	unassign(in);
	input_group_clear(in);
	if (rc)
		callback_failed(in, rc, &err);
}

void input_rebalance_cb(rd_kafka_t *rk, rd_kafka_resp_err_t err, rd_kafka_topic_partition_list_t *list, void *opaque)
{
	struct seg_kafka_input *in = opaque;

	if (err == RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS) {
		on_assigned(in, list);
		return;
	}
	if (err != RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS)
		seg_log(SEG_LOG_WARN, "kafka_rebalance", "error=%s", rd_kafka_err2name(err));
	on_revoked(in, list, rd_kafka_assignment_lost(rk));
}

static bool make_room(struct input_topic *t, int32_t partition)
{
	int32_t len = partition + 1;
	struct input_part *parts;

	if (len <= t->len)
		return true;
	if (!(parts = realloc(t->parts, (size_t)len * sizeof *parts)))
		return false;
	for (int32_t p = t->len; p < len; p++)
		parts[p] = (struct input_part){.next = -1, .eof_at = -1, .held_at = -1};
	t->parts = parts;
	t->len = len;
	return true;
}

static enum seg_rc unknown(const struct seg_kafka_input *in, const struct seg_position *p, struct seg_error *err)
{
	return seg_error_set(err, SEG_INVALID, "%s[%d] is not assigned to this consumer",
			     p->topic < in->topics_len ? in->topics[p->topic].name : "?", (int)p->partition);
}

/* The library's list of ours; offsets as in the table. */
static rd_kafka_topic_partition_list_t *library_list(const struct seg_kafka_input *in, const struct seg_position *list,
						     size_t len)
{
	rd_kafka_topic_partition_list_t *ret = rd_kafka_topic_partition_list_new((int)len + 1);

	for (size_t i = 0; i < len; i++) {
		const struct input_topic *t = &in->topics[list[i].topic];

		if (!rd_kafka_topic_partition_list_find(ret, t->name, list[i].partition))
			rd_kafka_topic_partition_list_add(ret, t->name, list[i].partition)->offset =
				t->parts[list[i].partition].next;
	}
	return ret;
}

static void wake_these(struct seg_kafka_input *in, const struct seg_position *list, size_t len)
{
	struct seg_wake_target *targets = calloc(len + 1, sizeof *targets);

	for (size_t i = 0; targets && i < len; i++)
		targets[i] = (struct seg_wake_target){in->topics[list[i].topic].name, list[i].partition};
	if (targets)
		seg_kafka_wake_targets(in->wake, targets, len);
	free(targets);
}

enum seg_rc seg_kafka_input_assign(struct seg_kafka_input *in, const struct seg_position *list, size_t len,
				   struct seg_error *err)
{
	rd_kafka_topic_partition_list_t *partitions;
	rd_kafka_resp_err_t e;

	for (size_t i = 0; i < len; i++) {
		if (list[i].topic >= in->topics_len || list[i].partition < 0)
			return unknown(in, &list[i], err);
		if (!make_room(&in->topics[list[i].topic], list[i].partition))
			return seg_error_set(err, SEG_NO_MEMORY, "no memory for %zu partitions", len);
	}
	forget_all(in);
	for (size_t i = 0; i < len; i++)
		in->topics[list[i].topic].parts[list[i].partition] =
			(struct input_part){.next = list[i].offset < 0 ? 0 : list[i].offset,
					    .assigned = true,
					    .paused = true,
					    .eof_at = -1,
					    .held_at = -1};
	partitions = library_list(in, list, len);
	/*
	 * Always an offset, even where none is known yet and 0 may be gone from the log (then the partition stops, and resume
	 * starts it again): the answer to a logical one, when a seek has overtaken it, makes librdkafka ask again half a
	 * second later and move the partition there, past records.
	 */
	e = rd_kafka_assign(in->rk, partitions);
	if (!e && len)
		e = rd_kafka_pause_partitions(in->rk, partitions);
	rd_kafka_topic_partition_list_destroy(partitions);
	if (e) {
		forget_all(in);
		return seg_error_set(err, SEG_FATAL, "cannot take %zu partitions: %s", len, rd_kafka_err2str(e));
	}
	wake_these(in, list, len);
	return SEG_OK;
}

/*
 * Keeps in `list` only what has still to be done. A partition whose fetcher has not started, or whose answer did not come
 * in time (the time-out of 2.0.2 is a thousandth of what it is given, #4230), is simply asked again: seeks are idempotent
 * and are done in order.
 */
static const char *keep_undone(rd_kafka_topic_partition_list_t *list)
{
	const char *why = "no answer";

	for (int i = list->cnt - 1; i >= 0; i--) {
		rd_kafka_resp_err_t e = list->elems[i].err;

		if (!e)
			rd_kafka_topic_partition_list_del_by_idx(list, i);
		else
			why = rd_kafka_err2name(e);
	}
	return why;
}

/* Everything assigned, or what of it is paused. */
static rd_kafka_topic_partition_list_t *assigned_list(const struct seg_kafka_input *in, bool only_paused)
{
	rd_kafka_topic_partition_list_t *ret = rd_kafka_topic_partition_list_new(8);

	for (size_t t = 0; t < in->topics_len; t++) {
		for (int32_t p = 0; p < in->topics[t].len; p++) {
			const struct input_part *part = &in->topics[t].parts[p];

			if (part->assigned && (part->paused || !only_paused))
				rd_kafka_topic_partition_list_add(ret, in->topics[t].name, p)->offset = part->next;
		}
	}
	return ret;
}

void input_lose_all(struct seg_kafka_input *in)
{
	rd_kafka_topic_partition_list_t *all = assigned_list(in, false);

	on_revoked(in, all, true);
	rd_kafka_topic_partition_list_destroy(all);
}

/* A partition whose position was not in the log is stopped for good, and no seek starts it: only a new assignment does. */
static void restart_all(struct seg_kafka_input *in)
{
	rd_kafka_topic_partition_list_t *all = assigned_list(in, false), *paused = assigned_list(in, true);

	rd_kafka_assign(in->rk, all);
	if (paused->cnt)
		rd_kafka_pause_partitions(in->rk, paused);
	rd_kafka_topic_partition_list_destroy(paused);
	rd_kafka_topic_partition_list_destroy(all);
}

static enum seg_rc seek_all(struct seg_kafka_input *in, rd_kafka_topic_partition_list_t *list, struct seg_error *err)
{
	int64_t begun = seg_monotonic_ms();
	bool restarted = false;

	while (list->cnt > 0) {
		rd_kafka_error_t *e = rd_kafka_seek_partitions(in->rk, list, SEEK_STEP_MS);
		const char *why;

		if (e)
			rd_kafka_error_destroy(e);
		why = keep_undone(list);
		if (list->cnt == 0)
			break;
		if (seg_monotonic_ms() - begun > SEEK_GIVE_UP_MS)
			return seg_error_set(err, SEG_RETRY, "%s[%d]: cannot move to offset %lld: %s",
					     list->elems[0].topic, (int)list->elems[0].partition,
					     (long long)list->elems[0].offset, why);
		if (!restarted && seg_monotonic_ms() - begun > SEEK_RESTART_MS) {
			restarted = true;
			restart_all(in);
		}
		seg_sleep_ms(SEEK_AGAIN_MS);
	}
	return SEG_OK;
}

static enum seg_rc move_to(struct seg_kafka_input *in, const struct seg_position *list, size_t len,
			   struct seg_error *err)
{
	rd_kafka_topic_partition_list_t *partitions;
	enum seg_rc rc;

	for (size_t i = 0; i < len; i++) {
		const struct input_part *part = input_part(in, list[i].topic, list[i].partition);

		if (!part || !part->assigned)
			return unknown(in, &list[i], err);
		if (list[i].offset < 0 && part->next < 0)
			return seg_error_set(err, SEG_INVALID, "%s[%d]: no offset to begin with",
					     in->topics[list[i].topic].name, (int)list[i].partition);
	}
	seg_kafka_input_release(in);
	if (in->pending.rc == SEG_NOT_FOUND)
		in->pending.rc = SEG_OK; /* about a position that is left here */
	for (size_t i = 0; i < len; i++) {
		if (list[i].offset >= 0)
			input_part(in, list[i].topic, list[i].partition)->next = list[i].offset;
	}
	partitions = library_list(in, list, len);
	rc = seek_all(in, partitions, err);
	rd_kafka_topic_partition_list_destroy(partitions);
	return rc;
}

enum seg_rc seg_kafka_input_seek(struct seg_kafka_input *in, const struct seg_position *list, size_t len,
				 struct seg_error *err)
{
	for (size_t i = 0; i < len; i++) {
		if (list[i].offset < 0)
			return seg_error_set(err, SEG_INVALID, "seek to a negative offset");
	}
	return move_to(in, list, len, err);
}

/* Pauses or resumes those of the list that are not so yet: resuming an unpaused one would rewind it (#4636). */
static enum seg_rc switch_pause(struct seg_kafka_input *in, const struct seg_position *list, size_t len, bool pause,
				struct seg_error *err)
{
	rd_kafka_topic_partition_list_t *partitions;
	struct seg_position *changed = calloc(len + 1, sizeof *changed);
	rd_kafka_resp_err_t e = RD_KAFKA_RESP_ERR_NO_ERROR;
	size_t n = 0;

	if (!changed)
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for %zu partitions", len);
	for (size_t i = 0; i < len; i++) {
		struct input_part *part = input_part(in, list[i].topic, list[i].partition);

		if (part->paused == pause)
			continue;
		part->paused = pause;
		changed[n++] = list[i];
	}
	partitions = library_list(in, changed, n);
	if (n)
		e = pause ? rd_kafka_pause_partitions(in->rk, partitions)
			  : rd_kafka_resume_partitions(in->rk, partitions);
	for (int i = 0; !e && i < partitions->cnt; i++)
		e = partitions->elems[i].err;
	rd_kafka_topic_partition_list_destroy(partitions);
	free(changed);
	if (e)
		return seg_error_set(err, SEG_FATAL, "cannot %s the inputs: %s", pause ? "pause" : "resume",
				     rd_kafka_err2str(e));
	return SEG_OK;
}

enum seg_rc seg_kafka_input_resume(struct seg_kafka_input *in, const struct seg_position *list, size_t len,
				   struct seg_error *err)
{
	enum seg_rc rc;

	if (len == 0)
		return SEG_OK;
	if ((rc = move_to(in, list, len, err)) || (rc = switch_pause(in, list, len, false, err)))
		return rc;
	seg_kafka_wake_now(in->wake);
	/* A seek wakes the broker's thread, a resume does not: without the second one it may sleep for a second more. */
	return move_to(in, list, len, err);
}

enum seg_rc seg_kafka_input_pause(struct seg_kafka_input *in, const struct seg_position *list, size_t len,
				  struct seg_error *err)
{
	if (in->raw_len)
		return seg_error_set(err, SEG_INVALID, "pause with a batch in hand: release it first");
	for (size_t i = 0; i < len; i++) {
		const struct input_part *part = input_part(in, list[i].topic, list[i].partition);

		if (!part || !part->assigned)
			return unknown(in, &list[i], err);
	}
	return switch_pause(in, list, len, true, err);
}

int64_t seg_kafka_input_position(const struct seg_kafka_input *in, uint32_t topic, int32_t partition)
{
	const struct input_part *part = input_part(in, topic, partition);

	return part && part->assigned ? part->next : -1;
}

int64_t seg_kafka_input_high(const struct seg_kafka_input *in, uint32_t topic, int32_t partition)
{
	int64_t low, high;

	if (topic >= in->topics_len ||
	    rd_kafka_get_watermark_offsets(in->rk, in->topics[topic].name, partition, &low, &high))
		return -1;
	return high >= 0 ? high : -1;
}

bool seg_kafka_input_paused(const struct seg_kafka_input *in, uint32_t topic, int32_t partition)
{
	const struct input_part *part = input_part(in, topic, partition);

	return part && part->assigned && part->paused;
}

static bool parse_seq(const void *metadata, size_t len, uint64_t *ret)
{
	const char *text = metadata;
	uint64_t seq = 0;

	if (len < 5 || len > 24 || memcmp(text, "seq=", 4) != 0)
		return false;
	for (size_t i = 4; i < len; i++) {
		if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(seq, 10, &seq) ||
		    __builtin_add_overflow(seq, (uint64_t)(text[i] - '0'), &seq))
			return false;
	}
	*ret = seq;
	return true;
}

static enum seg_rc take_committed(const struct seg_kafka_input *in, const rd_kafka_topic_partition_list_t *partitions,
				  struct seg_position *list, size_t len, struct seg_error *err)
{
	for (int i = 0; i < partitions->cnt; i++) {
		const rd_kafka_topic_partition_t *p = &partitions->elems[i];

		if (p->err)
			return seg_error_set(err, SEG_RETRY, "%s[%d]: the group's offset cannot be read: %s", p->topic,
					     (int)p->partition, rd_kafka_err2str(p->err));
	}
	for (size_t i = 0; i < len; i++) {
		const char *name = in->topics[list[i].topic].name;
		const rd_kafka_topic_partition_t *p = NULL;

		for (int j = 0; j < partitions->cnt && !p; j++) {
			if (partitions->elems[j].partition == list[i].partition &&
			    strcmp(partitions->elems[j].topic, name) == 0)
				p = &partitions->elems[j];
		}
		list[i].offset = p && p->offset >= 0 ? p->offset : -1;
		list[i].seq = 0;
		list[i].has_seq = p && parse_seq(p->metadata, p->metadata ? p->metadata_size : 0, &list[i].seq);
	}
	return SEG_OK;
}

enum seg_rc seg_kafka_input_committed(struct seg_kafka_input *in, struct seg_position *list, size_t len, int timeout_ms,
				      struct seg_error *err)
{
	rd_kafka_topic_partition_list_t *partitions;
	rd_kafka_resp_err_t e;
	enum seg_rc rc;

	if (len == 0)
		return SEG_OK;
	partitions = rd_kafka_topic_partition_list_new((int)len);
	for (size_t i = 0; i < len; i++) {
		if (list[i].topic >= in->topics_len) {
			rd_kafka_topic_partition_list_destroy(partitions);
			return unknown(in, &list[i], err);
		}
		rd_kafka_topic_partition_list_add(partitions, in->topics[list[i].topic].name, list[i].partition);
	}
	/* read_committed, so the brokers are asked for stable offsets: open transactions are waited for. */
	e = rd_kafka_committed(in->rk, partitions, timeout_ms);
	rc = e ? seg_error_set(err, SEG_RETRY, "the group's offsets cannot be read: %s", rd_kafka_err2str(e))
	       : take_committed(in, partitions, list, len, err);
	rd_kafka_topic_partition_list_destroy(partitions);
	return rc;
}
