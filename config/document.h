/*
 * What the option table says to people: a default file with every key explained, and the page of the docs. Both are
 * pure functions of the table. The printed file loads again and gives exactly the defaults.
 */
#ifndef SEG_CONFIG_DOCUMENT_H
#define SEG_CONFIG_DOCUMENT_H

#include <stdio.h>

/* Writes to f; the caller looks at ferror(f). */
void seg_config_print_yaml(FILE *f);
void seg_config_print_markdown(FILE *f);

#endif
