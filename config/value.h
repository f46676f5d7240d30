/* Scalars of the configuration: text to value and back, and the nearest of several names. Pure. */
#ifndef SEG_CONFIG_VALUE_H
#define SEG_CONFIG_VALUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SEG_VALUE_TEXT_MAX = 40 }; /* longest text of a formatted scalar, with its NUL */

enum seg_parse { SEG_PARSE_OK, SEG_PARSE_FORMAT, SEG_PARSE_OVERFLOW };

/* A whole decimal number with an optional sign, nothing around it. */
enum seg_parse seg_parse_int(const char *text, int64_t *ret);
/* A finite decimal number in any locale. */
enum seg_parse seg_parse_double(const char *text, double *ret);
/* `<int>ms|s|m|h|d`, not negative. */
enum seg_parse seg_parse_duration(const char *text, int64_t *ret_ms);
/* `<int>KiB|MiB|GiB`, or bytes as a plain number, not negative. */
enum seg_parse seg_parse_bytes(const char *text, int64_t *ret_bytes);

/* In the largest unit that divides the value, so that parsing gives it back. */
void seg_format_duration(int64_t ms, char ret[SEG_VALUE_TEXT_MAX]);
void seg_format_bytes(int64_t bytes, char ret[SEG_VALUE_TEXT_MAX]);
/* The shortest text that parses to the same double, in any locale. */
void seg_format_double(double x, char ret[SEG_VALUE_TEXT_MAX]);

/* Edits (insert, delete, replace, swap of neighbours) from a to b, case ignored; names over 63 bytes are far. */
unsigned seg_edit_distance(const char *a, const char *b);

/* Keeps the best of the candidates offered one after the other; start with {name}. Ties keep the first. */
struct seg_nearest {
	const char *name; /* what was written */
	const char *best; /* NULL: none offered */
	unsigned distance;
};
void seg_nearest_offer(struct seg_nearest *n, const char *candidate);
/* Near enough that it was meant: at most a third of the name's length wrong. */
bool seg_nearest_likely(const struct seg_nearest *n);

#endif
