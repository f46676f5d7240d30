/* Real requests over loopback: what each address answers, and with which headers. */
#include "tests/support/test.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "fake_source.h"
#include "http/routes.h"

struct world {
	struct fake fake;
	struct seg_http *http;
	uint16_t port;
};

static int setup(void **state)
{
	struct world *w = calloc(1, sizeof(*w));

	fake_init(&w->fake);
	w->http = fake_start(&w->fake);
	w->port = seg_http_port(w->http);
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	seg_http_stop(w->http);
	fake_release(&w->fake);
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

static void assert_problem(const struct answer *a, int status)
{
	json_error_t error;
	json_t *problem = json_loadb(a->body, a->body_len, 0, &error);

	if (a->status != status)
		fail_msg("status %d, not %d:\n%s\n%s", a->status, status, a->head, a->body);
	assert_header(a, "Content-Type", "application/problem+json");
	if (!problem)
		fail_msg("%s in %s", error.text, a->body);
	assert_int_equal(json_integer_value(json_object_get(problem, "status")), status);
	assert_string_equal(json_string_value(json_object_get(problem, "type")), "about:blank");
	assert_true(strlen(json_string_value(json_object_get(problem, "title"))) > 0);
	assert_true(strlen(json_string_value(json_object_get(problem, "detail"))) > 0);
	json_decref(problem);
}

static void test_every_route_answers_get_and_head(void **state)
{
	struct world *w = *state;
	const char *path;

	for (size_t i = 0; (path = seg_routes_path(i)); i++) {
		struct answer get = client_request(w->port, "GET", path, "");
		struct answer head = client_request(w->port, "HEAD", path, "");
		char *length = client_header(&head, "Content-Length");

		assert_int_equal(get.status, 200);
		assert_int_equal(head.status, 200);
		assert_true(get.body_len > 0);
		assert_int_equal(head.body_len, 0);
		assert_non_null(length);
		/* The metrics count this very scrape. */
		if (strcmp(path, "/metrics") != 0)
			assert_int_equal(strtoul(length, NULL, 10), get.body_len);
		free(length);
		client_release(&get);
		client_release(&head);
	}
}

static void test_types_and_bodies(void **state)
{
	static const struct {
		const char *path, *type, *within;
	} cases[] = {
		{"/", "text/html; charset=utf-8", "<title>segmentd</title>"},
		{"/dashboard.css", "text/css; charset=utf-8", "prefers-color-scheme"},
		{"/dashboard.js", "text/javascript; charset=utf-8", "/api/v1/status"},
		{"/icon.svg", "image/svg+xml", "<svg"},
		{"/metrics", "text/plain; version=0.0.4; charset=utf-8", "\nt_refreshed_total 1\n"},
		{"/healthz", "application/json", "{\"healthy\":true}"},
		{"/readyz", "application/json", FAKE_STATUS},
		{"/api/v1/status", "application/json", FAKE_STATUS},
		{"/api/v1/status?x=1&y", "application/json", FAKE_STATUS},
		{"/%61pi/v1/status", "application/json", FAKE_STATUS},
		{"/openapi.json", "application/json", "\"openapi\""},
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = client_request(w->port, "GET", cases[i].path, "");

		assert_int_equal(a.status, 200);
		assert_header(&a, "Content-Type", cases[i].type);
		if (!strstr(a.body, cases[i].within))
			fail_msg("%s: no %s in %s", cases[i].path, cases[i].within, a.body);
		client_release(&a);
	}
}

static void test_security_headers(void **state)
{
	static const char *const paths[] = {"/", "/metrics", "/api/v1/status", "/nothing"};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct answer a = client_request(w->port, "GET", paths[i], "");
		char *csp = client_header(&a, "Content-Security-Policy");

		assert_header(&a, "X-Content-Type-Options", "nosniff");
		assert_header(&a, "Referrer-Policy", "no-referrer");
		assert_header(&a, "Cache-Control", i == 0 ? "no-cache" : "no-store");
		assert_non_null(csp);
		assert_non_null(strstr(csp, "default-src 'none'"));
		assert_non_null(strstr(csp, "frame-ancestors 'none'"));
		assert_null(strstr(csp, "unsafe"));
		free(csp);
		client_release(&a);
	}
}

