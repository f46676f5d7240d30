#include "tests/property/protocol/store_memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DISKS = 8, HEAD = 9 };

struct blob {
	uint8_t *data;
	size_t len;
};

struct op {
	struct blob key, value; /* value.data NULL: delete */
};

struct seg_batch {
	struct op *ops;
	size_t len, cap, bytes;
};

struct map {
	struct op *items; /* by key */
	size_t len, cap;
};

struct seg_store {
	char dir[32];
	struct map now, synced;
	struct seg_batch **batches; /* since the last sync */
	size_t len, cap;
};

struct seg_store_env {
	struct seg_store disks[DISKS];
};

struct seg_scan {
	struct map copy;
	size_t at;
};

/* ---- blobs and maps ---- */

static struct blob blob(const void *data, size_t len)
{
	struct blob b = {malloc(len + 1), len};

	if (!b.data)
		abort();
	memcpy(b.data, data, len);
	return b;
}

static int compare(struct blob a, struct blob b)
{
	int c = memcmp(a.data, b.data, a.len < b.len ? a.len : b.len);

	return c ? c : (a.len > b.len) - (a.len < b.len);
}

static size_t find(const struct map *m, struct blob key, bool *ret_found)
{
	size_t i = 0;

	while (i < m->len && compare(m->items[i].key, key) < 0)
		i++;
	*ret_found = i < m->len && compare(m->items[i].key, key) == 0;
	return i;
}

static void map_apply(struct map *m, const struct op *op)
{
	bool found;
	size_t i = find(m, op->key, &found);

	if (found) {
		free(m->items[i].value.data);
		if (op->value.data) {
			m->items[i].value = blob(op->value.data, op->value.len);
			return;
		}
		free(m->items[i].key.data);
		memmove(m->items + i, m->items + i + 1, (--m->len - i) * sizeof *m->items);
		return;
	}
	if (!op->value.data)
		return;
	if (m->len == m->cap) {
		m->cap = m->cap ? m->cap * 2 : 8;
		m->items = realloc(m->items, m->cap * sizeof *m->items);
		if (!m->items)
			abort();
	}
	memmove(m->items + i + 1, m->items + i, (m->len++ - i) * sizeof *m->items);
	m->items[i] = (struct op){blob(op->key.data, op->key.len), blob(op->value.data, op->value.len)};
}

static void map_clear(struct map *m)
{
	for (size_t i = 0; i < m->len; i++) {
		free(m->items[i].key.data);
		free(m->items[i].value.data);
	}
	free(m->items);
	*m = (struct map){NULL, 0, 0};
}

static void map_copy(struct map *to, const struct map *from)
{
	map_clear(to);
	for (size_t i = 0; i < from->len; i++)
		map_apply(to, &from->items[i]);
}

/* ---- disks ---- */

static void forget_batches(struct seg_store *s)
{
	for (size_t i = 0; i < s->len; i++)
		seg_batch_free(s->batches[i]);
	s->len = 0;
}

static struct seg_store *disk(struct seg_store_env *env, const char *dir)
{
	for (size_t i = 0; i < DISKS; i++) {
		struct seg_store *s = &env->disks[i];

		if (s->dir[0] == '\0')
			snprintf(s->dir, sizeof s->dir, "%s", dir);
		if (strcmp(s->dir, dir) == 0)
			return s;
	}
	abort();
}

size_t disk_unsynced(struct seg_store_env *env, const char *dir)
{
	return disk(env, dir)->len;
}

static void cut_to(struct seg_store *s, size_t n)
{
	map_copy(&s->now, &s->synced);
	for (size_t b = 0; b < n; b++)
		for (size_t i = 0; i < s->batches[b]->len; i++)
			map_apply(&s->now, &s->batches[b]->ops[i]);
}

void disk_power_loss(struct seg_store_env *env, const char *dir, size_t n)
{
	struct seg_store *s = disk(env, dir);

	cut_to(s, n);
	map_copy(&s->synced, &s->now);
	forget_batches(s);
}

static void disk_clear(struct seg_store *s)
{
	map_clear(&s->now);
	map_clear(&s->synced);
	forget_batches(s);
}

void disk_lost(struct seg_store_env *env, const char *dir)
{
	disk_clear(disk(env, dir));
}

void disk_copy(struct seg_store_env *env, const char *from, size_t n, const char *to)
{
	struct seg_store *a = disk(env, from), *b = disk(env, to);
	struct map now = a->now;

	disk_clear(b);
	a->now = (struct map){NULL, 0, 0};
	cut_to(a, n);
	map_copy(&b->now, &a->now);
	map_copy(&b->synced, &a->now);
	map_clear(&a->now);
	a->now = now;
}

