#include "tests/property/protocol/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *const customer_ids[CUSTOMERS] = {"ann", "bob", "cy", "di", "ed"};
unsigned world_in_harness;
const struct seg_aggregate_config world_aggregates = {.window = {WINDOW, WINDOW, WINDOW, WINDOW}};

void world_init(struct world *w, uint64_t seed)
{
	memset(w, 0, sizeof *w);
	w->seed = seed;
	seg_rng_init(&w->rng, seed);
	for (int c = 0; c < CUSTOMERS; c++)
		for (int s = 0; s < SEG_SOURCES; s++)
			w->erased[c].stay_out[s] = -1;
	for (int s = 0; s < SEG_SOURCES; s++)
		w->group.next[s] = -1;
	w->truth_of = UINT64_MAX;
	w->wall_ms = 1700000010000; /* after all events */
	w->retention_ms = chance(w, .4) ? between(w, 3, 10) : between(w, 10, 100);
	world_change(w);
}

void world_change(struct world *w)
{
	w->hurry = seg_rng_unit(&w->rng);
	w->storm = chance(w, .5) ? 0 : seg_rng_unit(&w->rng);
	w->lively = chance(w, .3) ? 0 : seg_rng_unit(&w->rng);
}

static void record_release(struct record *r)
{
	free((char *)r->key.ptr);
	free((char *)r->value.ptr);
}

void world_release(struct world *w)
{
	for (size_t i = 0; i < w->log_len; i++)
		record_release(&w->log[i]);
	for (size_t i = 0; i < w->txns_len; i++) {
		free(w->txns[i]->outputs.items);
		free(w->txns[i]);
	}
	for (int c = 0; c < CUSTOMERS; c++)
		seg_profile_free(w->truth[c]);
	free(w->outputs.items);
}

_Noreturn void violation(struct world *w, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(w->why, sizeof w->why, fmt, ap); /* NOLINT(clang-analyzer-valist.Uninitialized): it is, above */
	va_end(ap);
	longjmp(w->failed, 1);
}

bool chance(struct world *w, double p)
{
	return seg_rng_unit(&w->rng) < p;
}

int64_t between(struct world *w, int64_t lo, int64_t hi)
{
	return lo + (int64_t)seg_rng_below(&w->rng, (uint64_t)(hi - lo + 1));
}

int customer_of(struct seg_str id)
{
	for (int c = 0; c < CUSTOMERS; c++)
		if (seg_str_is(id, customer_ids[c]))
			return c;
	abort();
}

/* ---- inputs ---- */

void world_input(struct world *w)
{
	enum seg_source s = (enum seg_source)between(w, 0, SEG_SOURCES - 1);
	double x = seg_rng_unit(&w->rng);
	struct input in = {.offset = w->end[s]++, .kind = IN_EVENT, .customer = (int)between(w, 0, CUSTOMERS - 1)};

	if (x < .15 || w->inputs_len[s] == INPUT_MAX)
		return; /* a transaction marker, or an aborted record */
	if (s == SEG_PROFILES && x < .45)
		in.kind = IN_ERASE;
	else if (x < .22)
		in.kind = IN_BAD;
	else if (s == SEG_PROFILES && x < .5)
		in.kind = IN_IDENTIFY;
	in.id = (unsigned)between(w, 0, 3);
	w->inputs[s][w->inputs_len[s]++] = in;
}

const struct input *world_next(const struct world *w, enum seg_source s, int64_t pos)
{
	for (size_t i = 0; i < w->inputs_len[s]; i++)
		if (w->inputs[s][i].offset >= pos)
			return &w->inputs[s][i];
	return NULL;
}

/* Amounts are powers of two, kinds and attributes follow from the offset: aggregates tell which events are in. */
const char *const rule_names[RULES] = {"late", "odd", "one"};

