/* SPDX-License-Identifier: Apache-2.0 */
/* What the governor does over minutes and hours, on a fake clock. One function a scenario; the policy stands above it. */
#include <math.h>
#include <string.h>

#include "tests/check.h"
#include "tests/sim/sim.h"

static struct sim s;

#define HEAD(mode) "version: 1\nmode: " mode "\ninterval: 1s\ncontrol: { lease: 30s }\n"
#define TARGET     "targets:\n  t:\n    match: { exe: \"*\" }\n"
#define RULES      "    rules:\n"

#define LIMIT_RULE "      - name: limit\n        policy: memory-limit\n        ratio: 0.8\n"
#define IDLE_RULE  "      - name: quiet\n        policy: idle-return\n        keep: 20%\n"
#define SEED_RULES \
	"      - name: seed\n        policy: threshold\n        when: app.heap_inuse > 800MB for 15s\n" \
	"        set: { gc_percent: 50 }\n        otherwise: { gc_percent: 100 }\n        step: { gc_percent: 25 }\n" \
	"      - name: limit\n        policy: memory-limit\n        ratio: 0.8\n        of: cgroup.limit or max(proc.rss, 1h)\n"
#define APP_SOURCE \
	"sources:\n  app:\n    prometheus: http://127.0.0.1:6060/metrics\n    every: 5s\n    max_age: 15s\n" \
	"    signals: { heap_inuse: go_memstats_heap_inuse_bytes }\n"

static const char limit_yaml[] = HEAD("enforce") TARGET RULES LIMIT_RULE;
static const char idle_yaml[] = HEAD("enforce") TARGET RULES IDLE_RULE;
static const char both_yaml[] = HEAD("enforce") TARGET RULES LIMIT_RULE IDLE_RULE;
static const char dry_yaml[] = HEAD("dry-run") TARGET RULES LIMIT_RULE IDLE_RULE;
static const char seed_yaml[] = HEAD("enforce") APP_SOURCE TARGET RULES SEED_RULES;

static double limit_of(const struct sim_proc *p)
{
	return p->knob[MG_KNOB_MEMORY_LIMIT];
}

static bool near(double a, double b, double ratio)
{
	return fabs(a - b) <= fabs(b) * ratio;
}

/* A burst, then quiet: what is free goes back, but for the cushion over live. */
static void spike_then_quiet(void)
{
	sim_start(&s, idle_yaml);
	struct sim_proc *p = sim_add(&s, "a", 50 * MIB, INFINITY);
	sim_run(&s, 20);
	sim_live(p, 940 * MIB);
	sim_run(&s, 20);
	sim_live(p, 50 * MIB);
	p->cpu = 0.01;
	sim_run(&s, 90);
	check(p->purges >= 1, "the quiet process is purged");
	check(p->resident < 70 * MIB, "about live plus the cushion is left, not %.0f MiB", p->resident / MIB);
	check(p->resident >= 50 * MIB, "live memory is never taken");
}

/* Steady and busy: nothing to return, nothing is done. */
static void plateau(void)
{
	sim_start(&s, idle_yaml);
	struct sim_proc *p = sim_add(&s, "a", 500 * MIB, INFINITY);
	sim_run(&s, 1200);
	check(p->purges == 0, "a process with nothing free is left alone, not purged %u times", p->purges);
}

/* A leak under a limit: the soft limit never goes below what is live, and does not chase it. */
static void leak(void)
{
	sim_start(&s, limit_yaml);
	struct sim_proc *p = sim_add(&s, "a", 100 * MIB, GIB);
	for (unsigned i = 0; i < 900; i++) {
		sim_live(p, p->live + 1 * MIB);
		sim_tick(&s);
		check(isnan(limit_of(p)) || limit_of(p) >= p->live * 1.05 || near(limit_of(p), 0.8 * GIB, 0.01),
		      "second %u: limit %.0f MiB with %.0f MiB live", i, limit_of(p) / MIB, p->live / MIB);
	}
	check(p->sets <= 3, "a fixed limit is set once, not %u times", p->sets);
}

