/* What a history consists of, for history.c and script.c. */
#ifndef SEG_TESTS_HISTORY_INTERNAL_H
#define SEG_TESTS_HISTORY_INTERNAL_H

#include "tests/property/protocol/engine.h"
#include "tests/property/protocol/history.h"

struct worker {
	const char *dir;
	struct engine *engine; /* NULL: the process is down */
	size_t memory_bytes;
	bool limps; /* deposed, but goes on once more */
	uint64_t cycles;
	struct dead_letter dead[64]; /* of the commit to come */
	size_t dead_len;
	struct erased erased[8];
	size_t erased_len;
};

struct history {
	struct world w;
	struct seg_store_env *env;
	struct worker workers[2];
	struct worker *owner;  /* member of the current generation */
	struct worker *active; /* whose turn it is; NULL: nobody has the partition */
	struct engine *probe;  /* of a virtual recovery */
	struct history_counts *counts;
	bool scripted; /* commits do what the script says and nothing by chance */
	bool begin;
	size_t max;
	jmp_buf crashed;
};

/* history.c */
void must(struct history *h, enum seg_rc rc);
void down(struct worker *k);
void assign(struct history *h, struct worker *k);
void virtual_recoveries(struct history *h);
void poll_source(struct history *h, struct worker *k, enum seg_source s);
void commit(struct history *h, struct worker *k);

/* script.c */
void store_ahead_of_changelog(struct history *h);

#endif
