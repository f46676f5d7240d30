#include "daemon/status.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/report_json.h"

/* A worker that has not moved for this long hangs: longer than a broker's slowest answer that is still one. */
static const int64_t WATCHDOG_MS = 120000;

struct all {
	struct seg_worker_status *items;
	size_t len;
};

static void release(struct all *a)
{
	for (size_t i = 0; i < a->len; i++)
		free(a->items[i].lanes);
	free(a->items);
}

static bool look(struct seg_server *s, struct all *ret)
{
	*ret = (struct all){calloc(s->workers_len ? s->workers_len : 1, sizeof(*ret->items)), 0};
	if (!ret->items)
		return false;
	for (; ret->len < s->workers_len; ret->len++) {
		if (!seg_worker_status(s->workers[ret->len], &ret->items[ret->len]))
			return false;
	}
	return true;
}

static bool lanes_run(const struct seg_worker_status *w)
{
	for (size_t i = 0; i < w->lanes_len; i++) {
		if (w->lanes[i].state != SEG_LANE_RUNNING)
			return false;
	}
	return w->state == SEG_WORKER_RUNNING && w->answered && !w->unreachable;
}

static bool is_stopped(const struct all *a, int source)
{
	for (size_t i = 0; i < a->len; i++) {
		if (a->items[i].stopped[source])
			return true;
	}
	return false;
}

/* A worker that the group has given nothing is a spare: with more workers than partitions that stays. */
static bool all_run(const struct all *a)
{
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (is_stopped(a, s))
			return false;
	}
	for (size_t i = 0; i < a->len; i++) {
		if (!lanes_run(&a->items[i]))
			return false;
	}
	return a->len > 0;
}

static void add(struct seg_worker_status *to, const struct seg_worker_status *from)
{
	seg_shard_counts_add(&to->counts, &from->counts);
	for (int r = 0; r < SEG_REFUSALS; r++)
		to->dead_letters[r] += from->dead_letters[r];
	to->events += from->events;
	to->cache_hits += from->cache_hits;
	to->cache_misses += from->cache_misses;
	to->cache_bytes += from->cache_bytes;
	to->store_bytes += from->store_bytes;
	to->cycles += from->cycles;
	if (from->quality.sample > 0)
		to->quality = from->quality;
}

static struct seg_worker_status total(const struct all *a)
{
	struct seg_worker_status t = {0};
	for (size_t i = 0; i < a->len; i++)
		add(&t, &a->items[i]);
	return t;
}

void seg_status_totals(struct seg_server *s, struct seg_worker_status *ret)
{
	struct all a;
	*ret = (struct seg_worker_status){0};
	if (look(s, &a))
		*ret = total(&a);
	release(&a);
}

bool seg_status_ready(void *ctx)
{
	struct all a;
	bool ready = look(ctx, &a) && all_run(&a);
	release(&a);
	return ready;
}

bool seg_status_healthy(void *ctx)
{
	struct all a;
	bool healthy = look(ctx, &a);
	int64_t mono = seg_monotonic_ms();
	for (size_t i = 0; healthy && i < a.len; i++) {
		const struct seg_worker_status *w = &a.items[i];
		bool ended = w->state == SEG_WORKER_STOPPED;
		healthy = w->state != SEG_WORKER_FAILED && (ended || mono - w->beat_mono_ms < WATCHDOG_MS);
	}
	release(&a);
	return healthy;
}

/* ---- JSON ---- */

static json_t *lane_json(const struct seg_lane_status *l)
{
	json_t *o = json_pack("{s:i, s:s, s:I, s:I, s:I}", "partition", (int)l->partition, "state",
			      seg_lane_state_names[l->state], "lag", (json_int_t)l->lag, "seq", (json_int_t)l->seq,
			      "customers", (json_int_t)l->customers);
	json_object_set_new(o, "stream_time_ms",
			    l->stream_time_ms == SEG_NO_TIME ? json_null() : json_integer(l->stream_time_ms));
	if (l->state != SEG_LANE_CHANGELOG && l->state != SEG_LANE_INPUTS) {
		json_object_set_new(o, "recovery", json_null());
		return o;
	}
	json_t *left = isfinite(l->seconds_left) ? json_real(l->seconds_left) : json_null();
	json_object_set_new(o, "recovery",
			    json_pack("{s:s, s:I, s:o}", "phase",
				      l->state == SEG_LANE_CHANGELOG ? "changelog" : "inputs", "remaining",
				      (json_int_t)l->remaining, "seconds_left", left));
	return o;
}

