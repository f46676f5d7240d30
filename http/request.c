#include "http/request.h"

#include <stdlib.h>
#include <string.h>

#include "http/reply.h"

const char seg_request_too_large_text[] = "The body is larger than 64 KiB.";

void seg_request_init(struct seg_request *r)
{
	*r = (struct seg_request){0};
	seg_buf_init(&r->body, SEG_REQUEST_BODY_MAX + 1);
}

void seg_request_release(struct seg_request *r)
{
	seg_buf_release(&r->body);
}

static enum MHD_Result add_header(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	size_t *sum = ctx;

	(void)kind;
	*sum += strlen(name) + (value ? strlen(value) : 0);
	return MHD_YES;
}

enum MHD_Result seg_request_begin(struct MHD_Connection *c, const char *url)
{
	const char *length = MHD_lookup_connection_value(c, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);
	size_t headers = 0, query = 0;

	(void)MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, add_header, &query);
	(void)MHD_get_connection_values(c, MHD_HEADER_KIND, add_header, &headers);
	if (strlen(url) + query > SEG_REQUEST_URL_MAX)
		return seg_reply_problem(c, MHD_HTTP_URI_TOO_LONG, "The address is longer than 2048 bytes.", NULL);
	if (headers > SEG_REQUEST_HEADERS_MAX)
		return seg_reply_problem(c, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
					 "The header fields are larger than 8 KiB together.", NULL);
	/* The library has refused what is not a number. */
	if (length && strtoull(length, NULL, 10) > SEG_REQUEST_BODY_MAX)
		return seg_reply_problem(c, MHD_HTTP_CONTENT_TOO_LARGE, seg_request_too_large_text, NULL);
	return MHD_YES;
}

enum MHD_Result seg_request_body(struct seg_request *r, const char *data, size_t len)
{
	r->body_len += len;
	if (r->keep && r->body_len <= SEG_REQUEST_BODY_MAX)
		seg_buf_append(&r->body, data, len);
	return r->body_len > SEG_REQUEST_DRAIN_MAX || r->body.failed ? MHD_NO : MHD_YES;
}

bool seg_request_too_large(const struct seg_request *r)
{
	return r->body_len > SEG_REQUEST_BODY_MAX;
}

struct target {
	struct seg_buf *out;
	bool any;
};

static enum MHD_Result add_argument(void *ctx, enum MHD_ValueKind kind, const char *name, const char *value)
{
	struct target *t = ctx;

	(void)kind;
	seg_buf_printf(t->out, "%c%s%s", t->any ? '&' : '?', name, value ? "=" : "");
	for (const char *at = value; at && *at; at++) /* the library has made blanks of plus signs */
		seg_buf_u8(t->out, *at == ' ' ? '+' : (uint8_t)*at);
	t->any = true;
	return MHD_YES;
}

void seg_request_target(struct MHD_Connection *c, const char *url, struct seg_buf *out)
{
	struct target t = {.out = out};

	seg_buf_append(out, url, strlen(url));
	(void)MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, add_argument, &t);
	seg_buf_u8(out, 0);
}

size_t seg_request_unescape(void *ctx, struct MHD_Connection *c, char *text)
{
	(void)ctx;
	(void)c;
	return strlen(text);
}
