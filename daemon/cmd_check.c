/* One line for each thing that must be right before `run` can work. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "consumers/kafka_reader.h"
#include "daemon/command.h"
#include "daemon/intake.h"
#include "daemon/topic_specs.h"

enum { ADMIN_MS = 15000, CLOSE_MS = 5000, SAMPLE = 1000, SAMPLE_MS = 3000, POLL_MS = 200 };

/* Below this there is no room for the stores to work in. */
static const uint64_t DISK_LEAST = UINT64_C(1) << 30;

struct check {
	const struct seg_config *config;
	struct seg_kafka_client client;
	struct seg_kafka_setting *settings;
	struct seg_admin *admin;
	bool failed;
};

static void say(struct check *c, enum seg_verdict verdict, const char *subject, const char *text)
{
	static const char *const words[] = {"ok", "warning", "FAILED"};
	printf("%-7s  %s: %s\n", words[verdict], subject, text);
	fflush(stdout);
	c->failed = c->failed || verdict == SEG_VERDICT_FAIL;
}

static void check_folder(struct check *c)
{
	char probe[4096], text[512];
	struct statvfs fs;
	const char *dir = c->config->data_dir;
	if (mkdir(dir, 0777) && errno != EEXIST) {
		snprintf(text, sizeof(text), "%.300s cannot be made: %s", dir, strerror(errno));
		say(c, SEG_VERDICT_FAIL, "data folder", text);
		return;
	}
	int len = snprintf(probe, sizeof(probe), "%s/.check.%d", dir, (int)getpid());
	FILE *file = len < (int)sizeof(probe) ? fopen(probe, "wbx") : NULL;
	if (!file) {
		snprintf(text, sizeof(text), "%.300s is not writable: %s", dir, strerror(errno));
		say(c, SEG_VERDICT_FAIL, "data folder", text);
		return;
	}
	fclose(file);
	unlink(probe);
	snprintf(text, sizeof(text), "%.300s is writable", dir);
	say(c, SEG_VERDICT_OK, "data folder", text);
	if (statvfs(dir, &fs)) {
		say(c, SEG_VERDICT_WARN, "disk", "its free space is not told");
		return;
	}
	uint64_t space = (uint64_t)fs.f_bavail * fs.f_frsize;
	snprintf(text, sizeof(text), "%.1f GiB free%s", (double)space / (double)(1 << 30),
		 space < DISK_LEAST ? ": at least 1 GiB is needed" : "");
	say(c, space < DISK_LEAST ? SEG_VERDICT_FAIL : SEG_VERDICT_OK, "disk", text);
}

static bool check_broker(struct check *c)
{
	struct seg_error err = {0};
	struct seg_cluster_info info;
	char text[512];
	if (seg_admin_open(&c->client, ADMIN_MS, &c->admin, &err) || seg_admin_cluster(c->admin, &info, &err)) {
		snprintf(text, sizeof(text), "%.150s: %.250s: is kafka.brokers right, and do they run?",
			 c->config->kafka.brokers, err.text);
		say(c, SEG_VERDICT_FAIL, "broker", text);
		return false;
	}
	snprintf(text, sizeof(text), "%.200s: cluster %s, %d broker%s, version %s", c->config->kafka.brokers,
		 info.cluster_id[0] ? info.cluster_id : "unnamed", info.brokers, info.brokers == 1 ? "" : "s",
		 info.version[0] ? info.version : "not told");
	say(c, SEG_VERDICT_OK, "broker", text);
	if (info.knows_auto_create && info.auto_create)
		say(c, SEG_VERDICT_WARN, "broker",
		    "auto.create.topics.enable is on: a misspelt topic is made, empty, instead of refused");
	return true;
}

static void check_topics(struct check *c)
{
	struct seg_topic_spec specs[SEG_TOPIC_SPECS_MAX];
	struct seg_findings f;
	struct seg_error err = {0};
	size_t len = seg_topic_specs(c->config, specs);
	seg_findings_init(&f);
	enum seg_rc rc = seg_admin_check(c->admin, specs, len, &f, &err);
	for (size_t i = 0; i < f.len; i++)
		say(c, f.items[i].verdict, f.items[i].subject, f.items[i].text);
	if (rc)
		say(c, SEG_VERDICT_FAIL, "topics", err.text);
	seg_findings_release(&f);
}

static void check_transactions(struct check *c)
{
	char id[512];
	struct seg_error err = {0};
	snprintf(id, sizeof(id), "%s-check", c->config->app);
	if (seg_admin_try_transactions(&c->client, id, ADMIN_MS, &err))
		say(c, SEG_VERDICT_FAIL, "transactions", err.text);
	else
		say(c, SEG_VERDICT_OK, "transactions", "allowed");
}

