/* One option from its text: numbers, choices and texts. */
#include "config/check.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/resolve.h"
#include "config/value.h"

enum { STRING_MAX = 4096, NAME_MAX_BYTES = 100, TOPIC_MAX_BYTES = 249, ALLOWED_MAX = 200 };

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static_assert(sizeof(enum seg_format) == sizeof(unsigned), "enums are stored as unsigned");

static enum seg_rc refuse_value(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
				const char *what)
{
	char shown[SEG_CHECK_SHOWN_MAX], allowed[ALLOWED_MAX];

	seg_option_allowed(o, allowed, sizeof(allowed));
	return seg_check_refuse(c, n, o->name, "%s %s; allowed: %s",
				seg_check_shown(n, seg_check_is_secret(o, n), shown), what, allowed);
}

static const char *expected(const struct seg_option *o)
{
	switch (o->type) {
	case SEG_OPTION_INT:
		return "is not a whole number";
	case SEG_OPTION_DOUBLE:
		return "is not a number";
	case SEG_OPTION_DURATION:
		return "is not a duration like 500ms, 10s, 5m, 2h or 7d";
	case SEG_OPTION_BYTES:
		return "is not a size like 65536, 64KiB, 8MiB or 1GiB";
	case SEG_OPTION_ENUM:
	case SEG_OPTION_STRING:
	case SEG_OPTION_LIST:
	case SEG_OPTION_MAP:
	case SEG_OPTION_RATES:
	case SEG_OPTION_MAPPING:
	case SEG_OPTION_FEATURES:
	case SEG_OPTION_RULES:
		break;
	}
	return "is not allowed";
}

static bool in_range(const struct seg_option *o, double x)
{
	return (o->lo_open ? x > o->lo : x >= o->lo) && x <= o->hi;
}

static enum seg_rc assign_int(struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	enum seg_parse parsed = SEG_PARSE_FORMAT;
	int64_t v = 0;

	if ((o->flags & SEG_OPTION_WORD) && strcmp(n->text, o->word) == 0) {
		*(int64_t *)seg_option_at(o, c->config) = 0;
		return SEG_OK;
	}
	if (o->type == SEG_OPTION_INT)
		parsed = seg_parse_int(n->text, &v);
	else if (o->type == SEG_OPTION_DURATION)
		parsed = seg_parse_duration(n->text, &v);
	else if (o->type == SEG_OPTION_BYTES)
		parsed = seg_parse_bytes(n->text, &v);
	if (parsed == SEG_PARSE_FORMAT)
		return refuse_value(c, o, n, expected(o));
	if (parsed == SEG_PARSE_OVERFLOW || !in_range(o, (double)v))
		return refuse_value(c, o, n, "is out of range");
	*(int64_t *)seg_option_at(o, c->config) = v;
	return SEG_OK;
}

static enum seg_rc assign_double(struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	double v = 0;
	enum seg_parse parsed = seg_parse_double(n->text, &v);

	if (parsed == SEG_PARSE_FORMAT)
		return refuse_value(c, o, n, expected(o));
	if (parsed == SEG_PARSE_OVERFLOW || !in_range(o, v))
		return refuse_value(c, o, n, "is out of range");
	*(double *)seg_option_at(o, c->config) = v;
	return SEG_OK;
}

enum seg_rc seg_check_number(const struct seg_check *c, const struct seg_option *o, const struct seg_node *n,
			     const char *what, double hi, double *ret)
{
	char shown[SEG_CHECK_SHOWN_MAX];
	double v;

	if (n->kind != SEG_NODE_TEXT)
		return seg_check_refuse(c, n, o->name, "%s of %s where a number above 0 is expected",
					seg_node_kind_text(n), what);
	if (seg_parse_double(n->text, &v) != SEG_PARSE_OK || v <= 0 || v > hi)
		return seg_check_refuse(c, n, o->name, "%s of %s is not a number above 0 and up to %g",
					seg_check_shown(n, false, shown), what, hi);
	*ret = v;
	return SEG_OK;
}

