/* What packaging/ says about the commands, printed from their table (daemon/command.h). */
#ifndef SEG_TESTS_PACKAGED_PRINT_H
#define SEG_TESTS_PACKAGED_PRINT_H

#include <stdio.h>

void print_man_page(FILE *out);
void print_completion(FILE *out);

#endif
