/* SPDX-License-Identifier: Apache-2.0 */
/* Prints what the tables of verbs.c know: --help, the manual page, the shell's completion. Called by verbs.c. */
#include <string.h>

#include "governor/cli/cli.h"

static const struct { const char *code, *meaning; } exits[] = {
	{ "0", "done; plan: nothing to change" },
	{ "1", "a finding; plan: there are changes; check-config: warnings only" },
	{ "2", "the command line is wrong" },
	{ "3", "the policy file is invalid" },
	{ "4", "a failure at run time: no governor, no permission, ..." },
};

static const struct { const char *name, *meaning; } environment[] = {
	{ "MEMGOV_SOCKET", "the control socket, where --socket is not given" },
	{ "MEMGOV_LIB", "the library exec preloads" },
};

#define N(a) (sizeof(a) / sizeof (a)[0])

static unsigned options_of(const struct mg_cli_verb *v)
{
	return v->options | MG_OPT_COMMON;
}

static void print_option(FILE *f, const struct mg_cli_option *o)
{
	char left[64], brief[8] = "    ";

	if (o->brief)
		snprintf(brief, sizeof brief, "-%c, ", o->brief);
	snprintf(left, sizeof left, "%s--%s%s%s", brief, o->name, o->metavar ? " " : "", o->metavar ? o->metavar : "");
	fprintf(f, "  %-26s %s\n", left, o->help);
}

void mg_cli_help(FILE *f)
{
	fprintf(f, "memgov - adaptive GC and memory governor\n\nUsage: memgov VERB [OPTION...]\n\nVerbs:\n");
	for (const struct mg_cli_verb *v = mg_cli_verbs; v->name; v++)
		fprintf(f, "  %-14s %s\n", v->name, v->help);
	fprintf(f, "\nOptions of every verb:\n");
	for (unsigned i = 0; i < MG_OPT__COUNT; i++)
		if (MG_OPT_COMMON >> i & 1)
			print_option(f, &mg_cli_options[i]);
	fprintf(f, "\nExit status:\n");
	for (unsigned i = 0; i < N(exits); i++)
		fprintf(f, "  %-14s %s\n", exits[i].code, exits[i].meaning);
}

void mg_cli_help_verb(FILE *f, const struct mg_cli_verb *v)
{
	fprintf(f, "memgov %s - %s\n\nUsage: memgov %s [OPTION...]%s%s\n", v->name, v->help, v->name, *v->args ? " " : "",
		v->args);
	if (*v->more)
		fprintf(f, "\n%s\n", v->more);
	fprintf(f, "\nOptions:\n");
	for (unsigned i = 0; i < MG_OPT__COUNT; i++)
		if (options_of(v) >> i & 1)
			print_option(f, &mg_cli_options[i]);
}

/* ---- the manual page ---- */

/* A line that begins with a dot or an apostrophe would be a request; a backslash an escape; a hyphen is not a minus. */
static void troff(FILE *f, const char *s)
{
	if (*s == '.' || *s == '\'')
		fputs("\\&", f);
	for (; *s; s++) {
		if (*s == '\\')
			fputs("\\e", f);
		else if (*s == '-')
			fputs("\\-", f);
		else
			fputc(*s, f);
	}
}

static void man_entry(FILE *f, const char *term, const char *rest, const char *text)
{
	fprintf(f, ".TP\n\\fB");
	troff(f, term);
	fprintf(f, "\\fR%s\\fI", *rest ? " " : "");
	troff(f, rest);
	fprintf(f, "\\fR\n");
	troff(f, text);
	fputc('\n', f);
}

static void man_option(FILE *f, const struct mg_cli_option *o)
{
	char term[48];

	snprintf(term, sizeof term, o->brief ? "-%2$c, --%1$s" : "--%s", o->name, o->brief);
	man_entry(f, term, o->metavar ? o->metavar : "", o->help);
}

