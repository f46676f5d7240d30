/*
 * Features against their definitions: random customers' events go through the aggregates in random order, and every
 * feature of the catalogue must be what a plain computation over the list of events says.
 */
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "segmenter/catalogue.h"
#include "state/aggregate.h"

enum { CUSTOMERS = 3000, EVENTS = 220 };

struct history {
	struct seg_event *events;
	size_t len;
	int64_t now_ms;
};

/* ---- the plain computation */

static double nothing(void)
{
	return NAN;
}

static double decayed(const struct history *h, enum seg_source source, int kind, double days)
{
	double sum = 0;

	for (size_t i = 0; i < h->len; i++) {
		const struct seg_event *e = &h->events[i];
		if (e->source == source && (kind < 0 || e->kind == kind) && !e->machine_open)
			sum += exp2(-(double)(h->now_ms - e->time_ms) / (days * 86400000.0));
	}
	return sum;
}

static double count_of(const struct history *h, enum seg_source source, int kind)
{
	double n = 0;

	for (size_t i = 0; i < h->len; i++)
		n += h->events[i].source == source && (kind < 0 || h->events[i].kind == kind);
	return n;
}

/* Days since the latest (sign 1) or the earliest (-1) event; below 0 if it is still to come. */
static double signed_days(const struct history *h, enum seg_source source, unsigned kinds, int sign)
{
	double best = NAN;

	for (size_t i = 0; i < h->len; i++) {
		const struct seg_event *e = &h->events[i];
		double days = (double)(h->now_ms - e->time_ms) / 86400000.0;
		if (e->source == source && (kinds >> e->kind & 1) && !e->machine_open && !(sign * days >= sign * best))
			best = days;
	}
	return best;
}

static double days_since(const struct history *h, enum seg_source source, unsigned kinds, int sign)
{
	double days = signed_days(h, source, kinds, sign);

	return isnan(days) ? days : fmax(0, days);
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return (int64_t)floor((double)a / (double)b);
}

/* Distinct floor(time / width) of a source's events, ascending. */
static size_t distinct(const struct history *h, enum seg_source source, int kind, int64_t width, int64_t *ret)
{
	size_t len = 0;

	for (size_t i = 0; i < h->len; i++) {
		int64_t at = floor_div(h->events[i].time_ms, width);
		size_t j = 0;
		if (h->events[i].source != source || (kind >= 0 && h->events[i].kind != kind))
			continue;
		while (j < len && ret[j] < at)
			j++;
		if (j < len && ret[j] == at)
			continue;
		memmove(ret + j + 1, ret + j, (len - j) * sizeof(*ret));
		ret[j] = at;
		len++;
	}
	return len;
}

static double orders_feature(const struct history *h, const char *name)
{
	double purchases = count_of(h, SEG_ORDERS, SEG_ORDER_PURCHASE), money = 0;
	unsigned purchase = 1U << SEG_ORDER_PURCHASE;
	double recency = days_since(h, SEG_ORDERS, purchase, 1), tenure = days_since(h, SEG_ORDERS, purchase, -1);
	double span = signed_days(h, SEG_ORDERS, purchase, -1) - signed_days(h, SEG_ORDERS, purchase, 1);
	int64_t days[EVENTS];
	size_t days_len = distinct(h, SEG_ORDERS, SEG_ORDER_PURCHASE, SEG_DAY_MS, days);

	for (size_t i = 0; i < h->len; i++)
		if (h->events[i].source == SEG_ORDERS)
			money += (h->events[i].kind == SEG_ORDER_PURCHASE ? 1 : -1) *
				 (double)h->events[i].amount_micro / 1e6;
	if (strcmp(name, "recency_days") == 0)
		return recency;
	if (strcmp(name, "tenure_days") == 0)
		return tenure;
	if (strcmp(name, "frequency") == 0)
		return purchases;
	if (strcmp(name, "monetary") == 0)
		return money;
	if (strcmp(name, "avg_order_value") == 0)
		return purchases > 0 ? money / purchases : nothing();
	if (strcmp(name, "interpurchase_days") == 0)
		return days_len > 1 ? span / ((double)days_len - 1) : nothing();
	if (strcmp(name, "orders_60d") == 0)
		return decayed(h, SEG_ORDERS, SEG_ORDER_PURCHASE, 60);
	if (strcmp(name, "purchase_days") == 0)
		return (double)days_len;
	/* No promotion has fitted them: without a purchase a score is 0 all the same. */
	if (strcmp(name, "lifetime_value") == 0)
		return nothing();
	if (strlen(name) == 7 && strcmp(name + 1, "_score") == 0)
		return purchases > 0 ? nothing() : 0;
	fail_msg("the test does not know %s", name);
	return 0;
}

