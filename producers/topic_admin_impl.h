/* What topic_admin.c (asking and creating) and topic_check.c (judging) share. Nobody else includes this. */
#ifndef SEG_PRODUCERS_TOPIC_ADMIN_IMPL_H
#define SEG_PRODUCERS_TOPIC_ADMIN_IMPL_H

#include "producers/topic_admin.h"

enum { SEG_WANTED_REPLICATION = 3, SEG_WANTED_INSYNC = 2 };

struct seg_admin {
	rd_kafka_t *rk;
	rd_kafka_queue_t *queue;
	int timeout_ms;
};

/* All settings of a topic or broker, as the brokers tell them. */
struct admin_settings {
	rd_kafka_event_t *event; /* owned; the entries live in it */
	const rd_kafka_ConfigEntry_t **entries;
	size_t len;
};

SEG_MUST_CHECK enum seg_rc admin_settings_read(struct seg_admin *a, rd_kafka_ResourceType_t type, const char *name,
					       struct admin_settings *ret, struct seg_error *err);
void admin_settings_release(struct admin_settings *s);
const char *admin_setting(const struct admin_settings *s, const char *name); /* NULL: not told */

/* What the specs mean on this cluster. */
struct admin_plan {
	int brokers;
	int replication;    /* 3, or as many as there are brokers */
	int32_t partitions; /* of the inputs; 0: none among the specs has any */
	bool inputs_differ;
	int64_t largest_input;	      /* max.message.bytes; 0: not known */
	struct seg_topic_info *infos; /* owned, one a spec */
};

SEG_MUST_CHECK enum seg_rc admin_plan_make(struct seg_admin *a, const struct seg_topic_spec *specs, size_t len,
					   struct admin_plan *ret, struct seg_error *err);
void admin_plan_release(struct admin_plan *p);
int32_t admin_plan_partitions(const struct admin_plan *p, const struct seg_topic_spec *spec);
/* 0: the broker's default is fine. */
int64_t admin_plan_max_bytes(const struct admin_plan *p, const struct seg_topic_spec *spec);
/* The value a row has here: min.insync.replicas and max.message.bytes depend on the cluster and the spec. Text has 32 bytes. */
const char *admin_plan_value(const struct admin_plan *p, const struct seg_topic_spec *spec,
			     const struct seg_topic_setting *row, char *text);

SEG_MUST_CHECK enum seg_rc admin_find(struct seg_findings *f, enum seg_verdict verdict, const char *subject,
				      struct seg_error *err, const char *fmt, ...) SEG_PRINTF(5, 6);

/* Findings about one topic that is there. */
SEG_MUST_CHECK enum seg_rc admin_judge(struct seg_admin *a, const struct admin_plan *p,
				       const struct seg_topic_spec *spec, const struct seg_topic_info *info,
				       struct seg_findings *f, struct seg_error *err);

#endif
