/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TESTS_ALLOC_RUNTIME_THREAD_H
#define MG_TESTS_ALLOC_RUNTIME_THREAD_H

/* Calls an adapter as the shim does: from a thread of its own, with a stack of 1 MiB. */

#include <pthread.h>
#include <stdlib.h>

#include "shim/alloc/adapter.h"

#define MG_MIB 1048576ull

struct mg_purge_call {
	const struct mg_allocator_ops *ops;
	struct mg_purge_request q;
	struct mg_purge_result r;
	int ret;
};

static inline void *mg_purge_thread(void *arg)
{
	struct mg_purge_call *c = arg;

	c->ret = c->ops->purge(&c->q, &c->r);
	return NULL;
}

static inline void *mg_detect_thread(void *arg)
{
	struct mg_purge_call *c = arg;

	c->ops = mg_allocator_detect();
	return NULL;
}

static inline void mg_on_runtime_thread(void *(*f)(void *), struct mg_purge_call *c)
{
	pthread_attr_t attr;
	pthread_t t;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, MG_MIB);
	if (pthread_create(&t, &attr, f, c))
		abort();
	pthread_join(t, NULL);
	pthread_attr_destroy(&attr);
}

static inline const struct mg_allocator_ops *mg_detect(void)
{
	struct mg_purge_call c = { 0 };

	mg_on_runtime_thread(mg_detect_thread, &c);
	return c.ops;
}

/* A purge without cancel or CPU budget. */
static inline struct mg_purge_call mg_purge(const struct mg_allocator_ops *ops, uint64_t bytes, uint64_t max_pause_ns)
{
	struct mg_purge_call c = { .ops = ops, .q = { .bytes = bytes, .max_pause_ns = max_pause_ns } };

	mg_on_runtime_thread(mg_purge_thread, &c);
	return c;
}

#endif
