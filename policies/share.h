/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHARE_H
#define MG_SHARE_H

#include "governor/observe/view.h"

/* This target's part of `bytes` of its cgroup: what unmanaged processes hold goes off first, the rest is shared. */
static inline double mg_own_part(const struct mg_view *v, double bytes)
{
	double shared = bytes - v->others_bytes;

	return shared > 0 ? shared * v->share_ratio : 0;
}

/* This target's part of the cgroup's limit; unknown where there is no limit. */
static inline struct mg_value mg_own_limit(const struct mg_view *v)
{
	struct mg_value limit = v->sig[MG_SIG_CGROUP_LIMIT];

	if (limit.known)
		limit.v = mg_own_part(v, limit.v);
	return limit;
}

/* Live bytes: the runtime's count, else the allocator's. */
static inline struct mg_value mg_live(const struct mg_view *v)
{
	return mg_known(v->sig[MG_SIG_HEAP_LIVE]) ? v->sig[MG_SIG_HEAP_LIVE] : v->sig[MG_SIG_SHIM_LIVE];
}

#endif
