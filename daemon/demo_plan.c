#include "daemon/demo_plan.h"

#include <math.h>
#include <stdlib.h>

#include "base/hash.h"

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS };
enum { CAMPAIGN_DAYS = 28, CAMPAIGN_HOUR = 10, WEEK_DAYS = 7 };

/* One customer's hand at the plan. */
struct pen {
	struct seg_demo_plan *plan;
	const struct seg_demo_shopper *shopper;
	uint32_t index;
	struct seg_rng rng;
	bool subscribed;
};

static struct seg_demo_item *add_item(struct seg_demo_plan *p, enum seg_source source, uint8_t kind, int64_t time_ms)
{
	if (p->len == p->cap && !p->failed) {
		size_t cap = p->cap ? p->cap * 2 : 65536;
		struct seg_demo_item *items = realloc(p->items, cap * sizeof *items);

		p->failed = !items;
		if (items) {
			p->items = items;
			p->cap = cap;
		}
	}
	if (p->failed)
		return &p->nowhere;
	p->items[p->len] = (struct seg_demo_item){
		.time_ms = time_ms, .seq = (uint32_t)p->len, .source = (uint8_t)source, .kind = kind};
	return &p->items[p->len++];
}

/* A synthetic event of the pen's customer; what would lie behind the last order is left out (returns NULL). */
static struct seg_demo_item *add_event(struct pen *w, enum seg_source source, uint8_t kind, int64_t time_ms)
{
	struct seg_demo_item *item;

	if (time_ms < w->plan->first_ms || time_ms > w->plan->last_ms)
		return NULL;
	item = add_item(w->plan, source, kind, time_ms);
	item->shopper = w->index;
	return item;
}

static bool happens(struct pen *w, double probability)
{
	return seg_rng_unit(&w->rng) < probability;
}

static int64_t jitter(struct pen *w, int64_t below_ms)
{
	return (int64_t)seg_rng_below(&w->rng, (uint64_t)below_ms);
}

static uint16_t draw_product(struct pen *w)
{
	double u = seg_rng_unit(&w->rng);
	uint64_t category = u < .5    ? w->shopper->categories[0]
			    : u < .75 ? w->shopper->categories[1]
				      : seg_rng_below(&w->rng, SEG_DEMO_CATEGORIES);

	/* The square makes some products much more popular than others. */
	u = seg_rng_unit(&w->rng);
	return (uint16_t)(category * SEG_DEMO_PRODUCTS + (uint64_t)(u * u * SEG_DEMO_PRODUCTS));
}

/* One step of a visit, `gap` later than the step before. */
static void step(struct pen *w, uint32_t visit, enum seg_web_kind kind, uint16_t product, int64_t *now_ms)
{
	struct seg_demo_item *item = add_event(w, SEG_WEB, (uint8_t)kind, *now_ms);

	if (item) {
		item->number = visit;
		item->product = product;
	}
	*now_ms += 8000 + jitter(w, 50000);
}

/* Pages, searches and products, as many as `depth` says; returns the product looked at last. */
static uint16_t look_around(struct pen *w, uint32_t visit, double depth, int64_t *now_ms)
{
	uint16_t product = draw_product(w);

	step(w, visit, SEG_WEB_PAGE_VIEW, (uint16_t)seg_rng_below(&w->rng, SEG_DEMO_PAGES), now_ms);
	if (happens(w, .25))
		step(w, visit, SEG_WEB_LOGIN, 0, now_ms);
	for (double left = depth; left > 0 && (left >= 1 || happens(w, left)); left--) {
		if (happens(w, .2))
			step(w, visit, SEG_WEB_SEARCH, product, now_ms);
		step(w, visit, SEG_WEB_PRODUCT_VIEW, product, now_ms);
		if (left > 1)
			product = draw_product(w);
	}
	return product;
}

/* A visit without a purchase; some leave a cart behind, or get as far as the checkout. */
static void plan_visit(struct pen *w, int64_t now_ms, double depth)
{
	uint32_t visit = w->plan->visits++;
	uint16_t product = look_around(w, visit, depth, &now_ms);

	if (!happens(w, w->shopper->abandons))
		return;
	step(w, visit, SEG_WEB_CART_ADD, product, &now_ms);
	if (happens(w, .3))
		step(w, visit, SEG_WEB_CART_REMOVE, product, &now_ms);
	else if (happens(w, .25))
		step(w, visit, SEG_WEB_CHECKOUT, product, &now_ms);
}

