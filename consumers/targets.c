#include "consumers/targets.h"

#include <string.h>

const char *const seg_source_schemas[SEG_SOURCES] = {"web_event", "email_event", "order", "profile_update"};

#define AT(member) offsetof(struct seg_event, member)
#define COMMON                                                                                                         \
	{"event_id", TARGET_TEXT, AT(event_id)}, {"customer_id", TARGET_TEXT, AT(customer_id)},                        \
		{"event_time", TARGET_TIME, AT(time_ms)},                                                              \
	{                                                                                                              \
		"kind", TARGET_KIND, 0                                                                                 \
	}

static const struct target web[] = {COMMON,
				    {"anonymous_id", TARGET_TEXT, AT(anonymous_id)},
				    {"session_id", TARGET_TEXT, AT(session_id)},
				    {"url", TARGET_TEXT, AT(url)},
				    {"category", TARGET_TEXT, AT(category)},
				    {"product_id", TARGET_TEXT, AT(product_id)},
				    {"quantity", TARGET_QUANTITY, 0},
				    {"amount", TARGET_AMOUNT, 0},
				    {"currency", TARGET_TEXT, AT(currency)},
				    {"device", TARGET_TEXT, AT(device)},
				    {"user_agent", TARGET_TEXT, AT(user_agent)},
				    {"country", TARGET_TEXT, AT(country)},
				    {"utm_campaign", TARGET_TEXT, AT(campaign)},
				    {NULL, TARGET_TEXT, 0}};

static const struct target email[] = {COMMON,
				      {"message_id", TARGET_TEXT, AT(message_id)},
				      {"sent_time", TARGET_TIME, AT(sent_time_ms)},
				      {"campaign", TARGET_TEXT, AT(campaign)},
				      {"variant", TARGET_TEXT, AT(variant)},
				      {"link", TARGET_TEXT, AT(url)},
				      {"user_agent", TARGET_TEXT, AT(user_agent)},
				      {"machine_open", TARGET_BOOL, AT(machine_open)},
				      {NULL, TARGET_TEXT, 0}};

static const struct target orders[] = {COMMON,
				       {"order_id", TARGET_TEXT, AT(order_id)},
				       {"amount", TARGET_AMOUNT, 0},
				       {"currency", TARGET_TEXT, AT(currency)},
				       {"quantity", TARGET_QUANTITY, 0},
				       {"country", TARGET_TEXT, AT(country)},
				       {"campaign", TARGET_TEXT, AT(campaign)},
				       {NULL, TARGET_TEXT, 0}};

static const struct target profiles[] = {COMMON,
					 {"source", TARGET_TEXT, AT(update_source)},
					 {"attributes", TARGET_ATTRIBUTES, 0},
					 {"consent", TARGET_CONSENTS, 0},
					 {"anonymous_id", TARGET_TEXT, AT(anonymous_id)},
					 {NULL, TARGET_TEXT, 0}};

const struct target *const seg_targets[SEG_SOURCES] = {
	[SEG_WEB] = web, [SEG_EMAIL] = email, [SEG_ORDERS] = orders, [SEG_PROFILES] = profiles};

const struct target *seg_target_find(enum seg_source source, const char *field)
{
	const char *own = strcmp(field, "time") == 0 ? "event_time" : field;

	for (const struct target *t = seg_targets[source]; t->field; t++) {
		if (strcmp(t->field, own) == 0)
			return t;
	}
	return NULL;
}
