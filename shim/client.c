// SPDX-License-Identifier: Apache-2.0
/* The target's side of protocol/SPEC.md: reads datagrams from the governor's socket, gives settings under a lease, jobs for
 * the runtime thread, and answers; called by the link thread. A message that breaks the protocol ends the connection, never
 * the lease. Sends never block: what does not fit the socket's buffer is dropped, and the governor's deadlines notice. */

#include <errno.h>
#include <string.h>

#include "shim/libc.h"
#include "shim/link.h"
#include "shim/log.h"
#include "shim/shim.h"
#include "shim/sys.h"
#include "shim/text.h"

#define MAX_CMDLINE         256
#define REPORT_DEFAULT_MS   1000u
#define DEADLINE_DEFAULT_MS 30000u
#define MAX_NAME            64
#define REFUSED_BACKOFF_NS  (10 * MG_NS_PER_S)

static const char *const restore_names[] = {
	[MG_RESTORE_EXACT] = "exact", [MG_RESTORE_DEFAULT] = "default", [MG_RESTORE_NONE] = "none",
};

static void send(struct mg_link *l, struct mg_wire_out *o)
{
	long len = mg_wire_end(o);

	atomic_store(&mg_shim.active, mg_lease_held(&l->lease)); /* true before an ACK says so */
	if (len > 0 && l->sock >= 0)
		(void)mg_sys_write(l->sock, l->out, (size_t)len);
}

static void begin(struct mg_link *l, struct mg_wire_out *o, enum mg_wire_verb verb)
{
	mg_wire_begin(o, l->out, sizeof(l->out), verb);
}

static void put_known(struct mg_wire_out *o, const char *key, uint64_t v)
{
	if (v == MG_STAT_UNKNOWN)
		mg_wire_put_str(o, key, "unknown");
	else
		mg_wire_put_u64(o, key, v);
}

static void put_knobs(struct mg_link *l, struct mg_wire_out *o)
{
	for (int i = 0; i < MG_KNOB__COUNT; i++) {
		const struct mg_knob_state *k = &l->lease.knob[i];

		if (!k->offered || !k->present_known)
			continue;
		mg_wire_put_u64_in(o, "knob", mg_knob_wire_name((enum mg_knob)i), k->present);
		mg_wire_put_u64_in(o, "baseline", mg_knob_wire_name((enum mg_knob)i), k->baseline);
	}
}

/* A comma-separated list of the knobs for which pick() says so. */
static void put_knob_list(struct mg_link *l, struct mg_wire_out *o, const char *key, bool (*pick)(const struct mg_knob_state *k),
			  bool with_restore)
{
	char list[128];
	struct mg_text t;

	mg_text_init(&t, list, sizeof(list));
	for (int i = 0; i < MG_KNOB__COUNT; i++) {
		if (!pick(&l->lease.knob[i]))
			continue;
		mg_text_str(&t, t.len ? "," : "");
		mg_text_str(&t, mg_knob_wire_name((enum mg_knob)i));
		mg_text_str(&t, with_restore ? ":" : "");
		mg_text_str(&t, with_restore ? restore_names[l->lease.knob[i].restore] : "");
	}
	if (t.len)
		mg_wire_put_str(o, key, list);
}

static bool is_offered(const struct mg_knob_state *k) { return k->offered; }
static bool is_contended(const struct mg_knob_state *k) { return k->contended; }
static bool is_pending(const struct mg_knob_state *k) { return k->pending; }

static void put_labels(struct mg_wire_out *o)
{
	const char *at = mg_shim.env.labels;
	char key[MG_ENV_MAX_LABEL], val[MG_ENV_MAX_LABEL + 1];

	for (unsigned n = 0; n < MG_ENV_MAX_LABELS && mg_env_label(&at, key, val); n++)
		mg_wire_put_str_in(o, "label", key, val);
}

