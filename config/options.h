/*
 * The option table: every key of the configuration, once. Parsing, checks, defaults, the printed default file, the docs
 * page and the fingerprint are all made from it.
 *
 * Static and immutable; any thread may read.
 */
#ifndef SEG_CONFIG_OPTIONS_H
#define SEG_CONFIG_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"

enum seg_option_type {
	SEG_OPTION_INT,	     /* int64_t */
	SEG_OPTION_DOUBLE,   /* double */
	SEG_OPTION_DURATION, /* int64_t, ms */
	SEG_OPTION_BYTES,    /* int64_t */
	SEG_OPTION_ENUM,     /* an enum, by position in `names` */
	SEG_OPTION_STRING,   /* char * */
	SEG_OPTION_LIST,     /* struct seg_config_list of strings */
	SEG_OPTION_MAP,	     /* struct seg_config_map of free keys */
	SEG_OPTION_RATES,    /* struct seg_config_rates */
	SEG_OPTION_MAPPING,  /* struct seg_config_mapping */
	SEG_OPTION_FEATURES, /* struct seg_config_features */
	SEG_OPTION_RULES     /* struct seg_config_rules */
};

enum {
	SEG_OPTION_SECRET = 1 << 0,    /* `file:PATH` is read, never shown */
	SEG_OPTION_AGGREGATE = 1 << 1, /* shapes aggregates: part of the fingerprint */
	SEG_OPTION_WORD = 1 << 2,      /* `word` is allowed and stored as 0 */
	SEG_OPTION_TOPIC = 1 << 3,     /* a legal topic name, unlike all other topics */
	SEG_OPTION_NAME = 1 << 4,      /* a legal part of topic names and ids: [A-Za-z0-9._-] */
	SEG_OPTION_CURRENCY = 1 << 5,  /* ISO 4217 */
	SEG_OPTION_NOT_EMPTY = 1 << 6,
	SEG_OPTION_ADDRESS = 1 << 7, /* HOST:PORT, port 0 to 65535 */
	SEG_OPTION_URL = 1 << 8	     /* http(s)://…; a password in it is not shown */
};

struct seg_option {
	const char *name; /* dotted */
	enum seg_option_type type;
	unsigned flags;
	size_t offset;	     /* in struct seg_config */
	const char *def;     /* default as text (lists: separated by ", "); NULL: derived, see `derived` */
	const char *derived; /* for the docs: "the host's name" */
	double lo, hi;	     /* numbers, in ms and bytes; both 0 for other types. lo_open: see below */
	bool lo_open;	     /* lo itself is not allowed */
	const char *word;    /* with SEG_OPTION_WORD: "auto", "off" */
	const char *const
		*names;	  /* enum: NULL-terminated; map: keys that are refused (`x.`: all that begin so), or NULL */
	const char *help; /* one or two sentences, no line breaks */
};

struct seg_option_section {
	const char *name; /* dotted prefix */
	const char *help;
};

extern const struct seg_option seg_options[];
extern const size_t seg_options_len;

extern const struct seg_option_section seg_option_sections[];
extern const size_t seg_option_sections_len;

/* Names of the parts of a `features` entry, in the order of the enums in config.h; NULL-terminated. */
extern const char *const seg_feature_keys[];
extern const char *const seg_rule_keys[]; /* the same of a `rules` entry */
extern const char *const seg_transform_names[];
extern const char *const seg_scaler_names[];
extern const char *const seg_impute_names[];
extern const char *const seg_preset_names[];
extern const char *const seg_config_output_names[SEG_CONFIG_OUTPUTS];

/* By full name; NULL: none. */
const struct seg_option *seg_option_find(const char *name);

/* True: there are options named `prefix.…`. */
bool seg_option_is_section(const char *prefix);

/* Help of a section, NULL: none of its own. */
const char *seg_option_section_help(const char *prefix);

/* "duration", "list of names" …, for docs and messages. */
const char *seg_option_type_text(const struct seg_option *o);

/* What is allowed, e.g. "1ms to 10s", "avro or json", "a whole number from 1 to 256, or auto". */
void seg_option_allowed(const struct seg_option *o, char *ret, size_t size);

/* A free key whose value is not to be shown, e.g. sasl.password. */
bool seg_option_key_is_secret(const char *key);

static inline void *seg_option_at(const struct seg_option *o, struct seg_config *c)
{
	return (char *)c + o->offset;
}

static inline const void *seg_option_get(const struct seg_option *o, const struct seg_config *c)
{
	return (const char *)c + o->offset;
}

#endif