static enum seg_rc assign_enum(struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	const char *nearest = NULL;
	char what[128] = "is not known";
	int i = seg_check_choice(o->names, n->text, &nearest);

	if (i < 0) {
		if (nearest)
			snprintf(what, sizeof(what), "is not known (did you mean `%s`?)", nearest);
		return refuse_value(c, o, n, what);
	}
	*(unsigned *)seg_option_at(o, c->config) = (unsigned)i;
	return SEG_OK;
}

static bool is_name(const char *text, size_t max)
{
	size_t len = strspn(text, NAME_CHARS);

	return len > 0 && len <= max && text[len] == '\0' && strcmp(text, ".") != 0 && strcmp(text, "..") != 0;
}

/* HOST:PORT, [IPV6]:PORT. */
static bool is_address(const char *text)
{
	const char *colon = strrchr(text, ':');
	size_t host = colon ? (size_t)(colon - text) : 0;
	int64_t port;

	if (host == 0 || text[strcspn(text, " \t/")] != '\0')
		return false;
	if (text[0] == '[' ? text[host - 1] != ']' || host < 4 : memchr(text, ':', host) != NULL)
		return false;
	return colon[1] >= '0' && colon[1] <= '9' && seg_parse_int(colon + 1, &port) == SEG_PARSE_OK && port <= 65535;
}

static bool is_url(const char *text)
{
	size_t scheme = strncmp(text, "http://", 7) == 0 ? 7 : strncmp(text, "https://", 8) == 0 ? 8 : 0;

	if (*text == '\0')
		return true;
	return scheme > 0 && text[scheme] != '\0' && text[scheme] != '/' && text[strcspn(text, " \t\"<>")] == '\0';
}

static bool is_allowed(const struct seg_option *o, const char *text)
{
	if (o->flags & SEG_OPTION_NOT_EMPTY)
		return text[strspn(text, " ,")] != '\0';
	if (o->flags & SEG_OPTION_TOPIC)
		return is_name(text, TOPIC_MAX_BYTES);
	if (o->flags & SEG_OPTION_NAME)
		return is_name(text, NAME_MAX_BYTES);
	if (o->flags & SEG_OPTION_CURRENCY)
		return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == 3 && text[3] == '\0';
	if (o->flags & SEG_OPTION_ADDRESS)
		return is_address(text);
	if (o->flags & SEG_OPTION_URL)
		return is_url(text);
	return true;
}

static enum seg_rc assign_string(struct seg_check *c, const struct seg_option *o, const struct seg_node *n)
{
	char **at = seg_option_at(o, c->config);

	if (strlen(n->text) > STRING_MAX)
		return refuse_value(c, o, n, "is longer than 4096 bytes");
	for (const char *p = n->text; *p; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return refuse_value(c, o, n, "has a control character or line break in it");
	if (!is_allowed(o, n->text))
		return refuse_value(c, o, n, "is not allowed");
	*at = strdup(n->text);
	return *at ? SEG_OK : seg_check_no_memory(c);
}

static enum seg_rc assign_text(struct seg_check *c, const struct seg_option *o, struct seg_node *n)
{
	enum seg_rc rc;

