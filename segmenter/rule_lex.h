/* Words of a rule's text, for segmenter/rule_*.c only. */
#ifndef SEG_SEGMENTER_RULE_LEX_H
#define SEG_SEGMENTER_RULE_LEX_H

#include "segmenter/rule_internal.h"

enum seg_token_kind {
	SEG_TOKEN_END,
	SEG_TOKEN_NUMBER,
	SEG_TOKEN_TEXT,	     /* in quotes; `text` is what it says */
	SEG_TOKEN_NAME,	     /* a feature or a word of the language */
	SEG_TOKEN_ATTRIBUTE, /* attr:NAME; `text` is the name */
	SEG_TOKEN_SIGN	     /* one of == != <= >= < > ( ) , + - * / */
};

struct seg_token {
	enum seg_token_kind kind;
	size_t at, len; /* where it stands in the text, bytes */
	double number;
	struct seg_str text;
};

struct seg_lexer {
	const char *source;
	size_t at;
	char *texts; /* texts without quotes and escapes go here: as large as the source, with its NUL */
	size_t texts_len;
};

/* SEG_INVALID: err says where and what. */
enum seg_rc seg_lexer_next(struct seg_lexer *l, struct seg_token *ret, struct seg_error *err) SEG_MUST_CHECK;

/* "`recency_days`", or "the end", for messages. */
void seg_token_show(const struct seg_lexer *l, const struct seg_token *t, char *ret, size_t size);

#endif
