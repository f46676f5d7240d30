/* segmentd state: what the stores of a data folder hold. Stores are opened, so nobody else may have them open. */
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/about.h"
#include "daemon/command.h"
#include "daemon/event_id.h"
#include "daemon/state_stores.h"
#include "daemon/verify.h"
#include "segmenter/catalogue.h"
#include "state/codec.h"

/* ---- stats ---- */

static void print_offsets(const char *name, const int64_t offsets[SEG_SOURCES])
{
	printf("\"%s\":{", name);
	for (int s = 0; s < SEG_SOURCES; s++)
		printf("%s\"%s\":%" PRId64, s ? "," : "", seg_source_names[s], offsets[s]);
	printf("}");
}

static enum seg_rc print_stats(struct seg_state_store *at, void *ctx, struct seg_error *err)
{
	uint64_t profiles = 0;
	(void)ctx;
	enum seg_rc rc = at->store ? seg_state_count(at, &profiles, err)
				   : seg_error_set(err, SEG_CORRUPT, "%s", at->damaged.text);
	if (rc) {
		fprintf(stderr, "partition %" PRId32 ": %s\n", at->partition, err->text);
		return rc;
	}
	printf("{\"app\":\"%s\",\"partition\":%" PRId32 ",\"profiles\":%" PRIu64 ",\"bytes\":%" PRIu64
	       ",\"whole\":%s,\"cut\":",
	       at->about.app, at->partition, profiles, seg_store_bytes(at->store), at->whole ? "true" : "false");
	if (at->has_cut) {
		printf("{\"seq\":%" PRIu64 ",\"model_version\":%" PRIu64 ",\"stream_time_ms\":%" PRId64
		       ",\"wall_ms\":%" PRId64 ",\"customers\":%" PRIu64 ",",
		       at->cut.seq, at->cut.model_version, at->cut.stream_time_ms, at->cut.wall_ms, at->cut.customers);
		print_offsets("next", at->cut.next);
		printf(",");
		print_offsets("replay_from", at->cut.replay_from);
		printf("}}\n");
	} else {
		printf("null}\n");
	}
	return SEG_OK;
}

/* ---- dump ---- */

struct line {
	char *id, *text; /* owned */
	size_t id_len;
};

struct dump {
	struct seg_state_store *at;
	struct line *lines;
	size_t len, cap;
};

static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static json_t *features_json(const struct seg_about *about, const struct seg_profile *p, int64_t now_ms)
{
	json_t *o = json_object();
	for (size_t i = 0; i < seg_catalogue_len(); i++)
		json_object_set_new(o, seg_catalogue_at(i)->name, number(seg_catalogue_value(i, p, now_ms, NULL)));
	for (uint32_t i = 0; i < about->features_len; i++) {
		const char *name = about->features[i].name;
		if (strncmp(name, "attr:", 5) == 0)
			json_object_set_new(o, name, number(seg_attribute_feature(p, name + 5)));
	}
	return o;
}

static json_t *number_text(uint64_t n)
{
	char text[32];
	snprintf(text, sizeof(text), "%" PRIu64, n);
	return json_string(text);
}

static json_t *contribution_json(const struct seg_contribution *c)
{
	if (c->basis == 0)
		return json_null();
	json_t *values = json_array();
	for (uint32_t i = 0; i < c->len; i++)
		json_array_append_new(values, c->values[i] == SEG_MISSING ? json_null() : json_integer(c->values[i]));
	return json_pack("{s:o, s:o, s:I, s:I, s:o}", "basis", number_text(c->basis), "cluster",
			 number_text(c->cluster), "promotion", (json_int_t)c->promotion, "evaluated_at_ms",
			 (json_int_t)c->evaluated_at_ms, "values", values);
}

static json_t *rules_json(const struct seg_held_rules *rules)
{
	json_t *list = json_array();
	for (size_t at = 0; at < rules->len; at += strlen(rules->names + at) + 1)
		json_array_append_new(list, json_string(rules->names + at));
	return list;
}

static json_t *change_id(const struct dump *d, const struct seg_profile *p)
{
	if (p->decision.change_number == 0)
		return json_null();
	char id[SEG_EVENT_ID_LEN + 1];
	struct seg_birth birth = {d->at->about.topics[p->decision.birth_source], d->at->partition,
				  p->decision.birth_offset};
	seg_event_id(d->at->about.app, p->id, &birth, p->decision.change_number, id);
	return json_string(id);
}

static json_t *customer_json(const struct dump *d, const struct seg_profile *p)
{
	int64_t now_ms = d->at->has_cut ? d->at->cut.stream_time_ms : SEG_NO_TIME;
	if (now_ms == SEG_NO_TIME)
		now_ms = p->last_ms;
	char segment[32];
	snprintf(segment, sizeof(segment), "s%" PRIu64, p->decision.cluster);
	json_t *o = json_object();
	json_object_set_new(o, "customer_id", json_stringn(p->id.ptr, p->id.len));
	json_object_set_new(o, "partition", json_integer(d->at->partition));
	json_object_set_new(o, "segment_id", p->decision.cluster ? json_string(segment) : json_null());
	json_object_set_new(o, "as_of_ms", json_integer(now_ms));
	json_object_set_new(o, "features", features_json(&d->at->about, p, now_ms));
	json_object_set_new(o, "contribution", contribution_json(&p->contribution));
	json_object_set_new(o, "change_number", json_integer((json_int_t)p->decision.change_number));
	json_object_set_new(o, "change_id", change_id(d, p));
	json_object_set_new(o, "rules", rules_json(&p->decision.rules));
	return o;
}