/* ---- state/store.h ---- */

enum seg_rc seg_store_env_new(const struct seg_store_options *options, struct seg_store_env **ret,
			      struct seg_error *err)
{
	(void)options;
	(void)err;
	*ret = calloc(1, sizeof **ret);
	return *ret ? SEG_OK : SEG_NO_MEMORY;
}

void seg_store_env_free(struct seg_store_env *env)
{
	for (size_t i = 0; i < DISKS; i++) {
		disk_clear(&env->disks[i]);
		free(env->disks[i].batches);
	}
	free(env);
}

enum seg_rc seg_store_open(struct seg_store_env *env, const char *dir, struct seg_store **ret, struct seg_error *err)
{
	(void)err;
	*ret = disk(env, dir);
	return SEG_OK;
}

void seg_store_close(struct seg_store *s)
{
	(void)s;
}

enum seg_rc seg_store_empty(struct seg_store *s, struct seg_error *err)
{
	(void)err;
	disk_clear(s);
	return SEG_OK;
}

/* It is never in trouble. */
enum seg_rc seg_store_trouble(struct seg_store *s, struct seg_error *ret)
{
	(void)s;
	if (ret)
		*ret = (struct seg_error){SEG_OK, ""};
	return SEG_OK;
}

void seg_store_distrust(struct seg_store *s, const char *why)
{
	fprintf(stderr, "%s: %s\n", s->dir, why);
	abort();
}

enum seg_rc seg_store_reopen(struct seg_store *s, struct seg_error *err)
{
	(void)s;
	(void)err;
	return SEG_OK;
}

enum seg_rc seg_store_replace(struct seg_store *s, char ret_name[SEG_STORE_ASIDE_BYTES], struct seg_error *err)
{
	ret_name[0] = '\0';
	return seg_store_empty(s, err);
}

enum seg_rc seg_store_set_aside(struct seg_store_env *env, const char *dir, char ret_name[SEG_STORE_ASIDE_BYTES],
				struct seg_error *err)
{
	ret_name[0] = '\0';
	return seg_store_destroy(env, dir, err);
}

enum seg_rc seg_store_destroy(struct seg_store_env *env, const char *dir, struct seg_error *err)
{
	(void)err;
	disk_lost(env, dir);
	return SEG_OK;
}

static struct blob profile_key(uint64_t hash, struct seg_str id)
{
	struct blob b = {malloc(HEAD + id.len), HEAD + id.len};

	if (!b.data)
		abort();
	b.data[0] = 'p';
	for (int i = 0; i < 8; i++)
		b.data[1 + i] = (uint8_t)(hash >> (56 - 8 * i));
	memcpy(b.data + HEAD, id.ptr, id.len);
	return b;
}

static struct blob meta_key(const char *name)
{
	struct blob b = blob(name, strlen(name) + 1);

	memmove(b.data + 1, b.data, strlen(name));
	b.data[0] = 'm';
	return b;
}

static enum seg_rc get(struct seg_store *s, struct blob key, struct seg_buf *out)
{
	bool found;
	size_t i = find(&s->now, key, &found);

	free(key.data);
	if (!found)
		return SEG_NOT_FOUND;
	seg_buf_clear(out);
	seg_buf_append(out, s->now.items[i].value.data, s->now.items[i].value.len);
	return out->failed ? SEG_LIMIT : SEG_OK;
}

enum seg_rc seg_store_get(struct seg_store *s, uint64_t hash, struct seg_str id, struct seg_buf *out,
			  struct seg_error *err)
{
	(void)err;
	return get(s, profile_key(hash, id), out);
}

enum seg_rc seg_store_get_meta(struct seg_store *s, const char *name, struct seg_buf *out, struct seg_error *err)
{
	(void)err;
	return get(s, meta_key(name), out);
}

struct seg_batch *seg_batch_new(void)
{
	return calloc(1, sizeof(struct seg_batch));
}

void seg_batch_clear(struct seg_batch *b)
{
	for (size_t i = 0; i < b->len; i++) {
		free(b->ops[i].key.data);
		free(b->ops[i].value.data);
	}
	b->len = b->bytes = 0;
}

void seg_batch_free(struct seg_batch *b)
{
	if (b) {
		seg_batch_clear(b);
		free(b->ops);
		free(b);
	}
}

size_t seg_batch_len(const struct seg_batch *b)
{
	return b->len;
}

size_t seg_batch_bytes(const struct seg_batch *b)
{
	return b->bytes;
}

static void batch_add(struct seg_batch *b, struct blob key, struct blob value)
{
	if (b->len == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 4;
		b->ops = realloc(b->ops, b->cap * sizeof *b->ops);
		if (!b->ops)
			abort();
	}
	b->ops[b->len++] = (struct op){key, value};
	b->bytes += key.len + value.len;
}

