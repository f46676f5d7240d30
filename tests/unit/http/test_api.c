/* The API's routes over loopback: what reaches the source, who may, and what goes back. */
#include "tests/support/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "http/access.h"
#include "http/path.h"
#include "http/server.h"

struct world {
	struct seg_http *http;
	uint16_t port;
	/* what came last */
	int calls;
	enum seg_api_op op;
	char param[2100], query[2100], target[5000], body[70000];
	bool has_query, has_body;
	/* what is answered; status 0: 200 with an empty object */
	struct seg_api_answer answer;
};

#define TOKEN "swordfish-0123456789"
#define BEARER "Authorization: Bearer " TOKEN "\r\n"

static void copy(char *to, size_t size, struct seg_str from)
{
	assert_true(from.len < size);
	memcpy(to, from.ptr ? from.ptr : "", from.len);
	to[from.len] = '\0';
}

static void api(void *ctx, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct world *w = ctx;

	w->calls++;
	w->op = request->op;
	w->has_query = request->query.ptr != NULL;
	w->has_body = request->body.ptr != NULL;
	copy(w->param, sizeof(w->param), request->param);
	copy(w->query, sizeof(w->query), request->query);
	copy(w->body, sizeof(w->body), request->body);
	snprintf(w->target, sizeof(w->target), "%s", request->target);
	if (w->answer.status == 0) {
		seg_buf_append(&answer->body, "{}", 2);
		return;
	}
	struct seg_buf body = answer->body;

	*answer = w->answer;
	answer->body = body;
}

static enum seg_rc status(void *ctx, struct seg_buf *out, struct seg_error *err)
{
	(void)ctx;
	(void)err;
	seg_buf_append(out, "{}", 2);
	return SEG_OK;
}

static bool yes(void *ctx)
{
	(void)ctx;
	return true;
}

static void start(struct world *w, const char *token, double rate)
{
	struct seg_http_options options = {
		.listen = "127.0.0.1:0",
		.token = token,
		.write_rate = rate,
		.source = {.status = status, .ready = yes, .healthy = yes, .ctx = w, .api = api},
	};
	struct seg_error err = {0};

	if (seg_http_start(&options, &w->http, &err))
		fail_msg("%s", err.text);
	w->port = seg_http_port(w->http);
}

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	start(w, TOKEN, 0);
	*state = w;
	return 0;
}

static int setup_without_token(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	start(w, "", 0);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	seg_http_stop(w->http);
	free(w);
	return 0;
}

static void assert_header(const struct answer *a, const char *name, const char *wanted)
{
	char *value = client_header(a, name);

	if (!value)
		fail_msg("no %s in:\n%s", name, a->head);
	assert_string_equal(value, wanted);
	free(value);
}

static void assert_problem(const struct answer *a, int wanted)
{
	json_error_t error;
	json_t *problem = json_loadb(a->body, a->body_len, 0, &error);

	if (a->status != wanted)
		fail_msg("status %d, not %d:\n%s\n%s", a->status, wanted, a->head, a->body);
	assert_header(a, "Content-Type", "application/problem+json");
	if (!problem)
		fail_msg("%s in %s", error.text, a->body);
	assert_int_equal(json_integer_value(json_object_get(problem, "status")), wanted);
	assert_string_not_equal(json_string_value(json_object_get(problem, "title")), "Error");
	json_decref(problem);
}

static struct answer send_body(struct world *w, const char *method, const char *path, const char *headers,
			       const char *body)
{
	char *text = NULL;
	int len = asprintf(&text, "%s %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n%sContent-Length: %zu\r\n\r\n%s",
			   method, path, headers, strlen(body), body);
	struct answer a;

	assert_true(len > 0);
	a = client_exchange(client_connect(w->port), text, (size_t)len);
	free(text);
	return a;
}

#define JSON "Content-Type: application/json\r\n"

