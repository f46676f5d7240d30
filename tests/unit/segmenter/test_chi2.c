#include "tests/support/test.h"

#include "segmenter/chi2.h"

/* Values of scipy.stats.chi2.sf and isf (1.x). */
static const struct {
	double x, df, above;
} above[] = {
	{0.1, 1, 0.7518296340458492},
	{3.841458820694124, 1, 0.04999999999999989},
	{10, 1, 0.001565402258002549},
	{0.5, 2, 0.7788007830714049},
	{5, 4, 0.2872974951836458},
	{16.9, 9, 0.0503051901243108},
	{30, 9, 0.00043872177097947936},
	{100, 9, 1.5735176303753876e-17},
	{0.001, 9, 1.0},
	{80, 100, 0.9296649333406051},
	{100, 100, 0.48119168452795674},
	{150, 100, 0.0009039320423540184},
	{400, 200, 1.8438936497115418e-15},
	{255, 255, 0.48822252177040637},
	{600, 9, 2.0941845519358376e-123},
};
static const struct {
	double p, df, x;
} critical[] = {
	{0.05, 1, 3.8414588206941285},	 {0.005, 9, 23.58935078125739}, {0.0002, 9, 31.989028514652453},
	{0.0001, 3, 21.10751346616021},	 {0.5, 10, 9.34181776559197},	{0.99, 5, 0.5542980767282776},
	{1e-6, 255, 377.07811549898673},
};

static void test_above_equals_scipy(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(above) / sizeof(above[0]); i++)
		assert_near(seg_chi2_above(above[i].x, above[i].df), above[i].above, 2e-12 * above[i].above);
	assert_near(seg_chi2_above(0, 3), 1, 0);
	assert_near(seg_chi2_above(-1, 3), 1, 0);
	assert_near(seg_chi2_above(INFINITY, 3), 0, 0);
	assert_true(isnan(seg_chi2_above(NAN, 3)));
}

static void test_critical_equals_scipy(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(critical) / sizeof(critical[0]); i++)
		assert_near(seg_chi2_critical(critical[i].p, critical[i].df), critical[i].x, 1e-10 * critical[i].x);
}

static void test_above_falls_and_critical_inverts(void **state)
{
	(void)state;
	for (int df = 1; df < 300; df += 7) {
		double last = 1;
		for (int i = 0; i < 30; i++) {
			double x = i * df / 10.0, p = seg_chi2_above(x, df);
			assert_true(p <= last && p >= 0);
			last = p;
			if (p > 1e-12 && p < 1 - 1e-3)
				assert_near(seg_chi2_critical(p, df), x, 1e-8 * (x + 1));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_above_equals_scipy),
		cmocka_unit_test(test_critical_equals_scipy),
		cmocka_unit_test(test_above_falls_and_critical_inverts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
