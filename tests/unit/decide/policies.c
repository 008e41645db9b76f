/* SPDX-License-Identifier: Apache-2.0 */
/* Every policy by table: what it asks for from what it sees, and which options it refuses. Options are filled through the
 * policies' own tables, as the loader does. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "governor/util/unit.h"
#include "policies/policy.h"
#include "tests/check.h"

#define S   MG_NS_PER_S
#define MIB 1048576.0

struct subject {
	const struct mg_policy_ops *p;
	_Alignas(16) unsigned char conf[MG_POLICY_CONF_MAX], state[MG_POLICY_STATE_MAX];
	struct mg_view v;
	struct mg_decision d;
};

static const struct mg_field *find_field(const struct mg_policy_ops *p, const char *name)
{
	for (const struct mg_field *f = p->fields; f->name; f++)
		if (strcmp(f->name, name) == 0)
			return f;
	check(false, "policy %s has an option `%s`", p->name, name);
	return NULL;
}

/* Stores text as an option. Returns the parser's word. */
static int option(struct subject *s, const struct mg_field *f, const char *text)
{
	static const enum mg_unit units[] = { [MG_BYTES] = MG_UNIT_BYTES, [MG_RATIO] = MG_UNIT_RATIO, [MG_PERCENT] = MG_UNIT_PERCENT };
	unsigned char *at = s->conf + f->offset;
	double v;
	int r;

	if (f->type == MG_DURATION)
		return mg_duration_parse(text, strlen(text), (uint64_t *)(void *)at, NULL);
	if (f->type == MG_EXPR_BYTES || f->type == MG_EXPR_COND)
		return 0; /* the test gives the value */
	check(f->type == MG_BYTES || f->type == MG_RATIO || f->type == MG_PERCENT, "option `%s` is of a kind this test fills", f->name);
	r = mg_unit_parse(text, strlen(text), units[f->type], &v, NULL);
	if (f->type == MG_PERCENT)
		*(uint32_t *)(void *)at = (uint32_t)v;
	else
		*(double *)(void *)at = v;
	return r;
}

/* A fresh subject with every default, seen at second 1000, alone, with everything unknown. */
static void start(struct subject *s, const char *policy)
{
	*s = (struct subject){ .p = mg_policy_find(policy, strlen(policy)), .v = { .now_ns = 1000 * S, .quiet_ns = MG_NEVER, .share_ratio = 1 } };
	check(s->p != NULL, "there is a policy %s", policy);
	for (const struct mg_field *f = s->p->fields; f->name; f++)
		check(!f->def || option(s, f, f->def) == 0, "the default of `%s` can be read: %s", f->name, f->def);
	for (unsigned i = 0; i < MG_SIG__BUILTIN; i++)
		s->v.sig[i] = mg_unknown_value();
	for (unsigned i = 0; i < MG_MAX_RULE_EXPR; i++) {
		s->v.expr[i] = mg_unknown_value();
		s->v.cond[i] = MG_UNKNOWN;
	}
}

static void see(struct subject *s, enum mg_signal signal, double v)
{
	s->v.sig[signal] = isnan(v) ? mg_unknown_value() : mg_known_value(v);
}

static void decide(struct subject *s)
{
	s->d = (struct mg_decision){ 0 };
	s->p->decide(s->conf, s->state, &s->v, &s->d);
	check(s->d.why[0] != '\0', "%s always gives a reason", s->p->name);
}

/* ---- all of them ---- */

static void the_registry_is_whole(void **state)
{
	static const char *const names[] = { "hold", "threshold", "memory-limit", "headroom", "idle-return" };
	unsigned n = 0;
	(void)state;

	for (; mg_policies[n]; n++) {
		const struct mg_policy_ops *p = mg_policies[n];
		check(n < 5 && strcmp(p->name, names[n]) == 0, "policy %u is %s", n, p->name);
		check(mg_policy_find(p->name, strlen(p->name)) == p, "%s is found by its name", p->name);
		check(p->conf_size <= MG_POLICY_CONF_MAX && p->state_size <= MG_POLICY_STATE_MAX, "%s fits", p->name);
		for (const struct mg_field *f = p->fields; f->name; f++)
			check(f->help && f->help[0] && !(f->required && f->def), "option %s of %s has a help, and a default only where it may be left out",
			      f->name, p->name);
	}
	check(n == 5, "five policies, not %u", n);
	check(!mg_policy_find("hol", 3) && !mg_policy_find("holdx", 5) && !mg_policy_find("", 0), "a part of a name is not a name");
}

