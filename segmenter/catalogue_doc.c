#include "segmenter/catalogue_doc.h"

#include <string.h>

#include "segmenter/catalogue.h"

static const struct {
	const char *group, *title;
} groups[] = {{"rfm", "RFM, from orders"}, {"behaviour", "Behaviour, from web events"}, {"email", "E-mail"}};
static const char *const presets[] = {"rfm", "behaviour", "email", "full"};

static size_t widest(const char *(*text)(const struct seg_feature_def *))
{
	size_t width = 0;

	for (size_t i = 0; i < seg_catalogue_len(); i++) {
		size_t len = strlen(text(seg_catalogue_at(i)));

		width = len > width ? len : width;
	}
	return width;
}

static const char *name_of(const struct seg_feature_def *def)
{
	return def->name;
}

static const char *unit_of(const struct seg_feature_def *def)
{
	return def->unit;
}

static void print_group(FILE *out, bool markdown, const char *group, const char *title)
{
	int name_width = (int)widest(name_of), unit_width = (int)widest(unit_of);

	if (markdown)
		fprintf(out, "## %s\n\n| name | unit | transform | definition |\n|---|---|---|---|\n", title);
	else
		fprintf(out, "%s\n", title);
	for (size_t i = 0; i < seg_catalogue_len(); i++) {
		const struct seg_feature_def *def = seg_catalogue_at(i);

		if (strcmp(def->group, group) != 0)
			continue;
		if (markdown)
			fprintf(out, "| `%s` | %s | %s | %s |\n", def->name, def->unit,
				seg_transform_name(def->transform), def->help);
		else
			fprintf(out, "  %-*s  %-*s  %-6s  %s\n", name_width, def->name, unit_width, def->unit,
				seg_transform_name(def->transform), def->help);
	}
	fputc('\n', out);
}

static void print_preset(FILE *out, bool markdown, const char *name)
{
	struct seg_feature_config features[SEG_MAX_FEATURES];
	size_t len = seg_preset(name, features, SEG_MAX_FEATURES);

	fprintf(out, markdown ? "- `%s`: " : "  %s: ", name);
	for (size_t i = 0; i < len; i++)
		fprintf(out, "%s%s%s", i ? ", " : "", features[i].name,
			features[i].transform == SEG_LINEAR ? " (linear)" : "");
	fputc('\n', out);
}

void seg_catalogue_print(FILE *out, bool markdown)
{
	if (markdown)
		fputs("# Feature catalogue\n\n"
		      "A feature is a pure function of a customer's profile and the as-of time. Days have 86,400 s and "
		      "are "
		      "fractional. A missing value is imputed where a vector is made. The transform is the "
		      "presets'.\n\n",
		      out);
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++)
		print_group(out, markdown, groups[i].group, groups[i].title);
	fputs(markdown ? "## Profile attributes\n\n`attr:NAME` is the profile attribute NAME if it is a number or a "
			 "boolean (0 or 1), otherwise missing. `attr:NAME=VALUE` is 1 if it is VALUE (text, number, "
			 "true or "
			 "false), 0 if it is another, missing without one.\n\n## Presets\n\n"
		       : "Profile attributes\n  attr:NAME is the profile attribute NAME if it is a number or a boolean "
			 "(0 or 1), otherwise missing.\n  attr:NAME=VALUE is 1 if it is VALUE (text, number, true or "
			 "false), 0 if it is another, missing without one.\n\nPresets\n",
	      out);
	for (size_t i = 0; i < sizeof(presets) / sizeof(presets[0]); i++)
		print_preset(out, markdown, presets[i]);
}
