/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of a rule expression -> checked nodes, by precedence climbing. Reads expr_lex.c, asks expr_check.c about units and
 * the loader's names about signals; gives the node array of struct mg_expr. Called by mg_expr_compile. */
#include <errno.h>
#include <math.h>

#include "governor/decide/expr_tree.h"
#include "governor/util/str.h"

#define DEFAULT_WINDOW_NS (60 * MG_NS_PER_S)
#define MAX_DURATION_S    (366.0 * 86400)

struct parser {
	struct mg_expr *e;
	const struct mg_names *names;
	struct mg_token token;   /* the next one */
	size_t end;              /* where the last one taken ends */
	unsigned depth;
	size_t *err_at;
	struct mg_err *err;
};

enum { PREC_OR = 1, PREC_AND, PREC_NOT, PREC_COMPARE, PREC_SUM, PREC_PRODUCT };

/* Binary operators by token; precedence 0: not one. */
static const struct { uint8_t prec; enum mg_expr_op op; } binaries[MG_TOKEN__COUNT] = {
	[MG_TOKEN_OR] = { PREC_OR, MG_OP_OR }, [MG_TOKEN_AND] = { PREC_AND, MG_OP_AND },
	[MG_TOKEN_LT] = { PREC_COMPARE, MG_OP_LT }, [MG_TOKEN_LE] = { PREC_COMPARE, MG_OP_LE },
	[MG_TOKEN_GT] = { PREC_COMPARE, MG_OP_GT }, [MG_TOKEN_GE] = { PREC_COMPARE, MG_OP_GE },
	[MG_TOKEN_EQ] = { PREC_COMPARE, MG_OP_EQ }, [MG_TOKEN_NE] = { PREC_COMPARE, MG_OP_NE },
	[MG_TOKEN_PLUS] = { PREC_SUM, MG_OP_ADD }, [MG_TOKEN_MINUS] = { PREC_SUM, MG_OP_SUB },
	[MG_TOKEN_TIMES] = { PREC_PRODUCT, MG_OP_MUL }, [MG_TOKEN_OVER] = { PREC_PRODUCT, MG_OP_DIV },
};

/* A function looks at one signal over time, at values, or at either. */
static const struct function {
	const char *name;
	bool windowed, valued;
	enum mg_window_fn fn;
	enum mg_expr_op op;      /* of values; one argument: ABS, more: folded pair by pair */
} functions[] = {
	{ "min", true, true, MG_WINDOW_MIN, MG_OP_MIN },
	{ "max", true, true, MG_WINDOW_MAX, MG_OP_MAX },
	{ "abs", false, true, 0, MG_OP_ABS },
	{ "avg", true, false, MG_WINDOW_AVG, 0 },
	{ "delta", true, false, MG_WINDOW_DELTA, 0 },
	{ "rate", true, false, MG_WINDOW_RATE, 0 },
	{ "slope", true, false, MG_WINDOW_SLOPE, 0 },
};

static int parse_binary(struct parser *p, unsigned min_prec, uint8_t *ret);

static int fail_at(struct parser *p, size_t at)
{
	*p->err_at = at;
	return -EINVAL;
}

static int advance(struct parser *p)
{
	p->end = p->token.at + p->token.len;
	int r = mg_expr_lex(p->e->text, p->end, &p->token, p->err);
	return r < 0 ? fail_at(p, p->token.at) : 0;
}

static int unexpected(struct parser *p, const char *wanted)
{
	int len = p->token.len > 48 ? 48 : p->token.len;

	if (p->token.kind == MG_TOKEN_END)
		mg_fail(p->err, 0, "the expression ends where %s is expected", wanted);
	else
		mg_fail(p->err, 0, "`%.*s` stands where %s is expected", len, p->e->text + p->token.at, wanted);
	return fail_at(p, p->token.at);
}

static int expect(struct parser *p, enum mg_token_kind kind, const char *wanted)
{
	return p->token.kind == kind ? advance(p) : unexpected(p, wanted);
}

