/* SPDX-License-Identifier: Apache-2.0 */
/* The model behind the simulation. Messages go through the real codec and the engine's real entry points. */
#include "tests/sim/sim.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "governor/util/str.h"
#include "tests/check.h"

#define START_NS (1000 * MG_NS_PER_S)

static int fake_send(void *peer, const struct mg_want *w, const struct mg_view *v, uint64_t seq, uint64_t lease_ns, uint64_t now_ns)
{
	struct sim_proc *p = peer;

	(void)v;
	(void)lease_ns;
	(void)now_ns;
	if (p->n_queue == SIM_MAX_QUEUE)
		return -EAGAIN;
	p->queue[p->n_queue++] = (struct sim_command){ .want = *w, .seq = seq };
	return 0;
}

static int fake_renew(void *peer, uint64_t seq, uint64_t lease_ns, uint64_t now_ns)
{
	struct sim_proc *p = peer;

	(void)seq;
	if (p->deaf)
		return 0;
	p->renewals++;
	p->lease_until_ns = now_ns + lease_ns;
	return 0;
}

static int fake_restore(void *peer, uint64_t seq, uint64_t now_ns)
{
	struct sim_proc *p = peer;

	(void)now_ns;
	if (p->n_queue == SIM_MAX_QUEUE)
		return -EAGAIN;
	p->queue[p->n_queue++] = (struct sim_command){ .seq = seq, .restore = true };
	return 0;
}

static const struct mg_act_ops fake_act = { .name = "model", .send = fake_send, .renew = fake_renew, .restore = fake_restore };

static struct mg_config *load(const char *yaml)
{
	static struct mg_findings findings;
	struct mg_config *c = NULL;

	int r = mg_config_parse("sim.yaml", yaml, strlen(yaml), &c, &findings);
	check(r == 0, "the scenario's policy loads: line %u: %s", findings.at[0].line, findings.at[0].text);
	return c;
}

static void begin(struct sim *s, const char *yaml)
{
	struct mg_err err;

	mg_engine_init(&s->engine, load(yaml), s->now_ns);
	s->tick_ns = s->engine.config->interval_ns;
	check(mg_writer_new("/dev/null", 0, &s->writer, &err) == 0, "a writer to nowhere opens: %s", err.text);
	check(mg_audit_new(s->writer, &s->audit) == 0, "an audit ring can be made");
	s->engine.audit = s->audit;
}

static void end(struct sim *s)
{
	mg_engine_done(&s->engine);
	s->audit = mg_audit_free(s->audit);
	s->writer = mg_writer_free(s->writer);
}

void sim_start(struct sim *s, const char *yaml)
{
	memset(s, 0, sizeof *s);
	s->now_ns = START_NS;
	for (unsigned i = 0; i < 4; i++)
		s->source[i] = NAN;
	begin(s, yaml);
}

void sim_stop(struct sim *s)
{
	end(s);
}

static void parse(const char *buf, long n, struct mg_wire_msg *m)
{
	const char *why = "";

	check(n > 0 && mg_wire_parse(buf, (size_t)n, m, &why) == 0, "the model's message is well-formed: %s", why);
}

static void put_knobs(struct mg_wire_out *o, const struct sim_proc *p)
{
	for (unsigned k = 0; k < MG_KNOB__COUNT; k++) {
		double scale = k == MG_KNOB_DECAY ? 1000 : 1;
		mg_wire_put_u64_in(o, "knob", mg_knob_info((enum mg_knob)k)->name, isnan(p->knob[k]) ? UINT64_MAX : (uint64_t)(p->knob[k] * scale));
		mg_wire_put_u64_in(o, "baseline", mg_knob_info((enum mg_knob)k)->name, UINT64_MAX);
	}
}

