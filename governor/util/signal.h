/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_UTIL_SIGNAL_H
#define MG_UTIL_SIGNAL_H

#include <stddef.h>

#include "governor/util/value.h"

/* The signals every target has. Columns: constant, `source.name`, unit, kind, default max_age in seconds, help.
 * GAUGE: read as it is. COUNTER: only its increase means something (resets are handled by observe). */
#define MG_SIGNAL_TABLE(X) \
	X(CGROUP_USAGE,           "cgroup.usage",           BYTES,       GAUGE,   5,  "the cgroup's charge: memory.current, or v1 usage_in_bytes") \
	X(CGROUP_WORKING_SET,     "cgroup.working_set",     BYTES,       GAUGE,   5,  "usage minus inactive file pages") \
	X(CGROUP_ANON,            "cgroup.anon",            BYTES,       GAUGE,   5,  "anonymous memory (v1: rss)") \
	X(CGROUP_FILE,            "cgroup.file",            BYTES,       GAUGE,   5,  "page cache (v1: cache)") \
	X(CGROUP_SWAP,            "cgroup.swap",            BYTES,       GAUGE,   5,  "swapped out bytes") \
	X(CGROUP_LIMIT,           "cgroup.limit",           BYTES,       GAUGE,   5,  "the smallest max or high on the way up; unknown when there is none") \
	X(CGROUP_HEADROOM_BYTES,  "cgroup.headroom_bytes",  BYTES,       GAUGE,   5,  "limit minus working set") \
	X(CGROUP_HEADROOM,        "cgroup.headroom",        RATIO,       GAUGE,   5,  "share of the limit still free") \
	X(CGROUP_EVENTS_HIGH,     "cgroup.events_high",     COUNT,       COUNTER, 5,  "times memory.high was exceeded") \
	X(CGROUP_EVENTS_MAX,      "cgroup.events_max",      COUNT,       COUNTER, 5,  "times the limit was about to be exceeded (v1: failcnt)") \
	X(CGROUP_EVENTS_OOM_KILL, "cgroup.events_oom_kill", COUNT,       COUNTER, 5,  "processes killed for memory in this cgroup") \
	X(PSI_SOME,               "psi.some",               RATIO,       GAUGE,   10, "share of the last window in which some task waited for memory") \
	X(PSI_FULL,               "psi.full",               RATIO,       GAUGE,   10, "share of the last window in which all tasks waited for memory") \
	X(PROC_RSS,               "proc.rss",               BYTES,       GAUGE,   5,  "resident bytes from statm") \
	X(PROC_PSS,               "proc.pss",               BYTES,       GAUGE,   120,"proportional set size from smaps_rollup; read only when a rule names it, once a minute") \
	X(PROC_MINFLT_RATE,       "proc.minflt_rate",       PER_S,       GAUGE,   10, "minor faults a second") \
	X(PROC_MAJFLT_RATE,       "proc.majflt_rate",       PER_S,       GAUGE,   10, "major faults a second") \
	X(PROC_CPU,               "proc.cpu",               RATIO,       GAUGE,   10, "cores in use by the process (1 = one whole core)") \
	X(PROC_THREADS,           "proc.threads",           COUNT,       GAUGE,   10, "threads of the process") \
	X(SHIM_LIVE,              "shim.live",              BYTES,       GAUGE,   90, "bytes the program holds, as its allocator counts them") \
	X(SHIM_RESIDENT,          "shim.resident",          BYTES,       GAUGE,   15, "resident bytes as the shim reads them") \
	X(SHIM_FREE_RESIDENT,     "shim.free_resident",     BYTES,       GAUGE,   90, "freed by the program and still resident") \
	X(SHIM_RETURNABLE,        "shim.returnable",        BYTES,       GAUGE,   90, "what a purge is expected to return") \
	X(SHIM_ALLOC_RATE,        "shim.alloc_rate",        BYTES_PER_S, GAUGE,   15, "allocation rate where the allocator counts it") \
	X(HEAP_LIVE,              "heap.live",              BYTES,       GAUGE,   60, "bytes marked live by the last collection") \
	X(HEAP_GOAL,              "heap.goal",              BYTES,       GAUGE,   60, "heap size at which the runtime collects next") \
	X(HEAP_COMMITTED,         "heap.committed",         BYTES,       GAUGE,   60, "bytes the runtime holds from the system") \
	X(HEAP_RELEASED,          "heap.released",          BYTES,       GAUGE,   60, "bytes the runtime has given back") \
	X(HEAP_GC_CPU,            "heap.gc_cpu",            RATIO,       GAUGE,   60, "share of CPU spent in collection") \
	X(HEAP_LIMIT,             "heap.limit",             BYTES,       GAUGE,   60, "the runtime's own memory limit") \
	X(HEAP_GC_PERCENT,        "heap.gc_percent",        PERCENT,     GAUGE,   60, "the runtime's own GC percent")

enum mg_signal {
#define MG_SIGNAL_ENUM(id, ...) MG_SIG_##id,
	MG_SIGNAL_TABLE(MG_SIGNAL_ENUM)
#undef MG_SIGNAL_ENUM
	MG_SIG__BUILTIN
};

enum mg_signal_kind { MG_SIGNAL_GAUGE, MG_SIGNAL_COUNTER };

struct mg_signal_info {
	const char *name, *help;
	enum mg_unit unit;
	enum mg_signal_kind kind;
	uint64_t max_age_ns;
};

const struct mg_signal_info *mg_signal_info(enum mg_signal signal);
/* Returns the built-in signal with that name, -1 when there is none. */
int mg_signal_find(const char *name, size_t len);

#endif
