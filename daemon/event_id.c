#include "daemon/event_id.h"

#include <stdio.h>
#include <string.h>

#include "base/hash.h"

enum { PART_MAX = 1024 };

static uint8_t *put_part(uint8_t *at, const void *data, size_t len)
{
	if (len > PART_MAX)
		len = PART_MAX;
	for (int i = 0; i < 4; i++)
		*at++ = (uint8_t)(len >> (8 * i));
	memcpy(at, data, len);
	return at + len;
}

void seg_event_id(const char *app, struct seg_str customer, const struct seg_birth *birth, uint64_t number,
		  char ret[SEG_EVENT_ID_LEN + 1])
{
	uint8_t text[3 * (PART_MAX + 4) + 8];
	char from[PART_MAX];
	int from_len =
		snprintf(from, sizeof(from), "%s/%d/%lld", birth->topic, birth->partition, (long long)birth->offset);
	if (from_len >= (int)sizeof(from))
		from_len = (int)sizeof(from) - 1;
	uint8_t *at = put_part(text, app, strlen(app));
	at = put_part(at, customer.ptr ? customer.ptr : "", customer.len);
	at = put_part(at, from, (size_t)from_len);
	for (int i = 0; i < 8; i++)
		*at++ = (uint8_t)(number >> (8 * i));
	seg_hash128_hex(text, (size_t)(at - text), ret);
}