static void hello(struct sim *s, struct sim_proc *p)
{
	char buf[MG_WIRE_MAX];
	struct mg_wire_out o;
	struct mg_wire_msg m;

	mg_wire_begin(&o, buf, sizeof buf, MG_WIRE_HELLO);
	mg_wire_put_str(&o, "id", p->id);
	mg_wire_put_str(&o, "exe", "model");
	mg_wire_put_str(&o, "allocator", "glibc");
	mg_wire_put_str(&o, "knobs", "gc_percent:exact,memory_limit:exact,decay:none");
	mg_wire_put_str(&o, "actions", "purge");
	put_knobs(&o, p);
	parse(buf, mg_wire_end(&o), &m);
	p->t = mg_engine_hello(&s->engine, &m, s->now_ns);
	check(p->t != NULL, "the engine takes the target");
	p->t->peer = (struct mg_peer *)p; /* opaque to the engine: handed back to the actuator */
	p->t->act = &fake_act;
	p->t->cgroup.version = 2;
	p->t->cgroup.dev = 1;
	p->t->cgroup.ino = p->ino;
	check(mg_engine_share(&s->engine, p->t) == 0 && mg_engine_match(&s->engine, p->t) == 0, "the target is matched");
}

struct sim_proc *sim_add(struct sim *s, const char *id, double live, double limit)
{
	struct sim_proc *p = &s->proc[s->n_procs++];

	*p = (struct sim_proc){ .live = live, .resident = live, .limit = limit, .cpu = 0.5, .returnable_share = 1, .ino = s->n_procs,
				.lowest_limit_set = INFINITY };
	mg_copy(p->id, sizeof p->id, id);
	for (unsigned k = 0; k < MG_KNOB__COUNT; k++)
		p->knob[k] = NAN;
	hello(s, p);
	return p;
}

void sim_restart(struct sim *s, const char *yaml)
{
	end(s);
	begin(s, yaml);
	for (unsigned i = 0; i < s->n_procs; i++) {
		s->proc[i].n_queue = 0;
		hello(s, &s->proc[i]);
	}
}

void sim_reload(struct sim *s, const char *yaml)
{
	check(mg_engine_reload(&s->engine, load(yaml), s->now_ns) == 0, "the new policy is taken");
}

void sim_live(struct sim_proc *p, double live)
{
	p->live = live;
	if (p->resident < live)
		p->resident = live;
}

/* ---- the process's side of a tick ---- */

static void put_back(struct sim_proc *p)
{
	for (unsigned k = 0; k < MG_KNOB__COUNT; k++)
		p->knob[k] = NAN;
	p->lease_until_ns = 0;
}

static double purge(struct sim_proc *p, double bytes)
{
	double got = fmin(bytes, (p->resident - p->live) * p->returnable_share);

	p->resident -= got;
	return got;
}

static void answer(struct sim *s, struct sim_proc *p, const struct sim_command *c, double returned)
{
	char buf[MG_WIRE_MAX];
	struct mg_wire_out o;
	struct mg_wire_msg m;

	mg_wire_begin(&o, buf, sizeof buf, p->refuses ? MG_WIRE_NAK : MG_WIRE_ACK);
	mg_wire_put_u64(&o, "seq", c->seq);
	if (p->refuses) {
		mg_wire_put_str(&o, "code", "busy");
		mg_wire_put_str(&o, "why", "the model refuses");
	} else if (c->want.verb == MG_VERB_ACTION) {
		mg_wire_put_u64(&o, "returned", (uint64_t)returned);
		mg_wire_put_u64(&o, "took_us", 1000);
		mg_wire_put_u64(&o, "longest_us", 100);
	}
	parse(buf, mg_wire_end(&o), &m);
	mg_engine_message(&s->engine, p->t, &m, s->now_ns);
}

static void obey(struct sim *s, struct sim_proc *p, const struct sim_command *c)
{
	double returned = 0;

	if (p->deaf || p->silent)
		return;
	if (c->restore) {
		p->restores++;
		put_back(p);
		return;
	}
	if (p->refuses) {
		p->naks++;
	} else if (c->want.verb == MG_VERB_ACTION) {
		p->purges++;
		returned = purge(p, c->want.bytes);
		p->returned += returned;
	} else {
		p->sets++;
		p->last_set_ns = s->now_ns;
		p->knob[c->want.knob] = c->want.verb == MG_VERB_SET ? c->want.to : NAN;
		p->lease_until_ns = s->now_ns + s->engine.config->lease_ns;
		if (c->want.knob == MG_KNOB_MEMORY_LIMIT && c->want.verb == MG_VERB_SET) {
			p->lowest_limit_set = fmin(p->lowest_limit_set, c->want.to);
			p->highest_limit_set = fmax(p->highest_limit_set, c->want.to);
		}
	}
	answer(s, p, c, returned);
}

