/* The commit: what goes into its transaction, and what follows from its outcome. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/fault.h"
#include "state/codec.h"
#include "state/part_internal.h"

struct sealing {
	struct seg_part *part;
	const struct seg_seal *seal;
	seg_part_emit emit;
	void *ctx;
	bool ends;
	size_t logged_to;
	const int64_t *passed; /* whose erasure's positions lie below it may be forgotten; NULL: nobody */
};

/* ---- records ---- */

static enum seg_rc emit(const struct sealing *s, enum seg_changelog_kind kind, struct seg_str id, bool tombstone,
			struct seg_error *err)
{
	struct seg_buf *key = &s->part->key, *value = &s->part->value;

	seg_buf_clear(key);
	seg_changelog_key(key, kind, id);
	if (key->failed)
		return seg_part_no_memory(s->part, err);
	struct seg_str v = {tombstone ? NULL : (const char *)value->data, tombstone ? 0 : (uint32_t)value->len};
	return s->emit(s->ctx, kind == SEG_CHANGELOG_CUT ? SEG_EMIT_CUT : SEG_EMIT_RECORD,
		       (struct seg_str){(const char *)key->data, (uint32_t)key->len}, v, err);
}

static enum seg_rc emit_profile(const struct sealing *s, const struct seg_entry *e, struct seg_error *err)
{
	enum seg_rc rc;

	seg_buf_clear(&s->part->value);
	rc = seg_profile_encode(e->now, &s->part->value, err);
	return rc == SEG_OK ? emit(s, SEG_CHANGELOG_PROFILE, seg_entry_id(e), false, err) : rc;
}

/* The profile's record goes when its customer was erased, back or not: what is left is in the decision. */
static enum seg_rc emit_profiles(const struct sealing *s, struct seg_error *err)
{
	struct seg_part *part = s->part;
	enum seg_rc rc = SEG_OK;

	for (size_t i = 0; rc == SEG_OK && i < part->work.len; i++)
		if (part->work.items[i]->tombstone)
			rc = emit(s, SEG_CHANGELOG_PROFILE, seg_entry_id(part->work.items[i]), true, err);
	seg_part_cycle_sort(part, s->logged_to);
	for (size_t i = part->cycle.logged; rc == SEG_OK && i < s->logged_to; i++) {
		const struct seg_entry *e = part->cycle.items[i].entry;

		seg_part_look_ahead(part->cycle.items, i, s->logged_to);
		/* Who is only missing in RocksDB needs no record; who is changed by this very commit does. */
		if ((e->dirty_log || e->touched) && seg_profile_is_alive(e->now))
			rc = emit_profile(s, e, err);
	}
	return rc;
}

static bool decision_moved(const struct seg_entry *e)
{
	const struct seg_profile *from = e->before ? &e->before->profile : NULL, *to = e->now;

	if (!from)
		return true; /* the birth must be logged */
	if (SEG_MUTANT(BIRTH_UNLOGGED) && to->decision.alive && !to->decision.has_stay_out)
		return from->decision.change_number != to->decision.change_number;
	return !seg_decision_equal(&from->decision, &to->decision);
}

static enum seg_rc emit_decision(const struct sealing *s, const struct seg_entry *e, struct seg_error *err)
{
	enum seg_rc rc;

	if (!e->now)
		return emit(s, SEG_CHANGELOG_DECISION, seg_entry_id(e), true, err);
	if (SEG_MUTANT(BIRTH_UNLOGGED) && !e->before && e->now->decision.change_number == 0 &&
	    !e->now->decision.has_stay_out)
		return SEG_OK;
	if (!decision_moved(e))
		return SEG_OK;
	if (SEG_MUTANT(DROP_RECORD) && s->part->has_cut && s->part->cycles == 0 && !s->part->cycle.runs)
		return SEG_OK;
	seg_buf_clear(&s->part->value);
	rc = seg_decision_encode(&e->now->decision, &s->part->value, err);
	return rc == SEG_OK ? emit(s, SEG_CHANGELOG_DECISION, seg_entry_id(e), false, err) : rc;
}

/* The decision of an erasure goes with the cut that moves replay_from past its positions, unless the customer is back:
 * from then on no re-reading can reach what it keeps out. */
static bool may_go(const struct sealing *s, const struct seg_entry *e)
{
	if (!s->passed || !e->now || !e->now->decision.has_stay_out)
		return false;
	if (e->now->decision.alive && !SEG_MUTANT(TOMB_REBORN))
		return false;
	return seg_stay_out_is_passed(&e->now->decision, s->passed);
}

static enum seg_rc find_gone(const struct sealing *s, struct seg_error *err)
{
	struct seg_part *part = s->part;

