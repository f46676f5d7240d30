/* Publication of the partition's sums: at most once an interval, what changed, closed by a record that counts the pieces. */
#include "daemon/shard_internal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Stream time alone is worth a closing record only now and then. */
static const int64_t TIME_STEP_MS = 3600 * 1000;

static uint64_t customers_of(const struct seg_shard *shard)
{
	struct seg_part_numbers n;
	seg_part_numbers(shard->part, &n);
	return n.customers;
}

/* The fold waits for all partitions: one in which nothing has ever happened says so, too. */
static bool is_tellable(const struct seg_shard *shard)
{
	return (seg_part_recounted(shard->part) || SEG_MUTANT(SUMS_EARLY)) &&
	       (shard->time.now_ms != SEG_NO_TIME || shard->time.idle);
}

static bool has_time_moved(const struct seg_shard *shard)
{
	int64_t told_ms = shard->publication.close.stream_time_ms;
	if (told_ms == SEG_NO_TIME || shard->time.now_ms == SEG_NO_TIME)
		return told_ms != shard->time.now_ms;
	return shard->time.now_ms - told_ms >= TIME_STEP_MS;
}

bool seg_shard_sums_untold(const struct seg_shard *shard)
{
	if (!seg_part_recounted(shard->part))
		return seg_shard_can_recount(shard);
	return is_tellable(shard) && (seg_sums_any_changed(shard->sums) || shard->publication.resend ||
				      shard->publication.close.customers != customers_of(shard));
}

bool seg_shard_sums_due(const struct seg_shard *shard, const struct seg_now *now, bool with_commit)
{
	const struct seg_sums_state *p = &shard->publication;
	if (!is_tellable(shard))
		return false;
	if (shard->flush) /* a clean stop leaves nothing untold */
		return seg_shard_sums_untold(shard);
	if (p->sent_mono_ms != SEG_NO_TIME && now->mono_ms - p->sent_mono_ms < shard->options.sums_interval_ms)
		return false;
	const struct seg_sums_close *c = &p->close;
	bool told = p->sent_mono_ms != SEG_NO_TIME;
	if (!told || p->resend || c->idle != shard->time.idle || c->swept_promotion != shard->scan.sweep_promotion)
		return true;
	/* No other commit may come to take them along: the last events may have been committed right after a telling. */
	if (seg_sums_any_changed(shard->sums) || c->customers != customers_of(shard))
		return true;
	return with_commit && has_time_moved(shard);
}

static enum seg_rc send_piece(struct seg_shard *shard, uint64_t cluster, bool gone, uint64_t sequence,
			      const struct seg_sink *sink, struct seg_error *err)
{
	seg_buf_clear(&shard->key);
	seg_buf_clear(&shard->value);
	seg_buf_printf(&shard->key, "sums/%d/%" PRIu64, seg_shard_partition(shard), cluster);
	struct seg_str value = {NULL, 0};
	if (!gone) {
		enum seg_rc rc = seg_sums_encode(shard->sums, cluster, sequence, &shard->value, err);
		if (rc)
			return rc;
		value = (struct seg_str){(const char *)shard->value.data, (uint32_t)shard->value.len};
	}
	if (shard->key.failed)
		return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory");
	struct seg_str key = {(const char *)shard->key.data, (uint32_t)shard->key.len};
	return sink->internal(sink->ctx, SEG_INTERNAL_SUMS, 0, key, value, NULL, err);
}

static bool is_listed(const struct seg_sums_close *close, uint64_t cluster)
{
	for (uint32_t i = 0; i < close->clusters_len; i++) {
		if (close->clusters[i] == cluster)
			return true;
	}
	return false;
}

/* Clusters of the model, retired ones too, that nobody here is in: an earlier owner may have left a piece. Readers go by
 * the closing record, so this only keeps the topic clean. */
static enum seg_rc send_absent(struct seg_shard *shard, struct seg_sums_close *close, const struct seg_sink *sink,
			       struct seg_error *err)
{
	const struct seg_model *m = shard->model;
	for (uint32_t i = 0; m && i < m->segments_len; i++) {
		if (is_listed(close, m->segments[i].cluster))
			continue;
		enum seg_rc rc = send_piece(shard, m->segments[i].cluster, true, close->sequence, sink, err);
		if (rc)
			return rc;
		close->pieces++;
	}
	return SEG_OK;
}

