#include <stdio.h>

#include "daemon/command.h"
#include "daemon/demo.h"

enum { PORT_MAX = 65535, RATE_DEFAULT = 2000, RATE_MAX = 10000000 };

int seg_cmd_demo(const struct seg_args *args)
{
	struct seg_demo_options options = {.input = seg_args_get(args, "input")};
	int64_t exit_after;
	if (!seg_args_number(args, "port", 0, PORT_MAX, -1, &options.port) ||
	    !seg_args_number(args, "rate", 0, RATE_MAX, RATE_DEFAULT, &options.rate) ||
	    !seg_args_number(args, "exit-after", 1, INT64_MAX, 0, &exit_after))
		return SEG_EXIT_USAGE;
	options.exit_after = (uint64_t)exit_after;
	struct seg_error err = {0};
	return seg_demo(&options, &err) ? seg_failed(args, &err) : SEG_EXIT_DONE;
}
