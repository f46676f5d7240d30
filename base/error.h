/*
 * Errors: a code that says what the caller must do, and a message that says what happened, where, and what helps.
 *
 * Fallible functions return `enum seg_rc` and take an optional `struct seg_error *` last. Outputs change only on
 * success. No threading rule: a seg_error belongs to its caller.
 */
#ifndef SEG_BASE_ERROR_H
#define SEG_BASE_ERROR_H

#define SEG_MUST_CHECK __attribute__((warn_unused_result))
#define SEG_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

#define SEG_RC_TABLE(X)                                                                                                \
	X(SEG_OK, "ok")                                                                                                \
	X(SEG_NOT_FOUND, "not found")                                                                                  \
	X(SEG_RETRY, "try the same call again")                                                                        \
	X(SEG_SKIP, "this record cannot be used")                                                                      \
	X(SEG_ABORT, "the transaction is aborted: rewind")                                                             \
	X(SEG_RECREATE, "outcome unknown or fenced: drop memory, recreate the producer, recover")                      \
	X(SEG_INVALID, "bad argument, configuration or file")                                                          \
	X(SEG_LIMIT, "a limit is reached")                                                                             \
	X(SEG_NO_MEMORY, "out of memory")                                                                              \
	X(SEG_IO, "input or output failed")                                                                            \
	X(SEG_CORRUPT, "stored data cannot be right: rebuild")                                                         \
	X(SEG_FATAL, "give up")

enum seg_rc {
#define X(name, text) name,
	SEG_RC_TABLE(X)
#undef X
};

struct seg_error {
	enum seg_rc rc;
	char text[512];
};

/* What the code asks of the caller, e.g. "not found". Static. */
const char *seg_rc_text(enum seg_rc rc);

/* Fills err (may be NULL) and returns rc, so that `return seg_error_set(err, SEG_IO, "...")` reads well. */
enum seg_rc seg_error_set(struct seg_error *err, enum seg_rc rc, const char *fmt, ...) SEG_PRINTF(3, 4);

/* Puts "context: " before the message on the way up; returns err's code (rc if err is NULL). */
enum seg_rc seg_error_wrap(struct seg_error *err, enum seg_rc rc, const char *fmt, ...) SEG_PRINTF(3, 4);

#endif
