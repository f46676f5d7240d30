/* What the HTTP server shows of a server: the status as JSON, readiness, gauges brought up to date. Any thread. */
#ifndef SEG_DAEMON_STATUS_H
#define SEG_DAEMON_STATUS_H

#include "daemon/server.h"

/* The callbacks of http/server.h; ctx is a struct seg_server. */
enum seg_rc seg_status_json(void *ctx, struct seg_buf *out, struct seg_error *err);
bool seg_status_ready(void *ctx);
bool seg_status_healthy(void *ctx);
void seg_status_refresh(void *ctx);

/* Sums over all workers, as of their last looks; lanes NULL, worker-specific fields unset. */
void seg_status_totals(struct seg_server *s, struct seg_worker_status *ret);

#endif
