/*
 * The API of http/api.h over a server: customers, predictions, segments, versions, drift, and what people change. Runs on
 * threads of connections; what only a worker knows is asked of the worker (worker.h).
 */
#ifndef SEG_DAEMON_API_H
#define SEG_DAEMON_API_H

#include "daemon/server.h"
#include "http/api.h"

/* The callback of http/server.h; ctx is a struct seg_server. */
void seg_api_call(void *ctx, const struct seg_api_request *request, struct seg_api_answer *answer);

#endif
