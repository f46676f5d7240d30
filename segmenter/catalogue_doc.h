/* The feature catalogue as a document, for `segmentd features` and the docs page. Stateless. */
#ifndef SEG_SEGMENTER_CATALOGUE_DOC_H
#define SEG_SEGMENTER_CATALOGUE_DOC_H

#include <stdbool.h>
#include <stdio.h>

/* Groups with their features (name, unit, transform, definition) and the presets: an aligned text table, or Markdown. */
void seg_catalogue_print(FILE *out, bool markdown);

#endif
