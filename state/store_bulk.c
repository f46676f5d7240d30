/*
 * Filling a store that is being rebuilt: sorted runs of profiles become files of RocksDB at once, past write-ahead log and
 * memtable, and nothing is compacted on the way but what would make reading slow. A run is there as a whole or not at all,
 * and survives a power loss.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "state/codec.h"
#include "state/store_internal.h"

enum {
	BULK_FILES = 24,      /* at level 0 before they are merged, or reading would suffer */
	BULK_FILES_MAX = 4096 /* writing is never held up for them */
};

struct seg_run {
	struct seg_store *store;
	rocksdb_envoptions_t *env_options;
	rocksdb_sstfilewriter_t *writer;
	char path[4096];
	size_t len;
};

static enum seg_rc set_triggers(struct seg_store *s, int merge, int slow, int stop, struct seg_error *err)
{
	static const char *const names[] = {"level0_file_num_compaction_trigger", "level0_slowdown_writes_trigger",
					    "level0_stop_writes_trigger"};
	char texts[3][16];
	const char *values[3] = {texts[0], texts[1], texts[2]};
	char *message = NULL;

	snprintf(texts[0], sizeof texts[0], "%d", merge);
	snprintf(texts[1], sizeof texts[1], "%d", slow);
	snprintf(texts[2], sizeof texts[2], "%d", stop);
	rocksdb_set_options(s->db, 3, names, values, &message);
	return message ? seg_store_failed_in(s, "cannot change options", message, err) : SEG_OK;
}

int seg_store_files_at_level_0(struct seg_store *s)
{
	char *text = rocksdb_property_value(s->db, "rocksdb.num-files-at-level0");
	int files = text ? (int)strtol(text, NULL, 10) : -1;

	rocksdb_free(text);
	return files;
}

enum seg_rc seg_store_bulk_begin(struct seg_store *s, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	if (!s->db)
		return seg_error_set(err, SEG_IO, "store %s is closed after a failure: open it again", s->dir);
	if (!s->bulk)
		rc = set_triggers(s, BULK_FILES, BULK_FILES_MAX, BULK_FILES_MAX, err);
	s->bulk = s->bulk || rc == SEG_OK;
	return rc;
}

/* With so many files that writes would be held up they are not, until the store is opened the next time. */
enum seg_rc seg_store_bulk_end(struct seg_store *s, struct seg_error *err)
{
	rocksdb_options_t *o = s->env->options;
	int slow = rocksdb_options_get_level0_slowdown_writes_trigger(o);
	int stop = rocksdb_options_get_level0_stop_writes_trigger(o);

	if (!s->bulk || !s->db)
		return SEG_OK;
	s->bulk = false;
	if (seg_store_files_at_level_0(s) >= slow)
		slow = stop = BULK_FILES_MAX;
	return set_triggers(s, rocksdb_options_get_level0_file_num_compaction_trigger(o), slow, stop, err);
}

struct seg_store *seg_run_store(const struct seg_run *run)
{
	return run->store;
}

static enum seg_rc check(struct seg_run *run, const char *what, char *message, struct seg_error *err)
{
	return message ? seg_store_failed_in(run->store, what, message, err) : SEG_OK;
}

enum seg_rc seg_run_open(struct seg_store *s, struct seg_run **ret, struct seg_error *err)
{
	struct seg_run *run = calloc(1, sizeof *run);
	char *message = NULL;
	enum seg_rc rc;

	if (!run)
		return seg_error_set(err, SEG_NO_MEMORY, "store %s: no memory for a sorted run", s->dir);
	run->store = s;
	/* Not a name that RocksDB takes for its own: what a crash leaves of it is written over by the next. */
	snprintf(run->path, sizeof run->path, "%s/run.tmp", s->dir);
	run->env_options = rocksdb_envoptions_create();
	run->writer = rocksdb_sstfilewriter_create(run->env_options, s->env->options);
	rocksdb_sstfilewriter_open(run->writer, run->path, &message);
	rc = check(run, "cannot write a sorted run", message, err);
	if (rc != SEG_OK) {
		seg_run_drop(run);
		return rc;
	}
	*ret = run;
	return SEG_OK;
}

enum seg_rc seg_run_put(struct seg_run *run, uint64_t hash, struct seg_str id, const void *data, size_t len,
			struct seg_error *err)
{
	char key[SEG_KEY_HEAD + SEG_CUSTOMER_ID_BYTES];
	char *message = NULL;

	if (id.len > SEG_CUSTOMER_ID_BYTES)
		return seg_error_set(err, SEG_LIMIT, "store %s: a customer id is longer than %d bytes", run->store->dir,
				     SEG_CUSTOMER_ID_BYTES);
	size_t key_len = seg_store_profile_key(key, hash, id);

	if (data)
		rocksdb_sstfilewriter_put(run->writer, key, key_len, data, len, &message);
	else
		rocksdb_sstfilewriter_delete(run->writer, key, key_len, &message);
	run->len++;
	return check(run, "cannot write a sorted run", message, err);
}

void seg_run_drop(struct seg_run *run)
{
	if (!run)
		return;
	if (!run->store->env->in_memory)
		(void)unlink(run->path);
	rocksdb_sstfilewriter_destroy(run->writer);
	rocksdb_envoptions_destroy(run->env_options);
	free(run);
}

enum seg_rc seg_run_close(struct seg_run *run, struct seg_error *err)
{
	struct seg_store *s = run->store;
	const char *files[1] = {run->path};
	char *message = NULL;
	enum seg_rc rc = SEG_OK;

	if (run->len > 0) {
		rocksdb_sstfilewriter_finish(run->writer, &message);
		rc = check(run, "cannot write a sorted run", message, err);
	}
	if (run->len > 0 && rc == SEG_OK) {
		rocksdb_ingestexternalfileoptions_t *o = rocksdb_ingestexternalfileoptions_create();

		rocksdb_ingestexternalfileoptions_set_move_files(o, 1);
		rocksdb_ingest_external_file(s->db, files, 1, o, &message);
		rocksdb_ingestexternalfileoptions_destroy(o);
		rc = check(run, "cannot take in a sorted run", message, err);
	}
	seg_run_drop(run);
	return rc;
}
