/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CGROUP_FILES_H
#define MG_CGROUP_FILES_H

#include "collectors/collector.h"

/* What cgroup.c and cgroup_discover.c share: file names by version and slot (NULL: no such file), and dev and ino from the
 * own usage file. */
extern const char *const mg_cgroup_file_names[3][MG_CG__FILES];
void mg_cgroup_identify(struct mg_cgroup *g);

#endif
