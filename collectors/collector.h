/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_COLLECTOR_H
#define MG_COLLECTOR_H

#include "governor/config/config.h"
#include "governor/loop/loop.h"
#include "collectors/http.h"

/* Every sample goes out through one function, with its age and its source. NaN: the source answered, the value is unknown. */
struct mg_sink {
	void (*sample)(void *ctx, struct mg_signal_ref ref, double value, uint64_t at_ns);
	/* Reports a source's failure: counted and logged once per change, the last good sample ages. */
	void (*failed)(void *ctx, const char *source, const char *why);
	void *ctx;
};

/* ---- per target: from kept descriptors, read by the engine every tick; none allocates ---- */

#define MG_CGROUP_LEVELS 8
#define MG_PSI_WINDOW_NS (2 * MG_NS_PER_S) /* shorter windows say more about the tick than about the memory */
enum mg_cgroup_file { MG_CG_CURRENT, MG_CG_MAX, MG_CG_HIGH, MG_CG_STAT, MG_CG_EVENTS, MG_CG_PRESSURE, MG_CG_SWAP, MG_CG__FILES };

/* Parsers of the texts, pure, for tests and fuzzing. 0 or -EBADMSG with err naming the line. */
int mg_parse_u64_or_max(const char *buf, size_t len, uint64_t *ret, struct mg_err *err) MG_CHECK_RESULT;
struct mg_flat {
	const char *key;
	uint64_t value;
	bool found;
};
int mg_parse_flat_keyed(const char *buf, size_t len, struct mg_flat *want, unsigned n, struct mg_err *err) MG_CHECK_RESULT;
struct mg_psi {
	uint64_t some_total_us, full_total_us;
	bool has_full;
};
int mg_parse_psi(const char *buf, size_t len, struct mg_psi *ret, struct mg_err *err) MG_CHECK_RESULT;

/* Our own windows over PSI's totals: the kernel's averages lag by ten seconds. Zeroed at start. */
struct mg_psi_window {
	struct mg_psi last;
	uint64_t at_ns;
};
struct mg_psi_shares {
	double some, full;
}; /* 0..1; full NAN where the kernel does not say */
/* True when a window of at least MG_PSI_WINDOW_NS has ended: *ret is set and the next one starts. */
bool mg_psi_push(struct mg_psi_window *w, uint64_t now_ns, const struct mg_psi *p, struct mg_psi_shares *ret);

/* Descriptors of one cgroup and its ancestors, as far as they are visible. v1 files sit in the slot of their v2 twin:
 * usage, limit, -, stat, failcnt, -, memsw; oom_control in fd_oom_control. */
struct mg_cgroup {
	int version;                            /* 1, 2; 0: none */
	char source[24];                        /* "shim-fds", "host-mount", "proc-root", "path": exported */
	char scope[16];                         /* own, visible-root, full; of shim-fds set by whoever read HELLO */
	int fd[MG_CGROUP_LEVELS][MG_CG__FILES]; /* -1: none */
	int fd_oom_control;
	unsigned levels;
	uint64_t dev, ino;        /* of the own group's usage file: targets with equal ones share */
	struct mg_psi_window psi; /* private */
};
void mg_cgroup_init(struct mg_cgroup *g);
void mg_cgroup_close(struct mg_cgroup *g);
/* Takes fds whose tags (protocol/SPEC.md) are cgroup files out of fds[] (sets them to -1). Returns how many it took;
 * descriptors of the other version than the first one seen, or of a file it has, are left. */
int mg_cgroup_take(struct mg_cgroup *g, const char *tags, size_t tags_len, int fds[], unsigned n);
/* Opens the cgroup of pid: on the governor's own mount where the group is below it, else through /proc/<pid>/root and
 * mountinfo. Needs mg_cgroup_init; on failure nothing is left open. -ENODEV: no such process or group; -EACCES. */
int mg_cgroup_open_pid(struct mg_cgroup *g, int pid, struct mg_err *err) MG_CHECK_RESULT;
/* Opens a directory of the host's hierarchy (or a copy of one) and what lies above it. */
int mg_cgroup_open_path(struct mg_cgroup *g, const char *path, struct mg_err *err) MG_CHECK_RESULT;
/* Reads all, gives MG_SIG_CGROUP_* and MG_SIG_PSI_* to the sink; NaN: there is no such thing (no limit). headroom is that
 * of the level with the least of it, which need not be the one with the smallest limit. Returns 0; -ENODEV the cgroup is
 * gone; -EBADMSG a file did not parse (err names file and line; the other files are still read, the signals that need it
 * are left to age). */
int mg_cgroup_read(struct mg_cgroup *g, uint64_t now_ns, const struct mg_sink *sink, struct mg_err *err) MG_CHECK_RESULT;

struct mg_proc {
	int statm, stat, smaps_rollup; /* -1: none; sent by the shim or opened from /proc/<pid> */
	uint64_t page_size;            /* the target's, from HELLO */
	uint64_t clock_ticks;
	/* private */
	uint64_t pss_at_ns, at_ns;
	uint64_t minflt, majflt, cpu_ticks;
};
void mg_proc_init(struct mg_proc *p);
void mg_proc_close(struct mg_proc *p);
/* As mg_cgroup_take. */
int mg_proc_take(struct mg_proc *p, const char *tags, size_t tags_len, int fds[], unsigned n);
/* Through a descriptor of /proc/<pid>. smaps_rollup is opened where the kernel lets us, and may be missing. */
int mg_proc_open_pid(struct mg_proc *p, int pid, struct mg_err *err) MG_CHECK_RESULT;
/* want_pss: a rule names proc.pss (read at most once a minute). Returns 0; -ENODEV the process is gone; -EBADMSG a file did
 * not parse (the others are still read). */
int mg_proc_read(struct mg_proc *p, uint64_t now_ns, bool want_pss, const struct mg_sink *sink,
		 struct mg_err *err) MG_CHECK_RESULT;

/* ---- global: configured sources, driven by timers of their own ---- */
struct mg_sources;
/* Borrows l, h, c and what sink points to, until mg_sources_stop. The first scrapes start at once, spread over a second. */
int mg_sources_start(struct mg_loop *l, struct mg_http *h, const struct mg_config *c, const struct mg_sink *sink,
		     struct mg_sources **ret, struct mg_err *err) MG_CHECK_RESULT;
struct mg_sources *mg_sources_stop(struct mg_sources *s);
struct mg_source_stats {
	uint64_t scrapes, failures, bytes, series, last_ok_ns;
	char last_error[MG_ERR_MAX];
};
void mg_sources_stats(const struct mg_sources *s, unsigned source, struct mg_source_stats *ret);

/* What there is, for `memgov list collectors`; ended by name NULL. */
struct mg_collector_info {
	const char *name, *help, *signals;
};
extern const struct mg_collector_info mg_collectors[];

/* /api/v1/query and query_range answers, parsed with cJSON; pure. buf[len] must be NUL. 0 and value (NAN for NaN) with its
 * own timestamp; -ENODATA an empty vector; -EREMOTEIO the server's error, its errorType in err; -EBADMSG not such an
 * answer, or not one of one number. */
int mg_promql_parse(const char *buf, size_t len, double *value, double *time_s, struct mg_err *err) MG_CHECK_RESULT;

#endif
