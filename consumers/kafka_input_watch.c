/*
 * What an operator must be told of the inputs that is no error: that no broker can be reached, and that another producer's
 * open transaction holds back what lies behind it. Each is logged once when it begins and once when it is over.
 */
#include <inttypes.h>

#include "base/clock.h"
#include "base/log.h"
#include "consumers/kafka_input_impl.h"
#include "consumers/kafka_util.h"

enum { WATCH_MS = 1000, PROBE_MS = 200, HELD_MS = 2000 };

void input_watch_error(struct seg_kafka_input *in, int code)
{
	int64_t now = seg_monotonic_ms();

	if (code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
	    code == RD_KAFKA_RESP_ERR__TIMED_OUT || code == RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT)
		in->trouble_ms = now;
	if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || in->down_since_ms)
		return;
	in->down_since_ms = now;
	seg_log(SEG_LOG_WARN, "kafka_down", "client=%s text=\"no broker can be reached: waiting\"",
		rd_kafka_name(in->rk));
}

void input_watch_alive(struct seg_kafka_input *in)
{
	if (!in->down_since_ms)
		return;
	seg_log(SEG_LOG_INFO, "kafka_back", "client=%s seconds=%" PRId64, rd_kafka_name(in->rk),
		(seg_monotonic_ms() - in->down_since_ms) / 1000);
	in->down_since_ms = 0;
}

bool seg_kafka_input_is_down(const struct seg_kafka_input *in)
{
	return in->down_since_ms != 0;
}

/*
 * At the end mark, which is that of read_committed, and the log's end lies beyond it: either what is there has just been
 * written, or a transaction is open at that offset.
 */
static void watch_part(struct seg_kafka_input *in, const struct input_topic *t, int32_t p, int64_t now)
{
	struct input_part *part = &t->parts[p];
	int64_t low = -1, high = -1;

	if (part->assigned && !part->paused && part->next == part->eof_at)
		rd_kafka_get_watermark_offsets(in->rk, t->name, p, &low, &high);
	if (high <= part->next) {
		if (part->held_told)
			seg_log(SEG_LOG_INFO, "input_goes_on", "topic=%s partition=%" PRId32 " seconds=%" PRId64,
				t->name, p, (now - part->held_since_ms) / 1000);
		part->held_at = -1;
		part->held_told = false;
	} else if (part->held_at != part->next) {
		part->held_at = part->next;
		part->held_since_ms = now;
	} else if (!part->held_told && now - part->held_since_ms >= HELD_MS) {
		part->held_told = true;
		seg_log(SEG_LOG_WARN, "input_held",
			"topic=%s partition=%" PRId32 " offset=%" PRId64 " end=%" PRId64
			" text=\"another producer's open transaction holds back what lies behind it\"",
			t->name, p, part->next, high);
	}
}

void input_watch(struct seg_kafka_input *in)
{
	int64_t now = seg_monotonic_ms();

	if (now - in->watched_ms < WATCH_MS)
		return;
	in->watched_ms = now;
	if (in->down_since_ms && seg_kafka_topic_partitions(in->rk, in->topics[0].name, PROBE_MS) >= 0)
		input_watch_alive(in);
	for (size_t t = 0; t < in->topics_len; t++) {
		for (int32_t p = 0; p < in->topics[t].len; p++)
			watch_part(in, &in->topics[t], p, now);
	}
}