static void test_every_route_reaches_its_number(void **state)
{
	struct world *w = *state;

	for (int op = 0; op < SEG_API_OPS; op++) {
		char path[256], *brace;
		const char *rest;

		snprintf(path, sizeof(path), "%s", seg_api_path(op));
		brace = strchr(path, '{');
		rest = brace ? strchr(seg_api_path(op), '}') + 1 : "";
		if (brace)
			snprintf(brace, sizeof(path) - (size_t)(brace - path), "7%s", rest);
		struct answer a = send_body(w, seg_api_method(op), path, BEARER JSON, "{}");

		assert_int_equal(a.status, 200);
		assert_string_equal(a.body, "{}");
		assert_header(&a, "Content-Type", "application/json");
		assert_header(&a, "Cache-Control", "no-store");
		assert_int_equal(w->op, op);
		assert_string_equal(w->param, brace ? "7" : "");
		client_release(&a);
	}
	assert_int_equal(w->calls, SEG_API_OPS);
}

static void test_ids_are_decoded_once(void **state)
{
	static const struct {
		const char *sent, *got; /* NULL: refused */
	} cases[] = {
		{"12838", "12838"}, {"a%2Fb", "a/b"}, {"%C3%A9t%C3%A9", "\xc3\xa9t\xc3\xa9"},
		{"100%25", "100%"}, {"%2500", "%00"}, {"a+b", "a+b"},
		{"..", ".."},	    {"%3Fx", "?x"},   {"\xc3\xa9", "\xc3\xa9"},
		{"a%00b", NULL},    {"a%", NULL},     {"a%4", NULL},
		{"a%zz", NULL},	    {"", NULL},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char path[256];

		snprintf(path, sizeof(path), "/api/v1/customers/%s", cases[i].sent);
		w->calls = 0;
		struct answer a = client_request(w->port, "GET", path, "");

		if (cases[i].got) {
			assert_int_equal(a.status, 200);
			assert_string_equal(w->param, cases[i].got);
			assert_string_equal(w->target, path);
		} else {
			assert_problem(&a, 400);
			assert_int_equal(w->calls, 0);
		}
		client_release(&a);
	}
}

static void test_queries(void **state)
{
	struct world *w = *state;
	struct answer a = client_request(w->port, "GET", "/api/v1/models/3/diff?x=1&against=a%20b+c%2525", "");

	assert_int_equal(a.status, 200);
	assert_string_equal(w->query, "a b c%25");
	assert_string_equal(w->target, "/api/v1/models/3/diff?x=1&against=a%20b+c%2525");
	client_release(&a);
	a = client_request(w->port, "GET", "/api/v1/models/3/diff", "");
	assert_false(w->has_query);
	client_release(&a);
	a = client_request(w->port, "GET", "/api/v1/models/3/diff?against=%zz", "");
	assert_problem(&a, 400);
	client_release(&a);
}

static void test_tokens(void **state)
{
	static const struct {
		const char *header;
		int status;
	} cases[] = {
		{"", 401},
		{"Authorization: \r\n", 401},
		{"Authorization: Basic c3dvcmRmaXNo\r\n", 401},
		{"Authorization: Bearer\r\n", 401},
		{"Authorization: Bearer \r\n", 401},
		{"Authorization: Bearer swordfish\r\n", 401},
		{"Authorization: Bearer " TOKEN "x\r\n", 401},
		{"Authorization: Bearer " TOKEN ", Bearer x\r\n", 401},
		{"Authorization: " TOKEN "\r\n", 401},
		{"Authorization: Bearer " TOKEN "\r\n", 200},
		{"Authorization: bearer " TOKEN "\r\n", 200},
		{"authorization: BEARER   " TOKEN "\r\n", 200},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w->calls = 0;
		struct answer a = client_request(w->port, "DELETE", "/api/v1/customers/1", cases[i].header);

		if (a.status != cases[i].status)
			fail_msg("%s: %d", cases[i].header, a.status);
		assert_int_equal(w->calls, a.status == 200);
		if (a.status == 401) {
			char *challenge = client_header(&a, "WWW-Authenticate");

			assert_problem(&a, 401);
			assert_non_null(challenge);
			assert_non_null(strstr(challenge, "Bearer realm=\"segmentd\""));
			free(challenge);
		}
		assert_null(strstr(a.body, "swordfish"));
		client_release(&a);
	}
	/* Reading needs none, and a wrong one does no harm there. */
	struct answer a = client_request(w->port, "GET", "/api/v1/customers/1", "Authorization: Bearer x\r\n");

	assert_int_equal(a.status, 200);
	client_release(&a);
}