/* The signal flaps around the threshold every few seconds: `for` and the cooldown keep the knob still. */
static void flapping(void)
{
	sim_start(&s, seed_yaml);
	struct sim_proc *p = sim_add(&s, "a", 400 * MIB, GIB);
	for (unsigned i = 0; i < 600; i++) {
		s.source[0] = i / 4 % 2 ? 900e6 : 700e6;
		sim_tick(&s);
		check(isnan(p->knob[MG_KNOB_GC_PERCENT]) || p->knob[MG_KNOB_GC_PERCENT] >= 100, "flapping for less than 15 s never lowers GC percent");
	}
	check(p->sets <= 3, "at most the first settings are made, not %u", p->sets);
}

/* The seed rule, word for word: 100, then in steps of 25 to 50, and back. */
static void seed_rule_steps(void)
{
	double lowest_step = 0;

	sim_start(&s, seed_yaml);
	struct sim_proc *p = sim_add(&s, "a", 400 * MIB, GIB);
	s.source[0] = 500e6;
	sim_run(&s, 60);
	check(p->knob[MG_KNOB_GC_PERCENT] == 100, "below the threshold GC percent is 100, not %.0f", p->knob[MG_KNOB_GC_PERCENT]);
	check(near(limit_of(p), 0.8 * GIB, 0.001), "the limit is 0.8 of the container's");
	s.source[0] = 900e6;
	for (unsigned i = 0; i < 120; i++) {
		double before = p->knob[MG_KNOB_GC_PERCENT];
		sim_tick(&s);
		lowest_step = fmin(lowest_step, p->knob[MG_KNOB_GC_PERCENT] - before);
	}
	check(p->knob[MG_KNOB_GC_PERCENT] == 50, "above it for long GC percent is 50, not %.0f", p->knob[MG_KNOB_GC_PERCENT]);
	check(lowest_step >= -25, "no step is larger than 25, one was %.0f", lowest_step);
	s.source[0] = 500e6;
	sim_run(&s, 120);
	check(p->knob[MG_KNOB_GC_PERCENT] == 100, "and it comes back to 100, not %.0f", p->knob[MG_KNOB_GC_PERCENT]);
}

/* No container limit: the limit follows the RSS high-water mark of the last hour, and does not shrink itself. */
static void unlimited_uses_high_water(void)
{
	sim_start(&s, seed_yaml);
	struct sim_proc *p = sim_add(&s, "a", 200 * MIB, INFINITY);
	sim_live(p, 1000 * MIB);
	sim_run(&s, 30);
	sim_live(p, 200 * MIB);
	sim_run(&s, 1800);
	check(near(limit_of(p), 800 * MIB, 0.01), "half an hour later it still is 0.8 of the mark, not %.0f MiB", limit_of(p) / MIB);
	sim_run(&s, 2400);
	check(limit_of(p) < 790 * MIB, "after an hour the mark is forgotten: %.0f MiB", limit_of(p) / MIB);
	check(limit_of(p) >= 1.09 * p->live, "and never below live: %.0f MiB", limit_of(p) / MIB);
}

/* The source stops answering: the rule holds at once, and after five minutes what it set is restored. */
static void stale_metrics(void)
{
	sim_start(&s, seed_yaml);
	struct sim_proc *p = sim_add(&s, "a", 400 * MIB, GIB);
	s.source[0] = 900e6;
	sim_run(&s, 120);
	check(p->knob[MG_KNOB_GC_PERCENT] == 50, "the rule has set 50");
	s.source_stale = true;
	unsigned sets = p->sets;
	sim_run(&s, 200);
	check(p->sets == sets && p->knob[MG_KNOB_GC_PERCENT] == 50, "unknown input: the setting is held");
	sim_run(&s, 200);
	check(isnan(p->knob[MG_KNOB_GC_PERCENT]), "very stale input: back to the baseline");
	check(near(limit_of(p), 0.8 * GIB, 0.001), "the other rule's setting stands");
}

/* A counter starts anew: its rate stays what it was and no rule fires. */
static void counter_reset(void)
{
	static const char yaml[] = HEAD("enforce")
		"sources:\n  app:\n    prometheus: http://127.0.0.1:6060/metrics\n    every: 5s\n    max_age: 15s\n"
		"    signals: { gcs: go_gc_cycles_total }\n" TARGET RULES
		"      - policy: threshold\n        when: rate(app.gcs, 30s) > 50\n        do: { purge: {} }\n";

	sim_start(&s, yaml);
	struct sim_proc *p = sim_add(&s, "a", 400 * MIB, GIB);
	for (unsigned i = 0; i < 120; i++) {
		s.source[0] = 1e6 + 10.0 * i;
		sim_tick(&s);
	}
	for (unsigned i = 0; i < 120; i++) {
		s.source[0] = 10.0 * i;
		sim_tick(&s);
	}
	check(p->purges == 0, "a reset counter is not a burst: %u purges", p->purges);
	for (unsigned i = 0; i < 60; i++) {
		s.source[0] += 100;
		sim_tick(&s);
	}
	check(p->purges > 0, "a real burst fires the rule");
}

