/* A source whose answers a test sets. */
#ifndef SEG_TESTS_HTTP_FAKE_SOURCE_H
#define SEG_TESTS_HTTP_FAKE_SOURCE_H

#include <stdatomic.h>

#include "http/server.h"

struct fake {
	struct seg_metrics *metrics;
	atomic_bool ready, healthy, failing;
	atomic_int status_ms; /* how long the status takes */
	atomic_int refreshed;
};

#define FAKE_STATUS "{\"app\":\"segmentd\",\"ready\":false}"

void fake_init(struct fake *f);
void fake_release(struct fake *f);
struct seg_http_source fake_source(struct fake *f);
/* On 127.0.0.1 and any port; fails the test if that does not work. */
struct seg_http *fake_start(struct fake *f);

#endif
