/*
 * The feature catalogue: one table of name, unit, definition and function, from which the model's features, the docs,
 * `segmentd features` and the API are made. A feature is a pure function of profile and as-of time.
 */
#ifndef SEG_SEGMENTER_CATALOGUE_H
#define SEG_SEGMENTER_CATALOGUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/profile.h"
#include "segmenter/basis.h"
#include "segmenter/constants.h"

struct seg_feature_def {
	const char *name, *unit, *help; /* help: the definition in a sentence */
	const char *group;		/* rfm, behaviour, email */
	const char *more, *less;	/* how a marketer says high and low: "frequent", "seldom" (for names) */
	enum seg_transform transform;	/* in presets */
	double lo, hi;			/* range in its own unit for the grid (values beyond are clamped to it) */
	bool clock;			/* moves with time alone (recency, tenure): no drift alerts */
};

size_t seg_catalogue_len(void);
/* It depends on what a promotion has fitted (struct seg_constants). */
bool seg_catalogue_is_fitted(size_t i);
const struct seg_feature_def *seg_catalogue_at(size_t i);
int seg_catalogue_find(const char *name);	     /* index or -1 */
const char *seg_catalogue_nearest(const char *name); /* for error messages */

/* One feature; NAN: missing. constants: of the model version, for features that depend on it; NULL: those are missing. */
double seg_catalogue_value(size_t i, const struct seg_profile *p, int64_t now_ms,
			   const struct seg_constants *constants);

/* The same of a fitted feature, from what a buyer was reduced to; NAN for the others. */
double seg_catalogue_fitted(size_t i, const struct seg_buyer *b, const struct seg_constants *constants);

/* A numeric profile attribute (long, double, bool as 0/1); NAN: missing or not numeric. */
double seg_attribute_value(const struct seg_profile *p, struct seg_str name);

/* What stands behind `attr:` in a feature's name: NAME, or one-hot NAME=VALUE (the first = ends the name): 1 if the
 * attribute's value is VALUE (a text byte for byte, a boolean as true or false, a number by value), 0 if it is another, NAN
 * if the customer has none. */
bool seg_attribute_is_one_hot(const char *spec);
double seg_attribute_feature(const struct seg_profile *p, const char *spec);

/* Features of a preset ("rfm", "behaviour", "email", "full"). Returns how many, 0: no such preset. */
size_t seg_preset(const char *name, struct seg_feature_config *ret, size_t max);

#endif
