/* SPDX-License-Identifier: Apache-2.0 */
/* Reads argv by the tables of verbs.c, gives a struct mg_cli, or one sentence that says what to write instead. Long
 * options take `--name VALUE` and `--name=VALUE`; a verb that starts a command leaves everything after its first argument
 * to that command. Called by mg_cli_main. */
#include <errno.h>
#include <string.h>

#include "governor/cli/cli.h"
#include "governor/util/str.h"

#define NEAR 3 /* edits within which a word is taken for a slip of the finger */

struct parser {
	char **argv;
	int argc, at;
	struct mg_cli *c;
	struct mg_err *err;
};

static unsigned allowed(const struct mg_cli *c)
{
	return c->verb->options | MG_OPT_COMMON;
}

/* ---- what was meant ---- */

static int no_such_verb(const char *word, struct mg_err *err)
{
	uint32_t best = NEAR + 1;
	const char *near = NULL;

	for (const struct mg_cli_verb *v = mg_cli_verbs; v->name; v++) {
		uint32_t d = mg_distance(word, strlen(word), v->name, strlen(v->name), NEAR);
		if (d < best) {
			best = d;
			near = v->name;
		}
	}
	if (near)
		return mg_fail(err, -EINVAL, "there is no verb `%.64s`; did you mean `%s`?", word, near);
	return mg_fail(err, -EINVAL, "there is no verb `%.64s`; see memgov help", word);
}

static int no_such_option(const struct parser *p, const char *name, size_t len)
{
	uint32_t best = NEAR + 1;
	const char *near = NULL, *verb = p->c->verb->name;

	for (unsigned i = 0; i < MG_OPT__COUNT; i++) {
		uint32_t d = allowed(p->c) >> i & 1
				     ? mg_distance(name, len, mg_cli_options[i].name, strlen(mg_cli_options[i].name), NEAR)
				     : NEAR + 1;
		if (d < best) {
			best = d;
			near = mg_cli_options[i].name;
		}
	}
	if (near)
		return mg_fail(p->err, -EINVAL, "%s has no option --%.*s; did you mean --%s?", verb, (int)len, name, near);
	return mg_fail(p->err, -EINVAL, "%s has no option --%.*s; see memgov %s --help", verb, (int)len, name, verb);
}

/* ---- values ---- */

static int set_label(const struct parser *p, const char *value)
{
	const char *equals = strchr(value, '=');

	if (!equals || equals == value || strpbrk(value, ",\n"))
		return mg_fail(p->err, -EINVAL, "--label takes KEY=VALUE without commas, not `%.64s`", value);
	if (p->c->n_labels == MG_CLI_MAX_LABELS)
		return mg_fail(p->err, -EINVAL, "a program has at most %d labels", MG_CLI_MAX_LABELS);
	p->c->label[p->c->n_labels++] = value;
	return 0;
}

static int set_output(const struct parser *p, const char *value)
{
	if (strcmp(value, "table") != 0 && strcmp(value, "json") != 0)
		return mg_fail(p->err, -EINVAL, "--output takes table or json, not `%.64s`", value);
	p->c->json = strcmp(value, "json") == 0;
	return 0;
}

/* value NULL: not attached with `=`; the next word is taken where one is needed. */
static int set_option(struct parser *p, const struct mg_cli_option *o, const char *value)
{
	if (o->kind == MG_CLI_FLAG && value)
		return mg_fail(p->err, -EINVAL, "--%s takes no value", o->name);
	if (o->kind != MG_CLI_FLAG && !value && p->at >= p->argc)
		return mg_fail(p->err, -EINVAL, "--%s needs a value: %s", o->name, o->metavar);
	if (o->kind != MG_CLI_FLAG && !value)
		value = p->argv[p->at++];
	switch (o->kind) {
	case MG_CLI_FLAG: memcpy((char *)p->c + o->at, &(bool){ true }, sizeof(bool)); return 0;
	case MG_CLI_TEXT: memcpy((char *)p->c + o->at, &value, sizeof value); return 0;
	case MG_CLI_LABELS: return set_label(p, value);
	case MG_CLI_OUTPUT: return set_output(p, value);
	}
	return 0;
}

/* ---- words ---- */

static int long_option(struct parser *p, const char *word)
{
	const char *equals = strchr(word, '=');
	size_t len = equals ? (size_t)(equals - word) : strlen(word);

	for (unsigned i = 0; i < MG_OPT__COUNT; i++)
		if (allowed(p->c) >> i & 1 && mg_equal(word, len, mg_cli_options[i].name))
			return set_option(p, &mg_cli_options[i], equals ? equals + 1 : NULL);
	return no_such_option(p, word, len);
}

static int brief_option(struct parser *p, const char *word)
{
	for (unsigned i = 0; i < MG_OPT__COUNT; i++)
		if (allowed(p->c) >> i & 1 && word[0] == mg_cli_options[i].brief && word[1] == '\0')
			return set_option(p, &mg_cli_options[i], NULL);
	return mg_fail(p->err, -EINVAL, "%s has no option -%.16s; see memgov %s --help", p->c->verb->name, word,
		       p->c->verb->name);
}

/* Positional words are gathered in place at the front of argv, so that nothing is allocated. */
static int one_word(struct parser *p, bool *only_words)
{
	char *word = p->argv[p->at++];

	if (!*only_words && strcmp(word, "--") == 0) {
		*only_words = true;
		return 0;
	}
	if (!*only_words && word[0] == '-' && word[1] == '-')
		return long_option(p, word + 2);
	if (!*only_words && word[0] == '-' && word[1] != '\0')
		return brief_option(p, word + 1);
	p->c->arg[p->c->n_args++] = word;
	*only_words |= p->c->verb->command;
	return 0;
}

static int check_count(const struct parser *p)
{
	const struct mg_cli_verb *v = p->c->verb;

	if (p->c->help || (p->c->n_args >= v->min_args && (v->max_args < 0 || p->c->n_args <= v->max_args)))
		return 0;
	if (p->c->n_args < v->min_args)
		return mg_fail(p->err, -EINVAL, "%s needs an argument: memgov %s %s", v->name, v->name, v->args);
	return mg_fail(p->err, -EINVAL, "%s takes %s: `%.64s` is too many", v->name, v->max_args ? "one argument" : "no argument",
		       p->c->arg[v->max_args]);
}

int mg_cli_parse(int argc, char **argv, struct mg_cli *ret, struct mg_err *err)
{
	static const struct {
		const char *option, *verb;
	} aliases[] = { { "--help", "help" }, { "-h", "help" }, { "--version", "version" } };
	struct mg_cli c = { 0 };
	struct parser p = { .argv = argv, .argc = argc, .at = 2, .c = &c, .err = err };
	const char *verb = argv[1];
	bool only_words = false;

	for (unsigned i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
		if (strcmp(verb, aliases[i].option) == 0)
			verb = aliases[i].verb;
	c.verb = mg_cli_verb_find(verb);
	if (!c.verb)
		return no_such_verb(verb, err);
	c.arg = argv + 2;
	while (p.at < argc) {
		int r = one_word(&p, &only_words);
		if (r < 0)
			return r;
	}
	c.arg[c.n_args] = NULL;
	int r = check_count(&p);
	if (r == 0)
		*ret = c;
	return r;
}
