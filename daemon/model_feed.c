#include "daemon/model_feed.h"

#include <jansson.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "consumers/kafka_reader.h"

enum { POLL_MS = 100, BATCH = 64, CLOSE_MS = 5000 };

struct kept {
	uint64_t number;
	struct seg_model *model;
};

struct place {
	int32_t partition;
	char *url; /* owned */
};

struct seg_model_feed {
	struct seg_kafka_reader *reader;
	uint32_t stream;
	pthread_t thread;
	bool started;
	atomic_bool stop;
	atomic_llong position;
	pthread_mutex_t lock; /* of what follows */
	struct seg_model *model;
	struct kept kept[SEG_FEED_VERSIONS]; /* ascending by number */
	size_t kept_len;
	struct place *places; /* in no order */
	size_t places_len, places_cap;
	struct seg_error broken; /* rc SEG_OK: fine */
};

/* ---- kept versions ---- */

/* False: not v/<n>. */
static bool parse_key(struct seg_str key, uint64_t *ret)
{
	uint64_t n = 0;
	if (key.len < 3 || key.len > 20 || key.ptr[0] != 'v' || key.ptr[1] != '/')
		return false;
	for (uint32_t i = 2; i < key.len; i++) {
		if (key.ptr[i] < '0' || key.ptr[i] > '9')
			return false;
		n = n * 10 + (uint64_t)(key.ptr[i] - '0');
	}
	*ret = n;
	return true;
}

static void drop_kept(struct seg_model_feed *f, size_t at)
{
	seg_model_put(f->kept[at].model);
	memmove(&f->kept[at], &f->kept[at + 1], (--f->kept_len - at) * sizeof(f->kept[0]));
}

/* model NULL: it is not kept any more. Takes ownership; caller holds the lock. */
static void keep(struct seg_model_feed *f, uint64_t number, struct seg_model *model)
{
	size_t at = 0;
	while (at < f->kept_len && f->kept[at].number < number)
		at++;
	if (at < f->kept_len && f->kept[at].number == number)
		drop_kept(f, at);
	if (!model)
		return;
	if (f->kept_len == SEG_FEED_VERSIONS) {
		if (at == 0) {
			seg_model_put(model);
			return;
		}
		drop_kept(f, 0);
		at--;
	}
	memmove(&f->kept[at + 1], &f->kept[at], (f->kept_len++ - at) * sizeof(f->kept[0]));
	f->kept[at] = (struct kept){number, model};
}

/* Old ones nobody works with: one that cannot be read is left out. */
static void take_version(struct seg_model_feed *f, const struct seg_kafka_message *m)
{
	uint64_t number;
	struct seg_model *model = NULL;
	struct seg_error err = {0};
	if (!parse_key(m->key, &number))
		return;
	if (m->value.ptr && seg_model_decode(m->value.ptr, m->value.len, &model, &err)) {
		seg_log(SEG_LOG_WARN, "model_version_unread", "version=%llu error=\"%s\"", (unsigned long long)number,
			err.text);
		model = NULL;
	}
	pthread_mutex_lock(&f->lock);
	keep(f, number, model);
	pthread_mutex_unlock(&f->lock);
}

size_t seg_model_feed_versions(struct seg_model_feed *f, uint64_t ret_numbers[SEG_FEED_VERSIONS],
			       struct seg_model *ret[SEG_FEED_VERSIONS])
{
	pthread_mutex_lock(&f->lock);
	size_t len = f->kept_len;
	for (size_t i = 0; i < len; i++) {
		ret_numbers[i] = f->kept[i].number;
		ret[i] = seg_model_get(f->kept[i].model);
	}
	pthread_mutex_unlock(&f->lock);
	return len;
}

struct seg_model *seg_model_feed_find(struct seg_model_feed *f, uint64_t number)
{
	struct seg_model *found = NULL;
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->kept_len && !found; i++) {
		if (f->kept[i].number == number)
			found = seg_model_get(f->kept[i].model);
	}
	pthread_mutex_unlock(&f->lock);
	return found;
}

