/*
 * A decoded event: a plain struct filled by consumers/ and applied by state/. Strings are borrowed from the message
 * and valid as long as it is. Times are milliseconds since 1970-01-01 UTC, money is micro-units of the base currency.
 */
#ifndef SEG_BASE_EVENT_H
#define SEG_BASE_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* The order is part of the stored format (applied offsets, cuts) and of replay's order of equal times. */
enum seg_source { SEG_WEB, SEG_EMAIL, SEG_ORDERS, SEG_PROFILES, SEG_SOURCES };

/* Names as in the configuration: "web", "email", "orders", "profiles". */
extern const char *const seg_source_names[SEG_SOURCES];

/* Kinds have the indexes of the shipped schemas' symbols; 0 is always `other` (unknown symbol). */
enum seg_web_kind {
	SEG_WEB_OTHER,
	SEG_WEB_PAGE_VIEW,
	SEG_WEB_PRODUCT_VIEW,
	SEG_WEB_SEARCH,
	SEG_WEB_CART_ADD,
	SEG_WEB_CART_REMOVE,
	SEG_WEB_CHECKOUT,
	SEG_WEB_PURCHASE,
	SEG_WEB_LOGIN,
	SEG_WEB_SIGNUP,
	SEG_WEB_KINDS
};
enum seg_email_kind {
	SEG_EMAIL_OTHER,
	SEG_EMAIL_SENT,
	SEG_EMAIL_DELIVERED,
	SEG_EMAIL_OPEN,
	SEG_EMAIL_CLICK,
	SEG_EMAIL_BOUNCE,
	SEG_EMAIL_UNSUBSCRIBE,
	SEG_EMAIL_COMPLAINT,
	SEG_EMAIL_KINDS
};
enum seg_order_kind { SEG_ORDER_OTHER, SEG_ORDER_PURCHASE, SEG_ORDER_REFUND, SEG_ORDER_KINDS };
enum seg_update_kind {
	SEG_UPDATE_OTHER,
	SEG_UPDATE_UPDATE,
	SEG_UPDATE_CONSENT,
	SEG_UPDATE_IDENTIFY,
	SEG_UPDATE_ERASE,
	SEG_UPDATE_KINDS
};

#define SEG_NO_TIME INT64_MIN

enum { SEG_EVENT_ATTRIBUTES = 64, SEG_EVENT_CONSENTS = 32 }; /* more in one event: refused (too_many_items) */

enum seg_value_type { SEG_VALUE_NULL, SEG_VALUE_BOOL, SEG_VALUE_LONG, SEG_VALUE_DOUBLE, SEG_VALUE_STRING };

struct seg_value {
	enum seg_value_type type;
	union {
		bool b;
		int64_t i;
		double d;
		struct seg_str s;
	};
};

struct seg_event_attribute {
	struct seg_str name;
	struct seg_value value; /* null removes the attribute */
};

struct seg_event_consent {
	struct seg_str purpose;
	bool granted;
};

struct seg_event {
	enum seg_source source;
	uint8_t kind;	  /* enum of the source */
	int64_t time_ms;  /* event time */
	uint64_t id_hash; /* XXH3-64 of event_id */
	struct seg_str event_id, customer_id;

	/* web, orders */
	bool has_amount;
	double amount;		 /* as sent */
	int64_t amount_micro;	 /* llround(amount * rate * 1e6), set by cleaning */
	struct seg_str currency; /* absent: the base currency */
	struct seg_str country, category, product_id, device, user_agent, session_id, url, campaign;
	bool has_quantity;
	int32_t quantity;

	/* orders */
	struct seg_str order_id;

	/* email */
	struct seg_str message_id, variant;
	int64_t sent_time_ms; /* SEG_NO_TIME: absent */
	bool machine_open;

	/* profiles */
	struct seg_str update_source, anonymous_id;
	uint32_t attributes_len, consents_len;
	struct seg_event_attribute attributes[SEG_EVENT_ATTRIBUTES];
	struct seg_event_consent consents[SEG_EVENT_CONSENTS];
};

/* Clears all but the arrays' contents (their lengths become 0). */
void seg_event_reset(struct seg_event *e, enum seg_source source);

#endif
