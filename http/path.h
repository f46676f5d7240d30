/* Paths of requests as they are sent: taken apart at their slashes, then decoded. Pure. */
#ifndef SEG_HTTP_PATH_H
#define SEG_HTTP_PATH_H

#include <stdbool.h>

#include "base/str.h"

enum { SEG_PATH_PARAM_MAX = 2048 };

enum seg_path_match {
	SEG_PATH_OTHER, /* not this route */
	SEG_PATH_MATCH,
	SEG_PATH_BROKEN, /* this route, but what stands for {…} is empty, has %00 or a % that no two hexadecimal digits follow */
};

/* pattern: "/a/{id}/b", at most one {…}, which stands for exactly one piece between slashes and may hold encoded ones.
 * ret_param: SEG_PATH_PARAM_MAX + 1 bytes, decoded, ends with NUL; *ret_len 0: the pattern has none. */
enum seg_path_match seg_path_match(const char *pattern, const char *path, char *ret_param, uint32_t *ret_len);

/* Decodes %XX of len bytes in place. False: as SEG_PATH_BROKEN, but empty is fine. */
bool seg_path_decode(char *text, uint32_t *len);

#endif
