#include <string.h>

#include "daemon/command.h"
#include "tests/unit/daemon/packaged_print.h"

/* "stats|dump" as "stats dump". */
static void print_choices(FILE *out, const char *words)
{
	for (const char *p = words; *p; p++)
		fputc(*p == '|' ? ' ' : *p, out);
}

static bool takes_file(const struct seg_command_option *o)
{
	return o->value && o->value[0] == 'F';
}

static void print_values(FILE *out, const struct seg_command *c)
{
	for (const struct seg_command_option *o = c->options; o->name; o++) {
		if (takes_file(o))
			fprintf(out, "\t%s:--%s) kind=%s ;;\n", c->name, o->name, o->many ? "files" : "file");
		else if (o->value)
			fprintf(out, "\t%s:--%s) kind=%s ;;\n", c->name, o->name,
				strcmp(o->value, "DIR") == 0 ? "folder" : "other");
	}
}

static void print_offer(FILE *out, const struct seg_command *c)
{
	fprintf(out, "\t%s) offer=\"", c->name);
	for (const struct seg_command_option *o = c->options; o->name; o++)
		fprintf(out, "--%s ", o->name);
	fputs("--help", out);
	if (c->run == seg_cmd_schema)
		fputs(" $(\"${COMP_WORDS[0]}\" schema 2>/dev/null)", out);
	else if (c->words) {
		fputc(' ', out);
		print_choices(out, c->words);
	}
	fputs("\" ;;\n", out);
}

void print_completion(FILE *out)
{
	fputs("# bash completion of segmentd; made from the table of commands by test_packaged_pages, do not edit.\n"
	      "_segmentd()\n{\n"
	      "\tlocal word=\"${COMP_WORDS[COMP_CWORD]}\" command=\"${COMP_WORDS[1]}\" option=\"\" kind=\"\" "
	      "offer=\"\" i\n"
	      "\tCOMPREPLY=()\n"
	      "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n\t\tmapfile -t COMPREPLY < <(compgen -W \"",
	      out);
	for (size_t i = 0; i < seg_commands_len; i++)
		fprintf(out, "%s ", seg_commands[i].name);
	fputs("--help --version\" -- \"$word\")\n\t\treturn\n\tfi\n"
	      "\t# The option that the word before belongs to; only one of many values goes on after its first.\n"
	      "\tfor ((i = COMP_CWORD - 1; i > 1; i--)); do\n"
	      "\t\tcase \"${COMP_WORDS[i]}\" in\n\t\t--*)\n\t\t\toption=\"${COMP_WORDS[i]}\"\n\t\t\tbreak\n\t\t\t;;\n"
	      "\t\tesac\n\tdone\n"
	      "\tcase \"$command:$option\" in\n",
	      out);
	for (size_t i = 0; i < seg_commands_len; i++)
		print_values(out, &seg_commands[i]);
	fputs("\tesac\n"
	      "\tif [ \"$kind\" != files ] && [ \"$i\" -ne $((COMP_CWORD - 1)) ]; then\n\t\tkind=\"\"\n\tfi\n"
	      "\tcase \"$kind:$word\" in\n"
	      "\tfiles:--*) ;;\n"
	      "\tfile*:*)\n\t\tmapfile -t COMPREPLY < <(compgen -f -- \"$word\")\n\t\treturn\n\t\t;;\n"
	      "\tfolder:*)\n\t\tmapfile -t COMPREPLY < <(compgen -d -- \"$word\")\n\t\treturn\n\t\t;;\n"
	      "\tother:*) return ;;\n\tesac\n"
	      "\tcase \"$command\" in\n",
	      out);
	for (size_t i = 0; i < seg_commands_len; i++)
		print_offer(out, &seg_commands[i]);
	fputs("\tesac\n\tmapfile -t COMPREPLY < <(compgen -W \"$offer\" -- \"$word\")\n}\n"
	      "complete -o filenames -F _segmentd segmentd\n",
	      out);
}
