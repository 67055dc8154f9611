// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "exposition/web_message.h"

#define T0 1700000000000

static struct api api;
static struct snapshot *latest;

static struct snapshot *get_latest(void *arg)
{
	return snapshot_ref(latest);
}

static void put(const char *service, const char *name, int64_t t, double v)
{
	_cleanup_labels_ struct labels *ls = labels_from("__name__", name, "service", service, NULL);
	assert_int_equal(store_append(api.store, ls, t, v), 0);
}

static int setup(void **state)
{
	api.store = store_new(NULL);
	for (int i = 0; i <= 10; i++) {
		put("a<b>", "x_total", T0 + i * 15000, i * 15);
		put("c", "x_total", T0 + i * 15000, 1);
		put("c", "y", T0 + i * 15000, -0.5);
	}
	latest = snapshot_new(NULL, 0);
	family_add_value(snapshot_family(latest, "x_total", FAMILY_COUNTER, NULL, "X & \"x\""), labels_empty(), 1);
	family_add_value(snapshot_family(latest, "y_seconds", FAMILY_GAUGE, "seconds", NULL), labels_empty(), 1);
	api.latest = get_latest;
	return 0;
}

static int teardown(void **state)
{
	store_free(api.store);
	snapshot_unref(latest);
	return 0;
}

/* FORM is a form body, PATH what the request names. */
static void expect_from(api_handler *handler, const char *path, const char *form, int status, const char *want)
{
	struct web_request req = {.method = "GET", .path = path};
	struct web_response res = {.body = BUF_LIMIT(1 << 20)};
	assert_true(web_request_parse_form(&req, sv_of(form)));
	handler(&api, &req, &res);
	if (res.status != status || strcmp(buf_str(&res.body), want) != 0)
		fail_msg("%s\n answers %d %s\n     not %d %s", form, res.status, buf_str(&res.body), status, want);
	assert_string_equal(res.content_type, "application/json");
	web_request_clear(&req);
	web_response_clear(&res);
}

#define expect_ok(handler, form, data) expect_from(handler, "/", form, 200, "{\"status\":\"success\",\"data\":" data "}")
#define expect_error(handler, form, status, type, error) \
	expect_from(handler, "/", form, status, "{\"status\":\"error\",\"errorType\":\"" type "\",\"error\":\"" error "\"}")

static void test_query(void **state)
{
	expect_ok(api_query, "query=x_total&time=1700000030.5",
		  "{\"resultType\":\"vector\",\"result\":["
		  "{\"metric\":{\"__name__\":\"x_total\",\"service\":\"a\\u003cb\\u003e\"},\"value\":[1700000030.5,\"30\"]},"
		  "{\"metric\":{\"__name__\":\"x_total\",\"service\":\"c\"},\"value\":[1700000030.5,\"1\"]}]}");
	expect_ok(api_query, "query=max_over_time(x_total{service=\"a<b>\"}[1m])&time=2023-11-14T22:14:30Z",
		  "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"service\":\"a\\u003cb\\u003e\"},\"value\":[1700000070,\"60\"]}]}");
	expect_ok(api_query, "query=y[30s]&time=1700000030",
		  "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{\"__name__\":\"y\",\"service\":\"c\"},"
		  "\"values\":[[1700000015,\"-0.5\"],[1700000030,\"-0.5\"]]}]}");
	expect_ok(api_query, "query=1e-9&time=1", "{\"resultType\":\"scalar\",\"result\":[1,\"0.000000001\"]}");
	expect_ok(api_query, "query=\"a<b\"&time=1.25", "{\"resultType\":\"string\",\"result\":[1.25,\"a\\u003cb\"]}");
	expect_ok(api_query, "query=nothing", "{\"resultType\":\"vector\",\"result\":[]}");
	expect_ok(api_query, "query=y&time=1700000030&lookback_delta=1s", "{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"__name__\":"
									  "\"y\",\"service\":\"c\"},\"value\":[1700000030,\"-0.5\"]}]}");
	expect_ok(api_query, "query=y&time=1700000032&lookback_delta=1s", "{\"resultType\":\"vector\",\"result\":[]}");
	expect_from(api_query, "/", "query=count(x_total)+by(service)&time=1700000030&limit=1", 200,
		    "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[{\"metric\":{\"service\":\"a\\u003cb\\u003e\"},"
		    "\"value\":[1700000030,\"1\"]}]},\"warnings\":[\"results truncated due to limit\"]}");
	expect_error(api_query, "query=y&time=x", 400, "bad_data",
		     "invalid parameter \\\"time\\\": Invalid time value for 'time': cannot parse \\\"x\\\" to a valid timestamp");
	expect_error(api_query, "query=y&timeout=-x", 400, "bad_data",
		     "invalid parameter \\\"timeout\\\": cannot parse \\\"-x\\\" to a valid duration");
	expect_error(api_query, "query=y&limit=-1", 400, "bad_data", "invalid parameter \\\"limit\\\": limit must be non-negative");
	expect_error(api_query, "", 400, "bad_data", "invalid parameter \\\"query\\\": 1:1: parse error: no expression found in input");
	expect_error(api_query, "query=1+%2B", 400, "bad_data",
		     "invalid parameter \\\"query\\\": 1:4: parse error: unexpected end of input");
	expect_error(api_query, "query=label_replace(x_total,\"service\",\"\",\"\",\"\")&time=1700000030", 422, "execution",
		     "vector cannot contain metrics with the same labelset");
}

