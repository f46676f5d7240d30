/*
 * What the workers of one process share: the configuration, the Kafka cluster as it was found at the start, the newest
 * model, the stores of partitions nobody works on just now, and metrics.
 *
 * open, start workers, …, all workers joined, close. Functions from any thread unless they say otherwise.
 */
#ifndef SEG_DAEMON_INSTANCE_H
#define SEG_DAEMON_INSTANCE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "consumers/kafka_reader.h"
#include "daemon/meters.h"
#include "daemon/model_feed.h"
#include "daemon/shard.h"
#include "daemon/topic_watch.h"
#include "daemon/watchdog.h"
#include "state/store.h"

struct seg_parked {
	bool held;		 /* in a worker's hands, or being closed */
	struct seg_shard *shard; /* open, but in nobody's hands; NULL: not open, or held */
	int64_t since_mono_ms;
};

struct seg_instance {
	const struct seg_config *config; /* borrowed */
	bool accept_config_change;
	struct seg_kafka_client client;
	struct seg_kafka_setting *settings; /* owned */
	struct seg_kafka_watermarks *watermarks;
	struct seg_model_feed *feed;
	struct seg_watchdog *watchdog;
	struct seg_topic_watch *topic_watch;
	int lock_fd;		   /* of the data folder; -1 */
	atomic_llong stop_mono_ms; /* when the stop was asked for; 0: not */
	struct seg_store_env *env;
	struct seg_meters *meters; /* borrowed, may be NULL */
	int32_t partitions;	   /* of every input */
	int session_timeout_ms;	   /* of the workers in their group; 0: as configured */
	char cluster_id[128];
	int64_t tombstone_retention_ms;	    /* a store may be so old */
	const char *topics[SEG_SOURCES];    /* input topics by source, borrowed from config */
	atomic_llong *reached[SEG_SOURCES]; /* [partitions]: committed positions of ours; 0: not ours just now */

	pthread_mutex_t lock;	   /* of what follows */
	struct seg_parked *parked; /* by partition */
};

/*
 * Looks at the cluster: inputs there with equal partition counts, outputs and internals there. SEG_INVALID / SEG_IO with
 * what to do. config and meters are borrowed until close.
 */
enum seg_rc seg_instance_open(const struct seg_config *config, struct seg_meters *meters, bool accept_config_change,
			      struct seg_instance **ret, struct seg_error *err) SEG_MUST_CHECK;
void seg_instance_close(struct seg_instance *inst);

/*
 * A stop is to have ended SEG_STOP_MS after it was asked for, also when no broker answers. Commits and the checkpoint may
 * take SEG_STOP_COMMITS_MS of it, workers have closed after SEG_STOP_WORKERS_MS, the rest is for the instance.
 */
enum { SEG_STOP_COMMITS_MS = 20000, SEG_STOP_WORKERS_MS = 25000, SEG_STOP_MS = 29500 };
/* Any thread; the first call counts. */
void seg_instance_stop_asked(struct seg_instance *inst);
/* Milliseconds until `after_ms` after the stop was asked for, at least 1; `most_ms` if that is less or none was asked for. */
int seg_instance_time_left(struct seg_instance *inst, int after_ms, int most_ms);

/* Memory for profiles, of all partitions together. */
size_t seg_instance_profile_bytes(const struct seg_instance *inst);

/* The partition's shard, parked or newly opened, for a worker whose transactional id is given. SEG_RETRY: another worker
 * has it still (the group took the partition from it and it does not know yet), or it is just being closed. */
enum seg_rc seg_instance_take(struct seg_instance *inst, int32_t partition, const char *transactional_id,
			      struct seg_shard **ret, struct seg_error *err) SEG_MUST_CHECK;
/* Gives it back; for some minutes it stays open and comes back cheaply. */
void seg_instance_park(struct seg_instance *inst, struct seg_shard *shard);
/* Closes what has been parked for long: its memory is for others now. Workers call it now and then. */
void seg_instance_tidy(struct seg_instance *inst, int64_t mono_ms);

#endif
