/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of cgroup files, and the tags of descriptors. */
#include <stdint.h>
#include <stdlib.h>

#include "collectors/collector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mg_flat want[] = { { .key = "anon" }, { .key = "inactive_file" }, { .key = "oom_kill" } };
	const char *text = (const char *)data;
	struct mg_err err = { "" };
	struct mg_cgroup g;
	int none[4] = { -1, -1, -1, -1 };
	uint64_t v = 4711;

	if (mg_parse_u64_or_max(text, size, &v, &err) < 0 && (v != 4711 || err.text[0] == '\0'))
		abort();
	err.text[0] = '\0';
	if (mg_parse_flat_keyed(text, size, want, 3, &err) < 0 && err.text[0] == '\0')
		abort();
	mg_cgroup_init(&g);
	if (mg_cgroup_take(&g, text, size, none, 4) != 0)
		abort();
	return 0;
}
