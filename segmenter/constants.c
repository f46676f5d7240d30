#include "segmenter/constants.h"

#include <math.h>
#include <string.h>

#include "segmenter/catalogue.h"

#define MICRO 1e6
#define WEEK_DAYS 7.0

static int64_t day_of(int64_t time_ms)
{
	int64_t day = time_ms / SEG_DAY_MS;

	return time_ms % SEG_DAY_MS < 0 ? day - 1 : day;
}

void seg_buyer_of(const struct seg_profile *p, int64_t now_ms, struct seg_buyer *ret)
{
	const struct seg_orders *o = p->orders;
	double first, last, now;

	*ret = (struct seg_buyer){.recency_days = NAN, .spend = NAN};
	if (!o || o->purchases == 0)
		return;
	ret->recency_days = ((double)now_ms - (double)o->last_ms) / (double)SEG_DAY_MS;
	if (ret->recency_days < 0)
		ret->recency_days = 0;
	ret->frequency = (double)o->purchases;
	ret->monetary = (double)(o->purchased_micro - o->refunded_micro) / MICRO;
	first = (double)day_of(o->first_ms);
	last = (double)day_of(o->last_ms);
	now = (double)day_of(now_ms);
	ret->x = o->days_len > 1 ? o->days_len - 1 : 0;
	ret->t_x = (last - first) / WEEK_DAYS;
	ret->t = (now > last ? now - first : last - first) / WEEK_DAYS;
	if (ret->x > 0 && o->first_day_micro != SEG_UNKNOWN_MONEY)
		ret->spend = (double)(o->purchased_micro - o->first_day_micro) / MICRO / ret->x;
}

/* ---- quintiles */

static double value_of(const struct seg_buyer *b, enum seg_score score)
{
	switch (score) {
	case SEG_R_SCORE:
		return b->recency_days;
	case SEG_F_SCORE:
		return b->frequency;
	case SEG_M_SCORE:
		return b->monetary;
	case SEG_SCORES:
		break;
	}
	return NAN;
}

/* The bin of the feature's own grid, as the sums have it. */
static unsigned bin_of(enum seg_score score, double value)
{
	static const char *const names[SEG_SCORES] = {"recency_days", "frequency", "monetary"};
	int found = (unsigned)score < SEG_SCORES ? seg_catalogue_find(names[score]) : -1;
	const struct seg_feature_def *def;
	double lo, hi, at;

	if (found < 0)
		return 0;
	def = seg_catalogue_at((size_t)found);
	lo = seg_transform_apply(def->transform, def->lo);
	hi = seg_transform_apply(def->transform, def->hi);
	at = (seg_transform_apply(def->transform, value) - lo) / (hi - lo) * SEG_GRID_BINS;
	if (!(at > 0))
		return 0;
	return at < SEG_GRID_BINS ? (unsigned)at : SEG_GRID_BINS - 1;
}

static bool fit_quintiles(const struct seg_buyer *rows, size_t n, enum seg_score score, struct seg_quintiles *ret)
{
	uint64_t histogram[SEG_GRID_BINS] = {0}, total = 0, below = 0;
	unsigned next = 0;

	for (size_t i = 0; i < n; i++) {
		if (isnan(rows[i].recency_days))
			continue;
		histogram[bin_of(score, value_of(&rows[i], score))]++;
		total++;
	}
	for (unsigned bin = 0; bin < SEG_GRID_BINS && total; bin++) {
		/* Mid-rank of the bin, in tenths of the total. */
		uint64_t middle = 10 * below + 5 * histogram[bin];
		while (next < 4 && histogram[bin] && middle >= 2 * (next + 1) * total)
			ret->from[next++] = (uint16_t)bin;
		below += histogram[bin];
	}
	while (next < 4)
		ret->from[next++] = SEG_GRID_BINS;
	return total > 0;
}

double seg_score_of(const struct seg_constants *c, enum seg_score score, const struct seg_buyer *b)
{
	unsigned bin, quintile = 1;

	if (isnan(b->recency_days))
		return 0;
	if (!c || !c->scores)
		return NAN;
	bin = bin_of(score, value_of(b, score));
	for (unsigned i = 0; i < 4; i++)
		quintile += bin >= c->quintiles[score].from[i];
	return score == SEG_R_SCORE ? 6 - quintile : quintile;
}

double seg_lifetime_value(const struct seg_constants *c, const struct seg_buyer *b)
{
	const struct seg_lifetime *l = c ? &c->lifetime : NULL;

	if (isnan(b->recency_days) || !l || !l->counts || !l->spend)
		return NAN;
	return b->monetary +
	       seg_expected_purchases(l, b->x, b->t_x, b->t, c->horizon_weeks) * seg_expected_spend(l, b->x, b->spend);
}

enum seg_rc seg_constants_fit(const struct seg_buyer *rows, size_t n, const struct seg_constants *before,
			      const atomic_bool *cancelled, struct seg_constants *ret, struct seg_error *err)
{
	double horizon = ret->horizon_weeks;

	memset(ret, 0, sizeof(*ret));
	ret->horizon_weeks = horizon;
	ret->scores = true;
	for (unsigned s = 0; s < SEG_SCORES; s++)
		ret->scores = fit_quintiles(rows, n, (enum seg_score)s, &ret->quintiles[s]) && ret->scores;
	return seg_lifetime_fit(rows, n, before ? &before->lifetime : NULL, cancelled, &ret->lifetime, err);
}
