/* k-means: the optimum of small problems, blobs, determinism, hard inputs. */
#include "tests/support/test.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/rng.h"
#include "segmenter/kmeans.h"

static void fit(const double *x, size_t n, uint32_t d, struct seg_kmeans_options o, struct seg_kmeans *ret)
{
	assert_ok(seg_kmeans_fit(x, n, d, &o, ret, NULL));
}

/* Least inertia over all ways to give n rows one of k labels; two columns. */
static double optimum(const double *x, unsigned n, unsigned k)
{
	unsigned long ways = 1;
	double best = INFINITY;

	for (unsigned i = 0; i < n; i++)
		ways *= k;
	for (unsigned long w = 0; w < ways; w++) {
		double sum[4][2] = {{0}}, square = 0, inertia;
		unsigned count[4] = {0};
		unsigned long rest = w;
		for (unsigned i = 0; i < n; i++, rest /= k) {
			count[rest % k]++;
			for (unsigned j = 0; j < 2; j++) {
				sum[rest % k][j] += x[2 * i + j];
				square += x[2 * i + j] * x[2 * i + j];
			}
		}
		inertia = square;
		for (unsigned c = 0; c < k; c++)
			if (count[c])
				inertia -= (sum[c][0] * sum[c][0] + sum[c][1] * sum[c][1]) / count[c];
		best = fmin(best, inertia);
	}
	return best;
}

static void test_fit_finds_the_optimum_of_small_problems(void **state)
{
	struct seg_rng rng;

	(void)state;
	seg_rng_init(&rng, 21);
	for (int n = 0; n < 30; n++) {
		uint32_t k = 2 + n % 2;
		struct seg_kmeans km;
		double x[18];
		for (int i = 0; i < 18; i++)
			x[i] = seg_rng_normal(&rng);
		fit(x, 9, 2,
		    (struct seg_kmeans_options){.k = k, .swaps = (uint32_t)SEG_KMEANS_SWAPS, .seed = (uint64_t)n}, &km);
		assert_near(km.inertia, optimum(x, 9, k), 1e-9);
		seg_kmeans_release(&km);
	}
}

/* Rows around 16 centres of a 4 x 4 grid. */
static double *blobs(size_t n, double spread, uint64_t seed)
{
	double *x = malloc(n * 2 * sizeof(*x));
	struct seg_rng rng;

	assert_non_null(x);
	seg_rng_init(&rng, seed);
	for (size_t i = 0; i < n; i++) {
		x[2 * i] = 10.0 * (double)(i % 4) + spread * seg_rng_normal(&rng);
		x[2 * i + 1] = 10.0 * (double)(i / 4 % 4) + spread * seg_rng_normal(&rng);
	}
	return x;
}

static void test_fit_finds_every_blob(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		double *x = blobs(1600, 0.5, seed);
		struct seg_kmeans km;

		fit(x, 1600, 2, (struct seg_kmeans_options){.k = 16, .swaps = (uint32_t)SEG_KMEANS_SWAPS, .seed = seed},
		    &km);
		assert_int_equal(km.k, 16);
		/* Two dimensions of variance 0.25, less what 16 means take. */
		assert_near(km.inertia / 1600, 0.5, 0.05);
		for (size_t i = 16; i < 1600; i++)
			assert_int_equal(km.labels[i], km.labels[i % 16]);
		seg_kmeans_release(&km);
		free(x);
	}
}

static void test_fit_reports_what_it_has(void **state)
{
	double *x = blobs(400, 3, 4), distance2[400], second2[400], inertia = 0, again;
	uint32_t labels[400];
	struct seg_kmeans km;

	(void)state;
	fit(x, 400, 2, (struct seg_kmeans_options){.k = 5, .seed = 3}, &km);
	again = seg_kmeans_assign(x, 400, 2, km.centroids, km.k, labels, distance2, second2);
	assert_true(again == km.inertia);
	assert_memory_equal(labels, km.labels, sizeof(labels));
	for (size_t i = 0; i < 400; i++) {
		double least = INFINITY, second = INFINITY;
		for (uint32_t c = 0; c < km.k; c++) {
			double dx = x[2 * i] - km.centroids[2 * c], dy = x[2 * i + 1] - km.centroids[2 * c + 1];
			double dist = dx * dx + dy * dy;
			if (dist < least) {
				second = least;
				least = dist;
			} else {
				second = fmin(second, dist);
			}
		}
		assert_near(distance2[i], least, 1e-12);
		assert_near(second2[i], second, 1e-12);
		inertia += least;
	}
	assert_near(km.inertia, inertia, 1e-9 * inertia);
	/* It is a fixed point: every centroid is the mean of its rows. */
	for (uint32_t c = 0; c < km.k; c++) {
		double sum = 0, count = 0;
		for (size_t i = 0; i < 400; i++) {
			sum += labels[i] == c ? x[2 * i] : 0;
			count += labels[i] == c;
		}
		assert_near(km.centroids[2 * c], sum / count, 1e-9);
	}
	seg_kmeans_release(&km);
	free(x);
}

