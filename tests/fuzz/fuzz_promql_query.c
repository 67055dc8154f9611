// SPDX-License-Identifier: GPL-2.0-or-later
/* Expressions: refused with a message, or printed as text that parses to the same text; evaluated within the limits of samples and time,
 * and what was printed gives the same values. The first byte chooses instant or range, and the time. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "promql/promql.h"
#include "promql/test_storage.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static struct test_storage storage;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	static const char *const lines[] = {
		"m{job=\"a\",i=\"1\"} 0+10x20 5 _ 7 _ 100+1x5",
		"m{job=\"a\",i=\"2\"} 100-3x10 stale 4 NaN Inf -Inf 2x8",
		"m{job=\"b\"} 1 -0 1e300 -1e300 5e-324 1x20",
		"h_bucket{le=\"0.1\"} 0+1x30",
		"h_bucket{le=\"1\"} 0+3x30",
		"h_bucket{le=\"+Inf\"} 0+4x30",
		"n {{schema:1 count:12 sum:5.5 z_bucket:2 z_bucket_w:0.001 buckets:[1 3 4] n_buckets:[2] offset:-1}}+{{schema:1 count:2 "
		"sum:1 buckets:[1 0 1] offset:-1}}x20",
		"n{job=\"c\"} {{schema:-53 count:6 sum:9 custom_values:[1 5 10] buckets:[1 2 3]}}x10 1 2 3",
		"info{job=\"a\",version=\"v1\"} 1x30",
	};
	struct test_row rows[sizeof(lines) / sizeof(lines[0])] = {0};
	static struct arena arena;
	const char *error = NULL;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		if (!test_row_parse(sv_of(lines[i]), &arena, &rows[i], &error)) {
			fprintf(stderr, "%s: %s\n", lines[i], error);
			abort();
		}
	test_storage_load(&storage, rows, sizeof(lines) / sizeof(lines[0]), 15000, false);
	return 0;
}

/* BITS: 1 a range; the next two the time: that of the samples, or as far away as the API lets anybody ask. */
static int evaluate(const struct promql_expr *e, int bits, struct promql_value *v, char **error)
{
	static const int64_t times[] = {240000, INT64_MAX / 4, -INT64_MAX / 4, 0};
	int64_t t = times[bits >> 1 & 3];
	static const struct promql_options opt = {
		.max_samples = 20000, .timeout_ms = 2000, .experimental_functions = true, .start_timestamps = true};
	struct sample_source src = test_storage_source(&storage);
	return bits & 1 ? promql_eval_range(&opt, e, &src, t - 180000, t + 120000, 30000, v, error)
			: promql_eval_instant(&opt, e, &src, t, v, error);
}

static void same(const struct promql_value *a, const struct promql_value *b)
{
	if (a->type != b->type || a->n != b->n)
		abort();
	if (a->type == PROMQL_SCALAR && memcmp(&a->scalar, &b->scalar, 8) && a->scalar == a->scalar)
		abort();
	for (size_t i = 0; i < a->n; i++) {
		const struct promql_series *x = &a->series[i], *y = &b->series[i];
		if (!labels_equal(x->labels, y->labels) || x->n != y->n)
			abort();
		for (size_t k = 0; k < x->n; k++)
			if (x->points[k].t != y->points[k].t || !x->points[k].h != !y->points[k].h ||
			    (memcmp(&x->points[k].v, &y->points[k].v, 8) && x->points[k].v == x->points[k].v))
				abort();
	}
}

static bool is_limit(int err)
{
	return err == -ETIME || err == -E2BIG;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	struct promql_expr *e = NULL, *again = NULL;
	char *error = NULL;
	if (!n)
		return 0;
	char *text = malloc(n);
	memcpy(text, data + 1, n - 1);
	int err = promql_parse(sv_make(text, n - 1), &e, &error);
	free(text);
	if ((err == 0) != (e != NULL) || (err != 0) != (error != NULL))
		abort();
	free(error);
	error = NULL;
	if (!e)
		return 0;
	struct buf once = BUF_INIT, twice = BUF_INIT;
	promql_print(e, &once);
	if (promql_parse(sv_make(once.p, once.n), &again, &error)) {
		fprintf(stderr, "not so: the printed form parses: %s: %s\n", buf_str(&once), error);
		abort();
	}
	promql_print(again, &twice);
	/* A number that is infinite is printed with its sign, which is read as an operator before a power, as in Prometheus. */
	if ((once.n != twice.n || memcmp(once.p, twice.p, once.n)) && !memmem(once.p, once.n, "+Inf", 4)) {
		fprintf(stderr, "not so: printed the same: %s, then %s\n", buf_str(&once), buf_str(&twice));
		abort();
	}
	struct promql_value v = {0}, w = {0};
	err = evaluate(e, data[0], &v, &error);
	if ((err != 0) != (error != NULL))
		abort();
	free(error);
	error = NULL;
	int err2 = evaluate(again, data[0], &w, &error);
	if (err != err2 && !is_limit(err) && !is_limit(err2))
		abort();
	/* A duration of minus zero is printed as that of zero, as Prometheus does; their reciprocals differ. */
	if (!err && !err2 && !memmem(once.p, once.n, "0s", 2))
		same(&v, &w);
	if (!err)
		promql_value_free(&v);
	if (!err2)
		promql_value_free(&w);
	free(error);
	promql_expr_free(e);
	promql_expr_free(again);
	buf_free(&once);
	buf_free(&twice);
	return 0;
}
