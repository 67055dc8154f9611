// SPDX-License-Identifier: GPL-2.0-or-later
/* The library behind `reqtally check rules` and `reqtally test rules` as a program of its own, so that it can
 * be compared with promtool without the rest: rulestool check|test FILE... */
#include <stdio.h>
#include <string.h>

#include "rules/check.h"
#include "rules/unit_test.h"

int main(int argc, char **argv)
{
	struct rule_check_options check = {0};
	struct unit_test_options test = {0};
	if (argc > 1 && !strcmp(argv[1], "check"))
		return rule_check_files(argv + 2, (size_t)argc - 2, &check, stdout, stderr);
	if (argc > 2 && !strcmp(argv[1], "test"))
		return rule_unit_test_files(argv + 2, (size_t)argc - 2, &test, stdout, stderr);
	fprintf(stderr, "usage: %s check|test FILE...\n", argv[0]);
	return 2;
}
