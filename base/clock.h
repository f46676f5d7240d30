/* Clocks and dates. The engine never asks for the time itself: it is passed in from here, or from replay. */
#ifndef SEG_BASE_CLOCK_H
#define SEG_BASE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

int64_t seg_wall_ms(void); /* since 1970-01-01 UTC */
int64_t seg_monotonic_ms(void);
int64_t seg_monotonic_us(void);
void seg_sleep_ms(int64_t ms);
/* ms from now on CLOCK_MONOTONIC, for pthread_cond_clockwait() and its like: a wall clock that is set back in the midst of
 * a wait must not make it last for hours. */
struct timespec seg_deadline(int64_t ms);

/* "2011-12-09T12:50:00Z"; ret has at least 25 bytes. Any time zone and locale. */
void seg_time_format(int64_t ms, char *ret);
/* "2011-12-09"; ret has at least 11 bytes. */
void seg_date_format(int64_t ms, char *ret);
/* RFC 3339 date-time or a date (00:00 UTC). False: not one. */
bool seg_time_parse(const char *text, int64_t *ret_ms);

#endif
