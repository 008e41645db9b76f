// SPDX-License-Identifier: Apache-2.0
/* The test governor: plays the other side of protocol/SPEC.md for the hazard tests, through the project's own codec. */

#include "governor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

uint64_t boot_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static int left_ms(uint64_t until_ns)
{
	uint64_t now = boot_ns();

	return now < until_ns ? (int)((until_ns - now) / 1000000u) + 1 : 0;
}

static bool readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) > 0;
}

void governor_listen(struct governor *g, const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	*g = (struct governor){ .listener = -1, .peer = -1 };
	snprintf(g->path, sizeof(g->path), "%s", path);
	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	g->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (bind(g->listener, (struct sockaddr *)&a, sizeof(a)) < 0 || listen(g->listener, 16) < 0)
		perror("governor_listen");
}

void governor_close_fds(struct governor *g)
{
	while (g->n_fds > 0)
		close(g->fds[--g->n_fds]);
}

void governor_stop(struct governor *g, bool keep_path)
{
	governor_close_fds(g);
	if (g->peer >= 0)
		close(g->peer);
	if (g->listener >= 0)
		close(g->listener);
	g->peer = g->listener = -1;
	if (!keep_path)
		unlink(g->path);
}

bool governor_accept(struct governor *g, int timeout_ms)
{
	if (g->peer >= 0)
		close(g->peer);
	g->peer = -1;
	if (readable(g->listener, timeout_ms))
		g->peer = accept4(g->listener, NULL, NULL, SOCK_CLOEXEC);
	return g->peer >= 0;
}

/* Length, 0 closed. */
static ssize_t receive(struct governor *g)
{
	char control[CMSG_SPACE(sizeof(g->fds))];
	struct iovec part = { g->in, sizeof(g->in) };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(g->peer, &m, MSG_CMSG_CLOEXEC);
	struct cmsghdr *h = n > 0 ? CMSG_FIRSTHDR(&m) : NULL;

	if (h && h->cmsg_type == SCM_RIGHTS) {
		governor_close_fds(g);
		g->n_fds = (unsigned)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(g->fds, CMSG_DATA(h), g->n_fds * sizeof(int));
	}
	return n < 0 ? 0 : n;
}

bool governor_expect(struct governor *g, enum mg_wire_verb verb, int timeout_ms)
{
	uint64_t until = boot_ns() + (uint64_t)timeout_ms * 1000000u;
	const char *why = "";

	while (g->peer >= 0 && readable(g->peer, left_ms(until))) {
		ssize_t n = receive(g);

		if (n == 0)
			return false;
		if (mg_wire_parse(g->in, (size_t)n, &g->msg, &why) < 0) {
			fprintf(stderr, "the target sent what the codec refuses: %s\n", why);
			return false;
		}
		if (g->msg.verb == verb)
			return true;
	}
	return false;
}

bool governor_closed(struct governor *g, int timeout_ms)
{
	uint64_t until = boot_ns() + (uint64_t)timeout_ms * 1000000u;

	while (readable(g->peer, left_ms(until)))
		if (receive(g) == 0)
			return true;
	return false;
}

bool governor_meet(struct governor *g, int timeout_ms)
{
	return governor_accept(g, timeout_ms) && governor_expect(g, MG_WIRE_HELLO, 3000);
}

bool governor_send_raw(struct governor *g, const void *data, size_t len)
{
	return send(g->peer, data, len, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)len;
}

uint64_t governor_send(struct governor *g, const char *verb, const char *keys)
{
	char buf[MG_WIRE_MAX];
	int n = snprintf(buf, sizeof(buf), "memgov/1 %s\nseq=%llu\nsent_ns=%llu\n%s", verb, (unsigned long long)++g->seq,
			 (unsigned long long)boot_ns(), keys);

	governor_send_raw(g, buf, (size_t)n);
	return g->seq;
}

bool governor_welcome(struct governor *g, const char *keys)
{
	char buf[512];
	int n = snprintf(buf, sizeof(buf), "memgov/1 WELCOME\nversion=1\nname=test\nreport_ms=200\nlease_ms=2000\n%s", keys);

	g->seq = 0;
	return governor_send_raw(g, buf, (size_t)n) && governor_expect(g, MG_WIRE_REPORT, 3000);
}

bool governor_answered(struct governor *g, uint64_t seq, enum mg_wire_verb verb, int timeout_ms)
{
	uint64_t until = boot_ns() + (uint64_t)timeout_ms * 1000000u;

	while (governor_expect(g, verb, left_ms(until)))
		if (governor_number(g, "seq") == seq)
			return true;
	return false;
}

uint64_t governor_number(const struct governor *g, const char *key)
{
	uint64_t v;

	return mg_wire_u64(&g->msg, key, &v) == 0 ? v : UINT64_MAX - 1;
}

const char *governor_text(const struct governor *g, const char *key)
{
	static char text[2][MG_WIRE_MAX];
	static unsigned turn;
	char *out = text[turn++ % 2];

	return mg_wire_str(&g->msg, key, out, MG_WIRE_MAX) < 0 ? "" : out;
}