struct seg_model *seg_model_feed_candidate(struct seg_model_feed *f)
{
	struct seg_model *found = NULL;
	pthread_mutex_lock(&f->lock);
	for (size_t i = f->kept_len; i > 0 && !found; i--) {
		if (f->kept[i - 1].model->state == SEG_MODEL_CANDIDATE)
			found = seg_model_get(f->kept[i - 1].model);
	}
	pthread_mutex_unlock(&f->lock);
	return found;
}

/* ---- places ---- */

/* False: not at/<partition> or at/fold. */
static bool parse_place(struct seg_str key, int32_t *ret)
{
	int32_t n = 0;
	if (seg_str_is(key, "at/fold")) {
		*ret = SEG_PLACE_FOLD;
		return true;
	}
	if (key.len < 4 || key.len > 9 || memcmp(key.ptr, "at/", 3) != 0)
		return false;
	for (uint32_t i = 3; i < key.len; i++) {
		if (key.ptr[i] < '0' || key.ptr[i] > '9')
			return false;
		n = n * 10 + (key.ptr[i] - '0');
	}
	*ret = n;
	return true;
}

/* A copy of the address, if it can stand in a header; NULL: it cannot, or memory is short. */
static char *read_url(struct seg_str value)
{
	json_t *o = value.ptr ? json_loadb(value.ptr, value.len, 0, NULL) : NULL;
	const char *url = json_string_value(json_object_get(o, "url"));
	char *copy = NULL;
	bool ok = url && strlen(url) < SEG_PLACE_URL &&
		  (strncmp(url, "http://", 7) == 0 || strncmp(url, "https://", 8) == 0);
	for (const char *at = url; ok && *at; at++)
		ok = *at > 0x20 && *at < 0x7f && *at != '"';
	if (ok)
		copy = strdup(url);
	json_decref(o);
	return copy;
}

static bool take_place(struct seg_model_feed *f, const struct seg_kafka_message *m)
{
	int32_t partition;
	if (!parse_place(m->key, &partition))
		return false;
	char *url = m->value.len < 4096 ? read_url(m->value) : NULL;
	pthread_mutex_lock(&f->lock);
	size_t at = 0;
	while (at < f->places_len && f->places[at].partition != partition)
		at++;
	if (at == f->places_len && url && at < SEG_PLACES_MAX) {
		size_t cap = f->places_cap ? f->places_cap * 2 : 16;
		struct place *more = at < f->places_cap ? f->places : realloc(f->places, cap * sizeof(*more));
		if (more) {
			f->places_cap = at < f->places_cap ? f->places_cap : cap;
			f->places = more;
			f->places[f->places_len++] = (struct place){partition, NULL};
		}
	}
	if (at < f->places_len) {
		free(f->places[at].url);
		f->places[at].url = url;
		url = NULL;
	}
	pthread_mutex_unlock(&f->lock);
	free(url);
	return true;
}

bool seg_model_feed_place(struct seg_model_feed *f, int32_t partition, char ret_url[SEG_PLACE_URL])
{
	bool found = false;
	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; i < f->places_len && !found; i++) {
		found = f->places[i].partition == partition && f->places[i].url;
		if (found)
			snprintf(ret_url, SEG_PLACE_URL, "%s", f->places[i].url);
	}
	pthread_mutex_unlock(&f->lock);
	return found;
}

/* ---- the newest ---- */

static enum seg_rc take_model(struct seg_model_feed *f, const struct seg_kafka_message *m, struct seg_error *err)
{
	static const char CURRENT[] = "current";
	if (m->key.len != sizeof(CURRENT) - 1 || memcmp(m->key.ptr, CURRENT, sizeof(CURRENT) - 1) != 0 ||
	    !m->value.ptr) {
		if (!take_place(f, m))
			take_version(f, m);
		return SEG_OK;
	}
	struct seg_model *model;
	enum seg_rc rc = seg_model_decode(m->value.ptr, m->value.len, &model, err);
	if (rc)
		return seg_error_wrap(err, rc, "model at offset %lld", (long long)m->offset);
	pthread_mutex_lock(&f->lock);
	struct seg_model *old = f->model;
	f->model = model;
	pthread_mutex_unlock(&f->lock);
	seg_model_put(old);
	return SEG_OK;
}

