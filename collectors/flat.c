/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel's small texts: reads what cgroup.c has read from one file, gives numbers. Pure. The kernel ends every text
 * with a newline, so one without it was cut. */
#include <errno.h>
#include <string.h>

#include "collectors/collector.h"
#include "governor/util/num.h"
#include "governor/util/str.h"

int mg_parse_u64_or_max(const char *buf, size_t len, uint64_t *ret, struct mg_err *err)
{
	uint64_t v = UINT64_MAX;

	if (len == 0 || buf[len - 1] != '\n')
		return mg_fail(err, -EBADMSG, "line 1: cut, no newline");
	len--;
	if (!mg_equal(buf, len, "max") && mg_scan_u64(buf, len, &v) < 0)
		return mg_fail(err, -EBADMSG, "line 1: neither a number nor `max`");
	*ret = v;
	return 0;
}

static int flat_line(const char *line, size_t len, struct mg_flat *want, unsigned n)
{
	const char *blank = memchr(line, ' ', len);
	uint64_t v;

	if (!blank || blank == line)
		return -EBADMSG;
	size_t key = (size_t)(blank - line);
	if (mg_scan_u64(blank + 1, len - key - 1, &v) < 0)
		return -EBADMSG;
	for (unsigned i = 0; i < n; i++) {
		if (!mg_equal(line, key, want[i].key))
			continue;
		want[i].value = v;
		want[i].found = true;
	}
	return 0;
}

int mg_parse_flat_keyed(const char *buf, size_t len, struct mg_flat *want, unsigned n, struct mg_err *err)
{
	unsigned line = 1;

	for (; len > 0; line++) {
		const char *end = memchr(buf, '\n', len);
		if (!end)
			return mg_fail(err, -EBADMSG, "line %u: cut, no newline", line);
		size_t k = (size_t)(end - buf);
		if (flat_line(buf, k, want, n) < 0)
			return mg_fail(err, -EBADMSG, "line %u: not `key number`", line);
		buf += k + 1;
		len -= k + 1;
	}
	return 0;
}
