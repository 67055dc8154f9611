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

static const char file_a[] = "groups:\n"
			     "- name: example\n"
			     "  interval: 15s\n"
			     "  rules:\n"
			     "  - alert: High\n"
			     "    expr: x > 1\n"
			     "    for: 20s\n"
			     "    keep_firing_for: 3m\n"
			     "    labels: {severity: warning, v: '{{ $value }}'}\n"
			     "    annotations: {summary: 'a <script> {{ $labels.service }}'}\n"
			     "  - record: a:b\n"
			     "    expr: sum(x)\n"
			     "    labels: {q: '1'}\n"
			     "  - alert: Broken\n"
			     "    expr: x + on() x\n";
static const char file_b[] = "groups:\n- {name: other, rules: [{record: c, expr: '1'}]}\n- {name: third, rules: [{alert: Quiet, expr: x > 1e9}]}\n";

static void append(void *self, struct labels *labels, int64_t t, double v, const struct histogram *h)
{
	store_append(self, labels, t, v);
}

static struct snapshot *get_latest(void *arg)
{
	return snapshot_ref(latest);
}

static void put(const char *service, int64_t t, double v)
{
	_cleanup_labels_ struct labels *ls = labels_from("__name__", "x", "service", service, NULL);
	assert_int_equal(store_append(api.store, ls, t, v), 0);
}

static int setup(void **state)
{
	api.store = store_new(NULL);
	api.version = "1.2.3";
	api.instance = "<host>:1";
	api.latest = get_latest;
	struct rule_manager_options opt = {.source = *store_source(api.store), .append = append, .self = api.store};
	api.rules = rule_manager_new(&opt);
	struct rule_set *set = rule_set_new();
	struct strings errors = {0};
	assert_int_equal(rule_file_parse("a.yml", file_a, strlen(file_a), set, &errors), 0);
	assert_int_equal(rule_file_parse("b.yml", file_b, strlen(file_b), set, &errors), 0);
	rule_manager_apply(api.rules, set, NULL, T0);
	latest = snapshot_new((const double[]){0.1}, 1);
	family_add_value(snapshot_family(latest, "reqtally_requests_lost_total", FAMILY_COUNTER, NULL, ""),
			 labels_from("reason", "<b>", NULL), 7);
	struct family *f = snapshot_family(latest, "http_requests_total", FAMILY_COUNTER, NULL, "");
	family_add_value(f, labels_from("service", "<shop>", "code", "200", NULL), 6);
	family_add_value(f, labels_from("service", "<shop>", "code", "000", NULL), 2);
	family_add_value(f, labels_from("service", "other", "code", "404", NULL), 20);
	f = snapshot_family(latest, "http_requests_duration_seconds", FAMILY_HISTOGRAM, "seconds", "");
	family_add_histogram(f, labels_from("service", "<shop>", "code", "200", NULL), (const uint64_t[]){3, 1}, 2);
	f = snapshot_family(latest, "http_requests_in_flight", FAMILY_GAUGE, NULL, "");
	family_add_value(f, labels_from("service", "<shop>", NULL), 3);
	f = snapshot_family(latest, "http_requests_oldest_in_flight_seconds", FAMILY_GAUGE, "seconds", "");
	family_add_value(f, labels_from("service", "<shop>", NULL), 9);
	return 0;
}

static int teardown(void **state)
{
	rule_manager_free(api.rules);
	store_free(api.store);
	snapshot_unref(latest);
	return 0;
}

static char *get(api_handler *handler, const char *form, int status)
{
	struct web_request req = {.method = "GET", .path = "/"};
	struct web_response res = {.body = BUF_LIMIT(1 << 20)};
	assert_true(web_request_parse_form(&req, sv_of(form)));
	handler(&api, &req, &res);
	char *text = buf_steal(&res.body);
	if ((res.status ? res.status : 200) != status)
		fail_msg("status %d: %s", res.status, text);
	web_request_clear(&req);
	web_response_clear(&res);
	return text;
}

