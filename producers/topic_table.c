/* What topics must be like: the one table. Times in ms. */
#include "producers/topic_admin.h"

const char *const seg_topic_role_names[SEG_TOPIC_ROLES] = {
	[SEG_TOPIC_INPUT] = "input",
	[SEG_TOPIC_CHANGES] = "segment changes",
	[SEG_TOPIC_SEGMENTS] = "segments",
	[SEG_TOPIC_ALERTS] = "drift alerts",
	[SEG_TOPIC_TRIGGERS] = "campaign triggers",
	[SEG_TOPIC_DEAD_LETTERS] = "dead letters",
	[SEG_TOPIC_CONTACTS] = "contacts",
	[SEG_TOPIC_CHANGELOG] = "changelog",
	[SEG_TOPIC_MODEL_SUMS] = "model sums",
	[SEG_TOPIC_MODEL] = "model",
};

#define HOUR_MS "3600000"
#define DAY_MS "86400000"
#define WEEK_MS "604800000"
#define FOUR_MIB "4194304"

/* On all topics of ours. min.insync.replicas is lowered where there are fewer brokers. */
#define COMMON                                                                                                         \
	{"min.insync.replicas", "2", SEG_COMPARE_AT_LEAST, false,                                                      \
	 "an acknowledged record must outlive the loss of one broker"},                                                \
		{"unclean.leader.election.enable", "false", SEG_COMPARE_EQUAL, true,                                   \
		 "a broker that missed records must not become leader"},                                               \
	{                                                                                                              \
		"message.timestamp.type", "CreateTime", SEG_COMPARE_EQUAL, true,                                       \
			"the producer's time is the record's time"                                                     \
	}

static const struct seg_topic_setting input[] = {
	{"cleanup.policy", "delete", SEG_COMPARE_EQUAL, false,
	 "compaction removes events that re-reading after a crash needs"},
	{"min.insync.replicas", "2", SEG_COMPARE_AT_LEAST, false,
	 "an acknowledged record must outlive the loss of one broker"},
	{"unclean.leader.election.enable", "false", SEG_COMPARE_EQUAL, false,
	 "a broker that missed records must not become leader"},
	{"message.timestamp.type", "CreateTime", SEG_COMPARE_EQUAL, false, "the producer's time is the record's time"},
	{"retention.ms", WEEK_MS, SEG_COMPARE_AT_LEAST, false,
	 "recovery re-reads the inputs from the last checkpoint: they must still be there after an outage"},
};

static const struct seg_topic_setting output[] = {
	COMMON,
	{"cleanup.policy", "delete", SEG_COMPARE_EQUAL, true, "each record is an event of its own"},
};

static const struct seg_topic_setting table[] = {
	COMMON,
	{"cleanup.policy", "compact", SEG_COMPARE_EQUAL, true, "the newest record of a key is its state"},
};

static const struct seg_topic_setting dead_letters[] = {
	COMMON,
	{"cleanup.policy", "delete", SEG_COMPARE_EQUAL, true, "each record is an event of its own"},
	/* Largest input's and 64 KiB for the headers: by the specification's max_message_bytes. */
	{"max.message.bytes", "1114124", SEG_COMPARE_AT_LEAST, false,
	 "a refused record must fit with its headers, or it is kept without its value"},
};

static const struct seg_topic_setting changelog[] = {
	COMMON,
	{"cleanup.policy", "compact", SEG_COMPARE_EQUAL, true, "the newest record of a key is its state"},
	{"segment.bytes", "134217728", SEG_COMPARE_EQUAL, false, "the active segment is never compacted"},
	{"segment.ms", HOUR_MS, SEG_COMPARE_AT_MOST, false, "the active segment is never compacted"},
	{"min.cleanable.dirty.ratio", "0.3", SEG_COMPARE_AT_MOST, false, "a restore reads all that is not compacted"},
	{"max.compaction.lag.ms", DAY_MS, SEG_COMPARE_AT_MOST, true, "an erased customer must leave the log"},
	{"delete.retention.ms", WEEK_MS, SEG_COMPARE_AT_LEAST, true,
	 "a store that was down for less must still see the tombstones"},
	{"max.message.bytes", FOUR_MIB, SEG_COMPARE_AT_LEAST, true, "a large profile must fit"},
};

static const struct seg_topic_setting model[] = {
	COMMON,
	{"cleanup.policy", "compact", SEG_COMPARE_EQUAL, true, "the newest record of a key is its state"},
	{"segment.ms", HOUR_MS, SEG_COMPARE_AT_MOST, false, "the active segment is never compacted"},
	{"min.cleanable.dirty.ratio", "0.3", SEG_COMPARE_AT_MOST, false, "every start reads all that is not compacted"},
	{"max.compaction.lag.ms", DAY_MS, SEG_COMPARE_AT_MOST, true, "an erased customer's sample must leave the log"},
	{"delete.retention.ms", WEEK_MS, SEG_COMPARE_AT_LEAST, true,
	 "readers that were down must still see tombstones"},
	{"max.message.bytes", FOUR_MIB, SEG_COMPARE_AT_LEAST, true, "a model with many segments must fit"},
};

#define ROWS(a)                                                                                                        \
	do {                                                                                                           \
		*ret_len = sizeof(a) / sizeof *(a);                                                                    \
		return a;                                                                                              \
	} while (0)

const struct seg_topic_setting *seg_topic_settings(enum seg_topic_role role, size_t *ret_len)
{
	switch (role) {
	case SEG_TOPIC_INPUT:
		ROWS(input);
	case SEG_TOPIC_CHANGES:
	case SEG_TOPIC_ALERTS:
	case SEG_TOPIC_TRIGGERS:
		ROWS(output);
	case SEG_TOPIC_DEAD_LETTERS:
		ROWS(dead_letters);
	case SEG_TOPIC_SEGMENTS:
	case SEG_TOPIC_CONTACTS:
		ROWS(table);
	case SEG_TOPIC_CHANGELOG:
		ROWS(changelog);
	case SEG_TOPIC_MODEL_SUMS:
	case SEG_TOPIC_MODEL:
		ROWS(model);
	case SEG_TOPIC_ROLES:
		break;
	}
	*ret_len = 0;
	return NULL;
}

bool seg_topic_has_one_partition(enum seg_topic_role role)
{
	switch (role) {
	case SEG_TOPIC_SEGMENTS:
	case SEG_TOPIC_ALERTS:
	case SEG_TOPIC_MODEL_SUMS:
	case SEG_TOPIC_MODEL:
		return true;
	case SEG_TOPIC_INPUT:
	case SEG_TOPIC_CHANGES:
	case SEG_TOPIC_TRIGGERS:
	case SEG_TOPIC_DEAD_LETTERS:
	case SEG_TOPIC_CONTACTS:
	case SEG_TOPIC_CHANGELOG:
	case SEG_TOPIC_ROLES:
		break;
	}
	return false;
}
