#include "daemon/demo.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/demo_text.h"
#include "config/load.h"
#include "daemon/demo_broker.h"
#include "daemon/demo_feed.h"
#include "daemon/demo_place.h"
#include "daemon/demo_view.h"
#include "daemon/demo_watch.h"
#include "daemon/server.h"
#include "daemon/status.h"
#include "daemon/summary.h"

enum {
	SEED = 1,
	PARTITIONS = 4,
	LOOK_MS = 250,
	SETTLE_MS = 2500, /* nothing has moved for so long: two ticks of the fold and a commit */
	SETTLE_MOST_MS = 60000,
	/* The mock cluster lets a rebalance take a second less than this. With clients in this process none is lost. */
	SESSION_MS = 10000,
	SMOOTH_LOOKS = 8 /* events/s is shown over so many looks */
};

struct demo {
	const struct seg_demo_options *options;
	struct seg_demo_place *place;
	struct seg_config *config;
	struct seg_demo_broker *broker;
	struct seg_recent *recent;
	struct seg_server *server;
	struct seg_demo_watch *watch;
	struct seg_demo_events *events;
	struct seg_demo_feed *feed;
	struct seg_demo_view *view;
	int64_t began_mono_ms;

	/* the last looks, for the rate */
	uint64_t seen[SMOOTH_LOOKS];
	int64_t mono_ms[SMOOTH_LOOKS];
	unsigned looks;

	/* since when nothing has moved */
	uint64_t moved;
	int64_t moved_mono_ms, read_mono_ms; /* read: all that is to be read has been; 0: not yet */
	struct seg_summary summary;
};

/* ---- beginning and end ---- */

static enum seg_rc replace(char **text, const char *with, struct seg_error *err)
{
	char *copy = strdup(with);
	if (!copy)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	free(*text);
	*text = copy;
	return SEG_OK;
}

static enum seg_rc load_config(struct demo *d, struct seg_error *err)
{
	char listen[32];
	enum seg_rc rc = seg_config_load_text(seg_config_demo_text, strlen(seg_config_demo_text), "config/demo.yaml",
					      NULL, &d->config, err);
	if (!rc)
		rc = replace(&d->config->data_dir, seg_demo_place_folder(d->place), err);
	if (!rc && d->options->port >= 0) {
		snprintf(listen, sizeof(listen), "127.0.0.1:%" PRId64, d->options->port);
		rc = replace(&d->config->http.listen, listen, err);
	}
	if (!rc)
		seg_log_init(SEG_LOG_INFO, false); /* into the folder's log */
	return rc;
}

static uint64_t events_read(void *ctx)
{
	struct demo *d = ctx;
	struct seg_worker_status totals;
	seg_status_totals(d->server, &totals);
	return totals.events;
}

/*
 * All workers have joined and their partitions run. Offsets of a transaction are not kept by the mock cluster: a rebalance
 * under way would have events read twice.
 */
static bool has_begun(void *ctx)
{
	struct demo *d = ctx;
	const struct seg_server *s = d->server;
	size_t lanes = 0;
	bool all = seg_status_ready(d->server);
	for (size_t i = 0; all && i < s->workers_len; i++) {
		struct seg_worker_status w;
		if (!seg_worker_status(s->workers[i], &w))
			return false;
		all = w.lanes_len > 0;
		lanes += w.lanes_len;
		free(w.lanes);
	}
	return all && lanes == PARTITIONS;
}

static enum seg_rc start_engine(struct demo *d, struct seg_error *err)
{
	struct seg_server_options server = {
		.config = d->config,
		.search_port = d->options->port < 0,
		.session_timeout_ms = SESSION_MS,
		.recent = d->recent,
	};
	enum seg_rc rc = seg_demo_broker_start(d->config, PARTITIONS, &d->broker, err);
	if (!rc)
		rc = replace(&d->config->kafka.brokers, seg_demo_broker_address(d->broker), err);
	return rc ? rc : seg_server_start(&server, &d->server, err);
}

