#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "producers/kafka_txn.h"
#include "producers/topic_admin_impl.h"

enum { AGAIN_MS = 100, HEADERS_BYTES = 64 << 10 };

enum seg_rc seg_admin_open(const struct seg_kafka_client *client, int timeout_ms, struct seg_admin **ret,
			   struct seg_error *err)
{
	/* Asking for a topic must not make it. */
	static const struct seg_kafka_setting own[] = {{"allow.auto.create.topics", "false"}};
	struct seg_admin *a;
	rd_kafka_conf_t *conf = NULL;
	enum seg_rc rc;

	if ((rc = seg_kafka_conf(client, true, own, sizeof own / sizeof *own, &conf, err)))
		return rc;
	seg_kafka_conf_quiet(conf); /* a broker that is not there would be told again and again */
	if (!(a = calloc(1, sizeof *a))) {
		rd_kafka_conf_destroy(conf);
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for a Kafka client");
	}
	if ((rc = seg_kafka_new(RD_KAFKA_PRODUCER, conf, &a->rk, err))) {
		free(a);
		return rc;
	}
	a->queue = rd_kafka_queue_new(a->rk);
	a->timeout_ms = timeout_ms;
	*ret = a;
	return SEG_OK;
}

bool seg_admin_close(struct seg_admin *a, int timeout_ms)
{
	bool fine;

	if (!a)
		return true;
	rd_kafka_queue_destroy(a->queue);
	fine = seg_kafka_destroy(a->rk, timeout_ms);
	free(a);
	return fine;
}

static enum seg_rc no_answer(const struct seg_admin *a, const char *what, const char *why, struct seg_error *err)
{
	return seg_error_set(err, SEG_RETRY, "%s: no answer from the brokers within %d ms: %s", what, a->timeout_ms,
			     why);
}

/* The answer to an admin request of this kind; NULL: none in time. What comes late for an earlier one is dropped. */
static rd_kafka_event_t *await(struct seg_admin *a, rd_kafka_event_type_t type)
{
	/* The request has a time-out of its own; a little more, so that its reason is what is told. */
	int64_t until = seg_monotonic_ms() + a->timeout_ms + AGAIN_MS, left;

	while ((left = until - seg_monotonic_ms()) > 0) {
		rd_kafka_event_t *event = rd_kafka_queue_poll(a->queue, (int)left);

		if (event && rd_kafka_event_type(event) == type)
			return event;
		if (event)
			rd_kafka_event_destroy(event);
	}
	return NULL;
}

static rd_kafka_AdminOptions_t *options_new(struct seg_admin *a, rd_kafka_admin_op_t op)
{
	rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(a->rk, op);
	char text[128];

	(void)rd_kafka_AdminOptions_set_request_timeout(options, a->timeout_ms, text, sizeof text);
	return options;
}

enum seg_rc admin_settings_read(struct seg_admin *a, rd_kafka_ResourceType_t type, const char *name,
				struct admin_settings *ret, struct seg_error *err)
{
	rd_kafka_AdminOptions_t *options = options_new(a, RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS);
	rd_kafka_ConfigResource_t *resource = rd_kafka_ConfigResource_new(type, name);
	const rd_kafka_ConfigResource_t **resources;
	rd_kafka_event_t *event;
	size_t n = 0;

	rd_kafka_DescribeConfigs(a->rk, &resource, 1, options, a->queue);
	rd_kafka_ConfigResource_destroy(resource);
	rd_kafka_AdminOptions_destroy(options);
	if (!(event = await(a, RD_KAFKA_EVENT_DESCRIBECONFIGS_RESULT)))
		return no_answer(a, name, "time-out", err);
	if (rd_kafka_event_error(event)) {
		no_answer(a, name, rd_kafka_event_error_string(event), err);
		rd_kafka_event_destroy(event);
		return SEG_RETRY;
	}
	resources = rd_kafka_DescribeConfigs_result_resources(rd_kafka_event_DescribeConfigs_result(event), &n);
	if (n != 1 || rd_kafka_ConfigResource_error(resources[0])) {
		const char *why = n == 1 ? rd_kafka_ConfigResource_error_string(resources[0]) : NULL;

		seg_error_set(err, SEG_FATAL, "%s: its settings cannot be read: %s", name, why ? why : "empty answer");
		rd_kafka_event_destroy(event);
		return SEG_FATAL;
	}
	ret->event = event;
	ret->entries = rd_kafka_ConfigResource_configs(resources[0], &ret->len);
	return SEG_OK;
}

