#include "consumers/file_source.h"

#include <stdlib.h>
#include <string.h>

#include "consumers/file_internal.h"

enum { SORT_BYTES = 64 << 20, MAX_FILES = 4096 };

/* What the merge draws from: a sorted file, or a run of one that was not. */
struct cursor {
	struct file_reader *file; /* NULL: run */
	struct run_reader run;
};

struct seg_file_source {
	struct seg_decoder *decoders[SEG_SOURCES];
	bool read[SEG_SOURCES];
	struct file_reader *files;
	struct file_runs *runs; /* by file; len 0: it is sorted */
	char **paths;
	size_t files_len;
	struct cursor *cursors;
	size_t cursors_len, cursors_cap;
	struct cursor **heap; /* the least first; the top was handed out and is moved on by the next call */
	size_t heap_len;
	bool handed_out;
	uint64_t records;
	size_t sort_bytes;
	struct seg_event event;
	struct seg_refused why;
};

static const struct file_item *item_of(const struct cursor *c)
{
	return c->file ? &c->file->item : &c->run.item;
}

static enum seg_rc advance(struct cursor *c, struct seg_error *err)
{
	return c->file ? file_reader_next(c->file, err) : run_reader_next(&c->run, err);
}

/* Heap -------------------------------------------------------------------------------------------------------------------- */

static bool less(const struct cursor *a, const struct cursor *b)
{
	return seg_file_item_compare(item_of(a), item_of(b)) < 0;
}

static void sift_down(struct seg_file_source *s, size_t i)
{
	for (;;) {
		size_t least = i;

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < s->heap_len; child++) {
			if (less(s->heap[child], s->heap[least]))
				least = child;
		}
		if (least == i)
			return;
		struct cursor *c = s->heap[i];

		s->heap[i] = s->heap[least];
		s->heap[least] = c;
		i = least;
	}
}

/* Open -------------------------------------------------------------------------------------------------------------------- */

/* One pass over a file: how many records, and are they in order? */
static enum seg_rc look_through(struct seg_file_source *s, struct file_reader *r, bool *ret_sorted,
				struct seg_error *err)
{
	struct file_item before;
	enum seg_rc rc;
	bool sorted = true, first = true;

	while ((rc = file_reader_next(r, err)) == SEG_OK) {
		if (!first && seg_file_item_compare(&before, &r->item) > 0)
			sorted = false;
		first = false;
		before = r->item;
		s->records++;
	}
	if (rc != SEG_NOT_FOUND)
		return rc;
	*ret_sorted = sorted;
	return file_reader_rewind(r, err);
}

static enum seg_rc add_cursor(struct seg_file_source *s, struct cursor c, struct seg_error *err)
{
	if (s->cursors_len == s->cursors_cap) {
		size_t cap = s->cursors_cap ? s->cursors_cap * 2 : 16;
		struct cursor *grown = realloc(s->cursors, cap * sizeof(*grown));

		if (!grown)
			return seg_error_set(err, SEG_NO_MEMORY, "out of memory for the files");
		s->cursors = grown;
		s->cursors_cap = cap;
	}
	s->cursors[s->cursors_len++] = c;
	return SEG_OK;
}

static enum seg_rc open_file(struct seg_file_source *s, uint32_t i, struct seg_error *err)
{
	struct file_reader *r = &s->files[i];
	bool sorted = false;

	*r = (struct file_reader){.path = s->paths[i], .file = i, .decoders = s->decoders, .read = s->read};
	enum seg_rc rc = file_reader_open(r, err);

	if (rc == SEG_OK)
		rc = look_through(s, r, &sorted, err);
	if (rc == SEG_OK && sorted)
		return add_cursor(s, (struct cursor){.file = r}, err);
	if (rc == SEG_OK)
		rc = file_runs_make(&s->runs[i], r, s->sort_bytes, err);
	for (size_t run = 0; rc == SEG_OK && run < s->runs[i].len; run++) {
		struct cursor c = {.file = NULL};

		rc = run_reader_open(&c.run, &s->runs[i], run, i, err);
		if (rc == SEG_OK)
			rc = add_cursor(s, c, err);
		if (rc != SEG_OK)
			run_reader_close(&c.run);
	}
	return rc;
}

static enum seg_rc make_heap(struct seg_file_source *s, struct seg_error *err)
{
	s->heap = calloc(s->cursors_len + 1, sizeof(struct cursor *));
	if (!s->heap)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory for the files");
	for (size_t i = 0; i < s->cursors_len; i++) {
		enum seg_rc rc = advance(&s->cursors[i], err);

		if (rc == SEG_OK)
			s->heap[s->heap_len++] = &s->cursors[i];
		else if (rc != SEG_NOT_FOUND)
			return rc;
	}
	for (size_t i = s->heap_len; i-- > 0;)
		sift_down(s, i);
	return SEG_OK;
}