static enum seg_rc start(struct demo *d, struct seg_error *err)
{
	d->recent = seg_recent_new();
	if (!d->recent)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	enum seg_rc rc = load_config(d, err);
	if (!rc)
		rc = seg_demo_events_open(SEED, d->options->input, &d->events, err);
	if (!rc)
		rc = start_engine(d, err);
	if (!rc)
		rc = seg_demo_watch_start(d->config, PARTITIONS, d->recent, &d->watch, err);
	if (rc)
		return rc;
	struct seg_demo_feed_options feed = {
		.config = d->config,
		.brokers = d->config->kafka.brokers,
		.events = d->events,
		.rate = d->options->rate,
		.limit = d->options->exit_after,
		.ready = has_begun,
		.read = events_read,
		.ctx = d,
	};
	rc = seg_demo_feed_start(&feed, &d->feed, err);
	if (rc)
		return rc;
	d->view = seg_demo_view_open();
	return d->view ? SEG_OK : seg_error_set(err, SEG_NO_MEMORY, "out of memory");
}

/* The server's failure, if the rest went well. */
static enum seg_rc stop(struct demo *d, enum seg_rc rc, struct seg_error *err)
{
	seg_demo_feed_stop(d->feed);
	seg_demo_events_close(d->events);
	enum seg_rc stopped = seg_server_stop(d->server, rc ? NULL : err);
	seg_demo_watch_stop(d->watch);
	seg_demo_broker_stop(d->broker);
	seg_recent_free(d->recent);
	seg_config_free(d->config);
	return rc ? rc : stopped;
}

/* ---- looking ---- */

static double rate_of(struct demo *d, uint64_t events, int64_t mono_ms)
{
	unsigned now = d->looks % SMOOTH_LOOKS;
	unsigned oldest = d->looks < SMOOTH_LOOKS ? 0 : (d->looks + 1) % SMOOTH_LOOKS;
	d->seen[now] = events;
	d->mono_ms[now] = mono_ms;
	d->looks++;
	int64_t ms = mono_ms - d->mono_ms[oldest];
	return ms > 0 ? (double)(events - d->seen[oldest]) * 1000.0 / (double)ms : 0;
}

static uint64_t sum(const uint64_t *counts, int len)
{
	uint64_t total = 0;
	for (int i = 0; i < len; i++)
		total += counts[i];
	return total;
}

static uint64_t count_customers(struct seg_server *s, int64_t *ret_lag)
{
	uint64_t customers = 0;
	*ret_lag = 0;
	for (size_t i = 0; i < s->workers_len; i++) {
		struct seg_worker_status w;
		if (!seg_worker_status(s->workers[i], &w))
			continue;
		for (size_t l = 0; l < w.lanes_len; l++) {
			customers += w.lanes[l].customers;
			*ret_lag += w.lanes[l].lag > 0 ? w.lanes[l].lag : 0;
		}
		free(w.lanes);
	}
	return customers;
}

/* Has everything been read, and does nothing more come of it? Refits and sweeps go on a little after the last event. */
static bool is_settled(struct demo *d, const struct seg_demo_screen *s, uint64_t evaluated, int64_t lag)
{
	uint64_t moved = s->changes + evaluated + s->customers + seg_model_version(s->model);
	if (moved != d->moved) {
		d->moved = moved;
		d->moved_mono_ms = s->mono_ms;
	}
	if (!s->feed.done || s->events < s->feed.total || lag > 0)
		return false;
	if (d->read_mono_ms == 0)
		d->read_mono_ms = d->moved_mono_ms = s->mono_ms;
	bool waits_for_segments = s->customers >= (uint64_t)s->min_customers && (!s->model || s->model->k == 0);
	bool still = s->mono_ms - d->moved_mono_ms >= SETTLE_MS && !waits_for_segments;
	return still || s->mono_ms - d->read_mono_ms >= SETTLE_MOST_MS;
}

