/*
 * Recovery: the changelog from the store's position on, then the inputs from the newest cut's replay_from.
 *
 * The store's own word on itself is two records: "position", the changelog offset from which it must be completed, and
 * "cut", the newest cut it knew. Everything else comes from Kafka.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "state/codec.h"
#include "state/part_internal.h"

bool seg_part_is_current(const struct seg_part *part, const struct seg_group *group)
{
	if (!part->ready || part->sealed.active || seg_part_has_work(part))
		return false;
	if (SEG_MUTANT(BACK_UNCHECKED))
		return true;
	return group->known ? group->seq == part->seq : part->seq == 0;
}

bool seg_part_is_rebuilding(const struct seg_part *part)
{
	return part->rebuilding;
}

enum seg_rc seg_part_rebuild(struct seg_part *part, struct seg_error *err)
{
	seg_part_drop(part);
	enum seg_rc rc = seg_store_empty(part->store, err);
	return rc == SEG_OK ? SEG_OK : seg_part_wrong(part, rc, err);
}

/* ---- can the store be right? ---- */

struct position {
	bool known;
	int64_t offset, wall_ms;
};

static enum seg_rc read_position(struct seg_part *part, struct position *ret, struct seg_error *err)
{
	enum seg_rc rc = seg_store_get_meta(part->store, "position", &part->load, err);
	struct seg_view v;

	*ret = (struct position){false, -1, 0};
	if (rc != SEG_OK)
		return rc == SEG_NOT_FOUND ? SEG_OK : rc;
	v = seg_view_of(part->load.data, part->load.len);
	if (seg_view_u8(&v) != 1)
		return seg_error_set(err, SEG_INVALID, "the store was written by a newer version of segmentd; upgrade");
	ret->offset = seg_view_zigzag(&v);
	ret->wall_ms = seg_view_zigzag(&v);
	ret->known = !v.failed && v.at == v.end && ret->offset >= 0;
	return SEG_OK;
}

static enum seg_rc read_store_cut(struct seg_part *part, struct seg_error *err)
{
	enum seg_rc rc = seg_store_get_meta(part->store, "cut", &part->load, err);

	part->has_store_cut = false;
	if (rc == SEG_NOT_FOUND)
		return SEG_OK;
	if (rc == SEG_OK)
		rc = seg_cut_decode(part->load.data, part->load.len, &part->store_cut, err);
	part->has_store_cut = rc == SEG_OK;
	return rc == SEG_CORRUPT ? SEG_OK : rc; /* the position decides; without a cut the ids are not compared */
}

static bool same_topics(const struct seg_cut *a, const struct seg_cut *b)
{
	static const uint8_t none[16];

	if (a->topic_ids_len == 0 || b->topic_ids_len == 0)
		return true;
	for (size_t i = 0; i < SEG_CUT_TOPICS; i++) /* a source that is not read has no id */
		if (memcmp(a->topic_ids[i], none, 16) != 0 && memcmp(b->topic_ids[i], none, 16) != 0 &&
		    memcmp(a->topic_ids[i], b->topic_ids[i], 16) != 0)
			return false;
	return true;
}

static bool same_cluster(const struct seg_cut *a, const struct seg_cut *b)
{
	return a->cluster_id[0] == '\0' || b->cluster_id[0] == '\0' || strcmp(a->cluster_id, b->cluster_id) == 0;
}

