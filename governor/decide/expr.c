/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled rule expressions and what a target keeps for them. Reads samples and windows, gives three-valued conditions and
 * values with their age; called by rule.c at every tick and by the loader once. Only compiling and making a state allocate. */
#include "governor/decide/expr.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "governor/decide/expr_tree.h"
#include "governor/util/str.h"

struct mg_expr_state {
	struct mg_window *window[MG_EXPR_MAX_WINDOWS];
	bool holding;      /* the inner condition was yes at the last evaluation */
	uint64_t since_ns; /* holding: since when */
};

int mg_expr_compile(const char *text, enum mg_unit want, const struct mg_names *names, struct mg_expr **ret, size_t *err_at,
		    struct mg_err *err)
{
	size_t at = 0;
	struct mg_expr *e = calloc(1, sizeof *e);
	int r = e ? 0 : mg_fail(err, -ENOMEM, "out of memory for an expression");

	if (r == 0 && !mg_copy(e->text, sizeof e->text, text)) {
		at = sizeof e->text - 1;
		r = mg_fail(err, -EINVAL, "the expression is longer than %d bytes", MG_EXPR_MAX_TEXT - 1);
	}
	if (r == 0)
		r = mg_expr_parse(e, want, names, &at, err);
	if (r < 0) {
		if (err_at)
			*err_at = at;
		mg_expr_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

struct mg_expr *mg_expr_free(struct mg_expr *e)
{
	free(e);
	return NULL;
}

const char *mg_expr_text(const struct mg_expr *e)
{
	return e->text;
}

static bool names_signal(const struct mg_expr_node *n)
{
	return n->op == MG_OP_SIGNAL || n->op == MG_OP_WINDOW;
}

static bool named_before(const struct mg_expr *e, uint8_t i)
{
	for (uint8_t j = 0; j < i; j++)
		if (names_signal(&e->node[j]) && mg_same_ref(e->node[j].ref, e->node[i].ref))
			return true;
	return false;
}

void mg_expr_signals(const struct mg_expr *e, void (*f)(void *ctx, struct mg_signal_ref ref), void *ctx)
{
	for (uint8_t i = 0; i < e->n; i++)
		if (names_signal(&e->node[i]) && !named_before(e, i))
			f(ctx, e->node[i].ref);
}

/* What a part of an expression follows: nothing (a constant), the one signal downwards, or something else. */
enum follows { CONSTANT, SIGNAL, OTHER };

static enum follows follows_of(const struct mg_expr_node *n, const enum follows *f)
{
	switch (n->op) {
	case MG_OP_NUMBER:
		return CONSTANT;
	case MG_OP_SIGNAL:
		return SIGNAL;
	case MG_OP_ADD: case MG_OP_SUB: case MG_OP_MUL: case MG_OP_MIN:
		return f[n->a] == OTHER || f[n->b] == OTHER ? OTHER : f[n->a] == CONSTANT && f[n->b] == CONSTANT ? CONSTANT : SIGNAL;
	case MG_OP_DIV:
		return f[n->b] == CONSTANT ? f[n->a] : OTHER;
	case MG_OP_NEG: case MG_OP_ABS:
		return f[n->a];
	case MG_OP_WINDOW: case MG_OP_NOT: case MG_OP_MAX: case MG_OP_LT: case MG_OP_LE: case MG_OP_GT: case MG_OP_GE: case MG_OP_EQ:
	case MG_OP_NE: case MG_OP_AND: case MG_OP_OR: case MG_OP_FIRST:
		break;
	}
	return OTHER;
}

bool mg_expr_is_plain_signal(const struct mg_expr *e, struct mg_signal_ref *ret)
{
	enum follows f[MG_EXPR_MAX_OPS];
	const struct mg_expr_node *signal = NULL;

	for (uint8_t i = 0; i < e->n; i++) {
		f[i] = follows_of(&e->node[i], f);
		if (!names_signal(&e->node[i]))
			continue;
		if (signal && !mg_same_ref(signal->ref, e->node[i].ref))
			return false;
		signal = &e->node[i];
	}
	if (f[e->n - 1] != SIGNAL)
		return false;
	*ret = signal->ref;
	return true;
}

struct mg_expr_state *mg_expr_state_new(const struct mg_expr *e)
{
	struct mg_expr_state *s = calloc(1, sizeof *s);

	for (uint8_t i = 0; s && i < e->n_windows; i++) {
		s->window[i] = mg_window_new(e->window[i].span_ns, e->window[i].kind);
		if (!s->window[i])
			s = mg_expr_state_free(s);
	}
	return s;
}

struct mg_expr_state *mg_expr_state_free(struct mg_expr_state *s)
{
	for (unsigned i = 0; s && i < MG_EXPR_MAX_WINDOWS; i++)
		mg_window_free(s->window[i]);
	free(s);
	return NULL;
}

void mg_expr_feed(const struct mg_expr *e, struct mg_expr_state *s, struct mg_signal_ref ref, uint64_t at_ns, double value)
{
	for (uint8_t i = 0; i < e->n_windows; i++)
		if (mg_same_ref(e->window[i].ref, ref))
			mg_window_push(s->window[i], at_ns, value);
}

static const struct mg_sample *find_sample(const struct mg_expr_env *env, struct mg_signal_ref ref)
{
	if (ref.scope == MG_SCOPE_TARGET)
		return env->target && ref.id < MG_SIG__BUILTIN ? &env->target[ref.id] : NULL;
	return env->source && ref.id < env->n_source ? &env->source[ref.id] : NULL;
}

static struct mg_value eval_leaf(const struct mg_expr_node *n, const struct mg_expr_state *s, const struct mg_expr_env *env)
{
	if (n->op == MG_OP_NUMBER)
		return mg_known_value(n->number);
	const struct mg_sample *sample = find_sample(env, n->ref);
	if (!sample)
		return mg_unknown_value();
	if (n->op == MG_OP_SIGNAL)
		return mg_sample_read(sample, env->now_ns);
	return mg_window_read(s->window[n->window], n->fn, env->now_ns, sample->max_age_ns);
}

/* A value made of a and b: as old as the older. A result that is no number (0/0, x/0, overflow) is unknown. */
static struct mg_value made_of(double v, struct mg_value a, struct mg_value b)
{
	struct mg_value r = { .known = a.known && b.known && isfinite(v), .age_ns = a.age_ns > b.age_ns ? a.age_ns : b.age_ns };

	r.v = r.known ? v : 0;
	return r;
}

/* Kleene's and: a no decides whatever the other is. or is the same with the sides negated. */
static struct mg_value kleene(struct mg_value a, struct mg_value b, bool decisive)
{
	if (a.known && (a.v != 0) == decisive)
		return a;
	if (b.known && (b.v != 0) == decisive)
		return b;
	return made_of(!decisive, a, b);
}

static struct mg_value eval_node(const struct mg_expr_node *n, struct mg_value a, struct mg_value b)
{
	switch (n->op) {
	case MG_OP_NEG: return made_of(-a.v, a, a);
	case MG_OP_ABS: return made_of(fabs(a.v), a, a);
	case MG_OP_NOT: return made_of(a.v == 0, a, a);
	case MG_OP_ADD: return made_of(a.v + b.v, a, b);
	case MG_OP_SUB: return made_of(a.v - b.v, a, b);
	case MG_OP_MUL: return made_of(a.v * b.v, a, b);
	case MG_OP_DIV: return made_of(b.v != 0 ? a.v / b.v : NAN, a, b);
	case MG_OP_MIN: return made_of(fmin(a.v, b.v), a, b);
	case MG_OP_MAX: return made_of(fmax(a.v, b.v), a, b);
	case MG_OP_LT: return made_of(a.v < b.v, a, b);
	case MG_OP_LE: return made_of(a.v <= b.v, a, b);
	case MG_OP_GT: return made_of(a.v > b.v, a, b);
	case MG_OP_GE: return made_of(a.v >= b.v, a, b);
	case MG_OP_EQ: return made_of(a.v == b.v, a, b);
	case MG_OP_NE: return made_of(a.v != b.v, a, b);
	case MG_OP_AND: return kleene(a, b, false);
	case MG_OP_OR: return kleene(a, b, true);
	case MG_OP_FIRST: return a.known ? a : b;
	case MG_OP_NUMBER: case MG_OP_SIGNAL: case MG_OP_WINDOW: break; /* leaves: eval_leaf */
	}
	return mg_unknown_value();
}

static struct mg_value eval(const struct mg_expr *e, const struct mg_expr_state *s, const struct mg_expr_env *env)
{
	struct mg_value val[MG_EXPR_MAX_OPS];

	for (uint8_t i = 0; i < e->n; i++) {
		const struct mg_expr_node *n = &e->node[i];
		bool leaf = n->op == MG_OP_NUMBER || names_signal(n);
		val[i] = leaf ? eval_leaf(n, s, env) : eval_node(n, val[n->a], val[n->b]);
	}
	return val[e->n - 1];
}

struct mg_value mg_expr_value(const struct mg_expr *e, struct mg_expr_state *s, const struct mg_expr_env *env)
{
	struct mg_value v = eval(e, s, env);

	return made_of(v.v, v, v);
}

enum mg_tri mg_expr_cond(const struct mg_expr *e, struct mg_expr_state *s, const struct mg_expr_env *env)
{
	struct mg_value v = eval(e, s, env);
	enum mg_tri now = !v.known ? MG_UNKNOWN : v.v != 0 ? MG_YES : MG_NO;

	if (!e->has_for)
		return now;
	if (now != MG_YES) {
		s->holding = false;
		return now;
	}
	if (!s->holding) {
		s->holding = true;
		s->since_ns = env->now_ns;
	}
	return env->now_ns - s->since_ns >= e->for_ns ? MG_YES : MG_NO;
}
