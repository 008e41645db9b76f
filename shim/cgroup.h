/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_SHIM_CGROUP_H
#define MG_SHIM_CGROUP_H

/* The process's own memory cgroup, as far up as it can see: where it is, its files for the governor, and the few the shim
 * keeps for limits that are a share of the cgroup's. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MG_CGROUP_MAX_LEVELS 8
#define MG_CGROUP_MAX_PATH   1024

enum mg_cgroup_scope { MG_SCOPE_OWN, MG_SCOPE_VISIBLE_ROOT, MG_SCOPE_FULL };

struct mg_cgroup_place {
	unsigned version;                 /* 1, 2; 0: no memory cgroup found */
	enum mg_cgroup_scope scope;
	size_t mount_len;                 /* dir up to here is the mount point, the highest visible level */
	char dir[MG_CGROUP_MAX_PATH];     /* the own level */
};

/* Finds the place in the texts of /proc/self/cgroup and, line by line, /proc/self/mountinfo. Pure. */
struct mg_cgroup_find {
	char v1_path[MG_CGROUP_MAX_PATH / 2], v2_path[MG_CGROUP_MAX_PATH / 2];
	bool has_v1, has_v2;
	struct mg_cgroup_place v1, v2;
};
void mg_cgroup_find_line(struct mg_cgroup_find *f, const char *cgroup_line);
void mg_cgroup_find_mount(struct mg_cgroup_find *f, char *mountinfo_line /* is changed */);

/* Reads both files and decides; -ENOENT when the process has no memory cgroup it can see. */
int mg_cgroup_locate(struct mg_cgroup_place *ret);
const char *mg_cgroup_scope_name(enum mg_cgroup_scope s);

/* Opens the files of SPEC.md for HELLO. tags: comma-separated names in the order of fds. Returns how many. */
unsigned mg_cgroup_open_all(const struct mg_cgroup_place *p, int *fds, unsigned max, char *tags, size_t tags_cap);

/* What the shim keeps: charge and limits of every level. */
struct mg_cgroup_kept {
	unsigned levels;
	int charge[MG_CGROUP_MAX_LEVELS], max[MG_CGROUP_MAX_LEVELS], high[MG_CGROUP_MAX_LEVELS];
};
void mg_cgroup_keep(struct mg_cgroup_kept *k, const struct mg_cgroup_place *p);
/* The smallest limit on the way up and the charge it is compared with; UINT64_MAX: no limit, or not known. */
void mg_cgroup_look(const struct mg_cgroup_kept *k, uint64_t *ret_limit, uint64_t *ret_charge);

#endif
