/*
 * Writes the fields of one record, in the schema's order, as Avro binary or as JSON: so that each output is described
 * once, in encode.c, for both. Internal to producers/.
 *
 * The first thing that goes wrong is kept in `bad` (a field's name) or in the buffer's `failed`; writing goes on and is
 * thrown away by the caller. One thread; nothing is kept of what is passed in.
 */
#ifndef SEG_PRODUCERS_FIELD_WRITER_H
#define SEG_PRODUCERS_FIELD_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct seg_fields {
	struct seg_buf *to;
	bool json;
	bool first;	       /* JSON: no comma before the next member */
	const char *bad, *why; /* first field that cannot be written, and why; NULL: none */
};

static inline struct seg_fields seg_fields_to(struct seg_buf *to, bool json)
{
	return (struct seg_fields){.to = to, .json = json, .first = true, .bad = NULL, .why = NULL};
}

/* Fields of records. A name of NULL in arrays: an item. A NULL string is `bad` where the schema has no null. */
void seg_field_string(struct seg_fields *f, const char *name, struct seg_str v);
void seg_field_opt_string(struct seg_fields *f, const char *name, struct seg_str v);
void seg_field_long(struct seg_fields *f, const char *name, int64_t v);	  /* int and long */
void seg_field_ulong(struct seg_fields *f, const char *name, uint64_t v); /* `bad` past INT64_MAX */
void seg_field_opt_long(struct seg_fields *f, const char *name, bool present, int64_t v);
void seg_field_double(struct seg_fields *f, const char *name, double v);
void seg_field_opt_double(struct seg_fields *f, const char *name, double v); /* NAN: null */
void seg_field_bytes(struct seg_fields *f, const char *name, const void *v, size_t len);
void seg_field_opt_bytes(struct seg_fields *f, const char *name, struct seg_str v);
void seg_field_enum(struct seg_fields *f, const char *name, unsigned v, const char *const *symbols, size_t len);

/* Text from outside that must not stop a record: what is not UTF-8 becomes U+FFFD. NULL: `bad`. */
void seg_field_lossy_string(struct seg_fields *f, const char *name, const char *v);

/* Whether the union ["null", T] holds a value; if so, it follows. JSON: null is written with its name. */
bool seg_field_branch(struct seg_fields *f, const char *name, bool present);

/* A record: braces in JSON, nothing in Avro. After a branch the name is the union's. */
void seg_field_record_begin(struct seg_fields *f, const char *name);
void seg_field_record_end(struct seg_fields *f);

/* Arrays and maps of a known length, in one block. Map: seg_field_key() before each value, whose name is NULL. */
void seg_field_array_begin(struct seg_fields *f, const char *name, size_t len);
void seg_field_array_end(struct seg_fields *f);
void seg_field_map_begin(struct seg_fields *f, const char *name, size_t len);
void seg_field_key(struct seg_fields *f, const char *key); /* as a lossy string */
void seg_field_map_end(struct seg_fields *f);

#endif
