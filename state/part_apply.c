/* What events, erasures and decisions do to customers between two seals. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "state/part_internal.h"
#include "state/window.h"

/* ---- positions ---- */

int64_t seg_part_next(const struct seg_part *part, enum seg_source source)
{
	return part->next[source];
}

void seg_part_set_start(struct seg_part *part, enum seg_source source, int64_t offset)
{
	if (part->next[source] >= 0)
		return;
	part->next[source] = part->start[source] = offset;
	if (part->replay_from[source] < 0)
		part->replay_from[source] = offset;
}

void seg_part_advance(struct seg_part *part, enum seg_source source, int64_t next)
{
	if (next > part->next[source])
		part->next[source] = next;
}

bool seg_part_has_work(const struct seg_part *part)
{
	return part->work.len > 0 ||
	       memcmp(part->next, part->sealed.active ? part->sealed.cut.next : part->start, sizeof part->next) != 0;
}

/* ---- touching ---- */

static enum seg_rc add_work(struct seg_part *part, struct seg_entry *e, struct seg_error *err)
{
	if (e->in_work)
		return SEG_OK;
	if (!seg_entries_add(&part->work, e))
		return seg_part_no_memory(part, err);
	e->in_work = true;
	return SEG_OK;
}

enum seg_rc seg_part_touch(struct seg_part *part, struct seg_entry *e, struct seg_error *err)
{
	struct seg_image *image = NULL;
	enum seg_rc rc;

	if (e->touched)
		return SEG_OK;
	if (e->now && !(image = seg_spares_image(&part->spares, e->now)))
		return seg_part_no_memory(part, err);
	rc = add_work(part, e, err);
	if (rc != SEG_OK) {
		seg_spares_give(&part->spares, image);
		return rc;
	}
	if (e->in_seal)
		e->sealed = image;
	else
		e->before = image;
	e->touched = true;
	if (image) {
		e->bytes += image->bytes;
		part->memory_bytes += image->bytes;
	}
	return SEG_OK;
}

/* Undoes a touch that turned out to change nothing; the entry is the last of the work list then, or was in it before. */
static void untouch(struct seg_part *part, struct seg_entry *e, bool was_in_work)
{
	struct seg_image **image = e->in_seal ? &e->sealed : &e->before;

	seg_spares_give(&part->spares, *image);
	*image = NULL;
	e->touched = false;
	if (!was_in_work) {
		assert(part->work.items[part->work.len - 1] == e);
		part->work.len--;
		e->in_work = false;
	}
	seg_part_account(part, e);
}

enum seg_rc seg_part_mark_evaluate(struct seg_part *part, struct seg_entry *e, struct seg_error *err)
{
	enum seg_rc rc = add_work(part, e, err);

	if (rc == SEG_OK)
		e->evaluate = true;
	return rc;
}

/* ---- the sums ---- */

enum seg_rc seg_part_contribute(struct seg_part *part, uint64_t hash, const struct seg_contribution *from,
				const struct seg_contribution *to, struct seg_error *err)
{
	static const struct seg_contribution none;
	enum seg_rc rc = SEG_OK;

	if (!part->options.contribution)
		return SEG_OK;
	if (!part->recounted && hash >= part->recount_next && !SEG_MUTANT(RECOUNT_TWICE))
		return SEG_OK;
	from = from ? from : &none;
	to = to ? to : &none;
	struct seg_contribution wrong = *from;
	if (SEG_MUTANT(OUT_OF_NEW) && to->cluster != 0 && from->basis == to->basis) {
		wrong.cluster = to->cluster;
		from = &wrong;
	}
	if (seg_contribution_equal(from, to))
		return SEG_OK;
	/* In first: taking out needs no memory, so that a failure can be undone. */
	if (to->basis != 0)
		rc = part->options.contribution(part->options.ctx, to, 1, err);
	if (rc != SEG_OK || from->basis == 0)
		return rc;
	rc = part->options.contribution(part->options.ctx, from, -1, err);
	if (rc != SEG_OK && to->basis != 0)
		(void)!part->options.contribution(part->options.ctx, to, -1, NULL);
	return rc;
}

/* ---- erasure's positions ---- */

bool seg_stay_out_is_passed(const struct seg_decision *d, const int64_t limit[SEG_SOURCES])
{
	for (int s = 0; s < SEG_SOURCES; s++)
		if (d->stay_out[s] >= 0 && d->stay_out[s] >= limit[s])
			return false;
	return true;
}

