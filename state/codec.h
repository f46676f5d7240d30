/*
 * Stored forms of profiles and decisions, and the keys of the changelog. Pure functions; any thread.
 *
 * A record is: format version (one byte), sections, and the low 32 bits of XXH3-64 over all before, big endian. A
 * section is a tag byte, a varint length and that many bytes; tags ascend. Sections of unknown tag are refused unless
 * the tag's top bit marks them optional, so that a later version can add both kinds. The same profile always gives the
 * same bytes. Times are varints relative to the customer's last event, doubles are stored whole, counters that stand
 * at one event cost a bit, empty sections nothing.
 */
#ifndef SEG_STATE_CODEC_H
#define SEG_STATE_CODEC_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/profile.h"
#include "base/str.h"

enum {
	SEG_PROFILE_VERSION =
		3, /* 1: attributes each with time and event of its own; 2: no first day, see codec_write.c */
	SEG_DECISION_VERSION = 2, /* 1: without the segment before and rules; still written where there are none */
	SEG_PROFILE_BYTES_MAX = 256 * 1024,
	SEG_CUSTOMER_ID_BYTES = 1024, /* longer ids are refused by codec and store */
	SEG_CONTRIBUTION_MAX = 1024   /* values of a contribution */
};

/*
 * Appends the record of the whole profile (aggregates, applied, decision, contribution, id; not the hash, which is a
 * function of the id). SEG_LIMIT: over SEG_PROFILE_BYTES_MAX or the buffer's maximum; SEG_INVALID: a length or time
 * that aggregate.h does not allow. On failure buf is as before.
 */
enum seg_rc seg_profile_encode(const struct seg_profile *p, struct seg_buf *buf, struct seg_error *err) SEG_MUST_CHECK;

/*
 * The same as an earlier version wrote it, 1 <= version <= SEG_PROFILE_VERSION: for tests of upgrades. In builds with
 * SEG_FAULTS the environment's SEGMENTD_PROFILE_VERSION says what seg_profile_encode() writes.
 */
enum seg_rc seg_profile_encode_as(unsigned version, const struct seg_profile *p, struct seg_buf *buf,
				  struct seg_error *err) SEG_MUST_CHECK;

/*
 * Reads every version up to its own, is safe on any bytes. SEG_CORRUPT: cannot be a profile; SEG_INVALID: written by a newer version of segmentd (upgrade,
 * nothing is wrong with it); SEG_NO_MEMORY. The caller frees *ret with seg_profile_free().
 */
enum seg_rc seg_profile_decode(const void *data, size_t len, struct seg_profile **ret,
			       struct seg_error *err) SEG_MUST_CHECK;

/* The value of a decision record; return codes as above. */
enum seg_rc seg_decision_encode(const struct seg_decision *d, struct seg_buf *buf,
				struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_decision_decode(const void *data, size_t len, struct seg_decision *ret,
				struct seg_error *err) SEG_MUST_CHECK;

/* Changelog keys: one kind byte and the customer id (empty for cuts). */
enum seg_changelog_kind { SEG_CHANGELOG_PROFILE = 'p', SEG_CHANGELOG_DECISION = 'd', SEG_CHANGELOG_CUT = 'c' };

void seg_changelog_key(struct seg_buf *buf, enum seg_changelog_kind kind, struct seg_str id); /* appends */

/* *ret_id is borrowed from data. SEG_CORRUPT: not a key of ours. */
enum seg_rc seg_changelog_key_parse(const void *data, size_t len, enum seg_changelog_kind *ret_kind,
				    struct seg_str *ret_id, struct seg_error *err) SEG_MUST_CHECK;

#endif
