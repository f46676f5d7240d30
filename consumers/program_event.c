/* Compiles a writer's schema and a field mapping into a program that fills struct seg_event. */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/program_internal.h"
#include "consumers/targets.h"

enum { MAX_WANTS = SEG_MAX_TARGETS };

/* A field of ours that is still to be found, and where: the names yet to walk through. */
struct want {
	const struct target *target;
	const struct seg_schema_field *field; /* the reader's */
	const char *path;		      /* NULL: here */
	bool *found;
};

struct wants {
	struct want items[MAX_WANTS];
	uint32_t len;
};

static void visit(struct builder *b, const struct seg_schema_node *w, const struct wants *wants, uint32_t kinds);

static const char *own_name(const char *field)
{
	return strcmp(field, "time") == 0 ? "event_time" : field;
}

/* Scalars ------------------------------------------------------------------------------------------------------------ */

static enum store time_store(const struct seg_schema_node *w)
{
	if (w->logical == SEG_LOGICAL_MICROS)
		return STORE_US;
	return w->logical == SEG_LOGICAL_DATE ? STORE_DAYS : STORE_MS;
}

/* Which types of the writer can be what. */
#define BIT(t) (1u << (t))
#define TEXTS (BIT(SEG_AVRO_STRING) | BIT(SEG_AVRO_BYTES))
#define INTEGERS (BIT(SEG_AVRO_INT) | BIT(SEG_AVRO_LONG))
#define REALS (BIT(SEG_AVRO_FLOAT) | BIT(SEG_AVRO_DOUBLE))

static const unsigned readable[] = {
	[TARGET_TEXT] = TEXTS | INTEGERS | BIT(SEG_AVRO_ENUM) | BIT(SEG_AVRO_FIXED),
	[TARGET_TIME] = INTEGERS | BIT(SEG_AVRO_STRING),
	[TARGET_KIND] = BIT(SEG_AVRO_ENUM) | BIT(SEG_AVRO_STRING),
	[TARGET_AMOUNT] = INTEGERS | REALS,
	[TARGET_QUANTITY] = INTEGERS | REALS,
	[TARGET_BOOL] = BIT(SEG_AVRO_BOOLEAN),
	[TARGET_ATTRIBUTES] = BIT(SEG_AVRO_MAP),
	[TARGET_CONSENTS] = BIT(SEG_AVRO_MAP),
};

static enum store target_store(const struct target *t, const struct seg_schema_node *w)
{
	switch (t->kind) {
	case TARGET_TEXT:
		return STORE_TEXT;
	case TARGET_TIME:
		return time_store(w);
	case TARGET_KIND:
		return STORE_KIND;
	case TARGET_AMOUNT:
		return STORE_AMOUNT;
	case TARGET_QUANTITY:
		return STORE_QUANTITY;
	case TARGET_BOOL:
		return STORE_BOOL;
	case TARGET_ATTRIBUTES:
	case TARGET_CONSENTS:
		break;
	}
	return STORE_NONE;
}

static void scalar(struct builder *b, const struct seg_schema_node *w, enum store store, uint32_t slot,
		   const struct seg_schema_node *kinds)
{
	uint32_t arg = 0;

	if (w->type == SEG_AVRO_ENUM)
		arg = builder_symbols(b, w, kinds);
	else if (w->type == SEG_AVRO_FIXED)
		arg = w->size;
	enum step_code code = w->type == SEG_AVRO_ENUM	  ? STEP_ENUM
			      : w->type == SEG_AVRO_FIXED ? STEP_FIXED
							  : (enum step_code)((int)STEP_NULL + (int)w->type);

	builder_step(b, code, store, arg, slot);
}

/* Unions ------------------------------------------------------------------------------------------------------------- */

struct branches {
	uint32_t jumps, last_exit, exits;
};

static struct branches begin_branches(struct builder *b, const struct seg_schema_node *w)
{
	struct branches u = {builder_jumps(b, w->len, false), 0, 0};

	builder_step(b, STEP_UNION, STORE_NONE, u.jumps, 0);
	return u;
}

/* Exits are chained through their args until the end is known. */
static void end_branch(struct builder *b, struct branches *u)
{
	u->last_exit = builder_step(b, STEP_JUMP, STORE_NONE, u->last_exit, 0);
	u->exits++;
}

static void end_branches(struct builder *b, struct branches *u)
{
	while (u->exits-- && b->rc == SEG_OK) {
		uint32_t before = b->program->steps[u->last_exit].arg;

		builder_patch(b, u->last_exit);
		u->last_exit = before;
	}
}

/* Maps of attributes and consents ------------------------------------------------------------------------------------ */

