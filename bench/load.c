#include "bench/load.h"

#include <stdarg.h>
#include <stdio.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

enum { MILLION = 1000000, HOUR_MS = 3600000, LATE_MS = 48 * HOUR_MS, OPEN_MS = 72 * HOUR_MS };
enum customer_kind { BUYER, BROWSER, READER, LAPSED, CUSTOMER_KINDS };
enum { REPEAT = 1, BACK, BAD, BAD_KIND, LATE, LATE_BY, ERASE, CUSTOMER, SOURCE, KIND, FIRST, SECOND, THIRD };

/* Of a hundred events of such a customer, how many are below web, e-mail, orders; the rest are profile updates. */
static const uint8_t source_below[CUSTOMER_KINDS][3] = {{50, 65, 95}, {80, 90, 95}, {30, 90, 95}, {50, 65, 95}};
static const uint8_t web_below[SEG_WEB_KINDS] = {0, 40, 65, 75, 85, 87, 92, 96, 99, 100};
static const uint8_t email_below[SEG_EMAIL_KINDS] = {0, 40, 78, 92, 96, 98, 99, 100};
static const char *const devices[] = {"desktop", "mobile", "tablet", "app", "other"};
static const char *const countries[] = {"GB", "DE", "FR", "US", "NL"};
static const char *const tiers[CUSTOMER_KINDS] = {"gold", "silver", "bronze", "none"};

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static uint64_t draw(const struct seg_load_options *o, uint64_t i, unsigned k)
{
	return mix(mix(o->seed ^ mix(i + 1)) + k * GOLDEN);
}

static bool drawn(const struct seg_load_options *o, uint64_t i, unsigned k, uint64_t ppm)
{
	return draw(o, i, k) % MILLION < ppm;
}

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* The slot whose record this slot repeats; i if it repeats none. */
static uint64_t repeated_slot(const struct seg_load_options *o, uint64_t i)
{
	uint64_t j;

	if (!i || !drawn(o, i, REPEAT, o->duplicate_ppm))
		return i;
	j = i - 1 - draw(o, i, BACK) % least(least(i, 1000), o->customers);
	if (drawn(o, j, REPEAT, o->duplicate_ppm) || drawn(o, j, BAD, o->bad_ppm) || drawn(o, j, LATE, o->late_ppm) ||
	    drawn(o, j, ERASE, o->erase_ppm))
		return i;
	return j;
}

static struct seg_str text(struct seg_load_event *l, const char *fmt, ...) SEG_PRINTF(2, 3);
static struct seg_str text(struct seg_load_event *l, const char *fmt, ...)
{
	char *to = l->texts[l->texts_len++];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(to, SEG_LOAD_TEXT_BYTES, fmt, ap);
	va_end(ap);
	return seg_str_from(to);
}

static uint64_t customer_of(const struct seg_load_options *o, uint64_t i)
{
	uint64_t u = draw(o, i, CUSTOMER) >> 32, c = ((u * u >> 32) * o->customers) >> 32;

	for (int tries = 0; tries < 64 && i >= o->events * 2 / 5 && mix(c) % CUSTOMER_KINDS == LAPSED; tries++)
		c = (c + 1) % o->customers;
	return c;
}

static uint8_t pick(const uint8_t *below, uint64_t x)
{
	uint8_t k = 0;

	while (x >= below[k])
		k++;
	return k;
}

static void fill_web(const struct seg_load_options *o, uint64_t i, uint64_t c, struct seg_load_event *l)
{
	struct seg_event *e = &l->event;
	uint64_t product = draw(o, i, FIRST) % 400;

	e->kind = pick(web_below, draw(o, i, KIND) % 100);
	e->session_id = text(l, "v%llu-%lld", (unsigned long long)c, (long long)(e->time_ms / HOUR_MS));
	e->url = text(l, "https://shop.example/p/%llu", (unsigned long long)product);
	e->product_id = text(l, "p%llu", (unsigned long long)product);
	e->category = text(l, "cat%llu", (unsigned long long)(product % 10));
	e->device = seg_str_from(devices[(mix(c) >> 8) % 5]);
	e->country = seg_str_from(countries[(mix(c) >> 16) % 5]);
	if (e->kind == SEG_WEB_PURCHASE) {
		e->has_amount = true;
		e->amount = (double)(100 + draw(o, i, SECOND) % 20000) / 100;
	}
}

static void fill_email(const struct seg_load_options *o, uint64_t i, struct seg_load_event *l)
{
	struct seg_event *e = &l->event;

	e->kind = pick(email_below, draw(o, i, KIND) % 100);
	e->message_id = text(l, "m%llu", (unsigned long long)i);
	e->campaign = text(l, "k%llu", (unsigned long long)(draw(o, i, FIRST) % 50));
	if (e->kind == SEG_EMAIL_OPEN || e->kind == SEG_EMAIL_CLICK)
		e->sent_time_ms = e->time_ms - 1 - (int64_t)(draw(o, i, SECOND) % OPEN_MS);
	e->machine_open = e->kind == SEG_EMAIL_OPEN && draw(o, i, THIRD) % 10 == 0;
}

