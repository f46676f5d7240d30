/*
 * Regularised incomplete gamma function: below a + 1 the series P(a, x) = x^a e^-x / Γ(a + 1) · Σ x^n / ((a+1)…(a+n))
 * (DLMF 8.11.4), above it the continued fraction of Q(a, x) (DLMF 8.9.2) by Lentz's method as modified by Thompson &
 * Barnett (1986).
 */
#include "segmenter/chi2.h"

#include <float.h>
#include <math.h>

enum { TERMS = 100000 };

/* lgamma() writes a global; this does not. */
static double log_gamma(double a)
{
	int sign;

	return lgamma_r(a, &sign);
}

static double series(double a, double x)
{
	double term = 1, sum = 1;

	for (int n = 1; n < TERMS && term > sum * DBL_EPSILON / 4; n++) {
		term *= x / (a + n);
		sum += term;
	}
	return sum * exp(a * log(x) - x - log_gamma(a + 1));
}

static double fraction(double a, double x)
{
	const double tiny = DBL_MIN / DBL_EPSILON;
	double b = x + 1 - a, c = 1 / tiny, d = 1 / b, h = d;

	for (int n = 1; n < TERMS; n++) {
		double an = -n * (n - a), step;
		b += 2;
		d = an * d + b;
		d = 1 / (fabs(d) < tiny ? tiny : d);
		c = b + an / c;
		c = fabs(c) < tiny ? tiny : c;
		step = c * d;
		h *= step;
		if (fabs(step - 1) < DBL_EPSILON)
			break;
	}
	return h * exp(a * log(x) - x - log_gamma(a));
}

double seg_chi2_above(double x, double df)
{
	double a = df / 2;

	if (isnan(x) || isnan(df))
		return NAN;
	if (x <= 0)
		return 1;
	x /= 2;
	if (isinf(x))
		return 0;
	return x < a + 1 ? 1 - series(a, x) : fraction(a, x);
}

double seg_chi2_critical(double p, double df)
{
	double lo = 0, hi = df + 10;

	while (seg_chi2_above(hi, df) > p)
		hi *= 2;
	for (int i = 0; i < 200; i++) {
		double mid = lo + (hi - lo) / 2;
		if (mid <= lo || mid >= hi)
			break;
		if (seg_chi2_above(mid, df) > p)
			lo = mid;
		else
			hi = mid;
	}
	return hi;
}
