#include "daemon/instance.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/about.h"
#include "daemon/data_lock.h"
#include "daemon/kafka_sink.h"
#include "daemon/topic_specs.h"
#include "producers/topic_admin.h"

enum {
	ADMIN_MS = 15000,
	CLOSE_MS = 5000,
	PARK_MS = 300000,    /* as long as a member may be silent at most (max.poll.interval.ms) */
	PROFILES_SHARE = 75, /* percent of memory.total for profiles, over all partitions */
	BLOCKS_SHARE = 12,   /* percent for RocksDB's blocks */
	WRITE_BUFFER = 2 * 1024 * 1024,
	PROFILES_LEAST = 4 * 1024 * 1024
};

/* What `topics create` gives the changelog, for who may not ask. */
static const int64_t DELETE_RETENTION_MS = INT64_C(7) * 24 * 3600 * 1000;

void seg_instance_stop_asked(struct seg_instance *inst)
{
	long long none = 0, mono_ms = seg_monotonic_ms();
	if (atomic_compare_exchange_strong(&inst->stop_mono_ms, &none, mono_ms))
		seg_watchdog_stop_by(inst->watchdog, mono_ms + SEG_STOP_MS);
}

int seg_instance_time_left(struct seg_instance *inst, int after_ms, int most_ms)
{
	long long asked = atomic_load(&inst->stop_mono_ms);
	if (asked == 0)
		return most_ms;
	int64_t left = asked + after_ms - seg_monotonic_ms();
	if (left > most_ms)
		return most_ms;
	return left > 1 ? (int)left : 1;
}

static enum seg_rc look_at_topic(struct seg_admin *admin, const char *name, bool input, struct seg_topic_info *ret,
				 struct seg_error *err)
{
	enum seg_rc rc = seg_admin_layout(admin, name, ret, err);
	if (rc)
		return rc;
	if (!ret->exists)
		return seg_error_set(err, SEG_INVALID, "topic %s does not exist: %s", name,
				     input ? "create it, or name the right one under sources"
					   : "run `segmentd topics --config FILE create`");
	return SEG_OK;
}

static enum seg_rc look_at_inputs(struct seg_instance *inst, struct seg_admin *admin, struct seg_error *err)
{
	for (int s = 0; s < SEG_SOURCES; s++) {
		inst->topics[s] = inst->config->sources[s].topic;
		if (!inst->config->sources[s].read)
			continue;
		struct seg_topic_info info;
		enum seg_rc rc = look_at_topic(admin, inst->topics[s], true, &info, err);
		if (rc)
			return rc;
		if (inst->partitions == 0)
			inst->partitions = info.partitions;
		if (info.partitions != inst->partitions)
			return seg_error_set(err, SEG_INVALID,
					     "topic %s has %" PRId32 " partitions, the inputs before it %" PRId32
					     ": all inputs need the same number, keyed by customer id",
					     inst->topics[s], info.partitions, inst->partitions);
	}
	return inst->partitions > 0 ? SEG_OK : seg_error_set(err, SEG_INVALID, "sources: none is configured");
}

static enum seg_rc look_at_outputs(struct seg_instance *inst, struct seg_admin *admin, struct seg_error *err)
{
	static const bool by_partition[SEG_TOPIC_OUTS] = {
		[SEG_TOPIC_OUT_CHANGES] = true,
		[SEG_TOPIC_OUT_CHANGELOG] = true,
	};
	const char *names[SEG_TOPIC_OUTS];
	seg_output_topics(inst->config, names);
	for (int t = 0; t < SEG_TOPIC_OUTS; t++) {
		struct seg_topic_info info;
		enum seg_rc rc = look_at_topic(admin, names[t], false, &info, err);
		if (rc)
			return rc;
		if (by_partition[t] && info.partitions != inst->partitions)
			return seg_error_set(
				err, SEG_INVALID,
				"topic %s has %" PRId32 " partitions and the inputs %" PRId32
				": they must be equal. If partitions were added to the inputs: give the "
				"application a new name (`app`) to begin anew, or let the producers write to "
				"new topics of the old number",
				names[t], info.partitions, inst->partitions);
	}
	return SEG_OK;
}

/* How old a store may be to be completed by a changelog whose tombstones go after a while: a seventh is the margin. */
static enum seg_rc look_at_tombstones(struct seg_instance *inst, struct seg_admin *admin, struct seg_error *err)
{
	struct seg_topic_info info;
	enum seg_rc rc = seg_admin_topic(admin, inst->config->internals.changelog, &info, err);
	if (rc)
		return rc;
	int64_t retention_ms = info.delete_retention_ms >= 0 ? info.delete_retention_ms : DELETE_RETENTION_MS;
	inst->tombstone_retention_ms = retention_ms - retention_ms / 7;
	if (inst->tombstone_retention_ms == 0)
		inst->tombstone_retention_ms = 1; /* 0 would be without limit */
	return SEG_OK;
}

