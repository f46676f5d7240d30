/*
 * Replay's inputs: any number of Avro container files and JSON-lines files as one stream in the order of (event time;
 * web, email, orders, profiles; file; position).
 *
 * Container files may be written with codec null or deflate, by any schema: its source is that of the shipped schema with
 * the same record name, else the one source that it can be read as (with the mappings). A line of a .jsonl file is
 * {"source": "orders", ...fields by name}. Files that are sorted by time are streamed, a block each in memory. One that is
 * not is sorted first, in runs of sort_bytes that go through an unlinked temporary file.
 *
 * A record whose time cannot be read takes the time of its predecessor in its file.
 * Lifecycle: open, next until SEG_NOT_FOUND, close. Threads: one.
 */
#ifndef SEG_CONSUMERS_FILE_SOURCE_H
#define SEG_CONSUMERS_FILE_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event.h"
#include "base/reasons.h"
#include "base/str.h"
#include "consumers/decoder.h"

struct seg_file_source_options {
	const char *const *paths; /* *.jsonl, *.json or *.ndjson: JSON lines; anything else: a container file */
	size_t paths_len;
	struct seg_decoder_options sources[SEG_SOURCES]; /* mapping and schemas_dir; source and format are ignored */
	bool read[SEG_SOURCES];				 /* false: records of this source are an error */
	size_t sort_bytes;				 /* memory of a run; 0: 64 MiB */
};

struct seg_file_record {
	enum seg_source source;
	uint32_t file;		 /* index in paths */
	int64_t position;	 /* of the record in its file, from 0: the "offset" */
	int64_t time_ms;	 /* its place in the order; SEG_NO_TIME: before all, no time was seen yet */
	struct seg_str raw;	 /* single-object bytes, or the line */
	struct seg_event *event; /* NULL when refused */
	enum seg_refusal refusal;
	const struct seg_refused *why; /* NULL unless refused */
};

struct seg_file_source;

/*
 * Opens all files and looks through each once, to know whether it is sorted. SEG_INVALID: a file that cannot be what it
 * should be (with its name and what to do); SEG_IO; SEG_CORRUPT: a block of a container file is broken.
 */
SEG_MUST_CHECK enum seg_rc seg_file_source_open(const struct seg_file_source_options *options,
						struct seg_file_source **ret, struct seg_error *err);
void seg_file_source_close(struct seg_file_source *s);

/* Everything in *ret is valid until the next call. SEG_NOT_FOUND: the end. */
SEG_MUST_CHECK enum seg_rc seg_file_source_next(struct seg_file_source *s, struct seg_file_record *ret,
						struct seg_error *err);

/* Records in all files, known after open: for progress. */
uint64_t seg_file_source_records(const struct seg_file_source *s);

#endif
