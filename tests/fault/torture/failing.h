/*
 * Calls that fail: memory and RocksDB, as the project's own objects ask for them (linked with --wrap). Armed only around
 * the calls that are under test; one thread.
 */
#ifndef SEG_TESTS_FAILING_H
#define SEG_TESTS_FAILING_H

#include <stdbool.h>
#include <stdint.h>

#define FAILING_CLASS_TABLE(X)                                                                                         \
	X(IO, "io", "RocksDB says that input or output failed, and has done nothing")                                  \
	X(CORRUPT, "corrupt", "RocksDB says that it is corrupt, and has done nothing")                                 \
	X(LATE, "late", "RocksDB says that input or output failed, and has done it all the same")

enum failing_class {
#define X(name, id, text) FAILING_##name,
	FAILING_CLASS_TABLE(X)
#undef X
		FAILING_CLASSES
};

struct failing {
	bool armed;
	long first, last; /* calls that fail, counted from 1; 0: none */
	enum failing_class how;
	long calls, failed; /* so far */
	long rocksdb;	    /* of the calls: those of RocksDB; only they differ by class */
	const char *name;   /* of the call that failed first */
	long live;	    /* blocks of memory that are in use */
};

extern struct failing failing;

/* Nothing fails; counts from 1 again. `live` goes on. */
void failing_reset(void);
/* One more fallible call; true: it is to fail. */
bool failing_now(const char *name);
/* The sink's refusal of a record counts, too. */
bool failing_refuses(void);

#endif
