#include "daemon/demo_place.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 1024, WAIT_MS = 100, OPEN_FOLDERS = 16, LINE_BYTES = 2048, SHOWN_LINES = 20 };

struct seg_demo_place {
	char folder[PATH_BYTES], log[PATH_BYTES + 16];
	int stderr_before; /* -1: standard error is as it was */
	void (*at_once)(void *ctx);
	void *ctx;
	sigset_t signals, before;
	pthread_t thread;
	bool started, blocked;
	atomic_int asked;
	atomic_bool over;
};

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	remove(path);
	return 0;
}

static void remove_folder(const struct seg_demo_place *p)
{
	if (p->folder[0])
		nftw(p->folder, remove_one, OPEN_FOLDERS, FTW_DEPTH | FTW_PHYS);
}

/* A thread takes the signals, so that what they lead to may be anything. */
static void *take_signals(void *arg)
{
	struct seg_demo_place *p = arg;
	const struct timespec wait = {.tv_nsec = WAIT_MS * 1000000L};
	while (!atomic_load(&p->over)) {
		if (sigtimedwait(&p->signals, NULL, &wait) < 0)
			continue;
		if (atomic_fetch_add(&p->asked, 1) == 0)
			continue;
		p->at_once(p->ctx);
		remove_folder(p);
		_exit(1);
	}
	return NULL;
}

static enum seg_rc watch_signals(struct seg_demo_place *p, struct seg_error *err)
{
	sigemptyset(&p->signals);
	sigaddset(&p->signals, SIGINT);
	sigaddset(&p->signals, SIGTERM);
	sigaddset(&p->signals, SIGHUP);
	signal(SIGPIPE, SIG_IGN);
	pthread_sigmask(SIG_BLOCK, &p->signals, &p->before); /* threads made from now on inherit it */
	p->blocked = true;
	int failed = pthread_create(&p->thread, NULL, take_signals, p);
	p->started = !failed;
	return failed ? seg_error_set(err, SEG_IO, "no thread: %s", strerror(failed)) : SEG_OK;
}

static enum seg_rc open_folder(struct seg_demo_place *p, struct seg_error *err)
{
	const char *tmp = getenv("TMPDIR");
	char folder[PATH_BYTES];
	int len = snprintf(folder, sizeof(folder), "%s/segmentd-demo-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
	if (len < 0 || (size_t)len >= sizeof(folder) || !mkdtemp(folder))
		return seg_error_set(err, SEG_IO,
				     "no temporary folder can be made in %s: %s; set TMPDIR to one that can be "
				     "written",
				     tmp && tmp[0] ? tmp : "/tmp", strerror(errno));
	snprintf(p->folder, sizeof(p->folder), "%s", folder);
	snprintf(p->log, sizeof(p->log), "%s/log", folder);
	int fd = open(p->log, O_CREAT | O_WRONLY | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return seg_error_set(err, SEG_IO, "%s: %s", p->log, strerror(errno));
	fflush(stderr);
	p->stderr_before = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	if (p->stderr_before >= 0)
		dup2(fd, STDERR_FILENO);
	close(fd);
	return SEG_OK;
}

enum seg_rc seg_demo_place_open(void (*at_once)(void *ctx), void *ctx, struct seg_demo_place **ret,
				struct seg_error *err)
{
	struct seg_demo_place *p = calloc(1, sizeof(*p));
	if (!p)
		return seg_error_set(err, SEG_NO_MEMORY, "out of memory");
	p->stderr_before = -1;
	p->at_once = at_once;
	p->ctx = ctx;
	enum seg_rc rc = watch_signals(p, err);
	if (!rc)
		rc = open_folder(p, err);
	if (rc) {
		seg_demo_place_close(p, false);
		return rc;
	}
	*ret = p;
	return SEG_OK;
}

const char *seg_demo_place_folder(const struct seg_demo_place *p)
{
	return p->folder;
}

bool seg_demo_place_is_stopped(struct seg_demo_place *p)
{
	return atomic_load(&p->asked) > 0;
}

/* The mock cluster is old in the eyes of librdkafka, which says so at each connection: no news. */
static bool is_news(const char *line)
{
	return !strstr(line, "facility=AUTOCREATE");
}

static void show_end_of_log(const struct seg_demo_place *p)
{
	char line[LINE_BYTES];
	FILE *f = fopen(p->log, "re");
	if (!f)
		return;
	unsigned lines = 0, at = 0;
	while (fgets(line, sizeof(line), f))
		lines += is_news(line);
	rewind(f);
	fprintf(stderr, "the end of the demo's log:\n");
	while (fgets(line, sizeof(line), f)) {
		if (is_news(line) && at++ + SHOWN_LINES >= lines)
			fputs(line, stderr);
	}
	fclose(f);
}

void seg_demo_place_close(struct seg_demo_place *p, bool show_log)
{
	if (!p)
		return;
	if (p->stderr_before >= 0) {
		fflush(stderr);
		dup2(p->stderr_before, STDERR_FILENO);
		close(p->stderr_before);
		if (show_log)
			show_end_of_log(p);
	}
	remove_folder(p);
	atomic_store(&p->over, true);
	if (p->started)
		pthread_join(p->thread, NULL);
	if (p->blocked)
		pthread_sigmask(SIG_SETMASK, &p->before, NULL);
	free(p);
}
