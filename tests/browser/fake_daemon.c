/*
 * The server with a status that the test dictates. Prints its port; then reads commands, one a line, and answers "ok":
 *   status JSON    what /api/v1/status tells from now on
 *   fail           the status cannot be told
 *   segments JSON, models JSON, diff JSON   the same for the API; the token is "secret"
 *   promoted JSON  what models tells once version 4 was promoted
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
	char *status;	/* NULL: fail */
	char *promoted; /* NULL: as before */
	char *answers[SEG_API_OPS];
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

static void set(char **at, const char *text)
{
	free(*at);
	*at = strdup(text);
}

static void api(void *ctx, const struct seg_api_request *request, struct seg_api_answer *answer)
{
	struct fake *f = ctx;
	const char *text;

	pthread_mutex_lock(&f->lock);
	text = f->answers[request->op];
	if (request->op == SEG_API_PROMOTE && seg_str_is(request->param, "4")) {
		if (f->promoted)
			set(&f->answers[SEG_API_MODELS], f->promoted);
		answer->status = 202;
		text = "{\"accepted\":\"promote\"}";
	}
	if (text) {
		seg_buf_append(&answer->body, text, strlen(text));
	} else {
		answer->status = 409;
		snprintf(answer->detail, sizeof(answer->detail), "Not as the test wants it.");
	}
	pthread_mutex_unlock(&f->lock);
}

/* "models {…}" and its like. False: another command. */
static bool set_answer(struct fake *f, const char *line)
{
	static const struct {
		const char *word;
		enum seg_api_op op;
	} words[] = {{"segments ", SEG_API_SEGMENTS}, {"models ", SEG_API_MODELS}, {"diff ", SEG_API_DIFF}};
	bool known = false;

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (strncmp(line, words[i].word, strlen(words[i].word)) != 0)
			continue;
		set(&f->answers[words[i].op], line + strlen(words[i].word));
		known = true;
	}
	if (strncmp(line, "promoted ", 9) == 0) {
		set(&f->promoted, line + 9);
		known = true;
	}
	pthread_mutex_unlock(&f->lock);
	return known;
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
		.token = "secret",
		.source = {.metrics = metrics, .status = status, .ready = yes, .healthy = yes, .ctx = f, .api = api}};
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
	set(&f.answers[SEG_API_SEGMENTS], "{\"segments\":[]}");
	set(&f.answers[SEG_API_MODELS], "{\"version\":0,\"versions\":[]}");
	printf("%u\n", port);
	fflush(stdout);
	while ((len = getline(&line, &size, stdin)) > 0) {
		line[len - 1] = '\0';
		if (set_answer(&f, line))
			;
		else if (strncmp(line, "status ", 7) == 0)
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
	free(f.promoted);
	for (int op = 0; op < SEG_API_OPS; op++)
		free(f.answers[op]);
	return 0;
}