static void put_id(struct mg_wire_out *o)
{
	static const char digits[] = "0123456789abcdef";
	char id[17] = { 0 };

	for (int i = 0; i < 16; i++)
		id[i] = digits[mg_shim.id >> (60 - 4 * i) & 15];
	mg_wire_put_str(o, "id", id);
}

static void put_process(struct mg_wire_out *o)
{
	char buf[1024];
	long n;

	put_id(o);
	mg_wire_put_str(o, "exe", mg_shim.exe);
	n = mg_file_read("/proc/self/cmdline", buf, MAX_CMDLINE);
	mg_wire_put_strn(o, "cmdline", buf, n > 1 ? (size_t)n - 1 : 0);
	mg_wire_put_u64(o, "pid", (uint64_t)mg_sys_getpid());
	n = mg_file_read("/proc/self/stat", buf, sizeof(buf));
	mg_wire_put_u64(o, "start_ns", n > 0 ? mg_proc_start_ns(buf, mg_shim.ticks_per_s) : 0);
	mg_wire_put_u64(o, "page_size", mg_shim.page_size);
}

static void put_libc(struct mg_wire_out *o)
{
	char name[48] = "unknown";
	struct mg_text t;

	if (gnu_get_libc_version) {
		mg_text_init(&t, name, sizeof(name));
		mg_text_str(&t, "glibc ");
		mg_text_str(&t, gnu_get_libc_version());
	} else if (pthread_create) {
		memcpy(name, "musl", 5);
	}
	mg_wire_put_str(o, "libc", name);
}

long mg_client_hello(struct mg_link *l, const char *tags, const char *scope)
{
	struct mg_wire_out o;

	begin(l, &o, MG_WIRE_HELLO);
	mg_wire_put_u64(&o, "min", MG_WIRE_MIN);
	mg_wire_put_u64(&o, "max", MG_WIRE_VERSION);
	mg_wire_put_str(&o, "role", "target");
	put_process(&o);
	mg_wire_put_str(&o, "runtime", "native");
	mg_wire_put_str(&o, "allocator", l->ops->name);
	mg_wire_put_str(&o, "allocator_version", l->ops->version ? l->ops->version() : "");
	put_libc(&o);
	put_labels(&o);
	put_knob_list(l, &o, "knobs", is_offered, true);
	if (l->can_purge)
		mg_wire_put_str(&o, "actions", "purge");
	mg_wire_put_str(&o, "scope", scope);
	mg_wire_put_str(&o, "fds", tags);
	put_knobs(l, &o);
	mg_wire_put_u64(&o, "governors", mg_governors_count(&l->governors, l->now_ns));
	return mg_wire_end(&o);
}

static void put_live(struct mg_link *l, struct mg_wire_out *o)
{
	uint64_t live = mg_link_live(l);

	put_known(o, "live", live);
	if (live != MG_STAT_UNKNOWN)
		mg_wire_put_u64(o, "live_age_ms", (l->now_ns - l->live_at_ns) / MG_NS_PER_MS);
}

void mg_client_report(struct mg_link *l)
{
	struct mg_wire_out o;

	mg_cgroup_look(&l->cgroup, &l->limit, &l->charge);
	begin(l, &o, MG_WIRE_REPORT);
	mg_wire_put_u64(&o, "seq", ++l->report_seq);
	mg_wire_put_u64(&o, "at_ns", l->now_ns);
	put_known(&o, "resident", mg_proc_resident(&l->proc));
	put_live(l, &o);
	put_known(&o, "free_resident", l->free_resident);
	put_known(&o, "returnable", l->returnable);
	put_known(&o, "alloc_rate", MG_STAT_UNKNOWN);
	put_known(&o, "charge", l->charge);
	put_knobs(l, &o);
	put_knob_list(l, &o, "contended", is_contended, false);
	put_knob_list(l, &o, "pending", is_pending, false);
	mg_wire_put_u64(&o, "sealed", l->sealed);
	mg_wire_put_u64(&o, "cow", l->cow.n > 0);
	mg_wire_put_u64(&o, "purges", l->purges);
	mg_wire_put_u64(&o, "purged_bytes", l->purged_bytes);
	mg_wire_put_u64(&o, "longest_pause_us", l->longest_ns / MG_NS_PER_US);
	send(l, &o);
}

