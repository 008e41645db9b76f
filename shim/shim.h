/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_SHIM_H
#define MG_SHIM_SHIM_H

/* What the constructor, the two threads, the fork handlers and the interposed functions share. Everything that more than one
 * of them writes is atomic; there is no lock. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/env.h"
#include "shim/mailbox.h"

#define MG_MAX_EXE 256
/* Sent to the link thread alone, which has it blocked and sees it through a signalfd: no handler of the program runs. */
#define MG_POKE_SIGNAL 64

/* A thread's life. Asking and leaving are compare-and-swap, so that a question can be withdrawn. */
enum mg_thread_ctl { MG_THREAD_GONE, MG_THREAD_RUN, MG_THREAD_ASKED, MG_THREAD_LEAVING };
struct mg_thread {
	_Atomic uint32_t ctl; /* enum mg_thread_ctl */
	_Atomic int tid;      /* 0: not started yet */
};

struct mg_shim {
	/* Written by the constructor, then constant. */
	struct mg_env env;
	char exe[MG_MAX_EXE];
	uint64_t page_size, ticks_per_s;
	uint64_t filters;            /* seccomp filters at load */
	/* Whose threads these are: a child made without fork handlers (vfork, clone) has another pid. */
	_Atomic long pid;
	struct mg_thread runtime, link;
	_Atomic uint32_t ready;      /* the link thread has its private table and its descriptors */
	_Atomic uint32_t pokes;      /* signals sent to the link thread to make it look up */
	_Atomic bool sealed;         /* a seccomp filter was added: no thread is started or stopped any more */
	struct mg_mailbox box;
	_Atomic bool main_gone;      /* the main thread ended by pthread_exit */
	_Atomic uint32_t forks;      /* fork() calls of this process */
	_Atomic bool welcomed;       /* a governor has answered this process */
	_Atomic bool workers;        /* its policy wants forked children to dial too */
	_Atomic bool silent;         /* a child that its parent's policy does not want governed: it dials nobody */
	_Atomic bool leads;          /* this process called setsid(): a daemon on its way */
	_Atomic bool starter;        /* the fork handler that starts threads in children is registered */
	_Atomic bool active;         /* a lease is held */
	/* DECAY is the one knob that lives in the allocator and so outlives a fork: what to put back, and whether to. */
	_Atomic bool decay_leased;
	_Atomic uint64_t decay_baseline;
	uint64_t id;                 /* random, of id_pid */
	long id_pid;
};
extern struct mg_shim mg_shim;

/* interpose.c: finds the next definitions; at load, so that no later call has to ask the loader. */
void mg_interpose_resolve(void);

/* threads.c */
void mg_threads_start(void);
/* Asks both threads to leave and waits until the kernel has released them, at most wait_ns; false: they stay. */
bool mg_threads_stop(uint64_t wait_ns);
/* Makes the link thread, just asked to leave, look up from its poll(). */
void mg_threads_poke(void);
/* True when the thread was running and is asked to leave now. */
bool mg_thread_ask(struct mg_thread *t);
/* By the thread itself: it is asked to leave, and now committed to. */
bool mg_thread_leaves(struct mg_thread *t);
void mg_thread_wait(const struct mg_thread *t, uint64_t wait_ns);
void mg_threads_register_fork(void);
/* The second fork handler, which starts threads in the child: registered late, so that it runs after every allocator's. */
void mg_threads_register_starter(void);
void *mg_runtime_main(void *arg);
void *mg_link_main(void *arg);

#endif
