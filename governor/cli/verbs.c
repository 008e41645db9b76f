/* SPDX-License-Identifier: Apache-2.0 */
/* The table of verbs and the table of options, and what main calls: parse, look up, run. */
#include "governor/cli/cli.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include "governor/config/config.h"
#include "governor/loop/run.h"
#include "governor/util/str.h"

#define AT(field) offsetof(struct mg_cli, field)

const struct mg_cli_option mg_cli_options[MG_OPT__COUNT] = {
	[MG_OPT_CONFIG] = { "config", 'c', MG_CLI_TEXT, "FILE",
			    "the policy file (run: " MG_DEFAULT_CONFIG "); other verbs look there for serve.admin", AT(config) },
	[MG_OPT_DRY_RUN] = { "dry-run", 'n', MG_CLI_FLAG, NULL, "decide and record, send nothing", AT(dry_run) },
	[MG_OPT_ENFORCE] = { "enforce", 0, MG_CLI_FLAG, NULL, "act, where target and rule allow it by their own mode",
			     AT(enforce) },
	[MG_OPT_SOCKET] = { "socket", 's', MG_CLI_TEXT, "PATH", "the control socket; the operator's API is at PATH.admin",
			    AT(socket) },
	[MG_OPT_LISTEN] = { "listen", 'l', MG_CLI_TEXT, "ADDR:PORT", "serve /metrics, /healthz and /readyz there", AT(listen) },
	[MG_OPT_LABEL] = { "label", 0, MG_CLI_LABELS, "KEY=VALUE", "a label policies can match; may be repeated", 0 },
	[MG_OPT_MAN] = { "man", 0, MG_CLI_FLAG, NULL, "print the manual page (troff)", AT(man) },
	[MG_OPT_MARKDOWN] = { "markdown", 0, MG_CLI_FLAG, NULL, "print the policy file's reference (Markdown)", AT(markdown) },
	[MG_OPT_OUTPUT] = { "output", 'o', MG_CLI_OUTPUT, "table|json", "for people (default) or for programs", 0 },
	[MG_OPT_HELP] = { "help", 'h', MG_CLI_FLAG, NULL, "say what the verb does", AT(help) },
};

const struct mg_cli_verb mg_cli_verbs[] = {
	{ .name = "run", .args = "", .help = "govern: watch, decide, act, until SIGTERM", .words = "",
	  .more = "Loads the policy, opens the control socket and governs every process that connects. SIGTERM restores what\n"
		  "each process had before; SIGHUP loads the policy anew, and a bad one keeps the last good one. A fresh policy\n"
		  "runs dry.",
	  .options = MG_OPT(CONFIG) | MG_OPT(DRY_RUN) | MG_OPT(ENFORCE) | MG_OPT(LISTEN), .run = mg_cli_run },
	{ .name = "exec", .args = "-- CMD [ARG...]", .help = "start a program that can be governed", .words = "",
	  .more = "Puts libmemgov.so into LD_PRELOAD (keeping what is there), sets MEMGOV_SOCKET and MEMGOV_LABELS, and becomes\n"
		  "CMD. MEMGOV_LIB names another library file. Without a governor the program runs as ever.",
	  .options = MG_OPT(LABEL), .min_args = 1, .max_args = -1, .command = true, .run = mg_cli_exec },
	{ .name = "check-config", .args = "FILE...", .help = "check policy files, all findings at once", .words = "FILE",
	  .more = "Exit status: 0 clean, 1 warnings only, 3 errors.", .min_args = 1, .max_args = -1, .run = mg_cli_check_config },
	{ .name = "plan", .args = "[TARGET]", .help = "what would change now, and what the guards keep back", .words = "TARGET",
	  .more = "Exit status: 0 nothing to change, 1 there are changes (delayed ones too), 4 the governor cannot be asked.",
	  .options = MG_OPT(CONFIG), .max_args = 1, .run = mg_cli_plan },
	{ .name = "status", .args = "[TARGET]", .help = "the governor and the processes it sees", .words = "TARGET", .more = "",
	  .options = MG_OPT(CONFIG), .max_args = 1, .run = mg_cli_status },
	{ .name = "explain", .args = "TARGET", .help = "why a target was changed, or was not", .words = "TARGET",
	  .more = "Shows every input with its age, each rule with its place in the file and its reason, the guards that cut a\n"
		  "decision, the last decisions, and hints about what no policy can change. TARGET is a target's name or a\n"
		  "process's id.",
	  .options = MG_OPT(CONFIG), .min_args = 1, .max_args = 1, .run = mg_cli_explain },
	{ .name = "doctor", .args = "", .help = "what this host or pod permits, each finding with its fix", .words = "",
	  .more = "Exit status: 0 all well, 1 findings.", .run = mg_cli_doctor },
	{ .name = "pause", .args = "[TARGET]", .help = "restore every baseline and send nothing more", .words = "TARGET",
	  .more = "Without TARGET everything is paused. A file named `off` beside the control socket does the same.",
	  .options = MG_OPT(CONFIG), .max_args = 1, .run = mg_cli_pause },
	{ .name = "resume", .args = "[TARGET]", .help = "govern again; ends a target's quarantine too", .words = "TARGET",
	  .more = "", .options = MG_OPT(CONFIG), .max_args = 1, .run = mg_cli_resume },
	{ .name = "list", .args = "policies|collectors|knobs|signals|metrics",
	  .help = "what there is to write in a policy, and to watch",
	  .words = "policies collectors knobs signals metrics", .more = "", .min_args = 1, .max_args = 1, .run = mg_cli_list },
	{ .name = "completion", .args = "bash", .help = "print the shell's completion", .words = "bash",
	  .more = "For one session: source <(memgov completion bash)", .min_args = 1, .max_args = 1, .run = mg_cli_completion },
	{ .name = "help", .args = "[VERB|policy]", .help = "this, or a verb's options", .words = "policy",
	  .more = "With --man: memgov(1), and for the word policy memgov.yaml(5); --markdown prints the latter for a browser.",
	  .options = MG_OPT(MAN) | MG_OPT(MARKDOWN), .max_args = 1,
	  .run = mg_cli_show_help },
	{ .name = "version", .args = "", .help = "print the version", .words = "", .more = "", .run = mg_cli_version },
	{ .name = NULL },
};

