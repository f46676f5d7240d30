#include "daemon/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/str.h"
#include "config/load.h"
#include "config/value.h"
#include "daemon/rule_segments.h"
#include "segmenter/catalogue.h"

static const struct seg_command *find_command(const char *name, const char **ret_nearest)
{
	struct seg_nearest nearest = {.name = name};
	for (size_t i = 0; i < seg_commands_len; i++) {
		if (strcmp(seg_commands[i].name, name) == 0)
			return &seg_commands[i];
		seg_nearest_offer(&nearest, seg_commands[i].name);
	}
	*ret_nearest = seg_nearest_likely(&nearest) ? nearest.best : NULL;
	return NULL;
}

/* ---- help ---- */

enum { LEFT_COLUMNS = 24 };

bool seg_command_needs(const struct seg_command *c, const struct seg_command_option *option)
{
	if (c->run == seg_cmd_state)
		return strcmp(option->name, "data") == 0;
	if (c->run == seg_cmd_replay && (strcmp(option->name, "input") == 0 || strcmp(option->name, "output") == 0))
		return true;
	if (c->run == seg_cmd_explain || c->run == seg_cmd_model)
		return strcmp(option->name, "url") == 0;
	return strcmp(option->name, "config") == 0;
}

static void print_usage(const struct seg_command *c, FILE *out)
{
	fprintf(out, "segmentd %s", c->name);
	for (const struct seg_command_option *o = c->options; o->name; o++) {
		fprintf(out, seg_command_needs(c, o) ? " --%s%s%s" : " [--%s%s%s]", o->name, o->value ? " " : "",
			o->value ? o->value : "");
	}
	fprintf(out, "%s%s\n", c->words ? " " : "", c->words ? c->words : "");
}

static void print_help(FILE *out)
{
	fprintf(out, "segmentd %s: streaming customer segmentation over Kafka\n\n", SEG_VERSION);
	for (size_t i = 0; i < seg_commands_len; i++)
		fprintf(out, "  %-9s %s\n", seg_commands[i].name, seg_commands[i].help);
	fprintf(out, "\n`segmentd COMMAND --help` tells a command's options; `segmentd config` prints the whole\n"
		     "configuration with its defaults. Exit codes: 0 done, 1 failed, 2 usage.\n");
}

