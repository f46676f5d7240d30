/* What there is to ask for: one table of paths; and who answers. Any thread of the server. */
#ifndef SEG_HTTP_ROUTES_H
#define SEG_HTTP_ROUTES_H

#include <microhttpd.h>

#include "base/log.h"
#include "http/api_routes.h"
#include "http/server.h"

struct seg_routes {
	struct seg_http_source source;
	struct seg_api_server api;
	char etags[4][40]; /* of the assets, in the order of the table */
	struct seg_log_limit failures;
};

/* access: borrowed. */
void seg_routes_init(struct seg_routes *r, const struct seg_http_source *source, struct seg_access *access);

/* Answers a request whose limits are checked: url without its query, as it was sent. */
enum MHD_Result seg_routes_answer(struct seg_routes *r, struct MHD_Connection *c, const char *url, const char *method,
				  struct seg_request *request);

/* The i-th path that can only be read and is not in http/api.h, NULL past the end: for the tests and the description. */
const char *seg_routes_path(size_t i);

#endif
