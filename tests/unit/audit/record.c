/* SPDX-License-Identifier: Apache-2.0 */
/* Decision records: their JSON to the byte, what replay compares, the ring, the counters. */
#include "governor/audit/audit.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "governor/audit/stamp.h"
#include "governor/guard/guard.h"
#include "tests/check.h"

static unsigned guard_index(const char *name)
{
	unsigned i = 0;

	while (mg_guards[i].name && strcmp(mg_guards[i].name, name) != 0)
		i++;
	check(mg_guards[i].name != NULL, "there is a guard named %s", name);
	return i;
}

static struct mg_record set_record(void)
{
	struct mg_record r = {
		.ts_wall_ns = 1772366400250000000ULL, .now_ns = 5, .seq = 42, .target = "api", .target_id = "00ab",
		.rule = "seed", .rule_at = "memgov.yaml:20", .mode = MG_MODE_ENFORCE, .why = "the condition \"holds\"",
		.want = { .verb = MG_VERB_SET, .knob = MG_KNOB_GC_PERCENT, .from = 100, .to = 75 },
		.outcome = { .state = MG_OUTCOME_DONE, .expected_bytes = NAN, .achieved_bytes = NAN, .minflt = NAN,
			     .majflt = NAN },
	};
	unsigned step = guard_index("step");

	r.want.guards = 1U << step;
	r.cuts.n = 1;
	r.cuts.at[0].guard = (uint8_t)step;
	strcpy(r.cuts.at[0].why, "step: 75 of the way");
	r.sig[MG_SIG_PROC_RSS] = (struct mg_value){ .v = 1048576, .known = true, .age_ns = 7 };
	r.sig[MG_SIG_SHIM_LIVE] = (struct mg_value){ .v = 5, .known = false, .age_ns = 999 };
	r.sig[MG_SIG_PSI_SOME] = mg_unknown_value();
	r.n_sources = 1;
	strcpy(r.source[0].name, "app.heap_inuse");
	r.source[0].v = mg_known_value(9e8);
	return r;
}

static struct mg_record purge_record(void)
{
	struct mg_record r = {
		.ts_wall_ns = 951782400000000000ULL, .seq = 7, .target = "r", .target_id = "1", .rule = "spike", .rule_at = "f:1",
		.mode = MG_MODE_DRY_RUN, .why = "w",
		.want = { .verb = MG_VERB_ACTION, .action = MG_ACTION_PURGE, .bytes = INFINITY, .max_pause_ns = 10000000 },
		.outcome = { .state = MG_OUTCOME_REFUSED, .expected_bytes = 100, .achieved_bytes = 80, .took_ns = 1500000,
			     .longest_pause_ns = 250000, .minflt = 3, .majflt = 0, .text = "cow: a child lives" },
	};

	return r;
}

