/*
 * The table, in the order in which it is printed: first who and where, then Kafka, then the engine from the inputs to
 * the segments, then storage, HTTP and logs. Options of one section stand together.
 */
#include "config/options.h"

#include <stddef.h>

#define AT(field) offsetof(struct seg_config, field)
#define SECOND 1000.0
#define MINUTE 60000.0
#define HOUR 3600000.0
#define DAY 86400000.0
#define MIB 1048576.0
#define GIB 1073741824.0

static const char *const format_names[] = {"avro", "json", NULL};
static const char *const partitioner_names[] = {"murmur2_random", "murmur2", NULL};

static const char *const promotion_names[] = {"auto", "manual", NULL};
static const char *const drift_refit_names[] = {"auto", "recommend", NULL};
static const char *const level_names[] = {"error", "warn", "info", "debug", NULL};
static const char *const log_format_names[] = {"text", "json", NULL};

const char *const seg_feature_keys[] = {"name", "transform", "scaler", "weight", "impute", NULL};
const char *const seg_rule_keys[] = {"name", "when", NULL};
const char *const seg_transform_names[] = {"log1p", "linear", "sqrt", "quantile", "auto", NULL};
const char *const seg_scaler_names[] = {"z", "robust", NULL};
const char *const seg_impute_names[] = {"mean", "mode", "zero", "segment", "knn", NULL};
const char *const seg_preset_names[] = {"rfm", "behaviour", "email", "full", NULL};
const char *const seg_config_output_names[SEG_CONFIG_OUTPUTS] = {
	"segment_changes", "segments", "drift_alerts", "campaign_triggers", "dead_letters",
};

/* Exactly-once depends on these, so they are not the operator's to set (base/kafka_client.c refuses them too, without a
 * line). With a dot at its end: all that begin so. */
static const char *const kafka_reserved[] = {
	"acks",
	"allow.auto.create.topics",
	"auto.commit.",
	"auto.offset.reset",
	"bootstrap.servers",
	"client.id",
	"delivery.report.only.error",
	"enable.auto.",
	"enable.gapless.guarantee",
	"enable.idempotence",
	"enable.partition.eof",
	"group.",
	"isolation.level",
	"log.queue",
	"max.poll.interval.ms",
	"message.max.bytes",
	"metadata.broker.list",
	"offset.store.",
	"partition.assignment.strategy",
	"partitioner",
	"queue.buffering.max.messages",
	"request.required.acks",
	"session.timeout.ms",
	"transaction.timeout.ms",
	"transactional.id",
	NULL,
};

#define SOURCE(source_name, source, default_topic, what)                                                               \
	{.name = "sources." source_name ".topic",                                                                      \
	 .type = SEG_OPTION_STRING,                                                                                    \
	 .flags = SEG_OPTION_TOPIC | SEG_OPTION_AGGREGATE,                                                             \
	 .offset = AT(sources[source].topic),                                                                          \
	 .def = default_topic,                                                                                         \
	 .help = "Topic of " what ", keyed by customer id."},                                                          \
		{.name = "sources." source_name ".format",                                                             \
		 .type = SEG_OPTION_ENUM,                                                                              \
		 .flags = SEG_OPTION_AGGREGATE,                                                                        \
		 .offset = AT(sources[source].format),                                                                 \
		 .def = "avro",                                                                                        \
		 .names = format_names,                                                                                \
		 .help = "How its values are encoded."},                                                               \
	{                                                                                                              \
		.name = "sources." source_name ".mapping", .type = SEG_OPTION_MAPPING, .flags = SEG_OPTION_AGGREGATE,  \
		.offset = AT(sources[source].mapping), .def = "",                                                      \
		.help = "Where our fields are in your records: `field: path.in.record` or `field: {const: value}`. "   \
			"Fields not named are looked for under our own names."                                         \
	}

#define OUTPUT(output_name, output, default_topic, what)                                                               \
	{                                                                                                              \
		.name = "outputs." output_name ".topic", .type = SEG_OPTION_STRING, .flags = SEG_OPTION_TOPIC,         \
		.offset = AT(outputs[output].topic), .def = default_topic, .help = "Topic of " what "."                \
	}

