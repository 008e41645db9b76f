/* SPDX-License-Identifier: Apache-2.0 */
/* The operator's verbs: read the governor's answers, give tables and sentences. `plan` reads like a diff: `+` comes now,
 * `~` comes when a guard's time is over, `!` is kept back. Called through verbs.c. */
#include <math.h>
#include <string.h>

#include "governor/cli/client.h"
#include "governor/cli/table.h"
#include "governor/util/knob.h"
#include "governor/util/str.h"
#include "governor/util/unit.h"

#define EACH(item, o, key) \
	for (const cJSON *item = cJSON_GetArrayItem(cJSON_GetObjectItemCaseSensitive(o, key), 0); item; item = item->next)

static const char *target_arg(const struct mg_cli *c)
{
	return c->n_args ? c->arg[0] : NULL;
}

/* Prints text of unknown origin. */
static void plain(const char *s)
{
	char text[2048];
	struct mg_buf b = mg_buf(text, sizeof text);

	mg_buf_plain(&b, s);
	fputs(text, stdout);
}

static const char *last_part(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash && slash[1] ? slash + 1 : path;
}

static const char *or_dash(const char *s)
{
	return *s ? s : "-";
}

/* A knob's value for people; null is off. */
static const char *knob_text(const char *knob, double v, char *buf, size_t cap)
{
	int k = mg_knob_find(knob, strlen(knob));

	if (isnan(v))
		return "off";
	return mg_unit_show(v, k < 0 ? MG_UNIT_ANY : mg_knob_info((enum mg_knob)k)->unit, buf, cap);
}

/* ---- status ---- */

static void print_governor(const cJSON *o)
{
	char up[32];

	printf("memgov %s, mode %s, policy ", mg_json_text(o, "version"), mg_json_text(o, "mode"));
	plain(mg_json_text(o, "config_file"));
	printf(" (%s), up %s%s%s\n", mg_json_text(o, "config_hash"),
	       mg_unit_show(mg_json_double(o, "uptime_s"), MG_UNIT_SECONDS, up, sizeof up),
	       mg_json_true(o, "paused") ? ", PAUSED" : "", mg_json_true(o, "off_file") ? ", OFF FILE" : "");
	if (*mg_json_text(o, "config_error")) {
		printf("the last reload was refused: ");
		plain(mg_json_text(o, "config_error"));
		printf("\n");
	}
}

