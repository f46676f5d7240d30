/*
 * RocksDB through its C interface. One database per partition, one column family, write-ahead log on and sync off: an
 * atomic batch is there as a whole or not at all, and after a power loss the batches that are left are a prefix.
 */
#include "state/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "state/codec.h"
#include "state/store_internal.h"

/* ---- errors ---- */

static bool starts_with(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

/* The pid that holds dir/LOCK, 0: not known. Only for a lock that this process does not hold: closing any descriptor
 * of a file gives up all its locks. */
static long lock_holder(const char *dir)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	char path[4096];
	long pid = 0;

	snprintf(path, sizeof path, "%s/LOCK", dir);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return 0;
	if (fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK)
		pid = lock.l_pid;
	close(fd);
	return pid;
}

static enum seg_rc lock_failed(const char *dir, const char *message, struct seg_error *err)
{
	bool ours = strstr(message, "current process") != NULL;
	long pid = ours ? (long)getpid() : lock_holder(dir);

	if (pid > 0)
		return seg_error_set(err, SEG_IO, "store %s is in use by process %ld; stop it first (%s)", dir, pid,
				     message);
	return seg_error_set(err, SEG_IO, "store %s is in use by another process; stop it first (%s)", dir, message);
}

/* What the disk cannot give back is lost, whoever asked for it; a write that fails may be tried again. */
static bool could_not_read(const char *message)
{
	return strstr(message, "Input/output error") &&
	       (strstr(message, "While reading") || strstr(message, "While pread"));
}

enum seg_rc seg_store_failed(const char *dir, const char *what, char *message, struct seg_error *err)
{
	enum seg_rc rc;

	if (starts_with(message, "IO error") &&
	    (strstr(message, "for lock:") || strstr(message, "hile lock file") || strstr(message, "lock hold by")))
		rc = lock_failed(dir, message, err);
	else if (starts_with(message, "Corruption") || strstr(message, "No such file") ||
		 strstr(message, "not an sstable") || could_not_read(message))
		rc = seg_error_set(err, SEG_CORRUPT, "store %s cannot be right and must be rebuilt: %s: %s", dir, what,
				   message);
	else if (strstr(message, "No space left") || strstr(message, "quota exceeded"))
		rc = seg_error_set(err, SEG_IO, "store %s: %s, the disk is full: make space, nothing is lost (%s)", dir,
				   what, message);
	else
		rc = seg_error_set(err, SEG_IO, "store %s: %s: %s", dir, what, message);
	rocksdb_free(message);
	return rc;
}

/* ---- environment ---- */

static rocksdb_block_based_table_options_t *table_options(rocksdb_cache_t *cache)
{
	rocksdb_block_based_table_options_t *t = rocksdb_block_based_options_create();

	rocksdb_block_based_options_set_block_size(t, 8 * 1024);
	rocksdb_block_based_options_set_block_cache(t, cache);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(t, 1);
	rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(t, 1);
	rocksdb_block_based_options_set_format_version(t, 5);
	rocksdb_block_based_options_set_filter_policy(t, rocksdb_filterpolicy_create_bloom_full(10));
	return t;
}

static rocksdb_options_t *base_options(const struct seg_store_env *env, const struct seg_store_options *o)
{
	enum { TORN_TAIL = 0, POINT_IN_TIME = 2, LOG_FATAL = 4 };
	rocksdb_options_t *options = rocksdb_options_create();
	size_t buffer = o->write_buffer_bytes ? o->write_buffer_bytes : (size_t)4 << 20;
	int threads = o->background_threads ? o->background_threads : 2;
	rocksdb_block_based_table_options_t *table = table_options(env->cache);

	rocksdb_options_set_create_if_missing(options, !o->existing);
	rocksdb_options_set_env(options, env->env);
	rocksdb_options_set_write_buffer_size(options, buffer);
	rocksdb_options_set_max_write_buffer_number(options, 2);
	rocksdb_options_set_max_total_wal_size(options, 4 * buffer);
	rocksdb_options_set_max_open_files(options, o->max_open_files ? o->max_open_files : 128);
	rocksdb_options_set_max_background_jobs(options, threads);
	rocksdb_options_set_wal_recovery_mode(options, o->existing ? TORN_TAIL : POINT_IN_TIME);
	rocksdb_options_set_paranoid_checks(options, 1);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(options, 1);
	rocksdb_options_set_compression(options, rocksdb_lz4_compression);
	rocksdb_options_set_bytes_per_sync(options, 1 << 20);
	/* On a full disk the second line of its log that cannot be written aborts the process (7.8.3 as Debian builds it, with
	 * assertions). Only what it writes while it is opened stays; what matters it returns. */
	rocksdb_options_set_info_log_level(options, LOG_FATAL);
	rocksdb_options_set_max_log_file_size(options, 1 << 20);
	rocksdb_options_set_keep_log_file_num(options, 2);
	rocksdb_options_set_stats_dump_period_sec(options, 0);
	rocksdb_options_set_skip_stats_update_on_db_open(options, 1);
	rocksdb_options_set_block_based_table_factory(options, table);
	rocksdb_block_based_options_destroy(table);
	return options;
}

