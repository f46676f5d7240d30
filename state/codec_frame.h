/*
 * The frame of every stored record: version, tagged sections, checksum (see codec.h). Inside state/ only.
 *
 * Writing: begin, for each section in ascending order of tags seg_section_begin, the body, seg_section_end; then end.
 * Failures stay in the buffer and are told by seg_frame_end, which puts the buffer back as it was.
 */
#ifndef SEG_STATE_CODEC_FRAME_H
#define SEG_STATE_CODEC_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/profile.h"
#include "state/codec_bytes.h"

enum { SEG_TAG_OPTIONAL = 0x80 }; /* readers that do not know such a tag pass over it */

struct seg_frame {
	struct seg_buf *buf;
	size_t start, section;
	bool failed_before;
	const char *what;    /* "profile", for messages */
	const char *invalid; /* why the content cannot be written; NULL: it can */
};

void seg_frame_begin(struct seg_frame *f, struct seg_buf *buf, const char *what, uint8_t version);
void seg_section_begin(struct seg_frame *f, uint8_t tag);
void seg_section_end(struct seg_frame *f);

/* SEG_LIMIT: over max_bytes or the buffer's maximum; SEG_INVALID: f->invalid was set. */
enum seg_rc seg_frame_end(struct seg_frame *f, size_t max_bytes, struct seg_error *err) SEG_MUST_CHECK;

/* Reading. */
struct seg_record {
	struct seg_view rest;
	const char *what;
	uint8_t version, tag; /* tag of the current section, 0 before the first */
	struct seg_view body; /* its content */
};

/* Checksum and version. SEG_CORRUPT; SEG_INVALID: a newer version. */
enum seg_rc seg_record_open(struct seg_record *r, const void *data, size_t len, const char *what, uint8_t version,
			    struct seg_error *err) SEG_MUST_CHECK;

/*
 * The next section, those that are optional and above last_known passed over. SEG_NOT_FOUND: no more. SEG_INVALID: a
 * section that only a newer version knows.
 */
enum seg_rc seg_record_next(struct seg_record *r, uint8_t last_known, struct seg_error *err) SEG_MUST_CHECK;

/* Was the section read to its end, and no further? `why` is what else was wrong with it, NULL: nothing. */
enum seg_rc seg_record_section_end(const struct seg_record *r, const char *why, struct seg_error *err) SEG_MUST_CHECK;

/*
 * Any time as the distance from another. The arithmetic wraps, so that every pair of int64 comes back as it was.
 */
static inline void seg_put_time(struct seg_buf *b, int64_t base, int64_t time_ms)
{
	seg_put_zigzag(b, (int64_t)((uint64_t)base - (uint64_t)time_ms));
}

static inline int64_t seg_get_time(struct seg_view *v, int64_t base)
{
	return (int64_t)((uint64_t)base - (uint64_t)seg_get_zigzag(v));
}

/* A decision's body, the same in a profile (base: last event) and in a record of its own (base: 0). more: with the segment
 * before and the rules held, as profiles have it from version 3 on, records from version 2. */
void seg_decision_write(struct seg_buf *b, const struct seg_decision *d, int64_t base, bool more);
const char *seg_decision_read(struct seg_view *v, struct seg_decision *ret, int64_t base,
			      bool more); /* NULL, or what is wrong */

/* Sections of a profile. The numbers are part of the stored format. */
enum seg_profile_tag {
	SEG_TAG_IDENTITY = 1,
	SEG_TAG_APPLIED,
	SEG_TAG_ORDERS,
	SEG_TAG_WEB,
	SEG_TAG_EMAIL,
	SEG_TAG_ATTRIBUTES,
	SEG_TAG_CONSENTS,
	SEG_TAG_WINDOWS,
	SEG_TAG_DECISION,
	SEG_TAG_CONTRIBUTION,
	SEG_TAG_LAST = SEG_TAG_CONTRIBUTION
};

/* In the byte of an attribute's type: its time and event are those of the one before. From version 2 on. */
enum { SEG_ATTRIBUTE_AGAIN = 0x80 };

/* More runs of 30-minute buckets than this, and the bitmap itself is shorter. */
enum { SEG_SESSION_RUNS = 60, SEG_SESSION_BYTES = SEG_SESSION_BUCKETS / 8 };

#endif
