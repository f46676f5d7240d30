/*
 * Lanes whose store is in trouble. What fails of a store, while reading, writing or long after, comes up as SEG_IO or
 * SEG_CORRUPT somewhere in the worker's turn. All lanes' memory goes then, and the transaction that may be open; each
 * recovers from Kafka, and before that the store in trouble is opened again (it could not be written: no space, an error of
 * the disk) or, damaged, kept aside and made anew. No record is read for a lane that waits, so nothing piles up.
 */
#include "daemon/worker_internal.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"

enum { WAIT_LEAST_MS = 1000, WAIT_MOST_MS = 30000, LONG_AGO_MS = 300000 };

/* Each time that it fails again soon it is left alone for longer. */
static void wait_longer(struct seg_lane *lane)
{
	int64_t mono = seg_monotonic_ms();
	bool again = lane->store_failed_mono_ms > 0 && mono - lane->store_failed_mono_ms < LONG_AGO_MS;

	lane->store_wait_ms = again && lane->store_wait_ms > 0 ? 2 * lane->store_wait_ms : WAIT_LEAST_MS;
	if (lane->store_wait_ms > WAIT_MOST_MS)
		lane->store_wait_ms = WAIT_MOST_MS;
	lane->store_failed_mono_ms = mono;
	lane->store_again_mono_ms = mono + lane->store_wait_ms;
}

bool seg_worker_store_failed(struct seg_worker *w, enum seg_rc rc)
{
	bool any = false;

	for (int32_t p = 0; (rc == SEG_IO || rc == SEG_CORRUPT) && p < w->inst->partitions; p++) {
		struct seg_lane *lane = w->lanes[p];
		struct seg_error trouble;
		if (!seg_lane_may(lane, SEG_MAY_HOLD) || !seg_part_trouble(seg_shard_part(lane->shard), &trouble))
			continue;
		seg_log(SEG_LOG_WARN, "store_failed", "partition=%" PRId32 " error=\"%s\"", p, trouble.text);
		wait_longer(lane);
		any = true;
	}
	return any;
}

enum seg_rc seg_lane_mend_store(struct seg_lane *lane, bool *ret_waits, struct seg_error *err)
{
	struct seg_part *part = seg_shard_part(lane->shard);
	struct seg_error trouble;

	*ret_waits = false;
	if (!seg_part_trouble(part, &trouble))
		return SEG_OK;
	*ret_waits = seg_monotonic_ms() < lane->store_again_mono_ms;
	if (*ret_waits)
		return SEG_OK;
	seg_shard_drop(lane->shard);
	enum seg_rc rc = seg_part_mend(part, err);
	if (rc == SEG_IO) {
		wait_longer(lane);
		seg_log(SEG_LOG_WARN, "store_waits", "partition=%" PRId32 " again_ms=%" PRId64 " for=\"%s\"",
			lane->partition, lane->store_wait_ms, err->text);
		*ret_waits = true;
		return SEG_OK;
	}
	if (!rc)
		seg_log(SEG_LOG_INFO, "store_mended", "partition=%" PRId32, lane->partition);
	return rc;
}