static void test_other_methods_are_refused(void **state)
{
	static const char *const methods[] = {"POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "get", "BREW"};
	struct world *w = *state;
	const char *path;

	for (size_t i = 0; (path = seg_routes_path(i)); i++) {
		for (size_t j = 0; j < sizeof(methods) / sizeof(methods[0]); j++) {
			struct answer a = client_request(w->port, methods[j], path, "Content-Length: 0\r\n");

			assert_problem(&a, 405);
			assert_header(&a, "Allow", "GET, HEAD");
			client_release(&a);
		}
	}
	assert_int_equal(w->fake.refreshed, 0);
}

static void test_nothing_else_is_there(void **state)
{
	static const char *const paths[] = {
		"/nothing",
		"/metrics/",
		"/Metrics",
		"//",
		"/..",
		"/../../etc/passwd",
		"/%2e%2e/%2e%2e/etc/passwd",
		"/dashboard.css/../../CMakeLists.txt",
		"/dashboard.js%00",
		"/metrics%00.html",
		"/metrics%",
		"/metrics%4",
		"/%",
		"/%zz",
		"/index.html",
		"/api/v1",
		"/api/v1/status/",
		"/..%5c..%5cwindows",
		"/\xff\xfe",
		"*",
		"metrics",
		"http://localhost/nothing",
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct answer a = client_request(w->port, "GET", paths[i], "");

		if (a.status != 404)
			print_message("%s\n", paths[i]);
		assert_problem(&a, 404);
		assert_null(strstr(a.body, "root:"));
		client_release(&a);
	}
}

static void test_not_ready_and_not_healthy(void **state)
{
	struct world *w = *state;
	struct answer a;

	w->fake.ready = false;
	a = client_request(w->port, "GET", "/readyz", "");
	assert_int_equal(a.status, 503);
	assert_header(&a, "Content-Type", "application/json");
	assert_string_equal(a.body, FAKE_STATUS);
	client_release(&a);

	w->fake.healthy = false;
	a = client_request(w->port, "GET", "/healthz", "");
	assert_int_equal(a.status, 503);
	assert_string_equal(a.body, "{\"healthy\":false}\n");
	client_release(&a);

	a = client_request(w->port, "GET", "/api/v1/status", "");
	assert_int_equal(a.status, 200);
	client_release(&a);
}

static void test_status_that_fails_is_a_problem(void **state)
{
	static const char *const paths[] = {"/api/v1/status", "/readyz"};
	struct world *w = *state;

	w->fake.failing = true;
	for (size_t i = 0; i < 2; i++) {
		struct answer a = client_request(w->port, "GET", paths[i], "");

		assert_problem(&a, 503);
		assert_null(strstr(a.body, "segmentd\""));
		client_release(&a);
	}
}

static void test_assets_are_asked_for_again_by_etag(void **state)
{
	struct world *w = *state;
	struct answer a = client_request(w->port, "GET", "/dashboard.js", ""), b;
	char *etag = client_header(&a, "ETag"), header[128];

	assert_non_null(etag);
	snprintf(header, sizeof(header), "If-None-Match: %s\r\n", etag);
	b = client_request(w->port, "GET", "/dashboard.js", header);
	assert_int_equal(b.status, 304);
	assert_int_equal(b.body_len, 0);
	client_release(&b);
	b = client_request(w->port, "GET", "/dashboard.css", header);
	assert_int_equal(b.status, 200);
	client_release(&b);
	free(etag);
	client_release(&a);
}

/* Both ways: what is in the tables is described, and nothing else is. */
static void test_openapi_describes_what_exists(void **state)
{
	struct world *w = *state;
	struct answer a = client_request(w->port, "GET", "/openapi.json", "");
	json_error_t error;
	json_t *api = json_loadb(a.body, a.body_len, JSON_REJECT_DUPLICATES, &error), *paths, *value;
	const char *path, *name;
	size_t operations = 0, described = 0;

	if (!api)
		fail_msg("openapi.json:%d: %s", error.line, error.text);
	paths = json_object_get(api, "paths");
	for (; (path = seg_routes_path(operations)); operations++) {
		struct answer b = client_request(w->port, "GET", path, "");

		if (!json_object_get(json_object_get(paths, path), "get"))
			fail_msg("%s is not described", path);
		assert_int_equal(b.status, 200);
		client_release(&b);
	}
	for (int op = 0; op < SEG_API_OPS; op++, operations++) {
		char method[16] = "";

		for (size_t i = 0; seg_api_method(op)[i]; i++)
			method[i] = (char)(seg_api_method(op)[i] | 0x20);
		value = json_object_get(json_object_get(paths, seg_api_path(op)), method);
		if (!value)
			fail_msg("%s %s is not described", method, seg_api_path(op));
		assert_int_equal(seg_api_asks_for_token(op), json_object_get(value, "security") != NULL);
	}
	json_object_foreach(paths, name, value) described += json_object_size(value);
	assert_int_equal(described, operations);
	json_decref(api);
	client_release(&a);
}

static void test_connection_is_kept(void **state)
{
	static const char twice[] = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n"
				    "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	struct world *w = *state;
	struct answer a = client_exchange(client_connect(w->port), twice, strlen(twice));

	assert_int_equal(a.status, 200);
	assert_non_null(strstr(a.body, "HTTP/1.1 200"));
	client_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_every_route_answers_get_and_head),
		CASE(test_types_and_bodies),
		CASE(test_security_headers),
		CASE(test_other_methods_are_refused),
		CASE(test_nothing_else_is_there),
		CASE(test_not_ready_and_not_healthy),
		CASE(test_status_that_fails_is_a_problem),
		CASE(test_assets_are_asked_for_again_by_etag),
		CASE(test_openapi_describes_what_exists),
		CASE(test_connection_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
