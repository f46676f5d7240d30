#include "config/check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/value.h"

enum { PATH_MAX_BYTES = 512, LIST_TEXT = 220 };

enum seg_rc seg_check_refuse(const struct seg_check *c, const struct seg_node *n, const char *option, const char *fmt,
			     ...)
{
	char text[sizeof(c->err->text)], where[48] = "";
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (n)
		snprintf(where, sizeof(where), ":%zu:%zu", n->line, n->column);
	return seg_error_set(c->err, SEG_INVALID, "%s%s: %s%s%s", c->name, where, option, *option ? ": " : "", text);
}

enum seg_rc seg_check_no_memory(const struct seg_check *c)
{
	return seg_error_set(c->err, SEG_NO_MEMORY, "%s: out of memory", c->name);
}

const char *seg_check_shown(const struct seg_node *n, bool secret, char ret[SEG_CHECK_SHOWN_MAX])
{
	const char *text = n->written ? n->written : n->text;
	size_t len = 0, max = SEG_CHECK_SHOWN_MAX - 8;

	if (secret) {
		strcpy(ret, "the value");
		return ret;
	}
	ret[len++] = '`';
	for (; *text && len < max; text++)
		ret[len++] = (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text;
	if (*text) {
		/* Not in the middle of a character. */
		while (len > 1 && ((unsigned char)*text & 0xc0) == 0x80) {
			text--;
			len--;
		}
		len += (size_t)sprintf(ret + len, "...");
	}
	strcpy(ret + len, "`");
	return ret;
}

bool seg_check_is_secret(const struct seg_option *o, const struct seg_node *n)
{
	if (o->type == SEG_OPTION_MAP && n->key)
		return seg_option_key_is_secret(n->key);
	return (o->flags & (SEG_OPTION_SECRET | SEG_OPTION_URL)) != 0;
}

int seg_check_choice(const char *const *names, const char *text, const char **ret_nearest)
{
	struct seg_nearest nearest = {.name = text};

	for (int i = 0; names[i]; i++) {
		if (strcmp(names[i], text) == 0)
			return i;
		seg_nearest_offer(&nearest, names[i]);
	}
	*ret_nearest = seg_nearest_likely(&nearest) ? nearest.best : NULL;
	return -1;
}

/* Calls back for each name that may stand right below prefix ("" at the top): sections and options, each once. */
static void each_child(const char *prefix, void (*child)(void *arg, const char *name), void *arg)
{
	size_t len = strlen(prefix), skip = len + (len > 0);
	char name[PATH_MAX_BYTES], last[PATH_MAX_BYTES] = "";

	for (size_t i = 0; i < seg_options_len; i++) {
		const char *full = seg_options[i].name;

		if (len > 0 && (strncmp(full, prefix, len) != 0 || full[len] != '.'))
			continue;
		snprintf(name, sizeof(name), "%.*s", (int)strcspn(full + skip, "."), full + skip);
		/* Options of one section stand together in the table. */
		if (strcmp(name, last) == 0)
			continue;
		strcpy(last, name);
		child(arg, name);
	}
}

/* Names at one place: the nearest to what was written, and all of them as text. */
struct known {
	const char *written;
	unsigned distance;
	char best[PATH_MAX_BYTES], all[LIST_TEXT];
	size_t len;
};

static void offer_child(void *arg, const char *name)
{
	struct known *k = arg;
	unsigned distance = seg_edit_distance(k->written, name);

	if (distance < k->distance) {
		k->distance = distance;
		snprintf(k->best, sizeof(k->best), "%s", name);
	}
	if (k->len < sizeof(k->all))
		k->len += (size_t)snprintf(k->all + k->len, sizeof(k->all) - k->len, "%s%s", k->len ? ", " : "", name);
}

/* A key that exists, but elsewhere: `brokers` at the top is kafka.brokers. */
static const char *elsewhere(const char *key)
{
	for (size_t i = 0; i < seg_options_len; i++) {
		const char *dot = strrchr(seg_options[i].name, '.');

		if (strcmp(seg_options[i].name, key) == 0 || (dot && strcmp(dot + 1, key) == 0))
			return seg_options[i].name;
	}
	return NULL;
}

static enum seg_rc refuse_unknown(const struct seg_check *c, const struct seg_node *n, const char *prefix)
{
	struct seg_node at = {.line = n->key_line, .column = n->key_column};
	struct seg_nearest likely = {.name = n->key};
	struct known k = {.written = n->key, .distance = 1000};
	const char *other = elsewhere(n->key);
	char shown[SEG_CHECK_SHOWN_MAX], where[PATH_MAX_BYTES + 8] = "";

	each_child(prefix, offer_child, &k);
	seg_nearest_offer(&likely, k.best);
	seg_check_shown(&(struct seg_node){.text = n->key}, false, shown);
	if (*prefix)
		snprintf(where, sizeof(where), " in `%s`", prefix);
	/* A slip of one letter here is likelier than the right name in the wrong place, more is not. */
	if (seg_nearest_likely(&likely) && (!other || likely.distance <= 1))
		return seg_check_refuse(c, &at, "", "unknown key %s%s; did you mean `%s`?", shown, where, k.best);
	if (other && strchr(n->key, '.'))
		return seg_check_refuse(c, &at, "", "unknown key %s%s; write `%.*s:` and below it, indented, the rest",
					shown, where, (int)strcspn(n->key, "."), n->key);
	if (other)
		return seg_check_refuse(c, &at, "", "unknown key %s%s; did you mean `%s`?", shown, where, other);
	return seg_check_refuse(c, &at, "", "unknown key %s%s; the nearest known is `%s`, all are: %s", shown, where,
				k.best, k.all);
}

static enum seg_rc walk(struct seg_check *c, struct seg_node *map, const char *prefix);

static enum seg_rc section(struct seg_check *c, struct seg_node *n, const char *path)
{
	struct known k = {.written = "", .distance = 1000};

	if (n->kind == SEG_NODE_MAP)
		return walk(c, n, path);
	if (seg_node_is_null(n))
		return SEG_OK;
	each_child(path, offer_child, &k);
	return seg_check_refuse(c, n, path, "%s where a section with these keys is expected: %s", seg_node_kind_text(n),
				k.all);
}

static enum seg_rc entry(struct seg_check *c, struct seg_node *n, const char *prefix)
{
	char path[PATH_MAX_BYTES];
	const struct seg_option *o;

	snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", n->key);
	/* Keys with a dot in them would otherwise pass for a path. */
	if (strchr(n->key, '.'))
		return refuse_unknown(c, n, prefix);
	o = seg_option_find(path);
	if (o) {
		c->given[o - seg_options] = n;
		return seg_check_assign(c, o, n);
	}
	return seg_option_is_section(path) ? section(c, n, path) : refuse_unknown(c, n, prefix);
}

static enum seg_rc walk(struct seg_check *c, struct seg_node *map, const char *prefix)
{
	enum seg_rc rc = SEG_OK;

	for (struct seg_node *n = map->first; n && rc == SEG_OK; n = n->next)
		rc = entry(c, n, prefix);
	return rc;
}

static const struct seg_node *child(const struct seg_node *map, const char *key)
{
	for (const struct seg_node *n = map ? map->first : NULL; n; n = n->next)
		if (strcmp(n->key, key) == 0)
			return n;
	return NULL;
}

/* Without `sources` all are read, with it those it lists. */
static enum seg_rc set_read(struct seg_check *c, const struct seg_node *root)
{
	const struct seg_node *sources = child(root, "sources");
	bool any = false;

	for (int i = 0; i < SEG_SOURCES; i++) {
		c->config->sources[i].read = !sources || child(sources, seg_source_names[i]);
		any |= c->config->sources[i].read;
	}
	if (!any)
		return seg_check_refuse(c, sources, "sources",
					"lists none; name at least one of web, email, orders, "
					"profiles, or leave it out to read all");
	return SEG_OK;
}

enum seg_rc seg_check_run(struct seg_check *c, struct seg_node *root)
{
	enum seg_rc rc = SEG_OK;

	if (root)
		rc = walk(c, root, "");
	if (rc == SEG_OK)
		rc = set_read(c, root);
	for (size_t i = 0; i < seg_options_len && rc == SEG_OK; i++)
		if (!c->given[i])
			rc = seg_check_default(c, &seg_options[i]);
	return rc == SEG_OK ? seg_check_rules(c) : rc;
}
