/*
 * The first two stages: bytes to a plain event, and the record alone looked at. Used for new records, for records that
 * recovery reads again, and by replay: a refusal depends on nothing but the record and the configuration. One thread.
 */
#ifndef SEG_DAEMON_INTAKE_H
#define SEG_DAEMON_INTAKE_H

#include <stdint.h>

#include "base/event.h"
#include "base/outputs.h"
#include "base/reasons.h"
#include "config/config.h"
#include "consumers/decoder.h"

struct seg_intake;

struct seg_raw {
	enum seg_source source;
	int32_t partition;
	int64_t offset, timestamp_ms; /* timestamp SEG_NO_TIME: none */
	struct seg_str key, value;    /* ptr NULL: null */
};

/* partitions: of the inputs, for wrong_partition; 0: key and partition are not checked. config is borrowed until free. */
enum seg_rc seg_intake_new(const struct seg_config *config, int32_t partitions, struct seg_intake **ret,
			   struct seg_error *err) SEG_MUST_CHECK;
void seg_intake_free(struct seg_intake *in);

/*
 * SEG_REFUSED_NOT: *ret is the event, valid until the next call and as long as the raw bytes. Else what is wrong is to be
 * had from the functions below, until the next call.
 */
enum seg_refusal seg_intake_read(struct seg_intake *in, const struct seg_raw *raw, const struct seg_event **ret);

/* The second stage alone, for a record that was decoded elsewhere (replay): the timestamp is the event time. */
enum seg_refusal seg_intake_clean(struct seg_intake *in, struct seg_event *e);

/* The first stage's settings of a source; what they point to is the intake's. */
const struct seg_decoder_options *seg_intake_decoding(const struct seg_intake *in, enum seg_source source);

/* Of the record read last: why it was refused, in words; its schema's id ("" if it has none); its event time if that
 * could be read, else SEG_NO_TIME. */
const char *seg_intake_text(const struct seg_intake *in);
const char *seg_intake_schema(const struct seg_intake *in);
int64_t seg_intake_time(const struct seg_intake *in);

#endif
