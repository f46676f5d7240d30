/* The loader on any bytes: refused with a message that says where, or a configuration that is whole. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "config/load.h"
#include "config/options.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_whole(const struct seg_config *c)
{
	char text[512];

	for (size_t i = 0; i < seg_options_len; i++)
		if (seg_options[i].type == SEG_OPTION_STRING && !*(char *const *)seg_option_get(&seg_options[i], c))
			abort();
	if (c->workers < 1 || c->workers > 256 || (!c->features.preset && c->features.len == 0))
		abort();
	if (!seg_config_worker_id(c, 0, text, sizeof(text)))
		abort();
	seg_config_aggregate_fingerprint(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct seg_config *c = NULL;
	struct seg_error err = {.text = ""};

	if (seg_config_load_text((const char *)data, size, "f", NULL, &c, &err) != SEG_OK) {
		if (c || strncmp(err.text, "f:", 2) != 0)
			abort();
		return 0;
	}
	check_whole(c);
	seg_config_free(c);
	return 0;
}