/* ---- keys and partitions, on a sample of each input ---- */

struct sample {
	struct seg_intake *intake;
	enum seg_source source;
	uint64_t seen, wrong_key, wrong_partition, refused;
	uint32_t open; /* streams that have not come to their end */
};

static enum seg_rc take_sample(void *ctx, enum seg_stream_event event, const struct seg_kafka_message *m,
			       struct seg_error *err)
{
	struct sample *s = ctx;
	const struct seg_event *e;
	(void)err;
	if (event != SEG_STREAM_RECORD) {
		s->open -= s->open > 0;
		return SEG_OK;
	}
	struct seg_raw raw = {s->source, m->partition, m->offset, m->timestamp_ms, m->key, m->value};
	enum seg_refusal refusal = seg_intake_read(s->intake, &raw, &e);
	s->seen++;
	s->wrong_key += refusal == SEG_REFUSED_KEY_MISMATCH;
	s->wrong_partition += refusal == SEG_REFUSED_WRONG_PARTITION;
	s->refused += refusal != SEG_REFUSED_NOT;
	return SEG_OK;
}

static void judge_sample(struct check *c, const char *topic, const struct sample *s)
{
	char text[512];
	if (s->seen == 0) {
		say(c, SEG_VERDICT_OK, topic, "empty: keys could not be looked at");
		return;
	}
	bool split = (s->wrong_key + s->wrong_partition) * 100 > s->seen;
	snprintf(text, sizeof(text),
		 "of %" PRIu64 " records %" PRIu64 " have a key that is not the customer id, %" PRIu64
		 " lie in another partition than their key's, %" PRIu64 " would be dead letters%s",
		 s->seen, s->wrong_key, s->wrong_partition, s->refused,
		 split ? ": key by customer id, with partitioner murmur2_random" : "");
	say(c, split ? SEG_VERDICT_FAIL : s->refused ? SEG_VERDICT_WARN : SEG_VERDICT_OK, topic, text);
}

static enum seg_rc read_sample(struct check *c, const char *topic, int32_t partitions, struct sample *s,
			       struct seg_error *err)
{
	struct seg_kafka_reader *reader;
	enum seg_rc rc = seg_kafka_reader_open(&c->client, &reader, err);
	if (rc)
		return rc;
	for (int32_t p = 0; !rc && p < partitions; p++) {
		uint32_t stream;
		rc = seg_kafka_reader_add(reader, topic, p, SEG_OFFSET_START, &stream, err);
		s->open++;
	}
	for (int waited = 0; !rc && s->open > 0 && s->seen < SAMPLE && waited < SAMPLE_MS; waited += POLL_MS)
		rc = seg_kafka_reader_poll(reader, POLL_MS, SAMPLE, take_sample, s, NULL, err);
	seg_kafka_reader_close(reader, CLOSE_MS);
	return rc;
}

static void check_keys(struct check *c)
{
	for (int source = 0; source < SEG_SOURCES; source++) {
		const char *topic = c->config->sources[source].topic;
		struct seg_topic_info info;
		struct seg_error err = {0};
		if (!c->config->sources[source].read || seg_admin_topic(c->admin, topic, &info, &err) || !info.exists)
			continue;
		struct sample s = {.source = (enum seg_source)source};
		enum seg_rc rc = seg_intake_new(c->config, info.partitions, &s.intake, &err);
		if (!rc)
			rc = read_sample(c, topic, info.partitions, &s, &err);
		if (rc)
			say(c, SEG_VERDICT_FAIL, topic, err.text);
		else
			judge_sample(c, topic, &s);
		seg_intake_free(s.intake);
	}
}

int seg_cmd_check(const struct seg_args *args)
{
	struct check c = {0};
	struct seg_config *config = seg_args_config(args);
	if (!config)
		return seg_args_has(args, "config") ? SEG_EXIT_FAILED : SEG_EXIT_USAGE;
	c.config = config;
	say(&c, SEG_VERDICT_OK, "configuration", seg_args_get(args, "config"));
	struct seg_error err = {0};
	if (!seg_client_of(config, &c.client, &c.settings)) {
		say(&c, SEG_VERDICT_FAIL, "configuration", "out of memory");
	} else if (seg_kafka_client_check(&c.client, &err)) {
		say(&c, SEG_VERDICT_FAIL, "kafka.client", err.text);
	} else if (check_broker(&c)) {
		check_topics(&c);
		check_keys(&c);
		check_transactions(&c);
	}
	check_folder(&c);
	seg_admin_close(c.admin, CLOSE_MS);
	free(c.settings);
	seg_config_free(config);
	return c.failed ? SEG_EXIT_FAILED : SEG_EXIT_DONE;
}
