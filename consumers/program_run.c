/* The machine that runs programs. All bytes come from strangers: nothing is used before its bounds are checked, and what a
 * record may cost is limited by items, depth and steps, whatever its schema. */
#include <string.h>

#include "consumers/program_internal.h"

static enum seg_refusal read_long_varint(struct machine *m, uint64_t *ret)
{
	uint64_t v = 0;

	for (int shift = 0; shift < 70; shift += 7) {
		if (m->at == m->end)
			return SEG_REFUSED_TRUNCATED;
		uint8_t byte = *m->at++;

		if (shift == 63 && byte > 1)
			return SEG_REFUSED_BAD_VARINT;
		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret = v;
			return SEG_REFUSED_NOT;
		}
	}
	return SEG_REFUSED_BAD_VARINT;
}

static inline enum seg_refusal read_integer(struct machine *m, int64_t *ret)
{
	uint64_t v;

	if (m->at < m->end && *m->at < 0x80) {
		v = *m->at++;
	} else {
		enum seg_refusal r = read_long_varint(m, &v);

		if (r != SEG_REFUSED_NOT)
			return r;
	}
	*ret = (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
	return SEG_REFUSED_NOT;
}

static inline enum seg_refusal read_raw(struct machine *m, size_t len, struct seg_str *ret)
{
	if ((size_t)(m->end - m->at) < len)
		return SEG_REFUSED_TRUNCATED;
	*ret = (struct seg_str){(const char *)m->at, (uint32_t)len};
	m->at += len;
	return SEG_REFUSED_NOT;
}

static inline enum seg_refusal read_block(struct machine *m, struct seg_str *ret)
{
	int64_t len;
	enum seg_refusal r = read_integer(m, &len);

	if (r != SEG_REFUSED_NOT)
		return r;
	if (len < 0 || len > m->end - m->at)
		return SEG_REFUSED_BAD_LENGTH;
	return read_raw(m, (size_t)len, ret);
}

static inline enum seg_refusal read_boolean(struct machine *m, struct scalar *v)
{
	if (m->at == m->end)
		return SEG_REFUSED_TRUNCATED;
	if (*m->at > 1)
		return SEG_REFUSED_BAD_BOOLEAN;
	v->tag = SCALAR_BOOL;
	v->i = *m->at++;
	return SEG_REFUSED_NOT;
}

static inline enum seg_refusal read_number(struct machine *m, struct scalar *v, bool narrow)
{
	v->tag = SCALAR_INT;
	enum seg_refusal r = read_integer(m, &v->i);

	if (r == SEG_REFUSED_NOT && narrow && v->i != (int32_t)v->i)
		return SEG_REFUSED_BAD_VARINT;
	return r;
}

/* IEEE 754 little endian, as is every machine this is built for (checked by a test). */
static inline enum seg_refusal read_real(struct machine *m, struct scalar *v, bool narrow)
{
	struct seg_str raw;
	enum seg_refusal r = read_raw(m, narrow ? 4 : 8, &raw);
	float f;

	if (r != SEG_REFUSED_NOT)
		return r;
	v->tag = SCALAR_REAL;
	if (narrow) {
		memcpy(&f, raw.ptr, sizeof(f));
		v->d = (double)f;
	} else {
		memcpy(&v->d, raw.ptr, sizeof(v->d));
	}
	return SEG_REFUSED_NOT;
}

static inline enum seg_refusal read_symbol(struct machine *m, const struct step *s, struct scalar *v)
{
	const struct symbols *symbols = &m->program->symbols[s->arg];
	int64_t i;
	enum seg_refusal r = read_integer(m, &i);

	if (r != SEG_REFUSED_NOT)
		return r;
	if (i < 0 || i >= symbols->len)
		return SEG_REFUSED_BAD_ENUM_INDEX;
	*v = (struct scalar){.tag = SCALAR_SYMBOL, .i = symbols->to_reader[i], .s = symbols->names[i]};
	if (s->store == STORE_JSON) {
		if (v->i < 0)
			return SEG_REFUSED_UNKNOWN_SYMBOL;
		if (symbols->reader_len)
			v->s = symbols->reader_names[v->i];
	}
	return SEG_REFUSED_NOT;
}

static inline enum seg_refusal read_scalar(struct machine *m, const struct step *s, struct scalar *v)
{
	switch ((enum step_code)s->code) {
	case STEP_NULL:
		v->tag = SCALAR_NULL;
		return SEG_REFUSED_NOT;
	case STEP_BOOLEAN:
		return read_boolean(m, v);
	case STEP_INT:
		return read_number(m, v, true);
	case STEP_LONG:
		return read_number(m, v, false);
	case STEP_FLOAT:
		return read_real(m, v, true);
	case STEP_DOUBLE:
		return read_real(m, v, false);
	case STEP_BYTES:
		v->tag = SCALAR_BYTES;
		return read_block(m, &v->s);
	case STEP_STRING:
	case STEP_OPTIONAL:
	case STEP_KEY:
		v->tag = SCALAR_TEXT;
		return read_block(m, &v->s);
	case STEP_FIXED:
		v->tag = SCALAR_BYTES;
		return read_raw(m, s->arg, &v->s);
	case STEP_ENUM:
		return read_symbol(m, s, v);
	case STEP_CONSTANT:
		*v = m->program->constants[s->arg];
		return SEG_REFUSED_NOT;
	case STEP_UNION:
	case STEP_JUMP:
	case STEP_CALL:
	case STEP_RETURN:
	case STEP_LOOP:
	case STEP_NEXT:
	case STEP_MATCH_KEY:
	case STEP_SAVE:
	case STEP_BACK:
	case STEP_FAIL:
	case STEP_JSON:
	case STEP_END:
		break;
	}
	return SEG_REFUSED_SCHEMA_MISMATCH;
}

static enum seg_refusal union_step(struct machine *m, const struct step *s)
{
	const struct jumps *jumps = &m->program->jumps[s->arg];
	int64_t i;
	enum seg_refusal r = read_integer(m, &i);

	if (r != SEG_REFUSED_NOT)
		return r;
	if (i < 0 || i >= jumps->len)
		return SEG_REFUSED_BAD_UNION_INDEX;
	m->pc = jumps->to[i];
	return SEG_REFUSED_NOT;
}

static enum seg_refusal push(struct machine *m, uint32_t back)
{
	if (m->depth == SEG_PROGRAM_DEPTH)
		return SEG_REFUSED_TOO_DEEP;
	m->frames[m->depth++] = (struct frame){.back = back};
	return SEG_REFUSED_NOT;
}

/* A block's head: its count, or minus the count and its size in bytes. */
static enum seg_refusal next_block(struct machine *m, struct frame *f)
{
	int64_t count, size;
	enum seg_refusal r;

	if (f->block_end && m->at != f->block_end)
		return SEG_REFUSED_BAD_BLOCK;
	f->block_end = NULL;
	r = read_integer(m, &count);
	if (r != SEG_REFUSED_NOT)
		return r;
	if (count == INT64_MIN)
		return SEG_REFUSED_BAD_BLOCK;
	if (count < 0) {
		r = read_integer(m, &size);
		if (r != SEG_REFUSED_NOT)
			return r;
		if (size < 0 || size > m->end - m->at)
			return SEG_REFUSED_BAD_BLOCK;
		f->block_end = m->at + size;
		count = -count;
	}
	if (count > (int64_t)(SEG_PROGRAM_ITEMS - m->items))
		return SEG_REFUSED_TOO_MANY_ITEMS;
	m->items += (uint32_t)count;
	f->remaining = (uint64_t)count;
	return SEG_REFUSED_NOT;
}

static enum seg_refusal next_step(struct machine *m, const struct step *s)
{
	struct frame *f = &m->frames[m->depth - 1];

	/* The compilers put a STEP_LOOP, which fills the frame, before every STEP_NEXT. */
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	if (f->remaining == 0) {
		enum seg_refusal r = next_block(m, f);

		if (r != SEG_REFUSED_NOT)
			return r;
		if (f->remaining == 0) {
			if (f->block_end && m->at != f->block_end)
				return SEG_REFUSED_BAD_BLOCK;
			m->depth--;
			m->pc = s->arg;
			return SEG_REFUSED_NOT;
		}
	}
	f->remaining--;
	return SEG_REFUSED_NOT;
}

static enum seg_refusal match_step(struct machine *m, const struct step *s)
{
	const struct jumps *jumps = &m->program->jumps[s->arg];
	struct seg_str key;
	enum seg_refusal r = read_block(m, &key);
	uint32_t i = 0;

	if (r != SEG_REFUSED_NOT)
		return r;
	while (i < jumps->len && !seg_str_eq(jumps->keys[i], key))
		i++;
	m->pc = jumps->to[i];
	return SEG_REFUSED_NOT;
}

static enum seg_refusal flow_step(struct machine *m, const struct step *s)
{
	switch ((enum step_code)s->code) {
	case STEP_UNION:
		return union_step(m, s);
	case STEP_JUMP:
		m->pc = s->arg;
		return SEG_REFUSED_NOT;
	case STEP_CALL: {
		enum seg_refusal r = push(m, m->pc);

		m->pc = m->program->routines[s->arg];
		return r;
	}
	case STEP_RETURN:
		/* NOLINTNEXTLINE(clang-analyzer-core.uninitialized.Assign): only a STEP_CALL leads here */
		m->pc = m->frames[--m->depth].back;
		return SEG_REFUSED_NOT;
	case STEP_LOOP:
		return push(m, 0);
	case STEP_NEXT:
		return next_step(m, s);
	case STEP_MATCH_KEY:
		return match_step(m, s);
	case STEP_SAVE:
		m->registers[s->arg] = m->at;
		return SEG_REFUSED_NOT;
	case STEP_BACK:
		m->at = m->registers[s->arg];
		return SEG_REFUSED_NOT;
	case STEP_JSON:
		program_json_step(m->run->json, (enum json_step)s->slot, m->program->texts[s->arg]);
		return SEG_REFUSED_NOT;
	case STEP_FAIL:
		return (enum seg_refusal)s->arg;
	case STEP_NULL:
	case STEP_BOOLEAN:
	case STEP_INT:
	case STEP_LONG:
	case STEP_FLOAT:
	case STEP_DOUBLE:
	case STEP_BYTES:
	case STEP_STRING:
	case STEP_FIXED:
	case STEP_ENUM:
	case STEP_OPTIONAL:
	case STEP_CONSTANT:
	case STEP_KEY:
	case STEP_END:
		break;
	}
	return SEG_REFUSED_SCHEMA_MISMATCH;
}

/* ["null", "string"]: the branch, then what a string does. */
static inline enum seg_refusal optional_branch(struct machine *m, bool *ret_present)
{
	if (m->at == m->end)
		return SEG_REFUSED_TRUNCATED;
	if (*m->at != 0 && *m->at != 2) {
		int64_t i;
		enum seg_refusal r = read_integer(m, &i);

		if (r != SEG_REFUSED_NOT)
			return r;
		if (i != 0 && i != 1)
			return SEG_REFUSED_BAD_UNION_INDEX;
		*ret_present = i == 1;
		return SEG_REFUSED_NOT;
	}
	*ret_present = *m->at++ == 2;
	return SEG_REFUSED_NOT;
}

/* Most of what is stored are texts. */
static inline enum seg_refusal store(struct machine *m, const struct step *s, const struct scalar *v)
{
	if (s->store != STORE_TEXT || v->tag != SCALAR_TEXT)
		return program_store(m, s, v);
	if (!seg_utf8_valid(v->s.ptr, v->s.len))
		return SEG_REFUSED_BAD_UTF8;
	*(struct seg_str *)(void *)((char *)m->event + s->slot) = v->s;
	return SEG_REFUSED_NOT;
}

static enum seg_refusal execute(struct machine *m, const struct step **at)
{
	const struct step *steps = m->program->steps, *s;
	struct scalar v = {SCALAR_NULL, 0, 0, {NULL, 0}};
	enum seg_refusal r = SEG_REFUSED_NOT;
	bool present = true;

	for (uint32_t budget = SEG_PROGRAM_STEPS; r == SEG_REFUSED_NOT; budget--) {
		s = *at = &steps[m->pc++];
		if (s->code == STEP_END)
			break;
		if (budget == 0)
			return SEG_REFUSED_TOO_COMPLEX;
		if (s->code >= STEP_UNION && s->code != STEP_KEY) {
			r = flow_step(m, s);
			continue;
		}
		if (s->code == STEP_OPTIONAL) {
			r = optional_branch(m, &present);
			if (r != SEG_REFUSED_NOT || !present)
				continue;
		}
		r = read_scalar(m, s, &v);
		if (r == SEG_REFUSED_NOT && s->store != STORE_NONE)
			r = store(m, s, &v);
	}
	return r;
}

enum seg_refusal seg_program_run(const struct seg_program *p, enum seg_entry entry, struct seg_run *run)
{
	struct machine m;
	const struct step *at = NULL;

	/* Field by field: clearing registers and frames would cost more than many a record. */
	m.at = run->data;
	m.end = m.at + run->len;
	m.program = p;
	m.run = run;
	m.event = run->event;
	m.pc = p->entries[entry];
	m.depth = m.items = 0;
	run->scratch_len = 0;
	enum seg_refusal r = execute(&m, &at);

	run->used = (size_t)(m.at - (const uint8_t *)run->data);
	if (r == SEG_REFUSED_NOT && m.at != m.end && !run->prefix)
		r = SEG_REFUSED_TRAILING_BYTES;
	if (r == SEG_REFUSED_NOT && run->json && run->json->failed)
		r = SEG_REFUSED_NO_MEMORY;
	run->where = r == SEG_REFUSED_NOT ? "" : p->names[at->where];
	return r;
}
