/* SPDX-License-Identifier: Apache-2.0 */
/* Units of expressions: what may be compared, added and multiplied, and a message that says what to write instead. Called by
 * expr_parse.c for every node it builds. */
#include <errno.h>
#include <stdio.h>

#include "governor/decide/expr_tree.h"
#include "governor/util/str.h"

#define MAX_SHOWN 48 /* characters of an operand in a message */

/* "is ...": what a quantity of that unit is. */
static const char *const kinds[MG_UNIT__COUNT] = {
	[MG_UNIT_ANY] = "a plain number", [MG_UNIT_COUNT] = "a count", [MG_UNIT_BYTES] = "in bytes", [MG_UNIT_RATIO] = "a share",
	[MG_UNIT_PERCENT] = "in percent of live", [MG_UNIT_SECONDS] = "a duration", [MG_UNIT_PER_S] = "a rate per second",
	[MG_UNIT_BYTES_PER_S] = "in bytes per second", [MG_UNIT_BOOL] = "a condition",
};

/* What to write when the two units meet, in either order. */
static const struct { enum mg_unit a, b; const char *hint; } hints[] = {
	{ MG_UNIT_BYTES, MG_UNIT_RATIO, "write bytes, like 512MiB, or a product, like 20% * cgroup.limit" },
	{ MG_UNIT_BYTES, MG_UNIT_BYTES_PER_S, "write a rate, like 10MiB / 1s" },
	{ MG_UNIT_BYTES, MG_UNIT_SECONDS, "write bytes, like 512MiB" },
	{ MG_UNIT_PERCENT, MG_UNIT_RATIO, "write the percent as a plain number, like 100" },
	{ MG_UNIT_PER_S, MG_UNIT_COUNT, "write a plain number for events per second" },
	{ MG_UNIT_PER_S, MG_UNIT_RATIO, "write a plain number for events per second" },
};

struct operand {
	char text[MAX_SHOWN + 4];
};

static struct operand show(const struct mg_expr *e, uint8_t i)
{
	const struct mg_expr_node *n = &e->node[i];
	int len = n->to - n->from;
	struct operand o;

	snprintf(o.text, sizeof o.text, len > MAX_SHOWN ? "%.*s..." : "%.*s", len > MAX_SHOWN ? MAX_SHOWN : len, e->text + n->from);
	return o;
}

static bool is_condition(const struct mg_expr *e, uint8_t i)
{
	return e->node[i].unit == MG_UNIT_BOOL;
}

static bool from_cgroup(const struct mg_expr *e, uint8_t i)
{
	return strncmp(e->text + e->node[i].from, "cgroup.", 7) == 0;
}

static const char *hint_for(const struct mg_expr *e, uint8_t a, uint8_t b)
{
	enum mg_unit ua = e->node[a].unit, ub = e->node[b].unit;

	if ((ua == MG_UNIT_BYTES && ub == MG_UNIT_RATIO && from_cgroup(e, a)) ||
	    (ub == MG_UNIT_BYTES && ua == MG_UNIT_RATIO && from_cgroup(e, b)))
		return "compare cgroup.headroom instead";
	for (size_t i = 0; i < sizeof hints / sizeof hints[0]; i++)
		if ((hints[i].a == ua && hints[i].b == ub) || (hints[i].a == ub && hints[i].b == ua))
			return hints[i].hint;
	return "their units must agree";
}

static int mismatch(const struct mg_expr *e, uint8_t a, uint8_t b, size_t *err_at, struct mg_err *err)
{
	*err_at = e->node[b].from;
	return mg_fail(err, -EINVAL, "%s is %s, %s is %s: %s", show(e, a).text, kinds[e->node[a].unit], show(e, b).text,
		       kinds[e->node[b].unit], hint_for(e, a, b));
}

/* A plain number above 1 beside a share is nearly always a forgotten %: `cgroup.headroom < 20` would always hold. */
static int check_share(const struct mg_expr *e, uint8_t share, uint8_t i, size_t *err_at, struct mg_err *err)
{
	const struct mg_expr_node *n = &e->node[i];

	if (e->node[share].unit != MG_UNIT_RATIO || n->op != MG_OP_NUMBER || n->unit != MG_UNIT_ANY || n->number <= 1)
		return 0;
	*err_at = n->from;
	return mg_fail(err, -EINVAL, "%s is a share of 1: write %.6g%%, or %.6g%% where %s times the whole is meant",
		       show(e, share).text, n->number, n->number * 100, show(e, i).text);
}

/* Both sides measure the same thing: for + - min max or, and comparisons. */
static int check_same(const struct mg_expr *e, uint8_t a, uint8_t b, enum mg_unit *ret, size_t *err_at, struct mg_err *err)
{
	enum mg_unit ua = e->node[a].unit, ub = e->node[b].unit;
	int r;

	if (ua != ub && ua != MG_UNIT_ANY && ub != MG_UNIT_ANY)
		return mismatch(e, a, b, err_at, err);
	if ((r = check_share(e, a, b, err_at, err)) < 0 || (r = check_share(e, b, a, err_at, err)) < 0)
		return r;
	*ret = ua == MG_UNIT_ANY ? ub : ua;
	return 0;
}

