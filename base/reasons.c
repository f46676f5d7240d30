#include "base/reasons.h"

#include <stddef.h>

static const struct {
	const char *code, *text;
} table[SEG_REFUSALS] = {[SEG_REFUSED_NOT] = {"", "accepted"},
#define X(name, code, text) [SEG_REFUSED_##name] = {code, text},
			 SEG_REFUSAL_TABLE(X)
#undef X
};

const char *seg_refusal_code(enum seg_refusal r)
{
	return (size_t)r < SEG_REFUSALS ? table[r].code : "";
}

const char *seg_refusal_text(enum seg_refusal r)
{
	return (size_t)r < SEG_REFUSALS ? table[r].text : "";
}
