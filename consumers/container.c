#include "consumers/container.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "consumers/schema.h"

enum { SYNC = 16, MAX_ENTRIES = 1000, MAX_KEY = 1024, MAX_META = 1 << 20, MAX_BLOCK = 64 << 20, BUFFER = 256 << 10 };

struct seg_avro_file {
	FILE *file;
	char *path, *schema, *buffer;
	bool deflate;
	uint32_t schema_len;
	uint8_t sync[SYNC];
	long long first_block;
	uint8_t *packed, *block;
	size_t packed_cap, block_cap;
};

static enum seg_rc broken(const struct seg_avro_file *c, enum seg_rc rc, const char *what, struct seg_error *err)
{
	return seg_error_set(err, rc, "%s: near byte %lld: %s", c->path, (long long)ftello(c->file), what);
}

static bool get_long(FILE *f, int64_t *ret)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 70; shift += 7) {
		int byte = getc_unlocked(f);

		if (byte == EOF || (shift == 63 && byte > 1))
			return false;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
			return true;
		}
	}
	return false;
}

/* A string or bytes of at most max bytes, NUL-terminated; caller frees. */
static char *get_bytes(FILE *f, size_t max, uint32_t *ret_len)
{
	int64_t len;

	if (!get_long(f, &len) || len < 0 || (uint64_t)len > max)
		return NULL;
	char *p = malloc((size_t)len + 1);

	if (p && fread(p, 1, (size_t)len, f) != (size_t)len) {
		free(p);
		return NULL;
	}
	if (p) {
		p[len] = '\0';
		*ret_len = (uint32_t)len;
	}
	return p;
}

static enum seg_rc take_meta(struct seg_avro_file *c, const char *key, char **value, uint32_t len,
			     struct seg_error *err)
{
	if (strcmp(key, "avro.schema") == 0 && !c->schema) {
		c->schema = *value;
		c->schema_len = len;
		*value = NULL;
	} else if (strcmp(key, "avro.codec") == 0) {
		c->deflate = strcmp(*value, "deflate") == 0;
		if (!c->deflate && strcmp(*value, "null") != 0)
			return seg_error_set(
				err, SEG_INVALID,
				"%s: codec %.20s cannot be read: write the file with codec null or deflate", c->path,
				*value);
	}
	return SEG_OK;
}

static enum seg_rc read_entry(struct seg_avro_file *c, struct seg_error *err)
{
	uint32_t key_len, len = 0;
	char *key = get_bytes(c->file, MAX_KEY, &key_len);
	char *value = key ? get_bytes(c->file, MAX_META, &len) : NULL;
	enum seg_rc rc =
		value ? take_meta(c, key, &value, len, err) : broken(c, SEG_INVALID, "the header is broken", err);

	free(key);
	free(value);
	return rc;
}

static enum seg_rc read_header(struct seg_avro_file *c, struct seg_error *err)
{
	char magic[4];
	int64_t count = 1, size;
	int entries = 0;

	if (fread(magic, 1, 4, c->file) != 4 || memcmp(magic, "Obj\x01", 4) != 0)
		return seg_error_set(err, SEG_INVALID,
				     "%s: not an Avro container file (and its name does not end in .jsonl)", c->path);
	while (count != 0) {
		if (!get_long(c->file, &count) || (count < 0 && !get_long(c->file, &size)))
			return broken(c, SEG_INVALID, "the header is broken", err);
		count = count == INT64_MIN ? INT64_MAX : count < 0 ? -count : count;
		for (int64_t i = 0; i < count; i++) {
			if (++entries > MAX_ENTRIES)
				return broken(c, SEG_INVALID, "the header has too many entries", err);
			enum seg_rc rc = read_entry(c, err);

			if (rc != SEG_OK)
				return rc;
		}
	}
	if (fread(c->sync, 1, SYNC, c->file) != SYNC || !c->schema)
		return broken(c, SEG_INVALID, "the header has no schema or no sync marker", err);
	c->first_block = ftello(c->file);
	return SEG_OK;
}

enum seg_rc seg_avro_file_open(const char *path, struct seg_avro_file **ret, struct seg_error *err)
{
	struct seg_avro_file *c = calloc(1, sizeof(*c));
	enum seg_rc rc = SEG_OK;

