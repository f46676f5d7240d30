/*
 * What `segmentd state verify` finds: a store by itself, against the group's committed offsets, and its contributions
 * counted again against the partition's sums on <app>-model-sums. One thread; it only reads.
 */
#ifndef SEG_DAEMON_VERIFY_H
#define SEG_DAEMON_VERIFY_H

#include <stdbool.h>
#include <stdio.h>

#include "config/config.h"
#include "daemon/state_stores.h"

struct seg_verify;

/* config: borrowed until close; NULL: Kafka is not asked. */
enum seg_rc seg_verify_open(const struct seg_config *config, struct seg_verify **ret,
			    struct seg_error *err) SEG_MUST_CHECK;
void seg_verify_close(struct seg_verify *v); /* NULL is fine */

/* A line to `out` for each thing found. *ret_failed becomes true if one is wrong; an error: it could not be looked at. */
enum seg_rc seg_verify_store(struct seg_verify *v, struct seg_state_store *at, FILE *out, bool *ret_failed,
			     struct seg_error *err) SEG_MUST_CHECK;

/*
 * After all stores, with a configuration: the line on the fleet, what all partitions told against the recount over all of
 * them, as far as all were compared one by one. That they were not is said and no failure. Errors as above.
 */
enum seg_rc seg_verify_fleet(struct seg_verify *v, FILE *out, bool *ret_failed, struct seg_error *err) SEG_MUST_CHECK;

#endif
