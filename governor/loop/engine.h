/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_ENGINE_H
#define MG_ENGINE_H

#include "collectors/collector.h"
#include "governor/act/act.h"
#include "governor/audit/audit.h"
#include "governor/config/config.h"
#include "governor/guard/guard.h"
#include "governor/serve/control.h"

/* The target registry and the pipeline: observe -> decide -> guard -> act -> audit, once per tick and target. Reads no
 * clock and opens nothing: time and samples are handed in, so the simulation and replay run this very code. */

#define MG_MAX_PENDING 16    /* commands sent to one target and not yet answered */
#define MG_ID_MAX      20
#define MG_VERY_STALE_NS  (300 * MG_NS_PER_S) /* inputs unknown for this long: what the rule set is restored */
#define MG_PENDING_NS     (60 * MG_NS_PER_S)  /* a command not answered for this long is lost */
#define MG_VERIFY_NS      (5 * MG_NS_PER_S)   /* after an action: faults in this window are its cost */
#define MG_RERECORD_NS    (600 * MG_NS_PER_S) /* the same want again is recorded this often */
#define MG_QUIET_CPU      0.05                /* of a core: below, and not growing, a process is quiet */

struct mg_target_rule {
	const struct mg_rule *rule;
	struct mg_rule_state state;
	struct mg_decision last;                    /* of the newest tick, after the guards */
	struct mg_cuts cuts[MG_MAX_WANT];           /* by want of `last` */
	uint64_t decided_at_ns;
	uint64_t unknown_since_ns;                  /* 0: its inputs are known */
	uint32_t set_knobs;                         /* bit per knob this rule set and did not restore */
	bool was_holding;
	struct mg_want recorded;                    /* the newest want in the audit: the same again is recorded rarely */
	uint64_t recorded_ns;
};

/* Targets whose cgroup is the same one (dev, ino): they share its limit. */
struct mg_share {
	struct mg_share *next;
	uint64_t dev, ino;
	unsigned n;
	double live_bytes, rss_bytes, usage_bytes;  /* of this tick */
};

struct mg_pending {
	uint64_t seq, sent_ns, record_seq;
	struct mg_want want;
	double expected_bytes;
	uint64_t done_ns;                           /* answered; its cost is watched until the window ends. 0: not yet */
	double minflt, majflt;                      /* since it was sent */
	uint8_t rule;
	bool used, dry;
};

struct mg_target_stats {
	uint64_t ticks, decisions, sets, actions, naks, lost, restores, vetoes, renewals, samples, bad_samples;
	double returned_bytes;                      /* by actions we asked for */
	double shim_purges, shim_purged_bytes;      /* by the soft limit and the pace, as the shim reports */
	uint64_t longest_pause_ns;
};

struct mg_target {
	struct mg_target *next;
	char id[MG_ID_MAX];                         /* the shim's, for the process's whole life */
	char name[MG_NAME_MAX];                     /* of the matching target in the policy, "" when none matches */
	char exe[256], cmdline[256], runtime[32], allocator[48], libc[32], scope[16];
	struct { char key[64], value[128]; } label[MG_MAX_LABELS]; uint8_t n_labels;
	uid_t uid; gid_t gid; pid_t pid;            /* pid 0: unknown */
	int pidfd;                                  /* -1: none; tells how the process ended */
	uint64_t page_size;
	struct mg_peer *peer;                       /* NULL in the simulation */
	const struct mg_act_ops *act;               /* by mode: shim or null */
	enum mg_mode mode;                          /* what it runs in now */
	bool paused, quarantined, sealed, cow, seen_report;
	uint32_t contended, restore_pending;        /* bit per knob */

	struct mg_cgroup cgroup;
	struct mg_proc proc;
	struct mg_sample sig[MG_SIG__BUILTIN];
	struct mg_knob_view knob[MG_KNOB__COUNT];
	bool action[MG_ACTION__COUNT];
	struct mg_share *share;                     /* NULL: its cgroup is not known */
	double share_ratio, others_bytes;
	uint64_t wants;                             /* bit per signal that some rule's expression or policy reads */
	uint64_t quiet_since_ns;
	double quiet_rss, oom_kills;
	uint64_t oom_kill_ns;                       /* when the count last rose */

