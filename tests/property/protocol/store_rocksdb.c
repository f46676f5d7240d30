/*
 * The disks of store_memory.h for the real store: RocksDB over an env in memory. What is written is recorded on the way
 * (--wrap), so that a store can be made again as a power loss leaves it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "state/store_internal.h"
#include "tests/property/protocol/store_memory.h"

enum { DISKS = 4 };

struct rep {
	char *data;
	size_t len;
};

static struct disk {
	char dir[32];
	struct rep *reps;
	size_t len, cap, synced;
} disks[DISKS];

enum seg_rc __real_seg_batch_write(struct seg_store *s, struct seg_batch *b, struct seg_error *err);
enum seg_rc __wrap_seg_batch_write(struct seg_store *s, struct seg_batch *b, struct seg_error *err);
enum seg_rc __real_seg_run_put(struct seg_run *run, uint64_t hash, struct seg_str id, const void *data, size_t len,
			       struct seg_error *err);
enum seg_rc __wrap_seg_run_put(struct seg_run *run, uint64_t hash, struct seg_str id, const void *data, size_t len,
			       struct seg_error *err);
enum seg_rc __real_seg_run_close(struct seg_run *run, struct seg_error *err);
enum seg_rc __wrap_seg_run_close(struct seg_run *run, struct seg_error *err);
enum seg_rc __real_seg_store_sync(struct seg_store *s, struct seg_error *err);
enum seg_rc __wrap_seg_store_sync(struct seg_store *s, struct seg_error *err);
enum seg_rc __real_seg_store_empty(struct seg_store *s, struct seg_error *err);
enum seg_rc __wrap_seg_store_empty(struct seg_store *s, struct seg_error *err);
enum seg_rc __real_seg_store_replace(struct seg_store *s, char ret_name[SEG_STORE_ASIDE_BYTES], struct seg_error *err);
enum seg_rc __wrap_seg_store_replace(struct seg_store *s, char ret_name[SEG_STORE_ASIDE_BYTES], struct seg_error *err);
void __real_seg_store_env_free(struct seg_store_env *env);
void __wrap_seg_store_env_free(struct seg_store_env *env);

static struct disk *disk(const char *dir)
{
	for (size_t i = 0; i < DISKS; i++) {
		if (disks[i].dir[0] == '\0')
			snprintf(disks[i].dir, sizeof disks[i].dir, "%s", dir);
		if (strcmp(disks[i].dir, dir) == 0)
			return &disks[i];
	}
	abort();
}

static void keep(struct disk *d, size_t len)
{
	while (d->len > len)
		free(d->reps[--d->len].data);
	if (d->synced > len)
		d->synced = len;
}

static void record(struct disk *d, const char *data, size_t len)
{
	if (d->len == d->cap) {
		d->cap = d->cap ? d->cap * 2 : 16;
		d->reps = realloc(d->reps, d->cap * sizeof *d->reps);
		if (!d->reps)
			abort();
	}
	d->reps[d->len] = (struct rep){malloc(len), len};
	memcpy(d->reps[d->len++].data, data, len);
}

enum seg_rc __wrap_seg_batch_write(struct seg_store *s, struct seg_batch *b, struct seg_error *err)
{
	enum seg_rc rc = __real_seg_batch_write(s, b, err);
	size_t len;
	const char *data = rocksdb_writebatch_data(b->wb, &len);

	if (rc == SEG_OK && seg_batch_len(b) > 0)
		record(disk(s->dir), data, len);
	return rc;
}

/* The run under way, as a batch: that is what is recorded of it. */
static struct seg_batch *run_batch;
static char run_dir[32];

enum seg_rc __wrap_seg_run_put(struct seg_run *run, uint64_t hash, struct seg_str id, const void *data, size_t len,
			       struct seg_error *err)
{
	if (!run_batch)
		run_batch = seg_batch_new();
	snprintf(run_dir, sizeof run_dir, "%s", seg_run_store(run)->dir);
	if (data)
		seg_batch_put_profile(run_batch, hash, id, data, len);
	else
		seg_batch_delete_profile(run_batch, hash, id);
	return __real_seg_run_put(run, hash, id, data, len, err);
}

enum seg_rc __wrap_seg_run_close(struct seg_run *run, struct seg_error *err)
{
	enum seg_rc rc = __real_seg_run_close(run, err);
	size_t len;

	if (rc == SEG_OK && run_batch && seg_batch_len(run_batch) > 0) {
		const char *data = rocksdb_writebatch_data(run_batch->wb, &len);

		record(disk(run_dir), data, len);
	}
	if (run_batch)
		seg_batch_free(run_batch);
	run_batch = NULL;
	return rc;
}

enum seg_rc __wrap_seg_store_sync(struct seg_store *s, struct seg_error *err)
{
	disk(s->dir)->synced = disk(s->dir)->len;
	return __real_seg_store_sync(s, err);
}

enum seg_rc __wrap_seg_store_empty(struct seg_store *s, struct seg_error *err)
{
	keep(disk(s->dir), 0);
	return __real_seg_store_empty(s, err);
}

enum seg_rc __wrap_seg_store_replace(struct seg_store *s, char ret_name[SEG_STORE_ASIDE_BYTES], struct seg_error *err)
{
	keep(disk(s->dir), 0);
	return __real_seg_store_replace(s, ret_name, err);
}

void __wrap_seg_store_env_free(struct seg_store_env *env)
{
	for (size_t i = 0; i < DISKS; i++) {
		keep(&disks[i], 0);
		free(disks[i].reps);
	}
	memset(disks, 0, sizeof disks);
	__real_seg_store_env_free(env);
}

/* The store of dir with the first n batches of d and nothing else. */
static void make(struct seg_store_env *env, const char *dir, const struct disk *d, size_t n)
{
	struct seg_store *s = NULL;
	struct seg_error err = {SEG_OK, ""};
	char *message = NULL;

	if (seg_store_destroy(env, dir, &err) != SEG_OK || seg_store_open(env, dir, &s, &err) != SEG_OK) {
		fprintf(stderr, "%s\n", err.text);
		abort();
	}
	for (size_t i = 0; i < n; i++) {
		rocksdb_writebatch_t *wb = rocksdb_writebatch_create_from(d->reps[i].data, d->reps[i].len);

		rocksdb_write(s->db, s->write, wb, &message);
		rocksdb_writebatch_destroy(wb);
		if (message)
			abort();
	}
	seg_store_close(s);
}

size_t disk_unsynced(struct seg_store_env *env, const char *dir)
{
	(void)env;
	return disk(dir)->len - disk(dir)->synced;
}

void disk_power_loss(struct seg_store_env *env, const char *dir, size_t n)
{
	struct disk *d = disk(dir);

	keep(d, d->synced + n);
	make(env, dir, d, d->len);
	d->synced = d->len;
}

void disk_lost(struct seg_store_env *env, const char *dir)
{
	keep(disk(dir), 0);
	make(env, dir, disk(dir), 0);
}

void disk_copy(struct seg_store_env *env, const char *from, size_t n, const char *to)
{
	keep(disk(to), 0);
	make(env, to, disk(from), disk(from)->synced + n);
}