/* Why the store must be emptied; "" if it is trusted. */
static void judge(const struct seg_part *part, const struct seg_recovery *facts, const struct position *p, char *why)
{
	const struct seg_cut *identity = &part->options.identity;
	int64_t age_ms = facts->wall_ms - p->wall_ms, limit_ms = part->options.tombstone_retention_ms;

	why[0] = '\0';
	if (!p->known)
		snprintf(why, SEG_PART_WHY, "it has no changelog position: a rebuild was cut short");
	else if (part->has_store_cut && !same_cluster(&part->store_cut, identity))
		snprintf(why, SEG_PART_WHY, "it belongs to the Kafka cluster %.100s", part->store_cut.cluster_id);
	else if (part->has_store_cut && !same_topics(&part->store_cut, identity))
		snprintf(why, SEG_PART_WHY, "the topics were made anew since it was written");
	else if (p->offset > facts->changelog_high)
		snprintf(why, SEG_PART_WHY, "its changelog position %lld is beyond the changelog's end %lld",
			 (long long)p->offset, (long long)facts->changelog_high);
	else if (p->offset < facts->changelog_low)
		snprintf(why, SEG_PART_WHY, "its changelog position %lld is before the changelog's start %lld",
			 (long long)p->offset, (long long)facts->changelog_low);
	else if (limit_ms > 0 && age_ms > limit_ms && !SEG_MUTANT(OLD_STORE))
		snprintf(why, SEG_PART_WHY,
			 "it is %lld h %lld s old, older than the tombstones that the changelog keeps",
			 (long long)(age_ms / 3600000), (long long)(age_ms / 1000 % 3600));
}

static enum seg_rc is_blank(struct seg_part *part, bool *ret, struct seg_error *err)
{
	struct seg_scan *scan;
	struct seg_scan_item item;
	enum seg_rc rc = seg_store_get_meta(part->store, "cut", &part->load, err);

	*ret = false;
	if (rc != SEG_NOT_FOUND)
		return rc;
	rc = seg_scan_open(part->store, 0, &scan, err);
	if (rc != SEG_OK)
		return rc;
	rc = seg_scan_next(scan, &item, err);
	seg_scan_close(scan);
	*ret = rc == SEG_NOT_FOUND;
	return rc == SEG_NOT_FOUND ? SEG_OK : rc;
}

/* *ret_position: the store's, or SEG_PART_FROM_START after emptying it. */
static enum seg_rc trust_or_empty(struct seg_part *part, const struct seg_recovery *facts, int64_t *ret_position,
				  char *why, struct seg_error *err)
{
	struct position p = {false, -1, 0};
	bool blank = false;
	enum seg_rc rc = read_position(part, &p, err);

	why[0] = '\0';
	if (rc == SEG_OK)
		rc = read_store_cut(part, err);
	if (rc == SEG_OK && !p.known)
		rc = is_blank(part, &blank, err);
	bool keep = p.known || rc == SEG_CORRUPT;
	if (rc == SEG_CORRUPT) {
		snprintf(why, SEG_PART_WHY, "it cannot be read: %.400s", err ? err->text : "");
	} else if (rc != SEG_OK) {
		return rc;
	} else if (!blank) {
		judge(part, facts, &p, why);
	}
	*ret_position = blank || why[0] ? SEG_PART_FROM_START : p.offset;
	if (why[0] && !(SEG_MUTANT(HALF_REBUILT) && !p.known)) {
		part->has_store_cut = false;
		return seg_part_replace_store(part, keep, why, err);
	}
	return SEG_OK;
}

enum seg_rc seg_part_recover(struct seg_part *part, const struct seg_recovery *facts, int64_t *ret_from, char *ret_why,
			     struct seg_error *err)
{
	struct seg_error local = {SEG_OK, ""};
	char why[SEG_PART_WHY];
	int64_t position;
	enum seg_rc rc;

	seg_part_drop(part);
	rc = trust_or_empty(part, facts, &position, why, err ? err : &local);
	if (rc != SEG_OK)
		return seg_part_wrong(part, rc, err);
	part->facts = *facts;
	if (part->damaged[0] && !why[0])
		memcpy(why, part->damaged, sizeof why);
	part->damaged[0] = '\0';
	part->from_offset = position;
	part->rebuilding = position == SEG_PART_FROM_START;
	part->taking = true;
	part->took_cut = false;
	*ret_from = position;
	if (ret_why)
		memcpy(ret_why, why, sizeof why);
	return SEG_OK;
}

