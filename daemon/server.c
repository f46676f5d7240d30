#include "daemon/server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/api.h"
#include "daemon/eraser.h"
#include "daemon/status.h"

static enum seg_rc start_http(struct seg_server *s, bool search_port, struct seg_error *err)
{
	s->eraser = seg_eraser_new(s->config, s->inst);
	if (!s->eraser)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	struct seg_http_options options = {
		.listen = s->config->http.listen,
		.search_port = search_port,
		.token = s->config->http.token,
		.write_rate = s->config->http.write_rate,
		.source =
			{
				.metrics = s->metrics,
				.refresh = seg_status_refresh,
				.status = seg_status_json,
				.ready = seg_status_ready,
				.healthy = seg_status_healthy,
				.ctx = s,
				.api = seg_api_call,
			},
	};
	enum seg_rc rc = seg_http_start(&options, &s->http, err);
	if (!rc)
		seg_log(SEG_LOG_INFO, "http_listens", "port=%u", seg_http_port(s->http));
	return rc;
}

static enum seg_rc start_workers(struct seg_server *s, struct seg_error *err)
{
	size_t wanted = (size_t)s->config->workers;
	s->workers = calloc(wanted, sizeof(struct seg_worker *));
	if (!s->workers)
		return seg_error_set(err, SEG_NO_MEMORY, "workers: out of memory");
	for (unsigned i = 0; i < wanted; i++) {
		enum seg_rc rc = seg_worker_start(s->inst, i, &s->workers[i], err);
		if (rc)
			return rc;
		s->workers_len = i + 1;
	}
	return SEG_OK;
}

enum seg_rc seg_server_start(const struct seg_server_options *options, struct seg_server **ret, struct seg_error *err)
{
	struct seg_server *s = calloc(1, sizeof(*s));
	if (!s)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	s->config = options->config;
	s->recent = options->recent;
	s->began_mono_ms = seg_monotonic_ms();
	s->metrics = seg_metrics_new();
	s->meters = seg_meters_new(s->metrics);
	enum seg_rc rc = SEG_OK;
	if (!s->metrics || !s->meters)
		rc = seg_error_set(err, SEG_NO_MEMORY, "metrics: out of memory");
	if (!rc)
		rc = seg_instance_open(s->config, s->meters, options->accept_config_change, &s->inst, err);
	if (!rc) {
		s->inst->session_timeout_ms = options->session_timeout_ms;
		rc = start_workers(s, err);
	}
	if (!rc)
		rc = start_http(s, options->search_port, err);
	if (rc) {
		seg_server_stop(s, NULL);
		return rc;
	}
	*ret = s;
	return SEG_OK;
}

enum seg_rc seg_server_check(struct seg_server *s, struct seg_error *err)
{
	for (size_t i = 0; i < s->workers_len; i++) {
		struct seg_worker_status status;
		if (!seg_worker_status(s->workers[i], &status))
			return seg_error_set(err, SEG_NO_MEMORY, "status: out of memory");
		free(status.lanes);
		if (status.state == SEG_WORKER_FAILED)
			return seg_error_set(err, SEG_FATAL, "%s", status.error);
	}
	return SEG_OK;
}

enum seg_rc seg_server_stop(struct seg_server *s, struct seg_error *err)
{
	enum seg_rc first = SEG_OK;
	if (!s)
		return SEG_OK;
	for (size_t i = 0; i < s->workers_len; i++)
		seg_worker_stop(s->workers[i]);
	seg_http_stop(s->http); /* its callbacks look at the workers */
	seg_eraser_free(s->eraser);
	for (size_t i = 0; i < s->workers_len; i++) {
		enum seg_rc rc = seg_worker_join(s->workers[i], first ? NULL : err);
		if (rc && !first)
			first = rc;
	}
	free(s->workers);
	seg_instance_close(s->inst);
	seg_meters_free(s->meters);
	seg_metrics_free(s->metrics);
	free(s);
	return first;
}
