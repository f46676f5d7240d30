#include "daemon/stream_time.h"

#include <string.h>

/* Jumps of the clock up to this are taken at once, longer ones at so many times the clock's speed. */
static const int64_t SPREAD_MS = 3600 * 1000, SPREAD_FACTOR = 3600;

void seg_stream_time_init(struct seg_stream_time *t, const bool read[SEG_SOURCES])
{
	memset(t, 0, sizeof(*t));
	t->now_ms = SEG_NO_TIME;
	for (int s = 0; s < SEG_SOURCES; s++) {
		t->max_ms[s] = SEG_NO_TIME;
		t->read[s] = read[s];
		t->at_end[s] = !read[s];
	}
}

void seg_stream_time_restore(struct seg_stream_time *t, int64_t now_ms, const int64_t max_ms[SEG_SOURCES],
			     int64_t cut_wall_ms, const struct seg_now *now)
{
	t->now_ms = now_ms;
	memcpy(t->max_ms, max_ms, sizeof(t->max_ms));
	/* As if the clock had been watched since the cut: counts only once all topics are at their ends. */
	int64_t away_ms = cut_wall_ms > 0 && now->wall_ms > cut_wall_ms ? now->wall_ms - cut_wall_ms : 0;
	t->base_ms = now_ms;
	t->base_mono_ms = now->mono_ms - away_ms;
	t->restored = now_ms != SEG_NO_TIME;
}

void seg_stream_time_event(struct seg_stream_time *t, enum seg_source source, int64_t time_ms, int64_t wall_ms)
{
	t->at_end[source] = false;
	t->idle = false;
	if (time_ms != SEG_NO_TIME && time_ms <= wall_ms && time_ms > t->max_ms[source])
		t->max_ms[source] = time_ms;
}

void seg_stream_time_forget_ends(struct seg_stream_time *t)
{
	for (int s = 0; s < SEG_SOURCES; s++)
		t->at_end[s] = !t->read[s];
	t->idle = false;
}

void seg_stream_time_end(struct seg_stream_time *t, enum seg_source source)
{
	t->at_end[source] = true;
}

static int64_t slowest(const struct seg_stream_time *t)
{
	int64_t least = INT64_MAX;
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (t->read[s] && !t->at_end[s] && t->max_ms[s] < least)
			least = t->max_ms[s];
	}
	return least;
}

static int64_t greatest(const struct seg_stream_time *t)
{
	int64_t most = SEG_NO_TIME;
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (t->max_ms[s] > most)
			most = t->max_ms[s];
	}
	return most;
}

/* Where the clock has brought stream time while all topics are at their ends. */
static int64_t idle_time(struct seg_stream_time *t, const struct seg_now *now, bool was_idle)
{
	int64_t to = greatest(t);
	if (t->now_ms > to)
		to = t->now_ms;
	if (to == SEG_NO_TIME)
		return to;
	if (!was_idle && !t->restored) {
		t->base_ms = to;
		t->base_mono_ms = now->mono_ms;
	}
	t->restored = false;
	int64_t by_clock = t->base_ms + (now->mono_ms - t->base_mono_ms);
	if (by_clock > now->wall_ms)
		by_clock = now->wall_ms;
	return by_clock > to ? by_clock : to;
}

/* How far stream time may follow a clock that has brought it to `to`. */
static int64_t spread(struct seg_stream_time *t, int64_t to, const struct seg_now *now, int64_t *ret_jump_ms)
{
	int64_t from = greatest(t); /* up to there it is events that move it */
	if (t->now_ms > from)
		from = t->now_ms;
	if (from == SEG_NO_TIME || to - from <= SPREAD_MS) {
		t->spreads = false;
		return to;
	}
	if (!t->spreads) {
		t->spreads = true;
		t->spread_mono_ms = now->mono_ms;
		*ret_jump_ms = to - from;
	}
	int64_t step = (now->mono_ms - t->spread_mono_ms) * SPREAD_FACTOR;
	t->spread_mono_ms = now->mono_ms;
	return step < to - from ? from + step : to;
}

int64_t seg_stream_time_move(struct seg_stream_time *t, const struct seg_now *now, int64_t *ret_jump_ms)
{
	int64_t to = slowest(t), jump_ms = 0;
	bool was_idle = t->idle;
	t->idle = to == INT64_MAX;
	if (t->idle)
		to = spread(t, idle_time(t, now, was_idle), now, &jump_ms);
	else
		t->spreads = false;
	if (ret_jump_ms)
		*ret_jump_ms = jump_ms;
	if (to == SEG_NO_TIME || to <= t->now_ms)
		return 0;
	int64_t moved = t->now_ms == SEG_NO_TIME ? 0 : to - t->now_ms;
	t->now_ms = to;
	return moved;
}

int64_t seg_stream_time_ahead(const struct seg_stream_time *t, enum seg_source source)
{
	int64_t least = slowest(t);
	if (least == INT64_MAX || least == SEG_NO_TIME || t->max_ms[source] == SEG_NO_TIME)
		return 0;
	return t->max_ms[source] > least ? t->max_ms[source] - least : 0;
}
