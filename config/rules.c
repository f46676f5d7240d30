/* What options have to do with one another. Messages point at the option that the file gives. */
#include "config/check.h"

#include <string.h>

#define WEEK_MS INT64_C(604800000)

/* Where the file gives it, NULL: it does not. */
static const struct seg_node *given(const struct seg_check *c, const char *option)
{
	return c->given[seg_option_find(option) - seg_options];
}

/* Two options that do not go together: the one that the file gives. */
static const struct seg_node *given_of(const struct seg_check *c, const char *first, const char *second)
{
	const struct seg_node *at = given(c, first);

	return at ? at : given(c, second);
}

static const char *topic_in_use(const struct seg_check *c, const struct seg_option *o)
{
	const char *at = (const char *)c->config + o->offset;
	const char *first = (const char *)c->config->sources, *last = first + sizeof(c->config->sources);

	if (!(o->flags & SEG_OPTION_TOPIC))
		return NULL;
	if (at >= first && at < last &&
	    !c->config->sources[(at - first) / (ptrdiff_t)sizeof(c->config->sources[0])].read)
		return NULL;
	return *(char *const *)seg_option_get(o, c->config);
}

static enum seg_rc check_topics(const struct seg_check *c)
{
	for (size_t i = 0; i < seg_options_len; i++) {
		const char *topic = topic_in_use(c, &seg_options[i]);

		for (size_t j = 0; topic && j < i; j++) {
			const char *other = topic_in_use(c, &seg_options[j]);
			bool here = c->given[i] != NULL;

			if (other && strcmp(topic, other) == 0)
				return seg_check_refuse(
					c, here ? c->given[i] : c->given[j], seg_options[here ? i : j].name,
					"the topic `%.100s` is already that of %s; every topic needs a name of its own",
					topic, seg_options[here ? j : i].name);
		}
	}
	return SEG_OK;
}

static enum seg_rc check_rates(const struct seg_check *c)
{
	const struct seg_node *rates = given(c, "currencies.rates");

	for (const struct seg_node *n = rates ? rates->first : NULL; n; n = n->next)
		if (strcmp(n->key, c->config->currencies.base) == 0)
			return seg_check_refuse(c, n, "currencies.rates",
						"`%s` is the base currency, whose rate is always 1; leave it out",
						n->key);
	return SEG_OK;
}

/* What a later version will do is refused, not ignored. */
static enum seg_rc check_built(const struct seg_check *c)
{
	if (c->config->registry.url[0])
		return seg_check_refuse(c, given(c, "registry.url"), "registry.url",
					"a schema registry is not built yet; leave it empty: values are then in Avro "
					"single-object encoding");
	return SEG_OK;
}

enum seg_rc seg_check_rules(const struct seg_check *c)
{
	const struct seg_config *config = c->config;
	enum seg_rc rc = check_topics(c);

	if (rc == SEG_OK)
		rc = check_rates(c);
	if (rc == SEG_OK)
		rc = check_built(c);
	if (rc != SEG_OK)
		return rc;
	if (config->segmenter.k_min > config->segmenter.k_max)
		return seg_check_refuse(c, given_of(c, "segmenter.k_min", "segmenter.k_max"), "segmenter.k_min",
					"is larger than segmenter.k_max; it may be equal at most");
	if (config->segmenter.k > config->segmenter.min_customers)
		return seg_check_refuse(c, given_of(c, "segmenter.k", "segmenter.min_customers"), "segmenter.k",
					"is larger than segmenter.min_customers: fewer customers than segments");
	if (!seg_config_pca(config->segmenter.pca, &(uint32_t){0}, &(double){0}))
		return seg_check_refuse(
			c, given(c, "segmenter.pca"), "segmenter.pca",
			"is none of: `none`, a number of components from 1 to 128, a share of variance as "
			"0.9 or 90%%");
	if (config->drift.psi_warning > config->drift.psi_critical)
		return seg_check_refuse(c, given_of(c, "drift.psi_warning", "drift.psi_critical"), "drift.psi_warning",
					"is larger than drift.psi_critical; it may be equal at most");
	if (config->drift.window_ms % WEEK_MS != 0)
		return seg_check_refuse(c, given(c, "drift.window"), "drift.window",
					"is not a multiple of 7 days; allowed: 7d, 14d, 21d and so on up to 364d");
	return SEG_OK;
}
