/*
 * Calls of librdkafka that fail on demand: a library for LD_PRELOAD that stands between a program and librdkafka.so.
 *
 *   SEGMENTD_FAIL=call:n:class[:times],…   the n-th call of rd_kafka_<call> (from 1, of all threads together) fails, and the
 *                                        times - 1 after it (1 if not given); each with one line on stderr,
 *                                        "failing_call name=… n=… class=…"
 *
 * Classes: retriable, abortable, fatal (the handle is put into librdkafka's own fatal state, if it is a producer's or a
 * group's), timeout: the call is not made; late: it is made, and a time-out told all the same. What a class is for a call
 * that returns a plain code is in the table below. A call or class that is not there ends the program with 2.
 */
#include <dlfcn.h>
#include <librdkafka/rdkafka.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum failing_class { RETRIABLE, ABORTABLE, FATAL, TIMEOUT, LATE, CLASSES };
static const char *const class_ids[CLASSES] = {"retriable", "abortable", "fatal", "timeout", "late"};

/* Codes of the classes; of calls that return a rd_kafka_error_t, the code that goes with its flags. */
#define CALL_TABLE(X)                                                                                                  \
	X(init_transactions, NOT_COORDINATOR, _STATE, _FENCED, _TIMED_OUT)                                             \
	X(begin_transaction, CONCURRENT_TRANSACTIONS, _STATE, _FENCED, _TIMED_OUT)                                     \
	X(producev, _QUEUE_FULL, _STATE, _FATAL, _MSG_TIMED_OUT)                                                       \
	X(send_offsets_to_transaction, NOT_COORDINATOR, UNKNOWN_MEMBER_ID, _FENCED, _TIMED_OUT)                        \
	X(commit_transaction, NOT_COORDINATOR, NOT_ENOUGH_REPLICAS, _FENCED, _TIMED_OUT)                               \
	X(abort_transaction, NOT_COORDINATOR, _STATE, _FENCED, _TIMED_OUT)                                             \
	X(flush, _TIMED_OUT, _TIMED_OUT, _FATAL, _TIMED_OUT)                                                           \
	X(subscribe, _TRANSPORT, _INVALID_ARG, _FATAL, _TIMED_OUT)                                                     \
	X(committed, COORDINATOR_LOAD_IN_PROGRESS, NOT_COORDINATOR, _FATAL, _TIMED_OUT)                                \
	X(query_watermark_offsets, LEADER_NOT_AVAILABLE, NOT_LEADER_FOR_PARTITION, _FATAL, _TIMED_OUT)                 \
	X(assign, _TRANSPORT, _STATE, _FATAL, _TIMED_OUT)                                                              \
	X(pause_partitions, _TRANSPORT, _STATE, _FATAL, _TIMED_OUT)                                                    \
	X(resume_partitions, _TRANSPORT, _STATE, _FATAL, _TIMED_OUT)                                                   \
	X(seek_partitions, _TRANSPORT, _STATE, _FATAL, _TIMED_OUT)                                                     \
	X(consume_batch_queue, _TRANSPORT, _STATE, _FATAL, _TIMED_OUT)                                                 \
	X(consume_start_queue, _TRANSPORT, _UNKNOWN_TOPIC, _FATAL, _TIMED_OUT)                                         \
	X(consumer_group_metadata, _STATE, _STATE, _FATAL, _TIMED_OUT)                                                 \
	X(metadata, LEADER_NOT_AVAILABLE, _TRANSPORT, _FATAL, _TIMED_OUT)

enum call {
#define X(name, retriable, abortable, fatal, timeout) CALL_##name,
	CALL_TABLE(X)
#undef X
		CALLS
};