static void nothing_known_nothing_done(void **state)
{
	struct subject s;
	(void)state;

	for (unsigned i = 0; mg_policies[i]; i++) {
		start(&s, mg_policies[i]->name);
		for (unsigned t = 0; t < 3600; t++) {
			s.v.now_ns += S;
			decide(&s);
			check(s.d.n == 0, "%s does nothing from nothing: %s", s.p->name, s.d.why);
			check(s.d.unknown == (strcmp(s.p->name, "hold") != 0), "%s says that it does not know: %s", s.p->name, s.d.why);
		}
	}
}

/* ---- memory-limit ---- */

static const struct {
	const char *what;
	double of, limit, share, others, rss, committed; /* MiB, NAN: unknown */
	double to;                                       /* MiB, NAN: hold */
	bool unknown;
} limits[] = {
	{ "0.8 of the limit", 1000, 1000, 1, 0, 500, NAN, 800, false },
	{ "half of a shared cgroup", 1000, 1000, .5, 0, 500, NAN, 400, false },
	{ "others go off before the share", 1000, 1000, .5, 100, 500, NAN, 360, false },
	{ "a runtime's limit leaves out what is outside its heap", 1000, 1000, 1, 0, 500, 400, 700, false },
	{ "committed above resident takes nothing off", 1000, 1000, 1, 0, 300, 400, 800, false },
	{ "an unknown rss takes nothing off", 1000, 1000, 1, 0, NAN, 400, 800, false },
	{ "without a limit shares do not apply", 1000, NAN, .5, 100, 500, NAN, 800, false },
	{ "nothing known to take a share of", NAN, 1000, 1, 0, 500, NAN, NAN, true },
	{ "others hold everything", 1000, 1000, 1, 1200, 500, NAN, NAN, false },
	{ "the rest of the process is larger than the limit", 1000, 1000, 1, 0, 2000, 400, NAN, false },
};

static void memory_limit_follows(void **state)
{
	struct subject s;
	(void)state;

	for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
		start(&s, "memory-limit");
		if (!isnan(limits[i].of))
			s.v.expr[find_field(s.p, "of")->offset] = mg_known_value(limits[i].of * MIB);
		see(&s, MG_SIG_CGROUP_LIMIT, limits[i].limit * MIB);
		see(&s, MG_SIG_PROC_RSS, limits[i].rss * MIB);
		see(&s, MG_SIG_HEAP_COMMITTED, limits[i].committed * MIB);
		s.v.share_ratio = limits[i].share;
		s.v.others_bytes = limits[i].others * MIB;
		decide(&s);
		check(s.d.n == !isnan(limits[i].to) && s.d.unknown == limits[i].unknown, "%s: %s", limits[i].what, s.d.why);
		check(s.d.n == 0 || (s.d.want[0].verb == MG_VERB_SET && s.d.want[0].knob == MG_KNOB_MEMORY_LIMIT), "%s: sets a limit", limits[i].what);
		check(s.d.n == 0 || fabs(s.d.want[0].to - limits[i].to * MIB) <= 1, "%s: %g MiB", limits[i].what, s.d.want[0].to / MIB);
	}
}

/* ---- headroom ---- */

static const struct { const char *what; double limit, share, heap_live, shim_live, percent; } headrooms[] = {
	{ "room for 600 above 100", 1000, 1, 100, NAN, 500 }, { "room for 350 above 350", 1000, 1, 350, NAN, 100 },
	{ "room for less than the minimum", 1000, 1, 690, NAN, 25 }, { "no room at all", 1000, 1, 900, NAN, 25 },
	{ "the allocator's live bytes where the runtime says nothing", 1000, 1, NAN, 350, 100 },
	{ "the runtime's before the allocator's", 1000, 1, 350, 600, 100 }, { "half of a shared limit", 1000, .5, 175, NAN, 100 },
	{ "live unknown", 1000, 1, NAN, NAN, NAN }, { "limit unknown", NAN, 1, 350, NAN, NAN }, { "nothing live", 1000, 1, 0, NAN, NAN },
};

