/*
 * A writer schema compiled into a flat list of steps that walks a record's bytes once.
 *
 * Two compilers make programs for one machine (program_run.c), which checks every bound:
 * - an event program stores what struct seg_event has, found under our field names, their aliases, or where the mapping
 *   says, and skips the rest;
 * - a generic program resolves the writer's schema against any reader's schema by Avro's rules and writes the value as JSON:
 *   tests compare it with other implementations.
 * Event programs are more lenient than Avro's rules where that harms nobody: a null where the reader wants a value is an
 * absent value (and refused later if it is required), ids may be numbers, kinds strings, times RFC 3339 text, and the
 * record's name does not matter.
 *
 * A program is immutable after compiling and refers to no schema any more: any thread may run it, each with its own run.
 */
#ifndef SEG_CONSUMERS_PROGRAM_H
#define SEG_CONSUMERS_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/event.h"
#include "base/reasons.h"
#include "consumers/decoder.h"
#include "consumers/schema.h"

enum {
	SEG_PROGRAM_ITEMS = 10000,    /* items of all arrays and maps of a record */
	SEG_PROGRAM_DEPTH = 64,	      /* arrays, maps and named types within each other */
	SEG_PROGRAM_STEPS = 4000000,  /* executed for one record */
	SEG_PROGRAM_LENGTH = 1 << 18, /* steps of a program */
	SEG_PROGRAM_SCRATCH = 640     /* bytes for numbers that become text: 20 for each id */
};

struct seg_program;

/* SEG_SKIP: the writer's schema cannot be read as this source's events (err says why). SEG_NO_MEMORY, SEG_LIMIT. */
SEG_MUST_CHECK enum seg_rc seg_program_event(const struct seg_schema *writer, const struct seg_schema *reader,
					     enum seg_source source, const struct seg_mapped *mapping,
					     size_t mapping_len, struct seg_program **ret, struct seg_error *err);

SEG_MUST_CHECK enum seg_rc seg_program_generic(const struct seg_schema *writer, const struct seg_schema *reader,
					       struct seg_program **ret, struct seg_error *err);

void seg_program_free(struct seg_program *p);

enum seg_entry {
	SEG_ENTRY_FULL,
	SEG_ENTRY_TIME, /* event programs: only the event time is stored */
	SEG_ENTRY_SKIP	/* nothing is: where does the record end? */
};
enum { SEG_ENTRIES = 3 };

struct seg_run {
	/* in */
	const void *data;
	size_t len;
	bool prefix;		 /* more may follow the record */
	struct seg_event *event; /* event programs: reset by the caller */
	struct seg_buf *json;	 /* generic programs: appended to */
	/* out */
	size_t used;	   /* bytes of the record */
	const char *where; /* refused: the writer's field; owned by the program */
	/* text of numeric ids, as long as this run is not run again */
	uint32_t scratch_len;
	char scratch[SEG_PROGRAM_SCRATCH];
};

enum seg_refusal seg_program_run(const struct seg_program *p, enum seg_entry entry, struct seg_run *run);

/* Valid UTF-8 (no surrogates, nothing overlong). */
bool seg_utf8_valid(const char *s, size_t len);

#endif
