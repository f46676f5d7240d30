#include "daemon/erase_record.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/event_encode.h"

/* Sets `value` where the mapping says that this field of ours is. False: the mapping has a constant for it. */
static bool put(json_t *root, const struct seg_config_mapping *mapping, const char *field, json_t *value)
{
	const char *path = field;
	for (size_t i = 0; i < mapping->len; i++) {
		/* The mapping's word for event_time is time. */
		const char *named =
			strcmp(mapping->items[i].field, "time") == 0 ? "event_time" : mapping->items[i].field;
		if (strcmp(named, field) == 0)
			path = mapping->items[i].path;
	}
	for (size_t len; path && path[len = strcspn(path, ".")]; path += len + 1) {
		json_t *next = json_object_getn(root, path, len);
		if (!next) {
			json_object_setn_new(root, path, len, json_object());
			next = json_object_getn(root, path, len);
		}
		root = next;
	}
	if (path)
		json_object_set_new(root, path, value);
	else
		json_decref(value);
	return path != NULL;
}

static void encode_json(const struct seg_config_mapping *mapping, const struct seg_event *event, struct seg_buf *out)
{
	json_t *root = json_object();
	(void)put(root, mapping, "event_id", json_stringn(event->event_id.ptr, event->event_id.len));
	(void)put(root, mapping, "customer_id", json_stringn(event->customer_id.ptr, event->customer_id.len));
	(void)put(root, mapping, "event_time", json_integer(event->time_ms));
	(void)put(root, mapping, "kind", json_string("erase"));
	(void)put(root, mapping, "source", json_string("segmentd"));
	char *text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	if (text)
		seg_buf_append(out, text, strlen(text));
	else
		out->failed = true;
	free(text);
}

enum seg_rc seg_erase_record(const struct seg_config *config, struct seg_intake *intake, const struct seg_event *event,
			     int32_t partition, struct seg_buf *out, struct seg_error *err)
{
	const struct seg_config_source *source = &config->sources[SEG_PROFILES];
	const struct seg_event *got;
	if (source->format == SEG_FORMAT_JSON)
		encode_json(&source->mapping, event, out);
	else
		seg_event_encode(event, out);
	if (out->failed)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	struct seg_raw raw = {
		.source = SEG_PROFILES,
		.partition = partition,
		.timestamp_ms = event->time_ms,
		.key = event->customer_id,
		.value = {(const char *)out->data, (uint32_t)out->len},
	};
	enum seg_refusal refusal = seg_intake_read(intake, &raw, &got);
	if (refusal)
		return seg_error_set(err, SEG_INVALID,
				     "Such a record of %s would be refused (%s: %s); send one of your own.",
				     source->topic, seg_refusal_code(refusal), seg_intake_text(intake));
	if (got->kind != SEG_UPDATE_ERASE || !seg_str_eq(got->customer_id, event->customer_id))
		return seg_error_set(err, SEG_INVALID,
				     "sources.profiles.mapping makes something else of our erase record; send one of "
				     "your own to %s.",
				     source->topic);
	return SEG_OK;
}
