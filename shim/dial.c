// SPDX-License-Identifier: Apache-2.0
/* Reaches the governor: connects to its socket, checks whose it is, sends HELLO with the descriptors of the process and of
 * its cgroup; called by the link thread when a dial is due. Everything opened here but the socket is closed again. Tries are
 * spread by decorrelated jitter, so that a crowd of targets does not come back at once. */

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "shim/link.h"
#include "shim/log.h"
#include "shim/shim.h"
#include "shim/sys.h"
#include "shim/text.h"

#define MAX_TAGS 1024

void mg_dial_later(struct mg_link *l)
{
	uint64_t span = l->backoff_ns * 3 - MG_LINK_BACKOFF_MIN_NS;

	l->backoff_ns = MG_LINK_BACKOFF_MIN_NS + mg_link_random(l, span);
	if (l->backoff_ns > MG_LINK_BACKOFF_MAX_NS)
		l->backoff_ns = MG_LINK_BACKOFF_MAX_NS;
	l->dial_ns = l->now_ns + l->backoff_ns;
}

static bool directory_owner(uint32_t *ret)
{
	char dir[MG_ENV_PATH_MAX];
	size_t n = strlen(mg_shim.env.socket);
	struct stat st;

	memcpy(dir, mg_shim.env.socket, n + 1);
	while (n > 1 && dir[n - 1] != '/')
		n--;
	dir[n > 1 ? n - 1 : 1] = '\0';
	if (mg_sys_stat(dir, &st) < 0)
		return false;
	*ret = st.st_uid;
	return true;
}

/* Root, this user, or whoever owns the socket's directory; a uid named in the environment alone where there is one. */
static bool trusted(int sock)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);
	uint32_t owner;

	if (mg_sys5(__NR_getsockopt, sock, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
		return false;
	if (mg_shim.env.governor_uid_set)
		return peer.uid == mg_shim.env.governor_uid;
	return peer.uid == 0 || peer.uid == (uint32_t)mg_sys0(__NR_geteuid) || (directory_owner(&owner) && peer.uid == owner);
}

static unsigned open_all(struct mg_text *tags, int fds[MG_WIRE_MAX_FDS], enum mg_cgroup_scope *scope)
{
	static const struct { const char *tag, *path; } own[] = {
		{ "statm", "/proc/self/statm" }, { "stat", "/proc/self/stat" }, { "smaps_rollup", "/proc/self/smaps_rollup" },
	};
	static struct mg_cgroup_place place;
	unsigned n = 0;

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
		long fd = mg_sys_open(own[i].path, O_RDONLY | O_CLOEXEC);

		if (fd < 0)
			continue;
		mg_text_str(tags, tags->len ? "," : "");
		mg_text_str(tags, own[i].tag);
		fds[n++] = (int)fd;
	}
	*scope = MG_SCOPE_OWN;
	if (mg_cgroup_locate(&place) < 0)
		return n;
	*scope = place.scope;
	return n + mg_cgroup_open_all(&place, fds + n, MG_WIRE_MAX_FDS - n, tags->buf, tags->cap);
}

static long send_rights(struct mg_link *l, size_t len, const int *fds, unsigned n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int) * MG_WIRE_MAX_FDS)] = { 0 };
	struct iovec part = { l->out, len };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

	if (n > 0) {
		struct cmsghdr *h = (struct cmsghdr *)control;

		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int) * n);
		memcpy(CMSG_DATA(h), fds, sizeof(int) * n);
		m.msg_control = control;
		m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
	}
	return mg_sys3(__NR_sendmsg, l->sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static long hello(struct mg_link *l)
{
	char tags[MAX_TAGS];
	int fds[MG_WIRE_MAX_FDS];
	enum mg_cgroup_scope scope;
	struct mg_text t;
	unsigned n;
	long len;

	mg_text_init(&t, tags, sizeof(tags));
	n = open_all(&t, fds, &scope);
	len = mg_client_hello(l, tags, mg_cgroup_scope_name(scope));
	if (len > 0)
		len = send_rights(l, (size_t)len, fds, n);
	while (n > 0)
		(void)mg_sys_close(fds[--n]);
	return len;
}

static int connect_to(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	long fd = mg_sys3(__NR_socket, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), r;

	if (fd < 0)
		return (int)fd;
	memcpy(a.sun_path, path, strlen(path) + 1);
	r = mg_sys3(__NR_connect, fd, &a, sizeof(a));
	if (r == 0)
		return (int)fd;
	(void)mg_sys_close((int)fd);
	return (int)r;
}

/* Linux 6.16 answers EPERM while the governor's listener, which takes no descriptors, has not accepted the connection. */
void mg_dial_hello(struct mg_link *l)
{
	long r = hello(l);

	if (r >= 0) {
		l->conn = MG_CONN_WELCOME;
		l->answer_by_ns = l->now_ns + MG_LINK_WELCOME_NS;
	} else if (r == -EPERM || r == -EAGAIN) {
		l->hello_ns = l->now_ns + MG_LINK_HELLO_AGAIN_NS;
	} else {
		mg_link_close(l, "HELLO could not be sent");
	}
}

void mg_dial(struct mg_link *l)
{
	if (mg_link_sealed(l))
		return;
	l->sock = connect_to(mg_shim.env.socket);
	if (l->sock < 0) {
		l->sock = -1;
		mg_dial_later(l);
		return;
	}
	l->conn = MG_CONN_HELLO;
	l->answer_by_ns = l->now_ns + MG_LINK_HELLO_NS;
	l->lease.seq = 0;
	if (!trusted(l->sock)) {
		l->backoff_ns = MG_LINK_BACKOFF_MAX_NS;
		mg_log(MG_LOG_ERROR, "governor-refused", "why",
		       "its uid is neither root, this process's, the socket directory owner's nor MEMGOV_GOVERNOR_UID");
		mg_link_close(l, "untrusted governor");
	} else {
		mg_dial_hello(l);
	}
}
