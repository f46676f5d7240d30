#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/avro_fingerprint.h"
#include "consumers/clean.h"
#include "consumers/file_internal.h"

enum { MAX_RAW = 64 << 20 };

static void start(struct file_reader *r)
{
	r->item = (struct file_item){SEG_NO_TIME, r->item.source, r->file, -1};
	r->block = (struct seg_str){NULL, 0};
	r->block_records = 0;
	r->line = 0;
}

/* The source ------------------------------------------------------------------------------------------------------------ */

static enum seg_rc not_read(const struct file_reader *r, enum seg_source s, struct seg_error *err)
{
	return seg_error_set(err, SEG_INVALID, "%s: has %s events, but the configuration's sources do not list %s",
			     r->path, seg_source_names[s], seg_source_names[s]);
}

static enum seg_rc choose(struct file_reader *r, enum seg_source s, struct seg_writer *w, struct seg_error *err)
{
	if (!w->program)
		return seg_error_set(err, SEG_INVALID, "%s: %s", r->path, w->why);
	if (!r->read[s])
		return not_read(r, s, err);
	r->item.source = s;
	r->writer = w;
	return SEG_OK;
}

/* By the record's name, else the one source it can be read as; among several, the one that has a mapping. */
static enum seg_rc find_source(struct file_reader *r, struct seg_error *err)
{
	struct seg_str text = seg_avro_file_schema(r->container);
	struct seg_writer *writers[SEG_SOURCES];
	unsigned fit = 0, fit_mapped = 0;
	int found = 0, found_mapped = 0;

	for (int s = 0; s < SEG_SOURCES; s++) {
		struct seg_decoder *d = r->decoders[s];
		uint64_t fingerprint;
		enum seg_rc rc = seg_decoder_add_schema(d, text.ptr, text.len, &fingerprint, err);

		if (rc != SEG_OK)
			return seg_error_wrap(err, rc, "%s: its schema", r->path);
		writers[s] = seg_decoder_writer(d, fingerprint);
		bool ready = seg_writer_ready(d, writers[s]);
		const char *name = writers[s]->schema->root->name;

		if (name && strcmp(seg_schema_short_name(name), seg_schema_short_name(d->reader->root->name)) == 0)
			return choose(r, (enum seg_source)s, writers[s], err);
		if (!ready || !r->read[s])
			continue;
		fit++;
		found = s;
		if (d->options.mapping_len) {
			fit_mapped++;
			found_mapped = s;
		}
	}
	if (fit_mapped == 1)
		return choose(r, (enum seg_source)found_mapped, writers[found_mapped], err);
	if (fit == 1)
		return choose(r, (enum seg_source)found, writers[found], err);
	return seg_error_set(
		err, SEG_INVALID,
		fit ? "%s: its records could be of %u sources: give the right one a mapping"
		    : "%s: its records can be read as no source (%u fit): map their fields in the configuration",
		r->path, fit);
}

static bool ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), end_len = strlen(end);

	return len >= end_len && strcmp(s + len - end_len, end) == 0;
}

enum seg_rc file_reader_open(struct file_reader *r, struct seg_error *err)
{
	seg_buf_init(&r->raw, MAX_RAW);
	r->lines = ends_with(r->path, ".jsonl") || ends_with(r->path, ".ndjson") || ends_with(r->path, ".json");
	start(r);
	if (r->lines) {
		r->text = fopen(r->path, "rb");
		return r->text ? SEG_OK : seg_error_set(err, SEG_IO, "%s: %s", r->path, strerror(errno));
	}
	enum seg_rc rc = seg_avro_file_open(r->path, &r->container, err);

	return rc == SEG_OK ? find_source(r, err) : rc;
}

void file_reader_close(struct file_reader *r)
{
	seg_avro_file_close(r->container);
	r->container = NULL;
	if (r->text)
		fclose(r->text);
	r->text = NULL;
	seg_buf_release(&r->raw);
}

enum seg_rc file_reader_rewind(struct file_reader *r, struct seg_error *err)
{
	start(r);
	if (!r->lines)
		return seg_avro_file_rewind(r->container, err);
	if (fseeko(r->text, 0, SEEK_SET) != 0)
		return seg_error_set(err, SEG_IO, "%s: %s", r->path, strerror(errno));
	return SEG_OK;
}

/* Records -------------------------------------------------------------------------------------------------------------- */

/* A time that cannot be read is that of the predecessor. */
static void place(struct file_reader *r, int64_t time_ms)
{
	if (time_ms != SEG_NO_TIME && seg_time_plausible(time_ms))
		r->item.time_ms = time_ms;
	r->item.position++;
}

