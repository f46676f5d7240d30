/*
 * Avro's Parsing Canonical Form and its CRC-64-AVRO fingerprint (Avro 1.11 specification, "Schema Fingerprints"), which
 * name the writer schema in single-object encoding. Pure functions, any thread.
 */
#ifndef SEG_BASE_AVRO_FINGERPRINT_H
#define SEG_BASE_AVRO_FINGERPRINT_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

enum {
	SEG_AVRO_SCHEMA_DEPTH = 64,	 /* deeper schemas are refused */
	SEG_AVRO_SCHEMA_BYTES = 1 << 20, /* larger canonical forms too */
	SEG_SINGLE_OBJECT_HEADER = 10	 /* C3 01 and the fingerprint, little endian */
};

/* CRC-64-AVRO of any bytes. */
uint64_t seg_avro_crc64(const void *data, size_t len);

/*
 * The canonical form of a schema's JSON text: full names, only the fields that matter for parsing, in the prescribed
 * order, no white space. *ret is NUL-terminated; caller frees with free(). SEG_INVALID: not a schema; SEG_LIMIT: too
 * deep or too large.
 */
SEG_MUST_CHECK enum seg_rc seg_avro_canonical(const char *json, size_t len, char **ret, struct seg_error *err);

/* The fingerprint of the canonical form. */
SEG_MUST_CHECK enum seg_rc seg_avro_fingerprint(const char *json, size_t len, uint64_t *ret, struct seg_error *err);

/* C3 01 and the fingerprint in little endian, into 10 bytes. */
void seg_single_object_header(uint64_t fingerprint, uint8_t ret[SEG_SINGLE_OBJECT_HEADER]);

#endif
