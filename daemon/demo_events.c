#include "daemon/demo_events.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "daemon/demo_plan.h"
#include "daemon/event_encode.h"

enum { TEXT_BYTES = 64, TEXTS = 6, VALUE_BYTES = 1 << 16 };

struct seg_demo_events {
	struct seg_demo_plan plan;
	size_t next;
	struct seg_event event;	       /* what was written last */
	char texts[TEXTS][TEXT_BYTES]; /* its made-up strings */
	unsigned texts_len;
	struct seg_buf value;
};

static const char *const categories[SEG_DEMO_CATEGORIES] = {"kitchen",	  "christmas", "garden",    "toys",
							    "stationery", "bags",      "jewellery", "lighting",
							    "home decor", "candles"};
static const char *const pages[SEG_DEMO_PAGES] = {"/", "/new", "/offers", "/help"};
static const char *const devices[SEG_DEVICES] = {"desktop", "mobile", "tablet", "app", "other"};
static const char *const signups[] = {"shop", "trade fair", "search", "friend", "catalogue"};

/* A made-up string of the current event. */
static struct seg_str text(struct seg_demo_events *it, const char *fmt, ...) SEG_PRINTF(2, 3);
static struct seg_str text(struct seg_demo_events *it, const char *fmt, ...)
{
	char *to = it->texts[it->texts_len++];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(to, TEXT_BYTES, fmt, ap);
	va_end(ap);
	return (struct seg_str){to, n < 0 ? 0 : n < TEXT_BYTES ? (uint32_t)n : TEXT_BYTES - 1};
}

static void fill_order(struct seg_demo_events *it, const struct seg_demo_item *item)
{
	const struct seg_demo_order *o = &it->plan.orders.items[item->shopper];
	struct seg_event *e = &it->event;

	e->event_id = o->event_id;
	e->order_id = o->order_id;
	e->customer_id = o->customer_id;
	e->has_amount = true;
	e->amount = o->amount;
	e->currency = o->currency;
	e->country = o->country;
	e->has_quantity = o->has_quantity;
	e->quantity = o->quantity;
}

static void fill_product(struct seg_demo_events *it, const struct seg_demo_item *item)
{
	it->event.category = seg_str_from(categories[item->product / SEG_DEMO_PRODUCTS]);
	it->event.product_id = text(it, "p%04u", item->product);
	it->event.url = text(it, "/product/%u", item->product);
}

static void fill_web(struct seg_demo_events *it, const struct seg_demo_item *item, const struct seg_demo_shopper *s)
{
	struct seg_event *e = &it->event;

	e->device = seg_str_from(devices[s->device]);
	e->country = s->country;
	if (item->kind == SEG_WEB_PURCHASE) {
		const struct seg_demo_order *o = &it->plan.orders.items[item->number];

		e->has_amount = true;
		e->amount = o->amount;
		e->currency = o->currency;
		e->url = seg_str_from("/thanks");
		return;
	}
	e->session_id = text(it, "syn-v-%06u", item->number);
	switch ((enum seg_web_kind)item->kind) {
	case SEG_WEB_PAGE_VIEW:
		e->url = seg_str_from(pages[item->product]);
		break;
	case SEG_WEB_SEARCH:
		e->url = text(it, "/search?q=%s", categories[item->product / SEG_DEMO_PRODUCTS]);
		break;
	case SEG_WEB_CART_ADD:
	case SEG_WEB_CART_REMOVE:
		e->has_quantity = true;
		e->quantity = 1;
		fill_product(it, item);
		break;
	case SEG_WEB_PRODUCT_VIEW:
		fill_product(it, item);
		break;
	case SEG_WEB_CHECKOUT:
		e->url = seg_str_from("/checkout");
		break;
	case SEG_WEB_OTHER:
	case SEG_WEB_PURCHASE:
	case SEG_WEB_LOGIN:
	case SEG_WEB_SIGNUP:
	case SEG_WEB_KINDS:
		break;
	}
}

