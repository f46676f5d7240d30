/* A compiled rule against a profile. */
#include <math.h>
#include <string.h>

#include "segmenter/catalogue.h"
#include "segmenter/rule_internal.h"

struct value {
	enum seg_rule_type type;
	union {
		double number;
		bool boolean;
		struct seg_str text;
	} u;
};

struct context {
	const struct seg_profile *p;
	int64_t now_ms;
	const struct seg_constants *constants;
};

static struct value missing(void)
{
	return (struct value){.type = SEG_RULE_MISSING};
}

static struct value number(double x)
{
	return isfinite(x) ? (struct value){.type = SEG_RULE_NUMBER, .u.number = x} : missing();
}

static struct value boolean(bool b)
{
	return (struct value){.type = SEG_RULE_BOOLEAN, .u.boolean = b};
}

static struct value constant(const struct seg_rule_op *op)
{
	struct value v = {.type = op->type};
	if (op->type == SEG_RULE_STRING)
		v.u.text = op->u.text;
	else if (op->type == SEG_RULE_BOOLEAN)
		v.u.boolean = op->u.boolean;
	else
		v.u.number = op->u.number;
	return v;
}

static struct value attribute(const struct seg_profile *p, struct seg_str name)
{
	for (uint32_t i = 0; p->attributes && i < p->attributes->len; i++) {
		const struct seg_attribute *a = &p->attributes->items[i];
		if (!seg_str_eq(a->name, name))
			continue;
		switch (a->value.type) {
		case SEG_VALUE_NULL:
			return missing();
		case SEG_VALUE_BOOL:
			return boolean(a->value.b);
		case SEG_VALUE_LONG:
			return number((double)a->value.i);
		case SEG_VALUE_DOUBLE:
			return number(a->value.d);
		case SEG_VALUE_STRING:
			return (struct value){.type = SEG_RULE_STRING, .u.text = a->value.s};
		}
	}
	return missing();
}

/* The parser has seen to it that every operator finds its values. */
/* NOLINTBEGIN(clang-analyzer-core.UndefinedBinaryOperatorResult) */
static bool equal(const struct value *a, const struct value *b)
{
	switch (a->type) {
	case SEG_RULE_NUMBER:
		return a->u.number == b->u.number;
	case SEG_RULE_STRING:
		return seg_str_eq(a->u.text, b->u.text);
	case SEG_RULE_BOOLEAN:
		return a->u.boolean == b->u.boolean;
	case SEG_RULE_MISSING:
	case SEG_RULE_ANY:
		break;
	}
	return false;
}

/* Values of different types cannot be compared: unknown. Only numbers have an order. */
static struct value compare(enum seg_rule_code code, const struct value *a, const struct value *b)
{
	if (a->type != b->type || a->type == SEG_RULE_MISSING)
		return missing();
	if (code == SEG_RULE_EQ || code == SEG_RULE_NE)
		return boolean(equal(a, b) == (code == SEG_RULE_EQ));
	if (a->type != SEG_RULE_NUMBER)
		return missing();
	double x = a->u.number, y = b->u.number;
	return boolean(code == SEG_RULE_LT   ? x < y
		       : code == SEG_RULE_LE ? x <= y
		       : code == SEG_RULE_GT ? x > y
					     : x >= y);
}

/* Unknown unless it is in the list, or the list has a value of its type. */
static struct value in_list(const struct value *x, const struct seg_rule_op *list, uint16_t count)
{
	bool comparable = false;
	for (uint16_t i = 0; i < count; i++) {
		struct value v = constant(&list[i]);
		if (x->type != v.type)
			continue;
		if (equal(x, &v))
			return boolean(true);
		comparable = true;
	}
	return comparable ? boolean(false) : missing();
}

static struct value calculate(enum seg_rule_code code, const struct value *a, const struct value *b)
{
	if (a->type != SEG_RULE_NUMBER || b->type != SEG_RULE_NUMBER)
		return missing();
	double x = a->u.number, y = b->u.number;
	if (code == SEG_RULE_ADD)
		return number(x + y);
	if (code == SEG_RULE_SUBTRACT)
		return number(x - y);
	return number(code == SEG_RULE_MULTIPLY ? x * y : x / y);
}

static enum seg_truth truth(const struct value *v)
{
	if (v->type != SEG_RULE_BOOLEAN)
		return SEG_UNKNOWN;
	return v->u.boolean ? SEG_TRUE : SEG_FALSE;
}

static struct value connect(enum seg_rule_code code, const struct value *a, const struct value *b)
{
	enum seg_truth x = truth(a), y = truth(b), decides = code == SEG_RULE_AND ? SEG_FALSE : SEG_TRUE;
	if (x == decides || y == decides)
		return boolean(decides == SEG_TRUE);
	if (x == SEG_UNKNOWN || y == SEG_UNKNOWN)
		return missing();
	return boolean(decides != SEG_TRUE);
}

static struct value apply_one(enum seg_rule_code code, const struct value *x)
{
	if (code == SEG_RULE_IS_MISSING)
		return boolean(x->type == SEG_RULE_MISSING);
	if (code == SEG_RULE_NEGATE)
		return x->type == SEG_RULE_NUMBER ? number(-x->u.number) : missing();
	return x->type == SEG_RULE_BOOLEAN ? boolean(!x->u.boolean) : missing();
}

/* NOLINTEND(clang-analyzer-core.UndefinedBinaryOperatorResult) */

static struct value load(const struct seg_rule_op *op, const struct context *c)
{
	if (op->code == SEG_RULE_CONST)
		return constant(op);
	if (op->code == SEG_RULE_ATTRIBUTE)
		return attribute(c->p, op->u.text);
	return number(seg_catalogue_value((size_t)op->u.feature, c->p, c->now_ms, c->constants));
}

enum seg_truth seg_rule_evaluate(const struct seg_rule *rule, const struct seg_profile *p, int64_t now_ms,
				 const struct seg_constants *constants)
{
	struct context c = {p, now_ms, constants};
	struct value stack[SEG_RULE_DEPTH_MAX];
	size_t top = 0; /* the compiler has seen to it that the depth suffices */

	for (uint16_t i = 0; i < rule->len; i++) {
		const struct seg_rule_op *op = &rule->ops[i];
		enum seg_rule_code code = op->code;
		if (code <= SEG_RULE_ATTRIBUTE) {
			stack[top++] = load(op, &c);
		} else if (code == SEG_RULE_IN) {
			stack[top - 1] = in_list(&stack[top - 1], op + 1, op->count);
			i = (uint16_t)(i + op->count);
		} else if (code == SEG_RULE_IS_MISSING || code == SEG_RULE_NEGATE || code == SEG_RULE_NOT) {
			stack[top - 1] = apply_one(code, &stack[top - 1]);
		} else {
			struct value *a = &stack[top - 2], *b = &stack[top - 1];
			*a = code <= SEG_RULE_GE    ? compare(code, a, b)
			     : code >= SEG_RULE_AND ? connect(code, a, b)
						    : calculate(code, a, b);
			top--;
		}
	}
	return truth(&stack[0]);
}

bool seg_rule_is_fitted(const struct seg_rule *rule)
{
	return rule->fitted;
}
