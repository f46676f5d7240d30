#include "daemon/state_stores.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "state/codec.h"

enum { PATH_BYTES = 4096, META_BYTES = 64 * 1024 };

struct partitions {
	int32_t *items;
	size_t len;
};

/* "p12" and nothing behind it. */
static bool parse_partition(const char *name, int32_t *ret)
{
	char *end;
	if (name[0] != 'p' || name[1] < '0' || name[1] > '9')
		return false;
	long n = strtol(name + 1, &end, 10);
	*ret = (int32_t)n;
	return *end == '\0' && n <= INT32_MAX;
}

static int by_number(const void *a, const void *b)
{
	int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
	return (x > y) - (x < y);
}

static enum seg_rc list_partitions(const char *dir, struct partitions *ret, struct seg_error *err)
{
	DIR *d = opendir(dir);
	*ret = (struct partitions){0};
	if (!d)
		return seg_error_set(err, SEG_IO, "%s: %s", dir, strerror(errno));
	for (struct dirent *e = readdir(d); e; e = readdir(d)) {
		int32_t p;
		if (!parse_partition(e->d_name, &p))
			continue;
		int32_t *more = realloc(ret->items, (ret->len + 1) * sizeof(*more));
		if (!more) {
			closedir(d);
			return seg_error_set(err, SEG_NO_MEMORY, "%s: out of memory", dir);
		}
		ret->items = more;
		ret->items[ret->len++] = p;
	}
	closedir(d);
	if (ret->len > 0)
		qsort(ret->items, ret->len, sizeof(*ret->items), by_number);
	return SEG_OK;
}

static enum seg_rc read_cut(struct seg_state_store *at, struct seg_error *err)
{
	struct seg_buf value;
	seg_buf_init(&value, META_BYTES);
	enum seg_rc rc = seg_store_get_meta(at->store, "cut", &value, err);
	at->has_cut = at->whole = false;
	if (!rc) {
		rc = seg_cut_decode(value.data, value.len, &at->cut, err);
		at->has_cut = at->whole = !rc;
		for (int s = 0; at->whole && s < SEG_SOURCES; s++)
			at->whole = at->cut.next[s] == at->cut.replay_from[s];
	}
	seg_buf_release(&value);
	return rc == SEG_NOT_FOUND ? SEG_OK : rc;
}

static enum seg_rc visit(struct seg_store_env *env, const char *dir, struct seg_state_store *at, seg_state_store_fn fn,
			 void *ctx, struct seg_error *err)
{
	char path[PATH_BYTES];
	if (snprintf(path, sizeof(path), "%s/p%" PRId32, dir, at->partition) >= (int)sizeof(path))
		return seg_error_set(err, SEG_LIMIT, "%.100s…: the path is too long", dir);
	at->store = NULL;
	at->damaged = (struct seg_error){SEG_OK, ""};
	enum seg_rc rc = seg_store_open(env, path, &at->store, err);
	if (!rc)
		rc = read_cut(at, err);
	if (rc == SEG_CORRUPT) {
		seg_store_close(at->store);
		at->store = NULL;
		at->damaged = *err;
		return fn(at, ctx, err);
	}
	if (!rc)
		rc = fn(at, ctx, err);
	seg_store_close(at->store);
	return rc;
}

static enum seg_rc each_partition(const char *dir, seg_state_store_fn fn, void *ctx, struct seg_error *err)
{
	struct partitions list;
	struct seg_store_env *env = NULL;
	struct seg_store_options options = {.existing = true};
	struct seg_error own = {SEG_OK, ""}, damaged = {SEG_OK, ""};
	struct seg_state_store *at = calloc(1, sizeof(*at));
	if (!at)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	enum seg_rc rc = list_partitions(dir, &list, err);
	if (!rc)
		rc = seg_about_read(dir, &at->about, err);
	if (!rc)
		rc = seg_store_env_new(&options, &env, err);
	err = err ? err : &own;
	for (size_t i = 0; !rc && i < list.len; i++) {
		at->partition = list.items[i];
		rc = visit(env, dir, at, fn, ctx, err);
		if (rc != SEG_CORRUPT)
			continue;
		if (!damaged.rc)
			damaged = *err;
		damaged.rc = rc;
		rc = SEG_OK; /* the others are looked at all the same */
	}
	if (!rc && damaged.rc) {
		*err = damaged;
		rc = damaged.rc;
	}
	seg_store_env_free(env);
	free(list.items);
	free(at);
	return rc;
}

static bool has_about(const char *dir)
{
	char path[PATH_BYTES];
	struct stat st;
	snprintf(path, sizeof(path), "%s/about.json", dir);
	return stat(path, &st) == 0;
}

enum seg_rc seg_state_for_each_store(const char *dir, seg_state_store_fn fn, void *ctx, struct seg_error *err)
{
	if (has_about(dir))
		return each_partition(dir, fn, ctx, err);
	struct dirent **names;
	int len = scandir(dir, &names, NULL, alphasort);
	if (len < 0)
		return seg_error_set(err, SEG_IO, "%s: %s", dir, strerror(errno));
	bool any = false;
	enum seg_rc rc = SEG_OK;
	for (int i = 0; i < len; i++) {
		char path[PATH_BYTES];
		bool fits = snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name) < (int)sizeof(path);
		if ((!rc || rc == SEG_CORRUPT) && fits && names[i]->d_name[0] != '.' && has_about(path)) {
			any = true;
			enum seg_rc one = each_partition(path, fn, ctx, err);
			rc = one ? one : rc;
		}
		free(names[i]);
	}
	free(names);
	if (!rc && !any)
		rc = seg_error_set(err, SEG_NOT_FOUND,
				   "%s: no stores of segmentd are here; give data_dir of the "
				   "configuration",
				   dir);
	return rc;
}

enum seg_rc seg_state_each(struct seg_state_store *at, seg_state_profile_fn fn, void *ctx, struct seg_error *err)
{
	struct seg_scan *scan;
	struct seg_scan_item item;
	enum seg_rc rc = seg_scan_open(at->store, 0, &scan, err);
	if (rc)
		return rc;
	while (!(rc = seg_scan_next(scan, &item, err))) {
		struct seg_profile *p;
		rc = seg_profile_decode(item.data, item.len, &p, err);
		if (!rc) {
			rc = fn(ctx, p, err);
			seg_profile_free(p);
		}
		if (rc)
			break;
	}
	seg_scan_close(scan);
	return rc == SEG_NOT_FOUND ? SEG_OK : rc;
}

static enum seg_rc count_one(void *ctx, const struct seg_profile *p, struct seg_error *err)
{
	uint64_t *n = ctx;
	(void)err;
	*n += p->decision.alive;
	return SEG_OK;
}

enum seg_rc seg_state_count(struct seg_state_store *at, uint64_t *ret, struct seg_error *err)
{
	*ret = 0;
	return seg_state_each(at, count_one, ret, err);
}