static json_t *workers_json(const struct all *a)
{
	json_t *list = json_array();
	for (size_t i = 0; i < a->len; i++) {
		json_t *lanes = json_array();
		for (size_t j = 0; j < a->items[i].lanes_len; j++)
			json_array_append_new(lanes, lane_json(&a->items[i].lanes[j]));
		int64_t still_ms = seg_monotonic_ms() - a->items[i].beat_mono_ms;
		json_t *o = json_pack("{s:i, s:s, s:s, s:f, s:b, s:o}", "worker", (int)i, "state",
				      seg_worker_state_names[a->items[i].state], "doing",
				      seg_doing_names[a->items[i].doing], "still_s", (double)still_ms / 1000.0, "fold",
				      (int)a->items[i].fold, "partitions", lanes);
		if (a->items[i].error[0])
			json_object_set_new(o, "error", json_string(a->items[i].error));
		json_array_append_new(list, o);
	}
	return list;
}

static json_t *sources_json(const struct seg_config *config, const struct all *a)
{
	json_t *list = json_array();
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (config->sources[s].read)
			json_array_append_new(list, json_pack("{s:s, s:s, s:s}", "source", seg_source_names[s], "topic",
							      config->sources[s].topic, "state",
							      is_stopped(a, s) ? "stopped" : "running"));
	}
	return list;
}

static json_t *recent_json(struct seg_recent *recent)
{
	json_t *list = json_array();
	char texts[SEG_RECENT_LEN][SEG_RECENT_TEXT];
	size_t len = recent ? seg_recent_copy(recent, texts) : 0;
	for (size_t i = 0; i < len; i++)
		json_array_append_new(list, json_string(texts[i]));
	return list;
}

/* The least stream time over partitions, and the customers of all. */
static void over_lanes(const struct all *a, int64_t *ret_stream_ms, uint64_t *ret_customers)
{
	*ret_stream_ms = SEG_NO_TIME;
	*ret_customers = 0;
	for (size_t i = 0; i < a->len; i++) {
		for (size_t j = 0; j < a->items[i].lanes_len; j++) {
			const struct seg_lane_status *l = &a->items[i].lanes[j];
			*ret_customers += l->customers;
			if (l->stream_time_ms != SEG_NO_TIME &&
			    (*ret_stream_ms == SEG_NO_TIME || l->stream_time_ms < *ret_stream_ms))
				*ret_stream_ms = l->stream_time_ms;
		}
	}
}

static json_t *drift_json(struct seg_server *s)
{
	json_t *list = json_array();
	struct seg_fold_status *f = malloc(sizeof(*f));
	for (size_t i = 0; f && i < s->workers_len; i++) {
		if (!seg_worker_fold_status(s->workers[i], f))
			continue;
		for (size_t j = 0; j < f->drift_len; j++)
			json_array_append_new(list,
					      json_pack("{s:s, s:f}", "subject", f->drift[j].subject, "psi",
							isfinite(f->drift[j].value.psi) ? f->drift[j].value.psi : 0.0));
	}
	free(f);
	return list;
}