static bool is_number_like(enum mg_unit u)
{
	return u == MG_UNIT_ANY || u == MG_UNIT_RATIO || u == MG_UNIT_COUNT;
}

/* Products and quotients that make a new unit. */
static const struct { enum mg_unit a, b, product; } products[] = {
	{ MG_UNIT_BYTES_PER_S, MG_UNIT_SECONDS, MG_UNIT_BYTES }, { MG_UNIT_SECONDS, MG_UNIT_BYTES_PER_S, MG_UNIT_BYTES },
	{ MG_UNIT_PER_S, MG_UNIT_SECONDS, MG_UNIT_COUNT }, { MG_UNIT_SECONDS, MG_UNIT_PER_S, MG_UNIT_COUNT },
};
static const struct { enum mg_unit a, b, quotient; } quotients[] = {
	{ MG_UNIT_BYTES, MG_UNIT_SECONDS, MG_UNIT_BYTES_PER_S }, { MG_UNIT_BYTES, MG_UNIT_BYTES_PER_S, MG_UNIT_SECONDS },
	{ MG_UNIT_COUNT, MG_UNIT_SECONDS, MG_UNIT_PER_S }, { MG_UNIT_COUNT, MG_UNIT_PER_S, MG_UNIT_SECONDS },
	{ MG_UNIT_ANY, MG_UNIT_SECONDS, MG_UNIT_PER_S },
};

static bool product_unit(enum mg_unit a, enum mg_unit b, enum mg_unit *ret)
{
	for (size_t i = 0; i < sizeof products / sizeof products[0]; i++)
		if (products[i].a == a && products[i].b == b)
			return *ret = products[i].product, true;
	if (!is_number_like(a) && !is_number_like(b))
		return false;
	if (a == MG_UNIT_ANY || (b != MG_UNIT_ANY && is_number_like(a)))
		*ret = b;
	else
		*ret = a;
	return true;
}

static bool quotient_unit(enum mg_unit a, enum mg_unit b, enum mg_unit *ret)
{
	for (size_t i = 0; i < sizeof quotients / sizeof quotients[0]; i++)
		if (quotients[i].a == a && quotients[i].b == b)
			return *ret = quotients[i].quotient, true;
	if (a == b)
		*ret = a == MG_UNIT_ANY ? MG_UNIT_ANY : MG_UNIT_RATIO;
	else if (a == MG_UNIT_ANY)
		*ret = MG_UNIT_ANY;
	else if (is_number_like(b))
		*ret = a;
	else
		return false;
	return true;
}

static int check_scale(const struct mg_expr *e, enum mg_expr_op op, uint8_t a, uint8_t b, enum mg_unit *ret, size_t *err_at,
		       struct mg_err *err)
{
	enum mg_unit ua = e->node[a].unit, ub = e->node[b].unit;

	if (op == MG_OP_MUL ? product_unit(ua, ub, ret) : quotient_unit(ua, ub, ret))
		return 0;
	*err_at = e->node[b].from;
	return mg_fail(err, -EINVAL, "%s is %s, %s is %s: %s has no unit", show(e, a).text, kinds[ua], show(e, b).text, kinds[ub],
		       op == MG_OP_MUL ? "their product" : "their quotient");
}

static int need_quantity(const struct mg_expr *e, uint8_t i, const char *where, size_t *err_at, struct mg_err *err)
{
	if (!is_condition(e, i))
		return 0;
	*err_at = e->node[i].from;
	return mg_fail(err, -EINVAL, "%s is a condition: %s takes quantities", show(e, i).text, where);
}

static int need_condition(const struct mg_expr *e, uint8_t i, const char *where, size_t *err_at, struct mg_err *err)
{
	if (is_condition(e, i))
		return 0;
	*err_at = e->node[i].from;
	return mg_fail(err, -EINVAL, "%s is %s: `%s` takes conditions, compare it with something", show(e, i).text,
		       kinds[e->node[i].unit], where);
}

static int check_or(const struct mg_expr *e, enum mg_expr_op *op, uint8_t a, uint8_t b, enum mg_unit *ret, size_t *err_at,
		    struct mg_err *err)
{
	if (is_condition(e, a) != is_condition(e, b)) {
		*err_at = e->node[b].from;
		return mg_fail(err, -EINVAL, "%s is %s, %s is %s: `or` takes two conditions or two quantities; put (a or b) in parentheses "
			       "to compare the first that is known", show(e, a).text, kinds[e->node[a].unit], show(e, b).text,
			       kinds[e->node[b].unit]);
	}
	if (!is_condition(e, a)) {
		*op = MG_OP_FIRST;
		return check_same(e, a, b, ret, err_at, err);
	}
	*ret = MG_UNIT_BOOL;
	return 0;
}