static enum seg_rc look_at_cluster(struct seg_instance *inst, struct seg_error *err)
{
	struct seg_admin *admin;
	char cluster_id[64];
	enum seg_rc rc = seg_admin_open(&inst->client, ADMIN_MS, &admin, err);
	if (rc)
		return rc;
	rc = seg_admin_cluster_id(admin, cluster_id, err);
	if (!rc) {
		snprintf(inst->cluster_id, sizeof(inst->cluster_id), "%s", cluster_id);
		rc = look_at_inputs(inst, admin, err);
	}
	if (!rc)
		rc = look_at_outputs(inst, admin, err);
	if (!rc)
		rc = look_at_tombstones(inst, admin, err);
	seg_admin_close(admin, CLOSE_MS);
	return rc;
}

static enum seg_rc open_stores(struct seg_instance *inst, struct seg_error *err)
{
	struct seg_buf settings;
	seg_buf_init(&settings, 64 * 1024);
	const struct seg_config_map *map = &inst->config->store.rocksdb;
	for (size_t i = 0; i < map->len; i++)
		seg_buf_printf(&settings, "%s=%s;", map->items[i].name, map->items[i].value);
	seg_buf_u8(&settings, 0);
	enum seg_rc rc = SEG_OK;
	inst->parked = calloc((size_t)inst->partitions, sizeof(*inst->parked));
	if (settings.failed || !inst->parked) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "stores: out of memory");
	} else {
		struct seg_store_options options = {
			.cache_bytes = (size_t)(inst->config->memory.total_bytes / 100 * BLOCKS_SHARE),
			.write_buffer_bytes = WRITE_BUFFER,
			.rocksdb = map->len ? (const char *)settings.data : NULL,
		};
		rc = seg_store_env_new(&options, &inst->env, err);
	}
	seg_buf_release(&settings);
	return rc;
}

static enum seg_rc watch_topics(struct seg_instance *inst, struct seg_error *err)
{
	struct seg_topic_watch_options options = {.watermarks = inst->watermarks, .partitions = inst->partitions};
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (!inst->config->sources[s].read)
			continue;
		inst->reached[s] = calloc((size_t)inst->partitions, sizeof(*inst->reached[s]));
		if (!inst->reached[s])
			return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
		options.topics[options.topics_len++] =
			(struct seg_watched_topic){inst->topics[s], true, inst->reached[s]};
	}
	options.topics[options.topics_len++] = (struct seg_watched_topic){.name = inst->config->internals.changelog};
	return seg_topic_watch_start(&options, &inst->topic_watch, err);
}

enum seg_rc seg_instance_open(const struct seg_config *config, struct seg_meters *meters, bool accept_config_change,
			      struct seg_instance **ret, struct seg_error *err)
{
	struct seg_instance *inst = calloc(1, sizeof(*inst));
	if (!inst)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	inst->config = config;
	inst->meters = meters;
	inst->accept_config_change = accept_config_change;
	inst->lock_fd = -1;
	pthread_mutex_init(&inst->lock, NULL);
	enum seg_rc rc = SEG_OK;
	if (!seg_client_of(config, &inst->client, &inst->settings))
		rc = seg_error_set(err, SEG_NO_MEMORY, "Kafka settings: out of memory");
	if (!rc)
		rc = seg_about_make_folder(config, err);
	if (!rc)
		rc = seg_data_lock(config, &inst->lock_fd, err);
	if (!rc)
		rc = seg_about_write(config, err);
	if (!rc)
		rc = look_at_cluster(inst, err);
	if (!rc)
		rc = open_stores(inst, err);
	if (!rc)
		rc = seg_kafka_watermarks_open(&inst->client, &inst->watermarks, err);
	if (!rc)
		rc = seg_model_feed_start(&inst->client, config->internals.model, &inst->feed, err);
	if (!rc)
		rc = watch_topics(inst, err);
	if (!rc)
		rc = seg_watchdog_start(&(struct seg_watchdog_options){.meters = meters}, &inst->watchdog, err);
	if (rc) {
		seg_instance_close(inst);
		return rc;
	}
	*ret = inst;
	return SEG_OK;
}

void seg_instance_close(struct seg_instance *inst)
{
	if (!inst)
		return;
	for (int32_t p = 0; inst->parked && p < inst->partitions; p++)
		seg_shard_close(inst->parked[p].shard);
	free(inst->parked);
	seg_topic_watch_stop(inst->topic_watch);
	for (int s = 0; s < SEG_SOURCES; s++)
		free(inst->reached[s]);
	seg_model_feed_stop(inst->feed,
			    seg_instance_time_left(inst, (SEG_STOP_WORKERS_MS + SEG_STOP_MS) / 2, CLOSE_MS));
	if (!seg_kafka_watermarks_close(inst->watermarks, seg_instance_time_left(inst, SEG_STOP_MS - 500, CLOSE_MS)))
		seg_log(SEG_LOG_WARN, "watermarks_close", "text=\"the Kafka client did not close in time\"");
	seg_store_env_free(inst->env);
	free(inst->settings);
	seg_watchdog_stop(inst->watchdog); /* to the last: what is closed above can hang */
	pthread_mutex_destroy(&inst->lock);
	seg_data_unlock(inst->lock_fd);
	free(inst);
}

