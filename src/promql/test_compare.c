// SPDX-License-Identifier: GPL-2.0-or-later
#include "promql/test_case.h"

#include <math.h>
#include <stdlib.h>

#include "base/regex.h"
#include "model/text.h"

static bool almost(double a, double b)
{
	const double tolerance = 1e-6;
	if (sample_is_stale(&a) || sample_is_stale(&b))
		return sample_is_stale(&a) && sample_is_stale(&b);
	if (isnan(a) && isnan(b))
		return true;
	if (a == b)
		return true;
	double sum = fabs(a) + fabs(b), diff = fabs(a - b);
	if (a == 0 || b == 0 || sum < 2.2250738585072014e-308)
		return diff < tolerance * 2.2250738585072014e-308;
	return diff / fmin(sum, 1.7976931348623157e308) < tolerance;
}

static bool almost_buckets(const struct histogram_bucket *a, size_t n_a, const struct histogram_bucket *b,
			   size_t n_b)
{
	for (size_t i = 0; n_a == n_b && i < n_a; i++)
		if (a[i].i != b[i].i || !almost(a[i].n, b[i].n))
			return false;
	return n_a == n_b;
}

static bool almost_histograms(const struct histogram *want, const struct histogram *got)
{
	if (want->schema != got->schema || want->n_custom != got->n_custom)
		return false;
	for (size_t i = 0; i < want->n_custom; i++)
		if (!almost(want->custom[i], got->custom[i]))
			return false;
	return almost(want->count, got->count) && almost(want->sum, got->sum) &&
	       almost(want->zero_count, got->zero_count) &&
	       almost(want->zero_threshold, got->zero_threshold) &&
	       (want->hint == HINT_UNKNOWN || want->hint == got->hint) &&
	       almost_buckets(want->pos, want->n_pos, got->pos, got->n_pos) &&
	       almost_buckets(want->neg, want->n_neg, got->neg, got->n_neg);
}

static bool compare_point(struct buf *why, const struct test_value *want, const struct sample *got,
			  const struct labels *l)
{
	bool same = want->h && got->h ? almost_histograms(want->h, got->h)
				      : !want->h && !got->h && almost(want->v, got->v);
	if (same)
		return true;
	labels_print(l, why);
	buf_addf(why, " at %g: want ", (double)got->t / 1000);
	if (want->h)
		histogram_print(want->h, why);
	else
		text_float(want->v, 'g', why);
	buf_adds(why, ", got ");
	if (got->h)
		histogram_print(got->h, why);
	else
		text_float(got->v, 'g', why);
	return false;
}

static bool compare_matrix(struct buf *why, const struct test_case *c, const struct promql_value *v,
			   int64_t start, int64_t end, int64_t step)
{
	size_t n_want = 0;
	for (size_t i = 1; i < v->n; i++)
		if (labels_cmp(v->series[i - 1].labels, v->series[i].labels) > 0) {
			buf_adds(why, "the result is not sorted");
			return false;
		}
	for (size_t i = 0; i < c->n; i++) {
		const struct test_row *row = &c->rows[i];
		const struct promql_series *s = NULL;
		size_t k = 0, values = 0;
		for (size_t j = 0; j < row->n; j++)
			values += !row->v[j].omitted && start + (int64_t)j * step <= end;
		if (!values)
			continue;
		n_want++;
		for (size_t j = 0; j < v->n && !s; j++)
			if (labels_equal(v->series[j].labels, row->labels))
				s = &v->series[j];
		if (!s) {
			buf_adds(why, "missing series ");
			labels_print(row->labels, why);
			return false;
		}
		if (s->n != values) {
			labels_print(row->labels, why);
			buf_addf(why, ": want %zu points, got %zu", values, s->n);
			return false;
		}
		for (size_t j = 0; j < row->n && k < s->n; j++) {
			if (row->v[j].omitted)
				continue;
			if (s->points[k].t != start + (int64_t)j * step) {
				labels_print(row->labels, why);
				buf_addf(why, ": unexpected point at %g", (double)s->points[k].t / 1000);
				return false;
			}
			if (!compare_point(why, &row->v[j], &s->points[k++], row->labels))
				return false;
		}
	}
	if (n_want != v->n) {
		buf_addf(why, "want %zu series, got %zu:", n_want, v->n);
		for (size_t i = 0; i < v->n && i < 5; i++) {
			buf_addc(why, ' ');
			labels_print(v->series[i].labels, why);
		}
		return false;
	}
	return true;
}

