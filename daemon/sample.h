/*
 * The partition's share of the sample: customers whose sample hash lies below the bound that the model publishes have
 * their profile as a record `sample/<id>` on <app>-model-sums. Remembers what was written, so that only what changed is
 * written again. One owner.
 */
#ifndef SEG_DAEMON_SAMPLE_H
#define SEG_DAEMON_SAMPLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/profile.h"
#include "daemon/sink.h"

struct seg_sample_slot {
	uint64_t customer; /* seg_hash_customer(); 0: free */
	uint64_t content;  /* XXH3-64 of the record as committed, odd; or one of SEG_SAMPLE_… */
};

/* Nothing is known; a record is to be written now; there is none. */
enum { SEG_SAMPLE_NONE = 0, SEG_SAMPLE_DUE = 2, SEG_SAMPLE_GONE = 4 };

/*
 * What was written is forgotten with a restart. What is written anew then is right in any case; but a record above a bound
 * that has fallen would stay for ever. So the cut keeps how far records reach: from the bound up to there, customers of
 * whom nothing is known are tombstoned when the scan comes to them, until it has been round.
 */
struct seg_sample {
	uint64_t bound;	  /* sample hashes below it belong to the sample; before a model all do */
	uint64_t reach;	  /* records may lie below it, if it is above the bound */
	uint64_t unknown; /* the same of records from before a restart, of which nothing is known; 0: there are none */
	int64_t since_ms; /* where the scan was when the bound last moved; SEG_NO_TIME: not known yet */
	struct seg_sample_slot *slots;
	unsigned bits;
	size_t len;
	struct seg_sample_slot *sealed; /* what the commit under way carries */
	size_t sealed_len, sealed_cap;
};

void seg_sample_init(struct seg_sample *s);
void seg_sample_release(struct seg_sample *s);
/* Forgets what was written. */
void seg_sample_clear(struct seg_sample *s);
void seg_sample_set_bound(struct seg_sample *s, uint64_t bound);
/* As of the cut. */
void seg_sample_restore(struct seg_sample *s, uint64_t reach, int64_t since_ms);
/* The scan has come to done_ms, all customers once an interval; shift: it has left rounds of so much time out. */
void seg_sample_scanned(struct seg_sample *s, int64_t done_ms, int64_t interval_ms);
void seg_sample_shift(struct seg_sample *s, int64_t by_ms);

/* The scan has come to this customer: true if a record is to be written or tombstoned, which the next send does. */
bool seg_sample_due(struct seg_sample *s, struct seg_str id, uint64_t customer);

/*
 * A customer was evaluated: writes the record if it has changed, and a tombstone if the customer left the sample. At once,
 * because the sums know at once, too: a refit that compares the centroids of the sums with a fit on a sample of yesterday
 * finds gains that are not there. key and value are scratch.
 */
enum seg_rc seg_sample_send(struct seg_sample *s, const struct seg_profile *p, const struct seg_sink *sink,
			    struct seg_buf *key, struct seg_buf *value, struct seg_error *err) SEG_MUST_CHECK;
/* Erased or expired: a tombstone if the customer can have a record. */
enum seg_rc seg_sample_remove(struct seg_sample *s, struct seg_str id, const struct seg_sink *sink, struct seg_buf *key,
			      struct seg_error *err) SEG_MUST_CHECK;

/* The commit succeeded (or was aborted: what it carried is forgotten, and written again in time). */
void seg_sample_committed(struct seg_sample *s);
void seg_sample_aborted(struct seg_sample *s);

#endif
