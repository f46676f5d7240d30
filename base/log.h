/*
 * Log lines on stderr: `event key=value …`, one line each, or JSON. Used only in daemon/, http/ and thread loops.
 * Never a customer's payload, never a secret. Any thread may call; lines are written whole.
 */
#ifndef SEG_BASE_LOG_H
#define SEG_BASE_LOG_H

#include <stdbool.h>

#include "base/error.h"

enum seg_log_level { SEG_LOG_ERROR, SEG_LOG_WARN, SEG_LOG_INFO, SEG_LOG_DEBUG };

void seg_log_init(enum seg_log_level level, bool json);

/* fmt makes "key=value key2=\"two words\"". */
void seg_log(enum seg_log_level level, const char *event, const char *fmt, ...) SEG_PRINTF(3, 4);

/* At most one line per second and call site; the next line says how many were left out. */
struct seg_log_limit {
	long long second;
	unsigned left_out;
};
void seg_log_limited(struct seg_log_limit *site, enum seg_log_level level, const char *event, const char *fmt, ...)
	SEG_PRINTF(4, 5);

/* The same for what goes on for long: at most one line in so many seconds. */
void seg_log_rarely(struct seg_log_limit *site, unsigned seconds, enum seg_log_level level, const char *event,
		    const char *fmt, ...) SEG_PRINTF(5, 6);

#endif
