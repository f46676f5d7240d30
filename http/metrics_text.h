/* Lines of Prometheus' text format 0.0.4, for metrics.c. Pure; the same in any locale. */
#ifndef SEG_HTTP_METRICS_TEXT_H
#define SEG_HTTP_METRICS_TEXT_H

#include "base/buf.h"
#include "http/metrics.h"

enum { SEG_METRICS_NUMBER = 40 };

/* # HELP and # TYPE. */
void seg_metrics_text_header(struct seg_buf *out, const struct seg_metric_spec *spec);
/* name + suffix, the labels in braces (and le, if given), and a blank. */
void seg_metrics_text_series(struct seg_buf *out, const struct seg_metric_spec *spec, const char *suffix,
			     const char *const labels[SEG_METRIC_LABELS], const char *le);
/* The value and the end of the line. */
void seg_metrics_text_uint(struct seg_buf *out, uint64_t value);
void seg_metrics_text_value(struct seg_buf *out, double value);
/* The shortest digits that read back as the same double; NaN, +Inf, -Inf. */
void seg_metrics_text_double(double value, char ret[SEG_METRICS_NUMBER]);

#endif
