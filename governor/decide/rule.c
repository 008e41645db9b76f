/* SPDX-License-Identifier: Apache-2.0 */
/* One rule at one tick: evaluates its expressions into the view, asks its policy, notes the present value beside each want.
 * Reads struct mg_view and samples, gives struct mg_decision to the guards; called by the engine. */
#include "governor/decide/rule.h"

#include <errno.h>
#include <math.h>

int mg_rule_state_init(struct mg_rule_state *s, const struct mg_rule *r)
{
	*s = (struct mg_rule_state){ 0 };
	for (unsigned i = 0; i < MG_MAX_RULE_EXPR; i++) {
		if (!r->expr[i])
			continue;
		s->expr[i] = mg_expr_state_new(r->expr[i]);
		if (!s->expr[i]) {
			mg_rule_state_done(s, r);
			return -ENOMEM;
		}
	}
	return 0;
}

void mg_rule_state_done(struct mg_rule_state *s, const struct mg_rule *r)
{
	(void)r; /* may be gone already: a reload frees the old rules before or after their states */
	for (unsigned i = 0; i < MG_MAX_RULE_EXPR; i++)
		s->expr[i] = mg_expr_state_free(s->expr[i]);
}

void mg_rule_feed(const struct mg_rule *r, struct mg_rule_state *s, struct mg_signal_ref ref, uint64_t at_ns, double value)
{
	for (unsigned i = 0; i < MG_MAX_RULE_EXPR; i++)
		if (r->expr[i])
			mg_expr_feed(r->expr[i], s->expr[i], ref, at_ns, value);
}

static void eval_field(const struct mg_rule *r, struct mg_rule_state *s, struct mg_view *v, const struct mg_expr_env *env,
		       const struct mg_field *f)
{
	size_t slot = f->offset;

	if ((f->type != MG_EXPR_COND && f->type != MG_EXPR_BYTES) || !r->expr[slot])
		return;
	if (f->type == MG_EXPR_COND)
		v->cond[slot] = mg_expr_cond(r->expr[slot], s->expr[slot], env);
	else
		v->expr[slot] = mg_expr_value(r->expr[slot], s->expr[slot], env);
}

/* Every slot is written: nothing of the rule before stays in a view that is used for several rules. */
static void eval_slots(const struct mg_rule *r, struct mg_rule_state *s, struct mg_view *v, const struct mg_expr_env *env)
{
	for (unsigned i = 0; i < MG_MAX_RULE_EXPR; i++) {
		v->cond[i] = MG_UNKNOWN;
		v->expr[i] = mg_unknown_value();
	}
	for (const struct mg_field *f = r->policy->fields; f->name; f++)
		eval_field(r, s, v, env, f);
}

static double or_nan(struct mg_value v)
{
	return mg_known(v) ? v.v : NAN;
}

static void note_present(struct mg_want *w, const struct mg_view *v)
{
	if (w->verb != MG_VERB_SET && w->verb != MG_VERB_RESTORE)
		return;
	w->from = or_nan(v->knob[w->knob].present);
	if (w->verb == MG_VERB_RESTORE)
		w->to = or_nan(v->knob[w->knob].baseline);
}

void mg_rule_decide(const struct mg_rule *r, struct mg_rule_state *s, struct mg_view *v, const struct mg_expr_env *env,
		    struct mg_decision *ret)
{
	eval_slots(r, s, v, env);
	*ret = (struct mg_decision){ 0 };
	r->policy->decide(r->conf, s->policy, v, ret);
	for (unsigned i = 0; i < ret->n; i++)
		note_present(&ret->want[i], v);
}
