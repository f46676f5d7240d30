/* What the tests of the loader share. */
#ifndef SEG_TESTS_UNIT_CONFIG_LOAD_TEXT_H
#define SEG_TESTS_UNIT_CONFIG_LOAD_TEXT_H

#include "tests/support/test.h"

#include <string.h>

#include "config/load.h"

static inline struct seg_config *load_text(const char *text)
{
	struct seg_config *c = NULL;
	struct seg_error err = {.text = ""};

	if (seg_config_load_text(text, strlen(text), "t.yaml", NULL, &c, &err) != SEG_OK)
		fail_msg("refused: %s", err.text);
	return c;
}

/* The message; ret is not touched by a failed load. */
static inline const char *refused(const char *text, size_t len, const struct seg_config_checks *checks,
				  struct seg_error *err)
{
	struct seg_config *c = (struct seg_config *)err;

	if (seg_config_load_text(text, len, "t.yaml", checks, &c, err) == SEG_OK)
		fail_msg("accepted: %.*s", (int)len, text);
	assert_int_equal(err->rc, SEG_INVALID);
	assert_ptr_equal(c, err);
	return err->text;
}

#endif