void mg_client_bye(struct mg_link *l, const char *why)
{
	struct mg_wire_out o;

	begin(l, &o, MG_WIRE_BYE);
	mg_wire_put_str(&o, "why", why);
	send(l, &o);
}

void mg_client_nak(struct mg_link *l, uint64_t seq, enum mg_nak nak, const char *why, int knob)
{
	struct mg_wire_out o;

	begin(l, &o, MG_WIRE_NAK);
	mg_wire_put_u64(&o, "seq", seq);
	mg_wire_put_str(&o, "code", mg_nak_code(nak));
	mg_wire_put_str(&o, "why", why ? why : mg_nak_why(nak));
	if (knob >= 0)
		mg_wire_put_str(&o, "knob", mg_knob_wire_name((enum mg_knob)knob));
	send(l, &o);
}

static void ack(struct mg_link *l, uint64_t seq)
{
	struct mg_wire_out o;

	begin(l, &o, MG_WIRE_ACK);
	mg_wire_put_u64(&o, "seq", seq);
	send(l, &o);
}

void mg_client_ack_set(struct mg_link *l, const struct mg_set *s)
{
	struct mg_wire_out o;

	begin(l, &o, MG_WIRE_ACK);
	mg_wire_put_u64(&o, "seq", s->seq);
	for (int i = 0; i < MG_KNOB__COUNT; i++)
		if (s->has[i])
			mg_wire_put_u64_in(&o, "knob", mg_knob_wire_name((enum mg_knob)i), l->lease.knob[i].present);
	send(l, &o);
}

void mg_client_ack_purge(struct mg_link *l, uint64_t seq, const struct mg_purge_result *r)
{
	struct mg_wire_out o;

	begin(l, &o, MG_WIRE_ACK);
	mg_wire_put_u64(&o, "seq", seq);
	mg_wire_put_u64(&o, "returned", r->returned);
	mg_wire_put_u64(&o, "took_us", r->took_ns / MG_NS_PER_US);
	mg_wire_put_u64(&o, "longest_us", r->longest_ns / MG_NS_PER_US);
	mg_wire_put_u64(&o, "more", r->more);
	send(l, &o);
}

/* Ends a connection whose peer does not keep to the protocol; the lease runs on. */
static int violation(struct mg_link *l, const char *code, const char *why)
{
	struct mg_wire_out o;

	begin(l, &o, MG_WIRE_ERROR);
	mg_wire_put_str(&o, "code", code);
	mg_wire_put_str(&o, "why", why);
	send(l, &o);
	l->backoff_ns = REFUSED_BACKOFF_NS;
	mg_link_close(l, why);
	return -EPROTO;
}

static uint64_t number(const struct mg_wire_msg *m, const char *key, uint64_t missing)
{
	uint64_t v;

	return mg_wire_u64(m, key, &v) == 0 ? v : missing;
}

/* Milliseconds of a message as ns, without overflow. */
static uint64_t ms_to_ns(uint64_t ms)
{
	return ms > UINT64_MAX / MG_NS_PER_MS ? UINT64_MAX : ms * MG_NS_PER_MS;
}

