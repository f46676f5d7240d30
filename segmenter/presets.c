/* The presets: which features of the catalogue, in which order. Transforms are the catalogue's. */
#include "segmenter/catalogue.h"

#include <stdio.h>
#include <string.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const char *const rfm[] = {"recency_days",    "frequency",   "monetary",
				  "avg_order_value", "tenure_days", "orders_60d"};
static const char *const behaviour[] = {"page_views_30d",  "product_views_30d",	    "searches_30d",	"carts_30d",
					"checkouts_30d",   "web_purchases_30d",	    "web_recency_days", "sessions_30d",
					"session_minutes", "cart_abandonment_rate", "engagement_trend"};
static const char *const email[] = {"emails_delivered_30d", "open_rate",	  "click_rate",
				    "click_to_open_rate",   "email_recency_days", "open_latency_hours",
				    "email_engagement"};

static const struct preset {
	const char *name;
	const char *const *features;
	size_t len;
} parts[] = {{"rfm", rfm, COUNT(rfm)}, {"behaviour", behaviour, COUNT(behaviour)}, {"email", email, COUNT(email)}};

static void fill(struct seg_feature_config *c, const char *name)
{
	const struct seg_feature_def *def = seg_catalogue_at((size_t)seg_catalogue_find(name));

	*c = (struct seg_feature_config){
		.transform = def->transform, .scaler = SEG_SCALER_Z, .impute = SEG_IMPUTE_MEAN, .weight = 1};
	snprintf(c->name, sizeof(c->name), "%s", name);
}

size_t seg_preset(const char *name, struct seg_feature_config *ret, size_t max)
{
	bool full = strcmp(name, "full") == 0;
	size_t len = 0;

	for (size_t i = 0; i < COUNT(parts); i++) {
		if (!full && strcmp(name, parts[i].name) != 0)
			continue;
		for (size_t j = 0; j < parts[i].len && len < max; j++)
			fill(&ret[len++], parts[i].features[j]);
	}
	return len;
}
