// SPDX-License-Identifier: GPL-2.0-or-later
/* Templates: refused, or expanded within their limits of text, memory and steps, to the same text every time. */
#include <stdlib.h>

#include "base/alloc.h"
#include "rules/template.h"

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n);

static int no_series(void *self, const struct matcher *m, size_t n, int64_t mint, int64_t maxt, struct series_set *out, char **error)
{
	*out = (struct series_set){0};
	return 0;
}

static int query(void *arg, struct sv text, int64_t t, struct promql_value *out, char **error)
{
	struct promql_options opt = {.max_samples = 10000, .timeout_ms = 1000};
	struct sample_source src = {.select = no_series};
	struct promql_expr *e;
	int err = promql_parse(text, &e, error);
	if (err)
		return err;
	err = promql_eval_instant(&opt, e, &src, t, out, error);
	promql_expr_free(e);
	return err;
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t n)
{
	static const double values[] = {0, 1, -1234.5678, 1e21, 1.7e9, 0.000012, 1.0 / 0.0, 0.0 / 0.0};
	struct template *t = NULL;
	char *error = NULL;
	if (!n)
		return 0;
	char *text = malloc(n);
	memcpy(text, data + 1, n - 1);
	int err = template_parse("fuzz", sv_make(text, n - 1), &t, &error);
	if ((err == 0) != (t != NULL) || (err != 0) != (error != NULL))
		abort();
	free(error);
	if (t) {
		struct labels *ls = labels_from("__name__", "up", "instance", "a.example:9100", "job", "x\"<y>", NULL);
		struct template_env env = {.labels = ls,
					   .external_url = "http://prometheus.example/p",
					   .value = values[data[0] % (sizeof(values) / sizeof(values[0]))],
					   .now_ms = 1700000000123,
					   .query = query};
		struct buf one = BUF_LIMIT(TEMPLATE_MAX_OUTPUT * 2), two = BUF_LIMIT(TEMPLATE_MAX_OUTPUT * 2);
		char *error_one = NULL, *error_two = NULL;
		int a = template_expand(t, &env, &one, &error_one), b = template_expand(t, &env, &two, &error_two);
		if (a != b || one.n != two.n || (one.n && memcmp(one.p, two.p, one.n)) || (a != 0) != (error_one != NULL) || (a && one.n) ||
		    one.n > TEMPLATE_MAX_OUTPUT)
			abort();
		free(error_one);
		free(error_two);
		buf_free(&one);
		buf_free(&two);
		labels_unref(ls);
	}
	template_free(t);
	free(text);
	return 0;
}
