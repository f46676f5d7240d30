/* Only in builds for mutation tests; see base/mutant.h. */
#include "base/mutant.h"

#ifdef SEG_MUTATIONS
enum seg_mutant seg_mutant_now;
#endif
