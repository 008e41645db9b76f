/* SPDX-License-Identifier: Apache-2.0 */
/* Asks the governor's HTTP API over its unix socket with libcurl, gives the answer as cJSON. Called by the operator's
 * verbs: status, explain, plan, pause, resume. */
#include "governor/cli/client.h"

#include <curl/curl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "governor/config/config.h"
#include "governor/util/str.h"

#define TIMEOUT_S 10L

struct body {
	char *at;
	size_t len;
};

/* ---- where it is ---- */

/* unix:PATH or ADDR:PORT: from the policy file when one is named, else beside the control socket. */
static int admin_address(const struct mg_cli *c, char *ret, size_t cap, struct mg_err *err)
{
	static struct mg_findings findings;
	struct mg_buf b = mg_buf(ret, cap);
	struct mg_config *config = NULL;

	if (c->config) {
		int r = mg_config_load(c->config, &config, &findings, err);
		if (r < 0 && findings.n > 0)
			(void)mg_fail(err, r, "%s is invalid; see memgov check-config", c->config);
		if (r < 0)
			return r;
	}
	if (config && config->admin[0] != '\0')
		mg_buf_printf(&b, "%s", config->admin);
	else
		mg_buf_printf(&b, "unix:%s.admin", config && !c->socket ? config->socket : mg_cli_socket(c));
	mg_config_free(config);
	return 0;
}

/* ---- one request ---- */

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
	struct body *b = ctx;

	n *= size;
	if (b->len + n > MG_CLIENT_MAX_BYTES)
		return 0;
	char *at = realloc(b->at, b->len + n + 1);
	if (!at)
		return 0;
	memcpy(at + b->len, data, n);
	at[b->len + n] = '\0';
	*b = (struct body){ at, b->len + n };
	return n;
}

static CURLcode perform(CURL *h, const char *address, const char *method, const char *url, struct body *body, char *why)
{
	if (strncmp(address, "unix:", 5) == 0)
		curl_easy_setopt(h, CURLOPT_UNIX_SOCKET_PATH, address + 5);
	curl_easy_setopt(h, CURLOPT_URL, url);
	curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http");
	curl_easy_setopt(h, CURLOPT_PROXY, "");
	curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(h, CURLOPT_CONNECTTIMEOUT, TIMEOUT_S);
	curl_easy_setopt(h, CURLOPT_TIMEOUT, TIMEOUT_S);
	curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(h, CURLOPT_WRITEDATA, body);
	curl_easy_setopt(h, CURLOPT_ERRORBUFFER, why);
	if (strcmp(method, "POST") == 0)
		curl_easy_setopt(h, CURLOPT_POSTFIELDS, "");
	return curl_easy_perform(h);
}

static void build_url(CURL *h, const char *address, const char *path, const char *target, struct mg_buf *url)
{
	char *escaped = target ? curl_easy_escape(h, target, 0) : NULL;

	mg_buf_printf(url, "http://%s%s", strncmp(address, "unix:", 5) == 0 ? "localhost" : address, path);
	if (escaped)
		mg_buf_printf(url, "?target=%s", escaped);
	curl_free(escaped);
}

/* ---- the answer ---- */

static int refused(long status, const struct body *body, cJSON *json, const char *target)
{
	if (status == 404 && target)
		return mg_cli_fail(MG_EXIT_RUNTIME, "no connected process has the name or id `%s`; see memgov status", target);
	const char *error = mg_json_text(json, "error"), *text = *error ? error : body->at ? body->at : "";
	return mg_cli_fail(MG_EXIT_RUNTIME, "the governor answers %ld: %.*s", status, (int)strcspn(text, "\n"), text);
}

static int take_answer(const struct mg_cli *c, long status, const struct body *body, const char *target, cJSON **ret)
{
	cJSON *json = body->at ? cJSON_ParseWithLengthOpts(body->at, body->len + 1, NULL, 1) : NULL;

	if (status != 200 || !json) {
		int exit_status = status != 200 ? refused(status, body, json, target) :
			mg_cli_fail(MG_EXIT_RUNTIME, "the answer is not JSON: does a governor listen there?");
		cJSON_Delete(json);
		return exit_status;
	}
	if (c->json)
		printf("%s\n", body->at);
	*ret = json;
	return MG_EXIT_OK;
}

/* os_errno: of the connect; curl's own words speak of ports even for a unix socket. */
static int no_answer(const char *address, long os_errno, const char *why)
{
	const char *path = strncmp(address, "unix:", 5) == 0 ? address + 5 : address;

	return mg_cli_fail(MG_EXIT_RUNTIME,
			   "no governor answers at %s (%s): is `memgov run` up, is --socket right, and are you its user or root?",
			   path, os_errno != 0 ? strerror((int)os_errno) : why);
}

int mg_client(const struct mg_cli *c, const char *method, const char *path, const char *target, cJSON **ret)
{
	char address[160], url[1024], why[CURL_ERROR_SIZE] = "";
	struct mg_buf b = mg_buf(url, sizeof url);
	struct body body = { 0 };
	struct mg_err err;
	long status = 0, os_errno = 0;

	if (admin_address(c, address, sizeof address, &err) < 0)
		return mg_cli_fail(MG_EXIT_CONFIG, "%s", err.text);
	CURL *h = curl_easy_init();
	if (!h)
		return mg_cli_fail(MG_EXIT_RUNTIME, "libcurl does not start");
	build_url(h, address, path, target, &b);
	CURLcode r = b.full ? CURLE_URL_MALFORMAT : perform(h, address, method, url, &body, why);
	curl_easy_getinfo(h, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(h, CURLINFO_OS_ERRNO, &os_errno);
	curl_easy_cleanup(h);
	int exit_status = r == CURLE_OK ? take_answer(c, status, &body, target, ret) :
		no_answer(address, r == CURLE_COULDNT_CONNECT ? os_errno : 0, *why ? why : curl_easy_strerror(r));
	free(body.at);
	return exit_status;
}

/* ---- fields ---- */

const char *mg_json_text(const cJSON *o, const char *key)
{
	const char *s = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, key));

	return s ? s : "";
}

double mg_json_double(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsNumber(v) ? v->valuedouble : NAN;
}

bool mg_json_true(const cJSON *o, const char *key)
{
	return cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(o, key));
}
