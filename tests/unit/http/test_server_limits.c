/* Requests that are too large, broken, slow or many; the port; the end. */
#include "tests/support/test.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/clock.h"
#include "client.h"
#include "fake_source.h"
#include "http/connections.h"
#include "http/listen.h"

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

static void assert_still_answers(struct world *w)
{
	struct answer a = client_request(w->port, "GET", "/healthz", "");

	assert_int_equal(a.status, 200);
	client_release(&a);
}

/* Sends `before`, then fill bytes 'x', then `after`. */
static struct answer send_filled(struct world *w, const char *before, size_t fill, const char *after)
{
	char *filling = calloc(1, fill + 1), *text = NULL;
	int len = -1;
	struct answer a;

	if (filling) {
		memset(filling, 'x', fill);
		len = asprintf(&text, "%s%s%s", before, filling, after);
	}
	assert_true(len >= 0);
	free(filling);
	a = client_exchange(client_connect(w->port), text, (size_t)len);
	free(text);
	return a;
}

#define HEAD(method, path) method " " path " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n"

static void assert_refused(struct answer a, int status)
{
	if (a.status != status || !strstr(a.body, "about:blank"))
		fail_msg("%d, not a problem of %d: %s", a.status, status, a.bytes);
	client_release(&a);
}

static void test_large_headers(void **state)
{
	struct world *w = *state;
	struct answer a = send_filled(w, HEAD("GET", "/healthz") "X: ", 7000, "\r\n\r\n");

	assert_int_equal(a.status, 200);
	client_release(&a);
	assert_refused(send_filled(w, HEAD("GET", "/healthz") "X: ", 9000, "\r\n\r\n"), 431);
	/* Beyond what a connection may use at all the library answers by itself. */
	a = send_filled(w, HEAD("GET", "/healthz") "X: ", 100000, "\r\n\r\n");
	assert_true(a.status == 431 || a.status == 0);
	client_release(&a);
	assert_still_answers(w);
}

