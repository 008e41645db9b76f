/* SPDX-License-Identifier: Apache-2.0 */
/* `memgov run`. Reads the policy file, opens the control socket, the listeners and the sources, and drives one tick after
 * another until SIGTERM; called by the CLI. Errors are logged here, the libraries below only return them. */
#include "governor/loop/run.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include "governor/loop/governor.h"
#include "governor/util/cleanup.h"
#include "governor/util/str.h"

#define EXIT_CONFIG  3
#define EXIT_RUNTIME 4
#define GOODBYE_NS   (200 * MG_NS_PER_MS) /* after SIGTERM: for the restores to be acknowledged */

void mg_say(const struct mg_governor *g, enum mg_level level, const char *event, const struct mg_log_kv *kv, unsigned n)
{
	mg_log_event(mg_loop_now(g->loop), mg_loop_wall(g->loop), level, event, kv, n);
}

/* ---- configuration ---- */

static struct mg_config *load_config(const char *path, int *status)
{
	static struct mg_findings findings;
	struct mg_config *c = NULL;
	struct mg_err err = { "" };

	int r = geteuid() == 0 ? mg_config_check_owner(path, &err) : 0;
	if (r == 0)
		r = mg_config_load(path, &c, &findings, &err);
	if (findings.n > 0)
		mg_findings_print_file(&findings, path, STDERR_FILENO);
	else if (r < 0)
		fprintf(stderr, "memgov: %s\n", err.text);
	*status = r == 0 ? 0 : EXIT_CONFIG;
	return c;
}

static void override(struct mg_config *c, const struct mg_run_options *o)
{
	if (o->socket)
		mg_copy(c->socket, sizeof c->socket, o->socket);
	if (o->listen)
		mg_copy(c->listen, sizeof c->listen, o->listen);
	if (c->admin[0] == '\0') {
		struct mg_buf b = mg_buf(c->admin, sizeof c->admin);
		mg_buf_printf(&b, "unix:%s.admin", c->socket);
	}
}

/* Borrows c's lists. */
static struct mg_control_conf control_conf(const struct mg_config *c)
{
	struct mg_control_conf conf = { .mode = c->socket_mode,
					.allow_uids = c->allow_uids,
					.n_uids = c->n_uids,
					.allow_gids = c->allow_gids,
					.n_gids = c->n_gids,
					.max_peers = 10240,
					.max_per_uid = 1024,
					.hello_deadline_ns = 2 * MG_NS_PER_S };

	mg_copy(conf.path, sizeof conf.path, c->socket);
	return conf;
}

static int start_sources(struct mg_governor *g, struct mg_err *err)
{
	if (g->engine.config->n_sources == 0)
		return 0;
	return mg_sources_start(g->loop, g->http, g->engine.config, &g->sink, &g->sources, err);
}

