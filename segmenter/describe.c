#include "segmenter/describe.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "segmenter/catalogue.h"

/* z-scores from which a value is worth a word. */
#define SOME 0.5
#define MUCH 1.2

/* Purchases below which a segment has mostly not bought. */
#define SELDOM 0.5

enum { TRAITS = 6, PHRASE = 160 };

/* Days in the unit people would say them in. */
static void say_days(double days, char *ret, size_t size)
{
	if (days < 1.5)
		snprintf(ret, size, "%s", days < 0.5 ? "less than a day" : "1 day");
	else if (days < 60)
		snprintf(ret, size, "%.0f days", days);
	else if (days < 730)
		snprintf(ret, size, "%.0f days (%.0f months)", days, days / 30.44);
	else
		snprintf(ret, size, "%.1f years", days / 365.25);
}

/* Two digits that matter, more below 100: 1200, 41, 3.1, 3, 0.04. */
static void say_number(double x, char *ret, size_t size)
{
	double magnitude = fabs(x);
	double step = magnitude < 100 || magnitude >= 1e15 ? 0 : pow(10, floor(log10(magnitude)) - 1);
	if (step > 0)
		snprintf(ret, size, "%.0f", round(x / step) * step);
	else if (magnitude >= 9.95 && magnitude < 100)
		snprintf(ret, size, "%.0f", x);
	else
		snprintf(ret, size, "%.2g", x);
}

static void say_times(double times, char *ret, size_t size)
{
	if (times < 1.25)
		snprintf(ret, size, "once");
	else if (times < 1.75)
		snprintf(ret, size, "once or twice");
	else if (times < 2.5)
		snprintf(ret, size, "twice");
	else
		snprintf(ret, size, "%.0f times", times);
}

/* How the value compares, in the words of its feature. */
struct comparison {
	const char *feature, *more, *less;
};
static const struct comparison comparisons[] = {
	{"recency_days", "longer ago than most", "more recently than most"},
	{"tenure_days", "longer ago than most", "more recently than most"},
	{"frequency", "more often than most", "less often than most"},
};

static const char *compared(const struct seg_trait *t, char *ret, size_t size)
{
	const char *more = "more than most", *less = "less than most";
	for (size_t i = 0; i < sizeof(comparisons) / sizeof(comparisons[0]); i++) {
		if (strcmp(comparisons[i].feature, t->feature) == 0) {
			more = comparisons[i].more;
			less = comparisons[i].less;
		}
	}
	if (!(fabs(t->zscore) >= SOME))
		return "";
	snprintf(ret, size, " (%s%s)", fabs(t->zscore) >= MUCH ? "much " : "", t->zscore > 0 ? more : less);
	return ret;
}

/* "page_views_30d" → "page views 30d": features that have no phrase of their own. */
static void say_feature(const char *feature, double value, char *ret, size_t size)
{
	char name[SEG_FEATURE_NAME_MAX], n[48];
	int at = seg_catalogue_find(feature);
	const char *unit = at >= 0 ? seg_catalogue_at((size_t)at)->unit : "";
	snprintf(name, sizeof(name), "%s", strncmp(feature, "attr:", 5) ? feature : feature + 5);
	for (char *c = name; *c; c++)
		if (*c == '_')
			*c = ' ';
	size_t len = strlen(name);
	if (len > 5 && strcmp(name + len - 5, " days") == 0)
		name[len - 5] = 0;
	if (strcmp(unit, "share") == 0) {
		snprintf(ret, size, "have %s of %.0f %%", name, value * 100);
	} else if (strcmp(unit, "days") == 0) {
		say_days(value, n, sizeof(n));
		snprintf(ret, size, "have %s of %s", name, n);
	} else {
		say_number(value, n, sizeof(n));
		bool named = strcmp(unit, "hours") == 0 || strcmp(unit, "minutes") == 0;
		snprintf(ret, size, "have %s of %s%s%s", name, n, named ? " " : "", named ? unit : "");
	}
}

static void say_money(double money, const char *of_what, char *ret, size_t size)
{
	char n[64];
	say_number(money, n, sizeof(n));
	if (money < 1)
		snprintf(ret, size, "got back what they paid, or more (%s %s)", n, of_what);
	else
		snprintf(ret, size, "spent %s %s", n, of_what);
}

