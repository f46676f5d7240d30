/*
 * What the partitions have told on <app>-model-sums, read once from its start to its end; and the newest model's basis, so
 * that histograms can be counted again. One thread.
 */
#ifndef SEG_DAEMON_SUMS_TOLD_H
#define SEG_DAEMON_SUMS_TOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/kafka_client.h"
#include "config/config.h"
#include "segmenter/sums.h"

struct seg_told {
	int32_t partition;
	struct seg_sums *sums;
	bool closed; /* there is a closing record */
	struct seg_sums_close close;
	bool open; /* a piece stands behind the newest closing record: nobody sends that */
	uint64_t open_cluster;
	struct seg_error broken; /* rc SEG_OK: all its records could be read */
};

struct seg_sums_told;

/* SEG_RETRY: the brokers do not answer. A topic that is not there is an empty one. */
enum seg_rc seg_sums_told_read(const struct seg_kafka_client *client, const struct seg_config *config,
			       struct seg_sums_told **ret, struct seg_error *err) SEG_MUST_CHECK;
void seg_sums_told_free(struct seg_sums_told *t); /* NULL is fine */

/* NULL: nothing was told of the partition. Valid until free, as the basis is (NULL: no model). */
const struct seg_told *seg_sums_told_of(const struct seg_sums_told *t, int32_t partition);
const struct seg_basis *seg_sums_told_basis(const struct seg_sums_told *t);

/* total += the sums of everybody who told some: what the fold learns from. Errors as seg_sums_add(). */
enum seg_rc seg_sums_told_add(const struct seg_sums_told *t, struct seg_sums *total,
			      struct seg_error *err) SEG_MUST_CHECK;

#endif
