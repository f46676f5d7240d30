/* The calls that are stood in for: what RocksDB and the program use on files below SEGDISK_DIR. See shim.h. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

#define EXPORT __attribute__((visibility("default")))

enum { FDS = 65536, PATH_BYTES = 4096 };

/* A file below the folder that is open; path is set once, when the descriptor is taken, and freed when it is closed. */
struct open_file {
	char *path;
	enum seg_disk_kind kind;
	bool folder;
	uint64_t inode;
};

static struct open_file files[FDS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct seg_disk_control *control;
static char folder[PATH_BYTES];
static size_t folder_len;

/* The next one in line; RTLD_NEXT is asked each time that it is not known: two threads find the same. */
#define REAL(name)                                                                                                     \
	({                                                                                                             \
		static __typeof__(&(name)) real;                                                                       \
		if (!real)                                                                                             \
			real = (__typeof__(&(name)))dlsym(RTLD_NEXT, #name);                                           \
		real;                                                                                                  \
	})

__attribute__((constructor)) static void begin(void)
{
	const char *dir = getenv("SEGDISK_DIR"), *path = getenv("SEGDISK_CONTROL"),
		   *journal = getenv("SEGDISK_JOURNAL");

	if (!dir || !path)
		return;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
	void *at = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED || ((struct seg_disk_control *)at)->magic != SEG_DISK_MAGIC) {
		fprintf(stderr, "segdisk: %s is no control file\n", path);
		_exit(127);
	}
	syscall(SYS_close, fd);
	snprintf(folder, sizeof folder, "%s", dir);
	folder_len = strlen(folder);
	if (journal)
		seg_journal_open(journal);
	control = at;
}

/* ---- which files ---- */

static bool below(const char *path)
{
	return control && path && strncmp(path, folder, folder_len) == 0 &&
	       (path[folder_len] == '/' || path[folder_len] == '\0');
}

static enum seg_disk_kind kind_of(const char *path)
{
	const char *name = strrchr(path, '/');
	size_t len = strlen(path);

	if (len > 4 && strcmp(path + len - 4, ".sst") == 0)
		return SEG_DISK_TABLE;
	if (len > 4 && strcmp(path + len - 4, ".log") == 0)
		return SEG_DISK_LOG;
	return name && strncmp(name, "/MANIFEST", 9) == 0 ? SEG_DISK_MANIFEST : SEG_DISK_OTHER;
}

static bool is_ours(int fd)
{
	return control && fd >= 0 && fd < FDS && __atomic_load_n(&files[fd].path, __ATOMIC_ACQUIRE);
}

static void opened(int fd, const char *path, bool made)
{
	struct stat st;

	if (fd < 0 || fd >= FDS || !below(path) || fstat(fd, &st) != 0)
		return;
	char *copy = strdup(path);
	if (!copy)
		abort();
	pthread_mutex_lock(&lock);
	files[fd].kind = kind_of(path);
	files[fd].folder = S_ISDIR(st.st_mode);
	files[fd].inode = st.st_ino;
	char *old = __atomic_exchange_n(&files[fd].path, copy, __ATOMIC_ACQ_REL);
	pthread_mutex_unlock(&lock);
	free(old);
	if (made)
		seg_journal_create(path, st.st_ino);
}

static void closing(int fd)
{
	if (!is_ours(fd))
		return;
	pthread_mutex_lock(&lock);
	char *old = __atomic_exchange_n(&files[fd].path, NULL, __ATOMIC_ACQ_REL);
	pthread_mutex_unlock(&lock);
	free(old);
}

/* ---- faults ---- */

static bool fails(struct seg_disk_failure *f, enum seg_disk_kind kind)
{
	if (atomic_load(&f->at) <= 0 || !(atomic_load(&f->kinds) & kind))
		return false;
	pthread_mutex_lock(&lock);
	int64_t at = atomic_load(&f->at);
	bool hit = at == 1;
	if (at > 1)
		atomic_store(&f->at, at - 1);
	if (hit && atomic_load(&f->times) > 0 && atomic_fetch_sub(&f->times, 1) == 1)
		atomic_store(&f->at, 0);
	if (hit)
		atomic_fetch_add(&f->hits, 1);
	pthread_mutex_unlock(&lock);
	return hit;
}

/* How much of len fits on the disk. */
static size_t fits(size_t len)
{
	if (!atomic_load(&control->full))
		return len;
	pthread_mutex_lock(&lock);
	int64_t room = atomic_load(&control->room);
	size_t n = room <= 0 ? 0 : (size_t)room < len ? (size_t)room : len;
	atomic_store(&control->room, room - (int64_t)n);
	if (n == 0 && len > 0)
		atomic_fetch_add(&control->full_hits, 1);
	pthread_mutex_unlock(&lock);
	return n;
}

static void delay(int64_t us)
{
	if (us > 0)
		usleep((useconds_t)us);
}

/* -1: errno is set. Else how many bytes may be written. */
static ssize_t before_write(int fd, size_t len)
{
	atomic_fetch_add(&control->writes, 1);
	delay(atomic_load(&control->write_delay_us));
	if (fails(&control->write, files[fd].kind)) {
		errno = EIO;
		return -1;
	}
	size_t n = fits(len);
	if (n == 0 && len > 0) {
		errno = ENOSPC;
		return -1;
	}
	atomic_fetch_add(&control->written_bytes, (int64_t)n);
	return (ssize_t)n;
}

static bool read_fails(int fd)
{
	if (!is_ours(fd))
		return false;
	atomic_fetch_add(&control->reads, 1);
	if (!fails(&control->read, files[fd].kind))
		return false;
	errno = EIO;
	return true;
}

/* ---- open and close ---- */

static int open_with(int (*call)(const char *, int, ...), const char *path, int flags, mode_t mode)
{
	struct stat st;
	bool may_make = (flags & O_CREAT) && below(path), there = may_make && lstat(path, &st) == 0;
	int fd = call(path, flags, mode);

	if (fd >= 0)
		opened(fd, path, may_make && !there);
	return fd;
}

static mode_t mode_of(int flags, va_list args)
{
	return flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
}

EXPORT int open(const char *path, int flags, ...)
{
	va_list args;

	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return open_with(REAL(open), path, flags, mode);
}

EXPORT int open64(const char *path, int flags, ...)
{
	va_list args;

	va_start(args, flags);
	mode_t mode = mode_of(flags, args);
	va_end(args);
	return open_with(REAL(open64), path, flags, mode);
}

EXPORT int close(int fd)
{
	closing(fd);
	return REAL(close)(fd);
}

/* RocksDB reads logs and manifests through streams that it makes of descriptors; closing them goes past close(). */
EXPORT int fclose(FILE *f)
{
	closing(fileno(f));
	return REAL(fclose)(f);
}

/* ---- reading ---- */

EXPORT ssize_t read(int fd, void *to, size_t len)
{
	return read_fails(fd) ? -1 : REAL(read)(fd, to, len);
}

EXPORT ssize_t pread(int fd, void *to, size_t len, off_t at)
{
	return read_fails(fd) ? -1 : REAL(pread)(fd, to, len, at);
}

EXPORT ssize_t pread64(int fd, void *to, size_t len, off64_t at)
{
	return read_fails(fd) ? -1 : REAL(pread64)(fd, to, len, at);
}

/* RocksDB takes a short read without the end-of-file mark for an error, and errno for its reason. */
#undef fread_unlocked
EXPORT size_t fread_unlocked(void *to, size_t size, size_t n, FILE *f)
{
	return read_fails(fileno_unlocked(f)) ? 0 : REAL(fread_unlocked)(to, size, n, f);
}

/* ---- writing ---- */

EXPORT ssize_t write(int fd, const void *data, size_t len)
{
	if (!is_ours(fd))
		return REAL(write)(fd, data, len);
	ssize_t n = before_write(fd, len);
	return n < 0 ? n : REAL(write)(fd, data, (size_t)n);
}

EXPORT ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
	if (!is_ours(fd))
		return REAL(pwrite)(fd, data, len, at);
	ssize_t n = before_write(fd, len);
	return n < 0 ? n : REAL(pwrite)(fd, data, (size_t)n, at);
}

