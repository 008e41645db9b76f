/* SPDX-License-Identifier: Apache-2.0 */
/* Pressure texts, and the windows over whatever parses. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>

#include "collectors/collector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mg_psi_window w = { 0 };
	struct mg_psi first = { 0 }, p;
	struct mg_psi_shares s;
	struct mg_err err = { "" };

	if (mg_parse_psi((const char *)data, size, &p, &err) < 0) {
		if (err.text[0] == '\0')
			abort();
		return 0;
	}
	mg_psi_push(&w, MG_NS_PER_S, &first, &s);
	if (!mg_psi_push(&w, 4 * MG_NS_PER_S, &p, &s))
		abort();
	if (!(s.some >= 0 && s.some <= 1) || (p.has_full && !(s.full >= 0 && s.full <= 1)))
		abort();
	return 0;
}
