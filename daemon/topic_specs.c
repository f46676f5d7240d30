#include "daemon/topic_specs.h"

#include <stdlib.h>

size_t seg_topic_specs(const struct seg_config *config, struct seg_topic_spec ret[SEG_TOPIC_SPECS_MAX])
{
	size_t len = 0;
	for (int s = 0; s < SEG_SOURCES; s++) {
		if (config->sources[s].read)
			ret[len++] = (struct seg_topic_spec){.name = config->sources[s].topic, .role = SEG_TOPIC_INPUT};
	}
	const struct {
		const char *name;
		enum seg_topic_role role;
	} ours[] = {
		{config->outputs[SEG_CONFIG_SEGMENT_CHANGES].topic, SEG_TOPIC_CHANGES},
		{config->outputs[SEG_CONFIG_SEGMENTS].topic, SEG_TOPIC_SEGMENTS},
		{config->outputs[SEG_CONFIG_DRIFT_ALERTS].topic, SEG_TOPIC_ALERTS},
		{config->outputs[SEG_CONFIG_DEAD_LETTERS].topic, SEG_TOPIC_DEAD_LETTERS},
		{config->internals.changelog, SEG_TOPIC_CHANGELOG},
		{config->internals.model_sums, SEG_TOPIC_MODEL_SUMS},
		{config->internals.model, SEG_TOPIC_MODEL},
	};
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		ret[len++] = (struct seg_topic_spec){.name = ours[i].name, .role = ours[i].role};
	return len;
}

bool seg_client_of(const struct seg_config *config, struct seg_kafka_client *ret,
		   struct seg_kafka_setting **ret_settings)
{
	const struct seg_config_map *map = &config->kafka.client;
	struct seg_kafka_setting *settings = calloc(map->len ? map->len : 1, sizeof(*settings));
	if (!settings)
		return false;
	for (size_t i = 0; i < map->len; i++)
		settings[i] = (struct seg_kafka_setting){map->items[i].name, map->items[i].value};
	*ret = (struct seg_kafka_client){config->kafka.brokers, config->app, settings, map->len};
	*ret_settings = settings;
	return true;
}
