/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_EXPR_TREE_H
#define MG_EXPR_TREE_H

#include "governor/decide/expr.h"
#include "governor/util/err.h"

/* Inside of the expression compiler: text -> tokens (expr_lex.c) -> nodes (expr_parse.c, units by expr_check.c) ->
 * values (expr.c). Nodes are stored children first, so evaluation is one pass over an array, without stack or recursion. */

#define MG_EXPR_MAX_ARGS  8  /* of one function */
#define MG_EXPR_MAX_DEPTH 32 /* of parentheses and prefixes: bounds the parser's recursion */

enum mg_token_kind {
	MG_TOKEN_END, MG_TOKEN_NUMBER, MG_TOKEN_NAME,
	MG_TOKEN_OPEN, MG_TOKEN_CLOSE, MG_TOKEN_COMMA,
	MG_TOKEN_PLUS, MG_TOKEN_MINUS, MG_TOKEN_TIMES, MG_TOKEN_OVER,
	MG_TOKEN_LT, MG_TOKEN_LE, MG_TOKEN_GT, MG_TOKEN_GE, MG_TOKEN_EQ, MG_TOKEN_NE,
	MG_TOKEN_AND, MG_TOKEN_OR, MG_TOKEN_NOT, MG_TOKEN_FOR,
	MG_TOKEN__COUNT
};

struct mg_token {
	enum mg_token_kind kind;
	uint16_t at, len;
	double number;      /* NUMBER */
	enum mg_unit unit;  /* NUMBER */
};

/* Reads the token at or after offset at of text. 0; -EINVAL with ret->at and ret->len naming the offender. */
int mg_expr_lex(const char *text, size_t at, struct mg_token *ret, struct mg_err *err) MG_CHECK_RESULT;

enum mg_expr_op {
	MG_OP_NUMBER, MG_OP_SIGNAL, MG_OP_WINDOW,
	MG_OP_NEG, MG_OP_ABS, MG_OP_NOT,
	MG_OP_ADD, MG_OP_SUB, MG_OP_MUL, MG_OP_DIV, MG_OP_MIN, MG_OP_MAX,
	MG_OP_LT, MG_OP_LE, MG_OP_GT, MG_OP_GE, MG_OP_EQ, MG_OP_NE,
	MG_OP_AND, MG_OP_OR, MG_OP_FIRST,
};

struct mg_expr_node {
	enum mg_expr_op op;
	enum mg_unit unit;
	uint16_t from, to;             /* its text: [from, to) */
	uint8_t a, b;                  /* children, by index */
	uint8_t window;                /* WINDOW: index into windows */
	enum mg_window_fn fn;          /* WINDOW */
	enum mg_signal_kind kind;      /* SIGNAL */
	struct mg_signal_ref ref;      /* SIGNAL, WINDOW */
	double number;                 /* NUMBER */
};

struct mg_expr_window {
	struct mg_signal_ref ref;
	enum mg_signal_kind kind;
	uint64_t span_ns;
};

struct mg_expr {
	char text[MG_EXPR_MAX_TEXT];
	uint8_t n, n_windows;          /* the last node is the root */
	struct mg_expr_node node[MG_EXPR_MAX_OPS];
	struct mg_expr_window window[MG_EXPR_MAX_WINDOWS];
	bool has_for;
	uint64_t for_ns;
};

static inline bool mg_same_ref(struct mg_signal_ref a, struct mg_signal_ref b) { return a.scope == b.scope && a.id == b.id; }

/* Parses and checks e->text into nodes. 0; -EINVAL with *err_at the offset of the offending token. */
int mg_expr_parse(struct mg_expr *e, enum mg_unit want, const struct mg_names *names, size_t *err_at,
		  struct mg_err *err) MG_CHECK_RESULT;

/* The unit of `a op b`, of `op a`, of a window function; for OR it also tells, by *op, conditions (OR) from quantities (FIRST).
 * 0; -EINVAL with err naming both sides and what to write, and *err_at. */
int mg_expr_check_binary(const struct mg_expr *e, enum mg_expr_op *op, uint8_t a, uint8_t b, enum mg_unit *ret, size_t *err_at,
			 struct mg_err *err) MG_CHECK_RESULT;
int mg_expr_check_unary(const struct mg_expr *e, enum mg_expr_op op, uint8_t a, enum mg_unit *ret, size_t *err_at,
			struct mg_err *err) MG_CHECK_RESULT;
int mg_expr_check_window(const struct mg_expr *e, enum mg_window_fn fn, uint8_t signal, enum mg_unit *ret, size_t *err_at,
			 struct mg_err *err) MG_CHECK_RESULT;
int mg_expr_check_root(const struct mg_expr *e, enum mg_unit want, size_t *err_at, struct mg_err *err) MG_CHECK_RESULT;

#endif
