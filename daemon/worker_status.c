/* What others may see of a worker: a copy made by its thread a few times a second. */
#include "daemon/worker_internal.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

enum { LOOK_MS = 250, LAG_MS = 1000, LAG_ASK_MS = 200, QUALITY_MS = 2000, JUDGE_MS = 5000 };

/* The consumer knows the ends of what it fetches; of the others the broker is asked. */
static bool log_end(struct seg_worker *w, const struct seg_lane *lane, int s, int64_t *ret_low, int64_t *ret_high)
{
	*ret_low = 0;
	*ret_high = seg_lane_may(lane, SEG_MAY_COMMIT) && !lane->paused[s]
			    ? seg_kafka_input_high(w->input, (uint32_t)w->topic_of[s], lane->partition)
			    : -1;
	if (*ret_high >= 0)
		return true;
	if (w->lag_in_vain) /* no broker answers: once a look is enough to find out */
		return false;
	w->lag_in_vain = seg_kafka_watermarks_query(w->inst->watermarks, w->inst->topics[s], lane->partition,
						    LAG_ASK_MS, ret_low, ret_high, NULL) != SEG_OK;
	return !w->lag_in_vain;
}

/* Records not yet read. */
static int64_t lane_lag(struct seg_worker *w, struct seg_lane *lane)
{
	int64_t total = 0;
	for (int s = 0; s < SEG_SOURCES; s++) {
		int64_t low, high;
		if (w->topic_of[s] < 0)
			continue;
		if (!log_end(w, lane, s, &low, &high))
			return -1;
		int64_t next = seg_part_next(seg_shard_part(lane->shard), (enum seg_source)s);
		int64_t lag = high > next ? high - (next > low ? next : low) : 0;
		char partition[16];
		snprintf(partition, sizeof(partition), "%" PRId32, lane->partition);
		seg_metric_set(seg_meter_labelled(w->inst->meters, SEG_METER_LAG, w->inst->topics[s], partition),
			       (double)lag);
		total += lag;
	}
	return total;
}

void seg_worker_hide_lane(struct seg_worker *w, int32_t p)
{
	struct seg_meters *m = w->inst->meters;
	char partition[16];
	snprintf(partition, sizeof(partition), "%" PRId32, p);
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (w->topic_of[s] >= 0)
			seg_metric_hide(seg_meter_labelled(m, SEG_METER_LAG, w->inst->topics[s], partition));
	}
	seg_metric_hide(seg_meter_labelled(m, SEG_METER_RECOVERY, partition, "changelog"));
	seg_metric_hide(seg_meter_labelled(m, SEG_METER_RECOVERY, partition, "inputs"));
	seg_metric_hide(seg_meter_partition(m, SEG_METER_RECOVERY_SECONDS, p));
	seg_metric_hide(seg_meter_partition(m, SEG_METER_STREAM_TIME, p));
}

static void look_at_lane(struct seg_worker *w, struct seg_lane *lane, bool lag, struct seg_lane_status *ret)
{
	int64_t known_lag = ret->lag;
	*ret = (struct seg_lane_status){.partition = lane->partition,
					.state = lane->state,
					.lag = known_lag,
					.stream_time_ms = SEG_NO_TIME,
					.seconds_left = NAN};
	if (!seg_lane_may(lane, SEG_MAY_HOLD))
		return;
	struct seg_part_numbers n;
	seg_part_numbers(seg_shard_part(lane->shard), &n);
	const struct seg_stream_time *time = seg_shard_time(lane->shard);
	ret->lag = lag ? lane_lag(w, lane) : known_lag;
	ret->stream_time_ms = time->now_ms;
	ret->seq = n.seq;
	ret->customers = n.customers;
	seg_lane_progress(w, lane, ret);
	struct seg_meters *m = w->inst->meters;
	char partition[16];
	snprintf(partition, sizeof(partition), "%" PRId32, lane->partition);
	seg_metric_set(seg_meter_labelled(m, SEG_METER_RECOVERY, partition, "changelog"),
		       lane->state == SEG_LANE_CHANGELOG ? (double)ret->remaining : 0);
	seg_metric_set(seg_meter_labelled(m, SEG_METER_RECOVERY, partition, "inputs"),
		       lane->state == SEG_LANE_INPUTS ? (double)ret->remaining : 0);
	seg_metric_set(seg_meter_partition(m, SEG_METER_RECOVERY_SECONDS, lane->partition),
		       seg_lane_may(lane, SEG_MAY_READ) && isfinite(ret->seconds_left) ? ret->seconds_left : 0);
	if (time->now_ms != SEG_NO_TIME)
		seg_metric_set(seg_meter_partition(m, SEG_METER_STREAM_TIME, lane->partition),
			       (double)time->now_ms / 1000.0);
}

static const struct seg_lane_status *known_lane(const struct seg_worker_status *s, int32_t partition)
{
	for (size_t i = 0; i < s->lanes_len; i++) {
		if (s->lanes[i].partition == partition)
			return &s->lanes[i];
	}
	return NULL;
}

/* It looks at every sampled customer, so not each time. */
static void look_at_quality(struct seg_worker *w, int64_t mono_ms, bool always)
{
	struct seg_model *model = w->fold && w->fold_ready ? seg_fold_model(w->fold) : NULL;
	if (!model) {
		w->quality = (struct seg_quality){NAN, NAN, NAN, NAN, 0};
		return;
	}
	if (!always && mono_ms - w->quality_mono_ms < QUALITY_MS)
		return;
	w->quality_mono_ms = mono_ms;
	seg_learner_quality(seg_fold_learner(w->fold), model->time_ms, &w->quality);
	if (w->quality.sample == 0)
		return;
	seg_metric_set(seg_meter(w->inst->meters, SEG_METER_INERTIA), w->quality.inertia_per_customer);
	seg_metric_set(seg_meter(w->inst->meters, SEG_METER_SILHOUETTE), w->quality.simplified_silhouette);
}

