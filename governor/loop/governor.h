/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_GOVERNOR_H
#define MG_GOVERNOR_H

#include "governor/audit/audit.h"
#include "governor/config/watch.h"
#include "governor/loop/crash.h"
#include "governor/loop/engine.h"
#include "governor/loop/run.h"
#include "governor/serve/serve.h"

/* Everything one running governor owns. Private to governor/loop: run.c sets it up, targets.c speaks with the targets. */

#define MG_MAX_OBITUARIES 16

/* A target that was acted upon shortly before its connection ended: how did its process end? */
struct mg_obituary {
	char exe[256];
	int pidfd, stat_fd;    /* -1: none */
	mg_handle handle;      /* of pidfd: told at once when the process is dead, before its parent has reaped it */
	struct mg_governor *governor;
	bool open;
	uint64_t gone_ns;
};

struct mg_governor {
	const struct mg_run_options *options;
	struct mg_loop *loop;
	struct mg_engine engine;
	struct mg_control *control;
	struct mg_http *http;
	struct mg_sources *sources;
	struct mg_serve *serve;
	struct mg_audit *audit;
	struct mg_writer *log_writer, *audit_writer;
	struct mg_config_watch *watch;
	struct mg_timer tick, goodbye;
	uint64_t tick_due_ns;
	int signal_fd;
	mg_handle signal_handle;
	char off_path[128];
	struct mg_crash crash;
	struct mg_obituary obituary[MG_MAX_OBITUARIES];
	struct mg_sink sink;           /* of the configured sources */
	int status;
};

void mg_say(const struct mg_governor *g, enum mg_level level, const char *event, const struct mg_log_kv *kv, unsigned n);
#define mg_tell(g, level, event, ...) \
	mg_say(g, level, event, (const struct mg_log_kv[]){ __VA_ARGS__ }, sizeof((const struct mg_log_kv[]){ __VA_ARGS__ }) / sizeof(struct mg_log_kv))

/* targets.c */
extern const struct mg_control_ops mg_target_ops;  /* ctx: struct mg_governor */
/* Reads every target's cgroup, PSI and /proc descriptors into the engine, before its tick. */
void mg_targets_collect(struct mg_governor *g, uint64_t now_ns);
/* After a reload: WELCOME again, since periods or wishes may have changed. */
void mg_targets_welcome(struct mg_governor *g);
void mg_targets_pause(void *ctx, struct mg_target *t, bool paused);
void mg_obituaries(struct mg_governor *g, uint64_t now_ns);

#endif
