/* A borrowed string: pointer and length, not NUL-terminated, valid as long as what it points into. */
#ifndef SEG_BASE_STR_H
#define SEG_BASE_STR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct seg_str {
	const char *ptr; /* NULL: absent */
	uint32_t len;	 /* bytes */
};

#define SEG_STR_FMT "%.*s"
#define SEG_STR_ARG(s) (int)(s).len, (s).ptr ? (s).ptr : ""

static inline struct seg_str seg_str_from(const char *z)
{
	return (struct seg_str){z, z ? (uint32_t)strlen(z) : 0};
}

static inline bool seg_str_eq(struct seg_str a, struct seg_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool seg_str_is(struct seg_str a, const char *z)
{
	return seg_str_eq(a, seg_str_from(z));
}

#endif
