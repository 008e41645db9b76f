/* SPDX-License-Identifier: Apache-2.0 */
/* hold: change nothing.
 * No formula. The baseline every other policy is compared with, and a way to keep a target watched and unchanged.
 * Reads: nothing. Sets: nothing. */
#include "policies/registry.h"

static const struct mg_field hold_fields[] = {
	{ 0 },
};

static void hold_decide(const void *conf, void *state, const struct mg_view *v, struct mg_decision *ret)
{
	(void)conf, (void)state, (void)v;
	mg_hold(ret, "the rule holds");
}

const struct mg_policy_ops mg_policy_hold = {
	.name = "hold", .help = "change nothing: the baseline others are compared with",
	.fields = hold_fields, .decide = hold_decide,
};
