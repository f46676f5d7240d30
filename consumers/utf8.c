#include <stdint.h>
#include <string.h>

#include "consumers/program.h"

/* Bytes that follow a lead byte; 0: not one. */
static unsigned followers(unsigned char lead)
{
	if (lead >= 0xc2 && lead <= 0xdf)
		return 1;
	if (lead >= 0xe0 && lead <= 0xef)
		return 2;
	return lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
}

/* Overlong forms, surrogates and what lies beyond U+10FFFF show in the second byte (Unicode 15, table 3-7). */
static bool second_fits(unsigned char lead, unsigned char second)
{
	unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
	unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;

	return second >= low && second <= high;
}

bool seg_utf8_valid(const char *s, size_t len)
{
	const unsigned char *at = (const unsigned char *)s, *end = at + len;

	while (at < end) {
		uint64_t word;

		if (end - at >= 8) {
			memcpy(&word, at, 8);
			if (!(word & UINT64_C(0x8080808080808080))) {
				at += 8;
				continue;
			}
		}
		if (*at < 0x80) {
			at++;
			continue;
		}
		unsigned n = followers(*at);

		if (n == 0 || (size_t)(end - at) <= n || !second_fits(at[0], at[1]))
			return false;
		for (unsigned i = 2; i <= n; i++) {
			if ((at[i] & 0xc0) != 0x80)
				return false;
		}
		at += n + 1;
	}
	return true;
}