/* ---- between changelog and inputs ---- */

/* A source that is not read any more keeps the position it had. */
static bool same_positions(const struct seg_recovery *facts, const struct seg_cut *cut)
{
	for (int s = 0; s < SEG_SOURCES; s++)
		if (facts->group.next[s] != cut->next[s] && (facts->input_low[s] >= 0 || facts->group.next[s] >= 0))
			return false;
	return true;
}

/* Brokers forget a group's offsets of a topic with the topic; of all others they are still there. */
static enum seg_rc check_forgotten(const struct seg_part *part, struct seg_error *err)
{
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (part->facts.input_low[s] < 0 || part->facts.group.next[s] >= 0 || part->cut.next[s] < 0)
			continue;
		return seg_error_set(
			err, SEG_INVALID,
			"partition %d: source %s was read to offset %" PRId64
			", but the group has no offset of it any more and still those of the other sources: "
			"has its topic been made anew? Give the application a new name (`app`) to begin anew, "
			"or restore the topic and the group's offset",
			part->options.partition, seg_source_names[s], part->cut.next[s]);
	}
	return SEG_OK;
}

bool seg_part_is_outrun(const struct seg_part *part)
{
	return part->took_cut && part->facts.group.known && part->cut.seq > part->facts.group.seq;
}

static enum seg_rc check_group(const struct seg_part *part, bool *ret_warn, struct seg_error *err)
{
	const struct seg_group *g = &part->facts.group;
	const struct seg_cut *cut = &part->cut;

	*ret_warn = false;
	if (!part->took_cut)
		return g->known ? seg_error_set(
					  err, SEG_INVALID,
					  "partition %d: the group has offsets (seq=%llu), but the changelog has no "
					  "cut: was the changelog deleted? Reset the group's offsets to begin anew",
					  part->options.partition, (unsigned long long)g->seq)
				: SEG_OK;
	if (!g->known) {
		*ret_warn = true; /* expired: the cut says the same, if the log still has it */
		return SEG_OK;
	}
	if (g->seq == cut->seq && same_positions(&part->facts, cut))
		return SEG_OK;
	enum seg_rc rc = g->seq == cut->seq ? check_forgotten(part, err) : SEG_OK;
	if (rc)
		return rc;
	return seg_error_set(err, SEG_INVALID,
			     "partition %d: the group's offsets (seq=%llu) are not those of the newest cut (seq=%llu): "
			     "were they reset, or does another application use the group or the changelog? See that "
			     "none does, then delete the group: it goes on from the newest cut",
			     part->options.partition, (unsigned long long)g->seq, (unsigned long long)cut->seq);
}

static enum seg_rc check_identity(const struct seg_part *part, bool rereads, struct seg_error *err)
{
	const struct seg_cut *cut = &part->cut, *identity = &part->options.identity;

	if (!same_topics(cut, identity))
		return seg_error_set(err, SEG_INVALID,
				     "partition %d: the topics were made anew since the newest cut; its offsets mean "
				     "nothing now. Reset the group's offsets and the changelog to begin anew",
				     part->options.partition);
	if (rereads && cut->config_fingerprint != identity->config_fingerprint && !part->options.accept_config_change)
		return seg_error_set(
			err, SEG_INVALID,
			"partition %d: the configuration that shapes profiles has changed, and inputs must "
			"be read again after an unclean stop: start once with the old configuration and stop "
			"cleanly, or accept that they are read by the new one (--accept-config-change)",
			part->options.partition);
	return SEG_OK;
}

static enum seg_rc check_reach(const struct seg_part *part, enum seg_source s, int64_t from, int64_t to,
			       struct seg_error *err)
{
	int64_t low = part->facts.input_low[s];