/* The pod is resized in place, down and up, under load. */
static void limit_resized(void)
{
	sim_start(&s, limit_yaml);
	struct sim_proc *p = sim_add(&s, "a", 300 * MIB, 2 * GIB);
	sim_run(&s, 60);
	check(near(limit_of(p), 1.6 * GIB, 0.001), "the limit is 0.8 of 2 GiB");
	p->limit = GIB;
	sim_run(&s, 60);
	check(near(limit_of(p), 0.8 * GIB, 0.001), "a smaller limit is followed within a minute: %.0f MiB", limit_of(p) / MIB);
	p->limit = 8 * GIB;
	sim_run(&s, 120);
	check(near(limit_of(p), 6.4 * GIB, 0.001), "a larger one too, in steps: %.0f MiB", limit_of(p) / MIB);
}

/* The governor dies: the lease puts the baseline back. A new one in time changes nothing. */
static void governor_restart(void)
{
	sim_start(&s, limit_yaml);
	struct sim_proc *p = sim_add(&s, "a", 300 * MIB, GIB);
	sim_run(&s, 60);
	unsigned sets = p->sets;
	sim_restart(&s, limit_yaml);
	check(p->t->leased, "the new governor knows that the target has settings");
	sim_run(&s, 120);
	check(near(limit_of(p), 0.8 * GIB, 0.001), "the setting outlives the restart");
	check(p->sets == sets, "nothing is set anew, since nothing differs");
	check(p->renewals > 0, "it is renewed");
}

static void governor_dies(void)
{
	sim_start(&s, limit_yaml);
	struct sim_proc *p = sim_add(&s, "a", 300 * MIB, GIB);
	sim_run(&s, 60);
	p->deaf = true; /* nothing reaches it any more */
	sim_run(&s, 40);
	check(isnan(limit_of(p)), "one lease later the baseline is back");
}

/* Ticks later than a third of the lease: limits are not lowered on old news. */
static void late_ticks(void)
{
	sim_start(&s, limit_yaml);
	struct sim_proc *p = sim_add(&s, "a", 300 * MIB, 2 * GIB);
	sim_run(&s, 60);
	p->limit = GIB;
	s.lateness_ns = 12 * MG_NS_PER_S;
	sim_run(&s, 10);
	check(limit_of(p) > GIB || isnan(limit_of(p)), "nothing is tightened by a late tick: %.0f MiB", limit_of(p) / MIB);
	check(s.engine.stats.late_ticks == 10, "late ticks are counted");
	s.lateness_ns = 0;
	sim_run(&s, 60);
	check(near(limit_of(p), 0.8 * GIB, 0.001), "in time again, the limit follows");
}

/* Commands get lost: they are counted as lost and decided anew. */
static void lost_commands(void)
{
	sim_start(&s, limit_yaml);
	struct sim_proc *p = sim_add(&s, "a", 300 * MIB, GIB);
	p->deaf = true;
	sim_run(&s, 200);
	check(p->sets == 0 && p->t->stats.lost > 0, "lost commands are counted");
	p->deaf = false;
	sim_run(&s, 60);
	check(near(limit_of(p), 0.8 * GIB, 0.001), "and decided anew");
}

/* The target refuses: each refusal is in the audit, and the governor does not hammer. */
static bool refused(const struct mg_record *r)
{
	return r->outcome.state == MG_OUTCOME_REFUSED && strstr(r->outcome.text, "refuses") != NULL;
}

static void refusals(void)
{
	sim_start(&s, both_yaml);
	struct sim_proc *p = sim_add(&s, "a", 50 * MIB, GIB);
	sim_live(p, 600 * MIB);
	sim_live(p, 50 * MIB);
	p->cpu = 0;
	p->refuses = true;
	sim_run(&s, 600);
	check(sim_count(&s, refused) > 0, "refusals are recorded with their reason");
	check(p->naks <= 600 / 15 + 45, "no more than the cooldown allows: %u", p->naks);
	check(p->t->stats.naks == p->naks, "every refusal is counted");
}

