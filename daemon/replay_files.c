#include "daemon/replay_files.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "producers/encode.h"
#include "segmenter/export.h"

enum { PATH_BYTES = 4096, MODEL_BYTES = 16 * 1024 * 1024 };

struct seg_replay_files {
	char *folder;
	struct seg_container *containers[SEG_OUTPUTS];
	FILE *refits;
};

static const struct {
	enum seg_output output;
	const char *name;
} streams[] = {
	{SEG_OUTPUT_CHANGE, "segment-changes.avro"},
	{SEG_OUTPUT_ALERT, "drift-alerts.avro"},
	{SEG_OUTPUT_SEGMENT, "segments.avro"},
	{SEG_OUTPUT_DEAD_LETTER, "dead-letters.avro"},
};

static enum seg_rc join(char ret[PATH_BYTES], const char *folder, const char *name, struct seg_error *err)
{
	if (snprintf(ret, PATH_BYTES, "%s/%s", folder, name) >= PATH_BYTES)
		return seg_error_set(err, SEG_LIMIT, "the path %.100s… is too long", folder);
	return SEG_OK;
}

static enum seg_rc make_folder(const char *path, struct seg_error *err)
{
	if (mkdir(path, 0777) && errno != EEXIST)
		return seg_error_set(err, SEG_IO, "%s: the folder cannot be made: %s", path, strerror(errno));
	return SEG_OK;
}

static enum seg_rc check_empty(const char *path, struct seg_error *err)
{
	DIR *dir = opendir(path);
	if (!dir)
		return seg_error_set(err, SEG_IO, "%s: %s", path, strerror(errno));
	enum seg_rc rc = SEG_OK;
	for (struct dirent *e = readdir(dir); e && !rc; e = readdir(dir)) {
		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
			rc = seg_error_set(err, SEG_INVALID, "%s is not empty (%s): name a new folder", path,
					   e->d_name);
	}
	closedir(dir);
	return rc;
}

enum seg_rc seg_replay_files_open(const char *folder, struct seg_replay_files **ret, struct seg_error *err)
{
	struct seg_replay_files *f = calloc(1, sizeof(*f));
	char path[PATH_BYTES] = "";
	if (f)
		f->folder = strdup(folder);
	enum seg_rc rc = f && f->folder ? SEG_OK : seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	if (!rc)
		rc = make_folder(folder, err);
	if (!rc)
		rc = check_empty(folder, err);
	for (size_t i = 0; !rc && i < sizeof(streams) / sizeof(streams[0]); i++) {
		rc = join(path, folder, streams[i].name, err);
		if (!rc)
			rc = seg_container_open(path, streams[i].output, &f->containers[streams[i].output], err);
	}
	if (!rc)
		rc = join(path, folder, "refits.jsonl", err);
	if (!rc && !(f->refits = fopen(path, "wbx")))
		rc = seg_error_set(err, SEG_IO, "%s cannot be written: %s", path, strerror(errno));
	if (!rc)
		rc = join(path, folder, "campaign-triggers.avro", err);
	if (!rc)
		rc = seg_container_write_empty(path, "campaign_trigger", err);
	if (rc) {
		seg_replay_files_close(f, NULL);
		return rc;
	}
	*ret = f;
	return SEG_OK;
}

enum seg_rc seg_replay_files_close(struct seg_replay_files *f, struct seg_error *err)
{
	enum seg_rc first = SEG_OK;
	if (!f)
		return SEG_OK;
	for (int o = 0; o < SEG_OUTPUTS; o++) {
		enum seg_rc rc = seg_container_close(f->containers[o], first ? NULL : err);
		if (rc && !first)
			first = rc;
	}
	if (f->refits && fclose(f->refits) && !first)
		first = seg_error_set(err, SEG_IO, "%s/refits.jsonl cannot be written: %s", f->folder, strerror(errno));
	free(f->folder);
	free(f);
	return first;
}