static void fill_identity(const struct seg_instance *inst, const char *transactional_id, struct seg_cut *ret)
{
	seg_cut_init(ret);
	ret->config_fingerprint = seg_config_aggregate_fingerprint(inst->config);
	snprintf(ret->transactional_id, sizeof(ret->transactional_id), "%s", transactional_id);
	snprintf(ret->cluster_id, sizeof(ret->cluster_id), "%s", inst->cluster_id);
	snprintf(ret->instance, sizeof(ret->instance), "%s", inst->config->instance);
}

size_t seg_instance_profile_bytes(const struct seg_instance *inst)
{
	return (size_t)(inst->config->memory.total_bytes / 100 * PROFILES_SHARE);
}

static enum seg_rc open_shard(struct seg_instance *inst, int32_t partition, const char *transactional_id,
			      struct seg_shard **ret, struct seg_error *err)
{
	char dir[4096];
	if (!seg_config_store_path(inst->config, partition, dir, sizeof(dir)))
		return seg_error_set(err, SEG_INVALID, "data_dir: the path is too long");
	int64_t memory = (int64_t)seg_instance_profile_bytes(inst) / inst->partitions;
	struct seg_shard_options options = {
		.config = inst->config,
		.sums_interval_ms = 1000,
		.partitions = inst->partitions,
		.part =
			{
				.env = inst->env,
				.dir = dir,
				.partition = partition,
				.memory_bytes = (size_t)(memory > PROFILES_LEAST ? memory : PROFILES_LEAST),
				.accept_config_change = inst->accept_config_change,
				.tombstone_retention_ms = inst->tombstone_retention_ms,
			},
	};
	for (int s = 0; s < SEG_SOURCES; s++) {
		options.topics[s] = inst->topics[s];
		options.part.aggregates.window[s] = (uint32_t)inst->config->dedup.window;
	}
	fill_identity(inst, transactional_id, &options.part.identity);
	int64_t began = seg_monotonic_ms();
	enum seg_rc rc = seg_shard_open(&options, ret, err);
	if (!rc)
		seg_log(SEG_LOG_INFO, "store_opened", "partition=%" PRId32 " ms=%" PRId64, partition,
			seg_monotonic_ms() - began);
	return rc;
}

static void let_go(struct seg_instance *inst, int32_t partition, struct seg_shard *shard)
{
	pthread_mutex_lock(&inst->lock);
	inst->parked[partition] =
		(struct seg_parked){.held = false, .shard = shard, .since_mono_ms = seg_monotonic_ms()};
	pthread_mutex_unlock(&inst->lock);
}

enum seg_rc seg_instance_take(struct seg_instance *inst, int32_t partition, const char *transactional_id,
			      struct seg_shard **ret, struct seg_error *err)
{
	struct seg_parked *place = &inst->parked[partition];
	pthread_mutex_lock(&inst->lock);
	bool held = place->held;
	struct seg_shard *shard = place->shard;
	place->held = true;
	place->shard = NULL;
	pthread_mutex_unlock(&inst->lock);
	if (held)
		return seg_error_set(err, SEG_RETRY, "another worker of this process has the store still");
	if (!shard) {
		enum seg_rc rc = open_shard(inst, partition, transactional_id, ret, err);
		if (rc)
			let_go(inst, partition, NULL);
		return rc;
	}
	struct seg_cut identity;
	fill_identity(inst, transactional_id, &identity);
	seg_part_set_identity(seg_shard_part(shard), &identity);
	*ret = shard;
	return SEG_OK;
}

void seg_instance_park(struct seg_instance *inst, struct seg_shard *shard)
{
	if (!shard)
		return;
	let_go(inst, seg_shard_partition(shard), shard);
}

void seg_instance_tidy(struct seg_instance *inst, int64_t mono_ms)
{
	for (int32_t p = 0; p < inst->partitions; p++) {
		struct seg_parked *place = &inst->parked[p];
		pthread_mutex_lock(&inst->lock);
		bool old = !place->held && place->shard && mono_ms - place->since_mono_ms >= PARK_MS;
		struct seg_shard *shard = old ? place->shard : NULL;
		if (old) {
			place->held = true; /* nobody may open the store while it is closed here */
			place->shard = NULL;
		}
		pthread_mutex_unlock(&inst->lock);
		if (!shard)
			continue;
		seg_shard_close(shard);
		let_go(inst, p, NULL);
		seg_log(SEG_LOG_INFO, "store_closed", "partition=%" PRId32 " text=\"nobody has needed it for %d s\"", p,
			PARK_MS / 1000);
	}
}
