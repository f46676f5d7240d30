#include "base/kafka_client.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

enum { CLIENT_ID_BYTES = 200, LOG_LEVEL_ERROR = 2, LOG_LEVEL_WARN = 4, LOG_LEVEL_INFO = 6, CONNECTIONS_TOLD_S = 30 };

/* Where a setting has a meaning, as librdkafka's own table of properties has it. */
enum scope { SCOPE_NONE, SCOPE_BOTH, SCOPE_PRODUCER, SCOPE_CONSUMER };

struct tuning {
	enum scope scope;
	struct seg_kafka_setting setting;
	bool if_known; /* newer than librdkafka 2.0.2 */
};

/* What suits this program and may be changed by kafka.client. */
static const struct tuning tunings[] = {
	{SCOPE_BOTH, {"socket.nagle.disable", "true"}, false},
	{SCOPE_BOTH, {"socket.keepalive.enable", "true"}, false},
	{SCOPE_BOTH, {"reconnect.backoff.max.ms", "2000"}, false},
	{SCOPE_PRODUCER, {"linger.ms", "5"}, false},
	{SCOPE_PRODUCER, {"retry.backoff.ms", "10"}, false},
	{SCOPE_PRODUCER, {"compression.codec", "lz4"}, false},
	{SCOPE_PRODUCER, {"queue.buffering.max.kbytes", "262144"}, false},
	{SCOPE_CONSUMER, {"fetch.wait.max.ms", "50"}, false},
	{SCOPE_CONSUMER, {"fetch.error.backoff.ms", "100"}, false},
	/* Small, so that memory is bounded: 4 MiB or 4,000 records a partition, and one fetched batch more. */
	{SCOPE_CONSUMER, {"queued.min.messages", "4000"}, false},
	{SCOPE_CONSUMER, {"queued.max.messages.kbytes", "4096"}, false},
	/* Without it a partition over the two limits above waits a second; older versions are woken (consumers/). */
	{SCOPE_CONSUMER, {"fetch.queue.backoff.ms", "10"}, true},
};

/* Settings on which exactly-once, or the callbacks' contracts, rest. A name that ends in '.' stands for all below it. */
static const char *const reserved[] = {
	"acks",
	"allow.auto.create.topics",
	"auto.commit.",
	"auto.offset.reset",
	"bootstrap.servers",
	"client.id",
	"delivery.report.only.error",
	"enable.auto.",
	"enable.gapless.guarantee",
	"enable.idempotence",
	"enable.partition.eof",
	"group.",
	"isolation.level",
	"log.queue",
	"max.poll.interval.ms",
	"message.max.bytes",
	"metadata.broker.list",
	"offset.store.",
	"partition.assignment.strategy",
	"partitioner",
	"queue.buffering.max.messages",
	"request.required.acks",
	"session.timeout.ms",
	"transaction.timeout.ms",
	"transactional.id",
};

/*
 * Connections that fail are told again and again by each handle for each broker, for as long as an outage lasts: here one of
 * them now and then, and kafka_down and kafka_back when it matters (consumers/kafka_input_watch.c).
 */
static bool is_of_connections(const char *facility)
{
	return strcmp(facility, "FAIL") == 0 || strcmp(facility, "ERROR") == 0 || strcmp(facility, "REQTMOUT") == 0;
}

static void log_to(enum seg_log_level to, const rd_kafka_t *rk, const char *facility, const char *text)
{
	static struct seg_log_limit limit;
	char clean[700];
	size_t n = 0;

	for (; text[n] && n + 1 < sizeof clean; n++)
		clean[n] = text[n] == '"' ? '\'' : (unsigned char)text[n] < 0x20 ? ' ' : text[n];
	clean[n] = 0;
	if (to <= SEG_LOG_INFO && is_of_connections(facility))
		seg_log_rarely(&limit, CONNECTIONS_TOLD_S, SEG_LOG_WARN, "kafka", "client=%s facility=%s text=\"%s\"",
			       rk ? rd_kafka_name(rk) : "-", facility, clean);
	else
		seg_log(to, "kafka", "client=%s facility=%s text=\"%s\"", rk ? rd_kafka_name(rk) : "-", facility,
			clean);
}

