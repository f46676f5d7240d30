#include "daemon/demo_orders.h"

#include <avro.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The assembler copies the file in: no tool and no generated source is needed, and it costs the compiler nothing. */
__asm__(".section .rodata\n"
	".balign 16\n"
	"seg_demo_orders_begin:\n"
	".incbin \"" SEG_DEMO_ORDERS_FILE "\"\n"
	"seg_demo_orders_end:\n"
	".byte 0\n"
	".previous\n");
extern const uint8_t seg_demo_orders_begin[] __attribute__((visibility("hidden")));
extern const uint8_t seg_demo_orders_end[] __attribute__((visibility("hidden")));

enum { CHUNK_BYTES = 1 << 16 };

struct seg_demo_chunk {
	struct seg_demo_chunk *next;
	size_t used, size;
	char bytes[];
};

const void *seg_demo_orders_file(size_t *ret_len)
{
	*ret_len = (uintptr_t)seg_demo_orders_end - (uintptr_t)seg_demo_orders_begin;
	return seg_demo_orders_begin;
}

void seg_demo_orders_release(struct seg_demo_orders *o)
{
	if (!o)
		return;
	while (o->chunks) {
		struct seg_demo_chunk *next = o->chunks->next;

		free(o->chunks);
		o->chunks = next;
	}
	free(o->items);
	*o = (struct seg_demo_orders){0};
}

static bool keep_string(struct seg_demo_orders *o, const char *s, size_t len, struct seg_str *ret)
{
	struct seg_demo_chunk *c = o->chunks;

	if (!c || c->size - c->used < len) {
		size_t size = len > CHUNK_BYTES ? len : CHUNK_BYTES;

		c = malloc(sizeof *c + size);
		if (!c)
			return false;
		*c = (struct seg_demo_chunk){.next = o->chunks, .size = size};
		o->chunks = c;
	}
	memcpy(c->bytes + c->used, s, len);
	*ret = (struct seg_str){c->bytes + c->used, (uint32_t)len};
	c->used += len;
	return true;
}

/* The field's value, through its union; false: missing or null. */
static bool find_field(avro_value_t *record, const char *name, avro_value_t *ret)
{
	avro_value_t branch;

	if (avro_value_get_by_name(record, name, ret, NULL))
		return false;
	if (avro_value_get_type(ret) == AVRO_UNION) {
		if (avro_value_get_current_branch(ret, &branch))
			return false;
		*ret = branch;
	}
	return avro_value_get_type(ret) != AVRO_NULL;
}

static enum seg_rc read_string(avro_value_t *record, const char *name, bool must, struct seg_demo_orders *o,
			       struct seg_str *ret, struct seg_error *err)
{
	avro_value_t v;
	const char *s;
	size_t size;

	if (!find_field(record, name, &v)) {
		*ret = (struct seg_str){0};
		return must ? seg_error_set(err, SEG_INVALID, "order %zu has no %s", o->len, name) : SEG_OK;
	}
	if (avro_value_get_type(&v) != AVRO_STRING || avro_value_get_string(&v, &s, &size) || !s || !size)
		return seg_error_set(err, SEG_INVALID, "order %zu: %s is not a string", o->len, name);
	if (!keep_string(o, s, size - 1, ret)) /* Avro-C counts the NUL */
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for the orders");
	return SEG_OK;
}

static enum seg_rc read_kind(avro_value_t *record, size_t row, uint8_t *ret, struct seg_error *err)
{
	static const char *const names[SEG_ORDER_KINDS] = {"other", "purchase", "refund"};
	avro_value_t v;
	int symbol;
	const char *name;

	if (!find_field(record, "kind", &v) || avro_value_get_type(&v) != AVRO_ENUM || avro_value_get_enum(&v, &symbol))
		return seg_error_set(err, SEG_INVALID, "order %zu: kind is not an enum", row);
	name = avro_schema_enum_get(avro_value_get_schema(&v), symbol);
	*ret = SEG_ORDER_OTHER;
	for (uint8_t i = 0; name && i < SEG_ORDER_KINDS; i++)
		if (!strcmp(name, names[i]))
			*ret = i;
	return SEG_OK;
}

static enum seg_rc read_order(avro_value_t *record, struct seg_demo_orders *o, struct seg_demo_order *ret,
			      struct seg_error *err)
{
	avro_value_t v;
	enum seg_rc rc;

