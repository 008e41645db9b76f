/* SPDX-License-Identifier: Apache-2.0 */
/* What a policy answers with: wants and one sentence of reason, put into a struct mg_decision. Called by policies; read by
 * rule.c, which adds the present value of each knob, and then by the guards. */
#include "governor/decide/decision.h"

#include <math.h>
#include <stdio.h>

static void say(struct mg_decision *ret, const char *fmt, va_list ap) MG_PRINTF(2, 0);

static void say(struct mg_decision *ret, const char *fmt, va_list ap)
{
	(void)vsnprintf(ret->why, sizeof ret->why, fmt, ap);
}

/* Returns the next free want, with nothing in it that could be taken for a value; NULL when all are taken. */
static struct mg_want *next_want(struct mg_decision *ret, enum mg_verb verb)
{
	if (ret->n >= MG_MAX_WANT)
		return NULL;
	struct mg_want *w = &ret->want[ret->n++];
	*w = (struct mg_want){ .verb = verb, .to = NAN, .from = NAN, .bytes = NAN };
	return w;
}

void mg_hold(struct mg_decision *ret, const char *fmt, ...)
{
	va_list ap;

	ret->n = 0;
	va_start(ap, fmt);
	say(ret, fmt, ap);
	va_end(ap);
}

void mg_hold_unknown(struct mg_decision *ret, const char *fmt, ...)
{
	va_list ap;

	ret->n = 0;
	ret->unknown = true;
	va_start(ap, fmt);
	say(ret, fmt, ap);
	va_end(ap);
}

void mg_set(struct mg_decision *ret, enum mg_knob knob, double to, const char *fmt, ...)
{
	struct mg_want *w = next_want(ret, MG_VERB_SET);
	va_list ap;

	if (w) {
		w->knob = knob;
		w->to = to;
	}
	va_start(ap, fmt);
	say(ret, fmt, ap);
	va_end(ap);
}

void mg_restore_knob(struct mg_decision *ret, enum mg_knob knob, const char *fmt, ...)
{
	struct mg_want *w = next_want(ret, MG_VERB_RESTORE);
	va_list ap;

	if (w)
		w->knob = knob;
	va_start(ap, fmt);
	say(ret, fmt, ap);
	va_end(ap);
}

void mg_purge(struct mg_decision *ret, double bytes, uint64_t max_pause_ns, const char *fmt, ...)
{
	struct mg_want *w = next_want(ret, MG_VERB_ACTION);
	va_list ap;

	if (w) {
		w->action = MG_ACTION_PURGE;
		w->bytes = bytes;
		w->max_pause_ns = max_pause_ns;
	}
	va_start(ap, fmt);
	say(ret, fmt, ap);
	va_end(ap);
}

void mg_run_action(struct mg_decision *ret, enum mg_action action, uint64_t max_pause_ns, const char *fmt, ...)
{
	struct mg_want *w = next_want(ret, MG_VERB_ACTION);
	va_list ap;

	if (w) {
		w->action = action;
		w->bytes = action == MG_ACTION_PURGE ? INFINITY : NAN;
		w->max_pause_ns = max_pause_ns;
	}
	va_start(ap, fmt);
	say(ret, fmt, ap);
	va_end(ap);
}
