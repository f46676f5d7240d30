/* E-mail features. Opens and clicks are those of people: machine opens are left out where events are aggregated. */
#include <math.h>

#include "segmenter/catalogue_table.h"

/* Rates start from PRIOR observations at a base rate, so that one e-mail opened is not an open rate of 1. */
#define PRIOR 20.0
#define OPEN_BASE 0.2
#define CLICK_BASE 0.02
#define CLICK_TO_OPEN_BASE 0.1

/* A click says as much as two opens; ENGAGED_HALF is where engagement is a half. */
#define CLICK_WEIGHT 2.0
#define ENGAGED_HALF 4.0

static double email_kind(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	return p->email ? seg_decayed_at(&p->email->kinds[SEG_ARG_KIND(arg)], SEG_ARG_HALF_LIFE(arg), now_ms) : 0;
}

static double email_recency_days(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)arg;
	return p->email && p->email->last_human_ms != SEG_NO_TIME ? seg_days_since(p->email->last_human_ms, now_ms)
								  : (double)NAN;
}

static double click_recency_days(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)arg;
	return p->email && p->email->last_click_ms != SEG_NO_TIME ? seg_days_since(p->email->last_click_ms, now_ms)
								  : (double)NAN;
}

/* What follows decays later than what it is counted against: the ratio could pass 1. */
static double rate(const struct seg_profile *p, int64_t now_ms, enum seg_email_kind part, enum seg_email_kind whole,
		   double base)
{
	double n = email_kind(p, now_ms, SEG_KIND_ARG(part, SEG_30D));
	double of = email_kind(p, now_ms, SEG_KIND_ARG(whole, SEG_30D));

	return fmin(1, (n + PRIOR * base) / (of + PRIOR));
}

static double open_rate(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)arg;
	return rate(p, now_ms, SEG_EMAIL_OPEN, SEG_EMAIL_DELIVERED, OPEN_BASE);
}

static double click_rate(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)arg;
	return rate(p, now_ms, SEG_EMAIL_CLICK, SEG_EMAIL_DELIVERED, CLICK_BASE);
}

static double click_to_open_rate(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	(void)arg;
	return rate(p, now_ms, SEG_EMAIL_CLICK, SEG_EMAIL_OPEN, CLICK_TO_OPEN_BASE);
}

/* Sum and weight decay alike: their ratio does not depend on now, and seen from the last open nothing underflows. */
static double open_latency_hours(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	double half_life = SEG_HABIT_HALF_LIFE_DAYS * (double)SEG_DAY_MS, weight;

	(void)now_ms, (void)arg;
	if (!p->email || p->email->latency_weight.time_ms == SEG_NO_TIME)
		return (double)NAN;
	weight = seg_decayed1_at(&p->email->latency_weight, half_life, p->email->latency_weight.time_ms);
	if (!(weight > 0))
		return (double)NAN;
	return expm1(seg_decayed1_at(&p->email->latency_sum, half_life, p->email->latency_weight.time_ms) / weight);
}

static double email_engagement(const struct seg_profile *p, int64_t now_ms, unsigned arg)
{
	double opens = email_kind(p, now_ms, SEG_KIND_ARG(SEG_EMAIL_OPEN, SEG_30D));
	double clicks = email_kind(p, now_ms, SEG_KIND_ARG(SEG_EMAIL_CLICK, SEG_30D));
	double weight = opens + CLICK_WEIGHT * clicks;

	(void)arg;
	return weight / (weight + ENGAGED_HALF);
}

#define KIND_1(kind, name, text, more, less, hi, days, index)                                                          \
	{                                                                                                              \
		{name "_" #days "d",                                                                                   \
		 "events",                                                                                             \
		 text ", decayed with a half-life of " #days " d.",                                                    \
		 "email",                                                                                              \
		 more,                                                                                                 \
		 less,                                                                                                 \
		 SEG_LOG1P,                                                                                            \
		 0,                                                                                                    \
		 hi,                                                                                                   \
		 false},                                                                                               \
			email_kind, SEG_KIND_ARG(kind, index)                                                          \
	}
#define KIND(kind, name, text, more, less, hi)                                                                         \
	KIND_1(kind, name, text, more, less, hi, 1, SEG_1D), KIND_1(kind, name, text, more, less, hi, 7, SEG_7D),      \
		KIND_1(kind, name, text, more, less, hi, 30, SEG_30D)

static const struct seg_feature_entry entries[] = {
	KIND(SEG_EMAIL_SENT, "emails_sent", "E-mails sent", "often mailed", "rarely mailed", 500),
	KIND(SEG_EMAIL_DELIVERED, "emails_delivered", "E-mails delivered", "often mailed", "rarely mailed", 500),
	KIND(SEG_EMAIL_OPEN, "opens", "E-mails opened by a person", "mail-opening", "not opening mail", 500),
	KIND(SEG_EMAIL_CLICK, "clicks", "Clicks in e-mails", "mail-clicking", "not clicking in mail", 500),
	KIND(SEG_EMAIL_BOUNCE, "bounces", "E-mails bounced", "bouncing", "reachable by mail", 100),
	KIND(SEG_EMAIL_UNSUBSCRIBE, "unsubscribes", "Unsubscriptions", "unsubscribing", "staying subscribed", 20),
	KIND(SEG_EMAIL_COMPLAINT, "complaints", "Complaints", "complaining", "not complaining", 20),
	{{"email_recency_days", "days", "Days since the last e-mail a person opened or clicked; missing without one.",
	  "email", "mail-dormant", "recently in mail", SEG_LOG1P, 0, 1500, true},
	 email_recency_days,
	 0},
	{{"click_recency_days", "days", "Days since the last click in an e-mail; missing without one.", "email",
	  "no click for long", "recently clicking", SEG_LOG1P, 0, 1500, true},
	 click_recency_days,
	 0},
	{{"open_rate", "share", "min(1, (opens + 20 * 0.2) / (delivered + 20)), 30-day counts.", "email",
	  "mail-opening", "not opening mail", SEG_LINEAR, 0, 1, false},
	 open_rate,
	 0},
	{{"click_rate", "share", "min(1, (clicks + 20 * 0.02) / (delivered + 20)), 30-day counts.", "email",
	  "mail-clicking", "not clicking in mail", SEG_LINEAR, 0, 1, false},
	 click_rate,
	 0},
	{{"click_to_open_rate", "share", "min(1, (clicks + 20 * 0.1) / (opens + 20)), 30-day counts.", "email",
	  "clicking what they open", "opening without clicking", SEG_LINEAR, 0, 1, false},
	 click_to_open_rate,
	 0},
	{{"open_latency_hours", "hours",
	  "Hours from sending to opening: expm1 of the mean of log1p(hours), half-life 30 d; missing without one.",
	  "email", "slow to open mail", "quick to open mail", SEG_LOG1P, 0, 1000, false},
	 open_latency_hours,
	 0},
	{{"email_engagement", "0 to 1", "w / (w + 4), w = opens + 2 * clicks, 30-day counts.", "email", "mail-engaged",
	  "mail-indifferent", SEG_LINEAR, 0, 1, false},
	 email_engagement,
	 0},
};

const struct seg_feature_group seg_features_email = {entries, sizeof(entries) / sizeof(entries[0])};
