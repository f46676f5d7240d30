/* Questions to a worker: asked by any thread, answered by its own between two polls. */
#include "daemon/worker_internal.h"

#include "base/clock.h"
#include "base/hash.h"
#include "daemon/mailbox.h"

enum { ANSWER_MS = 20 }; /* of one turn */

void seg_worker_answer(struct seg_worker *w)
{
	seg_mailbox_answer(w->mailbox, w, ANSWER_MS);
}

/* ---- customers ---- */

struct customers {
	struct seg_customer_question *items;
	size_t len;
};

static void find_customer(struct seg_worker *w, struct seg_customer_question *q)
{
	const struct seg_lane *lane = w->lanes[q->partition];
	struct seg_error err = {0};
	q->profile = NULL;
	if (!lane) {
		q->rc = SEG_SKIP;
		return;
	}
	q->lane = lane->state;
	if (!seg_lane_may(lane, SEG_MAY_COMMIT)) {
		q->rc = SEG_RETRY;
		return;
	}
	struct seg_part *part = seg_shard_part(lane->shard);
	const struct seg_cut *cut = seg_part_cut(part);
	q->now_ms = cut ? cut->stream_time_ms : SEG_NO_TIME;
	q->rc = seg_part_find(part, q->id, &q->profile, &err);
	if (q->rc == SEG_OK && q->now_ms == SEG_NO_TIME)
		q->now_ms = q->profile->last_ms;
}

static void find_customers(void *owner, void *question)
{
	const struct customers *c = question;
	for (size_t i = 0; i < c->len; i++)
		find_customer(owner, &c->items[i]);
}

enum seg_rc seg_worker_ask_customers(struct seg_worker *w, struct seg_customer_question *items, size_t len,
				     int timeout_ms, struct seg_error *err)
{
	struct customers c = {items, len};
	for (size_t i = 0; i < len; i++)
		items[i].profile = NULL;
	return seg_mailbox_ask(w->mailbox, find_customers, &c, timeout_ms, err);
}

/* ---- the fold ---- */

struct fold_question {
	seg_fold_fn *fn;
	void *arg;
	enum seg_rc rc;
	struct seg_error err;
};

static void ask_fold(void *owner, void *question)
{
	struct seg_worker *w = owner;
	struct fold_question *q = question;
	if (!w->fold)
		q->rc = seg_error_set(&q->err, SEG_SKIP, "the fold is another worker's");
	else if (!w->fold_ready || w->recreate)
		q->rc = seg_error_set(&q->err, SEG_RETRY, "the fold is still reading the sums");
	else
		q->rc = q->fn(w->fold, q->arg, &q->err);
}

enum seg_rc seg_worker_ask_fold(struct seg_worker *w, seg_fold_fn *fn, void *arg, int timeout_ms, struct seg_error *err)
{
	struct fold_question q = {.fn = fn, .arg = arg};
	enum seg_rc rc = seg_mailbox_ask(w->mailbox, ask_fold, &q, timeout_ms, err);
	if (rc)
		return rc;
	return q.rc ? seg_error_set(err, q.rc, "%s", q.err.text) : SEG_OK;
}
