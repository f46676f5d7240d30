/*
 * The store of one partition: a RocksDB with one column family. Keys: 'p' + hash of the customer (8 bytes, big endian)
 * + id → profile record; 'm' + name → what the store knows of itself. A batch is atomic; after kill -9 nothing that
 * was written is missing, after a power loss what is there is a prefix of the writes (sync is off), which the changelog
 * completes.
 *
 * Threads: an env may be shared by all; a store is written by its worker alone, and read (get, scan, numbers) by any
 * thread while it is open; batches and scans belong to their caller.
 *
 * Errors say what to do: SEG_CORRUPT (also: the disk fails to read): rebuild the store from the changelog; SEG_IO: disk
 * full, lock held, no permission: put it right, open again (after a failed write RocksDB refuses all further ones until it
 * is reopened). The text carries RocksDB's own words. What went wrong with an open store stays known, seg_store_trouble().
 */
#ifndef SEG_STATE_STORE_H
#define SEG_STATE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/str.h"

struct seg_store_env; /* block cache, background threads and options shared by all stores of a process */
struct seg_store;
struct seg_batch;
struct seg_scan;

struct seg_store_options {
	size_t cache_bytes;	   /* shared block cache, with index and filter blocks; 0: 32 MiB */
	size_t write_buffer_bytes; /* per store, at most two of them; 0: 4 MiB */
	int background_threads;	   /* per process; 0: 2 */
	int max_open_files;	   /* per store; 0: 128 */
	bool in_memory;		   /* tests: files live in the env and go with it */
	bool existing;		   /* to look at: no store is made, and a damaged write-ahead log is an error */
	const char *rocksdb;	   /* "name=value;…" passed through, NULL or "": none (borrowed until return) */
};

/* SEG_INVALID: RocksDB does not know what `rocksdb` says. */
enum seg_rc seg_store_env_new(const struct seg_store_options *options, struct seg_store_env **ret,
			      struct seg_error *err) SEG_MUST_CHECK;
void seg_store_env_free(struct seg_store_env *env);		   /* after all its stores are closed */
size_t seg_store_env_cache_bytes(const struct seg_store_env *env); /* in use */

/*
 * Opens, or makes, the store in dir (missing folders are made). env is borrowed until close. SEG_IO with the holder's
 * process id when another process has it open.
 */
enum seg_rc seg_store_open(struct seg_store_env *env, const char *dir, struct seg_store **ret,
			   struct seg_error *err) SEG_MUST_CHECK;
void seg_store_close(struct seg_store *s); /* NULL is fine; writes are kept */

/* Deletes everything in the open store and goes on with an empty one. On failure only close is allowed. */
enum seg_rc seg_store_empty(struct seg_store *s, struct seg_error *err) SEG_MUST_CHECK;

enum { SEG_STORE_ASIDE_BYTES = 320 };
/*
 * For a store that cannot be right: moves it to "<dir>.damaged-<time>" beside it, of which only the newest is kept, and
 * goes on with an empty one. *ret_name: that folder's name without its path ("": files in memory are deleted). On failure
 * only this call, reopen and close are allowed.
 */
enum seg_rc seg_store_replace(struct seg_store *s, char ret_name[SEG_STORE_ASIDE_BYTES],
			      struct seg_error *err) SEG_MUST_CHECK;
/* The same for a store that is not open, without a new one. */
enum seg_rc seg_store_set_aside(struct seg_store_env *env, const char *dir, char ret_name[SEG_STORE_ASIDE_BYTES],
				struct seg_error *err) SEG_MUST_CHECK;

/*
 * The worst that has happened since it was opened, to any thread: SEG_OK; SEG_IO: writing failed, nothing can be written
 * until it is reopened; SEG_CORRUPT: it is damaged. *ret (may be NULL) has the words.
 */
enum seg_rc seg_store_trouble(struct seg_store *s, struct seg_error *ret);
/* What was read from it cannot be right: its trouble is SEG_CORRUPT from now on. Any thread. */
void seg_store_distrust(struct seg_store *s, const char *why);
/* Closes and opens it. SEG_IO: still no room, or it cannot be opened: try again later; SEG_CORRUPT. */
enum seg_rc seg_store_reopen(struct seg_store *s, struct seg_error *err) SEG_MUST_CHECK;

/* Deletes RocksDB's files in dir; for a store that is not open. */
enum seg_rc seg_store_destroy(struct seg_store_env *env, const char *dir, struct seg_error *err) SEG_MUST_CHECK;