#define OUTPUT_FORMAT(output_name, output)                                                                             \
	{                                                                                                              \
		.name = "outputs." output_name ".format", .type = SEG_OPTION_ENUM,                                     \
		.offset = AT(outputs[output].format), .def = "avro", .names = format_names,                            \
		.help = "How its values are encoded."                                                                  \
	}

#define INTERNAL(internal_name, field, what)                                                                           \
	{                                                                                                              \
		.name = "internals." internal_name ".topic", .type = SEG_OPTION_STRING, .flags = SEG_OPTION_TOPIC,     \
		.offset = AT(internals.field), .derived = "<app>-" what, .help = "Compacted topic of "

const struct seg_option seg_options[] =
	{{.name = "app",
	  .type = SEG_OPTION_STRING,
	  .flags = SEG_OPTION_NAME,
	  .offset = AT(app),
	  .def = "segmentd",
	  .help = "Name of this segmentation. All instances that share the work have the same; internal topics, the "
		  "consumer group and the folder under data_dir are named after it."},
	 {.name = "instance",
	  .type = SEG_OPTION_STRING,
	  .flags = SEG_OPTION_NAME,
	  .offset = AT(instance),
	  .derived = "the host's name",
	  .help = "Name of this process among all of the same app. It must be unique "
		  "and stay the same over a restart: transactional ids are made from it."},
	 {.name = "group",
	  .type = SEG_OPTION_STRING,
	  .flags = SEG_OPTION_NAME,
	  .offset = AT(group),
	  .derived = "<app>",
	  .help = "Kafka consumer group."},
	 {.name = "data_dir",
	  .type = SEG_OPTION_STRING,
	  .flags = SEG_OPTION_NOT_EMPTY,
	  .offset = AT(data_dir),
	  .def = "/var/lib/segmentd",
	  .help = "Folder of the local stores, one per partition under <app>/. It can "
		  "always be rebuilt from Kafka."},
	 {.name = "workers",
	  .type = SEG_OPTION_INT,
	  .offset = AT(workers),
	  .def = "2",
	  .lo = 1,
	  .hi = 256,
	  .help = "Threads that each consume, decide and produce for their partitions. More than there are partitions "
		  "stay idle."},

	 {.name = "kafka.brokers",
	  .type = SEG_OPTION_STRING,
	  .flags = SEG_OPTION_NOT_EMPTY,
	  .offset = AT(kafka.brokers),
	  .def = "127.0.0.1:9092",
	  .help = "Brokers to start from: HOST:PORT, separated by commas."},
	 {.name = "kafka.client",
	  .type = SEG_OPTION_MAP,
	  .flags = SEG_OPTION_SECRET,
	  .offset = AT(kafka.client),
	  .def = "",
	  .names = kafka_reserved,
	  .help = "librdkafka settings passed through to every client, e.g. "
		  "{security.protocol: SASL_SSL, sasl.password: \"file:/run/secrets/kafka\"}. Those that exactly-once "
		  "depends on are refused."},
	 {.name = "kafka.session_timeout",
	  .type = SEG_OPTION_DURATION,
	  .offset = AT(kafka.session_timeout_ms),
	  .def = "45s",
	  .lo = SECOND,
	  .hi = 30 * MINUTE,
	  .help = "A worker that the group has not heard of for so long loses its partitions; one that is back earlier "
		  "keeps "
		  "them. Within group.min.session.timeout.ms and group.max.session.timeout.ms of the brokers."},
	 {.name = "kafka.max_poll_interval",
	  .type = SEG_OPTION_DURATION,
	  .offset = AT(kafka.max_poll_interval_ms),
	  .def = "5m",
	  .lo = SECOND,
	  .hi = DAY,
	  .help = "A worker that does not ask for records for so long leaves the group. At least the session's "
		  "time-out."},
	 {.name = "kafka.transaction_timeout",
	  .type = SEG_OPTION_DURATION,
	  .offset = AT(kafka.transaction_timeout_ms),
	  .def = "10s",
	  .lo = SECOND,
	  .hi = 15 * MINUTE,
	  .help = "The brokers abort a transaction that is open for so long; until then a dead worker's holds back who "
		  "reads "
		  "read_committed. A commit that is not answered is given up after six times that."},
	 {.name = "partitioner",
	  .type = SEG_OPTION_ENUM,
	  .flags = SEG_OPTION_AGGREGATE,
	  .offset = AT(partitioner),
	  .def = "murmur2_random",
	  .names = partitioner_names,
	  .help = "Partitioner of the input topics' producers. "
		  "Java and Kafka Connect use murmur2_random; librdkafka's producers must be told to."},
	 {.name = "registry.url",
	  .type = SEG_OPTION_STRING,
	  .flags = SEG_OPTION_URL,
	  .offset = AT(registry.url),
	  .def = "",
	  .help = "Schema registry. Not built yet: it must be empty, and values are in Avro single-object encoding."},
	 {.name = "schemas.dir",
	  .type = SEG_OPTION_STRING,
	  .offset = AT(schemas.dir),
	  .def = "",
	  .help = "Folder with further writer schemas (*.avsc) of the inputs, beside the shipped ones."},

	 SOURCE("web", SEG_WEB, "web-events", "what visitors did on sites and in apps"),
	 SOURCE("email", SEG_EMAIL, "email-events", "e-mails sent, opened, clicked"),
	 SOURCE("orders", SEG_ORDERS, "orders", "purchases and refunds"),
	 SOURCE("profiles", SEG_PROFILES, "profiles", "attributes, consent and erasure"),

	 OUTPUT("segment_changes", SEG_CONFIG_SEGMENT_CHANGES, "segment-changes",
		"customers that moved to another segment, keyed by customer id"),
	 OUTPUT_FORMAT("segment_changes", SEG_CONFIG_SEGMENT_CHANGES),
	 OUTPUT("segments", SEG_CONFIG_SEGMENTS, "segments",
		"the current segments and where they came from (compacted)"),
	 OUTPUT_FORMAT("segments", SEG_CONFIG_SEGMENTS),
	 OUTPUT("drift_alerts", SEG_CONFIG_DRIFT_ALERTS, "drift-alerts", "alerts that features or segments drift"),
	 OUTPUT_FORMAT("drift_alerts", SEG_CONFIG_DRIFT_ALERTS),
	 OUTPUT("campaign_triggers", SEG_CONFIG_CAMPAIGN_TRIGGERS, "campaign-triggers",
		"messages that campaigns are to send, keyed by customer id; nothing is written to it yet"),
	 OUTPUT_FORMAT("campaign_triggers", SEG_CONFIG_CAMPAIGN_TRIGGERS),
	 OUTPUT("dead_letters", SEG_CONFIG_DEAD_LETTERS, "dead-letters",
		"refused records, their bytes untouched, with the reason in headers"),

	 INTERNAL("changelog", changelog, "changelog") "profiles, decisions and cuts."},
			INTERNAL("model_sums", model_sums, "model-sums") "each partition's sums and the sample."
}
, INTERNAL("model", model, "model") "model versions."
}
,

	{.name = "commit.interval_ms",
	 .type = SEG_OPTION_INT,
	 .offset = AT(commit.interval_ms),
	 .def = "50",
	 .lo = 1,
	 .hi = 10000,
	 .help = "Longest time from an event to the transaction that carries its effects, milliseconds."},
	{.name = "commit.max_events",
	 .type = SEG_OPTION_INT,
	 .offset = AT(commit.max_events),
	 .def = "20000",
	 .lo = 1,
	 .hi = 1000000,
	 .help = "Events after which a worker commits before the interval is over."},
	{.name = "commit.max_bytes",
	 .type = SEG_OPTION_BYTES,
	 .offset = AT(commit.max_bytes),
	 .def = "8MiB",
	 .lo = 65536,
	 .hi = GIB,
	 .help = "Bytes produced after which a worker commits before the interval is over."},
	{.name = "recovery.target",
	 .type = SEG_OPTION_DURATION,
	 .offset = AT(recovery.target_ms),
	 .def = "10s",
	 .lo = SECOND,
	 .hi = HOUR,
	 .help = "How long reading the changelog and the inputs again may take, together, after "
		 "a crash. Shorter means that profiles are written more often."},
	{.name = "checkpoint.max_interval",
	 .type = SEG_OPTION_DURATION,
	 .offset = AT(checkpoint.max_interval_ms),
	 .def = "10m",
	 .lo = SECOND,
	 .hi = DAY,
	 .help = "Longest checkpoint cycle when there is little to do."},
	{.name = "sync.max_skew",
	 .type = SEG_OPTION_DURATION,
	 .offset = AT(sync.max_skew_ms),
	 .def = "1h",
	 .lo = SECOND,
	 .hi = 365 * DAY,
	 .help = "In a backlog, a topic read further ahead of the slowest than this "
		 "(event time) waits for it."},

	{.name = "max_future",
	 .type = SEG_OPTION_DURATION,
	 .flags = SEG_OPTION_AGGREGATE,
	 .offset = AT(max_future_ms),
	 .def = "1h",
	 .lo = 0,
	 .hi = 365 * DAY,
	 .help = "An event whose time is later than its Kafka timestamp by "
		 "more than this is a dead letter."},
	{.name = "lateness",
	 .type = SEG_OPTION_DURATION,
	 .offset = AT(lateness_ms),
	 .def = "1d",
	 .lo = 0,
	 .hi = 3650 * DAY,
	 .help = "An event older than stream time by more than this is counted as late. It still "
		 "counts."},
	{.name = "currencies.base",
	 .type = SEG_OPTION_STRING,
	 .flags = SEG_OPTION_CURRENCY | SEG_OPTION_AGGREGATE,
	 .offset = AT(currencies.base),
	 .def = "EUR",
	 .help = "Currency of all amounts inside, and of events that "
		 "name none (ISO 4217)."},
	{.name = "currencies.rates",
	 .type = SEG_OPTION_RATES,
	 .flags = SEG_OPTION_AGGREGATE,
	 .offset = AT(currencies.rates),
	 .def = "",
	 .help = "Value of one unit of other currencies in the base "
		 "currency, e.g. {USD: 0.92}. Events in a currency that is not here are dead letters."},
	{.name = "cleaning.placeholder_ids",
	 .type = SEG_OPTION_LIST,
	 .flags = SEG_OPTION_AGGREGATE,
	 .offset = AT(cleaning.placeholder_ids),
	 .def = "null, none, undefined, nan, anonymous, unknown, guest, 0",
	 .help = "Customer ids that name nobody (case ignored). Their events are dead letters, as are those with ids "
		 "of zeros only."},
	{.name = "cleaning.bots",
	 .type = SEG_OPTION_LIST,
	 .flags = SEG_OPTION_AGGREGATE,
	 .offset = AT(cleaning.bots),
	 .def = "bot, crawler, spider, slurp, headless",
	 .help = "Web events whose user agent contains one of these "
		 "(case ignored) are dead letters."},
	{.name = "cleaning.max_amount",
	 .type = SEG_OPTION_DOUBLE,
	 .flags = SEG_OPTION_AGGREGATE,
	 .offset = AT(cleaning.max_amount),
	 .def = "10000000",
	 .lo = 0,
	 .hi = 1e9,
	 .lo_open = true,
	 .help = "Amounts beyond this, in the base currency, are absurd: dead letters."},
	{.name = "dedup.window",
	 .type = SEG_OPTION_INT,
	 .flags = SEG_OPTION_AGGREGATE,
	 .offset = AT(dedup.window),
	 .def = "64",
	 .lo = 1,
	 .hi = 1024,
	 .help = "Event ids remembered per customer and source (the largest by event "
		 "time), so that a repeat changes nothing."},
	{.name = "profile.expire",
	 .type = SEG_OPTION_DURATION,
	 .flags = SEG_OPTION_WORD,
	 .word = "off",
	 .offset = AT(profile.expire_ms),
	 .def = "off",
	 .lo = DAY,
	 .hi = 36500 * DAY,
	 .help = "Customers silent for "
		 "longer than this are forgotten."},
	{.name = "lifetime_value.horizon",
	 .type = SEG_OPTION_DURATION,
	 .offset = AT(lifetime_value.horizon_ms),
	 .def = "365d",
	 .lo = DAY,
	 .hi = 36500 * DAY,
	 .help = "How far ahead lifetime_value expects."},

	{.name = "features",
	 .type = SEG_OPTION_FEATURES,
	 .offset = AT(features),
	 .def = "rfm",
	 .help = "What customers are compared by: a preset (rfm, behaviour, email, full) or a list of {name: "
		 "recency_days, transform: log1p, scaler: z, weight: 1, impute: mean}; attr:NAME is a numeric profile "
		 "attribute, attr:NAME=VALUE 1 for who has that value of it and 0 for who has another. See `segmentd "
		 "features`."},
	{.name = "rules",
	 .type = SEG_OPTION_RULES,
	 .offset = AT(rules),
	 .def = "",
	 .help = "Segments defined by conditions, beside the learned ones: a list of {name: vip, when: \"recency_days "
		 "< 30 "
		 "and monetary > 500\"}. The language is described in docs/rules.md."},
	{.name = "segmenter.k",
	 .type = SEG_OPTION_INT,
	 .flags = SEG_OPTION_WORD,
	 .word = "auto",
	 .offset = AT(segmenter.k),
	 .def = "auto",
	 .lo = 1,
	 .hi = 256,
	 .help = "Number of segments."},
	{.name = "segmenter.k_min",
	 .type = SEG_OPTION_INT,
	 .offset = AT(segmenter.k_min),
	 .def = "4",
	 .lo = 2,
	 .hi = 64,
	 .help = "With k: auto, the fewest segments to consider."},
	{.name = "segmenter.k_max",
	 .type = SEG_OPTION_INT,
	 .offset = AT(segmenter.k_max),
	 .def = "12",
	 .lo = 2,
	 .hi = 64,
	 .help = "With k: auto, the most segments to consider."},
	{.name = "segmenter.min_customers",
	 .type = SEG_OPTION_INT,
	 .offset = AT(segmenter.min_customers),
	 .def = "500",
	 .lo = 2,
	 .hi = 1e9,
	 .help = "Customers needed for the first fit. Until then nobody has a "
		 "segment."},
	{.name = "segmenter.seed",
	 .type = SEG_OPTION_INT,
	 .offset = AT(segmenter.seed),
	 .def = "1",
	 .lo = 0,
	 .hi = 9007199254740991.0,
	 .help = "Seed of all random choices of the learner."},
	{.name = "segmenter.pca",
	 .type = SEG_OPTION_STRING,
	 .offset = AT(segmenter.pca),
	 .def = "none",
	 .help = "Principal components that customers are compared by: `none`, a number of components, or the share of "
		 "variance that they must keep, as 0.9 or 90%. Segments and reasons are told in the features' own "
		 "units "
		 "all the same."},
	{.name = "segmenter.hysteresis",
	 .type = SEG_OPTION_DOUBLE,
	 .offset = AT(segmenter.hysteresis),
	 .def = "0.1",
	 .lo = 0,
	 .hi = 0.9,
	 .help = "A customer moves only if the new centroid is closer than the held one by this "
		 "share of the distance."},
	{.name = "segmenter.dwell",
	 .type = SEG_OPTION_DURATION,
	 .offset = AT(segmenter.dwell_ms),
	 .def = "1d",
	 .lo = 0,
	 .hi = 365 * DAY,
	 .help = "Shortest stay in a segment before the next move (stream time)."},
	{.name = "segmenter.return_dwell",
	 .type = SEG_OPTION_DURATION,
	 .offset = AT(segmenter.return_dwell_ms),
	 .def = "8d",
	 .lo = 0,
	 .hi = 3650 * DAY,
	 .help = "How long a customer stays before going back to the segment they came from, if that is longer than "
		 "segmenter.dwell: campaign tools then see no A, B, A within a week. 0s: no longer than for others."},
	{.name = "segmenter.reevaluate.interval",
	 .type = SEG_OPTION_DURATION,
	 .flags = SEG_OPTION_WORD,
	 .word = "off",
	 .offset = AT(segmenter.reevaluate.interval_ms),
	 .def = "1d",
	 .lo = MINUTE,
	 .hi = 365 * DAY,
	 .help = "Every customer is evaluated anew at least this often (stream time), also without events: silence "
		 "is a signal."},
	{.name = "segmenter.reevaluate.min_move",
	 .type = SEG_OPTION_DOUBLE,
	 .offset = AT(segmenter.reevaluate.min_move),
	 .def = "0.05",
	 .lo = 0,
	 .hi = 10,
	 .help = "A customer "
		 "re-evaluated within this many standard deviations of the last time is not written again."},
	{.name = "segmenter.refit.interval",
	 .type = SEG_OPTION_DURATION,
	 .flags = SEG_OPTION_WORD,
	 .word = "off",
	 .offset = AT(segmenter.refit.interval_ms),
	 .def = "7d",
	 .lo = HOUR,
	 .hi = 3650 * DAY,
	 .help = "How often "
		 "the model is fitted anew on schedule (stream time). Growth and worse fit cause refits of their own."},
	{.name = "segmenter.refit.sample",
	 .type = SEG_OPTION_INT,
	 .offset = AT(segmenter.refit.sample),
	 .def = "4096",
	 .lo = 256,
	 .hi = 1000000,
	 .help = "Customers in the sample that fits are made on; at least 200 per segment "
		 "are taken."},
	{.name = "segmenter.promotion",
	 .type = SEG_OPTION_ENUM,
	 .offset = AT(segmenter.promotion),
	 .def = "auto",
	 .names = promotion_names,
	 .help = "Whether a refit that passes the gate is used by itself or when a person says so. With manual, only "
		 "the first fit and one for a changed configuration are promoted; others wait as a candidate for "
		 "`segmentd model promote`."},
	{.name = "segmenter.gate.gain",
	 .type = SEG_OPTION_DOUBLE,
	 .offset = AT(segmenter.gate.gain),
	 .def = "0.015",
	 .lo = 0,
	 .hi = 1,
	 .help = "Share of the current centroids' inertia that a refit must save on the sample to be promoted; without "
		 "it customers would move for nothing."},
	{.name = "segmenter.gate.silhouette",
	 .type = SEG_OPTION_DOUBLE,
	 .offset = AT(segmenter.gate.silhouette),
	 .def = "0.05",
	 .lo = 0,
	 .hi = 2,
	 .help = "How much lower than the current one the silhouette of a refit may be."},
	{.name = "segmenter.gate.stability",
	 .type = SEG_OPTION_DOUBLE,
	 .offset = AT(segmenter.gate.stability),
	 .def = "0.3",
	 .lo = 0,
	 .hi = 1,
	 .help = "Least mean adjusted Rand index of fits on half samples: clusters that are not there twice are "
		 "noise."},
	{.name = "segmenter.gate.moved",
	 .type = SEG_OPTION_DOUBLE,
	 .offset = AT(segmenter.gate.moved),
	 .def = "0.23",
	 .lo = 0,
	 .hi = 1,
	 .help = "Largest share of customers whom a refit may put into another segment by itself."},
	{.name = "segmenter.gate.min_size",
	 .type = SEG_OPTION_DOUBLE,
	 .offset = AT(segmenter.gate.min_size),
	 .def = "0",
	 .lo = 0,
	 .hi = 1,
	 .help = "Least share of customers in the smallest segment of a refit."},
	{.name = "drift.window",
	 .type = SEG_OPTION_DURATION,
	 .offset = AT(drift.window_ms),
	 .def = "7d",
	 .lo = 7 * DAY,
	 .hi = 364 * DAY,
	 .help = "Window of the drift tests, a multiple of 7 days so that weekdays "
		 "cancel out."},
	{.name = "drift.psi_warning",
	 .type = SEG_OPTION_DOUBLE,
	 .offset = AT(drift.psi_warning),
	 .def = "0.1",
	 .lo = 0,
	 .hi = 100,
	 .lo_open = true,
	 .help = "Population stability index from which drift is a warning."},
	{.name = "drift.psi_critical",
	 .type = SEG_OPTION_DOUBLE,
	 .offset = AT(drift.psi_critical),
	 .def = "0.25",
	 .lo = 0,
	 .hi = 100,
	 .lo_open = true,
	 .help = "Population stability index from which drift is critical."},
	{.name = "drift.refit",
	 .type = SEG_OPTION_ENUM,
	 .offset = AT(drift.refit),
	 .def = "auto",
	 .names = drift_refit_names,
	 .help = "Whether drift that is raised starts a refit by itself, or recommends one."},

	{.name = "store.rocksdb",
	 .type = SEG_OPTION_MAP,
	 .offset = AT(store.rocksdb),
	 .def = "",
	 .help = "RocksDB options passed through by name, e.g. {max_background_jobs: 4}."},
	{.name = "memory.total",
	 .type = SEG_OPTION_BYTES,
	 .offset = AT(memory.total_bytes),
	 .def = "256MiB",
	 .lo = 16 * MIB,
	 .hi = 1024 * GIB,
	 .help = "Memory for profiles in cache and for the stores, all workers "
		 "together. Kafka's queues come on top, about 30 MiB a worker."},
	{.name = "http.listen",
	 .type = SEG_OPTION_STRING,
	 .flags = SEG_OPTION_ADDRESS,
	 .offset = AT(http.listen),
	 .def = "127.0.0.1:8080",
	 .help = "Address and port of metrics, health and API. Port 0 takes any free one."},
	{.name = "http.token",
	 .type = SEG_OPTION_STRING,
	 .flags = SEG_OPTION_SECRET,
	 .offset = AT(http.token),
	 .def = "",
	 .help = "Bearer token that requests must carry which change something: erasing a customer, naming a "
		 "segment, refit, promote, rollback. Empty: they are refused."},
	{.name = "http.write_rate",
	 .type = SEG_OPTION_DOUBLE,
	 .offset = AT(http.write_rate),
	 .def = "20",
	 .lo = 0,
	 .hi = 1000000,
	 .help = "Requests a second, refused ones too, that change something; what is above gets 429. 0: without "
		 "limit."},
	{.name = "http.advertise",
	 .type = SEG_OPTION_STRING,
	 .flags = SEG_OPTION_URL,
	 .offset = AT(http.advertise),
	 .def = "",
	 .help = "Address of this instance's API for others, e.g. http://host:8080: where other instances send those "
		 "who ask them for a customer held here, or for the fold. Empty: they are told to ask again "
		 "elsewhere."},
	{.name = "log.level",
	 .type = SEG_OPTION_ENUM,
	 .offset = AT(log.level),
	 .def = "info",
	 .names = level_names,
	 .help = "Least important lines to log."},
	{.name = "log.format",
	 .type = SEG_OPTION_ENUM,
	 .offset = AT(log.format),
	 .def = "text",
	 .names = log_format_names,
	 .help = "Lines of `event key=value`, or JSON."},
}
;
const size_t seg_options_len = sizeof(seg_options) / sizeof(seg_options[0]);

const struct seg_option_section seg_option_sections[] = {
	{"kafka", "The cluster."},
	{"registry", "Schemas of the records."},
	{"sources", "Inputs. All must have the same number of partitions. If `sources` is given, only those listed "
		    "are read."},
	{"outputs", "What segmentd tells the world."},
	{"internals", "Topics that only segmentd reads."},
	{"commit", "When a transaction is committed: whichever comes first, and only if there is something to commit."},
	{"recovery", "How fast a crash is recovered from."},
	{"currencies", "Money."},
	{"cleaning", "What is refused on the way in."},
	{"segmenter", "How segments are found and who is in them."},
	{"drift", "When segments or features are said to drift."},
	{"store", "Local stores."},
	{"http", "Metrics, health and API."},
	{"log", "Log lines on standard error."},
};
const size_t seg_option_sections_len = sizeof(seg_option_sections) / sizeof(seg_option_sections[0]);
