#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "producers/topic_admin_impl.h"

void seg_findings_init(struct seg_findings *f)
{
	memset(f, 0, sizeof *f);
}

void seg_findings_release(struct seg_findings *f)
{
	free(f->items);
	memset(f, 0, sizeof *f);
}

enum seg_verdict seg_findings_worst(const struct seg_findings *f)
{
	enum seg_verdict worst = SEG_VERDICT_OK;

	for (size_t i = 0; i < f->len; i++) {
		if (f->items[i].verdict > worst)
			worst = f->items[i].verdict;
	}
	return worst;
}

enum seg_rc admin_find(struct seg_findings *f, enum seg_verdict verdict, const char *subject, struct seg_error *err,
		       const char *fmt, ...)
{
	struct seg_finding *item;
	va_list ap;

	if (f->len == f->cap) {
		size_t cap = f->cap ? f->cap * 2 : 16;
		struct seg_finding *more = realloc(f->items, cap * sizeof *more);

		if (!more)
			return seg_error_set(err, SEG_NO_MEMORY, "no memory for findings");
		f->items = more;
		f->cap = cap;
	}
	item = &f->items[f->len++];
	item->verdict = verdict;
	snprintf(item->subject, sizeof item->subject, "%s", subject);
	va_start(ap, fmt);
	vsnprintf(item->text, sizeof item->text, fmt, ap);
	va_end(ap);
	return SEG_OK;
}

/* A negative limit (retention.ms=-1) means none. */
static bool fits(enum seg_topic_compare compare, const char *is, const char *wanted)
{
	double a = strtod(is, NULL), b = strtod(wanted, NULL);

	switch (compare) {
	case SEG_COMPARE_EQUAL:
		return strcmp(is, wanted) == 0;
	case SEG_COMPARE_AT_LEAST:
		return a < 0 || a >= b;
	case SEG_COMPARE_AT_MOST:
		return a >= 0 && a <= b;
	}
	return false;
}

static const char *compare_text(enum seg_topic_compare compare)
{
	switch (compare) {
	case SEG_COMPARE_EQUAL:
		return "";
	case SEG_COMPARE_AT_LEAST:
		return "at least ";
	case SEG_COMPARE_AT_MOST:
		return "at most ";
	}
	return "";
}

static enum seg_rc judge_row(const struct admin_plan *p, const struct seg_topic_spec *spec,
			     const struct seg_topic_setting *row, const struct admin_settings *s,
			     struct seg_findings *f, struct seg_error *err)
{
	const char *is = admin_setting(s, row->name);
	char text[32];
	const char *wanted = admin_plan_value(p, spec, row, text);

	if (!is || fits(row->compare, is, wanted))
		return SEG_OK; /* what a broker does not tell it does not know: an older one */
	return admin_find(f, row->must ? SEG_VERDICT_FAIL : SEG_VERDICT_WARN, spec->name, err,
			  "%s is %s, should be %s%s: %s", row->name, is, compare_text(row->compare), wanted, row->why);
}

static enum seg_rc judge_settings(struct seg_admin *a, const struct admin_plan *p, const struct seg_topic_spec *spec,
				  struct seg_findings *f, struct seg_error *err)
{
	struct admin_settings s = {.len = 0};
	struct seg_error why;
	size_t len;
	const struct seg_topic_setting *rows = seg_topic_settings(spec->role, &len);
	enum seg_rc rc = admin_settings_read(a, RD_KAFKA_RESOURCE_TOPIC, spec->name, &s, &why);

	if (rc == SEG_RETRY)
		return seg_error_set(err, rc, "%s", why.text);
	if (rc)
		return admin_find(f, SEG_VERDICT_WARN, spec->name, err, "not checked: %s", why.text);
	for (size_t i = 0; i < len && !rc; i++)
		rc = judge_row(p, spec, &rows[i], &s, f, err);
	admin_settings_release(&s);
	return rc;
}

/* A changelog or input with another count would be read by the wrong worker; elsewhere the key alone decides. */
static enum seg_verdict partitions_verdict(enum seg_topic_role role)
{
	switch (role) {
	case SEG_TOPIC_INPUT:
	case SEG_TOPIC_CHANGELOG:
	case SEG_TOPIC_MODEL_SUMS:
	case SEG_TOPIC_MODEL:
	case SEG_TOPIC_SEGMENTS:
		return SEG_VERDICT_FAIL;
	case SEG_TOPIC_CHANGES:
	case SEG_TOPIC_ALERTS:
	case SEG_TOPIC_TRIGGERS:
	case SEG_TOPIC_CONTACTS:
		return SEG_VERDICT_WARN;
	case SEG_TOPIC_DEAD_LETTERS:
	case SEG_TOPIC_ROLES:
		break;
	}
	return SEG_VERDICT_OK;
}