	if (c) {
		c->path = strdup(path);
		c->buffer = malloc(BUFFER);
	}
	if (!c || !c->path || !c->buffer) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "%s: out of memory", path);
		goto out;
	}
	c->file = fopen(path, "rb");
	if (!c->file) {
		rc = seg_error_set(err, SEG_IO, "%s: %s", path, strerror(errno));
		goto out;
	}
	setvbuf(c->file, c->buffer, _IOFBF, BUFFER);
	rc = read_header(c, err);
out:
	if (rc == SEG_OK)
		*ret = c;
	else
		seg_avro_file_close(c);
	return rc;
}

void seg_avro_file_close(struct seg_avro_file *c)
{
	if (!c)
		return;
	if (c->file)
		fclose(c->file);
	free(c->path);
	free(c->schema);
	free(c->buffer);
	free(c->packed);
	free(c->block);
	free(c);
}

struct seg_str seg_avro_file_schema(const struct seg_avro_file *c)
{
	return (struct seg_str){c->schema, c->schema_len};
}

enum seg_rc seg_avro_file_rewind(struct seg_avro_file *c, struct seg_error *err)
{
	if (fseeko(c->file, c->first_block, SEEK_SET) != 0)
		return seg_error_set(err, SEG_IO, "%s: %s", c->path, strerror(errno));
	return SEG_OK;
}

static bool room(uint8_t **p, size_t *cap, size_t need)
{
	if (need <= *cap)
		return true;
	uint8_t *grown = realloc(*p, need);

	if (grown) {
		*p = grown;
		*cap = need;
	}
	return grown != NULL;
}

/* Raw deflate (RFC 1951), as the specification has it. The size is not known before. */
static enum seg_rc unpack(struct seg_avro_file *c, size_t size, size_t *ret_len, struct seg_error *err)
{
	z_stream z = {.next_in = c->packed, .avail_in = (uInt)size};
	int status = inflateInit2(&z, -MAX_WBITS);
	bool memory = status != Z_MEM_ERROR;

	while (status == Z_OK && memory) {
		if (z.total_out == c->block_cap) {
			size_t cap = c->block_cap ? c->block_cap * 2 : 4 * size + 4096;

			if (c->block_cap >= MAX_BLOCK)
				break;
			memory = room(&c->block, &c->block_cap, cap < MAX_BLOCK ? cap : MAX_BLOCK);
			continue;
		}
		z.next_out = c->block + z.total_out;
		z.avail_out = (uInt)(c->block_cap - z.total_out);
		status = inflate(&z, Z_NO_FLUSH);
	}
	*ret_len = z.total_out;
	inflateEnd(&z);
	if (!memory)
		return seg_error_set(err, SEG_NO_MEMORY, "%s: out of memory for a block", c->path);
	return status == Z_STREAM_END ? SEG_OK : broken(c, SEG_CORRUPT, "a block cannot be decompressed", err);
}

enum seg_rc seg_avro_file_block(struct seg_avro_file *c, struct seg_str *ret, uint64_t *ret_records,
				struct seg_error *err)
{
	int64_t records, size;
	uint8_t sync[SYNC];
	int first = getc_unlocked(c->file);

	if (first == EOF)
		return ferror(c->file) ? broken(c, SEG_IO, "cannot be read", err)
				       : seg_error_set(err, SEG_NOT_FOUND, "%s: end of the file", c->path);
	ungetc(first, c->file);
	if (!get_long(c->file, &records) || !get_long(c->file, &size) || records < 0 || size < 0 || size > MAX_BLOCK)
		return broken(c, SEG_CORRUPT, "a block's head cannot be right", err);
	if (!room(&c->packed, &c->packed_cap, (size_t)size + 1))
		return seg_error_set(err, SEG_NO_MEMORY, "%s: out of memory for a block", c->path);
	if (fread(c->packed, 1, (size_t)size, c->file) != (size_t)size || fread(sync, 1, SYNC, c->file) != SYNC)
		return broken(c, SEG_CORRUPT, "the file ends within a block: it was not closed, or cut short", err);
	if (memcmp(sync, c->sync, SYNC) != 0)
		return broken(c, SEG_CORRUPT, "a block does not end with the file's sync marker", err);
	size_t len = (size_t)size;
	enum seg_rc rc = c->deflate ? unpack(c, len, &len, err) : SEG_OK;

	if (rc != SEG_OK)
		return rc;
	*ret = (struct seg_str){(const char *)(c->deflate ? c->block : c->packed), (uint32_t)len};
	*ret_records = (uint64_t)records;
	return SEG_OK;
}
