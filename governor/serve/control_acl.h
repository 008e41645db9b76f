/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONTROL_ACL_H
#define MG_CONTROL_ACL_H

#include "governor/serve/control.h"

/* Lets exactly the users and groups of conf write to the socket at path, beside its owner and group: connecting is writing. A
 * file mode names one group; a POSIX access list names all of them. Returns 0; -ENOTSUP where the file system has no lists:
 * then only the owner and the group get in. */
int mg_control_acl(const char *path, const struct mg_control_conf *conf) MG_CHECK_RESULT;

#endif
