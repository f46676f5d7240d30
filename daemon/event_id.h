/*
 * The deterministic id of a segment change: 32 hex digits of XXH3-128 over the length-prefixed (app, customer, birth,
 * number), where birth is topic/partition/offset of the customer's first accepted event and number counts their changes.
 * Pure.
 */
#ifndef SEG_DAEMON_EVENT_ID_H
#define SEG_DAEMON_EVENT_ID_H

#include <stdint.h>

#include "base/outputs.h"
#include "base/str.h"

struct seg_birth {
	const char *topic;
	int32_t partition;
	int64_t offset;
};

/* Lengths are 4 bytes little endian, the number 8; strings longer than 1024 bytes are cut there. */
void seg_event_id(const char *app, struct seg_str customer, const struct seg_birth *birth, uint64_t number,
		  char ret[SEG_EVENT_ID_LEN + 1]);

#endif