static void test_query_range(void **state)
{
	expect_ok(api_query_range, "query=sum(x_total)&start=1700000000&end=1700000030&step=15s",
		  "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[1700000000,\"1\"],[1700000015,\"16\"],[1700000030,"
		  "\"31\"]]}]}");
	expect_ok(api_query_range, "query=2&start=0&end=0.5&step=0.25",
		  "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[0,\"2\"],[0.25,\"2\"],[0.5,\"2\"]]}]}");
	expect_error(api_query_range, "query=1&end=1&step=1", 400, "bad_data",
		     "invalid parameter \\\"start\\\": cannot parse \\\"\\\" to a valid timestamp");
	expect_error(api_query_range, "query=1&start=2&end=1&step=1", 400, "bad_data",
		     "invalid parameter \\\"end\\\": end timestamp must not be before start time");
	expect_error(api_query_range, "query=1&start=1&end=1&step=0", 400, "bad_data",
		     "invalid parameter \\\"step\\\": zero or negative query resolution step widths are not accepted. Try a positive integer");
	expect_error(api_query_range, "query=1&start=1&end=11002&step=1", 400, "bad_data",
		     "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)");
	expect_error(api_query_range, "query=1&start=-2e15&end=2e15&step=0.001", 400, "bad_data",
		     "exceeded maximum resolution of 11,000 points per timeseries. Try decreasing the query resolution (?step=XX)");
	expect_error(api_query_range, "query=y[5m]&start=1&end=1&step=1", 400, "bad_data",
		     "invalid expression type \\\"range vector\\\" for range query, must be Scalar or instant Vector");
}

