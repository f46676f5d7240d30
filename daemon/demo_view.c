#include "daemon/demo_view.h"

#include <inttypes.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/demo_screen.h"
#include "daemon/demo_words.h"

enum {
	SCREEN_BYTES = 256 * 1024,
	PLAIN_MS = 5000,
	NAME_COLUMNS = 30,
	BAR_COLUMNS = 18,
	WIDE_COLUMNS = 120,
	TRAITS = 3,
	CHANGES_LEAST = 3,
	ROWS_BELOW_CHANGES = 4 /* blank, dead letters, drift, how to end */
};

struct seg_demo_view {
	pthread_mutex_t lock;
	bool terminal, colour, closed, keys; /* keys: standard input was changed */
	struct termios before;
	struct seg_buf out, last; /* last: what is left behind on the terminal at the end */
	int64_t plain_mono_ms;
	bool said_where;
	char first_change[SEG_RECENT_TEXT]; /* newest of those already told in plain text */
};

static void write_all(const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(STDOUT_FILENO, text, len);
		if (n <= 0)
			return; /* nobody looks any more */
		text += n;
		len -= (size_t)n;
	}
}

struct seg_demo_view *seg_demo_view_open(void)
{
	static const char enter[] = "\033[?1049h\033[?25l\033[2J";
	struct seg_demo_view *v = calloc(1, sizeof(*v));
	if (!v)
		return NULL;
	pthread_mutex_init(&v->lock, NULL);
	seg_buf_init(&v->out, SCREEN_BYTES);
	seg_buf_init(&v->last, SCREEN_BYTES);
	const char *term = getenv("TERM"), *no_colour = getenv("NO_COLOR");
	v->terminal = isatty(STDOUT_FILENO) && term && strcmp(term, "dumb") != 0;
	v->colour = !(no_colour && no_colour[0]);
	if (!v->terminal)
		return v;
	if (isatty(STDIN_FILENO) && tcgetattr(STDIN_FILENO, &v->before) == 0) {
		struct termios quiet = v->before;
		quiet.c_lflag &= ~(tcflag_t)(ECHO | ICANON); /* keys do not scribble over the screen */
		v->keys = tcsetattr(STDIN_FILENO, TCSANOW, &quiet) == 0;
	}
	write_all(enter, sizeof(enter) - 1);
	return v;
}

void seg_demo_view_close(struct seg_demo_view *v)
{
	static const char leave[] = "\033[0m\033[?25h\033[?1049l";
	if (!v)
		return;
	pthread_mutex_lock(&v->lock);
	if (!v->closed && v->terminal)
		write_all(leave, sizeof(leave) - 1);
	if (!v->closed && v->terminal && !v->last.failed)
		write_all((const char *)v->last.data, v->last.len);
	if (!v->closed && v->keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &v->before);
	v->closed = true;
	pthread_mutex_unlock(&v->lock);
}

