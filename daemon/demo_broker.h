/*
 * The demo's Kafka: librdkafka's mock cluster inside this process, with one broker and all topics of the configuration.
 * It keeps the newest 5 MiB of a partition and nothing else of what a real broker promises: good for a demo.
 */
#ifndef SEG_DAEMON_DEMO_BROKER_H
#define SEG_DAEMON_DEMO_BROKER_H

#include <stdint.h>

#include "base/error.h"
#include "config/config.h"

struct seg_demo_broker;

/* SEG_FATAL: librdkafka could not make it; the text says why. */
enum seg_rc seg_demo_broker_start(const struct seg_config *config, int32_t partitions, struct seg_demo_broker **ret,
				  struct seg_error *err) SEG_MUST_CHECK;
void seg_demo_broker_stop(struct seg_demo_broker *b); /* after all of its clients; NULL is fine */

/* HOST:PORT, valid until stop. */
const char *seg_demo_broker_address(const struct seg_demo_broker *b);

#endif
