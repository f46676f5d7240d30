/*
 * Who is looked at although nothing happened to them. The rolling scan: a customer's slot is the hash's place in the
 * interval, so that stream time walking through an interval passes everyone once, evenly. The sweep: after a promotion
 * everyone once, as fast as the budget allows. Both go in the store's key order.
 */
#include "daemon/shard_internal.h"

#include <stdlib.h>
#include <string.h>

struct visit {
	struct seg_shard *shard;
	struct seg_profile **expired; /* clones */
	size_t expired_len, expired_cap;
	size_t seen;
	bool sweep, failed;
};

static bool is_expired(const struct seg_shard *shard, const struct seg_profile *p)
{
	int64_t after_ms = shard->config->profile.expire_ms;
	return after_ms > 0 && p->last_ms != SEG_NO_TIME && shard->time.now_ms - p->last_ms >= after_ms;
}

static void keep_expired(struct visit *v, const struct seg_profile *p)
{
	if (v->expired_len == v->expired_cap) {
		size_t cap = v->expired_cap ? v->expired_cap * 2 : 16;
		struct seg_profile **more = realloc(v->expired, cap * sizeof(struct seg_profile *));
		if (!more) {
			v->failed = true;
			return;
		}
		v->expired = more;
		v->expired_cap = cap;
	}
	struct seg_profile *copy = seg_profile_clone(p);
	if (copy)
		v->expired[v->expired_len++] = copy;
	else
		v->failed = true;
}

static bool visit_customer(void *ctx, const struct seg_profile *p)
{
	struct visit *v = ctx;
	struct seg_shard *shard = v->shard;
	v->seen++;
	if (is_expired(shard, p)) {
		keep_expired(v, p);
		return false;
	}
	bool sample = seg_sample_due(&shard->sample, p->id, p->hash);
	shard->evaluate(shard->model, p, shard->time.now_ms, &shard->rules, &shard->evaluation);
	if (sample || seg_shard_rules_moved(shard, p) ||
	    !seg_evaluation_is_unmoved(&shard->evaluation, shard->model, p, &shard->rules))
		return true;
	if (shard->evaluation.suppressed) {
		shard->counts.suppressed++;
		seg_moves_suppressed(&shard->counts.moves, p->decision.cluster);
	}
	return false;
}

/* One stretch of hashes within the budget. */
static enum seg_rc scan_range(struct seg_shard *shard, uint64_t from, uint64_t to, size_t *budget, uint64_t *ret_next,
			      bool *ret_done, struct seg_error *err)
{
	struct visit v = {.shard = shard};
	enum seg_rc rc = seg_part_scan(shard->part, from, to, *budget, visit_customer, &v, ret_next, ret_done, err);
	if (!rc && v.failed)
		rc = seg_error_set(err, SEG_NO_MEMORY, "the scan of partition %d: out of memory",
				   seg_shard_partition(shard));
	for (size_t i = 0; i < v.expired_len; i++) {
		if (!rc)
			rc = seg_shard_leave(shard, v.expired[i]->id, SEG_REASON_EXPIRY, NULL, 0, err);
		seg_profile_free(v.expired[i]);
	}
	free(v.expired);
	shard->counts.scanned += v.seen;
	*budget -= v.seen < *budget ? v.seen : *budget;
	return rc;
}

/* Place of an instant in the interval, as a hash; and the first instant at or after `base_ms` with that place. */
static uint64_t slot_of(int64_t time_ms, int64_t interval_ms)
{
	int64_t within = time_ms % interval_ms;
	if (within < 0)
		within += interval_ms;
	return (uint64_t)(((unsigned __int128)(uint64_t)within << 64) / (uint64_t)interval_ms);
}

static int64_t time_of(uint64_t slot, int64_t interval_ms)
{
	return (int64_t)(((unsigned __int128)slot * (uint64_t)interval_ms) >> 64);
}

/* Behind by more than an interval, what counts is the state of now: each customer once. It goes on where it stands, so
 * that nobody is passed over for ever when an interval is too short for the budget. */
