/*
 * The HTTP server (libmicrohttpd, a thread for each of at most 64 connections): /metrics /healthz /readyz /api/v1/status,
 * the rest of the API (http/api.h) and the page at /. What it shows comes through callbacks, which must be safe on any
 * thread; all but `api` must be fast.
 */
#ifndef SEG_HTTP_SERVER_H
#define SEG_HTTP_SERVER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "http/api.h"
#include "http/metrics.h"

struct seg_http;

struct seg_http_source {
	struct seg_metrics *metrics; /* borrowed until stop */
	/* Brings gauges up to date before a scrape; may be NULL. */
	void (*refresh)(void *ctx);
	/* Appends the body of /api/v1/status (JSON object). */
	enum seg_rc (*status)(void *ctx, struct seg_buf *out, struct seg_error *err);
	/* /readyz 200 or 503; /healthz 200 or 503. */
	bool (*ready)(void *ctx);
	bool (*healthy)(void *ctx);
	void *ctx;
	/* Answers what http/api.h lists; may wait for some seconds. NULL: there is none of it. */
	void (*api)(void *ctx, const struct seg_api_request *request, struct seg_api_answer *answer);
};

struct seg_http_options {
	const char *listen; /* HOST:PORT; port 0: any */
	bool search_port;   /* the next free port if it is taken (demo) */
	const char *token;  /* that requests must carry which change something; NULL or "": they are refused */
	double write_rate;  /* such requests a second, refused ones too; 0: no limit */
	struct seg_http_source source;
};

/* SEG_INVALID: no such address; SEG_IO: cannot be bound (who and what to do). */
enum seg_rc seg_http_start(const struct seg_http_options *options, struct seg_http **ret,
			   struct seg_error *err) SEG_MUST_CHECK;
uint16_t seg_http_port(const struct seg_http *h);
void seg_http_stop(struct seg_http *h); /* waits for requests under way; NULL is fine */

#endif
