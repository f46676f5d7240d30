#include "config/value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	int64_t factor;
};

/* Largest first: formatting takes the first that divides. */
static const struct unit duration_units[] = {
	{"d", 86400000}, {"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}, {NULL, 0},
};
static const struct unit byte_units[] = {
	{"GiB", INT64_C(1) << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"", 1}, {NULL, 0},
};

/* Digits from text on into *ret; returns what follows them, or NULL on overflow; text itself: no digits. */
static const char *digits(const char *text, uint64_t limit, uint64_t *ret)
{
	uint64_t v = 0;

	for (; *text >= '0' && *text <= '9'; text++) {
		uint64_t digit = (uint64_t)(*text - '0');

		if (v > (limit - digit) / 10)
			return NULL;
		v = v * 10 + digit;
	}
	*ret = v;
	return text;
}

enum seg_parse seg_parse_int(const char *text, int64_t *ret)
{
	bool negative = *text == '-';
	const char *from = text + (*text == '-' || *text == '+');
	const char *scan = from + strspn(from, "0123456789");
	uint64_t v;

	if (scan == from || *scan != '\0')
		return SEG_PARSE_FORMAT;
	if (digits(from, INT64_MAX, &v) == NULL)
		return SEG_PARSE_OVERFLOW;
	*ret = negative ? -(int64_t)v : (int64_t)v;
	return SEG_PARSE_OK;
}

/* The C locale, so that a comma is never a decimal point; to be freed. */
static locale_t c_locale(void)
{
	return newlocale(LC_ALL_MASK, "C", (locale_t)0);
}

enum seg_parse seg_parse_double(const char *text, double *ret)
{
	locale_t c;
	char *end;
	double v;

	/* strtod would also take blanks, hexadecimal, inf and nan. */
	if (text[0] == '\0' || text[strspn(text, "+-.0123456789eE")] != '\0')
		return SEG_PARSE_FORMAT;
	c = c_locale();
	v = strtod_l(text, &end, c);
	freelocale(c);
	if (end == text || *end != '\0')
		return SEG_PARSE_FORMAT;
	if (!isfinite(v))
		return SEG_PARSE_OVERFLOW;
	*ret = v;
	return SEG_PARSE_OK;
}

static enum seg_parse parse_units(const char *text, const struct unit *units, bool blank, int64_t *ret)
{
	const char *scan = text + strspn(text, "0123456789");
	const char *name = scan + (blank && scan[0] == ' ' && scan[1] != '\0');
	uint64_t v;

	if (scan == text)
		return SEG_PARSE_FORMAT;
	for (; units->name; units++) {
		if (strcmp(name, units->name) != 0)
			continue;
		if (!digits(text, INT64_MAX, &v) || v > (uint64_t)(INT64_MAX / units->factor))
			return SEG_PARSE_OVERFLOW;
		*ret = (int64_t)v * units->factor;
		return SEG_PARSE_OK;
	}
	return SEG_PARSE_FORMAT;
}

enum seg_parse seg_parse_duration(const char *text, int64_t *ret_ms)
{
	return parse_units(text, duration_units, false, ret_ms);
}

enum seg_parse seg_parse_bytes(const char *text, int64_t *ret_bytes)
{
	return parse_units(text, byte_units, true, ret_bytes);
}

static void format_units(int64_t v, const struct unit *units, char *ret)
{
	while (units[1].name && (v == 0 || v % units->factor != 0))
		units++;
	snprintf(ret, SEG_VALUE_TEXT_MAX, "%" PRId64 "%s", v / units->factor, units->name);
}

void seg_format_duration(int64_t ms, char ret[SEG_VALUE_TEXT_MAX])
{
	format_units(ms, duration_units, ret);
}

void seg_format_bytes(int64_t bytes, char ret[SEG_VALUE_TEXT_MAX])
{
	format_units(bytes, byte_units, ret);
}

void seg_format_double(double x, char ret[SEG_VALUE_TEXT_MAX])
{
	/* A plain number where it is short enough to be read, an exponent beyond. */
	bool exponent = fabs(x) >= 1e15 || (x != 0 && fabs(x) < 1e-5);
	locale_t c = c_locale(), before = uselocale(c);

	for (int precision = 0; precision <= 17; precision++) {
		if (exponent)
			snprintf(ret, SEG_VALUE_TEXT_MAX, "%.*e", precision, x);
		else
			snprintf(ret, SEG_VALUE_TEXT_MAX, "%.*g", precision, x);
		if (strtod(ret, NULL) == x)
			break;
	}
	if (strchr(ret, 'e') && !exponent && x == trunc(x))
		snprintf(ret, SEG_VALUE_TEXT_MAX, "%.0f", x);
	uselocale(before);
	freelocale(c);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

enum { EDIT_MAX = 63 };

/* One row of the table of distances: now[j] is that from the first i letters of a to the first j of b. */
static void edit_row(const char *a, const char *b, size_t i, const unsigned *older, const unsigned *last, unsigned *now)
{
	now[0] = (unsigned)i;
	for (size_t j = 1; b[j - 1]; j++) {
		int ca = tolower((unsigned char)a[i - 1]), cb = tolower((unsigned char)b[j - 1]);

		now[j] = least(least(now[j - 1], last[j]) + 1, last[j - 1] + (ca != cb));
		if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) && cb == tolower((unsigned char)a[i - 2]))
			now[j] = least(now[j], older[j - 2] + 1);
	}
}

unsigned seg_edit_distance(const char *a, const char *b)
{
	unsigned row[3][EDIT_MAX + 1] = {{0}};
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > EDIT_MAX || b_len > EDIT_MAX)
		return (unsigned)(a_len > b_len ? a_len : b_len);
	for (size_t j = 0; j <= b_len; j++)
		row[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++)
		edit_row(a, b, i, row[(i + 1) % 3], row[(i + 2) % 3], row[i % 3]);
	return row[a_len % 3][b_len];
}

void seg_nearest_offer(struct seg_nearest *n, const char *candidate)
{
	unsigned distance = seg_edit_distance(n->name, candidate);

	if (n->best && distance >= n->distance)
		return;
	n->best = candidate;
	n->distance = distance;
}

bool seg_nearest_likely(const struct seg_nearest *n)
{
	size_t len = strlen(n->name);

	return n->best && n->distance <= (len < 6 ? 2 : len / 3) && n->distance < strlen(n->best);
}
