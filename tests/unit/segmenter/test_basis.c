/* Bases: what is refused, fixed point and back, bins, ids. */
#include "tests/support/test.h"

#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/basis.h"
#include "segmenter/catalogue.h"

static struct seg_feature_config feature(const char *name, enum seg_transform transform)
{
	struct seg_feature_config c = {.transform = transform, .weight = 1};

	snprintf(c.name, sizeof(c.name), "%s", name);
	return c;
}

static enum seg_rc init_one(struct seg_feature_config c, struct seg_basis *basis, struct seg_error *err)
{
	return seg_basis_init(basis, &c, 1, NULL, err);
}

static void test_init_refuses_what_it_does_not_know(void **state)
{
	static struct seg_basis basis;
	struct seg_feature_config c = feature("recency_dais", SEG_LOG1P), twice[2];
	struct seg_error err;

	(void)state;
	assert_int_equal(init_one(c, &basis, &err), SEG_INVALID);
	assert_non_null(strstr(err.text, "recency_days"));
	assert_int_equal(init_one(feature("attr:", SEG_LOG1P), &basis, &err), SEG_INVALID);
	c = feature("frequency", SEG_LOG1P);
	c.weight = 0;
	assert_int_equal(init_one(c, &basis, &err), SEG_INVALID);
	c.weight = NAN;
	assert_int_equal(init_one(c, &basis, &err), SEG_INVALID);
	c = feature("frequency", (enum seg_transform)9);
	assert_int_equal(init_one(c, &basis, &err), SEG_INVALID);
	memset(c.name, 'a', sizeof(c.name));
	assert_int_equal(init_one(c, &basis, &err), SEG_INVALID);
	twice[0] = twice[1] = feature("frequency", SEG_LOG1P);
	assert_int_equal(seg_basis_init(&basis, twice, 2, NULL, &err), SEG_INVALID);
	assert_int_equal(seg_basis_init(&basis, twice, 0, NULL, &err), SEG_INVALID);
}

static void test_id_tells_bases_apart(void **state)
{
	static struct seg_basis a, b;
	double attr_max[1] = {100};
	struct seg_feature_config c = feature("attr:age", SEG_LINEAR);

	(void)state;
	assert_ok(init_one(feature("frequency", SEG_LOG1P), &a, NULL));
	assert_ok(init_one(feature("frequency", SEG_LOG1P), &b, NULL));
	assert_true(a.id && a.id == b.id);
	assert_ok(init_one(feature("frequency", SEG_SQRT), &b, NULL));
	assert_true(a.id != b.id);
	assert_ok(init_one(c, &a, NULL));
	assert_ok(seg_basis_init(&b, &c, 1, attr_max, NULL));
	assert_true(a.id != b.id);
	assert_true(b.features[0].quantum < a.features[0].quantum);
}

/* Every feature under every transform: a value comes back within half a quantum, exactly if it is one, and bins are
 * monotonic and reach from 0 to the last. */
static void check_feature(const char *name, enum seg_transform transform, struct seg_rng *rng)
{
	static struct seg_basis basis;
	const struct seg_basis_feature *f = &basis.features[0];
	int catalogue = seg_catalogue_find(name);
	double width;

	if (transform == SEG_QUANTILE && catalogue >= 0 && seg_catalogue_is_fitted((size_t)catalogue)) {
		assert_int_equal(init_one(feature(name, transform), &basis, NULL), SEG_INVALID);
		return;
	}
	assert_ok(init_one(feature(name, transform), &basis, NULL));
	width = f->grid_hi - f->grid_lo;
	for (int i = 0; i < 200; i++) {
		double x = f->grid_lo + width * (seg_rng_unit(rng) * 1.2 - 0.1);
		int32_t fixed = seg_basis_fix(f, x);
		unsigned bin = seg_basis_bin(f, fixed);
		assert_near(seg_basis_unfix(f, fixed), x, f->quantum / 2);
		assert_int_equal(seg_basis_fix(f, seg_basis_unfix(f, fixed)), fixed);
		if (fabs((x - f->grid_lo) / width * SEG_GRID_BINS - rint((x - f->grid_lo) / width * SEG_GRID_BINS)) >
		    1e-3)
			assert_int_equal(bin, (int)fmin(255, fmax(0, floor((x - f->grid_lo) / width * SEG_GRID_BINS))));
	}
	assert_int_equal(seg_basis_bin(f, seg_basis_fix(f, f->grid_lo)), 0);
	assert_int_equal(seg_basis_bin(f, seg_basis_fix(f, f->grid_hi)), SEG_GRID_BINS - 1);
	assert_int_equal(seg_basis_bin(f, INT32_MAX), SEG_GRID_BINS - 1);
	assert_int_equal(seg_basis_bin(f, -INT32_MAX), 0);
}

