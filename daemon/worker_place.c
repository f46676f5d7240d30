/* Where this instance can be asked for what a worker holds: told once with the first commit (see model_feed.h). */
#include "daemon/worker_internal.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Nothing is told by who has no address, unless a predecessor has told one that is wrong now. */
bool seg_worker_place_untold(const struct seg_worker *w, int32_t partition, bool told)
{
	char url[SEG_PLACE_URL];
	if (told)
		return false;
	return w->config->http.advertise[0] || seg_model_feed_place(w->inst->feed, partition, url);
}

enum seg_rc seg_worker_tell_place(struct seg_worker *w, int32_t partition, const struct seg_sink *sink,
				  struct seg_error *err)
{
	const char *url = w->config->http.advertise;
	struct seg_str value = {NULL, 0};
	char key[32] = "at/fold", *text = NULL;
	if (partition != SEG_PLACE_FOLD)
		snprintf(key, sizeof(key), "at/%" PRId32, partition);
	if (url[0]) {
		json_t *o = json_pack("{s:s, s:s}", "instance", w->config->instance, "url", url);
		text = json_dumps(o, JSON_COMPACT);
		json_decref(o);
		if (!text)
			return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
		value = seg_str_from(text);
	}
	enum seg_rc rc = sink->internal(sink->ctx, SEG_INTERNAL_MODEL, 0, seg_str_from(key), value, NULL, err);
	free(text);
	return rc;
}
