/* SPDX-License-Identifier: Apache-2.0 */
/* `memgov exec`: finds libmemgov.so, puts it into the environment, becomes the program. Called through verbs.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "governor/cli/cli.h"
#include "governor/util/str.h"

#define ENV_BYTES 4096

const char *mg_cli_socket(const struct mg_cli *c)
{
	const char *env = getenv("MEMGOV_SOCKET");

	return c->socket ? c->socket : env && *env ? env : MG_DEFAULT_SOCKET;
}

/* ---- the library ---- */

static bool beside_program(char *ret, size_t cap)
{
	char self[1024];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	struct mg_buf b = mg_buf(ret, cap);

	if (n <= 0)
		return false;
	self[n] = '\0';
	for (int up = 0; up < 2; up++) { /* PREFIX/bin/memgov: PREFIX/lib */
		char *slash = strrchr(self, '/');
		if (!slash)
			return false;
		*slash = '\0';
	}
	mg_buf_printf(&b, "%s/lib/libmemgov.so", self);
	return !b.full && access(ret, R_OK) == 0;
}

int mg_cli_find_lib(char *ret, size_t cap, struct mg_err *err)
{
	const char *named = getenv("MEMGOV_LIB");

	if (named && *named) {
		if (!mg_copy(ret, cap, named) || access(ret, R_OK) < 0)
			return mg_fail(err, -ENOENT, "MEMGOV_LIB names %s, which cannot be read", named);
		return 0;
	}
	if (beside_program(ret, cap))
		return 0;
	if (mg_copy(ret, cap, MG_LIBDIR "/libmemgov.so") && access(ret, R_OK) == 0)
		return 0;
	return mg_fail(err, -ENOENT,
		       "libmemgov.so is neither in ../lib beside memgov nor in " MG_LIBDIR
		       ": install it, or name it with MEMGOV_LIB");
}

/* ---- the environment ---- */

/* True when lib is one of the entries of a list separated by colons or spaces, as ld.so reads LD_PRELOAD. */
static bool listed(const char *list, const char *lib)
{
	for (const char *p = list; *p;) {
		size_t n = strcspn(p, ": ");
		if (mg_equal(p, n, lib))
			return true;
		p += n + (p[n] != '\0');
	}
	return false;
}

/* Appends text to an environment variable that is a list. */
static int append_env(const char *name, const char *separator, const char *text, struct mg_err *err)
{
	char value[ENV_BYTES];
	const char *old = getenv(name);
	struct mg_buf b = mg_buf(value, sizeof value);

	mg_buf_printf(&b, "%s%s%s", old ? old : "", old && *old ? separator : "", text);
	if (b.full)
		return mg_fail(err, -E2BIG, "%s would be longer than %d bytes", name, ENV_BYTES);
	return setenv(name, value, 1) < 0 ? mg_fail(err, -errno, "cannot set %s: %s", name, strerror(errno)) : 0;
}

static int prepare(const struct mg_cli *c, struct mg_err *err)
{
	char lib[1024];
	const char *preload = getenv("LD_PRELOAD");
	int r = mg_cli_find_lib(lib, sizeof lib, err);

	if (r == 0 && strpbrk(lib, ": "))
		r = mg_fail(err, -EINVAL, "%s has a colon or a space in its path: LD_PRELOAD cannot name it", lib);
	if (r == 0 && !listed(preload ? preload : "", lib))
		r = append_env("LD_PRELOAD", ":", lib, err);
	for (unsigned i = 0; r == 0 && i < c->n_labels; i++)
		r = append_env("MEMGOV_LABELS", ",", c->label[i], err);
	if (r == 0 && setenv("MEMGOV_SOCKET", mg_cli_socket(c), 1) < 0)
		r = mg_fail(err, -errno, "cannot set MEMGOV_SOCKET: %s", strerror(errno));
	return r;
}

int mg_cli_exec(const struct mg_cli *c)
{
	struct mg_err err;

	if (prepare(c, &err) < 0)
		return mg_cli_fail(MG_EXIT_RUNTIME, "%s", err.text);
	execvp(c->arg[0], c->arg);
	return mg_cli_fail(MG_EXIT_RUNTIME, "cannot start %s: %s", c->arg[0], strerror(errno));
}
