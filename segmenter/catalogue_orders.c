/* RFM features: from the orders stream alone. */
#include <math.h>

#include "segmenter/catalogue_table.h"

#define MICRO 1e6

static bool has_purchase(const struct seg_profile *p)
{
	return p->orders && p->orders->purchases > 0;
}

static double recency_days(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)arg;
	return has_purchase(p) ? seg_days_since(p->orders->last_ms, now_ms) : (double)NAN;
}

static double tenure_days(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)arg;
	return has_purchase(p) ? seg_days_since(p->orders->first_ms, now_ms) : (double)NAN;
}

static double frequency(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)now_ms, (void)arg;
	return p->orders ? (double)p->orders->purchases : 0;
}

/* Both sums are exact, and so is their difference: neither is ever negative. */
static double monetary(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)now_ms, (void)arg;
	return p->orders ? (double)(p->orders->purchased_micro - p->orders->refunded_micro) / MICRO : 0;
}

static double avg_order_value(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	return has_purchase(p) ? monetary(p, now_ms, arg) / (double)p->orders->purchases : (double)NAN;
}

static double interpurchase_days(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)now_ms, (void)arg;
	if (!has_purchase(p) || p->orders->days_len < 2)
		return (double)NAN;
	return seg_days_since(p->orders->first_ms, p->orders->last_ms) / (p->orders->days_len - 1);
}

static double orders_60d(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)arg;
	return p->orders ? seg_decayed1_at(&p->orders->decayed_60d, SEG_ORDERS_HALF_LIFE_DAYS * (double)SEG_DAY_MS,
					   now_ms)
			 : 0;
}

static double purchase_days(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)now_ms, (void)arg;
	return p->orders ? p->orders->days_len : 0;
}

static const struct seg_feature_entry entries[] = {
	{{"recency_days", "days", "Days since the last purchase; missing without one.", "rfm", "lapsing", "recent",
	  SEG_LOG1P, 0, 1500, true},
	 recency_days,
	 0},
	{{"frequency", "purchases", "Number of purchases.", "rfm", "frequent", "occasional", SEG_LOG1P, 0, 1000, false},
	 frequency,
	 0},
	{{"monetary", "money", "Purchases less refunds, in the base currency; can be negative.", "rfm", "high-value",
	  "low-value", SEG_LOG1P, -1000, 1e6, false},
	 monetary,
	 0},
	{{"avg_order_value", "money", "monetary / frequency; missing without a purchase.", "rfm", "big-basket",
	  "small-basket", SEG_LOG1P, -100, 1e5, false},
	 avg_order_value,
	 0},
	{{"tenure_days", "days", "Days since the first purchase; missing without one.", "rfm", "long-standing", "new",
	  SEG_LOG1P, 0, 6000, true},
	 tenure_days,
	 0},
	{{"interpurchase_days", "days",
	  "Days from the first to the last purchase / (distinct UTC days with a purchase - 1); missing below two such "
	  "days.",
	  "rfm", "slow to return", "quick to return", SEG_LOG1P, 0, 1500, false},
	 interpurchase_days,
	 0},
	{{"orders_60d", "purchases", "Purchases, decayed with a half-life of 60 days.", "rfm", "actively buying",
	  "not buying lately", SEG_LOG1P, 0, 200, false},
	 orders_60d,
	 0},
	{{"purchase_days", "days", "Distinct UTC days with a purchase, of the newest 1,024.", "rfm", "regular", "rare",
	  SEG_LOG1P, 0, SEG_PURCHASE_DAYS, false},
	 purchase_days,
	 0},
	{{"lifetime_value", "money",
	  "Purchases less refunds so far, and what BG/NBD and Gamma-Gamma, fitted at the promotion, expect within "
	  "lifetime_value.horizon; missing without a purchase.",
	  "rfm", "valuable", "of little value", SEG_LOG1P, -1000, 1e6, false},
	 NULL,
	 SEG_FITTED_LIFETIME_VALUE},
	{{"r_score", "quintile",
	  "Quintile of recency among all customers with a purchase at the promotion, 5 the most recent; ties get that "
	  "of "
	  "their middle rank; 0 without a purchase.",
	  "rfm", "recent", "lapsing", SEG_LINEAR, 0, 5, true},
	 NULL,
	 SEG_R_SCORE},
	{{"f_score", "quintile", "Quintile of frequency, as r_score; 5 the most frequent.", "rfm", "frequent",
	  "occasional", SEG_LINEAR, 0, 5, false},
	 NULL,
	 SEG_F_SCORE},
	{{"m_score", "quintile", "Quintile of monetary, as r_score; 5 the highest.", "rfm", "high-value", "low-value",
	  SEG_LINEAR, 0, 5, false},
	 NULL,
	 SEG_M_SCORE},
};

const struct seg_feature_group seg_features_rfm = {entries, sizeof(entries) / sizeof(entries[0])};
