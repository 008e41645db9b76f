/* SPDX-License-Identifier: Apache-2.0 */
/* The collectors there are, one row each; read by `memgov list collectors` and the reference pages. A new collector is a .c
 * of its own and a row here. */
#include "collectors/collector.h"

const struct mg_collector_info mg_collectors[] = {
	{ "prometheus", "scrapes an exposition (text 0.0.4 or OpenMetrics) and keeps the series its selectors name",
	  "as configured under sources" },
	{ "promql", "asks a Prometheus server for the value of an expression", "as configured under sources" },
	{ "cgroup", "reads the target's memory cgroup, v1 or v2, from kept descriptors",
	  "cgroup.usage cgroup.working_set cgroup.anon cgroup.file cgroup.swap cgroup.limit cgroup.headroom_bytes "
	  "cgroup.headroom "
	  "cgroup.events_high cgroup.events_max cgroup.events_oom_kill" },
	{ "psi", "pressure stall shares of the target's cgroup, over windows of its own", "psi.some psi.full" },
	{ "proc", "reads the target's /proc/<pid> from kept descriptors",
	  "proc.rss proc.pss proc.minflt_rate proc.majflt_rate proc.cpu proc.threads" },
	{ "shim", "what the target's own library reports",
	  "shim.live shim.resident shim.free_resident shim.returnable shim.alloc_rate heap.live heap.goal heap.committed "
	  "heap.released heap.gc_cpu heap.limit heap.gc_percent" },
	{ 0 },
};
