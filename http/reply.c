#include "http/reply.h"

#include <stdio.h>
#include <string.h>

/*
 * The page takes style and script from its own files and talks to its own server: nothing else is allowed in it, and no
 * other page may frame it. Answers that are not pages cannot be made into one.
 */
static const char csp[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static void add(struct MHD_Response *r, const char *name, const char *value)
{
	if (value)
		(void)MHD_add_response_header(r, name, value);
}

static enum MHD_Result queue(struct MHD_Connection *c, const struct seg_reply *reply, struct MHD_Response *r)
{
	enum MHD_Result result;

	if (!r)
		return MHD_NO;
	add(r, MHD_HTTP_HEADER_CONTENT_TYPE, reply->type);
	switch (reply->cache) {
	case SEG_REPLY_NO_STORE:
		add(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
		break;
	case SEG_REPLY_REVALIDATE:
		add(r, MHD_HTTP_HEADER_CACHE_CONTROL, "no-cache");
		break;
	}
	add(r, MHD_HTTP_HEADER_ETAG, reply->etag);
	add(r, MHD_HTTP_HEADER_ALLOW, reply->allow);
	add(r, MHD_HTTP_HEADER_WWW_AUTHENTICATE, reply->authenticate);
	add(r, MHD_HTTP_HEADER_LOCATION, reply->location);
	if (reply->retry_after_s > 0) {
		char seconds[16];

		snprintf(seconds, sizeof(seconds), "%u", reply->retry_after_s);
		add(r, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
	}
	add(r, "X-Content-Type-Options", "nosniff");
	add(r, "Content-Security-Policy", csp);
	add(r, "Referrer-Policy", "no-referrer");
	add(r, "Cross-Origin-Resource-Policy", "same-origin");
	result = MHD_queue_response(c, reply->status, r);
	MHD_destroy_response(r);
	return result;
}

enum MHD_Result seg_reply_buf(struct MHD_Connection *c, const struct seg_reply *reply, struct seg_buf *body)
{
	struct MHD_Response *r;
	size_t max = body->max;

	if (body->len == 0) {
		seg_buf_release(body);
		return seg_reply_static(c, reply, "", 0);
	}
	r = MHD_create_response_from_buffer(body->len, body->data, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		seg_buf_release(body);
		return MHD_NO;
	}
	seg_buf_init(body, max);
	return queue(c, reply, r);
}

enum MHD_Result seg_reply_static(struct MHD_Connection *c, const struct seg_reply *reply, const char *body, size_t len)
{
	/* The parameter has no const before 1.0, but nothing is written. */
	return queue(c, reply, MHD_create_response_from_buffer(len, (void *)(uintptr_t)body, MHD_RESPMEM_PERSISTENT));
}

static const char *title_of(unsigned status)
{
	static const struct {
		unsigned status;
		const char *title;
	} titles[] = {
		{307, "Temporary Redirect"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{409, "Conflict"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{422, "Unprocessable Content"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
	};

	for (size_t i = 0; i < sizeof(titles) / sizeof(titles[0]); i++) {
		if (titles[i].status == status)
			return titles[i].title;
	}
	return "Error";
}

static void append_escaped(struct seg_buf *out, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20 || c == 0x7f)
			seg_buf_printf(out, "\\u%04x", (unsigned)c);
		else if (c == '"' || c == '\\')
			seg_buf_printf(out, "\\%c", c);
		else
			seg_buf_u8(out, c);
	}
}

enum MHD_Result seg_reply_problem_with(struct MHD_Connection *c, const struct seg_reply *with, const char *detail)
{
	struct seg_reply reply = *with;
	struct seg_buf body;

	reply.type = "application/problem+json";
	seg_buf_init(&body, 8192);
	seg_buf_printf(&body, "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%u,\"detail\":\"",
		       title_of(reply.status), reply.status);
	append_escaped(&body, detail);
	seg_buf_printf(&body, "\"}\n");
	if (body.failed) {
		seg_buf_release(&body);
		return MHD_NO;
	}
	return seg_reply_buf(c, &reply, &body);
}

enum MHD_Result seg_reply_problem(struct MHD_Connection *c, unsigned status, const char *detail, const char *allow)
{
	return seg_reply_problem_with(c, &(struct seg_reply){.status = status, .allow = allow}, detail);
}
