#include <avro.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/schemas.h"
#include "producers/encode_fields.h"

/*
 * Avro-C keeps a block in one buffer of fixed size and refuses a record that is larger. So the buffer has the size of the
 * largest record (memory that is not touched is not used), and a block ends when BLOCK_BYTES are in it.
 */
enum { RECORD_BYTES = 1 << 24, BLOCK_BYTES = 1 << 16 };

struct seg_container {
	FILE *file;
	avro_file_writer_t writer;
	avro_schema_t schema;
	enum seg_output output;
	struct seg_buf body;
	size_t in_block;
	char path[];
};

static enum seg_rc io_error(const struct seg_container *c, struct seg_error *err)
{
	return seg_error_set(err, SEG_IO, "%s cannot be written: %s", c->path,
			     errno ? strerror(errno) : avro_strerror());
}

static void release(struct seg_container *c)
{
	if (c->schema)
		avro_schema_decref(c->schema);
	seg_buf_release(&c->body);
	free(c);
}

static enum seg_rc start(struct seg_container *c, const char *schema, struct seg_error *err)
{
	const char *text = seg_schema_text(schema);

	if (!text || avro_schema_from_json_length(text, strlen(text), &c->schema))
		return seg_error_set(err, SEG_INVALID, "schema %s: %s", schema,
				     text ? avro_strerror() : "there is none");
	errno = 0;
	c->file = fopen(c->path, "wbx");
	if (!c->file)
		return io_error(c, err);
	if (avro_file_writer_create_with_codec_fp(c->file, c->path, 0, c->schema, &c->writer, "null", RECORD_BYTES)) {
		io_error(c, err);
		fclose(c->file);
		remove(c->path);
		return SEG_IO;
	}
	return SEG_OK;
}

static enum seg_rc open_container(const char *path, enum seg_output output, const char *schema,
				  struct seg_container **ret, struct seg_error *err)
{
	size_t size = strlen(path) + 1;
	struct seg_container *c = calloc(1, sizeof *c + size);
	enum seg_rc rc;

	if (!c)
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for %s", path);
	memcpy(c->path, path, size);
	c->output = output;
	seg_buf_init(&c->body, RECORD_BYTES);
	rc = start(c, schema, err);
	if (rc != SEG_OK) {
		release(c);
		return rc;
	}
	*ret = c;
	return SEG_OK;
}

enum seg_rc seg_container_open(const char *path, enum seg_output output, struct seg_container **ret,
			       struct seg_error *err)
{
	return open_container(path, output, seg_output_names[output], ret, err);
}

enum seg_rc seg_container_write_empty(const char *path, const char *schema, struct seg_error *err)
{
	struct seg_container *c = NULL;
	enum seg_rc rc = open_container(path, SEG_OUTPUTS, schema, &c, err);

	return rc ? rc : seg_container_close(c, err);
}

enum seg_rc seg_container_append(struct seg_container *c, const void *record, struct seg_error *err)
{
	enum seg_rc rc;

	seg_buf_clear(&c->body);
	rc = seg_encode_body(c->output, record, false, &c->body, err);
	if (rc != SEG_OK)
		return seg_error_wrap(err, rc, "%s", c->path);
	errno = 0;
	if (avro_file_writer_append_encoded(c->writer, c->body.data, (int64_t)c->body.len))
		return io_error(c, err);
	c->in_block += c->body.len;
	if (c->in_block < BLOCK_BYTES)
		return SEG_OK;
	c->in_block = 0;
	return avro_file_writer_sync(c->writer) || ferror(c->file) ? io_error(c, err) : SEG_OK;
}

/* Avro-C frees a writer only when its last block could be written: if not, that goes nowhere. */
static void drop_writer(struct seg_container *c)
{
	c->file = freopen("/dev/null", "wb", c->file);
	if (c->file) {
		avro_file_writer_close(c->writer);
		fclose(c->file);
	}
}

enum seg_rc seg_container_close(struct seg_container *c, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	if (!c)
		return SEG_OK;
	errno = 0;
	/* Avro-C does not look at fclose: the file is ours, so that a full disk is seen. */
	if (avro_file_writer_flush(c->writer) || fflush(c->file) || ferror(c->file)) {
		rc = io_error(c, err);
		drop_writer(c);
	} else {
		avro_file_writer_close(c->writer);
		if (fclose(c->file))
			rc = io_error(c, err);
	}
	release(c);
	return rc;
}
