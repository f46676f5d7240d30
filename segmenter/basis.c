/* Fixed-point bases: quanta are powers of two, so that going to doubles and back is exact. */
#include "segmenter/basis.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "segmenter/catalogue.h"

#define ATTRIBUTE_PREFIX "attr:"
#define ATTRIBUTE_PREFIX_LEN (sizeof(ATTRIBUTE_PREFIX) - 1)

/* How many times the expected magnitude fits the int32 before values are clamped. */
#define HEADROOM 8.0
#define ATTRIBUTE_MAX_UNKNOWN 1e6

static const char *const transform_names[] = {"log1p", "linear", "sqrt", "quantile"};
static const char *const scaler_names[] = {"z", "robust"};
static const char *const impute_names[] = {"mean", "mode", "zero", "segment", "knn"};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int find_name(const char *const *names, size_t len, const char *name)
{
	for (size_t i = 0; i < len; i++)
		if (strcmp(names[i], name) == 0)
			return (int)i;
	return -1;
}

const char *seg_transform_name(enum seg_transform t)
{
	return transform_names[t];
}

const char *seg_scaler_name(enum seg_scaler_kind s)
{
	return scaler_names[s];
}

const char *seg_impute_name(enum seg_impute i)
{
	return impute_names[i];
}

int seg_transform_find(const char *name)
{
	return find_name(transform_names, COUNT(transform_names), name);
}

int seg_scaler_find(const char *name)
{
	return find_name(scaler_names, COUNT(scaler_names), name);
}

int seg_impute_find(const char *name)
{
	return find_name(impute_names, COUNT(impute_names), name);
}

double seg_transform_apply(enum seg_transform t, double x)
{
	switch (t) {
	case SEG_LOG1P:
		return copysign(log1p(fabs(x)), x);
	case SEG_SQRT:
		return copysign(sqrt(fabs(x)), x);
	case SEG_LINEAR:
	case SEG_QUANTILE:
		break;
	}
	return x;
}