static bool attribute_value(struct builder *b, const struct seg_schema_node *w)
{
	bool any = false;

	if (w->type == SEG_AVRO_UNION) {
		struct branches u = begin_branches(b, w);

		for (uint32_t i = 0; i < w->len && b->rc == SEG_OK; i++) {
			builder_jump_here(b, u.jumps, i);
			any |= attribute_value(b, w->parts[i]);
			end_branch(b, &u);
		}
		end_branches(b, &u);
		return any;
	}
	if (w->type == SEG_AVRO_RECORD || w->type == SEG_AVRO_ARRAY || w->type == SEG_AVRO_MAP) {
		builder_step(b, STEP_FAIL, STORE_NONE, SEG_REFUSED_SCHEMA_MISMATCH, 0);
		return false;
	}
	scalar(b, w, STORE_VALUE, 0, NULL);
	return true;
}

static bool consent_value(struct builder *b, const struct seg_schema_node *w)
{
	bool any = false;

	if (w->type == SEG_AVRO_UNION) {
		struct branches u = begin_branches(b, w);

		for (uint32_t i = 0; i < w->len && b->rc == SEG_OK; i++) {
			builder_jump_here(b, u.jumps, i);
			any |= consent_value(b, w->parts[i]);
			end_branch(b, &u);
		}
		end_branches(b, &u);
		return any;
	}
	if (w->type != SEG_AVRO_BOOLEAN) {
		/* A purpose with a null stays "not granted"; anything else is no consent. */
		if (w->type != SEG_AVRO_NULL)
			builder_step(b, STEP_FAIL, STORE_NONE, SEG_REFUSED_SCHEMA_MISMATCH, 0);
		return false;
	}
	scalar(b, w, STORE_GRANTED, 0, NULL);
	return true;
}

static bool map_target(struct builder *b, const struct target *t, const struct seg_schema_node *w)
{
	struct loop l = builder_loop(b);
	bool attributes = t->kind == TARGET_ATTRIBUTES;

	builder_step(b, STEP_KEY, attributes ? STORE_NAME : STORE_PURPOSE, 0, 0);
	bool any = attributes ? attribute_value(b, w->parts[0]) : consent_value(b, w->parts[0]);
	builder_loop_end(b, l);
	return any;
}

/* The walk ------------------------------------------------------------------------------------------------------------ */

/* The value at w becomes the target. False: it never can. */
static bool leaf(struct builder *b, const struct seg_schema_node *w, const struct want *want, uint32_t kinds)
{
	const struct target *t = want->target;
	bool any = false;

	if (w->type == SEG_AVRO_UNION && t->kind == TARGET_TEXT && w->len == 2 && w->parts[0]->type == SEG_AVRO_NULL &&
	    w->parts[1]->type == SEG_AVRO_STRING) {
		builder_step(b, STEP_OPTIONAL, STORE_TEXT, 0, (uint32_t)t->slot);
		return true;
	}
	if (w->type == SEG_AVRO_UNION) {
		struct branches u = begin_branches(b, w);

		for (uint32_t i = 0; i < w->len && b->rc == SEG_OK; i++) {
			builder_jump_here(b, u.jumps, i);
			any |= leaf(b, w->parts[i], want, kinds);
			end_branch(b, &u);
		}
		end_branches(b, &u);
		return any;
	}
	if (w->type == SEG_AVRO_NULL) /* absent */
		return false;
	if (!(readable[t->kind] & BIT(w->type))) {
		builder_step(b, STEP_FAIL, STORE_NONE, SEG_REFUSED_SCHEMA_MISMATCH, 0);
		return false;
	}
	if (w->type == SEG_AVRO_MAP)
		return map_target(b, t, w);
	scalar(b, w, target_store(t, w), t->kind == TARGET_KIND ? kinds : (uint32_t)t->slot,
	       t->kind == TARGET_KIND ? want->field->type : NULL);
	return true;
}

/* Takes the first name off the paths of those wants that go on with this name. */
static struct wants below(const struct wants *wants, const char *name, size_t len)
{
	struct wants inner = {.len = 0};

	for (uint32_t i = 0; i < wants->len; i++) {
		struct want w = wants->items[i];
		size_t first = strcspn(w.path, ".");

		if (first != len || memcmp(w.path, name, len) != 0)
			continue;
		w.path = w.path[first] ? w.path + first + 1 : NULL;
		inner.items[inner.len++] = w;
	}
	return inner;
}

static void visit_record(struct builder *b, const struct seg_schema_node *w, const struct wants *wants, uint32_t kinds)
{
	for (uint32_t i = 0; i < w->len && b->rc == SEG_OK; i++) {
		struct wants inner = below(wants, w->fields[i].name, strlen(w->fields[i].name));

		builder_where(b, w->fields[i].name);
		visit(b, w->fields[i].type, &inner, kinds);
	}
}