static void say_trait(const struct seg_trait *t, char *ret, size_t size)
{
	char n[64], comparison[64];
	if (strcmp(t->feature, "recency_days") == 0 || strcmp(t->feature, "tenure_days") == 0) {
		say_days(t->value, n, sizeof(n));
		snprintf(ret, size, "%s bought %s ago", t->feature[0] == 'r' ? "last" : "first", n);
	} else if (strcmp(t->feature, "frequency") == 0 && t->value < SELDOM) {
		snprintf(ret, size, "bought nothing or at most once");
	} else if (strcmp(t->feature, "frequency") == 0) {
		say_times(t->value, n, sizeof(n));
		snprintf(ret, size, "bought %s", n);
	} else if (strcmp(t->feature, "monetary") == 0) {
		say_money(t->value, "in all", ret, size);
	} else if (strcmp(t->feature, "avg_order_value") == 0) {
		say_money(t->value, "a purchase", ret, size);
	} else if (strcmp(t->feature, "orders_60d") == 0) {
		say_number(t->value, n, sizeof(n));
		snprintf(ret, size, "have %s purchases lately", n);
	} else {
		say_feature(t->feature, t->value, ret, size);
	}
	size_t at = strlen(ret);
	if (at < size)
		snprintf(ret + at, size - at, "%s", compared(t, comparison, sizeof(comparison)));
}

/* Who has hardly bought: what their purchases were like is true of few of them. */
static bool is_of_purchases(const struct seg_trait *t)
{
	static const char *const names[] = {"recency_days", "tenure_days", "avg_order_value", "orders_60d",
					    "interpurchase_days"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(names[i], t->feature) == 0)
			return true;
	return false;
}

static bool hardly_bought(const struct seg_trait *traits, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		if (strcmp(traits[i].feature, "frequency") == 0)
			return traits[i].value < SELDOM;
	return false;
}

/* One of the TRAITS with the largest |z|; of equal ones the first. */
static bool is_told(const struct seg_trait *traits, uint32_t len, uint32_t i)
{
	uint32_t stronger = 0;
	if (!isfinite(traits[i].value) || !isfinite(traits[i].zscore))
		return false;
	for (uint32_t j = 0; j < len; j++) {
		double a = fabs(traits[j].zscore), b = fabs(traits[i].zscore);
		stronger += isfinite(traits[j].value) && (a > b || (a == b && j < i));
	}
	return stronger < TRAITS;
}

void seg_traits_describe(const struct seg_trait *traits, uint32_t len, char *ret, size_t size)
{
	uint32_t said = 0;
	bool seldom = hardly_bought(traits, len);
	size_t at = (size_t)snprintf(ret, size, "Customers who typically ");
	if (at >= size)
		return;
	for (uint32_t i = 0; i < len; i++) {
		char phrase[PHRASE + 64];
		if (!is_told(traits, len, i) || (seldom && is_of_purchases(&traits[i])))
			continue;
		say_trait(&traits[i], phrase, sizeof(phrase));
		if (at + strlen(phrase) + 4 >= size)
			break;
		at += (size_t)snprintf(ret + at, size - at, "%s%s", said++ ? ", " : "", phrase);
	}
	if (said)
		snprintf(ret + at, size - at, ".");
	else
		snprintf(ret, size, "Customers of whom nothing is known.");
}

void seg_segment_describe(const struct seg_model *m, uint32_t index, const double *zscores, char *ret, size_t size)
{
	struct seg_trait traits[SEG_MAX_FEATURES];
	for (uint32_t j = 0; j < m->d; j++) {
		double centroid = m->centroids[(size_t)index * m->d + j];
		const struct seg_basis_feature *f = &m->basis.features[j];
		traits[j] = (struct seg_trait){
			.feature = f->config.name,
			.value = isnan(centroid) ? (double)NAN : seg_basis_invert(f, centroid),
			.zscore = zscores[(size_t)index * m->d + j],
		};
	}
	seg_traits_describe(traits, m->d, ret, size);
}
