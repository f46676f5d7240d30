#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/program_internal.h"

enum { ARENA_MAX = 16 * 1024 * 1024 };

void builder_fail(struct builder *b, enum seg_rc rc, const char *fmt, ...)
{
	char text[400];
	va_list args;

	if (b->rc != SEG_OK)
		return;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	b->rc = seg_error_set(b->err, rc, "%s", text);
}

static void no_room(struct builder *b)
{
	if (b->program->arena.no_memory)
		builder_fail(b, SEG_NO_MEMORY, "out of memory for a schema's program");
	else
		builder_fail(b, SEG_LIMIT, "the schema makes a program larger than %d MiB", ARENA_MAX >> 20);
}

void *builder_take(struct builder *b, size_t count, size_t size)
{
	void *p = seg_arena_alloc(&b->program->arena, (count ? count : 1) * size);

	if (!p)
		no_room(b);
	return p;
}

struct seg_str builder_text(struct builder *b, const char *s, size_t len)
{
	char *copy = seg_arena_copy(&b->program->arena, s, len);

	if (!copy)
		no_room(b);
	return (struct seg_str){copy ? copy : "", copy ? (uint32_t)len : 0};
}

uint32_t builder_here(const struct builder *b)
{
	return b->program->len;
}

uint32_t builder_step(struct builder *b, enum step_code code, enum store store, uint32_t arg, uint32_t slot)
{
	struct seg_program *p = b->program;

	if (p->len == p->cap && b->rc == SEG_OK) {
		uint32_t cap = p->cap ? p->cap * 2 : 128;
		struct step *grown = cap <= SEG_PROGRAM_LENGTH ? realloc(p->steps, cap * sizeof(*grown)) : NULL;

		if (!grown && cap <= SEG_PROGRAM_LENGTH) {
			builder_fail(b, SEG_NO_MEMORY, "out of memory for a schema's program");
		} else if (!grown) {
			builder_fail(b, SEG_LIMIT, "the schema makes a program of more than %d steps",
				     SEG_PROGRAM_LENGTH);
		} else {
			p->steps = grown;
			p->cap = cap;
		}
	}
	if (b->rc != SEG_OK)
		return 0;
	p->steps[p->len] = (struct step){
		.code = (uint8_t)code, .store = (uint8_t)store, .where = b->where, .arg = arg, .slot = slot};
	return p->len++;
}

void builder_patch(struct builder *b, uint32_t step)
{
	if (b->rc == SEG_OK)
		b->program->steps[step].arg = builder_here(b);
}

void *builder_add(struct builder *b, struct table *t, size_t size, uint32_t *ret_index)
{
	if (t->len == t->cap && b->rc == SEG_OK) {
		uint32_t cap = t->cap ? t->cap * 2 : 16;
		void *grown = cap <= SEG_PROGRAM_LENGTH ? realloc(t->items, cap * size) : NULL;

		if (!grown) {
			builder_fail(b, SEG_NO_MEMORY, "out of memory for a schema's program");
		} else {
			t->items = grown;
			t->cap = cap;
		}
	}
	if (b->rc != SEG_OK)
		return NULL;
	*ret_index = t->len;
	return memset((char *)t->items + t->len++ * size, 0, size);
}

void builder_where(struct builder *b, const char *name)
{
	const char **names = b->names.items, **item;
	uint32_t index = 0;

	if (b->names.len && strcmp(names[b->names.len - 1], name) == 0) {
		b->where = (uint16_t)(b->names.len - 1);
		return;
	}
	if (b->names.len >= UINT16_MAX) /* the last name has to do */
		return;
	item = builder_add(b, &b->names, sizeof(*item), &index);
	if (!item)
		return;
	*item = builder_text(b, name, strlen(name)).ptr;
	b->where = (uint16_t)index;
}

static struct seg_str *copy_names(struct builder *b, const struct seg_schema_node *n)
{
	struct seg_str *names = builder_take(b, n->len, sizeof(*names));

	for (uint32_t i = 0; names && i < n->len; i++)
		names[i] = builder_text(b, n->symbols[i], strlen(n->symbols[i]));
	return names;
}

