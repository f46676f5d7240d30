/*
 * The record alone: what can be said about an event without knowing any other. Second stage of the way of an event.
 *
 * The verdict depends only on the record, its key, partition and Kafka timestamp and on the configuration: never on the wall
 * clock or on what came before, so that reading the inputs again comes to the same end.
 *
 * Threads: a cleaner is immutable after new; any thread may use it.
 */
#ifndef SEG_CONSUMERS_CLEAN_H
#define SEG_CONSUMERS_CLEAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event.h"
#include "base/reasons.h"
#include "base/str.h"

enum { SEG_ID_MAX_BYTES = 512 }; /* of event, customer and other ids; longer: bad_id */

struct seg_rate {
	const char *currency;
	double rate; /* one unit in the base currency */
};

struct seg_cleaner_options {
	int64_t max_future_ms;
	const char *base_currency;
	const struct seg_rate *rates;
	size_t rates_len;
	const char *const *placeholder_ids; /* compared without case (ASCII); ids of zeros only always count */
	size_t placeholder_ids_len;
	const char *const *bots; /* parts of user agents, compared without case (ASCII) */
	size_t bots_len;
	double max_amount; /* in the base currency */
};

struct seg_cleaner;

/* Copies the options. */
SEG_MUST_CHECK enum seg_rc seg_cleaner_new(const struct seg_cleaner_options *options, struct seg_cleaner **ret,
					   struct seg_error *err);
void seg_cleaner_free(struct seg_cleaner *c);

/* Where the record was. Replay: timestamp = event time, no key to check, partitions 0. */
struct seg_origin {
	struct seg_str key; /* ptr NULL: null, a key_mismatch unless check_key is false */
	bool check_key;
	int32_t partition, partitions; /* partitions 0: the partition is not checked */
	int64_t timestamp_ms;	       /* SEG_NO_TIME: none, max_future is not checked */
};

/*
 * Sets id_hash (XXH3-64 of event_id) and amount_micro = llround(amount * rate * 1e6), and says whether the event counts.
 * ret_text (may be NULL, size bytes): what, where, what to do; written only when refused, without the customer's values.
 */
enum seg_refusal seg_clean(const struct seg_cleaner *c, const struct seg_origin *origin, struct seg_event *e,
			   char *ret_text, size_t size);

/* An event time that can be: 1971 to 2200. */
bool seg_time_plausible(int64_t ms);

#endif
