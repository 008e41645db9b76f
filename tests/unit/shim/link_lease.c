// SPDX-License-Identifier: Apache-2.0
/* Leases on a clock of their own: what is accepted, how long it holds, what it may not do. */

#include "tests/check.h"

#include "shim/lease.h"

#define MS  1000000ull
#define S   1000000000ull
#define NOW (1000 * S)
#define MIB (1ull << 20)
#define OFF MG_KNOB_OFF
#define GC  MG_KNOB_GC_PERCENT
#define LIM MG_KNOB_MEMORY_LIMIT
#define DEC MG_KNOB_DECAY

static struct mg_lease fresh(void)
{
	struct mg_lease l = { 0 };

	for (int i = 0; i < MG_KNOB__COUNT; i++)
		l.knob[i] = (struct mg_knob_state){ .offered = true, .restore = MG_RESTORE_EXACT, .baseline = OFF, .present = OFF, .present_known = true };
	l.knob[DEC].baseline = l.knob[DEC].present = 10000;
	return l;
}

static struct mg_set set_of(enum mg_knob knob, uint64_t value)
{
	struct mg_set s = { .seq = 1, .sent_ns = NOW, .lease_ns = 30 * S, .assume_live = OFF, .assume_limit = OFF };

	s.has[knob] = true;
	s.value[knob] = value;
	return s;
}