static void headroom_follows(void **state)
{
	struct subject s;
	(void)state;

	for (size_t i = 0; i < sizeof headrooms / sizeof headrooms[0]; i++) {
		start(&s, "headroom");
		see(&s, MG_SIG_CGROUP_LIMIT, headrooms[i].limit * MIB);
		see(&s, MG_SIG_HEAP_LIVE, headrooms[i].heap_live * MIB);
		see(&s, MG_SIG_SHIM_LIVE, headrooms[i].shim_live * MIB);
		s.v.share_ratio = headrooms[i].share;
		decide(&s);
		check(s.d.n == !isnan(headrooms[i].percent) && s.d.unknown == isnan(headrooms[i].percent), "%s: %s", headrooms[i].what, s.d.why);
		check(s.d.n == 0 || (s.d.want[0].knob == MG_KNOB_GC_PERCENT && fabs(s.d.want[0].to - headrooms[i].percent) < 1e-9),
		      "%s: GC percent %g", headrooms[i].what, s.d.want[0].to);
	}
}

/* ---- threshold ---- */

static struct mg_amount amount(double v)
{
	return (struct mg_amount){ .v = v, .given = true };
}

static struct mg_knob_map *map(struct subject *s, const char *name)
{
	return (struct mg_knob_map *)(void *)(s->conf + find_field(s->p, name)->offset);
}

static struct mg_action_spec *action(struct subject *s)
{
	return (struct mg_action_spec *)(void *)(s->conf + find_field(s->p, "do")->offset);
}

static void threshold_sets(void **state)
{
	struct subject s;
	(void)state;

	start(&s, "threshold");
	map(&s, "set")->at[MG_KNOB_GC_PERCENT] = amount(50);
	map(&s, "set")->at[MG_KNOB_MEMORY_LIMIT] = (struct mg_amount){ .v = .5, .share = true, .given = true };
	map(&s, "otherwise")->at[MG_KNOB_GC_PERCENT] = amount(100);
	s.v.cond[0] = MG_YES;
	decide(&s);
	check(s.d.n == 1 && s.d.want[0].to == 50, "a share of an unknown limit is left out, the rest is set");
	see(&s, MG_SIG_CGROUP_LIMIT, 1000 * MIB);
	s.v.share_ratio = .5;
	decide(&s);
	check(s.d.n == 2 && s.d.want[1].knob == MG_KNOB_MEMORY_LIMIT && s.d.want[1].to == 250 * MIB, "a share is of this target's part of the limit");
	s.v.cond[0] = MG_NO;
	s.v.knob[MG_KNOB_MEMORY_LIMIT].present = mg_known_value(250 * MIB);
	for (unsigned i = 0; i < 3; i++) {
		decide(&s);
		check(s.d.n == 2 && s.d.want[0].to == 100, "otherwise: 100");
		check(s.d.want[1].verb == MG_VERB_RESTORE && s.d.want[1].knob == MG_KNOB_MEMORY_LIMIT, "what otherwise does not name is restored, until it is");
	}
	s.v.knob[MG_KNOB_MEMORY_LIMIT].present = mg_unknown_value();
	decide(&s);
	check(s.d.n == 1, "once it is as it was, nothing more is asked");
	s.v.knob[MG_KNOB_MEMORY_LIMIT].present = mg_known_value(5 * MIB);
	decide(&s);
	check(s.d.n == 1, "what somebody else set since is not this rule's to restore");
	s.v.cond[0] = MG_UNKNOWN;
	decide(&s);
	check(s.d.n == 0 && s.d.unknown, "unknown holds");
}

/* The action: at the rising edge, then every minute; one evaluation a row. */
static const struct { uint64_t at_s; enum mg_tri cond; bool fires; } edges[] = {
	{ 0, MG_NO, false }, { 1, MG_YES, true }, { 2, MG_YES, false }, { 60, MG_YES, false }, { 61, MG_YES, true }, { 62, MG_YES, false },
	{ 63, MG_NO, false }, { 64, MG_YES, true }, { 65, MG_UNKNOWN, false }, { 66, MG_YES, false }, { 124, MG_YES, true },
};