static int add_node(struct parser *p, const struct mg_expr_node *n, uint8_t *ret)
{
	struct mg_expr *e = p->e;

	if (e->n >= MG_EXPR_MAX_OPS) {
		mg_fail(p->err, 0, "the expression has more than %d parts: split it into two rules", MG_EXPR_MAX_OPS);
		return fail_at(p, n->from);
	}
	*ret = e->n;
	e->node[e->n++] = *n;
	return 0;
}

static int add_binary(struct parser *p, enum mg_expr_op op, uint8_t a, uint8_t b, uint8_t *ret)
{
	struct mg_expr_node n = { .a = a, .b = b, .from = p->e->node[a].from, .to = (uint16_t)p->end };
	int r = mg_expr_check_binary(p->e, &op, a, b, &n.unit, p->err_at, p->err);

	if (r < 0)
		return r;
	n.op = op;
	return add_node(p, &n, ret);
}

static int add_unary(struct parser *p, enum mg_expr_op op, size_t from, uint8_t a, uint8_t *ret)
{
	struct mg_expr_node n = { .op = op, .a = a, .from = (uint16_t)from, .to = (uint16_t)p->end };
	int r = mg_expr_check_unary(p->e, op, a, &n.unit, p->err_at, p->err);

	return r < 0 ? r : add_node(p, &n, ret);
}

static int parse_signal(struct parser *p, const struct mg_token *name, uint8_t *ret)
{
	struct mg_expr_node n = { .op = MG_OP_SIGNAL, .from = name->at, .to = (uint16_t)(name->at + name->len) };
	const char *text = p->e->text + name->at;
	int len = name->len > 64 ? 64 : name->len;

	if (p->names->lookup(p->names->ctx, text, name->len, &n.ref, &n.unit, &n.kind) == 0)
		return add_node(p, &n, ret);
	const char *near = p->names->nearest ? p->names->nearest(p->names->ctx, text, name->len) : NULL;
	if (near)
		mg_fail(p->err, 0, "no signal `%.*s`; did you mean `%s`?", len, text, near);
	else
		mg_fail(p->err, 0, "no signal `%.*s`; `memgov list signals` shows the built-in ones", len, text);
	return fail_at(p, name->at);
}

static const struct function *find_function(struct parser *p, const struct mg_token *name)
{
	const char *text = p->e->text + name->at, *near = NULL;
	uint32_t best = 3;

	for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
		const char *f = functions[i].name;
		if (mg_equal(text, name->len, f))
			return &functions[i];
		uint32_t d = mg_distance(text, name->len, f, strlen(f), 2);
		if (d < best) {
			best = d;
			near = f;
		}
	}
	int len = name->len > 64 ? 64 : name->len;
	if (near)
		mg_fail(p->err, 0, "no function `%.*s`; did you mean `%s`?", len, text, near);
	else
		mg_fail(p->err, 0, "no function `%.*s`: there are min max abs rate delta slope avg", len, text);
	return NULL;
}

static int parse_args(struct parser *p, uint8_t arg[static MG_EXPR_MAX_ARGS], unsigned *n)
{
	for (*n = 0; *n < MG_EXPR_MAX_ARGS;) {
		int r = parse_binary(p, PREC_OR, &arg[*n]);
		if (r < 0)
			return r;
		(*n)++;
		if (p->token.kind != MG_TOKEN_COMMA)
			return expect(p, MG_TOKEN_CLOSE, "`,` or `)`");
		if ((r = advance(p)) < 0)
			return r;
	}
	mg_fail(p->err, 0, "more than %d arguments: nest the function", MG_EXPR_MAX_ARGS);
	return fail_at(p, p->token.at);
}

static int span_ns(struct parser *p, size_t at, double seconds, const char *what, uint64_t *ret)
{
	if (seconds > 0 && seconds <= MAX_DURATION_S) {
		*ret = (uint64_t)llround(seconds * 1e9);
		return 0;
	}
	mg_fail(p->err, 0, "%s must be above 0 and at most a year", what);
	return fail_at(p, at);
}

