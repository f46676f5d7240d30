#include "daemon/pace.h"

/* Two cycles lie between replay_from and now at the worst; a fifth is kept for noise. However far behind, a cycle is spread
 * over a few commits. */
static const double SHARE_OF_TARGET = 0.4, LEAST_SHARE = 0.02;

static const double ONE_PARTITION = 50000, ALL_PARTITIONS = 200000;

double seg_pace_guess(int32_t partitions)
{
	double share = ALL_PARTITIONS / (partitions > 0 ? partitions : 1);
	return share < ONE_PARTITION ? share : ONE_PARTITION;
}

/* Of the target, for which the rate that was counts as measured. */
static const double SHARE_OF_BEFORE = 0.25;

void seg_pace_measured(struct seg_pace *pace, uint64_t events, int64_t took_ms)
{
	double before_s = SHARE_OF_BEFORE * (double)pace->target_ms / 1000.0, took_s = (double)took_ms / 1000.0;
	if (events == 0 || took_ms <= 0 || before_s <= 0)
		return;
	pace->reread_per_second = (pace->reread_per_second * before_s + (double)events) / (before_s + took_s);
}

double seg_pace_progress(const struct seg_pace *pace, uint64_t behind, uint64_t events, int64_t elapsed_ms)
{
	double target = pace->reread_per_second * ((double)pace->target_ms / 1000.0);
	double allowed = target * SHARE_OF_TARGET, left = 2 * allowed - (double)behind, least = target * LEAST_SHARE;
	if (left < allowed)
		allowed = left > least ? left : least;
	double by_events = allowed > 1 ? (double)events / allowed : 1;
	double by_time = pace->max_interval_ms > 0 ? (double)elapsed_ms / (double)pace->max_interval_ms : 1;
	double progress = by_events > by_time ? by_events : by_time;
	return progress < 1 ? progress : 1;
}

size_t seg_pace_profiles(double progress, uint64_t set, uint64_t left)
{
	if (progress >= 1)
		return left;
	double want_left = (double)set * (1 - progress);
	return (double)left > want_left ? (size_t)((double)left - want_left) : 0;
}
