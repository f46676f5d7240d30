#include "daemon/watchdog.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/periodic.h"

enum { LOOK_MS = 1000, WARN_MS = 30000, GIVE_UP_MS = 300000 };

const char *const seg_doing_names[SEG_DOINGS] = {
#define X(id, name) name,
	SEG_DOING_TABLE(X)
#undef X
};

struct watched {
	struct seg_beat *beat;
	unsigned worker;
	unsigned long long count; /* at the last look */
	int64_t still_ms;	  /* as often as it was looked at: a process that was suspended has not been stuck */
	int64_t told_ms;
};

struct seg_watchdog {
	struct seg_watchdog_options options;
	struct seg_periodic periodic; /* its lock is of what follows */
	struct watched *items;
	size_t len, cap;
	int64_t stop_by_mono_ms; /* 0: no stop */
	int64_t looked_mono_ms;
};

void seg_beat(struct seg_beat *beat, enum seg_doing doing)
{
	atomic_store_explicit(&beat->doing, (int)doing, memory_order_relaxed);
	seg_beat_again(beat);
}

void seg_beat_again(struct seg_beat *beat)
{
	atomic_store_explicit(&beat->mono_ms, seg_monotonic_ms(), memory_order_relaxed);
	atomic_fetch_add_explicit(&beat->count, 1, memory_order_release);
}

static void end_process(void *ctx, const char *message)
{
	(void)ctx;
	dprintf(STDERR_FILENO, "segmentd: %s\n", message);
	_exit(1);
}

static const char *doing_of(const struct watched *w)
{
	int doing = atomic_load_explicit(&w->beat->doing, memory_order_relaxed);
	return doing >= 0 && doing < SEG_DOINGS ? seg_doing_names[doing] : "?";
}

static void give_up(struct seg_watchdog *w, const char *event, const char *message)
{
	seg_log(SEG_LOG_ERROR, event, "text=\"%s\"", message);
	w->options.give_up(w->options.ctx, message);
}

static void look_at(struct seg_watchdog *w, struct watched *item, int64_t elapsed_ms)
{
	unsigned long long count = atomic_load_explicit(&item->beat->count, memory_order_acquire);
	item->still_ms = count == item->count ? item->still_ms + elapsed_ms : 0;
	if (count != item->count && item->told_ms > 0) {
		seg_log(SEG_LOG_WARN, "worker_moves", "worker=%u text=\"it was stuck for %" PRId64 " s\"", item->worker,
			item->told_ms / 1000);
		item->told_ms = 0;
	}
	item->count = count;
	bool stuck = item->still_ms >= w->options.warn_ms;
	char label[16];
	snprintf(label, sizeof(label), "%u", item->worker);
	seg_metric_set(seg_meter_labelled(w->options.meters, SEG_METER_STUCK, label, NULL),
		       stuck ? (double)item->still_ms / 1000.0 : 0);
	if (stuck && item->still_ms - item->told_ms >= w->options.warn_ms) {
		item->told_ms = item->still_ms;
		seg_log(SEG_LOG_ERROR, "worker_stuck", "worker=%u doing=%s seconds=%" PRId64, item->worker,
			doing_of(item), item->still_ms / 1000);
	}
	if (item->still_ms < w->options.give_up_ms)
		return;
	char message[256];
	snprintf(message, sizeof(message),
		 "worker %u has hung in %s for %" PRId64 " s: the process ends; nothing is lost, a new start recovers",
		 item->worker, doing_of(item), item->still_ms / 1000);
	item->still_ms = 0;
	give_up(w, "worker_hangs", message);
}

static void look_at_stop(struct seg_watchdog *w, int64_t mono_ms)
{
	if (w->stop_by_mono_ms == 0 || mono_ms < w->stop_by_mono_ms)
		return;
	w->stop_by_mono_ms = INT64_MAX;
	char message[256];
	snprintf(message, sizeof(message),
		 "the stop has not come to its end in time: %s%s; the process ends; nothing is "
		 "lost, a new start recovers",
		 w->len ? "a worker hangs in " : "the Kafka client hangs in close",
		 w->len ? doing_of(&w->items[0]) : "");
	give_up(w, "stop_overdue", message);
}

static bool look(void *ctx)
{
	struct seg_watchdog *w = ctx;
	pthread_mutex_lock(&w->periodic.lock);
	int64_t mono_ms = seg_monotonic_ms(), elapsed_ms = mono_ms - w->looked_mono_ms;
	w->looked_mono_ms = mono_ms;
	if (elapsed_ms > 2 * w->options.look_ms)
		elapsed_ms = 2 * w->options.look_ms;
	for (size_t i = 0; i < w->len; i++)
		look_at(w, &w->items[i], elapsed_ms);
	look_at_stop(w, mono_ms);
	pthread_mutex_unlock(&w->periodic.lock);
	return true;
}

enum seg_rc seg_watchdog_start(const struct seg_watchdog_options *options, struct seg_watchdog **ret,
			       struct seg_error *err)
{
	struct seg_watchdog *w = calloc(1, sizeof(*w));
	if (!w)
		return seg_error_set(err, SEG_NO_MEMORY, "watchdog: out of memory");
	w->options = *options;
	w->options.look_ms = options->look_ms ? options->look_ms : LOOK_MS;
	w->options.warn_ms = options->warn_ms ? options->warn_ms : WARN_MS;
	w->options.give_up_ms = options->give_up_ms ? options->give_up_ms : GIVE_UP_MS;
	w->options.give_up = options->give_up ? options->give_up : end_process;
	w->looked_mono_ms = seg_monotonic_ms();
	seg_periodic_init(&w->periodic);
	enum seg_rc rc = seg_periodic_start(&w->periodic, (int)w->options.look_ms, look, w, "watchdog", err);
	if (rc) {
		seg_watchdog_stop(w);
		return rc;
	}
	*ret = w;
	return SEG_OK;
}

void seg_watchdog_stop(struct seg_watchdog *w)
{
	if (!w)
		return;
	seg_periodic_stop(&w->periodic);
	free(w->items);
	free(w);
}

enum seg_rc seg_watchdog_add(struct seg_watchdog *w, unsigned worker, struct seg_beat *beat, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;
	pthread_mutex_lock(&w->periodic.lock);
	if (w->len == w->cap) {
		size_t cap = w->cap ? w->cap * 2 : 8;
		struct watched *more = realloc(w->items, cap * sizeof(*more));
		if (more) {
			w->items = more;
			w->cap = cap;
		} else {
			rc = seg_error_set(err, SEG_NO_MEMORY, "watchdog: out of memory");
		}
	}
	if (!rc)
		w->items[w->len++] =
			(struct watched){.beat = beat, .worker = worker, .count = atomic_load(&beat->count)};
	pthread_mutex_unlock(&w->periodic.lock);
	return rc;
}

void seg_watchdog_remove(struct seg_watchdog *w, const struct seg_beat *beat)
{
	pthread_mutex_lock(&w->periodic.lock);
	for (size_t i = 0; i < w->len; i++) {
		if (w->items[i].beat == beat)
			w->items[i--] = w->items[--w->len];
	}
	pthread_mutex_unlock(&w->periodic.lock);
}

void seg_watchdog_stop_by(struct seg_watchdog *w, int64_t mono_ms)
{
	pthread_mutex_lock(&w->periodic.lock);
	if (w->stop_by_mono_ms == 0)
		w->stop_by_mono_ms = mono_ms;
	pthread_mutex_unlock(&w->periodic.lock);
}