enum seg_rc seg_replay_files_change(struct seg_replay_files *f, const struct seg_change *c, struct seg_error *err)
{
	return seg_container_append(f->containers[SEG_OUTPUT_CHANGE], c, err);
}

enum seg_rc seg_replay_files_segment(struct seg_replay_files *f, const struct seg_segment_row *r, struct seg_error *err)
{
	return seg_container_append(f->containers[SEG_OUTPUT_SEGMENT], r, err);
}

enum seg_rc seg_replay_files_alert(struct seg_replay_files *f, const struct seg_alert *a, struct seg_error *err)
{
	return seg_container_append(f->containers[SEG_OUTPUT_ALERT], a, err);
}

enum seg_rc seg_replay_files_dead_letter(struct seg_replay_files *f, const struct seg_dead_letter *d,
					 struct seg_error *err)
{
	return seg_container_append(f->containers[SEG_OUTPUT_DEAD_LETTER], d, err);
}

/* As in model.json; null for NULL. */
static json_t *model_json(const struct seg_model *m)
{
	struct seg_buf text;
	if (!m)
		return json_null();
	seg_buf_init(&text, MODEL_BYTES);
	json_t *json = NULL;
	if (!seg_model_export(m, &text, NULL))
		json = json_loadb((const char *)text.data, text.len, 0, NULL);
	seg_buf_release(&text);
	return json;
}

enum seg_rc seg_replay_files_refit(struct seg_replay_files *f, const struct seg_refit_record *record,
				   const struct seg_model *before, const struct seg_model *after, struct seg_error *err)
{
	const struct seg_model *replaced = after && before && before->promotion ? before : NULL;
	json_t *line =
		json_pack("{s:I, s:I, s:s, s:i, s:I, s:o, s:b, s:s, s:o, s:o}", "number", (json_int_t)record->number,
			  "time_ms", (json_int_t)record->time_ms, "reason", record->reason, "k", (int)record->k,
			  "customers", (json_int_t)record->customers, "gain",
			  isfinite(record->gain) ? json_real(record->gain) : json_null(), "promoted", after != NULL,
			  "error", record->error, "before", model_json(replaced), "model", model_json(after));
	enum seg_rc rc = SEG_OK;
	if (!line)
		return seg_error_set(err, SEG_NO_MEMORY, "refits.jsonl: attempt %" PRIu64 " cannot be written as JSON",
				     record->number);
	if (json_dumpf(line, f->refits, JSON_COMPACT | JSON_REAL_PRECISION(17)) || fputc('\n', f->refits) == EOF)
		rc = seg_error_set(err, SEG_IO, "%s/refits.jsonl cannot be written: %s", f->folder, strerror(errno));
	json_decref(line);
	return rc;
}

/* ---- the state at an instant ---- */

struct ids {
	struct seg_str *items; /* each owned */
	size_t len, cap;
	bool failed;
};

static bool collect(void *ctx, const struct seg_profile *p)
{
	struct ids *ids = ctx;
	if (ids->len == ids->cap) {
		size_t cap = ids->cap ? ids->cap * 2 : 1024;
		struct seg_str *more = realloc(ids->items, cap * sizeof(*more));
		if (!more) {
			ids->failed = true;
			return false;
		}
		ids->items = more;
		ids->cap = cap;
	}
	char *copy = malloc(p->id.len ? p->id.len : 1);
	if (!copy) {
		ids->failed = true;
		return false;
	}
	memcpy(copy, p->id.ptr, p->id.len);
	ids->items[ids->len++] = (struct seg_str){copy, p->id.len};
	/* cppcheck-suppress memleak ; the list keeps it */
	return false;
}

static int by_bytes(const void *a, const void *b)
{
	const struct seg_str *x = a, *y = b;
	size_t len = x->len < y->len ? x->len : y->len;
	int order = memcmp(x->ptr, y->ptr, len);
	return order ? order : (x->len > y->len) - (x->len < y->len);
}

