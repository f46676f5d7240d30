#include "config/document.h"

#include <stdbool.h>
#include <string.h>

#include "config/options.h"

enum { WIDTH = 110, DEPTH_MAX = 4, PATH_BYTES = 128, ALLOWED_BYTES = 200 };

static void indent(FILE *f, size_t depth)
{
	fprintf(f, "%*s", (int)(2 * depth), "");
}

/* A comment in lines of at most WIDTH columns, broken at blanks. */
static void comment(FILE *f, size_t depth, const char *text)
{
	size_t room = WIDTH - 2 * depth - 2;

	while (*text) {
		size_t len = strlen(text);

		if (len > room)
			for (len = room; len > 0 && text[len] != ' '; len--)
				;
		if (len == 0)
			len = strcspn(text, " ");
		indent(f, depth);
		fprintf(f, "# %.*s\n", (int)len, text);
		text += len + strspn(text + len, " ");
	}
}

/* Quoted unless YAML reads it as the same text without. */
static void scalar(FILE *f, const char *text)
{
	static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "nan"};
	bool plain = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/") > 0 &&
		     text[strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")] == '\0';

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		plain = plain && strcmp(words[i], text) != 0;
	fprintf(f, plain ? "%s" : "\"%s\"", text);
}

static void list(FILE *f, const char *def)
{
	char item[PATH_BYTES];

	fputc('[', f);
	for (const char *at = def; *at;) {
		size_t len = strcspn(at, ",");

		snprintf(item, sizeof(item), "%.*s", (int)len, at);
		fputs(at == def ? "" : ", ", f);
		scalar(f, item);
		at += len + strspn(at + len, ", ");
	}
	fputc(']', f);
}

static void default_value(FILE *f, const struct seg_option *o)
{
	switch (o->type) {
	case SEG_OPTION_INT:
	case SEG_OPTION_DOUBLE:
	case SEG_OPTION_DURATION:
	case SEG_OPTION_BYTES:
	case SEG_OPTION_ENUM:
	case SEG_OPTION_FEATURES:
		fputs(o->def, f);
		return;
	case SEG_OPTION_STRING:
		scalar(f, o->def);
		return;
	case SEG_OPTION_RULES:
		fputs("[]", f);
		return;
	case SEG_OPTION_LIST:
		list(f, o->def);
		return;
	case SEG_OPTION_MAP:
	case SEG_OPTION_RATES:
	case SEG_OPTION_MAPPING:
		fputs("{}", f);
		return;
	}
}

static size_t depth_of(const char *name)
{
	size_t depth = 0;

	for (; *name; name++)
		depth += *name == '.';
	return depth;
}

/* The first `depth` + 1 parts of a dotted name. */
static void prefix_of(const char *name, size_t depth, char ret[PATH_BYTES])
{
	size_t len = 0;

	for (size_t parts = 0; name[len]; len++)
		if (name[len] == '.' && parts++ == depth)
			break;
	snprintf(ret, PATH_BYTES, "%.*s", (int)len, name);
}

static const char *last_part(const char *name)
{
	const char *dot = strrchr(name, '.');

	return dot ? dot + 1 : name;
}

/* Opens the sections of o that the option before it was not in. */
static void sections(FILE *f, const struct seg_option *o, const struct seg_option *before)
{
	char now[PATH_BYTES], last[PATH_BYTES];
	bool opened = false;

	for (size_t depth = 0; depth < depth_of(o->name); depth++) {
		const char *help;

		prefix_of(o->name, depth, now);
		prefix_of(before ? before->name : "", depth, last);
		if (strcmp(now, last) == 0)
			continue;
		help = seg_option_section_help(now);
		if (!opened)
			fputc('\n', f);
		opened = true;
		if (help)
			comment(f, depth, help);
		indent(f, depth);
		fprintf(f, "%s:\n", last_part(now));
	}
}

static void option(FILE *f, const struct seg_option *o)
{
	size_t depth = depth_of(o->name);
	char allowed[ALLOWED_BYTES], line[ALLOWED_BYTES + 64];

	seg_option_allowed(o, allowed, sizeof(allowed));
	comment(f, depth, o->help);
	snprintf(line, sizeof(line), "%s: %s.", seg_option_type_text(o), allowed);
	comment(f, depth, line);
	indent(f, depth);
	if (o->def) {
		fprintf(f, "%s: ", last_part(o->name));
		default_value(f, o);
	} else {
		fprintf(f, "# %s: %s", last_part(o->name), o->derived);
	}
	fputc('\n', f);
}

