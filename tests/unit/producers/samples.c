#include "tests/unit/producers/samples.h"

#include <math.h>

#include "base/event.h"

#define STR(z)                                                                                                         \
	{                                                                                                              \
		z, sizeof(z) - 1                                                                                       \
	}

static const struct seg_change changes[SAMPLES] = {
	{
		.event_id = "0123456789abcdef0123456789abcdef",
		.customer_id = STR("customer \"12838\"\n\xC3\xA9"),
		.from_cluster = 3,
		.to_cluster = UINT64_MAX,
		.from_name = "new",
		.to_name = "loyal, high-value",
		.reason = SEG_REASON_BEHAVIOUR,
		.model_version = (UINT64_C(7) << 32) + 123,
		.distance_from = 3.1,
		.distance_to = 1e-300,
		.margin = .25,
		.drivers = {{"frequency", 5, 1.5, .7}, {"recency_days", NAN, -2, .2}},
		.drivers_len = 2,
		.event_time_ms = 1323435000000,
		.decided_at_ms = 1323435000123,
		.cause = {"orders", 3, INT64_C(1) << 40},
	},
	{
		.event_id = "ffffffffffffffffffffffffffffffff",
		.customer_id = STR(""),
		.reason = SEG_REASON_EXPIRY,
		.distance_from = NAN,
		.distance_to = NAN,
		.margin = NAN,
		.event_time_ms = -1,
	},
};

static const uint64_t parents[] = {1, 12};
static const struct seg_centroid_feature centroid[] = {{"frequency", 4.25, 1.1}, {"monetary", -12, -0.5}};
static const struct seg_segment_row segments[SAMPLES] = {
	{.cluster = 17,
	 .name = "lapsing high-value",
	 .alias = "wake them",
	 .state = SEG_SEGMENT_RETIRED,
	 .origin = SEG_ORIGIN_MERGED,
	 .parents = parents,
	 .parents_len = 2,
	 .customers = 4096,
	 .share = 1. / 3,
	 .centroid = centroid,
	 .centroid_len = 2,
	 .model_version = 9,
	 .updated_at_ms = 1323435000000},
	{.cluster = 1, .name = "", .origin = SEG_ORIGIN_CREATED},
};

static const struct seg_alert alerts[SAMPLES] = {
	{.alert_id = "a1",
	 .subject = "segment:s3/feature:monetary",
	 .action = "refit_recommended",
	 .cluster = 3,
	 .metric = SEG_DRIFT_SILHOUETTE,
	 .value = .31,
	 .threshold = .25,
	 .critical_value = .02,
	 .n_reference = 4000,
	 .n_current = 5000,
	 .window_start_ms = 1,
	 .window_end_ms = 2,
	 .severity = SEG_SEVERITY_CRITICAL,
	 .state = SEG_ALERT_CLEARED,
	 .model_version = 5,
	 .event_time_ms = 3},
	{.alert_id = "a2", .subject = "shares", .action = "none", .metric = SEG_DRIFT_OTHER, .critical_value = NAN},
};

static const struct seg_named_value features[] = {
	{"recency_days", 12.5}, {"avg_order_value", NAN}, {"attr:\xC3\xA4ge", 44}};
static const double transformed[] = {2.6, NAN}, vector[] = {-.1, 0, 1e9};
static const struct seg_customer_row customers[SAMPLES] = {
	{.customer_id = STR("c1"),
	 .segment = 2,
	 .cluster = 1234567890123456789,
	 .distance = .5,
	 .margin = .1,
	 .features = features,
	 .features_len = 3,
	 .transformed = transformed,
	 .transformed_len = 2,
	 .vector = vector,
	 .vector_len = 3},
	{.customer_id = STR("c2"), .distance = NAN, .margin = NAN},
};

static const struct seg_header headers[] = {
	{"traceparent", "00-abc-01", 9}, {"bin\xFF", "\x00\xFF", 2}, {"empty", "", 0}};
static const struct seg_dead_letter letters[SAMPLES] = {
	{.key = STR("k"),
	 .value = STR("\x00\x01\xFE"),
	 .headers = headers,
	 .headers_len = 3,
	 .topic = "orders",
	 .partition = 2,
	 .offset = 77,
	 .timestamp_ms = 1323435000000,
	 .reason = "bad_amount",
	 .text = "cut in the middle: \xC3",
	 .schema_id = STR("55f4f9e88662682f")},
	{.topic = "web", .timestamp_ms = SEG_NO_TIME, .reason = "null_value", .text = "no value"},
};

const void *sample_of(enum seg_output output, size_t i)
{
	switch (output) {
	case SEG_OUTPUT_CHANGE:
		return &changes[i];
	case SEG_OUTPUT_SEGMENT:
		return &segments[i];
	case SEG_OUTPUT_ALERT:
		return &alerts[i];
	case SEG_OUTPUT_CUSTOMER:
		return &customers[i];
	case SEG_OUTPUT_DEAD_LETTER:
		return &letters[i];
	case SEG_OUTPUTS:
		break;
	}
	return NULL;
}
