/*
 * Where the demo lives: a temporary folder with its stores and its log, and the signals that end it. The folder is removed
 * however it ends, but by SIGKILL.
 *
 * Two calls: open before any other thread is started, close at the end.
 */
#ifndef SEG_DAEMON_DEMO_PLACE_H
#define SEG_DAEMON_DEMO_PLACE_H

#include <stdbool.h>

#include "base/error.h"

struct seg_demo_place;

/*
 * Makes the folder, and from now on standard error goes to a log in it. SIGINT, SIGTERM and SIGHUP ask to stop; the second
 * one calls `at_once`, removes the folder and ends the process with 1.
 */
enum seg_rc seg_demo_place_open(void (*at_once)(void *ctx), void *ctx, struct seg_demo_place **ret,
				struct seg_error *err) SEG_MUST_CHECK;

const char *seg_demo_place_folder(const struct seg_demo_place *p);
bool seg_demo_place_is_stopped(struct seg_demo_place *p);

/* Standard error is as before; with show_log the log's last lines are written to it. Removes the folder. NULL is fine. */
void seg_demo_place_close(struct seg_demo_place *p, bool show_log);

#endif