static void json_is_to_the_byte(void **state)
{
	const struct { struct mg_record r; const char *json; } rows[] = {
		{ set_record(),
		  "{\"ts\":\"2026-03-01T12:00:00.250Z\",\"seq\":42,\"mode\":\"enforce\","
		  "\"target\":\"api\",\"id\":\"00ab\",\"rule\":\"seed\","
		  "\"rule_at\":\"memgov.yaml:20\",\"verb\":\"set\",\"knob\":\"gc_percent\",\"from\":100,\"to\":75,"
		  "\"why\":\"the condition \\\"holds\\\"\","
		  "\"vetoed\":false,\"guards\":[{\"name\":\"step\",\"why\":\"step: 75 of the way\"}],"
		  "\"inputs\":{\"proc.rss\":1048576,\"shim.live\":null,\"app.heap_inuse\":900000000},"
		  "\"outcome\":{\"state\":\"done\",\"expected_bytes\":null,\"achieved_bytes\":null,"
		  "\"cost\":{\"took_s\":0,\"longest_pause_s\":0,\"minflt\":null,\"majflt\":null}}}" },
		{ purge_record(),
		  "{\"ts\":\"2000-02-29T00:00:00.000Z\",\"seq\":7,\"mode\":\"dry-run\",\"target\":\"r\",\"id\":\"1\","
		  "\"rule\":\"spike\",\"rule_at\":\"f:1\","
		  "\"verb\":\"purge\",\"knob\":null,\"from\":null,\"to\":null,\"max_pause_s\":0.01,\"why\":\"w\","
		  "\"vetoed\":false,\"guards\":[],\"inputs\":{},"
		  "\"outcome\":{\"state\":\"refused\",\"expected_bytes\":100,\"achieved_bytes\":80,"
		  "\"cost\":{\"took_s\":0.0015,\"longest_pause_s\":0.00025,\"minflt\":3,\"majflt\":0},"
		  "\"text\":\"cow: a child lives\"}}" },
	};
	char buf[MG_RECORD_JSON_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		int n = mg_record_json(&rows[i].r, buf, sizeof buf);
		check(n == (int)strlen(buf), "row %u: the length is returned", i);
		check(strcmp(buf, rows[i].json) == 0, "row %u reads\n%s\nexpected\n%s", i, buf, rows[i].json);
	}
}

static void the_fullest_record_fits(void **state)
{
	static char buf[MG_RECORD_JSON_MAX];
	struct mg_record r = set_record();

	(void)state;
	memset(r.why, 1, sizeof r.why - 1);
	memset(r.rule, 1, sizeof r.rule - 1);
	memset(r.target, 1, sizeof r.target - 1);
	memset(r.rule_at, 1, sizeof r.rule_at - 1);
	r.want.guards = ~0U;
	r.cuts.n = MG_MAX_CUTS;
	for (unsigned i = 0; i < MG_MAX_CUTS; i++)
		memset(r.cuts.at[i].why, 1, sizeof r.cuts.at[i].why - 1);
	for (int i = 0; i < MG_SIG__BUILTIN; i++)
		r.sig[i] = mg_known_value(123456789.123);
	r.n_sources = MG_RECORD_SOURCES;
	for (unsigned i = 0; i < MG_RECORD_SOURCES; i++)
		memset(r.source[i].name, 1, sizeof r.source[i].name - 1);
	check(mg_record_json(&r, buf, sizeof buf) > 0,
	      "a record with everything in it, all escaped, still fits MG_RECORD_JSON_MAX");
	cJSON *o = cJSON_Parse(buf);
	check(o != NULL, "and it is JSON");
	cJSON_Delete(o);
	check(mg_record_json(&r, buf, 100) == -ENOSPC, "a buffer that is too small is an error");
}

static void replay_compares_the_decision_alone(void **state)
{
	char a[MG_RECORD_JSON_MAX], b[MG_RECORD_JSON_MAX];
	struct mg_record first = set_record(), second = set_record();

	(void)state;
	second.ts_wall_ns = 1;
	second.seq = 43;
	second.mode = MG_MODE_DRY_RUN;
	second.outcome.state = MG_OUTCOME_DRY;
	check(mg_record_decision_json(&first, a, sizeof a) > 0 && mg_record_decision_json(&second, b, sizeof b) > 0,
	      "both render");
	check(strcmp(a, b) == 0, "time, sequence, mode and outcome are left out:\n%s\n%s", a, b);
	second.want.to = 50;
	check(mg_record_decision_json(&second, b, sizeof b) > 0 && strcmp(a, b) != 0, "another decision differs");
}

static void stamps_are_rfc3339(void **state)
{
	static const struct { uint64_t s; const char *text; } rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },           { 951782399, "2000-02-28T23:59:59.000Z" },
		{ 951868800, "2000-03-01T00:00:00.000Z" },   { 1709164800, "2024-02-29T00:00:00.000Z" },
		{ 4107542400, "2100-03-01T00:00:00.000Z" },  { 1767225599, "2025-12-31T23:59:59.000Z" },
	};
	char buf[40];

	(void)state;
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct mg_buf b = mg_buf(buf, sizeof buf);
		mg_buf_stamp(&b, rows[i].s * MG_NS_PER_S);
		check(strcmp(buf, rows[i].text) == 0, "%llu is %s, not %s", (unsigned long long)rows[i].s, rows[i].text, buf);
	}
}

