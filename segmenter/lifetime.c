/*
 * Expected purchases and spend. Likelihoods and expectations as published: BG/NBD by Fader, Hardie & Lee, "Counting Your
 * Customers" the Easy Way, Marketing Science 2005 (equations 6 and 10); Gamma-Gamma by Fader & Hardie, "The Gamma-Gamma
 * Model of Monetary Value", 2013 (equations 1a and 5). Fitted by Nelder & Mead on the logarithms of the parameters.
 */
#include <math.h>
#include <nlopt.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/constants.h"

enum { LEAST_BUYERS = 30, LEAST_REPEATERS = 10, PARAMETERS_MAX = 4, EVALUATIONS = 3000, RESTARTS = 6 };

/* Of a logarithm: parameters beyond say that the data do not determine them. */
#define LOG_LEAST (-9.0)
#define LOG_MOST 12.0
/* Mean spend of a new customer is p v / (q - 1): it must exist. */
#define LOG_Q_LEAST 0.01

struct group { /* equal buyers */
	double x, t_x, t, mean, count;
};

struct groups {
	struct group *items;
	size_t len;
	const atomic_bool *cancelled;
};

/* ---- BG/NBD */

/* For one buyer; log of the sum in equation 6. */
static double counts_term(const struct seg_lifetime *l, double x, double t_x, double t)
{
	double a3 = -(l->r + x) * log(l->alpha + t), a4;

	if (x <= 0)
		return a3;
	a4 = log(l->a) - log(l->b + x - 1) - (l->r + x) * log(l->alpha + t_x);
	return a3 > a4 ? a3 + log1p(exp(a4 - a3)) : a4 + log1p(exp(a3 - a4));
}

/* What depends on x alone. */
static double counts_front(const struct seg_lifetime *l, double x)
{
	return lgamma(l->r + x) - lgamma(l->r) + l->r * log(l->alpha) + lgamma(l->a + l->b) + lgamma(l->b + x) -
	       lgamma(l->b) - lgamma(l->a + l->b + x);
}

/* Groups are ascending by x, so that the gamma functions are called once for each. */
static double counts_sum(const struct seg_lifetime *l, const struct groups *g)
{
	double sum = 0, front = 0, x = -1;

	for (size_t i = 0; i < g->len; i++) {
		if (g->items[i].x != x) {
			x = g->items[i].x;
			front = counts_front(l, x);
		}
		sum += g->items[i].count * (front + counts_term(l, x, g->items[i].t_x, g->items[i].t));
	}
	return sum;
}

/* Gauss' series of 2F1(a, b; c; z), 0 <= z < 1. */
static double hypergeometric(double a, double b, double c, double z)
{
	enum { TERMS = 20000 };
	double term = 1, sum = 1;

	if (c <= 0 && fabs(c - rint(c)) < 1e-9)
		c += 1e-6;
	for (int n = 0; n < TERMS; n++) {
		term *= (a + n) / (c + n) * (b + n) / (n + 1) * z;
		sum += term;
		if (fabs(term) < 1e-14 * fabs(sum))
			break;
	}
	return sum;
}

/* With Euler's transformation of 2F1: what is left converges fast also for many purchases and long horizons. */
double seg_expected_purchases(const struct seg_lifetime *l, double x, double t_x, double t, double weeks)
{
	double a = fabs(l->a - 1) < 1e-6 ? 1 + 1e-6 : l->a, c = a + l->b + x - 1, z, left, alive = 1, expected;

	if (!(weeks > 0))
		return 0;
	z = weeks / (l->alpha + t + weeks);
	left = 1 - pow(1 - z, a - 1) * hypergeometric(a + l->b - 1 - l->r, a - 1, c, z);
	if (x > 0)
		alive += a / (l->b + x - 1) * pow((l->alpha + t) / (l->alpha + t_x), l->r + x);
	expected = c / (a - 1) * left / alive;
	return expected > 0 ? expected : 0;
}

double seg_counts_log_likelihood(const struct seg_lifetime *l, const struct seg_buyer *rows, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (!isnan(rows[i].recency_days))
			sum += counts_front(l, rows[i].x) + counts_term(l, rows[i].x, rows[i].t_x, rows[i].t);
	return sum;
}

/* ---- Gamma-Gamma */

static bool has_spend(const struct seg_buyer *b)
{
	return !isnan(b->recency_days) && b->x > 0 && b->spend > 0;
}

