/* SPDX-License-Identifier: Apache-2.0 */
/* `memgov list`: what there is, from the very tables the governor runs on. Each kind fills rows of equal columns, printed
 * as a table or as JSON. Called through verbs.c. */
#include <string.h>

#include "collectors/collector.h"
#include "governor/audit/json.h"
#include "governor/cli/cli.h"
#include "governor/cli/table.h"
#include "governor/serve/serve.h"
#include "governor/util/unit.h"
#include "policies/policy.h"

#define JSON_BYTES  (64U << 10)
#define MAX_COLUMNS 5

struct out {
	const char *const *titles; /* upper case; lower case they are the JSON's keys */
	struct mg_table *table;
	struct mg_json *json;      /* NULL: the table */
};

static void row(struct out *o, const char *const cells[])
{
	if (o->json)
		mg_json_open(o->json, NULL, '{');
	for (unsigned i = 0; o->titles[i]; i++) {
		char key[32] = "";
		for (unsigned k = 0; o->titles[i][k] && k + 1 < sizeof key; k++)
			key[k] = o->titles[i][k] == ' ' ? '_' : mg_lower(o->titles[i][k]);
		if (o->json)
			mg_json_str(o->json, key, cells[i]);
		else
			mg_table_cell(o->table, "%s", cells[i]);
	}
	if (o->json)
		mg_json_close(o->json, '}');
}

#define ROW(o, ...) row(o, (const char *const[]){ __VA_ARGS__ })

static void list_policies(struct out *o)
{
	for (unsigned i = 0; mg_policies[i]; i++) {
		ROW(o, mg_policies[i]->name, "", "", mg_policies[i]->help);
		for (const struct mg_field *f = mg_policies[i]->fields; f && f->name; f++)
			ROW(o, mg_policies[i]->name, f->name, f->required ? "required" : f->def ? f->def : "", f->help);
	}
}

static void list_collectors(struct out *o)
{
	for (const struct mg_collector_info *c = mg_collectors; c->name; c++)
		ROW(o, c->name, c->signals, c->help);
}

static void list_knobs(struct out *o)
{
	char floor_text[48], ceiling_text[48];

	for (int i = 0; i < MG_KNOB__COUNT; i++) {
		const struct mg_knob_info *k = mg_knob_info((enum mg_knob)i);
		ROW(o, k->name, mg_unit_name(k->unit), mg_unit_show(k->floor, k->unit, floor_text, sizeof floor_text),
		    mg_unit_show(k->ceiling, k->unit, ceiling_text, sizeof ceiling_text), k->help);
	}
	for (int i = 0; i < MG_ACTION__COUNT; i++)
		ROW(o, mg_action_info((enum mg_action)i)->name, "action", "", "", mg_action_info((enum mg_action)i)->help);
}

static void list_signals(struct out *o)
{
	char age[48];

	for (int i = 0; i < MG_SIG__BUILTIN; i++) {
		const struct mg_signal_info *s = mg_signal_info((enum mg_signal)i);
		ROW(o, s->name, mg_unit_name(s->unit), s->kind == MG_SIGNAL_COUNTER ? "counter" : "gauge",
		    mg_unit_show((double)s->max_age_ns / (double)MG_NS_PER_S, MG_UNIT_SECONDS, age, sizeof age), s->help);
	}
}

static void list_metrics(struct out *o)
{
	struct mg_metric_info m;

	for (unsigned i = 0; mg_metric_info(i, &m); i++)
		ROW(o, m.name, m.type, m.help);
}

static const struct {
	const char *name;
	const char *titles[MAX_COLUMNS + 1];
	void (*list)(struct out *o);
} kinds[] = {
	{ "policies",   { "POLICY", "KEY", "DEFAULT", "HELP" },               list_policies },
	{ "collectors", { "COLLECTOR", "SIGNALS", "HELP" },                   list_collectors },
	{ "knobs",      { "KNOB", "UNIT", "FLOOR", "CEILING", "HELP" },       list_knobs },
	{ "signals",    { "SIGNAL", "UNIT", "KIND", "MAX AGE", "HELP" },      list_signals },
	{ "metrics",    { "METRIC", "TYPE", "HELP" },                         list_metrics },
};

static void print_json(const char *name, struct out *o, void (*list)(struct out *o))
{
	static char text[JSON_BYTES];
	struct mg_buf b = mg_buf(text, sizeof text);
	struct mg_json j = { .b = &b };

	o->json = &j;
	mg_json_open(&j, NULL, '{');
	mg_json_open(&j, name, '[');
	list(o);
	mg_json_close(&j, ']');
	mg_json_close(&j, '}');
	puts(text);
}

int mg_cli_list(const struct mg_cli *c)
{
	for (unsigned i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
		struct out o = { .titles = kinds[i].titles };
		if (strcmp(kinds[i].name, c->arg[0]) != 0)
			continue;
		if (c->json) {
			print_json(kinds[i].name, &o, kinds[i].list);
			return MG_EXIT_OK;
		}
		o.table = mg_table_new(kinds[i].titles);
		kinds[i].list(&o);
		mg_table_print(o.table, stdout, 0, true);
		o.table = mg_table_free(o.table);
		return MG_EXIT_OK;
	}
	return mg_cli_fail(MG_EXIT_USAGE, "there is no list of `%s`: policies, collectors, knobs, signals or metrics", c->arg[0]);
}
