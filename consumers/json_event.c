#include "consumers/json_event.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "consumers/targets.h"

enum { MAX_NESTING = 64 };

/* jansson recurses up to 2048 levels by itself; strings may hold brackets, so they are stepped over. */
static bool too_deep(struct seg_str text)
{
	unsigned depth = 0;
	bool quoted = false;

	for (uint32_t i = 0; i < text.len; i++) {
		char c = text.ptr[i];

		if (quoted && c == '\\')
			i++;
		else if (c == '"')
			quoted = !quoted;
		else if (!quoted && (c == '[' || c == '{') && ++depth > MAX_NESTING)
			return true;
		else if (!quoted && (c == ']' || c == '}') && depth > 0)
			depth--;
	}
	return false;
}

json_t *seg_json_parse(struct seg_str text, enum seg_refusal *ret_refusal)
{
	json_error_t at;
	json_t *j;

	*ret_refusal = SEG_REFUSED_BAD_JSON;
	if (too_deep(text)) {
		*ret_refusal = SEG_REFUSED_TOO_DEEP;
		return NULL;
	}
	j = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &at);
	if (!json_is_object(j)) {
		if (!j && json_error_code(&at) == json_error_out_of_memory)
			*ret_refusal = SEG_REFUSED_NO_MEMORY;
		json_decref(j);
		return NULL;
	}
	return j;
}

static const json_t *at_path(const json_t *object, const char *path)
{
	while (object) {
		size_t len = strcspn(path, ".");

		object = json_object_getn(object, path, len);
		if (!path[len])
			return object;
		path += len + 1;
	}
	return NULL;
}

static enum seg_refusal text_of(struct seg_arena *arena, const json_t *j, struct seg_str *ret)
{
	char number[32];
	const char *from = number;
	size_t len;

	if (json_is_string(j)) {
		from = json_string_value(j);
		len = json_string_length(j);
	} else if (json_is_integer(j)) {
		len = (size_t)snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(j));
	} else {
		return SEG_REFUSED_BAD_JSON;
	}
	char *copy = seg_arena_copy(arena, from, len);

	if (!copy)
		return SEG_REFUSED_NO_MEMORY;
	*ret = (struct seg_str){copy, (uint32_t)len};
	return SEG_REFUSED_NOT;
}

static bool whole(const json_t *j, int64_t *ret)
{
	double d = json_number_value(j);

	if (json_is_integer(j)) {
		*ret = json_integer_value(j);
		return true;
	}
	if (!json_is_real(j) || d != floor(d) || !(fabs(d) < 9e15))
		return false;
	*ret = (int64_t)d;
	return true;
}

static enum seg_refusal time_of(const json_t *j, int64_t *ret)
{
	if (json_is_string(j)) {
		bool ok = strlen(json_string_value(j)) == json_string_length(j) &&
			  seg_time_parse(json_string_value(j), ret);

		return ok ? SEG_REFUSED_NOT : SEG_REFUSED_BAD_TIME;
	}
	if (!whole(j, ret))
		return SEG_REFUSED_BAD_JSON;
	return *ret == SEG_NO_TIME ? SEG_REFUSED_BAD_TIME : SEG_REFUSED_NOT;
}

static enum seg_refusal kind_of(const struct seg_json_reader *r, const json_t *j, uint8_t *ret)
{
	const struct seg_schema_node *root = r->reader->root, *kinds = NULL;

	if (!json_is_string(j))
		return SEG_REFUSED_BAD_JSON;
	for (uint32_t i = 0; i < root->len; i++) {
		if (strcmp(root->fields[i].name, "kind") == 0)
			kinds = root->fields[i].type;
	}
	*ret = 0;
	for (uint32_t i = 0; kinds && i < kinds->len; i++) {
		if (strcmp(kinds->symbols[i], json_string_value(j)) == 0)
			*ret = (uint8_t)i;
	}
	return SEG_REFUSED_NOT;
}

static enum seg_refusal value_of(struct seg_arena *arena, const json_t *j, struct seg_value *ret)
{
	switch (json_typeof(j)) {
	case JSON_NULL:
		ret->type = SEG_VALUE_NULL;
		return SEG_REFUSED_NOT;
	case JSON_TRUE:
	case JSON_FALSE:
		ret->type = SEG_VALUE_BOOL;
		ret->b = json_is_true(j);
		return SEG_REFUSED_NOT;
	case JSON_INTEGER:
		ret->type = SEG_VALUE_LONG;
		ret->i = json_integer_value(j);
		return SEG_REFUSED_NOT;
	case JSON_REAL:
		ret->type = SEG_VALUE_DOUBLE;
		ret->d = json_real_value(j);
		return SEG_REFUSED_NOT;
	case JSON_STRING:
		ret->type = SEG_VALUE_STRING;
		return text_of(arena, j, &ret->s);
	case JSON_OBJECT:
	case JSON_ARRAY:
		break;
	}
	return SEG_REFUSED_BAD_JSON;
}

static enum seg_refusal attributes_of(struct seg_arena *arena, const json_t *j, struct seg_event *e)
{
	const char *name;
	const json_t *value;
	enum seg_refusal r = json_is_object(j) ? SEG_REFUSED_NOT : SEG_REFUSED_BAD_JSON;

