/* SPDX-License-Identifier: Apache-2.0 */
/* Prints the policy file's JSON schema: how conf/policy.schema.json is made, and what a test holds it against. */
#include <unistd.h>

#include "governor/config/config.h"

int main(void)
{
	return mg_config_schema(STDOUT_FILENO) < 0;
}
