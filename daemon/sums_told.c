#include "daemon/sums_told.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "consumers/kafka_reader.h"
#include "segmenter/model.h"

enum { POLL_MS = 100, BATCH = 1000, SILENCE_MS = 15000, CLOSE_MS = 5000, KEY_BYTES = 64 };

struct seg_sums_told {
	struct seg_told *items; /* in the order they came */
	size_t len;
	struct seg_model *model;
	uint32_t sums_stream, model_stream;
	bool sums_read, model_read; /* to their ends */
};

static struct seg_told *told_of(struct seg_sums_told *t, int32_t partition)
{
	for (size_t i = 0; i < t->len; i++) {
		if (t->items[i].partition == partition)
			return &t->items[i];
	}
	struct seg_told *more = realloc(t->items, (t->len + 1) * sizeof(*more));
	if (!more)
		return NULL;
	t->items = more;
	struct seg_sums *sums = seg_sums_new();
	if (!sums)
		return NULL;
	t->items[t->len] = (struct seg_told){.partition = partition, .sums = sums};
	return &t->items[t->len++];
}

/* "sums/<partition>" or "sums/<partition>/<cluster>". */
static bool parse_key(struct seg_str key, int32_t *ret_partition, bool *ret_piece, uint64_t *ret_cluster)
{
	static const char SUMS[] = "sums/";
	char text[KEY_BYTES], *end;
	if (!key.ptr || key.len >= sizeof(text) || key.len < sizeof(SUMS) ||
	    memcmp(key.ptr, SUMS, sizeof(SUMS) - 1) != 0)
		return false;
	memcpy(text, key.ptr, key.len);
	text[key.len] = '\0';
	unsigned long long partition = strtoull(text + sizeof(SUMS) - 1, &end, 10);
	if (partition > INT32_MAX || (*end != '\0' && *end != '/'))
		return false;
	*ret_partition = (int32_t)partition;
	*ret_piece = *end == '/';
	*ret_cluster = *ret_piece ? strtoull(end + 1, &end, 10) : 0;
	return *end == '\0';
}

static enum seg_rc take_piece(struct seg_told *told, uint64_t cluster, struct seg_str value, struct seg_error *err)
{
	uint64_t sequence;
	told->open = true;
	told->open_cluster = cluster;
	if (!value.ptr) {
		seg_sums_drop(told->sums, cluster);
		return SEG_OK;
	}
	return seg_sums_decode(told->sums, cluster, value.ptr, value.len, &sequence, err);
}

static bool is_listed(const struct seg_sums_close *close, uint64_t cluster)
{
	for (uint32_t i = 0; i < close->clusters_len; i++) {
		if (close->clusters[i] == cluster)
			return true;
	}
	return false;
}

/* Clusters it does not list are gone; their tombstones may be, too. */
static enum seg_rc take_close(struct seg_told *told, struct seg_str value, struct seg_error *err)
{
	struct seg_sums_close close;
	if (!value.ptr)
		return SEG_OK;
	enum seg_rc rc = seg_sums_close_decode(&close, value.ptr, value.len, err);
	if (rc)
		return rc;
	free(told->close.clusters);
	told->close = close;
	told->closed = true;
	told->open = false;
	for (size_t i = seg_sums_len(told->sums); i-- > 0;) {
		uint64_t cluster = seg_sums_at(told->sums, i)->cluster;
		if (is_listed(&close, cluster))
			continue;
		seg_sums_drop(told->sums, cluster); /* all its buckets, so begin anew */
		i = seg_sums_len(told->sums);
	}
	return SEG_OK;
}

static enum seg_rc take_sums(struct seg_sums_told *t, const struct seg_kafka_message *m, struct seg_error *err)
{
	int32_t partition;
	uint64_t cluster;
	bool piece;
	if (!parse_key(m->key, &partition, &piece, &cluster))
		return SEG_OK;
	struct seg_told *told = told_of(t, partition);
	if (!told)
		return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory");
	struct seg_error why = {0};
	enum seg_rc rc = piece ? take_piece(told, cluster, m->value, &why) : take_close(told, m->value, &why);
	if (rc == SEG_NO_MEMORY)
		return seg_error_set(err, rc, "%s", why.text);
	if (rc) {
		seg_error_wrap(&why, rc, "offset %lld", (long long)m->offset);
		told->broken = why;
		told->broken.rc = rc;
	}
	return SEG_OK;
}

