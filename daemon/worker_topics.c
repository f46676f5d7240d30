/* What the worker makes of topics that are not what they were. */
#include "daemon/worker_internal.h"

#include <inttypes.h>

enum { ASK_MS = 3000 };

void seg_worker_reached(struct seg_worker *w, const struct seg_lane *lane)
{
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (w->topic_of[s] >= 0)
			atomic_store(&w->inst->reached[s][lane->partition],
				     seg_part_next(seg_shard_part(lane->shard), (enum seg_source)s));
	}
}

void seg_worker_reached_nothing(struct seg_worker *w, const struct seg_lane *lane)
{
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (w->topic_of[s] >= 0)
			atomic_store(&w->inst->reached[s][lane->partition], 0);
	}
}

static enum seg_rc look_at_lane(struct seg_worker *w, const struct seg_lane *lane, struct seg_error *err)
{
	for (int s = 0; s < SEG_SOURCES; s++) {
		int64_t low, high;
		int64_t next =
			w->topic_of[s] >= 0 ? seg_part_next(seg_shard_part(lane->shard), (enum seg_source)s) : -1;
		if (next < 0)
			continue;
		if (seg_kafka_watermarks_query(w->inst->watermarks, w->inst->topics[s], lane->partition, ASK_MS, &low,
					       &high, NULL))
			continue;
		if (next < low)
			return seg_topic_has_lost(w->inst->topics[s], lane->partition, low, next, err);
		if (next > high)
			return seg_topic_is_shorter(w->inst->topics[s], lane->partition, high, next, err);
	}
	return SEG_OK;
}

enum seg_rc seg_worker_out_of_log(struct seg_worker *w, struct seg_error *err)
{
	for (int32_t p = 0; p < w->inst->partitions; p++) {
		enum seg_rc rc = seg_lane_may(w->lanes[p], SEG_MAY_COMMIT) ? look_at_lane(w, w->lanes[p], err) : SEG_OK;
		if (rc)
			return rc;
	}
	return err->rc; /* nothing more is known than what the client has said */
}
