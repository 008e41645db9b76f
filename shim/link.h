/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_LINK_H
#define MG_SHIM_LINK_H

/* The link thread's state. It alone touches it: no atomics here. */

#include <stdbool.h>
#include <stdint.h>

#include "protocol/wire.h"
#include "shim/alloc/adapter.h"
#include "shim/cgroup.h"
#include "shim/lease.h"
#include "shim/mailbox.h"
#include "shim/proc.h"

#define MG_NEVER              UINT64_MAX
#define MG_LINK_LAZY_NS       1000000000ull   /* and as much again at random, before the first dial */
#define MG_LINK_QUIET_NS      5000000000ull   /* a quiet process wakes at least this far apart, reports aside */
#define MG_LINK_BACKOFF_MIN_NS 100000000ull
#define MG_LINK_BACKOFF_MAX_NS 30000000000ull
#define MG_LINK_HELLO_NS      2000000000ull   /* a governor takes HELLO within this; tried every */
#define MG_LINK_HELLO_AGAIN_NS  20000000ull
#define MG_LINK_WELCOME_NS    5000000000ull   /* and answers it within this */
#define MG_LINK_REPORT_MIN_MS 100u
#define MG_LINK_REPORT_MAX_MS 60000u
#define MG_LINK_MAX_BATCH     32u             /* datagrams read before the rest of a tick gets its turn */
#define MG_LINK_MAX_PER_S     200u            /* more than this many a second is a flood */
#define MG_MAX_PAUSE_NS       1000000000ull
#define MG_LIVE_EVERY_NS      60000000000ull
#define MG_LIVE_COSTLY_NS     5000000ull      /* a sample dearer than this makes the next one twice as rare */
#define MG_LIVE_MAX_AGE_NS    180000000000ull

/* HELLO: connected, HELLO not taken yet; WELCOME: waiting for the answer. */
enum mg_conn { MG_CONN_NONE, MG_CONN_HELLO, MG_CONN_WELCOME, MG_CONN_UP };

enum mg_job_kind {
	MG_JOB_NONE, MG_JOB_DETECT, MG_JOB_STATS, MG_JOB_PURGE /* for the governor */, MG_JOB_PACE, MG_JOB_SET_DECAY, MG_JOB_RESTORE_DECAY,
};

struct mg_job {
	enum mg_job_kind kind;
	uint64_t seq, deadline_ns;   /* to answer; deadline MG_NEVER: none */
	bool answered;               /* a NAK went out already */
	uint64_t bytes, max_pause_ns; /* PURGE, PACE */
	struct mg_set set;           /* SET_DECAY: the whole message, applied when the allocator agreed */
};

struct mg_link {
	uint64_t now_ns;             /* CLOCK_BOOTTIME of this tick */
	uint64_t rng;
	int sock, wake;              /* wake: the signalfd of MG_POKE_SIGNAL; -1 none */
	uint32_t pokes;              /* of them taken */
	struct mg_proc proc;
	struct mg_cgroup_kept cgroup;
	struct mg_cow cow;
	bool sealed;
	uint64_t sealed_look_ns;

	enum mg_conn conn;
	uint64_t dial_ns, backoff_ns, answer_by_ns, hello_ns, report_ns, report_every_ns;
	uint64_t report_seq, flood_s;
	unsigned flood_n;
	bool want_live;              /* the policy reads live bytes */
	struct mg_governors governors;
	struct mg_lease lease;

	const struct mg_allocator_ops *ops; /* NULL until the runtime thread has looked */
	bool can_purge;
	uint64_t job_active_ns;      /* when the running job was started, or last asked for a sample */
	struct mg_job job, next;     /* running on the runtime thread; waiting for it */
	struct mg_budget budget;
	struct mg_pace pace;
	uint64_t pace_ns;            /* next look */
	uint64_t limit, charge;      /* of the cgroup, as last read */
	uint64_t live, live_at_ns, live_next_ns, live_every_ns;
	uint64_t free_resident, returnable, stats_ns;
	uint64_t purges, purged_bytes, longest_ns;

	struct mg_wire_msg msg;
	char in[MG_WIRE_MAX + 1], out[MG_WIRE_MAX];
};

/* link.c */
uint64_t mg_link_random(struct mg_link *l, uint64_t below);
/* True when the process was sealed; the first time it puts everything back and says so. Before any unusual system call. */
bool mg_link_sealed(struct mg_link *l);
void mg_link_close(struct mg_link *l, const char *why);
bool mg_link_purging(const struct mg_link *l);

/* dial.c: tries to reach the governor; sends HELLO. Sets the time of the next try when it fails. */
void mg_dial(struct mg_link *l);
void mg_dial_later(struct mg_link *l);
/* Sends HELLO, again when the governor had not accepted the connection yet. */
void mg_dial_hello(struct mg_link *l);

/* client.c */
long mg_client_hello(struct mg_link *l, const char *tags, const char *scope); /* the datagram's length in l->out */
void mg_client_report(struct mg_link *l);
void mg_client_bye(struct mg_link *l, const char *why);
/* Reads what is there; closes the connection on a violation. */
void mg_client_read(struct mg_link *l);
void mg_client_nak(struct mg_link *l, uint64_t seq, enum mg_nak nak, const char *why, int knob);
void mg_client_ack_set(struct mg_link *l, const struct mg_set *s);
void mg_client_ack_purge(struct mg_link *l, uint64_t seq, const struct mg_purge_result *r);

/* job.c */
/* Queues a job; false when an action is running or waiting already. */
bool mg_job_add(struct mg_link *l, const struct mg_job *j);
/* Collects what ended, answers what is overdue, starts what waits. */
void mg_job_tick(struct mg_link *l);
bool mg_job_idle(const struct mg_link *l);
void mg_job_stats(struct mg_link *l);
uint64_t mg_link_live(const struct mg_link *l); /* MG_STAT_UNKNOWN when too old */

/* pacer.c: the soft limit and the pace, in process. */
void mg_pacer_tick(struct mg_link *l);
void mg_pacer_look(struct mg_link *l);
void mg_pacer_purged(struct mg_link *l, const struct mg_purge_result *r);
void mg_pacer_refused(struct mg_link *l);

#endif
