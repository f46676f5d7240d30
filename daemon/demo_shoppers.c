#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "daemon/demo_plan.h"

struct owner { /* an order and its customer, to be sorted by customer, then time */
	struct seg_str id;
	int64_t time_ms;
	uint32_t order;
};

static int compare_ids(struct seg_str a, struct seg_str b)
{
	uint32_t len = a.len < b.len ? a.len : b.len;
	int c = memcmp(a.ptr, b.ptr, len);

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

static int compare_owners(const void *x, const void *y)
{
	const struct owner *a = x, *b = y;
	int c = compare_ids(a->id, b->id);

	if (!c)
		c = (a->time_ms > b->time_ms) - (a->time_ms < b->time_ms);
	return c ? c : (a->order > b->order) - (a->order < b->order);
}

static double clamp(double x, double lo, double hi)
{
	return x < lo ? lo : x > hi ? hi : x;
}

/* What a customer is like: noise around what their real orders say. */
static void draw_traits(struct seg_demo_shopper *s, uint64_t seed)
{
	struct seg_rng r;
	double often = log1p(s->orders_len), basket = s->orders_len ? s->spent / s->orders_len : 0;

	seg_rng_init(&r, seed ^ seg_hash64(s->id.ptr, s->id.len));
	s->visits_a_week = clamp(.08 * exp(.55 * often + .6 * seg_rng_normal(&r)), .01, 3);
	s->interest = 1 / (1 + exp(2.1 - .75 * often - .9 * seg_rng_normal(&r)));
	s->abandons = 1 / (1 + exp(.9 + .4 * often - .8 * seg_rng_normal(&r)));
	s->age = (uint8_t)clamp(44 + 3 * log1p(basket / 100) - 2 * often + 12 * seg_rng_normal(&r), 18, 90);
	s->device = s->age > 45 && seg_rng_unit(&r) < .5 ? SEG_DEVICE_DESKTOP
							 : (uint8_t)seg_rng_below(&r, SEG_DEVICE_OTHER);
	s->hour = (uint8_t)clamp(15 + 4 * seg_rng_normal(&r), 6, 22);
	s->categories[0] = (uint8_t)seg_rng_below(&r, SEG_DEMO_CATEGORIES);
	s->categories[1] = (uint8_t)seg_rng_below(&r, SEG_DEMO_CATEGORIES);
	s->signup = (uint8_t)seg_rng_below(&r, 5);
	s->machine_mailbox = seg_rng_unit(&r) < .15;
}

static struct owner *sort_owners(const struct seg_demo_orders *o, size_t *ret_len)
{
	struct owner *owners = malloc((o->len + 1) * sizeof *owners);
	size_t len = 0;

	if (!owners)
		return NULL;
	for (size_t i = 0; i < o->len; i++)
		if (o->items[i].customer_id.len)
			owners[len++] = (struct owner){o->items[i].customer_id, o->items[i].time_ms, (uint32_t)i};
	qsort(owners, len, sizeof *owners, compare_owners);
	*ret_len = len;
	return owners;
}

static void take_order(struct seg_demo_plan *p, struct seg_demo_shopper *s, uint32_t index)
{
	const struct seg_demo_order *o = &p->orders.items[index];

	if (!s->country.ptr)
		s->country = o->country;
	if (o->kind == SEG_ORDER_PURCHASE && o->amount > 0) {
		s->orders[s->orders_len++] = index;
		s->spent += o->amount;
	}
}

enum seg_rc seg_demo_shoppers_find(uint64_t seed, struct seg_demo_plan *p, struct seg_error *err)
{
	size_t len = 0;
	struct owner *owners = sort_owners(&p->orders, &len);

	p->shoppers = calloc(len + 1, sizeof *p->shoppers);
	p->order_indexes = malloc((len + 1) * sizeof *p->order_indexes);
	if (!owners || !p->shoppers || !p->order_indexes) {
		free(owners);
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for the demo's customers");
	}
	for (size_t i = 0; i < len; i++) {
		if (!i || !seg_str_eq(owners[i].id, owners[i - 1].id))
			p->shoppers[p->shoppers_len++] = (struct seg_demo_shopper){
				.id = owners[i].id, .first_ms = owners[i].time_ms, .orders = p->order_indexes + i};
		take_order(p, &p->shoppers[p->shoppers_len - 1], owners[i].order);
	}
	for (size_t i = 0; i < p->shoppers_len; i++)
		draw_traits(&p->shoppers[i], seed);
	free(owners);
	return SEG_OK;
}
