/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/decide/names.h"

#include <errno.h>

#include "governor/util/str.h"

static const struct { const char *name; enum mg_unit unit; enum mg_signal_kind kind; } app[N_APP] = {
	[APP_HEAP_INUSE] = { "app.heap_inuse", MG_UNIT_BYTES, MG_SIGNAL_GAUGE },
	[APP_GCS] = { "app.gcs", MG_UNIT_COUNT, MG_SIGNAL_COUNTER },
	[APP_LEVEL] = { "app.level", MG_UNIT_ANY, MG_SIGNAL_GAUGE },
};

static int lookup(void *ctx, const char *name, size_t len, struct mg_signal_ref *ref, enum mg_unit *unit, enum mg_signal_kind *kind)
{
	int s = mg_signal_find(name, len);
	(void)ctx;

	if (s >= 0) {
		*ref = (struct mg_signal_ref){ MG_SCOPE_TARGET, (uint16_t)s };
		*unit = mg_signal_info((enum mg_signal)s)->unit;
		*kind = mg_signal_info((enum mg_signal)s)->kind;
		return 0;
	}
	for (uint16_t i = 0; i < N_APP; i++)
		if (mg_equal(name, len, app[i].name)) {
			*ref = (struct mg_signal_ref){ MG_SCOPE_SOURCE, i };
			*unit = app[i].unit;
			*kind = app[i].kind;
			return 0;
		}
	return -ENOENT;
}

static const char *nearest(void *ctx, const char *name, size_t len)
{
	const char *best = NULL;
	uint32_t best_distance = 3;
	(void)ctx;

	for (enum mg_signal s = 0; s < MG_SIG__BUILTIN; s++) {
		const char *known = mg_signal_info(s)->name;
		uint32_t d = mg_distance(name, len, known, strlen(known), 2);
		if (d < best_distance) {
			best_distance = d;
			best = known;
		}
	}
	return best;
}

const struct mg_names test_names = { lookup, nearest, NULL };
