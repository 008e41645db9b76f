/* SPDX-License-Identifier: Apache-2.0 */
/* Pressure stall information: reads the text of memory.pressure, gives the share of each window in which tasks waited.
 * Windows are our own, over `total`. Called by cgroup.c. */
#include <errno.h>
#include <math.h>
#include <string.h>

#include "collectors/collector.h"
#include "governor/util/num.h"
#include "governor/util/str.h"

/* `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`; the averages are checked to be there and not kept. */
static int psi_line(const char *line, size_t len, const char *kind, uint64_t *total)
{
	static const char *const keys[] = { "avg10=", "avg60=", "avg300=" };
	size_t at = strlen(kind);
	double avg;

	if (len < at || memcmp(line, kind, at) != 0)
		return -EBADMSG;
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		size_t n = strlen(keys[i]);
		if (len - at < n + 1 || line[at] != ' ' || memcmp(line + at + 1, keys[i], n) != 0)
			return -EBADMSG;
		at += n + 1;
		size_t digits = mg_scan_decimal(line + at, len - at, &avg);
		if (digits == 0)
			return -EBADMSG;
		at += digits;
	}
	if (len - at < 7 || memcmp(line + at, " total=", 7) != 0)
		return -EBADMSG;
	return mg_scan_u64(line + at + 7, len - at - 7, total) < 0 ? -EBADMSG : 0;
}

int mg_parse_psi(const char *buf, size_t len, struct mg_psi *ret, struct mg_err *err)
{
	struct mg_psi p = { 0 };
	const char *end = memchr(buf, '\n', len);

	if (!end || psi_line(buf, (size_t)(end - buf), "some", &p.some_total_us) < 0)
		return mg_fail(err, -EBADMSG, "line 1: not `some avg10=N avg60=N avg300=N total=N`");
	const char *next = end + 1;
	size_t left = len - (size_t)(next - buf);
	p.has_full = left > 0;
	if (p.has_full && (next[left - 1] != '\n' || psi_line(next, left - 1, "full", &p.full_total_us) < 0))
		return mg_fail(err, -EBADMSG, "line 2: not `full avg10=N avg60=N avg300=N total=N`");
	*ret = p;
	return 0;
}

static double share(uint64_t from_us, uint64_t to_us, uint64_t window_ns)
{
	return mg_clamp((double)(to_us - from_us) * 1000 / (double)window_ns, 0, 1);
}

bool mg_psi_push(struct mg_psi_window *w, uint64_t now_ns, const struct mg_psi *p, struct mg_psi_shares *ret)
{
	bool reset = p->some_total_us < w->last.some_total_us || p->full_total_us < w->last.full_total_us;
	uint64_t span = now_ns - w->at_ns;

	if (w->at_ns != 0 && !reset && span < MG_PSI_WINDOW_NS)
		return false;
	bool whole = w->at_ns != 0 && !reset;
	if (whole) {
		ret->some = share(w->last.some_total_us, p->some_total_us, span);
		ret->full = p->has_full ? share(w->last.full_total_us, p->full_total_us, span) : NAN;
	}
	w->last = *p;
	w->at_ns = now_ns;
	return whole;
}
