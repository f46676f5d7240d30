#include "daemon/demo_watch.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/kafka_client.h"
#include "base/log.h"
#include "consumers/kafka_reader.h"
#include "daemon/demo_words.h"
#include "daemon/topic_specs.h"
#include "segmenter/catalogue.h"

enum { POLL_MS = 100, BATCH = 1000, CLOSE_MS = 5000, KNOWN_MAX = 256, TELL_MS = 300 };

struct known_feature {
	char name[SEG_FEATURE_NAME_MAX];
	double value, zscore;
};

struct known_segment {
	char id[32];
	struct known_feature *features; /* owned, by falling |zscore| */
	size_t len;
};

struct seg_demo_watch {
	const struct seg_config *config;
	struct seg_recent *changes, *alerts;
	struct seg_kafka_setting *settings;
	struct seg_kafka_reader *reader;
	uint32_t segments_stream, alerts_stream;
	pthread_t thread;
	bool started;
	atomic_bool stop;
	int64_t told_mono_ms; /* when the last change was put into words */

	pthread_mutex_t lock; /* of what follows */
	struct known_segment segments[KNOWN_MAX];
	size_t segments_len;
	uint64_t raised, open;
};

/* ---- segments ---- */

static struct known_segment *find(struct seg_demo_watch *w, struct seg_str id)
{
	for (size_t i = 0; i < w->segments_len; i++) {
		if (seg_str_is(id, w->segments[i].id))
			return &w->segments[i];
	}
	return NULL;
}

static int by_strength(const void *a, const void *b)
{
	double x = fabs(((const struct known_feature *)a)->zscore), y = fabs(((const struct known_feature *)b)->zscore);
	return (x < y) - (x > y);
}

static void remember(struct seg_demo_watch *w, const struct seg_read_segment *s)
{
	struct known_feature *features = calloc(s->centroid_len ? s->centroid_len : 1, sizeof(*features));
	struct known_segment *known = find(w, s->segment_id);
	if (!known && w->segments_len < KNOWN_MAX)
		known = &w->segments[w->segments_len++];
	if (!known || !features) {
		free(features);
		return;
	}
	for (uint32_t i = 0; i < s->centroid_len; i++) {
		snprintf(features[i].name, sizeof(features[i].name), SEG_STR_FMT, SEG_STR_ARG(s->centroid[i].feature));
		features[i].value = s->centroid[i].value;
		features[i].zscore = s->centroid[i].zscore;
	}
	qsort(features, s->centroid_len, sizeof(*features), by_strength);
	snprintf(known->id, sizeof(known->id), SEG_STR_FMT, SEG_STR_ARG(s->segment_id));
	free(known->features);
	known->features = features;
	known->len = s->centroid_len;
}

static double typical(void *ctx, struct seg_str segment_id, struct seg_str feature)
{
	const struct known_segment *known = find(ctx, segment_id);
	for (size_t i = 0; known && i < known->len; i++) {
		if (seg_str_is(feature, known->features[i].name))
			return known->features[i].value;
	}
	return (double)NAN;
}

void seg_demo_watch_traits(struct seg_demo_watch *w, uint64_t cluster, unsigned most, char *ret, size_t size)
{
	char id[32];
	size_t at = 0;
	snprintf(id, sizeof(id), "s%" PRIu64, cluster);
	ret[0] = 0;
	pthread_mutex_lock(&w->lock);
	const struct known_segment *known = find(w, seg_str_from(id));
	for (size_t i = 0; known && i < known->len && i < most && at < size; i++) {
		char name[64], value[64];
		struct seg_str feature = seg_str_from(known->features[i].name);
		seg_words_feature(feature, name, sizeof(name));
		seg_words_value(feature, known->features[i].value, w->config->currencies.base, value, sizeof(value));
		at += (size_t)snprintf(ret + at, size - at, "%s%s %s", at ? " · " : "", name, value);
	}
	pthread_mutex_unlock(&w->lock);
}

/* ---- reading ---- */

static void take_change(struct seg_demo_watch *w, struct seg_str value)
{
	struct seg_read_change c;
	char text[SEG_RECENT_TEXT];
	/* Hundreds may come in a second: as many are told as one can read. */
	int64_t mono_ms = seg_monotonic_ms();
	if (mono_ms - w->told_mono_ms < TELL_MS || !seg_read_change(value, &c))
		return;
	w->told_mono_ms = mono_ms;
	pthread_mutex_lock(&w->lock);
	seg_words_change(&c, typical, w, w->config->currencies.base, text, sizeof(text));
	pthread_mutex_unlock(&w->lock);
	seg_recent_add(w->changes, text);
}

