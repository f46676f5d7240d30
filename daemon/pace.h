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

/* Before a recovery has been measured: what one partition is taken to re-read in a second, of so many side by side. On the
 * low side: too high a guess makes the first recovery late, too low a one only checkpoints more often. */
double seg_pace_guess(int32_t partitions);

/* A recovery re-read so many events in that time, reading the changelog included: the rate becomes what it was and what was
 * measured, weighed by time, so that a short recovery, which is mostly waiting, says little, and a long one nearly all. */
void seg_pace_measured(struct seg_pace *pace, uint64_t events, int64_t took_ms);

/* Share of the running cycle that should be done by now, 0 to 1, from the events read and the time since it began; behind:
 * events between replay_from and its begin. */
double seg_pace_progress(const struct seg_pace *pace, uint64_t behind, uint64_t events, int64_t elapsed_ms);

/* Profiles to log now, of `left` still to be logged out of `set`. */
size_t seg_pace_profiles(double progress, uint64_t set, uint64_t left);

#endif