static void fill_email(struct seg_demo_events *it, const struct seg_demo_item *item, const struct seg_demo_shopper *s)
{
	struct seg_event *e = &it->event;
	bool reaction = item->kind == SEG_EMAIL_OPEN || item->kind == SEG_EMAIL_CLICK;

	e->campaign = text(it, "newsletter-%02u", item->number + 1);
	e->message_id = text(it, "syn-m-%u-" SEG_STR_FMT, item->number + 1, SEG_STR_ARG(s->id));
	e->variant = seg_str_from(s->id.len && s->id.ptr[s->id.len - 1] & 1 ? "B" : "A");
	e->sent_time_ms = reaction ? item->time_ms - item->delay_ms : SEG_NO_TIME;
	e->machine_open = item->machine;
	if (item->machine)
		e->user_agent = seg_str_from("mail privacy proxy");
	if (item->kind == SEG_EMAIL_CLICK)
		e->url = seg_str_from("/offers");
}

static void fill_profile(struct seg_demo_events *it, const struct seg_demo_item *item, const struct seg_demo_shopper *s)
{
	struct seg_event *e = &it->event;

	e->update_source = seg_str_from("signup_form");
	if (item->kind == SEG_UPDATE_CONSENT) {
		e->consents[e->consents_len++] =
			(struct seg_event_consent){seg_str_from("marketing_email"), item->granted};
		return;
	}
	e->attributes[e->attributes_len++] =
		(struct seg_event_attribute){seg_str_from("age"), {.type = SEG_VALUE_LONG, .i = s->age}};
	e->attributes[e->attributes_len++] = (struct seg_event_attribute){
		seg_str_from("signup_source"), {.type = SEG_VALUE_STRING, .s = seg_str_from(signups[s->signup])}};
}

static void fill_synthetic(struct seg_demo_events *it, const struct seg_demo_item *item)
{
	const struct seg_demo_shopper *s = &it->plan.shoppers[item->shopper];
	enum seg_source source = (enum seg_source)item->source;

	it->event.event_id = text(it, "syn-%c-%06u", seg_source_names[source][0], item->seq);
	it->event.customer_id = s->id;
	if (source == SEG_WEB)
		fill_web(it, item, s);
	else if (source == SEG_EMAIL)
		fill_email(it, item, s);
	else
		fill_profile(it, item, s);
}

enum seg_rc seg_demo_events_next(struct seg_demo_events *it, struct seg_demo_event *ret)
{
	const struct seg_demo_item *item;
	struct seg_event *e = &it->event;

	if (it->next == it->plan.len)
		return SEG_NOT_FOUND;
	item = &it->plan.items[it->next];
	seg_event_reset(e, (enum seg_source)item->source);
	it->texts_len = 0;
	e->kind = item->kind;
	e->time_ms = item->time_ms;
	if (item->source == SEG_ORDERS)
		fill_order(it, item);
	else
		fill_synthetic(it, item);
	seg_buf_clear(&it->value);
	seg_event_encode(e, &it->value);
	if (it->value.failed)
		return SEG_NO_MEMORY;
	it->next++;
	*ret = (struct seg_demo_event){
		.source = e->source,
		.key = e->customer_id.ptr ? e->customer_id : (struct seg_str){"", 0},
		.value = {(const char *)it->value.data, (uint32_t)it->value.len},
		.time_ms = e->time_ms,
		.synthetic = item->source != SEG_ORDERS,
	};
	return SEG_OK;
}

enum seg_rc seg_demo_events_open(uint64_t seed, const char *orders_path, struct seg_demo_events **ret,
				 struct seg_error *err)
{
	struct seg_demo_events *it = calloc(1, sizeof *it);
	enum seg_rc rc;

	if (!it)
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for the demo's events");
	rc = seg_demo_plan_init(seed, orders_path, &it->plan, err);
	if (rc != SEG_OK) {
		free(it);
		return rc;
	}
	seg_buf_init(&it->value, VALUE_BYTES);
	*ret = it;
	return SEG_OK;
}

void seg_demo_events_close(struct seg_demo_events *it)
{
	if (!it)
		return;
	seg_demo_plan_release(&it->plan);
	seg_buf_release(&it->value);
	free(it);
}

size_t seg_demo_events_len(const struct seg_demo_events *it)
{
	return it->plan.len;
}