void seg_profile_bury(struct seg_profile *p, const int64_t stay_out[SEG_SOURCES])
{
	seg_profile_clear(p);
	p->decision.has_stay_out = true;
	for (int s = 0; s < SEG_SOURCES; s++)
		p->applied[s] = p->decision.stay_out[s] = stay_out[s];
}

static void give_birth(struct seg_part *part, struct seg_profile *p, enum seg_source source, int64_t offset)
{
	p->decision.alive = true;
	p->decision.birth_source = source;
	p->decision.birth_offset = offset;
	if (SEG_MUTANT(E_NOT_CARRIED))
		p->decision.has_stay_out = false;
	part->customers++;
}

/* ---- events ---- */

static bool is_for_nobody(const struct seg_event *e)
{
	return e->source == SEG_PROFILES && (e->kind == SEG_UPDATE_IDENTIFY || e->kind == SEG_UPDATE_ERASE);
}

/* A profile for a customer whom the entry says does not exist. */
static enum seg_rc make_profile(struct seg_part *part, struct seg_entry *entry, struct seg_error *err)
{
	entry->now = seg_profile_new(seg_entry_id(entry), entry->hash);
	if (!entry->now)
		return seg_part_no_memory(part, err);
	seg_part_account(part, entry);
	return SEG_OK;
}

/* An event that made no customer leaves none. */
static void take_back(struct seg_part *part, struct seg_entry *entry, bool made, bool was_touched, bool was_in_work)
{
	if (made) {
		seg_profile_free(entry->now);
		entry->now = NULL;
	}
	if (!was_touched && entry->touched)
		untouch(part, entry, was_in_work);
	else
		seg_part_account(part, entry);
}

/* An event that went in and is older than all that its full window remembers: a repeat of it would go in, too. */
static bool is_below_window(const struct seg_part *part, const struct seg_profile *p, const struct seg_event *e)
{
	return seg_window_is_below(&p->seen[e->source], seg_window_limit(&part->options.aggregates, e->source),
				   (struct seg_seen){e->time_ms, e->id_hash});
}

static enum seg_rc apply_to(struct seg_part *part, struct seg_entry *entry, const struct seg_event *e, int64_t offset,
			    enum seg_applied *ret, struct seg_error *err)
{
	bool made = entry->now == NULL, was_touched = entry->touched, was_in_work = entry->in_work;
	enum seg_applied applied = SEG_APPLIED_IGNORED;
	enum seg_rc rc;

	if (entry->now && offset <= entry->now->applied[e->source]) {
		*ret = SEG_APPLIED_SEEN;
		return SEG_OK;
	}
	rc = seg_part_touch(part, entry, err);
	if (rc == SEG_OK && made)
		rc = make_profile(part, entry, err);
	if (rc == SEG_OK)
		rc = seg_aggregate_apply(entry->now, e, offset, &part->options.aggregates, &applied, err);
	if (rc != SEG_OK || applied != SEG_APPLIED) {
		take_back(part, entry, made, was_touched, was_in_work);
	} else {
		if (!entry->now->decision.alive)
			give_birth(part, entry->now, e->source, offset);
		part->below_open += is_below_window(part, entry->now, e);
		entry->caused = true;
		entry->cause_source = e->source;
		entry->cause_offset = offset;
	}
	*ret = applied;
	return rc;
}

enum seg_rc seg_part_apply(struct seg_part *part, const struct seg_event *e, int64_t offset, enum seg_applied *ret,
			   struct seg_entry **ret_entry, struct seg_error *err)
{
	enum seg_applied applied = SEG_APPLIED_IGNORED;
	struct seg_entry *entry = NULL;
	enum seg_rc rc = SEG_OK;

	if (offset < part->next[e->source]) {
		applied = SEG_APPLIED_SEEN; /* below the position: it is in, or refused, or erased */
	} else if (!is_for_nobody(e)) {
		rc = seg_part_entry(part, e->customer_id, seg_hash_customer(e->customer_id), &entry, err);
		if (rc == SEG_OK)
			rc = apply_to(part, entry, e, offset, &applied, err);
	}
	if (rc != SEG_OK)
		return rc;
	seg_part_advance(part, e->source, offset + 1);
	*ret = applied;
	if (ret_entry)
		*ret_entry = entry;
	return SEG_OK;
}

