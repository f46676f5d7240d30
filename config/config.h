/*
 * The configuration as a plain struct: what seg_config_load() (config/load.h) makes of a YAML file and the option table
 * (config/options.h). Every field is filled: what the file leaves out has its default, names derived from `app` are
 * derived. The struct owns all it points to; strings are never NULL. Immutable after loading; any thread may read.
 *
 * Durations are milliseconds, sizes bytes, money micro-units where it says so. 0 in a duration that can be `off` is off.
 */
#ifndef SEG_CONFIG_CONFIG_H
#define SEG_CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event.h"
#include "base/outputs.h"

/* Outputs by their key in the configuration: segment_changes, segments, drift_alerts, campaign_triggers,
 * dead_letters. Nothing is written to campaign_triggers yet; its name may be given. */
enum seg_config_output {
	SEG_CONFIG_SEGMENT_CHANGES,
	SEG_CONFIG_SEGMENTS,
	SEG_CONFIG_DRIFT_ALERTS,
	SEG_CONFIG_CAMPAIGN_TRIGGERS,
	SEG_CONFIG_DEAD_LETTERS,
	SEG_CONFIG_OUTPUTS
};

/* Java's partitioner, with a random (murmur2_random) or a fixed (murmur2) partition for records without a key. */
enum seg_partitioner { SEG_PARTITIONER_MURMUR2_RANDOM, SEG_PARTITIONER_MURMUR2 };

/* The first four, and the scaler's and imputation's, have the numbers of segmenter/basis.h. */
enum seg_config_transform {
	SEG_CONFIG_LOG1P,
	SEG_CONFIG_LINEAR,
	SEG_CONFIG_SQRT,
	SEG_CONFIG_QUANTILE,
	SEG_CONFIG_TRANSFORM_AUTO, /* not given: the catalogue's own; log1p for attr:NAME */
	SEG_CONFIG_TRANSFORMS
};
enum seg_config_scaler { SEG_CONFIG_Z, SEG_CONFIG_ROBUST, SEG_CONFIG_SCALERS };
enum seg_config_impute {
	SEG_CONFIG_MEAN,
	SEG_CONFIG_MODE,
	SEG_CONFIG_ZERO,
	SEG_CONFIG_SEGMENT,
	SEG_CONFIG_KNN,
	SEG_CONFIG_IMPUTES
};

enum seg_config_drift_refit { SEG_CONFIG_DRIFT_REFIT_AUTO, SEG_CONFIG_DRIFT_REFIT_RECOMMEND };
enum seg_config_promotion { SEG_CONFIG_PROMOTION_AUTO, SEG_CONFIG_PROMOTION_MANUAL };
enum seg_config_log_format { SEG_CONFIG_LOG_TEXT, SEG_CONFIG_LOG_JSON };
enum seg_config_log_level { SEG_CONFIG_LOG_ERROR, SEG_CONFIG_LOG_WARN, SEG_CONFIG_LOG_INFO, SEG_CONFIG_LOG_DEBUG };

struct seg_config_pair {
	char *name, *value;
	bool secret; /* from `file:` or `${ENV}`, or named like a password: never shown */
};

struct seg_config_map { /* free keys, ascending by name (bytes) */
	struct seg_config_pair *items;
	size_t len;
};

struct seg_config_list { /* in the order of the file */
	char **items;
	size_t len;
};

struct seg_config_rate { /* one unit of `currency` in the base currency */
	char *currency;
	double rate;
};

struct seg_config_rates { /* ascending by currency; without the base currency itself */
	struct seg_config_rate *items;
	size_t len;
};

struct seg_config_mapped { /* our field `field` comes from `path` (a.b.c), or is always `constant` */
	char *field;
	char *path;	/* NULL: constant */
	char *constant; /* NULL: path */
};

struct seg_config_mapping { /* ascending by field; empty: the record has our own field names */
	struct seg_config_mapped *items;
	size_t len;
};

struct seg_config_source {
	bool read; /* false: `sources` is given without this one */
	char *topic;
	enum seg_format format;
	struct seg_config_mapping mapping;
};

struct seg_config_topic {
	char *topic;
	enum seg_format format; /* dead letters keep the raw bytes whatever it says */
};

struct seg_config_feature {
	char *name; /* catalogue name or attr:NAME */
	enum seg_config_transform transform;
	enum seg_config_scaler scaler;
	enum seg_config_impute impute;
	double weight;
};

