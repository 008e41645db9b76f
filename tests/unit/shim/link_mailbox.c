// SPDX-License-Identifier: Apache-2.0
/* The hand-over between the two threads, with two threads. */

#include "tests/check.h"

#include <pthread.h>
#include <time.h>

#include "shim/mailbox.h"
#include "shim/sample.h"
#include "shim/sys.h"

#define ROUNDS 2000

static struct mg_mailbox box;
static _Atomic bool over;

static void *runtime(void *arg)
{
	for (int done = 0; done < ROUNDS;) {
		uint32_t bell = atomic_load(&box.bell);
		const struct mg_request *q = mg_mailbox_take(&box);

		if (!q) {
			(void)mg_sys_futex_wait(&box.bell, bell, MG_NS_PER_S);
			continue;
		}
		mg_mailbox_done(&box, &(struct mg_reply){ .ask = q->ask, .found = q->value + 1 });
		done++;
	}
	return arg;
}

static void test_rounds(void **state)
{
	struct mg_reply r;
	pthread_t t;

	(void)state;
	mg_mailbox_reset(&box);
	pthread_create(&t, NULL, runtime, NULL);
	for (uint64_t i = 0; i < ROUNDS; i++) {
		check(mg_mailbox_post(&box, &(struct mg_request){ .ask = MG_ASK_DECAY, .value = i }), "an idle mailbox takes request %llu",
		      (unsigned long long)i);
		while (!mg_mailbox_collect(&box, &r))
			;
		check(r.found == i + 1, "reply %llu belongs to its request", (unsigned long long)i);
	}
	pthread_join(t, NULL);
	check(!mg_mailbox_collect(&box, &r), "a reply is collected once");
}

static void test_one_at_a_time(void **state)
{
	const struct mg_request q = { .ask = MG_ASK_STATS };
	struct mg_reply r;

	(void)state;
	mg_mailbox_reset(&box);
	check(!mg_mailbox_take(&box), "an empty mailbox has no request");
	check(mg_mailbox_post(&box, &q) && !mg_mailbox_post(&box, &q), "a second request is refused while one waits");
	check(mg_mailbox_take(&box) && !mg_mailbox_take(&box), "a request is taken once");
	check(!mg_mailbox_post(&box, &q) && mg_mailbox_busy(&box), "a second request is refused while one runs");
	mg_mailbox_cancel(&box);
	check(atomic_load(box.request.purge.cancel), "the running request sees the cancel");
	mg_mailbox_done(&box, &(struct mg_reply){ 0 });
	check(!mg_mailbox_post(&box, &q), "a second request is refused until the reply was collected");
	check(mg_mailbox_collect(&box, &r) && mg_mailbox_post(&box, &q), "then it is taken");
	check(!atomic_load(box.request.purge.cancel), "and is not cancelled by what was before");
}

static void *serve_samples(void *arg)
{
	uint64_t field[3] = { 0, 0, 0 };

	while (!atomic_load(&over)) {
		uint32_t ticket;

		if (!mg_sample_wanted(&ticket))
			continue;
		field[0]++;
		field[1] = field[0] * 2;
		mg_sample_publish(ticket, field);
	}
	return arg;
}

static void test_samples(void **state)
{
	uint64_t field[3];
	pthread_t t;

	(void)state;
	check(!mg_sample_statm(field), "where nobody serves, the asker does not wait for ever");
	mg_sample_close(true);
	uint64_t start = mg_sys_clock_ns(CLOCK_MONOTONIC);
	check(!mg_sample_statm(field), "where nobody will, it gets no sample");
	check(mg_sys_clock_ns(CLOCK_MONOTONIC) - start < 100 * MG_NS_PER_MS, "and does not wait at all");
	mg_sample_close(false);
	pthread_create(&t, NULL, serve_samples, NULL);
	for (uint64_t i = 0, last = 0; i < ROUNDS; i++, last = field[0]) {
		check(mg_sample_statm(field), "sample %llu comes", (unsigned long long)i);
		check(field[0] > last && field[1] == field[0] * 2, "sample %llu is new and whole", (unsigned long long)i);
	}
	atomic_store(&over, true);
	pthread_join(t, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rounds), cmocka_unit_test(test_one_at_a_time), cmocka_unit_test(test_samples),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
