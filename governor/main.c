/* SPDX-License-Identifier: Apache-2.0 */
#include "governor/cli/cli.h"

int main(int argc, char **argv)
{
	return mg_cli_main(argc, argv);
}
