/* SPDX-License-Identifier: Apache-2.0 */
/* Text of a rule expression -> one token at a time. Called by expr_parse.c. */
#include <errno.h>

#include "governor/decide/expr_tree.h"
#include "governor/util/str.h"
#include "governor/util/unit.h"

struct spelling {
	const char *text;
	enum mg_token_kind kind;
};

static const struct spelling words[] = {
	{ "and", MG_TOKEN_AND }, { "or", MG_TOKEN_OR }, { "not", MG_TOKEN_NOT }, { "for", MG_TOKEN_FOR },
};

/* Longer ones first: `<=` before `<`. */
static const struct spelling symbols[] = {
	{ "<=", MG_TOKEN_LE }, { ">=", MG_TOKEN_GE }, { "==", MG_TOKEN_EQ }, { "!=", MG_TOKEN_NE },
	{ "<", MG_TOKEN_LT }, { ">", MG_TOKEN_GT }, { "+", MG_TOKEN_PLUS }, { "-", MG_TOKEN_MINUS },
	{ "*", MG_TOKEN_TIMES }, { "/", MG_TOKEN_OVER }, { "(", MG_TOKEN_OPEN }, { ")", MG_TOKEN_CLOSE }, { ",", MG_TOKEN_COMMA },
};

/* What people write in other languages, and what it is called here. */
static const struct { const char *text, *here; } foreign[] = {
	{ "&&", "and" }, { "||", "or" }, { "!", "not" }, { "=", "==" }, { "&", "and" }, { "|", "or" },
};

static size_t name_length(const char *s)
{
	size_t n = 0;

	while (mg_is_word(s[n]) || (s[n] == '.' && n > 0))
		n++;
	return n;
}

static int lex_number(const char *s, struct mg_token *ret, struct mg_err *err)
{
	size_t n = mg_unit_scan(s, strlen(s), &ret->number, &ret->unit, err);

	ret->kind = MG_TOKEN_NUMBER;
	ret->len = (uint16_t)n;
	return n > 0 ? 0 : -EINVAL;
}

static int lex_name(const char *s, struct mg_token *ret)
{
	size_t n = name_length(s);

	ret->kind = MG_TOKEN_NAME;
	ret->len = (uint16_t)n;
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if (mg_equal(s, n, words[i].text))
			ret->kind = words[i].kind;
	return 0;
}

static int lex_symbol(const char *s, struct mg_token *ret, struct mg_err *err)
{
	for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++) {
		size_t n = strlen(symbols[i].text);
		if (strncmp(s, symbols[i].text, n) != 0)
			continue;
		ret->kind = symbols[i].kind;
		ret->len = (uint16_t)n;
		return 0;
	}
	for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++)
		if (strncmp(s, foreign[i].text, strlen(foreign[i].text)) == 0)
			return mg_fail(err, -EINVAL, "`%s` is written `%s` here", foreign[i].text, foreign[i].here);
	if (*s > ' ' && *s < 0x7f)
		return mg_fail(err, -EINVAL, "`%c` has no meaning here", *s);
	return mg_fail(err, -EINVAL, "a byte 0x%02x has no meaning here", (unsigned)(unsigned char)*s);
}

int mg_expr_lex(const char *text, size_t at, struct mg_token *ret, struct mg_err *err)
{
	while (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r')
		at++;
	const char *s = text + at;
	*ret = (struct mg_token){ .at = (uint16_t)at, .unit = MG_UNIT_ANY };
	if (*s == '\0')
		return 0;
	if (mg_is_digit(*s) || (*s == '.' && mg_is_digit(s[1])))
		return lex_number(s, ret, err);
	if (mg_is_alpha(*s) || *s == '_')
		return lex_name(s, ret);
	return lex_symbol(s, ret, err);
}
