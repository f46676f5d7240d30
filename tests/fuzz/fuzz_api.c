/* The API's routes on any "METHOD PATH": nothing, or a route that fits, with a parameter that is decoded once and whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "http/api_routes.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A path made of the pattern and the parameter, all of it percent-encoded, is the same route with the same parameter. */
static void check_again(const char *method, const struct seg_api_found *found)
{
	const char *pattern = seg_api_path(found->op), *brace = strchr(pattern, '{');
	struct seg_api_found again;
	struct seg_buf path;

	if (!brace || found->param_len > SEG_PATH_PARAM_MAX / 3)
		return;
	seg_buf_init(&path, 1 << 16);
	seg_buf_append(&path, pattern, (size_t)(brace - pattern));
	for (uint32_t i = 0; i < found->param_len; i++)
		seg_buf_printf(&path, "%%%02x", (unsigned)(uint8_t)found->param[i]);
	seg_buf_append(&path, strchr(brace, '}') + 1, strlen(strchr(brace, '}')));
	if (seg_api_find((const char *)path.data, method, &again) != SEG_PATH_MATCH || again.op != found->op ||
	    again.param_len != found->param_len || memcmp(again.param, found->param, found->param_len) != 0)
		abort();
	seg_buf_release(&path);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seg_api_found found;
	char *text = strndup((const char *)data, size), *path = text ? strchr(text, ' ') : NULL;

	if (path) {
		*path++ = '\0';
		enum seg_path_match match = seg_api_find(path, text, &found);

		if (match == SEG_PATH_MATCH && strlen(found.param) != found.param_len &&
		    strchr(seg_api_path(found.op), '{'))
			abort();
		if (match != SEG_PATH_OTHER && !found.allow[0])
			abort();
		/* What is written as the name of a path of its own stays that path. */
		if (match == SEG_PATH_MATCH && found.op < SEG_API_OPS && strcmp(found.param, "refit") != 0 &&
		    strcmp(found.param, "validate") != 0)
			check_again(text, &found);
		(void)seg_api_takes_body(path, text);
	}
	free(text);
	return 0;
}
