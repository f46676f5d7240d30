/* The stores below a data folder, opened one after the other. One thread. */
#ifndef SEG_DAEMON_STATE_STORES_H
#define SEG_DAEMON_STATE_STORES_H

#include "base/profile.h"
#include "daemon/about.h"
#include "state/cut.h"
#include "state/store.h"

struct seg_state_store {
	struct seg_store *store;  /* NULL: it cannot be opened, see damaged */
	struct seg_error damaged; /* rc SEG_CORRUPT: why */
	int32_t partition;
	struct seg_about about;
	bool has_cut;
	struct seg_cut cut; /* the last one the store knows */
	bool whole;	    /* every profile is as of that cut, and that cut's commit needs no re-reading */
};

typedef enum seg_rc (*seg_state_store_fn)(struct seg_state_store *at, void *ctx, struct seg_error *err);

/*
 * DIR is data_dir, or data_dir/app: each partition of each app in ascending order, damaged ones, too. SEG_CORRUPT from
 * fn is returned when all have been visited. SEG_NOT_FOUND: there is none; SEG_IO: in use, with the
 * process id.
 */
enum seg_rc seg_state_for_each_store(const char *dir, seg_state_store_fn fn, void *ctx,
				     struct seg_error *err) SEG_MUST_CHECK;

typedef enum seg_rc (*seg_state_profile_fn)(void *ctx, const struct seg_profile *p, struct seg_error *err);
/* Profiles in key order, each decoded. */
enum seg_rc seg_state_each(struct seg_state_store *at, seg_state_profile_fn fn, void *ctx,
			   struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_state_count(struct seg_state_store *at, uint64_t *ret, struct seg_error *err) SEG_MUST_CHECK;

#endif
