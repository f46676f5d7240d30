/*
 * Prints the program's whole table of metrics in the text format, each with values in it: the input of promtool. Only
 * the table is taken from daemon/meters.h, nothing of daemon/ is linked.
 */
#include <stdio.h>
#include <stdlib.h>

#include "daemon/meters.h"

static const double seconds[] = {0.001, 0.1, 10};

static const struct seg_metric_spec specs[] = {
#define X(id, name, type, first, second, help)                                                                         \
	{name, help, SEG_METRIC_##type, {first, second}, seconds, SEG_METRIC_##type == SEG_METRIC_HISTOGRAM ? 3 : 0},
	SEG_METER_TABLE(X)
#undef X
};

int main(void)
{
	struct seg_metrics *m = seg_metrics_new();
	struct seg_error err = {0};
	struct seg_buf out;
	enum seg_rc rc;

	seg_buf_init(&out, 1 << 20);
	for (size_t i = 0; m && i < sizeof(specs) / sizeof(specs[0]); i++) {
		struct seg_metric *s = seg_metrics_series(m, &specs[i], "a \"b\" \\c\nd", "\xc3\xa9");

		switch (specs[i].type) {
		case SEG_METRIC_COUNTER:
			seg_metric_inc(s, i);
			break;
		case SEG_METRIC_GAUGE:
			seg_metric_set(s, -0.1 * (double)i);
			break;
		case SEG_METRIC_HISTOGRAM:
			seg_metric_observe(s, 0.05);
			seg_metric_observe(s, 50);
			break;
		}
	}
	rc = m ? seg_metrics_render(m, &out, &err) : SEG_NO_MEMORY;
	if (rc)
		fprintf(stderr, "%s\n", err.text);
	else
		fwrite(out.data, 1, out.len, stdout);
	seg_buf_release(&out);
	seg_metrics_free(m);
	return rc ? 1 : 0;
}
