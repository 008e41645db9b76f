/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a rule expression: it compiles or is refused with an offset inside of it; what compiles is evaluated, over
 * time, from known, unknown and extreme samples. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "governor/decide/expr.h"
#include "governor/util/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Built-in signals by name; `app.N` are source signals of any unit and kind. */
static int lookup(void *ctx, const char *name, size_t len, struct mg_signal_ref *ref, enum mg_unit *unit, enum mg_signal_kind *kind)
{
	int s = mg_signal_find(name, len);
	(void)ctx;

	if (s >= 0) {
		*ref = (struct mg_signal_ref){ MG_SCOPE_TARGET, (uint16_t)s };
		*unit = mg_signal_info((enum mg_signal)s)->unit;
		*kind = mg_signal_info((enum mg_signal)s)->kind;
		return 0;
	}
	if (len != 5 || memcmp(name, "app.", 4) != 0 || !mg_is_digit(name[4]))
		return -1;
	*ref = (struct mg_signal_ref){ MG_SCOPE_SOURCE, (uint16_t)(name[4] - '0') };
	*unit = (enum mg_unit)((name[4] - '0') % MG_UNIT_BOOL);
	*kind = name[4] % 2 ? MG_SIGNAL_COUNTER : MG_SIGNAL_GAUGE;
	return 0;
}

static const double values[] = { 0, 1, -1, 1e300, -1e300, NAN, INFINITY, 4096 };

static void evaluate(const struct mg_expr *e, enum mg_unit want)
{
	struct mg_sample target[MG_SIG__BUILTIN], source[10];
	struct mg_expr_state *s = mg_expr_state_new(e);

	for (uint64_t t = 1; s && t < 40; t++) {
		struct mg_expr_env env = { .now_ns = t * 7 * MG_NS_PER_S, .target = target, .source = source, .n_source = (uint16_t)(t % 11) };
		for (uint16_t i = 0; i < MG_SIG__BUILTIN; i++) {
			target[i] = (struct mg_sample){ values[(t + i) % 8], env.now_ns, 5 * MG_NS_PER_S };
			mg_expr_feed(e, s, (struct mg_signal_ref){ MG_SCOPE_TARGET, i }, env.now_ns, target[i].value);
		}
		for (uint16_t i = 0; i < 10; i++) {
			source[i] = (struct mg_sample){ values[(t * i) % 8], t % 3 ? env.now_ns : 1, 5 * MG_NS_PER_S };
			mg_expr_feed(e, s, (struct mg_signal_ref){ MG_SCOPE_SOURCE, i }, source[i].at_ns, source[i].value);
		}
		if (want == MG_UNIT_BOOL) {
			if (mg_expr_cond(e, s, &env) > MG_UNKNOWN)
				abort();
		} else {
			struct mg_value v = mg_expr_value(e, s, &env);
			if (v.known && !isfinite(v.v))
				abort(); /* a policy would multiply it */
		}
	}
	mg_expr_state_free(s);
}

static void ignore(void *ctx, struct mg_signal_ref ref)
{
	*(unsigned *)ctx += ref.id;
}

static void compile(const char *text, enum mg_unit want)
{
	const struct mg_names names = { lookup, NULL, NULL };
	struct mg_expr *e = NULL;
	struct mg_signal_ref ref;
	struct mg_err err = { "" };
	size_t at = SIZE_MAX;
	unsigned sum = 0;

	if (mg_expr_compile(text, want, &names, &e, &at, &err) < 0) {
		if (e || at > strlen(text) || err.text[0] == '\0')
			abort(); /* every refusal names a place in the text and a reason */
		return;
	}
	mg_expr_signals(e, ignore, &sum);
	(void)mg_expr_is_plain_signal(e, &ref);
	evaluate(e, want);
	mg_expr_free(e);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	compile(text, MG_UNIT_BOOL);
	compile(text, MG_UNIT_BYTES);
	free(text);
	return 0;
}