static int on_welcome(struct mg_link *l, const struct mg_wire_msg *m)
{
	uint64_t report_ms = number(m, "report_ms", REPORT_DEFAULT_MS);
	uint64_t version = number(m, "version", MG_WIRE_VERSION);

	if (l->conn != MG_CONN_WELCOME)
		return violation(l, "verb", "WELCOME is expected once, after HELLO");
	if (version < MG_WIRE_MIN || version > MG_WIRE_VERSION)
		return violation(l, "version", "not a version that HELLO offered");
	if (mg_governors_note(&l->governors, l->now_ns)) {
		mg_lease_end(&l->lease, false);
		mg_client_bye(l, "more than three governors in ten minutes");
		mg_log(MG_LOG_ERROR, "hold-off", "why", "more than three governors in ten minutes");
		mg_link_close(l, "more than three governors in ten minutes");
		l->dial_ns = l->now_ns + MG_GOVERNORS_WINDOW_NS;
		return -EPERM;
	}
	if (report_ms < MG_LINK_REPORT_MIN_MS)
		report_ms = MG_LINK_REPORT_MIN_MS;
	if (report_ms > MG_LINK_REPORT_MAX_MS)
		report_ms = MG_LINK_REPORT_MAX_MS;
	l->conn = MG_CONN_UP;
	l->backoff_ns = MG_LINK_BACKOFF_MIN_NS;
	l->report_every_ns = report_ms * MG_NS_PER_MS;
	l->report_ns = l->now_ns;
	l->want_live = number(m, "live", 0) == 1;
	atomic_store(&mg_shim.workers, number(m, "workers", 0) == 1);
	atomic_store(&mg_shim.welcomed, true);
	mg_log(MG_LOG_INFO, "connected", "socket", mg_shim.env.socket);
	return 0;
}

static int read_knobs(struct mg_link *l, const struct mg_wire_msg *m, struct mg_set *s)
{
	for (unsigned i = 0; i < m->n; i++) {
		const struct mg_wire_key *k = &m->key[i];
		int knob;

		if (k->key_len < 5 || memcmp(k->key, "knob.", 5))
			continue;
		for (knob = 0; knob < MG_KNOB__COUNT; knob++) {
			const char *name = mg_knob_wire_name((enum mg_knob)knob);

			if (strlen(name) == k->key_len - 5u && !memcmp(name, k->key + 5, k->key_len - 5u))
				break;
		}
		if (knob == MG_KNOB__COUNT) {
			mg_client_nak(l, s->seq, MG_NAK_UNSUPPORTED, NULL, -1);
			return -ENOTSUP;
		}
		s->has[knob] = true;
	}
	return 0;
}

static int read_set(struct mg_link *l, const struct mg_wire_msg *m, struct mg_set *s)
{
	char key[MAX_NAME];
	struct mg_text t;
	int r = read_knobs(l, m, s);

	for (int i = 0; r == 0 && i < MG_KNOB__COUNT; i++) {
		mg_text_init(&t, key, sizeof(key));
		mg_text_str(&t, "knob.");
		mg_text_str(&t, mg_knob_wire_name((enum mg_knob)i));
		if (s->has[i] && mg_wire_u64(m, key, &s->value[i]) < 0)
			return violation(l, "malformed", "a knob's value is not a number");
	}
	return r;
}

/* Decay is the allocator's: the whole message waits until the runtime thread has set it. */
static void apply(struct mg_link *l, const struct mg_set *s)
{
	struct mg_job j = { .kind = MG_JOB_SET_DECAY, .seq = s->seq, .deadline_ns = s->sent_ns + s->lease_ns, .set = *s };

	if (s->has[MG_KNOB_DECAY]) {
		if (!mg_job_add(l, &j))
			mg_client_nak(l, s->seq, MG_NAK_BUSY, NULL, -1);
		return;
	}
	mg_lease_apply(&l->lease, s, l->now_ns, mg_link_random(l, MG_LEASE_JITTER_NS));
	l->pace_ns = l->now_ns;
	mg_client_ack_set(l, s);
}