void seg_config_print_yaml(FILE *f)
{
	comment(f, 0,
		"Configuration of segmentd: every key with its default. Leave out what need not change. "
		"Durations are a whole number with ms, s, m, h or d; sizes with KiB, MiB or GiB. ${NAME} anywhere in a "
		"value "
		"is the environment variable NAME, $${ the characters themselves. The token and the settings of "
		"kafka.client "
		"may be file:PATH: what the file holds. `segmentd check` tells whether a file is right.");
	for (size_t i = 0; i < seg_options_len; i++) {
		const struct seg_option *o = &seg_options[i];

		sections(f, o, i ? o - 1 : NULL);
		if (depth_of(o->name) == 0)
			fputc('\n', f);
		option(f, o);
	}
}

/* Text of a table's cell. */
static void cell(FILE *f, const char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '<')
			fputc('\\', f);
		fputc(*text, f);
	}
}

static void row(FILE *f, const struct seg_option *o)
{
	char allowed[ALLOWED_BYTES];

	seg_option_allowed(o, allowed, sizeof(allowed));
	fprintf(f, "| `%s` | %s | ", o->name, seg_option_type_text(o));
	cell(f, allowed);
	fputs(" | ", f);
	if (o->def) {
		fputc('`', f);
		default_value(f, o);
		fputc('`', f);
	} else {
		cell(f, o->derived);
	}
	fputs(" | ", f);
	cell(f, o->help);
	fputs(" |\n", f);
}

static void heading(FILE *f, const char *top, bool is_section)
{
	const char *help = is_section ? seg_option_section_help(top) : NULL;

	if (is_section)
		fprintf(f, "\n## %s\n", top);
	else
		fputs("\n## General\n", f);
	if (help)
		fprintf(f, "\n%s\n", help);
	fputs("\n| key | type | allowed | default | |\n|---|---|---|---|---|\n", f);
}

/* The options of the top level first, then each section. */
void seg_config_print_markdown(FILE *f)
{
	char now[PATH_BYTES], last[PATH_BYTES] = "";

	fputs("# Configuration\n\n"
	      "One YAML file; `segmentd config` prints it with all defaults. Keys are written here with dots: "
	      "`commit.interval_ms`\n"
	      "is `interval_ms` below `commit`. A key that does not exist, a value of the wrong type or out of range, "
	      "an alias,\n"
	      "an anchor, a tag and a key given twice are errors with line and column.\n\n"
	      "- Durations: a whole number with `ms`, `s`, `m`, `h` or `d`. Sizes: bytes, or with `KiB`, `MiB`, "
	      "`GiB`.\n"
	      "- `${NAME}` anywhere in a value is the environment variable; it must be set. `$${` stands for `${`.\n"
	      "- `file:PATH` as the token or as a value in `kafka.client` is what the file holds, without the line end "
	      "at its end.\n"
	      "- Some keys shape profiles (listed below): after an unclean stop segmentd does not go on with others "
	      "without\n"
	      "  `--accept-config-change`.\n",
	      f);
	fputs("\nKeys that shape profiles: ", f);
	for (size_t i = 0, n = 0; i < seg_options_len; i++)
		if (seg_options[i].flags & SEG_OPTION_AGGREGATE)
			fprintf(f, "%s`%s`", n++ ? ", " : "", seg_options[i].name);
	fputs(".\n", f);
	heading(f, "", false);
	for (size_t i = 0; i < seg_options_len; i++)
		if (depth_of(seg_options[i].name) == 0)
			row(f, &seg_options[i]);
	for (size_t i = 0; i < seg_options_len; i++) {
		if (depth_of(seg_options[i].name) == 0)
			continue;
		prefix_of(seg_options[i].name, 0, now);
		if (strcmp(now, last) != 0)
			heading(f, now, true);
		strcpy(last, now);
		row(f, &seg_options[i]);
	}
}