static void test_parse_query(void **state)
{
	expect_ok(api_parse_query, "query=sum+by+(a)+(rate(x{b=~\"c<d\"}[5m]+offset+1m))+%2F+on(a)+group_left(b)+topk(2,-y@end())",
		  "{\"bool\":false,\"lhs\":{\"expr\":{\"args\":[{\"anchored\":false,\"matchers\":[{\"name\":\"b\",\"type\":\"=~\","
		  "\"value\":\"c\\u003cd\"},{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"x\"}],\"name\":\"x\",\"offset\":60000,"
		  "\"offsetExpr\":null,\"range\":300000,\"rangeExpr\":null,\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":null,\"type\":\"matrixSelector\"}],\"func\":{"
		  "\"argTypes\":[\"matrix\"],\"name\":\"rate\",\"returnType\":\"vector\",\"variadic\":0},\"type\":\"call\"},"
		  "\"grouping\":[\"a\"],\"op\":\"sum\",\"param\":null,\"type\":\"aggregation\",\"without\":false},\"matching\":{"
		  "\"card\":\"many-to-one\",\"fillValues\":{\"lhs\":null,\"rhs\":null},\"include\":[\"b\"],\"labels\":[\"a\"],\"on\":true},"
		  "\"op\":\"/\",\"rhs\":{\"expr\":{\"expr\":{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\","
		  "\"value\":\"y\"}],\"name\":\"y\",\"offset\":0,\"offsetExpr\":null,\"smoothed\":false,\"startOrEnd\":\"end\",\"timestamp\":null,"
		  "\"type\":\"vectorSelector\"},\"op\":\"-\",\"type\":\"unaryExpr\"},\"grouping\":[],\"op\":\"topk\",\"param\":{"
		  "\"type\":\"numberLiteral\",\"val\":\"2\"},\"type\":\"aggregation\",\"without\":false},\"type\":\"binaryExpr\"}");
	expect_ok(api_parse_query, "query=(y[5m:30s]@12.5)",
		  "{\"expr\":{\"expr\":{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"y\"}],"
		  "\"name\":\"y\",\"offset\":0,\"offsetExpr\":null,\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":null,\"type\":\"vectorSelector\"},"
		  "\"offset\":0,\"offsetExpr\":null,\"range\":300000,\"rangeExpr\":null,\"startOrEnd\":null,\"step\":30000,\"stepExpr\":null,\"timestamp\":12500,\"type\":\"subquery\"},"
		  "\"type\":\"parenExpr\"}");
	expect_ok(api_parse_query, "query=\"a\\xff\\t%26\"", "{\"type\":\"stringLiteral\",\"val\":\"a\\ufffd\\u0009\\u0026\"}");
	expect_ok(api_parse_query, "query=y[(5m%2B30)*-step()]+offset+min_of(1m,2)",
		  "{\"anchored\":false,\"matchers\":[{\"name\":\"__name__\",\"type\":\"=\",\"value\":\"y\"}],\"name\":\"y\","
		  "\"offset\":0,\"offsetExpr\":{\"lhs\":{\"duration\":true,\"type\":\"numberLiteral\",\"val\":\"60\"},\"op\":\"min_of\","
		  "\"rhs\":{\"duration\":false,\"type\":\"numberLiteral\",\"val\":\"2\"},\"type\":\"durationExpr\",\"wrapped\":false},"
		  "\"range\":0,\"rangeExpr\":{\"lhs\":{\"lhs\":{\"duration\":true,\"type\":\"numberLiteral\",\"val\":\"300\"},"
		  "\"op\":\"+\",\"rhs\":{\"duration\":false,\"type\":\"numberLiteral\",\"val\":\"30\"},\"type\":\"durationExpr\","
		  "\"wrapped\":true},\"op\":\"*\",\"rhs\":{\"lhs\":null,\"op\":\"-\",\"rhs\":{\"lhs\":null,\"op\":\"step\",\"rhs\":null,"
		  "\"type\":\"durationExpr\",\"wrapped\":false},\"type\":\"durationExpr\",\"wrapped\":false},\"type\":\"durationExpr\","
		  "\"wrapped\":false},\"smoothed\":false,\"startOrEnd\":null,\"timestamp\":null,\"type\":\"matrixSelector\"}");
	expect_error(api_query, "query=sum_over_time(y[5m-5m])", 400, "bad_data",
		     "invalid parameter \\\"query\\\": 16:21: duration must be greater than 0");
	expect_error(api_parse_query, "query=sum(", 400, "bad_data",
		     "invalid parameter \\\"query\\\": 1:5: parse error: unclosed left parenthesis");
}

static void test_stats(void **state)
{
	struct web_request req = {.method = "GET", .path = "/"};
	struct web_response res = {.body = BUF_LIMIT(1 << 20)};
	assert_true(web_request_parse_form(&req, SV("query=sum(max_over_time(x_total[1m]))&time=1700000150&stats=all")));
	api_query(&api, &req, &res);
	const char *stats = strstr(buf_str(&res.body), "\"stats\":{\"timings\":{\"evalTotalTime\":");
	assert_non_null(stats);
	assert_non_null(strstr(stats, "\"samples\":{\"totalQueryableSamples\":8,\"peakSamples\":4}}}"));
	web_request_clear(&req);
	web_response_clear(&res);
}

