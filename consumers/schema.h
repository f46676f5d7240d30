/*
 * Avro schemas: JSON text to a checked graph of nodes.
 *
 * What is checked before a schema may be used: size of the text (256 KiB), nesting (64), names and their syntax, each
 * name defined once and known where used, no doubled fields or symbols, `fixed` sizes of 1 byte to 1 MiB, no union
 * directly in a union and no type twice in one. Defaults are checked when a program needs them (consumers/program.h).
 *
 * A schema is immutable after parsing: any thread may read it. The graph has cycles where a record names itself.
 */
#ifndef SEG_CONSUMERS_SCHEMA_H
#define SEG_CONSUMERS_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
	SEG_SCHEMA_MAX_TEXT = 256 * 1024,
	SEG_SCHEMA_MAX_DEPTH = 64,
	SEG_SCHEMA_MAX_FIXED = 1024 * 1024,
	SEG_SCHEMA_MAX_NODES = 16384,
};

enum seg_avro_type {
	SEG_AVRO_NULL,
	SEG_AVRO_BOOLEAN,
	SEG_AVRO_INT,
	SEG_AVRO_LONG,
	SEG_AVRO_FLOAT,
	SEG_AVRO_DOUBLE,
	SEG_AVRO_BYTES,
	SEG_AVRO_STRING,
	SEG_AVRO_RECORD,
	SEG_AVRO_ENUM,
	SEG_AVRO_FIXED,
	SEG_AVRO_ARRAY,
	SEG_AVRO_MAP,
	SEG_AVRO_UNION,
	SEG_AVRO_TYPES
};

/* "null", "boolean", … as schemas write them. */
extern const char *const seg_avro_type_names[SEG_AVRO_TYPES];

enum seg_logical { SEG_LOGICAL_NONE, SEG_LOGICAL_MILLIS, SEG_LOGICAL_MICROS, SEG_LOGICAL_DATE };

struct seg_schema_node;

struct seg_schema_field {
	const char *name;
	const char **aliases;
	uint32_t aliases_len;
	struct seg_schema_node *type;
	const json_t *value; /* default; NULL: none */
};

struct seg_schema_node {
	enum seg_avro_type type;
	enum seg_logical logical;
	uint32_t index;	      /* of this node in its schema */
	uint32_t references;  /* places that use it; more than 1 only for named types */
	const char *name;     /* full name of record, enum, fixed; else NULL */
	const char **aliases; /* full names */
	uint32_t aliases_len;
	struct seg_schema_field *fields; /* record */
	struct seg_schema_node **parts;	 /* branches of a union; the one item type of an array or map */
	const char **symbols;		 /* enum */
	uint32_t len;			 /* fields, parts or symbols */
	int32_t symbol_default;		 /* enum: index, -1: none */
	uint32_t size;			 /* fixed, bytes */
};

struct seg_schema {
	const struct seg_schema_node *root;
	uint32_t nodes;
	uint64_t fingerprint; /* CRC-64-AVRO of the parsing canonical form */
};

/* Copies what it needs of text. SEG_INVALID with what is wrong, or SEG_NO_MEMORY. Free with seg_schema_free(). */
SEG_MUST_CHECK enum seg_rc seg_schema_parse(const char *text, size_t len, struct seg_schema **ret,
					    struct seg_error *err);
void seg_schema_free(struct seg_schema *s);

/* The part of a full name behind the last dot. */
const char *seg_schema_short_name(const char *full);

#endif
