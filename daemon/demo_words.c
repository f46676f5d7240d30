#include "daemon/demo_words.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "segmenter/catalogue.h"

enum { SHOWN_DRIVERS = 2 };

static const struct seg_feature_def *definition(struct seg_str feature)
{
	char name[SEG_FEATURE_NAME_MAX];
	if (feature.len >= sizeof(name))
		return NULL;
	snprintf(name, sizeof(name), SEG_STR_FMT, SEG_STR_ARG(feature));
	int i = seg_catalogue_find(name);
	return i < 0 ? NULL : seg_catalogue_at((size_t)i);
}

static void cut_end(char *text, const char *end)
{
	size_t len = strlen(text), n = strlen(end);
	if (len > n && strcmp(text + len - n, end) == 0)
		text[len - n] = 0;
}

void seg_words_feature(struct seg_str feature, char *ret, size_t size)
{
	static const struct {
		const char *feature, *words;
	} names[] = {
		{"monetary", "spending"},
		{"avg_order_value", "order value"},
		{"recency_days", "last order"},
		{"tenure_days", "first order"},
		{"orders_60d", "orders lately"},
		{"web_recency_days", "last visit"},
		{"email_recency_days", "last mail read"},
		{"engagement_trend", "trend"},
		{"cart_abandonment_rate", "carts left"},
		{"emails_delivered_30d", "mails got"},
		{"open_latency_hours", "time to open"},
		{"session_minutes", "visit length"},
	};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (seg_str_is(feature, names[i].feature)) {
			snprintf(ret, size, "%s", names[i].words);
			return;
		}
	}
	snprintf(ret, size, SEG_STR_FMT, SEG_STR_ARG(feature));
	cut_end(ret, "_30d");
	cut_end(ret, "_days");
	for (char *c = ret; *c; c++) {
		if (*c == '_')
			*c = ' ';
	}
}

void seg_words_count(unsigned long long n, char *ret, size_t size)
{
	char digits[32];
	int len = snprintf(digits, sizeof(digits), "%llu", n);
	size_t at = 0;
	for (int i = 0; i < len && at + 2 < size; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			ret[at++] = ',';
		ret[at++] = digits[i];
	}
	ret[at] = 0;
}

/* Two or three digits that matter: 1,240  34  3.1  0.42 */
static void number(double x, char *ret, size_t size)
{
	double magnitude = fabs(x);
	char count[32];
	if (magnitude >= 9.95) {
		seg_words_count((unsigned long long)llround(magnitude), count, sizeof(count));
		snprintf(ret, size, "%s%s", x < 0 ? "-" : "", count);
		return;
	}
	snprintf(ret, size, magnitude >= 0.995 ? "%.1f" : "%.2f", x);
	char *point = strchr(ret, '.');
	for (size_t end = strlen(ret); point && end > 0 && (ret[end - 1] == '0' || ret[end - 1] == '.'); end--) {
		bool done = ret[end - 1] == '.';
		ret[end - 1] = 0;
		if (done)
			break;
	}
	if (strcmp(ret, "-0") == 0)
		snprintf(ret, size, "0");
}

void seg_words_value(struct seg_str feature, double value, const char *currency, char *ret, size_t size)
{
	const struct seg_feature_def *def = definition(feature);
	const char *unit = def ? def->unit : "";
	char n[48];
	number(value, n, sizeof(n));
	if (strcmp(unit, "days") == 0 && def->clock && value < 1) {
		snprintf(ret, size, "today");
	} else if (strcmp(unit, "days") == 0) {
		snprintf(ret, size, "%s %s", n, strcmp(n, "1") == 0 ? "day" : "days");
	} else if (strcmp(unit, "hours") == 0) {
		snprintf(ret, size, "%s h", n);
	} else if (strcmp(unit, "minutes") == 0) {
		snprintf(ret, size, "%s min", n);
	} else if (strcmp(unit, "share") == 0) {
		snprintf(ret, size, "%.0f %%", value * 100);
	} else if (strcmp(unit, "money") == 0) {
		bool pounds = strcmp(currency, "GBP") == 0;
		number(fabs(value), n, sizeof(n));
		snprintf(ret, size, "%s%s%s", value < 0 ? "-" : "", pounds ? "£" : "", n);
		if (!pounds)
			snprintf(ret + strlen(ret), size - strlen(ret), " %s", currency);
	} else {
		snprintf(ret, size, "%s", n);
	}
}

