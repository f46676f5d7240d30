#include "tests/fault/torture/failing.h"

#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/property/protocol/world.h"

struct failing failing;

void failing_reset(void)
{
	failing = (struct failing){.live = failing.live};
}

bool failing_now(const char *name)
{
	if (!failing.armed || world_in_harness > 0)
		return false;
	failing.calls++;
	if (failing.calls < failing.first || failing.calls > failing.last)
		return false;
	if (failing.failed++ == 0)
		failing.name = name;
	return true;
}

bool failing_refuses(void)
{
	return failing_now("sink");
}

/* ---- memory ---- */

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
char *__real_strdup(const char *s);
char *__wrap_strdup(const char *s);
void __real_free(void *p);
void __wrap_free(void *p);

static void *counted(void *p)
{
	failing.live += p != NULL;
	return p;
}

void *__wrap_malloc(size_t size)
{
	return failing_now("malloc") ? NULL : counted(__real_malloc(size));
}

void *__wrap_calloc(size_t n, size_t size)
{
	return failing_now("calloc") ? NULL : counted(__real_calloc(n, size));
}

void *__wrap_realloc(void *p, size_t size)
{
	void *q;

	if (failing_now("realloc"))
		return NULL;
	q = __real_realloc(p, size);
	failing.live += !p && q;
	return q;
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	return failing_now("aligned_alloc") ? NULL : counted(__real_aligned_alloc(alignment, size));
}

char *__wrap_strdup(const char *s)
{
	return failing_now("strdup") ? NULL : counted(__real_strdup(s));
}

void __wrap_free(void *p)
{
	failing.live -= p != NULL;
	__real_free(p);
}

/* ---- RocksDB ---- */

static const char *const messages[FAILING_CLASSES] = {"IO error: on purpose", "Corruption: on purpose",
						      "IO error: on purpose"};

/* Sets the message that RocksDB would give, which its caller frees with rocksdb_free(). True: not to be done. */
static bool rocksdb_fails(const char *name, char **errptr)
{
	if (failing.armed && world_in_harness == 0)
		failing.rocksdb++;
	if (!failing_now(name))
		return false;
	*errptr = __real_strdup(messages[failing.how]);
	return failing.how != FAILING_LATE;
}

rocksdb_t *__real_rocksdb_open(const rocksdb_options_t *options, const char *name, char **errptr);
rocksdb_t *__wrap_rocksdb_open(const rocksdb_options_t *options, const char *name, char **errptr);
void __real_rocksdb_destroy_db(const rocksdb_options_t *options, const char *name, char **errptr);
void __wrap_rocksdb_destroy_db(const rocksdb_options_t *options, const char *name, char **errptr);
rocksdb_pinnableslice_t *__real_rocksdb_get_pinned(rocksdb_t *db, const rocksdb_readoptions_t *options, const char *key,
						   size_t len, char **errptr);
rocksdb_pinnableslice_t *__wrap_rocksdb_get_pinned(rocksdb_t *db, const rocksdb_readoptions_t *options, const char *key,
						   size_t len, char **errptr);
void __real_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *options, rocksdb_writebatch_t *batch,
			  char **errptr);
void __wrap_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *options, rocksdb_writebatch_t *batch,
			  char **errptr);
unsigned char __real_rocksdb_iter_valid(const rocksdb_iterator_t *it);
unsigned char __wrap_rocksdb_iter_valid(const rocksdb_iterator_t *it);
void __real_rocksdb_iter_get_error(const rocksdb_iterator_t *it, char **errptr);
void __wrap_rocksdb_iter_get_error(const rocksdb_iterator_t *it, char **errptr);
void __real_rocksdb_iter_destroy(rocksdb_iterator_t *it);
void __wrap_rocksdb_iter_destroy(rocksdb_iterator_t *it);

/* A database cannot be open and the caller not know it. */
rocksdb_t *__wrap_rocksdb_open(const rocksdb_options_t *options, const char *name, char **errptr)
{
	if (rocksdb_fails("rocksdb_open", errptr) || *errptr)
		return NULL;
	return __real_rocksdb_open(options, name, errptr);
}