const struct mg_cli_verb *mg_cli_verb_find(const char *name)
{
	for (const struct mg_cli_verb *v = mg_cli_verbs; v->name; v++)
		if (strcmp(v->name, name) == 0)
			return v;
	return NULL;
}

int mg_cli_fail(int status, const char *fmt, ...)
{
	char text[1024], plain[4 * sizeof text];
	struct mg_buf b = mg_buf(plain, sizeof plain);
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	mg_buf_plain(&b, text);
	fprintf(stderr, "memgov: %s\n", plain);
	return status;
}

int mg_cli_run(const struct mg_cli *c)
{
	if (c->dry_run && c->enforce)
		return mg_cli_fail(MG_EXIT_USAGE, "--dry-run and --enforce exclude each other");
	return mg_run(&(struct mg_run_options){ .config = c->config ? c->config : MG_DEFAULT_CONFIG, .dry_run = c->dry_run,
						.enforce = c->enforce, .socket = c->socket, .listen = c->listen });
}

int mg_cli_completion(const struct mg_cli *c)
{
	if (strcmp(c->arg[0], "bash") != 0)
		return mg_cli_fail(MG_EXIT_USAGE, "completion is there for bash, not for `%s`", c->arg[0]);
	mg_cli_completion_bash(stdout);
	return MG_EXIT_OK;
}

int mg_cli_version(const struct mg_cli *c)
{
	if (c->json)
		printf("{\"version\":\"%s\"}\n", MG_VERSION);
	else
		printf("memgov %s\n", MG_VERSION);
	return MG_EXIT_OK;
}

int mg_cli_show_help(const struct mg_cli *c)
{
	const struct mg_cli_verb *v = c->n_args ? mg_cli_verb_find(c->arg[0]) : NULL;

	if ((c->man || c->markdown) && c->n_args && strcmp(c->arg[0], "policy") == 0)
		return mg_config_manual(STDOUT_FILENO, c->man ? MG_MANUAL_MAN : MG_MANUAL_MARKDOWN) < 0 ? MG_EXIT_RUNTIME : MG_EXIT_OK;
	if (c->markdown)
		return mg_cli_fail(MG_EXIT_USAGE, "--markdown goes with the word policy: memgov help --markdown policy");
	if (c->n_args && !v)
		return mg_cli_fail(MG_EXIT_USAGE, "there is no verb `%s`; see memgov help", c->arg[0]);
	if (c->man)
		mg_cli_man(stdout);
	else if (v)
		mg_cli_help_verb(stdout, v);
	else
		mg_cli_help(stdout);
	return MG_EXIT_OK;
}

int mg_cli_main(int argc, char **argv)
{
	struct mg_cli c;
	struct mg_err err;

	if (argc < 2) {
		mg_cli_help(stderr);
		return MG_EXIT_USAGE;
	}
	if (mg_cli_parse(argc, argv, &c, &err) < 0)
		return mg_cli_fail(MG_EXIT_USAGE, "%s", err.text);
	if (c.help) {
		mg_cli_help_verb(stdout, c.verb);
		return MG_EXIT_OK;
	}
	int status = c.verb->run(&c);
	if (fflush(stdout) != 0 && status == MG_EXIT_OK)
		return mg_cli_fail(MG_EXIT_RUNTIME, "cannot write the output: %s", strerror(errno));
	return status;
}