static void sessions(const struct history *h, double *ret_sessions, double *ret_minutes)
{
	int64_t buckets[EVENTS], now = floor_div(h->now_ms, 1800000), before = INT64_MIN;
	size_t len = distinct(h, SEG_WEB, -1, 1800000, buckets);
	double runs = 0, used = 0;

	if (len && buckets[len - 1] > now)
		now = buckets[len - 1];
	for (size_t i = 0; i < len; i++) {
		if (buckets[i] <= now - 1440)
			continue;
		used++;
		runs += buckets[i] != before + 1;
		before = buckets[i];
	}
	*ret_sessions = runs;
	*ret_minutes = runs > 0 ? 30 * used / runs : nothing();
}

static double share(const struct history *h, bool (*belongs)(const struct seg_event *e, const char *), const char *what)
{
	double part = 0, total = 0;

	for (size_t i = 0; i < h->len; i++) {
		const struct seg_event *e = &h->events[i];
		double weight = exp2(-(double)(h->now_ms - e->time_ms) / (30 * 86400000.0));
		if (e->source != SEG_WEB || !belongs(e, NULL))
			continue;
		total += weight;
		part += belongs(e, what) ? weight : 0;
	}
	return total > 0 ? part / total : nothing();
}

/* Without a name: whether it counts at all. */
static bool of_device(const struct seg_event *e, const char *what)
{
	return e->device.ptr && (!what || strncmp(e->device.ptr, what, e->device.len) == 0);
}

static bool in_hours(const struct seg_event *e, const char *what)
{
	int64_t hour = floor_div(e->time_ms, 3600000) - 24 * floor_div(e->time_ms, 86400000);

	return !what || (hour >= atoi(what) && hour < atoi(what) + 6);
}

static double web_feature(const struct history *h, const char *name)
{
	double runs, minutes;

	sessions(h, &runs, &minutes);
	if (strcmp(name, "web_recency_days") == 0)
		return days_since(h, SEG_WEB, UINT32_MAX, 1);
	if (strcmp(name, "sessions_30d") == 0)
		return runs;
	if (strcmp(name, "session_minutes") == 0)
		return minutes;
	if (strcmp(name, "cart_abandonment_rate") == 0)
		return 1 - fmin(1, (decayed(h, SEG_WEB, SEG_WEB_PURCHASE, 30) + 0.6) /
					   (decayed(h, SEG_WEB, SEG_WEB_CART_ADD, 30) + 2));
	if (strcmp(name, "engagement_trend") == 0)
		return log((decayed(h, SEG_WEB, -1, 7) * log(2) / 7 + 1) /
			   (decayed(h, SEG_WEB, -1, 30) * log(2) / 30 + 1));
	if (strncmp(name, "device_", 7) == 0)
		return share(h, of_device, name + 7);
	if (strncmp(name, "hours_", 6) == 0)
		return share(h, in_hours, name + 6);
	fail_msg("the test does not know %s", name);
	return 0;
}

