/* The way of an event, as a table: for the docs and for whoever looks for the place of a change. */
#ifndef SEG_DAEMON_STAGES_H
#define SEG_DAEMON_STAGES_H

#include <stddef.h>

struct seg_stage {
	const char *name, *where, *what;
};

extern const struct seg_stage seg_stages[];
extern const size_t seg_stages_len;

#endif
