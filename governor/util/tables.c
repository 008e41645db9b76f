/* SPDX-License-Identifier: Apache-2.0 */
/* The tables of knobs, actions and signals, one row each; read by the loader, the rules, the lists and the schema. */
#include "governor/util/knob.h"
#include "governor/util/signal.h"
#include "governor/util/str.h"

static const struct mg_knob_info knobs[MG_KNOB__COUNT] = {
#define ROW(id, name_, unit_, floor_, ceiling_, hysteresis_, help_) \
	[MG_KNOB_##id] = { .name = name_, .help = help_, .unit = MG_UNIT_##unit_, .floor = floor_, .ceiling = ceiling_, .hysteresis_ratio = hysteresis_ },
	MG_KNOB_TABLE(ROW)
#undef ROW
};

static const struct mg_action_info actions[MG_ACTION__COUNT] = {
#define ROW(id, name_, help_) [MG_ACTION_##id] = { .name = name_, .help = help_ },
	MG_ACTION_TABLE(ROW)
#undef ROW
};

static const struct mg_signal_info signals[MG_SIG__BUILTIN] = {
#define ROW(id, name_, unit_, kind_, max_age_s, help_) \
	[MG_SIG_##id] = { .name = name_, .help = help_, .unit = MG_UNIT_##unit_, .kind = MG_SIGNAL_##kind_, .max_age_ns = max_age_s * MG_NS_PER_S },
	MG_SIGNAL_TABLE(ROW)
#undef ROW
};

const struct mg_knob_info *mg_knob_info(enum mg_knob knob)
{
	return &knobs[knob];
}

const struct mg_action_info *mg_action_info(enum mg_action action)
{
	return &actions[action];
}

const struct mg_signal_info *mg_signal_info(enum mg_signal signal)
{
	return &signals[signal];
}

int mg_knob_find(const char *name, size_t len)
{
	for (int i = 0; i < MG_KNOB__COUNT; i++)
		if (mg_equal(name, len, knobs[i].name))
			return i;
	return -1;
}

int mg_action_find(const char *name, size_t len)
{
	for (int i = 0; i < MG_ACTION__COUNT; i++)
		if (mg_equal(name, len, actions[i].name))
			return i;
	return -1;
}

int mg_signal_find(const char *name, size_t len)
{
	for (int i = 0; i < MG_SIG__BUILTIN; i++)
		if (mg_equal(name, len, signals[i].name))
			return i;
	return -1;
}
