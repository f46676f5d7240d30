/* Only in builds with SEG_FAULTS: sees each request that leaves, so that a crash can fall right behind EndTxn. */
#include "producers/kafka_txn_impl.h"

#ifdef SEG_FAULTS
#include "base/fault.h"

enum { END_TXN = 26 }; /* Kafka's number of the request */

static rd_kafka_resp_err_t on_request_sent(rd_kafka_t *rk, int sockfd, const char *broker, int32_t broker_id,
					   int16_t api_key, int16_t api_version, int32_t corr_id, size_t size,
					   void *ctx)
{
	(void)rk, (void)sockfd, (void)broker, (void)broker_id, (void)api_version, (void)corr_id, (void)size, (void)ctx;
	if (api_key == END_TXN)
		SEG_CRASH_POINT(END_TXN_SENT);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

/* Before anybody has looked at the answer. */
static rd_kafka_resp_err_t on_response_received(rd_kafka_t *rk, int sockfd, const char *broker, int32_t broker_id,
						int16_t api_key, int16_t api_version, int32_t corr_id, size_t size,
						int64_t rtt, rd_kafka_resp_err_t err, void *ctx)
{
	(void)rk, (void)sockfd, (void)broker, (void)broker_id, (void)api_version, (void)corr_id, (void)size, (void)rtt;
	(void)err, (void)ctx;
	if (api_key == END_TXN)
		seg_crash_point_ends(SEG_CRASH_END_TXN_SENT);
	return RD_KAFKA_RESP_ERR_NO_ERROR;
}

static rd_kafka_resp_err_t on_new(rd_kafka_t *rk, const rd_kafka_conf_t *conf, void *ctx, char *text, size_t text_size)
{
	(void)conf, (void)ctx, (void)text, (void)text_size;
	rd_kafka_resp_err_t rc = rd_kafka_interceptor_add_on_request_sent(rk, "faults", on_request_sent, NULL);

	return rc ? rc : rd_kafka_interceptor_add_on_response_received(rk, "faults", on_response_received, NULL);
}

void txn_watch_requests(rd_kafka_conf_t *conf)
{
	rd_kafka_conf_interceptor_add_on_new(conf, "faults", on_new, NULL);
}
#endif
