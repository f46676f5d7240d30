#include "base/event.h"

#include <stddef.h>

const char *const seg_source_names[SEG_SOURCES] = {"web", "email", "orders", "profiles"};

void seg_event_reset(struct seg_event *e, enum seg_source source)
{
	/* The arrays are 2 KiB that nobody reads beyond their lengths: clearing them would cost more than decoding. */
	memset(e, 0, offsetof(struct seg_event, attributes));
	e->source = source;
	e->time_ms = SEG_NO_TIME;
	e->sent_time_ms = SEG_NO_TIME;
}
