/* Inside of the store, for state/store*.c only. */
#ifndef SEG_STATE_STORE_INTERNAL_H
#define SEG_STATE_STORE_INTERNAL_H

#include <pthread.h>
#include <rocksdb/c.h>

#include "state/store.h"

enum { SEG_KEY_PROFILE = 'p', SEG_KEY_META = 'm', SEG_KEY_HEAD = 9 }; /* kind and hash before the id */

struct seg_store_env {
	rocksdb_env_t *env;
	rocksdb_cache_t *cache;
	rocksdb_options_t *options;
	bool in_memory;
};

struct seg_store {
	struct seg_store_env *env;
	char *dir;
	pthread_rwlock_t lock; /* readers of other threads against seg_store_empty() */
	rocksdb_t *db;	       /* NULL after a failed seg_store_empty() */
	rocksdb_readoptions_t *read;
	rocksdb_writeoptions_t *write, *write_sync;
	pthread_mutex_t trouble_lock;
	struct seg_error trouble; /* the worst since it was opened, see seg_store_trouble() */
	bool bulk;		  /* options are those of a rebuild */
};

struct seg_batch {
	rocksdb_writebatch_t *wb;
	bool too_long; /* a key was refused: the batch is not written */
};

size_t seg_store_profile_key(char *key, uint64_t hash, struct seg_str id); /* id no longer than allowed */

struct seg_store *seg_run_store(const struct seg_run *run);
int seg_store_files_at_level_0(struct seg_store *s);

/* Takes RocksDB's message (freed) and says what it means for the caller. */
enum seg_rc seg_store_failed(const char *dir, const char *what, char *message, struct seg_error *err);
/* The same for an open store, whose trouble it is from then on. */
enum seg_rc seg_store_failed_in(struct seg_store *s, const char *what, char *message, struct seg_error *err);
/* Keeps SEG_IO and SEG_CORRUPT as the store's trouble; returns rc. */
enum seg_rc seg_store_note(struct seg_store *s, enum seg_rc rc, const char *text);

void seg_store_well(struct seg_store *s); /* no trouble any more */

/* Under the write lock. */
enum seg_rc seg_store_open_db(struct seg_store *s, struct seg_error *err) SEG_MUST_CHECK;
/* SEG_IO: another process has the store. Not for a store that this one has open. */
enum seg_rc seg_store_check_unlocked(const char *dir, struct seg_error *err) SEG_MUST_CHECK;
/* store_manifest.c: SEG_CORRUPT: a record's length is damaged, which RocksDB does not notice. */
enum seg_rc seg_store_check_manifest(const char *dir, struct seg_error *err) SEG_MUST_CHECK;
/* SEG_CORRUPT: files of a store, but nothing that says which are valid. */
enum seg_rc seg_store_check_folder(const struct seg_store_env *env, const char *dir,
				   struct seg_error *err) SEG_MUST_CHECK;

#endif
