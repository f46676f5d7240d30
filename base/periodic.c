#include "base/periodic.h"

#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

void seg_periodic_init(struct seg_periodic *p)
{
	*p = (struct seg_periodic){.started = false};
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->wake, NULL);
}

/* False: it is to stop. */
static bool wait_for_turn(struct seg_periodic *p)
{
	struct timespec until = seg_deadline(p->interval_ms);

	pthread_mutex_lock(&p->lock);
	while (!p->stop && pthread_cond_clockwait(&p->wake, &p->lock, CLOCK_MONOTONIC, &until) != ETIMEDOUT)
		continue;
	bool go_on = !p->stop;
	pthread_mutex_unlock(&p->lock);
	return go_on;
}

static void *run(void *arg)
{
	struct seg_periodic *p = arg;

	while (wait_for_turn(p) && p->turn(p->ctx))
		continue;
	return NULL;
}

enum seg_rc seg_periodic_start(struct seg_periodic *p, int interval_ms, bool (*turn)(void *ctx), void *ctx,
			       const char *what, struct seg_error *err)
{
	p->interval_ms = interval_ms;
	p->turn = turn;
	p->ctx = ctx;
	int failed = pthread_create(&p->thread, NULL, run, p);

	if (failed)
		return seg_error_set(err, SEG_IO, "%s: no thread: %s", what, strerror(failed));
	p->started = true;
	return SEG_OK;
}

bool seg_periodic_is_stopping(struct seg_periodic *p)
{
	pthread_mutex_lock(&p->lock);
	bool stop = p->stop;
	pthread_mutex_unlock(&p->lock);
	return stop;
}

void seg_periodic_stop(struct seg_periodic *p)
{
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	if (p->started)
		pthread_join(p->thread, NULL);
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
}
