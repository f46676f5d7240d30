#include "base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int64_t seg_wall_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t seg_monotonic_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t seg_monotonic_ms(void)
{
	return seg_monotonic_us() / 1000;
}

struct timespec seg_deadline(int64_t ms)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_sec += (time_t)(ms / 1000);
	t.tv_nsec += (long)(ms % 1000) * 1000000;
	if (t.tv_nsec >= 1000000000) {
		t.tv_sec++;
		t.tv_nsec -= 1000000000;
	}
	return t;
}

void seg_sleep_ms(int64_t ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	if (ms > 0)
		nanosleep(&t, NULL);
}

/* Days since 1970-01-01 to a civil date and back: Howard Hinnant, "chrono-compatible low-level date algorithms". */
static void civil_from_days(int64_t z, int64_t *y, int *m, int *d)
{
	z += 719468;
	int64_t era = (z >= 0 ? z : z - 146096) / 146097;
	int64_t doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	int64_t mp = (5 * doy + 2) / 153;

	*d = (int)(doy - (153 * mp + 2) / 5 + 1);
	*m = (int)(mp < 10 ? mp + 3 : mp - 9);
	*y = yoe + era * 400 + (*m <= 2);
}

static int64_t days_from_civil(int64_t y, int m, int d)
{
	y -= m <= 2;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (m + (m > 2 ? -3 : 9)) + 2) / 5 + d - 1;
	int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;

	return era * 146097 + doe - 719468;
}

static int64_t floor_div(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

void seg_time_format(int64_t ms, char *ret)
{
	int64_t days = floor_div(ms, 86400000), rest = ms - days * 86400000, y;
	int m, d;

	civil_from_days(days, &y, &m, &d);
	int n = snprintf(ret, 25, "%04lld-%02d-%02dT%02d:%02d:%02d", (long long)y, m, d, (int)(rest / 3600000),
			 (int)(rest / 60000 % 60), (int)(rest / 1000 % 60));
	if (n < 0 || n > 19)
		n = (int)strlen(ret);
	if (rest % 1000)
		snprintf(ret + n, 25 - (size_t)n, ".%03dZ", (int)(rest % 1000));
	else
		snprintf(ret + n, 25 - (size_t)n, "Z");
}

void seg_date_format(int64_t ms, char *ret)
{
	int64_t y;
	int m, d;

	civil_from_days(floor_div(ms, 86400000), &y, &m, &d);
	snprintf(ret, 11, "%04lld-%02d-%02d", (long long)y, m, d);
}

static bool digits(const char **at, int n, int *ret)
{
	int v = 0;

	for (int i = 0; i < n; i++) {
		if (!isdigit((unsigned char)(*at)[i]))
			return false;
		v = v * 10 + ((*at)[i] - '0');
	}
	*at += n;
	*ret = v;
	return true;
}

static bool literal(const char **at, char expected)
{
	if (**at != expected)
		return false;
	++*at;
	return true;
}

static int days_in_month(int y, int m)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[m - 1] + (m == 2 && (y % 4 == 0 && (y % 100 != 0 || y % 400 == 0)));
}

static bool parse_date(const char **at, int64_t *ret_ms)
{
	int y, m, d;

	if (!digits(at, 4, &y) || !literal(at, '-') || !digits(at, 2, &m) || !literal(at, '-') || !digits(at, 2, &d))
		return false;
	if (m < 1 || m > 12 || d < 1 || d > days_in_month(y, m))
		return false;
	*ret_ms = days_from_civil(y, m, d) * 86400000;
	return true;
}

static bool parse_clock(const char **at, int64_t *ret_ms)
{
	int h, min, s, ms = 0;

	if (!digits(at, 2, &h) || !literal(at, ':') || !digits(at, 2, &min) || !literal(at, ':') || !digits(at, 2, &s))
		return false;
	if (h > 23 || min > 59 || s > 60)
		return false;
	if (**at == '.') {
		int scale = 100;

		for (++*at; isdigit((unsigned char)**at); ++*at, scale /= 10)
			ms += (**at - '0') * scale;
	}
	*ret_ms = ((h * 60 + min) * 60 + s) * INT64_C(1000) + ms;
	return true;
}

static bool parse_zone(const char **at, int64_t *ret_ms)
{
	int sign, h, m;

	if (**at == 'Z' || **at == 'z') {
		++*at;
		*ret_ms = 0;
		return true;
	}
	if (**at != '+' && **at != '-')
		return false;
	sign = *(*at)++ == '-' ? -1 : 1;
	if (!digits(at, 2, &h) || !literal(at, ':') || !digits(at, 2, &m) || h > 23 || m > 59)
		return false;
	*ret_ms = sign * (h * 60 + m) * INT64_C(60000);
	return true;
}

bool seg_time_parse(const char *text, int64_t *ret_ms)
{
	int64_t date, clock = 0, zone = 0;

	if (!parse_date(&text, &date))
		return false;
	if (*text) {
		if (*text != 'T' && *text != 't' && *text != ' ')
			return false;
		text++;
		if (!parse_clock(&text, &clock) || !parse_zone(&text, &zone) || *text)
			return false;
	}
	*ret_ms = date + clock - zone;
	return true;
}