/* Behind each key that a path names: its value; behind the others: nothing. */
static void visit_map(struct builder *b, const struct seg_schema_node *w, const struct wants *wants, uint32_t kinds)
{
	uint32_t keys[MAX_WANTS], keys_len = 0;

	for (uint32_t i = 0; i < wants->len; i++) {
		uint32_t k = 0;
		size_t len = strcspn(wants->items[i].path, ".");

		while (k < keys_len && (strcspn(wants->items[keys[k]].path, ".") != len ||
					memcmp(wants->items[keys[k]].path, wants->items[i].path, len) != 0))
			k++;
		if (k == keys_len)
			keys[keys_len++] = i;
	}
	struct loop l = builder_loop(b);
	uint32_t jumps = builder_jumps(b, keys_len, true);

	builder_step(b, STEP_MATCH_KEY, STORE_NONE, jumps, 0);
	for (uint32_t k = 0; k < keys_len && b->rc == SEG_OK; k++) {
		const char *path = wants->items[keys[k]].path;
		struct wants inner = below(wants, path, strcspn(path, "."));

		((struct jumps *)b->jumps.items)[jumps].keys[k] = builder_text(b, path, strcspn(path, "."));
		builder_jump_here(b, jumps, k);
		visit(b, w->parts[0], &inner, kinds);
		builder_step(b, STEP_JUMP, STORE_NONE, l.next, 0);
	}
	builder_jump_here(b, jumps, keys_len);
	builder_skip(b, w->parts[0]);
	builder_loop_end(b, l);
}

/* Goes on along the paths of the wants, all of which have one. */
static void visit_paths(struct builder *b, const struct seg_schema_node *w, const struct wants *wants, uint32_t kinds)
{
	if (w->type == SEG_AVRO_RECORD) {
		visit_record(b, w, wants, kinds);
	} else if (w->type == SEG_AVRO_MAP) {
		visit_map(b, w, wants, kinds);
	} else if (w->type == SEG_AVRO_UNION) {
		struct branches u = begin_branches(b, w);

		for (uint32_t i = 0; i < w->len && b->rc == SEG_OK; i++) {
			builder_jump_here(b, u.jumps, i);
			visit_paths(b, w->parts[i], wants, kinds);
			end_branch(b, &u);
		}
		end_branches(b, &u);
	} else {
		builder_skip(b, w);
	}
}

/* One value may be wanted several times: it is read again from its start for each. */
static void visit(struct builder *b, const struct seg_schema_node *w, const struct wants *wants, uint32_t kinds)
{
	struct wants paths = {.len = 0};
	uint32_t reads = 0, reg = b->registers;

	for (uint32_t i = 0; i < wants->len; i++) {
		if (wants->items[i].path)
			paths.items[paths.len++] = wants->items[i];
	}
	uint32_t total = wants->len - paths.len + (paths.len > 0);

	if (total > 1)
		builder_step(b, STEP_SAVE, STORE_NONE, b->registers++, 0);
	for (uint32_t i = 0; i < wants->len && b->rc == SEG_OK; i++) {
		if (wants->items[i].path)
			continue;
		if (reads++)
			builder_step(b, STEP_BACK, STORE_NONE, reg, 0);
		*wants->items[i].found |= leaf(b, w, &wants->items[i], kinds);
	}
	if (paths.len && reads)
		builder_step(b, STEP_BACK, STORE_NONE, reg, 0);
	if (paths.len)
		visit_paths(b, w, &paths, kinds);
	else if (total == 0)
		builder_skip(b, w);
	b->registers = reg;
}

/* The top -------------------------------------------------------------------------------------------------------------- */

struct compile {
	const struct seg_schema *writer, *reader;
	enum seg_source source;
	const struct seg_mapped *mapping;
	size_t mapping_len;
	bool found[MAX_WANTS];
};

static const struct seg_schema_field *reader_field(const struct seg_schema *reader, const char *name)
{
	for (uint32_t i = 0; i < reader->root->len; i++) {
		if (strcmp(reader->root->fields[i].name, name) == 0)
			return &reader->root->fields[i];
	}
	return NULL;
}

static const struct seg_mapped *mapped(const struct compile *c, const char *field)
{
	for (size_t i = 0; i < c->mapping_len; i++) {
		if (strcmp(own_name(c->mapping[i].field), field) == 0)
			return &c->mapping[i];
	}
	return NULL;
}