static void test_judge(void **state)
{
	static const struct {
		enum mg_knob knob;
		uint64_t present, value, live, resident, returnable;
		enum mg_nak nak;
		const char *sentence;
	} rows[] = {
		{ GC, OFF, 100, OFF, OFF, OFF, MG_NAK_NONE, "a first value is free" },
		{ GC, OFF, 10, OFF, OFF, OFF, MG_NAK_NONE, "the floor itself is allowed" },
		{ GC, OFF, 9, OFF, OFF, OFF, MG_NAK_FLOOR, "below the floor is not" },
		{ GC, 100, 200, OFF, OFF, OFF, MG_NAK_NONE, "twice as much is one step" },
		{ GC, 100, 202, OFF, OFF, OFF, MG_NAK_FLOOR, "more than twice is two" },
		{ GC, 100, 50, OFF, OFF, OFF, MG_NAK_NONE, "half is one step" },
		{ GC, 100, 49, OFF, OFF, OFF, MG_NAK_FLOOR, "less than half is two" },
		{ GC, 100, OFF, OFF, OFF, OFF, MG_NAK_NONE, "off is always allowed" },
		{ LIM, OFF, 110 * MIB, 100 * MIB, OFF, OFF, MG_NAK_NONE, "1.1 times live is the floor" },
		{ LIM, OFF, 109 * MIB, 100 * MIB, OFF, OFF, MG_NAK_FLOOR, "below it is refused" },
		{ LIM, OFF, 60 * MIB, OFF, 100 * MIB, 50 * MIB, MG_NAK_NONE, "live unknown: above what cannot be returned" },
		{ LIM, OFF, 40 * MIB, OFF, 100 * MIB, 50 * MIB, MG_NAK_FLOOR, "live unknown: below what cannot be returned" },
		{ LIM, OFF, 40 * MIB, OFF, 100 * MIB, OFF, MG_NAK_NONE, "nothing known: the pace backs off when it is fruitless" },
		{ LIM, OFF, MIB - 1, OFF, OFF, OFF, MG_NAK_FLOOR, "less than a MiB is refused whatever is known" },
		{ DEC, 10000, 5000, OFF, OFF, OFF, MG_NAK_NONE, "half the decay" },
		{ DEC, 10000, 1000, OFF, OFF, OFF, MG_NAK_FLOOR, "a tenth of the decay at once" },
		{ DEC, 5000, 10000, OFF, OFF, OFF, MG_NAK_NONE, "the baseline itself" },
		{ DEC, 1000, 10000, OFF, OFF, OFF, MG_NAK_NONE, "the baseline may be gone back to in one step" },
		{ DEC, 10000, OFF, OFF, OFF, OFF, MG_NAK_FLOOR, "decay off where it was not off" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct mg_lease l = fresh();
		struct mg_set s = set_of(rows[i].knob, rows[i].value);
		struct mg_lease_facts f = { rows[i].live, rows[i].resident, rows[i].returnable, OFF };
		struct mg_verdict v;

		l.knob[rows[i].knob].present = rows[i].present;
		v = mg_lease_judge(&l, &s, &f);
		check(v.nak == rows[i].nak, "%s: got %s", rows[i].sentence, v.nak == MG_NAK_NONE ? "accepted" : mg_nak_code(v.nak));
		check(v.nak == MG_NAK_NONE || v.knob == (int)rows[i].knob, "%s: the knob at fault is named", rows[i].sentence);
	}
}

static void test_judge_message(void **state)
{
	const struct mg_lease_facts f = { .live = 100 * MIB, .resident = OFF, .returnable = OFF, .limit = 1000 * MIB };
	struct mg_lease l = fresh();
	struct mg_set s = set_of(GC, 100);

	(void)state;
	s.lease_ns = MG_LEASE_MAX_NS + 1;
	check(mg_lease_judge(&l, &s, &f).nak == MG_NAK_FLOOR, "a lease above five minutes is refused");
	s = set_of(GC, 100);
	s.assume_live = 130 * MIB;
	check(mg_lease_judge(&l, &s, &f).nak == MG_NAK_MISMATCH, "live assumed a third too high is refused");
	s.assume_live = 120 * MIB;
	check(mg_lease_judge(&l, &s, &f).nak == MG_NAK_NONE, "a fifth is close enough");
	s.assume_limit = 500 * MIB;
	check(mg_lease_judge(&l, &s, &f).nak == MG_NAK_MISMATCH, "half the limit is another limit");
	s = set_of(DEC, 5000);
	l.knob[DEC].restore = MG_RESTORE_NONE;
	check(mg_lease_judge(&l, &s, &f).nak == MG_NAK_IRREVERSIBLE, "what cannot be restored is refused");
	s.irreversible = true;
	check(mg_lease_judge(&l, &s, &f).nak == MG_NAK_NONE, "unless the message says so");
	l.knob[DEC].offered = false;
	check(mg_lease_judge(&l, &s, &f).nak == MG_NAK_UNSUPPORTED, "a knob that is not there is refused");
	s = set_of(GC, 100);
	s.has[LIM] = true;
	s.value[LIM] = 10 * MIB;
	check(mg_lease_judge(&l, &s, &f).nak == MG_NAK_FLOOR, "one bad knob refuses the whole message");
}

static void test_fresh(void **state)
{
	struct mg_lease l = fresh();

	(void)state;
	check(mg_lease_fresh(&l, 5, NOW, 10 * S, NOW) == MG_FRESH, "a first message is fresh");
	check(mg_lease_fresh(&l, 5, NOW, 10 * S, NOW) == MG_FRESH_OLD, "the same again is not");
	check(mg_lease_fresh(&l, 4, NOW, 10 * S, NOW) == MG_FRESH_OLD, "an older one is not");
	check(mg_lease_fresh(&l, 6, NOW - 10 * S, 10 * S, NOW) == MG_FRESH_EXPIRED, "one whose life is over has expired");
	check(mg_lease_fresh(&l, 6, NOW, 10 * S, NOW) == MG_FRESH_OLD, "and its number is used");
	check(mg_lease_fresh(&l, 7, NOW + 3600 * S, 10 * S, NOW) == MG_FRESH, "a sender's clock ahead counts as now");
	check(mg_lease_fresh(&l, 8, NOW, UINT64_MAX, NOW) == MG_FRESH, "a life without end does not overflow");
}

static void test_life(void **state)
{
	struct mg_lease l = fresh();
	struct mg_set s = set_of(GC, 50);

	(void)state;
	s.has[DEC] = true;
	s.value[DEC] = 5000;
	check(!mg_lease_due(&l, UINT64_MAX) && !mg_lease_held(&l), "without a lease nothing is due, ever");
	mg_lease_apply(&l, &s, NOW, 400 * MS);
	check(mg_lease_held(&l) && l.knob[GC].present == 50, "what is applied is present and held");
	check(!mg_lease_due(&l, NOW + 30 * S + 399 * MS), "the restore waits for the lease and its jitter");
	check(mg_lease_due(&l, NOW + 30 * S + 400 * MS), "and no longer");
	check(mg_lease_renew(&l, NOW + 10 * S, 30 * S, NOW + 10 * S, 0), "a lease can be renewed");
	check(!mg_lease_due(&l, NOW + 39 * S) && mg_lease_due(&l, NOW + 40 * S), "and then ends later");
	check(!mg_lease_renew(&l, NOW, MG_LEASE_MAX_NS + 1, NOW, 0), "not for more than five minutes");
	mg_lease_end(&l, true);
	check(l.knob[GC].present == OFF, "at its end the in-process knob is at its baseline");
	check(l.knob[DEC].pending && l.knob[DEC].present == 5000, "the allocator's own waits for the runtime thread");
	check(!mg_lease_renew(&l, NOW, 30 * S, NOW, 0), "a lapsed lease cannot be renewed");
	mg_lease_apply(&l, &s, NOW, 0);
	check(mg_lease_renew(&l, NOW, 30 * S, NOW, 0), "but set again");
	l.knob[DEC].pending = false;
	l.knob[DEC].contended = true;
	mg_lease_end(&l, false);
	check(!l.knob[DEC].pending, "what the application took back is left alone");
}

static void test_governors(void **state)
{
	struct mg_governors g = { 0 };

	(void)state;
	for (unsigned i = 0; i < 3; i++)
		check(!mg_governors_note(&g, NOW + i * S), "governor %u of three is welcome", i + 1);
	check(mg_governors_count(&g, NOW + 3 * S) == 3, "three are counted");
	check(mg_governors_note(&g, NOW + 3 * S), "the fourth within ten minutes is one too many");
	check(mg_governors_count(&g, NOW + 700 * S) == 0, "after ten minutes they are forgotten");
	check(!mg_governors_note(&g, NOW + 700 * S), "and a new one is welcome");
}

static void test_budget(void **state)
{
	struct mg_budget b = { 0 };

	(void)state;
	check(mg_budget_left(&b, NOW) == 3 * S, "a minute has three seconds");
	mg_budget_spend(&b, NOW, 2 * S);
	check(mg_budget_left(&b, NOW + 30 * S) == S, "what was spent half a minute ago counts");
	mg_budget_spend(&b, NOW + 30 * S, 5 * S);
	check(mg_budget_left(&b, NOW + 31 * S) == 0, "more than all is nothing left, not a wrap");
	check(mg_budget_left(&b, NOW + 61 * S) == 0, "the second purge still counts");
	check(mg_budget_left(&b, NOW + 100 * S) == 3 * S, "after a minute all is there again");
	check(mg_budget_left(&b, NOW + 100000 * S) == 3 * S, "and after a long sleep no more than that");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judge), cmocka_unit_test(test_judge_message), cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_life), cmocka_unit_test(test_governors), cmocka_unit_test(test_budget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
