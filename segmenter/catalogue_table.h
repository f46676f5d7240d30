/*
 * The catalogue's entries, group by group: how a feature is computed stands beside what is said of it. Only the
 * catalogue's own files include this. Static data, any thread.
 */
#ifndef SEG_SEGMENTER_CATALOGUE_TABLE_H
#define SEG_SEGMENTER_CATALOGUE_TABLE_H

#include "segmenter/catalogue.h"

#define SEG_ORDERS_HALF_LIFE_DAYS 60
#define SEG_HABIT_HALF_LIFE_DAYS 30

/* Features that depend on what a promotion has fitted: no function of their own, and this as their arg. */
enum { SEG_FITTED_LIFETIME_VALUE = SEG_SCORES /* below: enum seg_score */ };

struct seg_feature_entry {
	struct seg_feature_def def;
	double (*value)(const struct seg_profile *p, int64_t now_ms, unsigned arg); /* NULL: of a fitted feature */
	unsigned arg; /* what the function is about: a kind and a half-life, a device, … */
};

struct seg_feature_group {
	const struct seg_feature_entry *entries;
	size_t len;
};

extern const struct seg_feature_group seg_features_rfm, seg_features_behaviour, seg_features_email;

/* A kind of event and one of the half-lives of struct seg_decayed in one number, and back. */
#define SEG_KIND_ARG(kind, half_life) ((unsigned)(kind)*SEG_HALF_LIVES + (half_life))
#define SEG_ARG_KIND(arg) ((arg) / SEG_HALF_LIVES)
#define SEG_ARG_HALF_LIFE(arg) ((arg) % SEG_HALF_LIVES)

/* Indexes of the half-lives. */
enum { SEG_1D, SEG_7D, SEG_30D };

/* Days from `then_ms` to now, not below 0. In double, so that no pair of times overflows. */
static inline double seg_days_since(int64_t then_ms, int64_t now_ms)
{
	double days = ((double)now_ms - (double)then_ms) / SEG_DAY_MS;

	return days > 0 ? days : 0;
}

#endif