	if (n->kind != SEG_NODE_TEXT)
		return seg_check_refuse(c, n, o->name, "%s where one value (%s) is expected", seg_node_kind_text(n),
					seg_option_type_text(o));
	/* `token:` alone may mean "", `token: null` means something that there is not. */
	if (seg_node_is_null(n) && (o->type != SEG_OPTION_STRING || n->text[0] != '\0'))
		return seg_check_refuse(
			c, n, o->name,
			"has no value; leave the key out for the default, or put it in quotes if that is its text");
	if (o->flags & SEG_OPTION_SECRET) {
		rc = seg_resolve_file(n, c->name, c->err);
		if (rc != SEG_OK)
			return rc;
	}
	switch (o->type) {
	case SEG_OPTION_INT:
	case SEG_OPTION_DURATION:
	case SEG_OPTION_BYTES:
		return assign_int(c, o, n);
	case SEG_OPTION_DOUBLE:
		return assign_double(c, o, n);
	case SEG_OPTION_ENUM:
		return assign_enum(c, o, n);
	case SEG_OPTION_STRING:
	case SEG_OPTION_LIST:
	case SEG_OPTION_MAP:
	case SEG_OPTION_RATES:
	case SEG_OPTION_MAPPING:
	case SEG_OPTION_FEATURES:
	case SEG_OPTION_RULES:
		break;
	}
	return assign_string(c, o, n);
}

enum seg_rc seg_check_assign(struct seg_check *c, const struct seg_option *o, struct seg_node *n)
{
	switch (o->type) {
	case SEG_OPTION_INT:
	case SEG_OPTION_DOUBLE:
	case SEG_OPTION_DURATION:
	case SEG_OPTION_BYTES:
	case SEG_OPTION_ENUM:
	case SEG_OPTION_STRING:
		return assign_text(c, o, n);
	case SEG_OPTION_LIST:
	case SEG_OPTION_MAP:
	case SEG_OPTION_RATES:
	case SEG_OPTION_MAPPING:
		return seg_check_collect(c, o, n);
	case SEG_OPTION_FEATURES:
		return seg_check_features(c, o, n);
	case SEG_OPTION_RULES:
		return seg_check_rule_segments(c, o, n);
	}
	return SEG_OK;
}

/* The host's name with what names may not have in them replaced. */
static void host_name(char ret[NAME_MAX_BYTES + 1])
{
	if (gethostname(ret, NAME_MAX_BYTES) != 0)
		ret[0] = '\0';
	ret[NAME_MAX_BYTES] = '\0';
	for (char *p = ret; *p; p++)
		if (!strchr(NAME_CHARS, *p))
			*p = '-';
	if (!is_name(ret, NAME_MAX_BYTES))
		strcpy(ret, "localhost");
}

/* A list's default is separated by ", ": it becomes nodes as the file would have them. */
static enum seg_rc default_list(struct seg_check *c, const struct seg_option *o)
{
	enum { ITEMS = 32, ITEM = 64 };
	char texts[ITEMS][ITEM];
	struct seg_node items[ITEMS], list = {.kind = SEG_NODE_LIST};
	const char *at = o->def;

	for (; *at && list.len < ITEMS; list.len++) {
		size_t len = strcspn(at, ",");

		snprintf(texts[list.len], ITEM, "%.*s", (int)len, at);
		items[list.len] = (struct seg_node){.kind = SEG_NODE_TEXT, .text = texts[list.len]};
		if (list.len > 0)
			items[list.len - 1].next = &items[list.len];
		at += len + strspn(at + len, ", ");
	}
	assert(*at == '\0');
	list.first = list.len ? items : NULL;
	return seg_check_assign(c, o, &list);
}

enum seg_rc seg_check_default(struct seg_check *c, const struct seg_option *o)
{
	char text[TOPIC_MAX_BYTES + 8];
	struct seg_node n = {.kind = SEG_NODE_TEXT, .text = text};

	if (o->type == SEG_OPTION_LIST)
		return default_list(c, o);
	if (o->type == SEG_OPTION_RULES)
		return seg_check_assign(c, o, &(struct seg_node){.kind = SEG_NODE_LIST});
	if (o->type == SEG_OPTION_MAP || o->type == SEG_OPTION_RATES || o->type == SEG_OPTION_MAPPING)
		return seg_check_assign(c, o, &(struct seg_node){.kind = SEG_NODE_MAP});
	if (o->def)
		snprintf(text, sizeof(text), "%s", o->def);
	else if (strncmp(o->derived, "<app>", 5) == 0)
		snprintf(text, sizeof(text), "%s%s", c->config->app, o->derived + 5);
	else
		host_name(text);
	return seg_check_assign(c, o, &n);
}