double seg_transform_invert(enum seg_transform t, double y)
{
	switch (t) {
	case SEG_LOG1P:
		return copysign(expm1(fabs(y)), y);
	case SEG_SQRT:
		return copysign(y * y, y);
	case SEG_LINEAR:
	case SEG_QUANTILE:
		break;
	}
	return y;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void seg_basis_set_knots(struct seg_basis *basis, uint32_t feature, double *values, size_t n)
{
	struct seg_basis_feature *f = &basis->features[feature];

	f->has_knots = n > 0;
	qsort(values, n, sizeof(*values), compare);
	for (size_t i = 0; n && i < SEG_KNOTS; i++) {
		double at = (double)i / (SEG_KNOTS - 1) * (double)(n - 1);
		size_t below = (size_t)at;
		double next = below + 1 < n ? values[below + 1] : values[below];
		f->knots[i] = values[below] + (at - (double)below) * (next - values[below]);
	}
	basis->id = seg_basis_id(basis);
}

static double rank_of(const double *knots, double x)
{
	unsigned first = 0, last;

	if (isnan(x) || x < knots[0])
		return isnan(x) ? x : 0;
	if (x > knots[SEG_KNOTS - 1])
		return 1;
	while (knots[first] < x)
		first++;
	for (last = first; last + 1 < SEG_KNOTS && knots[last + 1] == x;)
		last++;
	if (knots[first] == x)
		return (first + last) / 2.0 / (SEG_KNOTS - 1);
	return (first - 1 + (x - knots[first - 1]) / (knots[first] - knots[first - 1])) / (SEG_KNOTS - 1);
}

double seg_basis_transform(const struct seg_basis_feature *f, double x)
{
	if (f->config.transform != SEG_QUANTILE)
		return seg_transform_apply(f->config.transform, x);
	return f->has_knots ? rank_of(f->knots, x) : (double)NAN;
}

double seg_basis_invert(const struct seg_basis_feature *f, double y)
{
	double at = fmin(fmax(y, 0), 1) * (SEG_KNOTS - 1);
	unsigned below = isnan(y) ? 0 : (unsigned)at;

	if (f->config.transform != SEG_QUANTILE)
		return seg_transform_invert(f->config.transform, y);
	if (!f->has_knots || isnan(y))
		return (double)NAN;
	if (below >= SEG_KNOTS - 1)
		return f->knots[SEG_KNOTS - 1];
	return f->knots[below] + (at - below) * (f->knots[below + 1] - f->knots[below]);
}

/* The smallest power of two of which INT32_MAX steps reach HEADROOM times the magnitude. */
static double quantum_for(double magnitude)
{
	int exponent;
	double fraction = frexp(HEADROOM * magnitude / INT32_MAX, &exponent);

	return ldexp(1.0, fraction > 0.5 ? exponent : exponent - 1);
}

/* Edges are put on whole quanta: a last bit of another libm's log1p then makes no other basis. */
static void set_grid(struct seg_basis_feature *f, double lo, double hi)
{
	double magnitude;

	if (f->config.transform == SEG_QUANTILE) {
		lo = 0;
		hi = 1;
	} else {
		lo = seg_transform_apply(f->config.transform, lo);
		hi = seg_transform_apply(f->config.transform, hi);
	}
	magnitude = fmax(fabs(lo), fabs(hi));
	f->quantum = quantum_for(magnitude);
	f->grid_lo = rint(lo / f->quantum) * f->quantum;
	f->grid_hi = rint(hi / f->quantum) * f->quantum;
}

/* Its grid is of 0 and 1, whatever the data are: they never make another basis. */
static enum seg_rc init_one_hot(struct seg_basis_feature *f, struct seg_error *err)
{
	const char *spec = f->config.name + ATTRIBUTE_PREFIX_LEN, *equals = strchr(spec, '=');

	if (equals == spec || equals[1] == 0)
		return seg_error_set(err, SEG_INVALID, "feature %s: one-hot is attr:NAME=VALUE", f->config.name);
	if (f->config.transform == SEG_QUANTILE)
		return seg_error_set(err, SEG_INVALID, "feature %s has two values: quantile is no transform for it",
				     f->config.name);
	f->catalogue = -1;
	set_grid(f, 0, 1);
	return SEG_OK;
}

static enum seg_rc init_feature(struct seg_basis_feature *f, const struct seg_feature_config *config, double attr_max,
				struct seg_error *err)
{
	f->config = *config;
	if (memchr(config->name, 0, sizeof(config->name)) == NULL)
		return seg_error_set(err, SEG_INVALID, "a feature's name is longer than %d bytes",
				     SEG_FEATURE_NAME_MAX - 1);
	/* Clear what follows the name, so that equal configurations are equal bytes. */
	memset(f->config.name + strlen(config->name), 0, sizeof(f->config.name) - strlen(config->name));
	if ((unsigned)config->transform >= COUNT(transform_names) || (unsigned)config->scaler >= COUNT(scaler_names) ||
	    (unsigned)config->impute >= COUNT(impute_names))
		return seg_error_set(err, SEG_INVALID, "feature %s: unknown transform, scaler or imputation",
				     config->name);
	if (!isfinite(config->weight) || config->weight <= 0)
		return seg_error_set(err, SEG_INVALID, "feature %s: weight %g must be a positive number", config->name,
				     config->weight);
	if (strncmp(config->name, ATTRIBUTE_PREFIX, ATTRIBUTE_PREFIX_LEN) == 0) {
		if (config->name[ATTRIBUTE_PREFIX_LEN] == 0)
			return seg_error_set(err, SEG_INVALID, "feature attr: lacks the attribute's name");
		if (seg_attribute_is_one_hot(config->name + ATTRIBUTE_PREFIX_LEN))
			return init_one_hot(f, err);
		if (!isfinite(attr_max) || !(attr_max > 0))
			attr_max = 1;
		if (attr_max > SEG_ATTRIBUTE_MOST)
			attr_max = SEG_ATTRIBUTE_MOST;
		f->catalogue = -1;
		set_grid(f, -attr_max, attr_max);
		return SEG_OK;
	}
	f->catalogue = seg_catalogue_find(config->name);
	if (f->catalogue < 0)
		return seg_error_set(err, SEG_INVALID, "unknown feature %s; the nearest known name is %s", config->name,
				     seg_catalogue_nearest(config->name));
	if (config->transform == SEG_QUANTILE && seg_catalogue_is_fitted((size_t)f->catalogue))
		return seg_error_set(err, SEG_INVALID,
				     "feature %s is fitted at each promotion: quantile is no transform for it",
				     config->name);
	set_grid(f, seg_catalogue_at((size_t)f->catalogue)->lo, seg_catalogue_at((size_t)f->catalogue)->hi);
	return SEG_OK;
}

enum seg_rc seg_basis_init(struct seg_basis *basis, const struct seg_feature_config *configs, size_t len,
			   const double *attr_max, struct seg_error *err)
{
	struct seg_basis made;
	enum seg_rc rc;

	if (len == 0 || len > SEG_MAX_FEATURES)
		return seg_error_set(err, SEG_INVALID, "%zu features: between 1 and %d are possible", len,
				     SEG_MAX_FEATURES);
	memset(&made, 0, sizeof(made));
	for (size_t i = 0; i < len; i++) {
		rc = init_feature(&made.features[i], &configs[i], attr_max ? attr_max[i] : ATTRIBUTE_MAX_UNKNOWN, err);
		if (rc)
			return rc;
		for (size_t j = 0; j < i; j++)
			if (strcmp(made.features[j].config.name, made.features[i].config.name) == 0)
				return seg_error_set(err, SEG_INVALID, "feature %s is given twice", configs[i].name);
	}
	made.len = (uint32_t)len;
	made.id = seg_basis_id(&made);
	*basis = made;
	return SEG_OK;
}

bool seg_basis_resolve(struct seg_basis_feature *f)
{
	bool attribute = strncmp(f->config.name, ATTRIBUTE_PREFIX, ATTRIBUTE_PREFIX_LEN) == 0;

	f->catalogue = attribute ? -1 : seg_catalogue_find(f->config.name);
	return attribute ? f->config.name[ATTRIBUTE_PREFIX_LEN] != 0 : f->catalogue >= 0;
}

uint64_t seg_basis_id(const struct seg_basis *basis)
{
	uint64_t id = seg_hash64("segmentd basis 1", 16);

	for (uint32_t i = 0; i < basis->len; i++) {
		const struct seg_basis_feature *f = &basis->features[i];
		uint8_t bytes[8 + 8 + 4 + 3 * 8];
		uint64_t name = seg_hash64(f->config.name, strlen(f->config.name));
		uint32_t transform = f->config.transform;

		memcpy(bytes, &id, 8);
		memcpy(bytes + 8, &name, 8);
		memcpy(bytes + 16, &transform, 4);
		memcpy(bytes + 20, &f->quantum, 8);
		memcpy(bytes + 28, &f->grid_lo, 8);
		memcpy(bytes + 36, &f->grid_hi, 8);
		id = seg_hash64(bytes, sizeof(bytes));
		if (f->has_knots)
			id ^= seg_hash64(f->knots, sizeof(f->knots));
	}
	return id ? id : 1;
}

double seg_basis_feature_value(const struct seg_basis_feature *f, const struct seg_profile *p, int64_t now_ms,
			       const struct seg_constants *constants)
{
	if (f->catalogue >= 0)
		return seg_catalogue_value((size_t)f->catalogue, p, now_ms, constants);
	return seg_attribute_feature(p, f->config.name + ATTRIBUTE_PREFIX_LEN);
}

void seg_basis_values(const struct seg_basis *basis, const struct seg_profile *p, int64_t now_ms,
		      const struct seg_constants *constants, int32_t *ret_values)
{
	for (uint32_t i = 0; i < basis->len; i++) {
		const struct seg_basis_feature *f = &basis->features[i];
		double x = seg_basis_feature_value(f, p, now_ms, constants);

		ret_values[i] = seg_basis_fix(f, seg_basis_transform(f, x));
	}
}

int32_t seg_basis_fix(const struct seg_basis_feature *f, double transformed)
{
	double steps;

	if (isnan(transformed))
		return SEG_MISSING;
	steps = rint(transformed / f->quantum);
	if (steps >= INT32_MAX)
		return INT32_MAX;
	if (steps <= -INT32_MAX)
		return -INT32_MAX;
	return (int32_t)steps;
}

double seg_basis_unfix(const struct seg_basis_feature *f, int32_t value)
{
	return value == SEG_MISSING ? (double)NAN : value * f->quantum;
}

void seg_basis_grid(const struct seg_basis_feature *f, int64_t *ret_lo, int64_t *ret_hi)
{
	*ret_lo = (int64_t)(f->grid_lo / f->quantum);
	*ret_hi = (int64_t)(f->grid_hi / f->quantum);
}

unsigned seg_grid_bin(int64_t lo, int64_t hi, int32_t value)
{
	if (value <= lo)
		return 0;
	if (value >= hi)
		return SEG_GRID_BINS - 1;
	return (unsigned)((value - lo) * SEG_GRID_BINS / (hi - lo));
}

unsigned seg_basis_bin(const struct seg_basis_feature *f, int32_t value)
{
	int64_t lo, hi;

	seg_basis_grid(f, &lo, &hi);
	return seg_grid_bin(lo, hi, value);
}