void seg_demo_view_free(struct seg_demo_view *v)
{
	if (!v)
		return;
	seg_demo_view_close(v);
	seg_buf_release(&v->out);
	seg_buf_release(&v->last);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

bool seg_demo_view_is_terminal(const struct seg_demo_view *v)
{
	return v->terminal;
}

/* ---- pieces ---- */

static void put_count(struct seg_screen *s, uint64_t n, const char *what)
{
	char count[32];
	seg_words_count(n, count, sizeof(count));
	seg_screen_put(s, SEG_STYLE_BOLD, "%s", count);
	seg_screen_put(s, SEG_STYLE_PLAIN, " %s   ", what);
}

static void draw_title(struct seg_screen *s, const struct seg_demo_screen *d)
{
	char link[64];
	snprintf(link, sizeof(link), " http://127.0.0.1:%u/ ", d->port);
	seg_screen_put(s, SEG_STYLE_TITLE, " segmentd demo ");
	seg_screen_put(s, SEG_STYLE_PLAIN, "  a year of real orders%s",
		       s->width >= WIDE_COLUMNS ? ", read from Kafka as they happen" : "");
	unsigned columns = seg_screen_columns(link);
	if (s->width > s->column + columns)
		seg_screen_tab(s, s->width - columns);
	else
		seg_screen_line(s);
	seg_screen_put(s, SEG_STYLE_LINK, "%s", link);
	seg_screen_line(s);
	seg_screen_line(s);
}

static double part_done(const struct seg_demo_screen *d)
{
	return d->feed.total ? (double)d->events / (double)d->feed.total : 0;
}

static void draw_progress(struct seg_screen *s, const struct seg_demo_screen *d)
{
	char date[16] = "…";
	if (d->feed.time_ms != SEG_NO_TIME)
		seg_date_format(d->feed.time_ms, date);
	seg_screen_put(s, SEG_STYLE_BOLD, " %s  ", date);
	unsigned width = s->width > 60 ? s->width - 40 : 20;
	seg_screen_bar(s, seg_screen_palette(0), part_done(d), width < 60 ? width : 60);
	seg_screen_put(s, SEG_STYLE_PLAIN, "  %.0f %%", floor(part_done(d) * 100));
	if (d->feed.done && d->events >= d->feed.total)
		seg_screen_put(s, SEG_STYLE_GOOD, "  all is read");
	else if (!d->ready)
		seg_screen_put(s, SEG_STYLE_WARN, "  joining the consumer group …");
	seg_screen_line(s);
	seg_screen_put(s, SEG_STYLE_PLAIN, " ");
	put_count(s, (uint64_t)llround(d->per_second), "events/s");
	put_count(s, d->events, "events");
	put_count(s, d->customers, "customers");
	put_count(s, d->changes, "segment changes");
	seg_screen_line(s);
	seg_screen_line(s);
}

static void draw_segment(struct seg_screen *s, const struct seg_demo_screen *d, const struct seg_segment *seg,
			 unsigned index, uint64_t largest)
{
	char count[32], traits[512];
	const char *name = seg->alias[0] ? seg->alias : seg->name;
	bool wide = s->width >= WIDE_COLUMNS;
	unsigned names = wide ? NAME_COLUMNS : NAME_COLUMNS - 8, bars = wide ? BAR_COLUMNS : BAR_COLUMNS - 8;
	seg_words_count(seg->customers, count, sizeof(count));
	seg_screen_put(s, seg_screen_palette(index), " ● ");
	bool whole = seg_screen_columns(name) < names;
	seg_screen_put(s, SEG_STYLE_BOLD, "%.*s%s", (int)(whole ? names : names - 2), name, whole ? "" : "…");
	seg_screen_tab(s, 3 + names);
	seg_screen_bar(s, seg_screen_palette(index), largest ? (double)seg->customers / (double)largest : 0, bars);
	seg_screen_put(s, SEG_STYLE_PLAIN, " %6s %3.0f %%  ", count, isfinite(seg->share) ? seg->share * 100 : 0);
	seg_demo_watch_traits(d->watch, seg->cluster, TRAITS, traits, sizeof(traits));
	seg_screen_put(s, SEG_STYLE_DIM, "%s", traits);
	seg_screen_line(s);
}

static void draw_segments(struct seg_screen *s, const struct seg_demo_screen *d)
{
	const struct seg_model *m = d->model;
	uint64_t largest = 0;
	seg_screen_put(s, SEG_STYLE_HEAD, " SEGMENTS");
	if (m && m->k > 0)
		seg_screen_put(s, SEG_STYLE_DIM, "   %u, learned from the events; fitted %" PRIu64 " times", m->k,
			       m->promotion);
	seg_screen_line(s);
	if (!m || m->k == 0) {
		seg_screen_put(s, SEG_STYLE_PLAIN, "   appear once %" PRId64 " customers are known", d->min_customers);
		seg_screen_line(s);
		seg_screen_line(s);
		return;
	}
	for (uint32_t i = 0; i < m->segments_len; i++) {
		if (m->segments[i].state == SEG_SEGMENT_ACTIVE && m->segments[i].customers > largest)
			largest = m->segments[i].customers;
	}
	for (uint32_t i = 0; i < m->segments_len; i++) {
		if (m->segments[i].state == SEG_SEGMENT_ACTIVE)
			draw_segment(s, d, &m->segments[i], (unsigned)m->segments[i].cluster, largest);
	}
	seg_screen_line(s);
}

static enum seg_style colour_of(const struct seg_model *m, struct seg_str name)
{
	for (uint32_t i = 0; m && i < m->segments_len; i++) {
		const struct seg_segment *seg = &m->segments[i];
		if (seg->state == SEG_SEGMENT_ACTIVE && seg_str_is(name, seg->alias[0] ? seg->alias : seg->name))
			return seg_screen_palette((unsigned)seg->cluster);
	}
	return SEG_STYLE_PLAIN;
}

/* "customer ID: from → to, because …": segments in their colours, and the reason fades a little behind what happened. */
static void draw_change(struct seg_screen *s, const struct seg_model *m, const char *text)
{
	static const char arrow[] = " → ";
	const char *from = strstr(text, ": "), *to = from ? strstr(from, arrow) : NULL, *end = text + strlen(text);
	for (size_t i = 0; i < sizeof(seg_words_why) / sizeof(seg_words_why[0]) && to; i++) {
		const char *why = strstr(to, seg_words_why[i]);
		if (why && why < end)
			end = why;
	}
	if (to) {
		from += 2;
		struct seg_str was = {from, (uint32_t)(to - from)};
		to += sizeof(arrow) - 1;
		struct seg_str is = {to, (uint32_t)(end - to)};
		seg_screen_put(s, SEG_STYLE_PLAIN, "   %.*s", (int)(from - text), text);
		seg_screen_put(s, colour_of(m, was), SEG_STR_FMT, SEG_STR_ARG(was));
		seg_screen_put(s, SEG_STYLE_PLAIN, "%s", arrow);
		seg_screen_put(s, colour_of(m, is), SEG_STR_FMT, SEG_STR_ARG(is));
		seg_screen_put(s, SEG_STYLE_DIM, "%s", end);
	} else {
		seg_screen_put(s, SEG_STYLE_PLAIN, "   %s", text);
	}
	seg_screen_line(s);
}

static void draw_changes(struct seg_screen *s, const struct seg_demo_screen *d)
{
	char texts[SEG_RECENT_LEN][SEG_RECENT_TEXT];
	size_t len = seg_recent_copy(d->changes_in_words, texts);
	unsigned left = seg_screen_left(s), rows = left > ROWS_BELOW_CHANGES + 1 ? left - ROWS_BELOW_CHANGES - 1 : 0;
	if (rows < CHANGES_LEAST)
		rows = CHANGES_LEAST;
	seg_screen_put(s, SEG_STYLE_HEAD, " LATEST CHANGES");
	seg_screen_line(s);
	for (size_t i = 0; i < rows && i < SEG_RECENT_LEN; i++) {
		if (i < len)
			draw_change(s, d->model, texts[i]);
		else
			seg_screen_line(s);
	}
	seg_screen_line(s);
}

static void draw_dead_letters(struct seg_screen *s, const struct seg_demo_screen *d)
{
	bool any = false;
	seg_screen_put(s, SEG_STYLE_HEAD, " DEAD LETTERS   ");
	for (int r = 1; r < SEG_REFUSALS; r++) {
		if (d->dead_letters[r] == 0)
			continue;
		char count[32];
		seg_words_count(d->dead_letters[r], count, sizeof(count));
		seg_screen_put(s, SEG_STYLE_WARN, "%s%s ", any ? " · " : "", count);
		seg_screen_put(s, SEG_STYLE_PLAIN, "%s", seg_refusal_code((enum seg_refusal)r));
		if (r == SEG_REFUSED_MISSING_FIELD)
			seg_screen_put(s, SEG_STYLE_DIM, " (orders without a customer)");
		any = true;
	}
	if (!any)
		seg_screen_put(s, SEG_STYLE_DIM, "none");
	seg_screen_line(s);
}

static void draw_drift(struct seg_screen *s, const struct seg_demo_screen *d)
{
	struct seg_demo_alerts a;
	char texts[SEG_RECENT_LEN][SEG_RECENT_TEXT];
	seg_demo_watch_alerts(d->watch, &a);
	size_t len = seg_recent_copy(a.latest, texts);
	seg_screen_put(s, SEG_STYLE_HEAD, " DRIFT          ");
	if (a.raised == 0) {
		seg_screen_put(s, SEG_STYLE_DIM, "none");
	} else {
		seg_screen_put(s, a.open ? SEG_STYLE_WARN : SEG_STYLE_GOOD, "%" PRIu64 " open", a.open);
		seg_screen_put(s, SEG_STYLE_PLAIN, " of %" PRIu64 " raised   ", a.raised);
		seg_screen_put(s, SEG_STYLE_DIM, "%s", len ? texts[0] : "");
	}
	seg_screen_line(s);
}

static void draw_screen(struct seg_demo_view *v, const struct seg_demo_screen *d)
{
	struct winsize size = {.ws_row = 24, .ws_col = 80};
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) || size.ws_row == 0 || size.ws_col == 0)
		size = (struct winsize){.ws_row = 24, .ws_col = 80};
	struct seg_screen s = {.out = &v->out, .colour = v->colour, .width = size.ws_col, .height = size.ws_row};
	seg_buf_clear(&v->out);
	seg_buf_printf(&v->out, "\033[H");
	draw_title(&s, d);
	draw_progress(&s, d);
	draw_segments(&s, d);
	draw_changes(&s, d);
	draw_dead_letters(&s, d);
	draw_drift(&s, d);
	seg_screen_put(&s, SEG_STYLE_DIM,
		       " Ctrl-C ends · orders: Online Retail, UCI (CC BY 4.0) · web and e-mail events are synthetic");
	seg_buf_printf(&v->out, "\033[J");
	struct seg_screen last = {.out = &v->last, .colour = v->colour, .width = size.ws_col, .height = size.ws_row};
	seg_buf_clear(&v->last);
	draw_progress(&last, d);
	draw_segments(&last, d);
	draw_dead_letters(&last, d);
	draw_drift(&last, d);
	if (!v->out.failed)
		write_all((const char *)v->out.data, v->out.len);
}

