/*
 * Answers cases on stdin, for the scripts beside it. One case is four lines:
 *   generic:  "generic", writer schema, reader schema, body in hex  -> the value as program_json.c writes it
 *   event:    "event SOURCE", writer schema, mapping (a JSON object), body in hex -> the event's fields as JSON
 *   print:    "fingerprint", schema, "", "" -> 16 hex digits
 * The answer is one line; "!code" when refused, "?text" when the schemas cannot be compiled.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/avro_fingerprint.h"
#include "base/buf.h"
#include "base/schemas.h"
#include "consumers/program.h"
#include "consumers/targets.h"

enum { MAX_OUT = 64 << 20, MAX_MAPPED = 32 };

struct line {
	char *text;
	size_t len, cap;
};

static bool read_line(struct line *l)
{
	ssize_t n = getline(&l->text, &l->cap, stdin);

	if (n <= 0)
		return false;
	l->len = (size_t)n;
	if (l->text[l->len - 1] == '\n')
		l->text[--l->len] = '\0';
	return true;
}

static size_t unhex(const struct line *l, uint8_t *ret)
{
	for (size_t i = 0; i + 1 < l->len; i += 2) {
		char pair[3] = {l->text[i], l->text[i + 1], '\0'};

		ret[i / 2] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return l->len / 2;
}

static void run_generic(const struct seg_schema *w, const struct seg_schema *r, const uint8_t *body, size_t len)
{
	struct seg_program *p = NULL;
	struct seg_error err;
	struct seg_buf out;
	struct seg_run run = {.data = body, .len = len, .json = &out};

	if (seg_program_generic(w, r, &p, &err) != SEG_OK) {
		printf("?%s\n", err.text);
		return;
	}
	seg_buf_init(&out, MAX_OUT);
	enum seg_refusal refusal = seg_program_run(p, SEG_ENTRY_FULL, &run);

	if (refusal != SEG_REFUSED_NOT)
		printf("!%s\n", seg_refusal_code(refusal));
	else
		printf("%.*s\n", (int)out.len, (char *)out.data);
	/* The way that skips must come to the same end wherever the value can be read at all. */
	struct seg_run skip = {.data = body, .len = len};

	if (refusal == SEG_REFUSED_NOT && seg_program_run(p, SEG_ENTRY_SKIP, &skip) != SEG_REFUSED_NOT)
		printf("?skipping fails at %s\n", skip.where);
	seg_buf_release(&out);
	seg_program_free(p);
}

static json_t *value_json(const struct seg_value *v)
{
	switch (v->type) {
	case SEG_VALUE_NULL:
		return json_null();
	case SEG_VALUE_BOOL:
		return json_boolean(v->b);
	case SEG_VALUE_LONG:
		return json_integer(v->i);
	case SEG_VALUE_DOUBLE:
		return json_real(v->d);
	case SEG_VALUE_STRING:
		return json_stringn(v->s.ptr, v->s.len);
	}
	return NULL;
}

static json_t *field_json(const struct seg_event *e, const struct target *t)
{
	const char *slot = (const char *)e + t->slot;
	const struct seg_str *s = (const struct seg_str *)(const void *)slot;
	const int64_t *time = (const int64_t *)(const void *)slot;
	json_t *map = NULL;

	switch (t->kind) {
	case TARGET_TEXT:
		return s->ptr ? json_stringn(s->ptr, s->len) : json_null();
	case TARGET_TIME:
		return *time == SEG_NO_TIME ? json_null() : json_integer(*time);
	case TARGET_KIND:
		return json_integer(e->kind);
	case TARGET_AMOUNT:
		return e->has_amount ? json_real(e->amount) : json_null();
	case TARGET_QUANTITY:
		return e->has_quantity ? json_integer(e->quantity) : json_null();
	case TARGET_BOOL:
		return json_boolean(*(const bool *)slot);
	case TARGET_ATTRIBUTES:
		map = json_object();
		for (uint32_t i = 0; i < e->attributes_len; i++)
			json_object_setn_new(map, e->attributes[i].name.ptr, e->attributes[i].name.len,
					     value_json(&e->attributes[i].value));
		return map;
	case TARGET_CONSENTS:
		map = json_object();
		for (uint32_t i = 0; i < e->consents_len; i++)
			json_object_setn_new(map, e->consents[i].purpose.ptr, e->consents[i].purpose.len,
					     json_boolean(e->consents[i].granted));
		return map;
	}
	return NULL;
}

