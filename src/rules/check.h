/* SPDX-License-Identifier: GPL-2.0-or-later */
/* `reqtally check rules`: the output and exit codes of `promtool check rules`. */
#ifndef RT_RULES_CHECK_H
#define RT_RULES_CHECK_H

#include <stdbool.h>
#include <stdio.h>

#include "promql/promql.h"

struct rule_check_options {
	bool no_lint;	 /* --lint=none */
	bool lint_fatal; /* --lint-fatal */
	bool ignore_unknown_fields;
	struct promql_options promql; /* what is enabled */
};

#define RULE_CHECK_EXIT_ERROR 1
#define RULE_CHECK_EXIT_LINT 3

/* Checks FILES, or standard input if N is 0. Returns the exit code: 0, 1 for an error in any, 3 for duplicate
 * rules if those are fatal. */
int rule_check_files(char *const *files, size_t n, const struct rule_check_options *opt, FILE *out,
		     FILE *err);

#endif