	if (json_object_size(j) > SEG_EVENT_ATTRIBUTES)
		return SEG_REFUSED_TOO_MANY_ITEMS;
	json_object_foreach((json_t *)j, name, value)
	{
		struct seg_event_attribute *a = &e->attributes[e->attributes_len];
		size_t len = strlen(name);
		char *copy = seg_arena_copy(arena, name, len);

		if (!copy)
			return SEG_REFUSED_NO_MEMORY;
		a->name = (struct seg_str){copy, (uint32_t)len};
		r = value_of(arena, value, &a->value);
		if (r != SEG_REFUSED_NOT)
			return r;
		e->attributes_len++;
	}
	return r;
}

static enum seg_refusal consents_of(struct seg_arena *arena, const json_t *j, struct seg_event *e)
{
	const char *purpose;
	const json_t *granted;

	if (!json_is_object(j))
		return SEG_REFUSED_BAD_JSON;
	if (json_object_size(j) > SEG_EVENT_CONSENTS)
		return SEG_REFUSED_TOO_MANY_ITEMS;
	json_object_foreach((json_t *)j, purpose, granted)
	{
		struct seg_event_consent *c = &e->consents[e->consents_len];
		size_t len = strlen(purpose);
		char *copy = seg_arena_copy(arena, purpose, len);

		if (!copy)
			return SEG_REFUSED_NO_MEMORY;
		if (!json_is_boolean(granted) && !json_is_null(granted))
			return SEG_REFUSED_BAD_JSON;
		*c = (struct seg_event_consent){{copy, (uint32_t)len}, json_is_true(granted)};
		e->consents_len++;
	}
	return SEG_REFUSED_NOT;
}

static enum seg_refusal quantity_of(const json_t *j, struct seg_event *e)
{
	int64_t i;

	if (!json_is_number(j))
		return SEG_REFUSED_BAD_JSON;
	if (!whole(j, &i) || i != (int32_t)i)
		return SEG_REFUSED_BAD_AMOUNT;
	e->has_quantity = true;
	e->quantity = (int32_t)i;
	return SEG_REFUSED_NOT;
}

static enum seg_refusal field_of(const struct seg_json_reader *r, struct seg_arena *arena, const struct target *t,
				 const json_t *j, struct seg_event *e)
{
	char *slot = (char *)e + t->slot;

	switch (t->kind) {
	case TARGET_TEXT:
		return text_of(arena, j, (struct seg_str *)(void *)slot);
	case TARGET_TIME:
		return time_of(j, (int64_t *)(void *)slot);
	case TARGET_KIND:
		return kind_of(r, j, &e->kind);
	case TARGET_AMOUNT:
		if (!json_is_number(j))
			return SEG_REFUSED_BAD_JSON;
		e->has_amount = true;
		e->amount = json_number_value(j);
		return SEG_REFUSED_NOT;
	case TARGET_QUANTITY:
		return quantity_of(j, e);
	case TARGET_BOOL:
		if (!json_is_boolean(j))
			return SEG_REFUSED_BAD_JSON;
		*(bool *)slot = json_is_true(j);
		return SEG_REFUSED_NOT;
	case TARGET_ATTRIBUTES:
		return attributes_of(arena, j, e);
	case TARGET_CONSENTS:
		return consents_of(arena, j, e);
	}
	return SEG_REFUSED_BAD_JSON;
}

/* What the configuration writes for a constant of this kind, as the JSON it stands for. */
static json_t *constant_of(const struct target *t, const char *text)
{
	bool bare = t->kind == TARGET_AMOUNT || t->kind == TARGET_QUANTITY || t->kind == TARGET_BOOL;

	return bare ? json_loads(text, JSON_DECODE_ANY, NULL) : json_string(text);
}

static const struct seg_mapped *mapped(const struct seg_json_reader *r, const struct target *t)
{
	for (size_t i = 0; i < r->mapping_len; i++) {
		if (seg_target_find(r->source, r->mapping[i].field) == t)
			return &r->mapping[i];
	}
	return NULL;
}

static enum seg_refusal take(const struct seg_json_reader *r, struct seg_arena *arena, const json_t *object,
			     const struct target *t, struct seg_event *e)
{
	const struct seg_mapped *m = mapped(r, t);
	const char *name = r->lines && strcmp(t->field, "source") == 0 ? "update_source" : t->field;

	if (m && m->constant) {
		json_t *value = constant_of(t, m->constant);
		enum seg_refusal refusal = value ? field_of(r, arena, t, value, e) : SEG_REFUSED_BAD_JSON;

		json_decref(value);
		return refusal;
	}
	const json_t *j = at_path(object, m ? m->path : name);

	return !j || json_is_null(j) ? SEG_REFUSED_NOT : field_of(r, arena, t, j, e);
}

enum seg_refusal seg_json_event(const struct seg_json_reader *r, struct seg_arena *arena, const json_t *object,
				struct seg_event *ret, const char **ret_where)
{
	const struct target *time = seg_target_find(r->source, "event_time");
	enum seg_refusal refusal;

	/* The time first: a refused record still has its place in the order. */
	*ret_where = time->field;
	refusal = take(r, arena, object, time, ret);
	if (refusal != SEG_REFUSED_NOT) {
		ret->time_ms = SEG_NO_TIME;
		return refusal;
	}
	for (const struct target *t = seg_targets[r->source]; t->field; t++) {
		*ret_where = t->field;
		if (t == time)
			continue;
		refusal = take(r, arena, object, t, ret);
		if (refusal != SEG_REFUSED_NOT)
			return refusal;
	}
	*ret_where = "";
	return SEG_REFUSED_NOT;
}