static enum seg_rc make_decoders(struct seg_file_source *s, const struct seg_file_source_options *o,
				 struct seg_error *err)
{
	for (int i = 0; i < SEG_SOURCES; i++) {
		struct seg_decoder_options d = o->sources[i];

		d.source = (enum seg_source)i;
		d.format = SEG_FORMAT_AVRO;
		s->read[i] = o->read[i];
		enum seg_rc rc = seg_decoder_new(&d, &s->decoders[i], err);

		if (rc != SEG_OK)
			return rc;
		s->decoders[i]->json.lines = true;
	}
	return SEG_OK;
}

static enum seg_rc make_lists(struct seg_file_source *s, const struct seg_file_source_options *o, struct seg_error *err)
{
	s->files = calloc(o->paths_len + 1, sizeof(*s->files));
	s->runs = calloc(o->paths_len + 1, sizeof(*s->runs));
	s->paths = calloc(o->paths_len + 1, sizeof(char *));
	for (size_t i = 0; s->paths && i < o->paths_len; i++) {
		s->paths[i] = strdup(o->paths[i]);
		if (!s->paths[i])
			return seg_error_set(err, SEG_NO_MEMORY, "out of memory for the files");
	}
	if (!s->files || !s->runs || !s->paths)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory for the files");
	s->files_len = o->paths_len;
	return SEG_OK;
}

enum seg_rc seg_file_source_open(const struct seg_file_source_options *options, struct seg_file_source **ret,
				 struct seg_error *err)
{
	struct seg_file_source *s = NULL;
	enum seg_rc rc;

	if (options->paths_len > MAX_FILES)
		return seg_error_set(err, SEG_LIMIT, "more than %d input files", MAX_FILES);
	s = calloc(1, sizeof(*s));
	if (!s)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory for the files");
	s->sort_bytes = options->sort_bytes ? options->sort_bytes : SORT_BYTES;
	rc = make_decoders(s, options, err);
	if (rc == SEG_OK)
		rc = make_lists(s, options, err);
	for (uint32_t i = 0; rc == SEG_OK && i < s->files_len; i++)
		rc = open_file(s, i, err);
	if (rc == SEG_OK)
		rc = make_heap(s, err);
	if (rc == SEG_OK)
		*ret = s;
	else
		seg_file_source_close(s);
	return rc;
}

void seg_file_source_close(struct seg_file_source *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->cursors_len; i++) {
		if (!s->cursors[i].file)
			run_reader_close(&s->cursors[i].run);
	}
	for (size_t i = 0; i < s->files_len; i++) {
		file_reader_close(&s->files[i]);
		file_runs_release(&s->runs[i]);
	}
	for (size_t i = 0; s->paths && s->paths[i]; i++)
		free(s->paths[i]);
	for (int i = 0; i < SEG_SOURCES; i++)
		seg_decoder_free(s->decoders[i]);
	free(s->files);
	free(s->runs);
	free(s->paths);
	free(s->cursors);
	free(s->heap);
	free(s);
}

uint64_t seg_file_source_records(const struct seg_file_source *s)
{
	return s->records;
}

/* Next -------------------------------------------------------------------------------------------------------------------- */

static enum seg_refusal decode_line(struct seg_file_source *s, enum seg_source source, struct seg_str raw)
{
	enum seg_refusal r = SEG_REFUSED_TOO_LARGE;
	json_t *object = raw.len <= SEG_DECODE_MAX_BYTES ? seg_json_parse(raw, &r) : NULL;
	const char *name = json_string_value(json_object_get(object, "source"));

	seg_event_reset(&s->event, source);
	if (!object || !name || strcmp(name, seg_source_names[source]) != 0) {
		r = object ? SEG_REFUSED_BAD_JSON : r;
		seg_refused_say(&s->why, r, object ? "source" : "", NULL);
	} else {
		r = seg_decoder_json(s->decoders[source], object, &s->event, &s->why);
	}
	json_decref(object);
	return r;
}

enum seg_rc seg_file_source_next(struct seg_file_source *s, struct seg_file_record *ret, struct seg_error *err)
{
	if (s->handed_out) {
		enum seg_rc rc = advance(s->heap[0], err);

		if (rc == SEG_NOT_FOUND)
			s->heap[0] = s->heap[--s->heap_len];
		else if (rc != SEG_OK)
			return rc;
		sift_down(s, 0);
		s->handed_out = false;
	}
	if (s->heap_len == 0)
		return seg_error_set(err, SEG_NOT_FOUND, "end of the files");
	const struct cursor *c = s->heap[0];
	const struct file_item *item = item_of(c);
	const struct seg_buf *raw = c->file ? &c->file->raw : &c->run.raw;
	struct seg_str bytes = {(const char *)raw->data, (uint32_t)raw->len};
	enum seg_refusal r = s->files[item->file].lines
				     ? decode_line(s, item->source, bytes)
				     : seg_decoder_decode(s->decoders[item->source], bytes, &s->event, &s->why);

	s->handed_out = true;
	*ret = (struct seg_file_record){.source = item->source,
					.file = item->file,
					.position = item->position,
					.time_ms = item->time_ms,
					.raw = bytes,
					.event = r == SEG_REFUSED_NOT ? &s->event : NULL,
					.refusal = r,
					.why = r == SEG_REFUSED_NOT ? NULL : &s->why};
	return SEG_OK;
}