static const struct {
	const char *id;
	rd_kafka_resp_err_t codes[CLASSES];
} calls[CALLS] = {
#define CODE(name) RD_KAFKA_RESP_ERR_##name
#define X(name, retriable, abortable, fatal, timeout)                                                                  \
	{#name, {CODE(retriable), CODE(abortable), CODE(fatal), CODE(timeout), CODE(timeout)}},
	CALL_TABLE(X)
#undef X
};

static struct {
	long n, times; /* n 0: it does not fail */
	enum failing_class class;
	atomic_long made;
} plans[CALLS];

static int find(const char *const *ids, int len, const char *id)
{
	for (int i = 0; i < len; i++)
		if (strcmp(ids[i], id) == 0)
			return i;
	return -1;
}

static bool take_plan(const char *text)
{
	char call[64], class[32];
	long n, times = 1;
	int which = -1;

	if (sscanf(text, "%63[a-z_]:%ld:%31[a-z]:%ld", call, &n, class, &times) < 3 || n < 1 || times < 1)
		return false;
	for (int i = 0; i < CALLS; i++)
		if (strcmp(calls[i].id, call) == 0)
			which = i;
	if (which < 0 || find(class_ids, CLASSES, class) < 0)
		return false;
	plans[which].n = n;
	plans[which].times = times;
	plans[which].class = (enum failing_class)find(class_ids, CLASSES, class);
	return true;
}

__attribute__((constructor)) static void begin(void)
{
	const char *value = getenv("SEGMENTD_FAIL");
	char plan[128];

	for (const char *at = value; at && *at;) {
		size_t len = strcspn(at, ",");

		snprintf(plan, sizeof plan, "%.*s", (int)len, at);
		if (!take_plan(plan)) {
			fprintf(stderr, "SEGMENTD_FAIL=%s: wanted is call:n:class[:times],…, see kafka.c\n", value);
			_exit(2);
		}
		at += len + (at[len] == ',');
	}
}

/* True: this one fails. */
static bool fails(enum call call)
{
	char line[160];
	long n;

	if (plans[call].n == 0)
		return false;
	n = atomic_fetch_add(&plans[call].made, 1) + 1;
	if (n < plans[call].n || n >= plans[call].n + plans[call].times)
		return false;
	int len = snprintf(line, sizeof line, "failing_call name=%s n=%ld class=%s\n", calls[call].id, n,
			   class_ids[plans[call].class]);
	if (write(STDERR_FILENO, line, (size_t)len) < 0)
		abort(); /* a test that cannot see it must not pass */
	return true;
}

static bool is_made(enum call call)
{
	return plans[call].class == LATE;
}

static rd_kafka_resp_err_t code_of(enum call call)
{
	return calls[call].codes[plans[call].class];
}

/* What the library's own would say after a call that told its error in no other way. */
static __thread rd_kafka_resp_err_t last_error;

rd_kafka_resp_err_t rd_kafka_last_error(void)
{
	static rd_kafka_resp_err_t (*real)(void);
	rd_kafka_resp_err_t ours = last_error;

	last_error = RD_KAFKA_RESP_ERR_NO_ERROR;
	if (!real)
		real = (rd_kafka_resp_err_t(*)(void))dlsym(RTLD_NEXT, "rd_kafka_last_error");
	return ours ? ours : real();
}

static void make_fatal(enum call call, rd_kafka_t *rk)
{
	if (plans[call].class == FATAL && rk)
		rd_kafka_test_fatal_error(rk, RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH, "on purpose");
}

/* The library's own function of that name. */
#define NEXT(name) ((__typeof__(&name))next(#name))
static void *next(const char *name)
{
	void *found = dlsym(RTLD_NEXT, name);

	if (!found)
		abort();
	return found;
}

/* ---- errors with flags, which only librdkafka itself can set ---- */

enum { OURS_MOST = 64 };
static pthread_mutex_t ours_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	const rd_kafka_error_t *error;
	enum failing_class class;
} ours[OURS_MOST];

/* Classes: of ours; else CLASSES. */
static enum failing_class class_of(const rd_kafka_error_t *error)
{
	enum failing_class found = CLASSES;

	pthread_mutex_lock(&ours_lock);
	for (int i = 0; error && i < OURS_MOST; i++)
		if (ours[i].error == error)
			found = ours[i].class;
	pthread_mutex_unlock(&ours_lock);
	return found;
}

static rd_kafka_error_t *error_of(enum call call, rd_kafka_t *rk)
{
	rd_kafka_error_t *e = rd_kafka_error_new(code_of(call), "%s: on purpose", calls[call].id);

	make_fatal(call, rk);
	pthread_mutex_lock(&ours_lock);
	for (int i = 0; i < OURS_MOST; i++)
		if (!ours[i].error) {
			ours[i].error = e;
			ours[i].class = plans[call].class;
			break;
		}
	pthread_mutex_unlock(&ours_lock);
	return e;
}

int rd_kafka_error_is_fatal(const rd_kafka_error_t *error)
{
	enum failing_class class = class_of(error);

	return class == CLASSES ? NEXT(rd_kafka_error_is_fatal)(error) : class == FATAL;
}

/* A transactional call's time-out is to be tried again, says librdkafka. */
int rd_kafka_error_is_retriable(const rd_kafka_error_t *error)
{
	enum failing_class class = class_of(error);

	return class == CLASSES ? NEXT(rd_kafka_error_is_retriable)(error) : class == RETRIABLE || class == TIMEOUT;
}

int rd_kafka_error_txn_requires_abort(const rd_kafka_error_t *error)
{
	enum failing_class class = class_of(error);

	return class == CLASSES ? NEXT(rd_kafka_error_txn_requires_abort)(error) : class == ABORTABLE;
}

