/* SPDX-License-Identifier: Apache-2.0 */
/* Answers of the Prometheus API. On failure outputs stay as they were. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "collectors/collector.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	double value = 4711, time_s = 4711;
	struct mg_err err = { "" };
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	int r = mg_promql_parse(text, size, &value, &time_s, &err);
	if (r < 0 && (value != 4711 || time_s != 4711 || err.text[0] == '\0'))
		abort();
	free(text);
	return 0;
}