static enum seg_rc judge_layout(const struct admin_plan *p, const struct seg_topic_spec *spec,
				const struct seg_topic_info *info, struct seg_findings *f, struct seg_error *err)
{
	enum seg_verdict verdict = partitions_verdict(spec->role);
	int32_t wanted = admin_plan_partitions(p, spec);
	enum seg_rc rc = SEG_OK;

	if (spec->role == SEG_TOPIC_INPUT)
		wanted = p->partitions; /* all alike is what counts */
	if (verdict != SEG_VERDICT_OK && wanted > 0 && info->partitions != wanted)
		rc = admin_find(f, verdict, spec->name, err, "has %d partitions, should have %d%s",
				(int)info->partitions, (int)wanted,
				spec->role == SEG_TOPIC_INPUT ? ": all inputs need the same number" : "");
	if (!rc && info->replication < SEG_WANTED_REPLICATION)
		rc = admin_find(f, SEG_VERDICT_WARN, spec->name, err, "replication is %d, should be %d%s",
				(int)info->replication, SEG_WANTED_REPLICATION,
				p->brokers < SEG_WANTED_REPLICATION ? " (there are fewer brokers)" : "");
	return rc;
}

enum seg_rc admin_judge(struct seg_admin *a, const struct admin_plan *p, const struct seg_topic_spec *spec,
			const struct seg_topic_info *info, struct seg_findings *f, struct seg_error *err)
{
	size_t before = f->len;
	enum seg_rc rc;

	if ((rc = judge_layout(p, spec, info, f, err)) || (rc = judge_settings(a, p, spec, f, err)))
		return rc;
	if (f->len == before)
		rc = admin_find(f, SEG_VERDICT_OK, spec->name, err,
				"partitions=%d replication=%d, settings as they should be", (int)info->partitions,
				(int)info->replication);
	return rc;
}

static enum seg_rc judge_cluster(struct seg_admin *a, struct seg_findings *f, struct seg_error *err)
{
	struct seg_cluster_info cluster = {.brokers = 0};
	enum seg_rc rc = seg_admin_cluster(a, &cluster, err);

	if (rc || !cluster.knows_auto_create || !cluster.auto_create)
		return rc;
	return admin_find(f, SEG_VERDICT_WARN, "broker", err,
			  "auto.create.topics.enable is true: a misspelt topic would be made, with the wrong settings");
}

enum seg_rc seg_admin_check(struct seg_admin *a, const struct seg_topic_spec *specs, size_t len, struct seg_findings *f,
			    struct seg_error *err)
{
	struct admin_plan p = {.infos = NULL};
	enum seg_rc rc;

	if ((rc = admin_plan_make(a, specs, len, &p, err)))
		return rc;
	rc = judge_cluster(a, f, err);
	for (size_t i = 0; i < len && !rc; i++)
		rc = p.infos[i].exists ? admin_judge(a, &p, &specs[i], &p.infos[i], f, err)
				       : admin_find(f, SEG_VERDICT_FAIL, specs[i].name, err, "is missing: %s",
						    specs[i].role == SEG_TOPIC_INPUT
							    ? "create it, or segmentd topics create --inputs"
							    : "segmentd topics create makes it");
	admin_plan_release(&p);
	return rc;
}

static enum seg_rc describe_one(struct seg_admin *a, const struct admin_plan *p, const struct seg_topic_spec *spec,
				const struct seg_topic_info *info, struct seg_findings *f, struct seg_error *err)
{
	struct admin_settings s = {.len = 0};
	struct seg_findings judged;
	size_t len;
	const struct seg_topic_setting *rows = seg_topic_settings(spec->role, &len);
	char text[480];
	int n;
	enum seg_rc rc;

	if (!info->exists)
		return admin_find(f, SEG_VERDICT_FAIL, spec->name, err, "missing");
	seg_findings_init(&judged);
	if ((rc = admin_judge(a, p, spec, info, &judged, err)))
		goto out;
	n = snprintf(text, sizeof text, "partitions=%d replication=%d", (int)info->partitions, (int)info->replication);
	/* Settings that may not be read are left out; the verdict says so. */
	if (admin_settings_read(a, RD_KAFKA_RESOURCE_TOPIC, spec->name, &s, NULL))
		len = 0;
	for (size_t i = 0; i < len && n >= 0 && (size_t)n < sizeof text; i++) {
		const char *is = admin_setting(&s, rows[i].name);

		if (is)
			n += snprintf(text + n, sizeof text - (size_t)n, " %s=%s", rows[i].name, is);
	}
	rc = admin_find(f, seg_findings_worst(&judged), spec->name, err, "%s", text);
out:
	admin_settings_release(&s);
	seg_findings_release(&judged);
	return rc;
}

enum seg_rc seg_admin_describe(struct seg_admin *a, const struct seg_topic_spec *specs, size_t len,
			       struct seg_findings *f, struct seg_error *err)
{
	struct admin_plan p = {.infos = NULL};
	enum seg_rc rc;

	if ((rc = admin_plan_make(a, specs, len, &p, err)))
		return rc;
	for (size_t i = 0; i < len && !rc; i++)
		rc = describe_one(a, &p, &specs[i], &p.infos[i], f, err);
	admin_plan_release(&p);
	return rc;
}