void rd_kafka_error_destroy(rd_kafka_error_t *error)
{
	pthread_mutex_lock(&ours_lock);
	for (int i = 0; error && i < OURS_MOST; i++)
		if (ours[i].error == error)
			ours[i].error = NULL;
	pthread_mutex_unlock(&ours_lock);
	NEXT(rd_kafka_error_destroy)(error);
}

/* ---- calls that return such an error ---- */

#define WITH_ERROR(call, rk, args)                                                                                     \
	do {                                                                                                           \
		rd_kafka_error_t *e_;                                                                                  \
		if (!fails(CALL_##call))                                                                               \
			return NEXT(rd_kafka_##call) args;                                                             \
		if (is_made(CALL_##call) && (e_ = NEXT(rd_kafka_##call) args))                                         \
			return e_;                                                                                     \
		return error_of(CALL_##call, rk);                                                                      \
	} while (0)

rd_kafka_error_t *rd_kafka_init_transactions(rd_kafka_t *rk, int timeout_ms)
{
	WITH_ERROR(init_transactions, rk, (rk, timeout_ms));
}

rd_kafka_error_t *rd_kafka_begin_transaction(rd_kafka_t *rk)
{
	WITH_ERROR(begin_transaction, rk, (rk));
}

rd_kafka_error_t *rd_kafka_send_offsets_to_transaction(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *offsets,
						       const rd_kafka_consumer_group_metadata_t *group, int timeout_ms)
{
	WITH_ERROR(send_offsets_to_transaction, rk, (rk, offsets, group, timeout_ms));
}

rd_kafka_error_t *rd_kafka_commit_transaction(rd_kafka_t *rk, int timeout_ms)
{
	WITH_ERROR(commit_transaction, rk, (rk, timeout_ms));
}

rd_kafka_error_t *rd_kafka_abort_transaction(rd_kafka_t *rk, int timeout_ms)
{
	WITH_ERROR(abort_transaction, rk, (rk, timeout_ms));
}

rd_kafka_error_t *rd_kafka_seek_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *partitions, int timeout_ms)
{
	WITH_ERROR(seek_partitions, rk, (rk, partitions, timeout_ms));
}

/* ---- calls that return a code ---- */

#define WITH_CODE(call, rk, args)                                                                                      \
	do {                                                                                                           \
		rd_kafka_resp_err_t e_;                                                                                \
		if (!fails(CALL_##call))                                                                               \
			return NEXT(rd_kafka_##call) args;                                                             \
		if (is_made(CALL_##call) && (e_ = NEXT(rd_kafka_##call) args))                                         \
			return e_;                                                                                     \
		make_fatal(CALL_##call, rk);                                                                           \
		return code_of(CALL_##call);                                                                           \
	} while (0)

rd_kafka_resp_err_t rd_kafka_flush(rd_kafka_t *rk, int timeout_ms)
{
	WITH_CODE(flush, rk, (rk, timeout_ms));
}

rd_kafka_resp_err_t rd_kafka_subscribe(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *topics)
{
	WITH_CODE(subscribe, rk, (rk, topics));
}

rd_kafka_resp_err_t rd_kafka_committed(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *partitions, int timeout_ms)
{
	WITH_CODE(committed, rk, (rk, partitions, timeout_ms));
}

rd_kafka_resp_err_t rd_kafka_query_watermark_offsets(rd_kafka_t *rk, const char *topic, int32_t partition, int64_t *low,
						     int64_t *high, int timeout_ms)
{
	WITH_CODE(query_watermark_offsets, NULL, (rk, topic, partition, low, high, timeout_ms));
}

rd_kafka_resp_err_t rd_kafka_assign(rd_kafka_t *rk, const rd_kafka_topic_partition_list_t *partitions)
{
	WITH_CODE(assign, rk, (rk, partitions));
}

rd_kafka_resp_err_t rd_kafka_pause_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *partitions)
{
	WITH_CODE(pause_partitions, rk, (rk, partitions));
}

rd_kafka_resp_err_t rd_kafka_resume_partitions(rd_kafka_t *rk, rd_kafka_topic_partition_list_t *partitions)
{
	WITH_CODE(resume_partitions, rk, (rk, partitions));
}

rd_kafka_resp_err_t rd_kafka_metadata(rd_kafka_t *rk, int all, rd_kafka_topic_t *only,
				      const struct rd_kafka_metadata **ret, int timeout_ms)
{
	if (!fails(CALL_metadata))
		return NEXT(rd_kafka_metadata)(rk, all, only, ret, timeout_ms);
	return code_of(CALL_metadata); /* nothing is handed out with an error */
}

/* ---- calls that say it otherwise ---- */

ssize_t rd_kafka_consume_batch_queue(rd_kafka_queue_t *queue, int timeout_ms, rd_kafka_message_t **messages, size_t len)
{
	if (!fails(CALL_consume_batch_queue))
		return NEXT(rd_kafka_consume_batch_queue)(queue, timeout_ms, messages, len);
	last_error = code_of(CALL_consume_batch_queue);
	return last_error == RD_KAFKA_RESP_ERR__TIMED_OUT ? 0 : -1;
}

int rd_kafka_consume_start_queue(rd_kafka_topic_t *topic, int32_t partition, int64_t offset, rd_kafka_queue_t *queue)
{
	if (!fails(CALL_consume_start_queue))
		return NEXT(rd_kafka_consume_start_queue)(topic, partition, offset, queue);
	if (is_made(CALL_consume_start_queue))
		(void)NEXT(rd_kafka_consume_start_queue)(topic, partition, offset, queue);
	last_error = code_of(CALL_consume_start_queue);
	return -1;
}

rd_kafka_consumer_group_metadata_t *rd_kafka_consumer_group_metadata(rd_kafka_t *rk)
{
	if (!fails(CALL_consumer_group_metadata))
		return NEXT(rd_kafka_consumer_group_metadata)(rk);
	make_fatal(CALL_consumer_group_metadata, rk);
	return NULL;
}

/* A record as segmentd gives it. */
struct record {
	rd_kafka_topic_t *topic;
	int32_t partition;
	int flags;
	void *key, *value, *opaque;
	size_t key_len, value_len;
	int64_t timestamp_ms;
	rd_kafka_headers_t *headers;
};

/* False: the arguments end here. */
static bool take_argument(struct record *r, va_list *ap)
{
	rd_kafka_vtype_t type = va_arg(*ap, rd_kafka_vtype_t);

	if (type == RD_KAFKA_VTYPE_END)
		return false;
	if (type == RD_KAFKA_VTYPE_RKT) {
		r->topic = va_arg(*ap, rd_kafka_topic_t *);
	} else if (type == RD_KAFKA_VTYPE_PARTITION) {
		r->partition = va_arg(*ap, int32_t);
	} else if (type == RD_KAFKA_VTYPE_MSGFLAGS) {
		r->flags = va_arg(*ap, int);
	} else if (type == RD_KAFKA_VTYPE_KEY) {
		r->key = va_arg(*ap, void *);
		r->key_len = va_arg(*ap, size_t);
	} else if (type == RD_KAFKA_VTYPE_VALUE) {
		r->value = va_arg(*ap, void *);
		r->value_len = va_arg(*ap, size_t);
	} else if (type == RD_KAFKA_VTYPE_TIMESTAMP) {
		r->timestamp_ms = va_arg(*ap, int64_t);
	} else if (type == RD_KAFKA_VTYPE_OPAQUE) {
		r->opaque = va_arg(*ap, void *);
	} else if (type == RD_KAFKA_VTYPE_HEADERS) {
		r->headers = va_arg(*ap, rd_kafka_headers_t *);
	} else {
		fprintf(stderr, "kafka.c: an argument of rd_kafka_producev that is not known here\n");
		abort();
	}
	return true;
}

static rd_kafka_resp_err_t produce(rd_kafka_t *rk, const struct record *r)
{
#define COMMON                                                                                                         \
	RD_KAFKA_V_RKT(r->topic), RD_KAFKA_V_PARTITION(r->partition), RD_KAFKA_V_MSGFLAGS(r->flags),                   \
		RD_KAFKA_V_KEY(r->key, r->key_len), RD_KAFKA_V_VALUE(r->value, r->value_len),                          \
		RD_KAFKA_V_TIMESTAMP(r->timestamp_ms), RD_KAFKA_V_OPAQUE(r->opaque)
	if (r->headers)
		return NEXT(rd_kafka_producev)(rk, COMMON, RD_KAFKA_V_HEADERS(r->headers), RD_KAFKA_V_END);
	return NEXT(rd_kafka_producev)(rk, COMMON, RD_KAFKA_V_END);
#undef COMMON
}

rd_kafka_resp_err_t rd_kafka_producev(rd_kafka_t *rk, ...)
{
	struct record r = {0};
	rd_kafka_resp_err_t e;
	va_list ap;

	va_start(ap, rk);
	while (take_argument(&r, &ap))
		;
	va_end(ap);
	if (!fails(CALL_producev))
		return produce(rk, &r);
	if (is_made(CALL_producev)) {
		if (r.headers) /* the caller keeps its own when it is told of an error */
			r.headers = rd_kafka_headers_copy(r.headers);
		e = produce(rk, &r);
		if (e && r.headers)
			rd_kafka_headers_destroy(r.headers);
		return e ? e : code_of(CALL_producev);
	}
	make_fatal(CALL_producev, rk);
	return code_of(CALL_producev);
}