void seg_batch_put_profile(struct seg_batch *b, uint64_t hash, struct seg_str id, const void *data, size_t len)
{
	batch_add(b, profile_key(hash, id), blob(data, len));
}

void seg_batch_delete_profile(struct seg_batch *b, uint64_t hash, struct seg_str id)
{
	batch_add(b, profile_key(hash, id), (struct blob){NULL, 0});
}

void seg_batch_put_meta(struct seg_batch *b, const char *name, const void *data, size_t len)
{
	batch_add(b, meta_key(name), blob(data, len));
}

void seg_batch_delete_meta(struct seg_batch *b, const char *name)
{
	batch_add(b, meta_key(name), (struct blob){NULL, 0});
}

enum seg_rc seg_batch_write(struct seg_store *s, struct seg_batch *b, struct seg_error *err)
{
	struct seg_batch *copy = seg_batch_new();

	(void)err;
	if (!copy)
		return SEG_NO_MEMORY;
	for (size_t i = 0; i < b->len; i++) {
		const struct op *op = &b->ops[i];

		map_apply(&s->now, op);
		batch_add(copy, blob(op->key.data, op->key.len),
			  op->value.data ? blob(op->value.data, op->value.len) : (struct blob){NULL, 0});
	}
	if (s->len == s->cap) {
		s->cap = s->cap ? s->cap * 2 : 8;
		s->batches = realloc(s->batches, s->cap * sizeof(struct seg_batch *));
		if (!s->batches)
			abort();
	}
	s->batches[s->len++] = copy;
	return SEG_OK;
}

/* A run is a batch here. */
struct seg_run {
	struct seg_store *store;
	struct seg_batch *batch;
};

enum seg_rc seg_store_bulk_begin(struct seg_store *s, struct seg_error *err)
{
	(void)s;
	(void)err;
	return SEG_OK;
}

enum seg_rc seg_store_bulk_end(struct seg_store *s, struct seg_error *err)
{
	return seg_store_bulk_begin(s, err);
}

enum seg_rc seg_run_open(struct seg_store *s, struct seg_run **ret, struct seg_error *err)
{
	(void)err;
	*ret = calloc(1, sizeof **ret);
	if (!*ret || !((*ret)->batch = seg_batch_new()))
		abort();
	(*ret)->store = s;
	return SEG_OK;
}

enum seg_rc seg_run_put(struct seg_run *run, uint64_t hash, struct seg_str id, const void *data, size_t len,
			struct seg_error *err)
{
	(void)err;
	if (data)
		seg_batch_put_profile(run->batch, hash, id, data, len);
	else
		seg_batch_delete_profile(run->batch, hash, id);
	return SEG_OK;
}

void seg_run_drop(struct seg_run *run)
{
	seg_batch_free(run->batch);
	free(run);
}

enum seg_rc seg_run_close(struct seg_run *run, struct seg_error *err)
{
	enum seg_rc rc = run->batch->len > 0 ? seg_batch_write(run->store, run->batch, err) : SEG_OK;

	seg_run_drop(run);
	return rc;
}

enum seg_rc seg_scan_open(struct seg_store *s, uint64_t from_hash, struct seg_scan **ret, struct seg_error *err)
{
	struct seg_scan *scan = calloc(1, sizeof *scan);
	struct blob key = profile_key(from_hash, (struct seg_str){"", 0});
	bool found;

	(void)err;
	if (!scan)
		abort();
	map_copy(&scan->copy, &s->now);
	scan->at = find(&scan->copy, key, &found);
	free(key.data);
	*ret = scan;
	return SEG_OK;
}

void seg_scan_close(struct seg_scan *scan)
{
	map_clear(&scan->copy);
	free(scan);
}

enum seg_rc seg_scan_next(struct seg_scan *scan, struct seg_scan_item *ret, struct seg_error *err)
{
	const struct op *op = &scan->copy.items[scan->at];

	(void)err;
	if (scan->at >= scan->copy.len)
		return SEG_NOT_FOUND;
	scan->at++;
	ret->hash = 0;
	for (int i = 0; i < 8; i++)
		ret->hash = ret->hash << 8 | op->key.data[1 + i];
	ret->id = (struct seg_str){(const char *)op->key.data + HEAD, (uint32_t)(op->key.len - HEAD)};
	ret->data = op->value.data;
	ret->len = op->value.len;
	return SEG_OK;
}

enum seg_rc seg_store_sync(struct seg_store *s, struct seg_error *err)
{
	(void)err;
	map_copy(&s->synced, &s->now);
	forget_batches(s);
	return SEG_OK;
}
