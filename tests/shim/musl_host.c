// SPDX-License-Identifier: Apache-2.0
/* A musl program for the shim to be loaded into: prints, works for three seconds, reads to the end of its input. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void)
{
	char c;
	int sum = 0;

	printf("ready %d\n", (int)getpid());
	fflush(stdout);
	for (int i = 0; i < 42; i++) {
		char *p = malloc(100000);

		memset(p, 1, 100000);
		sum += p[99999];
		free(p);
		usleep(70000);
	}
	printf("sum %d\n", sum);
	fflush(stdout);
	while (read(0, &c, 1) == 1)
		;
	return 7;
}