static void fill_order(const struct seg_load_options *o, uint64_t i, uint64_t c, struct seg_load_event *l)
{
	struct seg_event *e = &l->event;
	uint64_t spend = UINT64_C(2000) << ((mix(c) >> 24) & 3), cents;

	e->kind = draw(o, i, KIND) % 100 < 92 ? SEG_ORDER_PURCHASE : SEG_ORDER_REFUND;
	e->order_id = text(l, "o%llu", (unsigned long long)i);
	e->has_amount = true;
	cents = 100 + draw(o, i, FIRST) % spend;
	if (e->kind == SEG_ORDER_REFUND)
		cents /= 2;
	e->amount = (double)cents / 100;
	e->has_quantity = true;
	e->quantity = (int32_t)(1 + draw(o, i, SECOND) % 9);
	e->country = seg_str_from(countries[(mix(c) >> 16) % 5]);
}

static void fill_profile(const struct seg_load_options *o, uint64_t i, uint64_t c, struct seg_load_event *l)
{
	struct seg_event *e = &l->event;
	struct seg_event_attribute *a = e->attributes;

	if (draw(o, i, KIND) % 100 >= 80) {
		e->kind = SEG_UPDATE_CONSENT;
		e->consents[e->consents_len++] =
			(struct seg_event_consent){seg_str_from("marketing_email"), draw(o, i, FIRST) % 8 != 0};
		return;
	}
	e->kind = SEG_UPDATE_UPDATE;
	a[0].name = seg_str_from("age");
	a[0].value = (struct seg_value){.type = SEG_VALUE_LONG, .i = (int64_t)(18 + (mix(c) >> 32) % 60)};
	a[1].name = seg_str_from("score");
	a[1].value = (struct seg_value){.type = SEG_VALUE_DOUBLE, .d = (double)(draw(o, i, FIRST) % 1000) / 8};
	a[2].name = seg_str_from("tier");
	a[2].value = (struct seg_value){.type = SEG_VALUE_STRING, .s = seg_str_from(tiers[mix(c) % CUSTOMER_KINDS])};
	e->attributes_len = 3;
}

static void spoil(const struct seg_load_options *o, uint64_t i, struct seg_event *e)
{
	switch (draw(o, i, BAD_KIND) % 4) {
	case 0:
		e->customer_id = seg_str_from("null");
		break;
	case 1:
		e->amount = -5;
		break;
	case 2:
		e->kind = 0;
		break;
	default:
		e->customer_id = seg_str_from("");
		break;
	}
}

static enum seg_source source_of(const struct seg_load_options *o, uint64_t i, uint64_t c, enum seg_load_flaw flaw)
{
	const uint8_t *below = source_below[mix(c) % CUSTOMER_KINDS];
	uint64_t x = draw(o, i, SOURCE) % 100;

	if (flaw == SEG_LOAD_ERASE)
		return SEG_PROFILES;
	if (flaw == SEG_LOAD_BAD && draw(o, i, BAD_KIND) % 4 == 1)
		return SEG_ORDERS;
	return x < below[0] ? SEG_WEB : x < below[1] ? SEG_EMAIL : x < below[2] ? SEG_ORDERS : SEG_PROFILES;
}

static enum seg_load_flaw flaw_of(const struct seg_load_options *o, uint64_t i)
{
	return drawn(o, i, BAD, o->bad_ppm)	  ? SEG_LOAD_BAD
	       : drawn(o, i, LATE, o->late_ppm)	  ? SEG_LOAD_LATE
	       : drawn(o, i, ERASE, o->erase_ppm) ? SEG_LOAD_ERASE
						  : SEG_LOAD_FINE;
}

static int64_t slot_ms(const struct seg_load_options *o, uint64_t i)
{
	return o->start_ms + (int64_t)((unsigned __int128)i * o->days * UINT64_C(86400000) / o->events);
}

void seg_load_event(const struct seg_load_options *o, uint64_t i, struct seg_load_event *l)
{
	uint64_t j = repeated_slot(o, i), c = customer_of(o, j);
	enum seg_load_flaw flaw = flaw_of(o, j);
	struct seg_event *e = &l->event;

	l->texts_len = 0;
	l->flaw = i == j ? flaw : SEG_LOAD_REPEAT;
	l->timestamp_ms = slot_ms(o, i);
	seg_event_reset(e, source_of(o, j, c, flaw));
	e->event_id = text(l, "e%llu", (unsigned long long)j);
	e->customer_id = text(l, "c%llu", (unsigned long long)c);
	e->time_ms = slot_ms(o, j) - (flaw == SEG_LOAD_LATE ? 1 + (int64_t)(draw(o, j, LATE_BY) % LATE_MS) : 0);
	switch (e->source) {
	case SEG_WEB:
		fill_web(o, j, c, l);
		break;
	case SEG_EMAIL:
		fill_email(o, j, l);
		break;
	case SEG_ORDERS:
		fill_order(o, j, c, l);
		break;
	case SEG_PROFILES:
		if (flaw == SEG_LOAD_ERASE)
			e->kind = SEG_UPDATE_ERASE;
		else
			fill_profile(o, j, c, l);
		break;
	case SEG_SOURCES:
		break;
	}
	if (flaw == SEG_LOAD_BAD)
		spoil(o, j, e);
}
