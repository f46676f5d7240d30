/*
 * The dedup window of one source: the `limit` largest (event time, id hash) of the events taken, ascending. Inside
 * state/ only; no threading rule.
 */
#ifndef SEG_STATE_WINDOW_H
#define SEG_STATE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/profile.h"
#include "state/aggregate.h"

static inline uint32_t seg_window_limit(const struct seg_aggregate_config *cfg, enum seg_source source)
{
	uint32_t limit = cfg ? cfg->window[source] : 0;
	if (limit == 0)
		return SEG_WINDOW_DEFAULT;
	return limit < SEG_WINDOW_MAX ? limit : SEG_WINDOW_MAX;
}

/* Is an event of this id among those remembered? */
bool seg_window_has(const struct seg_window *w, uint64_t hash);

/* Order of the window: by time, then by hash. */
static inline bool seg_seen_before(struct seg_seen a, struct seg_seen b)
{
	return a.time_ms < b.time_ms || (a.time_ms == b.time_ms && a.hash < b.hash);
}

/* A full window whose every item is after this one: it is not remembered (any more). */
static inline bool seg_window_is_below(const struct seg_window *w, uint32_t limit, struct seg_seen item)
{
	return w->len >= limit && seg_seen_before(item, w->items[0]);
}

/* Memory for the next insertion; false: there is none. The window's content does not change. */
bool seg_window_reserve(struct seg_window *w, uint32_t limit) SEG_MUST_CHECK;

/* After a reserve with the same limit. Drops what is beyond the limit. */
void seg_window_insert(struct seg_window *w, uint32_t limit, struct seg_seen item);

/* Set union, cut to the limit; false: no memory, into is unchanged. */
bool seg_window_merge(struct seg_window *into, const struct seg_window *from, uint32_t limit) SEG_MUST_CHECK;

#endif