enum seg_rc seg_store_env_new(const struct seg_store_options *options, struct seg_store_env **ret,
			      struct seg_error *err)
{
	char *message = NULL;
	struct seg_store_env *env = calloc(1, sizeof *env);

	if (!env)
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for the stores");
	env->in_memory = options->in_memory;
	env->env = options->in_memory ? rocksdb_create_mem_env() : rocksdb_create_default_env();
	rocksdb_env_set_background_threads(env->env, options->background_threads ? options->background_threads : 2);
	env->cache = rocksdb_cache_create_lru(options->cache_bytes ? options->cache_bytes : (size_t)32 << 20);
	env->options = base_options(env, options);
	if (options->rocksdb && *options->rocksdb) {
		rocksdb_options_t *more = rocksdb_options_create_copy(env->options);

		rocksdb_get_options_from_string(env->options, options->rocksdb, more, &message);
		rocksdb_options_destroy(env->options);
		env->options = more;
	}
	if (message) {
		seg_error_set(err, SEG_INVALID, "RocksDB does not accept the options '%s': %s", options->rocksdb,
			      message);
		rocksdb_free(message);
		seg_store_env_free(env);
		return SEG_INVALID;
	}
	*ret = env;
	return SEG_OK;
}

void seg_store_env_free(struct seg_store_env *env)
{
	if (!env)
		return;
	rocksdb_options_destroy(env->options);
	rocksdb_cache_destroy(env->cache);
	rocksdb_env_destroy(env->env);
	free(env);
}

size_t seg_store_env_cache_bytes(const struct seg_store_env *env)
{
	return rocksdb_cache_get_usage(env->cache);
}

/* ---- opening ---- */

static enum seg_rc make_folders(const char *dir, struct seg_error *err)
{
	char *path = strdup(dir);
	enum seg_rc rc = SEG_OK;

	if (!path)
		return seg_error_set(err, SEG_NO_MEMORY, "store %s: no memory", dir);
	for (char *p = path + 1; rc == SEG_OK && p[-1]; p++) {
		char was = *p;

		if (was != '/' && was != '\0')
			continue;
		*p = '\0';
		if (mkdir(path, 0755) != 0 && errno != EEXIST)
			rc = seg_error_set(err, SEG_IO, "store %s: cannot make folder %s: %s", dir, path,
					   strerror(errno));
		*p = was;
	}
	free(path);
	return rc;
}

enum seg_rc seg_store_open_db(struct seg_store *s, struct seg_error *err)
{
	char *message = NULL;
	enum seg_rc rc = seg_store_check_folder(s->env, s->dir, err);

	if (rc != SEG_OK)
		return rc;

	s->bulk = false;
	s->db = rocksdb_open(s->env->options, s->dir, &message);
	if (message) {
		s->db = NULL;
		return seg_store_failed(s->dir, "cannot open", message, err);
	}
	seg_store_well(s);
	return SEG_OK;
}

enum seg_rc seg_store_open(struct seg_store_env *env, const char *dir, struct seg_store **ret, struct seg_error *err)
{
	struct seg_store *s = calloc(1, sizeof *s);
	enum seg_rc rc;