static void the_ring_keeps_the_newest(void **state)
{
	struct mg_audit *a = NULL;

	(void)state;
	check(mg_audit_new(NULL, &a) == 0, "an audit without a file is fine");
	check(mg_audit_at(a, 0) == NULL, "empty at first");
	for (uint64_t seq = 1; seq <= MG_AUDIT_RING + 10; seq++)
		mg_audit_add(a)->seq = seq;
	check(mg_audit_at(a, 0)->seq == MG_AUDIT_RING + 10, "0 is the newest");
	check(mg_audit_at(a, MG_AUDIT_RING - 1)->seq == 11, "the oldest ten are gone");
	check(mg_audit_at(a, MG_AUDIT_RING) == NULL, "NULL past the end");
	check(mg_audit_find(a, 10) == NULL && mg_audit_find(a, 11) != NULL, "find sees what the ring holds");
	a = mg_audit_free(a);
}

static void status_shows_the_newest_change(void **state)
{
	static const struct { enum mg_verb verb; bool vetoed; uint64_t seq; } adds[] = {
		{ MG_VERB_HOLD, false, 1 }, { MG_VERB_SET, false, 2 }, { MG_VERB_SET, true, 3 }, { MG_VERB_HOLD, false, 4 },
	};
	static const uint64_t newest[] = { 1, 2, 2, 2 };
	struct mg_audit *a = NULL;

	(void)state;
	check(mg_audit_new(NULL, &a) == 0, "an audit");
	for (unsigned i = 0; i < 4; i++) {
		struct mg_record *r = mg_audit_add(a);
		*r = (struct mg_record){ .target_id = "x", .seq = adds[i].seq,
					 .want = { .verb = adds[i].verb, .vetoed = adds[i].vetoed } };
		check(mg_audit_newest(a, "x")->seq == newest[i], "after %u records record %llu is shown", i + 1,
		      (unsigned long long)newest[i]);
	}
	check(mg_audit_newest(a, "y") == NULL, "another target has none");
	a = mg_audit_free(a);
}

static void decisions_and_cuts_are_counted(void **state)
{
	struct mg_audit *a = NULL;
	struct mg_record set = set_record(), purge = purge_record(), veto = set_record();
	unsigned cooldown = guard_index("cooldown"), step = guard_index("step");

	(void)state;
	veto.want.vetoed = true;
	veto.want.guards |= 1U << cooldown;
	check(mg_audit_new(NULL, &a) == 0, "an audit");
	mg_audit_write(a, &set);
	mg_audit_write(a, &set);
	mg_audit_write(a, &purge);
	mg_audit_write(a, &veto);
	const struct mg_audit_stats *s = mg_audit_stats(a);
	check(s->n_counts == 2, "two kinds of decisions, the veto is none: %u", s->n_counts);
	check(s->count[0].n == 2 && strcmp(s->count[0].verb, "set") == 0, "two sets");
	check(s->count[1].n == 1 && strcmp(s->count[1].verb, "purge") == 0, "an action counts under its own name");
	check(s->cuts[step] == 3 && s->cuts[cooldown] == 1, "cuts count by guard");
	a = mg_audit_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(json_is_to_the_byte),
		cmocka_unit_test(the_fullest_record_fits),
		cmocka_unit_test(replay_compares_the_decision_alone),
		cmocka_unit_test(stamps_are_rfc3339),
		cmocka_unit_test(the_ring_keeps_the_newest),
		cmocka_unit_test(status_shows_the_newest_change),
		cmocka_unit_test(decisions_and_cuts_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
