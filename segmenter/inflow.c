#include "segmenter/inflow.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

/* Events of a kind that a day must bring as of the last 30, in the sample, to be looked at. */
#define EXPECTED_LEAST 30.0
#define LN2 0.6931471805599453
#define HISTORY_LEAST 14
#define DAYS_MISSED 3
#define BELOW_LEAST 0.5
#define BELOW_USUAL 0.45
#define ABOVE_MOST 2.0
#define ABOVE_USUAL 4.0
#define BURSTY 6.0 /* most over least of the history */
#define AMOUNT_FACTOR 10.0
#define BUYERS_LEAST 15.0
#define LOOKS_TO_RAISE 1

static const char *const web_kinds[SEG_WEB_KINDS] = {"other",	    "page_view", "product_view", "search", "cart_add",
						     "cart_remove", "checkout",	 "purchase",	 "login",  "signup"};
static const char *const email_kinds[SEG_EMAIL_KINDS] = {"other", "sent",   "delivered",   "open",
							 "click", "bounce", "unsubscribe", "complaint"};

void seg_inflow_name(struct seg_inflow *in, const char *web_topic, const char *email_topic, const char *orders_topic)
{
	for (unsigned i = 0; i < SEG_WEB_KINDS; i++)
		snprintf(in->names[SEG_INFLOW_WEB + i], SEG_INFLOW_NAME_MAX, "input:%.249s/%s", web_topic,
			 web_kinds[i]);
	for (unsigned i = 0; i < SEG_EMAIL_KINDS; i++)
		snprintf(in->names[SEG_INFLOW_EMAIL + i], SEG_INFLOW_NAME_MAX, "input:%.249s/%s", email_topic,
			 email_kinds[i]);
	snprintf(in->names[SEG_INFLOW_AMOUNTS], SEG_INFLOW_NAME_MAX, "input:%.249s/purchase", orders_topic);
}

bool seg_inflow_is_broken(const struct seg_inflow *in, enum seg_source source)
{
	unsigned from = source == SEG_EMAIL    ? SEG_INFLOW_EMAIL
			: source == SEG_ORDERS ? SEG_INFLOW_AMOUNTS
					       : SEG_INFLOW_WEB;
	unsigned to = source == SEG_EMAIL    ? SEG_INFLOW_AMOUNTS
		      : source == SEG_ORDERS ? SEG_INFLOW_SUBJECTS
					     : SEG_INFLOW_EMAIL;

	for (unsigned i = from; i < to && source != SEG_PROFILES; i++)
		if (in->subjects[i].open)
			return true;
	return false;
}

static const struct seg_decayed *counter_of(const struct seg_profile *p, unsigned subject)
{
	if (subject < SEG_INFLOW_EMAIL)
		return p->web ? &p->web->kinds[subject - SEG_INFLOW_WEB] : NULL;
	return p->email ? &p->email->kinds[subject - SEG_INFLOW_EMAIL] : NULL;
}

/*
 * Events since the last look over what the last 30 days would have brought, NAN where too few. What was counted then has
 * halved for each day since; the rest are new events, each with the weight of its age.
 */
