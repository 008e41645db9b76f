// SPDX-License-Identifier: Apache-2.0
/* Carries one request from the link thread to the runtime thread and its reply back. The link thread never waits for the
 * runtime thread: it posts, goes on serving the protocol and collects when it next looks. Called by job.c and runtime.c. */

#include "shim/mailbox.h"

#include <stddef.h>

#include "shim/sys.h"

void mg_mailbox_reset(struct mg_mailbox *m)
{
	atomic_store(&m->state, MG_BOX_IDLE);
	atomic_store(&m->cancel, false);
}

void mg_mailbox_ring(struct mg_mailbox *m)
{
	atomic_fetch_add(&m->bell, 1);
	(void)mg_sys_futex_wake(&m->bell);
}

bool mg_mailbox_post(struct mg_mailbox *m, const struct mg_request *q)
{
	if (atomic_load_explicit(&m->state, memory_order_acquire) != MG_BOX_IDLE)
		return false;
	m->request = *q;
	m->request.purge.cancel = &m->cancel;
	atomic_store(&m->cancel, false);
	atomic_store_explicit(&m->state, MG_BOX_POSTED, memory_order_release);
	mg_mailbox_ring(m);
	return true;
}

bool mg_mailbox_collect(struct mg_mailbox *m, struct mg_reply *ret)
{
	if (atomic_load_explicit(&m->state, memory_order_acquire) != MG_BOX_DONE)
		return false;
	*ret = m->reply;
	atomic_store_explicit(&m->state, MG_BOX_IDLE, memory_order_release);
	return true;
}

bool mg_mailbox_busy(const struct mg_mailbox *m)
{
	return atomic_load_explicit(&m->state, memory_order_acquire) != MG_BOX_IDLE;
}

void mg_mailbox_cancel(struct mg_mailbox *m)
{
	atomic_store(&m->cancel, true);
}

const struct mg_request *mg_mailbox_take(struct mg_mailbox *m)
{
	uint32_t posted = MG_BOX_POSTED;

	return atomic_compare_exchange_strong(&m->state, &posted, MG_BOX_RUNNING) ? &m->request : NULL;
}

void mg_mailbox_done(struct mg_mailbox *m, const struct mg_reply *r)
{
	m->reply = *r;
	atomic_store_explicit(&m->state, MG_BOX_DONE, memory_order_release);
}