/* ---- plain ---- */

static void plain_segments(struct seg_buf *out, const struct seg_model *m)
{
	bool any = false;
	for (uint32_t i = 0; m && i < m->segments_len; i++) {
		const struct seg_segment *seg = &m->segments[i];
		if (seg->state != SEG_SEGMENT_ACTIVE)
			continue;
		seg_buf_printf(out, "%s%s %" PRIu64, any ? " · " : "            ",
			       seg->alias[0] ? seg->alias : seg->name, seg->customers);
		any = true;
	}
	if (any)
		seg_buf_printf(out, "\n");
}

static void plain(struct seg_demo_view *v, const struct seg_demo_screen *d)
{
	char date[16], events[32], customers[32], changes[32], texts[SEG_RECENT_LEN][SEG_RECENT_TEXT];
	struct seg_buf *out = &v->out;
	seg_buf_clear(out);
	if (!v->said_where)
		seg_buf_printf(
			out,
			"segmentd demo: a year of real orders (Online Retail, UCI, CC BY 4.0) and synthetic web and "
			"e-mail events; http://127.0.0.1:%u/ shows more\n",
			d->port);
	v->said_where = true;
	bool due = d->mono_ms - v->plain_mono_ms >= PLAIN_MS;
	if (due && d->feed.time_ms != SEG_NO_TIME) {
		v->plain_mono_ms = d->mono_ms;
		seg_date_format(d->feed.time_ms, date);
		seg_words_count(d->events, events, sizeof(events));
		seg_words_count(d->customers, customers, sizeof(customers));
		seg_words_count(d->changes, changes, sizeof(changes));
		seg_buf_printf(out, "%s  %s events  %.0f/s  %s customers  %s changes\n", date, events, d->per_second,
			       customers, changes);
		plain_segments(out, d->model);
		if (seg_recent_copy(d->changes_in_words, texts) > 0 && strcmp(texts[0], v->first_change) != 0) {
			snprintf(v->first_change, sizeof(v->first_change), "%s", texts[0]);
			seg_buf_printf(out, "            %s\n", texts[0]);
		}
	}
	if (!out->failed && out->len > 0)
		write_all((const char *)out->data, out->len);
}

void seg_demo_view_draw(struct seg_demo_view *v, const struct seg_demo_screen *s)
{
	pthread_mutex_lock(&v->lock);
	if (!v->closed && v->terminal)
		draw_screen(v, s);
	else if (!v->closed)
		plain(v, s);
	pthread_mutex_unlock(&v->lock);
}