void admin_settings_release(struct admin_settings *s)
{
	if (s->event)
		rd_kafka_event_destroy(s->event);
	memset(s, 0, sizeof *s);
}

const char *admin_setting(const struct admin_settings *s, const char *name)
{
	for (size_t i = 0; i < s->len; i++) {
		if (strcmp(rd_kafka_ConfigEntry_name(s->entries[i]), name) == 0)
			return rd_kafka_ConfigEntry_value(s->entries[i]);
	}
	return NULL;
}

static void read_broker(struct seg_admin *a, int32_t id, struct seg_cluster_info *ret)
{
	struct admin_settings s = {.len = 0};
	const char *value;
	char name[16];

	snprintf(name, sizeof name, "%d", (int)id);
	if (admin_settings_read(a, RD_KAFKA_RESOURCE_BROKER, name, &s, NULL))
		return; /* not allowed to: then it is not known */
	if ((value = admin_setting(&s, "auto.create.topics.enable"))) {
		ret->knows_auto_create = true;
		ret->auto_create = strcmp(value, "true") == 0;
	}
	if ((value = admin_setting(&s, "metadata.version")) ||
	    (value = admin_setting(&s, "inter.broker.protocol.version")))
		snprintf(ret->version, sizeof ret->version, "%s", value);
	admin_settings_release(&s);
}

enum seg_rc seg_admin_cluster(struct seg_admin *a, struct seg_cluster_info *ret, struct seg_error *err)
{
	const struct rd_kafka_metadata *md = NULL;
	struct seg_cluster_info info = {.brokers = 0};
	rd_kafka_resp_err_t e = rd_kafka_metadata(a->rk, 0, NULL, &md, a->timeout_ms);
	char *id;

	if (e || md->broker_cnt == 0) {
		if (md)
			rd_kafka_metadata_destroy(md);
		return no_answer(a, "the cluster", rd_kafka_err2str(e), err);
	}
	info.brokers = md->broker_cnt;
	read_broker(a, md->brokers[0].id, &info);
	rd_kafka_metadata_destroy(md);
	if ((id = seg_kafka_cluster_id(a->rk, a->timeout_ms))) {
		snprintf(info.cluster_id, sizeof info.cluster_id, "%s", id);
		rd_kafka_mem_free(a->rk, id);
	}
	*ret = info;
	return SEG_OK;
}

enum seg_rc seg_admin_cluster_id(struct seg_admin *a, char ret[64], struct seg_error *err)
{
	const struct rd_kafka_metadata *md = NULL;
	rd_kafka_resp_err_t e = rd_kafka_metadata(a->rk, 0, NULL, &md, a->timeout_ms);
	char *id;

	if (e || md->broker_cnt == 0) {
		if (md)
			rd_kafka_metadata_destroy(md);
		return no_answer(a, "the cluster", rd_kafka_err2str(e), err);
	}
	rd_kafka_metadata_destroy(md);
	id = seg_kafka_cluster_id(a->rk, a->timeout_ms);
	snprintf(ret, 64, "%s", id ? id : "");
	if (id)
		rd_kafka_mem_free(a->rk, id);
	return SEG_OK;
}

static int32_t least_replication(const struct rd_kafka_metadata_topic *t)
{
	int32_t least = 0;

	for (int i = 0; i < t->partition_cnt; i++) {
		if (i == 0 || t->partitions[i].replica_cnt < least)
			least = t->partitions[i].replica_cnt;
	}
	return least;
}

static enum seg_rc read_layout(struct seg_admin *a, const char *name, struct seg_topic_info *ret, struct seg_error *err)
{
	const struct rd_kafka_metadata *md = NULL;
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(a->rk, name, NULL);
	rd_kafka_resp_err_t e;
	enum seg_rc rc = SEG_OK;