	if (!s || !(s->dir = strdup(dir))) {
		free(s);
		return seg_error_set(err, SEG_NO_MEMORY, "store %s: no memory", dir);
	}
	s->env = env;
	pthread_rwlock_init(&s->lock, NULL);
	pthread_mutex_init(&s->trouble_lock, NULL);
	s->read = rocksdb_readoptions_create();
	s->write = rocksdb_writeoptions_create();
	s->write_sync = rocksdb_writeoptions_create();
	rocksdb_writeoptions_set_sync(s->write_sync, 1);
	rc = env->in_memory ? SEG_OK : make_folders(dir, err);
	if (rc == SEG_OK)
		rc = seg_store_open_db(s, err);
	if (rc != SEG_OK) {
		seg_store_close(s);
		return rc;
	}
	*ret = s;
	return SEG_OK;
}

void seg_store_close(struct seg_store *s)
{
	if (!s)
		return;
	if (s->db)
		rocksdb_close(s->db);
	rocksdb_readoptions_destroy(s->read);
	rocksdb_writeoptions_destroy(s->write);
	rocksdb_writeoptions_destroy(s->write_sync);
	pthread_rwlock_destroy(&s->lock);
	pthread_mutex_destroy(&s->trouble_lock);
	free(s->dir);
	free(s);
}

/* Without CURRENT what a crash leaves of a half-deleted store cannot be taken for an older state of it. */
static enum seg_rc drop_current(const char *dir, struct seg_error *err)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof path, "%s/CURRENT", dir);
	if (unlink(path) != 0 && errno != ENOENT)
		return seg_error_set(err, SEG_IO, "store %s: cannot delete %s: %s", dir, path, strerror(errno));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0) {
		(void)fsync(fd);
		close(fd);
	}
	return SEG_OK;
}

enum seg_rc seg_store_check_unlocked(const char *dir, struct seg_error *err)
{
	return lock_holder(dir) > 0 ? lock_failed(dir, "it is to be deleted or moved", err) : SEG_OK;
}

enum seg_rc seg_store_destroy(struct seg_store_env *env, const char *dir, struct seg_error *err)
{
	char *message = NULL;
	enum seg_rc rc;

	/* RocksDB's own deletion takes the lock; ours of CURRENT must not come before it is known to be free. */
	if (!env->in_memory) {
		rc = seg_store_check_unlocked(dir, err);
		if (rc == SEG_OK)
			rc = drop_current(dir, err);
		if (rc != SEG_OK)
			return rc;
	}
	rocksdb_destroy_db(env->options, dir, &message);
	return message ? seg_store_failed(dir, "cannot delete", message, err) : SEG_OK;
}

enum seg_rc seg_store_empty(struct seg_store *s, struct seg_error *err)
{
	enum seg_rc rc;

	pthread_rwlock_wrlock(&s->lock);
	if (s->db)
		rocksdb_close(s->db);
	s->db = NULL;
	rc = seg_store_destroy(s->env, s->dir, err);
	if (rc == SEG_OK)
		rc = seg_store_open_db(s, err);
	pthread_rwlock_unlock(&s->lock);
	return rc;
}

/* ---- reading ---- */

static enum seg_rc get(struct seg_store *s, const char *key, size_t len, struct seg_buf *out, struct seg_error *err)
{
	rocksdb_pinnableslice_t *slice;
	const char *value;
	char *message = NULL;
	size_t value_len;
	enum seg_rc rc = SEG_NOT_FOUND;

	pthread_rwlock_rdlock(&s->lock);
	if (!s->db) {
		pthread_rwlock_unlock(&s->lock);
		return seg_error_set(err, SEG_IO, "store %s is closed after a failure: open it again", s->dir);
	}
	slice = rocksdb_get_pinned(s->db, s->read, key, len, &message);
	if (message) {
		rc = seg_store_failed_in(s, "cannot read", message, err);
	} else if (slice) {
		value = rocksdb_pinnableslice_value(slice, &value_len);
		seg_buf_clear(out);
		seg_buf_append(out, value, value_len);
		rc = out->failed ? seg_error_set(err, seg_buf_rc(out), "store %s: %s a record of %zu bytes", s->dir,
						 out->no_memory ? "no memory for" : "too large is", value_len)
				 : SEG_OK;
	}
	rocksdb_pinnableslice_destroy(slice);
	pthread_rwlock_unlock(&s->lock);
	return rc;
}

