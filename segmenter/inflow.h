/*
 * Is what comes in still what came in before? Told apart from customers changing: a broken tracker or feed stops one kind
 * of event while the others go on, or multiplies what amounts mean.
 *
 * Looked at once a day of stream time, on the sample's profiles. Of each kind: the events since
 * the last look, from the counters with a half-life of a day, over what those of 30 days expect: 1 when nothing changes. Divided by the median over all steady kinds with enough events, so that a
 * quiet Sunday, Christmas or a sale, which all kinds share, leave it at 1. Raised when it falls below half of the least (or
 * rises above twice the most) of the last 28 days, which hold the kind's own rhythm (weekly campaigns), and is itself far
 * from usual. Of orders, what the newest buyers spent, tenfold. Pure; plain data.
 */
#ifndef SEG_SEGMENTER_INFLOW_H
#define SEG_SEGMENTER_INFLOW_H

#include "base/outputs.h"
#include "base/profile.h"

enum {
	SEG_INFLOW_DAYS = 28,
	SEG_INFLOW_WEB = 0, /* subjects: kinds of web events, kinds of emails, amounts of orders */
	SEG_INFLOW_EMAIL = SEG_WEB_KINDS,
	SEG_INFLOW_AMOUNTS = SEG_INFLOW_EMAIL + SEG_EMAIL_KINDS,
	SEG_INFLOW_SUBJECTS,
	SEG_INFLOW_TOPIC_MAX = 250,
	SEG_INFLOW_NAME_MAX = SEG_INFLOW_TOPIC_MAX + 32
};

struct seg_inflow_subject {
	double history[SEG_INFLOW_DAYS]; /* oldest first */
	uint32_t len;
	double sum;   /* of the counters with a half-life of a day, at the last look */
	double value; /* newest; NAN: too few events */
	uint32_t hits;
	bool open;
	char alert_id[SEG_EVENT_ID_LEN + 1];
};

struct seg_inflow {
	int64_t day; /* last looked at; 0: never */
	struct seg_inflow_subject subjects[SEG_INFLOW_SUBJECTS];
	double orders, money;				      /* of the sample's customers then */
	char names[SEG_INFLOW_SUBJECTS][SEG_INFLOW_NAME_MAX]; /* not stored */
};

/* A source as the names of its kinds' subjects have it: `input:TOPIC/KIND`. */
void seg_inflow_name(struct seg_inflow *in, const char *web_topic, const char *email_topic, const char *orders_topic);

/* Looks if a day has begun since the last look. profiles [n]: the sample. Alerts into ret (room for SEG_INFLOW_SUBJECTS; strings
 * are borrowed from in); returns how many. *ret_looked: it did look. */
size_t seg_inflow_tick(struct seg_inflow *in, const struct seg_profile *const *profiles, size_t n, int64_t now_ms,
		       uint64_t model_version, struct seg_alert *ret, bool *ret_looked);

/* A kind of web events, of emails, or orders are not to be trusted now. */
bool seg_inflow_is_broken(const struct seg_inflow *in, enum seg_source source);

#endif
