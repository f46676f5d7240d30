#include "base/outputs.h"

const char *const seg_reason_names[SEG_REASONS] = {"other", "first",   "behaviour", "time",  "model",
						   "merge", "consent", "erasure",   "expiry"};