static int32_t reader_symbol(const struct seg_schema_node *r, const char *name)
{
	for (uint32_t i = 0; i < r->len; i++) {
		if (strcmp(r->symbols[i], name) == 0)
			return (int32_t)i;
	}
	return r->symbol_default;
}

uint32_t builder_symbols(struct builder *b, const struct seg_schema_node *w, const struct seg_schema_node *r)
{
	uint32_t index = 0;
	struct symbols s = {.len = w ? w->len : 0, .reader_len = r ? r->len : 0};

	s.to_reader = builder_take(b, s.len, sizeof(*s.to_reader));
	s.names = w ? copy_names(b, w) : NULL;
	s.reader_names = r ? copy_names(b, r) : NULL;
	for (uint32_t i = 0; s.to_reader && i < s.len; i++)
		s.to_reader[i] = r ? reader_symbol(r, w->symbols[i]) : (int32_t)i;
	struct symbols *item = builder_add(b, &b->symbols, sizeof(*item), &index);
	if (item)
		*item = s;
	return index;
}

uint32_t builder_jumps(struct builder *b, uint32_t len, bool keys)
{
	uint32_t index = 0;
	struct jumps j = {.len = len, .to = builder_take(b, len + keys, sizeof(*j.to))};

	if (keys)
		j.keys = builder_take(b, len, sizeof(*j.keys));
	struct jumps *item = builder_add(b, &b->jumps, sizeof(*item), &index);
	if (item)
		*item = j;
	return index;
}

void builder_jump_here(struct builder *b, uint32_t jumps, uint32_t i)
{
	if (b->rc == SEG_OK)
		((struct jumps *)b->jumps.items)[jumps].to[i] = builder_here(b);
}

void builder_call(struct builder *b, const struct seg_schema_node *w, const struct seg_schema_node *r)
{
	const struct routine *list = b->routines.items;
	uint32_t i = 0;

	while (i < b->routines.len && (list[i].writer != w || list[i].reader != r))
		i++;
	if (i == b->routines.len) {
		struct routine *item = builder_add(b, &b->routines, sizeof(*item), &i);

		if (item)
			*item = (struct routine){w, r, 0};
	}
	builder_step(b, STEP_CALL, STORE_NONE, i, 0);
}

struct loop builder_loop(struct builder *b)
{
	builder_step(b, STEP_LOOP, STORE_NONE, 0, 0);
	return (struct loop){builder_step(b, STEP_NEXT, STORE_NONE, 0, 0)};
}

void builder_loop_end(struct builder *b, struct loop l)
{
	builder_step(b, STEP_JUMP, STORE_NONE, l.next, 0);
	builder_patch(b, l.next);
}

static void skip_union(struct builder *b, const struct seg_schema_node *w)
{
	uint32_t jumps = builder_jumps(b, w->len, false);
	uint32_t first_exit = 0, exits = 0;

	builder_step(b, STEP_UNION, STORE_NONE, jumps, 0);
	for (uint32_t i = 0; i < w->len && b->rc == SEG_OK; i++) {
		builder_jump_here(b, jumps, i);
		builder_skip(b, w->parts[i]);
		/* Exits are chained through their args until the end is known. */
		first_exit = builder_step(b, STEP_JUMP, STORE_NONE, first_exit, 0);
		exits++;
	}
	while (exits-- && b->rc == SEG_OK) {
		uint32_t before = b->program->steps[first_exit].arg;

		builder_patch(b, first_exit);
		first_exit = before;
	}
}

static void skip_fields(struct builder *b, const struct seg_schema_node *w)
{
	for (uint32_t i = 0; i < w->len && b->rc == SEG_OK; i++)
		builder_skip(b, w->fields[i].type);
}

static bool optional_text(const struct seg_schema_node *w)
{
	return w->len == 2 && w->parts[0]->type == SEG_AVRO_NULL && w->parts[1]->type == SEG_AVRO_STRING;
}

