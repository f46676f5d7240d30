/*
 * DESIGN. Recursive descent over the grammar of docs/rules.md, one function a level of precedence; each level leaves its
 * operators behind those of its operands, which is the order in which the stack machine of rule_eval.c takes them. Types
 * are checked on the way: what can be said to be wrong is refused here, only attributes are looked at when the rule runs.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "segmenter/catalogue.h"
#include "segmenter/rule_lex.h"

struct parser {
	struct seg_lexer lexer;
	struct seg_token now;
	struct seg_rule *rule; /* with room for SEG_RULE_OPS_MAX */
	unsigned brackets, stack;
	struct seg_error *err;
};

/* What an operand is, and where it begins. */
struct operand {
	enum seg_rule_type type;
	size_t at;
};

static const char *type_text(enum seg_rule_type t)
{
	switch (t) {
	case SEG_RULE_NUMBER:
		return "a number";
	case SEG_RULE_STRING:
		return "a text";
	case SEG_RULE_BOOLEAN:
		return "a condition";
	case SEG_RULE_MISSING:
	case SEG_RULE_ANY:
		break;
	}
	return "any value";
}

static enum seg_rc refuse_expected(const struct parser *p, const char *expected)
{
	char shown[64];

	seg_token_show(&p->lexer, &p->now, shown, sizeof(shown));
	return seg_error_set(p->err, SEG_INVALID, "column %zu: expected %s, found %s", p->now.at + 1, expected, shown);
}

static enum seg_rc advance(struct parser *p)
{
	return seg_lexer_next(&p->lexer, &p->now, p->err);
}

static bool is_sign(const struct parser *p, const char *sign)
{
	return p->now.kind == SEG_TOKEN_SIGN && p->now.len == strlen(sign) &&
	       strncmp(p->lexer.source + p->now.at, sign, p->now.len) == 0;
}

static bool is_word(const struct parser *p, const char *word)
{
	return p->now.kind == SEG_TOKEN_NAME && seg_str_is(p->now.text, word);
}

static enum seg_rc emit(struct parser *p, const struct seg_rule_op *op, int pops)
{
	if (p->rule->len == SEG_RULE_OPS_MAX)
		return seg_error_set(p->err, SEG_LIMIT,
				     "column %zu: the rule has more than %d names, values and operators", p->now.at + 1,
				     SEG_RULE_OPS_MAX);
	p->rule->ops[p->rule->len++] = *op;
	p->stack = p->stack - (unsigned)pops + 1;
	if (p->stack > SEG_RULE_DEPTH_MAX)
		return seg_error_set(p->err, SEG_LIMIT, "column %zu: more than %d values wait for their operators",
				     p->now.at + 1, SEG_RULE_DEPTH_MAX);
	return SEG_OK;
}

static enum seg_rc enter(struct parser *p)
{
	if (++p->brackets > SEG_RULE_DEPTH_MAX)
		return seg_error_set(p->err, SEG_LIMIT, "column %zu: nested deeper than %d", p->now.at + 1,
				     SEG_RULE_DEPTH_MAX);
	return SEG_OK;
}

static enum seg_rc want(const struct parser *p, const struct operand *o, enum seg_rule_type type, const char *of)
{
	/* Set whenever the operand was parsed. NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
	if (o->type == type || o->type == SEG_RULE_ANY)
		return SEG_OK;
	return seg_error_set(p->err, SEG_INVALID, "column %zu: expected %s for %s, found %s", o->at + 1,
			     type_text(type), of, type_text(o->type));
}

static enum seg_rc parse_condition(struct parser *p, struct operand *ret);

/* ---- values ---- */

static enum seg_rc parse_feature(struct parser *p, struct operand *ret)
{
	static const char *const words[] = {"and", "or", "not", "in", "is", "known", "missing"};
	char name[SEG_FEATURE_NAME_MAX];
	struct seg_rule_op op = {.code = SEG_RULE_FEATURE};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		if (is_word(p, words[i]))
			return refuse_expected(p, "a value");
	}
	snprintf(name, sizeof(name), "%.*s", (int)p->now.text.len, p->now.text.ptr);
	op.u.feature = p->now.text.len < sizeof(name) ? seg_catalogue_find(name) : -1;
	if (op.u.feature < 0)
		return seg_error_set(p->err, SEG_INVALID,
				     "column %zu: unknown feature `%s`; did you mean `%s`? (attributes are attr:NAME, "
				     "texts are in quotes)",
				     p->now.at + 1, name, seg_catalogue_nearest(name));
	p->rule->fitted |= seg_catalogue_is_fitted((size_t)op.u.feature);
	ret->type = SEG_RULE_NUMBER;
	enum seg_rc rc = emit(p, &op, 0);
	return rc == SEG_OK ? advance(p) : rc;
}

