/*
 * Records as they were once written, in hex: every later version must read them (tests/unit/state/golden/). With
 * SEG_WRITE_GOLDEN=1 in the environment a file that is missing is written; one that is there is never changed.
 */
#ifndef SEG_TESTS_UNIT_STATE_GOLDEN_H
#define SEG_TESTS_UNIT_STATE_GOLDEN_H

#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"

/* Appends the bytes of golden/NAME.hex to ret; `now` is what would be written today. */
static inline void golden_read(const char *name, const struct seg_buf *now, struct seg_buf *ret)
{
	char path[4096];
	unsigned byte;
	snprintf(path, sizeof(path), "%s/tests/unit/state/golden/%s.hex", SEG_SOURCE_DIR, name);
	FILE *f = fopen(path, "r");
	if (!f && getenv("SEG_WRITE_GOLDEN")) {
		f = fopen(path, "w+");
		assert_non_null(f);
		for (size_t i = 0; i < now->len; i++)
			fprintf(f, "%02x%s", now->data[i], i % 32 == 31 || i + 1 == now->len ? "\n" : "");
		assert_int_equal(fseek(f, 0, SEEK_SET), 0);
	}
	if (!f)
		fail_msg("%s is missing", path);
	while (fscanf(f, "%2x", &byte) == 1)
		seg_buf_u8(ret, (uint8_t)byte);
	fclose(f);
	assert_true(ret->len > 0 && !ret->failed);
}

#endif
