/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_REGISTRY_H
#define MG_REGISTRY_H

#include "policies/policy.h"

extern const struct mg_policy_ops mg_policy_hold;
extern const struct mg_policy_ops mg_policy_threshold;
extern const struct mg_policy_ops mg_policy_memory_limit;
extern const struct mg_policy_ops mg_policy_headroom;
extern const struct mg_policy_ops mg_policy_idle_return;

#endif
