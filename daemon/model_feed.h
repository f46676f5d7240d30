/*
 * Follows <app>-model on a thread of its own and holds the newest model, from which every worker takes its snapshot at a
 * commit, and the kept versions (`v/<n>`: promotions and a candidate), for lists, diffs and rollbacks. Any thread may ask.
 */
#ifndef SEG_DAEMON_MODEL_FEED_H
#define SEG_DAEMON_MODEL_FEED_H

#include <stdbool.h>
#include <stdint.h>

#include "base/kafka_client.h"
#include "segmenter/model.h"

struct seg_model_feed;

enum seg_rc seg_model_feed_start(const struct seg_kafka_client *client, const char *topic, struct seg_model_feed **ret,
				 struct seg_error *err) SEG_MUST_CHECK;
void seg_model_feed_stop(struct seg_model_feed *f, int close_ms); /* NULL is fine */

/* The newest model, counted for the caller (seg_model_put()); NULL: none yet. */
struct seg_model *seg_model_feed_get(struct seg_model_feed *f);
uint64_t seg_model_feed_version(struct seg_model_feed *f);

/* The newest of the kept versions, more are let go; the fold keeps 20 and those that are pinned. */
enum { SEG_FEED_VERSIONS = 64 };
/* Their numbers, ascending; *ret[i] counted for the caller. Returns how many. */
size_t seg_model_feed_versions(struct seg_model_feed *f, uint64_t ret_numbers[SEG_FEED_VERSIONS],
			       struct seg_model *ret[SEG_FEED_VERSIONS]);
/* The version of that number, counted for the caller; NULL: not kept. */
struct seg_model *seg_model_feed_find(struct seg_model_feed *f, uint64_t number);

/* The newest candidate that waits for a person, counted for the caller; NULL: none. */
struct seg_model *seg_model_feed_candidate(struct seg_model_feed *f);

/*
 * Who holds a partition, and who the fold (SEG_PLACE_FOLD), for those who ask the wrong instance: `at/<partition>` and
 * `at/fold`, {"instance", "url"}, told by its owner with its first commit if it has an http.advertise. False: not known.
 */
enum { SEG_PLACE_FOLD = -1, SEG_PLACE_URL = 512, SEG_PLACES_MAX = 8192 };
bool seg_model_feed_place(struct seg_model_feed *f, int32_t partition, char ret_url[SEG_PLACE_URL]);

/* Position in the topic, markers included: everything below it has been taken in. */
int64_t seg_model_feed_position(struct seg_model_feed *f);

/* The feed cannot go on (a model that cannot be read): what happened, for the worker that finds out. */
enum seg_rc seg_model_feed_check(struct seg_model_feed *f, struct seg_error *err) SEG_MUST_CHECK;

#endif
