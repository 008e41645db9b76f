/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a policy file: it loads or gives findings that stand in the file, and both can be printed and freed. */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "governor/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mg_findings findings;
	static int null = -1;
	struct mg_config *c = NULL;

	if (null < 0)
		null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int r = mg_config_parse("fuzz.yaml", (const char *)data, size, &c, &findings);
	if (r != -ENOMEM && ((r == 0) != (c != NULL) || (r == 0) != (findings.errors == 0)))
		abort();
	for (unsigned i = 0; i < findings.n; i++)
		if (findings.at[i].line == 0 || findings.at[i].column == 0 || findings.at[i].text[0] == '\0')
			abort();
	mg_findings_print(&findings, "fuzz.yaml", (const char *)data, size, null);
	mg_config_free(c);
	return 0;
}
