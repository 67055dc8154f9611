// SPDX-License-Identifier: GPL-2.0-or-later
#include "rules/check.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "rules/rule_file.h"

static int texts_cmp(const struct rule_def *a, const struct rule_def *b)
{
	for (size_t i = 0; i < a->n_labels && i < b->n_labels; i++) {
		int c = sv_cmp(a->labels[i].name, b->labels[i].name);
		if (!c)
			c = sv_cmp(a->labels[i].value, b->labels[i].value);
		if (c)
			return c;
	}
	return a->n_labels < b->n_labels ? -1 : a->n_labels > b->n_labels;
}

static int rule_cmp(const void *a, const void *b)
{
	const struct rule_def *x = *(const struct rule_def *const *)a,
			      *y = *(const struct rule_def *const *)b;
	int c = strcmp(x->name, y->name);
	return c ? c : texts_cmp(x, y);
}

/* Rules of one name with the same labels, each such kind told once. Returns how many kinds. */
static size_t lint_duplicates(const struct rule_set *set, FILE *err)
{
	size_t n = 0, kinds = 0;
	const struct rule_def **v = xreallocarray(NULL, rule_set_count(set) + 1, sizeof(*v));
	for (size_t i = 0; i < set->n; i++)
		for (size_t k = 0; k < set->groups[i].n_rules; k++)
			v[n++] = &set->groups[i].rules[k];
	qsort(v, n, sizeof(*v), rule_cmp);
	for (int print = 0; print < 2; print++) {
		if (print && !kinds)
			break;
		if (print)
			fprintf(err, "  FAILED:\nlint error %zu duplicate rule(s) found.\n", kinds);
		for (size_t i = 1; i < n; i++) {
			/* The second of a run stands for all of it. */
			if (rule_cmp(&v[i], &v[i - 1]) || (i > 1 && !rule_cmp(&v[i - 1], &v[i - 2])))
				continue;
			if (!print) {
				kinds++;
				continue;
			}
			fprintf(err, "Metric: %s\nLabel(s):\n", v[i]->name);
			for (size_t k = 0; k < v[i]->n_labels; k++)
				fprintf(err, "\t%s: %s\n", v[i]->labels[k].name.p, v[i]->labels[k].value.p);
		}
		if (print)
			fprintf(err, "Might cause inconsistency while recording expressions\n");
	}
	free(v);
	return kinds;
}

static int read_stdin(struct rule_set *set, struct strings *errors)
{
	_cleanup_buf_ struct buf text = BUF_LIMIT(RULE_FILE_MAX_BYTES);
	char chunk[16384];
	size_t n;
	while ((n = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
		buf_add(&text, chunk, n);
	if (ferror(stdin) || text.failed) {
		strings_take(errors,
			     xasprintf("standard input: %s", text.failed ? "too large" : "cannot be read"));
		return -EIO;
	}
	return rule_file_parse("standard input", buf_str(&text), text.n, set, errors);
}

/* FILE NULL: standard input. */
static int check_one(const char *file, const struct rule_check_options *opt, FILE *out, FILE *err)
{
	struct strings errors = {0};
	struct rule_set *set = rule_set_new();
	int code = 0;
	set->ignore_unknown_fields = opt->ignore_unknown_fields;
	set->experimental_functions = opt->promql.experimental_functions;
	fprintf(out, "Checking %s\n", file ? file : "standard input");
	fflush(out);
	if ((file ? rule_file_load(file, set, &errors) : read_stdin(set, &errors)) < 0) {
		fprintf(err, "  FAILED:\n");
		for (size_t i = 0; i < errors.n; i++)
			fprintf(err, "%s\n", errors.v[i]);
		code = RULE_CHECK_EXIT_ERROR;
	} else if (opt->no_lint || !lint_duplicates(set, err)) {
		fprintf(out, "  SUCCESS: %zu rules found\n", rule_set_count(set));
	} else if (opt->lint_fatal) {
		code = RULE_CHECK_EXIT_LINT;
	}
	fputc('\n', out);
	fflush(out);
	strings_free(&errors);
	rule_set_free(set);
	return code;
}

int rule_check_files(char *const *files, size_t n, const struct rule_check_options *opt, FILE *out, FILE *err)
{
	int code = 0;
	for (size_t i = 0; i < n; i++)
		if (access(files[i], F_OK) < 0) {
			fprintf(err, "reqtally: error: path '%s' does not exist\n", files[i]);
			return RULE_CHECK_EXIT_ERROR;
		}
	for (size_t i = 0; i < n || (n == 0 && i == 0); i++) {
		int rc = check_one(n ? files[i] : NULL, opt, out, err);
		/* An error counts more than a lint error. */
		if (rc && code != RULE_CHECK_EXIT_ERROR)
			code = rc;
	}
	return code;
}
