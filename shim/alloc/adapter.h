/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_ADAPTER_H
#define MG_SHIM_ADAPTER_H

/* What memgov can do with the allocator it finds in the process. One table per allocator, in shim/alloc/<name>.c. All
 * functions run on the runtime thread, one at a time; they may malloc; they hold no memgov lock; every symbol of the
 * allocator is looked up weakly. Sizes are bytes, times ns. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "protocol/knobs.h"

#define MG_STAT_UNKNOWN UINT64_MAX

struct mg_alloc_stats {
	uint64_t live;          /* held by the program, as the allocator counts */
	uint64_t free_resident; /* freed and still resident */
	uint64_t returnable;    /* what a purge is expected to return; on glibc learned from past returns */
	uint64_t took_ns;
};

struct mg_purge_request {
	uint64_t bytes;         /* stop after about this many; UINT64_MAX: all */
	uint64_t max_pause_ns;  /* longest time an application thread may wait because of us; 0: no bound asked */
	uint64_t cpu_budget_ns; /* stop after this much CPU */
	const _Atomic bool *cancel; /* set by the link thread (exit, restore, deadline): stop at the next slice */
};

struct mg_purge_result {
	uint64_t returned;      /* bytes by which resident memory fell */
	uint64_t took_ns;
	uint64_t longest_ns;    /* longest slice during which the allocator's locks were (or may have been) held */
	bool more;              /* stopped by a bound: another purge would return more */
};

struct mg_allocator_ops {
	const char *name;                    /* glibc, jemalloc, tcmalloc, mimalloc, musl, unknown */
	/* True when this allocator owns the process's malloc (ask who owns a block, not which symbols exist). */
	bool (*probe)(void);
	const char *(*version)(void);        /* static storage; "" when unknown */
	bool live_is_cheap;                  /* stats(want_live) takes no lock the program waits for */
	/* Unknown fields are MG_STAT_UNKNOWN. want_live: the costly ones too. */
	void (*stats)(struct mg_alloc_stats *ret, bool want_live);
	/* 0; -EAGAIN the pause bound cannot be kept now; -ENOTSUP. */
	int (*purge)(const struct mg_purge_request *q, struct mg_purge_result *ret);
	/* DECAY, in ms. restore says what the lease can promise. NULL: the knob is refused with a NAK. */
	enum mg_restore decay_restore;
	int (*get_decay)(uint64_t *ret_ms);
	int (*set_decay)(uint64_t ms);
};

extern const struct mg_allocator_ops *const mg_allocators[]; /* ended by NULL; `unknown` is last and always probes true */
/* Runs the probes, once, on the runtime thread. Never NULL. */
const struct mg_allocator_ops *mg_allocator_detect(void);

/* GOGC-style pace and GOMEMLIMIT-style soft limit, executed in process: pure, time is a parameter (shim/pace.c). */
struct mg_pace_conf {
	uint64_t gc_percent;    /* MG_STAT_UNKNOWN: off */
	uint64_t memory_limit;  /* MG_STAT_UNKNOWN: off */
};
struct mg_pace_look {
	uint64_t now_ns;
	uint64_t resident;      /* or the cgroup's charge where the limit is a share of it */
	uint64_t live;          /* MG_STAT_UNKNOWN when not known */
	uint64_t free_resident; /* MG_STAT_UNKNOWN when not known */
	uint64_t returnable;
};
struct mg_pace {
	uint64_t last_ns, last_resident;
	uint64_t steepest;      /* bytes a second, decays */
	uint64_t purged_at_ns, floor_resident; /* what the last purge left: no second purge before it grew noticeably */
	uint32_t fruitless;     /* purges in a row that returned next to nothing: back off */
};
/* Returns how many bytes to purge now (0: none) and sets *next_ns, the delay to the next look: distance to the limit /
 * steepest slope seen, between 20 ms and 5 s. */
uint64_t mg_pace_step(struct mg_pace *p, const struct mg_pace_conf *c, const struct mg_pace_look *l, uint64_t *next_ns);
/* Tells the pace what its purge gave. */
void mg_pace_purged(struct mg_pace *p, uint64_t now_ns, uint64_t resident_after, uint64_t returned);

#endif