static json_t *build(struct seg_server *s, const struct all *a, const struct seg_model *m)
{
	struct seg_worker_status t = total(a);
	int64_t stream_ms;
	uint64_t customers;
	over_lanes(a, &stream_ms, &customers);
	json_t *o = json_object();
	json_object_set_new(o, "app", json_string(s->config->app));
	json_object_set_new(o, "instance", json_string(s->config->instance));
	json_object_set_new(o, "version", json_string(SEG_VERSION));
	json_object_set_new(o, "ready", json_boolean(all_run(a)));
	json_object_set_new(o, "uptime_s", json_real((double)(seg_monotonic_ms() - s->began_mono_ms) / 1000.0));
	json_object_set_new(o, "stream_time_ms", stream_ms == SEG_NO_TIME ? json_null() : json_integer(stream_ms));
	json_object_set_new(o, "model_version", json_integer((json_int_t)seg_model_version(m)));
	json_object_set_new(o, "customers", json_integer((json_int_t)customers));
	json_object_set_new(o, "segments", seg_report_segments(m));
	json_object_set_new(o, "sources", sources_json(s->config, a));
	json_object_set_new(o, "workers", workers_json(a));
	json_object_set_new(o, "dead_letters", seg_report_dead_letters(t.dead_letters));
	json_object_set_new(o, "events", json_integer((json_int_t)t.events));
	json_object_set_new(o, "duplicates", json_integer((json_int_t)t.counts.duplicates));
	json_object_set_new(o, "late", json_integer((json_int_t)t.counts.late));
	json_object_set_new(o, "below_dedup_window", json_integer((json_int_t)t.counts.below_window));
	json_object_set_new(o, "identified", json_integer((json_int_t)t.counts.identified));
	json_object_set_new(o, "changes_by_reason", seg_report_changes(t.counts.changes));
	json_object_set_new(o, "flapping", seg_report_flapping(&t.counts.moves, m));
	json_object_set_new(o, "latest_changes", recent_json(s->recent));
	json_object_set_new(o, "drift", drift_json(s));
	return o;
}

enum seg_rc seg_status_json(void *ctx, struct seg_buf *out, struct seg_error *err)
{
	struct seg_server *s = ctx;
	struct all a;
	char *text = NULL;
	if (look(s, &a)) {
		struct seg_model *m = seg_model_feed_get(s->inst->feed);
		json_t *o = build(s, &a, m);
		text = o ? json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(12)) : NULL;
		json_decref(o);
		seg_model_put(m);
	}
	release(&a);
	if (text)
		seg_buf_append(out, text, strlen(text));
	free(text);
	return text && !out->failed ? SEG_OK : seg_error_set(err, SEG_NO_MEMORY, "status: out of memory");
}

/* ---- gauges ---- */

static void refresh_fold(struct seg_server *s)
{
	struct seg_fold_status *f = malloc(sizeof(*f));
	for (size_t i = 0; f && i < s->workers_len; i++) {
		if (!seg_worker_fold_status(s->workers[i], f))
			continue;
		for (size_t j = 0; j < f->drift_len; j++)
			seg_metric_set(seg_meter_labelled(s->meters, SEG_METER_DRIFT, f->drift[j].subject, NULL),
				       f->drift[j].value.psi);
	}
	free(f);
}

/* Counted since the program began; series of segments that are no more are hidden. */
static void refresh_moves(struct seg_server *s, const struct seg_moves *moves, const struct seg_model *m)
{
	struct seg_margin_advice advice;
	seg_moves_advice(moves, &advice);
	struct seg_metric *margin = seg_meter(s->meters, SEG_METER_HYSTERESIS_ADVICE),
			  *cost = seg_meter(s->meters, SEG_METER_HYSTERESIS_COST);
	if (isnan(advice.margin)) {
		seg_metric_hide(margin);
		seg_metric_hide(cost);
	} else {
		seg_metric_set(margin, advice.margin);
		seg_metric_set(cost, advice.others);
	}
	for (uint32_t i = 0; m && i < m->segments_len; i++) {
		const struct seg_segment_counts *c = seg_moves_of(moves, m->segments[i].cluster);
		char id[32];
		snprintf(id, sizeof(id), "s%" PRIu64, m->segments[i].cluster);
		struct seg_metric *flaps = seg_meter_labelled(s->meters, SEG_METER_SEGMENT_FLAPS, id, NULL);
		struct seg_metric *held = seg_meter_labelled(s->meters, SEG_METER_SEGMENT_SUPPRESSED, id, NULL);
		if (m->segments[i].state == SEG_SEGMENT_ACTIVE) {
			seg_metric_count_to(flaps, c ? c->flaps : 0);
			seg_metric_count_to(held, c ? c->suppressed : 0);
		} else {
			seg_metric_hide(flaps);
			seg_metric_hide(held);
		}
	}
}

