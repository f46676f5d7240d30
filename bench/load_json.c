#include <stdio.h>
#include <stdlib.h>

#include "bench/load.h"

static const char *const web_kinds[] = {"other",       "page_view", "product_view", "search", "cart_add",
					"cart_remove", "checkout",  "purchase",	    "login",  "signup"};
static const char *const email_kinds[] = {"other", "sent",   "delivered",   "open",
					  "click", "bounce", "unsubscribe", "complaint"};
static const char *const order_kinds[] = {"other", "purchase", "refund"};
static const char *const update_kinds[] = {"other", "update", "consent", "identify", "erase"};
static const char *const *const kinds[SEG_SOURCES] = {web_kinds, email_kinds, order_kinds, update_kinds};

/* The generator's strings need no escapes. Absent ones are left out: they have a default in the schema. */
static void put_string(struct seg_buf *to, const char *name, struct seg_str s)
{
	if (s.ptr)
		seg_buf_printf(to, ", \"%s\": \"" SEG_STR_FMT "\"", name, SEG_STR_ARG(s));
}

static void put_double(struct seg_buf *to, const char *name, double v)
{
	char digits[40];

	for (int n = 15; n <= 17; n++) {
		snprintf(digits, sizeof digits, "%.*g", n, v);
		if (strtod(digits, NULL) == v)
			break;
	}
	seg_buf_printf(to, ", \"%s\": %s", name, digits);
}

static void put_web(const struct seg_event *e, struct seg_buf *to)
{
	put_string(to, "session_id", e->session_id);
	put_string(to, "url", e->url);
	put_string(to, "category", e->category);
	put_string(to, "product_id", e->product_id);
	if (e->has_amount)
		put_double(to, "amount", e->amount);
	put_string(to, "device", e->device);
	put_string(to, "country", e->country);
}

static void put_email(const struct seg_event *e, struct seg_buf *to)
{
	put_string(to, "message_id", e->message_id);
	if (e->sent_time_ms != SEG_NO_TIME)
		seg_buf_printf(to, ", \"sent_time\": %lld", (long long)e->sent_time_ms);
	put_string(to, "campaign", e->campaign);
	seg_buf_printf(to, ", \"machine_open\": %s", e->machine_open ? "true" : "false");
}

static void put_order(const struct seg_event *e, struct seg_buf *to)
{
	put_string(to, "order_id", e->order_id);
	put_double(to, "amount", e->amount);
	seg_buf_printf(to, ", \"quantity\": %d", e->quantity);
	put_string(to, "country", e->country);
}

static void put_profile(const struct seg_event *e, struct seg_buf *to)
{
	if (e->consents_len)
		seg_buf_printf(to, ", \"consent\": {\"" SEG_STR_FMT "\": %s}", SEG_STR_ARG(e->consents[0].purpose),
			       e->consents[0].granted ? "true" : "false");
	if (e->attributes_len != 3)
		return;
	seg_buf_printf(to, ", \"attributes\": {\"age\": %lld", (long long)e->attributes[0].value.i);
	put_double(to, "score", e->attributes[1].value.d);
	put_string(to, "tier", e->attributes[2].value.s);
	seg_buf_u8(to, '}');
}

void seg_load_json(const struct seg_event *e, struct seg_buf *to)
{
	seg_buf_printf(to, "{\"source\": \"%s\"", seg_source_names[e->source]);
	put_string(to, "event_id", e->event_id);
	put_string(to, "customer_id", e->customer_id);
	seg_buf_printf(to, ", \"event_time\": %lld, \"kind\": \"%s\"", (long long)e->time_ms,
		       kinds[e->source][e->kind]);
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
	seg_buf_printf(to, "}\n");
}
