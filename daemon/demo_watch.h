/*
 * The demo's subscriber: a thread that reads segment-changes, segments and drift-alerts from their topics, as a campaign
 * tool would, and keeps what the view shows of them: the latest in words, and what segments are like.
 *
 * start, stop; the others from any thread in between.
 */
#ifndef SEG_DAEMON_DEMO_WATCH_H
#define SEG_DAEMON_DEMO_WATCH_H

#include <stdint.h>

#include "config/config.h"
#include "daemon/recent.h"

struct seg_demo_watch;

/* recent (changes in words) and config are borrowed until stop. */
enum seg_rc seg_demo_watch_start(const struct seg_config *config, int32_t partitions, struct seg_recent *recent,
				 struct seg_demo_watch **ret, struct seg_error *err) SEG_MUST_CHECK;
void seg_demo_watch_stop(struct seg_demo_watch *w); /* NULL is fine */

/* What distinguishes the segment's customers: "last order 8 days, spending £3,400"; "" while nothing is known. */
void seg_demo_watch_traits(struct seg_demo_watch *w, uint64_t cluster, unsigned most, char *ret, size_t size);

struct seg_demo_alerts {
	uint64_t raised, open;	   /* so far; not cleared again */
	struct seg_recent *latest; /* in words, borrowed from the watch */
};
void seg_demo_watch_alerts(struct seg_demo_watch *w, struct seg_demo_alerts *ret);

#endif
