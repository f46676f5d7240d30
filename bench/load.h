/*
 * The load generator's stream: event i is a function of the options and i alone, in integer arithmetic, so that anyone can
 * say what was sent (tests/support/load_stream.py says it again, in Python).
 *
 * mix(x) is splitmix64's finaliser; draw(i, k) = mix(mix(seed ^ mix(i + 1)) + k * 0x9e3779b97f4a7c15). All numbers are
 * unsigned 64 bits, divisions round down, shares are parts per million.
 *
 * Slot i has the time start + i * days * 86400000 / events, which is the Kafka timestamp. It is
 *   repeat  if draw(i,1) % 10^6 < duplicate and j = i - 1 - draw(i,2) % min(i, 1000, customers) is not itself drawn as repeat,
 *           bad, late or erase: the record of slot j again, byte for byte;
 *   bad     else if draw(i,3) % 10^6 < bad, by draw(i,4) % 4: 0 customer id "null" (placeholder_id), 1 an order of amount -5
 *           (bad_amount), 2 kind other (unknown_kind), 3 customer id "" (missing_field);
 *   late    else if draw(i,5) % 10^6 < late: the event time is 1 + draw(i,6) % 172800000 ms before the slot's;
 *   erase   else if draw(i,7) % 10^6 < erase: a profile update of kind erase.
 *
 * Customer: u = draw(i,8) >> 32, c = ((u * u >> 32) * customers) >> 32, so that low numbers are busy; traits t = mix(c).
 * Kind of customer t % 4: 0 buyer, 1 browser, 2 reader, 3 lapsed, who is silent from slot events * 2 / 5 on: the next
 * customer (c + 1) % customers, at most 64 steps on, who is not lapsed, comes instead. Id "c<c>", event id "e<i>".
 * Source by draw(i,9) % 100 against the kind's table below; what each record holds: load.c, in the order of its draws.
 */
#ifndef SEG_BENCH_LOAD_H
#define SEG_BENCH_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/event.h"

struct seg_load_options {
	uint64_t seed, events, customers;
	int64_t start_ms;
	uint64_t days;
	uint64_t duplicate_ppm, bad_ppm, late_ppm, erase_ppm;
};

enum seg_load_flaw { SEG_LOAD_FINE, SEG_LOAD_REPEAT, SEG_LOAD_BAD, SEG_LOAD_LATE, SEG_LOAD_ERASE, SEG_LOAD_FLAWS };

enum { SEG_LOAD_TEXTS = 10, SEG_LOAD_TEXT_BYTES = 40 };

/* The event's strings point into it: not to be copied. */
struct seg_load_event {
	struct seg_event event;
	enum seg_load_flaw flaw;
	int64_t timestamp_ms; /* Kafka's */
	char texts[SEG_LOAD_TEXTS][SEG_LOAD_TEXT_BYTES];
	unsigned texts_len;
};

/* events and customers > 0, i < events. Any thread. */
void seg_load_event(const struct seg_load_options *o, uint64_t i, struct seg_load_event *ret);

/* One line of JSON as replay reads it, {"source": "orders", …}, with its newline. */
void seg_load_json(const struct seg_event *e, struct seg_buf *to);

#endif
