/* SPDX-License-Identifier: Apache-2.0 */
/* See rig.h. */
#include "tests/protocol/rig.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "governor/util/value.h"

#define BEAT_NS (20 * MG_NS_PER_MS)

static unsigned fds_at_start;

static uint64_t clock_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_BOOTTIME, &t);
	return (uint64_t)t.tv_sec * MG_NS_PER_S + (uint64_t)t.tv_nsec;
}

/* How long this thread has waited for a CPU so far: lateness that a busy machine explains is not the loop's. */
static uint64_t run_delay_ns(void)
{
	unsigned long long ran, waited = 0;
	FILE *f = fopen("/proc/thread-self/schedstat", "re");

	if (!f)
		return 0;
	if (fscanf(f, "%llu %llu", &ran, &waited) != 2)
		waited = 0;
	fclose(f);
	return waited;
}

unsigned count_fds(void)
{
	unsigned n = 0;
	DIR *d = opendir("/proc/self/fd");

	while (d && readdir(d))
		n++;
	if (d)
		closedir(d);
	return n;
}

void nap(unsigned ms)
{
	const struct timespec t = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&t, NULL);
}

/* ---- the owner ---- */

static void copy(char *to, size_t cap, const char *from)
{
	snprintf(to, cap, "%s", from);
}

static int on_hello(void *ctx, struct mg_peer *p, struct mg_hello *h)
{
	static const char welcome[] = "memgov/1 WELCOME\nversion=1\nname=test\nreport_ms=1000\nlease_ms=30000\n";
	struct rig *r = ctx;

	r->in_callback = true;
	r->hellos++;
	r->hello = *h;
	r->hello.msg = NULL;
	if (r->hello_answer == 0)
		r->peer = p;
	mg_peer_set_user(p, r);
	if (r->take_fd && h->n_fds > 0) {
		r->taken_fd = h->fds[0];
		h->fds[0] = -1;
	}
	if (r->welcome)
		check(mg_peer_send(p, welcome, sizeof welcome - 1) == 0, "WELCOME cannot be sent");
	if (r->drop_in_hello)
		mg_peer_drop(p, "denied", "dropped in hello");
	r->in_callback = false;
	return r->hello_answer;
}

static void on_message(void *ctx, struct mg_peer *p, const struct mg_wire_msg *m)
{
	struct rig *r = ctx;

	r->in_callback = true;
	r->messages++;
	r->verb = m->verb;
	check(mg_peer_user(p) == r, "the peer's user is not the one that was set");
	if (mg_wire_str(m, "why", r->text, sizeof r->text) < 0)
		r->text[0] = '\0';
	if (r->drop_in_message)
		mg_peer_drop(p, "denied", "dropped in message");
	r->in_callback = false;
}

static void on_gone(void *ctx, struct mg_peer *p, const char *why)
{
	struct rig *r = ctx;

	check(mg_peer_user(p) == r, "gone() is for a peer whose HELLO was kept");
	r->gone_inside = r->gone_inside || r->in_callback;
	r->gones++;
	if (r->peer == p)
		r->peer = NULL;
	copy(r->gone_why, sizeof r->gone_why, why);
}

static void on_refused(void *ctx, uid_t uid, gid_t gid, pid_t pid, const char *why, const char *line)
{
	struct rig *r = ctx;
	(void)uid, (void)gid, (void)pid;

	r->refusals++;
	copy(r->why, sizeof r->why, why);
	copy(r->line, sizeof r->line, line);
}

/* ---- the loop ---- */

static void beat_arm(struct rig *r)
{
	r->due_ns = clock_ns() + BEAT_NS;
	r->run_delay_ns = run_delay_ns();
	check(mg_loop_timer(r->loop, &r->beat, r->due_ns) == 0, "the tick cannot be armed");
}

