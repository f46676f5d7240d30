#include "daemon/demo_screen.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_MAX = 1024, BLOCKS = 8 };

/* Of the 256-colour palette: readable on dark and on light ground. */
static const unsigned char palette[] = {39, 208, 70, 205, 178, 99, 37, 203, 107, 170, 67, 137};

static const char *style_code(enum seg_style style, char *text, size_t size)
{
	static const char *const codes[SEG_STYLE_FIRST_OF_PALETTE] = {
		[SEG_STYLE_PLAIN] = "",
		[SEG_STYLE_BOLD] = "\033[1m",
		[SEG_STYLE_DIM] = "\033[2m",
		[SEG_STYLE_TITLE] = "\033[1;38;5;231;48;5;24m",
		[SEG_STYLE_HEAD] = "\033[1;38;5;67m",
		[SEG_STYLE_GOOD] = "\033[38;5;70m",
		[SEG_STYLE_WARN] = "\033[38;5;208m",
		[SEG_STYLE_LINK] = "\033[4;38;5;39m",
	};
	if (style < SEG_STYLE_FIRST_OF_PALETTE)
		return codes[style];
	snprintf(text, size, "\033[38;5;%um", palette[(unsigned)(style - SEG_STYLE_FIRST_OF_PALETTE)]);
	return text;
}

enum seg_style seg_screen_palette(unsigned n)
{
	return (enum seg_style)(SEG_STYLE_FIRST_OF_PALETTE + n % sizeof(palette));
}

static bool begins_character(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

unsigned seg_screen_columns(const char *text)
{
	unsigned columns = 0;
	for (; *text; text++)
		columns += begins_character(*text);
	return columns;
}

/* Bytes of the text that fit into so many columns. */
static size_t fitting(const char *text, unsigned columns)
{
	size_t at = 0;
	for (; text[at]; at++) {
		if (begins_character(text[at]) && columns-- == 0)
			break;
	}
	return at;
}

void seg_screen_put(struct seg_screen *s, enum seg_style style, const char *fmt, ...)
{
	char text[TEXT_MAX], code[32];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	unsigned left = s->width > s->column ? s->width - s->column : 0, columns = seg_screen_columns(text);
	if (s->row >= s->height || left == 0)
		return;
	bool styled = s->colour && style != SEG_STYLE_PLAIN;
	if (styled)
		seg_buf_printf(s->out, "%s", style_code(style, code, sizeof(code)));
	if (columns <= left) {
		seg_buf_append(s->out, text, strlen(text));
		s->column += columns;
	} else {
		seg_buf_append(s->out, text, fitting(text, left - 1));
		seg_buf_printf(s->out, "…");
		s->column = s->width;
	}
	if (styled)
		seg_buf_printf(s->out, "\033[0m");
}

void seg_screen_tab(struct seg_screen *s, unsigned column)
{
	while (s->column < column && s->column < s->width && s->row < s->height) {
		seg_buf_u8(s->out, ' ');
		s->column++;
	}
}

bool seg_screen_line(struct seg_screen *s)
{
	if (s->row >= s->height)
		return false;
	/* What an earlier, longer line left there; at the edge it would take the last character. */
	if (s->column < s->width)
		seg_buf_printf(s->out, "\033[K");
	s->row++;
	s->column = 0;
	if (s->row < s->height)
		seg_buf_printf(s->out, "\r\n");
	return s->row < s->height;
}

unsigned seg_screen_left(const struct seg_screen *s)
{
	return s->height - s->row;
}

void seg_screen_bar(struct seg_screen *s, enum seg_style style, double part, unsigned width)
{
	static const char *const eighths[BLOCKS] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
	char full[TEXT_MAX] = "", rest[TEXT_MAX] = "";
	double clamped = part < 0 ? 0 : part > 1 ? 1 : part;
	unsigned units = (unsigned)(clamped * width * BLOCKS + 0.5), whole = units / BLOCKS, eighth = units % BLOCKS;
	if (width > TEXT_MAX / 4)
		return;
	for (unsigned i = 0; i < whole; i++)
		strcat(full, "█");
	strcat(full, eighths[eighth]);
	for (unsigned i = whole + (eighth > 0); i < width; i++)
		strcat(rest, "·");
	if (full[0])
		seg_screen_put(s, style, "%s", full);
	if (rest[0])
		seg_screen_put(s, SEG_STYLE_DIM, "%s", rest);
}
