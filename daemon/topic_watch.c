#include "daemon/topic_watch.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/periodic.h"

enum { INTERVAL_MS = 5000, ASK_MS = 3000, MISSED_MOST = 2 };

struct seg_topic_watch {
	struct seg_topic_watch_options options;
	struct seg_periodic periodic;
	unsigned missed[SEG_WATCHED_TOPICS]; /* looks in a row that did not find it */
	struct seg_error found;		     /* under the periodic's lock; rc SEG_OK: all is well */
};

enum seg_rc seg_topic_has_partitions(const char *topic, int32_t now, int32_t before, struct seg_error *err)
{
	return seg_error_set(err, SEG_FATAL,
			     "topic %s has %" PRId32 " partitions and had %" PRId32
			     ": new events of a customer would go to another partition than the state that is kept of "
			     "them. Let the producers write to a new topic of %" PRId32
			     " partitions, or give the application a new name (`app`): it then begins "
			     "anew, reading the inputs from their start",
			     topic, now, before, before);
}

enum seg_rc seg_topic_is_shorter(const char *topic, int32_t partition, int64_t high, int64_t reached,
				 struct seg_error *err)
{
	return seg_error_set(
		err, SEG_FATAL,
		"topic %s, partition %" PRId32 " ends at offset %" PRId64 " but was read to %" PRId64
		": it was deleted and made anew. Its offsets mean something else now: restore the topic, or "
		"give the application a new name (`app`) to begin anew with what the topics hold",
		topic, partition, high, reached);
}

enum seg_rc seg_topic_has_lost(const char *topic, int32_t partition, int64_t low, int64_t next, struct seg_error *err)
{
	return seg_error_set(err, SEG_FATAL,
			     "topic %s, partition %" PRId32 " begins at offset %" PRId64
			     " but has been read to %" PRId64 " only: %" PRId64
			     " records were deleted before they were read, and are lost. Nothing is "
			     "skipped silently: restore them, or give the application a new name (`app`) to begin anew "
			     "with what the topics hold; then keep inputs longer than an instance may stand still",
			     topic, partition, low, next, low - next);
}

static enum seg_rc is_gone(const struct seg_watched_topic *t, struct seg_error *err)
{
	return seg_error_set(
		err, SEG_FATAL,
		"topic %s does not exist any more: %s, or give the application a new name (`app`) to begin "
		"anew",
		t->name, t->input ? "restore it with its records" : "restore it");
}

/* Positions are read before the log's end is asked for, so an end below one is no race. */
static enum seg_rc look_at_ends(struct seg_topic_watch *w, const struct seg_watched_topic *t, struct seg_error *err)
{
	for (int32_t p = 0; t->reached && p < w->options.partitions && !seg_periodic_is_stopping(&w->periodic); p++) {
		int64_t low, high, reached = atomic_load(&t->reached[p]);
		if (reached <= 0)
			continue;
		enum seg_rc rc =
			seg_kafka_watermarks_query(w->options.watermarks, t->name, p, ASK_MS, &low, &high, NULL);
		if (rc)
			return SEG_OK; /* brokers are away, or the topic is: the next look tells */
		if (high < reached)
			return seg_topic_is_shorter(t->name, p, high, reached, err);
	}
	return SEG_OK;
}

static enum seg_rc look_at(struct seg_topic_watch *w, size_t i, struct seg_error *err)
{
	const struct seg_watched_topic *t = &w->options.topics[i];
	int32_t now = seg_kafka_watermarks_partitions(w->options.watermarks, t->name, ASK_MS);
	if (now < 0)
		return SEG_OK; /* not answered */
	w->missed[i] = now == 0 ? w->missed[i] + 1 : 0;
	if (now == 0) /* a broker that has just started may not know it yet */
		return w->missed[i] >= MISSED_MOST ? is_gone(t, err) : SEG_OK;
	if (now != w->options.partitions)
		return seg_topic_has_partitions(t->name, now, w->options.partitions, err);
	return look_at_ends(w, t, err);
}

static bool look(void *ctx)
{
	struct seg_topic_watch *w = ctx;
	struct seg_error err = {0};
	enum seg_rc rc = SEG_OK;
	for (size_t i = 0; !rc && i < w->options.topics_len && !seg_periodic_is_stopping(&w->periodic); i++)
		rc = look_at(w, i, &err);
	if (!rc)
		return true;
	seg_log(SEG_LOG_ERROR, "topic_changed", "text=\"%s\"", err.text);
	pthread_mutex_lock(&w->periodic.lock);
	w->found = err;
	w->found.rc = rc;
	pthread_mutex_unlock(&w->periodic.lock);
	return false;
}

enum seg_rc seg_topic_watch_start(const struct seg_topic_watch_options *options, struct seg_topic_watch **ret,
				  struct seg_error *err)
{
	struct seg_topic_watch *w = calloc(1, sizeof(*w));
	if (!w)
		return seg_error_set(err, SEG_NO_MEMORY, "topic watch: out of memory");
	w->options = *options;
	seg_periodic_init(&w->periodic);
	enum seg_rc rc = seg_periodic_start(&w->periodic, options->interval_ms ? options->interval_ms : INTERVAL_MS,
					    look, w, "topic watch", err);
	if (rc) {
		seg_topic_watch_stop(w);
		return rc;
	}
	*ret = w;
	return SEG_OK;
}

void seg_topic_watch_stop(struct seg_topic_watch *w)
{
	if (!w)
		return;
	seg_periodic_stop(&w->periodic);
	free(w);
}

enum seg_rc seg_topic_watch_check(struct seg_topic_watch *w, struct seg_error *err)
{
	pthread_mutex_lock(&w->periodic.lock);
	struct seg_error found = w->found;
	pthread_mutex_unlock(&w->periodic.lock);
	return found.rc ? seg_error_set(err, found.rc, "%s", found.text) : SEG_OK;
}
