/*
 * What all Kafka handles (consumers/, producers/) share: who to connect to, the pass-through settings of the
 * configuration, logging, and a destroy that cannot hang the process.
 *
 * Threads: all functions from any thread.
 */
#ifndef SEG_BASE_KAFKA_CLIENT_H
#define SEG_BASE_KAFKA_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include <librdkafka/rdkafka.h>

#include "base/error.h"

struct seg_kafka_setting {
	const char *name, *value;
};

/* Borrowed by every open function until it returns. */
struct seg_kafka_client {
	const char *brokers;			  /* bootstrap.servers */
	const char *client_id;			  /* at most 200 bytes are used: longer ones crash librdkafka */
	const struct seg_kafka_setting *settings; /* kafka.client of the configuration: passed through */
	size_t settings_len;
};

/*
 * A configuration with: the client's brokers and id, `own` (settings that this handle needs to be right), then the pass-
 * through settings. A pass-through setting that is in `own`, or that belongs to segmentd for all handles (bootstrap.servers,
 * client.id, group.*, enable.auto.*, isolation.level, transactional.id, …), is refused with SEG_INVALID and its name, an
 * unknown name or bad value too. Settings that only the other kind of handle (`producer`) knows are left out silently.
 * Caller owns *ret (rd_kafka_conf_destroy, or rd_kafka_new takes it).
 */
SEG_MUST_CHECK enum seg_rc seg_kafka_conf(const struct seg_kafka_client *client, bool producer,
					  const struct seg_kafka_setting *own, size_t own_len, rd_kafka_conf_t **ret,
					  struct seg_error *err);

/* What the library logs of this handle goes to debug: for those whose failures the caller tells in one line. */
void seg_kafka_conf_quiet(rd_kafka_conf_t *conf);

/* Checks the pass-through settings alone, e.g. when the configuration is loaded. */
SEG_MUST_CHECK enum seg_rc seg_kafka_client_check(const struct seg_kafka_client *client, struct seg_error *err);

/* rd_kafka_new; takes conf, also on failure. */
SEG_MUST_CHECK enum seg_rc seg_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret,
					 struct seg_error *err);

/*
 * Destroys the handle on a thread of its own and waits at most timeout_ms: false when it hangs (librdkafka #4187, #4724);
 * the handle is then left to its fate and the thread ends with the process. NULL is fine.
 */
bool seg_kafka_destroy(rd_kafka_t *rk, int timeout_ms);

/* "cluster" as the brokers name it; caller frees with rd_kafka_mem_free(NULL, …). NULL after timeout_ms. */
char *seg_kafka_cluster_id(rd_kafka_t *rk, int timeout_ms);

#endif
