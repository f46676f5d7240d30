/* Inside of the fleet, for fleet*.c only. */
#ifndef SEG_TESTS_FLEET_INTERNAL_H
#define SEG_TESTS_FLEET_INTERNAL_H

#include "tests/property/fold/fleet.h"

void ok(struct fleet *f, enum seg_rc rc, const struct seg_error *err, const char *what);
struct seg_now now_of(const struct fleet *f);

/* An empty transaction, one in twenty of which takes no more at some record; and the sink that fills it. */
void txn_begin(struct fleet *f);
struct seg_sink sink_of(struct fleet *f);

/* A new owner, with the newest published model and nothing read. */
void fold_open(struct fleet *f, struct folding *g);

#endif
