/*
 * Hostile messages and schemas. The first byte chooses: 0 to 3 a body of the shipped schema of that source; 4 to 7 JSON of
 * that source; 8 a schema, a NUL and a body, read as itself (generic) and as each source.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/avro_fingerprint.h"
#include "base/buf.h"
#include "base/schemas.h"
#include "consumers/clean.h"
#include "consumers/decoder.h"
#include "consumers/program.h"
#include "consumers/targets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const bots[] = {"bot", "crawler"};

static void decode(enum seg_source source, enum seg_format format, const char *value, size_t len)
{
	const struct seg_decoder_options options = {.source = source, .format = format};
	const struct seg_cleaner_options rules = {
		.max_future_ms = 3600000, .base_currency = "EUR", .max_amount = 1e7, .bots = bots, .bots_len = 2};
	const struct seg_origin origin = {.timestamp_ms = 1700000000000, .partitions = 4, .check_key = true};
	struct seg_decoder *d = NULL;
	struct seg_cleaner *c = NULL;
	struct seg_refused why;
	struct seg_event e;
	char text[128];

	if (seg_decoder_new(&options, &d, NULL) != SEG_OK || seg_cleaner_new(&rules, &c, NULL) != SEG_OK)
		abort();
	enum seg_refusal r = seg_decoder_decode(d, (struct seg_str){value, (uint32_t)len}, &e, &why);

	if (r == SEG_REFUSED_NOT)
		r = seg_clean(c, &origin, &e, text, sizeof(text));
	if (r >= SEG_REFUSALS)
		abort();
	seg_cleaner_free(c);
	seg_decoder_free(d);
}

static void decode_body(enum seg_source source, const uint8_t *body, size_t len)
{
	const char *schema = seg_schema_text(seg_source_schemas[source]);
	uint64_t fingerprint = 0;
	uint8_t *message = malloc(len + SEG_SINGLE_OBJECT_HEADER);

	if (!message || seg_avro_fingerprint(schema, strlen(schema), &fingerprint, NULL) != SEG_OK)
		abort();
	seg_single_object_header(fingerprint, message);
	if (len)
		memcpy(message + SEG_SINGLE_OBJECT_HEADER, body, len);
	decode(source, SEG_FORMAT_AVRO, (const char *)message, len + SEG_SINGLE_OBJECT_HEADER);
	free(message);
}

static void run_schema(const struct seg_schema *w, const uint8_t *body, size_t len)
{
	struct seg_program *p = NULL;
	struct seg_event e;
	struct seg_buf json;

	seg_buf_init(&json, 4 << 20);
	struct seg_run run = {.data = body, .len = len, .event = &e, .json = &json};

	if (seg_program_generic(w, w, &p, NULL) == SEG_OK) {
		bool read = seg_program_run(p, SEG_ENTRY_FULL, &run) == SEG_REFUSED_NOT;

		/* What can be read can be skipped, to the same end. */
		run.json = NULL;
		if (read && seg_program_run(p, SEG_ENTRY_SKIP, &run) != SEG_REFUSED_NOT)
			abort();
		seg_program_free(p);
	}
	seg_buf_release(&json);
	run.json = NULL;
	for (int s = 0; s < SEG_SOURCES; s++) {
		const char *text = seg_schema_text(seg_source_schemas[s]);
		struct seg_schema *r = NULL;

		if (seg_schema_parse(text, strlen(text), &r, NULL) != SEG_OK)
			abort();
		if (seg_program_event(w, r, (enum seg_source)s, NULL, 0, &p, NULL) == SEG_OK) {
			for (int entry = 0; entry < SEG_ENTRIES; entry++) {
				seg_event_reset(&e, (enum seg_source)s);
				(void)seg_program_run(p, (enum seg_entry)entry, &run);
			}
			seg_program_free(p);
		}
		seg_schema_free(r);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return 0;
	unsigned choice = data[0] % 9;

	data++;
	size--;
	if (choice < 4) {
		decode_body((enum seg_source)choice, data, size);
	} else if (choice < 8) {
		decode((enum seg_source)(choice - 4), SEG_FORMAT_JSON, (const char *)data, size);
	} else {
		const uint8_t *end = memchr(data, 0, size);
		size_t len = end ? (size_t)(end - data) : size;
		struct seg_schema *w = NULL;

		if (seg_schema_parse((const char *)data, len, &w, NULL) == SEG_OK)
			run_schema(w, data + len + (end != NULL), size - len - (end != NULL));
		seg_schema_free(w);
	}
	return 0;
}
