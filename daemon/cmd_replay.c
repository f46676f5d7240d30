#include <stdio.h>

#include "base/clock.h"
#include "base/event.h"
#include "daemon/command.h"
#include "daemon/replay.h"

int seg_cmd_replay(const struct seg_args *args)
{
	struct seg_replay_options options = {
		.inputs = args->many,
		.inputs_len = args->many_len,
		.output = seg_args_get(args, "output"),
		.until_ms = SEG_NO_TIME,
		.progress = true,
	};
	const char *until = seg_args_get(args, "until");
	if (options.inputs_len == 0)
		return seg_usage_error(args, "--input needs at least one file");
	if (!options.output)
		return seg_usage_error(args, "--output DIR is needed");
	if (!seg_args_number(args, "checkpoint-days", 1, 36500, 0, &options.checkpoint_days))
		return SEG_EXIT_USAGE;
	if (until && !seg_time_parse(until, &options.until_ms))
		return seg_usage_error(args,
				       "--until %s: a date (2011-12-31) or an RFC 3339 time (2011-12-31T18:00:00Z) "
				       "is needed",
				       until);
	struct seg_config *config = seg_args_config(args);
	if (!config)
		return seg_args_has(args, "config") ? SEG_EXIT_FAILED : SEG_EXIT_USAGE;
	struct seg_error err = {0};
	options.config = config;
	int code = seg_replay(&options, stdout, &err) ? seg_failed(args, &err) : SEG_EXIT_DONE;
	seg_config_free(config);
	return code;
}
