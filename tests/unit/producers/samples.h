/* One plain and one full record of each output, for the encoders' tests. Static data. */
#ifndef SEG_TESTS_PRODUCERS_SAMPLES_H
#define SEG_TESTS_PRODUCERS_SAMPLES_H

#include "producers/encode.h"

enum { SAMPLES = 2 };

/* seg_change, seg_segment_row, ...: i 0 has every optional field, 1 none. */
const void *sample_of(enum seg_output output, size_t i);

#endif