static bool take_constant(const struct parser *p, struct seg_rule_op *ret)
{
	*ret = (struct seg_rule_op){.code = SEG_RULE_CONST, .type = SEG_RULE_NUMBER};
	if (p->now.kind == SEG_TOKEN_NUMBER) {
		ret->u.number = p->now.number;
	} else if (p->now.kind == SEG_TOKEN_TEXT) {
		ret->type = SEG_RULE_STRING;
		ret->u.text = p->now.text;
	} else if (is_word(p, "true") || is_word(p, "false")) {
		ret->type = SEG_RULE_BOOLEAN;
		ret->u.boolean = is_word(p, "true");
	} else {
		return false;
	}
	return true;
}

/* missing(x), known(x). */
static enum seg_rc parse_missing(struct parser *p, struct operand *ret)
{
	const struct seg_rule_op is = {.code = SEG_RULE_IS_MISSING}, negate = {.code = SEG_RULE_NOT};
	bool known = is_word(p, "known");
	struct operand x;
	enum seg_rc rc = enter(p);

	if (rc == SEG_OK)
		rc = advance(p);
	if (rc == SEG_OK && !is_sign(p, "("))
		rc = refuse_expected(p, known ? "`(` behind `known`" : "`(` behind `missing`");
	if (rc == SEG_OK)
		rc = advance(p);
	if (rc == SEG_OK)
		rc = parse_condition(p, &x);
	if (rc == SEG_OK && !is_sign(p, ")"))
		rc = refuse_expected(p, "`)`");
	if (rc == SEG_OK)
		rc = emit(p, &is, 1);
	if (rc == SEG_OK && known)
		rc = emit(p, &negate, 1);
	p->brackets--;
	ret->type = SEG_RULE_BOOLEAN;
	return rc == SEG_OK ? advance(p) : rc;
}

static enum seg_rc parse_brackets(struct parser *p, struct operand *ret)
{
	enum seg_rc rc = enter(p);

	if (rc == SEG_OK)
		rc = advance(p);
	if (rc == SEG_OK)
		rc = parse_condition(p, ret);
	if (rc == SEG_OK && !is_sign(p, ")"))
		rc = refuse_expected(p, "`)` or an operator");
	p->brackets--;
	return rc == SEG_OK ? advance(p) : rc;
}

static enum seg_rc parse_value(struct parser *p, struct operand *ret)
{
	struct seg_rule_op op;
	enum seg_rc rc;

	ret->at = p->now.at;
	if (take_constant(p, &op)) {
		ret->type = op.type;
	} else if (p->now.kind == SEG_TOKEN_ATTRIBUTE) {
		op = (struct seg_rule_op){.code = SEG_RULE_ATTRIBUTE, .u.text = p->now.text};
		ret->type = SEG_RULE_ANY;
	} else if (is_word(p, "missing") || is_word(p, "known")) {
		return parse_missing(p, ret);
	} else if (p->now.kind == SEG_TOKEN_NAME) {
		return parse_feature(p, ret);
	} else if (is_sign(p, "(")) {
		return parse_brackets(p, ret);
	} else {
		return refuse_expected(p, "a feature, attr:NAME, a number, a text in quotes or `(`");
	}
	rc = emit(p, &op, 0);
	return rc == SEG_OK ? advance(p) : rc;
}

