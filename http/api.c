#include "http/api_routes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "http/path.h"
#include "http/reply.h"

struct api_route {
	const char *method, *path;
	bool token, body;
	const char *query;
};

static const struct api_route routes[SEG_API_OPS] = {
#define X(id, method, path, token, body, query) {method, path, token, body, query},
	SEG_API_TABLE(X)
#undef X
};

const char *seg_api_method(enum seg_api_op op)
{
	return op < SEG_API_OPS ? routes[op].method : NULL;
}

const char *seg_api_path(enum seg_api_op op)
{
	return op < SEG_API_OPS ? routes[op].path : NULL;
}

bool seg_api_asks_for_token(enum seg_api_op op)
{
	return op < SEG_API_OPS && routes[op].token;
}

static bool is_method(const struct api_route *route, const char *method)
{
	return strcmp(route->method, method) == 0 ||
	       (strcmp(route->method, MHD_HTTP_METHOD_GET) == 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) == 0);
}

/* The first pattern that fits decides; its rows are the methods that there are. */
enum seg_path_match seg_api_find(const char *url, const char *method, struct seg_api_found *ret)
{
	const char *pattern = NULL;
	enum seg_path_match match = SEG_PATH_OTHER;

	*ret = (struct seg_api_found){.op = SEG_API_OPS};
	for (int i = 0; i < SEG_API_OPS; i++) {
		if (!pattern) {
			match = seg_path_match(routes[i].path, url, ret->param, &ret->param_len);
			pattern = match != SEG_PATH_OTHER ? routes[i].path : NULL;
		}
		if (!pattern || strcmp(pattern, routes[i].path) != 0)
			continue;
		if (is_method(&routes[i], method))
			ret->op = (enum seg_api_op)i;
		snprintf(ret->allow + strlen(ret->allow), sizeof(ret->allow) - strlen(ret->allow), "%s%s%s",
			 ret->allow[0] ? ", " : "", routes[i].method,
			 strcmp(routes[i].method, MHD_HTTP_METHOD_GET) == 0 ? ", HEAD" : "");
	}
	return match;
}

bool seg_api_takes_body(const char *url, const char *method)
{
	struct seg_api_found found;

	return seg_api_find(url, method, &found) == SEG_PATH_MATCH && found.op < SEG_API_OPS && routes[found.op].body;
}

/* ---- who may, and what was sent ---- */

static enum MHD_Result refuse_access(struct MHD_Connection *c, enum seg_access_verdict verdict)
{
	static const char off[] = "Nothing can be changed over HTTP here: no token is configured. Set http.token (for "
				  "example to file:PATH) and start segmentd again.",
			  missing[] = "This changes something: send the configured http.token as `Authorization: "
				      "Bearer TOKEN`.",
			  wrong[] = "The token is not the configured http.token.";

	if (verdict == SEG_ACCESS_OFF)
		return seg_reply_problem(c, MHD_HTTP_FORBIDDEN, off, NULL);
	const struct seg_reply reply = {.status = MHD_HTTP_UNAUTHORIZED,
					.authenticate = verdict == SEG_ACCESS_MISSING
								? "Bearer realm=\"segmentd\""
								: "Bearer realm=\"segmentd\", error=\"invalid_token\""};
	return seg_reply_problem_with(c, &reply, verdict == SEG_ACCESS_MISSING ? missing : wrong);
}

/* True: it may go on; else *ret is what was queued. */
static bool may(struct seg_access *access, struct MHD_Connection *c, enum MHD_Result *ret)
{
	unsigned wait_s = seg_access_try(access, seg_monotonic_ms());
	enum seg_access_verdict verdict;

	if (wait_s > 0) {
		const struct seg_reply reply = {.status = MHD_HTTP_TOO_MANY_REQUESTS, .retry_after_s = wait_s};
		*ret = seg_reply_problem_with(c, &reply,
					      "Too many requests that change something; http.write_rate says how many "
					      "a second there may be.");
		return false;
	}
	verdict = seg_access_check(access,
				   MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION));
	if (verdict != SEG_ACCESS_GRANTED)
		*ret = refuse_access(c, verdict);
	return verdict == SEG_ACCESS_GRANTED;
}

static bool is_json(struct MHD_Connection *c)
{
	static const char json[] = "application/json";
	const char *type = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);
	size_t len = sizeof(json) - 1;

	return type && strncasecmp(type, json, len) == 0 && (type[len] == '\0' || type[len] == ';' || type[len] == ' ');
}