static void test_fit_gives_the_same_bits_for_the_same_seed(void **state)
{
	double *x = blobs(500, 4, 9);
	struct seg_kmeans a, b, c;
	struct seg_kmeans_options o = {.k = 7, .swaps = (uint32_t)SEG_KMEANS_SWAPS, .seed = 5};

	(void)state;
	fit(x, 500, 2, o, &a);
	fit(x, 500, 2, o, &b);
	assert_memory_equal(a.centroids, b.centroids, 14 * sizeof(double));
	assert_memory_equal(a.labels, b.labels, 500 * sizeof(uint32_t));
	o.seed = 6;
	fit(x, 500, 2, o, &c);
	assert_memory_not_equal(a.centroids, c.centroids, 14 * sizeof(double));
	seg_kmeans_release(&a);
	seg_kmeans_release(&b);
	seg_kmeans_release(&c);
	free(x);
}

static void test_fit_is_never_worse_than_its_initial(void **state)
{
	double *x = blobs(320, 0.3, 2), initial[32];
	struct seg_kmeans km;

	(void)state;
	for (int c = 0; c < 16; c++) {
		initial[2 * c] = 10.0 * (c % 4);
		initial[2 * c + 1] = 10.0 * (c / 4 % 4);
	}
	fit(x, 320, 2,
	    (struct seg_kmeans_options){.k = 16, .starts = 1, .seed = 1, .initial = initial, .initial_k = 16}, &km);
	assert_true(km.inertia <= seg_kmeans_assign(x, 320, 2, initial, 16, NULL, NULL, NULL));
	seg_kmeans_release(&km);
	/* More than k are cut off, fewer are filled up. */
	fit(x, 320, 2, (struct seg_kmeans_options){.k = 4, .seed = 1, .initial = initial, .initial_k = 16}, &km);
	assert_int_equal(km.k, 4);
	seg_kmeans_release(&km);
	fit(x, 320, 2, (struct seg_kmeans_options){.k = 16, .seed = 1, .initial = initial, .initial_k = 2}, &km);
	assert_int_equal(km.k, 16);
	seg_kmeans_release(&km);
	free(x);
}

/* Rows without structure: one start of k-means++ ends higher than many swaps, so the good initial must be taken. */
static void test_fit_takes_a_good_initial(void **state)
{
	struct seg_kmeans_options o = {.k = 30, .swaps = 300, .seed = 2};
	struct seg_kmeans best, with, without;
	struct seg_rng rng;
	double x[2 * 600];

	(void)state;
	seg_rng_init(&rng, 3);
	for (int i = 0; i < 2 * 600; i++)
		x[i] = seg_rng_unit(&rng);
	fit(x, 600, 2, o, &best);
	o.starts = 1;
	o.swaps = 0;
	fit(x, 600, 2, o, &without);
	o.initial = best.centroids;
	o.initial_k = best.k;
	fit(x, 600, 2, o, &with);
	assert_true(without.inertia > 1.01 * best.inertia);
	assert_true(with.inertia <= best.inertia * (1 + 1e-12));
	seg_kmeans_release(&best);
	seg_kmeans_release(&with);
	seg_kmeans_release(&without);
}

static void test_assign_takes_the_first_of_equal_ones(void **state)
{
	double x[2] = {1, 1}, centroids[12] = {5, 5, 1, 2, 1, 0, 2, 1, 0, 1, 9, 9}, distance2[1], second2[1];
	uint32_t label[1];

	(void)state;
	assert_near(seg_kmeans_assign(x, 1, 2, centroids, 6, label, distance2, second2), 1, 0);
	assert_int_equal(label[0], 1);
	assert_true(distance2[0] == 1 && second2[0] == 1);
	assert_near(seg_kmeans_assign(x, 1, 2, centroids, 1, label, distance2, second2), 32, 0);
	assert_true(isinf(second2[0]));
}