static void skip_rounds(struct seg_shard *shard, int64_t interval, int64_t now)
{
	struct seg_scan_state *scan = &shard->scan;
	int64_t rounds = (now - scan->done_ms - 1) / interval;
	scan->done_ms += rounds * interval;
	seg_sample_shift(&shard->sample, rounds * interval);
}

/* The rolling scan up to stream time now: at most one whole interval. */
static enum seg_rc scan_rolling(struct seg_shard *shard, size_t *budget, struct seg_error *err)
{
	struct seg_scan_state *scan = &shard->scan;
	int64_t interval = shard->config->segmenter.reevaluate.interval_ms, now = shard->time.now_ms;
	if (interval <= 0 || now == SEG_NO_TIME)
		return SEG_OK;
	if (scan->done_ms == SEG_NO_TIME || scan->done_ms > now) {
		scan->done_ms = now;
		scan->within = false;
	}
	if (now - scan->done_ms > interval)
		skip_rounds(shard, interval, now);
	while (scan->done_ms<now && * budget> 0) {
		int64_t within = scan->done_ms % interval,
			start = scan->done_ms - (within < 0 ? within + interval : within);
		int64_t end = start + interval < now ? start + interval : now;
		uint64_t from = scan->within ? scan->next : slot_of(scan->done_ms, interval);
		uint64_t to = end == start + interval ? UINT64_MAX : slot_of(end, interval) - 1;
		uint64_t next = from;
		bool done = true;
		if (from <= to) {
			enum seg_rc rc = scan_range(shard, from, to, budget, &next, &done, err);
			if (rc)
				return rc;
		}
		scan->within = !done;
		if (done) {
			scan->done_ms = end;
		} else {
			int64_t reached = start + time_of(next, interval);
			scan->done_ms = reached > scan->done_ms ? reached : scan->done_ms;
			scan->next = next;
			break;
		}
	}
	seg_sample_scanned(&shard->sample, scan->done_ms, interval);
	scan->waits = scan->done_ms < now && *budget == 0;
	return SEG_OK;
}

/* The sweep for the newest promotion; a newer one that comes on the way starts it anew. */
static enum seg_rc scan_sweep(struct seg_shard *shard, size_t *budget, struct seg_error *err)
{
	struct seg_scan_state *scan = &shard->scan;
	uint64_t promotion = shard->model ? shard->model->promotion : 0;
	if (promotion == 0 || scan->sweep_promotion == promotion || shard->time.now_ms == SEG_NO_TIME)
		return SEG_OK;
	if (scan->sweep_target != promotion) {
		scan->sweep_target = promotion;
		scan->sweep_next = 0;
	}
	shard->sweeping_at_prepare = true;
	shard->sweep_at_prepare = scan->sweep_next;
	bool done = false;
	enum seg_rc rc = scan_range(shard, scan->sweep_next, UINT64_MAX, budget, &scan->sweep_next, &done, err);
	if (rc)
		return rc;
	if (done || SEG_MUTANT(SWEEP_EARLY)) {
		scan->sweep_promotion = promotion;
		scan->sweep_target = 0;
	}
	return SEG_OK;
}

enum seg_rc seg_shard_scan(struct seg_shard *shard, struct seg_error *err)
{
	size_t budget = shard->options.scan_budget;
	shard->scan.waits = false;
	shard->sweeping_at_prepare = false;
	if (shard->flush) /* a clean stop: whom the scan makes dirty now would never be flushed */
		return SEG_OK;
	if (seg_part_hurry(shard->part)) { /* memory first: whom the scan touches cannot leave it */
		shard->scan.waits = true;
		return SEG_OK;
	}
	enum seg_rc rc = scan_sweep(shard, &budget, err);
	if (!rc && budget > 0)
		rc = scan_rolling(shard, &budget, err);
	if (shard->scan.sweep_target != 0)
		shard->scan.waits = true;
	return rc;
}
