/*
 * Where the engine's records go: an open Kafka transaction (run, demo), container files (replay), or memory (tests).
 * All are borrowed until the call returns, and count only when the commit they belong to succeeds.
 */
#ifndef SEG_DAEMON_SINK_H
#define SEG_DAEMON_SINK_H

#include "base/error.h"
#include "base/outputs.h"
#include "base/str.h"

enum seg_internal { SEG_INTERNAL_CHANGELOG, SEG_INTERNAL_SUMS, SEG_INTERNAL_MODEL, SEG_INTERNALS };

enum { SEG_NO_TICKET = UINT32_MAX };

struct seg_sink {
	/* partition: of the inputs, the output's is the same. */
	enum seg_rc (*change)(void *ctx, int32_t partition, const struct seg_change *change, struct seg_error *err);
	enum seg_rc (*dead_letter)(void *ctx, const struct seg_dead_letter *letter, struct seg_error *err);
	enum seg_rc (*segment)(void *ctx, const struct seg_segment_row *row, struct seg_error *err);
	enum seg_rc (*alert)(void *ctx, const struct seg_alert *alert, struct seg_error *err);
	/* value.ptr NULL: tombstone. ret_ticket (may be NULL): names the record, so that its offset can be asked for. */
	enum seg_rc (*internal)(void *ctx, enum seg_internal topic, int32_t partition, struct seg_str key,
				struct seg_str value, uint32_t *ret_ticket, struct seg_error *err);
	void *ctx;
};

/* The moment, as handed in: from the clocks in run, from stream time in replay. */
struct seg_now {
	int64_t wall_ms; /* since 1970-01-01 UTC */
	int64_t mono_ms; /* monotonic */
};

#endif
