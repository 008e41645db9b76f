/* SPDX-License-Identifier: Apache-2.0 */
/* The control socket. Reads datagrams of connected targets, checks who sent them and what is in them, and hands parsed messages
 * to its owner; called by the loop. Nothing a peer does may crash or stall it: every call on a peer's socket sits in an alarm
 * window (control_alarm.c), descriptors are judged by control_rights.c, users by control_users.c, and each peer has a budget of
 * messages. One such call may wait 50 ms; the turn then makes no further one, so a crowd of hostile peers costs no more than one
 * does. A connection that ends is taken out of epoll at once; its owner hears of it, and it is closed, from a timer that is due in
 * the same turn or the next, so that no callback frees what its caller still holds. */
#include "governor/serve/control.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "governor/serve/control_alarm.h"
#include "governor/serve/control_listen.h"
#include "governor/serve/control_rights.h"
#include "governor/serve/control_users.h"
#include "governor/util/str.h"
#include "governor/util/value.h"

#define ACCEPTS_PER_TURN  64
#define READS_PER_TURN    16
#define BURST_MESSAGES    64U  /* a peer's budget: this many at once, */
#define MESSAGES_PER_S    100U /* and this many a second; a target sends one report a second */
#define SLAB_PEERS        64
#define CROWD_REST_NS     (10 * MG_NS_PER_MS)  /* the listener rests after a full turn of accepts, */
#define STALL_REST_NS     (250 * MG_NS_PER_MS) /* and after one that waited or found no descriptors left */
#define RESUME_NS         (50 * MG_NS_PER_MS)
#define WHY_BYTES         128

enum peer_state { PEER_FREE, PEER_WAITS, PEER_KEPT, PEER_OVER }; /* WAITS: for its HELLO */

TAILQ_HEAD(peer_list, mg_peer);

struct mg_peer {
	struct mg_control *c;
	void *user;
	struct mg_user *owner;   /* the row of its uid */
	mg_handle handle;
	int fd;
	enum peer_state state;
	bool told;               /* hello() kept it: gone() must follow */
	bool paused;             /* out of budget: not read until resume */
	unsigned budget;
	uint64_t budget_ns;      /* when the budget was last filled */
	uint64_t deadline_ns;    /* of its HELLO */
	struct ucred cred;
	char why[WHY_BYTES];     /* it ended */
	TAILQ_ENTRY(mg_peer) in; /* free, waits, kept or over */
	TAILQ_ENTRY(mg_peer) in_paused;
};

struct slab {
	struct slab *next;
	struct mg_peer peer[SLAB_PEERS];
};

struct mg_control {
	struct mg_loop *loop;
	struct mg_control_conf conf;
	struct mg_control_ops ops;
	void *ctx;
	struct mg_listener listener;
	mg_handle listener_handle;
	uint64_t stalled_ns;     /* the turn in which a call on a stranger's descriptor last waited */
	int reserve_fd;          /* given up for a moment when descriptors run out, to accept and refuse */
	struct mg_alarm alarm;
	struct mg_rights rights;
	struct mg_users users;
	struct slab *slabs;
	struct peer_list free, waits, kept, over, paused;
	struct mg_timer hello_timer, rest_timer, resume_timer, over_timer;
	struct mg_control_stats stats;
	struct mg_wire_msg msg;  /* the message at hand */
	char text[MG_WIRE_MAX];  /* and its datagram */
	char why[WHY_BYTES];
};

/* What a peer did wrong. strike: it counts against its user. */
struct fault {
	const char *code, *why;
	bool strike;
};

/* ---- sending ---- */