static void test_series(void **state)
{
	expect_ok(api_series, "match[]=x_total&match[]={service=\"c\"}",
		  "[{\"__name__\":\"x_total\",\"service\":\"a\\u003cb\\u003e\"},{\"__name__\":\"x_total\",\"service\":\"c\"},"
		  "{\"__name__\":\"y\",\"service\":\"c\"}]");
	expect_ok(api_series, "match[]=x_total&end=1699999999.999", "[]");
	expect_error(api_series, "", 400, "bad_data", "no match[] parameter provided");
	expect_error(api_series, "match[]=sum(y)", 400, "bad_data",
		     "invalid parameter \\\"match[]\\\": 1:4: parse error: unexpected \\\"(\\\"");
	expect_error(api_series, "match[]=y+offset+5m", 400, "bad_data",
		     "invalid parameter \\\"match[]\\\": 1:3: parse error: unexpected \\u003coffset\\u003e");
	expect_ok(api_labels, "", "[\"__name__\",\"service\"]");
	expect_ok(api_labels, "match[]=nothing", "[]");
	expect_from(api_label_values, "/api/v1/label/__name__/values", "", 200, "{\"status\":\"success\",\"data\":[\"x_total\",\"y\"]}");
	expect_from(api_label_values, "/api/v1/label/service/values", "match[]=y", 200, "{\"status\":\"success\",\"data\":[\"c\"]}");
	expect_from(api_label_values, "/api/v1/label/service/values", "limit=1", 200,
		    "{\"status\":\"success\",\"data\":[\"a\\u003cb\\u003e\"],\"warnings\":[\"results truncated due to limit\"]}");
	expect_from(api_label_values, "/api/v1/label/none/values", "", 200, "{\"status\":\"success\",\"data\":[]}");
	expect_ok(api_metadata, "", "{\"x_total\":[{\"type\":\"counter\",\"unit\":\"\",\"help\":\"X \\u0026 \\\"x\\\"\"}],"
				    "\"y_seconds\":[{\"type\":\"gauge\",\"unit\":\"seconds\",\"help\":\"\"}]}");
	expect_ok(api_metadata, "metric=x_total&limit=5", "{\"x_total\":[{\"type\":\"counter\",\"unit\":\"\",\"help\":\"X \\u0026 \\\"x\\\"\"}]}");
}

/* Names that do not go into a path. */
static void test_escaped_label(void **state)
{
	static const char *const paths[] = {"/api/v1/label/U__my_2e_label/values", "/api/v1/label/my.label/values", "/api/v1/label/U__my_2E_label/values"};
	_cleanup_labels_ struct labels *ls = labels_from("__name__", "u", "my.label", "v", "U__x_", "w", "a_b", "z", NULL);
	assert_int_equal(store_append(api.store, ls, T0, 1), 0);
	for (size_t i = 0; i < ARRAY_SIZE(paths); i++)
		expect_from(api_label_values, paths[i], "", 200, "{\"status\":\"success\",\"data\":[\"v\"]}");
	expect_from(api_label_values, "/api/v1/label/U__a__b/values", "", 200, "{\"status\":\"success\",\"data\":[\"z\"]}");
	/* What is no escaped name is one as it stands. */
	expect_from(api_label_values, "/api/v1/label/U__x_/values", "", 200, "{\"status\":\"success\",\"data\":[\"w\"]}");
}

#define META_X "\"x_total\":[{\"type\":\"counter\",\"unit\":\"\",\"help\":\"X \\u0026 \\\"x\\\"\"}]"

static void test_limits(void **state)
{
	expect_ok(api_metadata, "limit=1", "{" META_X "}");
	expect_ok(api_metadata, "limit=0", "{}");
	expect_ok(api_metadata, "limit=-1&metric=x_total&limit_per_metric=0", "{" META_X "}");
	expect_error(api_metadata, "limit=x", 400, "bad_data", "limit must be a number");
	expect_error(api_metadata, "limit_per_metric=1.5", 400, "bad_data", "limit_per_metric must be a number");
	expect_error(api_targets_metadata, "limit=x", 400, "bad_data", "limit must be a number");
	expect_error(api_labels, "limit=-3", 400, "bad_data", "invalid parameter \\\"limit\\\": limit must be non-negative");
	expect_error(api_labels, "limit=-x", 400, "bad_data",
		     "invalid parameter \\\"limit\\\": strconv.Atoi: parsing \\\"-x\\\": invalid syntax");
	/* From the beginning of time to its end. */
	expect_ok(api_series, "match[]=y&start=-292273086-05-16T16:47:06Z&end=292277025-08-18T07:12:54.999999999Z",
		  "[{\"__name__\":\"y\",\"service\":\"c\"}]");
}

