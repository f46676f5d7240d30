/* Writer schemas from schemas.dir. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "consumers/decoder_internal.h"

enum { MAX_FILES = 4096 };

static enum seg_rc load_file(struct seg_decoder *d, const char *path, struct seg_error *err)
{
	char *text = malloc(SEG_SCHEMA_MAX_TEXT + 1);
	FILE *f = text ? fopen(path, "rb") : NULL;
	enum seg_rc rc;

	if (!text)
		return seg_error_set(err, SEG_NO_MEMORY, "%s: out of memory", path);
	if (!f) {
		rc = seg_error_set(err, SEG_IO, "%s: %s", path, strerror(errno));
		goto out;
	}
	size_t len = fread(text, 1, SEG_SCHEMA_MAX_TEXT + 1, f);

	if (ferror(f))
		rc = seg_error_set(err, SEG_IO, "%s: cannot be read", path);
	else
		rc = seg_decoder_add_schema(d, text, len, NULL, err);
	if (rc == SEG_INVALID || rc == SEG_LIMIT)
		rc = seg_error_wrap(err, rc, "%s", path);
	fclose(f);
out:
	free(text);
	return rc;
}

static int is_schema(const struct dirent *e)
{
	size_t len = strlen(e->d_name);

	return len > 5 && strcmp(e->d_name + len - 5, ".avsc") == 0;
}

enum seg_rc seg_decoder_load_folder(struct seg_decoder *d, const char *folder, struct seg_error *err)
{
	struct dirent **entries = NULL;
	int n = scandir(folder, &entries, is_schema, alphasort);
	enum seg_rc rc = SEG_OK;

	if (n < 0)
		return seg_error_set(err, SEG_IO, "schemas.dir: %s: %s", folder, strerror(errno));
	if (n > MAX_FILES)
		rc = seg_error_set(err, SEG_LIMIT, "schemas.dir: %s has more than %d schemas", folder, MAX_FILES);
	for (int i = 0; i < n; i++) {
		char path[4096];

		if (rc == SEG_OK &&
		    (size_t)snprintf(path, sizeof(path), "%s/%s", folder, entries[i]->d_name) >= sizeof(path))
			rc = seg_error_set(err, SEG_INVALID, "schemas.dir: %s: the path is too long", folder);
		if (rc == SEG_OK)
			rc = load_file(d, path, err);
		free(entries[i]);
	}
	free(entries);
	return rc;
}