/* Finds or adds the window over ref; two functions over the same span of the same signal share it. */
static int add_window(struct parser *p, const struct mg_expr_node *signal, uint64_t span, uint8_t *ret)
{
	struct mg_expr *e = p->e;

	for (uint8_t i = 0; i < e->n_windows; i++)
		if (mg_same_ref(e->window[i].ref, signal->ref) && e->window[i].span_ns == span)
			return *ret = i, 0;
	if (e->n_windows >= MG_EXPR_MAX_WINDOWS) {
		mg_fail(p->err, 0, "more than %d windows: split the rule", MG_EXPR_MAX_WINDOWS);
		return fail_at(p, signal->from);
	}
	*ret = e->n_windows;
	e->window[e->n_windows++] = (struct mg_expr_window){ .ref = signal->ref, .kind = signal->kind, .span_ns = span };
	return 0;
}

static bool is_window(const struct mg_expr *e, const uint8_t *arg, unsigned n)
{
	if (e->node[arg[0]].op != MG_OP_SIGNAL || n > 2)
		return false;
	return n == 1 || (e->node[arg[1]].op == MG_OP_NUMBER && e->node[arg[1]].unit == MG_UNIT_SECONDS);
}

static int add_window_call(struct parser *p, const struct function *f, size_t from, const uint8_t *arg, unsigned n, uint8_t *ret)
{
	const struct mg_expr_node signal = p->e->node[arg[0]];
	struct mg_expr_node w = { .op = MG_OP_WINDOW, .fn = f->fn, .ref = signal.ref, .from = (uint16_t)from, .to = (uint16_t)p->end };
	uint64_t span = DEFAULT_WINDOW_NS;
	int r;

	if (n == 2 && (r = span_ns(p, p->e->node[arg[1]].from, p->e->node[arg[1]].number, "a window", &span)) < 0)
		return r;
	if ((r = mg_expr_check_window(p->e, f->fn, arg[0], &w.unit, p->err_at, p->err)) < 0)
		return r;
	if ((r = add_window(p, &signal, span, &w.window)) < 0)
		return r;
	p->e->n = arg[0]; /* the arguments are the newest nodes and are not evaluated */
	return add_node(p, &w, ret);
}

static int add_value_call(struct parser *p, const struct function *f, size_t from, const uint8_t *arg, unsigned n, uint8_t *ret)
{
	int r;

	if (f->op == MG_OP_ABS && n == 1)
		return add_unary(p, MG_OP_ABS, from, arg[0], ret);
	if (f->op == MG_OP_ABS || n < 2) {
		mg_fail(p->err, 0, f->op == MG_OP_ABS ? "%s takes one value" : "%s takes two values or more, or one signal over time",
			f->name);
		return fail_at(p, from);
	}
	*ret = arg[0];
	for (unsigned i = 1; i < n; i++) {
		if ((r = add_binary(p, f->op, *ret, arg[i], ret)) < 0)
			return r;
		p->e->node[*ret].from = (uint16_t)from;
	}
	return 0;
}

static int parse_call(struct parser *p, const struct mg_token *name, uint8_t *ret)
{
	const struct function *f = find_function(p, name);
	uint8_t arg[MG_EXPR_MAX_ARGS];
	unsigned n;
	int r;

	if (!f)
		return fail_at(p, name->at);
	if ((r = advance(p)) < 0 || (r = parse_args(p, arg, &n)) < 0)
		return r;
	if (f->windowed && is_window(p->e, arg, n))
		return add_window_call(p, f, name->at, arg, n, ret);
	if (f->valued)
		return add_value_call(p, f, name->at, arg, n, ret);
	mg_fail(p->err, 0, "%s looks at one signal over time: %s(signal, 1m)", f->name, f->name);
	return fail_at(p, name->at);
}

static int parse_name(struct parser *p, uint8_t *ret)
{
	struct mg_token name = p->token;
	int r = advance(p);

	if (r < 0)
		return r;
	return p->token.kind == MG_TOKEN_OPEN ? parse_call(p, &name, ret) : parse_signal(p, &name, ret);
}

static int parse_number(struct parser *p, uint8_t *ret)
{
	struct mg_expr_node n = { .op = MG_OP_NUMBER, .unit = p->token.unit, .number = p->token.number, .from = p->token.at,
				  .to = (uint16_t)(p->token.at + p->token.len) };
	int r = advance(p);

	return r < 0 ? r : add_node(p, &n, ret);
}

