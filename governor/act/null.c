/* SPDX-License-Identifier: Apache-2.0 */
/* The actuator of dry run: takes what was decided and guarded, does nothing, and says it went well, so that everything before and
 * after it is the same code in both modes. Called by the tick. */
#include "governor/act/act.h"

static int null_send(void *peer, const struct mg_want *w, const struct mg_view *v, uint64_t seq, uint64_t lease_ns,
		     uint64_t now_ns)
{
	(void)peer, (void)w, (void)v, (void)seq, (void)lease_ns, (void)now_ns;
	return 0;
}

static int null_renew(void *peer, uint64_t seq, uint64_t lease_ns, uint64_t now_ns)
{
	(void)peer, (void)seq, (void)lease_ns, (void)now_ns;
	return 0;
}

static int null_restore(void *peer, uint64_t seq, uint64_t now_ns)
{
	(void)peer, (void)seq, (void)now_ns;
	return 0;
}

const struct mg_act_ops mg_act_null = { .name = "null", .send = null_send, .renew = null_renew, .restore = null_restore };
