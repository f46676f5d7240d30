/* What the demo says in words: features, their values, changes, alerts. Pure. */
#ifndef SEG_DAEMON_DEMO_WORDS_H
#define SEG_DAEMON_DEMO_WORDS_H

#include <stddef.h>

#include "daemon/output_read.h"

/* "page_views_30d" → "page views"; "recency_days" → "recency". */
void seg_words_feature(struct seg_str feature, char *ret, size_t size);

/* A value in the feature's unit: "8 days", "£1,240", "34 %", "3.1". currency: ISO 4217. */
void seg_words_value(struct seg_str feature, double value, const char *currency, char *ret, size_t size);

/* "12,345". */
void seg_words_count(unsigned long long n, char *ret, size_t size);

/* What a segment's customers typically have of a feature; NAN: not known. */
typedef double (*seg_typical_fn)(void *ctx, struct seg_str segment_id, struct seg_str feature);

/* What comes before the reason of a change. */
extern const char *const seg_words_why[3];

/* "customer 12838: new → loyal, because frequency 5 (others in new 3.1)": the customer's own value, and what is typical of
 * the segment left; who had no segment before was `unassigned`. */
void seg_words_change(const struct seg_read_change *c, seg_typical_fn typical, void *ctx, const char *currency,
		      char *ret, size_t size);

/* "2011-03-14 page views raised, PSI 0.31". */
void seg_words_alert(const struct seg_read_alert *a, char *ret, size_t size);

#endif
