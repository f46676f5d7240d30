/* What the tests against a real broker share. kafka.py gives SEG_BROKERS and SEG_KAFKA_CONTROL. */
#ifndef SEG_TESTS_KAFKA_CLIENTS_COMMON_H
#define SEG_TESTS_KAFKA_CLIENTS_COMMON_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/kafka_client.h"
#include "consumers/kafka_input.h"
#include "consumers/kafka_reader.h"
#include "producers/kafka_txn.h"
#include "producers/topic_admin.h"
#include "tests/support/test.h"

/* The message of a failed call is part of the failure. */
#define assert_rc(want, expr)                                                                                          \
	do {                                                                                                           \
		enum seg_rc rc_ = (expr);                                                                              \
		if (rc_ != (want))                                                                                     \
			fail_msg("%s: %s (%s), expected %s", #expr, seg_rc_text(rc_), last_error.text,                 \
				 seg_rc_text(want));                                                                   \
	} while (0)

extern struct seg_error last_error;

struct seg_kafka_client test_client(void);

/* A topic with a name of its own; max_bytes 0: the default. ret has 64 bytes. */
void make_topic(const char *prefix, int32_t partitions, int64_t max_bytes, char *ret);

/* n records without a transaction, values "<first>"… as text, key "k". */
void put_records(const char *topic, int32_t partition, int first, int n);

enum { MAX_RECORDS = 20000, MAX_ASSIGNED = 64 };

/* A member of a group that notes what happens to it. */
struct member {
	struct seg_kafka_input *in;
	char topics[2][64];
	const char *names[2];
	size_t topics_len;
	struct seg_position assigned[MAX_ASSIGNED];
	size_t assigned_len;
	int assignments, revocations, losses;
	bool resume_at_once; /* at the group's offsets, else at 0 */
	size_t records, eofs;
	int64_t offsets[MAX_RECORDS]; /* of the records, in order */
	struct seg_position ends[MAX_ASSIGNED];
	enum seg_rc (*on_revoked)(struct member *m, const struct seg_position *list, size_t len);
	void *ctx;
	size_t empty_polls;
};

struct member *member_open(const char *group, const char *instance, const char *topic1, const char *topic2);
void member_close(struct member *m);
/* Polls once and notes; returns poll's code. */
enum seg_rc member_poll(struct member *m, int timeout_ms);
/* Polls until the condition holds; fails the test after 30 s. */
#define member_until(m, condition)                                                                                     \
	do {                                                                                                           \
		int64_t until_ = seg_monotonic_ms() + 30000;                                                           \
		while (!(condition)) {                                                                                 \
			if (seg_monotonic_ms() > until_)                                                               \
				fail_msg("not within 30 s: %s", #condition);                                           \
			assert_rc(SEG_OK, member_poll(m, 20));                                                         \
		}                                                                                                      \
	} while (0)
void member_resume(struct member *m, uint32_t topic, int32_t partition, int64_t offset);

/* A producer for the topics, initialised. */
struct seg_txn *txn_open(const char *id, const char *topic, int give_up_ms);
enum seg_rc txn_put(struct seg_txn *t, int32_t partition, const char *value, uint32_t *ticket);
enum seg_rc txn_commit(struct seg_txn *t, const struct member *m, int64_t offset, uint64_t seq);

/* "stop", "kill", "start" for the broker. */
void broker_control(const char *word);

int run_txn_tests(void);
int run_input_tests(void);
int run_reader_tests(void);
int run_admin_tests(void);
int run_restart_tests(void);

#endif
