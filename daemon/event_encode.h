/*
 * Writes an event as a record of the shipped input schemas (config/schemas/{web_event,email_event,order,
 * profile_update}.avsc) in Avro single-object encoding: what the demo's and the benchmark's generators need, and the
 * opposite of what consumers/ does. Hand-written, about 0.2 us an event. Pure; no state.
 *
 * Fields of the schemas that the event struct does not have (referrer, ip, bounce_type, order lines, …) become null or
 * empty; `url` is the e-mail's `link`, `campaign` the web event's `utm_campaign`; money goes out as `amount`.
 */
#ifndef SEG_DAEMON_EVENT_ENCODE_H
#define SEG_DAEMON_EVENT_ENCODE_H

#include "base/buf.h"
#include "base/event.h"

/* CRC-64-AVRO of each source's shipped schema, as the single-object header carries it (little endian). */
extern const uint64_t seg_event_fingerprints[SEG_SOURCES];

/* Appends header and body to `to`; the caller looks at to->failed. */
void seg_event_encode(const struct seg_event *e, struct seg_buf *to);

#endif
