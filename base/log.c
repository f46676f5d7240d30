#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"

static enum seg_log_level log_level = SEG_LOG_INFO;
static bool log_json;
static const char *const level_names[] = {"error", "warn", "info", "debug"};

void seg_log_init(enum seg_log_level level, bool json)
{
	log_level = level;
	log_json = json;
}

/* Appends text as the inside of a JSON string. */
static size_t json_escape(char *to, size_t cap, const char *text)
{
	size_t n = 0;

	for (; *text && n + 7 < cap; text++) {
		unsigned char c = (unsigned char)*text;

		if (c == '"' || c == '\\')
			to[n++] = '\\', to[n++] = (char)c;
		else if (c < 0x20)
			n += (size_t)snprintf(to + n, cap - n, "\\u%04x", c);
		else
			to[n++] = (char)c;
	}
	to[n] = 0;
	return n;
}

static void write_line(enum seg_log_level level, const char *event, const char *text)
{
	char time[32], line[2048], escaped[1600];

	seg_time_format(seg_wall_ms(), time);
	if (log_json) {
		json_escape(escaped, sizeof escaped, text);
		snprintf(line, sizeof line, "{\"time\":\"%s\",\"level\":\"%s\",\"event\":\"%s\",\"text\":\"%s\"}\n",
			 time, level_names[level], event, escaped);
	} else {
		snprintf(line, sizeof line, "%s %s %s%s%s\n", time, level_names[level], event, *text ? " " : "", text);
	}
	fputs(line, stderr);
}

void seg_log(enum seg_log_level level, const char *event, const char *fmt, ...)
{
	char text[1536];
	va_list ap;

	if (level > log_level)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	write_line(level, event, text);
}

static void log_limited(struct seg_log_limit *site, long long seconds, enum seg_log_level level, const char *event,
			const char *fmt, va_list ap)
{
	long long second = seg_monotonic_ms() / 1000 + 1, last = __atomic_load_n(&site->second, __ATOMIC_RELAXED);
	char text[1536];
	size_t n;

	if (level > log_level)
		return;
	if (last && second - last < seconds) {
		__atomic_add_fetch(&site->left_out, 1, __ATOMIC_RELAXED);
		return;
	}
	__atomic_store_n(&site->second, second, __ATOMIC_RELAXED);
	vsnprintf(text, sizeof text, fmt, ap);
	n = strlen(text);
	unsigned left_out = __atomic_exchange_n(&site->left_out, 0, __ATOMIC_RELAXED);
	if (left_out)
		snprintf(text + n, sizeof text - n, " left_out=%u", left_out);
	write_line(level, event, text);
}

void seg_log_limited(struct seg_log_limit *site, enum seg_log_level level, const char *event, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_limited(site, 1, level, event, fmt, ap);
	va_end(ap);
}

void seg_log_rarely(struct seg_log_limit *site, unsigned seconds, enum seg_log_level level, const char *event,
		    const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	log_limited(site, seconds, level, event, fmt, ap);
	va_end(ap);
}