static void take_alert(struct seg_demo_watch *w, struct seg_str value)
{
	struct seg_read_alert a;
	char text[SEG_RECENT_TEXT];
	if (!seg_read_alert(value, &a))
		return;
	seg_words_alert(&a, text, sizeof(text));
	seg_recent_add(w->alerts, text);
	pthread_mutex_lock(&w->lock);
	w->raised += a.state == SEG_ALERT_RAISED;
	w->open += a.state == SEG_ALERT_RAISED;
	w->open -= a.state == SEG_ALERT_CLEARED && w->open > 0;
	pthread_mutex_unlock(&w->lock);
}

static enum seg_rc take(void *ctx, enum seg_stream_event event, const struct seg_kafka_message *m,
			struct seg_error *err)
{
	struct seg_demo_watch *w = ctx;
	struct seg_read_segment s;
	(void)err;
	if (event != SEG_STREAM_RECORD || !m->value.ptr)
		return SEG_OK;
	if (m->topic == w->alerts_stream) {
		take_alert(w, m->value);
	} else if (m->topic != w->segments_stream) {
		take_change(w, m->value);
	} else if (seg_read_segment(m->value, &s)) {
		pthread_mutex_lock(&w->lock);
		remember(w, &s);
		pthread_mutex_unlock(&w->lock);
	}
	return SEG_OK;
}

static void *run(void *arg)
{
	struct seg_demo_watch *w = arg;
	while (!atomic_load(&w->stop)) {
		struct seg_error err = {0};
		if (seg_kafka_reader_poll(w->reader, POLL_MS, BATCH, take, w, NULL, &err)) {
			seg_log(SEG_LOG_WARN, "outputs_read", "error=\"%s\"", err.text);
			break;
		}
	}
	return NULL;
}

static enum seg_rc add_streams(struct seg_demo_watch *w, int32_t partitions, struct seg_error *err)
{
	const struct seg_config_topic *outputs = w->config->outputs;
	uint32_t stream;
	enum seg_rc rc = seg_kafka_reader_add(w->reader, outputs[SEG_CONFIG_SEGMENTS].topic, 0, SEG_OFFSET_START,
					      &w->segments_stream, err);
	if (!rc)
		rc = seg_kafka_reader_add(w->reader, outputs[SEG_CONFIG_DRIFT_ALERTS].topic, 0, SEG_OFFSET_START,
					  &w->alerts_stream, err);
	for (int32_t p = 0; !rc && p < partitions; p++)
		rc = seg_kafka_reader_add(w->reader, outputs[SEG_CONFIG_SEGMENT_CHANGES].topic, p, SEG_OFFSET_START,
					  &stream, err);
	return rc;
}

static enum seg_rc start(struct seg_demo_watch *w, int32_t partitions, struct seg_error *err)
{
	struct seg_kafka_client client;
	if (!w->alerts || !seg_client_of(w->config, &client, &w->settings))
		return seg_error_set(err, SEG_NO_MEMORY, "view: out of memory");
	client.client_id = "segmentd-demo-view";
	enum seg_rc rc = seg_kafka_reader_open(&client, &w->reader, err);
	if (!rc)
		rc = add_streams(w, partitions, err);
	if (rc)
		return rc;
	int failed = pthread_create(&w->thread, NULL, run, w);
	w->started = !failed;
	return failed ? seg_error_set(err, SEG_IO, "view: no thread: error %d", failed) : SEG_OK;
}

enum seg_rc seg_demo_watch_start(const struct seg_config *config, int32_t partitions, struct seg_recent *recent,
				 struct seg_demo_watch **ret, struct seg_error *err)
{
	struct seg_demo_watch *w = calloc(1, sizeof(*w));
	if (!w)
		return seg_error_set(err, SEG_NO_MEMORY, "view: out of memory");
	pthread_mutex_init(&w->lock, NULL);
	w->config = config;
	w->changes = recent;
	w->alerts = seg_recent_new();
	enum seg_rc rc = start(w, partitions, err);
	if (rc) {
		seg_demo_watch_stop(w);
		return rc;
	}
	*ret = w;
	return SEG_OK;
}

void seg_demo_watch_stop(struct seg_demo_watch *w)
{
	if (!w)
		return;
	atomic_store(&w->stop, true);
	if (w->started)
		pthread_join(w->thread, NULL);
	if (w->reader)
		seg_kafka_reader_close(w->reader, CLOSE_MS);
	for (size_t i = 0; i < w->segments_len; i++)
		free(w->segments[i].features);
	seg_recent_free(w->alerts);
	free(w->settings);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

void seg_demo_watch_alerts(struct seg_demo_watch *w, struct seg_demo_alerts *ret)
{
	pthread_mutex_lock(&w->lock);
	*ret = (struct seg_demo_alerts){w->raised, w->open, w->alerts};
	pthread_mutex_unlock(&w->lock);
}
