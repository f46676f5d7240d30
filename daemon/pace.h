/*
 * How fast a checkpoint cycle goes: so that re-reading inputs from `replay_from` takes at most recovery.target at the
 * rate measured for re-reading, and a cycle at most checkpoint.max_interval. When a cycle ends, replay_from becomes where
 * it began, and it stays there for the whole next cycle: a cycle may take at most half of what the target allows, and less
 * when crashes have kept cycles from ending and replay_from lies further back. Pure.
 */
#ifndef SEG_DAEMON_PACE_H
#define SEG_DAEMON_PACE_H

#include <stddef.h>
#include <stdint.h>

struct seg_pace {
	double reread_per_second; /* events of this partition that recovery re-reads in a second */
	int64_t target_ms, max_interval_ms;
};

/* Share of the running cycle that should be done by now, 0 to 1, from the events read and the time since it began; behind:
 * events between replay_from and its begin. */
double seg_pace_progress(const struct seg_pace *pace, uint64_t behind, uint64_t events, int64_t elapsed_ms);

/* Profiles to log now, of `left` still to be logged out of `set`. */
size_t seg_pace_profiles(double progress, uint64_t set, uint64_t left);

#endif