/* The visit that leads to a purchase: planned forward, then moved so that it ends just before the order. */
static void plan_purchase(struct pen *w, uint32_t index)
{
	const struct seg_demo_order *o = &w->plan->orders.items[index];
	struct seg_demo_plan *p = w->plan;
	int64_t begin_ms = o->time_ms, now_ms = begin_ms, shift_ms;
	uint32_t visit = p->visits++;
	struct seg_demo_item *item;
	uint16_t product;
	size_t from;

	if (happens(w, .35))
		plan_visit(w, o->time_ms - (1 + jitter(w, 3)) * SEG_DAY_MS - jitter(w, 4 * HOUR_MS), 1.5);
	from = p->len;
	product = look_around(w, visit, .6 + .4 * log1p(o->amount / 100), &now_ms);
	step(w, visit, SEG_WEB_CART_ADD, product, &now_ms);
	if (happens(w, .4))
		step(w, visit, SEG_WEB_CART_ADD, draw_product(w), &now_ms);
	step(w, visit, SEG_WEB_CHECKOUT, product, &now_ms);
	shift_ms = now_ms - begin_ms;
	for (size_t i = from; i < p->len; i++)
		p->items[i].time_ms -= shift_ms;
	item = add_event(w, SEG_WEB, SEG_WEB_PURCHASE, o->time_ms);
	if (item)
		item->number = index;
}

/* Purchases of the last 60 days count, older ones less: 0 (gone quiet) to about 1. */
static double warmth(const struct pen *w, int64_t now_ms)
{
	const struct seg_demo_shopper *s = w->shopper;
	double sum = .06;

	for (uint32_t i = s->orders_len; i--;) {
		double days = (double)(now_ms - w->plan->orders.items[s->orders[i]].time_ms) / (double)SEG_DAY_MS;

		if (days >= -14) /* interest begins before the order */
			sum += exp2(-fmax(days, 0) / 60) * .5;
		if (days > 400)
			break;
	}
	return fmin(sum, 1);
}

static void plan_habit(struct pen *w)
{
	const struct seg_demo_shopper *s = w->shopper;
	int64_t week_ms = WEEK_DAYS * SEG_DAY_MS;

	for (int64_t at = s->first_ms - 2 * week_ms; at < w->plan->last_ms; at += week_ms) {
		double left = s->visits_a_week * warmth(w, at);

		for (; left > 0 && happens(w, left); left--) {
			int64_t day_ms = (at + jitter(w, week_ms)) / SEG_DAY_MS * SEG_DAY_MS;

			plan_visit(w, day_ms + s->hour * HOUR_MS + jitter(w, 2 * HOUR_MS),
				   .8 + seg_rng_unit(&w->rng) * 2);
		}
	}
}

static void mail_event(struct pen *w, enum seg_email_kind kind, uint32_t campaign, int64_t sent_ms, int64_t delay_ms,
		       bool machine)
{
	struct seg_demo_item *item = add_event(w, SEG_EMAIL, (uint8_t)kind, sent_ms + delay_ms);

	if (item) {
		item->number = campaign;
		item->delay_ms = (uint32_t)delay_ms;
		item->machine = machine;
	}
}

/* A human opens: how late is log-normal, around two hours for the keen and a day for others. */
static void plan_open(struct pen *w, uint32_t campaign, int64_t sent_ms, double keen)
{
	double hours = exp(3.2 - 2.5 * keen + seg_rng_normal(&w->rng));
	int64_t delay_ms = (int64_t)(fmin(fmax(hours, .05), 21 * 24) * HOUR_MS);

	mail_event(w, SEG_EMAIL_OPEN, campaign, sent_ms, delay_ms, false);
	if (!happens(w, .12 + .35 * keen))
		return;
	delay_ms += 4000 + jitter(w, 3 * MINUTE_MS);
	mail_event(w, SEG_EMAIL_CLICK, campaign, sent_ms, delay_ms, false);
	plan_visit(w, sent_ms + delay_ms + 2000, 1.5);
}

static void plan_consent(struct pen *w, int64_t time_ms, bool granted)
{
	struct seg_demo_item *item = add_event(w, SEG_PROFILES, SEG_UPDATE_CONSENT, time_ms);

	if (item)
		item->granted = granted;
	w->subscribed = granted;
}

/* One campaign to one customer. */
static void plan_message(struct pen *w, uint32_t campaign)
{
	int64_t sent_ms = seg_demo_campaign_ms(w->plan, campaign) + jitter(w, 2 * HOUR_MS);
	int64_t delivered_ms = 1000 + jitter(w, 4 * MINUTE_MS);
	double keen = w->shopper->interest * (.35 + .65 * warmth(w, sent_ms));

	mail_event(w, SEG_EMAIL_SENT, campaign, sent_ms, 0, false);
	if (happens(w, .012)) {
		mail_event(w, SEG_EMAIL_BOUNCE, campaign, sent_ms, delivered_ms, false);
		return;
	}
	mail_event(w, SEG_EMAIL_DELIVERED, campaign, sent_ms, delivered_ms, false);
	if (w->shopper->machine_mailbox)
		mail_event(w, SEG_EMAIL_OPEN, campaign, sent_ms, delivered_ms + 2000 + jitter(w, MINUTE_MS), true);
	if (happens(w, .04 + .75 * keen))
		plan_open(w, campaign, sent_ms, keen);
	else if (happens(w, .006)) {
		int64_t delay_ms = delivered_ms + jitter(w, 2 * SEG_DAY_MS);

		mail_event(w, happens(w, .15) ? SEG_EMAIL_COMPLAINT : SEG_EMAIL_UNSUBSCRIBE, campaign, sent_ms,
			   delay_ms, false);
		plan_consent(w, sent_ms + delay_ms, false);
	}
}