static enum seg_rc parse_unary(struct parser *p, struct operand *ret)
{
	const struct seg_rule_op negate = {.code = SEG_RULE_NEGATE};
	size_t at = p->now.at;
	enum seg_rc rc;

	if (!is_sign(p, "-"))
		return parse_value(p, ret);
	rc = enter(p);
	if (rc == SEG_OK)
		rc = advance(p);
	if (rc == SEG_OK)
		rc = parse_unary(p, ret);
	if (rc == SEG_OK)
		rc = want(p, ret, SEG_RULE_NUMBER, "`-`");
	p->brackets--;
	*ret = (struct operand){SEG_RULE_NUMBER, at};
	return rc == SEG_OK ? emit(p, &negate, 1) : rc;
}

/* ---- operators ---- */

struct binary {
	const char *sign;
	enum seg_rule_code code;
};

static const struct binary products[] = {{"*", SEG_RULE_MULTIPLY}, {"/", SEG_RULE_DIVIDE}, {NULL, 0}};
static const struct binary sums[] = {{"+", SEG_RULE_ADD}, {"-", SEG_RULE_SUBTRACT}, {NULL, 0}};
static const struct binary comparisons[] = {
	{"==", SEG_RULE_EQ}, {"!=", SEG_RULE_NE}, {"<", SEG_RULE_LT}, {"<=", SEG_RULE_LE},
	{">", SEG_RULE_GT},  {">=", SEG_RULE_GE}, {NULL, 0}};

static const struct binary *find_sign(const struct parser *p, const struct binary *table)
{
	for (; table->sign; table++) {
		if (is_sign(p, table->sign))
			return table;
	}
	return NULL;
}

/* A level of arithmetic: operands of the next one, and signs between them. */
static enum seg_rc parse_arithmetic(struct parser *p, const struct binary *table, struct operand *ret)
{
	const struct binary *b;
	struct operand right;
	enum seg_rc rc = table == sums ? parse_arithmetic(p, products, ret) : parse_unary(p, ret);

	while (rc == SEG_OK && (b = find_sign(p, table))) {
		const struct seg_rule_op op = {.code = (uint8_t)b->code};
		char of[8];
		snprintf(of, sizeof(of), "`%s`", b->sign);
		rc = want(p, ret, SEG_RULE_NUMBER, of);
		if (rc == SEG_OK)
			rc = advance(p);
		if (rc == SEG_OK)
			rc = table == sums ? parse_arithmetic(p, products, &right) : parse_unary(p, &right);
		if (rc == SEG_OK)
			rc = want(p, &right, SEG_RULE_NUMBER, of);
		if (rc == SEG_OK)
			rc = emit(p, &op, 2);
		ret->type = SEG_RULE_NUMBER;
	}
	return rc;
}

static enum seg_rc parse_comparison(struct parser *p, const struct binary *b, struct operand *left)
{
	const struct seg_rule_op op = {.code = (uint8_t)b->code};
	bool order = b->code != SEG_RULE_EQ && b->code != SEG_RULE_NE;
	struct operand right;
	char of[8];
	enum seg_rc rc;

	snprintf(of, sizeof(of), "`%s`", b->sign);
	rc = order ? want(p, left, SEG_RULE_NUMBER, of) : SEG_OK;
	if (rc == SEG_OK)
		rc = advance(p);
	if (rc == SEG_OK)
		rc = parse_arithmetic(p, sums, &right);
	if (rc == SEG_OK && (order || left->type != SEG_RULE_ANY))
		rc = want(p, &right, order ? SEG_RULE_NUMBER : left->type, of);
	if (rc == SEG_OK && find_sign(p, comparisons))
		rc = refuse_expected(p, "`and`, `or` or the end: comparisons do not chain");
	return rc == SEG_OK ? emit(p, &op, 2) : rc;
}

