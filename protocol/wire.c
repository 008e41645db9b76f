/* SPDX-License-Identifier: Apache-2.0 */
/* The codec of protocol/SPEC.md: reads one datagram into key/value pairs that point into it, and writes one into a
 * caller's buffer. Called by governor/serve and by the target's link thread; the latter runs inside foreign processes,
 * so nothing here allocates, locks, reads a locale or calls a library. The first error met in reading order is the one
 * reported, because protocol/vectors holds other implementations to the same answers. */
#include "protocol/wire.h"

#include <errno.h>

#define MAX_VERB    16
#define MAX_VERSION 65535U

struct text {
	const char *at;
	size_t len;
};

static const char *const verb_names[] = {
#define VERB_NAME(id, name) [MG_WIRE_##id] = name,
	MG_WIRE_VERBS(VERB_NAME)
#undef VERB_NAME
};

static inline bool is_digit(char c) { return c >= '0' && c <= '9'; }
static inline bool is_lower(char c) { return c >= 'a' && c <= 'z'; }
static inline bool is_upper(char c) { return c >= 'A' && c <= 'Z'; }
static inline bool is_control(char c) { return (unsigned char)c < 0x20 || c == 0x7f; }

static size_t length(const char *z)
{
	size_t n = 0;

	while (z[n] != '\0')
		n++;
	return n;
}

static bool equal(const char *a, const char *b, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (a[i] != b[i])
			return false;
	return true;
}

static bool is(struct text t, const char *z)
{
	return length(z) == t.len && equal(z, t.at, t.len);
}

static int refuse(int r, const char *sentence, const char **why)
{
	if (why)
		*why = sentence;
	return r;
}

/* The value of an upper-case hex digit, -1 for anything else. */
static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Reads `%XX` at the start of s: the byte, or -EINVAL. NUL cannot be written: a C string would end early. */
static int escape_read(const char *s, size_t left)
{
	if (left < 3)
		return -EINVAL;
	int hi = hex_value(s[1]), lo = hex_value(s[2]);
	if (hi < 0 || lo < 0 || (hi == 0 && lo == 0))
		return -EINVAL;
	return hi * 16 + lo;
}

static bool key_ok(struct text k)
{
	if (k.len == 0 || !is_lower(k.at[0]))
		return false;
	for (size_t i = 1; i < k.len; i++) {
		char c = k.at[i];
		if (!is_lower(c) && !is_digit(c) && c != '_' && c != '.' && c != ':' && c != '-')
			return false;
	}
	return true;
}

static int value_check(struct text v, const char **why)
{
	for (size_t i = 0; i < v.len; i++) {
		if (is_control(v.at[i]))
			return refuse(-EBADMSG, "a control byte in a value", why);
		if (v.at[i] == '%' && escape_read(v.at + i, v.len - i) < 0)
			return refuse(-EBADMSG, "an escape that is not % and two upper-case hex digits of a byte other than NUL",
				      why);
	}
	return 0;
}

/* Takes the next line off t, without its newline. The caller has checked that t ends with one. */
static struct text line_take(struct text *t)
{
	struct text line = { t->at, 0 };

	while (line.at[line.len] != '\n')
		line.len++;
	t->at += line.len + 1;
	t->len -= line.len + 1;
	return line;
}

/* Reads VERSION of the first line: its digits, 0 when they are no version. */
static size_t version_read(struct text t, unsigned *ret)
{
	size_t n = 0;
	unsigned v = 0;

	for (; n < t.len && is_digit(t.at[n]); n++) {
		v = v * 10 + (unsigned)(t.at[n] - '0');
		if (v == 0 || v > MAX_VERSION)
			return 0;
	}
	*ret = v;
	return n;
}

static int head_read(struct text line, struct mg_wire_msg *m, const char **why)
{
	static const char magic[] = "memgov/";
	const size_t skip = sizeof magic - 1;

	if (line.len < skip || !equal(line.at, magic, skip))
		return refuse(-EPROTO, "the first line does not begin with memgov/", why);
	size_t digits = version_read((struct text){ line.at + skip, line.len - skip }, &m->version);
	if (digits == 0)
		return refuse(-EPROTO, "the first line names no version", why);
	struct text verb = { line.at + skip + digits, line.len - skip - digits };
	if (verb.len < 2 || verb.len > MAX_VERB + 1 || verb.at[0] != ' ')
		return refuse(-EBADMSG, "the first line names no verb", why);
	for (size_t i = 1; i < verb.len; i++)
		if (!is_upper(verb.at[i]))
			return refuse(-EBADMSG, "a verb is upper-case letters", why);
	m->verb = mg_wire_verb_find(verb.at + 1, verb.len - 1);
	return 0;
}

static const struct mg_wire_key *key_find(const struct mg_wire_msg *m, struct text key)
{
	for (unsigned i = 0; i < m->n; i++)
		if (m->key[i].key_len == key.len && equal(m->key[i].key, key.at, key.len))
			return &m->key[i];
	return NULL;
}