void builder_skip(struct builder *b, const struct seg_schema_node *w)
{
	struct loop l;

	switch (w->type) {
	case SEG_AVRO_NULL:
		return;
	case SEG_AVRO_BOOLEAN:
	case SEG_AVRO_INT:
	case SEG_AVRO_LONG:
	case SEG_AVRO_FLOAT:
	case SEG_AVRO_DOUBLE:
	case SEG_AVRO_BYTES:
	case SEG_AVRO_STRING:
		/* The first codes are in the order of the types. */
		builder_step(b, (enum step_code)((int)STEP_NULL + (int)w->type), STORE_NONE, 0, 0);
		return;
	case SEG_AVRO_FIXED:
		builder_step(b, STEP_FIXED, STORE_NONE, w->size, 0);
		return;
	case SEG_AVRO_ENUM:
		builder_step(b, STEP_ENUM, STORE_NONE, builder_symbols(b, w, NULL), 0);
		return;
	case SEG_AVRO_RECORD:
		if (w->references > 1)
			builder_call(b, w, NULL);
		else
			skip_fields(b, w);
		return;
	case SEG_AVRO_ARRAY:
	case SEG_AVRO_MAP:
		l = builder_loop(b);
		if (w->type == SEG_AVRO_MAP)
			builder_step(b, STEP_KEY, STORE_NONE, 0, 0);
		builder_skip(b, w->parts[0]);
		builder_loop_end(b, l);
		return;
	case SEG_AVRO_UNION:
		if (optional_text(w))
			builder_step(b, STEP_OPTIONAL, STORE_NONE, 0, 0);
		else
			skip_union(b, w);
		return;
	case SEG_AVRO_TYPES:
		break;
	}
}

enum seg_rc builder_begin(struct builder *b, struct seg_error *err)
{
	*b = (struct builder){.err = err, .program = calloc(1, sizeof(*b->program))};
	if (!b->program)
		return b->rc = seg_error_set(err, SEG_NO_MEMORY, "out of memory for a schema's program");
	seg_arena_init(&b->program->arena, ARENA_MAX);
	builder_where(b, "");
	return b->rc;
}

/* Compiling a routine may call for more of them. */
static void routines(struct builder *b)
{
	for (uint32_t i = 0; i < b->routines.len && b->rc == SEG_OK; i++) {
		struct routine r = ((struct routine *)b->routines.items)[i];

		((struct routine *)b->routines.items)[i].at = builder_here(b);
		builder_where(b, r.writer->name ? r.writer->name : "");
		if (r.reader)
			b->resolve(b, r.writer, r.reader);
		else
			skip_fields(b, r.writer);
		builder_step(b, STEP_RETURN, STORE_NONE, 0, 0);
	}
	b->program->routines = builder_take(b, b->routines.len, sizeof(uint32_t));
	for (uint32_t i = 0; i < b->routines.len && b->program->routines; i++)
		b->program->routines[i] = ((struct routine *)b->routines.items)[i].at;
}

static void *moved(struct builder *b, const struct table *t, size_t size)
{
	void *p = builder_take(b, t->len, size);

	if (p && t->len)
		memcpy(p, t->items, t->len * size);
	return p;
}

enum seg_rc builder_finish(struct builder *b, struct seg_program **ret)
{
	struct seg_program *p = b->program;

	if (p) {
		routines(b);
		p->names = moved(b, &b->names, sizeof(*p->names));
		p->symbols = moved(b, &b->symbols, sizeof(*p->symbols));
		p->jumps = moved(b, &b->jumps, sizeof(*p->jumps));
		p->constants = moved(b, &b->constants, sizeof(*p->constants));
		p->texts = moved(b, &b->texts, sizeof(*p->texts));
	}
	free(b->routines.items);
	free(b->names.items);
	free(b->symbols.items);
	free(b->jumps.items);
	free(b->constants.items);
	free(b->texts.items);
	if (b->rc == SEG_OK)
		*ret = p;
	else
		seg_program_free(p);
	return b->rc;
}

void seg_program_free(struct seg_program *p)
{
	if (!p)
		return;
	free(p->steps);
	seg_arena_release(&p->arena);
	free(p);
}
