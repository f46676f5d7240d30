#include <string.h>

#include "daemon/command.h"
#include "tests/unit/daemon/packaged_print.h"

/* Text of the tables as roff: dashes and backslashes as such, `x` in bold, a line of its own a paragraph's go-on. */
static void print_text(FILE *out, const char *text)
{
	bool bold = false, line_begins = true;
	for (const char *p = text; *p; p++) {
		if (line_begins && (*p == '.' || *p == '\''))
			fputs("\\&", out);
		line_begins = *p == '\n';
		if (*p == '-')
			fputs("\\-", out);
		else if (*p == '\\')
			fputs("\\e", out);
		else if (*p == '`')
			fputs((bold = !bold) ? "\\fB" : "\\fR", out);
		else if (strncmp(p, "…", strlen("…")) == 0) {
			fputs("...", out);
			p += strlen("…") - 1;
		} else
			fputc(*p, out);
	}
}

/* Running text: one sentence a line, as man pages are written. */
static void print_sentences(FILE *out, const char *text)
{
	char sentence[512] = "";
	size_t len = 0;
	for (const char *p = text;; p++) {
		if (*p && len + 1 < sizeof(sentence) && !(*p == ' ' && len && sentence[len - 1] == '.')) {
			sentence[len++] = *p;
			continue;
		}
		sentence[len] = '\0';
		print_text(out, sentence);
		fputc('\n', out);
		len = 0;
		if (!*p)
			return;
	}
}

static void print_option(FILE *out, const struct seg_command_option *o)
{
	fputs("\\fB\\-\\-", out);
	print_text(out, o->name);
	fputs("\\fR", out);
	if (o->value) {
		fputs(" \\fI", out);
		print_text(out, o->value);
		fputs("\\fR", out);
	}
}

static void print_synopsis(FILE *out, const struct seg_command *c)
{
	fprintf(out, "\\fBsegmentd %s\\fR", c->name);
	for (const struct seg_command_option *o = c->options; o->name; o++) {
		bool needed = seg_command_needs(c, o);
		fputs(needed ? " " : " [", out);
		print_option(out, o);
		fputs(needed ? "" : "]", out);
	}
	if (c->words)
		fprintf(out, " %s", c->words);
	fputc('\n', out);
}

static void print_command(FILE *out, const struct seg_command *c)
{
	fprintf(out, ".SS %s\n", c->name);
	print_synopsis(out, c);
	fputs(".PP\n", out);
	print_text(out, c->help);
	fputs(".\n", out);
	if (c->more)
		print_sentences(out, c->more);
	for (const struct seg_command_option *o = c->options; o->name; o++) {
		fputs(".TP\n", out);
		print_option(out, o);
		fputc('\n', out);
		print_text(out, o->help);
		fputc('\n', out);
	}
}

static void print_files(FILE *out)
{
	fputs(".SH FILES\n"
	      ".TP\n.I /etc/segmentd/segmentd.yaml\n"
	      "the configuration of the systemd unit; \\fBsegmentd config\\fR prints one to begin with\n"
	      ".TP\n.I /usr/share/segmentd/schemas\nthe shipped Avro schemas\n"
	      ".TP\n.I /usr/share/doc/segmentd\nsample configurations, alert rules for Prometheus, a dashboard for "
	      "Grafana\n",
	      out);
}

void print_man_page(FILE *out)
{
	fputs(".\\\" Made from the table of commands by test_packaged_pages; do not edit.\n"
	      ".TH SEGMENTD 1 \"\" \"segmentd\" \"User Commands\"\n.nh\n"
	      ".SH NAME\nsegmentd \\- streaming customer segmentation over Kafka\n"
	      ".SH SYNOPSIS\n\\fBsegmentd\\fR \\fICOMMAND\\fR [\\fIOPTION\\fR...]\n"
	      ".br\n\\fBsegmentd\\fR [\\fICOMMAND\\fR] \\fB\\-\\-help\\fR\n"
	      ".br\n\\fBsegmentd \\-\\-version\\fR\n"
	      ".SH DESCRIPTION\n"
	      "segmentd reads web, email, order and profile events from Kafka and keeps a profile of each customer "
	      "and\n"
	      "a k\\-means model of all customers up to date while events arrive.\n"
	      "It says on Kafka at once when a customer moves to another segment, or when the segments themselves\n"
	      "drift.\n"
	      ".SH COMMANDS\n",
	      out);
	for (size_t i = 0; i < seg_commands_len; i++)
		print_command(out, &seg_commands[i]);
	fputs(".SH EXIT STATUS\n"
	      ".TP\n0\ndone\n.TP\n1\nfailed; standard error says why\n.TP\n2\nwrong usage\n",
	      out);
	print_files(out);
}