void seg_status_refresh(void *ctx)
{
	struct seg_server *s = ctx;
	struct all a;
	if (!look(s, &a)) {
		release(&a);
		return;
	}
	struct seg_worker_status t = total(&a);
	int64_t stream_ms;
	uint64_t customers;
	over_lanes(&a, &stream_ms, &customers);
	seg_metric_set(seg_meter(s->meters, SEG_METER_CUSTOMERS), (double)customers);
	seg_metric_count_to(seg_meter(s->meters, SEG_METER_DUPLICATES), t.counts.duplicates);
	seg_metric_count_to(seg_meter(s->meters, SEG_METER_LATE), t.counts.late);
	seg_metric_count_to(seg_meter(s->meters, SEG_METER_BELOW_WINDOW), t.counts.below_window);
	seg_metric_count_to(seg_meter(s->meters, SEG_METER_IDENTIFIED), t.counts.identified);
	seg_metric_count_to(seg_meter(s->meters, SEG_METER_SUPPRESSED), t.counts.suppressed);
	seg_metric_count_to(seg_meter(s->meters, SEG_METER_EVALUATED), t.counts.evaluated);
	seg_metric_count_to(seg_meter(s->meters, SEG_METER_HITS), t.cache_hits);
	seg_metric_count_to(seg_meter(s->meters, SEG_METER_MISSES), t.cache_misses);
	seg_metric_count_to(seg_meter(s->meters, SEG_METER_CHECKPOINTS), t.cycles);
	seg_metric_set(seg_meter(s->meters, SEG_METER_CACHE_BYTES), (double)t.cache_bytes);
	seg_metric_set(seg_meter(s->meters, SEG_METER_STORE_BYTES), (double)t.store_bytes);
	refresh_fold(s);
	for (size_t i = 0; i < a.len; i++) {
		char worker[16];
		snprintf(worker, sizeof(worker), "%zu", i);
		seg_metric_set(seg_meter_labelled(s->meters, SEG_METER_UNREACHABLE, worker, NULL),
			       a.items[i].unreachable);
	}
	for (int i = 0; i < SEG_SOURCES; i++) {
		if (s->config->sources[i].read)
			seg_metric_set(seg_meter_labelled(s->meters, SEG_METER_SOURCE_STOPPED,
							  s->config->sources[i].topic, NULL),
				       is_stopped(&a, i) ? 1 : 0);
	}
	for (int r = 0; r < SEG_REASONS; r++) {
		if (t.counts.changes[r] > 0)
			seg_metric_count_to(seg_meter_labelled(s->meters, SEG_METER_CHANGES, seg_reason_names[r], NULL),
					    t.counts.changes[r]);
	}
	struct seg_model *m = seg_model_feed_get(s->inst->feed);
	seg_metric_set(seg_meter(s->meters, SEG_METER_MODEL_VERSION), (double)seg_model_version(m));
	for (uint32_t i = 0; m && i < m->segments_len; i++) {
		char id[32];
		snprintf(id, sizeof(id), "s%" PRIu64, m->segments[i].cluster);
		struct seg_metric *g = seg_meter_labelled(s->meters, SEG_METER_SEGMENT_CUSTOMERS, id, NULL);
		if (m->segments[i].state == SEG_SEGMENT_ACTIVE)
			seg_metric_set(g, (double)m->segments[i].customers);
		else
			seg_metric_hide(g);
	}
	refresh_moves(s, &t.counts.moves, m);
	seg_model_put(m);
	release(&a);
}