/* Replaces out's content by the profile record. SEG_NOT_FOUND; SEG_LIMIT: out's maximum. */
enum seg_rc seg_store_get(struct seg_store *s, uint64_t hash, struct seg_str id, struct seg_buf *out,
			  struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_store_get_meta(struct seg_store *s, const char *name, struct seg_buf *out,
			       struct seg_error *err) SEG_MUST_CHECK;

/* Batches: all or nothing, in the order of the calls; cheapest in key order (hash, then id). Memory failures abort. */
struct seg_batch *seg_batch_new(void); /* NULL when out of memory */
void seg_batch_free(struct seg_batch *b);
void seg_batch_clear(struct seg_batch *b);
size_t seg_batch_len(const struct seg_batch *b); /* puts and deletes */
size_t seg_batch_bytes(const struct seg_batch *b);
void seg_batch_put_profile(struct seg_batch *b, uint64_t hash, struct seg_str id, const void *data, size_t len);
void seg_batch_delete_profile(struct seg_batch *b, uint64_t hash, struct seg_str id);
void seg_batch_put_meta(struct seg_batch *b, const char *name, const void *data, size_t len);
void seg_batch_delete_meta(struct seg_batch *b, const char *name);

/* Writes without sync. The batch stays as it is: clear it to use it again. An empty batch writes nothing. */
enum seg_rc seg_batch_write(struct seg_store *s, struct seg_batch *b, struct seg_error *err) SEG_MUST_CHECK;

/*
 * Sorted runs, for a store that is being rebuilt (store_bulk.c): between begin and end files of RocksDB are hardly merged,
 * and each run becomes one of them as a whole, later runs over earlier ones and over batches. `end` puts the options back.
 * Opening or emptying a store puts them back, too.
 */
enum seg_rc seg_store_bulk_begin(struct seg_store *s, struct seg_error *err) SEG_MUST_CHECK;
enum seg_rc seg_store_bulk_end(struct seg_store *s, struct seg_error *err) SEG_MUST_CHECK;

struct seg_run;
/* At most one at a time for a store; the store outlives it. */
enum seg_rc seg_run_open(struct seg_store *s, struct seg_run **ret, struct seg_error *err) SEG_MUST_CHECK;
/* In key order (hash, then id), each customer once. data NULL: deleted. */
enum seg_rc seg_run_put(struct seg_run *run, uint64_t hash, struct seg_str id, const void *data, size_t len,
			struct seg_error *err) SEG_MUST_CHECK;
/* Into the store, durable at once; frees the run also on failure. */
enum seg_rc seg_run_close(struct seg_run *run, struct seg_error *err) SEG_MUST_CHECK;
void seg_run_drop(struct seg_run *run); /* nothing of it; NULL is fine */

/* Profiles with hash >= from_hash in key order, as of the moment of opening. Scans must be closed before the store. */
enum seg_rc seg_scan_open(struct seg_store *s, uint64_t from_hash, struct seg_scan **ret,
			  struct seg_error *err) SEG_MUST_CHECK;
void seg_scan_close(struct seg_scan *scan);

struct seg_scan_item {
	uint64_t hash;
	struct seg_str id;   /* borrowed until the next call */
	const uint8_t *data; /* the same */
	size_t len;
};

/* SEG_NOT_FOUND: no more. */
enum seg_rc seg_scan_next(struct seg_scan *scan, struct seg_scan_item *ret, struct seg_error *err) SEG_MUST_CHECK;

/* Everything written so far survives a power loss. */
enum seg_rc seg_store_sync(struct seg_store *s, struct seg_error *err) SEG_MUST_CHECK;

/* Reads everything past the caches: checksums of blocks and records, keys against ids. */
enum seg_rc seg_store_verify(struct seg_store *s, uint64_t *ret_profiles, struct seg_error *err) SEG_MUST_CHECK;

/* A copy of the store as of now in dir, which must not exist. */
enum seg_rc seg_store_checkpoint(struct seg_store *s, const char *dir, struct seg_error *err) SEG_MUST_CHECK;

uint64_t seg_store_bytes(struct seg_store *s);	  /* on disk, nearly */
size_t seg_store_memory(struct seg_store *s);	  /* write buffers and table readers; the cache is the env's */
uint64_t seg_store_estimate(struct seg_store *s); /* number of profiles, roughly */

#endif
