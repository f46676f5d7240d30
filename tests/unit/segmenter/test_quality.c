/* Silhouettes, Davies-Bouldin, adjusted Rand index, the scaler and the choice of k. */
#include "tests/support/test.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/choose_k.h"
#include "segmenter/scaler.h"
#include "segmenter/silhouette.h"

static void test_silhouette_by_hand(void **state)
{
	/* Rows 0, 1 | 10, 12 on a line. */
	const double x[] = {0, 1, 10, 12}, expected = (10.0 / 11 + 9.0 / 10 + (9.5 - 2) / 9.5 + (11.5 - 2) / 11.5) / 4;
	const uint32_t labels[] = {0, 0, 1, 1}, one[] = {0, 0, 0, 0};
	double s;

	(void)state;
	assert_ok(seg_silhouette(x, 4, 1, labels, 2, 100, &s, NULL));
	assert_near(s, expected, 1e-12);
	assert_int_equal(seg_silhouette(x, 4, 1, one, 2, 100, &s, NULL), SEG_INVALID);
}

static void test_davies_bouldin_by_hand(void **state)
{
	/* Spreads .5 and 1, centroids .5 and 11. */
	const double distance2[] = {0.25, 0.25, 1, 1}, centroids[] = {0.5, 11, 100};
	const uint32_t labels[] = {0, 0, 1, 1};

	(void)state;
	assert_near(seg_davies_bouldin(labels, distance2, 4, centroids, 1, 3), 1.5 / 10.5, 1e-12);
	assert_true(isnan(seg_davies_bouldin(labels, distance2, 2, centroids, 1, 3)));
}

static void test_adjusted_rand_by_hand(void **state)
{
	/* sklearn.metrics.adjusted_rand_score gives these. */
	const uint32_t a[] = {0, 0, 1, 1}, b[] = {1, 1, 0, 0}, c[] = {0, 0, 1, 2}, d[] = {0, 1, 0, 1};

	(void)state;
	assert_near(seg_adjusted_rand(a, 2, b, 2, 4), 1, 1e-12);
	assert_near(seg_adjusted_rand(a, 2, c, 3, 4), 0.5714285714285715, 1e-12);
	assert_near(seg_adjusted_rand(a, 2, d, 2, 4), -0.5, 1e-12);
}

static struct seg_basis one_feature(enum seg_scaler_kind scaler, enum seg_impute impute)
{
	struct seg_basis b = {.len = 1};

	b.features[0].config.weight = 2;
	b.features[0].config.scaler = scaler;
	b.features[0].config.impute = impute;
	return b;
}

static const double rows[] = {1, NAN, 3, 5, 7};

static void test_scaler_fits_z(void **state)
{
	struct seg_basis z = one_feature(SEG_SCALER_Z, SEG_IMPUTE_MEAN);
	struct seg_scale s;
	double v[5];

	(void)state;
	assert_ok(seg_scaler_fit(&z, rows, 5, &s, NULL));
	assert_near(s.mean, 4, 0);
	assert_near(s.imputed, 4, 0);
	assert_near(s.scale, sqrt(5), 1e-15);
	seg_scaler_apply(&s, 1, rows, 5, v);
	assert_near(v[0], -3 / sqrt(5) * 2, 1e-15);
	assert_near(v[1], 0, 0);
	seg_scaler_invert(&s, 1, v, 5, v);
	assert_near(v[4], 7, 1e-14);
}

static void test_scaler_falls_back(void **state)
{
	const double flat[] = {4, 4, 4, 4, 9}, same[] = {4, 4, NAN};
	struct seg_basis z = one_feature(SEG_SCALER_Z, SEG_IMPUTE_MEAN);
	struct seg_basis robust = one_feature(SEG_SCALER_ROBUST, SEG_IMPUTE_MODE);
	struct seg_scale s;

	(void)state;
	assert_ok(seg_scaler_fit(&robust, rows, 5, &s, NULL));
	assert_near(s.mean, 4, 0);
	assert_near(s.scale, 3 / 1.3489795003921634, 1e-12);
	/* Quartiles coincide: the standard deviation; constant: 1. */
	assert_ok(seg_scaler_fit(&robust, flat, 5, &s, NULL));
	assert_near(s.mean, 4, 0);
	assert_near(s.scale, 2, 1e-15);
	assert_near(s.imputed, 4, 0);
	assert_ok(seg_scaler_fit(&z, same, 3, &s, NULL));
	assert_near(s.scale, 1, 0);
	assert_ok(seg_scaler_fit(&z, rows + 1, 1, &s, NULL));
	assert_near(s.scale, 1, 0);
}

