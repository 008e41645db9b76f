/* SPDX-License-Identifier: Apache-2.0 */
/* The pages as a client reads them: fields of the JSON, probes by the clock, metrics that promtool accepts. */
#include "tests/unit/serve/world.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/check.h"

static char text[1 << 20];

static unsigned page(mg_page_fn f, const struct world *w)
{
	struct mg_buf b = mg_buf(text, sizeof text);
	unsigned status = f(&w->q, &b);

	check(!b.full, "the page fits");
	return status;
}

static cJSON *json_page(mg_page_fn f, const struct world *w, unsigned status)
{
	unsigned got = page(f, w);
	check(got == status, "status %u expected, got %u: %s", status, got, text);
	cJSON *o = cJSON_Parse(text);
	check(o != NULL, "the page is JSON: %s", text);
	return o;
}

/* "targets.0.settings.gc_percent" */
static const cJSON *at(const cJSON *o, const char *path)
{
	char part[64];

	for (const char *p = path; *p && o;) {
		size_t n = strcspn(p, ".");
		mg_copyn(part, sizeof part, p, n);
		o = cJSON_IsArray(o) ? cJSON_GetArrayItem(o, atoi(part)) : cJSON_GetObjectItemCaseSensitive(o, part);
		p += n + (p[n] == '.');
	}
	return o;
}

struct expected { const char *path, *value; };

/* Every path renders to the value; NULL: there is no such field. */
static void check_fields(const cJSON *o, const struct expected *rows, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		const cJSON *item = at(o, rows[i].path);
		char *got = item ? cJSON_PrintUnformatted(item) : NULL;
		bool same = got && rows[i].value ? strcmp(got, rows[i].value) == 0 : got == rows[i].value;
		check(same, "%s is %s, expected %s", rows[i].path, got ? got : "missing",
		      rows[i].value ? rows[i].value : "missing");
		cJSON_free(got);
	}
}
#define FIELDS(o, rows) check_fields(o, rows, sizeof(rows) / sizeof(rows)[0])

static void status_holds_what_scripts_read(void **state)
{
	static const struct expected rows[] = {
		{ "mode", "\"dry-run\"" },
		{ "config_file", "\"test.yaml\"" },
		{ "targets.0.name", "\"api\"" },
		{ "targets.0.id", "\"00ab\"" },
		{ "targets.0.exe", "\"/bin/api\"" },
		{ "targets.0.runtime", "\"none\"" },
		{ "targets.0.allocator", "\"jemalloc\"" },
		{ "targets.0.rss_bytes", "600000000" },
		{ "targets.0.limit_bytes", "1000000000" },
		{ "targets.0.live_bytes", "null" },
		{ "targets.0.settings", "{\"gc_percent\":100,\"memory_limit\":null}" },
		{ "targets.0.baseline.gc_percent", "100" },
		{ "targets.0.last_decision.rule", "\"seed\"" },
		{ "targets.0.last_decision.verb", "\"set\"" },
		{ "targets.0.last_decision.at", "\"2026-03-01T12:00:01.250Z\"" },
		{ "targets.0.cmdline", NULL },
		{ "targets.1", NULL },
		{ "left_out", "0" },
	};
	struct world w;

	(void)state;
	world_open(&w);
	world_hello(&w, "00ab", "/bin/api");
	world_tick(&w, WORLD_NOW + MG_NS_PER_S);
	cJSON *o = json_page(mg_page_status, &w, 200);
	FIELDS(o, rows);
	check(cJSON_GetStringValue(at(o, "config_hash")) && strlen(cJSON_GetStringValue(at(o, "config_hash"))) == 16,
	      "the policy's hash is shown");
	check(strstr(text, "secret-argument") == NULL, "a command line is never shown");
	cJSON_Delete(o);
	world_close(&w);
}