struct seg_config_features { /* a preset, or a list */
	char *preset;	     /* rfm, behaviour, email, full; NULL: the list */
	struct seg_config_feature *items;
	size_t len;
};

struct seg_config_rule { /* a rule segment */
	char *name, *when;
};

enum { SEG_CONFIG_RULES_MAX = 64 };
struct seg_config_rules { /* in the order of the file */
	struct seg_config_rule *items;
	size_t len;
};

struct seg_config {
	char *app, *instance, *group, *data_dir;
	int64_t workers;

	struct {
		char *brokers;
		struct seg_config_map client; /* librdkafka settings for all handles */
		int64_t session_timeout_ms, max_poll_interval_ms, transaction_timeout_ms;
	} kafka;
	enum seg_partitioner partitioner;
	struct {
		char *url;
	} registry; /* "": none */
	struct {
		char *dir;
	} schemas; /* further writer schemas, "": only the shipped ones */

	struct seg_config_source sources[SEG_SOURCES];
	struct seg_config_topic outputs[SEG_CONFIG_OUTPUTS];
	struct {
		char *changelog, *model_sums, *model;
	} internals; /* topics; <app>-changelog and so on */

	struct {
		int64_t interval_ms, max_events, max_bytes;
	} commit;
	struct {
		int64_t target_ms;
	} recovery;
	struct {
		int64_t max_interval_ms;
	} checkpoint;
	struct {
		int64_t max_skew_ms;
	} sync;
	int64_t max_future_ms, lateness_ms;

	struct {
		char *base; /* ISO 4217 */
		struct seg_config_rates rates;
	} currencies;
	struct {
		struct seg_config_list placeholder_ids; /* compared without case */
		struct seg_config_list bots;		/* parts of user agents, compared without case */
		double max_amount;			/* base currency, magnitude */
	} cleaning;
	struct {
		int64_t window;
	} dedup;
	struct {
		int64_t expire_ms;
	} profile; /* 0: off */
	struct {
		int64_t horizon_ms;
	} lifetime_value;

	struct seg_config_features features;
	struct seg_config_rules rules;
	struct {
		int64_t k; /* 0: auto */
		int64_t k_min, k_max, min_customers, seed;
		char *pca; /* none, a number of components, or a share of variance; see seg_config_pca() */
		double hysteresis;
		int64_t dwell_ms, return_dwell_ms;
		struct {
			int64_t interval_ms;
			double min_move;
		} reevaluate; /* interval 0: off */
		struct {
			int64_t interval_ms, sample;
		} refit; /* interval 0: not on schedule */
		enum seg_config_promotion promotion;
		struct {
			double gain, silhouette, stability, moved, min_size;
		} gate;
	} segmenter;
	struct {
		int64_t window_ms;
		double psi_warning, psi_critical;
		enum seg_config_drift_refit refit;
	} drift;

	struct {
		struct seg_config_map rocksdb;
	} store; /* RocksDB options by name */
	struct {
		int64_t total_bytes;
	} memory;
	struct {
		char *listen, *token; /* token "": writing is refused */
		double write_rate;    /* a second; 0: no limit */
		char *advertise;      /* URL for other instances and their clients; "" */
	} http;
	struct {
		enum seg_config_log_level level;
		enum seg_config_log_format format;
	} log;
};

/* segmenter.pca: components (0: none), or the share of variance (0 to 1; 0: not given). False: neither. */
bool seg_config_pca(const char *text, uint32_t *ret_components, double *ret_share);

/* Frees what c owns and c itself; secrets are wiped before. NULL is nothing. */
void seg_config_free(struct seg_config *c);

/* XXH3-64 of all configuration that shapes aggregates (sources and their mappings, partitioner, dedup window, currency
 * and rates, cleaning, max_future): stores made under another one must not be continued silently. */
uint64_t seg_config_aggregate_fingerprint(const struct seg_config *c);

/* <app>-<instance>-<worker>: transactional id and group instance id. False: does not fit. */
bool seg_config_worker_id(const struct seg_config *c, unsigned worker, char *ret, size_t size);

/* <data_dir>/<app>/p<partition>, and without a partition (< 0) <data_dir>/<app>. False: does not fit. */
bool seg_config_store_path(const struct seg_config *c, int32_t partition, char *ret, size_t size);

/* Value of a free key, NULL: not there. Borrowed. */
const char *seg_config_map_find(const struct seg_config_map *m, const char *name);

#endif