/* Pieces of the clusters that changed, and the list of all clusters for the closing record. */
static enum seg_rc send_pieces(struct seg_shard *shard, struct seg_sums_close *close, const struct seg_sink *sink,
			       struct seg_error *err)
{
	/* A cluster's buckets (one a basis) need not stand together: remember which have been sent. */
	size_t len = seg_sums_len(shard->sums);
	for (size_t i = 0; i < len; i++) {
		uint64_t cluster = seg_sums_at(shard->sums, i)->cluster;
		bool changed = shard->publication.resend;
		if (is_listed(close, cluster))
			continue;
		close->clusters[close->clusters_len++] = cluster;
		for (size_t j = i; j < len && !changed; j++)
			changed =
				seg_sums_at(shard->sums, j)->cluster == cluster && seg_sums_at(shard->sums, j)->changed;
		if (!changed)
			continue;
		enum seg_rc rc = send_piece(shard, cluster, false, close->sequence, sink, err);
		if (rc)
			return rc;
		close->pieces++;
	}
	if (shard->publication.resend)
		return send_absent(shard, close, sink, err);
	const uint64_t *gone;
	size_t gone_len = seg_sums_gone(shard->sums, &gone);
	for (size_t i = 0; i < gone_len; i++) {
		if (is_listed(close, gone[i]))
			continue;
		enum seg_rc rc = send_piece(shard, gone[i], true, close->sequence, sink, err);
		if (rc)
			return rc;
		close->pieces++;
	}
	return SEG_OK;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

enum seg_rc seg_shard_sums_send(struct seg_shard *shard, const struct seg_now *now, const struct seg_sink *sink,
				struct seg_error *err)
{
	const struct seg_cut *cut = seg_part_cut(shard->part);
	struct seg_sums_close close = {
		.sequence = (cut ? cut->seq : 0) + 1,
		.customers = customers_of(shard),
		.swept_promotion = shard->scan.sweep_promotion,
		.stream_time_ms = shard->time.now_ms,
		.idle = shard->time.idle,
		.clusters = calloc(seg_sums_len(shard->sums) + 1, sizeof(uint64_t)),
	};
	if (!close.clusters)
		return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory");
	enum seg_rc rc = send_pieces(shard, &close, sink, err);
	if (rc)
		goto out;
	qsort(close.clusters, close.clusters_len, sizeof(uint64_t), by_number);
	seg_buf_clear(&shard->key);
	seg_buf_clear(&shard->value);
	seg_buf_printf(&shard->key, "sums/%d", seg_shard_partition(shard));
	seg_sums_close_encode(&close, &shard->value);
	if (shard->key.failed || shard->value.failed) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory");
		goto out;
	}
	rc = sink->internal(sink->ctx, SEG_INTERNAL_SUMS, 0,
			    (struct seg_str){(const char *)shard->key.data, (uint32_t)shard->key.len},
			    (struct seg_str){(const char *)shard->value.data, (uint32_t)shard->value.len}, NULL, err);
	if (rc)
		goto out;
	seg_sums_clear_changed(shard->sums); /* what changes from here on goes next time; an abort sends all again */
	free(shard->publication.sealed_close.clusters);
	shard->publication.sealed_close = close;
	shard->publication.sealed = true;
	shard->publication.sent_mono_ms = now->mono_ms;
	return SEG_OK;
out:
	free(close.clusters);
	return rc;
}

void seg_shard_sums_committed(struct seg_shard *shard)
{
	struct seg_sums_state *p = &shard->publication;
	if (!p->sealed)
		return;
	free(p->close.clusters);
	p->close = p->sealed_close;
	p->sealed_close.clusters = NULL;
	p->sealed = p->resend = false;
}

void seg_shard_sums_aborted(struct seg_shard *shard)
{
	struct seg_sums_state *p = &shard->publication;
	free(p->sealed_close.clusters);
	p->sealed_close.clusters = NULL;
	p->resend = p->resend || (p->sealed && !SEG_MUTANT(SUMS_NOT_RESENT));
	p->sealed = false;
}
