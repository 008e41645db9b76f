/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_TESTS_ALLOC_FILTER_H
#define MG_TESTS_ALLOC_FILTER_H

/* Whether a claim can run here at all, and a way to forbid it. */

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* prctl(PR_SET_SECCOMP) fails from here on, as under a strict container profile. */
static inline bool mg_try_filter(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_prctl, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PR_SET_SECCOMP, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = { .len = sizeof code / sizeof code[0], .filter = code };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog) == 0;
}

static inline void mg_forbid_filters(void)
{
	if (!mg_try_filter())
		abort();
}

/* False in an emulator, or where a container's profile refuses. Tried in a child: a filter stays. */
static inline bool mg_filters_work(void)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		_exit(!mg_try_filter());
	waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

#endif
