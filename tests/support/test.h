/* What cmocka lacks, for all unit tests. Include this instead of cmocka.h. */
#ifndef SEG_TESTS_TEST_H
#define SEG_TESTS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

/* A failed assertion does not return, which cmocka's declarations do not say: the analyzer is told. */
#ifdef __clang_analyzer__
static inline void analyzed(int holds)
{
	if (!holds)
		__builtin_trap();
}
#define _assert_true(result, ...) analyzed(!!(result))
#define _assert_int_equal(a, b, ...) analyzed((a) == (b))
#define _fail(...) analyzed(0)
#endif

/* |a - b| <= eps, in double (cmocka's assert_float_equal casts to float). */
#define assert_near(a, b, eps)                                                                                         \
	do {                                                                                                           \
		double near_a_ = (a), near_b_ = (b);                                                                   \
		if (!(fabs(near_a_ - near_b_) <= (eps)))                                                               \
			fail_msg("%s = %.17g, %s = %.17g", #a, near_a_, #b, near_b_);                                  \
	} while (0)

#define assert_ok(expr) assert_int_equal((expr), 0)

#endif
