#include <stdlib.h>

#include "base/clock.h"
#include "consumers/kafka_reader.h"
#include "consumers/kafka_util.h"

/* A broker that has just started may not know a topic yet: what is missing is asked for again for MISSING_MS. */
enum { ONE_QUERY_MS = 5000, AGAIN_MS = 50, MISSING_MS = 1500 };

struct seg_kafka_watermarks {
	rd_kafka_t *rk;
};

enum seg_rc seg_kafka_watermarks_open(const struct seg_kafka_client *client, struct seg_kafka_watermarks **ret,
				      struct seg_error *err)
{
	/* A read_committed handle would answer with the last stable offset (KAFKA-10167): bounding a restore by it misses
	 * what an open transaction is about to commit. */
	static const struct seg_kafka_setting own[] = {
		{"isolation.level", "read_uncommitted"},
		{"enable.auto.commit", "false"},
		{"allow.auto.create.topics", "false"},
		{"topic.metadata.propagation.max.ms", "3000"},
	};
	struct seg_kafka_watermarks *w;
	rd_kafka_conf_t *conf = NULL;
	enum seg_rc rc;

	if ((rc = seg_kafka_conf(client, false, own, sizeof own / sizeof *own, &conf, err)))
		return rc;
	if (!(w = calloc(1, sizeof *w))) {
		rd_kafka_conf_destroy(conf);
		return seg_error_set(err, SEG_NO_MEMORY, "no memory for a Kafka client");
	}
	if ((rc = seg_kafka_new(RD_KAFKA_CONSUMER, conf, &w->rk, err))) {
		free(w);
		return rc;
	}
	*ret = w;
	return SEG_OK;
}

bool seg_kafka_watermarks_close(struct seg_kafka_watermarks *w, int timeout_ms)
{
	bool fine;

	if (!w)
		return true;
	fine = seg_kafka_destroy(w->rk, timeout_ms);
	free(w);
	return fine;
}

enum seg_rc seg_kafka_watermarks_query(struct seg_kafka_watermarks *w, const char *topic, int32_t partition,
				       int timeout_ms, int64_t *ret_low, int64_t *ret_high, struct seg_error *err)
{
	int64_t since = seg_monotonic_ms(), until = since + timeout_ms, low, high;
	rd_kafka_resp_err_t e;

	rd_kafka_poll(w->rk, 0); /* events of the library, which nobody else serves */
	for (;;) {
		int64_t left = until - seg_monotonic_ms();

		left = left < 1 ? 1 : left < ONE_QUERY_MS ? left : ONE_QUERY_MS;
		e = rd_kafka_query_watermark_offsets(w->rk, topic, partition, &low, &high, (int)left);
		if (!e) {
			*ret_low = low;
			*ret_high = high;
			return SEG_OK;
		}
		bool over = seg_monotonic_ms() + AGAIN_MS >= until;
		if (seg_kafka_is_missing(e) && (over || seg_monotonic_ms() - since >= MISSING_MS))
			return seg_error_set(err, SEG_NOT_FOUND, "%s[%d]: no such topic or partition", topic,
					     (int)partition);
		if (over)
			return seg_error_set(err, SEG_RETRY, "%s[%d]: end of the log not told: %s", topic,
					     (int)partition, rd_kafka_err2str(e));
		seg_sleep_ms(AGAIN_MS);
	}
}
