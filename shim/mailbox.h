/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_MAILBOX_H
#define MG_SHIM_MAILBOX_H

/* One request at a time from the link thread, which never enters an allocator or a runtime, to the runtime thread, which
 * does nothing else. No lock: the state word says who owns the rest. */

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "shim/alloc/adapter.h"

enum mg_ask { MG_ASK_DETECT, MG_ASK_STATS, MG_ASK_PURGE, MG_ASK_DECAY };

struct mg_request {
	enum mg_ask ask;
	bool want_live;                 /* STATS */
	struct mg_purge_request purge;  /* PURGE; cancel is filled by the mailbox */
	uint64_t expect, value;         /* DECAY, ms: change expect to value; anything else found is the application's */
};

struct mg_reply {
	enum mg_ask ask;
	int r;                          /* negative errno; DECAY: -EEXIST when another value was found */
	const struct mg_allocator_ops *ops; /* DETECT */
	struct mg_alloc_stats stats;    /* STATS */
	struct mg_purge_result purge;   /* PURGE */
	uint64_t cpu_ns;                /* PURGE: CPU of the runtime thread */
	bool decay_known;               /* DETECT and DECAY: found is the value read */
	uint64_t found;
};

enum mg_box_state { MG_BOX_IDLE, MG_BOX_POSTED, MG_BOX_RUNNING, MG_BOX_DONE };

struct mg_mailbox {
	_Atomic uint32_t state;  /* enum mg_box_state */
	_Atomic uint32_t bell;   /* the runtime thread sleeps on it; every reason to look rings it */
	_Atomic bool cancel;
	struct mg_request request;
	struct mg_reply reply;
};

void mg_mailbox_reset(struct mg_mailbox *m);
void mg_mailbox_ring(struct mg_mailbox *m);
/* Link thread. False: a request is under way. */
bool mg_mailbox_post(struct mg_mailbox *m, const struct mg_request *q);
/* Link thread. True once for each request that ended. */
bool mg_mailbox_collect(struct mg_mailbox *m, struct mg_reply *ret);
bool mg_mailbox_busy(const struct mg_mailbox *m);
/* Any thread: the running request shall stop at its next slice. */
void mg_mailbox_cancel(struct mg_mailbox *m);
/* Runtime thread: the request to do now, NULL when there is none; ends with mg_mailbox_done. */
const struct mg_request *mg_mailbox_take(struct mg_mailbox *m);
void mg_mailbox_done(struct mg_mailbox *m, const struct mg_reply *r);

#endif
