/*
 * Topics: what they must be like (one table), making them, and comparing what is there. Used by `segmentd topics` and
 * `segmentd check`.
 *
 * Threads: an admin handle belongs to one thread. Calls wait for the brokers, at most timeout_ms each.
 */
#ifndef SEG_PRODUCERS_TOPIC_ADMIN_H
#define SEG_PRODUCERS_TOPIC_ADMIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/kafka_client.h"

enum seg_topic_role {
	SEG_TOPIC_INPUT,
	SEG_TOPIC_CHANGES,
	SEG_TOPIC_SEGMENTS,
	SEG_TOPIC_ALERTS,
	SEG_TOPIC_TRIGGERS,
	SEG_TOPIC_DEAD_LETTERS,
	SEG_TOPIC_CONTACTS,
	SEG_TOPIC_CHANGELOG,
	SEG_TOPIC_MODEL_SUMS,
	SEG_TOPIC_MODEL,
	SEG_TOPIC_ROLES
};

extern const char *const seg_topic_role_names[SEG_TOPIC_ROLES];

enum seg_topic_compare { SEG_COMPARE_EQUAL, SEG_COMPARE_AT_LEAST, SEG_COMPARE_AT_MOST };

/* One row of the table of topic settings. */
struct seg_topic_setting {
	const char *name, *value;
	enum seg_topic_compare compare; /* how a topic that exists is judged */
	bool must;			/* false: a difference is a warning */
	const char *why;
};

/* The rows of a role; *ret_len of them, static. Inputs: what is expected, never set by create unless --inputs. */
const struct seg_topic_setting *seg_topic_settings(enum seg_topic_role role, size_t *ret_len);

/* Partitions a role has: those of the inputs, or 1. */
bool seg_topic_has_one_partition(enum seg_topic_role role);

struct seg_topic_spec {
	const char *name;
	enum seg_topic_role role;
	int32_t partitions;	   /* 0: by role, from the inputs among the specs */
	int64_t max_message_bytes; /* 0: as in the table; dead letters: the largest input's + 64 KiB */
};

enum seg_verdict { SEG_VERDICT_OK, SEG_VERDICT_WARN, SEG_VERDICT_FAIL };

struct seg_finding {
	enum seg_verdict verdict;
	char subject[256]; /* topic name, or "broker" */
	char text[512];
};

struct seg_findings {
	struct seg_finding *items; /* owned */
	size_t len, cap;
};

void seg_findings_init(struct seg_findings *f);
void seg_findings_release(struct seg_findings *f);
enum seg_verdict seg_findings_worst(const struct seg_findings *f);

struct seg_admin;

SEG_MUST_CHECK enum seg_rc seg_admin_open(const struct seg_kafka_client *client, int timeout_ms, struct seg_admin **ret,
					  struct seg_error *err);
bool seg_admin_close(struct seg_admin *a, int timeout_ms);

struct seg_cluster_info {
	char cluster_id[64]; /* empty: unknown */
	int brokers;
	char version[64]; /* inter.broker.protocol.version or metadata.version; empty: not told */
	bool auto_create; /* auto.create.topics.enable */
	bool knows_auto_create;
};

/* SEG_RETRY: no broker answered in time. */
SEG_MUST_CHECK enum seg_rc seg_admin_cluster(struct seg_admin *a, struct seg_cluster_info *ret, struct seg_error *err);

/* The cluster's id alone, "" if it has none; by metadata. SEG_RETRY as above. */
SEG_MUST_CHECK enum seg_rc seg_admin_cluster_id(struct seg_admin *a, char ret[64], struct seg_error *err);

struct seg_topic_info {
	bool exists;
	int32_t partitions, replication;
	int64_t max_message_bytes;   /* -1: unknown */
	int64_t delete_retention_ms; /* -1: unknown */
};

/* The same without its settings (they are -1): by metadata alone, which every broker answers at once. */
SEG_MUST_CHECK enum seg_rc seg_admin_layout(struct seg_admin *a, const char *name, struct seg_topic_info *ret,
					    struct seg_error *err);

SEG_MUST_CHECK enum seg_rc seg_admin_topic(struct seg_admin *a, const char *name, struct seg_topic_info *ret,
					   struct seg_error *err);

/*
 * Creates what is missing, with replication 3 and min.insync.replicas 2, or fewer and a warning when there are fewer
 * brokers. Inputs are created only with create_inputs (then spec.partitions must be set). What exists is checked, never
 * changed. Findings say, topic by topic, what was done and what differs. SEG_NOT_FOUND: an input is missing and
 * create_inputs is off, nothing was created.
 */
SEG_MUST_CHECK enum seg_rc seg_admin_create(struct seg_admin *a, const struct seg_topic_spec *specs, size_t len,
					    bool create_inputs, struct seg_findings *f, struct seg_error *err);

/* Compares with the table: existence, partition counts (inputs all equal), replication, settings. */
SEG_MUST_CHECK enum seg_rc seg_admin_check(struct seg_admin *a, const struct seg_topic_spec *specs, size_t len,
					   struct seg_findings *f, struct seg_error *err);

/* "partitions=4 replication=3 cleanup.policy=compact …": one finding a topic, verdict as in check. */
SEG_MUST_CHECK enum seg_rc seg_admin_describe(struct seg_admin *a, const struct seg_topic_spec *specs, size_t len,
					      struct seg_findings *f, struct seg_error *err);

/* Opens a transactional producer with the id, initialises it and closes it: are transactions allowed? Fences a running
 * producer of that id, so give one of its own, e.g. <app>-check. */
SEG_MUST_CHECK enum seg_rc seg_admin_try_transactions(const struct seg_kafka_client *client,
						      const char *transactional_id, int timeout_ms,
						      struct seg_error *err);

#endif
