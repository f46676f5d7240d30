#include "daemon/data_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

enum { PATH_BYTES = 4096, WORDS = 400 };

/* "process N (instance I)" as the holder has written it; something readable in any case. */
static void read_holder(int fd, char ret[WORDS])
{
	ssize_t len = pread(fd, ret, WORDS - 1, 0);
	ret[len > 0 ? len : 0] = '\0';
	ret[strcspn(ret, "\n")] = '\0';
	if (ret[0] == '\0')
		snprintf(ret, WORDS, "another process");
}

static enum seg_rc write_holder(int fd, const struct seg_config *config, const char *path, struct seg_error *err)
{
	char words[WORDS];
	int len = snprintf(words, sizeof(words), "process %d (instance %.256s)\n", (int)getpid(), config->instance);
	if (ftruncate(fd, 0) || pwrite(fd, words, (size_t)len, 0) != len)
		return seg_error_set(err, SEG_IO, "%s cannot be written: %s", path, strerror(errno));
	return SEG_OK;
}

enum seg_rc seg_data_lock(const struct seg_config *config, int *ret_fd, struct seg_error *err)
{
	char folder[PATH_BYTES], path[PATH_BYTES + 16], holder[WORDS];
	if (!seg_config_store_path(config, -1, folder, sizeof(folder)))
		return seg_error_set(err, SEG_INVALID, "data_dir: the path is too long");
	snprintf(path, sizeof(path), "%s/lock", folder);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return seg_error_set(err, SEG_IO, "%s cannot be opened: %s", path, strerror(errno));
	enum seg_rc rc;
	if (!flock(fd, LOCK_EX | LOCK_NB)) {
		rc = write_holder(fd, config, path, err);
	} else if (errno == EWOULDBLOCK) {
		read_holder(fd, holder);
		rc = seg_error_set(err, SEG_INVALID,
				   "%s is in use by %s: each running instance needs an `instance` and a `data_dir` of "
				   "its own",
				   folder, holder);
	} else {
		rc = seg_error_set(err, SEG_IO, "%s cannot be locked: %s", path, strerror(errno));
	}
	if (rc) {
		close(fd);
		return rc;
	}
	*ret_fd = fd;
	return SEG_OK;
}

void seg_data_unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}