static int pair_read(struct text line, struct mg_wire_msg *m, const char **why)
{
	bool must = line.len > 0 && line.at[0] == '!';
	struct text key = { line.at + must, 0 };
	const size_t left = line.len - must;

	while (key.len < left && key.at[key.len] != '=')
		key.len++;
	if (key.len == left)
		return refuse(-EBADMSG, "a line without `=`", why);
	if (!key_ok(key))
		return refuse(-EBADMSG, "a key that is not [a-z][a-z0-9_.:-]*", why);
	struct text val = { key.at + key.len + 1, left - key.len - 1 };
	int r = value_check(val, why);
	if (r < 0)
		return r;
	if (key_find(m, key))
		return refuse(-EEXIST, "a key given twice", why);
	if (m->n == MG_WIRE_MAX_KEYS)
		return refuse(-E2BIG, "more than 96 keys", why);
	m->key[m->n++] = (struct mg_wire_key){ .key = key.at, .val = val.at, .key_len = (uint16_t)key.len,
					       .val_len = (uint16_t)val.len, .must = must };
	return 0;
}

int mg_wire_parse(const char *buf, size_t len, struct mg_wire_msg *ret, const char **why)
{
	struct text left = { buf, len };
	struct mg_wire_msg m;

	m.n = 0;
	if (len > MG_WIRE_MAX)
		return refuse(-E2BIG, "longer than 4096 bytes", why);
	if (len == 0)
		return refuse(-EPROTO, "an empty datagram", why);
	if (buf[len - 1] != '\n')
		return refuse(-EBADMSG, "the last line has no newline: the datagram was cut", why);
	int r = head_read(line_take(&left), &m, why);
	while (r == 0 && left.len > 0)
		r = pair_read(line_take(&left), &m, why);
	if (r < 0)
		return r;
	ret->version = m.version;
	ret->verb = m.verb;
	ret->n = m.n;
	for (unsigned i = 0; i < m.n; i++)
		ret->key[i] = m.key[i];
	return 0;
}

const struct mg_wire_key *mg_wire_get(const struct mg_wire_msg *m, const char *key)
{
	return key_find(m, (struct text){ key, length(key) });
}

/* known: a key, or a prefix ending in `*`. */
static bool known_covers(const char *known, const struct mg_wire_key *k)
{
	size_t n = length(known);

	if (n > 0 && known[n - 1] == '*')
		return k->key_len >= n - 1 && equal(known, k->key, n - 1);
	return is((struct text){ k->key, k->key_len }, known);
}

static bool key_known(const char *const known[], const struct mg_wire_key *k)
{
	for (; *known; known++)
		if (known_covers(*known, k))
			return true;
	return false;
}

bool mg_wire_understood(const struct mg_wire_msg *m, const char *const known[], const struct mg_wire_key **stranger)
{
	for (unsigned i = 0; i < m->n; i++) {
		if (!m->key[i].must || key_known(known, &m->key[i]))
			continue;
		if (stranger)
			*stranger = &m->key[i];
		return false;
	}
	return true;
}

/* UINT64_MAX is the word `max`, so the largest number is one less. */
static int number_read(struct text t, uint64_t *ret)
{
	uint64_t v = 0;

	if (t.len == 0)
		return -EINVAL;
	for (size_t i = 0; i < t.len; i++)
		if (!is_digit(t.at[i]))
			return -EINVAL;
	for (size_t i = 0; i < t.len; i++)
		if (__builtin_mul_overflow(v, 10U, &v) || __builtin_add_overflow(v, (uint64_t)(t.at[i] - '0'), &v))
			return -ERANGE;
	if (v == UINT64_MAX)
		return -ERANGE;
	*ret = v;
	return 0;
}

int mg_wire_u64(const struct mg_wire_msg *m, const char *key, uint64_t *ret)
{
	const struct mg_wire_key *k = mg_wire_get(m, key);

	if (!k)
		return -ENOENT;
	struct text val = { k->val, k->val_len };
	if (is(val, "unknown"))
		return -ENODATA;
	if (!is(val, "max"))
		return number_read(val, ret);
	*ret = UINT64_MAX;
	return 0;
}

