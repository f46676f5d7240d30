/*
 * One customer's profile as a plain struct: what state/ stores, segmenter/ reads and daemon/ decides on.
 *
 * Two kinds of state (docs/design: exactly once): AGGREGATES are functions of the set of accepted events with distinct
 * ids, never of their order, and can be rebuilt by reading inputs again; the DECISION is logged with the transaction
 * that made it. The CONTRIBUTION is what the customer stands for in the model's sums.
 *
 * Sections are NULL until a first event needs them. A profile owns all it points to; seg_profile_free() frees it.
 */
#ifndef SEG_BASE_PROFILE_H
#define SEG_BASE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/event.h"

enum { SEG_HALF_LIVES = 3 }; /* 1, 7 and 30 days */
extern const double seg_half_life_ms[SEG_HALF_LIVES];
#define SEG_DAY_MS INT64_C(86400000)
#define SEG_MISSING INT32_MIN /* a missing value in a contribution */

/* Events counted with exponential decay, as of the greatest event time seen (forward decay, Cormode et al. 2009). */
struct seg_decayed {
	int64_t time_ms; /* SEG_NO_TIME: nothing yet */
	double count[SEG_HALF_LIVES];
};

struct seg_decayed1 { /* the same with one half-life, given by the context */
	int64_t time_ms;
	double count;
};

#define SEG_UNKNOWN_MONEY (-1) /* of a profile stored before it was kept */

enum { SEG_PURCHASE_DAYS = 1024 }; /* newest distinct UTC days of purchase kept */

struct seg_orders {
	uint64_t purchases, refunds;
	int64_t purchased_micro, refunded_micro;
	int64_t first_day_micro;	 /* purchased on the first UTC day with a purchase; SEG_UNKNOWN_MONEY */
	int64_t first_ms, last_ms;	 /* purchases only; SEG_NO_TIME */
	struct seg_decayed1 decayed_60d; /* purchases, half-life 60 days */
	uint32_t days_len, days_cap;
	int32_t *days; /* days since 1970-01-01 with a purchase, ascending, the newest SEG_PURCHASE_DAYS */
};

enum { SEG_SESSION_MINUTES = 30, SEG_SESSION_BUCKETS = 1440, SEG_SESSION_WORDS = 23 }; /* 30 days; 23 * 64 >= 1440 */
enum seg_device {
	SEG_DEVICE_DESKTOP,
	SEG_DEVICE_MOBILE,
	SEG_DEVICE_TABLET,
	SEG_DEVICE_APP,
	SEG_DEVICE_OTHER,
	SEG_DEVICES
};
enum { SEG_DAY_PARTS = 4 }; /* six hours of UTC each */

struct seg_web {
	int64_t last_ms;
	struct seg_decayed kinds[SEG_WEB_KINDS];      /* [0] unused */
	int64_t session_anchor;			      /* greatest bucket seen = floor(time / 30 min) */
	uint64_t session_bits[SEG_SESSION_WORDS];     /* bit i: bucket session_anchor - i */
	struct seg_decayed1 devices[SEG_DEVICES];     /* half-life 30 days */
	struct seg_decayed1 day_parts[SEG_DAY_PARTS]; /* half-life 30 days */
};

struct seg_email {
	int64_t last_human_ms, last_click_ms;		 /* human open or click; click */
	struct seg_decayed kinds[SEG_EMAIL_KINDS];	 /* opens and clicks: human ones */
	struct seg_decayed1 latency_weight, latency_sum; /* human opens with a sent time: 1 and log1p(hours), 30 days */
	uint64_t machine_opens;
};

struct seg_attribute {	     /* max-register by (time_ms, id_hash) */
	struct seg_str name; /* owned */
	int64_t time_ms;
	uint64_t id_hash;
	struct seg_value value; /* strings owned; null: removed, kept so that an older value stays out */
};

struct seg_consent {		/* latest wins; at equal times not granted */
	struct seg_str purpose; /* owned */
	int64_t time_ms;
	bool granted;
};

struct seg_attributes {
	uint32_t len, consents_len;
	struct seg_attribute *items;  /* ascending by name hash, then name; the 64 smallest are kept */
	struct seg_consent *consents; /* the same */
};

struct seg_seen {
	int64_t time_ms;
	uint64_t hash;
};

struct seg_window { /* dedup window of one source: the N largest (time, hash), ascending */
	uint32_t len, cap;
	struct seg_seen *items;
};

