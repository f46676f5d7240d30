/*
 * The demo's stream of events: the real orders of demo_orders.h, and around them synthetic ones made by a seeded
 * generator, in order of time.
 *
 * Around each purchase of a known customer there is a visit that leads to it; between purchases customers visit by
 * habit, and leave carts; every four weeks there is a campaign, with sends, deliveries, bounces, opens (some by machines),
 * clicks and the visits they bring; at first sight an attribute update and a consent. How much a customer browses, opens
 * and clicks follows from how often, how lately and for how much they really bought, so that segments mean something.
 * Synthetic events have ids that begin with "syn-"; an order is passed on as it is, whatever is wrong with it.
 *
 * Same orders and seed, same events. About 335,000 events from the compiled-in orders, in 15 MB of memory. One thread at a
 * time; several iterators may live side by side.
 */
#ifndef SEG_DAEMON_DEMO_EVENTS_H
#define SEG_DAEMON_DEMO_EVENTS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event.h"

struct seg_demo_events;

struct seg_demo_event {
	enum seg_source source;
	struct seg_str key;   /* customer id; empty, not null, for an order without one */
	struct seg_str value; /* Avro single-object encoding by the shipped schema */
	int64_t time_ms;      /* event time, and the Kafka timestamp to send it with; never falls */
	bool synthetic;
};

/* Makes all events. orders_path as for seg_demo_orders_read(): NULL takes the compiled-in ones. Free with close. */
enum seg_rc seg_demo_events_open(uint64_t seed, const char *orders_path, struct seg_demo_events **ret,
				 struct seg_error *err) SEG_MUST_CHECK;
void seg_demo_events_close(struct seg_demo_events *it);

/* How many events there are in all. */
size_t seg_demo_events_len(const struct seg_demo_events *it);

/* The next event, valid until the next call or close. SEG_NOT_FOUND: there are no more. */
enum seg_rc seg_demo_events_next(struct seg_demo_events *it, struct seg_demo_event *ret) SEG_MUST_CHECK;

#endif