static int parse_group(struct parser *p, uint8_t *ret)
{
	uint16_t open = p->token.at;
	int r = advance(p);

	if (r < 0 || (r = parse_binary(p, PREC_OR, ret)) < 0)
		return r;
	if (p->token.kind == MG_TOKEN_FOR) {
		mg_fail(p->err, 0, "`for` goes at the end of the whole condition, outside of parentheses");
		return fail_at(p, p->token.at);
	}
	if ((r = expect(p, MG_TOKEN_CLOSE, "`)`")) < 0)
		return r;
	p->e->node[*ret].from = open; /* messages show the group with its parentheses */
	p->e->node[*ret].to = (uint16_t)p->end;
	return 0;
}

/* A prefix binds what follows it: `-` a primary, `not` a comparison. */
static int parse_prefix(struct parser *p, enum mg_expr_op op, uint8_t *ret)
{
	size_t from = p->token.at;
	uint8_t a;
	int r = advance(p);

	if (r < 0 || (r = parse_binary(p, op == MG_OP_NOT ? PREC_NOT : PREC_PRODUCT + 1, &a)) < 0)
		return r;
	return add_unary(p, op, from, a, ret);
}

static int parse_operand(struct parser *p, uint8_t *ret)
{
	if (p->token.kind == MG_TOKEN_NUMBER)
		return parse_number(p, ret);
	if (p->token.kind == MG_TOKEN_NAME)
		return parse_name(p, ret);
	if (p->token.kind == MG_TOKEN_OPEN)
		return parse_group(p, ret);
	if (p->token.kind == MG_TOKEN_MINUS)
		return parse_prefix(p, MG_OP_NEG, ret);
	if (p->token.kind == MG_TOKEN_NOT)
		return parse_prefix(p, MG_OP_NOT, ret);
	return unexpected(p, "a signal, a number or `(`");
}

/* An operand and every binary operator after it that binds at least as tightly as min_prec. */
static int parse_binary(struct parser *p, unsigned min_prec, uint8_t *ret)
{
	int r;

	if (++p->depth > MG_EXPR_MAX_DEPTH) {
		mg_fail(p->err, 0, "nested deeper than %d levels", MG_EXPR_MAX_DEPTH);
		return fail_at(p, p->token.at);
	}
	if ((r = parse_operand(p, ret)) < 0)
		return r;
	while (binaries[p->token.kind].prec >= min_prec) {
		unsigned prec = binaries[p->token.kind].prec;
		enum mg_expr_op op = binaries[p->token.kind].op;
		uint8_t right;
		if ((r = advance(p)) < 0 || (r = parse_binary(p, prec + 1, &right)) < 0)
			return r;
		if ((r = add_binary(p, op, *ret, right, ret)) < 0)
			return r;
	}
	p->depth--;
	return 0;
}

static int parse_for(struct parser *p)
{
	int r = advance(p);

	if (r < 0)
		return r;
	if (p->token.kind != MG_TOKEN_NUMBER || p->token.unit != MG_UNIT_SECONDS)
		return unexpected(p, "a duration, like 15s,");
	if ((r = span_ns(p, p->token.at, p->token.number, "the time after `for`", &p->e->for_ns)) < 0)
		return r;
	p->e->has_for = true;
	return advance(p);
}

int mg_expr_parse(struct mg_expr *e, enum mg_unit want, const struct mg_names *names, size_t *err_at, struct mg_err *err)
{
	struct parser p = { .e = e, .names = names, .err_at = err_at, .err = err };
	uint8_t root;
	int r = advance(&p); /* the empty token before the text */

	if (r < 0 || (r = parse_binary(&p, PREC_OR, &root)) < 0)
		return r;
	if (p.token.kind == MG_TOKEN_FOR && (r = parse_for(&p)) < 0)
		return r;
	if (p.token.kind != MG_TOKEN_END)
		return unexpected(&p, e->has_for ? "the end" : "an operator");
	return mg_expr_check_root(e, want, err_at, err);
}
