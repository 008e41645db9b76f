/* SPDX-License-Identifier: Apache-2.0 */
/* The governor's side of each connection. Reads what the control socket hands on, keeps the descriptors that came with a
 * HELLO, answers WELCOME, and gives samples to the engine; called by the control socket and, once a tick, by run.c. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "governor/loop/governor.h"
#include "governor/util/cleanup.h"
#include "governor/util/str.h"

#define REPORT_MS        1000U
#define OBITUARY_WAIT_NS (10 * MG_NS_PER_S) /* a parent that reaps later than this keeps its child's secret */

/* ---- collecting ---- */

struct feed {
	struct mg_governor *g;
	struct mg_target *t;
};

static void feed_sample(void *ctx, struct mg_signal_ref ref, double value, uint64_t at_ns)
{
	const struct feed *f = ctx;

	mg_engine_sample(&f->g->engine, f->t, (enum mg_signal)ref.id, value, at_ns);
}

static void bad_text(struct mg_governor *g, struct mg_target *t, const char *source, const struct mg_err *err)
{
	t->stats.bad_samples++;
	mg_tell(g, MG_LOG_WARN, "collect.failed", { "target", MG_S(t->name) }, { "id", MG_S(t->id) }, { "source", MG_S(source) },
		{ "why", MG_S(err->text) });
}

static void collect_target(struct mg_governor *g, struct mg_target *t, uint64_t now_ns)
{
	struct feed f = { g, t };
	const struct mg_sink sink = { .sample = feed_sample, .ctx = &f };
	struct mg_err err = { "" };

	int r = t->cgroup.version ? mg_cgroup_read(&t->cgroup, now_ns, &sink, &err) : 0;
	if (r == -ENODEV)
		mg_cgroup_close(&t->cgroup);
	if (r < 0)
		bad_text(g, t, "cgroup", &err);
	err.text[0] = '\0';
	r = mg_proc_read(&t->proc, now_ns, t->wants & 1ULL << MG_SIG_PROC_PSS, &sink, &err);
	if (r < 0 && r != -ESRCH && r != -ENODEV)
		bad_text(g, t, "proc", &err);
}

void mg_targets_collect(struct mg_governor *g, uint64_t now_ns)
{
	for (struct mg_target *t = g->engine.targets; t; t = t->next)
		collect_target(g, t, now_ns);
}

/* ---- hello ---- */

static void welcome(struct mg_governor *g, struct mg_target *t, unsigned version)
{
	char buf[512];
	struct mg_wire_out o;
	bool live = t->wants & 1ULL << MG_SIG_SHIM_LIVE;

	mg_wire_begin(&o, buf, sizeof buf, MG_WIRE_WELCOME);
	mg_wire_put_u64(&o, "version", version);
	mg_wire_put_str(&o, "name", t->name);
	mg_wire_put_u64(&o, "report_ms", REPORT_MS);
	mg_wire_put_u64(&o, "lease_ms", g->engine.config->lease_ns / MG_NS_PER_MS);
	mg_wire_put_u64(&o, "workers", t->spec && t->spec->workers);
	mg_wire_put_u64(&o, "live", live);
	long n = mg_wire_end(&o);
	if (n > 0 && mg_peer_send(t->peer, buf, (size_t)n) < 0)
		t->stats.lost++;
}

void mg_targets_welcome(struct mg_governor *g)
{
	for (struct mg_target *t = g->engine.targets; t; t = t->next)
		welcome(g, t, MG_WIRE_VERSION);
}

/* The descriptors that came with the HELLO first; else /proc/<pid>, which a host allows and a pod does not. */
static void take_descriptors(struct mg_governor *g, struct mg_target *t, struct mg_hello *h)
{
	char tags[1024];
	struct mg_err err;
	int n = mg_wire_str(h->msg, "fds", tags, sizeof tags);

	t->proc.page_size = t->page_size;
	if (n > 0) {
		mg_cgroup_take(&t->cgroup, tags, (size_t)n, h->fds, h->n_fds);
		mg_proc_take(&t->proc, tags, (size_t)n, h->fds, h->n_fds);
	}
	if (t->cgroup.version)
		mg_copy(t->cgroup.scope, sizeof t->cgroup.scope, t->scope);
	if (t->cgroup.version == 0 && h->pid > 0 && mg_cgroup_open_pid(&t->cgroup, h->pid, &err) < 0)
		mg_tell(g, MG_LOG_INFO, "target.no_cgroup", { "id", MG_S(t->id) }, { "why", MG_S(err.text) });
	if (t->proc.statm < 0 && h->pid > 0 && mg_proc_open_pid(&t->proc, h->pid, &err) < 0)
		mg_tell(g, MG_LOG_INFO, "target.no_proc", { "id", MG_S(t->id) }, { "why", MG_S(err.text) });
}