	if (from >= to && (part->facts.group.known || to < 0 || low <= to))
		return SEG_OK;
	if (low < 0)
		return seg_error_set(err, SEG_INVALID,
				     "partition %d: inputs of source %s must be read again from offset %lld, but it is "
				     "not read any more: start with it and stop cleanly first",
				     part->options.partition, seg_source_names[s], (long long)from);
	if (low > from)
		return seg_error_set(
			err, SEG_INVALID,
			"partition %d: inputs of source %s must be read again from offset %lld, but its log "
			"begins at %lld: what lies between is lost. Restore it, or reset the group's "
			"offsets and the changelog to begin anew",
			part->options.partition, seg_source_names[s], (long long)from, (long long)low);
	return SEG_OK;
}

/* From where to where each source is read again. */
static void plan_rereading(struct seg_part *part)
{
	const struct seg_cut *cut = &part->cut;

	for (int s = 0; s < SEG_SOURCES; s++) {
		int64_t from = cut->replay_from[s];

		if (SEG_MUTANT(OWN_REPLAY_FROM) && part->has_store_cut && !part->rebuilding)
			from = part->store_cut.replay_from[s];
		if (SEG_MUTANT(IGNORES_CUT))
			from = cut->next[s];
		if (from < 0)
			from = part->facts.input_low[s] >= 0 ? part->facts.input_low[s] : cut->next[s];
		if (from > cut->next[s])
			from = cut->next[s];
		part->reread_at[s] = from;
		part->reread_to[s] = cut->next[s];
		part->reread_last[s] = from >= cut->next[s];
	}
}

static bool rereads_any(const struct seg_part *part)
{
	for (int s = 0; s < SEG_SOURCES; s++)
		if (part->reread_at[s] < part->reread_to[s])
			return true;
	return false;
}

/*
 * A rebuilt store may be trusted from the newest cut's position on, once all that was taken is written; from the
 * changelog's start while no cycle has ended, as all inputs are read again then.
 */
static enum seg_rc finish_rebuild(struct seg_part *part, struct seg_error *err)
{
	int64_t position = part->cut.changelog_position;
	enum seg_rc rc;

	if (SEG_MUTANT(POS_AT_TARGET))
		position = part->facts.changelog_high;
	else if (!part->rebuilding)
		return SEG_OK;
	else if (position < 0)
		position = part->facts.changelog_low;
	rc = seg_part_bulk_write(part, err);
	seg_part_bulk_drop(part);
	if (rc == SEG_OK)
		rc = seg_part_spill(part, err);
	if (rc == SEG_OK && (rc = seg_store_sync(part->store, err)) != SEG_OK) /* as at a cycle's end */
		return seg_part_wrong(part, rc, err);
	return rc == SEG_OK ? seg_part_write_position(part, position, part->cut.wall_ms, &part->cut, err) : rc;
}

/* Nothing has ever been committed: a store that is empty may be completed from the changelog's start at any time. */
static enum seg_rc begin_store(struct seg_part *part, struct seg_error *err)
{
	struct seg_cut cut = part->options.identity;

	if (!part->rebuilding)
		return SEG_OK;
	for (int s = 0; s < SEG_SOURCES; s++)
		cut.next[s] = cut.replay_from[s] = -1;
	return seg_part_write_position(part, part->facts.changelog_low, part->facts.wall_ms, &cut, err);
}

static enum seg_rc begin_rereading(struct seg_part *part, struct seg_error *err)
{
	const struct seg_cut *cut = &part->cut;
	enum seg_rc rc = finish_rebuild(part, err);

	if (rc == SEG_OK)
		rc = seg_part_spill_if_full(part, err);
	if (rc != SEG_OK)
		return rc;
	part->has_cut = true;
	part->cut_stored = false;
	part->seq = cut->seq;
	part->customers = part->customers_committed = cut->customers;
	part->changelog_position = cut->changelog_position;
	memcpy(part->next, cut->next, sizeof part->next);
	memcpy(part->start, cut->next, sizeof part->start);
	memcpy(part->replay_from, cut->replay_from, sizeof part->replay_from);
	return SEG_OK;
}

