/* Reading a store in key order, checking it, copying it, and its figures. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "state/codec.h"
#include "state/store_internal.h"

static const char upper_bound[] = {SEG_KEY_PROFILE + 1};

struct seg_scan {
	struct seg_store *store;
	rocksdb_readoptions_t *read;
	rocksdb_iterator_t *it;
	bool started;
};

static uint64_t read_hash(const char *key)
{
	uint64_t hash = 0;

	for (int i = 0; i < 8; i++)
		hash = hash << 8 | (uint8_t)key[1 + i];
	return hash;
}

static void seek_hash(rocksdb_iterator_t *it, uint64_t hash)
{
	char key[SEG_KEY_HEAD] = {SEG_KEY_PROFILE};

	for (int i = 0; i < 8; i++)
		key[1 + i] = (char)(hash >> (56 - 8 * i));
	rocksdb_iter_seek(it, key, sizeof key);
}

static rocksdb_readoptions_t *scan_options(void)
{
	rocksdb_readoptions_t *read = rocksdb_readoptions_create();

	rocksdb_readoptions_set_verify_checksums(read, 1);
	rocksdb_readoptions_set_fill_cache(read, 0);
	rocksdb_readoptions_set_iterate_upper_bound(read, upper_bound, sizeof upper_bound);
	return read;
}

enum seg_rc seg_scan_open(struct seg_store *s, uint64_t from_hash, struct seg_scan **ret, struct seg_error *err)
{
	struct seg_scan *scan = calloc(1, sizeof *scan);

	if (!scan)
		return seg_error_set(err, SEG_NO_MEMORY, "store %s: no memory for a scan", s->dir);
	pthread_rwlock_rdlock(&s->lock);
	if (!s->db) {
		pthread_rwlock_unlock(&s->lock);
		free(scan);
		return seg_error_set(err, SEG_IO, "store %s is closed after a failure: open it again", s->dir);
	}
	scan->store = s;
	scan->read = scan_options();
	scan->it = rocksdb_create_iterator(s->db, scan->read);
	seek_hash(scan->it, from_hash);
	pthread_rwlock_unlock(&s->lock);
	*ret = scan;
	return SEG_OK;
}

void seg_scan_close(struct seg_scan *scan)
{
	if (!scan)
		return;
	rocksdb_iter_destroy(scan->it);
	rocksdb_readoptions_destroy(scan->read);
	free(scan);
}

static enum seg_rc iterator_next(struct seg_store *s, rocksdb_iterator_t *it, struct seg_scan_item *ret,
				 struct seg_error *err)
{
	char *message = NULL;
	const char *dir = s->dir;
	const char *key;
	size_t len;

	if (!rocksdb_iter_valid(it)) {
		rocksdb_iter_get_error(it, &message);
		return message ? seg_store_failed_in(s, "cannot read on", message, err) : SEG_NOT_FOUND;
	}
	key = rocksdb_iter_key(it, &len);
	if (len < SEG_KEY_HEAD || key[0] != SEG_KEY_PROFILE || len > SEG_KEY_HEAD + SEG_CUSTOMER_ID_BYTES) {
		seg_store_distrust(s, "a key is no profile's");
		return seg_error_set(err, SEG_CORRUPT,
				     "store %s cannot be right and must be rebuilt: a key of %zu bytes is no "
				     "profile's",
				     dir, len);
	}
	ret->hash = read_hash(key);
	ret->id = (struct seg_str){key + SEG_KEY_HEAD, (uint32_t)(len - SEG_KEY_HEAD)};
	ret->data = (const uint8_t *)rocksdb_iter_value(it, &ret->len);
	return SEG_OK;
}

enum seg_rc seg_scan_next(struct seg_scan *scan, struct seg_scan_item *ret, struct seg_error *err)
{
	if (scan->started && rocksdb_iter_valid(scan->it))
		rocksdb_iter_next(scan->it);
	scan->started = true;
	return iterator_next(scan->store, scan->it, ret, err);
}

enum seg_rc seg_store_sync(struct seg_store *s, struct seg_error *err)
{
	char *message = NULL;

	if (s->env->in_memory) /* nothing survives there, and RocksDB refuses to try */
		return SEG_OK;
	rocksdb_flush_wal(s->db, 1, &message);
	return message ? seg_store_failed_in(s, "cannot sync", message, err) : SEG_OK;
}

static enum seg_rc check_item(const char *dir, const struct seg_scan_item *item, struct seg_error *err)
{
	struct seg_profile *p = NULL;
	enum seg_rc rc = seg_profile_decode(item->data, item->len, &p, err);