static enum seg_rc next_record(struct file_reader *r, struct seg_error *err)
{
	struct seg_decoder *d = r->decoders[r->item.source];
	struct seg_event e;
	uint8_t header[SEG_SINGLE_OBJECT_HEADER];

	while (r->block_records == 0) {
		if (r->block.len)
			return seg_error_set(err, SEG_CORRUPT, "%s: bytes are left at the end of a block", r->path);
		enum seg_rc rc = seg_avro_file_block(r->container, &r->block, &r->block_records, err);

		if (rc != SEG_OK)
			return rc;
	}
	e.time_ms = SEG_NO_TIME;
	d->run.data = r->block.ptr;
	d->run.len = r->block.len;
	d->run.prefix = true;
	d->run.event = &e;
	enum seg_refusal refusal = seg_program_run(r->writer->program, SEG_ENTRY_TIME, &d->run);

	if (refusal != SEG_REFUSED_NOT)
		refusal = seg_program_run(r->writer->program, SEG_ENTRY_SKIP, &d->run);
	if (refusal != SEG_REFUSED_NOT)
		return seg_error_set(err, SEG_CORRUPT,
				     "%s: record %" PRId64 ", field %.64s: %s: the rest cannot be read", r->path,
				     r->item.position + 1, d->run.where, seg_refusal_text(refusal));
	if (d->run.used == 0) /* a block could claim any number of them */
		return seg_error_set(err, SEG_CORRUPT, "%s: record %" PRId64 " is empty", r->path,
				     r->item.position + 1);
	seg_single_object_header(r->writer->fingerprint, header);
	seg_buf_clear(&r->raw);
	seg_buf_append(&r->raw, header, sizeof(header));
	seg_buf_append(&r->raw, r->block.ptr, d->run.used);
	r->block.ptr += d->run.used;
	r->block.len -= (uint32_t)d->run.used;
	r->block_records--;
	place(r, e.time_ms);
	return r->raw.failed ? seg_error_set(err, SEG_NO_MEMORY, "%s: out of memory for a record", r->path) : SEG_OK;
}

static enum seg_rc read_line(struct file_reader *r, struct seg_error *err)
{
	int c;

	seg_buf_clear(&r->raw);
	while (r->raw.len == 0) {
		r->line++;
		while ((c = getc_unlocked(r->text)) != EOF && c != '\n')
			seg_buf_u8(&r->raw, (uint8_t)c);
		if (r->raw.len && r->raw.data[r->raw.len - 1] == '\r')
			r->raw.len--;
		if (r->raw.failed)
			return seg_error_set(err, SEG_INVALID, "%s: line %" PRIu64 " is longer than %d MiB", r->path,
					     r->line, MAX_RAW >> 20);
		if (c == EOF && r->raw.len == 0)
			return ferror(r->text) ? seg_error_set(err, SEG_IO, "%s: cannot be read", r->path)
					       : seg_error_set(err, SEG_NOT_FOUND, "%s: end of the file", r->path);
	}
	return SEG_OK;
}

static bool source_of(const json_t *object, enum seg_source *ret)
{
	const char *name = json_string_value(json_object_get(object, "source"));

	for (int s = 0; name && s < SEG_SOURCES; s++) {
		if (strcmp(name, seg_source_names[s]) == 0) {
			*ret = (enum seg_source)s;
			return true;
		}
	}
	return false;
}

static enum seg_rc next_line(struct file_reader *r, struct seg_error *err)
{
	struct seg_event e;
	enum seg_refusal refusal;
	enum seg_rc rc = read_line(r, err);

	if (rc != SEG_OK)
		return rc;
	e.time_ms = SEG_NO_TIME;
	json_t *object = NULL;

	if (r->raw.len <= SEG_DECODE_MAX_BYTES)
		object = seg_json_parse((struct seg_str){(const char *)r->raw.data, (uint32_t)r->raw.len}, &refusal);
	if (object && source_of(object, &r->item.source)) {
		seg_event_reset(&e, r->item.source);
		(void)seg_decoder_json(r->decoders[r->item.source], object, &e, NULL);
		if (!r->read[r->item.source])
			rc = not_read(r, r->item.source, err);
	}
	json_decref(object);
	place(r, e.time_ms);
	return rc;
}

enum seg_rc file_reader_next(struct file_reader *r, struct seg_error *err)
{
	return r->lines ? next_line(r, err) : next_record(r, err);
}

int seg_file_item_compare(const struct file_item *a, const struct file_item *b)
{
	if (a->time_ms != b->time_ms)
		return a->time_ms < b->time_ms ? -1 : 1;
	if (a->source != b->source)
		return a->source < b->source ? -1 : 1;
	if (a->file != b->file)
		return a->file < b->file ? -1 : 1;
	return (a->position > b->position) - (a->position < b->position);
}