static void plan_shopper(struct pen *w)
{
	const struct seg_demo_shopper *s = w->shopper;
	int64_t known_ms = s->first_ms - jitter(w, 2 * HOUR_MS) - MINUTE_MS;

	known_ms = known_ms < w->plan->first_ms ? w->plan->first_ms : known_ms;
	add_event(w, SEG_PROFILES, SEG_UPDATE_UPDATE, known_ms);
	plan_consent(w, known_ms + 1000, happens(w, .93));
	for (uint32_t i = 0; i < s->orders_len; i++)
		plan_purchase(w, s->orders[i]);
	plan_habit(w);
	for (uint32_t n = 0; seg_demo_campaign_ms(w->plan, n) < w->plan->last_ms && w->subscribed; n++)
		if (seg_demo_campaign_ms(w->plan, n) > known_ms)
			plan_message(w, n);
}

int64_t seg_demo_campaign_ms(const struct seg_demo_plan *p, uint32_t n)
{
	int64_t monday = (p->first_ms / SEG_DAY_MS + 3) / WEEK_DAYS * WEEK_DAYS - 3; /* 1970-01-01 was a Thursday */

	return (monday + 8 + (int64_t)n * CAMPAIGN_DAYS) * SEG_DAY_MS + CAMPAIGN_HOUR * HOUR_MS;
}

static int compare_items(const void *x, const void *y)
{
	const struct seg_demo_item *a = x, *b = y;

	if (a->time_ms != b->time_ms)
		return a->time_ms < b->time_ms ? -1 : 1;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	return (a->seq > b->seq) - (a->seq < b->seq);
}

static void plan_orders(struct seg_demo_plan *p)
{
	for (size_t i = 0; i < p->orders.len; i++)
		add_item(p, SEG_ORDERS, p->orders.items[i].kind, p->orders.items[i].time_ms)->shopper = (uint32_t)i;
}

static enum seg_rc find_span(struct seg_demo_plan *p, struct seg_error *err)
{
	if (!p->orders.len)
		return seg_error_set(err, SEG_INVALID, "there are no orders to play");
	p->first_ms = INT64_MAX;
	p->last_ms = INT64_MIN;
	for (size_t i = 0; i < p->orders.len; i++) {
		int64_t t = p->orders.items[i].time_ms;

		/* Planning reckons weeks before and after: times must leave room, and no file holds such years. */
		if (t < 0 || t > INT64_C(4102444800000))
			return seg_error_set(err, SEG_INVALID, "order %zu: event_time is not in 1970 to 2099", i);
		p->first_ms = t < p->first_ms ? t : p->first_ms;
		p->last_ms = t > p->last_ms ? t : p->last_ms;
	}
	return SEG_OK;
}

enum seg_rc seg_demo_plan_init(uint64_t seed, const char *orders_path, struct seg_demo_plan *ret, struct seg_error *err)
{
	struct seg_demo_plan p = {0};
	enum seg_rc rc = seg_demo_orders_read(orders_path, &p.orders, err);

	if (rc == SEG_OK)
		rc = find_span(&p, err);
	if (rc == SEG_OK)
		rc = seg_demo_shoppers_find(seed, &p, err);
	if (rc != SEG_OK)
		goto fail;
	plan_orders(&p);
	for (size_t i = 0; i < p.shoppers_len; i++) {
		struct pen w = {.plan = &p, .shopper = &p.shoppers[i], .index = (uint32_t)i};

		seg_rng_init(&w.rng, seed ^ ~seg_hash64(p.shoppers[i].id.ptr, p.shoppers[i].id.len));
		plan_shopper(&w);
	}
	if (p.failed) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "no memory for the demo's events");
		goto fail;
	}
	qsort(p.items, p.len, sizeof *p.items, compare_items);
	*ret = p;
	return SEG_OK;
fail:
	seg_demo_plan_release(&p);
	return rc;
}

void seg_demo_plan_release(struct seg_demo_plan *p)
{
	seg_demo_orders_release(&p->orders);
	free(p->shoppers);
	free(p->order_indexes);
	free(p->items);
	*p = (struct seg_demo_plan){0};
}