/* The shim alone: holds its soft limit, and lets settings go when their lease ends. */
static void shim_alone(struct sim *s, struct sim_proc *p)
{
	double limit = p->knob[MG_KNOB_MEMORY_LIMIT];

	if (p->lease_until_ns && s->now_ns >= p->lease_until_ns)
		put_back(p);
	if (!isnan(limit) && p->resident > limit)
		purge(p, p->resident - limit);
}

static void report(struct sim *s, struct sim_proc *p)
{
	char buf[MG_WIRE_MAX];
	struct mg_wire_out o;
	struct mg_wire_msg m;

	mg_wire_begin(&o, buf, sizeof buf, MG_WIRE_REPORT);
	mg_wire_put_u64(&o, "resident", (uint64_t)p->resident);
	mg_wire_put_u64(&o, "live", (uint64_t)(p->lies ? p->resident * 3 : p->live));
	mg_wire_put_u64(&o, "returnable", (uint64_t)((p->resident - p->live) * p->returnable_share));
	mg_wire_put_u64(&o, "free_resident", (uint64_t)(p->resident - p->live));
	mg_wire_put_u64(&o, "sealed", p->sealed);
	put_knobs(&o, p);
	parse(buf, mg_wire_end(&o), &m);
	mg_engine_message(&s->engine, p->t, &m, s->now_ns);
}

static void kernel_samples(struct sim *s, struct sim_proc *p)
{
	double usage = 0;

	for (unsigned i = 0; i < s->n_procs; i++)
		if (s->proc[i].ino == p->ino)
			usage += s->proc[i].resident;
	const struct { enum mg_signal signal; double v; } now[] = {
		{ MG_SIG_PROC_RSS, p->resident }, { MG_SIG_PROC_CPU, p->cpu }, { MG_SIG_CGROUP_USAGE, usage }, { MG_SIG_CGROUP_WORKING_SET, usage },
		{ MG_SIG_CGROUP_LIMIT, isinf(p->limit) ? NAN : p->limit },
		{ MG_SIG_CGROUP_HEADROOM_BYTES, isinf(p->limit) ? NAN : p->limit - usage },
		{ MG_SIG_CGROUP_HEADROOM, isinf(p->limit) ? NAN : 1 - usage / p->limit },
	};

	for (unsigned i = 0; i < sizeof now / sizeof now[0]; i++)
		mg_engine_sample(&s->engine, p->t, now[i].signal, now[i].v, s->now_ns);
}

void sim_tick(struct sim *s)
{
	s->now_ns += s->tick_ns + s->lateness_ns;
	for (unsigned i = 0; i < s->n_procs; i++) {
		struct sim_proc *p = &s->proc[i];
		for (unsigned k = 0; k < p->n_queue; k++)
			obey(s, p, &p->queue[k]);
		p->n_queue = 0;
		shim_alone(s, p);
		if (!p->no_samples)
			kernel_samples(s, p);
		if (!p->silent)
			report(s, p);
	}
	for (uint16_t i = 0; !s->source_stale && i < s->engine.config->n_signals; i++)
		mg_engine_source_sample(&s->engine, i, s->source[i], s->now_ns);
	mg_engine_tick(&s->engine, s->now_ns, s->lateness_ns);
}

void sim_run(struct sim *s, unsigned ticks)
{
	while (ticks-- > 0)
		sim_tick(s);
}

unsigned sim_count(const struct sim *s, bool (*pass)(const struct mg_record *r))
{
	unsigned n = 0;
	const struct mg_record *r;

	for (unsigned i = 0; (r = mg_audit_at(s->audit, i)); i++)
		n += pass(r);
	return n;
}
