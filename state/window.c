#include "state/window.h"

#include <stdlib.h>
#include <string.h>

bool seg_window_has(const struct seg_window *w, uint64_t hash)
{
	/* Four accumulators without a branch: repeats are rare, so every item is looked at anyway. */
	const struct seg_seen *items = w->items;
	uint32_t i = 0;
	for (; i + 4 <= w->len; i += 4)
		if ((items[i].hash == hash) | (items[i + 1].hash == hash) | (items[i + 2].hash == hash) |
		    (items[i + 3].hash == hash))
			return true;
	for (; i < w->len; i++)
		if (items[i].hash == hash)
			return true;
	return false;
}

bool seg_window_reserve(struct seg_window *w, uint32_t limit)
{
	if (w->len < w->cap || w->len >= limit)
		return true;
	uint32_t cap = w->cap < 4 ? 4 : w->cap * 2;
	if (cap > limit)
		cap = limit;
	struct seg_seen *items = realloc(w->items, cap * sizeof(*items));
	if (!items)
		return false;
	w->items = items;
	w->cap = cap;
	return true;
}

static void drop_smallest(struct seg_window *w, uint32_t count)
{
	w->len -= count;
	memmove(w->items, w->items + count, w->len * sizeof(*w->items));
}

void seg_window_insert(struct seg_window *w, uint32_t limit, struct seg_seen item)
{
	if (w->len > limit)
		drop_smallest(w, w->len - limit);
	/* Events come nearly in the order of their times: search from the end. */
	uint32_t at = w->len;
	while (at > 0 && seg_seen_before(item, w->items[at - 1]))
		at--;
	if (w->len < limit) {
		memmove(w->items + at + 1, w->items + at, (w->len - at) * sizeof(*w->items));
		w->items[at] = item;
		w->len++;
	} else if (at > 0) {
		memmove(w->items, w->items + 1, (at - 1) * sizeof(*w->items));
		w->items[at - 1] = item;
	}
}

bool seg_window_merge(struct seg_window *into, const struct seg_window *from, uint32_t limit)
{
	size_t total = (size_t)into->len + from->len;
	if (total == 0)
		return true;
	struct seg_seen *items = malloc(total * sizeof(*items));
	if (!items)
		return false;
	size_t len = 0;
	for (uint32_t i = 0, j = 0; i < into->len || j < from->len;) {
		if (j == from->len || (i < into->len && seg_seen_before(into->items[i], from->items[j])))
			items[len++] = into->items[i++];
		else if (i == into->len || seg_seen_before(from->items[j], into->items[i]))
			items[len++] = from->items[j++];
		else
			j++; /* the same event in both */
	}
	if (len > limit) {
		memmove(items, items + (len - limit), limit * sizeof(*items));
		len = limit;
	}
	free(into->items);
	into->items = items;
	into->len = (uint32_t)len;
	into->cap = (uint32_t)total;
	return true;
}