static void threshold_acts_on_edges(void **state)
{
	struct subject s;
	(void)state;

	start(&s, "threshold");
	*action(&s) = (struct mg_action_spec){ .given = true, .action = MG_ACTION_GC, .max_pause_ns = 7 };
	for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
		s.v.now_ns = (1000 + edges[i].at_s) * S;
		s.v.cond[0] = edges[i].cond;
		decide(&s);
		check(s.d.n == edges[i].fires, "second %llu: %s", (unsigned long long)edges[i].at_s, s.d.why);
		check(s.d.n == 0 || (s.d.want[0].verb == MG_VERB_ACTION && s.d.want[0].action == MG_ACTION_GC && s.d.want[0].max_pause_ns == 7),
		      "second %llu: the action with its pause", (unsigned long long)edges[i].at_s);
	}
}

static const struct { const char *what; struct mg_amount bytes; double returnable, asks; } purges[] = {
	{ "all", { .given = false }, 100, INFINITY }, { "a number", { .v = 5 * MIB, .given = true }, 100, 5 },
	{ "half of what is returnable", { .v = .5, .share = true, .given = true }, 100, 50 },
	{ "half of what is not known", { .v = .5, .share = true, .given = true }, NAN, INFINITY },
};

static void threshold_purges(void **state)
{
	struct subject s;
	(void)state;

	for (size_t i = 0; i < sizeof purges / sizeof purges[0]; i++) {
		start(&s, "threshold");
		*action(&s) = (struct mg_action_spec){ .given = true, .action = MG_ACTION_PURGE, .bytes = purges[i].bytes };
		see(&s, MG_SIG_SHIM_RETURNABLE, purges[i].returnable * MIB);
		s.v.cond[0] = MG_YES;
		decide(&s);
		check(s.d.n == 1 && s.d.want[0].action == MG_ACTION_PURGE && s.d.want[0].bytes == purges[i].asks * MIB, "%s: %g MiB",
		      purges[i].what, s.d.want[0].bytes / MIB);
	}
}

/* ---- idle-return ---- */

static const struct {
	const char *what;
	double returnable, free_resident, live, resident, quiet_s; /* MiB; NAN: unknown */
	double asks;                                               /* MiB; NAN: holds */
} idles[] = {
	{ "what is above the cushion", 500, NAN, 100, 600, 20, 480 }, { "not quiet for long enough", 500, NAN, 100, 600, 9, NAN },
	{ "whether it is quiet is unknown", 500, NAN, 100, 600, NAN, NAN }, { "under the minimum", 35, NAN, 100, 135, 20, NAN },
	{ "within the cushion", 10, NAN, 100, 110, 20, NAN }, { "free resident where returnable is unknown", NAN, 500, 100, 600, 20, 480 },
	{ "live taken for what is not returnable", 500, NAN, NAN, 600, 20, 480 },
	{ "nothing to take a cushion of", 500, NAN, NAN, NAN, 20, NAN }, { "nothing returnable is known: all", NAN, NAN, NAN, 600, 20, INFINITY },
	{ "the same while busy", NAN, NAN, NAN, 600, 0, NAN }, { "returnable above resident", 700, NAN, NAN, 600, 20, 700 },
};

static void idle_returns(void **state)
{
	struct subject s;
	(void)state;

	for (size_t i = 0; i < sizeof idles / sizeof idles[0]; i++) {
		start(&s, "idle-return");
		see(&s, MG_SIG_SHIM_RETURNABLE, idles[i].returnable * MIB);
		see(&s, MG_SIG_SHIM_FREE_RESIDENT, idles[i].free_resident * MIB);
		see(&s, MG_SIG_SHIM_LIVE, idles[i].live * MIB);
		see(&s, MG_SIG_SHIM_RESIDENT, idles[i].resident * MIB);
		s.v.quiet_ns = isnan(idles[i].quiet_s) ? MG_NEVER : (uint64_t)idles[i].quiet_s * S;
		decide(&s);
		check(s.d.n == !isnan(idles[i].asks), "%s: %s", idles[i].what, s.d.why);
		check(s.d.n == 0 || (s.d.want[0].action == MG_ACTION_PURGE && s.d.want[0].bytes == idles[i].asks * MIB), "%s: %g MiB", idles[i].what,
		      s.d.want[0].bytes / MIB);
		check(s.d.n == 0 || s.d.want[0].max_pause_ns == 10 * MG_NS_PER_MS, "%s: with the default pause", idles[i].what);
	}
}