static void test_fix_and_bin_of_all_features(void **state)
{
	struct seg_rng rng;

	(void)state;
	seg_rng_init(&rng, 3);
	for (size_t i = 0; i < seg_catalogue_len(); i++)
		for (int t = SEG_LOG1P; t <= SEG_QUANTILE; t++)
			check_feature(seg_catalogue_at(i)->name, (enum seg_transform)t, &rng);
	check_feature("attr:anything", SEG_LINEAR, &rng);
}

static void test_fix_clamps_and_keeps_missing(void **state)
{
	static struct seg_basis basis;
	const struct seg_basis_feature *f = &basis.features[0];

	(void)state;
	assert_ok(init_one(feature("frequency", SEG_LINEAR), &basis, NULL));
	assert_int_equal(seg_basis_fix(f, 1e300), INT32_MAX);
	assert_int_equal(seg_basis_fix(f, -1e300), -INT32_MAX);
	assert_int_equal(seg_basis_fix(f, INFINITY), INT32_MAX);
	assert_int_equal(seg_basis_fix(f, NAN), SEG_MISSING);
	assert_true(isnan(seg_basis_unfix(f, SEG_MISSING)));
	/* Eight times the expected range fits. */
	assert_true(seg_basis_fix(f, 8 * f->grid_hi) < INT32_MAX || 8 * f->grid_hi / f->quantum >= INT32_MAX - 1);
}

static void test_transforms_invert(void **state)
{
	static const double xs[] = {-1e6, -3.25, -1e-9, 0, 1e-9, 0.5, 17, 1e9};

	(void)state;
	for (int t = SEG_LOG1P; t <= SEG_QUANTILE; t++)
		for (size_t i = 0; i < sizeof(xs) / sizeof(xs[0]); i++)
			assert_near(seg_transform_invert((enum seg_transform)t,
							 seg_transform_apply((enum seg_transform)t, xs[i])),
				    xs[i], 1e-12 * (1 + fabs(xs[i])));
	assert_near(seg_transform_apply(SEG_LOG1P, -9), -log(10), 1e-15);
	assert_near(seg_transform_apply(SEG_SQRT, -9), -3, 0);
	assert_true(isnan(seg_transform_apply(SEG_LOG1P, NAN)));
}

static void test_one_hot_has_a_grid_of_its_own(void **state)
{
	const double most[] = {1e9};
	struct seg_basis a, b;

	(void)state;
	assert_ok(init_one(feature("attr:plan=pro", SEG_LINEAR), &a, NULL));
	struct seg_feature_config c = feature("attr:plan=pro", SEG_LINEAR);
	assert_ok(seg_basis_init(&b, &c, 1, most, NULL));
	assert_int_equal(a.id, b.id);
	assert_int_equal(seg_basis_bin(&a.features[0], seg_basis_fix(&a.features[0], 0)), 0);
	assert_int_equal(seg_basis_bin(&a.features[0], seg_basis_fix(&a.features[0], 1)), SEG_GRID_BINS - 1);
	assert_int_equal(init_one(feature("attr:plan=", SEG_LINEAR), &a, NULL), SEG_INVALID);
	assert_int_equal(init_one(feature("attr:=pro", SEG_LINEAR), &a, NULL), SEG_INVALID);
	assert_int_equal(init_one(feature("attr:plan=pro", SEG_QUANTILE), &a, NULL), SEG_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_init_refuses_what_it_does_not_know),
		cmocka_unit_test(test_id_tells_bases_apart),
		cmocka_unit_test(test_fix_and_bin_of_all_features),
		cmocka_unit_test(test_fix_clamps_and_keeps_missing),
		cmocka_unit_test(test_transforms_invert),
		cmocka_unit_test(test_one_hot_has_a_grid_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