/* "data" of a successful answer; the times of evaluations are taken out. */
static char *data_of(api_handler *handler, const char *form)
{
	_cleanup_free_ char *text = get(handler, form, 200);
	json_t *root = json_loads(text, 0, NULL), *g, *r;
	size_t i, k;
	assert_non_null(root);
	json_t *data = json_object_get(root, "data");
	json_array_foreach(json_object_get(data, "groups"), i, g) {
		assert_true(json_is_real(json_object_get(g, "evaluationTime")));
		json_object_del(g, "evaluationTime");
		json_array_foreach(json_object_get(g, "rules"), k, r) {
			assert_true(json_is_real(json_object_get(r, "evaluationTime")));
			json_object_del(r, "evaluationTime");
		}
	}
	char *out = json_dumps(data, JSON_COMPACT);
	json_decref(root);
	return out;
}

#define RECORD_C \
	"{\"name\":\"other\",\"file\":\"b.yml\",\"rules\":[{\"name\":\"c\",\"query\":\"1\",\"labels\":{},\"health\":\"unknown\"," \
	"\"lastEvaluation\":\"0001-01-01T00:00:00Z\",\"type\":\"recording\"}],\"interval\":60,\"limit\":0," \
	"\"lastEvaluation\":\"0001-01-01T00:00:00Z\"}"

static void test_before(void **state)
{
	_cleanup_free_ char *got = data_of(api_rules, "type=record&file[]=b.yml");
	assert_string_equal(got, "{\"groups\":[" RECORD_C "]}");
	_cleanup_free_ char *none = data_of(api_alerts, "");
	assert_string_equal(none, "{\"alerts\":[]}");
}

#define ALERT \
	"{\"labels\":{\"alertname\":\"High\",\"service\":\"s<\",\"severity\":\"warning\",\"v\":\"2.5\"}," \
	"\"annotations\":{\"summary\":\"a <script> s<\"},\"state\":\"firing\",\"activeAt\":\"2023-11-14T22:13:20Z\",\"value\":\"2.5e+00\"}"

static void test_firing(void **state)
{
	for (int i = 0; i <= 2; i++) {
		put("s<", T0 + i * 15000, 2.5);
		put("quiet", T0 + i * 15000, 0.5);
		rule_manager_eval_group(api.rules, 0, T0 + i * 15000);
	}
	_cleanup_free_ char *alerts = data_of(api_alerts, "");
	assert_string_equal(alerts, "{\"alerts\":[" ALERT "]}");
	_cleanup_free_ char *high = data_of(api_rules, "rule_name[]=High&rule_name[]=nobody&rule_group[]=example");
	assert_string_equal(high,
			    "{\"groups\":[{\"name\":\"example\",\"file\":\"a.yml\",\"rules\":[{\"state\":\"firing\",\"name\":\"High\","
			    "\"query\":\"x > 1\",\"duration\":20,\"keepFiringFor\":180,\"labels\":{\"severity\":\"warning\",\"v\":\"{{ $value }}\"},"
			    "\"annotations\":{\"summary\":\"a <script> {{ $labels.service }}\"},\"alerts\":[" ALERT "],\"health\":\"ok\","
			    "\"lastEvaluation\":\"2023-11-14T22:13:50Z\",\"type\":\"alerting\"}],\"interval\":15,\"limit\":0,"
			    "\"lastEvaluation\":\"2023-11-14T22:13:50Z\"}]}");
	_cleanup_free_ char *bare = data_of(api_rules, "rule_name[]=High&exclude_alerts=true");
	assert_non_null(strstr(bare, "\"alerts\":[],"));
	_cleanup_free_ char *selected = data_of(api_rules, "match[]={severity=~\"w.*\"}&match[]={q=\"1\",nope=\"\"}&exclude_alerts=true");
	assert_non_null(strstr(selected, "\"name\":\"High\""));
	assert_non_null(strstr(selected, "\"name\":\"a:b\""));
	assert_null(strstr(selected, "\"name\":\"Broken\""));
	_cleanup_free_ char *broken = data_of(api_rules, "rule_name[]=Broken");
	assert_non_null(strstr(broken, "\"health\":\"err\",\"lastError\":\"found duplicate series"));
	_cleanup_free_ char *raw = get(api_rules, "", 200);
	assert_null(strchr(raw, '<'));
	_cleanup_free_ char *record = data_of(api_rules, "type=record&file[]=a.yml");
	assert_null(strstr(record, "alerting"));
	assert_non_null(strstr(record, "\"a:b\""));
}