static enum seg_rc parse_item(struct parser *p, const struct operand *left)
{
	struct seg_rule_op op;
	struct operand item = {.at = p->now.at};
	bool minus = is_sign(p, "-");
	enum seg_rc rc = minus ? advance(p) : SEG_OK;

	if (rc != SEG_OK)
		return rc;
	if (!take_constant(p, &op) || (minus && op.type != SEG_RULE_NUMBER))
		return refuse_expected(p, minus ? "a number behind `-`" : "a number, a text in quotes, true or false");
	if (minus)
		op.u.number = -op.u.number;
	item.type = op.type;
	if (left->type != SEG_RULE_ANY) {
		rc = want(p, &item, left->type, "the list");
		if (rc != SEG_OK)
			return rc;
	}
	p->stack--; /* items are read by `in`, they wait for nothing */
	rc = emit(p, &op, 0);
	return rc == SEG_OK ? advance(p) : rc;
}

/* Behind `in`: ( value, … ). */
static enum seg_rc parse_list(struct parser *p, const struct operand *left)
{
	const struct seg_rule_op op = {.code = SEG_RULE_IN};
	uint16_t at = p->rule->len, count = 0;
	bool more = true;
	enum seg_rc rc = is_sign(p, "(") ? advance(p) : refuse_expected(p, "`(` and the values");

	if (rc == SEG_OK)
		rc = emit(p, &op, 1);
	while (rc == SEG_OK && more) {
		if (++count > SEG_RULE_LIST_MAX)
			return seg_error_set(p->err, SEG_LIMIT, "column %zu: more than %d values in a list",
					     p->now.at + 1, SEG_RULE_LIST_MAX);
		rc = parse_item(p, left);
		more = rc == SEG_OK && is_sign(p, ",");
		if (more)
			rc = advance(p);
	}
	if (rc == SEG_OK && !is_sign(p, ")"))
		rc = refuse_expected(p, "`,` or `)`");
	if (rc != SEG_OK)
		return rc;
	p->rule->ops[at].count = count;
	return advance(p);
}

/* Behind `is`: [not] known | missing. */
static enum seg_rc parse_is(struct parser *p)
{
	const struct seg_rule_op is = {.code = SEG_RULE_IS_MISSING}, negate = {.code = SEG_RULE_NOT};
	bool no = is_word(p, "not");
	enum seg_rc rc = no ? advance(p) : SEG_OK;

	if (rc == SEG_OK && !is_word(p, "known") && !is_word(p, "missing"))
		rc = refuse_expected(p, no ? "`known` or `missing`" : "`known`, `missing` or `not`");
	if (rc == SEG_OK)
		rc = emit(p, &is, 1);
	if (rc == SEG_OK && is_word(p, "known") != no)
		rc = emit(p, &negate, 1);
	return rc == SEG_OK ? advance(p) : rc;
}

/* A value, or one with a comparison, `in` or `is` behind it. */
static enum seg_rc parse_test(struct parser *p, struct operand *ret)
{
	const struct seg_rule_op negate = {.code = SEG_RULE_NOT};
	enum seg_rc rc = parse_arithmetic(p, sums, ret);
	const struct binary *b = rc == SEG_OK ? find_sign(p, comparisons) : NULL;
	bool no = rc == SEG_OK && !b && is_word(p, "not");

	if (rc != SEG_OK || (!b && !no && !is_word(p, "in") && !is_word(p, "is")))
		return rc;
	if (b) {
		rc = parse_comparison(p, b, ret);
	} else if (is_word(p, "is")) {
		rc = advance(p);
		rc = rc == SEG_OK ? parse_is(p) : rc;
	} else {
		rc = no ? advance(p) : SEG_OK;
		if (rc == SEG_OK && !is_word(p, "in"))
			rc = refuse_expected(p, "`in` behind `not`");
		if (rc == SEG_OK)
			rc = advance(p);
		if (rc == SEG_OK)
			rc = parse_list(p, ret);
		if (rc == SEG_OK && no)
			rc = emit(p, &negate, 1);
	}
	ret->type = SEG_RULE_BOOLEAN;
	return rc;
}

