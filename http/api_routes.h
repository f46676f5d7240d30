/* The API's routes: which request is whose, who may, and what goes back. Any thread of the server. */
#ifndef SEG_HTTP_API_ROUTES_H
#define SEG_HTTP_API_ROUTES_H

#include <microhttpd.h>

#include "http/access.h"
#include "http/api.h"
#include "http/path.h"
#include "http/request.h"

struct seg_api_server {
	void (*api)(void *ctx, const struct seg_api_request *request, struct seg_api_answer *answer); /* NULL: no API */
	void *ctx;
	struct seg_access *access;
};

struct seg_api_found {
	enum seg_api_op op; /* SEG_API_OPS: the path is there, the method is not */
	char param[SEG_PATH_PARAM_MAX + 1];
	uint32_t param_len;
	char allow[64];
};

enum seg_path_match seg_api_find(const char *url, const char *method, struct seg_api_found *ret);
bool seg_api_takes_body(const char *url, const char *method);

/* False: no route of the API; else *ret is the result of what was queued. */
bool seg_api_answer(const struct seg_api_server *server, struct MHD_Connection *c, const char *url, const char *method,
		    struct seg_request *r, enum MHD_Result *ret);

#endif
