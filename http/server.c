#include "http/server.h"

#include <microhttpd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/periodic.h"
#include "http/connections.h"
#include "http/listen.h"
#include "http/reply.h"
#include "http/request.h"
#include "http/routes.h"

/*
 * DESIGN. Each connection has a thread of libmicrohttpd's, so that an answer that waits for a worker keeps nobody else
 * waiting; every answer is made whole in memory and then sent. A thread of ours, the sweeper, cuts off connections that have not finished a request for a while. Stop: no new connections, wait
 * a moment for requests under way, then the threads end and nothing calls the source any more.
 */

enum {
	STACK_BYTES = 512 * 1024,
	MEMORY_PER_CONNECTION = 32 * 1024,
	IDLE_SECONDS = 10,
	REQUEST_MS = 20000, /* from the connection, or the last answer, to the answer sent */
	SWEEP_MS = 1000,
	STOP_MS = 2000,
};

struct seg_http {
	struct seg_access access;
	bool has_access;
	struct seg_routes routes;
	struct seg_connections connections;
	struct MHD_Daemon *daemon;
	uint16_t port;
	atomic_int active; /* requests whose answer is not yet sent */

	struct seg_periodic sweeper;
};

static int fd_of(struct MHD_Connection *c)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);

	return info ? info->connect_fd : -1;
}

static void on_connection(void *ctx, struct MHD_Connection *c, void **socket_ctx,
			  enum MHD_ConnectionNotificationCode code)
{
	struct seg_http *h = ctx;
	int fd = fd_of(c);

	(void)socket_ctx;
	if (fd < 0)
		return;
	switch (code) {
	case MHD_CONNECTION_NOTIFY_STARTED:
		seg_connections_add(&h->connections, fd, seg_monotonic_ms());
		break;
	case MHD_CONNECTION_NOTIFY_CLOSED:
		seg_connections_remove(&h->connections, fd);
		break;
	}
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *c, const char *url, const char *method,
				  const char *version, const char *data, size_t *data_len, void **req_ctx)
{
	struct seg_http *h = ctx;
	struct seg_request *request = *req_ctx;
	size_t len = *data_len;

	(void)version;
	if (!request) {
		request = calloc(1, sizeof(*request));
		if (!request)
			return MHD_NO;
		seg_request_init(request);
		request->keep = h->routes.source.api && seg_api_takes_body(url, method);
		*req_ctx = request;
		atomic_fetch_add(&h->active, 1);
		return seg_request_begin(c, url);
	}
	if (len > 0) {
		*data_len = 0;
		return seg_request_body(request, data, len);
	}
	if (seg_request_too_large(request))
		return seg_reply_problem(c, MHD_HTTP_CONTENT_TOO_LARGE, seg_request_too_large_text, NULL);
	return seg_routes_answer(&h->routes, c, url, method, request);
}

static void on_completed(void *ctx, struct MHD_Connection *c, void **req_ctx, enum MHD_RequestTerminationCode code)
{
	struct seg_http *h = ctx;

	(void)code;
	if (!*req_ctx)
		return;
	seg_request_release(*req_ctx);
	free(*req_ctx);
	*req_ctx = NULL;
	seg_connections_done(&h->connections, fd_of(c), seg_monotonic_ms());
	atomic_fetch_sub(&h->active, 1);
}

static bool sweep(void *ctx)
{
	struct seg_http *h = ctx;

	seg_connections_sweep(&h->connections, seg_monotonic_ms(), REQUEST_MS);
	return true;
}

static struct MHD_Daemon *start_daemon(struct seg_http *h, int fd, bool ipv6)
{
	unsigned flags =
		MHD_USE_AUTO_INTERNAL_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ITC | (ipv6 ? MHD_USE_IPv6 : 0);

	return MHD_start_daemon(flags, h->port, NULL, NULL, on_request, h, MHD_OPTION_LISTEN_SOCKET, fd,
				MHD_OPTION_THREAD_STACK_SIZE, (size_t)STACK_BYTES, MHD_OPTION_CONNECTION_LIMIT,
				(unsigned)SEG_CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)IDLE_SECONDS,
				MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)MEMORY_PER_CONNECTION,
				MHD_OPTION_NOTIFY_CONNECTION, on_connection, h, MHD_OPTION_NOTIFY_COMPLETED,
				on_completed, h, MHD_OPTION_UNESCAPE_CALLBACK, seg_request_unescape, NULL,
				MHD_OPTION_END);
}

/* Signals are the program's business: none of our threads takes one. */
static bool start_threads(struct seg_http *h, int fd, bool ipv6)
{
	sigset_t all, old;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	if (seg_periodic_start(&h->sweeper, SWEEP_MS, sweep, h, "http", NULL) == SEG_OK)
		h->daemon = start_daemon(h, fd, ipv6);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return h->daemon != NULL;
}

static struct seg_http *new_http(const struct seg_http_options *options)
{
	struct seg_http *h = calloc(1, sizeof(*h));

	if (!h)
		return NULL;
	h->has_access = seg_access_init(&h->access, options->token, options->write_rate, seg_monotonic_ms());
	seg_routes_init(&h->routes, &options->source, &h->access);
	seg_connections_init(&h->connections);
	seg_periodic_init(&h->sweeper);
	return h;
}

enum seg_rc seg_http_start(const struct seg_http_options *options, struct seg_http **ret, struct seg_error *err)
{
	struct seg_http *h = new_http(options);
	bool ipv6 = false;
	enum seg_rc rc;
	int fd = -1;

	if (!h)
		return seg_error_set(err, SEG_NO_MEMORY, "http: out of memory");
	rc = h->has_access ? SEG_OK : seg_error_set(err, SEG_IO, "http: libsodium finds no random numbers");
	if (!rc)
		rc = seg_listen_open(options->listen, options->search_port, &fd, &h->port, &ipv6, err);
	if (!rc && !start_threads(h, fd, ipv6))
		/* fd stays open: whether a failed start has closed it differs between versions of the library. */
		rc = seg_error_set(err, SEG_IO,
				   "http: the server's threads cannot be started on %s; is memory or the "
				   "number of threads or open files limited?",
				   options->listen);
	if (rc) {
		seg_http_stop(h);
		return rc;
	}
	*ret = h;
	return SEG_OK;
}

uint16_t seg_http_port(const struct seg_http *h)
{
	return h->port;
}

static void stop_daemon(struct seg_http *h)
{
	int64_t until = seg_monotonic_ms() + STOP_MS;
	MHD_socket fd = MHD_quiesce_daemon(h->daemon);

	while (atomic_load(&h->active) > 0 && seg_monotonic_ms() < until)
		seg_sleep_ms(5);
	MHD_stop_daemon(h->daemon);
	/* Not before: the threads look at it until they end. */
	if (fd != MHD_INVALID_SOCKET)
		close(fd);
}

void seg_http_stop(struct seg_http *h)
{
	if (!h)
		return;
	if (h->daemon)
		stop_daemon(h);
	seg_periodic_stop(&h->sweeper);
	seg_connections_release(&h->connections);
	if (h->has_access)
		seg_access_release(&h->access);
	free(h);
}
