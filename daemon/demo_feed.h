/*
 * The demo's producer: a thread that sends the events of demo_events.h to the input topics in order of time, keyed by
 * customer, at a steady rate. It waits while more is unread than the in-memory broker could keep.
 *
 * start, progress again and again, stop. Progress from any thread.
 */
#ifndef SEG_DAEMON_DEMO_FEED_H
#define SEG_DAEMON_DEMO_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "config/config.h"
#include "daemon/demo_events.h"

struct seg_demo_feed;

struct seg_demo_feed_options {
	const struct seg_config *config; /* borrowed until stop */
	const char *brokers;		 /* borrowed until start returns */
	struct seg_demo_events *events;	 /* to be sent from its beginning; borrowed until stop */
	int64_t rate;			 /* events a second; 0: as fast as they are read */
	uint64_t limit;			 /* sends at most so many; 0: all */
	/* On the feed's thread: may it begin (asked until it may)? How many events have been read so far? */
	bool (*ready)(void *ctx);
	uint64_t (*read)(void *ctx);
	void *ctx;
};

struct seg_demo_progress {
	uint64_t sent, total;	   /* events; total is what will be sent in all */
	int64_t first_ms, time_ms; /* of the first and of the newest event; SEG_NO_TIME before it */
	bool done;		   /* all are at the broker */
};

enum seg_rc seg_demo_feed_start(const struct seg_demo_feed_options *options, struct seg_demo_feed **ret,
				struct seg_error *err) SEG_MUST_CHECK;
void seg_demo_feed_stop(struct seg_demo_feed *f); /* NULL is fine */

/* The feed's failure, if there was one. */
enum seg_rc seg_demo_feed_progress(struct seg_demo_feed *f, struct seg_demo_progress *ret,
				   struct seg_error *err) SEG_MUST_CHECK;

#endif