	part->sealed.gone.len = 0;
	for (size_t i = 0; i < part->erased.len; i++)
		if (may_go(s, part->erased.items[i]) && !seg_entries_add(&part->sealed.gone, part->erased.items[i]))
			return seg_part_no_memory(part, err);
	return SEG_OK;
}

static enum seg_rc emit_decisions(const struct sealing *s, struct seg_error *err)
{
	struct seg_part *part = s->part;
	enum seg_rc rc = SEG_OK;

	for (size_t i = 0; rc == SEG_OK && i < part->work.len; i++)
		if (part->work.items[i]->touched)
			rc = emit_decision(s, part->work.items[i], err);
	for (size_t i = 0; rc == SEG_OK && i < part->sealed.gone.len; i++)
		rc = emit(s, SEG_CHANGELOG_DECISION, seg_entry_id(part->sealed.gone.items[i]), true, err);
	return rc;
}

static void make_cut(const struct sealing *s, struct seg_cut *cut)
{
	const struct seg_part *part = s->part;
	const struct seg_seal *seal = s->seal;

	*cut = part->options.identity;
	cut->format_version = SEG_CUT_VERSION;
	cut->seq = part->seq + 1;
	memcpy(cut->next, part->next, sizeof cut->next);
	bool early = SEG_MUTANT(REPLAY_EARLY) && part->cycle.runs;
	memcpy(cut->replay_from, s->ends || early ? part->cycle.next : part->replay_from, sizeof cut->replay_from);
	cut->changelog_position = s->ends ? part->cycle.position : part->changelog_position;
	cut->stream_time_ms = seal->stream_time_ms;
	memcpy(cut->source_max_time_ms, seal->source_max_time_ms, sizeof cut->source_max_time_ms);
	cut->wall_ms = seal->wall_ms;
	cut->scan_cursor = seal->scan_cursor;
	cut->sweep_promotion = seal->sweep_promotion;
	cut->model_version = seal->model_version;
	cut->sample_reach = seal->sample_reach;
	cut->sample_reach_ms = seal->sample_reach_ms;
	cut->customers = part->customers;
}

static enum seg_rc emit_cut(const struct sealing *s, const struct seg_cut *cut, struct seg_error *err)
{
	enum seg_rc rc;

	seg_buf_clear(&s->part->value);
	rc = seg_cut_encode(cut, &s->part->value, err);
	return rc == SEG_OK ? emit(s, SEG_CHANGELOG_CUT, (struct seg_str){"", 0}, false, err) : rc;
}

/* ---- seal ---- */

static void decide_limits(struct sealing *s)
{
	struct seg_part *part = s->part;
	const struct seg_part_cycle *c = &part->cycle;
	size_t left = c->runs ? c->len - c->logged : 0;

	s->ends = c->runs && c->logged == c->len && c->written == c->len;
	s->logged_to = c->logged + (left < s->seal->max_profiles ? left : s->seal->max_profiles);
	s->passed = s->ends ? c->next : NULL;
	if (SEG_MUTANT(TOMB_RUNNING_CYCLE) && s->ends)
		s->passed = part->next;
	if (SEG_MUTANT(TOMB_NEXT_COMMIT)) {
		s->passed = !s->ends && part->tombs_late ? part->replay_from : NULL;
		part->tombs_late = s->ends;
	}
}

/* From here on `now` belongs to what comes after; nothing can fail. */
static void hand_over(struct seg_part *part)
{
	struct seg_entries work = part->sealed.work;

	part->sealed.work = part->work;
	part->work = work;
	part->work.len = 0;
	part->sealed.below_window = part->below_open;
	part->below_open = 0;
	for (size_t i = 0; i < part->sealed.work.len; i++) {
		struct seg_entry *e = part->sealed.work.items[i];

		e->in_work = false;
		e->in_seal = e->touched;
		e->touched = false;
		e->evaluate_sealed = e->evaluate;
		e->evaluate = false;
		e->tombstone = false;
		e->caused = false;
	}
}

enum seg_rc seg_part_seal(struct seg_part *part, const struct seg_seal *seal, seg_part_emit emit_fn, void *ctx,
			  struct seg_error *err)
{
	struct sealing s = {.part = part, .seal = seal, .emit = emit_fn, .ctx = ctx};
	struct seg_cut cut;
	enum seg_rc rc;