static void on_beat(void *ctx, uint64_t now_ns)
{
	struct rig *r = ctx;
	uint64_t late = clock_ns() - r->due_ns, waited = run_delay_ns() - r->run_delay_ns;
	(void)now_ns;

	late = late > waited ? late - waited : 0;
	if (late > r->worst_late_ns)
		r->worst_late_ns = late;
	r->ticks++;
	if (clock_ns() >= r->until_ns || (r->until && r->until(r)))
		mg_loop_stop(r->loop);
	beat_arm(r);
}

void rig_run(struct rig *r, unsigned ms)
{
	struct mg_err err = { "" };

	r->until = NULL;
	r->until_ns = clock_ns() + ms * MG_NS_PER_MS;
	beat_arm(r);
	check(mg_loop_run(r->loop, &err) == 0, "the loop ended with: %s", err.text);
}

void rig_until(struct rig *r, bool (*f)(struct rig *r), unsigned ms, const char *what)
{
	struct mg_err err = { "" };

	r->until = f;
	r->until_ns = clock_ns() + ms * MG_NS_PER_MS;
	beat_arm(r);
	check(mg_loop_run(r->loop, &err) == 0, "%s: the loop ended with: %s", what, err.text);
	check(f(r), "%s: did not happen within %u ms (hellos %u, messages %u, gone %u `%s`, refused %u `%s`)", what, ms,
	      r->hellos, r->messages, r->gones, r->gone_why, r->refusals, r->why);
}

void rig_start(struct rig *r, void (*f)(const struct rig *r))
{
	r->child_status = -1;
	r->child = fork();
	check(r->child >= 0, "fork: %s", strerror(errno));
	if (r->child == 0) {
		close_range(3, ~0U, 0);
		f(r);
		_exit(0);
	}
}

static bool child_ended(struct rig *r)
{
	if (r->child_status < 0 && waitpid(r->child, &r->child_status, WNOHANG) != r->child)
		r->child_status = -1;
	return r->child_status >= 0;
}

void rig_join(struct rig *r, unsigned ms, const char *what)
{
	rig_until(r, child_ended, ms, what);
	check(r->child_status == 0, "%s: the child failed with status %#x", what, (unsigned)r->child_status);
}

void rig_child(struct rig *r, void (*f)(const struct rig *r), unsigned ms, const char *what)
{
	rig_start(r, f);
	rig_join(r, ms, what);
}

void rig_open(struct rig *r, void (*change)(struct mg_control_conf *conf))
{
	static const struct mg_control_ops ops = {
		.hello = on_hello, .message = on_message, .gone = on_gone, .refused = on_refused
	};
	struct mg_err err = { "" };

	fds_at_start = count_fds();
	memset(r, 0, sizeof *r);
	r->taken_fd = -1;
	copy(r->dir, sizeof r->dir, "/tmp/mg-control-XXXXXX");
	check(mkdtemp(r->dir), "mkdtemp: %s", strerror(errno));
	check(chmod(r->dir, 0755) == 0, "chmod: %s", strerror(errno)); /* children of other users look inside */
	r->conf = (struct mg_control_conf){
		.mode = 0660, .max_peers = 256, .max_per_uid = 64, .hello_deadline_ns = 2 * MG_NS_PER_S
	};
	snprintf(r->conf.path, sizeof r->conf.path, "%s/control.sock", r->dir);
	if (change)
		change(&r->conf);
	r->beat = (struct mg_timer){ .f = on_beat, .ctx = r, .slot = -1 };
	check(mg_loop_new(&r->loop, &err) == 0, "%s", err.text);
	check(mg_control_open(r->loop, &r->conf, &ops, r, &r->control, &err) == 0, "%s", err.text);
}

static void check_fds(const char *what)
{
	for (unsigned i = 0; i < 60 && count_fds() > fds_at_start; i++)
		nap(50);
	check(count_fds() == fds_at_start, "%s: %u descriptors are open, %u were at the start", what, count_fds(), fds_at_start);
}