static int on_set(struct mg_link *l, const struct mg_wire_msg *m)
{
	struct mg_lease_facts f = { mg_link_live(l), mg_proc_resident(&l->proc), l->returnable, l->limit };
	struct mg_set s = {
		.seq = number(m, "seq", 0), .sent_ns = number(m, "sent_ns", 0), .lease_ns = ms_to_ns(number(m, "lease_ms", 0)),
		.assume_live = number(m, "assume.live", MG_KNOB_OFF), .assume_limit = number(m, "assume.limit", MG_KNOB_OFF),
		.irreversible = number(m, "irreversible", 0) == 1,
	};
	enum mg_fresh fresh = mg_lease_fresh(&l->lease, s.seq, s.sent_ns, s.lease_ns, l->now_ns);
	struct mg_verdict v;

	if (fresh == MG_FRESH_EXPIRED)
		mg_client_nak(l, s.seq, MG_NAK_EXPIRED, NULL, -1);
	if (fresh != MG_FRESH)
		return 0;
	if (read_set(l, m, &s) < 0)
		return l->conn == MG_CONN_NONE ? -EPROTO : 0;
	v = mg_lease_judge(&l->lease, &s, &f);
	if (v.nak != MG_NAK_NONE)
		mg_client_nak(l, s.seq, v.nak, v.why, v.knob);
	else
		apply(l, &s);
	return 0;
}

static int on_renew(struct mg_link *l, const struct mg_wire_msg *m)
{
	uint64_t seq = number(m, "seq", 0), sent = number(m, "sent_ns", 0), life = ms_to_ns(number(m, "lease_ms", 0));
	enum mg_fresh fresh = mg_lease_fresh(&l->lease, seq, sent, life, l->now_ns);

	if (fresh == MG_FRESH_OLD)
		return 0;
	if (fresh == MG_FRESH_EXPIRED || !mg_lease_renew(&l->lease, sent, life, l->now_ns, mg_link_random(l, MG_LEASE_JITTER_NS)))
		mg_client_nak(l, seq, MG_NAK_EXPIRED, NULL, -1);
	else
		ack(l, seq);
	return 0;
}

static int on_restore(struct mg_link *l, const struct mg_wire_msg *m)
{
	uint64_t seq = number(m, "seq", 0);

	if (mg_lease_fresh(&l->lease, seq, l->now_ns, UINT64_MAX, l->now_ns) == MG_FRESH_OLD)
		return 0;
	mg_lease_end(&l->lease, false);
	l->pace_ns = l->now_ns;
	ack(l, seq);
	return 0;
}

static enum mg_nak judge_purge(struct mg_link *l)
{
	if (!l->can_purge)
		return MG_NAK_UNSUPPORTED;
	if (mg_link_sealed(l))
		return MG_NAK_SEALED;
	if (mg_cow_lives(&l->cow, atomic_load(&mg_shim.forks)))
		return MG_NAK_COW;
	if (mg_budget_left(&l->budget, l->now_ns) == 0)
		return MG_NAK_BUDGET;
	return MG_NAK_NONE;
}

static uint64_t pause_ns(const struct mg_wire_msg *m)
{
	uint64_t us = number(m, "max_pause_us", 0);

	return us == 0 || us > MG_MAX_PAUSE_NS / MG_NS_PER_US ? MG_MAX_PAUSE_NS : us * MG_NS_PER_US;
}

static int on_do(struct mg_link *l, const struct mg_wire_msg *m)
{
	uint64_t seq = number(m, "seq", 0), sent = number(m, "sent_ns", 0), life = ms_to_ns(number(m, "deadline_ms", DEADLINE_DEFAULT_MS));
	struct mg_job j = { .kind = MG_JOB_PURGE, .seq = seq, .bytes = number(m, "bytes", UINT64_MAX), .max_pause_ns = pause_ns(m) };
	enum mg_fresh fresh = mg_lease_fresh(&l->lease, seq, sent, life, l->now_ns);
	char action[MAX_NAME];
	enum mg_nak nak;

	if (fresh == MG_FRESH_OLD)
		return 0;
	if (mg_wire_str(m, "action", action, sizeof(action)) < 0)
		return violation(l, "malformed", "DO without an action");
	j.deadline_ns = life > UINT64_MAX - l->now_ns ? UINT64_MAX : (sent < l->now_ns ? sent : l->now_ns) + life;
	nak = fresh == MG_FRESH_EXPIRED ? MG_NAK_EXPIRED : strcmp(action, "purge") ? MG_NAK_UNSUPPORTED : judge_purge(l);
	if (nak == MG_NAK_NONE && !mg_job_add(l, &j))
		nak = MG_NAK_BUSY;
	if (nak != MG_NAK_NONE)
		mg_client_nak(l, seq, nak, NULL, -1);
	return 0;
}

