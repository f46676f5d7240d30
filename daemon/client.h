/*
 * A client of the API, for the commands that ask a running segmentd. One thread; each request is a connection of its own.
 * Follows a 307 to another instance.
 */
#ifndef SEG_DAEMON_CLIENT_H
#define SEG_DAEMON_CLIENT_H

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

struct seg_client_request {
	const char *url;    /* of the instance, e.g. http://127.0.0.1:8080 */
	const char *token;  /* NULL: none */
	const char *method; /* GET, POST, … */
	const char *path;   /* "/api/v1/…", encoded */
	const char *body;   /* JSON; NULL: none */
};

/*
 * *ret_json: what came back (caller decrefs), *ret_text (may be NULL): its bytes, caller releases. SEG_INVALID: not an
 * http:// or https:// address; SEG_RETRY: nobody answers there, or 503; SEG_NOT_FOUND: 404; SEG_SKIP: refused (401, 403, 409,
 * …), SEG_IO: what came is no answer of segmentd's. err says what, and what to do.
 */
enum seg_rc seg_client_ask(const struct seg_client_request *request, json_t **ret_json, struct seg_buf *ret_text,
			   struct seg_error *err) SEG_MUST_CHECK;

/* "/api/v1/customers/" and the id, encoded; caller frees; NULL when out of memory. */
char *seg_client_path(const char *before, const char *id, const char *after);

/* Text of others on a terminal: control characters become '?'. */
void seg_client_print(const char *text);

#endif
