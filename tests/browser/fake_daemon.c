/*
 * The server with a status that the test dictates. Prints its port; then reads commands, one a line, and answers "ok":
 *   status JSON    what /api/v1/status tells from now on
 *   fail           the status cannot be told
 *   stop, start    the server goes away, comes back at the same port
 * Ends with its input.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/server.h"

struct fake {
	pthread_mutex_t lock;
	char *status; /* NULL: fail */
};

static enum seg_rc status(void *ctx, struct seg_buf *out, struct seg_error *err)
{
	struct fake *f = ctx;
	enum seg_rc rc = SEG_OK;

	pthread_mutex_lock(&f->lock);
	if (f->status)
		seg_buf_append(out, f->status, strlen(f->status));
	else
		rc = seg_error_set(err, SEG_NO_MEMORY, "as the test wants it");
	pthread_mutex_unlock(&f->lock);
	return rc;
}

static bool yes(void *ctx)
{
	(void)ctx;
	return true;
}

static void set_status(struct fake *f, const char *text)
{
	pthread_mutex_lock(&f->lock);
	free(f->status);
	f->status = text ? strdup(text) : NULL;
	pthread_mutex_unlock(&f->lock);
}

static struct seg_http *start(struct fake *f, struct seg_metrics *metrics, unsigned port)
{
	char listen[32];
	struct seg_http_options options = {
		.listen = listen,
		.source = {.metrics = metrics, .status = status, .ready = yes, .healthy = yes, .ctx = f}};
	struct seg_error err = {0};
	struct seg_http *h = NULL;

	snprintf(listen, sizeof(listen), "127.0.0.1:%u", port);
	if (seg_http_start(&options, &h, &err))
		fprintf(stderr, "%s\n", err.text);
	return h;
}

int main(void)
{
	struct fake f = {.lock = PTHREAD_MUTEX_INITIALIZER};
	struct seg_metrics *metrics = seg_metrics_new();
	struct seg_http *h = start(&f, metrics, 0);
	unsigned port = h ? seg_http_port(h) : 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (!h)
		return 1;
	printf("%u\n", port);
	fflush(stdout);
	while ((len = getline(&line, &size, stdin)) > 0) {
		line[len - 1] = '\0';
		if (strncmp(line, "status ", 7) == 0)
			set_status(&f, line + 7);
		else if (strcmp(line, "fail") == 0)
			set_status(&f, NULL);
		else if (strcmp(line, "stop") == 0)
			seg_http_stop(h), h = NULL;
		else if (strcmp(line, "start") == 0 && !h)
			h = start(&f, metrics, port);
		puts("ok");
		fflush(stdout);
	}
	seg_http_stop(h);
	seg_metrics_free(metrics);
	free(line);
	free(f.status);
	return 0;
}
