/* The fold inside the worker that was assigned <app>-model-sums. */
#include "daemon/worker_internal.h"

#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"

enum { ASK_MS = 3000, TICK_MS = 1000 };

enum seg_rc seg_worker_fold_assigned(struct seg_worker *w, struct seg_error *err)
{
	struct seg_fold_options options = {
		.config = w->config,
		.partitions = w->inst->partitions,
		.tick_interval_ms = TICK_MS,
	};
	seg_worker_fold_revoked(w);
	enum seg_rc rc = seg_fold_new(&options, &w->fold, err);
	if (!rc)
		seg_log(SEG_LOG_INFO, "fold_assigned", "worker=%u", w->index);
	return rc;
}

void seg_worker_fold_restart(struct seg_worker *w)
{
	w->fold_ready = w->fold_begun = w->fold_place_told = false;
	w->fold_high = w->fold_model_high = -1;
}

void seg_worker_fold_revoked(struct seg_worker *w)
{
	if (w->fold)
		seg_log(SEG_LOG_INFO, "fold_revoked", "worker=%u", w->index);
	seg_fold_free(w->fold);
	w->fold = NULL;
	seg_worker_fold_restart(w);
}

/* Everything that was published before we owned the sums must be known before we go on from it. */
static enum seg_rc begin_fold(struct seg_worker *w, struct seg_error *err)
{
	int64_t low = 0, model_low = 0;
	enum seg_rc rc = SEG_OK;
	if (w->fold_high < 0) {
		/* The stable offset waits for a predecessor's transaction that has passed fencing: what it publishes lies
		 * below the ends that are asked for next. */
		struct seg_position stable = {.topic = w->sums_topic, .partition = 0, .offset = -1};
		rc = seg_kafka_input_committed(w->input, &stable, 1, ASK_MS, err);
		if (rc)
			return rc == SEG_RETRY ? SEG_OK : rc;
		rc = seg_kafka_watermarks_query(w->inst->watermarks, w->config->internals.model_sums, 0, ASK_MS, &low,
						&w->fold_high, err);
		if (!rc)
			rc = seg_kafka_watermarks_query(w->inst->watermarks, w->config->internals.model, 0, ASK_MS,
							&model_low, &w->fold_model_high, err);
		if (rc) {
			w->fold_high = -1;
			return rc == SEG_RETRY ? SEG_OK : rc;
		}
	}
	if (w->fold_model_high > 0 && seg_model_feed_position(w->inst->feed) < w->fold_model_high)
		return SEG_OK;
	struct seg_model *model = seg_model_feed_get(w->inst->feed);
	rc = seg_fold_begin(w->fold, model, err);
	seg_model_put(model);
	if (rc)
		return rc;
	struct seg_model *candidate = seg_model_feed_candidate(w->inst->feed);
	seg_fold_take_candidate(w->fold, candidate);
	seg_model_put(candidate);
	rc = seg_kafka_watermarks_query(w->inst->watermarks, w->config->internals.model_sums, 0, ASK_MS, &low,
					&w->fold_high, err);
	if (rc)
		return rc == SEG_RETRY ? SEG_OK : rc;
	struct seg_position at = {.topic = w->sums_topic, .partition = 0, .offset = low};
	rc = seg_kafka_input_resume(w->input, &at, 1, err);
	w->fold_begun = !rc;
	return rc;
}

enum seg_rc seg_worker_fold_step(struct seg_worker *w, const struct seg_now *now, struct seg_error *err)
{
	if (!w->fold)
		return SEG_OK;
	if (!w->fold_begun)
		return begin_fold(w, err);
	if (!w->fold_ready) {
		if (seg_kafka_input_position(w->input, w->sums_topic, 0) < w->fold_high)
			return SEG_OK;
		w->fold_ready = true;
		seg_log(SEG_LOG_INFO, "fold_ready", "worker=%u sums_read=%" PRId64, w->index, w->fold_high);
	}
	enum seg_rc rc = seg_fold_tick(w->fold, now, err);
	if (rc != SEG_RETRY)
		return rc;
	seg_log(SEG_LOG_WARN, "fold_waits", "worker=%u error=\"%s\"", w->index, err->text);
	return SEG_OK;
}
