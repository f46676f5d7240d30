#include "tests/integration/kafka_clients/common.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct seg_error last_error;

struct seg_kafka_client test_client(void)
{
	return (struct seg_kafka_client){.brokers = getenv("SEG_BROKERS"), .client_id = "kafka_clients"};
}

void make_topic(const char *prefix, int32_t partitions, int64_t max_bytes, char *ret)
{
	static int number;
	struct seg_kafka_client client = test_client();
	struct seg_findings f;
	struct seg_admin *a;
	struct seg_topic_spec spec = {
		.name = ret, .role = SEG_TOPIC_INPUT, .partitions = partitions, .max_message_bytes = max_bytes};

	snprintf(ret, 64, "%s-%d-%d", prefix, (int)getpid(), number++);
	seg_findings_init(&f);
	assert_rc(SEG_OK, seg_admin_open(&client, 10000, &a, &last_error));
	assert_rc(SEG_OK, seg_admin_create(a, &spec, 1, true, &f, &last_error));
	assert_int_equal(f.len, 1);
	assert_int_equal(f.items[0].verdict, SEG_VERDICT_WARN); /* one broker */
	seg_findings_release(&f);
	assert_true(seg_admin_close(a, 10000));
}

void put_records(const char *topic, int32_t partition, int first, int n)
{
	struct seg_kafka_client client = test_client();
	rd_kafka_conf_t *conf;
	rd_kafka_t *rk;

	assert_rc(SEG_OK, seg_kafka_conf(&client, true, NULL, 0, &conf, &last_error));
	assert_rc(SEG_OK, seg_kafka_new(RD_KAFKA_PRODUCER, conf, &rk, &last_error));
	for (int i = 0; i < n; i++) {
		char value[16];
		int len = snprintf(value, sizeof value, "%d", first + i);
		rd_kafka_resp_err_t e;

		while ((e = rd_kafka_producev(rk, RD_KAFKA_V_TOPIC(topic), RD_KAFKA_V_PARTITION(partition),
					      RD_KAFKA_V_KEY("k", 1), RD_KAFKA_V_VALUE(value, (size_t)len),
					      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END)) ==
		       RD_KAFKA_RESP_ERR__QUEUE_FULL)
			rd_kafka_poll(rk, 100);
		assert_int_equal(e, 0);
	}
	assert_int_equal(rd_kafka_flush(rk, 30000), 0);
	assert_true(seg_kafka_destroy(rk, 10000));
}

static enum seg_rc on_assigned(void *ctx, const struct seg_position *list, size_t len, struct seg_error *err)
{
	struct member *m = ctx;
	enum seg_rc rc;

	m->assignments++;
	m->assigned_len = len;
	assert_true(len <= MAX_ASSIGNED);
	if (len)
		memcpy(m->assigned, list, len * sizeof *list);
	if ((rc = seg_kafka_input_assign(m->in, list, len, err)) || !m->resume_at_once)
		return rc;
	if ((rc = seg_kafka_input_committed(m->in, m->assigned, len, 10000, err)))
		return rc;
	for (size_t i = 0; i < len; i++) {
		if (m->assigned[i].offset < 0)
			m->assigned[i].offset = 0;
	}
	return seg_kafka_input_resume(m->in, m->assigned, len, err);
}

static enum seg_rc on_revoked(void *ctx, const struct seg_position *list, size_t len, bool lost, struct seg_error *err)
{
	struct member *m = ctx;

	(void)err;
	m->revocations++;
	m->losses += lost;
	m->assigned_len = 0;
	return m->on_revoked ? m->on_revoked(m, list, len) : SEG_OK;
}

struct member *member_open(const char *group, const char *instance, const char *topic1, const char *topic2)
{
	struct member *m = calloc(1, sizeof *m);
	struct seg_kafka_input_options options = {.client = test_client(),
						  .group = group,
						  .instance_id = instance,
						  .session_timeout_ms = 3000,
						  .max_poll_interval_ms = 60000};

	assert_non_null(m);
	snprintf(m->topics[0], sizeof m->topics[0], "%s", topic1);
	m->names[m->topics_len++] = m->topics[0];
	if (topic2) {
		snprintf(m->topics[1], sizeof m->topics[1], "%s", topic2);
		m->names[m->topics_len++] = m->topics[1];
	}
	options.topics = m->names;
	options.topics_len = m->topics_len;
	options.events = (struct seg_kafka_input_events){on_assigned, on_revoked, m};
	assert_rc(SEG_OK, seg_kafka_input_open(&options, &m->in, &last_error));
	assert_rc(SEG_OK, seg_kafka_input_subscribe(m->in, &last_error));
	return m;
}

void member_close(struct member *m)
{
	assert_true(seg_kafka_input_close(m->in, 15000));
	free(m);
}

enum seg_rc member_poll(struct member *m, int timeout_ms)
{
	struct seg_kafka_batch batch;
	enum seg_rc rc = seg_kafka_input_poll(m->in, timeout_ms, 1000, &batch, &last_error);

	for (size_t i = 0; !rc && i < batch.len; i++) {
		const struct seg_kafka_message *x = &batch.items[i];

		if (x->eof) {
			if (m->eofs < MAX_ASSIGNED)
				m->ends[m->eofs++] = (struct seg_position){
					.topic = x->topic, .partition = x->partition, .offset = x->offset};
		} else {
			assert_true(m->records < MAX_RECORDS);
			m->offsets[m->records++] = x->offset;
		}
	}
	m->empty_polls = !rc && batch.len == 0 ? m->empty_polls + 1 : 0;
	return rc;
}

void member_resume(struct member *m, uint32_t topic, int32_t partition, int64_t offset)
{
	struct seg_position p = {.topic = topic, .partition = partition, .offset = offset};

	assert_rc(SEG_OK, seg_kafka_input_resume(m->in, &p, 1, &last_error));
}

struct seg_txn *txn_open(const char *id, const char *topic, int give_up_ms)
{
	struct seg_txn_options options = {.client = test_client(),
					  .transactional_id = id,
					  .topics = &topic,
					  .topics_len = 1,
					  .give_up_ms = give_up_ms};
	struct seg_txn *t;

	assert_rc(SEG_OK, seg_txn_open(&options, &t, &last_error));
	assert_int_equal(seg_txn_partitions(t, 0), 0);
	assert_rc(SEG_OK, seg_txn_init(t, &last_error));
	return t;
}

enum seg_rc txn_put(struct seg_txn *t, int32_t partition, const char *value, uint32_t *ticket)
{
	struct seg_txn_record r = {.partition = partition,
				   .key = seg_str_from("key"),
				   .value = seg_str_from(value),
				   .want_offset = ticket != NULL};

	return seg_txn_produce(t, &r, ticket, &last_error);
}

enum seg_rc txn_commit(struct seg_txn *t, const struct member *m, int64_t offset, uint64_t seq)
{
	struct seg_txn_offset o = {.topic = m->topics[0], .partition = 0, .offset = offset, .seq = seq};

	return seg_txn_commit(t, &o, 1, seg_kafka_input_group(m->in), &last_error);
}

void broker_control(const char *word)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char answer[64] = "";

	snprintf(address.sun_path, sizeof address.sun_path, "%s", getenv("SEG_KAFKA_CONTROL"));
	assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
	assert_int_equal(write(fd, word, strlen(word)), strlen(word));
	assert_int_equal(write(fd, "\n", 1), 1);
	assert_true(read(fd, answer, sizeof answer - 1) > 0);
	assert_string_equal(answer, "ok\n");
	close(fd);
}
