// SPDX-License-Identifier: GPL-2.0-or-later
/* Native histograms the whole way: into the window, through a recording rule back into it, and out as JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "exposition/web_message.h"
#include "model/histogram.h"

#define T0 1700000000000

static void append(void *self, struct labels *labels, int64_t t, double v, const struct histogram *h)
{
	struct store_sample s = {.labels = labels, .t = t, .v = v, .h = h, .marker = !h && sample_is_stale(&v)};
	memcpy(&s.v, &v, sizeof(v));
	store_append_batch(self, &s, 1);
}

static void put(struct store *store, int64_t t, double n)
{
	_cleanup_labels_ struct labels *ls = labels_from("__name__", "h", NULL);
	/* schema 0: (0.5, 1] and (1, 2]; a zero bucket; (-2, -1) */
	struct histogram_bucket pos[] = {{.i = 0, .n = n}, {.i = 1, .n = 2 * n}}, neg[] = {{.i = 1, .n = n}};
	struct histogram h = {.schema = 0, .zero_threshold = 0.001, .zero_count = n, .count = 5 * n, .sum = 2.5 * n, .pos = pos, .n_pos = 2, .neg = neg, .n_neg = 1};
	append(store, ls, t, 0, &h);
}

static char *query(struct api *api, const char *expr, const char *time)
{
	struct web_param params[] = {{"query", (char *)expr, strlen(expr)}, {"time", (char *)time, strlen(time)}};
	struct web_request req = {.method = "GET", .path = "/api/v1/query", .params = params, .n_params = 2};
	struct web_response res = {.body = BUF_INIT};
	api_query(api, &req, &res);
	assert_int_equal(res.status, 200);
	char *text = xstrdup(buf_str(&res.body));
	web_response_clear(&res);
	return text;
}

/* Does the window hold them? */
static bool store_holds_histograms(void)
{
	struct store *s = store_new(NULL);
	struct series_set set = {0};
	char *error = NULL;
	put(s, T0, 1);
	assert_int_equal(store_source(s)->select(store_source(s)->self, NULL, 0, T0, T0, &set, &error), 0);
	bool yes = set.n == 1 && set.series[0].n == 1 && set.series[0].samples[0].h;
	set.release(&set);
	store_free(s);
	return yes;
}

static void test_native(void **state)
{
	if (!store_holds_histograms()) {
		print_message("SKIP the window does not hold native histograms yet\n");
		skip();
	}
	struct api api = {.store = store_new(NULL)};
	struct strings errors = {0};
	struct rule_set *set = rule_set_new();
	static const char rules[] = "groups:\n- name: g\n  rules:\n  - {record: r, expr: 'sum(h)', labels: {a: b}}\n";
	assert_int_equal(rule_file_parse("f", rules, strlen(rules), set, &errors), 0);
	struct rule_manager *m = rule_manager_new(
	    &(struct rule_manager_options){.source = *store_source(api.store), .append = append, .self = api.store});
	rule_manager_apply(m, set, NULL, T0);
	for (int i = 0; i <= 4; i++)
		put(api.store, T0 + i * 15000, i * 60);
	rule_manager_eval_group(m, 0, T0 + 60000);
	rule_manager_eval_group(m, 0, T0 + 600000); /* h is over, so r ends */
	_cleanup_free_ char *now = query(&api, "r", "1700000060"), *count = query(&api, "histogram_count(r)", "1700000070"),
			    *range = query(&api, "h[20s]", "1700000060"), *over = query(&api, "r", "1700000600");
	assert_string_equal(now, "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":\"r\",\"a\":\"b\"},"
				 "\"histogram\":[1700000060,{\"count\":\"1200\",\"sum\":\"600\",\"buckets\":[[1,\"-2\",\"-1\",\"240\"],"
				 "[3,\"-0.001\",\"0.001\",\"240\"],[0,\"0.5\",\"1\",\"240\"],[0,\"1\",\"2\",\"480\"]]}]}]}}");
	assert_non_null(strstr(count, "\"value\":[1700000070,\"1200\"]"));
	assert_non_null(strstr(range, "\"histograms\":[[1700000045,{\"count\":\"900\""));
	assert_non_null(strstr(over, "\"result\":[]"));
	rule_manager_free(m);
	store_free(api.store);
}

/* A wide zero bucket takes from its neighbours what it covers itself. */
static void test_wide_zero_bucket(void **state)
{
	struct api api = {.store = store_new(NULL)};
	struct histogram_bucket pos[] = {{.i = 0, .n = 1}, {.i = 1, .n = 2}, {.i = 2, .n = 4}}, neg[] = {{.i = 1, .n = 1}};
	struct histogram h = {.schema = 0, .zero_threshold = 1.5, .zero_count = 3, .count = 11, .sum = 1, .pos = pos, .n_pos = 3, .neg = neg, .n_neg = 1};
	_cleanup_labels_ struct labels *ls = labels_from("__name__", "h", NULL);
	append(api.store, ls, T0, 0, &h);
	_cleanup_free_ char *got = query(&api, "h", "1700000000");
	const char *buckets = strstr(got, "\"buckets\":");
	assert_non_null(buckets);
	assert_string_equal(buckets, "\"buckets\":[[1,\"-2\",\"-1.5\",\"1\"],[3,\"-1.5\",\"1.5\",\"3\"],[0,\"1.5\",\"1\",\"1\"],"
				     "[0,\"1.5\",\"2\",\"2\"],[0,\"2\",\"4\",\"4\"]]}]}]}}");
	store_free(api.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_native), cmocka_unit_test(test_wide_zero_bucket)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
