/* Scores against their definition by brute force, and lifetime value where it cannot be fitted or is at its edges. */
#include "tests/support/test.h"

#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/catalogue.h"
#include "segmenter/constants.h"

enum { N = 1000 };

static void make_buyers(struct seg_buyer *rows, struct seg_rng *rng)
{
	for (size_t i = 0; i < N; i++) {
		rows[i] = (struct seg_buyer){.recency_days = NAN, .spend = NAN};
		if (i % 10 == 0)
			continue; /* without a purchase */
		rows[i].frequency = 1 + (double)seg_rng_below(rng, 4);
		rows[i].recency_days = 1000 * seg_rng_unit(rng);
		rows[i].monetary = exp(8 * seg_rng_unit(rng));
		rows[i].x = rows[i].frequency - 1;
		rows[i].t = 50;
		rows[i].t_x = rows[i].x > 0 ? 50 * seg_rng_unit(rng) : 0;
		rows[i].spend = rows[i].x > 0 ? rows[i].monetary / rows[i].frequency : (double)NAN;
	}
}

static struct seg_constants fit(const struct seg_buyer *rows, size_t n)
{
	struct seg_constants c = {.horizon_weeks = 52};

	assert_ok(seg_constants_fit(rows, n, NULL, NULL, &c, NULL));
	return c;
}

/* 1 + floor(5 * mid-rank): how many are below, and half of those that are equal. */
static double quintile(const double *values, size_t n, double value)
{
	double below = 0, equal = 0, at;

	for (size_t i = 0; i < n; i++) {
		below += values[i] < value;
		equal += values[i] == value;
	}
	at = floor(5 * (below + equal / 2) / (double)n);
	return 1 + (at > 4 ? 4 : at);
}

static void test_scores_are_quintiles_of_mid_ranks(void **state)
{
	static struct seg_buyer rows[N];
	double values[N];
	struct seg_constants c;
	struct seg_rng rng;
	size_t n = 0, far = 0;

	(void)state;
	seg_rng_init(&rng, 3);
	make_buyers(rows, &rng);
	c = fit(rows, N);
	assert_true(c.scores);
	for (size_t i = 0; i < N; i++)
		if (!isnan(rows[i].recency_days))
			values[n++] = rows[i].frequency;
	/* Few distinct values, each in a bin of its own: exact. */
	for (size_t i = 0; i < N; i++) {
		double want = isnan(rows[i].recency_days) ? 0 : quintile(values, n, rows[i].frequency);
		assert_true(seg_score_of(&c, SEG_F_SCORE, &rows[i]) == want);
	}
	/* Many: within a bin of the grid, the newest fifth first. */
	n = 0;
	for (size_t i = 0; i < N; i++)
		if (!isnan(rows[i].recency_days))
			values[n++] = rows[i].recency_days;
	for (size_t i = 0; i < N; i++) {
		if (isnan(rows[i].recency_days))
			continue;
		double got = seg_score_of(&c, SEG_R_SCORE, &rows[i]),
		       want = 6 - quintile(values, n, rows[i].recency_days);
		assert_true(fabs(got - want) <= 1);
		far += got != want;
	}
	assert_true(far < n / 20);
}

static void test_what_is_not_fitted_is_missing(void **state)
{
	struct seg_buyer b = {.recency_days = 3, .frequency = 2, .monetary = 10, .x = 1, .t_x = 1, .t = 2, .spend = 5};
	struct seg_buyer none = {.recency_days = NAN, .spend = NAN}, few[20];
	struct seg_constants c = fit(&none, 1);

	(void)state;
	assert_false(c.scores || c.lifetime.counts || c.lifetime.spend);
	assert_true(isnan(seg_score_of(NULL, SEG_M_SCORE, &b)) && isnan(seg_lifetime_value(NULL, &b)));
	assert_true(isnan(seg_score_of(&c, SEG_M_SCORE, &b)) && isnan(seg_lifetime_value(&c, &b)));
	assert_true(seg_score_of(NULL, SEG_M_SCORE, &none) == 0);
	assert_true(isnan(seg_lifetime_value(NULL, &none)));
	for (size_t i = 0; i < 20; i++)
		few[i] = b;
	c = fit(few, 20);
	assert_true(c.scores && !c.lifetime.counts);
	/* All alike: what the data do not determine is not told. */
	assert_true(isfinite(c.lifetime.r) && isfinite(c.lifetime.q));
}

static void test_expectations_at_their_edges(void **state)
{
	const struct seg_lifetime l = {true, true, .2426, 4.4136, .7929, 2.4259, 6.25, 3.744, 15.444, 0, 0};
	double before = 0;

	(void)state;
	assert_true(seg_expected_purchases(&l, 0, 0, 0, 0) == 0);
	for (int weeks = 1; weeks < 5000; weeks *= 2) {
		double now = seg_expected_purchases(&l, 3, 20, 22, weeks);
		assert_true(isfinite(now) && now > before);
		before = now;
	}
	/* Many purchases, long ago and just now. */
	assert_true(seg_expected_purchases(&l, 1023, 100, 400, 52) < 1e-3);
	assert_true(seg_expected_purchases(&l, 1023, 400, 400, 52) > 50);
	assert_true(isfinite(seg_expected_purchases(&l, 1023, 0, 0, 520)));
	/* a near 1, where the formula divides by a - 1. */
	struct seg_lifetime one = l;
	one.a = 1;
	double at = seg_expected_purchases(&one, 2, 5, 9, 39);
	one.a = 1.001;
	assert_near(at, seg_expected_purchases(&one, 2, 5, 9, 39), 0.01);
	assert_near(seg_expected_spend(&l, 0, NAN), 6.25 * 15.444 / 2.744, 1e-9);
	assert_near(seg_expected_spend(&l, 1e6, 40), 40, 1e-2);
}

static void test_the_value_is_what_was_and_what_is_expected(void **state)
{
	static struct seg_buyer rows[N];
	struct seg_constants c;
	struct seg_rng rng;

	(void)state;
	seg_rng_init(&rng, 4);
	make_buyers(rows, &rng);
	c = fit(rows, N);
	if (!c.lifetime.counts || !c.lifetime.spend)
		c.lifetime = (struct seg_lifetime){true, true, .2426, 4.4136, .7929, 2.4259, 6.25, 3.744, 15.444, 0, 0};
	for (size_t i = 1; i < 10; i++) {
		double more = seg_expected_purchases(&c.lifetime, rows[i].x, rows[i].t_x, rows[i].t, 52) *
			      seg_expected_spend(&c.lifetime, rows[i].x, rows[i].spend);
		assert_near(seg_lifetime_value(&c, &rows[i]), rows[i].monetary + more, 1e-9);
	}
	c.horizon_weeks = 0;
	assert_near(seg_lifetime_value(&c, &rows[1]), rows[1].monetary, 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scores_are_quintiles_of_mid_ranks),
		cmocka_unit_test(test_what_is_not_fitted_is_missing),
		cmocka_unit_test(test_expectations_at_their_edges),
		cmocka_unit_test(test_the_value_is_what_was_and_what_is_expected),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