static void state_of(const cJSON *t, struct mg_buf *b)
{
	static const struct { const char *key, *word; } flags[] = {
		{ "paused", "paused" }, { "quarantined", "quarantined" }, { "sealed", "sealed" },
	};
	static const struct {
		const char *key, *word;
	} lists[] = { { "contended", "contended" }, { "restore_pending", "restore-pending" } };

	mg_buf_printf(b, "%s", mg_json_true(t, "governed") ? mg_json_text(t, "mode") : "watched");
	for (unsigned i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (mg_json_true(t, flags[i].key))
			mg_buf_printf(b, ",%s", flags[i].word);
	for (unsigned i = 0; i < sizeof lists / sizeof lists[0]; i++)
		if (cJSON_GetArraySize(cJSON_GetObjectItemCaseSensitive(t, lists[i].key)) > 0)
			mg_buf_printf(b, ",%s", lists[i].word);
}

static void settings_of(const cJSON *t, struct mg_buf *b)
{
	const cJSON *settings = cJSON_GetObjectItemCaseSensitive(t, "settings");
	char text[64];

	for (const cJSON *s = settings ? settings->child : NULL; s; s = s->next)
		if (cJSON_IsNumber(s))
			mg_buf_printf(b, "%s%s=%s", b->len ? " " : "", s->string,
				      knob_text(s->string, s->valuedouble, text, sizeof text));
}

static void status_row(struct mg_table *table, const cJSON *t)
{
	char state[96], settings[256];
	struct mg_buf sb = mg_buf(state, sizeof state), kb = mg_buf(settings, sizeof settings);
	const cJSON *last = cJSON_GetObjectItemCaseSensitive(t, "last_decision");

	state_of(t, &sb);
	settings_of(t, &kb);
	mg_table_cell(table, "%s", or_dash(mg_json_text(t, "name")));
	mg_table_cell(table, "%s", mg_json_text(t, "id"));
	mg_table_cell(table, "%s", last_part(mg_json_text(t, "exe")));
	mg_table_cell(table, "%s", or_dash(mg_json_text(t, "allocator")));
	mg_table_cell(table, "%s", state);
	mg_table_quantity(table, mg_json_double(t, "rss_bytes"), MG_UNIT_BYTES);
	mg_table_quantity(table, mg_json_double(t, "limit_bytes"), MG_UNIT_BYTES);
	mg_table_quantity(table, mg_json_double(t, "returned_bytes"), MG_UNIT_BYTES);
	mg_table_cell(table, "%s", or_dash(settings));
	if (cJSON_IsObject(last))
		mg_table_cell(table, "%s %s: %s", mg_json_text(last, "rule"), mg_json_text(last, "verb"),
			      mg_json_text(last, "why"));
	else
		mg_table_cell(table, "-");
}

int mg_cli_status(const struct mg_cli *c)
{
	static const char *const titles[] = { "TARGET", "ID",        "PROGRAM",  "ALLOCATOR",     "STATE", ">RSS",
					      ">LIMIT", ">RETURNED", "SETTINGS", "LAST DECISION", NULL };
	cJSON *o;
	int status = mg_client(c, "GET", "/api/v1/status", target_arg(c), &o);

	if (status != MG_EXIT_OK)
		return status;
	if (!c->json) {
		struct mg_table *table = mg_table_new(titles);
		print_governor(o);
		EACH(t, o, "targets")
			status_row(table, t);
		mg_table_print(table, stdout, 0, true);
		mg_table_free(table);
	}
	cJSON_Delete(o);
	return MG_EXIT_OK;
}

/* ---- wants, for plan and explain ---- */

static void print_want(const cJSON *w, const char *indent)
{
	const char *knob = mg_json_text(w, "knob"), *verb = mg_json_text(w, "verb");
	double to = mg_json_double(w, "to");
	char from_text[64], to_text[64];

	printf("%s%c ", indent, mg_json_true(w, "delayed") ? '~' : mg_json_true(w, "vetoed") ? '!' : '+');
	if (strcmp(verb, "set") == 0)
		printf("%s: %s -> %s\n", knob, knob_text(knob, mg_json_double(w, "from"), from_text, sizeof from_text),
		       knob_text(knob, to, to_text, sizeof to_text));
	else if (*knob)
		printf("%s %s\n", verb, knob);
	else
		printf("%s %s\n", verb, isnan(to) ? "all" : mg_unit_show(to, MG_UNIT_BYTES, to_text, sizeof to_text));
	EACH(g, w, "guards") {
		printf("%s    guard ", indent);
		plain(mg_json_text(g, "why"));
		printf("\n");
	}
}

static void print_process(const cJSON *t)
{
	plain(or_dash(mg_json_text(t, "name")));
	printf(" %s (", mg_json_text(t, "id"));
	plain(last_part(mg_json_text(t, "exe")));
	printf(")");
}

/* ---- plan ---- */

static void print_plan_rule(const cJSON *r)
{
	printf("  rule ");
	plain(mg_json_text(r, "rule"));
	printf(" [%s] ", mg_json_text(r, "mode"));
	plain(mg_json_text(r, "rule_at"));
	printf("\n    # ");
	plain(or_dash(mg_json_text(r, "why")));
	printf("\n");
	EACH(w, r, "wants")
		print_want(w, "    ");
}

int mg_cli_plan(const struct mg_cli *c)
{
	cJSON *o;
	int status = mg_client(c, "GET", "/api/v1/plan", target_arg(c), &o);

	if (status != MG_EXIT_OK)
		return status;
	double changes = mg_json_double(o, "changes");
	EACH(t, c->json ? NULL : o, "targets") {
		print_process(t);
		printf("\n");
		EACH(r, t, "rules")
			print_plan_rule(r);
	}
	if (!c->json)
		printf("%.0f change%s (mode %s)\n", changes, changes == 1 ? "" : "s", mg_json_text(o, "mode"));
	cJSON_Delete(o);
	return changes > 0 ? MG_EXIT_FINDING : MG_EXIT_OK;
}

/* ---- explain ---- */

static void print_inputs(const cJSON *t)
{
	static const char *const titles[] = { "INPUT", ">VALUE", ">AGE", ">MAX AGE", NULL };
	struct mg_table *table = mg_table_new(titles);

	EACH(i, t, "inputs") {
		int unit = mg_unit_find(mg_json_text(i, "unit"), strlen(mg_json_text(i, "unit")));
		char value[64];
		mg_table_cell(table, "%s", mg_json_text(i, "name"));
		mg_table_cell(table, "%s",
			      mg_json_true(i, "known")
				      ? mg_unit_show(mg_json_double(i, "value"), unit < 0 ? MG_UNIT_ANY : (enum mg_unit)unit,
						     value, sizeof value)
				      : "unknown");
		mg_table_quantity(table, mg_json_double(i, "age_s"), MG_UNIT_SECONDS);
		mg_table_quantity(table, mg_json_double(i, "max_age_s"), MG_UNIT_SECONDS);
	}
	mg_table_print(table, stdout, 2, true);
	mg_table_free(table);
}

static void print_knobs(const cJSON *t)
{
	static const char *const titles[] = { "KNOB", ">PRESENT", ">BASELINE", NULL };
	struct mg_table *table = mg_table_new(titles);
	char text[64];

	EACH(k, t, "knobs") {
		const char *name = mg_json_text(k, "name");
		mg_table_cell(table, "%s", name);
		mg_table_cell(table, "%s", knob_text(name, mg_json_double(k, "present"), text, sizeof text));
		mg_table_cell(table, "%s", knob_text(name, mg_json_double(k, "baseline"), text, sizeof text));
	}
	mg_table_print(table, stdout, 2, true);
	mg_table_free(table);
}

static void print_rule(const cJSON *r)
{
	printf("  ");
	plain(mg_json_text(r, "name"));
	printf(" (%s, %s) ", mg_json_text(r, "policy"), mg_json_text(r, "mode"));
	plain(mg_json_text(r, "at"));
	printf("\n");
	EACH(e, r, "expressions") {
		printf("    reads ");
		plain(cJSON_GetStringValue(e) ? cJSON_GetStringValue(e) : "");
		printf("\n");
	}
	printf("    %s", mg_json_true(r, "unknown") ? "unknown, holds: " : "");
	plain(or_dash(mg_json_text(r, "why")));
	printf("\n");
	EACH(w, r, "wants")
		print_want(w, "    ");
}

static void print_decision(const cJSON *d)
{
	const cJSON *outcome = cJSON_GetObjectItemCaseSensitive(d, "outcome");
	double got = mg_json_double(outcome, "achieved_bytes");
	char text[64];

	printf("  %s %s %s", mg_json_text(d, "ts"), mg_json_text(d, "rule"), mg_json_text(d, "verb"));
	if (*mg_json_text(d, "knob"))
		printf(" %s to %s", mg_json_text(d, "knob"),
		       knob_text(mg_json_text(d, "knob"), mg_json_double(d, "to"), text, sizeof text));
	printf(" [%s]", mg_json_text(outcome, "state"));
	if (!isnan(got))
		printf(" returned %s", mg_unit_show(got, MG_UNIT_BYTES, text, sizeof text));
	printf(": ");
	plain(*mg_json_text(outcome, "text") ? mg_json_text(outcome, "text") : mg_json_text(d, "why"));
	printf("\n");
}

static void print_explained(const cJSON *t)
{
	print_process(t);
	printf(" allocator ");
	plain(or_dash(mg_json_text(t, "allocator")));
	printf(", runtime ");
	plain(or_dash(mg_json_text(t, "runtime")));
	printf(", mode %s\n\nInputs\n", mg_json_text(t, "mode"));
	print_inputs(t);
	printf("\nKnobs\n");
	print_knobs(t);
	printf("\nRules\n");
	EACH(r, t, "rules")
		print_rule(r);
	printf("\nLast decisions\n");
	EACH(d, t, "decisions")
		print_decision(d);
	printf("\n");
	EACH(h, t, "hints")
		printf("hint (%s): %s\n", mg_json_text(h, "name"), mg_json_text(h, "text"));
}

int mg_cli_explain(const struct mg_cli *c)
{
	cJSON *o;
	int status = mg_client(c, "GET", "/api/v1/explain", target_arg(c), &o);

	if (status != MG_EXIT_OK)
		return status;
	EACH(t, c->json ? NULL : o, "targets")
		print_explained(t);
	cJSON_Delete(o);
	return MG_EXIT_OK;
}

/* ---- the stop button ---- */

static int set_paused(const struct mg_cli *c, const char *path, const char *done)
{
	cJSON *o;
	int status = mg_client(c, "POST", path, target_arg(c), &o);

	if (status != MG_EXIT_OK)
		return status;
	if (!c->json) {
		plain(c->n_args ? c->arg[0] : "everything");
		printf(" %s (%.0f process%s)\n", done, mg_json_double(o, "processes"),
		       mg_json_double(o, "processes") == 1 ? "" : "es");
	}
	if (!c->json && mg_json_true(o, "off_file"))
		printf("the off file beside the control socket still keeps everything paused\n");
	cJSON_Delete(o);
	return MG_EXIT_OK;
}

int mg_cli_pause(const struct mg_cli *c)
{
	return set_paused(c, "/api/v1/pause", "paused");
}

int mg_cli_resume(const struct mg_cli *c)
{
	return set_paused(c, "/api/v1/resume", "resumed");
}
