/*
 * Why a record is refused: the one closed table of reason codes. They are the `reason` of dead letters, the label of
 * segmentd_dead_letters_total and the keys of dead_letters in summaries. Static data, any thread.
 */
#ifndef SEG_BASE_REASONS_H
#define SEG_BASE_REASONS_H

#define SEG_REFUSAL_TABLE(X)                                                                                           \
	/* the message as a whole */                                                                                   \
	X(NULL_VALUE, "null_value", "the record has no value: inputs are events, not tables")                          \
	X(TOO_LARGE, "too_large", "the message is larger than 1 MiB")                                                  \
	X(NOT_SINGLE_OBJECT, "not_single_object", "the message does not begin with the single-object marker C3 01")    \
	X(UNKNOWN_SCHEMA, "unknown_schema", "no schema with this fingerprint: put the writer's into schemas.dir")      \
	X(SCHEMA_MISMATCH, "schema_mismatch", "the writer's schema cannot be read as ours: change it or map fields")   \
	X(BAD_JSON, "bad_json", "not a JSON object, or a field has the wrong type")                                    \
	/* the bytes */                                                                                                \
	X(TRUNCATED, "truncated", "the message ends before its schema does")                                           \
	X(TRAILING_BYTES, "trailing_bytes", "bytes follow the end of the record: wrong schema?")                       \
	X(BAD_VARINT, "bad_varint", "a number is longer than 10 bytes or out of its type's range")                     \
	X(BAD_BOOLEAN, "bad_boolean", "a boolean is neither 0 nor 1")                                                  \
	X(BAD_LENGTH, "bad_length", "a string's or bytes' length is negative or past the end")                         \
	X(BAD_BLOCK, "bad_block", "a block of an array or map has an impossible count or size")                        \
	X(TOO_MANY_ITEMS, "too_many_items", "more items in arrays and maps than allowed")                              \
	X(TOO_DEEP, "too_deep", "values nest deeper than 64 levels")                                                   \
	X(TOO_COMPLEX, "too_complex", "the schema makes this message too much work")                                   \
	X(BAD_UNION_INDEX, "bad_union_index", "a union's index is outside its branches")                               \
	X(BAD_ENUM_INDEX, "bad_enum_index", "an enum's index is outside its symbols")                                  \
	X(UNKNOWN_SYMBOL, "unknown_symbol", "an enum symbol that the reader does not know, and it has no default")     \
	X(BAD_UTF8, "bad_utf8", "a string is not UTF-8")                                                               \
	/* the event */                                                                                                \
	X(MISSING_FIELD, "missing_field", "a required field is absent, null or empty")                                 \
	X(BAD_TIME, "bad_time", "the event time cannot be right")                                                      \
	X(TOO_FAR_AHEAD, "too_far_ahead", "the event time is later than its Kafka timestamp by more than max_future")  \
	X(PLACEHOLDER_ID, "placeholder_id", "the customer id stands for no customer (null, 0, anonymous, ...)")        \
	X(BAD_ID, "bad_id", "an id is too long or has control characters")                                             \
	X(UNKNOWN_KIND, "unknown_kind", "the kind of event is not one we know")                                        \
	X(BAD_AMOUNT, "bad_amount", "the amount is not a number, negative or absurdly large")                          \
	X(UNKNOWN_CURRENCY, "unknown_currency", "no rate is configured for this currency")                             \
	X(BOT, "bot", "the user agent matches a configured bot rule")                                                  \
	X(KEY_MISMATCH, "key_mismatch", "the record's key is not its customer id")                                     \
	X(WRONG_PARTITION, "wrong_partition", "the record is not in the partition that its key belongs to")            \
	X(NO_MEMORY, "no_memory", "out of memory while reading this record")

enum seg_refusal {
	SEG_REFUSED_NOT, /* 0: accepted */
#define X(name, code, text) SEG_REFUSED_##name,
	SEG_REFUSAL_TABLE(X)
#undef X
		SEG_REFUSALS
};

/* "truncated"; "" for SEG_REFUSED_NOT. */
const char *seg_refusal_code(enum seg_refusal r);

/* What it means and what helps, one sentence without a full stop. */
const char *seg_refusal_text(enum seg_refusal r);

#endif
