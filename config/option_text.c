/* Looking options up, and what the table says in words. */
#include "config/options.h"

#include <stdio.h>
#include <string.h>

#include "config/value.h"

const struct seg_option *seg_option_find(const char *name)
{
	for (size_t i = 0; i < seg_options_len; i++)
		if (strcmp(seg_options[i].name, name) == 0)
			return &seg_options[i];
	return NULL;
}

bool seg_option_is_section(const char *prefix)
{
	size_t len = strlen(prefix);

	for (size_t i = 0; i < seg_options_len; i++)
		if (strncmp(seg_options[i].name, prefix, len) == 0 && seg_options[i].name[len] == '.')
			return true;
	return false;
}

const char *seg_option_section_help(const char *prefix)
{
	for (size_t i = 0; i < seg_option_sections_len; i++)
		if (strcmp(seg_option_sections[i].name, prefix) == 0)
			return seg_option_sections[i].help;
	return NULL;
}

const char *seg_option_type_text(const struct seg_option *o)
{
	switch (o->type) {
	case SEG_OPTION_INT:
		return "whole number";
	case SEG_OPTION_DOUBLE:
		return "number";
	case SEG_OPTION_DURATION:
		return "duration";
	case SEG_OPTION_BYTES:
		return "size";
	case SEG_OPTION_ENUM:
		return "choice";
	case SEG_OPTION_STRING:
		return o->flags & SEG_OPTION_SECRET ? "secret" : "text";
	case SEG_OPTION_LIST:
		return "list";
	case SEG_OPTION_MAP:
		return "map";
	case SEG_OPTION_RATES:
		return "map of numbers";
	case SEG_OPTION_MAPPING:
		return "map of fields";
	case SEG_OPTION_FEATURES:
		return "preset or list";
	case SEG_OPTION_RULES:
		return "list of rules";
	}
	return "";
}

static void join(const char *const *names, char *ret, size_t size)
{
	size_t len = 0;

	ret[0] = '\0';
	for (size_t i = 0; names[i] && len < size; i++) {
		const char *between = i == 0 ? "" : names[i + 1] ? ", " : " or ";

		len += (size_t)snprintf(ret + len, size - len, "%s%s", between, names[i]);
	}
}

static void number_text(const struct seg_option *o, double x, char ret[SEG_VALUE_TEXT_MAX])
{
	if (o->type == SEG_OPTION_DURATION && x == 0)
		strcpy(ret, "0s");
	else if (o->type == SEG_OPTION_DURATION)
		seg_format_duration((int64_t)x, ret);
	else if (o->type == SEG_OPTION_BYTES)
		seg_format_bytes((int64_t)x, ret);
	else
		seg_format_double(x, ret);
}

static void range_text(const struct seg_option *o, char *ret, size_t size)
{
	char lo[SEG_VALUE_TEXT_MAX], hi[SEG_VALUE_TEXT_MAX];

	number_text(o, o->lo, lo);
	number_text(o, o->hi, hi);
	snprintf(ret, size, "%s%s%s to %s", o->word ? o->word : "",
		 o->word      ? ", or "
		 : o->lo_open ? "above "
			      : "",
		 lo, hi);
}

void seg_option_allowed(const struct seg_option *o, char *ret, size_t size)
{
	switch (o->type) {
	case SEG_OPTION_INT:
	case SEG_OPTION_DOUBLE:
	case SEG_OPTION_DURATION:
	case SEG_OPTION_BYTES:
		range_text(o, ret, size);
		return;
	case SEG_OPTION_ENUM:
		join(o->names, ret, size);
		return;
	case SEG_OPTION_FEATURES:
		snprintf(ret, size, "rfm, behaviour, email, full or a list");
		return;
	case SEG_OPTION_STRING:
		snprintf(ret, size, "%s",
			 o->flags & SEG_OPTION_TOPIC	   ? "1 to 249 characters of A-Z a-z 0-9 . _ -"
			 : o->flags & SEG_OPTION_NAME	   ? "1 to 100 characters of A-Z a-z 0-9 . _ -"
			 : o->flags & SEG_OPTION_CURRENCY  ? "three capital letters"
			 : o->flags & SEG_OPTION_ADDRESS   ? "HOST:PORT"
			 : o->flags & SEG_OPTION_URL	   ? "http://… or https://…, or empty"
			 : o->flags & SEG_OPTION_NOT_EMPTY ? "not empty"
							   : "any");
		return;
	case SEG_OPTION_RULES:
		snprintf(ret, size, "at most 64 of {name, when}");
		return;
	case SEG_OPTION_LIST:
		snprintf(ret, size, "texts");
		return;
	case SEG_OPTION_MAP:
		snprintf(ret, size, "names and values");
		return;
	case SEG_OPTION_RATES:
		snprintf(ret, size, "currencies and numbers above 0");
		return;
	case SEG_OPTION_MAPPING:
		snprintf(ret, size, "paths or {const: value}");
		return;
	}
}

bool seg_option_key_is_secret(const char *key)
{
	static const char *const parts[] = {"password", "secret", "token", "key.pem", "oauthbearer.config"};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (strcasestr(key, parts[i]))
			return true;
	return false;
}