/* Runs s for so many seconds and counts the purges; each is judged as having returned `share` of what was expected. */
static unsigned run(struct subject *s, unsigned seconds, double share)
{
	unsigned n = 0;

	for (unsigned i = 0; i < seconds; i++) {
		s->v.now_ns += S;
		decide(s);
		if (s->d.n == 0)
			continue;
		n++;
		if (!isnan(share))
			s->p->outcome(s->state, s->v.now_ns, s->d.want[0].bytes, share * s->d.want[0].bytes);
	}
	return n;
}

static void idle_return_keeps_its_pace(void **state)
{
	struct subject s;
	(void)state;

	start(&s, "idle-return");
	see(&s, MG_SIG_SHIM_RETURNABLE, 500 * MIB);
	see(&s, MG_SIG_SHIM_LIVE, 100 * MIB);
	s.v.quiet_ns = 20 * S;
	unsigned n = run(&s, 300, 1);
	check(n == 10, "every 30 s while quiet: 10 in 5 minutes, not %u", n);
	n = run(&s, 3600, 0.05);
	check(n >= 5 && n <= 9, "purges that give nothing double the pause up to 32 times: %u in an hour", n);
	s.p->outcome(s.state, s.v.now_ns, 500 * MIB, NAN);
	n = run(&s, 900, NAN);
	check(n <= 1, "no verdict changes nothing: %u in 15 minutes", n);
	s.p->outcome(s.state, s.v.now_ns, 500 * MIB, 400 * MIB);
	n = run(&s, 300, 1);
	check(n == 10, "a good one restores the pace: %u", n);
}

static void idle_return_has_a_second_clock(void **state)
{
	struct subject s;
	(void)state;

	start(&s, "idle-return");
	see(&s, MG_SIG_SHIM_RETURNABLE, 500 * MIB);
	see(&s, MG_SIG_SHIM_LIVE, 100 * MIB);
	s.v.quiet_ns = 0;
	unsigned n = run(&s, 299, 1);
	check(n == 0, "a busy process is left alone for five minutes");
	n = run(&s, 3601 - 299, 1);
	check(n == 12, "and then asked every five minutes: %u in an hour", n);
	see(&s, MG_SIG_SHIM_RETURNABLE, 10 * MIB);
	n = run(&s, 3600, 1);
	check(n == 0, "but not for what is within the cushion");
}

/* Returnable unknown, as on glibc at first: once, then only for what has grown since. */
static void idle_return_learns(void **state)
{
	struct subject s;
	(void)state;

	start(&s, "idle-return");
	see(&s, MG_SIG_PROC_RSS, 600 * MIB);
	s.v.quiet_ns = 20 * S;
	unsigned n = run(&s, 1, NAN);
	check(n == 1 && isinf(s.d.want[0].bytes), "the first time all is asked for");
	s.p->outcome(s.state, s.v.now_ns, NAN, 500 * MIB);
	see(&s, MG_SIG_PROC_RSS, 100 * MIB);
	n = run(&s, 3600, NAN);
	check(n == 0, "nothing grew, nothing is asked: %u", n);
	see(&s, MG_SIG_PROC_RSS, 115 * MIB);
	n = run(&s, 3600, NAN);
	check(n == 0, "15 MiB are not worth it: %u", n);
	see(&s, MG_SIG_PROC_RSS, 117 * MIB);
	n = run(&s, 3600, NAN);
	check(n == 1, "17 MiB are, once: %u", n);
	s.p->outcome(s.state, s.v.now_ns, INFINITY, 1 * MIB);
	see(&s, MG_SIG_PROC_RSS, 200 * MIB);
	s.v.now_ns -= 3600 * S - 30 * S;
	decide(&s);
	check(s.d.n == 0, "a purge that gave less than the minimum doubles the pause: %s", s.d.why);
}

