/*
 * `${NAME}` and `file:PATH`: values that are not in the file itself. What they bring is never shown in a message; names
 * and paths are.
 */
#ifndef SEG_CONFIG_RESOLVE_H
#define SEG_CONFIG_RESOLVE_H

#include "base/error.h"
#include "config/tree.h"

/* Puts environment variables into all texts of a tree: `${NAME}` is replaced (once: what comes in is not looked at
 * again), `$${` stands for `${`. Keys are left alone. SEG_INVALID: a variable is missing or its name is malformed. */
enum seg_rc seg_resolve_env(struct seg_node *root, const char *name, struct seg_error *err) SEG_MUST_CHECK;

/* If the text is `file:PATH`, it becomes what the file holds without the line ends at its end, and `written` what stood
 * there. SEG_INVALID: no such regular file, larger than 64 KiB, a NUL byte in it; the text says why. */
enum seg_rc seg_resolve_file(struct seg_node *n, const char *name, struct seg_error *err) SEG_MUST_CHECK;

#endif