static void test_paging(void **state)
{
	_cleanup_free_ char *page = get(api_rules, "group_limit=2", 200);
	json_t *root = json_loads(page, 0, NULL), *data = json_object_get(root, "data");
	assert_int_equal(json_array_size(json_object_get(data, "groups")), 2);
	const char *token = json_string_value(json_object_get(data, "groupNextToken"));
	assert_non_null(token);
	_cleanup_free_ char *form = xasprintf("group_limit=2&group_next_token=%s", token);
	_cleanup_free_ char *rest = data_of(api_rules, form);
	assert_non_null(strstr(rest, "\"third\""));
	assert_null(strstr(rest, "\"other\""));
	assert_null(strstr(rest, "groupNextToken"));
	json_decref(root);
	free(get(api_rules, "group_limit=2&group_next_token=x", 400));
	free(get(api_rules, "group_next_token=x", 400));
	static const char *const bad[][2] = {
		{"group_limit=x", "group_limit needs to be a valid number: strconv.ParseInt: parsing \\\"x\\\": invalid syntax"},
		{"group_limit=0", "group_limit needs to be greater than 0"},
		{"group_limit=-1", "group_limit needs to be greater than 0"},
		{"group_limit=99999999999", "value out of range"},
		{"exclude_alerts=maybe", "error converting exclude_alerts: strconv.ParseBool: parsing \\\"maybe\\\": invalid syntax"},
		{"type=x", "not supported value \\\"x\\\""},
	};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		_cleanup_free_ char *error = get(api_rules, bad[i][0], 400);
		if (!strstr(error, bad[i][1]))
			fail_msg("%s: %s", bad[i][0], error);
	}
	free(get(api_rules, "type=Alert&exclude_alerts=TRUE", 200));
	free(get(api_rules, "type=x", 400));
}

static void test_status_page(void **state)
{
	_cleanup_free_ char *page = get(api_status_page, "", 200);
	assert_non_null(strstr(page, "<h2>Alerts (1)</h2>"));
	assert_non_null(strstr(page, "a &#60;script&#62; s&#60;"));
	assert_null(strstr(page, "<script>"));
	assert_non_null(strstr(page, "on &#60;host&#62;:1"));
	assert_non_null(strstr(page, "Lost: &#60;b&#62; 7</p>"));
	assert_non_null(strstr(page, "<p>0 seen = 0 recorded + 7 lost + 3 in flight</p>"));
	const char *other = strstr(page, "<td>other</td><td class=\"n\">20</td><td class=\"n\">0%</td><td class=\"n\">100.00%</td><td></td>"),
		   *shop = strstr(page, "<td>&#60;shop&#62;</td><td class=\"n\">8</td><td class=\"n\">25.00%</td><td class=\"n\">0%</td>"
					"<td class=\"n\">0.5 s</td><td class=\"n\">3</td><td class=\"n\">9 s</td>");
	assert_true(other && shop && other < shop);
	assert_non_null(strstr(page, "<code>x &#62; 1</code>"));
	assert_non_null(strstr(page, "href=\"/metrics\""));
}

static int no_reload(void *arg, char **error)
{
	*error = xstrdup("a.yml: line 3: broken");
	return -1;
}

static void test_management(void **state)
{
	_cleanup_free_ char *healthy = get(api_healthy, "", 200), *ready = get(api_ready, "", 200), *off = get(api_reload, "", 403);
	assert_string_equal(healthy, "reqtally is Healthy.\n");
	assert_string_equal(ready, "reqtally is Ready.\n");
	api.reload = no_reload;
	_cleanup_free_ char *failed = get(api_reload, "", 500);
	assert_string_equal(failed, "failed to reload config: a.yml: line 3: broken\n");
	api.reload = NULL;
	_cleanup_free_ char *build = get(api_buildinfo, "", 200);
	assert_non_null(strstr(build, "\"version\":\"1.2.3\""));
	struct web_route routes[API_MAX_ROUTES];
	size_t n = api_routes(&api, routes);
	assert_in_range(n, 16, API_MAX_ROUTES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before), cmocka_unit_test(test_firing),	   cmocka_unit_test(test_paging),
		cmocka_unit_test(test_status_page), cmocka_unit_test(test_management),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
