#include "state/cut.h"

#include <string.h>

#include "state/codec_frame.h"

enum { TAG_CUT_BODY = 1, TAG_CUT_SAMPLE = SEG_TAG_OPTIONAL | 1, CUT_BYTES_MAX = 4096 };

void seg_cut_init(struct seg_cut *cut)
{
	*cut = (struct seg_cut){
		.format_version = SEG_CUT_VERSION,
		.changelog_position = -1,
		.stream_time_ms = SEG_NO_TIME,
		.sample_reach_ms = SEG_NO_TIME,
	};
	for (int s = 0; s < SEG_SOURCES; s++) {
		cut->next[s] = cut->replay_from[s] = -1;
		cut->source_max_time_ms[s] = SEG_NO_TIME;
	}
}

/* What has no value takes one byte: offsets go as they are (-1), times as their distance from wall time or not at all. */
static void put_optional_time(struct seg_buf *b, int64_t base, int64_t time_ms)
{
	seg_buf_u8(b, time_ms != SEG_NO_TIME);
	if (time_ms != SEG_NO_TIME)
		seg_put_time(b, base, time_ms);
}

static void put_text(struct seg_frame *f, const char *text, size_t size)
{
	size_t len = strnlen(text, size);
	if (len == size)
		f->invalid = "a name that is not terminated";
	seg_buf_bytes(f->buf, text, len);
}

enum seg_rc seg_cut_encode(const struct seg_cut *cut, struct seg_buf *buf, struct seg_error *err)
{
	struct seg_frame f;
	seg_frame_begin(&f, buf, "cut", SEG_CUT_VERSION);
	seg_section_begin(&f, TAG_CUT_BODY);
	seg_buf_varint(buf, cut->seq);
	seg_buf_zigzag(buf, cut->wall_ms);
	seg_buf_zigzag(buf, cut->changelog_position);
	put_optional_time(buf, cut->wall_ms, cut->stream_time_ms);
	if (cut->changelog_position < -1)
		f.invalid = "an offset that cannot be";
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (cut->next[s] < -1 || cut->replay_from[s] < -1)
			f.invalid = "an offset that cannot be";
		seg_buf_zigzag(buf, cut->next[s]);
		seg_buf_zigzag(buf, cut->replay_from[s]);
		put_optional_time(buf, cut->wall_ms, cut->source_max_time_ms[s]);
	}
	seg_buf_u64le(buf, cut->scan_cursor);
	seg_buf_varint(buf, cut->sweep_promotion);
	seg_buf_varint(buf, cut->model_version);
	seg_buf_u64le(buf, cut->config_fingerprint);
	seg_buf_varint(buf, cut->customers);
	if (cut->topic_ids_len > SEG_CUT_TOPICS)
		f.invalid = "too many topic ids";
	else
		seg_buf_bytes(buf, cut->topic_ids, cut->topic_ids_len * sizeof(cut->topic_ids[0]));
	put_text(&f, cut->transactional_id, sizeof(cut->transactional_id));
	put_text(&f, cut->cluster_id, sizeof(cut->cluster_id));
	put_text(&f, cut->instance, sizeof(cut->instance));
	seg_section_end(&f);
	if (cut->sample_reach > 0) {
		seg_section_begin(&f, TAG_CUT_SAMPLE);
		seg_buf_u64le(buf, cut->sample_reach);
		put_optional_time(buf, cut->wall_ms, cut->sample_reach_ms);
		seg_section_end(&f);
	}
	return seg_frame_end(&f, CUT_BYTES_MAX, err);
}

static int64_t get_optional_time(struct seg_view *v, int64_t base, const char **why)
{
	unsigned there = seg_view_u8(v);
	if (there > 1)
		*why = "unknown flags of a time";
	return there ? seg_get_time(v, base) : SEG_NO_TIME;
}

static void get_text(struct seg_view *v, char *ret, size_t size, const char **why)
{
	size_t len;
	const char *text = seg_view_bytes(v, &len);
	if (!text)
		return;
	if (len >= size || memchr(text, '\0', len)) {
		*why = "a name that is too long or has a zero byte";
		return;
	}
	memcpy(ret, text, len);
	ret[len] = '\0';
}

static void get_topic_ids(struct seg_view *v, struct seg_cut *ret, const char **why)
{
	size_t len, one = sizeof(ret->topic_ids[0]);
	const void *ids = seg_view_bytes(v, &len);
	if (!ids)
		return;
	if (len % one != 0 || len > sizeof(ret->topic_ids)) {
		*why = "topic ids of a wrong length";
		return;
	}
	memcpy(ret->topic_ids, ids, len);
	ret->topic_ids_len = (uint32_t)(len / one);
}

static const char *read_cut(struct seg_view *v, struct seg_cut *ret)
{
	const char *why = NULL;
	ret->seq = seg_view_varint(v);
	ret->wall_ms = seg_view_zigzag(v);
	ret->changelog_position = seg_view_zigzag(v);
	ret->stream_time_ms = get_optional_time(v, ret->wall_ms, &why);
	if (ret->changelog_position < -1)
		why = "an offset that cannot be";
	for (int s = 0; s < SEG_SOURCES; s++) {
		ret->next[s] = seg_view_zigzag(v);
		ret->replay_from[s] = seg_view_zigzag(v);
		ret->source_max_time_ms[s] = get_optional_time(v, ret->wall_ms, &why);
		if (ret->next[s] < -1 || ret->replay_from[s] < -1)
			why = "an offset that cannot be";
	}
	ret->scan_cursor = seg_view_u64le(v);
	ret->sweep_promotion = seg_view_varint(v);
	ret->model_version = seg_view_varint(v);
	ret->config_fingerprint = seg_view_u64le(v);
	ret->customers = seg_view_varint(v);
	get_topic_ids(v, ret, &why);
	get_text(v, ret->transactional_id, sizeof(ret->transactional_id), &why);
	get_text(v, ret->cluster_id, sizeof(ret->cluster_id), &why);
	get_text(v, ret->instance, sizeof(ret->instance), &why);
	return why;
}

static const char *read_sample(struct seg_view *v, struct seg_cut *ret)
{
	const char *why = NULL;
	ret->sample_reach = seg_view_u64le(v);
	ret->sample_reach_ms = get_optional_time(v, ret->wall_ms, &why);
	return why;
}

enum seg_rc seg_cut_decode(const void *data, size_t len, struct seg_cut *ret, struct seg_error *err)
{
	struct seg_record r = {.what = NULL};
	struct seg_cut cut;
	bool found = false;
	enum seg_rc rc = seg_record_open(&r, data, len, "cut", SEG_CUT_VERSION, err);
	if (rc)
		return rc;
	seg_cut_init(&cut);
	cut.format_version = r.version;
	while (!(rc = seg_record_next(&r, TAG_CUT_SAMPLE, err))) {
		const char *why;
		if (r.tag != TAG_CUT_BODY && r.tag != TAG_CUT_SAMPLE)
			return seg_error_set(err, SEG_INVALID, "cut record has a section %u that is not known", r.tag);
		why = r.tag == TAG_CUT_BODY ? read_cut(&r.body, &cut) : read_sample(&r.body, &cut);
		rc = seg_record_section_end(&r, why, err);
		if (rc)
			return rc;
		found = found || r.tag == TAG_CUT_BODY;
	}
	if (rc != SEG_NOT_FOUND)
		return rc;
	if (!found)
		return seg_error_set(err, SEG_CORRUPT, "cut record is empty");
	*ret = cut;
	return SEG_OK;
}
