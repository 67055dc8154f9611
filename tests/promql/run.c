// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs PromQL test files: promqltest FILE... One line a case, then the totals. */
#include <stdio.h>

#include "promql/test.h"

int main(int argc, char **argv)
{
	int passed = 0, failed = 0, broken = 0;
	for (int i = 1; i < argc; i++)
		broken += promql_test_file(argv[i], stdout, &passed, &failed) != 0;
	printf("%d passed, %d failed\n", passed, failed);
	return failed || broken;
}