	*ret = (struct seg_demo_order){0};
	if (!find_field(record, "event_time", &v) || avro_value_get_type(&v) != AVRO_INT64 ||
	    avro_value_get_long(&v, &ret->time_ms))
		return seg_error_set(err, SEG_INVALID, "order %zu: event_time is not a long", o->len);
	if (!find_field(record, "amount", &v) || avro_value_get_type(&v) != AVRO_DOUBLE ||
	    avro_value_get_double(&v, &ret->amount))
		return seg_error_set(err, SEG_INVALID, "order %zu: amount is not a double", o->len);
	ret->has_quantity = find_field(record, "quantity", &v) && avro_value_get_type(&v) == AVRO_INT32 &&
			    !avro_value_get_int(&v, &ret->quantity);
	rc = read_kind(record, o->len, &ret->kind, err);
	if (rc == SEG_OK)
		rc = read_string(record, "event_id", true, o, &ret->event_id, err);
	if (rc == SEG_OK)
		rc = read_string(record, "order_id", true, o, &ret->order_id, err);
	if (rc == SEG_OK)
		rc = read_string(record, "customer_id", true, o, &ret->customer_id, err);
	if (rc == SEG_OK)
		rc = read_string(record, "currency", false, o, &ret->currency, err);
	if (rc == SEG_OK)
		rc = read_string(record, "country", false, o, &ret->country, err);
	return rc;
}

static enum seg_rc append_order(struct seg_demo_orders *o, const struct seg_demo_order *order, struct seg_error *err)
{
	if (o->len == o->cap) {
		size_t cap = o->cap ? o->cap * 2 : 4096;
		struct seg_demo_order *items = realloc(o->items, cap * sizeof *items);

		if (!items)
			return seg_error_set(err, SEG_NO_MEMORY, "no memory for the orders");
		o->items = items;
		o->cap = cap;
	}
	o->items[o->len++] = *order;
	return SEG_OK;
}

static enum seg_rc read_all(avro_file_reader_t reader, avro_value_t *record, struct seg_demo_orders *o,
			    struct seg_error *err)
{
	struct seg_demo_order order;
	enum seg_rc rc;
	int bad;

	while (!(bad = avro_file_reader_read_value(reader, record))) {
		rc = read_order(record, o, &order, err);
		if (rc == SEG_OK)
			rc = append_order(o, &order, err);
		if (rc != SEG_OK)
			return rc;
		avro_value_reset(record);
	}
	return bad == EOF ? SEG_OK : seg_error_set(err, SEG_INVALID, "after %zu orders: %s", o->len, avro_strerror());
}

static enum seg_rc read_stream(FILE *f, const char *name, struct seg_demo_orders *o, struct seg_error *err)
{
	avro_file_reader_t reader;
	avro_schema_t schema;
	avro_value_iface_t *iface;
	avro_value_t record;
	enum seg_rc rc = SEG_NO_MEMORY;
	char magic[4];

	/* Looked at here because Avro-C leaks memory when it does not find it. */
	if (fread(magic, 1, sizeof magic, f) != sizeof magic || memcmp(magic, "Obj\1", sizeof magic) != 0)
		return seg_error_set(err, SEG_INVALID, "%s is not an Avro container file", name);
	rewind(f);
	if (avro_file_reader_fp(f, name, 0, &reader))
		return seg_error_set(err, SEG_INVALID, "%s: %s", name, avro_strerror());
	schema = avro_file_reader_get_writer_schema(reader);
	iface = avro_generic_class_from_schema(schema);
	if (!is_avro_record(schema))
		rc = seg_error_set(err, SEG_INVALID, "%s does not hold records", name);
	else if (!iface || avro_generic_value_new(iface, &record))
		rc = seg_error_set(err, SEG_INVALID, "%s: %s", name, avro_strerror());
	else {
		rc = read_all(reader, &record, o, err);
		if (rc != SEG_OK)
			seg_error_wrap(err, rc, "%s", name);
		avro_value_decref(&record);
	}
	if (iface)
		avro_value_iface_decref(iface);
	avro_schema_decref(schema);
	avro_file_reader_close(reader);
	return rc;
}

enum seg_rc seg_demo_orders_read(const char *path, struct seg_demo_orders *ret, struct seg_error *err)
{
	struct seg_demo_orders o = {0};
	enum seg_rc rc;
	size_t len;
	const void *file = seg_demo_orders_file(&len);
	FILE *f = path ? fopen(path, "rb") : fmemopen((void *)(uintptr_t)file, len, "rb");

	if (!f)
		return seg_error_set(err, SEG_IO, "%s: %s", path ? path : "the demo's orders", strerror(errno));
	rc = read_stream(f, path ? path : "the demo's orders", &o, err);
	fclose(f);
	if (rc != SEG_OK) {
		seg_demo_orders_release(&o);
		return rc;
	}
	*ret = o;
	return SEG_OK;
}
