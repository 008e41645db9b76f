/* SPDX-License-Identifier: Apache-2.0 */
/* mimalloc: heaps belong to threads, so mi_collect from here returns what this thread and ended threads left, often nothing;
 * what does return memory is the delay after which the owning threads give freed pages back, set live as the decay. Its
 * statistics are not kept in release builds: unknown. Called on the runtime thread. */
#include <errno.h>

#include "shim/alloc/adapters.h"
#include "shim/alloc/host.h"

#define BLOCK_BYTES 1000
#define FOR_EVER_MS (-1)

/* The option's number is not in any symbol. It has been 15 since 1.7 (reset_delay, decommit_delay, purge_delay by turns). */
#define DELAY_OPTION 15
#define DELAY_SINCE  170
#define DELAY_UNTIL  400

static struct {
	bool (*owns)(const void *);
	void (*collect)(bool force);
	int (*number)(void);
	long (*get)(int option);
	void (*set)(int option, long value);
} sym;

static bool probe(void)
{
	sym.owns = (bool (*)(const void *))mg_host_symbol("mi_is_in_heap_region");
	sym.collect = (void (*)(bool))mg_host_symbol("mi_collect");
	sym.number = (int (*)(void))mg_host_symbol("mi_version");
	sym.get = (long (*)(int))mg_host_symbol("mi_option_get");
	sym.set = (void (*)(int, long))mg_host_symbol("mi_option_set");
	if (!sym.owns || !sym.collect)
		return false;
	void *block = mg_host_alloc(BLOCK_BYTES);
	bool mine = block && sym.owns(block);
	mg_host_free(block);
	return mine;
}

/* 209 reads 2.0.9. */
static const char *version(void)
{
	static char text[8];
	int n = sym.number ? sym.number() : 0;

	if (n < 100 || n > 999)
		return "";
	text[0] = (char)('0' + n / 100);
	text[1] = '.';
	text[2] = (char)('0' + n / 10 % 10);
	text[3] = '.';
	text[4] = (char)('0' + n % 10);
	return text;
}

/* Takes no lock that an application thread holds for long; the whole collection is one slice. */
static int purge(const struct mg_purge_request *q, struct mg_purge_result *ret)
{
	uint64_t before = mg_host_anon(), start = mg_host_now_ns();

	if (mg_host_cancelled(q)) {
		*ret = (struct mg_purge_result){ .more = true };
		return 0;
	}
	sym.collect(true);
	uint64_t took = mg_host_now_ns() - start;
	*ret = (struct mg_purge_result){ .returned = mg_host_above(before, mg_host_anon()), .took_ns = took, .longest_ns = took };
	return 0;
}

static bool has_delay(void)
{
	int n = sym.number ? sym.number() : 0;

	return sym.get && sym.set && n >= DELAY_SINCE && n < DELAY_UNTIL;
}

static int get_decay(uint64_t *ret_ms)
{
	if (!has_delay())
		return -ENOTSUP;
	long ms = sym.get(DELAY_OPTION);
	*ret_ms = ms < 0 ? UINT64_MAX : (uint64_t)ms;
	return 0;
}

static int set_decay(uint64_t ms)
{
	if (!has_delay())
		return -ENOTSUP;
	if (ms != UINT64_MAX && ms > INT32_MAX)
		return -ERANGE;
	sym.set(DELAY_OPTION, ms == UINT64_MAX ? FOR_EVER_MS : (long)ms);
	return 0;
}

const struct mg_allocator_ops mg_allocator_mimalloc = {
	.name = "mimalloc", .probe = probe, .version = version, .stats = mg_host_no_stats, .purge = purge,
	.decay_restore = MG_RESTORE_EXACT, .get_decay = get_decay, .set_decay = set_decay,
};