static double spend_term(const struct seg_lifetime *l, double x, double mean)
{
	double px = l->p * x;

	return lgamma(px + l->q) - lgamma(px) - lgamma(l->q) + l->q * log(l->v) + (px - 1) * log(mean) + px * log(x) -
	       (px + l->q) * log(x * mean + l->v);
}

static double spend_sum(const struct seg_lifetime *l, const struct groups *g)
{
	double sum = 0;

	for (size_t i = 0; i < g->len; i++)
		sum += g->items[i].count * spend_term(l, g->items[i].x, g->items[i].mean);
	return sum;
}

double seg_spend_log_likelihood(const struct seg_lifetime *l, const struct seg_buyer *rows, size_t n)
{
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		if (has_spend(&rows[i]))
			sum += spend_term(l, rows[i].x, rows[i].spend);
	return sum;
}

double seg_expected_spend(const struct seg_lifetime *l, double x, double mean)
{
	if (!(x > 0) || isnan(mean))
		x = mean = 0;
	return l->p * (l->v + x * mean) / (l->p * x + l->q - 1);
}

/* ---- fitting */

static int compare(const void *a, const void *b)
{
	const struct group *x = a, *y = b;
	const double d[] = {x->x - y->x, x->t_x - y->t_x, x->t - y->t, x->mean - y->mean};

	for (size_t i = 0; i < sizeof(d) / sizeof(d[0]); i++)
		if (d[i] != 0)
			return d[i] > 0 ? 1 : -1;
	return 0;
}

/* Equal ones together. */
static void merge_equal(struct groups *g)
{
	size_t len = 0;

	qsort(g->items, g->len, sizeof(*g->items), compare);
	for (size_t i = 0; i < g->len; i++) {
		if (len > 0 && compare(&g->items[len - 1], &g->items[i]) == 0)
			g->items[len - 1].count += g->items[i].count;
		else
			g->items[len++] = g->items[i];
	}
	g->len = len;
}

static double counts_objective(unsigned n, const double *at, double *gradient, void *data)
{
	const struct groups *g = data;
	struct seg_lifetime l = {.r = exp(at[0]), .alpha = exp(at[1]), .a = exp(at[2]), .b = exp(at[3])};
	double value = counts_sum(&l, g);

	(void)n, (void)gradient;
	return isfinite(value) ? value : -HUGE_VAL;
}

static double spend_objective(unsigned n, const double *at, double *gradient, void *data)
{
	const struct groups *g = data;
	struct seg_lifetime l = {.p = exp(at[0]), .q = exp(at[1]), .v = exp(at[2])};
	double value = spend_sum(&l, g);

	(void)n, (void)gradient;
	return isfinite(value) ? value : -HUGE_VAL;
}

static bool is_cancelled(const atomic_bool *cancelled)
{
	return cancelled && atomic_load_explicit(cancelled, memory_order_relaxed);
}

/* The top from `at`, which becomes where it is; begun anew there until that gains nothing. */
static double climb(nlopt_opt opt, double *at, unsigned n, const struct groups *g)
{
	double best = -HUGE_VAL, value = -HUGE_VAL;

	for (int i = 0; i < RESTARTS && !is_cancelled(g->cancelled); i++) {
		double step[PARAMETERS_MAX], was = best;
		for (unsigned j = 0; j < n; j++)
			step[j] = i ? 0.1 : 0.5;
		nlopt_set_initial_step(opt, step);
		if (nlopt_optimize(opt, at, &value) < 0)
			break;
		best = value;
		if (best - was < 1e-6 * fmax(1, fabs(best)) * 1e-3)
			break;
	}
	return best;
}

