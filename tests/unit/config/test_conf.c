/* SPDX-License-Identifier: Apache-2.0 */
/* What is shipped in conf/: every policy file loads without a finding, and the schema is the one the tables print. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "governor/config/keys.h"
#include "tests/check.h"

static struct mg_findings findings;

static struct mg_config *load(const char *name)
{
	char path[512];
	struct mg_config *c = NULL;
	struct mg_err err = { "" };

	snprintf(path, sizeof path, "%s/%s", CONF_DIR, name);
	int r = mg_config_load(path, &c, &findings, &err);
	check(r == 0, "%s loads: %s: %s", name, err.text, findings.at[0].text);
	check(findings.n == 0, "%s gives no finding, not %s", name, findings.at[0].text);
	return c;
}

static void test_every_file_loads_without_findings(void **state)
{
	unsigned files = 0;
	DIR *d = opendir(CONF_DIR);

	(void)state;
	check(d != NULL, "conf/ can be opened");
	for (struct dirent *e; (e = readdir(d));) {
		size_t len = strlen(e->d_name);
		if (len < 5 || strcmp(e->d_name + len - 5, ".yaml") != 0)
			continue;
		struct mg_config *c = load(e->d_name);
		check(c->mode == MG_MODE_DRY_RUN, "%s is in dry run: installing it changes nothing", e->d_name);
		check(c->n_targets > 0 && c->targets[0].n_rules > 0, "%s governs something", e->d_name);
		c = mg_config_free(c);
		files++;
	}
	closedir(d);
	check(files >= 4, "the four shipped files are there, found %u", files);
}

static void test_default_is_for_every_process(void **state)
{
	struct mg_config *c = load("default.yaml");
	const struct mg_target_spec *t = &c->targets[0];

	(void)state;
	check(t->match.exe[0] == '\0' && t->match.uid == -1, "the first target has no condition");
	check(strcmp(t->rules[0].policy->name, "memory-limit") == 0, "first the limit, not %s", t->rules[0].policy->name);
	check(strcmp(t->rules[1].policy->name, "idle-return") == 0, "then the return, not %s", t->rules[1].policy->name);
	mg_config_free(c);
}

static void test_seed_rule(void **state)
{
	struct mg_config *c = load("seed.yaml");
	const struct mg_rule *seed = &c->targets[0].rules[0], *limit = &c->targets[0].rules[1];

	(void)state;
	check(strcmp(c->signals[0].query, "go_memstats_heap_inuse_bytes") == 0, "the series is %s", c->signals[0].query);
	check(c->signals[0].unit == MG_UNIT_BYTES, "which is in bytes by its name");
	check(strcmp(mg_expr_text(seed->expr[0]), "app.heap_inuse > 800MB for 15s") == 0, "the condition is %s",
		mg_expr_text(seed->expr[0]));
	check(seed->step.at[MG_KNOB_GC_PERCENT].v == 25, "steps of 25, not %g", seed->step.at[MG_KNOB_GC_PERCENT].v);
	check(strcmp(mg_expr_text(limit->expr[0]), "cgroup.limit or max(proc.rss, 1h)") == 0, "the limit is of %s",
		mg_expr_text(limit->expr[0]));
	mg_config_free(c);
}

/* The schema as the tables print it; owned. */
static char *print_schema(void)
{
	int fd = memfd_create("schema", MFD_CLOEXEC);

	check(fd >= 0, "a memory file can be made");
	check(mg_config_schema(fd) == 0, "the schema prints");
	size_t len = (size_t)lseek(fd, 0, SEEK_END);
	char *text = calloc(1, len + 1);
	check(text && pread(fd, text, len, 0) == (ssize_t)len, "and reads back");
	close(fd);
	return text;
}

static void test_schema_is_up_to_date(void **state)
{
	char *now = print_schema(), *shipped = NULL;
	size_t len;

	(void)state;
	check(mg_config_read(CONF_DIR "/policy.schema.json", &shipped, &len, NULL) == 0, "conf/policy.schema.json can be read");
	check(len == strlen(now) && memcmp(shipped, now, len) == 0, "conf/policy.schema.json is old: build the target policy-schema");
	free(shipped);
	free(now);
}

static void check_described(const cJSON *section, const struct mg_key *keys)
{
	const cJSON *all = cJSON_GetObjectItem(section, "properties");

	for (const struct mg_key *k = keys; k->name; k++) {
		if (k->name[strlen(k->name) - 1] == '.')
			continue;
		const cJSON *one = cJSON_GetObjectItemCaseSensitive(all, k->name);
		check(one != NULL, "the schema knows `%s`", k->name);
		const char *help = cJSON_GetStringValue(cJSON_GetObjectItem(one, "description"));
		check(help && strstr(help, k->help), "and says what `%s` is", k->name);
		if (k->type == &mg_type_section)
			check_described(one, k->keys);
	}
}

static void test_schema_has_every_key(void **state)
{
	char *text = print_schema();
	cJSON *schema = cJSON_Parse(text);

	(void)state;
	check(schema != NULL, "the schema is JSON");
	check_described(schema, mg_config_keys);
	cJSON_Delete(schema);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_file_loads_without_findings),
		cmocka_unit_test(test_default_is_for_every_process),
		cmocka_unit_test(test_seed_rule),
		cmocka_unit_test(test_schema_is_up_to_date),
		cmocka_unit_test(test_schema_has_every_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
