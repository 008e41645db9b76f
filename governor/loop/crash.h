/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CRASH_H
#define MG_CRASH_H

#include <stdbool.h>
#include <stdint.h>

#include "governor/util/err.h"

/* The crash breaker: an executable that dies by a fault within 60 s of an action twice in an hour is quarantined to dry run.
 * The list outlives the governor in a file beside the socket; `memgov resume TARGET` takes an entry off. */
#define MG_MAX_QUARANTINE   64
#define MG_CRASH_WINDOW_NS  (60ULL * 1000000000ULL)
#define MG_CRASH_HOUR_NS    (3600ULL * 1000000000ULL)

struct mg_crash_entry {
	char exe[256];
	uint64_t last_wall_ns;  /* the newest crash, wall time; 0: free entry */
	bool quarantined;
};
struct mg_crash {
	char path[128];
	struct mg_crash_entry at[MG_MAX_QUARANTINE];
};

/* Reads the list; a missing file is an empty list; a line that does not parse is skipped and said in err (-EBADMSG). */
int mg_crash_load(struct mg_crash *c, const char *path, struct mg_err *err) MG_CHECK_RESULT;
bool mg_crash_quarantined(const struct mg_crash *c, const char *exe);
/* Notes a death by signal soon after an action. Returns true when this one puts exe into quarantine. */
bool mg_crash_note(struct mg_crash *c, const char *exe, uint64_t wall_ns);
/* Returns true when exe was in quarantine and no longer is. */
bool mg_crash_release(struct mg_crash *c, const char *exe);

/* How a process ended: asked of its pidfd (kernel 6.15), else of its /proc/<pid>/stat while it is not yet reaped (needs root
 * or its uid). Either descriptor may be -1. A fault is SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGTRAP or SIGSYS: a process
 * that somebody ended (SIGTERM, SIGKILL, the OOM killer) did not crash. */
enum mg_death { MG_DEATH_NOT_YET, MG_DEATH_OTHER, MG_DEATH_FAULT, MG_DEATH_UNKNOWN };
enum mg_death mg_crash_death(int pidfd, int stat_fd);

#endif
