/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CLI_H
#define MG_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "governor/util/err.h"

/* The command line: one row per verb and per option gives parsing, --help, the man page and the shell's completion. */
int mg_cli_main(int argc, char **argv);

enum mg_exit { MG_EXIT_OK, MG_EXIT_FINDING, MG_EXIT_USAGE, MG_EXIT_CONFIG, MG_EXIT_RUNTIME };

#define MG_CLI_MAX_LABELS 8
#define MG_DEFAULT_CONFIG "/etc/memgov/memgov.yaml"
#define MG_DEFAULT_SOCKET "/run/memgov/control.sock"

/* A parsed command line. All borrowed from argv. */
struct mg_cli {
	const struct mg_cli_verb *verb;
	const char *config, *socket, *listen; /* NULL: not given */
	bool json, dry_run, enforce, man, markdown, help;
	const char *label[MG_CLI_MAX_LABELS];
	unsigned n_labels;
	char **arg;                           /* positional arguments, ended by NULL; of exec: the command */
	int n_args;
};

enum mg_cli_kind { MG_CLI_FLAG, MG_CLI_TEXT, MG_CLI_LABELS, MG_CLI_OUTPUT };

struct mg_cli_option {
	const char *name;       /* without dashes */
	char brief;             /* one letter, 0: none */
	enum mg_cli_kind kind;
	const char *metavar, *help;
	size_t at;              /* FLAG: bool, TEXT: const char *; into struct mg_cli */
};

enum mg_cli_option_id {
	MG_OPT_CONFIG, MG_OPT_DRY_RUN, MG_OPT_ENFORCE, MG_OPT_SOCKET, MG_OPT_LISTEN, MG_OPT_LABEL, MG_OPT_MAN, MG_OPT_MARKDOWN,
	MG_OPT_OUTPUT, MG_OPT_HELP,
	MG_OPT__COUNT
};
#define MG_OPT(id) (1U << MG_OPT_##id)
#define MG_OPT_COMMON (MG_OPT(OUTPUT) | MG_OPT(SOCKET) | MG_OPT(HELP))

struct mg_cli_verb {
	const char *name;
	const char *args;       /* of the usage line, "" none */
	const char *help;       /* one line */
	const char *more;       /* paragraphs of --help and the man page, "" none */
	const char *words;      /* what completes the argument: words, "FILE", "TARGET", "" */
	unsigned options;       /* bit per mg_cli_option_id, beside the common ones */
	int min_args, max_args; /* max -1: any */
	bool command;           /* everything from the first argument on belongs to a command */
	int (*run)(const struct mg_cli *c);
};
extern const struct mg_cli_verb mg_cli_verbs[]; /* ended by name NULL */
extern const struct mg_cli_option mg_cli_options[MG_OPT__COUNT];
const struct mg_cli_verb *mg_cli_verb_find(const char *name);

/* Parses argv[1..]. 0; -EINVAL with err saying what to write instead. */
int mg_cli_parse(int argc, char **argv, struct mg_cli *ret, struct mg_err *err) MG_CHECK_RESULT;

/* help.c */
void mg_cli_help(FILE *f);
void mg_cli_help_verb(FILE *f, const struct mg_cli_verb *v);
void mg_cli_man(FILE *f);
void mg_cli_completion_bash(FILE *f);

/* The verbs. Each returns an exit status and has printed its own errors. */
int mg_cli_run(const struct mg_cli *c);
int mg_cli_exec(const struct mg_cli *c);
int mg_cli_check_config(const struct mg_cli *c);
int mg_cli_plan(const struct mg_cli *c);
int mg_cli_status(const struct mg_cli *c);
int mg_cli_explain(const struct mg_cli *c);
int mg_cli_doctor(const struct mg_cli *c);
int mg_cli_pause(const struct mg_cli *c);
int mg_cli_resume(const struct mg_cli *c);
int mg_cli_list(const struct mg_cli *c);
int mg_cli_completion(const struct mg_cli *c);
int mg_cli_version(const struct mg_cli *c);
int mg_cli_show_help(const struct mg_cli *c);

/* Prints `memgov: text` on stderr, control bytes shown, and returns status. */
int mg_cli_fail(int status, const char *fmt, ...) MG_PRINTF(2, 3);
/* The control socket: --socket, else MEMGOV_SOCKET, else the default. */
const char *mg_cli_socket(const struct mg_cli *c);
/* Where libmemgov.so is: MEMGOV_LIB, beside this program's ../lib, or where it is installed. -ENOENT with err. */
int mg_cli_find_lib(char *ret, size_t cap, struct mg_err *err) MG_CHECK_RESULT;

#endif
