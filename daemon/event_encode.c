#include "daemon/event_encode.h"

const uint64_t seg_event_fingerprints[SEG_SOURCES] = {
	[SEG_WEB] = UINT64_C(0x54b1df555b3ec5d1),
	[SEG_EMAIL] = UINT64_C(0x689fa313365a35e1),
	[SEG_ORDERS] = UINT64_C(0x55f4f9e88662682f),
	[SEG_PROFILES] = UINT64_C(0x26e8cb760c394810),
};

static void put_string(struct seg_buf *to, struct seg_str s)
{
	seg_buf_zigzag(to, s.len);
	seg_buf_append(to, s.ptr, s.len);
}

/* Unions are ["null", T] throughout: branch 0 or 1. */
static bool put_branch(struct seg_buf *to, bool present)
{
	seg_buf_zigzag(to, present);
	return present;
}

static void put_opt_string(struct seg_buf *to, struct seg_str s)
{
	if (put_branch(to, s.ptr != NULL))
		put_string(to, s);
}

static void put_null(struct seg_buf *to)
{
	put_branch(to, false);
}

static void put_quantity(struct seg_buf *to, const struct seg_event *e)
{
	if (put_branch(to, e->has_quantity))
		seg_buf_zigzag(to, e->quantity);
}

static void put_web(const struct seg_event *e, struct seg_buf *to)
{
	put_opt_string(to, e->anonymous_id);
	put_opt_string(to, e->session_id);
	put_opt_string(to, e->url);
	put_null(to); /* referrer */
	put_opt_string(to, e->category);
	put_opt_string(to, e->product_id);
	put_quantity(to, e);
	if (put_branch(to, e->has_amount))
		seg_buf_f64(to, e->amount);
	put_opt_string(to, e->currency);
	put_opt_string(to, e->device);
	put_opt_string(to, e->user_agent);
	put_null(to); /* ip */
	put_opt_string(to, e->country);
	put_null(to); /* utm_source */
	put_null(to); /* utm_medium */
	put_opt_string(to, e->campaign);
}

static void put_email(const struct seg_event *e, struct seg_buf *to)
{
	put_opt_string(to, e->message_id);
	if (put_branch(to, e->sent_time_ms != SEG_NO_TIME))
		seg_buf_zigzag(to, e->sent_time_ms);
	put_opt_string(to, e->campaign);
	put_opt_string(to, e->variant);
	put_opt_string(to, e->url);
	put_null(to); /* bounce_type */
	put_opt_string(to, e->user_agent);
	seg_buf_u8(to, e->machine_open);
}

static void put_order(const struct seg_event *e, struct seg_buf *to)
{
	put_string(to, e->order_id);
	seg_buf_f64(to, e->amount);
	put_opt_string(to, e->currency);
	put_quantity(to, e);
	seg_buf_zigzag(to, 0); /* lines */
	put_opt_string(to, e->country);
	put_opt_string(to, e->campaign);
}

/* The union's branches are in the order of enum seg_value_type. */
static void put_value(struct seg_buf *to, const struct seg_value *v)
{
	seg_buf_zigzag(to, v->type);
	switch (v->type) {
	case SEG_VALUE_NULL:
		break;
	case SEG_VALUE_BOOL:
		seg_buf_u8(to, v->b);
		break;
	case SEG_VALUE_LONG:
		seg_buf_zigzag(to, v->i);
		break;
	case SEG_VALUE_DOUBLE:
		seg_buf_f64(to, v->d);
		break;
	case SEG_VALUE_STRING:
		put_string(to, v->s);
		break;
	}
}

static void put_profile(const struct seg_event *e, struct seg_buf *to)
{
	put_opt_string(to, e->update_source);
	if (e->attributes_len) {
		seg_buf_zigzag(to, e->attributes_len);
		for (uint32_t i = 0; i < e->attributes_len; i++) {
			put_string(to, e->attributes[i].name);
			put_value(to, &e->attributes[i].value);
		}
	}
	seg_buf_zigzag(to, 0);
	if (e->consents_len) {
		seg_buf_zigzag(to, e->consents_len);
		for (uint32_t i = 0; i < e->consents_len; i++) {
			put_string(to, e->consents[i].purpose);
			seg_buf_u8(to, e->consents[i].granted);
		}
	}
	seg_buf_zigzag(to, 0);
	put_opt_string(to, e->anonymous_id);
}

void seg_event_encode(const struct seg_event *e, struct seg_buf *to)
{
	seg_buf_u8(to, 0xC3);
	seg_buf_u8(to, 0x01);
	seg_buf_u64le(to, seg_event_fingerprints[e->source]);
	put_string(to, e->event_id);
	put_string(to, e->customer_id);
	seg_buf_zigzag(to, e->time_ms);
	seg_buf_zigzag(to, e->kind);
	switch (e->source) {
	case SEG_WEB:
		put_web(e, to);
		break;
	case SEG_EMAIL:
		put_email(e, to);
		break;
	case SEG_ORDERS:
		put_order(e, to);
		break;
	case SEG_PROFILES:
		put_profile(e, to);
		break;
	case SEG_SOURCES:
		break;
	}
}
