/* SPDX-License-Identifier: Apache-2.0 */
/* What the shim actuator puts on the wire for each want, read by a real peer; and that the null actuator puts nothing. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "governor/act/act.h"
#include "tests/protocol/rig.h"

#define LEASE_NS (30 * MG_NS_PER_S)
#define HEAD(verb, seq) "memgov/1 " verb "\nseq=" seq "\nsent_ns=1000\n"

static struct mg_view view(void)
{
	struct mg_view v = { .now_ns = 1000 };

	for (unsigned i = 0; i < MG_SIG__BUILTIN; i++)
		v.sig[i] = mg_unknown_value();
	v.sig[MG_SIG_SHIM_LIVE] = mg_known_value(1048576.4);
	v.knob[MG_KNOB_GC_PERCENT] = (struct mg_knob_view){ true, MG_RESTORE_EXACT, mg_unknown_value(), mg_known_value(100) };
	v.knob[MG_KNOB_MEMORY_LIMIT] = (struct mg_knob_view){ true, MG_RESTORE_DEFAULT, mg_unknown_value(), mg_unknown_value() };
	v.knob[MG_KNOB_DECAY] = (struct mg_knob_view){ true, MG_RESTORE_NONE, mg_unknown_value(), mg_known_value(10) };
	v.action[MG_ACTION_PURGE] = true;
	return v;
}

static const struct want_row {
	struct mg_want w;
	int r;
	const char *text; /* with sequence number 7 */
} wants[] = {
	{ { .verb = MG_VERB_SET, .knob = MG_KNOB_GC_PERCENT, .to = 49.6 }, 0,
	  HEAD("SET", "7") "lease_ms=30000\nknob.gc_percent=50\nassume.live=1048576\n" },
	{ { .verb = MG_VERB_SET, .knob = MG_KNOB_MEMORY_LIMIT, .to = 536870912 }, 0,
	  HEAD("SET", "7") "lease_ms=30000\nknob.memory_limit=536870912\nassume.live=1048576\n" },
	{ { .verb = MG_VERB_SET, .knob = MG_KNOB_MEMORY_LIMIT, .to = INFINITY }, 0,
	  HEAD("SET", "7") "lease_ms=30000\nknob.memory_limit=max\nassume.live=1048576\n" },
	{ { .verb = MG_VERB_SET, .knob = MG_KNOB_MEMORY_LIMIT, .to = 1.8e19 }, 0,
	  HEAD("SET", "7") "lease_ms=30000\nknob.memory_limit=max\nassume.live=1048576\n" },
	{ { .verb = MG_VERB_SET, .knob = MG_KNOB_DECAY, .to = 2.5 }, 0,
	  HEAD("SET", "7") "lease_ms=30000\nknob.decay=2500\nassume.live=1048576\nirreversible=1\n" },
	{ { .verb = MG_VERB_RESTORE, .knob = MG_KNOB_GC_PERCENT }, 0,
	  HEAD("SET", "7") "lease_ms=30000\nknob.gc_percent=100\nassume.live=1048576\n" },
	{ { .verb = MG_VERB_RESTORE, .knob = MG_KNOB_MEMORY_LIMIT }, 0,
	  HEAD("SET", "7") "lease_ms=30000\nknob.memory_limit=max\nassume.live=1048576\n" },
	{ { .verb = MG_VERB_ACTION, .action = MG_ACTION_PURGE, .bytes = 1e6, .max_pause_ns = 10000000 }, 0,
	  HEAD("DO", "7") "action=purge\nbytes=1000000\nmax_pause_us=10000\ndeadline_ms=30000\n" },
	{ { .verb = MG_VERB_ACTION, .action = MG_ACTION_PURGE, .bytes = INFINITY }, 0,
	  HEAD("DO", "7") "action=purge\nbytes=max\nmax_pause_us=0\ndeadline_ms=30000\n" },
	{ { .verb = MG_VERB_ACTION, .action = MG_ACTION_GC, .bytes = INFINITY }, -ENOTSUP, NULL },
	{ { .verb = MG_VERB_HOLD }, -EINVAL, NULL },
};
#define N_WANTS (sizeof wants / sizeof wants[0])

static void expect(int fd, const char *want)
{
	char text[MG_WIRE_MAX + 1];

	demand(hear(fd, text) > 0 && strcmp(text, want) == 0, "`%s` came, expected `%s`", text, want);
}

static void listen_to_all(const struct rig *r)
{
	int fd = dial(r);

	demand(say(fd, RIG_HELLO) == 0, "HELLO cannot be sent");
	for (size_t i = 0; i < N_WANTS; i++)
		if (wants[i].text)
			expect(fd, wants[i].text);
	expect(fd, HEAD("RENEW", "8") "lease_ms=30000\n");
	expect(fd, HEAD("RESTORE", "9"));
}

static bool one_hello(struct rig *r) { return r->hellos == 1; }

static void test_shim(void **state)
{
	const struct mg_view v = view();
	struct rig r;
	(void)state;

	rig_open(&r, NULL);
	rig_start(&r, listen_to_all);
	rig_until(&r, one_hello, 3000, "HELLO");
	for (size_t i = 0; i < N_WANTS; i++) {
		int res = mg_act_shim.send(r.peer, &wants[i].w, &v, 7, LEASE_NS, 1000);
		check(res == wants[i].r, "want %zu: %d, expected %d", i, res, wants[i].r);
		check(mg_act_null.send(r.peer, &wants[i].w, &v, 7, LEASE_NS, 1000) == 0, "want %zu: the null actuator refuses",
		      i);
	}
	check(mg_act_null.renew(r.peer, 8, LEASE_NS, 1000) == 0 && mg_act_null.restore(r.peer, 9, 1000) == 0,
	      "the null actuator refuses");
	check(mg_act_shim.renew(r.peer, 8, LEASE_NS, 1000) == 0, "RENEW cannot be sent");
	check(mg_act_shim.restore(r.peer, 9, 1000) == 0, "RESTORE cannot be sent");
	rig_join(&r, 3000, "what is on the wire");
	rig_close(&r, "what is on the wire");
}

static void test_unsupported(void **state)
{
	struct mg_view v = view();
	const struct mg_want set = { .verb = MG_VERB_SET, .knob = MG_KNOB_DECAY, .to = 1 };
	(void)state;

	v.knob[MG_KNOB_DECAY].supported = false;
	check(mg_act_shim.send(NULL, &set, &v, 1, LEASE_NS, 1000) == -ENOTSUP, "a knob the target does not have was sent");
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_shim), cmocka_unit_test(test_unsupported) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