/* Two processes of one cgroup divide its limit by what is live in them; the shares never sum above it. */
static void shared_cgroup(void)
{
	sim_start(&s, limit_yaml);
	struct sim_proc *a = sim_add(&s, "a", 100 * MIB, GIB), *b = sim_add(&s, "b", 300 * MIB, GIB);
	b->ino = a->ino;
	b->t->cgroup.ino = a->ino;
	check(mg_engine_share(&s.engine, b->t) == 0, "b joins a's cgroup");
	for (unsigned i = 0; i < 200; i++) {
		sim_tick(&s);
		double sum = (isnan(limit_of(a)) ? 0 : limit_of(a)) + (isnan(limit_of(b)) ? 0 : limit_of(b));
		check(sum <= 1.0 * GIB, "second %u: the limits sum to %.0f MiB", i, sum / MIB);
	}
	check(near(limit_of(a), 0.2 * GIB, 0.05), "a quarter of the live bytes, a quarter of the budget: %.0f MiB", limit_of(a) / MIB);
	check(near(limit_of(b), 0.6 * GIB, 0.05), "three quarters: %.0f MiB", limit_of(b) / MIB);
}

/* pause restores every baseline within a tick and keeps still; resume goes on. */
static void pause_and_resume(void)
{
	sim_start(&s, limit_yaml);
	struct sim_proc *p = sim_add(&s, "a", 300 * MIB, GIB);
	sim_run(&s, 60);
	mg_engine_pause(&s.engine, NULL, true, s.now_ns);
	sim_run(&s, 1);
	check(isnan(limit_of(p)) && p->restores == 1, "the baseline is back within a tick");
	unsigned sets = p->sets;
	sim_run(&s, 100);
	check(p->sets == sets && p->restores == 1, "nothing is sent while paused");
	mg_engine_pause(&s.engine, NULL, false, s.now_ns);
	sim_run(&s, 60);
	check(near(limit_of(p), 0.8 * GIB, 0.001), "resume governs again");
}

/* A new policy: the old one's settings go, the new one's come. */
static void reload(void)
{
	sim_start(&s, limit_yaml);
	struct sim_proc *p = sim_add(&s, "a", 300 * MIB, GIB);
	sim_run(&s, 60);
	sim_reload(&s, idle_yaml);
	sim_run(&s, 60);
	check(isnan(limit_of(p)), "what no rule wants any more is restored");
}

/* A target that claims more live bytes than it has resident is not believed. */
static void lying_report(void)
{
	sim_start(&s, both_yaml);
	struct sim_proc *p = sim_add(&s, "a", 300 * MIB, GIB);
	p->lies = true;
	sim_run(&s, 60);
	check(!mg_sample_read(&p->t->sig[MG_SIG_SHIM_LIVE], s.now_ns).known, "its live bytes are unknown");
	check(p->t->stats.bad_samples > 0, "the lie is counted");
}

/* The kernel's files cannot be read: everything is unknown, nothing is done. */
static void blind(void)
{
	sim_start(&s, both_yaml);
	struct sim_proc *p = sim_add(&s, "a", 300 * MIB, GIB);
	p->no_samples = true;
	sim_run(&s, 300);
	check(p->sets == 0, "no limit is set from unknown inputs");
}

/* A target stops reporting: held, then left to its lease. */
static void silent_target(void)
{
	sim_start(&s, limit_yaml);
	struct sim_proc *p = sim_add(&s, "a", 300 * MIB, GIB);
	sim_run(&s, 60);
	p->silent = true;
	p->no_samples = true;
	sim_run(&s, 60);
	unsigned renewals = p->renewals;
	sim_run(&s, 120);
	check(p->renewals == renewals, "a silent target is not renewed for ever");
	check(isnan(limit_of(p)), "its lease has put the baseline back");
}

/* A target that was sealed by a seccomp filter is left alone: it hears nothing any more. */
static void sealed_target(void)
{
	sim_start(&s, limit_yaml);
	struct sim_proc *p = sim_add(&s, "a", 300 * MIB, GIB);
	sim_run(&s, 60);
	check(p->sets == 1, "a limit is set");
	p->sealed = true;
	sim_run(&s, 300);
	check(p->sets == 1 && p->restores == 0, "nothing is sent to a sealed target");
	check(isnan(limit_of(p)), "its lease has ended");
	check(p->t->stats.lost == 0, "and nothing counts as lost");
}

