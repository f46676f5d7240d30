/*
 * What the API under /api/v1 asks of the program behind it: one number a route, the request decoded, and the answer to be
 * filled. The server knows methods, tokens, limits and JSON as bytes; what segments or models are only its source knows.
 *
 * Functions of the source run on a thread of the connection: they may wait, but no longer than a few seconds.
 */
#ifndef SEG_HTTP_API_H
#define SEG_HTTP_API_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

/* id, method, path, asks for the token, may have a body, query parameter (NULL: none) */
#define SEG_API_TABLE(X)                                                                                               \
	X(CUSTOMER, "GET", "/api/v1/customers/{id}", false, false, NULL)                                               \
	X(ERASE, "DELETE", "/api/v1/customers/{id}", true, false, NULL)                                                \
	X(PREDICT, "POST", "/api/v1/predict", false, true, NULL)                                                       \
	X(SEGMENTS, "GET", "/api/v1/segments", false, false, NULL)                                                     \
	X(ALIAS, "PUT", "/api/v1/segments/{id}/alias", true, true, NULL)                                               \
	X(MODELS, "GET", "/api/v1/models", false, false, NULL)                                                         \
	X(REFIT, "POST", "/api/v1/models/refit", true, false, NULL)                                                    \
	X(VALIDATE, "GET", "/api/v1/models/validate", false, false, "labels")                                          \
	X(MODEL, "GET", "/api/v1/models/{version}", false, false, NULL)                                                \
	X(DIFF, "GET", "/api/v1/models/{version}/diff", false, false, "against")                                       \
	X(PROMOTE, "POST", "/api/v1/models/{version}/promote", true, false, NULL)                                      \
	X(ROLLBACK, "POST", "/api/v1/models/{version}/rollback", true, false, NULL)                                    \
	X(DRIFT, "GET", "/api/v1/drift", false, false, NULL)

enum seg_api_op {
#define X(id, method, path, token, body, query) SEG_API_##id,
	SEG_API_TABLE(X)
#undef X
		SEG_API_OPS
};

/* All strings are valid until the call returns; UTF-8 is checked by nobody but JSON's readers. */
struct seg_api_request {
	enum seg_api_op op;
	struct seg_str param; /* what stands in the path for {…}, decoded; ptr NULL: the route has none */
	struct seg_str query; /* the route's query parameter, decoded; ptr NULL: not given */
	struct seg_str body;  /* ptr NULL: none */
	const char *target;   /* path and query as they were sent, for an answer that sends elsewhere */
};

enum { SEG_API_BODY_MAX = 8 << 20 };

struct seg_api_answer {
	unsigned status;	/* 200 to begin with; 2xx: `body` is sent, else a problem with `detail` */
	struct seg_buf body;	/* JSON; the server's */
	char detail[512];	/* of a problem: what is wrong and what to do, one or two sentences of UTF-8 */
	char location[3072];	/* of a 307, a whole address */
	unsigned retry_after_s; /* 0: not told */
};

/* "PUT /api/v1/…", for the tests and the docs; NULL past the end. */
const char *seg_api_method(enum seg_api_op op);
const char *seg_api_path(enum seg_api_op op);
bool seg_api_asks_for_token(enum seg_api_op op);

#endif
