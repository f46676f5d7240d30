#include "http/request.h"

#include <stdlib.h>
#include <string.h>

#include "http/reply.h"

const char seg_request_too_large_text[] = "The body is larger than 64 KiB.";

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

enum MHD_Result seg_request_body(struct seg_request *r, size_t len)
{
	r->body_len += len;
	return r->body_len > SEG_REQUEST_DRAIN_MAX ? MHD_NO : MHD_YES;
}

bool seg_request_too_large(const struct seg_request *r)
{
	return r->body_len > SEG_REQUEST_BODY_MAX;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

size_t seg_request_unescape(void *ctx, struct MHD_Connection *c, char *text)
{
	char *to = text;

	(void)ctx;
	(void)c;
	for (const char *at = text; *at; at++) {
		int high = *at == '%' ? hex(at[1]) : -1;
		int low = high >= 0 ? hex(at[2]) : -1;

		if (low >= 0 && high + low > 0) {
			*to++ = (char)(high << 4 | low);
			at += 2;
		} else {
			*to++ = *at;
		}
	}
	*to = '\0';
	return (size_t)(to - text);
}