/* Round blobs at the corners of a grid, in random order. */
static double *blobs(uint32_t k, size_t n, double sd, uint64_t seed)
{
	double *x = malloc(n * 2 * sizeof(*x));
	struct seg_rng rng;

	assert_non_null(x);
	seg_rng_init(&rng, seed);
	for (size_t i = 0; i < n; i++) {
		uint64_t blob = seg_rng_below(&rng, k);
		uint64_t column = blob % 3, row = blob / 3;
		x[2 * i] = 10.0 * (double)column + sd * seg_rng_normal(&rng);
		x[2 * i + 1] = 10.0 * (double)row + sd * seg_rng_normal(&rng);
	}
	return x;
}

static struct seg_k_choice choose(const double *x, size_t n, struct seg_k_search search)
{
	struct seg_k_choice choice;

	assert_ok(seg_choose_k(x, n, 2, &search, &choice, NULL));
	return choice;
}

static void test_choose_k_finds_the_blobs(void **state)
{
	(void)state;
	for (uint32_t k = 4; k <= 7; k++) {
		double *x = blobs(k, 1500, 0.8, k);
		struct seg_k_choice choice = choose(x, 1500, (struct seg_k_search){2, 9, 0, true, 1, NULL, NULL});
		assert_int_equal(choice.k, k);
		assert_true(choice.switched && choice.silhouette > 0.7 && choice.stability > 0.95);
		/* The current k is left when the data clearly say otherwise. */
		choice = choose(x, 1500, (struct seg_k_search){2, 9, 9, false, 1, NULL, NULL});
		assert_true(choice.switched);
		assert_int_equal(choice.k, k);
		choice = choose(x, 1500, (struct seg_k_search){2, 9, k, false, 1, NULL, NULL});
		assert_false(choice.switched);
		assert_int_equal(choice.k, k);
		free(x);
	}
}

/* One big cloud has no right k: whatever is there stays, unless asked for anew. */
static void test_choose_k_stays_in_a_cloud(void **state)
{
	double *x = blobs(1, 1000, 1, 5);

	(void)state;
	for (uint32_t k = 4; k <= 9; k++)
		assert_int_equal(choose(x, 1000, (struct seg_k_search){4, 9, k, false, 1, NULL, NULL}).k, k);
	/* Out of range it cannot stay. */
	assert_in_range(choose(x, 1000, (struct seg_k_search){4, 9, 12, false, 1, NULL, NULL}).k, 4, 9);
	free(x);
}

static void test_choose_k_bounds_are_checked(void **state)
{
	struct seg_k_choice choice;
	double x[] = {1, 1, 1, 1};

	(void)state;
	assert_int_equal(seg_choose_k(x, 4, 1, &(struct seg_k_search){.k_max = 3}, &choice, NULL), SEG_INVALID);
	assert_int_equal(seg_choose_k(x, 4, 1, &(struct seg_k_search){4, 3, 0, true, 1, NULL, NULL}, &choice, NULL),
			 SEG_INVALID);
	const atomic_bool cancelled = true;
	const struct seg_k_search search = {.k_min = 2, .k_max = 3, .anew = true, .cancelled = &cancelled};
	assert_int_equal(seg_choose_k(x, 4, 1, &search, &choice, NULL), SEG_RETRY);
	/* Nothing to tell apart: the least. */
	assert_ok(seg_choose_k(x, 4, 1, &(struct seg_k_search){2, 3, 0, true, 1, NULL, NULL}, &choice, NULL));
	assert_int_equal(choice.k, 2);
}

static void test_choose_k_same_seed_same_answer(void **state)
{
	const struct seg_k_search search = {2, 8, 0, true, 7, NULL, NULL};
	double *x = blobs(5, 800, 4, 3);
	struct seg_k_choice a = choose(x, 800, search), b = choose(x, 800, search);

	(void)state;
	assert_int_equal(a.k, b.k);
	assert_near(a.silhouette, b.silhouette, 0);
	assert_near(a.stability, b.stability, 0);
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_silhouette_by_hand),
		cmocka_unit_test(test_davies_bouldin_by_hand),
		cmocka_unit_test(test_adjusted_rand_by_hand),
		cmocka_unit_test(test_scaler_fits_z),
		cmocka_unit_test(test_scaler_falls_back),
		cmocka_unit_test(test_choose_k_finds_the_blobs),
		cmocka_unit_test(test_choose_k_stays_in_a_cloud),
		cmocka_unit_test(test_choose_k_bounds_are_checked),
		cmocka_unit_test(test_choose_k_same_seed_same_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
