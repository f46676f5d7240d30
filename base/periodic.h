/*
 * A thread that takes a turn again and again until it is stopped: a watchdog, a watch, a sweeper.
 *
 * init, start, stop; a stop without a start only releases. Between turns it waits on the monotonic clock, and a stop ends
 * the wait at once. Turns run without the lock; the lock may guard what the owner keeps beside it.
 */
#ifndef SEG_BASE_PERIODIC_H
#define SEG_BASE_PERIODIC_H

#include <pthread.h>
#include <stdbool.h>

#include "base/error.h"

struct seg_periodic {
	pthread_mutex_t lock;
	pthread_cond_t wake;
	pthread_t thread;
	bool started, stop; /* stop: under the lock */
	int interval_ms;
	bool (*turn)(void *ctx);
	void *ctx;
};

void seg_periodic_init(struct seg_periodic *p);
/* The first turn comes after interval_ms. turn() returns false when there is nothing more to do. what: for the error. */
enum seg_rc seg_periodic_start(struct seg_periodic *p, int interval_ms, bool (*turn)(void *ctx), void *ctx,
			       const char *what, struct seg_error *err) SEG_MUST_CHECK;
/* For a turn that is long. */
bool seg_periodic_is_stopping(struct seg_periodic *p);
/* Waits for a turn under way. */
void seg_periodic_stop(struct seg_periodic *p);

#endif