	assert(part->ready && !part->sealed.active);
	decide_limits(&s);
	make_cut(&s, &cut);
	rc = find_gone(&s, err);
	if (rc == SEG_OK && s.ends && SEG_MUTANT(POS_BEFORE_CUT))
		rc = seg_part_write_position(part, part->cycle.position, part->cycle.wall_ms, &cut, err);
	if (rc == SEG_OK && SEG_MUTANT(ROCKS_EARLY) && part->cycle.runs)
		rc = seg_part_write_items(part, part->cycle.items + part->cycle.logged,
					  s.logged_to - part->cycle.logged, err);
	if (rc == SEG_OK)
		rc = emit_profiles(&s, err);
	if (rc == SEG_OK)
		rc = emit_decisions(&s, err);
	if (rc == SEG_OK)
		rc = emit_cut(&s, &cut, err);
	if (rc != SEG_OK)
		return seg_part_wrong(part, rc, err);
	part->sealed.active = true;
	part->sealed.cut = cut;
	part->sealed.begins = seal->begin_cycle && !part->cycle.runs;
	part->sealed.ends = s.ends;
	part->sealed.logged_to = s.logged_to;
	part->sealed.customers = part->customers;
	hand_over(part);
	return SEG_OK;
}

uint64_t seg_part_sealed_seq(const struct seg_part *part)
{
	return part->sealed.cut.seq;
}

int64_t seg_part_sealed_next(const struct seg_part *part, enum seg_source source)
{
	return part->sealed.cut.next[source];
}

/* ---- success ---- */

/* The version of the commit becomes the committed one; `now` stays if it has moved on. */
static enum seg_rc settle(struct seg_part *part, struct seg_entry *e, struct seg_error *err)
{
	e->evaluate_sealed = false;
	if (!e->in_seal)
		return SEG_OK;
	seg_spares_give(&part->spares, e->before);
	e->before = e->sealed;
	e->sealed = NULL;
	e->in_seal = false;
	seg_part_account(part, e);
	/* Of the dead the changelog has all as soon as their commit has come: tombstone and decision. */
	if (!seg_profile_is_alive(seg_entry_committed(e)))
		seg_part_clean(part, e, true, false);
	return seg_part_mark_dirty(part, e, seg_profile_is_alive(seg_entry_committed(e)), true, err);
}

static enum seg_rc settle_all(struct seg_part *part, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	for (size_t i = 0; i < part->sealed.work.len; i++) {
		enum seg_rc one = settle(part, part->sealed.work.items[i], err);

		rc = rc == SEG_OK ? one : rc;
	}
	part->sealed.work.len = 0;
	for (size_t i = part->cycle.logged; part->cycle.runs && i < part->sealed.logged_to; i++)
		seg_part_clean(part, part->cycle.items[i].entry, true, false);
	if (part->cycle.runs)
		part->cycle.logged = part->sealed.logged_to;
	if (part->cycle.runs && part->cycle.logged > 0 && part->cycle.logged < part->cycle.len)
		SEG_CRASH_POINT(CYCLE_BETWEEN);
	return rc;
}

/* Kept while any version is dead: an abort may bring it back. */
static bool stays_erased(const struct seg_entry *e)
{
	if (e->touched || e->in_seal)
		return true;
	return e->now && (!e->now->decision.alive || SEG_MUTANT(TOMB_REBORN));
}

static void tidy_erased(struct seg_part *part)
{
	size_t kept = 0;

	for (size_t i = 0; i < part->erased.len; i++) {
		struct seg_entry *e = part->erased.items[i];

		if (stays_erased(e)) {
			part->erased.items[kept++] = e;
			continue;
		}
		e->in_erased = false;
		if (!e->now && seg_entry_is_idle(e))
			seg_part_forget(part, e);
	}
	part->erased.len = kept;
}

/* Their decisions are tombstoned. Who came back, or was erased anew, since the seal stays. */
static void drop_gone(struct seg_part *part)
{
	for (size_t i = 0; i < part->sealed.gone.len; i++) {
		struct seg_entry *e = part->sealed.gone.items[i];

		if (e->touched) {
			seg_spares_give(&part->spares, e->before);
			e->before = NULL;
		}
		if (!e->touched || SEG_MUTANT(LATE_ERASED)) {
			seg_profile_free(e->now);
			e->now = NULL;
		}
		seg_part_account(part, e);
	}
	if (part->sealed.gone.len > 0 || part->sealed.ends)
		tidy_erased(part);
	part->sealed.gone.len = 0;
}

enum seg_rc seg_part_committed(struct seg_part *part, int64_t cut_offset, struct seg_error *err)
{
	struct seg_part_sealed *sealed = &part->sealed;
	bool begins = sealed->begins && cut_offset >= 0, early = begins && SEG_MUTANT(SET_BEFORE_COMMIT);
	enum seg_rc rc = SEG_OK;

