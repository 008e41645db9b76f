/* SPDX-License-Identifier: Apache-2.0 */
/* The access list of the control socket. Reads the allow-lists, writes the kernel's own form of a POSIX ACL (the value of
 * system.posix_acl_access, <linux/posix_acl_xattr.h>): a version, then entries sorted by tag and id, little-endian. Called by
 * control_listen.c. */
#include "governor/serve/control_acl.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/xattr.h>

#define ACL_VERSION 2U
#define NO_ID       UINT32_MAX
#define MAX_ENTRIES (4 + 2 * MG_CONTROL_MAX_IDS)

enum tag { OWNER = 0x01, USER = 0x02, OWNING_GROUP = 0x04, GROUP = 0x08, MASK = 0x10, OTHER = 0x20 };
enum { READ_WRITE = 6, NOTHING = 0 };

struct acl {
	uint32_t version;
	struct { uint16_t tag, permissions; uint32_t id; } at[MAX_ENTRIES];
};

static void add(struct acl *a, unsigned *n, enum tag tag, unsigned permissions, uint32_t id)
{
	a->at[*n].tag = htole16((uint16_t)tag);
	a->at[*n].permissions = htole16((uint16_t)permissions);
	a->at[(*n)++].id = htole32(id);
}

static int by_value(const void *a, const void *b)
{
	const uint32_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The kernel wants ids ascending and each once. */
static void add_ids(struct acl *a, unsigned *n, enum tag tag, const uint32_t *ids, unsigned n_ids)
{
	uint32_t sorted[MG_CONTROL_MAX_IDS];

	for (unsigned i = 0; i < n_ids; i++)
		sorted[i] = ids[i];
	qsort(sorted, n_ids, sizeof sorted[0], by_value);
	for (unsigned i = 0; i < n_ids; i++)
		if (i == 0 || sorted[i] != sorted[i - 1])
			add(a, n, tag, READ_WRITE, sorted[i]);
}

int mg_control_acl(const char *path, const struct mg_control_conf *conf)
{
	struct acl a = { .version = htole32(ACL_VERSION) };
	unsigned n = 0;

	if (conf->n_uids > MG_CONTROL_MAX_IDS || conf->n_gids > MG_CONTROL_MAX_IDS)
		return -E2BIG;
	if (conf->n_uids + conf->n_gids == 0)
		return 0;
	add(&a, &n, OWNER, READ_WRITE, NO_ID);
	add_ids(&a, &n, USER, conf->allow_uids, conf->n_uids);
	add(&a, &n, OWNING_GROUP, READ_WRITE, NO_ID);
	add_ids(&a, &n, GROUP, conf->allow_gids, conf->n_gids);
	add(&a, &n, MASK, READ_WRITE, NO_ID);
	add(&a, &n, OTHER, NOTHING, NO_ID);
	return setxattr(path, "system.posix_acl_access", &a, sizeof a.version + n * sizeof a.at[0], 0) < 0 ? -errno : 0;
}
