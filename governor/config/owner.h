/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_CONFIG_OWNER_H
#define MG_CONFIG_OWNER_H

#include "governor/config/config.h"

/* mg_config_check_owner for any uid: root or owner must own the file, its parents and every link on the way. */
int mg_owner_check(const char *path, uid_t owner, struct mg_err *err) MG_CHECK_RESULT;

#endif