/* ---- options that are refused ---- */

static const struct { const char *policy, *key, *value, *key2, *value2, *says; } checks[] = {
	{ "memory-limit", "ratio", "0", NULL, NULL, "ratio: 0 is not a share" }, { "memory-limit", "ratio", "150%", NULL, NULL, "ratio: 1.5" },
	{ "memory-limit", "ratio", "0.9", NULL, NULL, NULL }, { "headroom", "target", "0", NULL, NULL, "target:" },
	{ "headroom", "min", "600", NULL, NULL, "min: 600 is not between 1 and max, which is 500" }, { "headroom", "min", "0", NULL, NULL, "min: 0" },
	{ "headroom", "min", "100", "max", "100", NULL }, { "idle-return", "every", "0s", NULL, NULL, "every: must be above 0" },
	{ "idle-return", "at_least", "10s", NULL, NULL, "at_least: 10 s is shorter than every, which is 30 s" },
	{ "idle-return", "at_least", "10s", "every", "10s", NULL }, { "threshold", "every", "1m", NULL, NULL, "set: the rule changes nothing" },
};

static void options_are_checked(void **state)
{
	struct subject s;
	(void)state;

	for (size_t i = 0; i < sizeof checks / sizeof checks[0]; i++) {
		struct mg_err err = { "" };
		start(&s, checks[i].policy);
		check(option(&s, find_field(s.p, checks[i].key), checks[i].value) == 0, "%s can be read", checks[i].value);
		check(!checks[i].key2 || option(&s, find_field(s.p, checks[i].key2), checks[i].value2) == 0, "%s can be read", checks[i].value2);
		int r = (s.p->check)(s.conf, &err);
		check(r == (checks[i].says ? -EINVAL : 0), "%s with %s: %s gives %d", checks[i].policy, checks[i].key, checks[i].value, r);
		check(!checks[i].says || strncmp(err.text, checks[i].says, strlen(checks[i].says)) == 0, "the reason is `%s`, not: %s", checks[i].says, err.text);
	}
	for (unsigned i = 0; mg_policies[i]; i++) {
		start(&s, mg_policies[i]->name);
		bool needs = strcmp(s.p->name, "threshold") == 0;
		check(!s.p->check || ((s.p->check)(s.conf, NULL) == 0) == !needs, "the defaults of %s pass its check", s.p->name);
	}
}

static void threshold_options_are_checked(void **state)
{
	struct subject s;
	struct mg_err err;
	(void)state;

	start(&s, "threshold");
	map(&s, "set")->at[MG_KNOB_GC_PERCENT] = amount(50);
	check((s.p->check)(s.conf, NULL) == 0, "a plain value passes");
	map(&s, "set")->at[MG_KNOB_MEMORY_LIMIT] = (struct mg_amount){ .v = .5, .share = true, .given = true };
	check((s.p->check)(s.conf, NULL) == 0, "a share of the limit passes");
	map(&s, "otherwise")->at[MG_KNOB_DECAY] = (struct mg_amount){ .v = .5, .share = true, .given = true };
	check((s.p->check)(s.conf, &err) == -EINVAL && strstr(err.text, "otherwise: decay cannot be a share: write it in seconds"),
	      "a share of a duration does not: %s", err.text);
	map(&s, "otherwise")->at[MG_KNOB_DECAY].given = false;
	memset(s.conf + find_field(s.p, "every")->offset, 0, sizeof(uint64_t));
	check((s.p->check)(s.conf, &err) == -EINVAL && strstr(err.text, "every:"), "every 0s does not: %s", err.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_registry_is_whole), cmocka_unit_test(nothing_known_nothing_done), cmocka_unit_test(memory_limit_follows),
		cmocka_unit_test(headroom_follows), cmocka_unit_test(threshold_sets), cmocka_unit_test(threshold_acts_on_edges),
		cmocka_unit_test(threshold_purges), cmocka_unit_test(idle_returns), cmocka_unit_test(idle_return_keeps_its_pace),
		cmocka_unit_test(idle_return_has_a_second_clock), cmocka_unit_test(idle_return_learns), cmocka_unit_test(options_are_checked),
		cmocka_unit_test(threshold_options_are_checked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