static void test_without_a_token_nothing_can_be_changed(void **state)
{
	struct world *w = *state;

	for (int op = 0; op < SEG_API_OPS; op++) {
		struct answer a = send_body(w, seg_api_method(op), seg_api_path(op), BEARER JSON, "{}");

		if (seg_api_asks_for_token(op)) {
			assert_problem(&a, 403);
			assert_non_null(strstr(a.body, "http.token"));
		} else {
			assert_int_equal(a.status, 200);
		}
		client_release(&a);
	}
}

static void test_methods(void **state)
{
	static const struct {
		const char *path, *allow;
	} cases[] = {
		{"/api/v1/customers/1", "GET, HEAD, DELETE"},
		{"/api/v1/predict", "POST"},
		{"/api/v1/segments", "GET, HEAD"},
		{"/api/v1/segments/s1/alias", "PUT"},
		{"/api/v1/models/refit", "POST"},
		{"/api/v1/models/1/promote", "POST"},
	};
	static const char *const methods[] = {"PATCH", "OPTIONS", "TRACE", "get", "BREW", "CONNECT"};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t j = 0; j < sizeof(methods) / sizeof(methods[0]); j++) {
			struct answer a =
				client_request(w->port, methods[j], cases[i].path, BEARER "Content-Length: 0\r\n");

			assert_problem(&a, 405);
			assert_header(&a, "Allow", cases[i].allow);
			client_release(&a);
		}
	}
	struct answer a = client_request(w->port, "GET", "/api/v1/models/refit", "");

	assert_problem(&a, 405);
	client_release(&a);
	assert_int_equal(w->calls, 0);
	a = client_request(w->port, "HEAD", "/api/v1/segments", "");
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body_len, 0);
	assert_header(&a, "Content-Length", "2");
	client_release(&a);
}

static void test_other_paths_are_not_there(void **state)
{
	static const char *const paths[] = {
		"/api/v1/customers",	"/api/v1/customers/1/",	    "/api/v1/customers/1/2", "/api/v2/segments",
		"/api/v1/segments/",	"/api/v1/segments/s1",	    "/api/v1/models/1/2",    "/api/v1//segments",
		"//api/v1/segments",	"api/v1/segments",	    "/api/v1/segments%2Fs1", "/API/v1/segments",
		"/api/v1/segments/s1/", "/api/v1/segments/s1/name", "/api%2Fv1/segments",    "/api/v1/models/1/diff/",
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct answer a = client_request(w->port, "GET", paths[i], "");

		if (a.status != 404)
			print_message("%s\n", paths[i]);
		assert_problem(&a, 404);
		client_release(&a);
	}
	assert_int_equal(w->calls, 0);
}

static void test_bodies(void **state)
{
	static const struct {
		const char *type, *body;
		int status;
	} cases[] = {
		{JSON, "{\"alias\":\"x\"}", 200},
		{"Content-Type: application/json; charset=utf-8\r\n", "{}", 200},
		{"content-type: APPLICATION/JSON\r\n", "{}", 200},
		{"", "{}", 415},
		{"Content-Type: text/plain\r\n", "{}", 415},
		{"Content-Type: application/jsonx\r\n", "{}", 415},
		{"Content-Type: application/x-www-form-urlencoded\r\n", "alias=x", 415},
		{"", "", 200}, /* none at all is the source's business */
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char headers[256];

		snprintf(headers, sizeof(headers), BEARER "%s", cases[i].type);
		struct answer a = send_body(w, "PUT", "/api/v1/segments/s1/alias", headers, cases[i].body);

		if (a.status != cases[i].status)
			fail_msg("%zu: %d %s", i, a.status, a.body);
		if (a.status == 200)
			assert_string_equal(w->body, cases[i].body);
		client_release(&a);
	}
	/* Routes that take none do not get one. */
	struct answer a = send_body(w, "POST", "/api/v1/models/refit", BEARER, "whatever");

	assert_int_equal(a.status, 200);
	assert_false(w->has_body);
	client_release(&a);
}