static void man_verb(FILE *f, const struct mg_cli_verb *v)
{
	fprintf(f, ".SS ");
	troff(f, v->name);
	if (*v->args)
		fputc(' ', f);
	troff(f, v->args);
	fputc('\n', f);
	troff(f, v->help);
	fprintf(f, ".\n");
	if (*v->more) {
		fprintf(f, ".PP\n");
		troff(f, v->more);
		fputc('\n', f);
	}
	for (unsigned i = 0; i < MG_OPT__COUNT; i++)
		if (v->options >> i & 1)
			man_option(f, &mg_cli_options[i]);
}

void mg_cli_man(FILE *f)
{
	fprintf(f, ".TH MEMGOV 1 \"\" \"memgov %s\" \"User Commands\"\n.SH NAME\nmemgov \\- adaptive GC and memory governor\n",
		MG_VERSION);
	fprintf(f, ".SH SYNOPSIS\n.B memgov\n.I VERB\n.RI [ OPTION ...]\n.SH VERBS\n");
	for (const struct mg_cli_verb *v = mg_cli_verbs; v->name; v++)
		man_verb(f, v);
	fprintf(f, ".SH OPTIONS OF EVERY VERB\n");
	for (unsigned i = 0; i < MG_OPT__COUNT; i++)
		if (MG_OPT_COMMON >> i & 1)
			man_option(f, &mg_cli_options[i]);
	fprintf(f, ".SH EXIT STATUS\n");
	for (unsigned i = 0; i < N(exits); i++)
		man_entry(f, exits[i].code, "", exits[i].meaning);
	fprintf(f, ".SH ENVIRONMENT\n");
	for (unsigned i = 0; i < N(environment); i++)
		man_entry(f, environment[i].name, "", environment[i].meaning);
	fprintf(f, ".SH FILES\n");
	man_entry(f, MG_DEFAULT_CONFIG, "", "the policy file of run");
	man_entry(f, MG_DEFAULT_SOCKET, "", "the control socket; with .admin after it, the operator's API");
	fprintf(f, ".SH SEE ALSO\n.BR memgov.yaml (5)\n");
}

/* ---- completion ---- */

static void completion_verb(FILE *f, const struct mg_cli_verb *v)
{
	fprintf(f, "\t%s) words='%s", v->name, strcmp(v->words, "FILE") == 0 || strcmp(v->words, "TARGET") == 0 ? "" : v->words);
	for (unsigned i = 0; i < MG_OPT__COUNT; i++)
		if (options_of(v) >> i & 1)
			fprintf(f, " --%s", mg_cli_options[i].name);
	fprintf(f, "'; files=%d; targets=%d ;;\n", strcmp(v->words, "FILE") == 0, strcmp(v->words, "TARGET") == 0);
}

void mg_cli_completion_bash(FILE *f)
{
	fprintf(f, "# bash completion for memgov, printed by `memgov completion bash`\n"
		"_memgov() {\n"
		"\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} words files=0 targets=0\n"
		"\tcase $prev in\n"
		"\t--config|-c|--socket|-s) mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return ;;\n"
		"\t--output|-o) mapfile -t COMPREPLY < <(compgen -W 'table json' -- \"$cur\"); return ;;\n"
		"\tesac\n"
		"\tif ((COMP_CWORD == 1)); then\n"
		"\t\tmapfile -t COMPREPLY < <(compgen -W '");
	for (const struct mg_cli_verb *v = mg_cli_verbs; v->name; v++)
		fprintf(f, "%s%s", v == mg_cli_verbs ? "" : " ", v->name);
	fprintf(f, "' -- \"$cur\"); return\n\tfi\n\tcase ${COMP_WORDS[1]} in\n");
	for (const struct mg_cli_verb *v = mg_cli_verbs; v->name; v++)
		completion_verb(f, v);
	fprintf(f, "\tesac\n"
		"\tif ((targets)) && [[ $cur != -* ]]; then\n"
		"\t\twords+=\" $(memgov status --output json 2>/dev/null | grep -o '\"name\":\"[A-Za-z0-9._-]*\"' |"
		" cut -d'\"' -f4 | sort -u)\"\n"
		"\tfi\n"
		"\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
		"\tif ((files)); then mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$cur\"); fi\n"
		"}\n"
		"complete -F _memgov memgov\n");
}