void __wrap_rocksdb_destroy_db(const rocksdb_options_t *options, const char *name, char **errptr)
{
	char *message = NULL;

	if (rocksdb_fails("rocksdb_destroy_db", errptr))
		return;
	__real_rocksdb_destroy_db(options, name, *errptr ? &message : errptr);
}

rocksdb_pinnableslice_t *__wrap_rocksdb_get_pinned(rocksdb_t *db, const rocksdb_readoptions_t *options, const char *key,
						   size_t len, char **errptr)
{
	if (rocksdb_fails("rocksdb_get_pinned", errptr) || *errptr)
		return NULL;
	return __real_rocksdb_get_pinned(db, options, key, len, errptr);
}

void __wrap_rocksdb_write(rocksdb_t *db, const rocksdb_writeoptions_t *options, rocksdb_writebatch_t *batch,
			  char **errptr)
{
	char *message = NULL;

	if (rocksdb_fails("rocksdb_write", errptr))
		return;
	__real_rocksdb_write(db, options, batch, *errptr ? &message : errptr);
}

/* The files of a rebuild. */
void __real_rocksdb_sstfilewriter_open(rocksdb_sstfilewriter_t *w, const char *name, char **errptr);
void __wrap_rocksdb_sstfilewriter_open(rocksdb_sstfilewriter_t *w, const char *name, char **errptr);
void __real_rocksdb_sstfilewriter_put(rocksdb_sstfilewriter_t *w, const char *key, size_t key_len, const char *value,
				      size_t value_len, char **errptr);
void __wrap_rocksdb_sstfilewriter_put(rocksdb_sstfilewriter_t *w, const char *key, size_t key_len, const char *value,
				      size_t value_len, char **errptr);
void __real_rocksdb_sstfilewriter_delete(rocksdb_sstfilewriter_t *w, const char *key, size_t key_len, char **errptr);
void __wrap_rocksdb_sstfilewriter_delete(rocksdb_sstfilewriter_t *w, const char *key, size_t key_len, char **errptr);
void __real_rocksdb_sstfilewriter_finish(rocksdb_sstfilewriter_t *w, char **errptr);
void __wrap_rocksdb_sstfilewriter_finish(rocksdb_sstfilewriter_t *w, char **errptr);
void __real_rocksdb_ingest_external_file(rocksdb_t *db, const char *const *files, size_t len,
					 const rocksdb_ingestexternalfileoptions_t *options, char **errptr);
void __wrap_rocksdb_ingest_external_file(rocksdb_t *db, const char *const *files, size_t len,
					 const rocksdb_ingestexternalfileoptions_t *options, char **errptr);
void __real_rocksdb_set_options(rocksdb_t *db, int count, const char *const keys[], const char *const values[],
				char **errptr);
void __wrap_rocksdb_set_options(rocksdb_t *db, int count, const char *const keys[], const char *const values[],
				char **errptr);

/* Syncing, and a check of an open store. */
void __wrap_rocksdb_flush_wal(rocksdb_t *db, unsigned char sync, char **errptr);
void __real_rocksdb_flush(rocksdb_t *db, const rocksdb_flushoptions_t *options, char **errptr);
void __wrap_rocksdb_flush(rocksdb_t *db, const rocksdb_flushoptions_t *options, char **errptr);
void __real_rocksdb_disable_file_deletions(rocksdb_t *db, char **errptr);
void __wrap_rocksdb_disable_file_deletions(rocksdb_t *db, char **errptr);
void __real_rocksdb_enable_file_deletions(rocksdb_t *db, unsigned char force, char **errptr);
void __wrap_rocksdb_enable_file_deletions(rocksdb_t *db, unsigned char force, char **errptr);
rocksdb_t *__real_rocksdb_open_for_read_only(const rocksdb_options_t *options, const char *name, unsigned char exists,
					     char **errptr);
rocksdb_t *__wrap_rocksdb_open_for_read_only(const rocksdb_options_t *options, const char *name, unsigned char exists,
					     char **errptr);