void rig_close(struct rig *r, const char *what)
{
	char lock[128];
	unsigned kept = r->hello_answer == 0 ? r->hellos : 0;

	check(r->worst_late_ns < RIG_LATE_NS, "%s: a tick was %ju ms late", what, (uintmax_t)(r->worst_late_ns / MG_NS_PER_MS));
	check(r->ticks > 0, "%s: the loop never ticked", what);
	r->control = mg_control_close(r->control);
	check(r->gones == kept, "%s: %u peers were kept, gone() came %u times", what, kept, r->gones);
	check(!r->gone_inside, "%s: gone() came from inside another callback", what);
	check(mg_loop_timer(r->loop, &r->beat, 0) == 0, "the tick cannot be stopped");
	r->loop = mg_loop_free(r->loop);
	check_fds(what);
	snprintf(lock, sizeof lock, "%s.lock", r->conf.path);
	unlink(lock);
	check(rmdir(r->dir) == 0, "%s: %s is not empty: %s", what, r->dir, strerror(errno));
}

/* ---- for children ---- */

int dial(const struct rig *r)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	demand(fd >= 0, "socket: %s", strerror(errno));
	copy(a.sun_path, sizeof a.sun_path, r->conf.path);
	demand(connect(fd, (const struct sockaddr *)&a, sizeof a) == 0, "connect to %s: %s", a.sun_path, strerror(errno));
	return fd;
}

int send_once(int fd, const void *text, size_t len, const int *fds, unsigned n)
{
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(253 * sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = (void *)(uintptr_t)text, .iov_len = len };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

	if (n > 0) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE(n * sizeof(int));
		struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n * sizeof(int));
		memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	}
	return sendmsg(fd, &msg, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

int send_with(int fd, const void *text, size_t len, const int *fds, unsigned n)
{
	int r = send_once(fd, text, len, fds, n);

	for (unsigned i = 0; i < 100 && r == -EPERM; i++) {
		nap(20);
		r = send_once(fd, text, len, fds, n);
	}
	return r;
}

int say(int fd, const char *text)
{
	return send_with(fd, text, strlen(text), NULL, 0);
}

int hear(int fd, char text[static MG_WIRE_MAX + 1])
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	demand(poll(&p, 1, 3000) == 1, "the governor says nothing for 3 s");
	ssize_t n = recv(fd, text, MG_WIRE_MAX, 0);
	if (n < 0 &&
	    errno == ECONNRESET) /* said once, when the governor closed without reading all; its last words come after it */
		n = recv(fd, text, MG_WIRE_MAX, 0);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? (int)n : 0;
}

const char *hear_error(int fd)
{
	static char code[32];
	char text[MG_WIRE_MAX + 1];
	struct mg_wire_msg m;

	code[0] = '\0';
	for (int n; (n = hear(fd, text)) > 0;) {
		demand(mg_wire_parse(text, (size_t)n, &m, NULL) == 0, "the governor's message is malformed: `%s`", text);
		if (m.verb == MG_WIRE_ERROR)
			demand(mg_wire_str(&m, "code", code, sizeof code) > 0, "an ERROR without a code: `%s`", text);
	}
	return code;
}

int lingering_socket(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	const struct linger linger = { .l_onoff = 1, .l_linger = 6 };
	socklen_t len = sizeof a;
	char block[65536] = { 0 };
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
	    s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	demand(bind(l, (struct sockaddr *)&a, sizeof a) == 0 && listen(l, 1) == 0, "listen on 127.0.0.1: %s", strerror(errno));
	demand(getsockname(l, (struct sockaddr *)&a, &len) == 0, "getsockname: %s", strerror(errno));
	(void)connect(s, (struct sockaddr *)&a, sizeof a); /* the backlog completes it: nobody accepts or reads */
	demand(setsockopt(s, SOL_SOCKET, SO_LINGER, &linger, sizeof linger) == 0, "SO_LINGER: %s", strerror(errno));
	nap(10);
	while (send(s, block, sizeof block, MSG_NOSIGNAL) > 0)
		;
	return s;
}
