/* Histories that are not left to chance. */
#include "tests/property/protocol/history_internal.h"

static void say(struct history *h, enum input_kind kind, unsigned id)
{
	struct world *w = &h->w;

	w->inputs[SEG_WEB][w->inputs_len[SEG_WEB]++] =
		(struct input){.offset = w->end[SEG_WEB]++, .kind = kind, .customer = 0, .id = id};
	poll_source(h, h->active, SEG_WEB);
}

static void do_commit(struct history *h, bool begin, size_t max)
{
	h->begin = begin;
	h->max = max;
	commit(h, h->active);
}

static void end_cycle(struct history *h)
{
	must(h, seg_part_write(engine_part(h->active->engine), SIZE_MAX, NULL));
	do_commit(h, false, 0);
	virtual_recoveries(h);
}

/*
 * What chance meets once in ten thousand histories: RocksDB gets a state that the changelog lacks, the cycle that wrote
 * it ends, and after a crash re-reading finds nothing to do for that customer. The next cycle must log them all the same.
 */
void store_ahead_of_changelog(struct history *h)
{
	h->scripted = true;
	h->w.storm = h->w.lively = h->w.hurry = 0;
	h->active = &h->workers[0];
	assign(h, h->active);
	say(h, IN_EVENT, 0);
	do_commit(h, true, 0);
	do_commit(h, false, SIZE_MAX);
	end_cycle(h);
	h->w.lively = 10; /* a decision alone: taken from the changelog later, it is dirty for the store only */
	must(h, engine_reevaluate(h->active->engine, 1));
	do_commit(h, false, 0);
	h->w.lively = 0;
	down(h->active);
	assign(h, h->active);
	say(h, IN_BAD, 0);
	do_commit(h, true, 0);
	do_commit(h, false, SIZE_MAX);
	say(h, IN_EVENT, 1);
	do_commit(h, false, 0);
	end_cycle(h);
	down(h->active);
	assign(h, h->active);
	say(h, IN_BAD, 0);
	do_commit(h, true, 0);
	do_commit(h, false, SIZE_MAX);
	end_cycle(h);
	h->scripted = false;
}
