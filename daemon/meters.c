#include "daemon/meters.h"

#include <inttypes.h>
#include <stdlib.h>

struct seg_meters {
	struct seg_metrics *metrics;
	struct seg_metric *plain[SEG_METERS]; /* of those without labels */
};

static const double seconds[] = {0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1,  0.15, 0.25,
				 0.5,	1,	2.5,   5,    10,   30,	  60,	300,   3600, 86400};

#define BUCKETS_COUNTER NULL, 0
#define BUCKETS_GAUGE NULL, 0
#define BUCKETS_HISTOGRAM seconds, sizeof(seconds) / sizeof(seconds[0])

static const struct seg_metric_spec specs[SEG_METERS] = {
#define X(id, name, type, first, second, help) {name, help, SEG_METRIC_##type, {first, second}, BUCKETS_##type},
	SEG_METER_TABLE(X)
#undef X
};

struct seg_meters *seg_meters_new(struct seg_metrics *metrics)
{
	struct seg_meters *m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->metrics = metrics;
	for (int i = 0; i < SEG_METERS; i++) {
		if (!specs[i].labels[0])
			m->plain[i] = seg_metrics_series(metrics, &specs[i], NULL, NULL);
	}
	return m;
}

void seg_meters_free(struct seg_meters *m)
{
	free(m);
}

struct seg_metric *seg_meter(struct seg_meters *m, enum seg_meter which)
{
	return m ? m->plain[which] : NULL;
}

struct seg_metric *seg_meter_labelled(struct seg_meters *m, enum seg_meter which, const char *first, const char *second)
{
	return m ? seg_metrics_series(m->metrics, &specs[which], first, second) : NULL;
}

struct seg_metric *seg_meter_partition(struct seg_meters *m, enum seg_meter which, int32_t partition)
{
	char text[16];
	snprintf(text, sizeof(text), "%" PRId32, partition);
	return seg_meter_labelled(m, which, text, NULL);
}

void seg_meters_print(FILE *out)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	fprintf(out, "| metric | type | labels | meaning |\n|---|---|---|---|\n");
	for (int i = 0; i < SEG_METERS; i++) {
		const char *first = specs[i].labels[0], *second = specs[i].labels[1];
		fprintf(out, "| `%s` | %s | %s%s%s | %s |\n", specs[i].name, types[specs[i].type], first ? first : "",
			second ? ", " : "", second ? second : "", specs[i].help);
	}
}