static enum seg_rc take_model(struct seg_sums_told *t, const struct seg_kafka_message *m, struct seg_error *err)
{
	static const char CURRENT[] = "current";
	struct seg_model *model;
	if (m->key.len != sizeof(CURRENT) - 1 || memcmp(m->key.ptr, CURRENT, sizeof(CURRENT) - 1) != 0 || !m->value.ptr)
		return SEG_OK;
	enum seg_rc rc = seg_model_decode(m->value.ptr, m->value.len, &model, err);
	if (rc)
		return seg_error_wrap(err, rc, "model at offset %lld", (long long)m->offset);
	seg_model_put(t->model);
	t->model = model;
	return SEG_OK;
}

static enum seg_rc take_event(void *ctx, enum seg_stream_event event, const struct seg_kafka_message *m,
			      struct seg_error *err)
{
	struct seg_sums_told *t = ctx;
	bool sums = m->topic == t->sums_stream;
	switch (event) {
	case SEG_STREAM_RECORD:
		return sums ? take_sums(t, m, err) : take_model(t, m, err);
	case SEG_STREAM_EOF:
	case SEG_STREAM_GONE:
		*(sums ? &t->sums_read : &t->model_read) = true;
		return SEG_OK;
	}
	return SEG_OK;
}

static enum seg_rc read_both(struct seg_sums_told *t, struct seg_kafka_reader *reader, struct seg_error *err)
{
	int64_t heard_ms = seg_monotonic_ms();
	while (!t->sums_read || !t->model_read) {
		size_t events = 0;
		enum seg_rc rc = seg_kafka_reader_poll(reader, POLL_MS, BATCH, take_event, t, &events, err);
		if (rc)
			return rc;
		if (events > 0)
			heard_ms = seg_monotonic_ms();
		else if (seg_monotonic_ms() - heard_ms > SILENCE_MS)
			return seg_error_set(err, SEG_RETRY,
					     "the sums' topic cannot be read: no answer from the brokers "
					     "for %d s",
					     SILENCE_MS / 1000);
	}
	return SEG_OK;
}

enum seg_rc seg_sums_told_read(const struct seg_kafka_client *client, const struct seg_config *config,
			       struct seg_sums_told **ret, struct seg_error *err)
{
	struct seg_kafka_reader *reader = NULL;
	struct seg_sums_told *t = calloc(1, sizeof(*t));
	if (!t)
		return seg_error_set(err, SEG_NO_MEMORY, "sums: out of memory");
	enum seg_rc rc = seg_kafka_reader_open(client, &reader, err);
	if (!rc)
		rc = seg_kafka_reader_add(reader, config->internals.model_sums, 0, SEG_OFFSET_START, &t->sums_stream,
					  err);
	if (!rc)
		rc = seg_kafka_reader_add(reader, config->internals.model, 0, SEG_OFFSET_START, &t->model_stream, err);
	if (!rc)
		rc = read_both(t, reader, err);
	seg_kafka_reader_close(reader, CLOSE_MS);
	if (rc) {
		seg_sums_told_free(t);
		return rc;
	}
	*ret = t;
	return SEG_OK;
}

void seg_sums_told_free(struct seg_sums_told *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->len; i++) {
		seg_sums_free(t->items[i].sums);
		free(t->items[i].close.clusters);
	}
	seg_model_put(t->model);
	free(t->items);
	free(t);
}

const struct seg_told *seg_sums_told_of(const struct seg_sums_told *t, int32_t partition)
{
	for (size_t i = 0; i < t->len; i++) {
		if (t->items[i].partition == partition)
			return &t->items[i];
	}
	return NULL;
}

const struct seg_basis *seg_sums_told_basis(const struct seg_sums_told *t)
{
	return t->model ? &t->model->basis : NULL;
}

enum seg_rc seg_sums_told_add(const struct seg_sums_told *t, struct seg_sums *total, struct seg_error *err)
{
	for (size_t i = 0; i < t->len; i++) {
		enum seg_rc rc = seg_sums_add(total, t->items[i].sums, err);
		if (rc)
			return seg_error_wrap(err, rc, "sums/%d", (int)t->items[i].partition);
	}
	return SEG_OK;
}
