// SPDX-License-Identifier: Apache-2.0
/* Hands /proc/self/statm from the link thread, which keeps a descriptor of it, to the runtime thread, which may open none;
 * asked by the adapters (alloc/host.c), served by link.c. A ticket is drawn, the link thread reads and publishes with the
 * highest ticket it saw before reading, the asker waits for its own. One asker, one server. */

#include "shim/sample.h"

#include <stdatomic.h>
#include <time.h>

#include "shim/sys.h"

#define PATIENCE_NS (200 * MG_NS_PER_MS)
#define FIELDS      3

static struct {
	_Atomic uint32_t asked, served;
	_Atomic uint64_t field[FIELDS];
	_Atomic bool closed;
} sample;

bool mg_sample_statm(uint64_t field[3])
{
	uint32_t ticket = atomic_fetch_add(&sample.asked, 1) + 1, served;
	uint64_t start = mg_sys_clock_ns(CLOCK_MONOTONIC);

	while ((served = atomic_load(&sample.served)) != ticket) {
		if (atomic_load(&sample.closed) || mg_sys_clock_ns(CLOCK_MONOTONIC) - start >= PATIENCE_NS)
			return false;
		(void)mg_sys_futex_wait(&sample.served, served, PATIENCE_NS);
	}
	for (int i = 0; i < FIELDS; i++)
		field[i] = atomic_load(&sample.field[i]);
	return true;
}

/* The word an asker sleeps on changes too, away from any ticket drawn, so that no wake-up is lost between its look and its
 * sleep. */
void mg_sample_close(bool closed)
{
	atomic_store(&sample.closed, closed);
	if (closed)
		atomic_fetch_sub(&sample.served, 1);
	(void)mg_sys_futex_wake(&sample.served);
}

bool mg_sample_wanted(uint32_t *ret_ticket)
{
	*ret_ticket = atomic_load(&sample.asked);
	return *ret_ticket != atomic_load(&sample.served);
}

void mg_sample_publish(uint32_t ticket, const uint64_t field[3])
{
	for (int i = 0; i < FIELDS; i++)
		atomic_store(&sample.field[i], field[i]);
	atomic_store(&sample.served, ticket);
	(void)mg_sys_futex_wake(&sample.served);
}