int mg_peer_send(struct mg_peer *p, const char *buf, size_t len)
{
	if (p->state == PEER_OVER)
		return -EPIPE;
	if (send(p->fd, buf, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len) {
		p->c->stats.sent++;
		return 0;
	}
	int r = errno == EWOULDBLOCK || errno == ENOBUFS ? -EAGAIN : -errno;
	p->c->stats.send_dropped++;
	return r;
}

static void send_error(int fd, const char *code, const char *why)
{
	char buf[512];
	struct mg_wire_out o;

	mg_wire_begin(&o, buf, sizeof buf, MG_WIRE_ERROR);
	mg_wire_put_str(&o, "code", code);
	mg_wire_put_str(&o, "why", why);
	long n = mg_wire_end(&o);
	if (n > 0)
		(void)send(fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL); /* it may be gone already */
}

/* ---- one wait a turn ---- */

static bool stalled(const struct mg_control *c)
{
	return c->stalled_ns == mg_loop_now(c->loop);
}

/* rung: by mg_alarm_off. It may also ring because this process got no CPU: that is nobody's fault, so nobody is blamed. */
static void note_stall(struct mg_control *c, unsigned rung)
{
	if (rung > 0)
		c->stalled_ns = mg_loop_now(c->loop);
}

/* ---- ending ---- */

static struct peer_list *list_of(struct mg_peer *p)
{
	switch (p->state) {
	case PEER_FREE: return &p->c->free;
	case PEER_WAITS: return &p->c->waits;
	case PEER_KEPT: return &p->c->kept;
	case PEER_OVER: break;
	}
	return &p->c->over;
}

static void move_to(struct mg_peer *p, enum peer_state state)
{
	TAILQ_REMOVE(list_of(p), p, in);
	p->state = state;
	TAILQ_INSERT_TAIL(list_of(p), p, in);
}

static void timer_at(struct mg_control *c, struct mg_timer *t, uint64_t at_ns)
{
	int r = mg_loop_timer(c->loop, t, at_ns);
	(void)r; /* control_start armed each once, so the loop's heap has had room for it */
}

static void peer_end(struct mg_peer *p, const char *why)
{
	struct mg_control *c = p->c;

	if (p->state == PEER_OVER)
		return;
	mg_loop_del(c->loop, &p->handle);
	if (p->paused)
		TAILQ_REMOVE(&c->paused, p, in_paused);
	p->paused = false;
	mg_copy(p->why, sizeof p->why, why);
	move_to(p, PEER_OVER);
	timer_at(c, &c->over_timer, mg_loop_now(c->loop));
}

void mg_peer_drop(struct mg_peer *p, const char *code, const char *why)
{
	if (p->state == PEER_OVER)
		return;
	send_error(p->fd, code, why);
	peer_end(p, why);
}

static void peer_tell_gone(struct mg_peer *p)
{
	if (p->told)
		p->c->ops.gone(p->c->ctx, p, p->why);
	p->told = false;
}

/* Tells the owner of all that is over, and closes what can be closed in this turn. */
static void close_over(void *ctx, uint64_t now_ns)
{
	struct mg_control *c = ctx;
	struct mg_peer *p;

	TAILQ_FOREACH(p, &c->over, in)
		peer_tell_gone(p);
	while (!stalled(c) && (p = TAILQ_FIRST(&c->over))) {
		note_stall(c, mg_alarm_close(&c->alarm, p->fd));
		p->owner->peers--;
		c->stats.peers--;
		p->fd = -1;
		move_to(p, PEER_FREE);
	}
	if (!TAILQ_EMPTY(&c->over))
		timer_at(c, &c->over_timer, now_ns + RESUME_NS);
}

static void peer_fault(struct mg_peer *p, const struct fault *f)
{
	struct mg_control *c = p->c;

	c->stats.refused++;
	if (f->strike) {
		mg_user_strike(p->owner, mg_loop_now(c->loop));
		c->stats.banned++;
	}
	c->ops.refused(c->ctx, p->cred.uid, p->cred.gid, p->cred.pid, f->why, "");
	mg_peer_drop(p, f->code, f->why);
}

/* ---- accepting ---- */

static int slab_grow(struct mg_control *c)
{
	struct slab *s = calloc(1, sizeof *s);

	if (!s)
		return -ENOMEM;
	s->next = c->slabs;
	c->slabs = s;
	for (unsigned i = 0; i < SLAB_PEERS; i++) {
		s->peer[i].c = c;
		s->peer[i].fd = -1;
		TAILQ_INSERT_TAIL(&c->free, &s->peer[i], in);
	}
	return 0;
}

/* Refuses a connection that is no peer yet. */
static void turn_away(struct mg_control *c, int fd, const struct ucred *cred, const char *code, const char *why, const char *line)
{
	c->stats.refused++;
	send_error(fd, code, why);
	c->ops.refused(c->ctx, cred->uid, cred->gid, cred->pid, why, line);
}

static void turn_away_stranger(struct mg_control *c, int fd, const struct ucred *cred)
{
	char line[96];

	if (cred->uid == c->users.overflow_uid)
		snprintf(line, sizeof line, "uid %u stands for all unknown users: add a group to control.allow_gids", cred->uid);
	else
		snprintf(line, sizeof line, "add %u to control.allow_uids", cred->uid);
	turn_away(c, fd, cred, "denied", "this user is not allowed", line);
}

static void on_peer(void *ctx, uint32_t events);

/* Returns 0 when the peer is taken: fd is its own then. */
static int peer_new(struct mg_control *c, int fd, const struct ucred *cred, struct mg_user *owner)
{
	struct mg_peer *p = TAILQ_FIRST(&c->free);
	uint64_t now_ns = mg_loop_now(c->loop);

	if (!p && slab_grow(c) < 0)
		return -ENOMEM;
	p = TAILQ_FIRST(&c->free);
	int r = mg_loop_add(c->loop, fd, EPOLLIN, on_peer, p, &p->handle);
	if (r < 0)
		return r;
	p->fd = fd;
	p->cred = *cred;
	p->owner = owner;
	p->user = NULL;
	p->budget = BURST_MESSAGES;
	p->budget_ns = now_ns;
	p->deadline_ns = now_ns + c->conf.hello_deadline_ns;
	owner->peers++;
	c->stats.peers++;
	c->stats.accepted++;
	if (TAILQ_EMPTY(&c->waits))
		timer_at(c, &c->hello_timer, p->deadline_ns);
	move_to(p, PEER_WAITS);
	if (!c->listener.passes_rights)
		(void)mg_rights_pass(fd, true); /* it worked the other way on the listener */
	return 0;
}

/* Decides about an accepted connection. Returns 0 when it became a peer, a negative errno when the caller must close it. */
static int admit(struct mg_control *c, int fd)
{
	struct ucred cred = { .uid = (uid_t)-1, .gid = (gid_t)-1 };
	socklen_t len = sizeof cred;
	const char *why;

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || !mg_users_allowed(&c->users, &c->conf, fd, &cred)) {
		turn_away_stranger(c, fd, &cred);
		return -EACCES;
	}
	struct mg_user *owner = mg_users_get(&c->users, cred.uid, mg_loop_now(c->loop));
	if (!owner)
		why = "too many users are connected";
	else if (mg_user_barred(owner, mg_loop_now(c->loop), &why))
		;
	else if (owner->peers >= c->conf.max_per_uid)
		why = "this user has too many connections";
	else if (c->stats.peers >= c->conf.max_peers)
		why = "there are too many connections";
	else if (peer_new(c, fd, &cred, owner) == 0)
		return 0;
	else
		why = "the governor has no room for another connection";
	turn_away(c, fd, &cred, "full", why, "");
	return -EBUSY;
}

