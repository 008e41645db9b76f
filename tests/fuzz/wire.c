/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes: what the codec accepts it must be able to read whole, and to write back so that it reads the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "protocol/wire.h"

#define insist(cond) do { if (!(cond)) { fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #cond); abort(); } } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every value unescapes into its length or less, at any cap, and is ended. */
static void read_values(const struct mg_wire_msg *m)
{
	char out[MG_WIRE_MAX], key[MG_WIRE_MAX];
	uint64_t number;

	for (unsigned i = 0; i < m->n; i++) {
		const struct mg_wire_key *k = &m->key[i];
		snprintf(key, sizeof key, "%.*s", k->key_len, k->key);
		insist(mg_wire_get(m, key) == k);
		int n = mg_wire_str(m, key, out, sizeof out);
		insist(n >= 0 && n <= k->val_len && strlen(out) == (size_t)n);
		int cut = mg_wire_unescape(k, out, (size_t)n / 2 + 1);
		insist(cut == n / 2 && out[cut] == '\0');
		int r = mg_wire_u64(m, key, &number);
		insist(r <= 0);
	}
}

static size_t write_back(const struct mg_wire_msg *m, char *buf)
{
	struct mg_wire_out o;

	mg_wire_begin(&o, buf, MG_WIRE_MAX, m->verb);
	for (unsigned i = 0; i < m->n; i++) {
		const struct mg_wire_key *k = &m->key[i];
		char key[MG_WIRE_MAX], val[MG_WIRE_MAX];
		snprintf(key, sizeof key, "%s%.*s", k->must ? "!" : "", k->key_len, k->key);
		int n = mg_wire_unescape(k, val, sizeof val);
		mg_wire_put_strn(&o, key, val, (size_t)n);
	}
	long n = mg_wire_end(&o);
	insist(n > 0 || o.full);
	return n > 0 ? (size_t)n : 0;
}

static void same(const struct mg_wire_msg *a, const struct mg_wire_msg *b)
{
	insist(a->n == b->n && a->verb == b->verb);
	for (unsigned i = 0; i < a->n; i++) {
		char va[MG_WIRE_MAX], vb[MG_WIRE_MAX];
		insist(a->key[i].key_len == b->key[i].key_len && memcmp(a->key[i].key, b->key[i].key, a->key[i].key_len) == 0);
		insist(a->key[i].must == b->key[i].must);
		mg_wire_unescape(&a->key[i], va, sizeof va);
		mg_wire_unescape(&b->key[i], vb, sizeof vb);
		insist(strcmp(va, vb) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const known[] = { "seq", "knob.*", NULL };
	struct mg_wire_msg m, again;
	const struct mg_wire_key *stranger = NULL;
	const char *why = NULL;
	char buf[MG_WIRE_MAX];

	if (mg_wire_parse((const char *)data, size, &m, &why) < 0) {
		insist(why != NULL);
		return 0;
	}
	insist(size <= MG_WIRE_MAX && m.n <= MG_WIRE_MAX_KEYS);
	read_values(&m);
	insist(mg_wire_understood(&m, known, &stranger) == (stranger == NULL));
	if (m.verb == MG_WIRE_UNKNOWN)
		return 0;
	size_t n = write_back(&m, buf);
	if (n > 0) {
		insist(mg_wire_parse(buf, n, &again, &why) == 0);
		same(&m, &again);
	}
	return 0;
}