/* Appends the customer's own value and what the segment left has: "frequency 5 (others in new 3.1)", then "last order
 * 3 days (others 41)"; "frequency 5" where nothing is known of the others. False: it would say nothing. */
static bool add_driver(const struct seg_read_driver *d, double others, struct seg_str segment, bool first,
		       const char *currency, char *ret, size_t size)
{
	char name[64], theirs[64], own[64];
	if (isnan(d->value))
		return false;
	seg_words_feature(d->feature, name, sizeof(name));
	seg_words_value(d->feature, d->value, currency, own, sizeof(own));
	size_t at = strlen(ret);
	if (isnan(others)) {
		snprintf(ret + at, size - at, "%s%s %s", first ? "" : ", ", name, own);
		return true;
	}
	seg_words_value(d->feature, others, currency, theirs, sizeof(theirs));
	if (strcmp(own, theirs) == 0)
		return false;
	const char *unit = strchr(own, ' ');
	char *same = unit ? strstr(theirs, unit) : NULL;
	if (same) /* once is enough: 3 days (others 41) */
		*same = 0;
	if (first)
		snprintf(ret + at, size - at, "%s %s (others in " SEG_STR_FMT " %s)", name, own, SEG_STR_ARG(segment),
			 theirs);
	else
		snprintf(ret + at, size - at, ", %s %s (others %s)", name, own, theirs);
	return true;
}

const char *const seg_words_why[3] = {", because ", ", as time went by: ", ", segments redrawn: "};

static const char *why(enum seg_reason reason)
{
	return seg_words_why[reason == SEG_REASON_TIME ? 1 : reason == SEG_REASON_MODEL ? 2 : 0];
}

void seg_words_change(const struct seg_read_change *c, seg_typical_fn typical, void *ctx, const char *currency,
		      char *ret, size_t size)
{
	char drivers[320] = "";
	unsigned shown = 0;
	for (uint32_t i = 0; i < c->drivers_len && shown < SHOWN_DRIVERS; i++) {
		double others =
			c->from_segment.ptr ? typical(ctx, c->from_segment, c->drivers[i].feature) : (double)NAN;
		shown += add_driver(&c->drivers[i], others, c->from_name, shown == 0, currency, drivers,
				    sizeof(drivers));
	}
	snprintf(ret, size, "customer " SEG_STR_FMT ": ", SEG_STR_ARG(c->customer_id));
	size_t at = strlen(ret);
	if (!c->to_segment.ptr) {
		snprintf(ret + at, size - at, SEG_STR_FMT " → out (%s)", SEG_STR_ARG(c->from_name),
			 seg_reason_names[c->reason]);
		return;
	}
	struct seg_str from = c->from_name.ptr ? c->from_name : seg_str_from("unassigned");
	snprintf(ret + at, size - at, SEG_STR_FMT " → " SEG_STR_FMT "%s%s", SEG_STR_ARG(from), SEG_STR_ARG(c->to_name),
		 shown ? why(c->reason) : "", drivers);
}

void seg_words_alert(const struct seg_read_alert *a, char *ret, size_t size)
{
	static const char *const states[] = {"raised", "escalated", "cleared"};
	char date[16], subject[96];
	struct seg_str s = a->subject;
	seg_date_format(a->event_time_ms, date);
	if (s.len > 8 && memcmp(s.ptr, "feature:", 8) == 0)
		seg_words_feature((struct seg_str){s.ptr + 8, s.len - 8}, subject, sizeof(subject));
	else
		snprintf(subject, sizeof(subject), "%s", "");
	if (!subject[0])
		snprintf(subject, sizeof(subject), SEG_STR_FMT, SEG_STR_ARG(s));
	snprintf(ret, size, "%s %s: %s%s, PSI %.2f", date, subject,
		 a->severity == SEG_SEVERITY_CRITICAL && a->state != SEG_ALERT_CLEARED ? "critical, " : "",
		 states[a->state], a->value);
}