/* Our own name, else an alias of it that the writer has. */
static const char *name_in_writer(const struct compile *c, const struct seg_schema_field *f)
{
	const struct seg_schema_node *w = c->writer->root;

	for (uint32_t i = 0; i < w->len; i++) {
		if (strcmp(w->fields[i].name, f->name) == 0)
			return f->name;
	}
	for (uint32_t a = 0; a < f->aliases_len; a++) {
		for (uint32_t i = 0; i < w->len; i++) {
			if (strcmp(w->fields[i].name, f->aliases[a]) == 0)
				return f->aliases[a];
		}
	}
	return f->name;
}

static bool text_number(const char *text, double *ret)
{
	char *end;

	*ret = strtod(text, &end);
	return end != text && *end == '\0';
}

/* {const: value}: the text becomes what the target takes. */
static void constant(struct builder *b, const struct target *t, const char *text, uint32_t kinds)
{
	struct scalar v = {.tag = SCALAR_TEXT};
	uint32_t index = 0;
	bool ok = true;

	v.s = builder_text(b, text, strlen(text));
	if (t->kind == TARGET_AMOUNT || t->kind == TARGET_QUANTITY) {
		v.tag = SCALAR_REAL;
		ok = text_number(text, &v.d);
	} else if (t->kind == TARGET_BOOL) {
		v.tag = SCALAR_BOOL;
		v.i = strcmp(text, "true") == 0;
		ok = v.i || strcmp(text, "false") == 0;
	} else if (t->kind == TARGET_ATTRIBUTES || t->kind == TARGET_CONSENTS) {
		ok = false;
	}
	if (!ok)
		builder_fail(b, SEG_SKIP, "the constant of %s cannot be its value", t->field);
	struct scalar *item = builder_add(b, &b->constants, sizeof(*item), &index);

	if (item)
		*item = v;
	static const struct seg_schema_node plain = {.type = SEG_AVRO_STRING};

	builder_step(b, STEP_CONSTANT, target_store(t, &plain), index,
		     t->kind == TARGET_KIND ? kinds : (uint32_t)t->slot);
}

/* One way through the record for the targets that `only` lets through. */
static void entry(struct builder *b, struct compile *c, enum seg_entry which, uint32_t kinds)
{
	struct wants wants = {.len = 0};

	b->program->entries[which] = builder_here(b);
	builder_where(b, "");
	for (const struct target *t = seg_targets[c->source]; t->field && which != SEG_ENTRY_SKIP; t++) {
		const struct seg_mapped *m = mapped(c, t->field);
		const struct seg_schema_field *f = reader_field(c->reader, t->field);
		bool *found = &c->found[t - seg_targets[c->source]];

		if (!f || (which == SEG_ENTRY_TIME && strcmp(t->field, "event_time") != 0))
			continue;
		if (m && m->constant) {
			constant(b, t, m->constant, kinds);
			*found = true;
			continue;
		}
		wants.items[wants.len++] = (struct want){t, f, m ? m->path : name_in_writer(c, f), found};
	}
	visit_record(b, c->writer->root, &wants, kinds);
	builder_where(b, "");
	builder_step(b, STEP_END, STORE_NONE, 0, 0);
}

static void check_found(struct builder *b, const struct compile *c)
{
	const struct target *first = seg_targets[c->source];

	for (const struct target *t = first; t->field; t++) {
		const struct seg_schema_field *f = reader_field(c->reader, t->field);
		const struct seg_mapped *m = mapped(c, t->field);

		if (!f || f->value || c->found[t - first])
			continue;
		builder_fail(b, SEG_SKIP,
			     "schema %.120s has no %s%.120s that can be %s: map the field in the configuration",
			     c->writer->root->name, m ? "" : "field ", m ? m->path : t->field, t->field);
	}
}

enum seg_rc seg_program_event(const struct seg_schema *writer, const struct seg_schema *reader, enum seg_source source,
			      const struct seg_mapped *mapping, size_t mapping_len, struct seg_program **ret,
			      struct seg_error *err)
{
	struct compile c = {
		.writer = writer, .reader = reader, .source = source, .mapping = mapping, .mapping_len = mapping_len};
	struct builder b;
	const struct seg_schema_field *kind;

	if (writer->root->type != SEG_AVRO_RECORD)
		return seg_error_set(err, SEG_SKIP, "the schema is no record but a %s: events are records",
				     seg_avro_type_names[writer->root->type]);
	if (builder_begin(&b, err) == SEG_OK) {
		kind = reader_field(reader, "kind");
		uint32_t kinds = builder_symbols(&b, NULL, kind ? kind->type : NULL);

		entry(&b, &c, SEG_ENTRY_FULL, kinds);
		check_found(&b, &c);
		entry(&b, &c, SEG_ENTRY_TIME, kinds);
		entry(&b, &c, SEG_ENTRY_SKIP, kinds);
	}
	return builder_finish(&b, ret);
}