static void log_cb(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	enum seg_log_level to = level <= LOG_LEVEL_ERROR  ? SEG_LOG_ERROR
				: level <= LOG_LEVEL_WARN ? SEG_LOG_WARN
				: level <= LOG_LEVEL_INFO ? SEG_LOG_INFO
							  : SEG_LOG_DEBUG;
	log_to(to, rk, facility, text);
}

static void quiet_log_cb(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
	(void)level;
	log_to(SEG_LOG_DEBUG, rk, facility, text);
}

void seg_kafka_conf_quiet(rd_kafka_conf_t *conf)
{
	rd_kafka_conf_set_log_cb(conf, quiet_log_cb);
}

/*
 * The library's printed table says which kind of handle knows a setting: "name | C/P | …" with " * ", " P " or " C ".
 * A name can be there twice (global and topic level): the first row counts. Caller frees.
 */
static char *properties_text(void)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	rd_kafka_conf_properties_show(f);
	if (fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static enum scope scope_of(const char *properties, const char *name)
{
	size_t len = strlen(name);

	for (const char *line = properties; line && *line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
		const char *at;

		if (strncmp(line, name, len) != 0 || line[len] != ' ')
			continue;
		at = line + len + strspn(line + len, " ");
		if (*at != '|')
			continue;
		at += 1 + strspn(at + 1, " ");
		return *at == 'P' ? SCOPE_PRODUCER : *at == 'C' ? SCOPE_CONSUMER : SCOPE_BOTH;
	}
	return SCOPE_NONE;
}

static bool scope_fits(enum scope scope, bool producer)
{
	switch (scope) {
	case SCOPE_PRODUCER:
		return producer;
	case SCOPE_CONSUMER:
		return !producer;
	case SCOPE_NONE: /* unknown or hidden: librdkafka judges it */
	case SCOPE_BOTH:
		break;
	}
	return true;
}

static bool is_reserved(const char *name)
{
	for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++) {
		size_t len = strlen(reserved[i]);

		if (strcmp(name, reserved[i]) == 0)
			return true;
		if (reserved[i][len - 1] == '.' && strncmp(name, reserved[i], len) == 0)
			return true;
	}
	return false;
}

static bool is_known(rd_kafka_conf_t *conf, const char *name)
{
	char value[512];
	size_t len = sizeof value;

	return rd_kafka_conf_get(conf, name, value, &len) == RD_KAFKA_CONF_OK;
}

static enum seg_rc set_one(rd_kafka_conf_t *conf, const struct seg_kafka_setting *s, const char *where,
			   struct seg_error *err)
{
	char text[256] = "";

	if (!s->value)
		return seg_error_set(err, SEG_INVALID, "%s%s has no value", where, s->name);
	switch (rd_kafka_conf_set(conf, s->name, s->value, text, sizeof text)) {
	case RD_KAFKA_CONF_OK:
		return SEG_OK;
	case RD_KAFKA_CONF_UNKNOWN:
		return seg_error_set(err, SEG_INVALID,
				     "%s%s: librdkafka %s knows no such setting; see its CONFIGURATION.md", where,
				     s->name, rd_kafka_version_str());
	case RD_KAFKA_CONF_INVALID:
		break;
	}
	return seg_error_set(err, SEG_INVALID, "%s%s: %s", where, s->name, text);
}

static enum seg_rc set_passed_through(rd_kafka_conf_t *conf, const char *properties,
				      const struct seg_kafka_client *client, bool producer,
				      const struct seg_kafka_setting *own, size_t own_len, struct seg_error *err)
{
	for (size_t i = 0; i < client->settings_len; i++) {
		const struct seg_kafka_setting *s = &client->settings[i];
		bool ours = is_reserved(s->name);
		enum seg_rc rc;

		for (size_t j = 0; j < own_len; j++)
			ours |= strcmp(own[j].name, s->name) == 0;
		if (ours)
			return seg_error_set(
				err, SEG_INVALID,
				"kafka.client.%s is set by segmentd itself: take it out of the configuration", s->name);
		if (!scope_fits(scope_of(properties, s->name), producer))
			continue;
		if ((rc = set_one(conf, s, "kafka.client.", err)))
			return rc;
	}
	return SEG_OK;
}