	if (!rkt)
		return seg_error_set(err, SEG_INVALID, "\"%s\" is no topic name", name);
	e = rd_kafka_metadata(a->rk, 0, rkt, &md, a->timeout_ms);
	if (e || md->topic_cnt != 1) {
		rc = no_answer(a, name, rd_kafka_err2str(e), err);
	} else if (md->topics[0].err == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) {
		ret->exists = false;
	} else if (md->topics[0].err && md->topics[0].err != RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE) {
		rc = seg_error_set(err, SEG_FATAL, "%s: %s", name, rd_kafka_err2str(md->topics[0].err));
	} else {
		ret->exists = true;
		ret->partitions = md->topics[0].partition_cnt;
		ret->replication = least_replication(&md->topics[0]);
	}
	if (md)
		rd_kafka_metadata_destroy(md);
	rd_kafka_topic_destroy(rkt);
	return rc;
}

enum seg_rc seg_admin_layout(struct seg_admin *a, const char *name, struct seg_topic_info *ret, struct seg_error *err)
{
	struct seg_topic_info info = {.max_message_bytes = -1, .delete_retention_ms = -1};
	enum seg_rc rc = read_layout(a, name, &info, err);

	if (!rc)
		*ret = info;
	return rc;
}

enum seg_rc seg_admin_topic(struct seg_admin *a, const char *name, struct seg_topic_info *ret, struct seg_error *err)
{
	struct seg_topic_info info = {.max_message_bytes = -1, .delete_retention_ms = -1};
	struct admin_settings s = {.len = 0};
	const char *value;
	enum seg_rc rc;

	if ((rc = read_layout(a, name, &info, err)))
		return rc;
	if (info.exists && !admin_settings_read(a, RD_KAFKA_RESOURCE_TOPIC, name, &s, NULL)) {
		if ((value = admin_setting(&s, "max.message.bytes")))
			info.max_message_bytes = strtoll(value, NULL, 10);
		if ((value = admin_setting(&s, "delete.retention.ms")))
			info.delete_retention_ms = strtoll(value, NULL, 10);
		admin_settings_release(&s);
	}
	*ret = info;
	return SEG_OK;
}

static void plan_input(struct admin_plan *p, const struct seg_topic_spec *spec, const struct seg_topic_info *info)
{
	int32_t partitions = info->exists ? info->partitions : spec->partitions;

	if (info->max_message_bytes > p->largest_input)
		p->largest_input = info->max_message_bytes;
	if (p->partitions && partitions && partitions != p->partitions)
		p->inputs_differ = true;
	if (partitions > p->partitions)
		p->partitions = partitions;
}

enum seg_rc admin_plan_make(struct seg_admin *a, const struct seg_topic_spec *specs, size_t len, struct admin_plan *ret,
			    struct seg_error *err)
{
	struct admin_plan p = {.infos = calloc(len + 1, sizeof *p.infos)};
	struct seg_cluster_info cluster = {.brokers = 0};
	enum seg_rc rc;

	if (!p.infos)
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for %zu topics", len);
	if ((rc = seg_admin_cluster(a, &cluster, err)))
		goto out;
	p.brokers = cluster.brokers;
	p.replication = p.brokers < SEG_WANTED_REPLICATION ? p.brokers : SEG_WANTED_REPLICATION;
	for (size_t i = 0; i < len; i++) {
		if ((rc = seg_admin_topic(a, specs[i].name, &p.infos[i], err)))
			goto out;
		if (specs[i].role == SEG_TOPIC_INPUT)
			plan_input(&p, &specs[i], &p.infos[i]);
	}
	*ret = p;
	return SEG_OK;
out:
	free(p.infos);
	return rc;
}

void admin_plan_release(struct admin_plan *p)
{
	free(p->infos);
	p->infos = NULL;
}

int32_t admin_plan_partitions(const struct admin_plan *p, const struct seg_topic_spec *spec)
{
	if (spec->partitions)
		return spec->partitions;
	return seg_topic_has_one_partition(spec->role) ? 1 : p->partitions;
}