#define FAILING_OR(name, args)                                                                                         \
	do {                                                                                                           \
		char *message = NULL;                                                                                  \
		char **to = errptr;                                                                                    \
		if (rocksdb_fails(#name, errptr))                                                                      \
			return;                                                                                        \
		if (*errptr)                                                                                           \
			to = &message;                                                                                 \
		__real_##name args;                                                                                    \
	} while (0)

void __wrap_rocksdb_sstfilewriter_open(rocksdb_sstfilewriter_t *w, const char *name, char **errptr)
{
	FAILING_OR(rocksdb_sstfilewriter_open, (w, name, to));
}

void __wrap_rocksdb_sstfilewriter_put(rocksdb_sstfilewriter_t *w, const char *key, size_t key_len, const char *value,
				      size_t value_len, char **errptr)
{
	FAILING_OR(rocksdb_sstfilewriter_put, (w, key, key_len, value, value_len, to));
}

void __wrap_rocksdb_sstfilewriter_delete(rocksdb_sstfilewriter_t *w, const char *key, size_t key_len, char **errptr)
{
	FAILING_OR(rocksdb_sstfilewriter_delete, (w, key, key_len, to));
}

void __wrap_rocksdb_sstfilewriter_finish(rocksdb_sstfilewriter_t *w, char **errptr)
{
	FAILING_OR(rocksdb_sstfilewriter_finish, (w, to));
}

void __wrap_rocksdb_ingest_external_file(rocksdb_t *db, const char *const *files, size_t len,
					 const rocksdb_ingestexternalfileoptions_t *options, char **errptr)
{
	FAILING_OR(rocksdb_ingest_external_file, (db, files, len, options, to));
}

void __wrap_rocksdb_set_options(rocksdb_t *db, int count, const char *const keys[], const char *const values[],
				char **errptr)
{
	FAILING_OR(rocksdb_set_options, (db, count, keys, values, to));
}

/* Files in memory have nothing to sync, and RocksDB refuses to try. */
void __wrap_rocksdb_flush_wal(rocksdb_t *db, unsigned char sync, char **errptr)
{
	(void)db;
	(void)sync;
	(void)rocksdb_fails("rocksdb_flush_wal", errptr);
}

void __wrap_rocksdb_flush(rocksdb_t *db, const rocksdb_flushoptions_t *options, char **errptr)
{
	FAILING_OR(rocksdb_flush, (db, options, to));
}

void __wrap_rocksdb_disable_file_deletions(rocksdb_t *db, char **errptr)
{
	FAILING_OR(rocksdb_disable_file_deletions, (db, to));
}

void __wrap_rocksdb_enable_file_deletions(rocksdb_t *db, unsigned char force, char **errptr)
{
	FAILING_OR(rocksdb_enable_file_deletions, (db, force, to));
}

rocksdb_t *__wrap_rocksdb_open_for_read_only(const rocksdb_options_t *options, const char *name, unsigned char exists,
					     char **errptr)
{
	if (rocksdb_fails("rocksdb_open_for_read_only", errptr) || *errptr)
		return NULL;
	return __real_rocksdb_open_for_read_only(options, name, exists, errptr);
}

/* An iterator that cannot go on stays so, and says why when it is asked. */
static const rocksdb_iterator_t *broken;

unsigned char __wrap_rocksdb_iter_valid(const rocksdb_iterator_t *it)
{
	char *message = NULL;

	if (it != broken && !rocksdb_fails("rocksdb_iter_valid", &message) && !message)
		return __real_rocksdb_iter_valid(it);
	__real_free(message);
	broken = it;
	return 0;
}

void __wrap_rocksdb_iter_get_error(const rocksdb_iterator_t *it, char **errptr)
{
	if (broken == it)
		*errptr = __real_strdup(messages[failing.how]);
	else
		__real_rocksdb_iter_get_error(it, errptr);
}

void __wrap_rocksdb_iter_destroy(rocksdb_iterator_t *it)
{
	if (broken == it)
		broken = NULL;
	__real_rocksdb_iter_destroy(it);
}
