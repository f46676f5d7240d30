/*
 * The demo's real orders: the file config/demo/online_retail_orders.avro, compiled in (so that the command runs from the
 * build folder and installed), or any Avro container file with the fields of the shipped order schema.
 *
 * Lifecycle: read, use, release. Read-only after that; no threads, no globals.
 */
#ifndef SEG_DAEMON_DEMO_ORDERS_H
#define SEG_DAEMON_DEMO_ORDERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event.h"

struct seg_demo_order {
	int64_t time_ms;
	uint8_t kind; /* enum seg_order_kind */
	bool has_quantity;
	int32_t quantity;
	double amount;
	struct seg_str event_id, order_id, customer_id, currency, country; /* valid until release */
};

struct seg_demo_chunk;

struct seg_demo_orders {
	struct seg_demo_order *items; /* in the file's order */
	size_t len, cap;
	struct seg_demo_chunk *chunks; /* where the strings live */
};

/*
 * Reads all orders of the file at `path`, of the compiled-in one if path is NULL. SEG_IO: cannot be read; SEG_INVALID:
 * not an Avro container file of orders. On failure ret is unchanged.
 */
enum seg_rc seg_demo_orders_read(const char *path, struct seg_demo_orders *ret, struct seg_error *err) SEG_MUST_CHECK;
void seg_demo_orders_release(struct seg_demo_orders *o);

/* The compiled-in file. */
const void *seg_demo_orders_file(size_t *ret_len);

#endif