/* ---- erasure and expiry ---- */

static void floor_of(const struct seg_part *part, const struct seg_profile *p, int64_t ret[SEG_SOURCES])
{
	for (int s = 0; s < SEG_SOURCES; s++) {
		ret[s] = part->next[s] > 0 ? part->next[s] - 1 : -1;
		if (SEG_MUTANT(E_APPLIED))
			ret[s] = p->applied[s];
	}
}

enum seg_rc seg_part_erase(struct seg_part *part, struct seg_str id, struct seg_decision *ret_was,
			   struct seg_error *err)
{
	int64_t stay_out[SEG_SOURCES];
	struct seg_entry *e;
	enum seg_rc rc = seg_part_entry(part, id, seg_hash_customer(id), &e, err);

	if (rc != SEG_OK)
		return rc;
	if (!seg_profile_is_alive(e->now))
		return SEG_NOT_FOUND;
	if (!e->in_erased) {
		if (!seg_entries_add(&part->erased, e))
			return seg_part_no_memory(part, err);
		e->in_erased = true;
	}
	rc = seg_part_touch(part, e, err);
	if (rc == SEG_OK)
		rc = seg_part_contribute(part, e->hash, &e->now->contribution, NULL, err);
	if (rc != SEG_OK)
		return rc;
	*ret_was = e->now->decision;
	floor_of(part, e->now, stay_out);
	if (SEG_MUTANT(EXPIRY_PLAIN)) {
		seg_profile_free(e->now);
		e->now = NULL;
	} else {
		seg_profile_bury(e->now, stay_out);
	}
	e->tombstone = true;
	e->caused = false;
	part->customers--;
	seg_part_account(part, e);
	return SEG_OK;
}

/* ---- evaluation ---- */

enum seg_rc seg_part_pending(struct seg_part *part, struct seg_entry ***ret, size_t *ret_len, struct seg_error *err)
{
	(void)err;
	*ret = part->work.items;
	*ret_len = part->work.len;
	return SEG_OK;
}

const struct seg_profile *seg_entry_profile(const struct seg_entry *e)
{
	return e->now;
}

bool seg_entry_cause(const struct seg_entry *e, enum seg_source *ret_source, int64_t *ret_offset)
{
	if (!e->caused)
		return false;
	*ret_source = e->cause_source;
	*ret_offset = e->cause_offset;
	return true;
}

/* Profile and sums, or neither: what needs memory comes before the sums. */
static enum seg_rc take_contribution(struct seg_part *part, struct seg_entry *e, const struct seg_contribution *to,
				     struct seg_error *err)
{
	struct seg_contribution *now = &e->now->contribution, fresh = {0};
	bool fits = now->values && now->len == to->len; /* then a copy needs no memory */
	enum seg_rc rc;

	if (!fits && !seg_contribution_copy(&fresh, to))
		return seg_part_no_memory(part, err);
	rc = seg_part_contribute(part, e->hash, now, to, err);
	if (rc != SEG_OK) {
		free(fresh.values);
		return rc;
	}
	if (fits)
		return seg_contribution_copy(now, to) ? SEG_OK : seg_part_no_memory(part, err);
	free(now->values);
	*now = fresh;
	return SEG_OK;
}

enum seg_rc seg_part_decide(struct seg_part *part, struct seg_entry *e, const struct seg_decision *decision,
			    const struct seg_contribution *contribution, struct seg_error *err)
{
	struct seg_decision d = *decision;
	enum seg_rc rc;

	assert(seg_profile_is_alive(e->now));
	d.alive = true;
	d.birth_source = e->now->decision.birth_source;
	d.birth_offset = e->now->decision.birth_offset;
	d.has_stay_out = e->now->decision.has_stay_out;
	memcpy(d.stay_out, e->now->decision.stay_out, sizeof d.stay_out);
	if (d.has_stay_out && seg_stay_out_is_passed(&d, part->replay_from)) {
		d.has_stay_out = false;
		for (int s = 0; s < SEG_SOURCES; s++)
			d.stay_out[s] = -1;
	}
	if (seg_decision_equal(&d, &e->now->decision) && seg_contribution_equal(contribution, &e->now->contribution))
		return SEG_OK;
	rc = seg_part_touch(part, e, err);
	if (rc == SEG_OK)
		rc = take_contribution(part, e, contribution, err);
	if (rc == SEG_OK)
		e->now->decision = d;
	return rc;
}
