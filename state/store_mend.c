/*
 * What ails a store, and what can be done about it. A write that failed leaves RocksDB refusing all further ones until it
 * is opened again; a store that is damaged is moved aside, whole, and an empty one takes its place: it is rebuilt from
 * Kafka, and who wants to know what happened has the old one to look at. Only the newest such copy is kept.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "state/store_internal.h"

enum { PATH_BYTES = 4096, ROOM_BYTES = 16 << 20 };

static const char aside_mark[] = ".damaged-";

/* ---- what ails it ---- */

enum seg_rc seg_store_note(struct seg_store *s, enum seg_rc rc, const char *text)
{
	if (rc != SEG_IO && rc != SEG_CORRUPT)
		return rc;
	pthread_mutex_lock(&s->trouble_lock);
	if (s->trouble.rc == SEG_OK || (s->trouble.rc == SEG_IO && rc == SEG_CORRUPT)) {
		s->trouble.rc = rc;
		snprintf(s->trouble.text, sizeof s->trouble.text, "%s", text);
	}
	pthread_mutex_unlock(&s->trouble_lock);
	return rc;
}

enum seg_rc seg_store_failed_in(struct seg_store *s, const char *what, char *message, struct seg_error *err)
{
	struct seg_error own;
	enum seg_rc rc = seg_store_failed(s->dir, what, message, &own);

	if (err)
		*err = own;
	return seg_store_note(s, rc, own.text);
}

void seg_store_distrust(struct seg_store *s, const char *why)
{
	(void)seg_store_note(s, SEG_CORRUPT, why);
}

enum seg_rc seg_store_trouble(struct seg_store *s, struct seg_error *ret)
{
	pthread_mutex_lock(&s->trouble_lock);
	enum seg_rc rc = s->trouble.rc;
	if (ret)
		*ret = s->trouble;
	pthread_mutex_unlock(&s->trouble_lock);
	return rc;
}

void seg_store_well(struct seg_store *s)
{
	pthread_mutex_lock(&s->trouble_lock);
	s->trouble = (struct seg_error){SEG_OK, ""};
	pthread_mutex_unlock(&s->trouble_lock);
}

/* ---- what is in the folder ---- */

static bool is_of_rocksdb(const char *name)
{
	size_t len = strlen(name);

	if (strncmp(name, "MANIFEST-", 9) == 0)
		return true;
	return len > 4 && (strcmp(name + len - 4, ".sst") == 0 || strcmp(name + len - 4, ".log") == 0);
}

/* RocksDB takes a folder without CURRENT for a new one and deletes what it finds there. */
enum seg_rc seg_store_check_folder(const struct seg_store_env *env, const char *dir, struct seg_error *err)
{
	char path[PATH_BYTES];
	enum seg_rc rc = SEG_OK;

	if (env->in_memory)
		return SEG_OK;
	snprintf(path, sizeof path, "%s/CURRENT", dir);
	if (access(path, F_OK) == 0)
		return seg_store_check_manifest(dir, err);
	if (errno != ENOENT)
		return SEG_OK; /* what else is wrong RocksDB says */
	DIR *d = opendir(dir);
	if (!d)
		return SEG_OK;
	for (const struct dirent *e = readdir(d); e && rc == SEG_OK; e = readdir(d))
		if (is_of_rocksdb(e->d_name))
			rc = seg_error_set(err, SEG_CORRUPT,
					   "store %s cannot be right and must be rebuilt: it has %s, but no CURRENT",
					   dir, e->d_name);
	closedir(d);
	return rc;
}

static void sync_folder(const char *dir)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return;
	(void)fsync(fd);
	close(fd);
}

