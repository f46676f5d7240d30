/* The parts of the file source: one file read in its own order, one run of the sort. */
#ifndef SEG_CONSUMERS_FILE_INTERNAL_H
#define SEG_CONSUMERS_FILE_INTERNAL_H

#include <stdio.h>

#include "base/buf.h"
#include "consumers/container.h"
#include "consumers/decoder_internal.h"
#include "consumers/file_source.h"

/* A record in the order of things; `raw` is the holder's. */
struct file_item {
	int64_t time_ms;
	enum seg_source source;
	uint32_t file;
	int64_t position;
};

/* Less than 0, 0, more than 0. */
int seg_file_item_compare(const struct file_item *a, const struct file_item *b);

/* One file in its own order (file_reader.c). */
struct file_reader {
	const char *path;
	uint32_t file;
	bool lines;
	struct seg_decoder *const *decoders; /* by source */
	const bool *read;
	struct file_item item;
	struct seg_buf raw; /* of the item */
	/* container */
	struct seg_avro_file *container;
	struct seg_writer *writer;
	struct seg_str block;
	uint64_t block_records;
	/* lines */
	FILE *text;
	uint64_t line;
};

SEG_MUST_CHECK enum seg_rc file_reader_open(struct file_reader *r, struct seg_error *err);
SEG_MUST_CHECK enum seg_rc file_reader_next(struct file_reader *r, struct seg_error *err);
SEG_MUST_CHECK enum seg_rc file_reader_rewind(struct file_reader *r, struct seg_error *err);
void file_reader_close(struct file_reader *r);

/* Sorted runs of a file that is not sorted, one behind the other in an unlinked temporary file (file_sort.c). */
struct file_runs {
	FILE *file;
	struct file_run {
		int64_t at, end;
	} * items;
	size_t len, cap;
};

/* Reads r to its end. */
SEG_MUST_CHECK enum seg_rc file_runs_make(struct file_runs *runs, struct file_reader *r, size_t sort_bytes,
					  struct seg_error *err);
void file_runs_release(struct file_runs *runs);

/* Reads a run, each with its own buffer. */
struct run_reader {
	int fd;
	int64_t at, end;
	uint8_t *buffer;
	size_t used, filled;
	struct file_item item;
	struct seg_buf raw;
};

SEG_MUST_CHECK enum seg_rc run_reader_open(struct run_reader *r, const struct file_runs *runs, size_t run,
					   uint32_t file, struct seg_error *err);
SEG_MUST_CHECK enum seg_rc run_reader_next(struct run_reader *r, struct seg_error *err);
void run_reader_close(struct run_reader *r);

#endif
