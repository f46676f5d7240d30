/* Behaviour features: from the web stream. */
#include <math.h>

#include "segmenter/catalogue_table.h"

/* Prior of the abandonment rate: two carts of which six tenths of a purchase came, that is 70 % abandoned. */
#define ABANDON_PURCHASES 0.6
#define ABANDON_CARTS 2.0

static double web_kind(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	return p->web ? seg_decayed_at(&p->web->kinds[SEG_ARG_KIND(arg)], SEG_ARG_HALF_LIFE(arg), now_ms) : 0;
}

static double web_recency_days(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)arg;
	return p->web && p->web->last_ms != SEG_NO_TIME ? seg_days_since(p->web->last_ms, now_ms) : (double)NAN;
}

struct sessions {
	unsigned runs, buckets;
};

/* Runs of the bitmap's bits that are younger than 30 days at now_ms. Bit i is the bucket `anchor - i`; a run begins
 * where the next older bucket is empty or lies beyond. */
static struct sessions count_sessions(const struct seg_web *w, int64_t now_ms)
{
	int64_t bucket_ms = SEG_SESSION_MINUTES * INT64_C(60000);
	int64_t now = now_ms / bucket_ms - (now_ms % bucket_ms < 0);
	int64_t age = now > w->session_anchor ? now - w->session_anchor : 0;
	struct sessions s = {0, 0};

	if (w->last_ms == SEG_NO_TIME || age >= SEG_SESSION_BUCKETS)
		return s;
	unsigned bits = (unsigned)(SEG_SESSION_BUCKETS - age), words = (bits + 63) / 64;
	uint64_t last_mask = bits % 64 ? (UINT64_C(1) << bits % 64) - 1 : UINT64_MAX;
	for (unsigned i = 0; i < words; i++) {
		uint64_t here = w->session_bits[i], older = i + 1 < words ? w->session_bits[i + 1] : 0;
		if (i + 1 == words)
			here &= last_mask;
		if (here == 0)
			continue;
		s.buckets += (unsigned)__builtin_popcountll(here);
		s.runs += (unsigned)__builtin_popcountll(here & ~(here >> 1 | older << 63));
	}
	return s;
}

static double sessions_30d(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)arg;
	return p->web ? count_sessions(p->web, now_ms).runs : 0;
}

static double session_minutes(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	struct sessions s = {0, 0};

	(void)arg;
	if (p->web)
		s = count_sessions(p->web, now_ms);
	return s.runs ? (double)s.buckets * SEG_SESSION_MINUTES / s.runs : (double)NAN;
}

static double cart_abandonment_rate(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	double purchases = web_kind(p, now_ms, SEG_KIND_ARG(SEG_WEB_PURCHASE, SEG_30D));
	double carts = web_kind(p, now_ms, SEG_KIND_ARG(SEG_WEB_CART_ADD, SEG_30D));

	(void)arg;
	return 1 - fmin(1, (purchases + ABANDON_PURCHASES) / (carts + ABANDON_CARTS));
}

/* Steady traffic of r events a day has a decayed count of r * half-life / ln 2. */
static double web_rate(const struct seg_profile *p, int64_t now_ms, unsigned half_life)
{
	double count = 0;

	for (unsigned kind = 1; kind < SEG_WEB_KINDS; kind++)
		count += seg_decayed_at(&p->web->kinds[kind], half_life, now_ms);
	return count * M_LN2 * (double)SEG_DAY_MS / seg_half_life_ms[half_life];
}

static double engagement_trend(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)arg;
	return p->web ? log((web_rate(p, now_ms, SEG_7D) + 1) / (web_rate(p, now_ms, SEG_30D) + 1)) : 0;
}

/* A share does not depend on now: seen from the last event nothing underflows. */
static double share(const struct seg_decayed1 *counts, unsigned len, unsigned which, int64_t at_ms)
{
	double total = 0, part = 0;

	for (unsigned i = 0; i < len; i++) {
		double count = seg_decayed1_at(&counts[i], SEG_HABIT_HALF_LIFE_DAYS * (double)SEG_DAY_MS, at_ms);
		total += count;
		if (i == which)
			part = count;
	}
	return total > 0 ? part / total : (double)NAN;
}

static double device_share(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)now_ms;
	return p->web ? share(p->web->devices, SEG_DEVICES, arg, p->web->last_ms) : (double)NAN;
}

static double day_part_share(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)now_ms;
	return p->web ? share(p->web->day_parts, SEG_DAY_PARTS, arg, p->web->last_ms) : (double)NAN;
}

#define KIND_1(kind, name, text, more, less, hi, days, index)                                                          \
	{                                                                                                              \
		{name "_" #days "d",                                                                                   \
		 "events",                                                                                             \
		 text ", decayed with a half-life of " #days " d.",                                                    \
		 "behaviour",                                                                                          \
		 more,                                                                                                 \
		 less,                                                                                                 \
		 SEG_LOG1P,                                                                                            \
		 0,                                                                                                    \
		 hi,                                                                                                   \
		 false},                                                                                               \
			web_kind, SEG_KIND_ARG(kind, index)                                                            \
	}
