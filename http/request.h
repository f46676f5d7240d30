/* What a request may bring: its limits, and its address decoded. No state beyond struct seg_request. */
#ifndef SEG_HTTP_REQUEST_H
#define SEG_HTTP_REQUEST_H

#include <microhttpd.h>
#include <stdbool.h>

enum {
	SEG_REQUEST_URL_MAX = 2048,
	SEG_REQUEST_HEADERS_MAX = 8192, /* names and values together */
	SEG_REQUEST_BODY_MAX = 64 * 1024,
	SEG_REQUEST_DRAIN_MAX = 1024 * 1024, /* read and thrown away for the sake of a clean answer; then cut off */
};

struct seg_request {
	size_t body_len;
};

extern const char seg_request_too_large_text[];

/* When the headers are there: queues 413, 414 or 431, or nothing if all is well. */
enum MHD_Result seg_request_begin(struct MHD_Connection *c, const char *url);
/* Counts a piece of the body; MHD_NO: cut the connection off. */
enum MHD_Result seg_request_body(struct seg_request *r, size_t len);
bool seg_request_too_large(const struct seg_request *r);

/* %XX becomes its byte, but %00 and what is not hexadecimal stay as they are: an address never ends early. */
size_t seg_request_unescape(void *ctx, struct MHD_Connection *c, char *text);

#endif
