// SPDX-License-Identifier: GPL-2.0-or-later
#include "base/alloc.h"
#include "cli/cli.h"

int main(int argc, char **argv)
{
	memory_set_up();
	return cli_main(argc, argv);
}