static void note_summary(struct demo *d, const struct seg_demo_screen *s, const struct seg_worker_status *t)
{
	struct seg_summary *m = &d->summary;
	struct seg_demo_alerts alerts;
	seg_demo_watch_alerts(d->watch, &alerts);
	m->events = s->events;
	m->accepted = t->counts.accepted;
	m->duplicates = t->counts.duplicates;
	m->customers = s->customers;
	m->alerts = alerts.raised;
	memcpy(m->changes, t->counts.changes, sizeof(m->changes));
	memcpy(m->dead_letters, t->dead_letters, sizeof(m->dead_letters));
	m->quality = t->quality;
	m->seconds = (double)(s->mono_ms - d->began_mono_ms) / 1000.0;
}

/* One look: draws, and tells whether the end has come. */
static enum seg_rc look(struct demo *d, bool *ret_settled, struct seg_error *err)
{
	struct seg_worker_status totals;
	int64_t lag;
	seg_status_totals(d->server, &totals);
	struct seg_demo_screen s = {
		.events = totals.events,
		.customers = count_customers(d->server, &lag),
		.changes = sum(totals.counts.changes, SEG_REASONS),
		.min_customers = d->config->segmenter.min_customers,
		.ready = seg_status_ready(d->server),
		.watch = d->watch,
		.changes_in_words = d->recent,
		.port = seg_http_port(d->server->http),
		.mono_ms = seg_monotonic_ms(),
	};
	memcpy(s.dead_letters, totals.dead_letters, sizeof(s.dead_letters));
	s.per_second = rate_of(d, s.events, s.mono_ms);
	enum seg_rc rc = seg_demo_feed_progress(d->feed, &s.feed, err);
	if (!rc)
		rc = seg_server_check(d->server, err);
	struct seg_model *model = seg_model_feed_get(d->server->inst->feed);
	s.model = model;
	if (!rc) {
		seg_demo_view_draw(d->view, &s);
		*ret_settled = is_settled(d, &s, totals.counts.evaluated, lag);
		note_summary(d, &s, &totals);
	}
	seg_model_put(model);
	return rc;
}

static enum seg_rc watch(struct demo *d, struct seg_error *err)
{
	bool settled = false;
	enum seg_rc rc = SEG_OK;
	while (!rc && !seg_demo_place_is_stopped(d->place)) {
		rc = look(d, &settled, err);
		if (settled && d->options->exit_after > 0)
			break;
		seg_sleep_ms(LOOK_MS);
	}
	return rc;
}

static enum seg_rc conclude(struct demo *d, struct seg_error *err)
{
	uint64_t wanted = d->options->exit_after;
	if (wanted == 0)
		return SEG_OK;
	enum seg_rc rc = seg_summary_print(&d->summary, stdout, err);
	if (!rc && d->summary.events < wanted)
		rc = seg_error_set(err, SEG_LIMIT, "%" PRIu64 " events were taken in and %" PRIu64 " asked for%s",
				   d->summary.events, wanted,
				   seg_demo_place_is_stopped(d->place) ? ": it was told to stop"
								       : ": the input is shorter");
	return rc;
}

static void at_once(void *ctx)
{
	struct demo *d = ctx;
	seg_demo_view_close(d->view);
}

enum seg_rc seg_demo(const struct seg_demo_options *options, struct seg_error *err)
{
	struct demo d = {.options = options, .began_mono_ms = seg_monotonic_ms()};
	enum seg_rc rc = seg_demo_place_open(at_once, &d, &d.place, err);
	if (rc)
		return rc;
	rc = start(&d, err);
	if (!rc)
		rc = watch(&d, err);
	struct seg_model *model = rc ? NULL : seg_model_feed_get(d.server->inst->feed);
	d.summary.model = model;
	rc = stop(&d, rc, err);
	seg_demo_view_close(d.view);
	bool show_log = rc != SEG_OK && d.looks > 0;
	if (!rc)
		rc = conclude(&d, err);
	seg_model_put(model);
	seg_demo_place_close(d.place, show_log);
	seg_demo_view_free(d.view);
	return rc;
}