/* A store that knows of a commit which Kafka does not: Kafka has lost it, or the store was another one's. */
static enum seg_rc check_store_cut(struct seg_part *part, struct seg_error *err)
{
	const struct seg_cut *known = &part->store_cut;
	uint64_t newest = part->took_cut ? part->cut.seq : 0;
	bool ahead = part->has_store_cut && !part->rebuilding && known->seq > newest;

	for (int s = 0; part->took_cut && part->has_store_cut && !part->rebuilding && s < SEG_SOURCES; s++)
		ahead = ahead || known->next[s] > part->cut.next[s];
	if (!ahead)
		return SEG_OK;
	return seg_error_set(err, SEG_CORRUPT,
			     "the store's cut (seq=%" PRIu64 ") is ahead of the changelog's newest (seq=%" PRIu64
			     "): what was committed after that is not in Kafka",
			     known->seq, newest);
}

/* Positions past the end of a log are those of a topic that was made anew since. */
static enum seg_rc check_within(const struct seg_part *part, struct seg_error *err)
{
	for (int s = 0; part->facts.knows_input_high && s < SEG_SOURCES; s++) {
		if (part->facts.input_low[s] < 0 || part->cut.next[s] <= part->facts.input_high[s])
			continue;
		return seg_error_set(
			err, SEG_INVALID,
			"source %s was read to offset %" PRId64 ", but its log ends at %" PRId64
			": has the topic been made anew? Give the application a new name (`app`), or restore "
			"the topic",
			seg_source_names[s], part->cut.next[s], part->facts.input_high[s]);
	}
	return SEG_OK;
}

enum seg_rc seg_part_taken(struct seg_part *part, int64_t ret_from[SEG_SOURCES], int64_t ret_to[SEG_SOURCES],
			   bool *ret_warn, struct seg_error *err)
{
	enum seg_rc rc;

	assert(part->taking);
	rc = check_group(part, ret_warn, err);
	if (rc == SEG_OK)
		rc = check_store_cut(part, err);
	if (rc == SEG_OK && part->took_cut) {
		plan_rereading(part);
		rc = check_within(part, err);
		if (rc == SEG_OK)
			rc = check_identity(part, rereads_any(part), err);
		for (int s = 0; rc == SEG_OK && s < SEG_SOURCES; s++)
			rc = check_reach(part, (enum seg_source)s, part->reread_at[s], part->reread_to[s], err);
		if (rc == SEG_OK)
			rc = begin_rereading(part, err);
	} else if (rc == SEG_OK) {
		rc = begin_store(part, err);
		for (int s = 0; s < SEG_SOURCES; s++)
			part->reread_at[s] = part->reread_to[s] = -1, part->reread_last[s] = true;
	}
	if (rc != SEG_OK)
		return rc;
	part->taking = false;
	part->rereading = true;
	memcpy(ret_from, part->reread_at, sizeof part->reread_at);
	memcpy(ret_to, part->reread_to, sizeof part->reread_to);
	return SEG_OK;
}

/* ---- the inputs again ---- */

void seg_part_reread_position(struct seg_part *part, enum seg_source source, int64_t next)
{
	if (next > part->reread_at[source])
		part->reread_at[source] = next;
}

bool seg_part_reread_done(const struct seg_part *part)
{
	for (int s = 0; s < SEG_SOURCES; s++)
		if (part->reread_at[s] < part->reread_to[s] || (SEG_MUTANT(END_BY_RECORD) && !part->reread_last[s]))
			return false;
	return true;
}

/* Seeded bug: the first source's window instead of one's own. */
static void swap_windows(struct seg_profile *p, enum seg_source source)
{
	struct seg_window own = p->seen[source];

	p->seen[source] = p->seen[0];
	p->seen[0] = own;
}