/* ---- aside ---- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

/* Copies of `name` that were set aside before; what cannot be deleted stays. */
static void drop_older(const char *parent, const char *name)
{
	char prefix[512], path[PATH_BYTES];
	int len = snprintf(prefix, sizeof prefix, "%s%s", name, aside_mark);
	DIR *d = opendir(parent);

	if (!d)
		return;
	for (const struct dirent *e = readdir(d); e; e = readdir(d)) {
		if (len >= (int)sizeof prefix || strncmp(e->d_name, prefix, (size_t)len) != 0)
			continue;
		if (snprintf(path, sizeof path, "%s/%s", parent, e->d_name) < (int)sizeof path)
			(void)nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	}
	closedir(d);
}

static enum seg_rc move_aside(const char *dir, char ret_name[SEG_STORE_ASIDE_BYTES], struct seg_error *err)
{
	char parent[PATH_BYTES], own[PATH_BYTES], to[PATH_BYTES + SEG_STORE_ASIDE_BYTES], stamp[32];
	time_t now = time(NULL);
	struct tm utc;

	snprintf(parent, sizeof parent, "%s", dir);
	snprintf(own, sizeof own, "%s", dir);
	const char *folder = dirname(parent), *name = basename(own);
	strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%SZ", gmtime_r(&now, &utc));
	if (snprintf(ret_name, SEG_STORE_ASIDE_BYTES, "%s%s%s", name, aside_mark, stamp) >= SEG_STORE_ASIDE_BYTES)
		return seg_error_set(err, SEG_LIMIT, "store %s: the name is too long", dir);
	snprintf(to, sizeof to, "%s/%s", folder, ret_name);
	drop_older(folder, name);
	if (rename(dir, to) != 0)
		return seg_error_set(err, SEG_IO, "store %s: cannot be moved to %s: %s", dir, ret_name,
				     strerror(errno));
	sync_folder(folder);
	return SEG_OK;
}

enum seg_rc seg_store_set_aside(struct seg_store_env *env, const char *dir, char ret_name[SEG_STORE_ASIDE_BYTES],
				struct seg_error *err)
{
	ret_name[0] = '\0';
	if (env->in_memory)
		return seg_store_destroy(env, dir, err);
	enum seg_rc rc = seg_store_check_unlocked(dir, err);
	return rc == SEG_OK ? move_aside(dir, ret_name, err) : rc;
}

/* ---- again ---- */

static void close_db(struct seg_store *s)
{
	if (s->db)
		rocksdb_close(s->db);
	s->db = NULL;
}

enum seg_rc seg_store_replace(struct seg_store *s, char ret_name[SEG_STORE_ASIDE_BYTES], struct seg_error *err)
{
	pthread_rwlock_wrlock(&s->lock);
	close_db(s);
	enum seg_rc rc = seg_store_set_aside(s->env, s->dir, ret_name, err);
	if (rc == SEG_OK)
		rc = seg_store_open_db(s, err);
	pthread_rwlock_unlock(&s->lock);
	return rc;
}

/* Less room than a few write buffers need would only fail again. */
static enum seg_rc check_room(const struct seg_store *s, const struct seg_error *trouble, struct seg_error *err)
{
	struct statvfs fs;

	if (s->env->in_memory || !strstr(trouble->text, "No space left") || statvfs(s->dir, &fs) != 0)
		return SEG_OK;
	uint64_t room = (uint64_t)fs.f_bavail * fs.f_frsize;
	if (room >= ROOM_BYTES)
		return SEG_OK;
	return seg_error_set(err, SEG_IO, "store %s waits for space: %llu MiB are free, %d are needed", s->dir,
			     (unsigned long long)(room >> 20), ROOM_BYTES >> 20);
}

enum seg_rc seg_store_reopen(struct seg_store *s, struct seg_error *err)
{
	struct seg_error trouble;

	(void)seg_store_trouble(s, &trouble);
	enum seg_rc rc = check_room(s, &trouble, err);
	if (rc != SEG_OK)
		return rc;
	pthread_rwlock_wrlock(&s->lock);
	close_db(s);
	rc = seg_store_open_db(s, err);
	pthread_rwlock_unlock(&s->lock);
	return rc;
}
