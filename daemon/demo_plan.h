/*
 * The demo's synthetic world, as a plan: who the customers behind the orders are, and which events they make, as small
 * fixed-size items. demo_events.c sorts the items and writes them out as records.
 */
#ifndef SEG_DAEMON_DEMO_PLAN_H
#define SEG_DAEMON_DEMO_PLAN_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/profile.h"
#include "base/rng.h"
#include "daemon/demo_orders.h"

struct seg_demo_item {
	int64_t time_ms;
	uint32_t seq;	   /* in order of making: tells ties apart and makes the event id */
	uint32_t shopper;  /* index; of an order: the order's index */
	uint32_t number;   /* visit, campaign, or (web purchase) order */
	uint32_t delay_ms; /* e-mail: since it was sent */
	uint16_t product;  /* category * SEG_DEMO_PRODUCTS + product; web page views: page */
	uint8_t source, kind;
	bool machine, granted;
};

enum { SEG_DEMO_CATEGORIES = 10, SEG_DEMO_PRODUCTS = 40, SEG_DEMO_PAGES = 4 };

struct seg_demo_shopper {
	struct seg_str id, country; /* borrowed from the orders */
	uint32_t *orders;	    /* indexes of purchases, in order of time; borrowed from the plan */
	uint32_t orders_len;
	int64_t first_ms; /* first order of any kind */
	double spent;
	/* drawn from id and seed */
	double visits_a_week, interest,
		abandons; /* habit; e-mail interest 0 to 1; share of visits that end with a cart */
	uint8_t device, hour, categories[2], age, signup;
	bool machine_mailbox;
};

struct seg_demo_plan {
	struct seg_demo_orders orders;
	struct seg_demo_shopper *shoppers;
	size_t shoppers_len;
	uint32_t *order_indexes;
	struct seg_demo_item *items; /* sorted by time */
	size_t len, cap;
	int64_t first_ms, last_ms; /* of the orders */
	uint32_t visits;
	bool failed;		      /* out of memory */
	struct seg_demo_item nowhere; /* written to instead of items then, never read */
};

/* On failure ret is unchanged. */
enum seg_rc seg_demo_plan_init(uint64_t seed, const char *orders_path, struct seg_demo_plan *ret,
			       struct seg_error *err) SEG_MUST_CHECK;
void seg_demo_plan_release(struct seg_demo_plan *p);

/* First instant of campaign n, n >= 0: ten in the morning, every fourth week from the first order's on. */
int64_t seg_demo_campaign_ms(const struct seg_demo_plan *p, uint32_t n);

/* Who the customers are: fills shoppers and order_indexes from the orders (demo_shoppers.c). */
enum seg_rc seg_demo_shoppers_find(uint64_t seed, struct seg_demo_plan *p, struct seg_error *err) SEG_MUST_CHECK;

#endif
