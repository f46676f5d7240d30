#include "daemon/demo_broker.h"

#include <stdlib.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "daemon/topic_specs.h"

struct seg_demo_broker {
	rd_kafka_t *host; /* the mock cluster's threads and timers need a client to belong to; it talks to nobody */
	rd_kafka_mock_cluster_t *cluster;
};

static enum seg_rc make_topics(struct seg_demo_broker *b, const struct seg_config *config, int32_t partitions,
			       struct seg_error *err)
{
	struct seg_topic_spec specs[SEG_TOPIC_SPECS_MAX];
	size_t len = seg_topic_specs(config, specs);
	for (size_t i = 0; i < len; i++) {
		int32_t wanted = seg_topic_has_one_partition(specs[i].role) ? 1 : partitions;
		rd_kafka_resp_err_t e = rd_kafka_mock_topic_create(b->cluster, specs[i].name, wanted, 1);
		if (e)
			return seg_error_set(err, SEG_FATAL, "topic %s of the in-memory broker: %s", specs[i].name,
					     rd_kafka_err2str(e));
	}
	return SEG_OK;
}

static enum seg_rc start(struct seg_demo_broker *b, struct seg_error *err)
{
	char text[256] = "";
	rd_kafka_conf_t *conf = rd_kafka_conf_new();
	rd_kafka_conf_set_log_cb(conf, NULL);
	b->host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof(text));
	if (!b->host) {
		rd_kafka_conf_destroy(conf);
		return seg_error_set(err, SEG_FATAL, "in-memory broker: %s", text);
	}
	b->cluster = rd_kafka_mock_cluster_new(b->host, 1);
	return b->cluster ? SEG_OK : seg_error_set(err, SEG_FATAL, "in-memory broker: librdkafka could not start it");
}

enum seg_rc seg_demo_broker_start(const struct seg_config *config, int32_t partitions, struct seg_demo_broker **ret,
				  struct seg_error *err)
{
	struct seg_demo_broker *b = calloc(1, sizeof(*b));
	if (!b)
		return seg_error_set(err, SEG_NO_MEMORY, "in-memory broker: out of memory");
	enum seg_rc rc = start(b, err);
	if (!rc)
		rc = make_topics(b, config, partitions, err);
	if (rc) {
		seg_demo_broker_stop(b);
		return rc;
	}
	*ret = b;
	return SEG_OK;
}

void seg_demo_broker_stop(struct seg_demo_broker *b)
{
	if (!b)
		return;
	if (b->cluster)
		rd_kafka_mock_cluster_destroy(b->cluster);
	if (b->host)
		rd_kafka_destroy(b->host);
	free(b);
}

const char *seg_demo_broker_address(const struct seg_demo_broker *b)
{
	return rd_kafka_mock_cluster_bootstraps(b->cluster);
}