/* What only a restart can change is said, not skipped in silence. */
static void warn_fixed(const struct mg_governor *g, const struct mg_config *old, const struct mg_config *c)
{
	const struct {
		const char *key;
		bool changed;
	} fixed[] = {
		{ "control.socket", strcmp(old->socket, c->socket) != 0 },
		{ "serve.listen", strcmp(old->listen, c->listen) != 0 },
		{ "serve.admin", strcmp(old->admin, c->admin) != 0 },
		{ "audit.file", strcmp(old->audit_file, c->audit_file) != 0 },
	};

	for (unsigned i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
		if (fixed[i].changed)
			mg_tell(g, MG_LOG_WARN, "config.needs_restart", { "key", MG_S(fixed[i].key) });
}

static void reload_failed(struct mg_governor *g, const char *why)
{
	g->engine.stats.reload_failures++;
	mg_copy(g->engine.last_reload_error, sizeof g->engine.last_reload_error, why);
	mg_tell(g, MG_LOG_ERROR, "config.rejected", { "file", MG_S(g->options->config) }, { "why", MG_S(why) },
		{ "kept", MG_S(g->engine.config->hash) });
}

static void reload(void *ctx)
{
	static struct mg_findings findings;
	struct mg_governor *g = ctx;
	struct mg_config *c = NULL;
	struct mg_err err = { "" };

	int r = geteuid() == 0 ? mg_config_check_owner(g->options->config, &err) : 0;
	if (r == 0)
		r = mg_config_load(g->options->config, &c, &findings, &err);
	if (r < 0) {
		char why[MG_ERR_MAX];
		struct mg_buf b = mg_buf(why, sizeof why);
		if (findings.n > 0)
			mg_buf_printf(&b, "line %u column %u: %s", findings.at[0].line, findings.at[0].column,
				      findings.at[0].text);
		reload_failed(g, findings.n > 0 ? why : err.text);
		return;
	}
	override(c, g->options);
	if (strcmp(c->hash, g->engine.config->hash) == 0) {
		mg_config_free(c);
		return;
	}
	warn_fixed(g, g->engine.config, c);
	g->sources = mg_sources_stop(g->sources);
	struct mg_control_conf conf = control_conf(c);
	mg_control_allow(g->control, &conf); /* before the old lists are freed */
	if (mg_engine_reload(&g->engine, c, mg_loop_now(g->loop)) < 0)
		mg_tell(g, MG_LOG_ERROR, "config.no_memory", { "file", MG_S(g->options->config) });
	if (start_sources(g, &err) < 0)
		mg_tell(g, MG_LOG_ERROR, "source.failed", { "why", MG_S(err.text) });
	g->engine.last_reload_error[0] = '\0';
	mg_targets_welcome(g);
	mg_tell(g, MG_LOG_INFO, "config.loaded", { "file", MG_S(c->file) }, { "hash", MG_S(c->hash) });
}

/* ---- the tick ---- */

static void source_sample(void *ctx, struct mg_signal_ref ref, double value, uint64_t at_ns)
{
	struct mg_governor *g = ctx;

	mg_engine_source_sample(&g->engine, ref.id, value, at_ns);
}

static void source_failed(void *ctx, const char *source, const char *why)
{
	struct mg_governor *g = ctx;

	mg_tell(g, MG_LOG_WARN, "source.failed", { "source", MG_S(source) }, { "why", MG_S(why) });
}

static void look_for_off_file(struct mg_governor *g)
{
	struct stat st;
	bool off = lstat(g->off_path, &st) == 0;

	if (off != g->engine.off_file)
		mg_tell(g, MG_LOG_WARN, off ? "operator.off_file" : "operator.off_file_gone", { "path", MG_S(g->off_path) });
	g->engine.off_file = off;
}

static void on_tick(void *ctx, uint64_t now_ns)
{
	struct mg_governor *g = ctx;
	uint64_t late = now_ns - g->tick_due_ns, interval = g->engine.config->interval_ns;

	g->engine.wall_offset_ns = mg_loop_wall(g->loop) - now_ns;
	look_for_off_file(g);
	mg_targets_collect(g, now_ns);
	mg_engine_tick(&g->engine, now_ns, late);
	mg_obituaries(g, now_ns);
	g->engine.stats.tick_cost_ns = mg_loop_fresh(g->loop) - now_ns;
	g->tick_due_ns += (late / interval + 1) * interval; /* ticks that were slept through are not made up for */
	if (mg_loop_timer(g->loop, &g->tick, g->tick_due_ns) < 0)
		mg_loop_stop(g->loop);
}

/* ---- signals ---- */

static void on_goodbye(void *ctx, uint64_t now_ns)
{
	struct mg_governor *g = ctx;

	(void)now_ns;
	mg_loop_stop(g->loop);
}

static void on_signal(void *ctx, uint32_t events)
{
	struct mg_governor *g = ctx;
	struct signalfd_siginfo s;

	(void)events;
	if (read(g->signal_fd, &s, sizeof s) != sizeof s)
		return;
	if (s.ssi_signo == SIGHUP) {
		reload(g);
		return;
	}
	mg_tell(g, MG_LOG_INFO, "governor.stopping", { "signal", MG_U(s.ssi_signo) });
	g->engine.paused = true; /* nothing is decided any more; the restores go out now */
	mg_engine_restore_all(&g->engine, mg_loop_now(g->loop));
	if (mg_loop_timer(g->loop, &g->goodbye, mg_loop_now(g->loop) + GOODBYE_NS) < 0)
		mg_loop_stop(g->loop);
}

/* Before any thread is made, so that all inherit the mask. SIGALRM stays the control socket's. */
static int block_signals(void)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* ---- set up ---- */

static int open_outputs(struct mg_governor *g, struct mg_err *err)
{
	const struct mg_config *c = g->engine.config;
	int r = mg_writer_new("", 0, &g->log_writer, err);

	if (r < 0)
		return r;
	r = mg_log_open(g->log_writer, isatty(STDERR_FILENO), MG_LOG_INFO, err);
	if (r < 0)
		return r;
	r = mg_writer_new(c->audit_file, (uint64_t)c->audit_max_bytes, &g->audit_writer, err);
	if (r < 0)
		return r;
	r = mg_audit_new(g->audit_writer, &g->audit);
	g->engine.audit = g->audit;
	return r;
}

static int open_control(struct mg_governor *g, struct mg_err *err)
{
	struct mg_control_conf conf = control_conf(g->engine.config);
	struct mg_control_stats stats;

	int r = mg_control_open(g->loop, &conf, &mg_target_ops, g, &g->control, err);
	if (r < 0)
		return r;
	mg_control_stats(g->control, &stats);
	if (stats.no_acl)
		mg_tell(g, MG_LOG_WARN, "control.no_acl", { "socket", MG_S(conf.path) },
			{ "why", MG_S("its file system keeps no access lists: only the socket's owner and group can connect; put "
				      "it on a tmpfs") });
	return 0;
}

static int open_serve(struct mg_governor *g, struct mg_err *err)
{
	const struct mg_config *c = g->engine.config;
	struct mg_serve_ctx ctx = { .engine = &g->engine,
				    .control = g->control,
				    .sources = &g->sources,
				    .audit_writer = g->audit_writer,
				    .loop = g->loop,
				    .pause = mg_targets_pause,
				    .ctx = g };

	return mg_serve_open(&ctx, c->listen, c->admin, &g->serve, err);
}

static void beside_socket(const struct mg_config *c, const char *name, char *out, size_t cap)
{
	const char *slash = strrchr(c->socket, '/');
	struct mg_buf b = mg_buf(out, cap);

	mg_buf_printf(&b, "%.*s%s", slash ? (int)(slash - c->socket + 1) : 0, c->socket, name);
}

static void load_crashes(struct mg_governor *g)
{
	char path[128];
	struct mg_err err;
	struct mg_buf b = mg_buf(path, sizeof path);

	mg_buf_printf(&b, "%s.quarantine", g->engine.config->socket);
	if (mg_crash_load(&g->crash, path, &err) < 0)
		mg_tell(g, MG_LOG_WARN, "quarantine.unreadable", { "why", MG_S(err.text) });
}

static int open_signals(struct mg_governor *g, struct mg_err *err)
{
	int r = mg_loop_add(g->loop, g->signal_fd, EPOLLIN, on_signal, g, &g->signal_handle);

	return r < 0 ? mg_fail(err, r, "cannot watch signals: %s", strerror(-r)) : 0;
}

static int open_http(struct mg_governor *g, struct mg_err *err)
{
	int r = mg_http_new(g->loop, &g->http, err);

	return r < 0 ? r : start_sources(g, err);
}

static int open_watch(struct mg_governor *g, struct mg_err *err)
{
	return mg_config_watch_new(g->loop, g->options->config, reload, g, &g->watch, err);
}

static int start_tick(struct mg_governor *g, struct mg_err *err)
{
	g->tick = (struct mg_timer){ .f = on_tick, .ctx = g, .slot = -1 };
	g->goodbye = (struct mg_timer){ .f = on_goodbye, .ctx = g, .slot = -1 };
	g->tick_due_ns = mg_loop_now(g->loop) + g->engine.config->interval_ns;
	int r = mg_loop_timer(g->loop, &g->tick, g->tick_due_ns);
	return r < 0 ? mg_fail(err, r, "cannot start the tick: %s", strerror(-r)) : 0;
}

static int set_up(struct mg_governor *g, struct mg_err *err)
{
	static int (*const steps[])(struct mg_governor * g, struct mg_err * err) = {
		open_outputs, open_signals, open_control, open_http, open_serve, open_watch, start_tick,
	};

	beside_socket(g->engine.config, "off", g->off_path, sizeof g->off_path);
	load_crashes(g);
	for (unsigned i = 0; i < sizeof steps / sizeof steps[0]; i++) {
		int r = steps[i](g, err);
		if (r < 0)
			return r;
	}
	return 0;
}

static void tear_down(struct mg_governor *g)
{
	g->watch = mg_config_watch_free(g->watch);
	g->serve = mg_serve_close(g->serve);
	g->sources = mg_sources_stop(g->sources);
	g->http = mg_http_free(g->http);
	g->control = mg_control_close(g->control); /* every target is gone after this */
	mg_engine_done(&g->engine);
	g->audit = mg_audit_free(g->audit);
	g->audit_writer = mg_writer_free(g->audit_writer);
	mg_log_close();
	g->log_writer = mg_writer_free(g->log_writer);
	for (unsigned i = 0; i < MG_MAX_OBITUARIES; i++) {
		mg_loop_del(g->loop, &g->obituary[i].handle);
		mg_close_fd(&g->obituary[i].pidfd);
		mg_close_fd(&g->obituary[i].stat_fd);
	}
	mg_loop_del(g->loop, &g->signal_handle);
	mg_close_fd(&g->signal_fd);
	g->loop = mg_loop_free(g->loop);
}

int mg_run(const struct mg_run_options *o)
{
	static struct mg_governor g;
	struct mg_err err = { "" };
	int status;

	struct mg_config *c = load_config(o->config, &status);
	if (!c)
		return status;
	override(c, o);
	g.options = o;
	g.signal_fd = block_signals();
	g.sink = (struct mg_sink){ .sample = source_sample, .failed = source_failed, .ctx = &g };
	for (unsigned i = 0; i < MG_MAX_OBITUARIES; i++)
		g.obituary[i].pidfd = g.obituary[i].stat_fd = -1;
	int r = mg_loop_new(&g.loop, &err);
	if (r < 0) {
		fprintf(stderr, "memgov: %s\n", err.text);
		mg_config_free(c);
		return EXIT_RUNTIME;
	}
	mg_engine_init(&g.engine, c, mg_loop_now(g.loop));
	g.engine.enforce_flag = o->enforce;
	g.engine.dry_run_flag = o->dry_run;
	r = set_up(&g, &err);
	if (r == 0) {
		mg_tell(&g, MG_LOG_INFO, "governor.started",
			{ "mode", MG_S(mg_mode_name(mg_engine_mode(&g.engine, NULL, NULL))) }, { "config", MG_S(c->file) },
			{ "hash", MG_S(c->hash) }, { "socket", MG_S(c->socket) });
		r = mg_loop_run(g.loop, &err);
	}
	if (r < 0)
		fprintf(stderr, "memgov: %s\n", err.text);
	tear_down(&g);
	return r < 0 ? EXIT_RUNTIME : 0;
}