static void listener_watch(struct mg_control *c, uint32_t events)
{
	int r = mg_loop_mod(c->loop, c->listener_handle, events);
	(void)r; /* the handle lives as long as c */
}

static void listener_rest(struct mg_control *c, uint64_t ns)
{
	listener_watch(c, 0);
	timer_at(c, &c->rest_timer, mg_loop_now(c->loop) + ns);
}

static void listener_wake(void *ctx, uint64_t now_ns)
{
	struct mg_control *c = ctx;
	(void)now_ns;

	listener_watch(c, EPOLLIN);
}

/* Returns a connection or negative errno. */
static int accept_one(struct mg_control *c)
{
	mg_alarm_on(&c->alarm);
	int fd = accept4(c->listener.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	int r = fd < 0 ? -errno : fd;
	note_stall(c, mg_alarm_off(&c->alarm));
	return r;
}

/* Descriptors ran out: without this the waiting connection would wake the loop for ever. */
static void shed_one(struct mg_control *c)
{
	const struct ucred nobody = { .uid = (uid_t)-1, .gid = (gid_t)-1 };

	if (c->reserve_fd >= 0)
		close(c->reserve_fd);
	int fd = accept_one(c);
	if (fd >= 0) {
		turn_away(c, fd, &nobody, "full", "the governor has no descriptors left",
			  "raise its limit of open files (LimitNOFILE=, ulimit -n)");
		note_stall(c, mg_alarm_close(&c->alarm, fd));
	}
	c->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	listener_rest(c, STALL_REST_NS);
}

static void on_listener(void *ctx, uint32_t events)
{
	struct mg_control *c = ctx;
	(void)events;

	for (unsigned i = 0; i < ACCEPTS_PER_TURN && !stalled(c); i++) {
		int fd = accept_one(c);
		if (fd == -EINTR || fd == -ECONNABORTED)
			continue;
		if (fd == -EAGAIN)
			return;
		if (fd == -EMFILE || fd == -ENFILE)
			return shed_one(c);
		if (fd < 0)
			return listener_rest(c, STALL_REST_NS);
		if (admit(c, fd) < 0)
			note_stall(c, mg_alarm_close(&c->alarm, fd));
	}
	listener_rest(c, stalled(c) ? STALL_REST_NS : CROWD_REST_NS);
}

static void hello_due(void *ctx, uint64_t now_ns)
{
	static const struct fault silent = { "deadline", "no HELLO in time", false };
	struct mg_control *c = ctx;
	struct mg_peer *p;

	while ((p = TAILQ_FIRST(&c->waits)) && p->deadline_ns <= now_ns)
		peer_fault(p, &silent);
	if (p)
		timer_at(c, &c->hello_timer, p->deadline_ns);
}

/* ---- reading ---- */

static void resume_all(void *ctx, uint64_t now_ns)
{
	struct mg_control *c = ctx;
	struct mg_peer *p;
	(void)now_ns;

	while ((p = TAILQ_FIRST(&c->paused))) {
		TAILQ_REMOVE(&c->paused, p, in_paused);
		p->paused = false;
		if (mg_loop_mod(c->loop, p->handle, EPOLLIN) < 0)
			peer_end(p, "cannot be watched");
	}
}

static void peer_pause(struct mg_peer *p)
{
	struct mg_control *c = p->c;

	if (mg_loop_mod(c->loop, p->handle, 0) < 0)
		return peer_end(p, "cannot be watched");
	if (TAILQ_EMPTY(&c->paused))
		timer_at(c, &c->resume_timer, mg_loop_now(c->loop) + RESUME_NS);
	TAILQ_INSERT_TAIL(&c->paused, p, in_paused);
	p->paused = true;
}

/* True when the peer may send one message more. */
static bool budget_take(struct mg_peer *p, uint64_t now_ns)
{
	uint64_t earned = (now_ns - p->budget_ns) * MESSAGES_PER_S / MG_NS_PER_S;

	if (earned > 0) {
		p->budget = p->budget + earned < BURST_MESSAGES ? p->budget + (unsigned)earned : BURST_MESSAGES;
		p->budget_ns = now_ns;
	}
	if (p->budget == 0)
		return false;
	p->budget--;
	return true;
}

/* One received datagram, in c->text. */
struct inbox {
	ssize_t len;             /* 0: the connection ended; negative errno */
	int flags;
	unsigned n_fds;
	int fd[MG_WIRE_MAX_FDS];
};

static void receive(struct mg_peer *p, struct inbox *in)
{
	struct mg_control *c = p->c;
	_Alignas(struct cmsghdr) char control[MG_RIGHTS_BUFFER];
	struct iovec text = { .iov_base = c->text, .iov_len = sizeof c->text };
	struct msghdr msg = { .msg_iov = &text, .msg_iovlen = 1 };

	if (p->state == PEER_WAITS) {
		msg.msg_control = control;
		msg.msg_controllen = sizeof control;
	}
	mg_alarm_on(&c->alarm);
	in->len = recvmsg(p->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (in->len < 0)
		in->len = -errno;
	note_stall(c, mg_alarm_off(&c->alarm));
	in->flags = in->len < 0 ? 0 : msg.msg_flags;
	in->n_fds = in->len < 0 || p->state != PEER_WAITS ? 0 : mg_rights_take(&msg, in->fd);
}

static const char *const hello_keys[] = {
	"min", "max", "role", "id", "exe", "cmdline", "pid", "start_ns", "runtime", "allocator", "allocator_version", "libc", "page_size",
	"label.*", "knobs", "actions", "scope", "fds", "knob.*", "baseline.*", "governors", NULL,
};
static const char *const report_keys[] = {
	"seq", "at_ns", "resident", "live", "live_age_ms", "free_resident", "returnable", "alloc_rate", "charge", "heap.*", "cache.*",
	"knob.*", "baseline.*", "contended", "pending", "sealed", "cow", "purges", "purged_bytes", "longest_pause_us", NULL,
};
static const char *const ack_keys[] = { "seq", "knob.*", "returned", "took_us", "longest_us", "more", NULL };
static const char *const nak_keys[] = { "seq", "code", "why", "knob", NULL };
static const char *const error_keys[] = { "code", "why", NULL };
static const char *const bye_keys[] = { "why", NULL };

/* The verbs a target may say, and the keys known in them. The others are the governor's. */
static const char *const *const known_keys[MG_WIRE__COUNT] = {
	[MG_WIRE_HELLO] = hello_keys, [MG_WIRE_REPORT] = report_keys, [MG_WIRE_ACK] = ack_keys,
	[MG_WIRE_NAK] = nak_keys, [MG_WIRE_ERROR] = error_keys, [MG_WIRE_BYE] = bye_keys,
};

/* Parses c->text into c->msg. Returns NULL, or what is wrong in *f. */
static const struct fault *read_message(struct mg_control *c, const struct inbox *in, struct fault *f)
{
	static const struct fault cut = { "malformed", "a datagram longer than 4096 bytes", true };
	static const struct fault role = { "verb", "a verb that is not a target's", true };
	static const struct fault later = { "verb", "a verb this governor does not know", false };
	const struct mg_wire_key *stranger = NULL;
	const char *why = "";

	if (in->flags & MSG_TRUNC)
		return &cut;
	if (mg_wire_parse(c->text, (size_t)in->len, &c->msg, &why) < 0) {
		c->stats.malformed++;
		*f = (struct fault){ "malformed", why, true };
		return f;
	}
	if (c->msg.verb == MG_WIRE_UNKNOWN)
		return &later;
	if (!known_keys[c->msg.verb])
		return &role;
	if (mg_wire_understood(&c->msg, known_keys[c->msg.verb], &stranger))
		return NULL;
	snprintf(c->why, sizeof c->why, "key %.*s must be understood and is not known",
		 stranger->key_len > 64 ? 64 : stranger->key_len, stranger->key);
	*f = (struct fault){ "must", c->why, false };
	return f;
}

static const struct fault *check_hello(const struct mg_wire_msg *m)
{
	static const struct fault not_hello = { "verb", "the first message is not HELLO", true };
	static const struct fault no_range = { "malformed", "HELLO without the versions min and max", true };
	static const struct fault no_version = { "version", "no version both sides speak", false };
	static const struct fault no_role = { "denied", "a role other than target", true };
	char role[16] = "";
	uint64_t lo, hi;

	if (m->verb != MG_WIRE_HELLO)
		return &not_hello;
	if (mg_wire_u64(m, "min", &lo) < 0 || mg_wire_u64(m, "max", &hi) < 0 || lo > UINT16_MAX || hi > UINT16_MAX)
		return &no_range;
	if (mg_wire_negotiate(MG_WIRE_MIN, MG_WIRE_VERSION, (unsigned)lo, (unsigned)hi) == 0)
		return &no_version;
	if (mg_wire_str(m, "role", role, sizeof role) < 0 || strcmp(role, "target") != 0)
		return &no_role;
	return NULL;
}

/* How many tags a comma-separated list has. */
static unsigned count_tags(const char *tags)
{
	unsigned n = tags[0] != '\0';

	for (; *tags; tags++)
		n += *tags == ',';
	return n;
}

static const struct fault *check_rights(struct mg_peer *p, struct inbox *in, struct fault *f)
{
	static const struct fault count = { "malformed", "not as many descriptors as tags", true };
	char tags[MG_WIRE_MAX] = "";
	const char *why;

	(void)mg_wire_str(&p->c->msg, "fds", tags, sizeof tags); /* no list: no descriptors */
	if (in->flags & MSG_CTRUNC || count_tags(tags) != in->n_fds)
		return &count;
	if (in->n_fds == 0)
		return NULL;
	struct mg_errand *errand;
	int r = mg_rights_check(&p->c->rights, tags, in->fd, in->n_fds, &errand, &why);
	if (r == 0)
		return NULL;
	if (r == -ETIMEDOUT)
		note_stall(p->c, 1);
	p->owner->errand = errand; /* there was none: its user was not barred */
	p->c->stats.rights_refused++;
	*f = (struct fault){ r == -EPERM || r == -ETIMEDOUT ? "denied" : "full", why, r == -EPERM || r == -ETIMEDOUT };
	return f;
}

/* Asks the owner about a HELLO that passed all checks, and closes the descriptors it did not take. */
static void introduce(struct mg_peer *p, struct inbox *in)
{
	struct mg_control *c = p->c;
	struct mg_hello h = { .uid = p->cred.uid, .gid = p->cred.gid, .pid = p->cred.pid, .msg = &c->msg, .n_fds = in->n_fds };

	memcpy(h.fds, in->fd, in->n_fds * sizeof in->fd[0]);
	move_to(p, PEER_KEPT);
	int r = c->ops.hello(c->ctx, p, &h);
	for (unsigned i = 0; i < h.n_fds; i++)
		if (h.fds[i] >= 0)
			close(h.fds[i]);
	p->told = r >= 0;
	if (r >= 0)
		return;
	snprintf(c->why, sizeof c->why, "the governor does not take it: %s", strerror(-r));
	peer_fault(p, &(struct fault){ "denied", c->why, false });
}

static void on_hello(struct mg_peer *p, struct inbox *in)
{
	struct fault f;

	if (!p->c->listener.passes_rights)
		(void)mg_rights_pass(p->fd, false); /* once, and only here */
	const struct fault *wrong = read_message(p->c, in, &f);
	if (!wrong && p->c->msg.verb == MG_WIRE_BYE)
		return peer_end(p, "left before HELLO");
	if (!wrong)
		wrong = check_hello(&p->c->msg);
	if (!wrong)
		wrong = check_rights(p, in, &f);
	if (!wrong)
		return introduce(p, in);
	struct mg_errand *errand = mg_rights_refuse(in->fd, in->n_fds);
	if (errand)
		p->owner->errand = errand;
	peer_fault(p, wrong);
}

static void on_message(struct mg_peer *p, const struct inbox *in)
{
	static const struct fault again = { "verb", "a second HELLO", true };
	static const struct fault rights = { "denied", "descriptors outside HELLO", true };
	struct mg_control *c = p->c;
	struct fault f;

	if (in->flags & MSG_CTRUNC) {
		c->stats.rights_refused++;
		return peer_fault(p, &rights);
	}
	const struct fault *wrong = read_message(c, in, &f);
	if (!wrong && c->msg.verb == MG_WIRE_HELLO)
		wrong = &again;
	if (wrong)
		return peer_fault(p, wrong);
	if (c->msg.verb != MG_WIRE_ERROR)
		return c->ops.message(c->ctx, p, &c->msg);
	if (mg_wire_str(&c->msg, "why", c->why, sizeof c->why) < 0)
		c->why[0] = '\0';
	peer_end(p, c->why);
}

/* Returns true when there may be more to read. */
static bool read_one(struct mg_peer *p)
{
	struct inbox in;
	const char *why;

	if (p->state == PEER_WAITS && mg_user_barred(p->owner, mg_loop_now(p->c->loop), &why)) {
		mg_peer_drop(p, "full", why); /* unread: it may hold the next hostile descriptor */
		return false;
	}
	receive(p, &in);
	if (in.len == -EAGAIN || in.len == -EINTR) {
		p->budget++;
		return false;
	}
	if (in.len <= 0 && in.n_fds == 0) {
		peer_end(p, in.len == 0 ? "closed" : strerror((int)-in.len));
		return false;
	}
	p->c->stats.messages++;
	if (p->state == PEER_WAITS)
		on_hello(p, &in);
	else
		on_message(p, &in);
	return p->state == PEER_KEPT;
}

static void on_peer(void *ctx, uint32_t events)
{
	struct mg_peer *p = ctx;

	if (p->paused && events & (EPOLLHUP | EPOLLERR))
		return peer_end(p, "closed");
	for (unsigned i = 0; i < READS_PER_TURN; i++) {
		if (stalled(p->c) || !budget_take(p, mg_loop_now(p->c->loop)))
			return peer_pause(p);
		if (!read_one(p))
			return;
	}
}

/* ---- the owner's side ---- */

void mg_peer_set_user(struct mg_peer *p, void *user)
{
	p->user = user;
}

void *mg_peer_user(const struct mg_peer *p)
{
	return p->user;
}

void mg_control_stats(const struct mg_control *c, struct mg_control_stats *ret)
{
	*ret = c->stats;
	ret->no_acl = c->listener.no_acl;
}

void mg_control_allow(struct mg_control *c, const struct mg_control_conf *conf)
{
	c->conf.allow_uids = conf->allow_uids;
	c->conf.n_uids = conf->n_uids;
	c->conf.allow_gids = conf->allow_gids;
	c->conf.n_gids = conf->n_gids;
	mg_listener_allow(&c->listener, &c->conf);
}

static void timers_init(struct mg_control *c)
{
	c->hello_timer = (struct mg_timer){ .f = hello_due, .ctx = c, .slot = -1 };
	c->rest_timer = (struct mg_timer){ .f = listener_wake, .ctx = c, .slot = -1 };
	c->resume_timer = (struct mg_timer){ .f = resume_all, .ctx = c, .slot = -1 };
	c->over_timer = (struct mg_timer){ .f = close_over, .ctx = c, .slot = -1 };
}

/* Arms all timers, or disarms them with 0. */
static int timers_all(struct mg_control *c, uint64_t at_ns)
{
	struct mg_timer *const timers[] = { &c->hello_timer, &c->rest_timer, &c->resume_timer, &c->over_timer };
	int r = 0;

	for (size_t i = 0; i < sizeof timers / sizeof timers[0] && r == 0; i++)
		r = mg_loop_timer(c->loop, timers[i], at_ns);
	return r;
}

static int control_start(struct mg_control *c, struct mg_err *err)
{
	int r = mg_alarm_init(&c->alarm, err);
	if (r < 0)
		return r;
	r = timers_all(c, mg_loop_now(c->loop)); /* once for nothing, so that memory for them is there */
	if (r < 0) {
		mg_fail(err, r, "no memory for the control socket's timers");
		goto alarm;
	}
	mg_rights_init(&c->rights);
	mg_users_init(&c->users);
	r = mg_listener_open(&c->listener, &c->conf, err);
	if (r < 0)
		goto alarm;
	r = mg_loop_add(c->loop, c->listener.fd, EPOLLIN, on_listener, c, &c->listener_handle);
	if (r < 0) {
		mg_fail(err, r, "cannot watch %s: %s", c->listener.path, strerror(-r));
		goto listener;
	}
	c->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
	return 0;
listener:
	mg_listener_close(&c->listener);
alarm:
	(void)(timers_all(c, 0) < 0);
	mg_alarm_done(&c->alarm);
	return r;
}

int mg_control_open(struct mg_loop *l, const struct mg_control_conf *conf, const struct mg_control_ops *ops, void *ctx,
		    struct mg_control **ret, struct mg_err *err)
{
	struct mg_control *c = calloc(1, sizeof *c);

	if (!c)
		return mg_fail(err, -ENOMEM, "no memory for the control socket");
	c->loop = l;
	c->conf = *conf;
	c->ops = *ops;
	c->ctx = ctx;
	TAILQ_INIT(&c->free);
	TAILQ_INIT(&c->waits);
	TAILQ_INIT(&c->kept);
	TAILQ_INIT(&c->over);
	TAILQ_INIT(&c->paused);
	timers_init(c);
	int r = control_start(c, err);
	if (r < 0) {
		free(c);
		return r;
	}
	*ret = c;
	return 0;
}

static void end_all(struct peer_list *list)
{
	struct mg_peer *p;

	while ((p = TAILQ_FIRST(list)))
		peer_end(p, "the governor stops");
}

struct mg_control *mg_control_close(struct mg_control *c)
{
	struct mg_peer *p;

	if (!c)
		return NULL;
	end_all(&c->waits);
	end_all(&c->kept);
	TAILQ_FOREACH(p, &c->over, in)
		peer_tell_gone(p);
	TAILQ_FOREACH(p, &c->over, in)
		(void)mg_alarm_close(&c->alarm, p->fd);
	(void)(timers_all(c, 0) < 0); /* disarming cannot fail */
	mg_loop_del(c->loop, &c->listener_handle);
	mg_listener_close(&c->listener);
	if (c->reserve_fd >= 0)
		close(c->reserve_fd);
	mg_users_done(&c->users);
	mg_alarm_done(&c->alarm);
	for (struct slab *next, *s = c->slabs; s; s = next) {
		next = s->next;
		free(s);
	}
	free(c);
	return NULL;
}
