/* segmentd model: the versions of a running instance's model, and what people do with them. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "daemon/client.h"
#include "daemon/command.h"

enum { CELL_MAX = 256 };

/* ---- cells ---- */

/* Any value as a cell: texts as they are (control characters are '?'), numbers short, "-" for null. */
static void cell_of(const json_t *v, char ret[CELL_MAX])
{
	switch (v ? json_typeof(v) : JSON_NULL) {
	case JSON_STRING:
		snprintf(ret, CELL_MAX, "%s", json_string_value(v));
		break;
	case JSON_INTEGER:
		snprintf(ret, CELL_MAX, "%lld", (long long)json_integer_value(v));
		break;
	case JSON_REAL:
		snprintf(ret, CELL_MAX, "%.4g", json_real_value(v));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		snprintf(ret, CELL_MAX, "%s", json_is_true(v) ? "yes" : "no");
		break;
	case JSON_NULL:
	case JSON_OBJECT:
	case JSON_ARRAY:
		snprintf(ret, CELL_MAX, "-");
		break;
	}
	for (char *at = ret; *at; at++) {
		if ((unsigned char)*at < 0x20 || *at == 0x7f)
			*at = '?';
	}
}

static int columns(const char *text)
{
	int n = 0;
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

struct column {
	const char *key, *head;
	bool right, time;
};

static void cell_at(const json_t *row, const struct column *c, char ret[CELL_MAX])
{
	const json_t *v = json_object_get(row, c->key);
	if (c->time && json_is_integer(v))
		seg_time_format(json_integer_value(v), ret);
	else
		cell_of(v, ret);
}

/* Columns end with a NULL key. */
static void print_table(const json_t *rows, const struct column *table)
{
	int widths[16] = {0};
	char cell[CELL_MAX] = "";
	for (size_t c = 0; table[c].key; c++) {
		widths[c] = columns(table[c].head);
		for (size_t i = 0; i < json_array_size(rows); i++) {
			cell_at(json_array_get(rows, i), &table[c], cell);
			widths[c] = columns(cell) > widths[c] ? columns(cell) : widths[c];
		}
	}
	for (size_t i = 0; i <= json_array_size(rows); i++) {
		for (size_t c = 0; table[c].key; c++) {
			if (i == 0)
				snprintf(cell, sizeof(cell), "%s", table[c].head);
			else
				cell_at(json_array_get(rows, i - 1), &table[c], cell);
			int pad = widths[c] - columns(cell);
			bool last = !table[c + 1].key && !table[c].right;
			printf("%s%*s%s%*s", c ? "  " : "", table[c].right ? pad : 0, "", cell,
			       table[c].right || last ? 0 : pad, "");
		}
		printf("\n");
	}
}

/* ---- what the answers look like ---- */

static void print_list(const json_t *answer)
{
	static const struct column table[] = {
		{"version", "VERSION", true, false},
		{"state", "STATE", false, false},
		{"promoted_ms", "PROMOTED", false, true},
		{"k", "K", true, false},
		{"reason", "REASON", false, false},
		{"restored_from", "FROM", true, false},
		{"inertia_per_customer", "INERTIA", true, false},
		{NULL, NULL, false, false},
	};
	const json_t *versions = json_object_get(answer, "versions");
	if (json_array_size(versions) == 0)
		printf("There is no model yet.\n");
	else
		print_table(versions, table);
}

/* {name: number, …} as "name value" lines. */
static void print_numbers(const char *title, const json_t *o)
{
	const char *key;
	json_t *value;
	char cell[CELL_MAX] = "";
	if (!json_is_object(o))
		return;
	printf("\n%s\n", title);
	json_object_foreach((json_t *)(uintptr_t)o, key, value)
	{
		if (json_is_array(value) || json_is_object(value))
			continue;
		cell_of(value, cell);
		printf("  ");
		seg_client_print(key);
		printf(": %s\n", cell);
	}
}

/* The gate's figures beside their limits, and how good fits with other numbers of segments are. */
static void print_fit(const json_t *fit)
{
	static const struct column curve[] = {
		{"k", "K", true, false},
		{"silhouette", "SILHOUETTE", true, false},
		{"davies_bouldin", "DAVIES-BOULDIN", true, false},
		{"calinski_harabasz", "CALINSKI-HARABASZ", true, false},
		{"inertia", "INERTIA", true, false},
		{"stability", "STABILITY", true, false},
		{NULL, NULL, false, false},
	};
	print_numbers("How the fit went", fit);
	print_numbers("The gate", json_object_get(fit, "gate"));
	print_numbers("Its limits", json_object_get(fit, "limits"));
	if (json_array_size(json_object_get(fit, "curve")) > 0) {
		printf("\n");
		print_table(json_object_get(fit, "curve"), curve);
	}
}

static void print_version(const json_t *answer)
{
	static const struct column segments[] = {
		{"segment_id", "SEGMENT", false, false},
		{"name", "NAME", false, false},
		{"alias", "ALIAS", false, false},
		{"customers", "CUSTOMERS", true, false},
		{"share", "SHARE", true, false},
		{"origin", "ORIGIN", false, false},
		{NULL, NULL, false, false},
	};
	static const struct column features[] = {
		{"name", "FEATURE", false, false}, {"transform", "TRANSFORM", false, false},
		{"mean", "MEAN", true, false},	   {"scale", "SCALE", true, false},
		{"weight", "WEIGHT", true, false}, {"imputed", "IMPUTED", true, false},
		{NULL, NULL, false, false},
	};
	print_numbers("Version", answer);
	print_fit(json_object_get(answer, "fit"));
	printf("\n");
	print_table(json_object_get(answer, "segments"), segments);
	printf("\n");
	print_table(json_object_get(answer, "features"), features);
}

static void print_diff(const json_t *answer)
{
	static const struct column matrix[] = {
		{"from", "FROM", false, false},	 {"to", "TO", false, false}, {"customers", "CUSTOMERS", true, false},
		{"share", "SHARE", true, false}, {NULL, NULL, false, false},
	};
	static const struct column segments[] = {
		{"segment_id", "SEGMENT", false, false}, {"name", "NAME", false, false},
		{"origin", "ORIGIN", false, false},	 {"customers", "CUSTOMERS", true, false},
		{"share", "SHARE", true, false},	 {NULL, NULL, false, false},
	};
	static const struct column customers[] = {
		{"customer_id", "CUSTOMER", false, false},
		{"from", "FROM", false, false},
		{"to", "TO", false, false},
		{NULL, NULL, false, false},
	};
	print_numbers("On the sample", answer);
	printf("\nWho would be where\n");
	print_table(json_object_get(answer, "matrix"), matrix);
	printf("\nWhat each segment would be\n");
	print_table(json_object_get(answer, "segments"), segments);
	if (json_array_size(json_object_get(answer, "customers")) == 0)
		return;
	printf("\nSome of those who would move\n");
	print_table(json_object_get(answer, "customers"), customers);
}

static void print_validation(const json_t *answer)
{
	static const struct column matrix[] = {
		{"label", "LABEL", false, false},
		{"segment_id", "SEGMENT", false, false},
		{"name", "NAME", false, false},
		{"customers", "CUSTOMERS", true, false},
		{"of_label", "OF LABEL", true, false},
		{"of_segment", "OF SEGMENT", true, false},
		{NULL, NULL, false, false},
	};
	print_numbers("On the sample", answer);
	printf("\n");
	print_table(json_object_get(answer, "matrix"), matrix);
}

static void print_accepted(const json_t *answer)
{
	(void)answer;
	printf("Accepted: it is published with the fold's next commit; `segmentd model list` shows when it is.\n");
}

/* ---- the command ---- */

static const struct verb {
	const char *name, *method, *after; /* of the path, behind /api/v1/models and the version */
	bool version;
	void (*print)(const json_t *answer);
} verbs[] = {
	{"list", "GET", "", false, print_list},
	{"show", "GET", "", true, print_version},
	{"diff", "GET", "/diff", true, print_diff},
	{"promote", "POST", "/promote", true, print_accepted},
	{"rollback", "POST", "/rollback", true, print_accepted},
	{"refit", "POST", "/refit", false, print_accepted},
	{"validate", "GET", "/validate", false, print_validation},
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	}
	return NULL;
}

