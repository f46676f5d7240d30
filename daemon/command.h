/*
 * The program's commands: one table of name, what it does and its options, from which the help is made. Exit codes:
 * 0 done, 1 failed, 2 usage.
 */
#ifndef SEG_DAEMON_COMMAND_H
#define SEG_DAEMON_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "config/config.h"

enum { SEG_EXIT_DONE, SEG_EXIT_FAILED, SEG_EXIT_USAGE };

struct seg_command_option {
	const char *name;  /* "config" */
	const char *value; /* "FILE"; NULL: a flag */
	bool many;	   /* takes all words up to the next option */
	const char *help;
};

struct seg_command;

/* What the command line said, parsed by the command's table. */
struct seg_args {
	const struct seg_command *command;
	const char *values[12]; /* by position in options; NULL: not given; "" for a flag */
	const char **many;	/* of the option that takes many, owned */
	size_t many_len;
	const char *words[8]; /* what is not an option */
	size_t words_len;
};

struct seg_command {
	const char *name;
	const char *words;		       /* in the usage line: "stats|dump|verify" */
	const char *help;		       /* one line */
	const char *more;		       /* paragraphs for --help of the command; may be NULL */
	struct seg_command_option options[12]; /* ends with a NULL name */
	int (*run)(const struct seg_args *args);
};

extern const struct seg_command seg_commands[];
extern const size_t seg_commands_len;

/* Whether the command cannot do without the option: usage lines show it without brackets. */
bool seg_command_needs(const struct seg_command *c, const struct seg_command_option *option);

/* Value of an option; NULL: not given. */
const char *seg_args_get(const struct seg_args *args, const char *name);
static inline bool seg_args_has(const struct seg_args *args, const char *name)
{
	return seg_args_get(args, name) != NULL;
}
/* A whole number within a range, or the default when not given. False: said on standard error what is wrong. */
bool seg_args_number(const struct seg_args *args, const char *name, int64_t lo, int64_t hi, int64_t otherwise,
		     int64_t *ret);

/* Parses and runs; returns the exit code. */
int seg_command_main(int argc, char **argv);
/* "segmentd NAME: text" on standard error; returns SEG_EXIT_USAGE. */
int seg_usage_error(const struct seg_args *args, const char *fmt, ...) SEG_PRINTF(2, 3);
/* The error on standard error, one line; returns SEG_EXIT_FAILED. */
int seg_failed(const struct seg_args *args, const struct seg_error *err);

/* The configuration that --config names, checked against the catalogue and the event's fields. NULL: said what is wrong. */
struct seg_config *seg_args_config(const struct seg_args *args);

/* The commands. */
int seg_cmd_run(const struct seg_args *args);
int seg_cmd_demo(const struct seg_args *args);
int seg_cmd_check(const struct seg_args *args);
int seg_cmd_topics(const struct seg_args *args);
int seg_cmd_replay(const struct seg_args *args);
int seg_cmd_explain(const struct seg_args *args);
int seg_cmd_model(const struct seg_args *args);
int seg_cmd_state(const struct seg_args *args);
int seg_cmd_schema(const struct seg_args *args);
int seg_cmd_features(const struct seg_args *args);
int seg_cmd_config(const struct seg_args *args);

#endif
