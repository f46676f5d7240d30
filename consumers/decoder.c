#include "consumers/decoder_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/avro_fingerprint.h"
#include "base/schemas.h"
#include "consumers/targets.h"

enum { OPTIONS_MAX = 1 << 20, STRINGS_MAX = 4 * SEG_DECODE_MAX_BYTES, MAX_WRITERS = 4096 };

void seg_refused_say(struct seg_refused *why, enum seg_refusal r, const char *where, const struct seg_writer *w)
{
	if (!why)
		return;
	snprintf(why->schema_id, sizeof(why->schema_id), "%s", w ? w->id : "");
	if (w && !w->program && w->compiled)
		snprintf(why->text, sizeof(why->text), "%s", w->why);
	else if (where && *where)
		snprintf(why->text, sizeof(why->text), "field %.64s: %s", where, seg_refusal_text(r));
	else
		snprintf(why->text, sizeof(why->text), "%s", seg_refusal_text(r));
}

struct seg_writer *seg_decoder_writer(struct seg_decoder *d, uint64_t fingerprint)
{
	if (d->last && d->last->fingerprint == fingerprint)
		return d->last;
	for (size_t i = 0; i < d->writers_len; i++) {
		if (d->writers[i]->fingerprint == fingerprint)
			return d->last = d->writers[i];
	}
	return NULL;
}

bool seg_writer_ready(struct seg_decoder *d, struct seg_writer *w)
{
	struct seg_error err;
	enum seg_rc rc;

	if (w->compiled)
		return w->program != NULL;
	rc = seg_program_event(w->schema, d->reader, d->options.source, d->options.mapping, d->options.mapping_len,
			       &w->program, &err);
	if (rc != SEG_OK) {
		w->program = NULL;
		snprintf(w->why, sizeof(w->why), "%s", err.text);
	}
	w->compiled = rc != SEG_NO_MEMORY; /* which says nothing about the schema */
	return w->program != NULL;
}

static enum seg_rc add_writer(struct seg_decoder *d, struct seg_schema *schema, struct seg_error *err)
{
	if (d->writers_len == MAX_WRITERS)
		return seg_error_set(err, SEG_LIMIT, "more than %d writer schemas", MAX_WRITERS);
	if (d->writers_len == d->writers_cap) {
		size_t cap = d->writers_cap ? d->writers_cap * 2 : 16;
		struct seg_writer **grown = realloc(d->writers, cap * sizeof(struct seg_writer *));

		if (!grown)
			return seg_error_set(err, SEG_NO_MEMORY, "out of memory for schemas");
		d->writers = grown;
		d->writers_cap = cap;
	}
	struct seg_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory for schemas");
	w->fingerprint = schema->fingerprint;
	snprintf(w->id, sizeof(w->id), "%016" PRIx64, w->fingerprint);
	w->schema = schema;
	d->writers[d->writers_len++] = w;
	return SEG_OK;
}

enum seg_rc seg_decoder_add_schema(struct seg_decoder *d, const char *json, size_t len, uint64_t *ret_fingerprint,
				   struct seg_error *err)
{
	struct seg_schema *schema = NULL;
	enum seg_rc rc = seg_schema_parse(json, len, &schema, err);

	if (rc != SEG_OK)
		return rc;
	uint64_t fingerprint = schema->fingerprint;

	if (seg_decoder_writer(d, fingerprint))
		seg_schema_free(schema);
	else
		rc = add_writer(d, schema, err);
	if (rc == SEG_OK && ret_fingerprint)
		*ret_fingerprint = fingerprint;
	else if (rc != SEG_OK)
		seg_schema_free(schema);
	return rc;
}

static const char *copy(struct seg_decoder *d, const char *text)
{
	return text ? seg_arena_copy(&d->arena, text, strlen(text)) : NULL;
}