static double latency(const struct history *h)
{
	double sum = 0, total = 0;

	for (size_t i = 0; i < h->len; i++) {
		const struct seg_event *e = &h->events[i];
		double weight = exp2(-(double)(h->now_ms - e->time_ms) / (30 * 86400000.0));
		if (e->source != SEG_EMAIL || e->kind != SEG_EMAIL_OPEN || e->machine_open ||
		    e->sent_time_ms == SEG_NO_TIME)
			continue;
		total += weight;
		sum += weight * log1p((double)(e->time_ms - e->sent_time_ms) / 3600000.0);
	}
	return total > 0 ? exp(sum / total) - 1 : nothing();
}

static double email_feature(const struct history *h, const char *name)
{
	double delivered = decayed(h, SEG_EMAIL, SEG_EMAIL_DELIVERED, 30),
	       opens = decayed(h, SEG_EMAIL, SEG_EMAIL_OPEN, 30), clicks = decayed(h, SEG_EMAIL, SEG_EMAIL_CLICK, 30);

	if (strcmp(name, "email_recency_days") == 0)
		return days_since(h, SEG_EMAIL, 1U << SEG_EMAIL_OPEN | 1U << SEG_EMAIL_CLICK, 1);
	if (strcmp(name, "click_recency_days") == 0)
		return days_since(h, SEG_EMAIL, 1U << SEG_EMAIL_CLICK, 1);
	if (strcmp(name, "open_rate") == 0)
		return fmin(1, (opens + 4) / (delivered + 20));
	if (strcmp(name, "click_rate") == 0)
		return fmin(1, (clicks + 0.4) / (delivered + 20));
	if (strcmp(name, "click_to_open_rate") == 0)
		return fmin(1, (clicks + 2) / (opens + 20));
	if (strcmp(name, "open_latency_hours") == 0)
		return latency(h);
	if (strcmp(name, "email_engagement") == 0)
		return (opens + 2 * clicks) / (opens + 2 * clicks + 4);
	fail_msg("the test does not know %s", name);
	return 0;
}

static const struct {
	const char *stem;
	enum seg_source source;
	int kind;
} counted[] = {{"page_views", SEG_WEB, SEG_WEB_PAGE_VIEW},     {"product_views", SEG_WEB, SEG_WEB_PRODUCT_VIEW},
	       {"searches", SEG_WEB, SEG_WEB_SEARCH},	       {"carts", SEG_WEB, SEG_WEB_CART_ADD},
	       {"cart_removes", SEG_WEB, SEG_WEB_CART_REMOVE}, {"checkouts", SEG_WEB, SEG_WEB_CHECKOUT},
	       {"web_purchases", SEG_WEB, SEG_WEB_PURCHASE},   {"logins", SEG_WEB, SEG_WEB_LOGIN},
	       {"emails_sent", SEG_EMAIL, SEG_EMAIL_SENT},     {"emails_delivered", SEG_EMAIL, SEG_EMAIL_DELIVERED},
	       {"opens", SEG_EMAIL, SEG_EMAIL_OPEN},	       {"clicks", SEG_EMAIL, SEG_EMAIL_CLICK},
	       {"bounces", SEG_EMAIL, SEG_EMAIL_BOUNCE},       {"unsubscribes", SEG_EMAIL, SEG_EMAIL_UNSUBSCRIBE},
	       {"complaints", SEG_EMAIL, SEG_EMAIL_COMPLAINT}};

static double expected(const struct history *h, const struct seg_feature_def *def)
{
	for (size_t i = 0; i < sizeof(counted) / sizeof(counted[0]); i++) {
		size_t len = strlen(counted[i].stem);
		int days;
		if (strncmp(def->name, counted[i].stem, len) == 0 && sscanf(def->name + len, "_%dd", &days) == 1)
			return decayed(h, counted[i].source, counted[i].kind, days);
	}
	if (strcmp(def->group, "rfm") == 0)
		return orders_feature(h, def->name);
	return strcmp(def->group, "behaviour") == 0 ? web_feature(h, def->name) : email_feature(h, def->name);
}

/* ---- random customers */

