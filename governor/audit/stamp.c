/* SPDX-License-Identifier: Apache-2.0 */
/* Wall times as text. gmtime_r would take the time zone's lock and read the environment on its first call, so the few
 * lines of calendar are here. Called by log, record and the API. */
#include "governor/audit/stamp.h"

#include "governor/util/value.h"

/* Days since 1970-01-01 to year, month, day of the Gregorian calendar; the year is counted from March, so that the leap
 * day is its last. Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days. */
static void civil(uint64_t days, unsigned *y, unsigned *m, unsigned *d)
{
	uint64_t z = days + 719468, era = z / 146097, doe = z % 146097;
	uint64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*d = (unsigned)(doy - (153 * mp + 2) / 5 + 1);
	*m = (unsigned)(mp < 10 ? mp + 3 : mp - 9);
	*y = (unsigned)(yoe + era * 400 + (*m <= 2));
}

void mg_buf_stamp(struct mg_buf *b, uint64_t wall_ns)
{
	uint64_t s = wall_ns / MG_NS_PER_S, ms = wall_ns % MG_NS_PER_S / MG_NS_PER_MS;
	unsigned y, m, d, t = (unsigned)(s % 86400);

	civil(s / 86400, &y, &m, &d);
	mg_buf_printf(b, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ", y, m, d, t / 3600, t / 60 % 60, t % 60, (unsigned)ms);
}