int64_t admin_plan_max_bytes(const struct admin_plan *p, const struct seg_topic_spec *spec)
{
	if (spec->max_message_bytes)
		return spec->max_message_bytes;
	return spec->role == SEG_TOPIC_DEAD_LETTERS && p->largest_input ? p->largest_input + HEADERS_BYTES : 0;
}

const char *admin_plan_value(const struct admin_plan *p, const struct seg_topic_spec *spec,
			     const struct seg_topic_setting *row, char *text)
{
	int64_t bytes = admin_plan_max_bytes(p, spec);

	if (strcmp(row->name, "min.insync.replicas") == 0 && p->replication < SEG_WANTED_REPLICATION)
		return "1";
	if (strcmp(row->name, "max.message.bytes") == 0 && bytes) {
		snprintf(text, 32, "%lld", (long long)bytes);
		return text;
	}
	return row->value;
}

static bool has_row(enum seg_topic_role role, const char *name)
{
	size_t len;
	const struct seg_topic_setting *rows = seg_topic_settings(role, &len);

	for (size_t i = 0; i < len; i++) {
		if (strcmp(rows[i].name, name) == 0)
			return true;
	}
	return false;
}

static rd_kafka_NewTopic_t *new_topic(const struct admin_plan *p, const struct seg_topic_spec *spec,
				      struct seg_error *err)
{
	size_t len;
	const struct seg_topic_setting *rows = seg_topic_settings(spec->role, &len);
	char text[256] = "", value[32];
	rd_kafka_NewTopic_t *t;

	t = rd_kafka_NewTopic_new(spec->name, admin_plan_partitions(p, spec), p->replication, text, sizeof text);
	if (!t) {
		seg_error_set(err, SEG_INVALID, "%s: %s", spec->name, text);
		return NULL;
	}
	for (size_t i = 0; i < len; i++)
		rd_kafka_NewTopic_set_config(t, rows[i].name, admin_plan_value(p, spec, &rows[i], value));
	if (admin_plan_max_bytes(p, spec) && !has_row(spec->role, "max.message.bytes")) {
		snprintf(value, sizeof value, "%lld", (long long)admin_plan_max_bytes(p, spec));
		rd_kafka_NewTopic_set_config(t, "max.message.bytes", value);
	}
	return t;
}

/* *ret_why: NULL when it was made (or somebody else just did), else the broker's reason, in text. */
static enum seg_rc request_topic(struct seg_admin *a, rd_kafka_NewTopic_t *t, const char *name, char *text, size_t cap,
				 const char **ret_why, struct seg_error *err)
{
	rd_kafka_AdminOptions_t *options = options_new(a, RD_KAFKA_ADMIN_OP_CREATETOPICS);
	const rd_kafka_topic_result_t **results;
	rd_kafka_event_t *event;
	size_t n = 0;

	rd_kafka_CreateTopics(a->rk, &t, 1, options, a->queue);
	rd_kafka_AdminOptions_destroy(options);
	*ret_why = NULL;
	if (!(event = await(a, RD_KAFKA_EVENT_CREATETOPICS_RESULT)))
		return no_answer(a, name, "time-out", err);
	if (rd_kafka_event_error(event)) {
		no_answer(a, name, rd_kafka_event_error_string(event), err);
		rd_kafka_event_destroy(event);
		return SEG_RETRY;
	}
	results = rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &n);
	if (n == 1 && rd_kafka_topic_result_error(results[0]) &&
	    rd_kafka_topic_result_error(results[0]) != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) {
		const char *why = rd_kafka_topic_result_error_string(results[0]);

		snprintf(text, cap, "%s: %s", rd_kafka_err2name(rd_kafka_topic_result_error(results[0])),
			 why ? why : "");
		*ret_why = text;
	}
	rd_kafka_event_destroy(event);
	return SEG_OK;
}

/* A created topic is not known to every broker at once. */
static enum seg_rc wait_until_known(struct seg_admin *a, const char *name, int32_t partitions, struct seg_error *err)
{
	int64_t until = seg_monotonic_ms() + a->timeout_ms;
	struct seg_topic_info info = {.exists = false};
	enum seg_rc rc;