	assert(sealed->active);
	sealed->active = false;
	if (early) {
		rc = seg_part_cycle_begin(part, &sealed->cut, cut_offset, err);
		sealed->logged_to = 0;
	}
	part->cut = sealed->cut;
	part->has_cut = true;
	part->cut_stored = false;
	part->seq = sealed->cut.seq;
	part->customers_committed = sealed->customers;
	part->below_window += sealed->below_window;
	memcpy(part->start, sealed->cut.next, sizeof part->start);
	memcpy(part->replay_from, sealed->cut.replay_from, sizeof part->replay_from);
	part->changelog_position = sealed->cut.changelog_position;
	if (rc == SEG_OK)
		rc = settle_all(part, err);
	drop_gone(part);
	if (rc == SEG_OK && begins && !early)
		rc = seg_part_cycle_begin(part, &sealed->cut, cut_offset, err);
	if (SEG_MUTANT(END_BEFORE_SET) && part->cycle.runs && cut_offset >= 0)
		part->cycle.position = cut_offset;
	if (rc == SEG_OK && sealed->ends)
		rc = seg_part_cycle_end(part, err);
	return rc;
}

/* ---- abort ---- */

static enum seg_rc restore(struct seg_part *part, struct seg_entry *e, struct seg_error *err)
{
	const struct seg_profile *to = e->before ? &e->before->profile : NULL;
	struct seg_profile *was = NULL;
	enum seg_rc rc = SEG_OK;

	e->caused = e->tombstone = false;
	if (!e->touched && !e->in_seal)
		return SEG_OK;
	if (SEG_MUTANT(ABORT_KEEPS_CACHE))
		to = e->now;
	if (to && !(was = seg_profile_clone(to)))
		return seg_part_no_memory(part, err);
	if (!SEG_MUTANT(ABORT_KEEPS_SUMS))
		rc = seg_part_contribute(part, e->hash, e->now ? &e->now->contribution : NULL,
					 was ? &was->contribution : NULL, err);
	seg_profile_free(e->now);
	seg_spares_give(&part->spares, e->sealed);
	seg_spares_give(&part->spares, e->before);
	e->now = was;
	e->sealed = e->before = NULL;
	e->touched = e->in_seal = false;
	seg_part_account(part, e);
	if (e->now && !e->now->decision.alive && !e->in_erased) {
		if (!seg_entries_add(&part->erased, e))
			return seg_part_no_memory(part, err);
		e->in_erased = true;
	}
	return rc;
}

/* Who was to be evaluated still is; who only came to be by what is undone leaves memory. */
static enum seg_rc requeue(struct seg_part *part, struct seg_entry *e, struct seg_error *err)
{
	e->evaluate = (e->evaluate || e->evaluate_sealed) && !SEG_MUTANT(ABORT_FORGETS);
	e->evaluate_sealed = false;
	if (e->evaluate && e->now)
		return seg_part_mark_evaluate(part, e, err);
	e->evaluate = false;
	if (!e->now && seg_entry_is_idle(e))
		seg_part_forget(part, e);
	return SEG_OK;
}

/* Takes out of the list of what came since the seal who is in the sealed list, too. */
static void drop_doubles(struct seg_entries *since)
{
	size_t kept = 0;

	for (size_t i = 0; i < since->len; i++) {
		since->items[i]->in_work = false;
		if (!since->items[i]->in_seal && !since->items[i]->evaluate_sealed)
			since->items[kept++] = since->items[i];
	}
	since->len = kept;
}

enum seg_rc seg_part_aborted(struct seg_part *part, struct seg_error *err)
{
	struct seg_entries lists[2] = {part->sealed.work, part->work};
	enum seg_rc rc = SEG_OK, one;

	part->sealed.work = part->work = (struct seg_entries){NULL, 0, 0};
	drop_doubles(&lists[1]);
	for (int l = 0; l < 2; l++)
		for (size_t i = 0; i < lists[l].len; i++) {
			one = restore(part, lists[l].items[i], err);
			rc = rc == SEG_OK ? one : rc;
		}
	for (int l = 0; l < 2; l++)
		for (size_t i = 0; i < lists[l].len; i++) {
			one = requeue(part, lists[l].items[i], err);
			rc = rc == SEG_OK ? one : rc;
		}
	if (part->sealed.active && SEG_MUTANT(ABORT_KEEPS_MARKS) && part->cycle.runs)
		part->cycle.logged = part->sealed.logged_to;
	part->sealed.active = false;
	part->sealed.gone.len = 0;
	memcpy(part->next, part->start, sizeof part->next);
	part->customers = part->customers_committed;
	part->below_open = 0;
	free(lists[0].items);
	free(lists[1].items);
	return rc;
}
