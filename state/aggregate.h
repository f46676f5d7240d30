/*
 * Aggregates: what one event does to a customer's profile, and how two parts of a customer's history are put together.
 *
 * Everything here depends only on the SET of a customer's accepted events, never on their order (as long as their ids
 * are distinct), so that inputs may be read again with the sources interleaved in any other way:
 * - counts and sums are integers that only grow (and stay at their greatest value rather than overflow);
 * - decayed counters are kept as of the greatest event time (forward decay), equal in any order up to rounding;
 * - "first", "last" and attributes are registers: least, greatest, greatest by (event time, event-id hash);
 * - what must be bounded keeps the N largest or smallest of a fixed order. What such a bound has dropped once, it
 *   would drop again after any other order: later insertions only push it further out.
 *
 * Repeats. Each source has a window of the N largest (event time, id hash). An event whose id hash is in the window is
 * a repeat, WHATEVER its event time: producers that send again may stamp anew, and a repeat is told by its id. Events
 * with distinct ids never match (but for 64-bit collisions), and the N largest of a set do not depend on the order, so
 * aggregates stay free of it. An event older than all of a full window counts and is not remembered: a repeat of it
 * counts again. Which of two events with the SAME id is the repeat is decided by their order in the source, which is
 * the order of its partition and never changes; windows are per source because the order between sources does.
 *
 * No threading rule: a profile belongs to its caller.
 */
#ifndef SEG_STATE_AGGREGATE_H
#define SEG_STATE_AGGREGATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/event.h"
#include "base/profile.h"

enum {
	SEG_WINDOW_DEFAULT = 64,
	SEG_WINDOW_MAX = 1024,
	SEG_ATTRIBUTES_MAX = 64, /* smallest (name hash, name) kept */
	SEG_CONSENTS_MAX = 32,
	SEG_NAME_BYTES = 128, /* attribute names and purposes; longer ones are cut, as values are */
	SEG_VALUE_BYTES = 256 /* string values: cut at a UTF-8 boundary */
};

/* Event times outside years 1 to 9999 are refused. */
#define SEG_TIME_MIN INT64_C(-62135596800000)
#define SEG_TIME_MAX INT64_C(253402300799999)

#define SEG_ORDERS_HALF_LIFE_MS (60.0 * 86400000.0)
#define SEG_HABIT_HALF_LIFE_MS (30.0 * 86400000.0) /* devices, day parts, latency */

struct seg_aggregate_config {
	uint32_t window[SEG_SOURCES]; /* ids remembered per source, 1 to SEG_WINDOW_MAX; 0: the default */
};

enum seg_applied {
	SEG_APPLIED,	       /* went in; `applied` moved */
	SEG_APPLIED_DUPLICATE, /* a repeat: nothing changed, `applied` neither */
	SEG_APPLIED_IGNORED,   /* identify, erase (the caller's business): nothing changed */
	SEG_APPLIED_SEEN       /* offset <= applied[source]: nothing changed */
};

/*
 * Takes one cleaned event into p. cfg may be NULL (defaults). SEG_SKIP: kind, time or amount is impossible (cleaning
 * should have refused it); SEG_NO_MEMORY. On an error p is unchanged.
 *
 * Web: `device` is desktop, mobile, tablet or app in any case, everything else is `other`, absent or empty counts
 * nowhere. E-mail: an open with machine_open is counted in machine_opens only; an open before its sent time took no time.
 * Profiles: of several values of one name in an event the last is taken; attributes and consents of `update`
 * and `consent` alike are taken.
 */
enum seg_rc seg_aggregate_apply(struct seg_profile *p, const struct seg_event *e, int64_t offset,
				const struct seg_aggregate_config *cfg, enum seg_applied *ret,
				struct seg_error *err) SEG_MUST_CHECK;

/*
 * Adds from's aggregates to into's; `applied` becomes the greater of both. Decision and contribution of `into` stay.
 * SEG_NO_MEMORY: into is unchanged.
 */
enum seg_rc seg_aggregate_merge(struct seg_profile *into, const struct seg_profile *from,
				const struct seg_aggregate_config *cfg, struct seg_error *err) SEG_MUST_CHECK;

/* Integers, registers and windows exactly, decayed counters to rel_eps (relative, absolute below 1). Not `applied`. */
bool seg_aggregate_equal(const struct seg_profile *a, const struct seg_profile *b, double rel_eps);

/* Drops the aggregates; id, hash, applied, decision and contribution stay. */
void seg_aggregate_clear(struct seg_profile *p);

#endif
