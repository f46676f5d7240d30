#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *seg_rc_text(enum seg_rc rc)
{
	switch (rc) {
#define X(name, text)                                                                                                  \
	case name:                                                                                                     \
		return text;
		SEG_RC_TABLE(X)
#undef X
	}
	return "unknown";
}

enum seg_rc seg_error_set(struct seg_error *err, enum seg_rc rc, const char *fmt, ...)
{
	if (err) {
		va_list ap;

		err->rc = rc;
		va_start(ap, fmt);
		vsnprintf(err->text, sizeof err->text, fmt, ap);
		va_end(ap);
	}
	return rc;
}

enum seg_rc seg_error_wrap(struct seg_error *err, enum seg_rc rc, const char *fmt, ...)
{
	char old[sizeof err->text];
	va_list ap;
	int n;

	if (!err)
		return rc;
	memcpy(old, err->text, sizeof old);
	va_start(ap, fmt);
	n = vsnprintf(err->text, sizeof err->text, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < sizeof err->text)
		snprintf(err->text + n, sizeof err->text - (size_t)n, ": %s", old);
	return err->rc = rc;
}
