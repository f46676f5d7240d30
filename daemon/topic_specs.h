/* The topics that a configuration names, as producers/topic_admin.h wants them. Pure. */
#ifndef SEG_DAEMON_TOPIC_SPECS_H
#define SEG_DAEMON_TOPIC_SPECS_H

#include "config/config.h"
#include "producers/topic_admin.h"

enum { SEG_TOPIC_SPECS_MAX = SEG_SOURCES + 8 };

/* Inputs that are read, then outputs and internals. Names are borrowed from config. Returns how many. */
size_t seg_topic_specs(const struct seg_config *config, struct seg_topic_spec ret[SEG_TOPIC_SPECS_MAX]);

/* Client settings; *ret_settings is to be freed with free() after the client was used. False: no memory. */
bool seg_client_of(const struct seg_config *config, struct seg_kafka_client *ret,
		   struct seg_kafka_setting **ret_settings);

#endif
