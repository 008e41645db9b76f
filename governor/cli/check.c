/* SPDX-License-Identifier: Apache-2.0 */
/* `memgov check-config`: reads policy files, gives every finding of each at once. Called through verbs.c. */
#include <string.h>
#include <unistd.h>

#include "governor/audit/json.h"
#include "governor/cli/cli.h"
#include "governor/config/config.h"

#define JSON_BYTES (64U << 10) /* MG_MAX_FINDINGS of MG_ERR_MAX bytes, escaped */

static int exit_status(const struct mg_findings *f, int r)
{
	if (r < 0 || f->errors > 0)
		return MG_EXIT_CONFIG;
	return f->warnings > 0 ? MG_EXIT_FINDING : MG_EXIT_OK;
}

static void print_text(const char *path, const struct mg_findings *f, int r, const struct mg_err *err)
{
	if (f->n > 0)
		mg_findings_print_file(f, path, STDERR_FILENO);
	if (r < 0 && f->errors == 0)
		(void)mg_cli_fail(MG_EXIT_CONFIG, "%s", err->text);
	else if (f->n == 0)
		printf("%s: ok\n", path);
	else
		printf("%s: %u error%s, %u warning%s\n", path, f->errors, f->errors == 1 ? "" : "s", f->warnings,
		       f->warnings == 1 ? "" : "s");
}

static void print_json(const char *path, const struct mg_findings *f, int r, const struct mg_err *err, bool first)
{
	static char text[JSON_BYTES];
	struct mg_buf b = mg_buf(text, sizeof text);
	struct mg_json j = { .b = &b, .comma = !first };

	mg_json_open(&j, NULL, '{');
	mg_json_str(&j, "file", path);
	mg_json_u64(&j, "errors", f->errors + (r < 0 && f->errors == 0));
	mg_json_u64(&j, "warnings", f->warnings);
	mg_json_open(&j, "findings", '[');
	for (unsigned i = 0; i < f->n; i++) {
		mg_json_open(&j, NULL, '{');
		mg_json_str(&j, "severity", f->at[i].severity == MG_SEV_ERROR ? "error" : "warning");
		mg_json_u64(&j, "line", f->at[i].line);
		mg_json_u64(&j, "column", f->at[i].column);
		mg_json_str(&j, "text", f->at[i].text);
		mg_json_close(&j, '}');
	}
	if (r < 0 && f->errors == 0) {
		mg_json_open(&j, NULL, '{');
		mg_json_str(&j, "severity", "error");
		mg_json_str(&j, "text", err->text);
		mg_json_close(&j, '}');
	}
	mg_json_close(&j, ']');
	mg_json_close(&j, '}');
	fputs(text, stdout);
}

static int check_one(const struct mg_cli *c, const char *path, bool first)
{
	static struct mg_findings findings;
	struct mg_config *config = NULL;
	struct mg_err err = { "" };

	findings = (struct mg_findings){ .n = 0 };
	int r = mg_config_load(path, &config, &findings, &err);
	mg_config_free(config);
	if (c->json)
		print_json(path, &findings, r, &err, first);
	else
		print_text(path, &findings, r, &err);
	return exit_status(&findings, r);
}

int mg_cli_check_config(const struct mg_cli *c)
{
	int worst = MG_EXIT_OK;

	if (c->json)
		printf("{\"files\":[");
	for (int i = 0; i < c->n_args; i++) {
		int status = check_one(c, c->arg[i], i == 0);
		worst = status > worst ? status : worst;
	}
	if (c->json)
		printf("]}\n");
	return worst;
}
