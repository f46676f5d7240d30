/*
 * From a YAML file to a struct seg_config: libyaml's events become a small tree with lines and columns, `${ENV}` and
 * `file:` are resolved, and every key is checked against the option table. Errors say line, column, what is wrong, what
 * is allowed, and the nearest known name. No state; any thread may call.
 */
#ifndef SEG_CONFIG_LOAD_H
#define SEG_CONFIG_LOAD_H

#include "config/config.h"

/* config/ does not know the feature catalogue: daemon/ hands it in. Names with the prefix attr: are not asked for. */
struct seg_config_checks {
	/* True: known. Else *ret_nearest is the nearest known name (static) or NULL. NULL: names are not checked. */
	bool (*known_feature)(const char *name, const char **ret_nearest);
	/* The same for our fields in a source's mapping. NULL: not checked. */
	bool (*known_field)(enum seg_source source, const char *field, const char **ret_nearest);
	/* The last of these rules, the others are right. SEG_OK, else err says what; *ret_name: the name is what is wrong, not
	 * the condition. NULL: not checked. */
	enum seg_rc (*check_rules)(const struct seg_config_rules *rules, bool *ret_name, struct seg_error *err);
};

/* Reads a file ("-": standard input). checks may be NULL. SEG_INVALID: the text says where and what; SEG_IO,
 * SEG_NO_MEMORY. *ret is to be freed with seg_config_free(). */
enum seg_rc seg_config_load(const char *path, const struct seg_config_checks *checks, struct seg_config **ret,
			    struct seg_error *err) SEG_MUST_CHECK;

/* The same from memory; `name` stands for the file in messages, and `file:` paths are relative to the working
 * directory as with a file. */
enum seg_rc seg_config_load_text(const char *text, size_t len, const char *name, const struct seg_config_checks *checks,
				 struct seg_config **ret, struct seg_error *err) SEG_MUST_CHECK;

/* All defaults. */
enum seg_rc seg_config_default(struct seg_config **ret, struct seg_error *err) SEG_MUST_CHECK;

#endif
