/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_POLICY_H
#define MG_POLICY_H

#include "governor/decide/decision.h"
#include "governor/observe/view.h"

#define MG_POLICY_STATE_MAX 256 /* bytes of state a policy may keep per target and rule; starts zeroed */
#define MG_POLICY_CONF_MAX  1024

/* A policy: a pure function from what is seen to what is wanted. No I/O, no clock, no allocation, no expressions. */
struct mg_policy_ops {
	const char *name, *help;
	const struct mg_field *fields;     /* ends with a row whose name is NULL */
	size_t conf_size, state_size;
	/* Fills ret (zeroed by the caller). Unknown inputs: mg_hold_unknown. */
	void (*decide)(const void *conf, void *state, const struct mg_view *v, struct mg_decision *ret);
	/* Optional. Called at load with a filled conf: 0, or negative errno with err saying which key and what to do. */
	int (*check)(const void *conf, struct mg_err *err);
	/* Optional. Called when an action of this rule was judged: returned bytes (NAN: not an action), time. */
	void (*outcome)(void *state, uint64_t now_ns, double expected_bytes, double achieved_bytes);
	uint32_t reads_live; /* 1: wants MG_SIG_SHIM_LIVE sampled (costly on glibc) */
};

/* All policies, ended by NULL, in the order the docs list them. */
extern const struct mg_policy_ops *const mg_policies[];
/* Returns borrowed, NULL when no policy has that name. */
const struct mg_policy_ops *mg_policy_find(const char *name, size_t len);

#endif
