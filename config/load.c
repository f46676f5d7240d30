#include "config/load.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/check.h"
#include "config/resolve.h"

enum seg_rc seg_config_load_text(const char *text, size_t len, const char *name, const struct seg_config_checks *checks,
				 struct seg_config **ret, struct seg_error *err)
{
	struct seg_error own = {.text = ""};
	struct seg_check c = {.name = name, .checks = checks, .err = err ? err : &own};
	struct seg_node *root = NULL;
	enum seg_rc rc;

	assert(seg_options_len <= SEG_CHECK_OPTIONS_MAX);
	c.config = calloc(1, sizeof(*c.config));
	if (!c.config)
		return seg_check_no_memory(&c);
	rc = seg_tree_parse(text, len, name, &root, c.err);
	if (rc == SEG_OK)
		rc = seg_resolve_env(root, name, c.err);
	if (rc == SEG_OK)
		rc = seg_check_run(&c, root);
	seg_tree_free(root);
	if (rc == SEG_OK)
		*ret = c.config;
	else
		seg_config_free(c.config);
	return rc;
}

enum seg_rc seg_config_default(struct seg_config **ret, struct seg_error *err)
{
	return seg_config_load_text("", 0, "defaults", NULL, ret, err);
}

enum seg_rc seg_config_load(const char *path, const struct seg_config_checks *checks, struct seg_config **ret,
			    struct seg_error *err)
{
	bool standard_input = strcmp(path, "-") == 0;
	const char *name = standard_input ? "standard input" : path;
	FILE *f = standard_input ? stdin : fopen(path, "rbe");
	char *text = NULL;
	size_t len;
	enum seg_rc rc;

	if (!f)
		return seg_error_set(err, SEG_IO, "%s: cannot be opened: %s", name, strerrordesc_np(errno));
	text = malloc(SEG_TREE_BYTES_MAX + 1);
	if (!text) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "%s: out of memory", name);
		goto out;
	}
	len = fread(text, 1, SEG_TREE_BYTES_MAX + 1, f);
	if (ferror(f))
		rc = seg_error_set(err, SEG_IO, "%s: cannot be read: %s", name, strerrordesc_np(errno));
	else
		rc = seg_config_load_text(text, len, name, checks, ret, err);
	explicit_bzero(text, len);
out:
	free(text);
	if (!standard_input)
		fclose(f);
	return rc;
}
