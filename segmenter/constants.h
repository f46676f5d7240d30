/*
 * What features need beyond a profile and an instant: figures fitted over customers. They belong to a promotion, are fitted
 * at the refit on its sample, and a contribution names the promotion that it was evaluated under. Plain data.
 */
#ifndef SEG_SEGMENTER_CONSTANTS_H
#define SEG_SEGMENTER_CONSTANTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/profile.h"

enum seg_score { SEG_R_SCORE, SEG_F_SCORE, SEG_M_SCORE, SEG_SCORES };

/* First bins of the feature's grid (SEG_GRID_BINS bins of its transformed range) with quintile 2, 3, 4 and 5. */
struct seg_quintiles {
	uint16_t from[4];
};

/*
 * BG/NBD (Fader, Hardie & Lee 2005): while alive a customer buys at a Poisson rate that is gamma(r, alpha) over customers,
 * and leaves after a purchase with a probability that is beta(a, b). Time in weeks. Gamma-Gamma (Fader & Hardie 2013): the
 * spend of a purchase day is gamma(p, nu) with nu gamma(q, v) over customers. All > 0.
 */
struct seg_lifetime {
	bool counts, spend; /* fitted */
	double r, alpha, a, b;
	double p, q, v;
	double log_likelihood, spend_log_likelihood; /* of the fits, for people */
};

struct seg_constants {
	bool scores; /* fitted */
	struct seg_quintiles quintiles[SEG_SCORES];
	struct seg_lifetime lifetime;
	double horizon_weeks; /* of lifetime_value */
};

/* What of a customer these figures are fitted from and applied to. */
struct seg_buyer {
	double recency_days, frequency,
		monetary; /* as the features; recency NAN: no purchase, the rest is then nothing */
	double x;	  /* distinct purchase days after the first, as far as kept */
	double t_x, t;	  /* weeks from the first purchase day to the last, and to now's day; t >= t_x >= 0 */
	double spend;	  /* mean of a purchase day after the first; NAN: none, or unknown */
};
void seg_buyer_of(const struct seg_profile *p, int64_t now_ms, struct seg_buyer *ret);

/* Fits all over the buyers among rows; ret->horizon_weeks is given and stays. before: of the promotion before, where the search begins (NULL: nowhere). What
 * cannot be fitted (too few, all alike) is left as not fitted. SEG_NO_MEMORY; SEG_RETRY: cancelled. */
enum seg_rc seg_constants_fit(const struct seg_buyer *rows, size_t n, const struct seg_constants *before,
			      const atomic_bool *cancelled, struct seg_constants *ret,
			      struct seg_error *err) SEG_MUST_CHECK;

/* 1 to 5 by the mid-rank of the value's bin among all buyers (recency: the newest fifth is 5); 0: no purchase; NAN: not
 * fitted. */
double seg_score_of(const struct seg_constants *c, enum seg_score score, const struct seg_buyer *b);

/* Purchases less refunds so far, and what is expected within the horizon; NAN: no purchase or not fitted. */
double seg_lifetime_value(const struct seg_constants *c, const struct seg_buyer *b);

/* ---- lifetime.c */

/* Expected purchase days within the next `weeks` (equation 10 of the paper). >= 0. */
double seg_expected_purchases(const struct seg_lifetime *l, double x, double t_x, double t, double weeks);
/* Expected spend of a purchase day, given the mean of x days (x 0: of any customer). */
double seg_expected_spend(const struct seg_lifetime *l, double x, double mean);
/* Log-likelihoods of the buyers; those without a mean spend > 0 say nothing about spend. */
double seg_counts_log_likelihood(const struct seg_lifetime *l, const struct seg_buyer *rows, size_t n);
double seg_spend_log_likelihood(const struct seg_lifetime *l, const struct seg_buyer *rows, size_t n);
/* Maximum likelihood from `before` (or, if it is not fitted, from several points). Sets counts and spend. */
enum seg_rc seg_lifetime_fit(const struct seg_buyer *rows, size_t n, const struct seg_lifetime *before,
			     const atomic_bool *cancelled, struct seg_lifetime *ret,
			     struct seg_error *err) SEG_MUST_CHECK;

#endif
