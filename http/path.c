#include "http/path.h"

#include <string.h>

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool seg_path_decode(char *text, uint32_t *len)
{
	uint32_t to = 0;

	for (uint32_t at = 0; at < *len; at++) {
		int high, low;

		if (text[at] != '%') {
			text[to++] = text[at];
			continue;
		}
		high = at + 2 < *len ? hex(text[at + 1]) : -1;
		low = high >= 0 ? hex(text[at + 2]) : -1;
		if (low < 0 || high + low == 0)
			return false;
		text[to++] = (char)(high << 4 | low);
		at += 2;
	}
	text[to] = '\0';
	*len = to;
	return true;
}

/* The piece decodes to these very bytes: people may encode what they need not. */
static bool is_piece(const char *piece, size_t len, const char *wanted, size_t wanted_len)
{
	char decoded[SEG_PATH_PARAM_MAX + 1];
	uint32_t n = (uint32_t)len;

	if (len > SEG_PATH_PARAM_MAX)
		return false;
	memcpy(decoded, piece, len);
	return seg_path_decode(decoded, &n) && n == wanted_len && memcmp(decoded, wanted, n) == 0;
}

static enum seg_path_match take(const char *piece, size_t len, char *ret_param, uint32_t *ret_len)
{
	if (len == 0 || len > SEG_PATH_PARAM_MAX)
		return SEG_PATH_BROKEN;
	memcpy(ret_param, piece, len);
	ret_param[len] = '\0';
	*ret_len = (uint32_t)len;
	return seg_path_decode(ret_param, ret_len) ? SEG_PATH_MATCH : SEG_PATH_BROKEN;
}

enum seg_path_match seg_path_match(const char *pattern, const char *path, char *ret_param, uint32_t *ret_len)
{
	enum seg_path_match result = SEG_PATH_MATCH;

	*ret_len = 0;
	while (*pattern == '/' && *path == '/') {
		size_t wanted = strcspn(++pattern, "/"), len = strcspn(++path, "/");

		if (*pattern == '{')
			result = take(path, len, ret_param, ret_len);
		else if (!is_piece(path, len, pattern, wanted))
			return SEG_PATH_OTHER;
		pattern += wanted;
		path += len;
	}
	return *pattern || *path ? SEG_PATH_OTHER : result;
}