static void test_long_address(void **state)
{
	struct world *w = *state;

	assert_refused(send_filled(w, "GET /", 1500, " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 404);
	assert_refused(send_filled(w, "GET /", 2500, " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 414);
	assert_refused(send_filled(w, "GET /?", 2500, " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 414);
	assert_still_answers(w);
}

static void test_large_bodies(void **state)
{
	struct world *w = *state;

	assert_refused(send_filled(w, HEAD("POST", "/metrics") "Content-Length: 65536\r\n\r\n", 65536, ""), 405);
	/* Refused by its length alone, nothing of it is awaited. */
	assert_refused(send_filled(w, HEAD("POST", "/metrics") "Content-Length: 65537\r\n\r\n", 0, ""), 413);
	assert_refused(send_filled(w, HEAD("GET", "/metrics") "Content-Length: 999999999999\r\n\r\n", 0, ""), 413);
	assert_refused(send_filled(w, HEAD("POST", "/metrics") "Transfer-Encoding: chunked\r\n\r\n20000\r\n", 0x20000,
				   "\r\n0\r\n\r\n"),
		       413);
	assert_still_answers(w);
}

static void test_endless_body_is_cut_off(void **state)
{
	struct world *w = *state;
	struct answer a = send_filled(w, HEAD("POST", "/metrics") "Transfer-Encoding: chunked\r\n\r\n200000\r\n",
				      0x200000, "\r\n0\r\n\r\n");

	assert_int_equal(a.status, 0);
	client_release(&a);
	assert_still_answers(w);
}

static void test_broken_requests(void **state)
{
	static const char *const requests[] = {
		"\r\n\r\n\r\n",
		"GET\r\n\r\n",
		"GET /metrics\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
		"GET /metrics HTTP/9.9\r\n\r\n",
		"GET /metrics HTTP/1.1\r\nno colon here\r\n\r\n",
		HEAD("POST", "/metrics") "Content-Length: -1\r\n\r\n",
		HEAD("POST", "/metrics") "Content-Length: 99999999999999999999999\r\n\r\n",
		HEAD("POST", "/metrics") "Transfer-Encoding: chunked\r\n\r\nzz\r\n",
		HEAD("POST", "/metrics") "Content-Length: 10\r\n\r\nabc",
		"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
	};
	struct world *w = *state;

	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
		/* Some get no answer before the library's time is over: what matters is that none is taken for good. */
		struct timeval limit = {.tv_usec = 300000};
		int fd = client_connect(w->port);
		char first[16] = "";

		assert_true(fd >= 0);
		assert_int_equal(send(fd, requests[i], strlen(requests[i]), MSG_NOSIGNAL), strlen(requests[i]));
		shutdown(fd, SHUT_WR);
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (recv(fd, first, 12, MSG_WAITALL) == 12)
			assert_memory_not_equal(first + 9, "200", 3);
		close(fd);
	}
	assert_still_answers(w);
}

static void test_idle_connections_do_not_stop_others(void **state)
{
	struct world *w = *state;
	int fds[30];

	for (int i = 0; i < 30; i++) {
		fds[i] = client_connect(w->port);
		assert_true(fds[i] >= 0);
		assert_int_equal(send(fds[i], "GET /he", 7, MSG_NOSIGNAL), 7);
	}
	assert_still_answers(w);
	for (int i = 0; i < 30; i++)
		close(fds[i]);
}

static void test_sweep_shuts_down_what_is_overdue(void **state)
{
	struct seg_connections c;
	int fresh[2], old[2];
	char byte;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fresh), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, old), 0);
	seg_connections_init(&c);
	seg_connections_add(&c, fresh[0], 1000);
	seg_connections_add(&c, old[0], 1000);
	seg_connections_done(&c, fresh[0], 5000);
	assert_int_equal(seg_connections_sweep(&c, 5999, 5000), 0);
	assert_int_equal(seg_connections_sweep(&c, 6000, 5000), 1);
	assert_int_equal(recv(old[1], &byte, 1, MSG_DONTWAIT), 0);
	assert_int_equal(recv(fresh[1], &byte, 1, MSG_DONTWAIT), -1);
	seg_connections_remove(&c, fresh[0]);
	seg_connections_remove(&c, old[0]);
	assert_int_equal(seg_connections_sweep(&c, 1000000, 5000), 0);
	seg_connections_release(&c);
	for (int i = 0; i < 2; i++) {
		close(fresh[i]);
		close(old[i]);
	}
}

/* ---- the port ---- */

static enum seg_rc start_at(struct world *w, const char *listen, bool search, struct seg_http **ret,
			    struct seg_error *err)
{
	struct seg_http_options options = {.listen = listen, .search_port = search, .source = fake_source(&w->fake)};

	return seg_http_start(&options, ret, err);
}

static void test_taken_port(void **state)
{
	struct world *w = *state;
	struct seg_http *second = NULL;
	struct seg_error err = {0};
	char listen[32];

	snprintf(listen, sizeof(listen), "127.0.0.1:%u", w->port);
	assert_int_equal(start_at(w, listen, false, &second, &err), SEG_IO);
	assert_non_null(strstr(err.text, listen));
	assert_non_null(strstr(err.text, "end the program that holds the port"));
	assert_null(second);
	assert_ok(start_at(w, listen, true, &second, &err));
	assert_in_range(seg_http_port(second), w->port + 1, w->port + SEG_LISTEN_SEARCH);
	seg_http_stop(second);
}

static void test_bad_addresses(void **state)
{
	static const char *const bad[] = {"",
					  "127.0.0.1",
					  ":8080",
					  "127.0.0.1:",
					  "127.0.0.1:x",
					  "127.0.0.1:65536",
					  "127.0.0.1:-1",
					  "::1:80",
					  "[]:80",
					  "[::1:80",
					  "127.0.0.1:800000000000"};
	struct world *w = *state;
	struct seg_http *http = NULL;
	struct seg_error err;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		err = (struct seg_error){0};
		assert_int_equal(start_at(w, bad[i], true, &http, &err), SEG_INVALID);
		assert_non_null(strstr(err.text, "http.listen"));
	}
	/* Of TEST-NET-1: no address of ours. */
	assert_int_equal(start_at(w, "192.0.2.1:8080", true, &http, &err), SEG_IO);
	assert_non_null(strstr(err.text, "this machine has no such address"));
	assert_null(http);
}

static void test_restart_takes_the_port_at_once(void **state)
{
	struct world *w = *state;
	struct seg_error err = {0};
	char listen[32];

	snprintf(listen, sizeof(listen), "127.0.0.1:%u", w->port);
	for (int i = 0; i < 5; i++) {
		assert_still_answers(w);
		seg_http_stop(w->http);
		w->http = NULL;
		if (start_at(w, listen, false, &w->http, &err))
			fail_msg("%s", err.text);
	}
}

/* ---- many at once, and the end ---- */

static void *scrape(void *ctx)
{
	struct world *w = ctx;

	for (int i = 0; i < 25; i++) {
		struct answer a = client_request(w->port, "GET", i % 2 ? "/metrics" : "/api/v1/status", "");
		bool good = a.status == 200 && a.body_len > 0;

		client_release(&a);
		if (!good)
			return ctx; /* not NULL: not answered */
	}
	return NULL;
}

static void test_concurrent_requests(void **state)
{
	struct world *w = *state;
	pthread_t threads[8];
	void *complaint;

	for (int i = 0; i < 8; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, scrape, w), 0);
	for (int i = 0; i < 8; i++) {
		pthread_join(threads[i], &complaint);
		assert_null(complaint);
	}
	assert_int_equal(w->fake.refreshed, 8 * 12);
}

static void *ask_slowly(void *ctx)
{
	struct world *w = ctx;
	struct answer a = client_request(w->port, "GET", "/api/v1/status", "");
	bool whole = a.status == 200 && strcmp(a.body, FAKE_STATUS) == 0;

	client_release(&a);
	return whole ? NULL : ctx; /* not NULL: cut off */
}

static void test_stop_waits_for_requests_under_way(void **state)
{
	struct world *w = *state;
	int64_t began = seg_monotonic_ms();
	void *complaint;
	pthread_t thread;
	int idle = client_connect(w->port);

	w->fake.status_ms = 400;
	assert_int_equal(pthread_create(&thread, NULL, ask_slowly, w), 0);
	seg_sleep_ms(150);
	seg_http_stop(w->http);
	w->http = NULL;
	pthread_join(thread, &complaint);
	assert_null(complaint);
	assert_true(seg_monotonic_ms() - began < 5000);
	assert_true(client_connect(w->port) < 0);
	close(idle);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		CASE(test_large_headers),
		CASE(test_long_address),
		CASE(test_large_bodies),
		CASE(test_endless_body_is_cut_off),
		CASE(test_broken_requests),
		CASE(test_idle_connections_do_not_stop_others),
		cmocka_unit_test(test_sweep_shuts_down_what_is_overdue),
		CASE(test_taken_port),
		CASE(test_bad_addresses),
		CASE(test_restart_takes_the_port_at_once),
		CASE(test_concurrent_requests),
		CASE(test_stop_waits_for_requests_under_way),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