/*
 * Rule segments held: their names, ascending, each ended by a NUL. All rules of a configuration fit, so that a decision is
 * one block of memory; by name, so that a rule may move within the configuration or go from it.
 */
enum { SEG_RULES_MAX = 64, SEG_RULE_NAME_MAX = 40, SEG_RULE_NAMES_BYTES = 254 };
struct seg_held_rules {
	uint16_t len; /* bytes of names in use */
	char names[SEG_RULE_NAMES_BYTES];
};

struct seg_decision {
	bool alive; /* has a birth; false: erased or expired, only `stay_out` means something */
	bool has_stay_out;
	enum seg_source birth_source; /* first accepted event since the profile was made */
	int64_t birth_offset;
	uint64_t change_number; /* this customer's changes so far */
	uint64_t cluster;	/* held segment, 0: none */
	int64_t since_ms;	/* stream time of the last move; SEG_NO_TIME */
	uint64_t previous;	/* segment held before this one, 0: none */
	uint8_t advantage;	/* of the last move: 1 + hundredths of 1 - d_new / d_held, at most 101; 0: unknown */
	bool flapped;		/* the last move went back to `previous` within days (daemon/flaps.h) */
	struct seg_held_rules rules;
	int64_t stay_out[SEG_SOURCES]; /* erasure: the partition's positions - 1; what lies at or below stays out */
};

struct seg_contribution {
	uint64_t basis; /* 0: none */
	uint64_t cluster, promotion;
	int64_t evaluated_at_ms;
	uint32_t len;
	int32_t *values; /* transformed, unscaled, clamped, fixed point; SEG_MISSING */
};

struct seg_profile {
	struct seg_str id;	      /* owned */
	uint64_t hash;		      /* seg_hash_customer(id): order in the store and slot of re-evaluation */
	int64_t applied[SEG_SOURCES]; /* offset of the last record that went in, -1 */
	int64_t first_ms, last_ms;    /* event times of any source */
	struct seg_orders *orders;
	struct seg_web *web;
	struct seg_email *email;
	struct seg_attributes *attributes;
	struct seg_window seen[SEG_SOURCES];
	struct seg_decision decision;
	struct seg_contribution contribution;
};

/* An empty profile (copies id). NULL when out of memory. */
struct seg_profile *seg_profile_new(struct seg_str id, uint64_t hash);
void seg_profile_free(struct seg_profile *p);

/* Deep copy; NULL when out of memory. */
struct seg_profile *seg_profile_clone(const struct seg_profile *p);

/* Bytes of memory it takes, for the cache's budget. */
size_t seg_profile_size(const struct seg_profile *p);

/* Drops aggregates, decision and contribution; id and hash stay, applied becomes -1. */
void seg_profile_clear(struct seg_profile *p);

/* Drops the aggregates only; applied stays as well. */
void seg_profile_clear_aggregates(struct seg_profile *p);

bool seg_decision_equal(const struct seg_decision *a, const struct seg_decision *b);
bool seg_held_rules_equal(const struct seg_held_rules *a, const struct seg_held_rules *b);
bool seg_contribution_equal(const struct seg_contribution *a, const struct seg_contribution *b);

/* Deep copies; on failure (out of memory) `to` is unchanged and false comes back. */
bool seg_contribution_copy(struct seg_contribution *to, const struct seg_contribution *from);

/* Empty sections: no times, all counts 0. NULL when out of memory; freed with the profile that they are put into. */
struct seg_orders *seg_orders_new(void);
struct seg_web *seg_web_new(void);
struct seg_email *seg_email_new(void);

/*
 * Adds `weight` at time_ms, and another counter; the order of additions does not matter, up to rounding. from may be
 * empty, but not `c` itself.
 */
void seg_decayed_add(struct seg_decayed *c, int64_t time_ms, double weight);
void seg_decayed1_add(struct seg_decayed1 *c, double half_life_ms, int64_t time_ms, double weight);
void seg_decayed_merge(struct seg_decayed *c, const struct seg_decayed *from);
void seg_decayed1_merge(struct seg_decayed1 *c, double half_life_ms, const struct seg_decayed1 *from);

/* A decayed count seen from now_ms: forward for a later now, backward for an earlier one. 0 if nothing was counted. */
double seg_decayed_at(const struct seg_decayed *c, unsigned half_life, int64_t now_ms);
double seg_decayed1_at(const struct seg_decayed1 *c, double half_life_ms, int64_t now_ms);

#endif
