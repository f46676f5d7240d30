/* Random events and profiles for tests of state/: hostile where it is allowed (equal times, huge amounts, many names). */
#ifndef SEG_TESTS_RANDOM_PROFILE_H
#define SEG_TESTS_RANDOM_PROFILE_H

#include <stddef.h>

#include "base/event.h"
#include "base/profile.h"
#include "base/rng.h"
#include "state/aggregate.h"

/* How a customer's events lie in time, so that windows, bitmaps and day lists get full, or are shared by few times. */
struct random_style {
	int64_t from_ms, span_ms, grain_ms;
	unsigned weights[SEG_SOURCES];
	unsigned names; /* attribute names to choose from */
};

void random_style(struct seg_rng *r, struct random_style *ret);

/* One valid event with the given id hash; strings are static. */
void random_event(struct seg_rng *r, const struct random_style *style, uint64_t id_hash, struct seg_event *ret);

/* A profile of `events` random events with a random decision and contribution. Aborts when something fails. */
struct seg_profile *random_profile(struct seg_rng *r, size_t events, const struct seg_aggregate_config *cfg);

#endif
