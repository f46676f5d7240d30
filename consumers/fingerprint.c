/* Parsing canonical form and CRC-64-AVRO (Avro specification 1.11, "Schema Fingerprints"). */
#include <stdlib.h>

#include "consumers/schema.h"

#define EMPTY UINT64_C(0xc15d213aa4d7a795)

uint64_t seg_schema_crc64(const void *data, size_t len)
{
	const uint8_t *bytes = data;
	uint64_t fp = EMPTY;
	for (size_t i = 0; i < len; i++) {
		fp ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			fp = (fp >> 1) ^ (EMPTY & -(fp & 1));
	}
	return fp;
}

static void put(struct seg_buf *b, const char *text)
{
	seg_buf_append(b, text, strlen(text));
}

static void put_quoted(struct seg_buf *b, const char *text)
{
	put(b, "\"");
	put(b, text);
	put(b, "\"");
}

static void node(const struct seg_schema_node *n, bool *written, struct seg_buf *b);

static void fields(const struct seg_schema_node *n, bool *written, struct seg_buf *b)
{
	put(b, ",\"fields\":[");
	for (uint32_t i = 0; i < n->len; i++) {
		put(b, i ? ",{\"name\":" : "{\"name\":");
		put_quoted(b, n->fields[i].name);
		put(b, ",\"type\":");
		node(n->fields[i].type, written, b);
		put(b, "}");
	}
	put(b, "]}");
}

static void named(const struct seg_schema_node *n, bool *written, struct seg_buf *b)
{
	if (written[n->index]) {
		put_quoted(b, n->name);
		return;
	}
	written[n->index] = true;
	put(b, "{\"name\":");
	put_quoted(b, n->name);
	put(b, ",\"type\":");
	put_quoted(b, seg_avro_type_names[n->type]);
	if (n->type == SEG_AVRO_RECORD) {
		fields(n, written, b);
		return;
	}
	if (n->type == SEG_AVRO_FIXED) {
		seg_buf_printf(b, ",\"size\":%u}", n->size);
		return;
	}
	put(b, ",\"symbols\":[");
	for (uint32_t i = 0; i < n->len; i++) {
		put(b, i ? "," : "");
		put_quoted(b, n->symbols[i]);
	}
	put(b, "]}");
}

static void node(const struct seg_schema_node *n, bool *written, struct seg_buf *b)
{
	if (n->name) {
		named(n, written, b);
	} else if (n->type == SEG_AVRO_UNION) {
		for (uint32_t i = 0; i < n->len; i++) {
			put(b, i ? "," : "[");
			node(n->parts[i], written, b);
		}
		put(b, "]");
	} else if (n->type == SEG_AVRO_ARRAY || n->type == SEG_AVRO_MAP) {
		put(b, n->type == SEG_AVRO_MAP ? "{\"type\":\"map\",\"values\":" : "{\"type\":\"array\",\"items\":");
		node(n->parts[0], written, b);
		put(b, "}");
	} else {
		put_quoted(b, seg_avro_type_names[n->type]);
	}
}

void seg_schema_canonical(const struct seg_schema *s, struct seg_buf *ret)
{
	bool *written = calloc(s->nodes ? s->nodes : 1, sizeof(*written));
	if (!written) {
		ret->failed = true;
		return;
	}
	node(s->root, written, ret);
	free(written);
}