static void random_event(struct seg_rng *rng, struct seg_event *e, int64_t from_ms, int64_t span_ms)
{
	static const char *const devices[] = {NULL, "desktop", "mobile", "tablet", "app", "other"};
	static const uint8_t kinds[] = {SEG_WEB_KINDS, SEG_EMAIL_KINDS, SEG_ORDER_KINDS};

	seg_event_reset(e, (enum seg_source)seg_rng_below(rng, 3));
	e->kind = (uint8_t)(1 + seg_rng_below(rng, kinds[e->source] - 1U));
	e->time_ms = from_ms + (int64_t)seg_rng_below(rng, (uint64_t)span_ms);
	e->id_hash = seg_rng_next(rng);
	if (e->source == SEG_ORDERS)
		e->amount_micro = seg_rng_below(rng, 10) ? (int64_t)seg_rng_below(rng, 200000000) : 0;
	if (e->source == SEG_WEB)
		e->device = seg_str_from(devices[seg_rng_below(rng, 6)]);
	if (e->source == SEG_EMAIL && e->kind == SEG_EMAIL_OPEN) {
		e->machine_open = seg_rng_below(rng, 3) == 0;
		if (seg_rng_below(rng, 2))
			e->sent_time_ms = e->time_ms - (int64_t)seg_rng_below(rng, 300000000);
	}
}

static struct seg_profile *aggregate(const struct history *h)
{
	struct seg_profile *p = seg_profile_new(seg_str_from("c"), 1);
	struct seg_aggregate_config cfg = {{EVENTS, EVENTS, EVENTS, EVENTS}};
	enum seg_applied applied;

	assert_non_null(p);
	for (size_t i = 0; i < h->len; i++) {
		assert_ok(seg_aggregate_apply(p, &h->events[i], (int64_t)i, &cfg, &applied, NULL));
		assert_int_equal(applied, SEG_APPLIED);
	}
	return p;
}

static void check_customer(struct seg_rng *rng, struct history *h, unsigned *values)
{
	/* From an hour to two years, around any year since 1960; now is a while after, at times before the last event. */
	int64_t span_ms = (int64_t)exp(log(3600000) + seg_rng_unit(rng) * log(17520));
	int64_t from_ms =
		((int64_t)seg_rng_below(rng, 25000) - 3650) * SEG_DAY_MS + (int64_t)seg_rng_below(rng, SEG_DAY_MS);
	struct seg_profile *p;

	h->len = seg_rng_below(rng, 4) ? seg_rng_below(rng, EVENTS) : seg_rng_below(rng, 5);
	for (size_t i = 0; i < h->len; i++)
		random_event(rng, &h->events[i], from_ms, span_ms);
	h->now_ms = from_ms + (int64_t)((double)span_ms * (seg_rng_below(rng, 10) ? 1 + seg_rng_unit(rng) : 0.7));
	p = aggregate(h);
	for (size_t i = 0; i < seg_catalogue_len(); i++) {
		double got = seg_catalogue_value(i, p, h->now_ms, NULL), want = expected(h, seg_catalogue_at(i));
		if (isnan(got) != isnan(want) || fabs(got - want) > 1e-9 * (1 + fabs(want)))
			fail_msg("%s is %.17g where the events say %.17g", seg_catalogue_at(i)->name, got, want);
		values[i] += !isnan(got) && got != 0;
	}
	seg_profile_free(p);
}

static void test_features_are_what_the_events_say(void **state)
{
	unsigned values[SEG_MAX_FEATURES] = {0};
	struct history h = {.events = calloc(EVENTS, sizeof(struct seg_event))};
	struct seg_rng rng;

	(void)state;
	assert_non_null(h.events);
	seg_rng_init(&rng, 20101201);
	for (int n = 0; n < CUSTOMERS; n++)
		check_customer(&rng, &h, values);
	/* The comparison is of something: every feature had a value for many. */
	for (size_t i = 0; i < seg_catalogue_len(); i++)
		if (values[i] < CUSTOMERS / 4 && !seg_catalogue_is_fitted(i))
			fail_msg("%s had a value for %u customers only", seg_catalogue_at(i)->name, values[i]);
	free(h.events);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_features_are_what_the_events_say)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