static enum seg_rc add_line(struct dump *d, const struct seg_profile *p, struct seg_error *err)
{
	if (d->len == d->cap) {
		size_t cap = d->cap ? d->cap * 2 : 1024;
		struct line *more = realloc(d->lines, cap * sizeof(*more));
		if (!more)
			return seg_error_set(err, SEG_NO_MEMORY, "dump: out of memory");
		d->lines = more;
		d->cap = cap;
	}
	json_t *o = customer_json(d, p);
	struct line l = {malloc(p->id.len + 1), json_dumps(o, JSON_COMPACT | JSON_REAL_PRECISION(17)), p->id.len};
	json_decref(o);
	if (!l.id || !l.text) {
		free(l.id);
		free(l.text);
		return seg_error_set(err, SEG_NO_MEMORY, "dump: out of memory");
	}
	memcpy(l.id, p->id.ptr, p->id.len);
	d->lines[d->len++] = l;
	return SEG_OK;
}

static enum seg_rc dump_profile(void *ctx, const struct seg_profile *p, struct seg_error *err)
{
	return p->decision.alive ? add_line(ctx, p, err) : SEG_OK;
}

static int by_id(const void *a, const void *b)
{
	const struct line *x = a, *y = b;
	size_t len = x->id_len < y->id_len ? x->id_len : y->id_len;
	int order = memcmp(x->id, y->id, len);
	return order ? order : (x->id_len > y->id_len) - (x->id_len < y->id_len);
}

static enum seg_rc print_dump(struct seg_state_store *at, void *ctx, struct seg_error *err)
{
	struct dump d = {.at = at};
	(void)ctx;
	if (!at->store) {
		fprintf(stderr, "segmentd state: partition %" PRId32 ": %s\n", at->partition, at->damaged.text);
		return seg_error_set(err, SEG_CORRUPT, "%s", at->damaged.text);
	}
	if (!at->whole)
		fprintf(stderr,
			"segmentd state: partition %" PRId32
			": the last checkpoint was not whole: profiles may be older "
			"than the newest commit\n",
			at->partition);
	enum seg_rc rc = seg_state_each(at, dump_profile, &d, err);
	if (rc == SEG_CORRUPT)
		fprintf(stderr, "segmentd state: partition %" PRId32 ": nothing of it is dumped: %s\n", at->partition,
			err->text);
	if (d.len > 0)
		qsort(d.lines, d.len, sizeof(*d.lines), by_id);
	for (size_t i = 0; i < d.len; i++) {
		if (!rc)
			printf("%s\n", d.lines[i].text);
		free(d.lines[i].id);
		free(d.lines[i].text);
	}
	free(d.lines);
	return rc;
}

/* ---- verify ---- */

struct verify {
	struct seg_verify *with;
	bool failed;
};

static enum seg_rc print_verify(struct seg_state_store *at, void *ctx, struct seg_error *err)
{
	struct verify *v = ctx;
	return seg_verify_store(v->with, at, stdout, &v->failed, err);
}

static int verify(const struct seg_args *args, const char *data)
{
	struct verify v = {0};
	struct seg_error err = {0};
	struct seg_config *config = NULL;
	if (seg_args_has(args, "config")) {
		config = seg_args_config(args);
		if (!config)
			return SEG_EXIT_FAILED;
	}
	enum seg_rc rc = seg_verify_open(config, &v.with, &err);
	if (!rc)
		rc = seg_state_for_each_store(data, print_verify, &v, &err);
	if (!rc && config)
		rc = seg_verify_fleet(v.with, stdout, &v.failed, &err);
	if (!rc && !config)
		printf("Kafka was not asked: give --config FILE to compare with the group's offsets and the sums\n");
	int code = rc ? seg_failed(args, &err) : v.failed ? SEG_EXIT_FAILED : SEG_EXIT_DONE;
	seg_verify_close(v.with);
	seg_config_free(config);
	return code;
}

int seg_cmd_state(const struct seg_args *args)
{
	const char *data = seg_args_get(args, "data");
	const char *what = args->words_len == 1 ? args->words[0] : "";
	struct seg_error err = {0};
	if (!data)
		return seg_usage_error(args, "--data DIR is needed: data_dir of the configuration");
	if (strcmp(what, "verify") == 0)
		return verify(args, data);
	if (strcmp(what, "stats") != 0 && strcmp(what, "dump") != 0)
		return seg_usage_error(args, "stats, dump or verify?");
	enum seg_rc rc =
		seg_state_for_each_store(data, strcmp(what, "dump") == 0 ? print_dump : print_stats, NULL, &err);
	return rc ? seg_failed(args, &err) : SEG_EXIT_DONE;
}
