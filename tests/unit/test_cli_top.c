// SPDX-License-Identifier: GPL-2.0-or-later
/* What top makes of two scrapes, and how it is shown. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/regex.h"
#include "cli/plain.h"
#include "cli/top.h"

#define OWN "reqtally_requests_seen_total 9\n"
#define BY_ALL "service,method,endpoint"

static struct top_figures *figures(const char *by_text, double at, const char *text)
{
	struct top_by by;
	struct top_figures *f = NULL;
	char *error = NULL;
	assert_true(top_by_parse(sv_of(by_text), &by));
	if (top_figures_parse(sv_of(text), &by, at, &f, &error))
		fail_msg("%s", error);
	return f;
}

/* A scrape with a series of requests for /a of OK, /b of BAD with status 503; all of them between 0.1 and 0.2 s but OVER that took longer. */
static char *scrape(int ok, int bad, int over)
{
	return xasprintf(OWN "http_requests_total{service=\"s\",method=\"GET\",endpoint=\"/a\",code=\"200\"} %d\n"
			     "http_requests_total{service=\"s\",method=\"GET\",endpoint=\"/b\",code=\"503\"} %d\n"
			     "http_requests_duration_seconds_bucket{service=\"s\",method=\"GET\",endpoint=\"/a\",code=\"200\",le=\"0.1\"} 0\n"
			     "http_requests_duration_seconds_bucket{service=\"s\",method=\"GET\",endpoint=\"/a\",code=\"200\",le=\"0.2\"} %d\n"
			     "http_requests_duration_seconds_bucket{service=\"s\",method=\"GET\",endpoint=\"/a\",code=\"200\",le=\"+Inf\"} %d\n"
			     "http_requests_duration_seconds_sum{service=\"s\",method=\"GET\",endpoint=\"/a\",code=\"200\"} %g\n"
			     "http_requests_duration_seconds_count{service=\"s\",method=\"GET\",endpoint=\"/a\",code=\"200\"} %d\n",
			 ok, bad, ok - over, ok, ok * 0.15, ok);
}

static void table_of(struct top_table *t, struct top_figures *f[2], char *was, char *now)
{
	f[0] = figures(BY_ALL, 100, was);
	f[1] = figures(BY_ALL, 110, now);
	free(was);
	free(now);
	top_table_make(t, f[1], f[0], false, TOP_SORT_RATE, NULL);
}

static void done(struct top_table *t, struct top_figures *f[2])
{
	top_table_free(t);
	top_figures_free(f[0]);
	top_figures_free(f[1]);
}

static void test_by(void **state)
{
	static const char *const wrong[] = {"", ",", "a,", "a,a", "a b", "1", "a,b,c,d,e,f,g"};
	struct top_by by;
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
		assert_false(top_by_parse(sv_of(wrong[i]), &by));
	assert_true(top_by_parse(SV("pod,code"), &by));
	assert_int_equal(by.n, 2);
	assert_true(sv_eqs(by.label[1], "code"));
}

static void test_rates(void **state)
{
	struct top_figures *f[2];
	struct top_table t;
	table_of(&t, f, scrape(100, 10, 0), scrape(300, 60, 0));
	assert_int_equal(t.n, 2);
	assert_string_equal(t.rows[0].key, "s");
	assert_string_equal(t.rows[0].key + 6, "/a");
	assert_true(t.rows[0].requests == 20 && t.rows[0].failed == 0);
	assert_true(fabs(t.rows[0].avg - 0.15) < 1e-9 && fabs(t.rows[0].busy - 3) < 1e-9);
	/* linear inside the bucket, as histogram_quantile */
	assert_true(fabs(t.rows[0].p50 - 0.15) < 1e-9 && fabs(t.rows[0].p99 - 0.199) < 1e-9);
	assert_true(t.rows[1].requests == 5 && t.rows[1].failed == 1 && isnan(t.rows[1].avg) && isnan(t.rows[1].p99));
	assert_true(t.sum.requests == 25 && t.sum.failed == 0.2);
	assert_true(t.lowest == 0.1 && t.highest == 0.2);
	done(&t, f);
}

/* Only the interval counts: what was slow before it is not in its quantiles. */
static void test_quantiles_are_of_the_interval(void **state)
{
	struct top_figures *f[2];
	struct top_table t;
	table_of(&t, f, scrape(100, 0, 100), scrape(200, 0, 100));
	assert_true(t.rows[0].p99 <= 0.2);
	done(&t, f);
	table_of(&t, f, scrape(100, 0, 0), scrape(200, 0, 50));
	assert_true(isinf(t.rows[0].p99) && t.rows[0].p50 == 0.2);
	done(&t, f);
}