static void targets_are_found_by_name_and_by_id(void **state)
{
	static const struct { const char *target; unsigned status; int n; } rows[] = {
		{ NULL, 200, 3 }, { "api", 200, 2 }, { "02", 200, 1 }, { "03", 200, 1 }, { "nobody", 404, 0 },
	};
	struct world w;

	(void)state;
	world_open(&w);
	world_hello(&w, "01", "/bin/api");
	world_hello(&w, "02", "/bin/api");
	world_hello(&w, "03", "/bin/other");
	world_tick(&w, WORLD_NOW + MG_NS_PER_S);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		static const mg_page_fn pages[] = { mg_page_status, mg_page_explain };
		w.q.target = rows[i].target;
		for (unsigned k = 0; k < 2; k++) {
			cJSON *o = json_page(pages[k], &w, rows[i].status);
			int n = cJSON_GetArraySize(at(o, "targets"));
			check(n == rows[i].n, "target=%s shows %d processes, expected %d", rows[i].target ? rows[i].target : "",
			      n, rows[i].n);
			cJSON_Delete(o);
		}
	}
	world_close(&w);
}

static void explain_shows_inputs_rules_and_hints(void **state)
{
	static const struct expected rows[] = {
		{ "targets.0.rules.0.name", "\"seed\"" },
		{ "targets.0.rules.0.at", "\"test.yaml:12\"" },
		{ "targets.0.rules.0.policy", "\"threshold\"" },
		{ "targets.0.rules.0.expressions.0", "\"proc.rss > 1MB\"" },
		{ "targets.0.rules.0.wants.0.verb", "\"set\"" },
		{ "targets.0.rules.0.wants.0.knob", "\"gc_percent\"" },
		{ "targets.0.rules.0.wants.0.from", "100" },
		{ "targets.0.rules.0.wants.0.to", "75" },
		{ "targets.0.rules.0.wants.0.guards.0.name", "\"step\"" },
		{ "targets.0.rules.1.unknown", "true" },
		{ "targets.0.decisions.0.rule", "\"seed\"" },
		{ "targets.0.hints.0.name", "\"fragmented\"" },
	};
	struct world w;

	(void)state;
	world_open(&w);
	world_hello(&w, "00ab", "/bin/api");
	world_tick(&w, WORLD_NOW + MG_NS_PER_S);
	cJSON *o = json_page(mg_page_explain, &w, 200);
	FIELDS(o, rows);
	unsigned seen = 0;
	for (const cJSON *i = at(o, "targets.0.inputs.0"); i; i = i->next) {
		const char *name = cJSON_GetStringValue(at(i, "name"));
		if (strcmp(name, "proc.rss") == 0)
			seen |= (at(i, "value")->valuedouble == 600e6 && at(i, "age_s")->valuedouble == 0.25) << 0;
		if (strcmp(name, "app.heap_inuse") == 0)
			seen |= (unsigned)(cJSON_IsNull(at(i, "age_s")) && cJSON_IsFalse(at(i, "known"))) << 1;
	}
	check(seen & 1, "proc.rss is shown with its value and its age of 0.25 s");
	check(seen & 2, "a source that never answered is shown as unknown");
	cJSON_Delete(o);
	world_close(&w);
}

static void plan_counts_what_comes_now_and_what_is_delayed(void **state)
{
	static const struct { unsigned ticks; const char *changes, *delayed; } rows[] = {
		{ 1, "1", "false" }, /* the first step goes out */
		{ 2, "1", "true" },  /* the second waits for the cooldown: it is a change all the same */
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct world w;
		world_open(&w);
		struct mg_target *t = world_hello(&w, "00ab", "/bin/api");
		for (unsigned k = 1; k <= rows[i].ticks; k++)
			world_tick(&w, WORLD_NOW + k * MG_NS_PER_S);
		cJSON *o = json_page(mg_page_plan, &w, 200);
		const struct expected fields[] = { { "changes", rows[i].changes },
						   { "targets.0.rules.0.wants.0.delayed", rows[i].delayed } };
		FIELDS(o, fields);
		cJSON_Delete(o);
		t->knob[MG_KNOB_GC_PERCENT].present = mg_known_value(50);
		world_tick(&w, WORLD_NOW + 100 * MG_NS_PER_S);
		o = json_page(mg_page_plan, &w, 200);
		const struct expected none[] = { { "changes", "0" } };
		FIELDS(o, none);
		cJSON_Delete(o);
		world_close(&w);
	}
}