static enum seg_rc parse_not(struct parser *p, struct operand *ret)
{
	const struct seg_rule_op negate = {.code = SEG_RULE_NOT};
	size_t at = p->now.at;
	enum seg_rc rc;

	if (!is_word(p, "not"))
		return parse_test(p, ret);
	rc = enter(p);
	if (rc == SEG_OK)
		rc = advance(p);
	if (rc == SEG_OK)
		rc = parse_not(p, ret);
	if (rc == SEG_OK)
		rc = want(p, ret, SEG_RULE_BOOLEAN, "`not`");
	p->brackets--;
	*ret = (struct operand){SEG_RULE_BOOLEAN, at};
	return rc == SEG_OK ? emit(p, &negate, 1) : rc;
}

/* `and` and `or` between what the next level makes. */
static enum seg_rc parse_connected(struct parser *p, bool disjunction, struct operand *ret)
{
	const struct seg_rule_op op = {.code = disjunction ? SEG_RULE_OR : SEG_RULE_AND};
	const char *word = disjunction ? "or" : "and", *of = disjunction ? "`or`" : "`and`";
	struct operand right;
	enum seg_rc rc = disjunction ? parse_connected(p, false, ret) : parse_not(p, ret);

	while (rc == SEG_OK && is_word(p, word)) {
		rc = want(p, ret, SEG_RULE_BOOLEAN, of);
		if (rc == SEG_OK)
			rc = advance(p);
		if (rc == SEG_OK)
			rc = disjunction ? parse_connected(p, false, &right) : parse_not(p, &right);
		if (rc == SEG_OK)
			rc = want(p, &right, SEG_RULE_BOOLEAN, of);
		if (rc == SEG_OK)
			rc = emit(p, &op, 2);
		ret->type = SEG_RULE_BOOLEAN;
	}
	return rc;
}

static enum seg_rc parse_condition(struct parser *p, struct operand *ret)
{
	return parse_connected(p, true, ret);
}

static enum seg_rc parse_rule(struct parser *p)
{
	struct operand whole;
	enum seg_rc rc = advance(p);

	if (rc == SEG_OK && p->now.kind == SEG_TOKEN_END)
		rc = refuse_expected(p, "a condition");
	if (rc == SEG_OK)
		rc = parse_condition(p, &whole);
	if (rc == SEG_OK && p->now.kind != SEG_TOKEN_END)
		rc = refuse_expected(p, "an operator or the end");
	return rc == SEG_OK ? want(p, &whole, SEG_RULE_BOOLEAN, "the rule") : rc;
}

enum seg_rc seg_rule_compile(const char *text, struct seg_rule **ret, struct seg_error *err)
{
	size_t len = strlen(text);
	struct parser p = {.lexer = {.source = text}, .err = err};
	enum seg_rc rc;

	if (len > SEG_RULE_TEXT_MAX)
		return seg_error_set(err, SEG_LIMIT, "the rule is longer than %d bytes", SEG_RULE_TEXT_MAX);
	p.rule = calloc(1, sizeof(*p.rule) + SEG_RULE_OPS_MAX * sizeof(p.rule->ops[0]));
	p.lexer.texts = malloc(len + 1);
	if (!p.rule || !p.lexer.texts) {
		seg_rule_free(p.rule);
		free(p.lexer.texts);
		return seg_error_set(err, SEG_NO_MEMORY, "a rule: out of memory");
	}
	p.rule->texts = p.lexer.texts;
	rc = parse_rule(&p);
	if (rc != SEG_OK) {
		seg_rule_free(p.rule);
		return rc;
	}
	*ret = p.rule;
	return SEG_OK;
}

void seg_rule_free(struct seg_rule *rule)
{
	if (rule)
		free(rule->texts);
	free(rule);
}