/* The decoded parameter, owned by the caller; *ret NULL: not given. False: broken, or no memory. */
static bool take_query(struct MHD_Connection *c, const char *name, char **ret, struct seg_str *ret_str)
{
	const char *value = name ? MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, name) : NULL;

	*ret = NULL;
	*ret_str = (struct seg_str){NULL, 0};
	if (!value)
		return true;
	*ret = strdup(value);
	if (!*ret)
		return false;
	*ret_str = (struct seg_str){*ret, (uint32_t)strlen(*ret)};
	return seg_path_decode(*ret, &ret_str->len);
}

/* ---- the answer ---- */

static enum MHD_Result send_answer(struct MHD_Connection *c, struct seg_api_answer *a)
{
	struct seg_reply reply = {.status = a->status,
				  .type = "application/json",
				  .location = a->location[0] ? a->location : NULL,
				  .retry_after_s = a->retry_after_s};

	if (a->status >= 200 && a->status < 300 && !a->body.failed)
		return seg_reply_buf(c, &reply, &a->body);
	if (a->body.failed) {
		reply.status = MHD_HTTP_INTERNAL_SERVER_ERROR;
		snprintf(a->detail, sizeof(a->detail), "The answer needs more than %d MiB, or memory is short.",
			 SEG_API_BODY_MAX >> 20);
	}
	return seg_reply_problem_with(c, &reply, a->detail[0] ? a->detail : "The log says more.");
}

static enum MHD_Result ask(const struct seg_api_server *server, struct MHD_Connection *c,
			   const struct seg_api_request *request)
{
	struct seg_api_answer *answer = calloc(1, sizeof(*answer));
	enum MHD_Result result;

	if (!answer)
		return MHD_NO;
	answer->status = MHD_HTTP_OK;
	seg_buf_init(&answer->body, SEG_API_BODY_MAX);
	server->api(server->ctx, request, answer);
	result = send_answer(c, answer);
	seg_buf_release(&answer->body);
	free(answer);
	return result;
}

static enum MHD_Result prepare(const struct seg_api_server *server, struct MHD_Connection *c, const char *url,
			       const struct seg_api_found *found, struct seg_request *r)
{
	const struct api_route *route = &routes[found->op];
	struct seg_api_request request = {.op = found->op};
	enum MHD_Result result;
	struct seg_buf target;
	char *query = NULL;

	if (found->param_len > 0)
		request.param = (struct seg_str){found->param, found->param_len};
	if (route->body && r->body.len > 0)
		request.body = (struct seg_str){(const char *)r->body.data, (uint32_t)r->body.len};
	seg_buf_init(&target, 2 * SEG_REQUEST_URL_MAX);
	seg_request_target(c, url, &target);
	request.target = (const char *)target.data;
	if (!take_query(c, route->query, &query, &request.query) || target.failed)
		result = seg_reply_problem(c, MHD_HTTP_BAD_REQUEST, "The query cannot be read.", NULL);
	else
		result = ask(server, c, &request);
	free(query);
	seg_buf_release(&target);
	return result;
}

bool seg_api_answer(const struct seg_api_server *server, struct MHD_Connection *c, const char *url, const char *method,
		    struct seg_request *r, enum MHD_Result *ret)
{
	struct seg_api_found found;
	enum seg_path_match match = server->api ? seg_api_find(url, method, &found) : SEG_PATH_OTHER;

	if (match == SEG_PATH_OTHER)
		return false;
	if (found.op == SEG_API_OPS) {
		*ret = seg_reply_problem(c, MHD_HTTP_METHOD_NOT_ALLOWED,
					 "The header field Allow says what can be done here.", found.allow);
		return true;
	}
	if (routes[found.op].token && !may(server->access, c, ret))
		return true;
	if (match == SEG_PATH_BROKEN)
		*ret = seg_reply_problem(c, MHD_HTTP_BAD_REQUEST,
					 "What stands in the path is not percent-encoded, empty, or has a null byte.",
					 NULL);
	else if (routes[found.op].body && r->body_len > 0 && !is_json(c))
		*ret = seg_reply_problem(c, MHD_HTTP_UNSUPPORTED_MEDIA_TYPE,
					 "The body must be JSON, with Content-Type: application/json.", NULL);
	else
		*ret = prepare(server, c, url, &found, r);
	return true;
}
