/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_RULE_H
#define MG_RULE_H

#include "governor/decide/decision.h"
#include "governor/decide/expr.h"
#include "governor/observe/view.h"
#include "policies/policy.h"

#define MG_NAME_MAX 64

enum mg_mode { MG_MODE_OFF, MG_MODE_DRY_RUN, MG_MODE_ENFORCE };

/* A rule as loaded: immutable, shared by all targets it matches. Owned by the configuration. */
struct mg_rule {
	char name[MG_NAME_MAX];
	char at[128];                 /* "file:line", for explain */
	enum mg_mode mode;            /* its own cap; what holds is the least of the file's, the target's and this */
	const struct mg_policy_ops *policy;
	_Alignas(16) unsigned char conf[MG_POLICY_CONF_MAX];
	struct mg_expr *expr[MG_MAX_RULE_EXPR];  /* by slot, NULL: not given */
	struct mg_knob_map step;      /* `step:` largest change at once, absolute, in the knob's unit */
	bool irreversible;            /* `irreversible: true`: knobs with restore none may be set */
};

/* What one target keeps for one rule. */
struct mg_rule_state {
	struct mg_expr_state *expr[MG_MAX_RULE_EXPR];
	_Alignas(16) unsigned char policy[MG_POLICY_STATE_MAX];
};

int mg_rule_state_init(struct mg_rule_state *s, const struct mg_rule *r) MG_CHECK_RESULT; /* -ENOMEM */
void mg_rule_state_done(struct mg_rule_state *s, const struct mg_rule *r);
void mg_rule_feed(const struct mg_rule *r, struct mg_rule_state *s, struct mg_signal_ref ref, uint64_t at_ns, double value);
/* Evaluates the rule's expressions into v->cond / v->expr, asks the policy, fills ret (with `from` of every want). */
void mg_rule_decide(const struct mg_rule *r, struct mg_rule_state *s, struct mg_view *v, const struct mg_expr_env *env,
		    struct mg_decision *ret);

#endif
