#include "http/metrics_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void append_text(struct seg_buf *out, const char *text)
{
	seg_buf_append(out, text, strlen(text));
}

/* The format knows \\ and \n everywhere and \" in label values; everything else goes as it is. */
static void append_escaped(struct seg_buf *out, const char *text, bool quotes)
{
	for (const char *at = text; *at; at++) {
		if (*at == '\\')
			append_text(out, "\\\\");
		else if (*at == '\n')
			append_text(out, "\\n");
		else if (*at == '"' && quotes)
			append_text(out, "\\\"");
		else
			seg_buf_u8(out, (uint8_t)*at);
	}
}

void seg_metrics_text_header(struct seg_buf *out, const struct seg_metric_spec *spec)
{
	static const char *const types[] = {
		[SEG_METRIC_COUNTER] = "counter", [SEG_METRIC_GAUGE] = "gauge", [SEG_METRIC_HISTOGRAM] = "histogram"};

	seg_buf_printf(out, "# HELP %s ", spec->name);
	append_escaped(out, spec->help, false);
	seg_buf_printf(out, "\n# TYPE %s %s\n", spec->name, types[spec->type]);
}

static void append_label(struct seg_buf *out, const char *before, const char *name, const char *value)
{
	append_text(out, before);
	append_text(out, name);
	append_text(out, "=\"");
	append_escaped(out, value, true);
	append_text(out, "\"");
}

void seg_metrics_text_series(struct seg_buf *out, const struct seg_metric_spec *spec, const char *suffix,
			     const char *const labels[SEG_METRIC_LABELS], const char *le)
{
	const char *before = "{";

	append_text(out, spec->name);
	append_text(out, suffix);
	for (int i = 0; i < SEG_METRIC_LABELS; i++) {
		if (!spec->labels[i])
			continue;
		append_label(out, before, spec->labels[i], labels[i]);
		before = ",";
	}
	if (le) {
		append_label(out, before, "le", le);
		before = ",";
	}
	append_text(out, before[0] == ',' ? "} " : " ");
}

void seg_metrics_text_uint(struct seg_buf *out, uint64_t value)
{
	seg_buf_printf(out, "%" PRIu64 "\n", value);
}

void seg_metrics_text_double(double value, char ret[SEG_METRICS_NUMBER])
{
	int digits = 15;

	if (isnan(value) || isinf(value)) {
		strcpy(ret, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf");
		return;
	}
	do
		snprintf(ret, SEG_METRICS_NUMBER, "%.*g", digits, value);
	while (strtod(ret, NULL) != value && digits++ < 17);
	/* A locale may have put a comma where the format has a point. */
	for (char *at = ret; *at; at++) {
		if (*at == ',')
			*at = '.';
	}
}

void seg_metrics_text_value(struct seg_buf *out, double value)
{
	char text[SEG_METRICS_NUMBER];

	seg_metrics_text_double(value, text);
	append_text(out, text);
	append_text(out, "\n");
}