static int on_error(struct mg_link *l, const struct mg_wire_msg *m)
{
	(void)m;
	l->backoff_ns = REFUSED_BACKOFF_NS;
	mg_link_close(l, "the governor answered ERROR");
	return -EPROTO;
}

static int on_bye(struct mg_link *l, const struct mg_wire_msg *m)
{
	(void)m;
	mg_link_close(l, "the governor said BYE");
	return -ESHUTDOWN;
}

/* Verbs a governor may send, with what each may mark as must-understand; the rest are the target's own. */
static const struct {
	enum mg_wire_verb verb;
	bool before_welcome;
	int (*on)(struct mg_link *l, const struct mg_wire_msg *m);
	const char *const known[10];
} verbs[] = {
	{ MG_WIRE_WELCOME, true, on_welcome, { "version", "name", "report_ms", "lease_ms", "workers", "live" } },
	{ MG_WIRE_ERROR, true, on_error, { "code", "why" } },
	{ MG_WIRE_BYE, true, on_bye, { "why" } },
	{ MG_WIRE_SET, false, on_set, { "seq", "sent_ns", "lease_ms", "knob.*", "assume.live", "assume.limit", "irreversible" } },
	{ MG_WIRE_DO, false, on_do, { "seq", "sent_ns", "action", "bytes", "max_pause_us", "deadline_ms" } },
	{ MG_WIRE_RENEW, false, on_renew, { "seq", "sent_ns", "lease_ms" } },
	{ MG_WIRE_RESTORE, false, on_restore, { "seq", "sent_ns" } },
};

static bool flooded(struct mg_link *l)
{
	if (l->flood_s != l->now_ns / MG_NS_PER_S) {
		l->flood_s = l->now_ns / MG_NS_PER_S;
		l->flood_n = 0;
	}
	return ++l->flood_n > MG_LINK_MAX_PER_S;
}

static int handle(struct mg_link *l, size_t len)
{
	const struct mg_wire_key *stranger;
	const char *why = "";

	if (flooded(l))
		return violation(l, "full", "more datagrams a second than a target takes");
	if (len > MG_WIRE_MAX || mg_wire_parse(l->in, len, &l->msg, &why) < 0)
		return violation(l, "malformed", len > MG_WIRE_MAX ? "the datagram was cut" : why);
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (verbs[i].verb != l->msg.verb)
			continue;
		if (!mg_wire_understood(&l->msg, verbs[i].known, &stranger))
			return violation(l, "must", "a must-understand key is not known here");
		if (!verbs[i].before_welcome && l->conn != MG_CONN_UP)
			return violation(l, "verb", "a command before WELCOME");
		return verbs[i].on(l, &l->msg);
	}
	return violation(l, "verb", "not a verb a governor sends");
}

void mg_client_read(struct mg_link *l)
{
	for (unsigned i = 0; i < MG_LINK_MAX_BATCH && l->conn != MG_CONN_NONE; i++) {
		long n = mg_sys_read(l->sock, l->in, sizeof(l->in));

		if (n == -EAGAIN || n == -EINTR)
			return;
		if (n <= 0) {
			mg_link_close(l, "the governor is gone");
			return;
		}
		if (handle(l, (size_t)n) < 0)
			return;
	}
}