const struct seg_event *world_event(struct world *w, enum seg_source s, const struct input *in)
{
	static const char *const ids[] = {"e0", "e1", "e2", "e3"};
	struct seg_event *e = &w->event;

	seg_event_reset(e, s);
	e->customer_id = seg_str_from(customer_ids[in->customer]);
	e->event_id = seg_str_from(ids[in->id]);
	/* Ids that all sources share, so that a window shared by sources would take one's event for another's repeat. */
	e->id_hash = 1000 + in->id;
	e->time_ms = 1700000000000 + (in->id * 7 + (unsigned)in->customer) % 4 * 1000;
	switch (s) {
	case SEG_WEB:
		e->kind = (uint8_t)(SEG_WEB_PAGE_VIEW + in->offset % (SEG_WEB_KINDS - 1));
		break;
	case SEG_EMAIL:
		e->kind = (uint8_t)(SEG_EMAIL_SENT + in->offset % (SEG_EMAIL_KINDS - 1));
		break;
	case SEG_ORDERS:
		e->kind = SEG_ORDER_PURCHASE;
		e->has_amount = true;
		e->amount_micro = INT64_C(1) << in->offset % 60;
		break;
	case SEG_PROFILES:
		e->kind = in->kind == IN_ERASE	    ? SEG_UPDATE_ERASE
			  : in->kind == IN_IDENTIFY ? SEG_UPDATE_IDENTIFY
						    : SEG_UPDATE_UPDATE;
		e->attributes_len = 1;
		e->attributes[0].name = seg_str_from(ids[in->offset % 4]);
		e->attributes[0].value = (struct seg_value){.type = SEG_VALUE_LONG, .i = in->offset};
		break;
	case SEG_SOURCES:
		abort();
	}
	return e;
}

/* ---- transactions ---- */

struct txn *world_begin(struct world *w, const struct worker *by)
{
	struct txn *t = calloc(1, sizeof *t);

	if (!t || w->txns_len == TXN_MAX)
		abort();
	t->by = by;
	t->first = -1;
	w->txns[w->txns_len++] = t;
	return t;
}

static struct seg_str copy_str(struct seg_str s)
{
	char *copy = s.ptr ? malloc(s.len + 1) : NULL;

	if (copy)
		memcpy(copy, s.ptr, s.len);
	return (struct seg_str){copy, s.len};
}

int64_t world_append(struct world *w, struct txn *t, struct seg_str key, struct seg_str value)
{
	if (w->log_len == LOG_MAX)
		abort();
	if (t->first < 0)
		t->first = w->log_end;
	w->log[w->log_len++] = (struct record){w->log_end, w->wall_ms, t, copy_str(key), copy_str(value)};
	return w->log_end++;
}

bool txn_is_open(const struct txn *t)
{
	return t->state == TXN_OPEN || t->state == TXN_PREPARED;
}

void outputs_add(struct outputs *l, const struct output *o)
{
	if (l->len == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 8;
		l->items = realloc(l->items, l->cap * sizeof *l->items);
		if (!l->items)
			abort();
	}
	l->items[l->len++] = *o;
}

void world_finish(struct world *w, struct txn *t, bool commit)
{
	if (!txn_is_open(t))
		return;
	t->state = commit ? TXN_COMMITTED : TXN_ABORTED;
	if (t->first >= 0)
		w->log_end++; /* marker */
	if (!commit)
		return;
	w->commits++;
	if (t->has_offsets)
		w->group = t->offsets;
	for (size_t i = 0; i < t->outputs.len; i++)
		outputs_add(&w->outputs, &t->outputs.items[i]);
	for (size_t i = 0; i < t->dead_len; i++)
		w->dead[w->dead_len++ % INPUT_MAX] = t->dead[i];
	for (size_t i = 0; i < t->erased_len; i++)
		w->erased[t->erased[i].customer] = t->erased[i];
}

void world_resolve(struct world *w, struct txn *t)
{
	world_finish(w, t, t->state == TXN_PREPARED);
}

int64_t world_lso(const struct world *w)
{
	int64_t lso = w->log_end;

	for (size_t i = 0; i < w->txns_len; i++)
		if (txn_is_open(w->txns[i]) && w->txns[i]->first >= 0 && w->txns[i]->first < lso)
			lso = w->txns[i]->first;
	return lso;
}

static bool superseded(const struct world *w, size_t i, int64_t upto)
{
	for (size_t j = i + 1; j < w->log_len && w->log[j].offset < upto; j++)
		if (w->log[j].txn->state == TXN_COMMITTED && seg_str_eq(w->log[j].key, w->log[i].key))
			return true;
	return false;
}

/* Tombstones go when they are older than delete.retention. */
void world_compact(struct world *w)
{
	int64_t upto = between(w, 0, world_lso(w));
	size_t kept = 0;
	bool drop[LOG_MAX];

	for (size_t i = 0; i < w->log_len; i++) {
		const struct record *r = &w->log[i];

		drop[i] = r->offset < upto && (r->txn->state == TXN_ABORTED || superseded(w, i, upto) ||
					       (!r->value.ptr && r->wall_ms + w->retention_ms < w->wall_ms));
	}
	for (size_t i = 0; i < w->log_len; i++) {
		if (drop[i])
			record_release(&w->log[i]);
		else
			w->log[kept++] = w->log[i];
	}
	w->log_len = kept;
}