int mg_wire_unescape(const struct mg_wire_key *k, char *out, size_t cap)
{
	size_t n = 0;

	if (cap == 0)
		return -EINVAL;
	for (size_t i = 0; i < k->val_len && n + 1 < cap; i++) {
		int c = (unsigned char)k->val[i];
		if (c == '%') {
			c = escape_read(k->val + i, k->val_len - i);
			if (c < 0)
				return c;
			i += 2;
		}
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return (int)n;
}

int mg_wire_str(const struct mg_wire_msg *m, const char *key, char *out, size_t cap)
{
	const struct mg_wire_key *k = mg_wire_get(m, key);

	return k ? mg_wire_unescape(k, out, cap) : -ENOENT;
}

enum mg_wire_verb mg_wire_verb_find(const char *s, size_t len)
{
	for (unsigned v = 0; v < MG_WIRE__COUNT; v++)
		if (is((struct text){ s, len }, verb_names[v]))
			return (enum mg_wire_verb)v;
	return MG_WIRE_UNKNOWN;
}

const char *mg_wire_verb_name(enum mg_wire_verb v)
{
	return (unsigned)v < MG_WIRE__COUNT ? verb_names[v] : "UNKNOWN";
}

static void put_byte(struct mg_wire_out *o, char c)
{
	if (o->len < o->cap)
		o->buf[o->len++] = c;
	else
		o->full = true;
}

static void put_text(struct mg_wire_out *o, struct text t)
{
	for (size_t i = 0; i < t.len; i++)
		put_byte(o, t.at[i]);
}

static void put_escaped(struct mg_wire_out *o, char c)
{
	static const char hex[] = "0123456789ABCDEF";
	unsigned char b = (unsigned char)c;

	if (c == '\0')
		return put_byte(o, ' ');
	if (!is_control(c) && c != '%')
		return put_byte(o, c);
	put_byte(o, '%');
	put_byte(o, hex[b >> 4]);
	put_byte(o, hex[b & 15]);
}

static void put_number(struct mg_wire_out *o, uint64_t v)
{
	char digits[20];
	size_t n = sizeof digits;

	do
		digits[--n] = (char)('0' + v % 10);
	while (v /= 10);
	put_text(o, (struct text){ digits + n, sizeof digits - n });
}

void mg_wire_begin(struct mg_wire_out *o, char *buf, size_t cap, enum mg_wire_verb verb)
{
	const char *name = mg_wire_verb_name(verb);

	*o = (struct mg_wire_out){ .buf = buf, .cap = cap < MG_WIRE_MAX ? cap : MG_WIRE_MAX };
	put_text(o, (struct text){ "memgov/", 7 });
	put_number(o, MG_WIRE_VERSION);
	put_byte(o, ' ');
	put_text(o, (struct text){ name, length(name) });
	put_byte(o, '\n');
}

/* Writes `PREFIX.KEY=`. False, and nothing written, for a key that no reader would take: a label's name comes from the
 * environment, and must neither forge a pair nor silence the message. */
static bool put_key(struct mg_wire_out *o, const char *prefix, const char *key)
{
	const struct mg_wire_out before = *o;

	if (prefix) {
		put_text(o, (struct text){ prefix, length(prefix) });
		put_byte(o, '.');
	} else if (key[0] == '!') {
		put_byte(o, *key++);
	}
	size_t start = prefix ? before.len : o->len;
	put_text(o, (struct text){ key, length(key) });
	if (o->full)
		return false;
	if (key[0] == '\0' || !key_ok((struct text){ o->buf + start, o->len - start })) {
		*o = before;
		return false;
	}
	if (++o->keys > MG_WIRE_MAX_KEYS)
		o->full = true;
	put_byte(o, '=');
	return true;
}

static void put_pair(struct mg_wire_out *o, const char *prefix, const char *key, struct text val)
{
	if (!put_key(o, prefix, key))
		return;
	for (size_t i = 0; i < val.len; i++)
		put_escaped(o, val.at[i]);
	put_byte(o, '\n');
}

static void put_pair_u64(struct mg_wire_out *o, const char *prefix, const char *key, uint64_t val)
{
	if (val == UINT64_MAX)
		return put_pair(o, prefix, key, (struct text){ "max", 3 });
	if (!put_key(o, prefix, key))
		return;
	put_number(o, val);
	put_byte(o, '\n');
}

void mg_wire_put_str(struct mg_wire_out *o, const char *key, const char *val)
{
	put_pair(o, NULL, key, (struct text){ val, length(val) });
}

void mg_wire_put_strn(struct mg_wire_out *o, const char *key, const char *val, size_t len)
{
	put_pair(o, NULL, key, (struct text){ val, len });
}

void mg_wire_put_u64(struct mg_wire_out *o, const char *key, uint64_t val)
{
	put_pair_u64(o, NULL, key, val);
}

void mg_wire_put_u64_in(struct mg_wire_out *o, const char *prefix, const char *key, uint64_t val)
{
	put_pair_u64(o, prefix, key, val);
}

void mg_wire_put_str_in(struct mg_wire_out *o, const char *prefix, const char *key, const char *val)
{
	put_pair(o, prefix, key, (struct text){ val, length(val) });
}

long mg_wire_end(struct mg_wire_out *o)
{
	return o->full ? -E2BIG : (long)o->len;
}

unsigned mg_wire_negotiate(unsigned my_min, unsigned my_max, unsigned their_min, unsigned their_max)
{
	unsigned newest = my_max < their_max ? my_max : their_max;
	unsigned oldest = my_min > their_min ? my_min : their_min;

	return newest >= oldest ? newest : 0;
}
