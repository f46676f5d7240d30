/* Frames, decision records and changelog keys. Profiles are in codec_write.c and codec_read.c. */
#include "state/codec.h"

#include <string.h>

#include "base/hash.h"
#include "state/codec_frame.h"

enum { CHECKSUM_BYTES = 4 };

void seg_frame_begin(struct seg_frame *f, struct seg_buf *buf, const char *what, uint8_t version)
{
	*f = (struct seg_frame){.buf = buf, .start = buf->len, .failed_before = buf->failed, .what = what};
	seg_buf_u8(buf, version);
}

void seg_section_begin(struct seg_frame *f, uint8_t tag)
{
	seg_buf_u8(f->buf, tag);
	seg_buf_u8(f->buf, 0); /* the length, if one byte is enough */
	f->section = f->buf->len;
}

void seg_section_end(struct seg_frame *f)
{
	struct seg_buf *b = f->buf;
	if (b->failed)
		return;
	size_t len = b->len - f->section;
	size_t extra = 0;
	for (size_t rest = len >> 7; rest; rest >>= 7)
		extra++;
	for (size_t i = 0; i < extra; i++)
		seg_buf_u8(b, 0);
	if (b->failed)
		return;
	if (extra)
		memmove(b->data + f->section + extra, b->data + f->section, len);
	uint8_t *at = b->data + f->section - 1;
	for (; len >= 0x80; len >>= 7)
		*at++ = (uint8_t)(len | 0x80);
	*at = (uint8_t)len;
}

enum seg_rc seg_frame_end(struct seg_frame *f, size_t max_bytes, struct seg_error *err)
{
	struct seg_buf *b = f->buf;
	enum seg_rc rc = SEG_OK;
	if (!b->failed && !f->invalid)
		seg_buf_u32be(b, (uint32_t)seg_hash64(b->data + f->start, b->len - f->start));
	if (f->invalid)
		rc = seg_error_set(err, SEG_INVALID, "%s cannot be stored: %s", f->what, f->invalid);
	else if (b->no_memory)
		rc = seg_error_set(err, SEG_NO_MEMORY, "%s: no memory", f->what);
	else if (b->failed || b->len - f->start > max_bytes)
		rc = seg_error_set(err, SEG_LIMIT, "%s is too large to be stored: over %zu bytes", f->what,
				   max_bytes < b->max ? max_bytes : b->max);
	if (rc) {
		b->len = f->start;
		b->failed = f->failed_before;
		b->no_memory = b->no_memory && b->failed;
	}
	return rc;
}

enum seg_rc seg_record_open(struct seg_record *r, const void *data, size_t len, const char *what, uint8_t version,
			    struct seg_error *err)
{
	if (!data || len < 1 + CHECKSUM_BYTES)
		return seg_error_set(err, SEG_CORRUPT, "%s record of %zu bytes is cut short", what, len);
	size_t content = len - CHECKSUM_BYTES;
	struct seg_view checksum = seg_view_of((const uint8_t *)data + content, CHECKSUM_BYTES);
	if (seg_view_u32be(&checksum) != (uint32_t)seg_hash64(data, content))
		return seg_error_set(err, SEG_CORRUPT, "%s record of %zu bytes has a wrong checksum", what, len);
	struct seg_record record = {.rest = seg_view_of(data, content), .what = what};
	record.version = seg_view_u8(&record.rest);
	if (record.version == 0)
		return seg_error_set(err, SEG_CORRUPT, "%s record has no format version", what);
	if (record.version > version)
		return seg_error_set(err, SEG_INVALID,
				     "%s record has format version %u, this segmentd reads up to %u: upgrade segmentd",
				     what, record.version, version);
	*r = record;
	return SEG_OK;
}

enum seg_rc seg_record_next(struct seg_record *r, uint8_t last_known, struct seg_error *err)
{
	while (r->rest.at < r->rest.end) {
		uint8_t tag = seg_view_u8(&r->rest);
		size_t len;
		const void *body = seg_view_bytes(&r->rest, &len);
		if (r->rest.failed || tag <= r->tag)
			return seg_error_set(err, SEG_CORRUPT, "%s record: section %u is cut short or out of order",
					     r->what, tag);
		r->tag = tag;
		if (tag <= last_known) {
			r->body = seg_view_of(body, len);
			return SEG_OK;
		}
		if (!(tag & SEG_TAG_OPTIONAL))
			return seg_error_set(
				err, SEG_INVALID,
				"%s record has a section %u that this segmentd does not know: upgrade segmentd",
				r->what, tag);
	}
	return SEG_NOT_FOUND;
}