EXPORT ssize_t pwrite64(int fd, const void *data, size_t len, off64_t at)
{
	if (!is_ours(fd))
		return REAL(pwrite64)(fd, data, len, at);
	ssize_t n = before_write(fd, len);
	return n < 0 ? n : REAL(pwrite64)(fd, data, (size_t)n, at);
}

/* Room is taken by what is written, not by what is set aside for it. */
static bool no_room(int fd)
{
	if (!is_ours(fd) || !atomic_load(&control->full) || atomic_load(&control->room) > 0)
		return false;
	atomic_fetch_add(&control->full_hits, 1);
	errno = ENOSPC;
	return true;
}

EXPORT int fallocate(int fd, int mode, off_t at, off_t len)
{
	return no_room(fd) ? -1 : REAL(fallocate)(fd, mode, at, len);
}

EXPORT int fallocate64(int fd, int mode, off64_t at, off64_t len)
{
	return no_room(fd) ? -1 : REAL(fallocate64)(fd, mode, at, len);
}

static void full_figures(const char *path, struct statvfs *st)
{
	if (below(path) && atomic_load(&control->full)) {
		int64_t room = atomic_load(&control->room);
		st->f_bavail = st->f_bfree = room > 0 ? (fsblkcnt_t)room / st->f_frsize : 0;
	}
}

EXPORT int statvfs(const char *path, struct statvfs *st)
{
	int rc = REAL(statvfs)(path, st);

	if (rc == 0)
		full_figures(path, st);
	return rc;
}

EXPORT int statvfs64(const char *path, struct statvfs64 *st)
{
	int rc = REAL(statvfs64)(path, st);

	_Static_assert(sizeof(struct statvfs) == sizeof(struct statvfs64), "the same on 64 bits");
	if (rc == 0)
		full_figures(path, (struct statvfs *)st);
	return rc;
}

/* ---- what lasts ---- */

static int sync_with(int (*call)(int), int fd)
{
	struct stat st;

	if (!is_ours(fd))
		return call(fd);
	atomic_fetch_add(&control->syncs, 1);
	delay(atomic_load(&control->sync_delay_us));
	if (fails(&control->sync, files[fd].kind)) {
		errno = EIO;
		return -1;
	}
	bool known = fstat(fd, &st) == 0; /* before the call: what is written meanwhile is not known to be in it */
	int rc = call(fd);
	if (rc == 0 && files[fd].folder)
		seg_journal_folder_synced(files[fd].path);
	else if (rc == 0 && known)
		seg_journal_synced(files[fd].inode, st.st_size);
	return rc;
}

EXPORT int fsync(int fd)
{
	return sync_with(REAL(fsync), fd);
}

EXPORT int fdatasync(int fd)
{
	return sync_with(REAL(fdatasync), fd);
}

EXPORT int unlink(const char *path)
{
	if (below(path))
		seg_journal_gone(path);
	return REAL(unlink)(path);
}

EXPORT int rename(const char *from, const char *to)
{
	struct stat st;
	bool ours = below(from) || below(to);

	if (!ours)
		return REAL(rename)(from, to);
	seg_journal_gone(to);
	bool known = lstat(from, &st) == 0;
	int rc = REAL(rename)(from, to);
	if (rc == 0 && known)
		seg_journal_renamed(from, to, st.st_ino);
	return rc;
}