static void test_fit_of_few_distinct_rows(void **state)
{
	double x[60];
	struct seg_kmeans km;

	(void)state;
	for (int i = 0; i < 30; i++) {
		x[2 * i] = i % 3;
		x[2 * i + 1] = 1;
	}
	fit(x, 30, 2, (struct seg_kmeans_options){.k = 8, .swaps = (uint32_t)SEG_KMEANS_SWAPS, .seed = 1}, &km);
	assert_int_equal(km.k, 3);
	assert_near(km.inertia, 0, 0);
	seg_kmeans_release(&km);
	fit(x, 1, 2, (struct seg_kmeans_options){.k = 8, .seed = 1}, &km);
	assert_int_equal(km.k, 1);
	seg_kmeans_release(&km);
}

static void test_fit_with_a_repeated_initial(void **state)
{
	double *x = blobs(160, 0.3, 2), initial[16] = {0};
	struct seg_kmeans km;

	(void)state;
	fit(x, 160, 2, (struct seg_kmeans_options){.k = 8, .starts = 1, .seed = 1, .initial = initial, .initial_k = 8},
	    &km);
	assert_int_equal(km.k, 8);
	for (uint32_t c = 0; c < 8; c++)
		for (uint32_t other = 0; other < c; other++)
			assert_memory_not_equal(km.centroids + 2 * c, km.centroids + 2 * other, 2 * sizeof(double));
	seg_kmeans_release(&km);
	free(x);
}

static void test_fit_refuses_nothing(void **state)
{
	double x[2] = {1, 2};
	struct seg_kmeans km;

	(void)state;
	assert_int_equal(seg_kmeans_fit(x, 0, 2, &(struct seg_kmeans_options){.k = 1}, &km, NULL), SEG_INVALID);
	assert_int_equal(seg_kmeans_fit(x, 1, 0, &(struct seg_kmeans_options){.k = 1}, &km, NULL), SEG_INVALID);
	assert_int_equal(seg_kmeans_fit(x, 1, 2, &(struct seg_kmeans_options){.k = 0}, &km, NULL), SEG_INVALID);
	seg_kmeans_release(NULL);
}

static void *cancel_soon(void *arg)
{
	seg_sleep_ms(50);
	atomic_store((atomic_bool *)arg, true);
	return NULL;
}

/* A fit that would take minutes ends soon after it is cancelled, and keeps nothing (the leak checker sees to that). */
static void test_fit_can_be_cancelled(void **state)
{
	enum { N = 20000, D = 16, K = 200, SWAPS = 100000 };
	double *x = malloc(sizeof(double) * N * D);
	atomic_bool cancelled = false;
	struct seg_kmeans_options o = {.k = K, .swaps = SWAPS, .seed = 1, .cancelled = &cancelled};
	struct seg_kmeans km;
	struct seg_rng rng;
	pthread_t thread;

	(void)state;
	assert_non_null(x);
	seg_rng_init(&rng, 5);
	for (size_t i = 0; i < (size_t)N * D; i++)
		x[i] = seg_rng_unit(&rng);
	assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancelled), 0);
	int64_t began = seg_monotonic_ms();
	assert_int_equal(seg_kmeans_fit(x, N, D, &o, &km, NULL), SEG_RETRY);
	assert_true(seg_monotonic_ms() - began < 10000);
	pthread_join(thread, NULL);
	free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fit_finds_the_optimum_of_small_problems),
		cmocka_unit_test(test_fit_finds_every_blob),
		cmocka_unit_test(test_fit_reports_what_it_has),
		cmocka_unit_test(test_fit_gives_the_same_bits_for_the_same_seed),
		cmocka_unit_test(test_fit_is_never_worse_than_its_initial),
		cmocka_unit_test(test_fit_takes_a_good_initial),
		cmocka_unit_test(test_assign_takes_the_first_of_equal_ones),
		cmocka_unit_test(test_fit_of_few_distinct_rows),
		cmocka_unit_test(test_fit_with_a_repeated_initial),
		cmocka_unit_test(test_fit_refuses_nothing),
		cmocka_unit_test(test_fit_can_be_cancelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