static enum seg_rc take_event(void *ctx, enum seg_stream_event event, const struct seg_kafka_message *m,
			      struct seg_error *err)
{
	struct seg_model_feed *f = ctx;
	switch (event) {
	case SEG_STREAM_RECORD:
		return take_model(f, m, err);
	case SEG_STREAM_EOF:
		return SEG_OK;
	case SEG_STREAM_GONE:
		return seg_error_set(err, SEG_FATAL, "the model topic is gone, or its log begins after our position");
	}
	return SEG_OK;
}

static void *follow(void *arg)
{
	struct seg_model_feed *f = arg;
	struct seg_error err = {0};
	enum seg_rc rc = SEG_OK;
	while (!rc && !atomic_load(&f->stop)) {
		rc = seg_kafka_reader_poll(f->reader, POLL_MS, BATCH, take_event, f, NULL, &err);
		atomic_store(&f->position, seg_kafka_reader_position(f->reader, f->stream));
	}
	if (rc) {
		seg_log(SEG_LOG_ERROR, "model_feed", "error=\"%s\"", err.text);
		pthread_mutex_lock(&f->lock);
		f->broken = err;
		f->broken.rc = rc;
		pthread_mutex_unlock(&f->lock);
	}
	return NULL;
}

enum seg_rc seg_model_feed_start(const struct seg_kafka_client *client, const char *topic, struct seg_model_feed **ret,
				 struct seg_error *err)
{
	struct seg_model_feed *f = calloc(1, sizeof(*f));
	if (!f)
		return seg_error_set(err, SEG_NO_MEMORY, "model feed: out of memory");
	pthread_mutex_init(&f->lock, NULL);
	atomic_init(&f->position, -1);
	enum seg_rc rc = seg_kafka_reader_open(client, &f->reader, err);
	if (!rc)
		rc = seg_kafka_reader_add(f->reader, topic, 0, SEG_OFFSET_START, &f->stream, err);
	if (!rc && pthread_create(&f->thread, NULL, follow, f) != 0)
		rc = seg_error_set(err, SEG_IO, "model feed: no thread can be started");
	if (rc) {
		seg_model_feed_stop(f, CLOSE_MS);
		return rc;
	}
	f->started = true;
	*ret = f;
	return SEG_OK;
}

void seg_model_feed_stop(struct seg_model_feed *f, int close_ms)
{
	if (!f)
		return;
	atomic_store(&f->stop, true);
	if (f->started)
		pthread_join(f->thread, NULL);
	if (!seg_kafka_reader_close(f->reader, close_ms))
		seg_log(SEG_LOG_WARN, "model_feed_close", "text=\"the Kafka client did not close within %d ms\"",
			close_ms);
	seg_model_put(f->model);
	while (f->kept_len > 0)
		drop_kept(f, f->kept_len - 1);
	for (size_t i = 0; i < f->places_len; i++)
		free(f->places[i].url);
	free(f->places);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

struct seg_model *seg_model_feed_get(struct seg_model_feed *f)
{
	pthread_mutex_lock(&f->lock);
	struct seg_model *model = f->model ? seg_model_get(f->model) : NULL;
	pthread_mutex_unlock(&f->lock);
	return model;
}

uint64_t seg_model_feed_version(struct seg_model_feed *f)
{
	pthread_mutex_lock(&f->lock);
	uint64_t version = seg_model_version(f->model);
	pthread_mutex_unlock(&f->lock);
	return version;
}

int64_t seg_model_feed_position(struct seg_model_feed *f)
{
	return atomic_load(&f->position);
}

enum seg_rc seg_model_feed_check(struct seg_model_feed *f, struct seg_error *err)
{
	pthread_mutex_lock(&f->lock);
	struct seg_error broken = f->broken;
	pthread_mutex_unlock(&f->lock);
	if (broken.rc)
		return seg_error_set(err, broken.rc, "%s", broken.text);
	return SEG_OK;
}
