/*
 * What a power loss could undo, as lines of text, each one write(2), so that a killed process leaves all of them:
 *
 *   C inode path        a file was made                    (undone until its folder is synced)
 *   U inode saved path  a file was deleted or renamed over (the same; `saved` is a link to it beside the journal)
 *   R inode from TAB to a file was renamed                 (the same)
 *   D path              a folder was synced
 *   S inode size        a file was synced when it was so long; what was written behind that may be lost
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shim.h"

static int journal = -1;
static char saved_prefix[4096];
static _Atomic unsigned saved_count;

void seg_journal_open(const char *path)
{
	journal = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	snprintf(saved_prefix, sizeof saved_prefix, "%s.saved.%ld", path, (long)getpid());
}

__attribute__((format(printf, 1, 2))) static void line(const char *format, ...)
{
	char text[9000];
	va_list args;

	va_start(args, format);
	int len = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	if (len <= 0 || len >= (int)sizeof text || syscall(SYS_write, journal, text, (size_t)len) != len)
		abort(); /* a journal with a gap would prove nothing */
}

void seg_journal_create(const char *path, uint64_t inode)
{
	if (journal >= 0)
		line("C %llu %s\n", (unsigned long long)inode, path);
}

void seg_journal_synced(uint64_t inode, int64_t size)
{
	if (journal >= 0)
		line("S %llu %lld\n", (unsigned long long)inode, (long long)size);
}

void seg_journal_folder_synced(const char *path)
{
	if (journal >= 0)
		line("D %s\n", path);
}

void seg_journal_gone(const char *path)
{
	struct stat st;
	char saved[4200];

	if (journal < 0 || lstat(path, &st) != 0 || !S_ISREG(st.st_mode))
		return;
	snprintf(saved, sizeof saved, "%s.%u", saved_prefix, atomic_fetch_add(&saved_count, 1));
	if (syscall(SYS_linkat, AT_FDCWD, path, AT_FDCWD, saved, 0) == 0)
		line("U %llu %s %s\n", (unsigned long long)st.st_ino, saved, path);
}

void seg_journal_renamed(const char *from, const char *to, uint64_t inode)
{
	if (journal >= 0)
		line("R %llu %s\t%s\n", (unsigned long long)inode, from, to);
}
