/*
 * Metrics for Prometheus: families with a name, help and label names, series by label values. Series are made under a
 * lock and then updated without one; a series lives as long as the registry. Any thread.
 */
#ifndef SEG_HTTP_METRICS_H
#define SEG_HTTP_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

enum seg_metric_type { SEG_METRIC_COUNTER, SEG_METRIC_GAUGE, SEG_METRIC_HISTOGRAM };

enum { SEG_METRIC_LABELS = 2, SEG_METRIC_BUCKETS = 24, SEG_METRIC_SERIES_MAX = 4096 };

/* A row of the program's table of metrics: static. */
struct seg_metric_spec {
	const char *name, *help;
	enum seg_metric_type type;
	const char *labels[SEG_METRIC_LABELS]; /* NULL: none */
	const double *buckets;		       /* histogram: upper bounds, ascending, without +Inf */
	size_t buckets_len;
};

struct seg_metrics;
struct seg_metric;

struct seg_metrics *seg_metrics_new(void);    /* NULL: no memory */
void seg_metrics_free(struct seg_metrics *m); /* with all series; NULL is fine */

/*
 * The series of spec with these label values (copied; NULL where the spec has no label), made at its first use. The same
 * spec pointer is the same family. NULL when m is NULL, out of memory, or over SEG_METRIC_SERIES_MAX: updates of NULL do
 * nothing.
 */
struct seg_metric *seg_metrics_series(struct seg_metrics *m, const struct seg_metric_spec *spec, const char *first,
				      const char *second);
/* Takes a series out of what is shown until its next update, e.g. of a partition that was revoked; the pointer stays. */
void seg_metric_hide(struct seg_metric *s);

void seg_metric_inc(struct seg_metric *s, uint64_t n);		/* counter */
void seg_metric_count_to(struct seg_metric *s, uint64_t total); /* counter whose total is kept elsewhere: never falls */
void seg_metric_set(struct seg_metric *s, double value);	/* gauge */
void seg_metric_observe(struct seg_metric *s, double value);	/* histogram; NAN is ignored */

/* Value of a counter or gauge; of a histogram the number of observations. 0 for NULL. */
double seg_metric_value(const struct seg_metric *s);
/* Quantile estimated from a histogram's buckets, 0 < q < 1; NAN without observations. */
double seg_metric_quantile(const struct seg_metric *s, double q);

/* All families in the order of their first use, in the text format 0.0.4, appended to out. */
enum seg_rc seg_metrics_render(struct seg_metrics *m, struct seg_buf *out, struct seg_error *err) SEG_MUST_CHECK;

#endif