static enum seg_rc copy_mapping(struct seg_decoder *d, const struct seg_decoder_options *o, struct seg_error *err)
{
	struct seg_mapped *items = seg_arena_alloc(&d->arena, (o->mapping_len + 1) * sizeof(*items));
	const char *source = seg_source_names[o->source];

	for (size_t i = 0; items && i < o->mapping_len; i++) {
		const struct seg_mapped *m = &o->mapping[i];

		if (!seg_target_find(o->source, m->field))
			return seg_error_set(err, SEG_INVALID, "sources.%s.mapping: no field \"%.80s\" of ours is used",
					     source, m->field);
		if (!m->path == !m->constant)
			return seg_error_set(err, SEG_INVALID,
					     "sources.%s.mapping: \"%.80s\" must have either a path or a constant",
					     source, m->field);
		items[i] = (struct seg_mapped){copy(d, m->field), copy(d, m->path), copy(d, m->constant)};
		if (!items[i].field || (m->path && !items[i].path) || (m->constant && !items[i].constant))
			items = NULL;
	}
	if (!items)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory for a field mapping");
	d->options.mapping = items;
	return SEG_OK;
}

static enum seg_rc shipped(struct seg_decoder *d, struct seg_error *err)
{
	const char *text = seg_schema_text(seg_source_schemas[d->options.source]);

	if (!text)
		return seg_error_set(err, SEG_FATAL, "the schema %s is not in this build",
				     seg_source_schemas[d->options.source]);
	enum seg_rc rc = seg_schema_parse(text, strlen(text), &d->reader, err);

	return rc != SEG_OK ? rc : seg_decoder_add_schema(d, text, strlen(text), NULL, err);
}

enum seg_rc seg_decoder_new(const struct seg_decoder_options *options, struct seg_decoder **ret, struct seg_error *err)
{
	struct seg_decoder *d = calloc(1, sizeof(*d));

	if (!d)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory for a decoder");
	d->options = *options;
	seg_arena_init(&d->arena, OPTIONS_MAX);
	seg_arena_init(&d->strings, STRINGS_MAX);
	enum seg_rc rc = copy_mapping(d, options, err);

	if (rc == SEG_OK)
		rc = shipped(d, err);
	if (rc == SEG_OK && options->schemas_dir && *options->schemas_dir)
		rc = seg_decoder_load_folder(d, options->schemas_dir, err);
	d->options.schemas_dir = NULL;
	d->json = (struct seg_json_reader){.source = options->source,
					   .reader = d->reader,
					   .mapping = d->options.mapping,
					   .mapping_len = options->mapping_len};
	if (rc == SEG_OK)
		*ret = d;
	else
		seg_decoder_free(d);
	return rc;
}

void seg_decoder_free(struct seg_decoder *d)
{
	if (!d)
		return;
	for (size_t i = 0; i < d->writers_len; i++) {
		seg_program_free(d->writers[i]->program);
		seg_schema_free(d->writers[i]->schema);
		free(d->writers[i]);
	}
	free(d->writers);
	seg_schema_free(d->reader);
	seg_arena_release(&d->arena);
	seg_arena_release(&d->strings);
	free(d);
}

/* What a refused record still tells: when it was, and where it ends. */
static void after_refusal(struct seg_decoder *d, const struct seg_writer *w, struct seg_event *e, size_t *ret_used)
{
	struct seg_run *run = &d->run;
	bool prefix = run->prefix;

	run->prefix = true;
	seg_event_reset(e, d->options.source);
	/* Whether the walk comes to the end or not: the time is stored when it is passed. */
	(void)seg_program_run(w->program, SEG_ENTRY_TIME, run);
	*ret_used = 0;
	if (prefix && seg_program_run(w->program, SEG_ENTRY_SKIP, run) == SEG_REFUSED_NOT)
		*ret_used = run->used;
}

