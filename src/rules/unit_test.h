/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Unit tests of rules as promtool has them: `reqtally test rules`. */
#ifndef RT_RULES_UNIT_TEST_H
#define RT_RULES_UNIT_TEST_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/strings.h"
#include "base/yaml.h"
#include "model/labels.h"
#include "promql/promql.h"

struct unit_test_options {
	const struct strings
	    *run; /* only test groups whose name one of these regular expressions finds; NULL: all */
	struct promql_options promql; /* what is enabled */
	bool ignore_unknown_fields;
	bool debug;	   /* tell what is evaluated, and all samples at the end of each group */
	bool diff;	   /* of expected and received alerts the lines that differ */
	const char *junit; /* a file for the results in JUnit's XML; NULL: none */
};

/* Runs the test files. Texts to OUT and ERR as promtool writes them. The exit code: 0, or 1 if anything
 * failed. */
int rule_unit_test_files(char *const *files, size_t n, const struct unit_test_options *opt, FILE *out,
			 FILE *err);

/* A file, decoded. Nodes point into its document. */
struct unit_series {
	const struct yaml_node *series, *values;
};

struct unit_expected_alert {
	struct labels *labels, *annotations;
};

struct unit_alert_test {
	int64_t eval_time;
	const struct yaml_node *alertname;
	struct unit_expected_alert *expected;
	size_t n, cap;
};

struct unit_expected_sample {
	const struct yaml_node *labels, *histogram;
	double value;
};

struct unit_expr_test {
	int64_t eval_time;
	const struct yaml_node *expr;
	struct unit_expected_sample *expected;
	size_t n, cap;
};

struct unit_group {
	int64_t interval, start;
	const struct yaml_node *name;
	char *external_url;
	struct labels *external_labels; /* NULL: none */
	struct unit_series *series;
	size_t n_series, cap_series;
	struct unit_alert_test *alerts;
	size_t n_alerts, cap_alerts;
	struct unit_expr_test *exprs;
	size_t n_exprs, cap_exprs;
};

struct unit_file {
	struct yaml_doc *doc;
	struct strings rule_files, group_order;
	int64_t evaluation_interval;
	bool fuzzy;
	struct unit_group *groups;
	size_t n, cap;
};

/* 0, or a negative errno and *ERROR (heap). unit_file_clear it in both cases. */
int unit_file_load(const char *path, bool ignore_unknown_fields, struct unit_file *f, char **error);
void unit_file_clear(struct unit_file *f);
/* The rule files that PATTERNS of TEST_FILE name, each once. One that matches nothing is told on ERR; a bad one ends it with an error. */
void unit_rule_files(const char *test_file, const struct strings *patterns, struct strings *files, struct strings *errors, FILE *err);

#endif
