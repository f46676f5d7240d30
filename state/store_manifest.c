/*
 * A look at the MANIFEST before RocksDB gets it. RocksDB takes a record that is longer than what is left of the file for
 * one that a crash cut short, and goes on without it and all that follow. After a crash that is right; when the length
 * alone is damaged it would open the store as of some moment before, with logs of a later one: profiles would be missing
 * without a word. The two can be told apart: of a damaged length another one makes the checksum right.
 *
 * Format (RocksDB's log_format.h): blocks of 32 KiB of records; a record is a masked CRC-32C of type and content, the
 * content's length (2 bytes), type, content; at most 6 bytes are left at a block's end.
 */
#include <stdio.h>
#include <string.h>

#include "state/store_internal.h"

enum { PATH_BYTES = 4096, BLOCK = 32 * 1024, HEADER = 7, AT_LENGTH = 4, AT_TYPE = 6 };

struct crc_table {
	uint32_t of[256];
};

static void crc_init(struct crc_table *t)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int k = 0; k < 8; k++)
			c = c >> 1 ^ (c & 1 ? UINT32_C(0x82f63b78) : 0); /* Castagnoli */
		t->of[i] = c;
	}
}

static uint32_t masked(uint32_t state)
{
	uint32_t crc = ~state;

	return (crc >> 15 | crc << 17) + UINT32_C(0xa282ead8);
}

/* The record would be right with another length. */
static bool fits_otherwise(const struct crc_table *t, const uint8_t *record, size_t len)
{
	uint32_t want =
		(uint32_t)record[0] | (uint32_t)record[1] << 8 | (uint32_t)record[2] << 16 | (uint32_t)record[3] << 24;
	uint32_t state = UINT32_MAX;

	for (size_t i = AT_TYPE; i < len; i++) {
		state = state >> 8 ^ t->of[(state ^ record[i]) & 0xff];
		if (masked(state) == want)
			return true;
	}
	return false;
}

/* The offset of the record in the block whose length is damaged, or -1. What fits RocksDB checks. */
static long damaged_in_block(const struct crc_table *t, const uint8_t *block, size_t len)
{
	for (size_t at = 0; at + HEADER <= len;) {
		size_t content = (size_t)block[at + AT_LENGTH] | (size_t)block[at + AT_LENGTH + 1] << 8;

		if (at + HEADER + content > len)
			return fits_otherwise(t, block + at, len - at) ? (long)at : -1;
		at += HEADER + content;
	}
	return -1;
}

static enum seg_rc check_file(const char *dir, const char *path, FILE *f, struct seg_error *err)
{
	struct crc_table table;
	uint8_t block[BLOCK];
	long from = 0;

	crc_init(&table);
	for (size_t n = fread(block, 1, BLOCK, f); n > 0; n = fread(block, 1, BLOCK, f)) {
		long at = damaged_in_block(&table, block, n);

		if (at >= 0)
			return seg_error_set(
				err, SEG_CORRUPT,
				"store %s cannot be right and must be rebuilt: Corruption: %s: the length of "
				"the record at %ld is wrong",
				dir, path, from + at);
		from += (long)n;
	}
	return SEG_OK;
}

enum seg_rc seg_store_check_manifest(const char *dir, struct seg_error *err)
{
	char path[PATH_BYTES], name[64] = "";
	FILE *f;
	enum seg_rc rc;

	snprintf(path, sizeof path, "%s/CURRENT", dir);
	if (!(f = fopen(path, "re")))
		return SEG_OK; /* a new store, or RocksDB says what is wrong */
	if (!fgets(name, sizeof name, f))
		name[0] = '\0';
	fclose(f);
	name[strcspn(name, "\n")] = '\0';
	if (strncmp(name, "MANIFEST-", 9) != 0 || strchr(name, '/'))
		return SEG_OK;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	if (!(f = fopen(path, "re")))
		return SEG_OK;
	rc = check_file(dir, name, f, err);
	fclose(f);
	return rc;
}
