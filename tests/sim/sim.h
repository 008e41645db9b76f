/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TESTS_SIM_H
#define MG_TESTS_SIM_H

#include "governor/loop/engine.h"

/* A governor on a fake clock with processes that are modelled: each has live bytes and resident bytes, returns what is free
 * when purged, holds its soft limit, and answers over the real codec one tick later. */

#define SIM_MAX_PROCS 4
#define SIM_MAX_QUEUE 32

struct sim_command {
	struct mg_want want;
	uint64_t seq;
	bool restore;
};

struct sim_proc {
	struct mg_target *t;
	char id[MG_ID_MAX];
	/* the model, bytes */
	double live, resident, limit;      /* limit: of its cgroup, INFINITY: none */
	double cpu;                        /* cores */
	double returnable_share;           /* of what is free: 1 unless fragmented */
	uint64_t ino;                      /* of its cgroup */
	/* its settings, NAN: off */
	double knob[MG_KNOB__COUNT];
	uint64_t lease_until_ns;
	/* faults to play */
	bool silent;                       /* sends no reports, answers nothing */
	bool deaf;                         /* loses commands (no answer) */
	bool refuses;                      /* answers NAK */
	bool lies;                         /* reports more live than resident */
	bool sealed;                       /* says that a seccomp filter was added: it has let everything go */
	bool no_samples;                   /* its kernel files cannot be read */
	/* what happened */
	unsigned sets, purges, restores, renewals, naks;
	double returned;
	uint64_t last_set_ns;
	double lowest_limit_set, highest_limit_set;
	struct sim_command queue[SIM_MAX_QUEUE];
	unsigned n_queue;
};

struct sim {
	struct mg_engine engine;
	struct mg_audit *audit;
	struct mg_writer *writer;
	uint64_t now_ns, tick_ns;
	uint64_t lateness_ns;              /* of the next ticks */
	struct sim_proc proc[SIM_MAX_PROCS];
	unsigned n_procs;
	double source[4];                  /* values of the configured source signals, NAN: none */
	bool source_stale;
};

/* yaml: a whole policy file. Fails the test when it does not load. */
void sim_start(struct sim *s, const char *yaml);
void sim_stop(struct sim *s);
struct sim_proc *sim_add(struct sim *s, const char *id, double live, double limit);
/* A new governor on the same processes, as after a crash: nothing is remembered but what the targets say. */
void sim_restart(struct sim *s, const char *yaml);
void sim_reload(struct sim *s, const char *yaml);
/* One tick: the processes act, samples and reports come in, the engine decides, commands go out. */
void sim_tick(struct sim *s);
void sim_run(struct sim *s, unsigned ticks);
/* The process takes or frees memory: live changes, resident never falls by itself. */
void sim_live(struct sim_proc *p, double live);
/* Returns how many of the audit's records (newest first) pass. */
unsigned sim_count(const struct sim *s, bool (*pass)(const struct mg_record *r));

#define MIB (1024.0 * 1024)
#define GIB (1024 * MIB)

#endif