	const struct mg_target_spec *spec;          /* NULL: watched, not governed */
	struct mg_target_rule *rules;               /* [spec->n_rules] */
	struct mg_guard_state guard;
	struct mg_pending pending[MG_MAX_PENDING];
	uint64_t seen_ns, report_ns, renewed_ns, tick_ns, acted_ns; /* acted_ns: the newest enforced command */
	bool leased;                                /* something was decided and not restored, in dry run too */
	bool enforced;                              /* the target really has settings of ours, or of an earlier governor */
	struct mg_target_stats stats;
};

struct mg_engine_stats {
	uint64_t ticks, late_ticks, decisions, targets_seen, reloads, reload_failures, quarantines, crashes;
	uint64_t tick_lateness_ns, tick_lateness_max_ns, tick_cost_ns, started_ns, last_tick_ns;
	uint64_t config_ns;                         /* when the policy in force was loaded */
};

struct mg_engine {
	struct mg_config *config;                   /* owned */
	bool enforce_flag, dry_run_flag;            /* --enforce, --dry-run */
	bool paused, off_file;
	struct mg_target *targets;                  /* list, newest first; owned */
	unsigned n_targets;
	struct mg_share *shares;                    /* owned */
	struct mg_sample source[MG_MAX_SOURCE_SIGNALS];
	struct mg_audit *audit;                     /* borrowed; NULL: none */
	uint64_t seq;
	uint64_t wall_offset_ns;                    /* wall time = boottime + this */
	struct mg_engine_stats stats;
	char last_reload_error[MG_ERR_MAX];
};

/* Takes config. */
void mg_engine_init(struct mg_engine *e, struct mg_config *config, uint64_t now_ns);
void mg_engine_done(struct mg_engine *e);
/* Replaces the configuration (takes it): targets are matched anew; settings no longer wanted are restored. */
int mg_engine_reload(struct mg_engine *e, struct mg_config *config, uint64_t now_ns) MG_CHECK_RESULT;
/* The mode a rule of a target runs in now: the least of file (or flag), target, rule, pause and quarantine. */
enum mg_mode mg_engine_mode(const struct mg_engine *e, const struct mg_target *t, const struct mg_rule *r);
const char *mg_mode_name(enum mg_mode m);

/* A target says HELLO. Returns owned by the engine, NULL out of memory. Fields the caller knows (peer, uid, fds) are set
 * by it afterwards; then mg_engine_match. */
struct mg_target *mg_engine_hello(struct mg_engine *e, const struct mg_wire_msg *m, uint64_t now_ns);
int mg_engine_match(struct mg_engine *e, struct mg_target *t) MG_CHECK_RESULT;
void mg_engine_gone(struct mg_engine *e, struct mg_target *t);
/* REPORT, ACK, NAK of a target. */
void mg_engine_message(struct mg_engine *e, struct mg_target *t, const struct mg_wire_msg *m, uint64_t now_ns);
/* A new sample of a target's or a source's signal. */
void mg_engine_sample(struct mg_engine *e, struct mg_target *t, enum mg_signal signal, double value, uint64_t at_ns);
void mg_engine_source_sample(struct mg_engine *e, uint16_t id, double value, uint64_t at_ns);
/* One tick of all targets: lateness is how much later than planned it comes. */
void mg_engine_tick(struct mg_engine *e, uint64_t now_ns, uint64_t lateness_ns);
/* pause: every baseline is restored within the tick and nothing is sent until resume. t NULL: all. */
void mg_engine_pause(struct mg_engine *e, struct mg_target *t, bool paused, uint64_t now_ns);
/* Restores every target, for SIGTERM. */
void mg_engine_restore_all(struct mg_engine *e, uint64_t now_ns);
/* Puts the target into the share of its cgroup, by t->cgroup's dev and ino. After its descriptors are known. */
int mg_engine_share(struct mg_engine *e, struct mg_target *t) MG_CHECK_RESULT;
struct mg_target *mg_engine_find(struct mg_engine *e, const char *name_or_id);

#endif