/* A fragmented heap gives little back: the purges grow rare. */
static void fragmented(void)
{
	sim_start(&s, idle_yaml);
	struct sim_proc *p = sim_add(&s, "a", 600 * MIB, INFINITY);
	sim_live(p, 60 * MIB);
	p->cpu = 0;
	p->returnable_share = 0.01;
	sim_run(&s, 3600);
	check(p->purges < 40, "an hour of purges that return nothing: %u", p->purges);
}

/* Nothing is touched in dry run. */
static void dry_run(void)
{
	sim_start(&s, dry_yaml);
	struct sim_proc *p = sim_add(&s, "a", 600 * MIB, GIB);
	sim_live(p, 50 * MIB);
	p->cpu = 0;
	sim_run(&s, 300);
	check(p->sets + p->purges + p->restores + p->renewals == 0, "no command reaches the process");
	check(p->resident == 600 * MIB, "its memory is as it was");
	check(p->t->stats.decisions > 0, "but it was decided what would be done");
}

/* One recorded trace in both modes: the decisions are the same but for mode and outcome. The trace is a model that never
 * changes, since a process that obeys would feed back. */
#define TRACE_SECONDS 400
static unsigned decisions_of(const char *yaml, char out[][1024], unsigned cap)
{
	unsigned n = 0;

	sim_start(&s, yaml);
	struct sim_proc *p = sim_add(&s, "a", 600 * MIB, GIB);
	p->deaf = true;
	for (unsigned i = 0; i < TRACE_SECONDS; i++) {
		p->live = i < 100 ? 600 * MIB : (50 + i / 8 % 40) * MIB;
		p->limit = i < 200 ? GIB : 2 * GIB;
		p->cpu = i / 50 % 2 ? 0.3 : 0;
		sim_tick(&s);
	}
	const struct mg_record *r;
	for (; (r = mg_audit_at(s.audit, n)) && n < cap; n++)
		check(mg_record_decision_json(r, out[n], sizeof out[n]) > 0, "a decision fits");
	sim_stop(&s);
	return n;
}

static void both_modes_decide_alike(void)
{
	static char dry[MG_AUDIT_RING][1024], real[MG_AUDIT_RING][1024];
	unsigned n = decisions_of(dry_yaml, dry, MG_AUDIT_RING), m = decisions_of(both_yaml, real, MG_AUDIT_RING);

	check(n > 3 && n == m, "both modes decide as often: %u and %u", n, m);
	for (unsigned i = 0; i < n; i++)
		check(strcmp(dry[i], real[i]) == 0, "decision %u is the same:\n%s\n%s", i, dry[i], real[i]);
	sim_start(&s, dry_yaml); /* for the runner's sim_stop */
}

static const struct { const char *name; void (*f)(void); } scenarios[] = {
	{ "spike, then quiet", spike_then_quiet },
	{ "plateau", plateau },
	{ "leak", leak },
	{ "flapping", flapping },
	{ "the seed rule", seed_rule_steps },
	{ "no container limit", unlimited_uses_high_water },
	{ "stale metrics", stale_metrics },
	{ "counter reset", counter_reset },
	{ "limit resized under load", limit_resized },
	{ "governor restarts", governor_restart },
	{ "governor dies", governor_dies },
	{ "late ticks", late_ticks },
	{ "lost commands", lost_commands },
	{ "refusals", refusals },
	{ "a shared cgroup", shared_cgroup },
	{ "pause and resume", pause_and_resume },
	{ "reload", reload },
	{ "a lying report", lying_report },
	{ "blind", blind },
	{ "a silent target", silent_target },
	{ "a sealed target", sealed_target },
	{ "a fragmented heap", fragmented },
	{ "dry run", dry_run },
	{ "both modes decide alike", both_modes_decide_alike },
};

static void run_scenario(void **state)
{
	const unsigned *i = *state;

	scenarios[*i].f();
	sim_stop(&s);
}

int main(void)
{
	enum { N = sizeof scenarios / sizeof scenarios[0] };
	static struct CMUnitTest tests[N];
	static unsigned index[N];

	for (unsigned i = 0; i < N; i++) {
		index[i] = i;
		tests[i] = (struct CMUnitTest){ .name = scenarios[i].name, .test_func = run_scenario, .initial_state = &index[i] };
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