static int check_compare(const struct mg_expr *e, uint8_t a, uint8_t b, enum mg_unit *ret, size_t *err_at, struct mg_err *err)
{
	enum mg_unit unit;
	int r;

	if (is_condition(e, a) || is_condition(e, b)) {
		*err_at = e->node[is_condition(e, a) ? a : b].from;
		return mg_fail(err, -EINVAL, "%s is a condition and cannot be compared: write `a < b and b < c` for `a < b < c`",
			       show(e, is_condition(e, a) ? a : b).text);
	}
	if ((r = check_same(e, a, b, &unit, err_at, err)) < 0)
		return r;
	*ret = MG_UNIT_BOOL;
	return 0;
}

static int check_quantities(const struct mg_expr *e, enum mg_expr_op op, uint8_t a, uint8_t b, enum mg_unit *ret,
			    size_t *err_at, struct mg_err *err)
{
	const char *where = op == MG_OP_MIN || op == MG_OP_MAX ? "a function" : "arithmetic";
	int r;

	if ((r = need_quantity(e, a, where, err_at, err)) < 0 || (r = need_quantity(e, b, where, err_at, err)) < 0)
		return r;
	if (op == MG_OP_MUL || op == MG_OP_DIV)
		return check_scale(e, op, a, b, ret, err_at, err);
	return check_same(e, a, b, ret, err_at, err);
}

int mg_expr_check_binary(const struct mg_expr *e, enum mg_expr_op *op, uint8_t a, uint8_t b, enum mg_unit *ret, size_t *err_at,
			 struct mg_err *err)
{
	int r;

	if (*op == MG_OP_OR)
		return check_or(e, op, a, b, ret, err_at, err);
	if (*op >= MG_OP_LT && *op <= MG_OP_NE)
		return check_compare(e, a, b, ret, err_at, err);
	if (*op != MG_OP_AND)
		return check_quantities(e, *op, a, b, ret, err_at, err);
	if ((r = need_condition(e, a, "and", err_at, err)) < 0 || (r = need_condition(e, b, "and", err_at, err)) < 0)
		return r;
	*ret = MG_UNIT_BOOL;
	return 0;
}

int mg_expr_check_unary(const struct mg_expr *e, enum mg_expr_op op, uint8_t a, enum mg_unit *ret, size_t *err_at,
			struct mg_err *err)
{
	int r = op == MG_OP_NOT ? need_condition(e, a, "not", err_at, err) :
				  need_quantity(e, a, op == MG_OP_ABS ? "abs" : "a minus sign", err_at, err);
	if (r < 0)
		return r;
	*ret = e->node[a].unit;
	return 0;
}

/* The unit of a change per second; ANY where it has no name here. */
static const enum mg_unit per_second[MG_UNIT__COUNT] = {
	[MG_UNIT_COUNT] = MG_UNIT_PER_S, [MG_UNIT_BYTES] = MG_UNIT_BYTES_PER_S, [MG_UNIT_RATIO] = MG_UNIT_PER_S,
	[MG_UNIT_PERCENT] = MG_UNIT_PER_S, [MG_UNIT_SECONDS] = MG_UNIT_RATIO,
};

int mg_expr_check_window(const struct mg_expr *e, enum mg_window_fn fn, uint8_t signal, enum mg_unit *ret, size_t *err_at,
			 struct mg_err *err)
{
	const struct mg_expr_node *n = &e->node[signal];

	*err_at = n->from;
	if (fn == MG_WINDOW_RATE && n->kind != MG_SIGNAL_COUNTER)
		return mg_fail(err, -EINVAL, "%s is a gauge: rate is of counters, write slope(%s)", show(e, signal).text,
			       show(e, signal).text);
	if (fn == MG_WINDOW_SLOPE && n->kind == MG_SIGNAL_COUNTER)
		return mg_fail(err, -EINVAL, "%s is a counter, which only rises: write rate(%s)", show(e, signal).text,
			       show(e, signal).text);
	*ret = fn == MG_WINDOW_RATE || fn == MG_WINDOW_SLOPE ? per_second[n->unit] : n->unit;
	return 0;
}

int mg_expr_check_root(const struct mg_expr *e, enum mg_unit want, size_t *err_at, struct mg_err *err)
{
	uint8_t root = (uint8_t)(e->n - 1);
	enum mg_unit unit = e->node[root].unit;

	*err_at = e->node[root].from;
	if (want == MG_UNIT_BOOL && unit != MG_UNIT_BOOL)
		return mg_fail(err, -EINVAL, "%s is %s: a condition is needed here, compare it with something", show(e, root).text,
			       kinds[unit]);
	if (want != MG_UNIT_BOOL && e->has_for)
		return mg_fail(err, -EINVAL, "`for` belongs to conditions: this must be a quantity");
	if (want == MG_UNIT_ANY ? unit != MG_UNIT_BOOL : unit == want || (unit == MG_UNIT_ANY && want != MG_UNIT_BOOL))
		return 0;
	return mg_fail(err, -EINVAL, "%s is %s: what is needed here is %s", show(e, root).text, kinds[unit], kinds[want]);
}