static void print_event(const struct seg_event *e)
{
	json_t *object = json_object();

	for (const struct target *t = seg_targets[e->source]; t->field; t++)
		json_object_set_new(object, t->field, field_json(e, t));
	json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(17));
	printf("\n");
	json_decref(object);
}

static void run_event(const struct seg_schema *w, const struct seg_schema *r, enum seg_source source,
		      const json_t *mapping, const uint8_t *body, size_t len)
{
	struct seg_mapped mapped[MAX_MAPPED];
	size_t mapped_len = 0;
	struct seg_program *p = NULL;
	struct seg_event e;
	struct seg_error err;
	struct seg_run run = {.data = body, .len = len, .event = &e};
	const char *field;
	const json_t *value;

	json_object_foreach((json_t *)mapping, field, value)
	{
		if (mapped_len < MAX_MAPPED)
			mapped[mapped_len++] = (struct seg_mapped){field, json_string_value(value),
								   json_string_value(json_object_get(value, "const"))};
	}
	if (seg_program_event(w, r, source, mapped, mapped_len, &p, &err) != SEG_OK) {
		printf("?%s\n", err.text);
		return;
	}
	seg_event_reset(&e, source);
	enum seg_refusal refusal = seg_program_run(p, SEG_ENTRY_FULL, &run);

	if (refusal != SEG_REFUSED_NOT)
		printf("!%s\n", seg_refusal_code(refusal));
	else
		print_event(&e);
	seg_program_free(p);
}

static void answer(const struct line lines[4])
{
	struct seg_schema *w = NULL, *r = NULL;
	struct seg_error err;
	uint8_t *body = malloc(lines[3].len / 2 + 1);
	size_t len = body ? unhex(&lines[3], body) : 0;
	bool generic = strcmp(lines[0].text, "generic") == 0;
	json_t *mapping = generic ? NULL : json_loads(lines[2].text, 0, NULL);
	int source = 0;

	while (!generic && source < SEG_SOURCES - 1 && strcmp(lines[0].text + 6, seg_source_names[source]) != 0)
		source++;
	const char *reader = generic ? lines[2].text : seg_schema_text(seg_source_schemas[source]);

	if (strcmp(lines[0].text, "fingerprint") == 0) {
		uint64_t fingerprint = 0;

		if (seg_avro_fingerprint(lines[1].text, lines[1].len, &fingerprint, &err) == SEG_OK)
			printf("%016" PRIx64 "\n", fingerprint);
		else
			printf("?%s\n", err.text);
	} else if (seg_schema_parse(lines[1].text, lines[1].len, &w, &err) != SEG_OK ||
		   seg_schema_parse(reader, strlen(reader), &r, &err) != SEG_OK) {
		printf("?%s\n", err.text);
	} else if (generic) {
		run_generic(w, r, body, len);
	} else {
		run_event(w, r, (enum seg_source)source, mapping, body, len);
	}
	seg_schema_free(w);
	seg_schema_free(r);
	json_decref(mapping);
	free(body);
}

int main(void)
{
	struct line lines[4] = {{NULL, 0, 0}};

	while (read_line(&lines[0]) && read_line(&lines[1]) && read_line(&lines[2]) && read_line(&lines[3])) {
		answer(lines);
		fflush(stdout);
	}
	for (int i = 0; i < 4; i++)
		free(lines[i].text);
	return 0;
}
