#include "segmenter/rule_lex.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOWER "abcdefghijklmnopqrstuvwxyz"
#define DIGITS "0123456789"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZ" LOWER "_"
#define ATTRIBUTE_CHARS LETTERS DIGITS "."

enum { NUMBER_MAX = 40, SHOWN_MAX = 40 };

static enum seg_rc refuse(size_t at, struct seg_error *err, const char *what)
{
	return seg_error_set(err, SEG_INVALID, "column %zu: %s", at + 1, what);
}

/* From the quote at l->at; control characters do not belong into rules. */
static enum seg_rc take_text(struct seg_lexer *l, struct seg_token *t, struct seg_error *err)
{
	const char quote = l->source[l->at];
	char *to = l->texts + l->texts_len;
	size_t len = 0, at = l->at + 1;

	for (; l->source[at] != quote; at++) {
		if (l->source[at] == '\\' && (l->source[at + 1] == '\\' || l->source[at + 1] == quote))
			at++;
		else if (l->source[at] == '\0')
			return refuse(l->at, err, "a text that begins here has no end; expected a closing quote");
		else if (l->source[at] == '\\')
			return refuse(at, err, "a backslash is followed by itself or by the quote");
		else if ((unsigned char)l->source[at] < 0x20 || l->source[at] == 0x7f)
			return refuse(at, err, "a control character in a text");
		to[len++] = l->source[at];
	}
	l->texts_len += len;
	t->text = (struct seg_str){to, (uint32_t)len};
	l->at = at + 1;
	return SEG_OK;
}

static enum seg_rc take_number(struct seg_lexer *l, struct seg_token *t, struct seg_error *err)
{
	const char *from = l->source + l->at;
	size_t len = strspn(from, DIGITS);
	char copy[NUMBER_MAX + 1];

	if (from[len] == '.')
		len += 1 + strspn(from + len + 1, DIGITS);
	if (from[len] == 'e' || from[len] == 'E') {
		size_t sign = from[len + 1] == '-' || from[len + 1] == '+';
		size_t more = strspn(from + len + 1 + sign, DIGITS);
		len += more ? 1 + sign + more : 0;
	}
	if (len > NUMBER_MAX || strspn(from + len, LETTERS) > 0)
		return refuse(l->at, err, "expected a number like 30, 0.5 or 1e6");
	memcpy(copy, from, len);
	copy[len] = '\0';
	t->kind = SEG_TOKEN_NUMBER;
	t->number = strtod(copy, NULL);
	l->at += len;
	return isfinite(t->number) ? SEG_OK : refuse(t->at, err, "a number that is too large");
}

/* A name, and behind attr: that of an attribute, in quotes when it has other characters. */
static enum seg_rc take_name(struct seg_lexer *l, struct seg_token *t, struct seg_error *err)
{
	size_t len = strspn(l->source + l->at, LETTERS DIGITS);

	t->kind = SEG_TOKEN_NAME;
	if (l->source[l->at + len] != ':') {
		t->text = (struct seg_str){l->source + l->at, (uint32_t)len};
		l->at += len;
		return SEG_OK;
	}
	if (len != 4 || strncmp(l->source + l->at, "attr", 4) != 0)
		return refuse(l->at + len, err, "a colon; only `attr:` and an attribute's name have one");
	t->kind = SEG_TOKEN_ATTRIBUTE;
	l->at += 5;
	if (l->source[l->at] == '"' || l->source[l->at] == '\'') {
		enum seg_rc rc = take_text(l, t, err);
		return rc != SEG_OK || t->text.len > 0 ? rc : refuse(t->at, err, "expected an attribute's name");
	}
	len = strspn(l->source + l->at, ATTRIBUTE_CHARS);
	if (len == 0)
		return refuse(l->at, err,
			      "expected an attribute's name behind `attr:`, in quotes if it has other "
			      "characters than letters, digits, `_` and `.`");
	memcpy(l->texts + l->texts_len, l->source + l->at, len);
	t->text = (struct seg_str){l->texts + l->texts_len, (uint32_t)len};
	l->texts_len += len;
	l->at += len;
	return SEG_OK;
}

static enum seg_rc take_sign(struct seg_lexer *l, struct seg_token *t, struct seg_error *err)
{
	static const char *const two[] = {"==", "!=", "<=", ">="};
	static const struct {
		const char *wrong, *why;
	} others[] = {
		{"=", "`=`; to compare write `==`"},
		{"&", "`&`; write `and`"},
		{"|", "`|`; write `or`"},
		{"!", "`!`; write `not`, or `!=`"},
		{"\xe2\x80\x9c", "a curly quote; write \""},
	};
	const char *from = l->source + l->at;

	t->kind = SEG_TOKEN_SIGN;
	t->len = 1;
	for (size_t i = 0; i < sizeof(two) / sizeof(two[0]); i++)
		t->len = strncmp(from, two[i], 2) == 0 ? 2 : t->len;
	l->at += t->len;
	if (t->len == 2 || strchr("<>(),+-*/", from[0]))
		return SEG_OK;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strncmp(from, others[i].wrong, strlen(others[i].wrong)) == 0)
			return refuse(t->at, err, others[i].why);
	}
	return refuse(t->at, err, "a character that means nothing here");
}

enum seg_rc seg_lexer_next(struct seg_lexer *l, struct seg_token *ret, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	l->at += strspn(l->source + l->at, " \t\r\n");
	*ret = (struct seg_token){.kind = SEG_TOKEN_END, .at = l->at};
	const char c = l->source[l->at];
	if (c == '\0')
		return SEG_OK;
	if (c == '"' || c == '\'') {
		ret->kind = SEG_TOKEN_TEXT;
		rc = take_text(l, ret, err);
	} else if (strchr(DIGITS, c)) {
		rc = take_number(l, ret, err);
	} else if (strchr(LETTERS, c)) {
		rc = take_name(l, ret, err);
	} else {
		rc = take_sign(l, ret, err);
	}
	ret->len = l->at - ret->at;
	return rc;
}

void seg_token_show(const struct seg_lexer *l, const struct seg_token *t, char *ret, size_t size)
{
	size_t len = t->len < SHOWN_MAX ? t->len : SHOWN_MAX;

	if (t->kind == SEG_TOKEN_END) {
		snprintf(ret, size, "the end");
		return;
	}
	while (len > 0 && len < t->len && ((unsigned char)l->source[t->at + len] & 0xc0) == 0x80)
		len--;
	snprintf(ret, size, "`%.*s%s`", (int)len, l->source + t->at, len < t->len ? "…" : "");
}
