/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MG_WIRE_H
#define MG_WIRE_H

/* One datagram = one message: newline-separated KEY=VALUE text, at most 4096 bytes. First line: `memgov/1 VERB`.
 * No allocation, no libc: the same code runs in the governor and inside the target (protocol/SPEC.md). */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MG_WIRE_MAX      4096
#define MG_WIRE_MAX_KEYS 96
#define MG_WIRE_VERSION  1
#define MG_WIRE_MIN      1   /* oldest version this side speaks */
#define MG_WIRE_MAX_FDS  40  /* descriptors a HELLO may carry */

#define MG_WIRE_VERBS(X) \
	X(HELLO,   "HELLO")   /* target -> governor, first, with descriptors */ \
	X(WELCOME, "WELCOME") /* governor -> target */ \
	X(REPORT,  "REPORT")  /* target -> governor, every report_ms */ \
	X(SET,     "SET")     /* governor -> target: knobs under a lease */ \
	X(DO,      "DO")      /* governor -> target: one action, once */ \
	X(RENEW,   "RENEW")   /* governor -> target: the lease goes on */ \
	X(RESTORE, "RESTORE") /* governor -> target: baseline now */ \
	X(ACK,     "ACK")     /* target -> governor: seq was done */ \
	X(NAK,     "NAK")     /* target -> governor: seq was refused, with code and why */ \
	X(ERROR,   "ERROR")   /* either: the last message was not understood; the connection closes */ \
	X(BYE,     "BYE")     /* either: leaving in order */

enum mg_wire_verb {
#define MG_WIRE_ENUM(id, ...) MG_WIRE_##id,
	MG_WIRE_VERBS(MG_WIRE_ENUM)
#undef MG_WIRE_ENUM
	MG_WIRE__COUNT,
	MG_WIRE_UNKNOWN = MG_WIRE__COUNT /* well-formed, but a verb of a later version: answer ERROR code=verb */
};

struct mg_wire_key {
	const char *key, *val;      /* borrowed from the datagram, not NUL-terminated; val still escaped */
	uint16_t key_len, val_len;
	bool must;                  /* written `!KEY=`: refuse the message if KEY is not known */
};

struct mg_wire_msg {
	unsigned version;
	enum mg_wire_verb verb;
	unsigned n;
	struct mg_wire_key key[MG_WIRE_MAX_KEYS];
};

/* Parses one datagram. Returns 0, or a negative errno: -EBADMSG malformed (NUL, control byte, missing `=`, bad key, bad
 * escape, %00, no final newline), -EEXIST duplicate key, -E2BIG too long or too many keys, -EPROTO not memgov. *why: a static
 * sentence. ret is untouched on failure. Keys are [a-z][a-z0-9_.:-]*. */
int mg_wire_parse(const char *buf, size_t len, struct mg_wire_msg *ret, const char **why);
const struct mg_wire_key *mg_wire_get(const struct mg_wire_msg *m, const char *key);
/* True when every must-understand key is in the NULL-ended list known[] (an entry ending in `*` is a prefix). */
bool mg_wire_understood(const struct mg_wire_msg *m, const char *const known[], const struct mg_wire_key **stranger);
/* Reads a value. 0; -ENOENT no such key; -EINVAL not such a value; -ERANGE above 2^64-2. `max` reads as UINT64_MAX,
 * `unknown` is -ENODATA. */
int mg_wire_u64(const struct mg_wire_msg *m, const char *key, uint64_t *ret);
/* Unescapes (%XX) into out, NUL-terminated, cut at cap. Returns the length written, or negative errno as above. */
int mg_wire_str(const struct mg_wire_msg *m, const char *key, char *out, size_t cap);
int mg_wire_unescape(const struct mg_wire_key *k, char *out, size_t cap);
enum mg_wire_verb mg_wire_verb_find(const char *s, size_t len);
const char *mg_wire_verb_name(enum mg_wire_verb v);

/* A message being written. Values are escaped: bytes below 0x20, 0x7f and `%` become %XX; NUL, which the wire cannot carry,
 * becomes a space (as between the arguments of a command line). A pair whose key is not well-formed is left out: a strange
 * label neither forges a key nor silences the message. A key may be written with a leading `!`. */
struct mg_wire_out {
	char *buf;
	size_t cap, len;
	unsigned keys;
	bool full; /* something did not fit: mg_wire_end fails */
};
void mg_wire_begin(struct mg_wire_out *o, char *buf, size_t cap, enum mg_wire_verb verb);
void mg_wire_put_str(struct mg_wire_out *o, const char *key, const char *val);
void mg_wire_put_strn(struct mg_wire_out *o, const char *key, const char *val, size_t len);
void mg_wire_put_u64(struct mg_wire_out *o, const char *key, uint64_t val); /* UINT64_MAX: `max` */
/* With a prefix: "knob" and "gc_percent" make `knob.gc_percent`. */
void mg_wire_put_u64_in(struct mg_wire_out *o, const char *prefix, const char *key, uint64_t val);
void mg_wire_put_str_in(struct mg_wire_out *o, const char *prefix, const char *key, const char *val);
/* Returns the datagram's length, -E2BIG when it did not fit. */
long mg_wire_end(struct mg_wire_out *o);

/* The version both sides speak, from the ranges they offer: the smaller of the two maxima; 0 when there is none. */
unsigned mg_wire_negotiate(unsigned my_min, unsigned my_max, unsigned their_min, unsigned their_max);

#endif