/* The highest of the tops from `starts` (rows of n); false: none that lies inside the bounds. */
static bool highest(nlopt_func f, struct groups *g, unsigned n, const double (*starts)[PARAMETERS_MAX],
		    size_t starts_len, const double *lower, double *ret, double *ret_value)
{
	nlopt_opt opt = nlopt_create(NLOPT_LN_NELDERMEAD, n);
	double best = -HUGE_VAL;
	bool inside = true;

	if (!opt)
		return false;
	nlopt_set_max_objective(opt, f, g);
	nlopt_set_lower_bounds(opt, lower);
	nlopt_set_upper_bounds1(opt, LOG_MOST);
	nlopt_set_xtol_abs1(opt, 1e-6);
	nlopt_set_maxeval(opt, EVALUATIONS);
	for (size_t s = 0; s < starts_len; s++) {
		double at[PARAMETERS_MAX], value;
		for (unsigned j = 0; j < n; j++)
			at[j] = fmin(fmax(starts[s][j], lower[j] + 1e-3), LOG_MOST - 1e-3);
		value = climb(opt, at, n, g);
		if (value > best) {
			best = value;
			memcpy(ret, at, n * sizeof(*ret));
		}
	}
	nlopt_destroy(opt);
	for (unsigned j = 0; j < n && best > -HUGE_VAL; j++)
		inside = inside && ret[j] > lower[j] + 1e-2 && ret[j] < LOG_MOST - 1e-2;
	*ret_value = best;
	return best > -HUGE_VAL && inside;
}

static void fit_counts(struct groups *g, const struct seg_lifetime *before, struct seg_lifetime *ret)
{
	static const double lower[] = {LOG_LEAST, LOG_LEAST, LOG_LEAST, LOG_LEAST};
	double starts[3][PARAMETERS_MAX] = {{0, 1, 0, 0.5}, {-1.4, 1.5, -0.3, 0.9}, {0.5, 3, -1, 1}},
	       at[PARAMETERS_MAX] = {0};
	size_t starts_len = 3;

	if (before && before->counts) {
		const double known[] = {log(before->r), log(before->alpha), log(before->a), log(before->b)};
		memcpy(starts[0], known, sizeof(known));
		starts_len = 1;
	}
	ret->counts = highest(counts_objective, g, 4, (const double(*)[PARAMETERS_MAX])starts, starts_len, lower, at,
			      &ret->log_likelihood);
	if (!ret->counts)
		return;
	ret->r = exp(at[0]);
	ret->alpha = exp(at[1]);
	ret->a = exp(at[2]);
	ret->b = exp(at[3]);
}

static void fit_spend(struct groups *g, const struct seg_lifetime *before, struct seg_lifetime *ret)
{
	static const double lower[] = {LOG_LEAST, LOG_Q_LEAST, LOG_LEAST};
	double starts[2][PARAMETERS_MAX] = {{1.5, 1.2, 2.5}, {0.5, 0.7, 4}}, at[PARAMETERS_MAX] = {0};
	size_t starts_len = 2;

	if (before && before->spend) {
		const double known[] = {log(before->p), log(before->q), log(before->v)};
		memcpy(starts[0], known, sizeof(known));
		starts_len = 1;
	}
	ret->spend = highest(spend_objective, g, 3, (const double(*)[PARAMETERS_MAX])starts, starts_len, lower, at,
			     &ret->spend_log_likelihood);
	if (!ret->spend)
		return;
	ret->p = exp(at[0]);
	ret->q = exp(at[1]);
	ret->v = exp(at[2]);
}

enum seg_rc seg_lifetime_fit(const struct seg_buyer *rows, size_t n, const struct seg_lifetime *before,
			     const atomic_bool *cancelled, struct seg_lifetime *ret, struct seg_error *err)
{
	struct groups counts = {malloc((n + 1) * sizeof(struct group)), 0, cancelled};
	struct groups spends = {malloc((n + 1) * sizeof(struct group)), 0, cancelled};
	size_t repeaters = 0;
	enum seg_rc rc = SEG_OK;

	memset(ret, 0, sizeof(*ret));
	if (!counts.items || !spends.items) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "lifetime value: out of memory (%zu customers)", n);
		goto out;
	}
	for (size_t i = 0; i < n; i++) {
		const struct seg_buyer *b = &rows[i];
		if (isnan(b->recency_days))
			continue;
		repeaters += b->x > 0;
		counts.items[counts.len++] = (struct group){b->x, b->t_x, b->t, 0, 1};
		if (has_spend(b))
			spends.items[spends.len++] = (struct group){b->x, 0, 0, b->spend, 1};
	}
	if (counts.len >= LEAST_BUYERS && repeaters >= LEAST_REPEATERS) {
		merge_equal(&counts);
		fit_counts(&counts, before, ret);
	}
	if (spends.len >= LEAST_REPEATERS) {
		merge_equal(&spends);
		fit_spend(&spends, before, ret);
	}
	if (is_cancelled(cancelled))
		rc = seg_error_set(err, SEG_RETRY, "lifetime value: cancelled");
out:
	free(counts.items);
	free(spends.items);
	return rc;
}