static void test_began_anew(void **state)
{
	struct top_figures *f[2];
	struct top_table t;
	table_of(&t, f, scrape(1000, 10, 0), scrape(50, 0, 0));
	assert_int_equal(t.n, 1);
	assert_true(t.rows[0].requests == 5);
	done(&t, f);
}

static void test_idle_rows(void **state)
{
	static const char *const flying = "http_requests_in_flight{service=\"s\",method=\"GET\",endpoint=\"/b\"} 2\n"
					  "http_requests_oldest_in_flight_seconds{service=\"s\",method=\"GET\",endpoint=\"/b\"} 7\n";
	struct top_figures *f[2];
	struct top_table t;
	char *now = scrape(100, 10, 0), *more = xasprintf("%s%s", now, flying);
	free(now);
	table_of(&t, f, scrape(100, 10, 0), more);
	assert_int_equal(t.groups, 2);
	assert_int_equal(t.n, 1); /* nothing ended, but two are in flight */
	assert_true(t.rows[0].in_flight == 2 && t.rows[0].oldest == 7 && t.rows[0].requests == 0 && isnan(t.rows[0].failed));
	assert_true(t.sum.in_flight == 2 && t.sum.oldest == 7);
	top_table_free(&t);
	top_table_make(&t, f[1], f[0], true, TOP_SORT_NAME, NULL);
	assert_int_equal(t.n, 2);
	assert_true(t.rows[0].requests == 100 && isnan(t.seconds));
	top_table_free(&t);
	top_table_make(&t, f[1], NULL, false, TOP_SORT_NAME, NULL); /* the first scrape */
	assert_int_equal(t.n, 1);
	assert_true(isnan(t.rows[0].requests) && t.rows[0].in_flight == 2);
	done(&t, f);
}

static void test_groups(void **state)
{
	const char *text = OWN "http_requests_total{service=\"s\",endpoint=\"/a\",code=\"404\"} 1\n"
			       "http_requests_total{service=\"s\",endpoint=\"/b\",code=\"000\"} 1\n"
			       "http_requests_total{service=\"r\",endpoint=\"/a\\n\",code=\"499\"} 2\n"
			       "http_requests_in_flight{service=\"s\",endpoint=\"/a\"} 3\n"
			       "reqtally_requests_lost_total{reason=\"gap\"} 1\nreqtally_requests_lost_total{reason=\"malformed\"} 4\n"
			       "reqtally_rule_alerts{state=\"firing\"} 5\nreqtally_rule_alerts{state=\"pending\"} 6\n";
	struct top_figures *f = figures("service", 0, text);
	struct top_table t;
	struct regex *filter;
	char *error;
	top_table_make(&t, f, NULL, true, TOP_SORT_NAME, NULL);
	assert_int_equal(t.n, 2);
	assert_string_equal(t.rows[0].key, "r");
	assert_true(t.rows[0].client_errors == 1 && t.rows[0].failed == 0);
	assert_true(t.rows[1].client_errors == 0.5 && t.rows[1].failed == 0.5 && t.rows[1].in_flight == 3);
	assert_true(t.lost == 5 && t.firing == 5 && t.pending == 6);
	assert_string_equal(t.lost_most, "malformed");
	top_table_free(&t);
	assert_int_equal(regex_new(SV("^s"), 0, &filter, &error), 0);
	top_table_make(&t, f, NULL, true, TOP_SORT_NAME, filter);
	assert_int_equal(t.n, 1);
	assert_true(t.sum.requests == 2);
	top_table_free(&t);
	regex_free(filter);
	top_figures_free(f);
	/* What is in flight has no status: a column for it must not invent one. */
	f = figures("code", 0, text);
	top_table_make(&t, f, NULL, true, TOP_SORT_IN_FLIGHT, NULL);
	assert_int_equal(t.n, 3);
	assert_true(isnan(t.rows[0].in_flight) && isnan(t.sum.in_flight));
	top_table_free(&t);
	top_figures_free(f);
}

static void test_many_groups(void **state)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	buf_adds(&text, OWN);
	for (int i = 0; i < 3000; i++)
		buf_addf(&text, "http_requests_total{endpoint=\"/%d\",code=\"200\"} %d\n", i, i);
	struct top_figures *was = figures("endpoint", 0, buf_str(&text)), *now = figures("endpoint", 1, buf_str(&text));
	struct top_table t;
	assert_int_equal(was->n, 3000);
	for (size_t i = 0; i < was->n; i++)
		assert_string_equal(top_figures_find(was, &now->groups[i])->key, now->groups[i].key);
	top_table_make(&t, now, was, false, TOP_SORT_RATE, NULL);
	assert_int_equal(t.n, 0);
	top_table_free(&t);
	top_figures_free(was);
	top_figures_free(now);
}

