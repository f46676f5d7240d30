/*
 * Answers: a status, a body, and the headers that every answer carries. Errors are problem JSON (RFC 9457). For the
 * server's own threads; each function queues exactly one answer on the connection.
 */
#ifndef SEG_HTTP_REPLY_H
#define SEG_HTTP_REPLY_H

#include <microhttpd.h>

#include "base/buf.h"

enum seg_reply_cache {
	SEG_REPLY_NO_STORE,   /* figures of this moment */
	SEG_REPLY_REVALIDATE, /* the page: kept, but asked for each time */
};

struct seg_reply {
	unsigned status;
	const char *type; /* Content-Type */
	enum seg_reply_cache cache;
	const char *etag;	  /* may be NULL, as what follows */
	const char *allow;	  /* of a 405 */
	const char *authenticate; /* of a 401 */
	const char *location;	  /* of a 307 */
	unsigned retry_after_s;	  /* 0: not told */
};

/* Takes the bytes of body, which is empty afterwards (on failure too). */
enum MHD_Result seg_reply_buf(struct MHD_Connection *c, const struct seg_reply *reply, struct seg_buf *body);
/* body lives as long as the program. */
enum MHD_Result seg_reply_static(struct MHD_Connection *c, const struct seg_reply *reply, const char *body, size_t len);
/* detail: a sentence or two of UTF-8. allow: of a 405, else NULL. */
enum MHD_Result seg_reply_problem(struct MHD_Connection *c, unsigned status, const char *detail, const char *allow);
/* The same with other headers: those of `with`, whose type is ignored. */
enum MHD_Result seg_reply_problem_with(struct MHD_Connection *c, const struct seg_reply *with, const char *detail);

#endif
