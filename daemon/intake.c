#include "daemon/intake.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "consumers/clean.h"

struct seg_intake {
	struct seg_decoder *decoders[SEG_SOURCES]; /* NULL: not read */
	struct seg_decoder_options decoding[SEG_SOURCES];
	struct seg_mapped *mappings[SEG_SOURCES];
	struct seg_cleaner *cleaner;
	int32_t partitions;
	struct seg_event event;
	struct seg_refused why;
	int64_t time_ms;
};

static enum seg_rc set_decoding(struct seg_intake *in, const struct seg_config *config, int s, struct seg_error *err)
{
	const struct seg_config_mapping *mapping = &config->sources[s].mapping;
	in->mappings[s] = calloc(mapping->len ? mapping->len : 1, sizeof(*in->mappings[s]));
	if (!in->mappings[s])
		return seg_error_set(err, SEG_NO_MEMORY, "sources.%s: out of memory", seg_source_names[s]);
	for (size_t i = 0; i < mapping->len; i++) {
		const struct seg_config_mapped *from = &mapping->items[i];
		in->mappings[s][i] = (struct seg_mapped){from->field, from->path, from->constant};
	}
	in->decoding[s] = (struct seg_decoder_options){
		.source = (enum seg_source)s,
		.format = config->sources[s].format,
		.mapping = in->mappings[s],
		.mapping_len = mapping->len,
		.schemas_dir = config->schemas.dir,
	};
	if (!config->sources[s].read)
		return SEG_OK;
	enum seg_rc rc = seg_decoder_new(&in->decoding[s], &in->decoders[s], err);
	return rc ? seg_error_wrap(err, rc, "sources.%s", seg_source_names[s]) : SEG_OK;
}

static enum seg_rc set_cleaner(struct seg_intake *in, const struct seg_config *config, struct seg_error *err)
{
	size_t len = config->currencies.rates.len;
	struct seg_rate *rates = calloc(len ? len : 1, sizeof(*rates));
	if (!rates)
		return seg_error_set(err, SEG_NO_MEMORY, "cleaning: out of memory");
	for (size_t i = 0; i < len; i++)
		rates[i] = (struct seg_rate){config->currencies.rates.items[i].currency,
					     config->currencies.rates.items[i].rate};
	struct seg_cleaner_options options = {
		.max_future_ms = config->max_future_ms,
		.base_currency = config->currencies.base,
		.rates = rates,
		.rates_len = len,
		.placeholder_ids = (const char *const *)config->cleaning.placeholder_ids.items,
		.placeholder_ids_len = config->cleaning.placeholder_ids.len,
		.bots = (const char *const *)config->cleaning.bots.items,
		.bots_len = config->cleaning.bots.len,
		.max_amount = config->cleaning.max_amount,
	};
	enum seg_rc rc = seg_cleaner_new(&options, &in->cleaner, err);
	free(rates);
	return rc;
}

enum seg_rc seg_intake_new(const struct seg_config *config, int32_t partitions, struct seg_intake **ret,
			   struct seg_error *err)
{
	struct seg_intake *in = calloc(1, sizeof(*in));
	if (!in)
		return seg_error_set(err, SEG_NO_MEMORY, "intake: out of memory");
	in->partitions = partitions;
	enum seg_rc rc = set_cleaner(in, config, err);
	for (int s = 0; !rc && s < SEG_SOURCES; s++)
		rc = set_decoding(in, config, s, err);
	if (rc) {
		seg_intake_free(in);
		return rc;
	}
	*ret = in;
	return SEG_OK;
}

void seg_intake_free(struct seg_intake *in)
{
	if (!in)
		return;
	for (int s = 0; s < SEG_SOURCES; s++) {
		seg_decoder_free(in->decoders[s]);
		free(in->mappings[s]);
	}
	seg_cleaner_free(in->cleaner);
	free(in);
}

enum seg_refusal seg_intake_read(struct seg_intake *in, const struct seg_raw *raw, const struct seg_event **ret)
{
	in->time_ms = SEG_NO_TIME;
	in->why.schema_id[0] = '\0';
	enum seg_refusal refusal = seg_decoder_decode(in->decoders[raw->source], raw->value, &in->event, &in->why);
	in->time_ms = in->event.time_ms;
	if (refusal)
		return refusal;
	struct seg_origin origin = {
		.key = raw->key,
		.check_key = in->partitions > 0,
		.partition = raw->partition,
		.partitions = in->partitions,
		.timestamp_ms = raw->timestamp_ms,
	};
	refusal = seg_clean(in->cleaner, &origin, &in->event, in->why.text, sizeof(in->why.text));
	*ret = &in->event;
	return refusal;
}

enum seg_refusal seg_intake_clean(struct seg_intake *in, struct seg_event *e)
{
	struct seg_origin origin = {.timestamp_ms = e->time_ms};
	in->time_ms = e->time_ms;
	in->why.schema_id[0] = '\0';
	return seg_clean(in->cleaner, &origin, e, in->why.text, sizeof(in->why.text));
}

const struct seg_decoder_options *seg_intake_decoding(const struct seg_intake *in, enum seg_source source)
{
	return &in->decoding[source];
}

const char *seg_intake_text(const struct seg_intake *in)
{
	return in->why.text;
}

const char *seg_intake_schema(const struct seg_intake *in)
{
	return in->why.schema_id;
}

int64_t seg_intake_time(const struct seg_intake *in)
{
	return in->time_ms;
}
