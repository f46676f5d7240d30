/* The one JSON object at the end of replay and demo, and what it is made of. */
#ifndef SEG_DAEMON_SUMMARY_H
#define SEG_DAEMON_SUMMARY_H

#include <stdio.h>

#include "base/error.h"
#include "base/outputs.h"
#include "base/reasons.h"
#include "segmenter/learner.h"
#include "segmenter/model.h"

struct seg_summary {
	uint64_t events, accepted, duplicates, customers, alerts;
	uint64_t changes[SEG_REASONS];
	uint64_t dead_letters[SEG_REFUSALS];
	const struct seg_model *model; /* NULL: none; borrowed */
	struct seg_quality quality;
	double seconds;
};

/* One line. SEG_NO_MEMORY, SEG_IO. */
enum seg_rc seg_summary_print(const struct seg_summary *s, FILE *out, struct seg_error *err) SEG_MUST_CHECK;

#endif
