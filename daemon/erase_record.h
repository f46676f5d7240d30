/* The bytes of an erase record, as the profiles source has its records: Avro by our schema, or JSON by its mapping. Pure. */
#ifndef SEG_DAEMON_ERASE_RECORD_H
#define SEG_DAEMON_ERASE_RECORD_H

#include "base/buf.h"
#include "config/config.h"
#include "daemon/intake.h"

/*
 * Appends the value. It is read and cleaned as records of the source are, in its partition: SEG_INVALID: it would be refused,
 * or the mapping makes something else of it (err says which). event: kind, ids, time and update_source are used.
 */
enum seg_rc seg_erase_record(const struct seg_config *config, struct seg_intake *intake, const struct seg_event *event,
			     int32_t partition, struct seg_buf *out, struct seg_error *err) SEG_MUST_CHECK;

#endif
