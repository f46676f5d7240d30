/*
 * A JSON object into an event: format json, and JSON lines in replay. The slow and friendly way, by jansson; strings live
 * in the arena. Threads: pure, but for the arena.
 */
#ifndef SEG_CONSUMERS_JSON_EVENT_H
#define SEG_CONSUMERS_JSON_EVENT_H

#include <jansson.h>

#include "base/event.h"
#include "base/reasons.h"
#include "consumers/arena.h"
#include "consumers/decoder.h"
#include "consumers/schema.h"

struct seg_json_reader {
	enum seg_source source;
	const struct seg_schema *reader; /* the shipped schema of the source */
	const struct seg_mapped *mapping;
	size_t mapping_len;
	bool lines; /* "source" names the stream, the profile's source is "update_source" */
};

/* *ret_where (field of ours, static or the reader's) says which one was refused, "" for the whole. */
enum seg_refusal seg_json_event(const struct seg_json_reader *r, struct seg_arena *arena, const json_t *object,
				struct seg_event *ret, const char **ret_where);

/* Limited parse: an object, nested at most 64 levels deep. NULL: *ret_refusal says why. Caller frees with json_decref. */
json_t *seg_json_parse(struct seg_str text, enum seg_refusal *ret_refusal);

#endif
