#include "tests/unit/config/load_text.h"

#include <stdio.h>

#include "config/options.h"

static uint64_t fingerprint(const char *text)
{
	struct seg_config *c = load_text(text);
	uint64_t ret = seg_config_aggregate_fingerprint(c);

	seg_config_free(c);
	return ret;
}

/* Each option with a value that is not its default, where it may have one. The last column repeats, independently of the table's flags, what
 * shapes aggregates. */
static const struct {
	const char *name, *text;
	bool shapes;
} changes[] = {
	{"app", "app: other", false},
	{"instance", "instance: other", false},
	{"group", "group: other", false},
	{"data_dir", "data_dir: /other", false},
	{"workers", "workers: 9", false},
	{"kafka.brokers", "kafka: {brokers: \"other:9092\"}", false},
	{"kafka.client", "kafka: {client: {debug: all}}", false},
	{"kafka.session_timeout", "kafka: {session_timeout: 6s}", false},
	{"kafka.max_poll_interval", "kafka: {max_poll_interval: 10s}", false},
	{"kafka.transaction_timeout", "kafka: {transaction_timeout: 5s}", false},
	{"partitioner", "partitioner: murmur2", true},
	{"registry.url", "registry: {url: \"\"}", false},
	{"schemas.dir", "schemas: {dir: /other}", false},
	{"sources.web.topic", "sources: {web: {topic: other}, email: , orders: , profiles: }", true},
	{"sources.web.format", "sources: {web: {format: json}, email: , orders: , profiles: }", true},
	{"sources.web.mapping", "sources: {web: {mapping: {a: b}}, email: , orders: , profiles: }", true},
	{"sources.email.topic", "sources: {email: {topic: other}, web: , orders: , profiles: }", true},
	{"sources.email.format", "sources: {email: {format: json}, web: , orders: , profiles: }", true},
	{"sources.email.mapping", "sources: {email: {mapping: {a: b}}, web: , orders: , profiles: }", true},
	{"sources.orders.topic", "sources: {orders: {topic: other}, email: , web: , profiles: }", true},
	{"sources.orders.format", "sources: {orders: {format: json}, email: , web: , profiles: }", true},
	{"sources.orders.mapping", "sources: {orders: {mapping: {a: b}}, email: , web: , profiles: }", true},
	{"sources.profiles.topic", "sources: {profiles: {topic: other}, email: , orders: , web: }", true},
	{"sources.profiles.format", "sources: {profiles: {format: json}, email: , orders: , web: }", true},
	{"sources.profiles.mapping", "sources: {profiles: {mapping: {a: b}}, email: , orders: , web: }", true},
	{"outputs.segment_changes.topic", "outputs: {segment_changes: {topic: other}}", false},
	{"outputs.segment_changes.format", "outputs: {segment_changes: {format: json}}", false},
	{"outputs.segments.topic", "outputs: {segments: {topic: other}}", false},
	{"outputs.segments.format", "outputs: {segments: {format: json}}", false},
	{"outputs.drift_alerts.topic", "outputs: {drift_alerts: {topic: other}}", false},
	{"outputs.drift_alerts.format", "outputs: {drift_alerts: {format: json}}", false},
	{"outputs.campaign_triggers.topic", "outputs: {campaign_triggers: {topic: other}}", false},
	{"outputs.campaign_triggers.format", "outputs: {campaign_triggers: {format: json}}", false},
	{"outputs.dead_letters.topic", "outputs: {dead_letters: {topic: other}}", false},
	{"internals.changelog.topic", "internals: {changelog: {topic: other}}", false},
	{"internals.model_sums.topic", "internals: {model_sums: {topic: other}}", false},
	{"internals.model.topic", "internals: {model: {topic: other}}", false},
	{"commit.interval_ms", "commit: {interval_ms: 49}", false},
	{"commit.max_events", "commit: {max_events: 49}", false},
	{"commit.max_bytes", "commit: {max_bytes: 1MiB}", false},
	{"recovery.target", "recovery: {target: 11s}", false},
	{"checkpoint.max_interval", "checkpoint: {max_interval: 11s}", false},
	{"sync.max_skew", "sync: {max_skew: 11s}", false},
	{"max_future", "max_future: 11s", true},
	{"lateness", "lateness: 11s", false},
	{"currencies.base", "currencies: {base: USD}", true},
	{"currencies.rates", "currencies: {rates: {USD: 0.9}}", true},
	{"cleaning.placeholder_ids", "cleaning: {placeholder_ids: [other]}", true},
	{"cleaning.bots", "cleaning: {bots: [other]}", true},
	{"cleaning.max_amount", "cleaning: {max_amount: 5}", true},
	{"dedup.window", "dedup: {window: 65}", true},
	{"profile.expire", "profile: {expire: 9d}", false},
	{"lifetime_value.horizon", "lifetime_value: {horizon: 9d}", false},
	{"features", "features: email", false},
	{"rules", "rules: [{name: a, when: \"frequency > 1\"}]", false},
	{"segmenter.k", "segmenter: {k: 5}", false},
	{"segmenter.k_min", "segmenter: {k_min: 5}", false},
	{"segmenter.k_max", "segmenter: {k_max: 5}", false},
	{"segmenter.min_customers", "segmenter: {min_customers: 5}", false},
	{"segmenter.seed", "segmenter: {seed: 5}", false},
	{"segmenter.pca", "segmenter: {pca: 3}", false},
	{"segmenter.hysteresis", "segmenter: {hysteresis: 0.5}", false},
	{"segmenter.dwell", "segmenter: {dwell: 5d}", false},
	{"segmenter.return_dwell", "segmenter: {return_dwell: 5d}", false},
	{"segmenter.reevaluate.interval", "segmenter: {reevaluate: {interval: 5d}}", false},
	{"segmenter.reevaluate.min_move", "segmenter: {reevaluate: {min_move: 0.5}}", false},
	{"segmenter.refit.interval", "segmenter: {refit: {interval: 5d}}", false},
	{"segmenter.refit.sample", "segmenter: {refit: {sample: 500}}", false},
	{"segmenter.promotion", "segmenter: {promotion: manual}", false},
	{"segmenter.gate.gain", "segmenter: {gate: {gain: 0.5}}", false},
	{"segmenter.gate.silhouette", "segmenter: {gate: {silhouette: 0.5}}", false},
	{"segmenter.gate.stability", "segmenter: {gate: {stability: 0.5}}", false},
	{"segmenter.gate.moved", "segmenter: {gate: {moved: 0.5}}", false},
	{"segmenter.gate.min_size", "segmenter: {gate: {min_size: 0.5}}", false},
	{"drift.window", "drift: {window: 14d}", false},
	{"drift.psi_warning", "drift: {psi_warning: 0.2}", false},
	{"drift.psi_critical", "drift: {psi_critical: 0.5}", false},
	{"drift.refit", "drift: {refit: recommend}", false},
	{"store.rocksdb", "store: {rocksdb: {a: b}}", false},
	{"memory.total", "memory: {total: 1GiB}", false},
	{"http.listen", "http: {listen: \"h:1\"}", false},
	{"http.token", "http: {token: other}", false},
	{"http.write_rate", "http: {write_rate: 3}", false},
	{"http.advertise", "http: {advertise: \"http://h:1\"}", false},
	{"log.level", "log: {level: debug}", false},
	{"log.format", "log: {format: json}", false},
};
enum { CHANGES = sizeof(changes) / sizeof(changes[0]) };