static bool compare_vector(struct buf *why, const struct test_case *c, const struct promql_value *v,
			   bool ordered)
{
	if (v->n != c->n) {
		buf_addf(why, "want %zu series, got %zu:", c->n, v->n);
		for (size_t i = 0; i < v->n && i < 5; i++) {
			buf_addc(why, ' ');
			labels_print(v->series[i].labels, why);
		}
		return false;
	}
	for (size_t i = 0; i < c->n; i++) {
		const struct promql_series *s = NULL;
		for (size_t j = 0; j < v->n && !s; j++)
			if ((!ordered || j == i) && labels_equal(v->series[j].labels, c->rows[i].labels))
				s = &v->series[j];
		if (!s) {
			buf_addf(why, "missing%s series ", ordered ? ", or out of order," : "");
			labels_print(c->rows[i].labels, why);
			return false;
		}
		if (!c->rows[i].n || !compare_point(why, &c->rows[i].v[0], s->points, s->labels))
			return false;
	}
	return true;
}

bool test_compare(struct buf *why, const struct test_case *c, const struct promql_value *v)
{
	struct sample p = {.v = v->scalar};
	struct test_value want = {.v = c->value};
	switch (v->type) {
	case PROMQL_STRING:
		if (c->expects_string && sv_eq(c->string, sv_make(v->string, v->string_len)))
			return true;
		buf_addf(why, "got the string %s", v->string);
		return false;
	case PROMQL_SCALAR:
		if (c->scalar)
			return compare_point(why, &want, &p, labels_empty());
		buf_adds(why, "got a scalar");
		return false;
	case PROMQL_MATRIX:
		if (c->range)
			return compare_matrix(why, c, v, c->start, c->end, c->step);
		if (c->expects_matrix || (!c->n && !v->n))
			return compare_matrix(why, c, v, c->m_start, c->m_end, c->m_step);
		buf_adds(why, "got a range vector");
		return false;
	default:
		if (!c->scalar && !c->expects_string)
			return compare_vector(why, c, v, c->ordered);
		buf_adds(why, "got a vector");
		return false;
	}
}

static bool text_matches(const struct expectation *e, const char *text)
{
	if (e->any)
		return true;
	if (!e->regex)
		return sv_eqs(e->text, text);
	struct regex *re;
	char *error = NULL;
	struct buf b = BUF_INIT;
	/* Unanchored: .*(...).* would change what ^ and $ mean, replacing does not. */
	if (regex_new(e->text, 0, &re, &error)) {
		free(error);
		return false;
	}
	bool match = regex_match(re, sv_of(text)) == 1;
	regex_free(re);
	buf_free(&b);
	return match;
}

static bool check_texts(struct buf *why, const struct test_case *c, int what, char *const *v, size_t n,
			bool wanted, bool forbidden, const char *name)
{
	if ((wanted && !n) || (forbidden && n)) {
		buf_addf(why, wanted ? "expected a %s and got none" : "unexpected %s: %s", name,
			 n ? v[0] : "");
		return false;
	}
	for (size_t i = 0; i < c->n_e; i++) {
		bool found = false;
		for (size_t k = 0; k < n && !found; k++)
			found = text_matches(&c->e[i], v[k]);
		if ((int)c->e[i].what == what && !found) {
			buf_addf(why, "no %s `%.*s`, but `%s`", name, SV_ARG(c->e[i].text), n ? v[0] : "");
			return false;
		}
	}
	for (size_t k = 0; wanted && k < n; k++) {
		bool found = false;
		for (size_t i = 0; i < c->n_e && !found; i++)
			found = (int)c->e[i].what == what && text_matches(&c->e[i], v[k]);
		if (!found) {
			buf_addf(why, "unexpected %s `%s`", name, v[k]);
			return false;
		}
	}
	return true;
}

bool test_check_annotations(struct buf *why, const struct test_case *c, const struct promql_value *v)
{
	return check_texts(why, c, EXPECT_WARN, v->warnings, v->n_warnings, c->warn, c->no_warn, "warning") &&
	       check_texts(why, c, EXPECT_INFO, v->infos, v->n_infos, c->info, c->no_info, "info");
}

bool test_check_failure(struct buf *why, const struct test_case *c, char *error)
{
	bool ok = c->fail;
	if (!c->fail) {
		buf_adds(why, error);
	} else {
		/* Parse errors carry their position, which the expected text leaves out. */
		const char *parse = strstr(error, "parse error: ");
		bool any_text = false, found = false;
		for (size_t i = 0; i < c->n_e; i++)
			if (c->e[i].what == EXPECT_FAIL && !c->e[i].any) {
				any_text = true;
				found = found || text_matches(&c->e[i], error) ||
					(parse && text_matches(&c->e[i], parse + 13));
			}
		ok = !any_text || found;
		if (!ok)
			buf_addf(why, "failed with another message: %s", error);
	}
	free(error);
	return ok;
}
