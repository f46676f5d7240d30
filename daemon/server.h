/*
 * The daemon in one piece: an instance, its workers, metrics and the HTTP server; what `run` and `demo` have in common.
 *
 * start, then wait or poll, stop. From one thread, but seg_server_stop_asked() from a signal handler.
 */
#ifndef SEG_DAEMON_SERVER_H
#define SEG_DAEMON_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "config/config.h"
#include "daemon/instance.h"
#include "daemon/recent.h"
#include "daemon/worker.h"
#include "http/server.h"

struct seg_eraser;

struct seg_server {
	const struct seg_config *config; /* borrowed */
	struct seg_metrics *metrics;
	struct seg_meters *meters;
	struct seg_instance *inst;
	struct seg_worker **workers;
	size_t workers_len;
	struct seg_eraser *eraser;
	struct seg_http *http;
	struct seg_recent *recent; /* borrowed, may be NULL: latest changes in words */
	int64_t began_mono_ms;
	uint64_t cache_hits, cache_misses;
};

struct seg_server_options {
	const struct seg_config *config; /* borrowed until stop */
	bool accept_config_change;
	bool search_port;	/* demo: the next free port if http.listen is taken */
	int session_timeout_ms; /* demo: see instance.h */
	struct seg_recent *recent;
};

enum seg_rc seg_server_start(const struct seg_server_options *options, struct seg_server **ret,
			     struct seg_error *err) SEG_MUST_CHECK;

/* A worker has failed: SEG_FATAL with why. */
enum seg_rc seg_server_check(struct seg_server *s, struct seg_error *err) SEG_MUST_CHECK;

/* Clean stop of all workers; frees s. Returns the first worker's failure. */
enum seg_rc seg_server_stop(struct seg_server *s, struct seg_error *err);

#endif
