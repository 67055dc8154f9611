/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A test group that runs, and what looks at it at its times. Internal to unit tests of rules. */
#ifndef RT_RULES_UNIT_RUN_H
#define RT_RULES_UNIT_RUN_H

#include "promql/test_storage.h"
#include "rules/memory.h"
#include "rules/unit_test.h"

struct unit_run {
	const struct unit_test_options *opt;
	FILE *out; /* for what --debug tells */
	const struct unit_file *file;
	const struct unit_group *group;
	struct strings *errors;
	struct arena arena; /* input series, expected samples */
	struct test_row *rows;
	size_t n_rows, cap_rows, *next; /* values of each row already in */
	struct memory_source memory;
	struct rule_manager *rules;
	bool eval_failed;
	int64_t now;
};

/* Every label as a pair, the name too: `{__name__="x", a="b"}`. */
void unit_print_labels(const struct labels *ls, struct buf *out);
/* What is not as expected goes into R->errors, in promtool's words. NONE: the empty set of labels. */
void unit_check_alerts(struct unit_run *r, const struct unit_alert_test *t, const struct labels *none);
void unit_check_expr(struct unit_run *r, const struct unit_expr_test *t);

#endif
