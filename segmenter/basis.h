/*
 * The basis: which features, in which order, under which transform, and how they become fixed-point numbers.
 *
 * A contribution holds, per feature of the basis, the transformed, unscaled value as an int32 multiple of the feature's
 * quantum, clamped; SEG_MISSING for a missing one. Everything summed over customers is made of these integers, so sums
 * are exact whatever the order. Scaler and centroids belong to model versions and are not part of a basis.
 *
 * Immutable after seg_basis_init(); any thread may read.
 */
#ifndef SEG_SEGMENTER_BASIS_H
#define SEG_SEGMENTER_BASIS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/profile.h"

enum { SEG_MAX_FEATURES = 128, SEG_GRID_BINS = 256, SEG_FEATURE_NAME_MAX = 80 };

struct seg_constants;

/* Larger magnitudes of an attribute are clamped: a figure beyond is no measurement, and its square must not overflow. */
#define SEG_ATTRIBUTE_MOST 1e15

enum seg_transform { SEG_LOG1P, SEG_LINEAR, SEG_SQRT, SEG_QUANTILE };
enum seg_scaler_kind { SEG_SCALER_Z, SEG_SCALER_ROBUST };
enum seg_impute { SEG_IMPUTE_MEAN, SEG_IMPUTE_MODE, SEG_IMPUTE_ZERO, SEG_IMPUTE_SEGMENT, SEG_IMPUTE_KNN };

/* One configured feature of the model. */
struct seg_feature_config {
	char name[SEG_FEATURE_NAME_MAX]; /* catalogue name or attr:NAME */
	enum seg_transform transform;
	enum seg_scaler_kind scaler;
	enum seg_impute impute;
	double weight;
};

/* Quantiles 0, 1/32, … 1 of the sample that a basis was made from, for the transform `quantile`. */
enum { SEG_KNOTS = 33 };

struct seg_basis_feature {
	struct seg_feature_config config;
	int catalogue;		 /* index in the catalogue, -1: attribute */
	double quantum;		 /* transformed units per step of the int32 */
	bool has_knots;		 /* transform quantile, and fitted; without knots every value is missing */
	double knots[SEG_KNOTS]; /* ascending */
	double grid_lo,
		grid_hi; /* transformed units, multiples of the quantum; SEG_GRID_BINS equal bins between, the outer
				 * ones take what lies beyond */
};

struct seg_basis {
	uint64_t id; /* hash of all below; never 0 */
	uint32_t len;
	struct seg_basis_feature features[SEG_MAX_FEATURES];
};

/* Checks names, transforms and their number. attr_max: largest magnitude per feature (NULL before the first fit: attr:
 * features then get a quantum for 1e6); see design on attributes. SEG_INVALID says which name and the nearest known. */
enum seg_rc seg_basis_init(struct seg_basis *basis, const struct seg_feature_config *configs, size_t len,
			   const double *attr_max, struct seg_error *err) SEG_MUST_CHECK;

/* The id that belongs to the features (names, transforms, quanta, grids); never 0. For readers of stored bases. */
uint64_t seg_basis_id(const struct seg_basis *basis);

/* Finds f->config.name in the catalogue (or takes it for an attribute) and sets f->catalogue; false: unknown. For readers
 * of stored bases. */
bool seg_basis_resolve(struct seg_basis_feature *f);

/* "log1p", "z", "mean" …; -1 from find: no such name. */
const char *seg_transform_name(enum seg_transform t);
const char *seg_scaler_name(enum seg_scaler_kind s);
const char *seg_impute_name(enum seg_impute i);
int seg_transform_find(const char *name);
int seg_scaler_find(const char *name);
int seg_impute_find(const char *name);

/* A feature of the basis in its own unit at now_ms; NAN: missing. */
double seg_basis_feature_value(const struct seg_basis_feature *f, const struct seg_profile *p, int64_t now_ms,
			       const struct seg_constants *constants);

/* Transformed (unscaled) value of a feature in its own units, and back. NAN stays NAN. Not for quantile, which is the feature's own: seg_basis_transform(). */
double seg_transform_apply(enum seg_transform t, double x);
double seg_transform_invert(enum seg_transform t, double y);

/* The contribution's values of a profile at now_ms. ret_values has basis->len elements; never fails. */
void seg_basis_values(const struct seg_basis *basis, const struct seg_profile *p, int64_t now_ms,
		      const struct seg_constants *constants, int32_t *ret_values);

/* Transformed value of a feature by its own transform, and back. quantile: its place among the knots, 0 to 1, linear between
 * them; of equal knots the middle; beyond them 0 or 1. NAN stays NAN. */
double seg_basis_transform(const struct seg_basis_feature *f, double x);
double seg_basis_invert(const struct seg_basis_feature *f, double y);

/* Knots of a feature with transform quantile from n values (sorted in place; NAN not allowed); the basis becomes another. n 0:
 * none. */
void seg_basis_set_knots(struct seg_basis *basis, uint32_t feature, double *values, size_t n);

/* Fixed point and back to transformed units (SEG_MISSING <-> NAN). */
int32_t seg_basis_fix(const struct seg_basis_feature *f, double transformed);
double seg_basis_unfix(const struct seg_basis_feature *f, int32_t value);

/* Bin of a fixed-point value on the feature's grid, 0 .. SEG_GRID_BINS - 1. Integer arithmetic: a pure function of the
 * grid in quanta and the value, the same on every machine. */
unsigned seg_basis_bin(const struct seg_basis_feature *f, int32_t value);

/* The same with the grid in whole quanta, as sums keep it. lo < hi. */
void seg_basis_grid(const struct seg_basis_feature *f, int64_t *ret_lo, int64_t *ret_hi);
unsigned seg_grid_bin(int64_t lo, int64_t hi, int32_t value);

#endif