/* The newest drift of each subject. */
static void look_at_fold(struct seg_worker *w, const struct seg_now *now)
{
	if (!w->fold || !w->fold_ready || now->mono_ms - w->judged_mono_ms < JUDGE_MS)
		return;
	w->judged_mono_ms = now->mono_ms;
	const struct seg_drift_value *drift;
	size_t len = seg_learner_drift(seg_fold_learner(w->fold), &drift);
	pthread_mutex_lock(&w->lock);
	w->has_fold_status = true;
	w->fold_status.drift_len = len < SEG_DRIFT_STATUS_MAX ? len : SEG_DRIFT_STATUS_MAX;
	for (size_t i = 0; i < w->fold_status.drift_len; i++) {
		snprintf(w->fold_status.drift[i].subject, sizeof(w->fold_status.drift[i].subject), "%s",
			 drift[i].subject);
		w->fold_status.drift[i].value = drift[i];
		w->fold_status.drift[i].value.subject = NULL;
	}
	pthread_mutex_unlock(&w->lock);
}

struct numbers {
	uint64_t hits, misses, bytes, store_bytes, cycles;
};

static void add_numbers(struct numbers *to, struct seg_lane *lane)
{
	struct seg_part_numbers n;
	seg_part_numbers(seg_shard_part(lane->shard), &n);
	to->hits += n.hits;
	to->misses += n.misses;
	to->bytes += n.memory_bytes;
	to->cycles += n.cycles;
	to->store_bytes += seg_store_bytes(seg_part_store(seg_shard_part(lane->shard)));
}

void seg_worker_look(struct seg_worker *w, const struct seg_now *now, bool always)
{
	if (!always && now->mono_ms - w->looked_mono_ms < LOOK_MS)
		return;
	w->looked_mono_ms = now->mono_ms;
	bool lag = now->mono_ms - w->lag_mono_ms >= LAG_MS && !seg_worker_is_stopping(w);
	w->lag_in_vain = false;
	if (lag)
		w->lag_mono_ms = now->mono_ms;
	struct seg_lane_status *lanes = calloc((size_t)w->inst->partitions, sizeof(*lanes));
	if (!lanes)
		return;
	size_t len = 0;
	struct seg_shard_counts counts = w->past;
	struct numbers sums = {.hits = w->past_hits, .misses = w->past_misses, .cycles = w->past_cycles};
	look_at_fold(w, now);
	for (int32_t p = 0; w->lanes && p < w->inst->partitions; p++) {
		if (!w->lanes[p])
			continue;
		const struct seg_lane_status *known = known_lane(&w->status, p);
		lanes[len].lag = known ? known->lag : -1;
		look_at_lane(w, w->lanes[p], lag, &lanes[len++]);
		if (!seg_lane_may(w->lanes[p], SEG_MAY_HOLD))
			continue;
		struct seg_shard_counts c;
		seg_shard_counts(w->lanes[p]->shard, &c);
		seg_shard_counts_add(&counts, &c);
		add_numbers(&sums, w->lanes[p]);
	}
	look_at_quality(w, now->mono_ms, always);
	pthread_mutex_lock(&w->lock);
	w->status.quality = w->quality;
	free(w->status.lanes);
	w->status.lanes = lanes;
	w->status.lanes_len = len;
	w->status.counts = counts;
	w->status.events = w->records;
	w->status.fold = w->fold != NULL;
	w->status.answered = w->answered;
	w->status.unreachable = w->input && seg_kafka_input_is_down(w->input);
	for (int s = 0; s < SEG_SOURCES; s++)
		w->status.stopped[s] = w->mismatch[s].stopped;
	w->has_fold_status = w->has_fold_status && w->fold;
	w->status.cache_hits = sums.hits;
	w->status.cache_misses = sums.misses;
	w->status.cache_bytes = sums.bytes;
	w->status.store_bytes = sums.store_bytes;
	w->status.cycles = sums.cycles;
	memcpy(w->status.dead_letters, w->dead_letters, sizeof(w->dead_letters));
	pthread_mutex_unlock(&w->lock);
}

void seg_worker_unreachable(struct seg_worker *w)
{
	pthread_mutex_lock(&w->lock);
	w->status.unreachable = true;
	pthread_mutex_unlock(&w->lock);
}

bool seg_worker_status(struct seg_worker *w, struct seg_worker_status *ret)
{
	pthread_mutex_lock(&w->lock);
	*ret = w->status;
	ret->lanes = malloc((w->status.lanes_len ? w->status.lanes_len : 1) * sizeof(*ret->lanes));
	bool copied = ret->lanes != NULL;
	if (copied && w->status.lanes_len > 0)
		memcpy(ret->lanes, w->status.lanes, w->status.lanes_len * sizeof(*ret->lanes));
	pthread_mutex_unlock(&w->lock);
	ret->beat_mono_ms = atomic_load(&w->beat.mono_ms);
	ret->doing = (enum seg_doing)atomic_load(&w->beat.doing);
	return copied;
}

bool seg_worker_fold_status(struct seg_worker *w, struct seg_fold_status *ret)
{
	pthread_mutex_lock(&w->lock);
	bool has = w->has_fold_status;
	if (has)
		*ret = w->fold_status;
	pthread_mutex_unlock(&w->lock);
	return has;
}