/* Columns that a UTF-8 text of single-width characters takes. */
static int columns(const char *text)
{
	int n = 0;
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void print_command_help(const struct seg_command *c)
{
	print_usage(c, stdout);
	printf("\n%s\n", c->help);
	if (c->more)
		printf("\n%s\n", c->more);
	if (c->options[0].name)
		printf("\n");
	for (const struct seg_command_option *o = c->options; o->name; o++) {
		char left[64];
		snprintf(left, sizeof(left), "--%s%s%s", o->name, o->value ? " " : "", o->value ? o->value : "");
		int pad = LEFT_COLUMNS - columns(left);
		printf("  %s%*s %s\n", left, pad > 0 ? pad : 0, "", o->help);
	}
}

/* ---- parsing ---- */

int seg_usage_error(const struct seg_args *args, const char *fmt, ...)
{
	va_list ap;
	fprintf(stderr, "segmentd %s: ", args->command->name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\nUsage: ");
	print_usage(args->command, stderr);
	return SEG_EXIT_USAGE;
}

int seg_failed(const struct seg_args *args, const struct seg_error *err)
{
	fprintf(stderr, "segmentd %s: %s\n", args->command->name, err->text[0] ? err->text : seg_rc_text(err->rc));
	return SEG_EXIT_FAILED;
}

static int option_index(const struct seg_command *c, const char *name, size_t len)
{
	for (int i = 0; c->options[i].name; i++) {
		if (strlen(c->options[i].name) == len && memcmp(c->options[i].name, name, len) == 0)
			return i;
	}
	return -1;
}

static int unknown_option(const struct seg_args *args, const char *name)
{
	struct seg_nearest nearest = {.name = name};
	for (int i = 0; args->command->options[i].name; i++)
		seg_nearest_offer(&nearest, args->command->options[i].name);
	if (seg_nearest_likely(&nearest))
		return seg_usage_error(args, "there is no option --%s; did you mean --%s?", name, nearest.best);
	return seg_usage_error(args, "there is no option --%s", name);
}

/* One option at argv[*at]; moves *at past it. */
static int parse_option(struct seg_args *args, int argc, char **argv, int *at)
{
	const char *name = argv[*at] + 2, *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	int i = option_index(args->command, name, len);
	if (i < 0)
		return unknown_option(args, name);
	const struct seg_command_option *o = &args->command->options[i];
	(*at)++;
	if (!o->value) {
		if (equals)
			return seg_usage_error(args, "--%s takes no value", o->name);
		args->values[i] = "";
		return SEG_EXIT_DONE;
	}
	if (equals)
		args->values[i] = equals + 1;
	else if (*at < argc)
		args->values[i] = argv[(*at)++];
	else
		return seg_usage_error(args, "--%s needs a value (%s)", o->name, o->value);
	if (!o->many)
		return SEG_EXIT_DONE;
	args->many[args->many_len++] = args->values[i];
	while (*at < argc && strncmp(argv[*at], "--", 2) != 0)
		args->many[args->many_len++] = argv[(*at)++];
	return SEG_EXIT_DONE;
}

static int parse(struct seg_args *args, int argc, char **argv)
{
	int at = 0;
	while (at < argc) {
		if (strncmp(argv[at], "--", 2) == 0) {
			int failed = parse_option(args, argc, argv, &at);
			if (failed)
				return failed;
			continue;
		}
		if (args->words_len == sizeof(args->words) / sizeof(args->words[0]) || !args->command->words)
			return seg_usage_error(args, "unexpected word: %s", argv[at]);
		args->words[args->words_len++] = argv[at++];
	}
	return SEG_EXIT_DONE;
}

const char *seg_args_get(const struct seg_args *args, const char *name)
{
	int i = option_index(args->command, name, strlen(name));
	return i >= 0 ? args->values[i] : NULL;
}

bool seg_args_number(const struct seg_args *args, const char *name, int64_t lo, int64_t hi, int64_t otherwise,
		     int64_t *ret)
{
	const char *text = seg_args_get(args, name);
	*ret = otherwise;
	if (!text)
		return true;
	if (seg_parse_int(text, ret) == SEG_PARSE_OK && *ret >= lo && *ret <= hi)
		return true;
	seg_usage_error(args, "--%s %s: a whole number from %lld to %lld is needed", name, text, (long long)lo,
			(long long)hi);
	return false;
}

/* ---- configuration ---- */

static bool known_feature(const char *name, const char **ret_nearest)
{
	*ret_nearest = NULL;
	if (seg_catalogue_find(name) >= 0)
		return true;
	*ret_nearest = seg_catalogue_nearest(name);
	return false;
}

struct seg_config *seg_args_config(const struct seg_args *args)
{
	const char *path = seg_args_get(args, "config");
	struct seg_config_checks checks = {.known_feature = known_feature, .check_rules = seg_rules_check};
	struct seg_config *config;
	struct seg_error err = {0};
	if (!path) {
		seg_usage_error(args, "--config FILE is needed; `segmentd config` prints one to begin with");
		return NULL;
	}
	if (seg_config_load(path, &checks, &config, &err)) {
		seg_failed(args, &err);
		return NULL;
	}
	static const enum seg_log_level levels[] = {SEG_LOG_ERROR, SEG_LOG_WARN, SEG_LOG_INFO, SEG_LOG_DEBUG};
	seg_log_init(levels[config->log.level], config->log.format == SEG_CONFIG_LOG_JSON);
	return config;
}

/* ---- main ---- */

static int run_command(const struct seg_command *c, int argc, char **argv)
{
	struct seg_args args = {.command = c};
	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0) {
			print_command_help(c);
			return SEG_EXIT_DONE;
		}
	}
	args.many = calloc((size_t)argc + 1, sizeof(*args.many));
	if (!args.many)
		return SEG_EXIT_FAILED;
	int rc = parse(&args, argc, argv);
	if (!rc)
		rc = c->run(&args);
	free(args.many);
	return rc;
}

int seg_command_main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "--help";
	if (strcmp(name, "--help") == 0 || strcmp(name, "help") == 0 || strcmp(name, "-h") == 0) {
		print_help(argc > 1 ? stdout : stderr);
		return argc > 1 ? SEG_EXIT_DONE : SEG_EXIT_USAGE;
	}
	if (strcmp(name, "--version") == 0) {
		printf("segmentd %s\n", SEG_VERSION);
		return SEG_EXIT_DONE;
	}
	const char *nearest;
	const struct seg_command *c = find_command(name, &nearest);
	if (c)
		return run_command(c, argc - 2, argv + 2);
	if (nearest)
		fprintf(stderr, "segmentd: there is no command %s; did you mean %s?\n", name, nearest);
	else
		fprintf(stderr, "segmentd: there is no command %s; `segmentd --help` lists them\n", name);
	return SEG_EXIT_USAGE;
}
