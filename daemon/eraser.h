/*
 * Erase records to the profiles topic: erasure takes the way of an event. A plain producer, made at the first one. Any
 * thread.
 */
#ifndef SEG_DAEMON_ERASER_H
#define SEG_DAEMON_ERASER_H

#include "base/str.h"
#include "config/config.h"
#include "daemon/instance.h"

struct seg_eraser;

/* All borrowed until free. NULL when out of memory. */
struct seg_eraser *seg_eraser_new(const struct seg_config *config, struct seg_instance *inst);
void seg_eraser_free(struct seg_eraser *e); /* NULL is fine */

/*
 * Returns when all replicas that are in sync have the record. It is read as the source's own records are before it is sent:
 * SEG_INVALID: the source's mapping or cleaning would refuse it, or profiles are not read (err says what to do). SEG_RETRY:
 * no broker took it within some seconds; it may still come.
 */
enum seg_rc seg_eraser_erase(struct seg_eraser *e, struct seg_str customer_id, struct seg_error *err) SEG_MUST_CHECK;

#endif
