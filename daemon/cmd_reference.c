/* Reference material, from the same tables as the code: segmentd schema, features, config. */
#include <stdio.h>
#include <string.h>

#include "base/schemas.h"
#include "config/document.h"
#include "daemon/command.h"
#include "segmenter/catalogue_doc.h"

static int flushed(const struct seg_args *args)
{
	if (!fflush(stdout) && !ferror(stdout))
		return SEG_EXIT_DONE;
	struct seg_error err = {.rc = SEG_IO};
	snprintf(err.text, sizeof(err.text), "standard output cannot be written");
	return seg_failed(args, &err);
}

static int list_schemas(FILE *out)
{
	const char *name;
	for (size_t i = 0; (name = seg_schema_at(i, NULL)); i++)
		fprintf(out, "%s\n", name);
	return SEG_EXIT_DONE;
}

int seg_cmd_schema(const struct seg_args *args)
{
	if (args->words_len == 0) {
		list_schemas(stdout);
		return flushed(args);
	}
	if (args->words_len > 1)
		return seg_usage_error(args, "one name at a time");
	const char *text = seg_schema_text(args->words[0]);
	if (!text) {
		fprintf(stderr, "segmentd schema: there is no schema %s; there are:\n", args->words[0]);
		list_schemas(stderr);
		return SEG_EXIT_FAILED;
	}
	fputs(text, stdout);
	return flushed(args);
}

int seg_cmd_features(const struct seg_args *args)
{
	seg_catalogue_print(stdout, seg_args_has(args, "markdown"));
	return flushed(args);
}

int seg_cmd_config(const struct seg_args *args)
{
	if (seg_args_has(args, "markdown"))
		seg_config_print_markdown(stdout);
	else
		seg_config_print_yaml(stdout);
	return flushed(args);
}
