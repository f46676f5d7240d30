/*
 * `segmentd demo`: the engine of `run` with everything it needs in this process: an in-memory broker, a producer of a year
 * of events, a subscriber of the outputs, and a view of it all. State lives in a temporary folder that is removed.
 */
#ifndef SEG_DAEMON_DEMO_H
#define SEG_DAEMON_DEMO_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

struct seg_demo_options {
	int64_t port;	     /* -1: 8080 or the next free one; 0: any */
	int64_t rate;	     /* events a second; 0: as fast as it goes */
	const char *input;   /* NULL: the compiled-in orders */
	uint64_t exit_after; /* events; 0: until it is told to stop */
};

/*
 * Runs until it is told to stop or has taken in exit_after events; prints the summary then. SEG_LIMIT: the input is
 * shorter than that (the summary has been printed).
 */
enum seg_rc seg_demo(const struct seg_demo_options *options, struct seg_error *err) SEG_MUST_CHECK;

#endif