static void test_fingerprint_changes_exactly_with_what_shapes_aggregates(void **state)
{
	uint64_t plain = fingerprint(""), seen[CHANGES];

	(void)state;
	for (size_t i = 0; i < CHANGES; i++) {
		seen[i] = fingerprint(changes[i].text);
		if ((seen[i] != plain) != changes[i].shapes)
			fail_msg("%s: the fingerprint %s", changes[i].name, changes[i].shapes ? "stays" : "changes");
		for (size_t j = 0; changes[i].shapes && j < i; j++)
			assert_true(seen[i] != seen[j]);
	}
}

static void test_every_option_is_in_the_list(void **state)
{
	(void)state;
	assert_int_equal(seg_options_len, CHANGES);
	for (size_t i = 0; i < CHANGES; i++) {
		const struct seg_option *o = seg_option_find(changes[i].name);

		if (!o)
			fail_msg("no option %s", changes[i].name);
		else
			assert_int_equal((o->flags & SEG_OPTION_AGGREGATE) != 0, changes[i].shapes);
	}
}

static void test_fingerprint_of_which_sources_are_read(void **state)
{
	(void)state;
	assert_true(fingerprint("sources: {orders: , web: , email: , profiles: }") == fingerprint(""));
	assert_true(fingerprint("sources: {orders: }") != fingerprint(""));
	assert_true(fingerprint("sources: {orders: }") != fingerprint("sources: {web: }"));
	/* Order of rates, mappings and options in the file is nothing. */
	assert_true(fingerprint("currencies: {rates: {USD: 2, GBP: 3}}\ndedup: {window: 9}") ==
		    fingerprint("dedup: {window: 9}\ncurrencies: {rates: {GBP: 3, USD: 2}}"));
	assert_true(fingerprint("sources: {web: {mapping: {a: b, c: d}}}") ==
		    fingerprint("sources: {web: {mapping: {c: d, a: b}}}"));
	/* A path is not a constant, and texts do not run into one another. */
	assert_true(fingerprint("sources: {web: {mapping: {a: b}}}") !=
		    fingerprint("sources: {web: {mapping: {a: {const: b}}}}"));
	assert_true(fingerprint("cleaning: {bots: [ab, c]}") != fingerprint("cleaning: {bots: [a, bc]}"));
	assert_true(fingerprint("cleaning: {bots: [a]}\n") != fingerprint("cleaning: {bots: []}"));
}

/* It is part of stored stores: this number changes only with a reason to stop at them. */
static void test_fingerprint_is_stable(void **state)
{
	(void)state;
	assert_true(fingerprint("") == UINT64_C(0xD6A38CB49D2A6EF3));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fingerprint_changes_exactly_with_what_shapes_aggregates),
		cmocka_unit_test(test_every_option_is_in_the_list),
		cmocka_unit_test(test_fingerprint_of_which_sources_are_read),
		cmocka_unit_test(test_fingerprint_is_stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
