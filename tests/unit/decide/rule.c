/* SPDX-License-Identifier: Apache-2.0 */
/* One rule at one tick: expressions into the view, the policy's answer out, with the present values beside it. The seed rule,
 * word for word. */
#include <math.h>
#include <string.h>

#include "policies/policy.h"
#include "tests/check.h"
#include "tests/unit/decide/names.h"
#include "governor/decide/rule.h"

#define S   MG_NS_PER_S
#define MIB 1048576.0
#define NOW (1000 * S)

static struct mg_sample target[MG_SIG__BUILTIN], source[N_APP];

/* The value of an option of r's policy, by its key: where the loader would put it. */
static void *field(struct mg_rule *r, const char *name)
{
	for (const struct mg_field *f = r->policy->fields; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return r->conf + f->offset;
	check(false, "the policy %s has an option `%s`", r->policy->name, name);
	return NULL;
}

static void expression(struct mg_rule *r, const char *name, const char *text)
{
	const struct mg_field *f = r->policy->fields;
	struct mg_err err = { "" };
	size_t at;

	while (f->name && strcmp(f->name, name) != 0)
		f++;
	check(f->name != NULL, "the policy has an expression `%s`", name);
	enum mg_unit want = f->type == MG_EXPR_COND ? MG_UNIT_BOOL : MG_UNIT_BYTES;
	check(mg_expr_compile(text, want, &test_names, &r->expr[f->offset], &at, &err) == 0, "`%s` compiles: %s", text, err.text);
}

static void seed_rule(struct mg_rule *r)
{
	struct mg_knob_map *set, *otherwise;

	*r = (struct mg_rule){ .name = "seed", .policy = mg_policy_find("threshold", 9) };
	set = field(r, "set");
	otherwise = field(r, "otherwise");
	set->at[MG_KNOB_GC_PERCENT] = (struct mg_amount){ .v = 50, .given = true };
	otherwise->at[MG_KNOB_GC_PERCENT] = (struct mg_amount){ .v = 100, .given = true };
	*(uint64_t *)field(r, "every") = 60 * S;
	expression(r, "when", "app.heap_inuse > 800MB for 15s");
}

static void done(struct mg_rule *r, struct mg_rule_state *s)
{
	mg_rule_state_done(s, r);
	for (unsigned i = 0; i < MG_MAX_RULE_EXPR; i++)
		r->expr[i] = mg_expr_free(r->expr[i]);
}

static void tick(const struct mg_rule *r, struct mg_rule_state *s, struct mg_view *v, uint64_t at_s, struct mg_decision *ret)
{
	struct mg_expr_env env = { .now_ns = NOW + at_s * S, .target = target, .source = source, .n_source = N_APP };

	v->now_ns = env.now_ns;
	for (unsigned i = 0; i < MG_SIG__BUILTIN; i++)
		v->sig[i] = mg_sample_read(&target[i], env.now_ns);
	mg_rule_decide(r, s, v, &env, ret);
}

static const struct { uint64_t at_s; double inuse; double to; bool unknown; } seed_rows[] = {
	{ 0, 700e6, 100, false }, { 1, 900e6, 100, false }, { 15, 900e6, 100, false }, { 16, 900e6, 50, false }, { 17, NAN, NAN, true },
	{ 18, 900e6, 100, false }, { 33, 900e6, 50, false }, { 34, 800e6, 100, false },
};

static void seed_rule_decides(void **state)
{
	struct mg_rule r;
	struct mg_rule_state s;
	struct mg_view v = { .share_ratio = 1, .knob[MG_KNOB_GC_PERCENT] = { .supported = true, .present = mg_known_value(75) } };
	struct mg_decision d;
	(void)state;

	seed_rule(&r);
	check(mg_rule_state_init(&s, &r) == 0, "the rule gets its state");
	for (size_t i = 0; i < sizeof seed_rows / sizeof seed_rows[0]; i++) {
		source[APP_HEAP_INUSE] = (struct mg_sample){ seed_rows[i].inuse, NOW + seed_rows[i].at_s * S, 15 * S };
		tick(&r, &s, &v, seed_rows[i].at_s, &d);
		check(d.unknown == seed_rows[i].unknown && d.n == !seed_rows[i].unknown, "row %zu: %s", i, d.why);
		check(d.unknown || (d.want[0].verb == MG_VERB_SET && d.want[0].knob == MG_KNOB_GC_PERCENT && d.want[0].to == seed_rows[i].to),
		      "row %zu asks for GC percent %g, not %g", i, seed_rows[i].to, d.want[0].to);
		check(d.unknown || d.want[0].from == 75, "row %zu knows the present value", i);
	}
	v.knob[MG_KNOB_GC_PERCENT].present = mg_unknown_value();
	tick(&r, &s, &v, 35, &d);
	check(d.n == 1 && isnan(d.want[0].from), "a present value that is unknown is NaN");
	done(&r, &s);
}

/* Where there is no container limit: 0.8 of the high-water mark, which a fallen RSS does not pull down. */
static void limit_without_a_container(void **state)
{
	struct mg_rule r = { .name = "limit", .policy = mg_policy_find("memory-limit", 12) };
	struct mg_rule_state s;
	struct mg_view v = { .share_ratio = 0.5, .others_bytes = 5 * MIB }; /* of a limit: they do not apply without one */
	struct mg_decision d;
	(void)state;

	*(double *)field(&r, "ratio") = 0.8;
	expression(&r, "of", "cgroup.limit or max(proc.rss, 1h)");
	check(mg_rule_state_init(&s, &r) == 0, "the rule gets its state");
	for (unsigned i = 0; i <= 1800; i += 5) {
		double rss = i < 60 ? 1000 * MIB : 200 * MIB;
		target[MG_SIG_CGROUP_LIMIT] = (struct mg_sample){ NAN, NOW + i * S, 5 * S };
		target[MG_SIG_PROC_RSS] = (struct mg_sample){ rss, NOW + i * S, 5 * S };
		mg_rule_feed(&r, &s, (struct mg_signal_ref){ MG_SCOPE_TARGET, MG_SIG_PROC_RSS }, NOW + i * S, rss);
		tick(&r, &s, &v, i, &d);
		check(d.n == 1 && d.want[0].to == 800 * MIB, "second %u: the limit is 800 MiB: %s", i, d.why);
	}
	target[MG_SIG_CGROUP_LIMIT] = (struct mg_sample){ 2005 * MIB, NOW + 1800 * S, 5 * S };
	tick(&r, &s, &v, 1800, &d);
	check(d.n == 1 && d.want[0].to == 800 * MIB, "with a limit: 0.8 of this target's half of what others leave: %s", d.why);
	done(&r, &s);
}

static void fills_every_slot(void **state)
{
	struct mg_rule r = { .name = "h", .policy = mg_policy_find("hold", 4) };
	struct mg_rule_state s;
	struct mg_view v = { .share_ratio = 1 };
	struct mg_decision d;
	(void)state;

	memset(v.cond, 0x55, sizeof v.cond);
	memset(v.expr, 0x55, sizeof v.expr);
	check(mg_rule_state_init(&s, &r) == 0, "a rule without expressions gets a state");
	tick(&r, &s, &v, 0, &d);
	check(d.n == 0 && !d.unknown && d.why[0] != '\0', "hold holds, and says so");
	for (unsigned i = 0; i < MG_MAX_RULE_EXPR; i++)
		check(v.cond[i] == MG_UNKNOWN && !v.expr[i].known, "slot %u holds nothing of the rule before", i);
	done(&r, &s);
}

static void restores_know_both_ends(void **state)
{
	struct mg_rule r;
	struct mg_rule_state s;
	struct mg_view v = { .share_ratio = 1, .knob[MG_KNOB_GC_PERCENT] = { .present = mg_known_value(75), .baseline = mg_known_value(100) } };
	struct mg_decision d;
	(void)state;

	seed_rule(&r);
	memset(field(&r, "otherwise"), 0, sizeof(struct mg_knob_map));
	check(mg_rule_state_init(&s, &r) == 0, "the rule gets its state");
	source[APP_HEAP_INUSE] = (struct mg_sample){ 900e6, NOW, MG_NEVER };
	tick(&r, &s, &v, 0, &d);
	tick(&r, &s, &v, 15, &d);
	check(d.n == 1 && d.want[0].to == 50, "the rule sets 50");
	source[APP_HEAP_INUSE].value = 0;
	tick(&r, &s, &v, 16, &d);
	check(d.n == 1 && d.want[0].verb == MG_VERB_RESTORE && d.want[0].from == 75 && d.want[0].to == 100,
	      "without `otherwise` it restores, from 75 to the baseline of 100");
	done(&r, &s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(seed_rule_decides), cmocka_unit_test(limit_without_a_container), cmocka_unit_test(fills_every_slot),
		cmocka_unit_test(restores_know_both_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
