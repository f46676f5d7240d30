/* The assignment problem against trying all permutations. */
#include "tests/support/test.h"

#include <stdlib.h>

#include "base/rng.h"
#include "segmenter/hungarian.h"

/* Least total of giving rows from `row` on columns (or none, `spare` times) that are free. */
static double brute_force(const double *cost, uint32_t rows, uint32_t cols, uint32_t row, uint32_t used, uint32_t spare)
{
	double best = INFINITY;

	if (row == rows)
		return 0;
	if (spare)
		best = brute_force(cost, rows, cols, row + 1, used, spare - 1);
	for (uint32_t c = 0; c < cols; c++)
		if (!(used >> c & 1))
			best = fmin(best, cost[row * cols + c] +
						  brute_force(cost, rows, cols, row + 1, used | 1U << c, spare));
	return best;
}

static void check(uint32_t rows, uint32_t cols, struct seg_rng *rng, int kind)
{
	double cost[36], total = 0;
	int32_t column[6];
	uint32_t used = 0, pairs = 0;

	for (uint32_t i = 0; i < rows * cols; i++)
		cost[i] = kind ? (double)seg_rng_below(rng, 4) : seg_rng_normal(rng) * 10;
	assert_ok(seg_hungarian(cost, rows, cols, column, NULL));
	for (uint32_t r = 0; r < rows; r++) {
		if (column[r] < 0)
			continue;
		assert_true((uint32_t)column[r] < cols && !(used >> column[r] & 1));
		used |= 1U << column[r];
		total += cost[r * cols + (uint32_t)column[r]];
		pairs++;
	}
	assert_int_equal(pairs, rows < cols ? rows : cols);
	assert_near(total, brute_force(cost, rows, cols, 0, 0, rows > cols ? rows - cols : 0), 1e-9);
}

static void test_hungarian_is_as_good_as_trying_all(void **state)
{
	struct seg_rng rng;

	(void)state;
	seg_rng_init(&rng, 11);
	for (uint32_t rows = 1; rows <= 6; rows++)
		for (uint32_t cols = 1; cols <= 6; cols++)
			for (int n = 0; n < 20; n++)
				check(rows, cols, &rng, n % 2);
}

static void test_hungarian_of_nothing(void **state)
{
	double cost[1] = {0};
	int32_t column[2] = {7, 7};

	(void)state;
	assert_ok(seg_hungarian(cost, 2, 0, column, NULL));
	assert_true(column[0] == -1 && column[1] == -1);
	assert_ok(seg_hungarian(cost, 0, 2, column, NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_hungarian_is_as_good_as_trying_all),
		cmocka_unit_test(test_hungarian_of_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