static enum seg_rc reread_into(struct seg_part *part, struct seg_entry *entry, const struct seg_event *e,
			       int64_t offset, struct seg_error *err)
{
	enum seg_applied applied;
	enum seg_rc rc;

	if (SEG_MUTANT(APPLIED_FORGOT) && e->source == SEG_WEB)
		entry->now->applied[SEG_WEB] = -1;
	if (SEG_MUTANT(WINDOW_REREAD))
		swap_windows(entry->now, e->source);
	rc = seg_aggregate_apply(entry->now, e, offset, &part->options.aggregates, &applied, err);
	if (SEG_MUTANT(WINDOW_REREAD))
		swap_windows(entry->now, e->source);
	if (rc == SEG_SKIP)
		return SEG_OK;
	if (rc != SEG_OK)
		return rc;
	seg_part_account(part, entry);
	/* Whoever is named is dirty for the changelog: RocksDB may have this record while the changelog has not. */
	if (applied != SEG_APPLIED)
		return SEG_MUTANT(SKIPPED_IS_CLEAN) ? SEG_OK : seg_part_mark_dirty(part, entry, true, false, err);
	if (SEG_MUTANT(CAUSE_REREAD)) {
		entry->caused = true;
		entry->cause_source = e->source;
		entry->cause_offset = offset;
	}
	rc = seg_part_mark_dirty(part, entry, true, true, err);
	return rc == SEG_OK && !SEG_MUTANT(NO_EVAL) ? seg_part_mark_evaluate(part, entry, err) : rc;
}

static enum seg_rc reread_erase(struct seg_part *part, struct seg_entry *entry, const struct seg_event *e,
				int64_t offset, struct seg_error *err)
{
	if (!SEG_MUTANT(REREAD_ERASE) || !seg_profile_is_alive(entry->now) || offset <= entry->now->applied[e->source])
		return SEG_OK;
	seg_part_replace_now(part, entry, NULL);
	return seg_part_mark_dirty(part, entry, true, true, err);
}

enum seg_rc seg_part_reread(struct seg_part *part, const struct seg_event *e, int64_t offset, struct seg_error *err)
{
	bool erase = e->source == SEG_PROFILES && e->kind == SEG_UPDATE_ERASE;
	struct seg_entry *entry;
	enum seg_rc rc = SEG_OK;

	assert(part->rereading);
	if (offset < part->reread_at[e->source] || offset >= part->reread_to[e->source]) {
		seg_part_reread_position(part, e->source, offset + 1);
		return SEG_OK;
	}
	if (!(e->source == SEG_PROFILES && e->kind == SEG_UPDATE_IDENTIFY) && (!erase || SEG_MUTANT(REREAD_ERASE))) {
		rc = seg_part_entry(part, e->customer_id, seg_hash_customer(e->customer_id), &entry, err);
		if (rc == SEG_OK && erase)
			rc = reread_erase(part, entry, e, offset, err);
		else if (rc == SEG_OK && seg_profile_is_alive(entry->now))
			rc = reread_into(part, entry, e, offset, err);
		else if (rc == SEG_OK && (!entry->now || offset > entry->now->applied[e->source]))
			part->faults++; /* never makes a customer */
	}
	if (rc != SEG_OK)
		return rc;
	seg_part_reread_position(part, e->source, offset + 1);
	part->reread_last[e->source] |= offset + 1 == part->reread_to[e->source];
	return SEG_OK;
}

enum seg_rc seg_part_recovered(struct seg_part *part, struct seg_error *err)
{
	enum seg_rc rc = seg_store_bulk_end(part->store, err); /* no merging of files took time from reading again */

	assert(part->rereading && seg_part_reread_done(part));
	if (rc != SEG_OK)
		return seg_part_wrong(part, rc, err);
	if (SEG_MUTANT(ROCKS_IS_CLEAN) && (rc = seg_part_spill(part, err)) != SEG_OK)
		return rc;
	part->rereading = part->rebuilding = false;
	part->ready = true;
	seg_part_evict(part);
	return SEG_OK;
}
