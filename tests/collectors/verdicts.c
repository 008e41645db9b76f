/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the tables of expositions.h for the scripts beside this file, a row a line: table, verdict of the reference (1
 * accepts), text in hex. */
#include <stdio.h>
#include <string.h>

#include "tests/collectors/expositions.h"

static void print_row(const char *table, bool accepts, const char *text, size_t len)
{
	printf("%s %d ", table, accepts);
	for (size_t i = 0; i < len; i++)
		printf("%02x", (unsigned char)text[i]);
	putchar('\n');
}

int main(void)
{
	for (size_t i = 0; i < N_EXPOSITIONS; i++)
		print_row("promtool", expositions[i].promtool, expositions[i].text, expositions[i].len);
	for (size_t i = 0; i < N_OPENMETRICS; i++)
		print_row("openmetrics", openmetrics[i].prometheus, openmetrics[i].text, strlen(openmetrics[i].text));
	return 0;
}
