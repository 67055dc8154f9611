// SPDX-License-Identifier: GPL-2.0-or-later
/* Rule files: groups, or errors, never both; and reading twice gives the same groups. */
#include <stdlib.h>

#include "rules/rule_file.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct rule_set *set = rule_set_new(), *again = rule_set_new();
	struct strings errors = {0}, errors_again = {0};
	char *text = malloc(n ? n : 1);
	memcpy(text, data, n);
	int err = rule_file_parse("f.yml", text, n, set, &errors);
	if ((err != 0) != (errors.n != 0) || (err && set->n))
		abort();
	int err2 = rule_file_parse("f.yml", text, n, again, &errors_again);
	if (err != err2 || errors.n != errors_again.n || set->n != again->n)
		abort();
	for (size_t i = 0; i < set->n; i++)
		if (!rule_group_def_equal(&set->groups[i], &again->groups[i]))
			abort();
	rule_set_free(set);
	rule_set_free(again);
	strings_free(&errors);
	strings_free(&errors_again);
	free(text);
	return 0;
}
