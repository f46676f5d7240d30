/* The Avro schemas shipped with segmentd (config/schemas/NAME.avsc), embedded at build time. Static, any thread. */
#ifndef SEG_BASE_SCHEMAS_H
#define SEG_BASE_SCHEMAS_H

#include <stddef.h>

/* JSON text of config/schemas/NAME.avsc, e.g. "web_event"; NULL: no such schema. */
const char *seg_schema_text(const char *name);

/* The i-th schema in alphabetical order of names; NULL past the last. ret_text may be NULL. */
const char *seg_schema_at(size_t i, const char **ret_text);

#endif