	for (;;) {
		if ((rc = seg_admin_topic(a, name, &info, err)))
			return rc;
		if (info.exists && info.partitions == partitions)
			return SEG_OK;
		if (seg_monotonic_ms() > until)
			return no_answer(a, name, "created, but not visible yet", err);
		seg_sleep_ms(AGAIN_MS);
	}
}

static enum seg_rc create_one(struct seg_admin *a, const struct admin_plan *p, const struct seg_topic_spec *spec,
			      struct seg_findings *f, struct seg_error *err)
{
	rd_kafka_NewTopic_t *t = new_topic(p, spec, err);
	int32_t partitions = admin_plan_partitions(p, spec);
	const char *why;
	char text[300];
	enum seg_rc rc;

	if (!t)
		return SEG_INVALID;
	rc = request_topic(a, t, spec->name, text, sizeof text, &why, err);
	rd_kafka_NewTopic_destroy(t);
	if (rc)
		return rc;
	if (why)
		return admin_find(f, SEG_VERDICT_FAIL, spec->name, err, "cannot be created: %s", why);
	if ((rc = wait_until_known(a, spec->name, partitions, err)))
		return rc;
	return admin_find(f, p->replication < SEG_WANTED_REPLICATION ? SEG_VERDICT_WARN : SEG_VERDICT_OK, spec->name,
			  err, "created: partitions=%d replication=%d%s", (int)partitions, p->replication,
			  p->replication < SEG_WANTED_REPLICATION
				  ? " (fewer than 3 brokers: records do not outlive the loss of one)"
				  : "");
}

static enum seg_rc check_creatable(const struct admin_plan *p, const struct seg_topic_spec *specs, size_t len,
				   bool create_inputs, struct seg_error *err)
{
	char missing[300] = "";

	assert(p->infos || len == 0);
	for (size_t i = 0; i < len; i++) {
		size_t at = strlen(missing);

		if (p->infos[i].exists)
			continue;
		if (specs[i].role == SEG_TOPIC_INPUT && !create_inputs)
			snprintf(missing + at, sizeof missing - at, "%s%s", at ? ", " : "", specs[i].name);
		else if (specs[i].role == SEG_TOPIC_INPUT && specs[i].partitions <= 0)
			return seg_error_set(err, SEG_INVALID, "%s: say how many partitions the inputs get",
					     specs[i].name);
		else if (admin_plan_partitions(p, &specs[i]) <= 0 && !*missing)
			return seg_error_set(err, SEG_INVALID,
					     "%s: its partition count comes from the inputs, and there is none",
					     specs[i].name);
	}
	if (*missing)
		return seg_error_set(
			err, SEG_NOT_FOUND,
			"input topics are missing: %s: create them first, or let segmentd (--inputs --partitions P)",
			missing);
	return SEG_OK;
}

enum seg_rc seg_admin_create(struct seg_admin *a, const struct seg_topic_spec *specs, size_t len, bool create_inputs,
			     struct seg_findings *f, struct seg_error *err)
{
	struct admin_plan p = {.infos = NULL};
	enum seg_rc rc;

	if ((rc = admin_plan_make(a, specs, len, &p, err)))
		return rc;
	rc = check_creatable(&p, specs, len, create_inputs, err);
	for (size_t i = 0; i < len && !rc; i++)
		rc = p.infos[i].exists ? admin_judge(a, &p, &specs[i], &p.infos[i], f, err)
				       : create_one(a, &p, &specs[i], f, err);
	admin_plan_release(&p);
	return rc;
}

static bool before(void *until)
{
	return seg_monotonic_ms() < *(const int64_t *)until;
}

enum seg_rc seg_admin_try_transactions(const struct seg_kafka_client *client, const char *transactional_id,
				       int timeout_ms, struct seg_error *err)
{
	int64_t until = seg_monotonic_ms() + timeout_ms;
	const struct seg_txn_options options = {
		.client = *client, .transactional_id = transactional_id, .keep_waiting = before, .ctx = &until};
	struct seg_txn *t = NULL;
	enum seg_rc rc;

	if ((rc = seg_txn_open(&options, &t, err)))
		return rc;
	rc = seg_txn_init(t, err);
	(void)seg_txn_close(t, timeout_ms);
	return rc;
}
