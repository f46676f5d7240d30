/* Which member of struct seg_event each field of the shipped input schemas fills. Static data, any thread. */
#ifndef SEG_CONSUMERS_TARGETS_H
#define SEG_CONSUMERS_TARGETS_H

#include <stddef.h>

#include "base/event.h"

enum target_kind {
	TARGET_TEXT,
	TARGET_TIME,
	TARGET_KIND,
	TARGET_AMOUNT,
	TARGET_QUANTITY,
	TARGET_BOOL,
	TARGET_ATTRIBUTES,
	TARGET_CONSENTS
};

struct target {
	const char *field;
	enum target_kind kind;
	size_t slot; /* offset in struct seg_event of texts, times and booleans */
};

enum { SEG_MAX_TARGETS = 32 };

/* Ends with field NULL. */
extern const struct target *const seg_targets[SEG_SOURCES];

/* NULL: not a field of this source. "time" is short for event_time. */
const struct target *seg_target_find(enum seg_source source, const char *field);

/* The name of the shipped schema, e.g. "web_event". */
extern const char *const seg_source_schemas[SEG_SOURCES];

#endif
