/* What a request may bring: its limits, and its body. */
#ifndef SEG_HTTP_REQUEST_H
#define SEG_HTTP_REQUEST_H

#include <microhttpd.h>
#include <stdbool.h>

#include "base/buf.h"

enum {
	SEG_REQUEST_URL_MAX = 2048,
	SEG_REQUEST_HEADERS_MAX = 8192, /* names and values together */
	SEG_REQUEST_BODY_MAX = 64 * 1024,
	SEG_REQUEST_DRAIN_MAX = 1024 * 1024, /* read and thrown away for the sake of a clean answer; then cut off */
};

struct seg_request {
	size_t body_len;
	bool keep;	     /* the body is for somebody */
	struct seg_buf body; /* what is kept of it */
};

extern const char seg_request_too_large_text[];

void seg_request_init(struct seg_request *r);
void seg_request_release(struct seg_request *r);

/* When the headers are there: queues 413, 414 or 431, or nothing if all is well. */
enum MHD_Result seg_request_begin(struct MHD_Connection *c, const char *url);
/* Takes a piece of the body; MHD_NO: cut the connection off. */
enum MHD_Result seg_request_body(struct seg_request *r, const char *data, size_t len);
bool seg_request_too_large(const struct seg_request *r);

/* Path and query as they were sent, NUL-terminated, into a buffer; the caller looks at out->failed. */
void seg_request_target(struct MHD_Connection *c, const char *url, struct seg_buf *out);

/* Paths and parameters stay as they were sent: routes take them apart first (http/path.h). */
size_t seg_request_unescape(void *ctx, struct MHD_Connection *c, char *text);

#endif