enum seg_rc seg_record_section_end(const struct seg_record *r, const char *why, struct seg_error *err)
{
	if (!why && r->body.failed)
		why = "cut short";
	if (!why && r->body.at != r->body.end)
		why = "longer than its content";
	if (why)
		return seg_error_set(err, SEG_CORRUPT, "%s record: section %u: %s", r->what, r->tag, why);
	return SEG_OK;
}

enum {
	DECISION_ALIVE = 1,
	DECISION_STAY_OUT = 2,
	DECISION_SINCE = 4,
	DECISION_SOURCE_SHIFT = 3,
	DECISION_SOURCE_MASK = 3,
	DECISION_PREVIOUS = 32,
	DECISION_RULES = 64,
	DECISION_FLAGS = 128,
	ADVANTAGE_MAX = 101,
	ADVANTAGE_FLAPPED = 128
};

static bool knows_more(const struct seg_decision *d)
{
	return d->alive && (d->previous != 0 || d->advantage != 0 || d->rules.len > 0);
}

/* Names of [a-z0-9_-], ascending, each with its NUL. */
static bool are_rules(const struct seg_held_rules *rules)
{
	const char *before = "";
	if (rules->len > SEG_RULE_NAMES_BYTES || (rules->len > 0 && rules->names[rules->len - 1] != '\0'))
		return false;
	for (size_t at = 0; at < rules->len;) {
		const char *name = rules->names + at;
		size_t len = strlen(name);
		if (len == 0 || len > SEG_RULE_NAME_MAX || strcmp(before, name) >= 0 ||
		    strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_-") != len)
			return false;
		before = name;
		at += len + 1;
	}
	return true;
}

void seg_decision_write(struct seg_buf *b, const struct seg_decision *d, int64_t base, bool more)
{
	unsigned flags = d->has_stay_out ? DECISION_STAY_OUT : 0;
	if (d->alive) {
		flags |= DECISION_ALIVE | (d->since_ms != SEG_NO_TIME ? DECISION_SINCE : 0);
		flags |= (unsigned)d->birth_source << DECISION_SOURCE_SHIFT;
		flags |= more && (d->previous || d->advantage) ? DECISION_PREVIOUS : 0;
		flags |= more && d->rules.len > 0 ? DECISION_RULES : 0;
	}
	seg_buf_u8(b, (uint8_t)flags);
	if (d->alive) {
		seg_buf_zigzag(b, d->birth_offset);
		seg_buf_varint(b, d->change_number);
		seg_buf_varint(b, d->cluster);
		if (d->since_ms != SEG_NO_TIME)
			seg_put_time(b, base, d->since_ms);
	}
	if (flags & DECISION_PREVIOUS) {
		seg_buf_varint(b, d->previous);
		seg_buf_u8(b, (uint8_t)(d->advantage | (d->flapped ? ADVANTAGE_FLAPPED : 0)));
	}
	if (flags & DECISION_RULES) {
		seg_buf_varint(b, d->rules.len);
		seg_buf_append(b, d->rules.names, d->rules.len);
	}
	for (int s = 0; d->has_stay_out && s < SEG_SOURCES; s++)
		seg_buf_zigzag(b, d->stay_out[s]);
}

/* Rules held; NULL, or what is wrong. */
static const char *read_rules(struct seg_view *v, struct seg_held_rules *ret)
{
	uint64_t len = seg_view_varint(v);
	if (v->failed || len == 0 || len > SEG_RULE_NAMES_BYTES)
		return "rules of no or too many bytes";
	const void *names = seg_view_raw(v, len);
	if (!names)
		return "cut short";
	memcpy(ret->names, names, len);
	ret->len = (uint16_t)len;
	return are_rules(ret) ? NULL : "names of rules that cannot be";
}

static const char *read_more(struct seg_view *v, unsigned flags, struct seg_decision *d)
{
	if (flags & DECISION_PREVIOUS) {
		d->previous = seg_view_varint(v);
		unsigned advantage = seg_view_u8(v);
		d->flapped = advantage & ADVANTAGE_FLAPPED;
		d->advantage = advantage & (ADVANTAGE_FLAPPED - 1);
		if (d->advantage > ADVANTAGE_MAX || (d->previous == 0 && d->advantage == 0) ||
		    (d->flapped && d->advantage == 0))
			return "an advantage that cannot be";
	}
	return flags & DECISION_RULES ? read_rules(v, &d->rules) : NULL;
}

const char *seg_decision_read(struct seg_view *v, struct seg_decision *ret, int64_t base, bool more)
{
	struct seg_decision d = {.birth_offset = -1, .since_ms = SEG_NO_TIME};
	unsigned flags = seg_view_u8(v);
	if (flags >= (more ? DECISION_FLAGS : DECISION_PREVIOUS) ||
	    (!(flags & DECISION_ALIVE) && flags & ~(unsigned)DECISION_STAY_OUT))
		return "unknown flags of a decision";
	d.alive = flags & DECISION_ALIVE;
	d.has_stay_out = flags & DECISION_STAY_OUT;
	d.birth_source = (enum seg_source)(flags >> DECISION_SOURCE_SHIFT & DECISION_SOURCE_MASK);
	if (d.alive) {
		d.birth_offset = seg_view_zigzag(v);
		d.change_number = seg_view_varint(v);
		d.cluster = seg_view_varint(v);
		if (flags & DECISION_SINCE)
			d.since_ms = seg_get_time(v, base);
	}
	const char *why = read_more(v, flags, &d);
	if (why)
		return why;
	for (int s = 0; s < SEG_SOURCES; s++)
		d.stay_out[s] = d.has_stay_out ? seg_view_zigzag(v) : -1;
	*ret = d;
	return NULL;
}

enum { TAG_DECISION_BODY = 1, DECISION_BYTES_MAX = 768 };

enum seg_rc seg_decision_encode(const struct seg_decision *d, struct seg_buf *buf, struct seg_error *err)
{
	struct seg_frame f;
	seg_frame_begin(&f, buf, "decision", knows_more(d) ? SEG_DECISION_VERSION : 1);
	if (d->alive && (unsigned)d->birth_source >= SEG_SOURCES)
		f.invalid = "unknown source of the birth";
	if (d->alive && (d->advantage > ADVANTAGE_MAX || (d->flapped && d->advantage == 0) || !are_rules(&d->rules)))
		f.invalid = "rules or an advantage that cannot be";
	seg_section_begin(&f, TAG_DECISION_BODY);
	seg_decision_write(buf, d, 0, true);
	seg_section_end(&f);
	return seg_frame_end(&f, DECISION_BYTES_MAX, err);
}

enum seg_rc seg_decision_decode(const void *data, size_t len, struct seg_decision *ret, struct seg_error *err)
{
	struct seg_record r = {.what = NULL};
	struct seg_decision d;
	bool found = false;
	enum seg_rc rc = seg_record_open(&r, data, len, "decision", SEG_DECISION_VERSION, err);
	if (rc)
		return rc;
	while (!(rc = seg_record_next(&r, TAG_DECISION_BODY, err))) {
		const char *why = seg_decision_read(&r.body, &d, 0, r.version > 1);
		rc = seg_record_section_end(&r, why, err);
		if (rc)
			return rc;
		found = true;
	}
	if (rc != SEG_NOT_FOUND)
		return rc;
	if (!found)
		return seg_error_set(err, SEG_CORRUPT, "decision record is empty");
	*ret = d;
	return SEG_OK;
}

void seg_changelog_key(struct seg_buf *buf, enum seg_changelog_kind kind, struct seg_str id)
{
	seg_buf_u8(buf, (uint8_t)kind);
	seg_buf_append(buf, id.ptr, id.len);
}

enum seg_rc seg_changelog_key_parse(const void *data, size_t len, enum seg_changelog_kind *ret_kind,
				    struct seg_str *ret_id, struct seg_error *err)
{
	const char *key = data;
	if (!key || len == 0)
		return seg_error_set(err, SEG_CORRUPT, "changelog record without a key");
	char kind = key[0];
	if (kind != SEG_CHANGELOG_PROFILE && kind != SEG_CHANGELOG_DECISION && kind != SEG_CHANGELOG_CUT)
		return seg_error_set(err, SEG_CORRUPT, "changelog key of unknown kind 0x%02x", (unsigned char)kind);
	if ((len == 1) != (kind == SEG_CHANGELOG_CUT) || len - 1 > SEG_CUSTOMER_ID_BYTES)
		return seg_error_set(err, SEG_CORRUPT, "changelog key of kind '%c' with an id of %zu bytes", kind,
				     len - 1);
	*ret_kind = (enum seg_changelog_kind)kind;
	*ret_id = (struct seg_str){key + 1, (uint32_t)(len - 1)};
	return SEG_OK;
}