static unsigned negotiated(const struct mg_wire_msg *m)
{
	uint64_t lo, hi;

	if (mg_wire_u64(m, "min", &lo) < 0 || mg_wire_u64(m, "max", &hi) < 0 || lo > UINT32_MAX || hi > UINT32_MAX)
		return 0;
	return mg_wire_negotiate(MG_WIRE_MIN, MG_WIRE_VERSION, (unsigned)lo, (unsigned)hi);
}

/* -1 where the target lives in another PID namespace: how it ends cannot be known there. */
static int peer_pidfd(pid_t pid)
{
	return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

/* The same process dials again before its old connection was seen to end: the new one is the target. */
static void forget_twin(struct mg_governor *g, const struct mg_target *fresh)
{
	for (struct mg_target *t = g->engine.targets; t; t = t->next)
		if (t != fresh && strcmp(t->id, fresh->id) == 0 && t->uid == fresh->uid) {
			mg_peer_drop(t->peer, "full", "the same process dialled again");
			return;
		}
}

static int on_hello(void *ctx, struct mg_peer *p, struct mg_hello *h)
{
	struct mg_governor *g = ctx;
	unsigned version = negotiated(h->msg);

	if (version == 0)
		return -EPROTONOSUPPORT;
	struct mg_target *t = mg_engine_hello(&g->engine, h->msg, mg_loop_now(g->loop));
	if (!t)
		return -ENOMEM;
	t->peer = p;
	t->act = &mg_act_shim;
	t->uid = h->uid;
	t->gid = h->gid;
	t->pid = h->pid;
	t->pidfd = peer_pidfd(h->pid);
	mg_peer_set_user(p, t);
	take_descriptors(g, t, h);
	t->quarantined = mg_crash_quarantined(&g->crash, t->exe);
	if (mg_engine_share(&g->engine, t) < 0 || mg_engine_match(&g->engine, t) < 0) {
		mg_engine_gone(&g->engine, t);
		mg_peer_set_user(p, NULL);
		return -ENOMEM;
	}
	forget_twin(g, t);
	welcome(g, t, version);
	mg_tell(g, MG_LOG_INFO, "target.hello", { "target", MG_S(t->name) }, { "id", MG_S(t->id) }, { "exe", MG_S(t->exe) },
		{ "uid", MG_U(t->uid) }, { "pid", MG_U(t->pid) }, { "allocator", MG_S(t->allocator) },
		{ "runtime", MG_S(t->runtime) }, { "cgroup", MG_S(t->cgroup.source) },
		{ "cgroup_version", MG_U(t->cgroup.version) });
	return 0;
}

/* ---- the end of a target, and how it came ---- */

static bool oom_killed(const struct mg_target *t, uint64_t now_ns)
{
	return t->oom_kill_ns != 0 && now_ns - t->oom_kill_ns < 5 * MG_NS_PER_S;
}

static void quarantine(struct mg_governor *g, const char *exe)
{
	g->engine.stats.crashes++;
	if (!mg_crash_note(&g->crash, exe, mg_loop_wall(g->loop)))
		return;
	g->engine.stats.quarantines++;
	mg_tell(g, MG_LOG_ERROR, "target.quarantined", { "exe", MG_S(exe) },
		{ "why", MG_S("died by a fault within 60 s of an action, twice in an hour; dry run until `memgov resume`") });
	for (struct mg_target *t = g->engine.targets; t; t = t->next)
		t->quarantined |= strcmp(t->exe, exe) == 0;
}

/* True when nothing more is to be learned. */
static bool look_at(struct mg_governor *g, struct mg_obituary *o, uint64_t now_ns)
{
	enum mg_death death = mg_crash_death(o->pidfd, o->stat_fd);

	if (death == MG_DEATH_NOT_YET && now_ns - o->gone_ns < OBITUARY_WAIT_NS)
		return false;
	if (death == MG_DEATH_FAULT)
		quarantine(g, o->exe);
	mg_loop_del(g->loop, &o->handle);
	mg_close_fd(&o->pidfd);
	mg_close_fd(&o->stat_fd);
	return true;
}

static void on_death(void *ctx, uint32_t events)
{
	struct mg_obituary *o = ctx;

	(void)events;
	o->open = !look_at(o->governor, o, mg_loop_now(o->governor->loop));
}

static void open_obituary(struct mg_governor *g, struct mg_target *t, uint64_t now_ns)
{
	if (t->acted_ns == 0 || now_ns - t->acted_ns > MG_CRASH_WINDOW_NS || oom_killed(t, now_ns))
		return;
	for (unsigned i = 0; i < MG_MAX_OBITUARIES; i++) {
		struct mg_obituary *o = &g->obituary[i];
		if (o->open)
			continue;
		*o = (struct mg_obituary){ .pidfd = t->pidfd, .stat_fd = t->proc.stat, .gone_ns = now_ns, .governor = g };
		t->pidfd = t->proc.stat = -1;
		mg_copy(o->exe, sizeof o->exe, t->exe);
		/* A quick parent reaps before the next tick: look now, and when the kernel says that it is dead. */
		o->open = !look_at(g, o, now_ns);
		if (o->open && o->pidfd >= 0 && mg_loop_add(g->loop, o->pidfd, EPOLLIN | EPOLLONESHOT, on_death, o, &o->handle) < 0)
			o->handle = 0; /* then the ticks look */
		return;
	}
}

void mg_obituaries(struct mg_governor *g, uint64_t now_ns)
{
	for (unsigned i = 0; i < MG_MAX_OBITUARIES; i++)
		if (g->obituary[i].open)
			g->obituary[i].open = !look_at(g, &g->obituary[i], now_ns);
}

static void on_gone(void *ctx, struct mg_peer *p, const char *why)
{
	struct mg_governor *g = ctx;
	struct mg_target *t = mg_peer_user(p);

	if (!t)
		return;
	mg_tell(g, MG_LOG_INFO, "target.gone", { "target", MG_S(t->name) }, { "id", MG_S(t->id) }, { "exe", MG_S(t->exe) },
		{ "why", MG_S(why) });
	open_obituary(g, t, mg_loop_now(g->loop));
	mg_engine_gone(&g->engine, t);
}

static void on_message(void *ctx, struct mg_peer *p, const struct mg_wire_msg *m)
{
	struct mg_governor *g = ctx;
	struct mg_target *t = mg_peer_user(p);

	if (t)
		mg_engine_message(&g->engine, t, m, mg_loop_now(g->loop));
}

static void on_refused(void *ctx, uid_t uid, gid_t gid, pid_t pid, const char *why, const char *line)
{
	mg_tell(ctx, MG_LOG_WARN, "peer.refused", { "uid", MG_U(uid) }, { "gid", MG_U(gid) }, { "pid", MG_U(pid) },
		{ "why", MG_S(why) }, { "fix", MG_S(line) });
}

const struct mg_control_ops mg_target_ops = { .hello = on_hello, .message = on_message, .gone = on_gone, .refused = on_refused };

/* ---- the operator ---- */

void mg_targets_pause(void *ctx, struct mg_target *t, bool paused)
{
	struct mg_governor *g = ctx;

	mg_engine_pause(&g->engine, t, paused, mg_loop_now(g->loop));
	if (!paused && t && mg_crash_release(&g->crash, t->exe))
		for (struct mg_target *i = g->engine.targets; i; i = i->next)
			if (strcmp(i->exe, t->exe) == 0)
				i->quarantined = false;
	mg_tell(g, MG_LOG_INFO, paused ? "operator.pause" : "operator.resume", { "target", MG_S(t ? t->name : "all") });
}
