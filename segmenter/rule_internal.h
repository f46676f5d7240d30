/* The program of a compiled rule, for segmenter/rule_*.c only. */
#ifndef SEG_SEGMENTER_RULE_INTERNAL_H
#define SEG_SEGMENTER_RULE_INTERNAL_H

#include "segmenter/rule.h"

/* Of a value; ANY is what an attribute is before it is looked at. */
enum seg_rule_type { SEG_RULE_MISSING, SEG_RULE_NUMBER, SEG_RULE_STRING, SEG_RULE_BOOLEAN, SEG_RULE_ANY };

/* Operators of a stack machine, in postfix order. */
enum seg_rule_code {
	SEG_RULE_CONST,
	SEG_RULE_FEATURE,
	SEG_RULE_ATTRIBUTE,
	SEG_RULE_EQ,
	SEG_RULE_NE,
	SEG_RULE_LT,
	SEG_RULE_LE,
	SEG_RULE_GT,
	SEG_RULE_GE,
	SEG_RULE_IN, /* the `count` constants that follow are its list */
	SEG_RULE_IS_MISSING,
	SEG_RULE_ADD,
	SEG_RULE_SUBTRACT,
	SEG_RULE_MULTIPLY,
	SEG_RULE_DIVIDE,
	SEG_RULE_NEGATE,
	SEG_RULE_AND,
	SEG_RULE_OR,
	SEG_RULE_NOT
};

struct seg_rule_op {
	uint8_t code, type; /* enum seg_rule_code; of a constant: enum seg_rule_type */
	uint16_t count;
	union {
		double number;
		bool boolean;
		int feature;	     /* in the catalogue */
		struct seg_str text; /* of a constant, or an attribute's name; in `texts` of the rule */
	} u;
};

struct seg_rule {
	char *texts;
	bool fitted;
	uint16_t len;
	struct seg_rule_op ops[]; /* at most SEG_RULE_OPS_MAX */
};

#endif
