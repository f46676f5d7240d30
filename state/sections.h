/*
 * Pieces of a profile that aggregate.c and merge.c share. Inside state/ only. Reserve calls get memory and change
 * nothing that is seen, so that what comes after them cannot fail half-way.
 */
#ifndef SEG_STATE_SECTIONS_H
#define SEG_STATE_SECTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event.h"
#include "base/profile.h"

static inline int64_t seg_floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

static inline int64_t seg_session_bucket(int64_t time_ms)
{
	return seg_floor_div(time_ms, INT64_C(60000) * SEG_SESSION_MINUTES);
}

static inline int64_t seg_time_max(int64_t a, int64_t b)
{
	return a > b ? a : b; /* SEG_NO_TIME is the least of all */
}

static inline int64_t seg_time_min(int64_t a, int64_t b)
{
	if (a == SEG_NO_TIME)
		return b;
	return b == SEG_NO_TIME || a < b ? a : b;
}

static inline void seg_add_count(uint64_t *sum, uint64_t more)
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = UINT64_MAX;
}

static inline void seg_add_money(int64_t *sum, int64_t more) /* neither is negative */
{
	if (__builtin_add_overflow(*sum, more, sum))
		*sum = INT64_MAX;
}

bool seg_days_reserve(struct seg_orders *o) SEG_MUST_CHECK;
void seg_days_insert(struct seg_orders *o, int32_t day);
/* What was bought at first_ms and later that UTC day; before first_ms itself is taken in. The order does not matter. */
void seg_first_day_add(struct seg_orders *o, int64_t first_ms, int64_t micro);
bool seg_days_merge(struct seg_orders *into, const struct seg_orders *from) SEG_MUST_CHECK;

/* Moves the bitmap so that bit 0 is `anchor` (not less than before); what falls out of the 30 days is gone. */
void seg_sessions_advance(uint64_t bits[SEG_SESSION_WORDS], int64_t *anchor, int64_t to);

/*
 * Takes items and consents (borrowed, at most the maxima of aggregate.h each, already cut to length) into *a, which is
 * made if need be. An item wins over one that is there if it is greater by (time, id hash), or equal and later in the
 * list. False: no memory, nothing has changed.
 */
bool seg_attributes_take(struct seg_attributes **a, const struct seg_attribute *items, uint32_t len,
			 const struct seg_consent *consents, uint32_t consents_len) SEG_MUST_CHECK;

/* Order of attributes and consents: by hash of the name (seg_hash64), then by name. */
int seg_name_compare(uint64_t hash_a, struct seg_str a, uint64_t hash_b, struct seg_str b);

/* The attributes and consents of a profile event. */
bool seg_attributes_apply(struct seg_attributes **a, const struct seg_event *e) SEG_MUST_CHECK;

#endif