static void test_refused(void **state)
{
	static const char *const wrong[] = {"", "up 1\n", "http_requests_total{", "<html>"};
	struct top_by by;
	assert_true(top_by_parse(SV("service"), &by));
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		struct top_figures *f = NULL;
		_cleanup_free_ char *error = NULL;
		assert_true(top_figures_parse(sv_of(wrong[i]), &by, 0, &f, &error) < 0);
		assert_null(f);
		assert_non_null(error);
	}
}

/* ---- how it looks ---- */

static char *printed(const struct top_table *t, size_t width, enum top_sort sort)
{
	struct top_view view = {.source = "here", .clock = "12:00:00", .rows = 10, .width = width, .sort = sort};
	struct buf out = BUF_INIT;
	top_print(t, &view, &out);
	return buf_steal(&out);
}

static void test_text(void **state)
{
	struct top_figures *f[2];
	struct top_table t;
	table_of(&t, f, scrape(100, 10, 0), scrape(300, 60, 100));
	_cleanup_free_ char *text = printed(&t, 0, TOP_SORT_RATE);
	assert_string_equal(text,
			    "reqtally top  here  last 10s  by rate  12:00:00\n"
			    "25.0 requests/s, 20.0% failed, 0% 4xx, avg 150ms, p50 200ms, p99 >200ms, 0 in flight\n"
			    "lost 0/s, alerts 0 firing, 0 pending; 2 of 2 rows\n"
			    "\n"
			    "SERVICE METHOD ENDPOINT      REQ/S  FAIL%   4XX%     AVG     P50     P99    BUSY    NOW  OLDEST\n"
			    "s       GET    /a             20.0      0      0   150ms   200ms  >200ms    3.00      0       -\n"
			    "s       GET    /b             5.00    100      0       -       -       -       0      0       -\n");
	done(&t, f);
}

static void test_fits_the_terminal(void **state)
{
	struct top_figures *f = figures(BY_ALL, 0,
					OWN "http_requests_total{service=\"a-rather-long-name\",method=\"PROPFIND\",endpoint=\"/documents/"
					    "of/the/year/that/nobody/reads\",code=\"200\"} 7\n");
	struct top_table t;
	top_table_make(&t, f, NULL, true, TOP_SORT_BUSY, NULL);
	for (size_t width = 20; width < 150; width++) {
		_cleanup_free_ char *text = printed(&t, width, TOP_SORT_BUSY);
		for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
			assert_true(plain_width(line) <= width);
	}
	_cleanup_free_ char *narrow = printed(&t, 80, TOP_SORT_BUSY), *wide = printed(&t, 200, TOP_SORT_BUSY);
	assert_non_null(strstr(wide, "/documents/of/the/year/that/nobody/reads "));
	assert_null(strstr(narrow, "4XX%  "));
	assert_non_null(strstr(narrow, "BUSY")); /* the order's own column stays */
	assert_non_null(strstr(narrow, "NOW"));
	top_table_free(&t);
	top_figures_free(f);
}

/* Clients choose paths: none of them may speak to the terminal. */
static void test_no_escapes(void **state)
{
	struct top_figures *f = figures("endpoint", 0, OWN "http_requests_total{endpoint=\"/\033[2J\xc2\x9b\x31m\x7f\\n\",code=\"200\"} 7\n");
	struct top_table t;
	top_table_make(&t, f, NULL, true, TOP_SORT_RATE, NULL);
	_cleanup_free_ char *text = printed(&t, 0, TOP_SORT_RATE);
	assert_non_null(strstr(text, "/?[2J?1m?? "));
	assert_null(strchr(text, '\033'));
	top_table_free(&t);
	top_figures_free(f);
}

static void test_cut(void **state)
{
	assert_int_equal(plain_width("a\u00e4\u20ac"), 3);
	assert_int_equal(plain_cut("a\u00e4\u20ac", 2), 3);
	assert_int_equal(plain_cut("a\u00e4\u20ac", 3), 6);
	assert_int_equal(plain_cut("ab", 9), 2);
	assert_int_equal(plain_cut("ab", 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_by),	     cmocka_unit_test(test_rates),
		cmocka_unit_test(test_quantiles_are_of_the_interval), cmocka_unit_test(test_began_anew),
		cmocka_unit_test(test_idle_rows),    cmocka_unit_test(test_groups),
		cmocka_unit_test(test_many_groups),  cmocka_unit_test(test_refused),
		cmocka_unit_test(test_text),	     cmocka_unit_test(test_fits_the_terminal),
		cmocka_unit_test(test_no_escapes),   cmocka_unit_test(test_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
