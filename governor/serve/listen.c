/* SPDX-License-Identifier: Apache-2.0 */
/* Opens listening sockets for HTTP and says who may speak through them: addresses, modes, the Host header, peer uids.
 * Called by http.c. */
#include "governor/serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "governor/util/cleanup.h"
#include "governor/util/num.h"
#include "governor/util/str.h"

#define BACKLOG 64

/* ---- addresses ---- */

/* Splits HOST:PORT, [V6]:PORT; port NULL when there is none. False: brackets do not match. */
static bool split(const char *s, char *host, size_t cap, const char **port)
{
	const char *colon = strrchr(s, ':'), *start = s, *end;

	if (*s == '[') {
		start = s + 1;
		end = strchr(start, ']');
		if (!end || (end[1] != '\0' && end[1] != ':'))
			return false;
		colon = end[1] == ':' ? end + 1 : NULL;
	} else {
		end = colon ? colon : s + strlen(s);
	}
	*port = colon ? colon + 1 : NULL;
	return mg_copyn(host, cap, start, (size_t)(end - start));
}

static bool is_address(const char *host)
{
	unsigned char a[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, a) == 1 || inet_pton(AF_INET6, host, a) == 1;
}

static int tcp_address(const char *where, struct mg_listener_socket *s, struct addrinfo **ret, struct mg_err *err)
{
	struct addrinfo hint = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM };
	const char *port;
	uint64_t n;

	if (!split(where, s->host, sizeof s->host, &port) || !port || mg_scan_u64(port, strlen(port), &n) < 0 || n > 65535)
		return mg_fail(err, -EINVAL,
			       "`%.100s` is not ADDR:PORT: write 127.0.0.1:19464 or unix:/run/memgov/control.sock.admin", where);
	bool local = strcmp(s->host, "localhost") == 0;
	s->any = s->host[0] == '\0' || strcmp(s->host, "0.0.0.0") == 0 || strcmp(s->host, "::") == 0;
	int r = getaddrinfo(local ? "127.0.0.1" : s->host[0] ? s->host : NULL, port, &hint, ret);
	if (r != 0)
		return mg_fail(err, -EINVAL, "`%.100s` does not name an address of this host by number: %s", where,
			       gai_strerror(r));
	return 0;
}

static int tcp_bind(int fd, const struct addrinfo *a)
{
	int one = 1, zero = 0;

	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
	if (a->ai_family == AF_INET6) /* [::] serves both families */
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof zero);
	return bind(fd, a->ai_addr, a->ai_addrlen) < 0 || listen(fd, BACKLOG) < 0 ? -errno : 0;
}

static int listen_tcp(const char *where, struct mg_listener_socket *s, struct mg_err *err)
{
	struct addrinfo *a;
	int r = tcp_address(where, s, &a, err);

	if (r < 0)
		return r;
	MG_CLOSE int fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	r = fd < 0 ? -errno : tcp_bind(fd, a);
	freeaddrinfo(a);
	if (r < 0)
		return mg_fail(err, r, "cannot listen on %.100s: %s", where, strerror(-r));
	s->fd = fd;
	fd = -1;
	return 0;
}

/* ---- unix ---- */

static int unix_address(const char *path, struct sockaddr_un *ret)
{
	*ret = (struct sockaddr_un){ .sun_family = AF_UNIX };
	return mg_copy(ret->sun_path, sizeof ret->sun_path, path) ? 0 : -ENAMETOOLONG;
}

static bool answers(const char *path)
{
	struct sockaddr_un a;
	MG_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || unix_address(path, &a) < 0)
		return false;
	return connect(fd, (struct sockaddr *)&a, sizeof a) == 0 || errno == EAGAIN;
}

/* Mode before listen: until then nobody can connect. */
static int unix_bind(int fd, const char *temporary, struct mg_listener_socket *s)
{
	struct sockaddr_un a;
	struct stat st;

	if (unix_address(temporary, &a) < 0)
		return -ENAMETOOLONG;
	(void)unlink(temporary);
	if (bind(fd, (struct sockaddr *)&a, sizeof a) < 0)
		return -errno;
	if (chmod(temporary, 0600) < 0 || listen(fd, BACKLOG) < 0 || stat(temporary, &st) < 0 || rename(temporary, s->path) < 0) {
		int r = -errno;
		(void)unlink(temporary);
		return r;
	}
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	return 0;
}

static int listen_unix(const char *path, struct mg_listener_socket *s, struct mg_err *err)
{
	char temporary[sizeof s->path + 8];

	s->is_unix = true;
	if (*path != '/' || !mg_copy(s->path, sizeof s->path, path))
		return mg_fail(err, -EINVAL, "unix:%.60s must be an absolute path shorter than %zu bytes", path,
			       sizeof s->path - 5);
	if (answers(path))
		return mg_fail(err, -EADDRINUSE, "%s is served by another governor: stop it, or name another serve.admin", path);
	MG_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	snprintf(temporary, sizeof temporary, "%s.new", path);
	int r = fd < 0 ? -errno : unix_bind(fd, temporary, s);
	if (r < 0)
		return mg_fail(err, r, "cannot listen on %s: %s", path, strerror(-r));
	s->fd = fd;
	fd = -1;
	return 0;
}

int mg_listen(const char *where, struct mg_listener_socket *ret, struct mg_err *err)
{
	struct mg_listener_socket s = { .fd = -1 };
	int r = strncmp(where, "unix:", 5) == 0 ? listen_unix(where + 5, &s, err) : listen_tcp(where, &s, err);

	if (r == 0)
		*ret = s;
	return r;
}

void mg_listen_close(struct mg_listener_socket *s)
{
	struct stat st;

	if (s->fd < 0)
		return;
	if (s->is_unix && lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		(void)unlink(s->path);
	mg_close_fd(&s->fd);
}

/* ---- who may speak ---- */

bool mg_listen_host_ok(const struct mg_listener_socket *s, const char *host)
{
	char name[256];
	const char *port;

	if (s->is_unix || !host)
		return true;
	if (!split(host, name, sizeof name, &port))
		return false;
	if (mg_equal_nocase(name, strlen(name), "localhost") || strcmp(name, s->host) == 0)
		return true;
	return is_address(name) && (s->any || strncmp(name, "127.", 4) == 0 || strcmp(name, "::1") == 0);
}

bool mg_listen_peer_ok(int fd)
{
	struct ucred c;
	socklen_t len = sizeof c;

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len) == 0 && (c.uid == geteuid() || c.uid == 0);
}