static void test_exemplars(void **state)
{
	struct web_request req = {.method = "GET", .path = "/"};
	struct web_response res = {.body = BUF_LIMIT(1 << 20)};
	expect_ok(api_query_exemplars, "query=rate(x_total[5m])&start=5&end=5", "[]");
	expect_error(api_query_exemplars, "query=x&start=5&end=4", 400, "bad_data", "end timestamp must not be before start timestamp");
	expect_error(api_query_exemplars, "query=(", 400, "bad_data", "1:2: parse error: unclosed left parenthesis");
	expect_error(api_query_exemplars, "query=x&start=y", 400, "bad_data",
		     "invalid parameter \\\"start\\\": Invalid time value for 'start': cannot parse \\\"y\\\" to a valid timestamp");
	assert_true(web_request_parse_form(&req, SV("query=1")));
	api_query_exemplars(&api, &req, &res);
	assert_int_equal(res.status, 204);
	assert_int_equal(res.body.n, 0);
	web_request_clear(&req);
	web_response_clear(&res);
}

static void test_tsdb(void **state)
{
	struct store *window = api.store;
	api.store = store_new(NULL);
	for (int i = 0; i < 3; i++) {
		put("aa", "x_total", T0 + i * 15000, i);
		put("b", "x_total", T0 + i * 15000, i);
		put("b", "y", T0 + i * 15000, i);
	}
	expect_ok(api_tsdb, "",
		  "{\"headStats\":{\"numSeries\":3,\"chunkCount\":3,\"minTime\":1700000000000,\"maxTime\":1700000030000,\"numLabelPairs\":4},"
		  "\"seriesCountByMetricName\":[{\"name\":\"x_total\",\"value\":2},{\"name\":\"y\",\"value\":1}],"
		  "\"labelValueCountByLabelName\":[{\"name\":\"__name__\",\"value\":2},{\"name\":\"service\",\"value\":2}],"
		  "\"memoryInBytesByLabelName\":[{\"name\":\"__name__\",\"value\":15},{\"name\":\"service\",\"value\":4}],"
		  "\"seriesCountByLabelValuePair\":[{\"name\":\"__name__=x_total\",\"value\":2},{\"name\":\"service=b\",\"value\":2},"
		  "{\"name\":\"__name__=y\",\"value\":1},{\"name\":\"service=aa\",\"value\":1}]}");
	expect_error(api_tsdb, "limit=0", 400, "bad_data", "limit must be a positive number, at most 10000");
	expect_error(api_tsdb, "limit=x", 400, "bad_data", "limit must be a number");
	store_free(api.store);
	api.store = store_new(NULL);
	expect_ok(api_tsdb, "limit=1",
		  "{\"headStats\":{\"numSeries\":0,\"chunkCount\":0,\"minTime\":0,\"maxTime\":0,\"numLabelPairs\":0},\"seriesCountByMetricName\":[],"
		  "\"labelValueCountByLabelName\":[],\"memoryInBytesByLabelName\":[],\"seriesCountByLabelValuePair\":[]}");
	store_free(api.store);
	api.store = window;
}

static void test_features(void **state)
{
	struct web_request req = {.method = "GET", .path = "/"};
	struct web_response res = {.body = BUF_LIMIT(1 << 20)};
	api_features(&api, &req, &res);
	json_t *root = json_loads(buf_str(&res.body), 0, NULL), *data = json_object_get(root, "data");
	json_t *functions = json_object_get(data, "promql_functions");
	assert_true(json_is_true(json_object_get(functions, "rate")));
	assert_true(json_is_false(json_object_get(functions, "limitk")) || !json_object_get(functions, "limitk"));
	assert_true(json_is_false(json_object_get(functions, "mad_over_time"))); /* behind a flag */
	assert_true(json_is_true(json_object_get(json_object_get(data, "service_discovery_providers"), "file")));
	json_decref(root);
	web_request_clear(&req);
	web_response_clear(&res);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_tsdb), cmocka_unit_test(test_features), cmocka_unit_test(test_limits), cmocka_unit_test(test_exemplars), cmocka_unit_test(test_query), cmocka_unit_test(test_query_range), cmocka_unit_test(test_parse_query),
					   cmocka_unit_test(test_stats), cmocka_unit_test(test_series), cmocka_unit_test(test_escaped_label)};
	return cmocka_run_group_tests(tests, setup, teardown);
}
