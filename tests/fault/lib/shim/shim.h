/*
 * A disk that fails on demand, for one process: a library for LD_PRELOAD that stands between a program and the C
 * library's calls on files below one folder.
 *
 *   SEGDISK_DIR      the folder
 *   SEGDISK_CONTROL  a file of at least sizeof(struct seg_disk_control), made by the test and mapped by both: the test
 *                    turns faults on and off and reads the counters while the program runs
 *   SEGDISK_JOURNAL  a file that gets a line for everything that a power loss could undo (see journal.c); without it
 *                    nothing is recorded
 *
 * The numbers of `kinds` are bits: 1 tables (.sst), 2 write-ahead logs (.log), 4 MANIFEST, 8 all other files.
 * Any thread; counters are exact. Python's side is tests/fault/lib/disk.py.
 */
#ifndef SEG_FAULT_SHIM_H
#define SEG_FAULT_SHIM_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

#define SEG_DISK_MAGIC INT64_C(0x6b7369646765730a)

/* A call that fails: the n-th from now on (1: the next), and `times` in all (-1: from then on always). */
struct seg_disk_failure {
	_Atomic int64_t at; /* counts down; 0: off */
	_Atomic int64_t times;
	_Atomic int64_t kinds;
	_Atomic int64_t hits; /* how often it failed */
};

struct seg_disk_control {
	int64_t magic;
	_Atomic int64_t full; /* 1: the disk has `room` bytes left, and then no more */
	_Atomic int64_t room; /* falls with every write */
	_Atomic int64_t full_hits;
	struct seg_disk_failure read, write, sync; /* with EIO */
	_Atomic int64_t write_delay_us, sync_delay_us;
	_Atomic int64_t reads, writes, syncs, written_bytes;
};

enum seg_disk_kind { SEG_DISK_TABLE = 1, SEG_DISK_LOG = 2, SEG_DISK_MANIFEST = 4, SEG_DISK_OTHER = 8 };

/* journal.c */
void seg_journal_open(const char *path);
void seg_journal_create(const char *path, uint64_t inode);
void seg_journal_synced(uint64_t inode, int64_t size);
void seg_journal_folder_synced(const char *path);
/* Keeps what lies at `path` as a link beside the journal and says so. Before the path goes, or is renamed over. */
void seg_journal_gone(const char *path);
void seg_journal_renamed(const char *from, const char *to, uint64_t inode);

#endif
