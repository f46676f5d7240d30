#include "config/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"

enum { ENV_NAME_MAX = 128 };

#define NAME_FIRST "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define NAME_CHARS NAME_FIRST "0123456789"

static enum seg_rc refuse(const struct seg_node *n, const char *name, const char *what, const char *subject,
			  const char *more, struct seg_error *err)
{
	return seg_error_set(err, SEG_INVALID, "%s:%zu:%zu: %s%.200s%s", name, n->line, n->column, what, subject, more);
}

/* The name of `${NAME}` at `at` into ret; NULL: malformed, else what follows it. */
static const char *env_name(const char *at, char ret[ENV_NAME_MAX])
{
	const char *from = at + 2;
	size_t len = strspn(from, NAME_CHARS);

	if (len == 0 || len >= ENV_NAME_MAX || !strchr(NAME_FIRST, from[0]) || from[len] != '}')
		return NULL;
	memcpy(ret, from, len);
	ret[len] = '\0';
	return from + len + 1;
}

static enum seg_rc put_variable(const struct seg_node *n, const char *name, const char **at, struct seg_buf *out,
				struct seg_error *err)
{
	char variable[ENV_NAME_MAX];
	const char *value, *end = env_name(*at, variable);

	if (!end)
		return refuse(n, name, "`${` must be followed by the name of an environment variable and `}`", "",
			      "; write `$${` for the characters themselves", err);
	value = getenv(variable);
	if (!value)
		return refuse(n, name, "the environment variable ", variable, " is not set", err);
	seg_buf_append(out, value, strlen(value));
	*at = end;
	return SEG_OK;
}

static enum seg_rc expand(const struct seg_node *n, const char *name, struct seg_buf *out, bool *ret_changed,
			  struct seg_error *err)
{
	for (const char *at = n->text; *at;) {
		enum seg_rc rc;

		if (strncmp(at, "$${", 3) == 0) {
			seg_buf_append(out, "${", 2);
			at += 3;
		} else if (strncmp(at, "${", 2) == 0) {
			*ret_changed = true;
			rc = put_variable(n, name, &at, out, err);
			if (rc != SEG_OK)
				return rc;
		} else {
			seg_buf_u8(out, (uint8_t)*at++);
		}
		if (out->failed)
			return refuse(n, name, "with its variables longer than 64 KiB", "", "", err);
	}
	return SEG_OK;
}

static void replace(struct seg_node *n, char *text, bool keep_written)
{
	if (keep_written && !n->written)
		n->written = n->text;
	else
		seg_text_free(n->text);
	n->text = text;
}

static enum seg_rc resolve_node(struct seg_node *n, const char *name, struct seg_error *err)
{
	struct seg_buf out;
	bool changed = false;
	enum seg_rc rc;

	if (n->kind != SEG_NODE_TEXT || !strstr(n->text, "${"))
		return SEG_OK;
	seg_buf_init(&out, SEG_TREE_TEXT_MAX);
	rc = expand(n, name, &out, &changed, err);
	if (rc == SEG_OK) {
		char *text = strndup(out.data ? (const char *)out.data : "", out.len);

		if (text)
			replace(n, text, changed);
		else
			rc = seg_error_set(err, SEG_NO_MEMORY, "%s: out of memory", name);
	}
	if (out.data)
		explicit_bzero(out.data, out.len);
	seg_buf_release(&out);
	return rc;
}

enum seg_rc seg_resolve_env(struct seg_node *root, const char *name, struct seg_error *err)
{
	enum seg_rc rc = SEG_OK;

	for (struct seg_node *n = root; n && rc == SEG_OK; n = n->all)
		rc = resolve_node(n, name, err);
	return rc;
}

/* All of a small regular file, NUL-terminated. NULL with *ret_why set: it cannot be. */
static char *read_small(const char *path, const char **ret_why)
{
	char *data = NULL;
	size_t len = 0;
	ssize_t got = 0;
	struct stat st;
	int fd = -1;

	*ret_why = NULL;
	/* Looked at before it is opened: opening alone does something to pipes and devices. */
	if (stat(path, &st) != 0)
		*ret_why = strerrordesc_np(errno);
	else if (!S_ISREG(st.st_mode))
		*ret_why = "not a regular file";
	else if ((fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)) < 0)
		*ret_why = strerrordesc_np(errno);
	else if (!(data = malloc(SEG_TREE_TEXT_MAX + 2)))
		*ret_why = "out of memory";
	while (!*ret_why && (got = read(fd, data + len, SEG_TREE_TEXT_MAX + 1 - len)) > 0)
		len += (size_t)got;
	if (got < 0)
		*ret_why = strerrordesc_np(errno);
	else if (len > SEG_TREE_TEXT_MAX)
		*ret_why = "larger than 64 KiB";
	else if (data && memchr(data, '\0', len))
		*ret_why = "has a NUL byte";
	if (data && !*ret_why) {
		data[len] = '\0';
	} else if (data) {
		explicit_bzero(data, len);
		free(data);
		data = NULL;
	}
	if (fd >= 0)
		close(fd);
	return data;
}

enum seg_rc seg_resolve_file(struct seg_node *n, const char *name, struct seg_error *err)
{
	const char *path, *why;
	size_t len;
	char *text;

	/* Only what the file itself says: a variable's value that begins so is a value. */
	if (n->kind != SEG_NODE_TEXT || strncmp(n->written ? n->written : n->text, "file:", 5) != 0)
		return SEG_OK;
	path = n->text + 5;
	if (*path == '\0')
		return refuse(n, name, "file: without a path", "", "", err);
	text = read_small(path, &why);
	if (!text)
		return seg_error_set(err, SEG_INVALID, "%s:%zu:%zu: the file %.200s cannot be used: %s", name, n->line,
				     n->column, n->written ? n->written + 5 : path, why);
	len = strlen(text);
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		text[--len] = '\0';
	replace(n, text, true);
	return SEG_OK;
}
