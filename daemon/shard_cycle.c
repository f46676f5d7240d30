/* How fast the checkpoint cycles go, what is done for them between commits, and the flush of a clean stop. */
#include "daemon/shard_internal.h"

enum { RECOUNT_BATCH = 4096 };

void seg_shard_reread(struct seg_shard *shard, uint64_t events, int64_t took_ms)
{
	seg_pace_measured(&shard->pace, events, took_ms);
}

double seg_shard_reread_rate(const struct seg_shard *shard)
{
	return shard->pace.reread_per_second;
}

double seg_shard_cycle_progress(const struct seg_shard *shard, const struct seg_part_numbers *n,
				const struct seg_now *now)
{
	uint64_t behind = 0, events = 0;
	if (shard->flush || seg_part_hurry(shard->part))
		return 1;
	for (int s = 0; s < SEG_SOURCES; s++) {
		int64_t next = seg_part_next(shard->part, (enum seg_source)s), began = n->cycle_next[s];
		int64_t from = n->replay_from[s] > 0 ? n->replay_from[s] : 0;
		if (began >= 0 && next > began)
			events += (uint64_t)(next - began);
		if (began > from)
			behind += (uint64_t)(began - from);
	}
	return seg_pace_progress(&shard->pace, behind, events, now->mono_ms - shard->cycle_mono_ms);
}

/* Of a flush: something that only a commit can do is left. */
static bool owes_commit(const struct seg_shard *shard)
{
	struct seg_part_numbers n;
	seg_part_numbers(shard->part, &n);
	/* The decisions of those who have gone are tombstoned by the commit that ends a cycle. */
	if (n.dirty > 0 || n.erased > 0 || seg_shard_sums_untold(shard))
		return true;
	for (int s = 0; s < SEG_SOURCES; s++) {
		int64_t next = seg_part_next(shard->part, (enum seg_source)s);
		if (next >= 0 && n.replay_from[s] != next)
			return true;
	}
	return false;
}

bool seg_shard_has_work(const struct seg_shard *shard, const struct seg_now *now)
{
	if (seg_part_has_work(shard->part) || shard->leavers.len > 0 || seg_shard_sums_due(shard, now, false))
		return true;
	struct seg_part_numbers n;
	seg_part_numbers(shard->part, &n);
	if (shard->flush)
		return owes_commit(shard);
	return n.cycle && seg_part_cycle_waits(shard->part) && seg_shard_cycle_progress(shard, &n, now) >= 1;
}

enum seg_rc seg_shard_maintain(struct seg_shard *shard, struct seg_error *err)
{
	/* All that commits have logged: with less, a backlog of ever new customers makes more dirty than is ever written. */
	enum seg_rc rc = seg_part_write(shard->part, SIZE_MAX, err);
	bool done;
	if (!rc && !seg_part_recounted(shard->part) && seg_shard_can_recount(shard))
		rc = seg_part_recount(shard->part, RECOUNT_BATCH, &done, err);
	if (!rc && shard->flush)
		rc = seg_part_write_cut(shard->part, err);
	if (!rc)
		seg_part_evict(shard->part);
	return rc;
}

void seg_shard_flush(struct seg_shard *shard)
{
	shard->flush = true;
}

bool seg_shard_is_flushed(const struct seg_shard *shard)
{
	struct seg_part_numbers n;
	seg_part_numbers(shard->part, &n);
	return n.cut_stored && !owes_commit(shard);
}