static bool is_number(const char *text)
{
	return text[0] && strlen(text) <= 20 && text[strspn(text, "0123456789")] == '\0';
}

/* Caller frees; NULL: out of memory. */
static char *path_of(const struct seg_args *args, const struct verb *verb)
{
	const char *against = seg_args_get(args, "against"), *labels = seg_args_get(args, "labels");
	const char *query = strcmp(verb->name, "diff") == 0 && against	    ? "?against="
			    : strcmp(verb->name, "validate") == 0 && labels ? "?labels="
									    : NULL;
	char *before = NULL, *path;
	if (asprintf(&before, "/api/v1/models%s%s%s%s", verb->version ? "/" : "", verb->version ? args->words[1] : "",
		     verb->after, query ? query : "") < 0)
		return NULL;
	path = seg_client_path(before, !query ? "" : against && verb->version ? against : labels, "");
	free(before);
	return path;
}

static int ask(const struct seg_args *args, const struct verb *verb)
{
	const char *token = seg_args_get(args, "token");
	struct seg_error err = {0};
	struct seg_buf text;
	json_t *answer;
	char *path = path_of(args, verb);
	if (!path)
		return SEG_EXIT_FAILED;
	struct seg_client_request request = {
		.url = seg_args_get(args, "url"),
		.token = token ? token : getenv("SEGMENTD_TOKEN"),
		.method = verb->method,
		.path = path,
	};
	enum seg_rc rc = seg_client_ask(&request, &answer, &text, &err);
	free(path);
	if (rc)
		return seg_failed(args, &err);
	if (seg_args_has(args, "json"))
		fwrite(text.data, 1, text.len, stdout);
	else
		verb->print(answer);
	seg_buf_release(&text);
	json_decref(answer);
	return SEG_EXIT_DONE;
}

int seg_cmd_model(const struct seg_args *args)
{
	const struct verb *verb = args->words_len > 0 ? find_verb(args->words[0]) : NULL;
	if (!seg_args_get(args, "url"))
		return seg_usage_error(args, "--url URL is needed: where a running segmentd listens, e.g. "
					     "http://127.0.0.1:8080");
	if (!verb)
		return seg_usage_error(args, "list, show, diff, promote, rollback, refit or validate?");
	if (args->words_len != (verb->version ? 2U : 1U))
		return seg_usage_error(args, verb->version ? "%s needs one version" : "%s takes no version",
				       verb->name);
	if (verb->version && !is_number(args->words[1]))
		return seg_usage_error(args, "%s is no version: `segmentd model list` shows their numbers",
				       args->words[1]);
	if (strcmp(verb->name, "validate") == 0 && !seg_args_get(args, "labels"))
		return seg_usage_error(args, "--labels LABELS is needed: attr:NAME, or rules");
	return ask(args, verb);
}
