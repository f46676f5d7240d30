#include "http/routes.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "http/assets.h"
#include "http/path.h"
#include "http/reply.h"

enum { METRICS_MAX = 16 << 20, STATUS_MAX = 4 << 20 };

static const char allow[] = "GET, HEAD";
static const char json_type[] = "application/json";

struct route;
typedef enum MHD_Result route_fn(struct seg_routes *r, const struct route *route, struct MHD_Connection *c);

struct route {
	const char *path;
	route_fn *answer;
	const char *body, *type; /* of an asset */
};

static enum MHD_Result failed(struct seg_routes *r, struct MHD_Connection *c, const struct route *route,
			      const struct seg_error *err)
{
	seg_log_limited(&r->failures, SEG_LOG_WARN, "http_failed", "path=%s error=\"%s\"", route->path, err->text);
	return seg_reply_problem(c, MHD_HTTP_SERVICE_UNAVAILABLE, "This cannot be told now; the log says why.", NULL);
}

static enum MHD_Result answer_metrics(struct seg_routes *r, const struct route *route, struct MHD_Connection *c)
{
	const struct seg_reply reply = {.status = MHD_HTTP_OK, .type = "text/plain; version=0.0.4; charset=utf-8"};
	struct seg_error err = {0};
	struct seg_buf body;

	seg_buf_init(&body, METRICS_MAX);
	if (r->source.refresh)
		r->source.refresh(r->source.ctx);
	if (r->source.metrics && seg_metrics_render(r->source.metrics, &body, &err)) {
		seg_buf_release(&body);
		return failed(r, c, route, &err);
	}
	return seg_reply_buf(c, &reply, &body);
}

static enum MHD_Result answer_status(struct seg_routes *r, const struct route *route, struct MHD_Connection *c,
				     unsigned status)
{
	const struct seg_reply reply = {.status = status, .type = json_type};
	struct seg_error err = {0};
	struct seg_buf body;
	enum seg_rc rc;

	seg_buf_init(&body, STATUS_MAX);
	rc = r->source.status(r->source.ctx, &body, &err);
	if (!rc && body.failed)
		rc = seg_error_set(&err, SEG_LIMIT, "the status needs more than %d bytes, or memory is short",
				   STATUS_MAX);
	if (rc) {
		seg_buf_release(&body);
		return failed(r, c, route, &err);
	}
	return seg_reply_buf(c, &reply, &body);
}

static enum MHD_Result answer_api_status(struct seg_routes *r, const struct route *route, struct MHD_Connection *c)
{
	return answer_status(r, route, c, MHD_HTTP_OK);
}

static enum MHD_Result answer_ready(struct seg_routes *r, const struct route *route, struct MHD_Connection *c)
{
	bool ready = r->source.ready(r->source.ctx);

	return answer_status(r, route, c, ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE);
}

static enum MHD_Result answer_health(struct seg_routes *r, const struct route *route, struct MHD_Connection *c)
{
	static const char well[] = "{\"healthy\":true}\n", ill[] = "{\"healthy\":false}\n";
	struct seg_reply reply = {.status = MHD_HTTP_OK, .type = json_type};

	(void)route;
	if (r->source.healthy(r->source.ctx))
		return seg_reply_static(c, &reply, well, strlen(well));
	reply.status = MHD_HTTP_SERVICE_UNAVAILABLE;
	return seg_reply_static(c, &reply, ill, strlen(ill));
}

static enum MHD_Result answer_asset(struct seg_routes *r, const struct route *route, struct MHD_Connection *c);
static enum MHD_Result answer_openapi(struct seg_routes *r, const struct route *route, struct MHD_Connection *c);

/* The assets come first: their etags are by place. */
static const struct route routes[] = {
	{"/", answer_asset, seg_asset_html, "text/html; charset=utf-8"},
	{"/dashboard.css", answer_asset, seg_asset_css, "text/css; charset=utf-8"},
	{"/dashboard.js", answer_asset, seg_asset_js, "text/javascript; charset=utf-8"},
	{"/icon.svg", answer_asset, seg_asset_icon, "image/svg+xml"},
	{"/metrics", answer_metrics, NULL, NULL},
	{"/healthz", answer_health, NULL, NULL},
	{"/readyz", answer_ready, NULL, NULL},
	{"/api/v1/status", answer_api_status, NULL, NULL},
	{"/openapi.json", answer_openapi, NULL, NULL},
};

enum { ROUTES = sizeof(routes) / sizeof(routes[0]), ASSETS = sizeof(((struct seg_routes *)NULL)->etags) / 40 };

static enum MHD_Result answer_asset(struct seg_routes *r, const struct route *route, struct MHD_Connection *c)
{
	const char *known = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
	struct seg_reply reply = {.status = MHD_HTTP_OK,
				  .type = route->type,
				  .cache = SEG_REPLY_REVALIDATE,
				  .etag = r->etags[route - routes]};

	if (known && strcmp(known, reply.etag) == 0) {
		reply.status = MHD_HTTP_NOT_MODIFIED;
		reply.type = NULL;
		return seg_reply_static(c, &reply, "", 0);
	}
	return seg_reply_static(c, &reply, route->body, strlen(route->body));
}

static enum MHD_Result answer_openapi(struct seg_routes *r, const struct route *route, struct MHD_Connection *c)
{
	const struct seg_reply reply = {.status = MHD_HTTP_OK, .type = json_type};

	(void)r;
	(void)route;
	return seg_reply_static(c, &reply, seg_asset_openapi, strlen(seg_asset_openapi));
}

void seg_routes_init(struct seg_routes *r, const struct seg_http_source *source, struct seg_access *access)
{
	*r = (struct seg_routes){.source = *source, .api = {source->api, source->ctx, access}};
	for (size_t i = 0; i < ASSETS; i++) {
		char hex[33];

		seg_hash128_hex(routes[i].body, strlen(routes[i].body), hex);
		snprintf(r->etags[i], sizeof(r->etags[i]), "\"%s\"", hex);
	}
}

const char *seg_routes_path(size_t i)
{
	return i < ROUTES ? routes[i].path : NULL;
}

static const struct route *find(const char *url)
{
	char none[SEG_PATH_PARAM_MAX + 1];
	uint32_t len;

	for (size_t i = 0; i < ROUTES; i++) {
		if (seg_path_match(routes[i].path, url, none, &len) == SEG_PATH_MATCH)
			return &routes[i];
	}
	return NULL;
}

enum MHD_Result seg_routes_answer(struct seg_routes *r, struct MHD_Connection *c, const char *url, const char *method,
				  struct seg_request *request)
{
	const struct route *route = find(url);
	enum MHD_Result result;

	if (!route && seg_api_answer(&r->api, c, url, method, request, &result))
		return result;
	if (!route)
		return seg_reply_problem(c, MHD_HTTP_NOT_FOUND,
					 "There is nothing at this address; /openapi.json lists what there is.", NULL);
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return seg_reply_problem(c, MHD_HTTP_METHOD_NOT_ALLOWED, "This can only be read: GET or HEAD.", allow);
	return route->answer(r, route, c);
}