size_t seg_store_profile_key(char *key, uint64_t hash, struct seg_str id)
{
	key[0] = SEG_KEY_PROFILE;
	for (int i = 0; i < 8; i++)
		key[1 + i] = (char)(hash >> (56 - 8 * i));
	if (id.len)
		memcpy(key + SEG_KEY_HEAD, id.ptr, id.len);
	return SEG_KEY_HEAD + id.len;
}

static size_t meta_key(char *key, size_t size, const char *name)
{
	return (size_t)snprintf(key, size, "%c%s", SEG_KEY_META, name);
}

enum seg_rc seg_store_get(struct seg_store *s, uint64_t hash, struct seg_str id, struct seg_buf *out,
			  struct seg_error *err)
{
	char key[SEG_KEY_HEAD + SEG_CUSTOMER_ID_BYTES];

	if (id.len > SEG_CUSTOMER_ID_BYTES)
		return SEG_NOT_FOUND;
	return get(s, key, seg_store_profile_key(key, hash, id), out, err);
}

enum seg_rc seg_store_get_meta(struct seg_store *s, const char *name, struct seg_buf *out, struct seg_error *err)
{
	char key[128];

	return get(s, key, meta_key(key, sizeof key, name), out, err);
}

/* ---- batches ---- */

struct seg_batch *seg_batch_new(void)
{
	struct seg_batch *b = calloc(1, sizeof *b);

	if (b)
		b->wb = rocksdb_writebatch_create();
	return b;
}

void seg_batch_free(struct seg_batch *b)
{
	if (b)
		rocksdb_writebatch_destroy(b->wb);
	free(b);
}

void seg_batch_clear(struct seg_batch *b)
{
	rocksdb_writebatch_clear(b->wb);
	b->too_long = false;
}

size_t seg_batch_len(const struct seg_batch *b)
{
	return (size_t)rocksdb_writebatch_count(b->wb);
}

size_t seg_batch_bytes(const struct seg_batch *b)
{
	size_t len;

	(void)rocksdb_writebatch_data(b->wb, &len);
	return len;
}

void seg_batch_put_profile(struct seg_batch *b, uint64_t hash, struct seg_str id, const void *data, size_t len)
{
	char key[SEG_KEY_HEAD + SEG_CUSTOMER_ID_BYTES];

	if (id.len > SEG_CUSTOMER_ID_BYTES)
		b->too_long = true;
	else
		rocksdb_writebatch_put(b->wb, key, seg_store_profile_key(key, hash, id), data, len);
}

void seg_batch_delete_profile(struct seg_batch *b, uint64_t hash, struct seg_str id)
{
	char key[SEG_KEY_HEAD + SEG_CUSTOMER_ID_BYTES];

	if (id.len <= SEG_CUSTOMER_ID_BYTES)
		rocksdb_writebatch_delete(b->wb, key, seg_store_profile_key(key, hash, id));
}

void seg_batch_put_meta(struct seg_batch *b, const char *name, const void *data, size_t len)
{
	char key[128];

	rocksdb_writebatch_put(b->wb, key, meta_key(key, sizeof key, name), data, len);
}

void seg_batch_delete_meta(struct seg_batch *b, const char *name)
{
	char key[128];

	rocksdb_writebatch_delete(b->wb, key, meta_key(key, sizeof key, name));
}

enum seg_rc seg_batch_write(struct seg_store *s, struct seg_batch *b, struct seg_error *err)
{
	char *message = NULL;

	if (b->too_long)
		return seg_error_set(err, SEG_LIMIT, "store %s: a customer id is longer than %d bytes", s->dir,
				     SEG_CUSTOMER_ID_BYTES);
	if (!s->db)
		return seg_error_set(err, SEG_IO, "store %s is closed after a failure: open it again", s->dir);
	if (seg_batch_len(b) == 0)
		return SEG_OK;
	rocksdb_write(s->db, s->write, b->wb, &message);
	return message ? seg_store_failed_in(s, "cannot write", message, err) : SEG_OK;
}