static void decisions_are_newest_first(void **state)
{
	struct world w;

	(void)state;
	world_open(&w);
	world_hello(&w, "01", "/bin/api");
	world_tick(&w, WORLD_NOW + MG_NS_PER_S);
	world_hello(&w, "02", "/bin/api");
	world_tick(&w, WORLD_NOW + 2 * MG_NS_PER_S);
	cJSON *all = json_page(mg_page_decisions, &w, 200);
	int n = cJSON_GetArraySize(at(all, "decisions"));
	check(n == 3, "two steps and one that waits for the cooldown: %d", n);
	check(strcmp(cJSON_GetStringValue(at(all, "decisions.0.ts")), "2026-03-01T12:00:02.250Z") == 0, "the newest comes first");
	cJSON_Delete(all);
	w.q.limit = 1;
	w.q.target = "01";
	cJSON *one = json_page(mg_page_decisions, &w, 200);
	check(cJSON_GetArraySize(at(one, "decisions")) == 1, "limit holds");
	check(strcmp(cJSON_GetStringValue(at(one, "decisions.0.id")), "01") == 0, "target holds");
	cJSON_Delete(one);
	world_close(&w);
}

static void pause_reaches_every_process_of_that_name(void **state)
{
	static const struct { const char *target; mg_page_fn page; unsigned status, paused, resumed; } rows[] = {
		{ "api", mg_page_pause, 200, 2, 0 }, { "02", mg_page_pause, 200, 1, 0 },  { NULL, mg_page_pause, 200, 1, 0 },
		{ NULL, mg_page_resume, 200, 0, 1 }, { "api", mg_page_resume, 200, 0, 2 }, { "nobody", mg_page_pause, 404, 0, 0 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct world w;
		world_open(&w);
		world_hello(&w, "01", "/bin/api");
		world_hello(&w, "02", "/bin/api");
		w.q.target = rows[i].target;
		cJSON_Delete(json_page(rows[i].page, &w, rows[i].status));
		check(w.paused == rows[i].paused && w.resumed == rows[i].resumed, "row %u: %u pauses, %u resumes", i, w.paused,
		      w.resumed);
		world_close(&w);
	}
}

static void probes_follow_the_clock(void **state)
{
	static const struct { const char *what; unsigned ticks; uint64_t later_ns; unsigned healthy, ready; } rows[] = {
		{ "just started", 0, 0, 200, 503 },
		{ "started and never ticked", 0, 3 * MG_NS_PER_S, 503, 503 },
		{ "ticked", 1, 1, 200, 200 },
		{ "almost three intervals ago", 1, 3 * MG_NS_PER_S - 1, 200, 200 },
		{ "three intervals ago", 1, 3 * MG_NS_PER_S, 503, 200 },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct world w;
		world_open(&w);
		for (unsigned k = 0; k < rows[i].ticks; k++)
			world_tick(&w, WORLD_NOW);
		w.q.now_ns = WORLD_NOW + rows[i].later_ns;
		unsigned healthy = page(mg_page_healthz, &w), ready = page(mg_page_readyz, &w);
		check(healthy == rows[i].healthy, "%s: /healthz says %u", rows[i].what, healthy);
		check(ready == rows[i].ready, "%s: /readyz says %u", rows[i].what, ready);
		world_close(&w);
	}
}

/* ---- metrics ---- */

static void metrics_hold_the_promised_families(void **state)
{
	static const char *const lines[] = {
		"memgov_build_info{version=\"", "memgov_targets{state=\"governed\"} 1\n", "memgov_targets{state=\"watched\"} 1\n",
		"memgov_target_rss_bytes{target=\"api\",id=\"00ab\"} 600000000\n",
		"memgov_target_limit_bytes{target=\"api\",id=\"00ab\"} 1000000000\n",
		"memgov_decisions_total{target=\"api\",rule=\"seed\",verb=\"set\",mode=\"dry-run\"} 1\n",
		"memgov_guard_cuts_total{guard=\"step\"} 1\n",
		"memgov_tick_lateness_seconds 0\n",
		"memgov_audit_dropped_total 0\n",
		"memgov_config_last_reload_successful 1\n", "memgov_config_loaded_timestamp_seconds 1772366400.25\n",
		"memgov_paused 0\n",
		"memgov_target_knob{target=\"api\",id=\"00ab\",knob=\"gc_percent\"} 100\n",
		"process_open_fds ", "process_resident_memory_bytes ", "process_cpu_seconds_total ",
	};
	struct world w;

	(void)state;
	world_open(&w);
	world_hello(&w, "00ab", "/bin/api");
	world_hello(&w, "00cd", "/bin/other");
	world_tick(&w, WORLD_NOW + MG_NS_PER_S);
	check(page(mg_page_metrics, &w) == 200, "metrics are served");
	for (unsigned i = 0; i < sizeof lines / sizeof lines[0]; i++)
		check(strstr(text, lines[i]) != NULL, "there is %s", lines[i]);
	check(strstr(text, "memgov_target_live_bytes{") == NULL, "an unknown value has no sample");
	check(strstr(text, "secret-argument") == NULL, "a command line is never shown");
	world_close(&w);
}

static void promtool_accepts_the_metrics(void **state)
{
	struct world w;

	(void)state;
	if (system("command -v promtool >/dev/null 2>&1") != 0) {
		print_message("skipped: promtool is not installed\n");
		skip();
	}
	world_open(&w);
	world_hello(&w, "00ab", "/bin/api");
	strcpy(world_hello(&w, "a\"b\\c\nd\xff\x1b", "/bin/api")->allocator, "\xc3\xa4\"\\\n\x01");
	world_tick(&w, WORLD_NOW + MG_NS_PER_S);
	check(page(mg_page_metrics, &w) == 200, "metrics are served");
	FILE *f = popen("promtool check metrics", "w");
	check(f != NULL, "promtool starts");
	fputs(text, f);
	int status = pclose(f);
	check(status == 0, "promtool finds nothing to say, hostile names included (status %d)", status);
	world_close(&w);
}

static void targets_past_the_cap_are_counted(void **state)
{
	struct world w;
	char id[MG_ID_MAX];

	(void)state;
	world_open(&w);
	for (unsigned i = 0; i < MG_MAX_SERVED_TARGETS + 3; i++) {
		snprintf(id, sizeof id, "%u", i);
		world_hello(&w, id, "/bin/other");
	}
	check(page(mg_page_metrics, &w) == 200, "metrics are served");
	check(strstr(text, "memgov_targets_left_out 3\n") != NULL, "the rest is counted");
	unsigned n = 0;
	for (const char *p = text; (p = strstr(p, "memgov_target_paused{")) != NULL; p++)
		n++;
	check(n == MG_MAX_SERVED_TARGETS, "%u targets are shown", n);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(status_holds_what_scripts_read),
		cmocka_unit_test(targets_are_found_by_name_and_by_id),
		cmocka_unit_test(explain_shows_inputs_rules_and_hints),
		cmocka_unit_test(plan_counts_what_comes_now_and_what_is_delayed),
		cmocka_unit_test(decisions_are_newest_first),
		cmocka_unit_test(pause_reaches_every_process_of_that_name),
		cmocka_unit_test(probes_follow_the_clock),
		cmocka_unit_test(metrics_hold_the_promised_families),
		cmocka_unit_test(promtool_accepts_the_metrics),
		cmocka_unit_test(targets_past_the_cap_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
