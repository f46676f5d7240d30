/* What the compilers (program_event.c, program_resolve.c), the builder and the machine share. */
#ifndef SEG_CONSUMERS_PROGRAM_INTERNAL_H
#define SEG_CONSUMERS_PROGRAM_INTERNAL_H

#include "consumers/arena.h"
#include "consumers/program.h"

enum step_code {
	/* Reads a scalar and stores it as `store` says. */
	STEP_NULL,
	STEP_BOOLEAN,
	STEP_INT,
	STEP_LONG,
	STEP_FLOAT,
	STEP_DOUBLE,
	STEP_BYTES,
	STEP_STRING,
	STEP_FIXED,    /* arg: size */
	STEP_ENUM,     /* arg: symbols */
	STEP_OPTIONAL, /* ["null", "string"], stored or skipped: the most frequent type of all */
	STEP_CONSTANT, /* arg: constant; reads nothing */
	/* Flow. */
	STEP_UNION, /* arg: jumps */
	STEP_JUMP,  /* arg: where to */
	STEP_CALL,  /* arg: routine */
	STEP_RETURN,
	STEP_LOOP,	/* begins an array or map */
	STEP_NEXT,	/* arg: behind the loop */
	STEP_KEY,	/* a map's key, stored as `store` says */
	STEP_MATCH_KEY, /* arg: keys: a map's key, and where to go on for it */
	STEP_SAVE,	/* arg: register */
	STEP_BACK,	/* arg: register */
	STEP_FAIL,	/* arg: refusal */
	STEP_JSON,	/* arg: text, slot: enum json_step */
	STEP_END
};

enum store {
	STORE_NONE,
	STORE_TEXT, /* struct seg_str at slot */
	STORE_MS,   /* int64_t at slot */
	STORE_US,
	STORE_DAYS,
	STORE_AMOUNT,
	STORE_QUANTITY,
	STORE_BOOL,    /* bool at slot */
	STORE_KIND,    /* slot: symbols, whose reader side names the kinds */
	STORE_NAME,    /* key: name of the next attribute */
	STORE_VALUE,   /* value of it */
	STORE_PURPOSE, /* key: of the next consent */
	STORE_GRANTED, /* value of it */
	STORE_JSON     /* slot: enum seg_avro_type that it becomes */
};

enum json_step { JSON_OPEN_OBJECT, JSON_CLOSE_OBJECT, JSON_OPEN_ARRAY, JSON_CLOSE_ARRAY, JSON_FIELD, JSON_VALUE };

struct step {
	uint8_t code, store;
	uint16_t where; /* index of names */
	uint32_t arg, slot;
};

/* A value read, before it is stored. */
enum scalar_tag { SCALAR_NULL, SCALAR_BOOL, SCALAR_INT, SCALAR_REAL, SCALAR_TEXT, SCALAR_BYTES, SCALAR_SYMBOL };
struct scalar {
	enum scalar_tag tag;
	int64_t i; /* also the reader's index of a symbol, -1: it does not know it */
	double d;
	struct seg_str s;
};

struct symbols {
	uint32_t len;
	int32_t *to_reader;    /* -1: unknown and no default */
	struct seg_str *names; /* the writer's */
	uint32_t reader_len;
	struct seg_str *reader_names;
};

struct jumps {
	uint32_t len;
	uint32_t *to;
	struct seg_str *keys; /* STEP_MATCH_KEY: `to` has one more, for all other keys */
};

enum { PROGRAM_REGISTERS = 32 };

struct seg_program {
	struct seg_arena arena;
	struct step *steps;
	uint32_t len, cap;
	uint32_t entries[SEG_ENTRIES];
	uint32_t *routines;
	const char **names;
	struct symbols *symbols;
	struct jumps *jumps;
	struct scalar *constants;
	struct seg_str *texts;
};

/* An array or map (end NULL while between blocks or in a block without a size), or a call (back is where it returns to). */
struct frame {
	uint64_t remaining;
	const uint8_t *block_end;
	uint32_t back;
};

struct machine {
	const uint8_t *at, *end;
	const struct seg_program *program;
	struct seg_run *run;
	struct seg_event *event;
	uint32_t pc, depth, items;
	const uint8_t *registers[PROGRAM_REGISTERS];
	struct frame frames[SEG_PROGRAM_DEPTH];
};

/* Stores v as the step says (program_store.c). */
enum seg_refusal program_store(struct machine *m, const struct step *s, const struct scalar *v);

/* While compiling: the tables grow here and are moved to the program's arena at the end. */
struct table {
	void *items;
	uint32_t len, cap;
};

struct routine {
	const struct seg_schema_node *writer, *reader; /* reader NULL: skipped */
	uint32_t at;
};

struct builder {
	struct seg_program *program;
	struct table routines, names, symbols, jumps, constants, texts;
	uint16_t where;
	uint32_t registers;
	enum seg_rc rc; /* first failure; everything goes on harmlessly after it */
	struct seg_error *err;
	/* What a routine with a reader becomes; NULL in event programs. */
	void (*resolve)(struct builder *b, const struct seg_schema_node *w, const struct seg_schema_node *r);
};

void builder_fail(struct builder *b, enum seg_rc rc, const char *fmt, ...) SEG_PRINTF(3, 4);
/* Its index. */
uint32_t builder_step(struct builder *b, enum step_code code, enum store store, uint32_t arg, uint32_t slot);
uint32_t builder_here(const struct builder *b);
/* Sets a step's arg to here. */
void builder_patch(struct builder *b, uint32_t step);
void builder_where(struct builder *b, const char *name);
void *builder_take(struct builder *b, size_t count, size_t size);
struct seg_str builder_text(struct builder *b, const char *s, size_t len);
/* An item of a table, zeroed; valid until the next one. */
void *builder_add(struct builder *b, struct table *t, size_t size, uint32_t *ret_index);
/* writer NULL: only the reader's names. */
uint32_t builder_symbols(struct builder *b, const struct seg_schema_node *w, const struct seg_schema_node *r);
uint32_t builder_jumps(struct builder *b, uint32_t len, bool keys);
void builder_jump_here(struct builder *b, uint32_t jumps, uint32_t i);
void builder_call(struct builder *b, const struct seg_schema_node *w, const struct seg_schema_node *r);
void builder_skip(struct builder *b, const struct seg_schema_node *w);
/* The loop of an array or map: begin, then for each item the item's steps (a map's begin with its key), then end. */
struct loop {
	uint32_t next;
};
struct loop builder_loop(struct builder *b);
void builder_loop_end(struct builder *b, struct loop l);

enum seg_rc builder_begin(struct builder *b, struct seg_error *err);
/* Compiles the routines called and takes the tables into the program; on failure frees it all. */
enum seg_rc builder_finish(struct builder *b, struct seg_program **ret);

/* Value of STORE_JSON and the steps STEP_JSON (program_json.c). */
void program_json_scalar(struct seg_buf *out, const struct scalar *v, enum seg_avro_type as);
void program_json_step(struct seg_buf *out, enum json_step step, struct seg_str text);
void program_json_key(struct seg_buf *out, struct seg_str key);

#endif
