/* SPDX-License-Identifier: Apache-2.0 */
/* The list of policies, by hand. Read by the loader (`policy: NAME`), `memgov list policies`, the man page and the schema. */
#include "policies/registry.h"

#include "governor/util/str.h"

const struct mg_policy_ops *const mg_policies[] = {
	&mg_policy_hold,
	&mg_policy_threshold,
	&mg_policy_memory_limit,
	&mg_policy_headroom,
	&mg_policy_idle_return,
	NULL,
};

const struct mg_policy_ops *mg_policy_find(const char *name, size_t len)
{
	for (unsigned i = 0; mg_policies[i]; i++)
		if (mg_equal(name, len, mg_policies[i]->name))
			return mg_policies[i];
	return NULL;
}