static enum seg_rc write_row(const struct seg_replay_moment *m, struct seg_str id, struct seg_row_scratch *scratch,
			     struct seg_container *to, struct seg_error *err)
{
	struct seg_profile *p;
	enum seg_rc rc = seg_part_find(seg_shard_part(m->shard), id, &p, err);
	if (rc)
		return rc;
	struct seg_customer_row row;
	seg_customer_row_fill(m->model, m->configured, p, m->now_ms, scratch, &row);
	rc = seg_container_append(to, &row, err);
	seg_profile_free(p);
	return rc;
}

static enum seg_rc write_customers(const struct seg_replay_moment *m, const char *path, struct seg_error *err)
{
	struct ids ids = {0};
	uint64_t next;
	bool done = false;
	struct seg_container *to = NULL;
	struct seg_row_scratch *scratch = malloc(sizeof(*scratch));
	enum seg_rc rc =
		seg_part_scan(seg_shard_part(m->shard), 0, UINT64_MAX, SIZE_MAX, collect, &ids, &next, &done, err);
	if (!rc && (ids.failed || !scratch))
		rc = seg_error_set(err, SEG_NO_MEMORY, "%s: out of memory", path);
	if (!rc)
		rc = seg_container_open(path, SEG_OUTPUT_CUSTOMER, &to, err);
	if (!rc && ids.len > 0)
		qsort(ids.items, ids.len, sizeof(*ids.items), by_bytes);
	for (size_t i = 0; !rc && i < ids.len; i++)
		rc = write_row(m, ids.items[i], scratch, to, err);
	enum seg_rc closed = seg_container_close(to, rc ? NULL : err);
	for (size_t i = 0; i < ids.len; i++)
		free((char *)ids.items[i].ptr);
	free(ids.items);
	free(scratch);
	return rc ? rc : closed;
}

static enum seg_rc write_model(const struct seg_replay_moment *m, const char *path, struct seg_error *err)
{
	struct seg_buf text;
	seg_buf_init(&text, MODEL_BYTES);
	struct seg_model dated;
	if (m->model) { /* the file's instant is the moment's, not that of the last revision */
		dated = *m->model;
		dated.time_ms = m->now_ms;
	}
	enum seg_rc rc = seg_model_export(m->model ? &dated : NULL, &text, err);
	FILE *file = rc ? NULL : fopen(path, "wbx");
	if (!rc && (!file || fwrite(text.data, 1, text.len, file) != text.len))
		rc = seg_error_set(err, SEG_IO, "%s cannot be written: %s", path, strerror(errno));
	if (file && fclose(file) && !rc)
		rc = seg_error_set(err, SEG_IO, "%s cannot be written: %s", path, strerror(errno));
	seg_buf_release(&text);
	return rc;
}

static enum seg_rc checkpoint_folder(const struct seg_replay_files *f, int64_t now_ms, char ret[PATH_BYTES],
				     struct seg_error *err)
{
	char all[PATH_BYTES], day[16];
	enum seg_rc rc = join(all, f->folder, "checkpoints", err);
	if (!rc)
		rc = make_folder(all, err);
	seg_date_format(now_ms, day);
	if (!rc)
		rc = join(ret, all, day, err);
	return rc ? rc : make_folder(ret, err);
}

enum seg_rc seg_replay_files_moment(struct seg_replay_files *f, const struct seg_replay_moment *moment, bool checkpoint,
				    struct seg_error *err)
{
	char folder[PATH_BYTES], path[PATH_BYTES];
	enum seg_rc rc = SEG_OK;
	if (checkpoint)
		rc = checkpoint_folder(f, moment->now_ms, folder, err);
	else if (snprintf(folder, sizeof(folder), "%s", f->folder) >= PATH_BYTES)
		rc = seg_error_set(err, SEG_LIMIT, "the path %.100s… is too long", f->folder);
	if (!rc)
		rc = join(path, folder, "customers.avro", err);
	if (!rc)
		rc = write_customers(moment, path, err);
	if (!rc)
		rc = join(path, folder, "model.json", err);
	return rc ? rc : write_model(moment, path, err);
}