static void measure_kinds(struct seg_inflow *in, const struct seg_profile *const *profiles, size_t n, int64_t days,
			  int64_t now_ms, double *ret)
{
	double left = exp2(-(double)days), weight = (1 - left) / LN2;

	for (unsigned i = 0; i < SEG_INFLOW_AMOUNTS; i++) {
		double day = 0, month = 0, per_day, fresh;
		for (size_t c = 0; c < n; c++) {
			const struct seg_decayed *d = counter_of(profiles[c], i);
			if (!d)
				continue;
			day += seg_decayed_at(d, 0, now_ms);
			month += seg_decayed_at(d, SEG_HALF_LIVES - 1, now_ms);
		}
		per_day = month * LN2 / 30;
		fresh = day - in->subjects[i].sum * left;
		in->subjects[i].sum = day;
		ret[i] = per_day >= EXPECTED_LEAST ? fmax(fresh, 0) / (per_day * weight) : (double)NAN;
	}
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* Geometric mean of what the newest buyers spent: those whose only day with a purchase is one of the last two. It does not
 * matter who joined or left the sample. NAN: too few. */
static double measure_amount(const struct seg_profile *const *profiles, size_t n, int64_t now_ms)
{
	double sum = 0, count = 0;

	for (size_t c = 0; c < n; c++) {
		const struct seg_orders *o = profiles[c]->orders;
		if (!o || o->days_len != 1 || now_ms - o->first_ms >= 2 * SEG_DAY_MS || o->purchased_micro <= 0)
			continue;
		sum += log((double)o->purchased_micro / 1e6 / (double)o->purchases);
		count++;
	}
	return count >= BUYERS_LEAST ? exp(sum / count) : (double)NAN;
}

static void bounds_of(const struct seg_inflow_subject *s, double *ret_least, double *ret_most)
{
	*ret_least = INFINITY;
	*ret_most = 0;
	for (uint32_t i = 0; i < s->len; i++) {
		*ret_least = fmin(*ret_least, s->history[i]);
		*ret_most = fmax(*ret_most, s->history[i]);
	}
}

/* Campaigns come in bursts, and what has stopped says nothing of the others. */
static bool is_steady(const struct seg_inflow_subject *s)
{
	double least, most;

	bounds_of(s, &least, &most);
	return !s->open && (s->len < HISTORY_LEAST || most <= BURSTY * least);
}

/* What all steady kinds share; NAN: fewer than two to compare. */
static double median_of(const struct seg_inflow *in, const double *values)
{
	double sorted[SEG_INFLOW_AMOUNTS] = {0};
	size_t len = 0;

	for (unsigned i = 0; i < SEG_INFLOW_AMOUNTS; i++)
		if (!isnan(values[i]) && is_steady(&in->subjects[i]))
			sorted[len++] = values[i];
	qsort(sorted, len, sizeof(*sorted), compare);
	if (len < 2)
		return (double)NAN;
	return len % 2 ? sorted[len / 2] : (sorted[len / 2 - 1] + sorted[len / 2]) / 2;
}

static bool is_odd(const struct seg_inflow_subject *s, bool amounts)
{
	double least, most;

	if (isnan(s->value) || s->len < HISTORY_LEAST)
		return false;
	bounds_of(s, &least, &most);
	if (amounts)
		return s->value * AMOUNT_FACTOR < least || s->value > AMOUNT_FACTOR * most;
	return (s->value < BELOW_LEAST * least && s->value < BELOW_USUAL) ||
	       (s->value > ABOVE_MOST * most && s->value > ABOVE_USUAL);
}

/* An odd day is no part of what is usual, until the alert is cleared. */
static void remember(struct seg_inflow_subject *s, bool odd)
{
	if (isnan(s->value) || odd)
		return;
	if (s->len == SEG_INFLOW_DAYS)
		memmove(s->history, s->history + 1, --s->len * sizeof(*s->history));
	s->history[s->len++] = s->value;
}

static void fill_alert(const struct seg_inflow *in, unsigned i, enum seg_alert_state state, int64_t now_ms,
		       uint64_t model_version, struct seg_alert *ret)
{
	const struct seg_inflow_subject *s = &in->subjects[i];
	double least, most;

	bounds_of(s, &least, &most);
	*ret = (struct seg_alert){
		.alert_id = s->alert_id,
		.subject = in->names[i],
		.action = state == SEG_ALERT_CLEARED ? "none" : "check_source",
		.metric = SEG_DRIFT_OTHER,
		.value = isnan(s->value) ? 0 : s->value,
		.threshold = isnan(s->value) || s->value < least ? least : most,
		.critical_value = NAN,
		.n_reference = s->len,
		.n_current = 1,
		.window_start_ms = (in->day - 1) * SEG_DAY_MS,
		.window_end_ms = in->day * SEG_DAY_MS,
		.severity = SEG_SEVERITY_CRITICAL,
		.state = state,
		.model_version = model_version,
		.event_time_ms = now_ms,
	};
}

/* What the look means for a subject's alert; false: nothing to tell. */
static bool judge(struct seg_inflow *in, unsigned i, enum seg_alert_state *ret)
{
	struct seg_inflow_subject *s = &in->subjects[i];
	bool odd = is_odd(s, i == SEG_INFLOW_AMOUNTS);
	char text[SEG_INFLOW_NAME_MAX + 32];

	/* With hardly an event left a kind that has stopped stays stopped. */
	odd = odd || (s->open && isnan(s->value));
	remember(s, odd);
	s->hits = odd ? s->hits + 1 : 0;
	if (s->open == odd || (odd && s->hits < LOOKS_TO_RAISE))
		return false;
	s->open = odd;
	*ret = odd ? SEG_ALERT_RAISED : SEG_ALERT_CLEARED;
	if (odd) {
		int len = snprintf(text, sizeof(text), "%s/%lld", in->names[i], (long long)in->day);
		seg_hash128_hex(text, (size_t)len, s->alert_id);
	}
	return true;
}

size_t seg_inflow_tick(struct seg_inflow *in, const struct seg_profile *const *profiles, size_t n, int64_t now_ms,
		       uint64_t model_version, struct seg_alert *ret, bool *ret_looked)
{
	double values[SEG_INFLOW_AMOUNTS], usual;
	int64_t day = now_ms / SEG_DAY_MS;
	bool known;
	enum seg_alert_state state;
	size_t len = 0;

	*ret_looked = day > in->day;
	if (!*ret_looked)
		return 0;
	/* After the first look, and after looks were missed, sums are of other times. */
	known = in->day > 0 && day - in->day <= DAYS_MISSED;
	measure_kinds(in, profiles, n, day - in->day, now_ms, values);
	in->day = day;
	if (!known)
		return 0;
	usual = median_of(in, values);
	for (unsigned i = 0; i < SEG_INFLOW_AMOUNTS; i++)
		in->subjects[i].value = usual > 0 ? values[i] / usual : (double)NAN;
	in->subjects[SEG_INFLOW_AMOUNTS].value = measure_amount(profiles, n, now_ms);
	for (unsigned i = 0; i < SEG_INFLOW_SUBJECTS; i++)
		if (judge(in, i, &state))
			fill_alert(in, i, state, now_ms, model_version, &ret[len++]);
	return len;
}