	if (rc != SEG_OK)
		return seg_error_wrap(err, rc, "store %s: a profile of hash %016llx", dir,
				      (unsigned long long)item->hash);
	if (!seg_str_eq(p->id, item->id) || p->hash != item->hash || seg_hash_customer(p->id) != item->hash)
		rc = seg_error_set(err, SEG_CORRUPT,
				   "store %s cannot be right and must be rebuilt: the record under hash %016llx is "
				   "another customer's",
				   dir, (unsigned long long)item->hash);
	seg_profile_free(p);
	return rc;
}

static enum seg_rc check_all(struct seg_store *s, rocksdb_t *db, uint64_t *ret_profiles, struct seg_error *err)
{
	rocksdb_readoptions_t *read = scan_options();
	rocksdb_iterator_t *it = rocksdb_create_iterator(db, read);
	struct seg_scan_item item = {0};
	uint64_t n = 0;
	enum seg_rc rc;

	for (seek_hash(it, 0); (rc = iterator_next(s, it, &item, err)) == SEG_OK; rocksdb_iter_next(it), n++) {
		rc = check_item(s->dir, &item, err);
		if (rc != SEG_OK)
			break;
	}
	rocksdb_iter_destroy(it);
	rocksdb_readoptions_destroy(read);
	if (rc != SEG_NOT_FOUND)
		return rc;
	*ret_profiles = n;
	return SEG_OK;
}

/*
 * A second, read-only database over the same files, without a block cache, sees what the disk has. Meanwhile the first
 * keeps the files that its compactions have replaced: they would be missed and taken for damage.
 */
enum seg_rc seg_store_verify(struct seg_store *s, uint64_t *ret_profiles, struct seg_error *err)
{
	rocksdb_flushoptions_t *flush = rocksdb_flushoptions_create();
	rocksdb_block_based_table_options_t *table = rocksdb_block_based_options_create();
	rocksdb_options_t *options = rocksdb_options_create_copy(s->env->options);
	rocksdb_t *db = NULL;
	char *message = NULL;
	enum seg_rc rc;

	rocksdb_flushoptions_set_wait(flush, 1);
	rocksdb_flush(s->db, flush, &message);
	if (!message)
		rocksdb_disable_file_deletions(s->db, &message);
	bool kept = !message;
	if (!message) {
		rocksdb_block_based_options_set_no_block_cache(table, 1);
		rocksdb_options_set_block_based_table_factory(options, table);
		db = rocksdb_open_for_read_only(options, s->dir, 0, &message);
	}
	if (message)
		rc = seg_store_failed(s->dir, "cannot be checked", message, err);
	else
		rc = check_all(s, db, ret_profiles, err);
	if (db)
		rocksdb_close(db);
	message = NULL;
	if (kept)
		rocksdb_enable_file_deletions(s->db, 0, &message);
	if (message && rc == SEG_OK)
		rc = seg_store_failed(s->dir, "cannot be let go on", message, err);
	else
		rocksdb_free(message);
	rocksdb_options_destroy(options);
	rocksdb_block_based_options_destroy(table);
	rocksdb_flushoptions_destroy(flush);
	return rc;
}

enum seg_rc seg_store_checkpoint(struct seg_store *s, const char *dir, struct seg_error *err)
{
	char *message = NULL;
	rocksdb_checkpoint_t *cp = rocksdb_checkpoint_object_create(s->db, &message);

	if (!message)
		rocksdb_checkpoint_create(cp, dir, 0, &message);
	if (cp)
		rocksdb_checkpoint_object_destroy(cp);
	return message ? seg_store_failed(s->dir, "cannot be copied", message, err) : SEG_OK;
}

static uint64_t property(struct seg_store *s, const char *name)
{
	uint64_t value = 0;

	pthread_rwlock_rdlock(&s->lock);
	if (!s->db || rocksdb_property_int(s->db, name, &value) != 0)
		value = 0;
	pthread_rwlock_unlock(&s->lock);
	return value;
}

uint64_t seg_store_bytes(struct seg_store *s)
{
	return property(s, "rocksdb.total-sst-files-size") + property(s, "rocksdb.cur-size-all-mem-tables");
}

size_t seg_store_memory(struct seg_store *s)
{
	return (size_t)(property(s, "rocksdb.size-all-mem-tables") + property(s, "rocksdb.estimate-table-readers-mem"));
}

uint64_t seg_store_estimate(struct seg_store *s)
{
	return property(s, "rocksdb.estimate-num-keys");
}
