/*
 * The cut: last changelog record of each touched partition in a transaction. It says up to where the inputs are in,
 * and from where a recovery must read them again. Plain struct, copied freely.
 */
#ifndef SEG_STATE_CUT_H
#define SEG_STATE_CUT_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/event.h"

enum { SEG_CUT_VERSION = 1, SEG_CUT_TOPICS = SEG_SOURCES + 1 };

struct seg_cut {
	uint32_t format_version; /* as read; encoding always writes SEG_CUT_VERSION */
	uint64_t seq;
	int64_t next[SEG_SOURCES];		 /* next input offset, -1: none */
	int64_t replay_from[SEG_SOURCES];	 /* re-read inputs from here, -1: none */
	int64_t changelog_position;		 /* L: belongs to replay_from, -1: none */
	int64_t stream_time_ms;			 /* SEG_NO_TIME: none */
	int64_t source_max_time_ms[SEG_SOURCES]; /* greatest event time seen, SEG_NO_TIME: none */
	uint64_t scan_cursor;
	uint64_t sweep_promotion;
	int64_t wall_ms;
	uint64_t model_version; /* least needed */
	uint64_t config_fingerprint;
	uint64_t customers;
	uint64_t sample_reach;	 /* sample hashes below it may have a record on the sums' topic; 0: not said */
	int64_t sample_reach_ms; /* the scan's instant when the sample's bound last moved, SEG_NO_TIME */
	uint32_t topic_ids_len;	 /* sources, then the changelog; 0: the broker has none */
	uint8_t topic_ids[SEG_CUT_TOPICS][16];
	char transactional_id[256]; /* NUL-terminated */
	char cluster_id[128];
	char instance[256];
};

/* No offsets, no times, all else 0. */
void seg_cut_init(struct seg_cut *cut);

/* Appends to buf, which is as before on failure. SEG_LIMIT: over buf's maximum or no memory; SEG_INVALID: an offset
 * below -1, too many topic ids, or a name without its end. */
enum seg_rc seg_cut_encode(const struct seg_cut *cut, struct seg_buf *buf, struct seg_error *err) SEG_MUST_CHECK;

/* SEG_CORRUPT: not a cut; SEG_INVALID: written by a newer version of segmentd. *ret changes only on success. */
enum seg_rc seg_cut_decode(const void *data, size_t len, struct seg_cut *ret, struct seg_error *err) SEG_MUST_CHECK;

#endif