static enum seg_rc set_basics(rd_kafka_conf_t *conf, const struct seg_kafka_client *client, bool producer,
			      struct seg_error *err)
{
	char id[CLIENT_ID_BYTES + 1];
	const struct seg_kafka_setting basics[] = {{"bootstrap.servers", client->brokers}, {"client.id", id}};
	enum seg_rc rc;

	if (!client->brokers || !*client->brokers)
		return seg_error_set(err, SEG_INVALID, "kafka.brokers is empty: name at least one host:port");
	snprintf(id, sizeof id, "%s", client->client_id && *client->client_id ? client->client_id : "segmentd");
	for (size_t i = 0; i < sizeof basics / sizeof *basics; i++) {
		if ((rc = set_one(conf, &basics[i], "", err)))
			return rc;
	}
	for (size_t i = 0; i < sizeof tunings / sizeof *tunings; i++) {
		const struct tuning *t = &tunings[i];

		if (!scope_fits(t->scope, producer) || (t->if_known && !is_known(conf, t->setting.name)))
			continue;
		if ((rc = set_one(conf, &t->setting, "", err)))
			return rc;
	}
	return SEG_OK;
}

enum seg_rc seg_kafka_conf(const struct seg_kafka_client *client, bool producer, const struct seg_kafka_setting *own,
			   size_t own_len, rd_kafka_conf_t **ret, struct seg_error *err)
{
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	char *properties = properties_text();
	enum seg_rc rc;

	if (!conf || !properties) {
		rc = seg_error_set(err, SEG_NO_MEMORY, "no memory for a Kafka client's settings");
		goto out;
	}
	if ((rc = set_basics(conf, client, producer, err)))
		goto out;
	for (size_t i = 0; i < own_len; i++) {
		if ((rc = set_one(conf, &own[i], "", err)))
			goto out;
	}
	if ((rc = set_passed_through(conf, properties, client, producer, own, own_len, err)))
		goto out;
	rd_kafka_conf_set_log_cb(conf, log_cb);
	*ret = conf;
	conf = NULL;
out:
	free(properties);
	if (conf)
		rd_kafka_conf_destroy(conf);
	return rc;
}

enum seg_rc seg_kafka_client_check(const struct seg_kafka_client *client, struct seg_error *err)
{
	rd_kafka_conf_t *conf = NULL;
	enum seg_rc rc;

	for (int producer = 0; producer < 2; producer++) {
		if ((rc = seg_kafka_conf(client, producer, NULL, 0, &conf, err)))
			return rc;
		rd_kafka_conf_destroy(conf);
	}
	return SEG_OK;
}

enum seg_rc seg_kafka_new(rd_kafka_type_t type, rd_kafka_conf_t *conf, rd_kafka_t **ret, struct seg_error *err)
{
	char text[256] = "";
	rd_kafka_t *rk = rd_kafka_new(type, conf, text, sizeof text);

	if (!rk) {
		rd_kafka_conf_destroy(conf);
		return seg_error_set(err, SEG_INVALID, "cannot make a Kafka %s: %s",
				     type == RD_KAFKA_PRODUCER ? "producer" : "consumer", text);
	}
	*ret = rk;
	return SEG_OK;
}

/*
 * Never closes a consumer: that would call the rebalance callback on a thread that must not run it.
 *
 * A producer first forgets what is on its way: when the answer of a produce request, "fenced", comes after the library has
 * begun to take a transactional producer apart, it frees the error's text a second time (2.0.2).
 */
static void *destroy_main(void *rk)
{
	if (rd_kafka_type(rk) == RD_KAFKA_PRODUCER)
		rd_kafka_purge(rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT);
	rd_kafka_destroy_flags(rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
	return NULL;
}

bool seg_kafka_destroy(rd_kafka_t *rk, int timeout_ms)
{
	struct timespec until;
	pthread_t thread;

	if (!rk)
		return true;
	if (pthread_create(&thread, NULL, destroy_main, rk) != 0) {
		destroy_main(rk);
		return true;
	}
	until = seg_deadline(timeout_ms);
	if (pthread_clockjoin_np(thread, NULL, CLOCK_MONOTONIC, &until) == 0)
		return true;
	pthread_detach(thread);
	return false;
}

char *seg_kafka_cluster_id(rd_kafka_t *rk, int timeout_ms)
{
	return rd_kafka_clusterid(rk, timeout_ms);
}
