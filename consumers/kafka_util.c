#include "consumers/kafka_util.h"

#include "base/event.h"

bool seg_kafka_is_missing(rd_kafka_resp_err_t e)
{
	return e == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART || e == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
	       e == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
}

bool seg_kafka_is_out_of_log(rd_kafka_resp_err_t e)
{
	return e == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET || e == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE;
}

int32_t seg_kafka_topic_partitions(rd_kafka_t *rk, const char *topic, int timeout_ms)
{
	rd_kafka_topic_t *rkt = rd_kafka_topic_new(rk, topic, NULL);
	const struct rd_kafka_metadata *md = NULL;
	int32_t n = -1;

	if (rkt && !rd_kafka_metadata(rk, 0, rkt, &md, timeout_ms) && md->topic_cnt == 1) {
		if (!md->topics[0].err)
			n = md->topics[0].partition_cnt;
		else if (seg_kafka_is_missing(md->topics[0].err))
			n = 0;
	}
	if (md)
		rd_kafka_metadata_destroy(md);
	if (rkt)
		rd_kafka_topic_destroy(rkt);
	return n;
}

int64_t seg_kafka_timestamp(const rd_kafka_message_t *m)
{
	rd_kafka_timestamp_type_t type;
	int64_t ms = rd_kafka_message_timestamp(m, &type);

	return type == RD_KAFKA_TIMESTAMP_NOT_AVAILABLE || ms < 0 ? SEG_NO_TIME : ms;
}