static void test_large_bodies(void **state)
{
	struct world *w = *state;
	char *body = calloc(1, 65538);

	assert_non_null(body);
	memset(body, ' ', 65536);
	struct answer a = send_body(w, "POST", "/api/v1/predict", JSON, body);

	assert_int_equal(a.status, 200);
	assert_int_equal(strlen(w->body), 65536);
	client_release(&a);
	body[65536] = ' ';
	w->calls = 0;
	a = send_body(w, "POST", "/api/v1/predict", JSON, body);
	assert_problem(&a, 413);
	assert_int_equal(w->calls, 0);
	client_release(&a);
	free(body);
}

static void test_answers_that_send_elsewhere_or_refuse(void **state)
{
	struct world *w = *state;

	w->answer = (struct seg_api_answer){.status = 307, .detail = "Elsewhere."};
	snprintf(w->answer.location, sizeof(w->answer.location), "http://other:1/api/v1/customers/a%%2Fb");
	struct answer a = client_request(w->port, "GET", "/api/v1/customers/a%2Fb", "");

	assert_problem(&a, 307);
	assert_header(&a, "Location", "http://other:1/api/v1/customers/a%2Fb");
	client_release(&a);
	w->answer = (struct seg_api_answer){.status = 503, .detail = "\"quoted\" \\ \x01 \xc3\xa9", .retry_after_s = 7};
	a = client_request(w->port, "GET", "/api/v1/segments", "");
	assert_problem(&a, 503);
	assert_header(&a, "Retry-After", "7");
	json_t *problem = json_loadb(a.body, a.body_len, 0, NULL);

	assert_string_equal(json_string_value(json_object_get(problem, "detail")), "\"quoted\" \\ \x01 \xc3\xa9");
	json_decref(problem);
	client_release(&a);
}

static void test_writing_is_limited(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int refused = 0;

	(void)state;
	start(w, TOKEN, 5);
	for (int i = 0; i < 20; i++) {
		struct answer a = client_request(w->port, "POST", "/api/v1/models/refit",
						 i % 2 ? BEARER "Content-Length: 0\r\n" : "Content-Length: 0\r\n");

		if (a.status == 429) {
			assert_problem(&a, 429);
			assert_header(&a, "Retry-After", "1");
			refused++;
		}
		client_release(&a);
	}
	assert_true(refused >= 5);
	struct answer a = client_request(w->port, "GET", "/api/v1/segments", "");

	assert_int_equal(a.status, 200);
	client_release(&a);
	seg_http_stop(w->http);
	free(w);
}

static void test_the_limit_fills_again(void **state)
{
	struct seg_access a;

	(void)state;
	assert_true(seg_access_init(&a, TOKEN, 2, 1000));
	assert_int_equal(seg_access_try(&a, 1000), 0);
	assert_int_equal(seg_access_try(&a, 1000), 0);
	assert_int_equal(seg_access_try(&a, 1000), 1);
	assert_int_equal(seg_access_try(&a, 1600), 0);
	assert_int_equal(seg_access_try(&a, 1600), 1);
	assert_int_equal(seg_access_try(&a, 1000000), 0);
	seg_access_release(&a);
	assert_true(seg_access_init(&a, TOKEN, 0.1, 0));
	assert_int_equal(seg_access_try(&a, 0), 9);
	assert_int_equal(seg_access_try(&a, 10000), 0);
	seg_access_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_every_route_reaches_its_number),
		CASE(test_ids_are_decoded_once),
		CASE(test_queries),
		CASE(test_tokens),
		cmocka_unit_test_setup_teardown(test_without_a_token_nothing_can_be_changed, setup_without_token,
						teardown),
		CASE(test_methods),
		CASE(test_other_paths_are_not_there),
		CASE(test_bodies),
		CASE(test_large_bodies),
		CASE(test_answers_that_send_elsewhere_or_refuse),
		cmocka_unit_test(test_writing_is_limited),
		cmocka_unit_test(test_the_limit_fills_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
