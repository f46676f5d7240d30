#include "daemon/output_read.h"

#include <math.h>

#include "base/buf.h"

enum { MARKER_BYTES = 10, ITEMS_MAX = 1000 };

static struct seg_view begin(struct seg_str bytes)
{
	struct seg_view v = seg_view_of(bytes.ptr, bytes.ptr ? bytes.len : 0);
	const uint8_t *marker = seg_view_raw(&v, MARKER_BYTES);
	if (!marker || marker[0] != 0xc3 || marker[1] != 0x01)
		v.failed = true;
	return v;
}

static struct seg_str text(struct seg_view *v)
{
	int64_t len = seg_view_zigzag(v);
	if (len < 0 || len > v->end - v->at)
		v->failed = true;
	if (v->failed)
		return (struct seg_str){NULL, 0};
	return (struct seg_str){seg_view_raw(v, (size_t)len), (uint32_t)len};
}

static bool is_null(struct seg_view *v)
{
	int64_t branch = seg_view_zigzag(v);
	if (branch != 0 && branch != 1)
		v->failed = true;
	return branch == 0 || v->failed;
}

static struct seg_str text_or_null(struct seg_view *v)
{
	return is_null(v) ? (struct seg_str){NULL, 0} : text(v);
}

static double double_or_null(struct seg_view *v)
{
	return is_null(v) ? (double)NAN : seg_view_f64(v);
}

/* The next item of an array, block by block: false at its end. *left starts at 0. */
static bool next_item(struct seg_view *v, int64_t *left, unsigned *seen)
{
	if (*left == 0) {
		*left = seg_view_zigzag(v);
		if (*left < 0) {
			*left = -*left;
			seg_view_zigzag(v); /* the block's size in bytes */
		}
	}
	if (v->failed || *left <= 0 || ++*seen > ITEMS_MAX)
		return false;
	--*left;
	return true;
}

static int64_t symbol(struct seg_view *v, int64_t symbols)
{
	int64_t i = seg_view_zigzag(v);
	if (i < 0 || i >= symbols)
		v->failed = true;
	return v->failed ? 0 : i;
}

bool seg_read_change(struct seg_str bytes, struct seg_read_change *ret)
{
	struct seg_view v = begin(bytes);
	int64_t left = 0;
	unsigned seen = 0;
	*ret = (struct seg_read_change){.drivers_len = 0};
	text(&v); /* event id */
	ret->customer_id = text(&v);
	ret->from_segment = text_or_null(&v);
	ret->from_name = text_or_null(&v);
	ret->to_segment = text_or_null(&v);
	ret->to_name = text_or_null(&v);
	ret->reason = (enum seg_reason)symbol(&v, SEG_REASONS);
	seg_view_zigzag(&v); /* model version */
	double_or_null(&v);
	double_or_null(&v);
	double_or_null(&v); /* distances, margin */
	while (next_item(&v, &left, &seen)) {
		struct seg_read_driver d = {.feature = text(&v)};
		d.value = double_or_null(&v);
		d.zscore = seg_view_f64(&v);
		seg_view_f64(&v);
		if (ret->drivers_len < SEG_DRIVERS)
			ret->drivers[ret->drivers_len++] = d;
	}
	ret->event_time_ms = seg_view_zigzag(&v);
	return !v.failed;
}

bool seg_read_segment(struct seg_str bytes, struct seg_read_segment *ret)
{
	struct seg_view v = begin(bytes);
	int64_t left = 0;
	unsigned seen = 0;
	*ret = (struct seg_read_segment){.centroid_len = 0};
	ret->segment_id = text(&v);
	ret->name = text(&v);
	struct seg_str alias = text_or_null(&v);
	if (alias.ptr)
		ret->name = alias;
	ret->active = symbol(&v, 2) == SEG_SEGMENT_ACTIVE;
	symbol(&v, 4); /* origin */
	while (next_item(&v, &left, &seen))
		text(&v); /* parents */
	seg_view_zigzag(&v);
	seg_view_f64(&v); /* customers, share */
	left = 0;
	while (next_item(&v, &left, &seen)) {
		struct seg_read_driver d = {.feature = text(&v)};
		d.value = seg_view_f64(&v);
		d.zscore = seg_view_f64(&v);
		if (ret->centroid_len < SEG_READ_CENTROID_MAX)
			ret->centroid[ret->centroid_len++] = d;
	}
	return !v.failed;
}

bool seg_read_alert(struct seg_str bytes, struct seg_read_alert *ret)
{
	struct seg_view v = begin(bytes);
	*ret = (struct seg_read_alert){.value = 0};
	text(&v); /* alert id */
	ret->subject = text(&v);
	ret->segment_id = text_or_null(&v);
	seg_view_zigzag(&v); /* metric */
	ret->value = seg_view_f64(&v);
	seg_view_f64(&v); /* threshold */
	double_or_null(&v);
	for (int i = 0; i < 4; i++)
		seg_view_zigzag(&v); /* counts, window */
	ret->severity = (enum seg_severity)symbol(&v, 2);
	ret->state = (enum seg_alert_state)symbol(&v, 3);
	seg_view_zigzag(&v);
	ret->action = text(&v);
	ret->event_time_ms = seg_view_zigzag(&v);
	return !v.failed;
}
