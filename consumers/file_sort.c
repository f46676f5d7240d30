/* An external sort: runs of at most sort_bytes are sorted in memory and written, the merge is the file source's. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "consumers/file_internal.h"

enum { RUN_BUFFER = 64 << 10, MAX_RAW = 64 << 20 };

/* As written before each record's bytes. */
struct run_head {
	struct file_item item;
	uint32_t len;
};

struct entry {
	struct file_item item;
	size_t at;
	uint32_t len;
};

struct sorter {
	struct file_runs *runs;
	struct entry *entries;
	size_t len, cap, max_bytes;
	struct seg_buf bytes;
	struct seg_error *err;
	const char *path;
};

static int compare(const void *a, const void *b)
{
	return seg_file_item_compare(&((const struct entry *)a)->item, &((const struct entry *)b)->item);
}

static enum seg_rc io(const struct sorter *s)
{
	return seg_error_set(s->err, SEG_IO, "%s: not sorted by time, and sorting it in a temporary file failed: %s",
			     s->path, strerror(errno));
}

static enum seg_rc no_memory(const struct sorter *s)
{
	return seg_error_set(s->err, SEG_NO_MEMORY, "%s: out of memory for sorting it", s->path);
}

static enum seg_rc flush(struct sorter *s)
{
	struct file_runs *runs = s->runs;

	if (s->len == 0)
		return SEG_OK;
	if (runs->len == runs->cap) {
		size_t cap = runs->cap ? runs->cap * 2 : 16;
		struct file_run *grown = realloc(runs->items, cap * sizeof(*grown));

		if (!grown)
			return no_memory(s);
		runs->items = grown;
		runs->cap = cap;
	}
	struct file_run run = {.at = ftello(runs->file)};

	qsort(s->entries, s->len, sizeof(*s->entries), compare);
	for (size_t i = 0; i < s->len; i++) {
		const struct entry *e = &s->entries[i];
		struct run_head head;

		memset(&head, 0, sizeof(head));
		head.item = e->item;
		head.len = e->len;
		if (fwrite(&head, sizeof(head), 1, runs->file) != 1 ||
		    fwrite(s->bytes.data + e->at, 1, e->len, runs->file) != e->len)
			return io(s);
	}
	run.end = ftello(runs->file);
	runs->items[runs->len++] = run;
	s->len = 0;
	seg_buf_clear(&s->bytes);
	return SEG_OK;
}

static enum seg_rc add(struct sorter *s, const struct file_reader *r)
{
	if (s->len == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 1024;
		struct entry *grown = realloc(s->entries, cap * sizeof(*grown));

		if (!grown)
			return no_memory(s);
		s->entries = grown;
		s->cap = cap;
	}
	s->entries[s->len++] = (struct entry){r->item, s->bytes.len, (uint32_t)r->raw.len};
	seg_buf_append(&s->bytes, r->raw.data, r->raw.len);
	if (s->bytes.failed)
		return no_memory(s);
	return s->bytes.len + s->len * sizeof(struct entry) >= s->max_bytes ? flush(s) : SEG_OK;
}

enum seg_rc file_runs_make(struct file_runs *runs, struct file_reader *r, size_t sort_bytes, struct seg_error *err)
{
	struct sorter s = {.runs = runs, .max_bytes = sort_bytes, .err = err, .path = r->path};
	enum seg_rc rc = SEG_OK;

	seg_buf_init(&s.bytes, sort_bytes + MAX_RAW);
	runs->file = tmpfile();
	if (!runs->file)
		rc = io(&s);
	while (rc == SEG_OK) {
		rc = file_reader_next(r, err);
		if (rc == SEG_OK)
			rc = add(&s, r);
	}
	if (rc == SEG_NOT_FOUND)
		rc = flush(&s);
	if (rc == SEG_OK && fflush(runs->file) != 0)
		rc = io(&s);
	free(s.entries);
	seg_buf_release(&s.bytes);
	return rc;
}

void file_runs_release(struct file_runs *runs)
{
	if (runs->file)
		fclose(runs->file);
	free(runs->items);
	*runs = (struct file_runs){NULL, NULL, 0, 0};
}

enum seg_rc run_reader_open(struct run_reader *r, const struct file_runs *runs, size_t run, uint32_t file,
			    struct seg_error *err)
{
	*r = (struct run_reader){.fd = fileno(runs->file), .at = runs->items[run].at, .end = runs->items[run].end};
	r->item.file = file;
	seg_buf_init(&r->raw, MAX_RAW);
	r->buffer = malloc(RUN_BUFFER);
	return r->buffer ? SEG_OK : seg_error_set(err, SEG_NO_MEMORY, "out of memory for sorting");
}

void run_reader_close(struct run_reader *r)
{
	free(r->buffer);
	seg_buf_release(&r->raw);
}

static bool fill(struct run_reader *r)
{
	int64_t left = r->end - r->at;
	ssize_t n = pread(r->fd, r->buffer, left < RUN_BUFFER ? (size_t)left : RUN_BUFFER, r->at);

	if (n <= 0)
		return false;
	r->at += n;
	r->filled = (size_t)n;
	r->used = 0;
	return true;
}

static bool get(struct run_reader *r, size_t len, struct seg_buf *to)
{
	while (len) {
		if (r->used == r->filled && !fill(r))
			return false;
		size_t n = r->filled - r->used < len ? r->filled - r->used : len;

		seg_buf_append(to, r->buffer + r->used, n);
		r->used += n;
		len -= n;
	}
	return !to->failed;
}

enum seg_rc run_reader_next(struct run_reader *r, struct seg_error *err)
{
	struct run_head head;

	if (r->at == r->end && r->used == r->filled)
		return seg_error_set(err, SEG_NOT_FOUND, "end of a run");
	seg_buf_clear(&r->raw);
	if (!get(r, sizeof(head), &r->raw))
		return seg_error_set(err, SEG_IO, "the temporary file of a sort cannot be read: %s", strerror(errno));
	memcpy(&head, r->raw.data, sizeof(head));
	seg_buf_clear(&r->raw);
	if (!get(r, head.len, &r->raw))
		return seg_error_set(err, SEG_IO, "the temporary file of a sort cannot be read: %s", strerror(errno));
	r->item = head.item;
	return SEG_OK;
}