enum seg_refusal seg_decoder_body(struct seg_decoder *d, struct seg_writer *w, const void *data, size_t len,
				  bool prefix, struct seg_event *ret, size_t *ret_used, struct seg_refused *ret_why)
{
	struct seg_run *run = &d->run;

	*ret_used = 0;
	if (w->compiled ? !w->program : !seg_writer_ready(d, w)) {
		enum seg_refusal why = w->compiled ? SEG_REFUSED_SCHEMA_MISMATCH : SEG_REFUSED_NO_MEMORY;

		seg_refused_say(ret_why, why, "", w);
		return why;
	}
	run->data = data;
	run->len = len;
	run->prefix = prefix;
	run->event = ret;
	enum seg_refusal r = seg_program_run(w->program, SEG_ENTRY_FULL, run);

	*ret_used = run->used;
	if (ret_why)
		memcpy(ret_why->schema_id, w->id, sizeof(w->id));
	if (r != SEG_REFUSED_NOT) {
		seg_refused_say(ret_why, r, run->where, w);
		after_refusal(d, w, ret, ret_used);
	}
	return r;
}

static enum seg_refusal refuse(enum seg_refusal r, struct seg_refused *why)
{
	seg_refused_say(why, r, "", NULL);
	return r;
}

static enum seg_refusal decode_avro(struct seg_decoder *d, struct seg_str value, struct seg_event *ret,
				    struct seg_refused *ret_why)
{
	const uint8_t *bytes = (const uint8_t *)value.ptr;
	uint64_t fingerprint = 0;
	size_t used;

	if (value.len < 2 || bytes[0] != 0xC3 || bytes[1] != 0x01)
		return refuse(SEG_REFUSED_NOT_SINGLE_OBJECT, ret_why);
	if (value.len < SEG_SINGLE_OBJECT_HEADER)
		return refuse(SEG_REFUSED_TRUNCATED, ret_why);
	for (int i = 0; i < 8; i++)
		fingerprint |= (uint64_t)bytes[2 + i] << (8 * i);
	struct seg_writer *w = seg_decoder_writer(d, fingerprint);

	if (!w) {
		refuse(SEG_REFUSED_UNKNOWN_SCHEMA, ret_why);
		if (ret_why)
			snprintf(ret_why->schema_id, sizeof(ret_why->schema_id), "%016" PRIx64, fingerprint);
		return SEG_REFUSED_UNKNOWN_SCHEMA;
	}
	return seg_decoder_body(d, w, bytes + SEG_SINGLE_OBJECT_HEADER, value.len - SEG_SINGLE_OBJECT_HEADER, false,
				ret, &used, ret_why);
}

enum seg_refusal seg_decoder_json(struct seg_decoder *d, const json_t *object, struct seg_event *ret,
				  struct seg_refused *ret_why)
{
	const char *where = "";

	seg_arena_reset(&d->strings);
	enum seg_refusal r = seg_json_event(&d->json, &d->strings, object, ret, &where);

	if (r != SEG_REFUSED_NOT)
		seg_refused_say(ret_why, r, where, NULL);
	return r;
}

static enum seg_refusal decode_json(struct seg_decoder *d, struct seg_str value, struct seg_event *ret,
				    struct seg_refused *ret_why)
{
	enum seg_refusal r;
	json_t *object = seg_json_parse(value, &r);

	if (!object)
		return refuse(r, ret_why);
	r = seg_decoder_json(d, object, ret, ret_why);
	json_decref(object);
	return r;
}

enum seg_refusal seg_decoder_decode(struct seg_decoder *d, struct seg_str value, struct seg_event *ret,
				    struct seg_refused *ret_why)
{
	seg_event_reset(ret, d->options.source);
	if (ret_why)
		ret_why->schema_id[0] = '\0';
	if (!value.ptr)
		return refuse(SEG_REFUSED_NULL_VALUE, ret_why);
	if (value.len > SEG_DECODE_MAX_BYTES)
		return refuse(SEG_REFUSED_TOO_LARGE, ret_why);
	return d->options.format == SEG_FORMAT_JSON ? decode_json(d, value, ret, ret_why)
						    : decode_avro(d, value, ret, ret_why);
}
