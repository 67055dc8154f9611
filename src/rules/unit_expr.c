// SPDX-License-Identifier: GPL-2.0-or-later
/* Unit tests of rules: what expressions give, against what was expected. */
#include "rules/unit_run.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/histogram.h"
#include "model/text.h"

struct sample_text {
	struct labels *labels; /* a reference */
	double v;
	const struct histogram *h;
	size_t place;
};

static int sample_cmp(const void *a, const void *b)
{
	return labels_cmp(((const struct sample_text *)a)->labels, ((const struct sample_text *)b)->labels);
}

/* promtool's sorting turns around what has the same labels. */
static int sample_order(const void *a, const void *b)
{
	const struct sample_text *x = a, *y = b;
	int c = sample_cmp(a, b);
	return c ? c : (x->place < y->place) - (x->place > y->place);
}

static void sort_samples(struct sample_text *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		v[i].place = i;
	qsort(v, n, sizeof(*v), sample_order);
}

static bool same_value(double a, double b, bool fuzzy)
{
	if (a == b) /* NaN is never the one expected: so it is with promtool */
		return true;
	return fuzzy && nextafter(a, b) == b; /* one unit in the last place */
}

static void print_samples(const struct sample_text *v, size_t n, struct buf *out)
{
	if (!n)
		buf_adds(out, "nil");
	for (size_t i = 0; i < n; i++) {
		buf_adds(out, i ? ", " : "");
		unit_print_labels(v[i].labels, out);
		buf_addc(out, ' ');
		if (v[i].h) {
			histogram_print(v[i].h, out);
			continue;
		}
		size_t from = out->n;
		text_float(v[i].v, 'e', out);
		for (size_t k = from; k < out->n && isfinite(v[i].v); k++)
			if (out->p[k] == 'e')
				out->p[k] = 'E';
	}
}

/* False and *ERROR (heap). */
static bool expected_sample(struct unit_run *r, const struct unit_expected_sample *e, struct sample_text *out,
			    char **error)
{
	const char *cause = NULL;
	struct test_row row;
	struct labels_builder b;
	_cleanup_buf_ struct buf q = BUF_INIT;
	_cleanup_free_ char *why = NULL;
	*out = (struct sample_text){.v = e->value};
	struct sv text = e->labels ? sv_make(e->labels->text, e->labels->len) : SV("");
	text_go_quote(text, &q);
	labels_builder_init(&b, NULL);
	int rc = promql_parse_metric(text, NULL, &b, &why);
	if (rc == 0)
		out->labels = labels_builder_build(&b);
	labels_builder_free(&b);
	if (rc < 0) {
		*error = xasprintf("labels %s: %s", buf_str(&q), why);
		return false;
	}
	if (!e->histogram || !e->histogram->len)
		return true;
	_cleanup_free_ char *line = xasprintf("{} %s", e->histogram->text);
	bool ok = test_row_parse(sv_of(arena_strndup(&r->arena, line, strlen(line))), &r->arena, &row, &cause);
	if (ok)
		labels_unref(row.labels);
	if (!ok || row.n != 1 || !row.v[0].h) {
		if (!ok)
			*error = xasprintf("labels %s: %s", buf_str(&q), cause);
		else if (row.n != 1)
			*error = xasprintf("labels %s: expected 1 value, got %zu", buf_str(&q), row.n);
		else
			*error = xasprintf("labels %s: expected histogram, got %g", buf_str(&q), row.v[0].v);
		labels_unref(out->labels);
		return false;
	}
	out->h = row.v[0].h;
	return true;
}

static int eval_expr(struct unit_run *r, const struct unit_expr_test *t, struct promql_value *v, char **error)
{
	struct promql_options opt = r->opt->promql;
	struct promql_expr *expr;
	struct sample_source source = memory_source(&r->memory);
	struct sv text = t->expr ? sv_make(t->expr->text, t->expr->len) : SV("");
	int rc = promql_parse(text, &expr, error);
	if (rc < 0)
		return rc;
	opt.subquery_step_ms = r->file->evaluation_interval;
	rc = promql_check_enabled(expr, &opt, error);
	rc = rc ?: promql_eval_instant(&opt, expr, &source, r->group->start + t->eval_time, v, error);
	promql_expr_free(expr);
	if (rc == 0 && v->type != PROMQL_SCALAR && v->type != PROMQL_VECTOR) {
		*error = xstrdup("rule result is not a vector or scalar");
		promql_value_free(v);
		return -EINVAL;
	}
	return rc;
}

void unit_check_expr(struct unit_run *r, const struct unit_expr_test *t)
{
	struct promql_value v = {0};
	_cleanup_free_ char *error = NULL;
	struct sample_text *want = xcalloc(t->n + 1, sizeof(*want)), *got = NULL;
	size_t n_want = 0, n = 0;
	int rc = eval_expr(r, t, &v, &error);
	struct buf b = BUF_INIT;
	buf_adds(&b, "    expr: ");
	text_go_quote(t->expr ? sv_make(t->expr->text, t->expr->len) : SV(""), &b);
	buf_adds(&b, ", time: ");
	text_duration(t->eval_time, &b);
	if (rc == 0) {
		n = v.type == PROMQL_SCALAR ? 1 : v.n;
		got = xcalloc(n + 1, sizeof(*got));
		if (v.type == PROMQL_SCALAR)
			got[0] = (struct sample_text){.labels = labels_empty(), .v = v.scalar};
		for (size_t i = 0; v.type == PROMQL_VECTOR && i < n; i++)
			got[i] = (struct sample_text){.labels = labels_ref(v.series[i].labels),
						      .v = v.series[i].points[0].v,
						      .h = v.series[i].points[0].h};
		while (n_want < t->n && expected_sample(r, &t->expected[n_want], &want[n_want], &error))
			n_want++;
	}
	if (error) {
		buf_addf(&b, ", err: %s", error);
		strings_take(r->errors, buf_steal(&b));
	} else {
		sort_samples(want, n_want);
		sort_samples(got, n);
		bool same = n == n_want;
		for (size_t i = 0; same && i < n; i++)
			same = sample_cmp(&got[i], &want[i]) == 0 && !got[i].h == !want[i].h &&
			       (got[i].h ? histogram_equal(got[i].h, want[i].h)
					 : same_value(got[i].v, want[i].v, r->file->fuzzy));
		buf_adds(&b, ",\n        exp: ");
		print_samples(want, n_want, &b);
		buf_adds(&b, "\n        got: ");
		print_samples(got, n, &b);
		if (!same)
			strings_take(r->errors, buf_steal(&b));
	}
	buf_free(&b);
	for (size_t i = 0; i < n_want; i++)
		labels_unref(want[i].labels);
	for (size_t i = 0; i < n; i++)
		labels_unref(got[i].labels);
	free(want);
	free(got);
	promql_value_free(&v);
}