#define KIND(kind, name, text, more, less, hi)                                                                         \
	KIND_1(kind, name, text, more, less, hi, 1, SEG_1D), KIND_1(kind, name, text, more, less, hi, 7, SEG_7D),      \
		KIND_1(kind, name, text, more, less, hi, 30, SEG_30D)
#define DEVICE(device, name, text, more, less)                                                                         \
	{                                                                                                              \
		{"device_" name "_share",                                                                              \
		 "share",                                                                                              \
		 "Share of " text " among web events that name a device (half-life 30 d); missing without one.",       \
		 "behaviour",                                                                                          \
		 more,                                                                                                 \
		 less,                                                                                                 \
		 SEG_LINEAR,                                                                                           \
		 0,                                                                                                    \
		 1,                                                                                                    \
		 false},                                                                                               \
			device_share, device                                                                           \
	}
#define DAY_PART(part, hours, text, more, less)                                                                        \
	{                                                                                                              \
		{"hours_" hours "_share",                                                                              \
		 "share",                                                                                              \
		 "Share of web events in the hours " text " UTC (half-life 30 d); missing without one.",               \
		 "behaviour",                                                                                          \
		 more,                                                                                                 \
		 less,                                                                                                 \
		 SEG_LINEAR,                                                                                           \
		 0,                                                                                                    \
		 1,                                                                                                    \
		 false},                                                                                               \
			day_part_share, part                                                                           \
	}

static const struct seg_feature_entry entries[] = {
	KIND(SEG_WEB_PAGE_VIEW, "page_views", "Page views", "browsing a lot", "browsing little", 5000),
	KIND(SEG_WEB_PRODUCT_VIEW, "product_views", "Product views", "product-curious", "few product views", 3000),
	KIND(SEG_WEB_SEARCH, "searches", "Searches", "searching a lot", "rarely searching", 1000),
	KIND(SEG_WEB_CART_ADD, "carts", "Products put into the cart", "cart-filling", "rarely filling a cart", 500),
	KIND(SEG_WEB_CART_REMOVE, "cart_removes", "Products taken out of the cart", "cart-emptying",
	     "rarely emptying a cart", 500),
	KIND(SEG_WEB_CHECKOUT, "checkouts", "Checkouts begun", "checking out often", "rarely checking out", 200),
	KIND(SEG_WEB_PURCHASE, "web_purchases", "Purchases seen on the web site", "buying online", "not buying online",
	     200),
	KIND(SEG_WEB_LOGIN, "logins", "Logins", "logging in often", "rarely logging in", 500),
	{{"web_recency_days", "days", "Days since the last web event; missing without one.", "behaviour", "gone quiet",
	  "recently on site", SEG_LOG1P, 0, 1500, true},
	 web_recency_days,
	 0},
	{{"sessions_30d", "sessions", "Sessions of the last 30 days: runs of 30-minute intervals with a web event.",
	  "behaviour", "visiting often", "visiting rarely", SEG_LOG1P, 0, 720, false},
	 sessions_30d,
	 0},
	{{"session_minutes", "minutes",
	  "Mean length of the sessions of the last 30 days, in whole 30-minute intervals; missing without one.",
	  "behaviour", "staying long", "short visits", SEG_LOG1P, 0, 600, false},
	 session_minutes,
	 0},
	{{"cart_abandonment_rate", "share",
	  "1 - min(1, (web purchases + 0.6) / (carts + 2)), 30-day counts: 0.7 without any.", "behaviour",
	  "abandoning carts", "completing carts", SEG_LINEAR, 0, 1, false},
	 cart_abandonment_rate,
	 0},
	{{"engagement_trend", "log ratio",
	  "log((7-day rate + 1) / (30-day rate + 1)), web events a day: above 0 rising, below 0 falling.", "behaviour",
	  "warming up", "cooling down", SEG_LINEAR, -4, 4, false},
	 engagement_trend,
	 0},
	DEVICE(SEG_DEVICE_DESKTOP, "desktop", "desktop computers", "desktop", "away from desktop"),
	DEVICE(SEG_DEVICE_MOBILE, "mobile", "mobile phones", "mobile", "rarely mobile"),
	DEVICE(SEG_DEVICE_TABLET, "tablet", "tablets", "tablet", "rarely tablet"),
	DEVICE(SEG_DEVICE_APP, "app", "the app", "app-using", "rarely in the app"),
	DEVICE(SEG_DEVICE_OTHER, "other", "other devices", "other-device", "rarely on other devices"),
	DAY_PART(0, "00_06", "00 to 06", "night-time", "rarely at night"),
	DAY_PART(1, "06_12", "06 to 12", "morning", "rarely in the morning"),
	DAY_PART(2, "12_18", "12 to 18", "afternoon", "rarely in the afternoon"),
	DAY_PART(3, "18_24", "18 to 24", "evening", "rarely in the evening"),
};

const struct seg_feature_group seg_features_behaviour = {entries, sizeof(entries) / sizeof(entries[0])};
