// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/config.h"
#include "net/oauth2.h"

static struct config *parse_ok(const char *text)
{
	struct config *cfg = NULL;
	char *error = NULL;
	if (config_parse("t.yml", "/etc/x", text, strlen(text), &cfg, &error) < 0)
		fail_msg("%s", error);
	return cfg;
}

static void expect_error(const char *text, const char *want)
{
	struct config *cfg = NULL;
	char *error = NULL;
	if (config_parse("t.yml", ".", text, strlen(text), &cfg, &error) == 0)
		fail_msg("accepted: %s", text);
	assert_null(cfg);
	if (strncmp(error, want, strlen(want)) != 0)
		assert_string_equal(error, want);
	free(error);
}

static char *temp_dir(void)
{
	char path[] = "/tmp/reqtally-config-XXXXXX";
	assert_non_null(mkdtemp(path));
	return xstrdup(path);
}

static void write_file(const char *dir, const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(path);
}

static void remove_dir(char *dir)
{
	char *cmd = xasprintf("rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	free(dir);
}

static void test_defaults(void **state)
{
	struct config *cfg = parse_ok("");
	assert_int_equal(cfg->global.evaluation_interval, 60000);
	assert_int_equal(cfg->http.n_buckets, 14);
	assert_int_equal(cfg->http.budget_series, 16384);
	assert_int_equal(cfg->alerting->n, 0);
	assert_int_equal(cfg->not_acted_on.n, 0);
	config_free(cfg);
	config_free(NULL);
	cfg = config_default();
	assert_null(cfg->path);
	config_free(cfg);
	cfg = parse_ok("global:\nrule_files:\nalerting:\nhttp:\nscrape_configs:\n");
	assert_int_equal(cfg->global.scrape_interval, 60000);
	config_free(cfg);
}

/* A prometheus.yml as many begin with. */
static void test_minimal_prometheus_yml(void **state)
{
	char *dir = temp_dir(), *path = xasprintf("%s/prometheus.yml", dir), *error = NULL;
	struct config *cfg;
	write_file(dir, "prometheus.yml",
		   "rule_files: [\"alert_rules.yml\"]\n"
		   "alerting: {alertmanagers: [{static_configs: [{targets: [\"localhost:9093\"]}]}]}\n");
	write_file(dir, "alert_rules.yml", "groups: []\n");
	if (config_load(path, &cfg, &error) < 0)
		fail_msg("%s", error);
	assert_int_equal(cfg->rule_files.n, 1);
	char *want = xasprintf("%s/alert_rules.yml", dir);
	assert_string_equal(cfg->rule_files.v[0], want);
	assert_string_equal(cfg->rule_patterns.v[0], "alert_rules.yml");
	assert_int_equal(cfg->alerting->n, 1);
	const struct config_alertmanagers *a = &cfg->alerting->v[0];
	assert_string_equal(a->static_targets.v[0].targets.v[0], "localhost:9093");
	assert_string_equal(a->scheme, "http");
	assert_int_equal(a->timeout, 10000);
	assert_true(a->http.follow_redirects);
	assert_int_equal(cfg->warnings.n, 0);
	assert_int_equal(cfg->not_acted_on.n, 0);
	free(want);
	config_free(cfg);
	free(path);
	remove_dir(dir);
}

static void test_debian_prometheus_yml(void **state)
{
	struct config *cfg;
	char *error = NULL;
	if (access("/etc/prometheus/prometheus.yml", R_OK) < 0) {
		print_message("SKIP /etc/prometheus/prometheus.yml is not there\n");
		skip();
	}
	if (config_load("/etc/prometheus/prometheus.yml", &cfg, &error) < 0)
		fail_msg("%s", error);
	assert_int_equal(cfg->not_acted_on.n, 0);
	assert_int_equal(cfg->scraping->n, 2);
	assert_string_equal(cfg->scraping->v[0].name, "prometheus");
	assert_int_equal(cfg->scraping->v[0].common.interval, 5000);
	assert_int_equal(cfg->scraping->v[1].common.interval, 15000);
	assert_int_equal(cfg->scraping->v[1].common.timeout, 10000);
	assert_string_equal(cfg->scraping->v[1].static_targets.v[0].targets.v[0], "localhost:9100");
	config_free(cfg);
}

static void test_rule_globs(void **state)
{
	char *dir = temp_dir(), *path = xasprintf("%s/p.yml", dir), *error = NULL;
	struct config *cfg;
	write_file(dir, "b_rules.yml", "");
	write_file(dir, "a_rules.yml", "");
	write_file(dir, "p.yml", "rule_files:\n- '*_rules.yml'\n- a_rules.yml\n- missing.yml\n");
	if (config_load(path, &cfg, &error) < 0)
		fail_msg("%s", error);
	assert_int_equal(cfg->rule_files.n, 2);
	assert_non_null(strstr(cfg->rule_files.v[0], "/a_rules.yml"));
	assert_non_null(strstr(cfg->rule_files.v[1], "/b_rules.yml"));
	assert_int_equal(cfg->warnings.n, 1);
	assert_non_null(strstr(cfg->warnings.v[0], "p.yml:4:3: rule_files: no file matches "));
	config_free(cfg);
	free(path);
	remove_dir(dir);
	expect_error("rule_files: ['a*/b.yml']\n", "t.yml:1:14: invalid rule file path \"a*/b.yml\"");
	expect_error("rule_files: a.yml\n", "t.yml:1:13: rule_files: want a list, got a single value");
}

static void test_global(void **state)
{
	setenv("RT_TEST_HOST", "node7", 1);
	unsetenv("RT_TEST_NONE");
	struct config *cfg = parse_ok("global:\n  scrape_interval: 15s\n  scrape_timeout: 5s\n  evaluation_interval: 1m30s\n"
				      "  rule_query_offset: 10s\n  query_log_file: q.log\n  sample_limit: 10\n  body_size_limit: 15MB\n"
				      "  external_labels:\n    host: ${RT_TEST_HOST}-$RT_TEST_HOST\n    price: $$5\n    none: a$RT_TEST_NONE\n"
				      "    'a.b': x\n");
	assert_int_equal(cfg->global.scrape_interval, 15000);
	assert_int_equal(cfg->global.scrape_timeout, 5000);
	assert_int_equal(cfg->global.evaluation_interval, 90000);
	assert_int_equal(cfg->global.rule_query_offset, 10000);
	assert_true(sv_eqs(labels_get(cfg->global.external_labels, SV("host")), "node7-node7"));
	assert_true(sv_eqs(labels_get(cfg->global.external_labels, SV("price")), "$5"));
	assert_true(sv_eqs(labels_get(cfg->global.external_labels, SV("none")), "a"));
	assert_true(labels_equal(cfg->alerting->external_labels, cfg->global.external_labels));
	assert_int_equal(cfg->warnings.n, 1);
	assert_true(strings_has(&cfg->not_acted_on, "global.query_log_file"));
	assert_int_equal(cfg->not_acted_on.n, 1);
	assert_int_equal(cfg->global.scrape.limits.samples, 10);
	assert_int_equal(cfg->global.scrape.limits.body_size, 15 << 20);
	config_free(cfg);
	expect_error("global: {scrape_interval: 60}\n", "t.yml:1:27: global.scrape_interval: not a valid duration string: \"60\"");
	expect_error("global: {scrape_interval: [1s]}\n", "t.yml:1:27: global.scrape_interval: want a duration such as 30s or 1m30s, got a list");
	expect_error("global: {scrape_interval: 5s, scrape_timeout: 6s}\n",
		     "t.yml:1:47: global scrape timeout greater than scrape interval");
	expect_error("global: {external_labels: {'': x}}\n", "t.yml:1:28: global.external_labels: \"\" is not a valid label name");
	expect_error("global: {metric_name_validation_scheme: legacy, external_labels: {'a.b': x}}\n",
		     "t.yml:1:67: global.external_labels: \"a.b\" is not a valid label name");
	expect_error("global: {metric_name_validation_scheme: ascii}\n", "t.yml:1:41: global.metric_name_validation_scheme: want legacy or utf8");
	expect_error("global: {body_size_limit: 5XB}\n", "t.yml:1:27: global.body_size_limit: want a size with a unit");
	expect_error("global: {extra_scrape_metrics: 3}\n", "t.yml:1:32: global.extra_scrape_metrics: want true or false, got \"3\"");
}

/* As Go's os.Expand. */
static void test_environment(void **state)
{
	static const char *const cases[][2] = {
		{"a $ b", "a $ b"},	{"$", "$"},	{"cost$", "cost$"},	  {"a$$b", "a$b"},	{"${$}", "$"},	     {"x${y", "xy"},
		{"x${}y", "xy"},	{"$1x", "x"},	{"$-", ""},		  {"$\xc3\xa9", "$\xc3\xa9"}, {"$RT_TEST_HOST/x", "node7/x"},
		{"${RT_TEST_HOST}x", "node7x"}, {"$RT_TEST_HOSTx", ""}, {"$%RT", "$%RT"}, {"$.$RT_TEST_HOST", "$.node7"}, {"$$RT_TEST_HOST", "$RT_TEST_HOST"},
	};
	setenv("RT_TEST_HOST", "node7", 1);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *text = xasprintf("global: {external_labels: {v: \"%s\"}}\n", cases[i][0]);
		struct config *cfg = parse_ok(text);
		struct sv got = labels_get(cfg->global.external_labels, SV("v"));
		if (!sv_eqs(got, cases[i][1]))
			fail_msg("%s becomes %.*s, not %s", cases[i][0], SV_ARG(got), cases[i][1]);
		config_free(cfg);
		free(text);
	}
	unsetenv("RT_TEST_HOST");
}

/* What status/config shows: what was written with the defaults of global, readable as YAML to the same effect, and no secret. */
static void test_printed(void **state)
{
	static const char text[] =
		"scrape_configs:\n"
		"- {job_name: a, static_configs: [{targets: ['h:1', \"h:2\"]}], basic_auth: {username: u, password: hush},\n"
		"   proxy_url: 'http://me:hush@p:1/x', params: {a: [\"x: y\", '#', ''], b: []},\n"
		"   http_headers: {X: {secrets: [hush, ab]}}, metric_relabel_configs: [{action: keep, regex: \"a\\nb\", source_labels: [c]}]}\n"
		"global:\n  external_labels: {\"a\": 'x$$', b: null, c: yes}\n  sample_limit: 7\n"
		"remote_write: [{url: 'https://x/', authorization: {credentials: hush}}]\n";
	static const char want[] =
		"global:\n  scrape_interval: 1m\n  scrape_timeout: 10s\n  evaluation_interval: 1m\n  external_labels:\n    a: \"x$\"\n    c: \"yes\"\n"
		"  sample_limit: 7\n"
		"scrape_configs:\n  -\n    job_name: a\n    static_configs:\n      -\n        targets:\n          - \"h:1\"\n          - \"h:2\"\n"
		"    basic_auth:\n      username: u\n      password: <secret>\n    proxy_url: \"http://me:xxxxx@p:1/x\"\n"
		"    params:\n      a:\n        - \"x: y\"\n        - \"#\"\n        - \"\"\n      b: []\n"
		"    http_headers:\n      X:\n        secrets:\n          - <secret>\n          - <secret>\n"
		"    metric_relabel_configs:\n      -\n        action: keep\n        regex: \"a\\nb\"\n        source_labels:\n          - c\n"
		"remote_write:\n  -\n    url: \"https://x/\"\n    authorization:\n      credentials: <secret>\n";
	struct config *cfg = parse_ok(text);
	assert_string_equal(buf_str(&cfg->yaml), want);
	struct config *again = parse_ok(buf_str(&cfg->yaml));
	assert_string_equal(buf_str(&again->yaml), want);
	config_free(again);
	config_free(cfg);
	cfg = config_default();
	assert_string_equal(buf_str(&cfg->yaml), "global:\n  scrape_interval: 1m\n  scrape_timeout: 10s\n  evaluation_interval: 1m\n");
	config_free(cfg);
}

static void test_unknown_keys(void **state)
{
	expect_error("globl:\n  a: 1\n", "t.yml:1:1: unknown key \"globl\" in the configuration; did you mean \"global\"? Accepted: global, "
					 "rule_files, alerting, http, window, scrape_configs,");
	expect_error("global:\n  scrape_intervall: 5s\n",
		     "t.yml:2:3: unknown key \"scrape_intervall\" in global; did you mean \"scrape_interval\"? Accepted: scrape_interval, ");
	expect_error("http:\n  zzzzzzzz: 5\n", "t.yml:2:3: unknown key \"zzzzzzzz\" in http; Accepted: buckets, routes, ");
	expect_error("alerting:\n  alertmanagers:\n  - static_configs: []\n    tls_config: {ca_flie: x}\n",
		     "t.yml:4:18: unknown key \"ca_flie\" in alerting.alertmanagers[0].tls_config; did you mean \"ca_file\"?");
	expect_error("- a\n", "t.yml:1:1: the configuration: want a map of keys and values, got a list");
	expect_error("a: 1\na: 2\n", "t.yml:2:1: mapping key \"a\" already defined at line 1");
	expect_error("a: [\n", "t.yml:2:1: did not find expected node content");
}

static void test_alerting(void **state)
{
	struct config *cfg = parse_ok(
		"alerting:\n"
		"  alert_relabel_configs:\n"
		"  - {regex: replica, action: labeldrop}\n"
		"  alertmanagers:\n"
		"  - scheme: https\n    path_prefix: /am\n    timeout: 3s\n    api_version: v2\n"
		"    static_configs: [{targets: [a:1, b:2], labels: {zone: z}}]\n"
		"    file_sd_configs: [{files: ['am/*.json', /abs/x.yml], refresh_interval: 10s}]\n"
		"    basic_auth: {username: u, password_file: secret}\n"
		"    tls_config: {ca_file: ca.pem, cert_file: c.pem, key_file: k.pem, server_name: am, min_version: TLS12}\n"
		"    relabel_configs: [{source_labels: [__address__], regex: '(.*)', target_label: x}]\n"
		"    alert_relabel_configs: [{source_labels: [severity], regex: info, action: drop}]\n"
		"    follow_redirects: false\n    enable_http2: off\n"
		"    http_headers: {X-Org: {values: [a], secrets: [b], files: [f]}}\n"
		"  - authorization: {credentials_file: token}\n    dns_sd_configs: [{names: [x]}]\n"
		"  - bearer_token: abc\n"
		"global: {external_labels: {site: x}}\n");
	const struct config_alerting *al = cfg->alerting;
	assert_int_equal(al->n, 3);
	assert_int_equal(al->alert_relabel.n, 1);
	assert_true(sv_eqs(labels_get(al->external_labels, SV("site")), "x"));
	const struct config_alertmanagers *a = &al->v[0];
	assert_string_equal(a->path_prefix, "/am");
	assert_int_equal(a->timeout, 3000);
	assert_int_equal(a->static_targets.v[0].targets.n, 2);
	assert_true(sv_eqs(labels_get(a->static_targets.v[0].labels, SV("zone")), "z"));
	assert_string_equal(a->file_sd[0].files.v[0], "/etc/x/am/*.json");
	assert_string_equal(a->file_sd[0].files.v[1], "/abs/x.yml");
	assert_int_equal(a->file_sd[0].refresh_interval, 10000);
	assert_true(a->http.basic_auth);
	assert_string_equal(a->http.password_file, "/etc/x/secret");
	assert_string_equal(a->http.tls.ca_file, "/etc/x/ca.pem");
	assert_int_equal(a->http.tls.min_version, NET_TLS_12);
	assert_false(a->http.follow_redirects);
	assert_false(a->http.http2);
	assert_int_equal(a->http.headers.v[0].values.n, 2);
	assert_string_equal(a->http.headers.v[0].files.v[0], "/etc/x/f");
	assert_int_equal(a->alert_relabel.v[0].action, RELABEL_DROP);
	assert_string_equal(al->v[1].http.auth_type, "Bearer");
	assert_string_equal(al->v[1].http.credentials_file, "/etc/x/token");
	assert_string_equal(al->v[2].http.credentials, "abc");
	assert_int_equal(cfg->warnings.n, 1);
	assert_non_null(strstr(cfg->warnings.v[0], "alerting.alertmanagers[1].dns_sd_configs: this kind of discovery is not done here"));
	/* The notifier may keep it longer than the configuration lives. */
	struct config_alerting *kept = config_alerting_ref(cfg->alerting);
	config_free(cfg);
	assert_string_equal(kept->v[0].scheme, "https");
	config_alerting_unref(kept);
}

#define AM(x) "alerting:\n  alertmanagers:\n  - " x "\n"

static void test_bad_alerting(void **state)
{
	expect_error(AM("scheme: ftp"), "t.yml:3:13: alerting.alertmanagers[0].scheme: want http or https, got \"ftp\"");
	expect_error(AM("api_version: v1"), "t.yml:3:18: expected Alertmanager api version to be one of [v2] but got v1");
	expect_error(AM("timeout: 0"), "t.yml:3:14: alerting.alertmanagers[0].timeout: want a duration above 0");
	expect_error(AM("static_configs: [{targets: ['http://x:9093/']}]"), "t.yml:3:33: \"http://x:9093/\" is not a valid hostname; want host:port");
	expect_error(AM("static_configs: [{target: [x]}]"), "t.yml:3:23: unknown key \"target\" in alerting.alertmanagers[0].static_configs[0]; "
							    "did you mean \"targets\"? Accepted: targets, labels");
	expect_error(AM("basic_auth: {password: a, password_file: b}"), "t.yml:3:46: alerting.alertmanagers[0].basic_auth: at most one of");
	expect_error(AM("basic_auth: {username: a}\n    authorization: {credentials: b}"),
		     "t.yml:4:20: alerting.alertmanagers[0]: at most one of basic_auth, authorization,");
	expect_error(AM("authorization: {type: Basic, credentials: b}"), "t.yml:3:20: alerting.alertmanagers[0].authorization: type cannot be \"basic\"");
	expect_error(AM("tls_config: {min_version: TLS14}"), "t.yml:3:31: alerting.alertmanagers[0].tls_config.min_version: unknown TLS version \"TLS14\"");
	expect_error(AM("tls_config: {cert_file: x}"), "t.yml:3:17: alerting.alertmanagers[0].tls_config: a client certificate needs both");
	expect_error(AM("file_sd_configs: [{files: [x.txt]}]"), "t.yml:3:32: alerting.alertmanagers[0].file_sd_configs[0]: path name \"x.txt\"");
	expect_error(AM("file_sd_configs: [{files: []}]"), "t.yml:3:31: alerting.alertmanagers[0].file_sd_configs[0]: file service discovery");
	expect_error(AM("file_sd_configs: [{}]"), "t.yml:3:23: alerting.alertmanagers[0].file_sd_configs[0] needs a value for \"files\"");
	expect_error(AM("relabel_configs: [{action: copy}]"), "t.yml:3:32: unknown relabel action \"copy\"; accepted: replace, keep,");
	expect_error(AM("relabel_configs: [{regex: '(', target_label: x}]"),
		     "t.yml:3:31: alerting.alertmanagers[0].relabel_configs[0]: error parsing regexp");
	expect_error(AM("relabel_configs: [{source_labels: [a]}]"),
		     "t.yml:3:23: alerting.alertmanagers[0].relabel_configs[0]: relabel configuration for replace action requires");
	expect_error(AM("http_headers: {Host: {values: [x]}}"), "t.yml:3:20: alerting.alertmanagers[0].http_headers: setting header \"Host\"");
	expect_error(AM("proxy_url: foo"), "t.yml:3:16: alerting.alertmanagers[0]: proxy_url \"foo\" is not a valid URL");
	expect_error("alerting:\n  alertmanagers: [~]\n", "t.yml:2:19: alerting.alertmanagers[0]: empty item");
	expect_error("alerting:\n  alertmanagers: {a: 1}\n", "t.yml:2:18: alerting.alertmanagers: want a list, got a map");
}

static void test_http(void **state)
{
	struct config *cfg = parse_ok("http:\n  buckets: [0.1, .5, 1e1]\n  routes: [/, '/users/{name}/orders', '/static/**', /a/]\n"
				      "  streams: [\"/events/**\"]\n  include_services: [nginx, 'php-*']\n  exclude_services: [php-debug]\n"
				      "  ports: [80, 8080]\n  exclude_ports: [8080]\n"
				      "  budgets: {endpoints_per_service: 10, series: 2048, connections: 4096}\n");
	const struct config_http *h = &cfg->http;
	assert_int_equal(h->n_buckets, 3);
	assert_true(h->buckets[0] == 0.1 && h->buckets[1] == 0.5 && h->buckets[2] == 10);
	assert_int_equal(h->routes.n, 4);
	assert_string_equal(h->routes.v[2], "/static/**");
	assert_string_equal(h->streams.v[0], "/events/**");
	assert_true(config_wants_service(h, "nginx") && config_wants_service(h, "php-fpm"));
	assert_false(config_wants_service(h, "php-debug") || config_wants_service(h, "apache2"));
	assert_true(config_wants_port(h, 80));
	assert_false(config_wants_port(h, 8080) || config_wants_port(h, 81));
	assert_int_equal(h->budget_endpoints, 10);
	assert_int_equal(h->budget_series, 2048);
	assert_int_equal(h->budget_connections, 4096);
	config_free(cfg);
	cfg = config_default();
	assert_true(config_wants_service(&cfg->http, "x") && config_wants_port(&cfg->http, 1));
	config_free(cfg);
	expect_error("http: {buckets: []}\n", "t.yml:1:17: http.buckets: want 1 to 31 bounds in seconds, got 0");
	expect_error("http: {buckets: [1, 1]}\n", "t.yml:1:21: http.buckets: want bounds above 0 in ascending order (+Inf is always there), got 1 after 1");
	expect_error("http: {buckets: [1, .inf]}\n", "t.yml:1:21: http.buckets: want a number, got \".inf\"");
	expect_error("http: {buckets: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31,32]}\n",
		     "t.yml:1:17: http.buckets: want 1 to 31 bounds in seconds, got 32");
	static const struct {
		const char *route, *why;
	} bad[] = {{"a", "it must begin with /"},
		   {"/a//b", "it has an empty segment"},
		   {"/a/x{b}", "{name} must be a whole segment"},
		   {"/a/{}", "{name} must be a whole segment"},
		   {"/**/a", "a star is only accepted as /** at the end"},
		   {"/a*", "a star is only accepted"},
		   {"/a?b=1", "it holds a byte that no path has"},
		   {"/a b", "it holds a byte that no path has"}};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *text = xasprintf("http: {routes: ['%s']}\n", bad[i].route);
		char *want = xasprintf("t.yml:1:17: http.routes[0]: \"%s\" is not a route such as /users/{name}/orders or /static/**: %s",
				       bad[i].route, bad[i].why);
		expect_error(text, want);
		free(text);
		free(want);
	}
	expect_error("http: {streams: [/a, /a]}\n", "t.yml:1:22: http.streams[1]: \"/a\" is listed twice");
	expect_error("http: {ports: [0]}\n", "t.yml:1:16: http.ports: want a whole number from 1 to 65535, got \"0\"");
	expect_error("http: {ports: [65536]}\n", "t.yml:1:16: http.ports: want a whole number from 1 to 65535, got \"65536\"");
	expect_error("http: {ports: [-1]}\n", "t.yml:1:16: http.ports: want a whole number from 1 to 65535, got \"-1\"");
	expect_error("http: {budgets: {series: 99999999999999999999}}\n", "t.yml:1:26: http.budgets.series: want a whole number from 64");
	expect_error("http: {include_services: ['']}\n", "t.yml:1:27: http.include_services[0]: want the name of a service");
}

static void test_oauth2(void **state)
{
	struct config *cfg = parse_ok(
		"alerting:\n  alertmanagers:\n  - static_configs: [{targets: ['h:1']}]\n    oauth2:\n      client_id: me\n      client_secret_file: secret\n"
		"      token_url: https://auth/token?x=1\n      scopes: [a, b c]\n      endpoint_params: {audience: x, n: 5}\n"
		"      tls_config: {ca_file: ca.pem, server_name: s}\n      proxy_url: http://p:1\n");
	const struct net_oauth2 *o = cfg->alerting->v[0].http.oauth2;
	assert_int_equal(cfg->warnings.n + cfg->not_acted_on.n, 0);
	assert_string_equal(o->client_id, "me");
	assert_non_null(strstr(o->client_secret_file, "/secret"));
	assert_string_equal(o->token_url, "https://auth/token?x=1");
	assert_string_equal(o->scopes.v[1], "b c");
	assert_string_equal(o->params.v[2], "n");
	assert_string_equal(o->params.v[3], "5");
	assert_non_null(strstr(o->http.tls.ca_file, "/ca.pem"));
	assert_string_equal(o->http.proxy_url, "http://p:1");
	config_free(cfg);
	expect_error("scrape_configs: [{job_name: a, oauth2: {client_id: a, client_secret: b, client_secret_file: c, token_url: 'http://x'}}]\n",
		    "t.yml:1:93: scrape_configs[0].oauth2: at most one of client_secret and client_secret_file must be configured");
	expect_error("scrape_configs: [{job_name: a, oauth2: {client_id: a}}]\n", "t.yml:1:40: scrape_configs[0].oauth2 needs a value for \"token_url\"");
	expect_error("scrape_configs: [{job_name: a, oauth2: {client_id: '', token_url: 'http://x'}}]\n", "t.yml:1:40: scrape_configs[0].oauth2: client_id must be configured");
	expect_error("scrape_configs: [{job_name: a, oauth2: {client_id: a, token_url: x}}]\n", "t.yml:1:66: scrape_configs[0].oauth2.token_url: \"x\" is not a valid URL");
	expect_error("scrape_configs: [{job_name: a, basic_auth: {username: a}, oauth2: {client_id: a, token_url: 'http://x'}}]\n", "t.yml:1:67: scrape_configs[0]: at most one of basic_auth");
}

/* Everything that Prometheus knows loads, and is named. */
static void test_not_acted_on(void **state)
{
	struct config *cfg = parse_ok(
		"scrape_configs:\n"
		"- job_name: a\n  scrape_interval: 5s\n  scrape_timeout: 5s\n  metrics_path: /m\n  params: {x: [y]}\n"
		"  kubernetes_sd_configs: [{role: pod}]\n  metric_relabel_configs: [{regex: x, action: labeldrop}]\n"
		"  basic_auth: {username: a}\n  honor_labels: true\n  scrape_protocols: [PrometheusText1.0.0]\n"
		"- job_name: b\n  static_configs: [{targets: [x:1]}]\n  oauth2: {client_id: a, token_url: 'http://x/', grant_type: 'urn:x:jwt-bearer', iss: i}\n"
		"scrape_config_files: ['x/*.yml']\n"
		"remote_write:\n- url: http://user@host:80/write?x=1\n  queue_config: {capacity: 5, batch_send_deadline: 5s}\n"
		"  write_relabel_configs: []\n  sigv4: {region: x}\n  metadata_config: {send: true}\n  headers: {X-A: b}\n"
		"remote_read: [{url: 'https://[::1]:9/x', read_recent: true, required_matchers: {a: b}}]\n"
		"storage: {tsdb: {out_of_order_time_window: 30m}, exemplars: {max_exemplars: 5}}\n"
		"tracing: {endpoint: 'localhost:4317', insecure: true, sampling_fraction: 1.0}\n"
		"otlp: {promote_resource_attributes: [a]}\nruntime: {gogc: 75}\n");
	static const char *const want[] = {"scrape_configs.oauth2.iss", "remote_write", "remote_read",
					   "storage", "tracing", "otlp", "runtime"};
	for (size_t i = 0; i < ARRAY_SIZE(want); i++)
		assert_true(strings_has(&cfg->not_acted_on, want[i]));
	assert_int_equal(cfg->not_acted_on.n, ARRAY_SIZE(want));
	/* What changes which targets there are, or how they are asked, is told as a warning. */
	bool discovery = false, oauth2 = false;
	for (size_t i = 0; i < cfg->warnings.n; i++) {
		discovery |= strstr(cfg->warnings.v[i], "t.yml:7:26: scrape_configs[0].kubernetes_sd_configs: this kind of discovery is not done") != NULL;
		oauth2 |= strstr(cfg->warnings.v[i], "scrape_configs[1].oauth2: grant_type urn:x:jwt-bearer is not done here") != NULL;
	}
	assert_true(discovery && oauth2);
	config_free(cfg);
	cfg = parse_ok("scrape_configs:\n- job_name: a\n  http_sd_configs:\n  - {url: 'http://x/sd', basic_auth: {username: u}}\n"
		       "  - {url: 'https://y/sd', refresh_interval: 5s}\n");
	assert_int_equal(cfg->warnings.n, 0);
	assert_int_equal(cfg->scraping->v[0].http_sd.n, 2);
	assert_string_equal(cfg->scraping->v[0].http_sd.v[0].url, "http://x/sd");
	assert_string_equal(cfg->scraping->v[0].http_sd.v[0].http.username, "u");
	assert_int_equal(cfg->scraping->v[0].http_sd.v[0].refresh_interval, 60000);
	assert_int_equal(cfg->scraping->v[0].http_sd.v[1].refresh_interval, 5000);
	config_free(cfg);
	expect_error("scrape_configs: [{job_name: a, http_sd_configs: [{}]}]\n", "t.yml:1:50: scrape_configs[0].http_sd_configs[0] needs a value for \"url\"");
	expect_error("scrape_configs: [{job_name: a, http_sd_configs: [{url: x}]}]\n",
		     "t.yml:1:56: scrape_configs[0].http_sd_configs[0].url: \"x\" is not a valid URL");
	expect_error("scrape_configs: [{job_name: a, http_sd_configs: [{url: 'http://x', refresh_interval: 0s}]}]\n",
		     "t.yml:1:86: scrape_configs[0].http_sd_configs[0].refresh_interval: want a duration above 0");
	expect_error("scrape_configs: [{job_name: a}, {job_name: a}]\n", "t.yml:1:44: found multiple scrape configs with job name \"a\"");
	expect_error("scrape_configs: [{scrape_interval: 5s}]\n", "t.yml:1:18: scrape_configs[0] needs a value for \"job_name\"");
	expect_error("scrape_configs: [{job_name: a, metric_path: /x}]\n",
		     "t.yml:1:32: unknown key \"metric_path\" in scrape_configs[0]; did you mean \"metrics_path\"?");
	expect_error("scrape_configs: [{job_name: a, kubernets_sd_configs: []}]\n",
		     "t.yml:1:32: unknown key \"kubernets_sd_configs\" in scrape_configs[0]; did you mean \"kubernetes_sd_configs\"?");
	expect_error("remote_write: [{url: 'host:80'}]\n", "t.yml:1:22: remote_write[0].url: \"host:80\" is not a valid URL: it must begin with http://");
	expect_error("remote_write: [{url: 'http://'}]\n", "t.yml:1:22: remote_write[0].url: \"http://\" is not a valid URL: it has no host");
	expect_error("remote_write: [{url: 'http://h:99999/'}]\n",
		     "t.yml:1:22: remote_write[0].url: \"http://h:99999/\" is not a valid URL: its port");
	expect_error("remote_write: [{}]\n", "t.yml:1:16: remote_write[0] needs a value for \"url\"");
}

static void test_scrape_configs(void **state)
{
	struct config *cfg = parse_ok(
		"scrape_configs:\n"
		"- job_name: plain\n  static_configs: [{targets: ['a:1', 'b:2'], labels: {x: y}}]\n"
		"- job_name: all\n  scrape_interval: 10s\n  metrics_path: /m\n  scheme: https\n  params: {a: [b, c], d: []}\n  honor_labels: true\n"
		"  honor_timestamps: false\n  track_timestamps_staleness: true\n  enable_compression: false\n  body_size_limit: 1KB\n"
		"  sample_limit: 7\n  label_limit: 8\n  label_name_length_limit: 9\n  label_value_length_limit: 10\n  target_limit: 11\n"
		"  keep_dropped_targets: 12\n  native_histogram_bucket_limit: 13\n  native_histogram_min_bucket_factor: 1.5\n"
		"  scrape_protocols: [PrometheusText0.0.4, PrometheusProto]\n  fallback_scrape_protocol: PrometheusText1.0.0\n"
		"  file_sd_configs: [{files: ['t/*.yml'], refresh_interval: 1s}]\n  bearer_token: z\n"
		"  relabel_configs: [{regex: x, action: labeldrop}]\n  metric_relabel_configs: [{regex: y, action: labeldrop}]\n"
		"- job_name: native\n  scrape_native_histograms: true\n  scrape_interval: 3s\n  metric_name_validation_scheme: legacy\n"
		"global: {scrape_interval: 20s, scrape_timeout: 4s, label_limit: 5, always_scrape_classic_histograms: true}\n");
	assert_int_equal(cfg->scraping->n, 3);
	const struct config_job *j = &cfg->scraping->v[0];
	assert_string_equal(j->name, "plain");
	assert_true(j->common.interval == 20000 && j->common.timeout == 4000 && j->common.limits.labels == 5);
	assert_true(j->honor_timestamps && !j->honor_labels && j->compression && !j->track_timestamps_staleness);
	assert_string_equal(j->metrics_path, "/metrics");
	assert_string_equal(j->scheme, "http");
	assert_string_equal(j->common.escaping, "allow-utf-8");
	assert_true(j->common.protocols[0] == PROTOCOL_OM_1 && j->common.protocols[3] == PROTOCOL_TEXT_0 && !j->common.protocols[4]);
	assert_true(!j->common.native_histograms && j->common.always_classic == 1);
	assert_string_equal(j->static_targets.v[0].targets.v[1], "b:2");
	j = &cfg->scraping->v[1];
	const struct config_scrape_limits *l = &j->common.limits;
	assert_true(j->common.interval == 10000 && j->common.timeout == 4000);
	assert_true(l->body_size == 1024 && l->samples == 7 && l->labels == 8 && l->label_name_length == 9 && l->label_value_length == 10 &&
		    l->targets == 11 && l->keep_dropped == 12 && l->histogram_buckets == 13);
	assert_true(j->honor_labels && !j->honor_timestamps && j->track_timestamps_staleness && !j->compression);
	assert_true(j->common.protocols[0] == PROTOCOL_TEXT_0 && j->common.protocols[1] == PROTOCOL_PROTO && !j->common.protocols[2]);
	assert_true(j->fallback == PROTOCOL_TEXT_1 && j->min_bucket_factor == 1.5);
	assert_int_equal(j->n_params, 2);
	assert_string_equal(j->params[0].values.v[1], "c");
	assert_string_equal(j->file_sd[0].files.v[0], "/etc/x/t/*.yml");
	assert_string_equal(j->http.credentials, "z");
	assert_true(j->relabel.n == 1 && j->metric_relabel.n == 1);
	j = &cfg->scraping->v[2];
	assert_true(j->common.interval == 3000 && j->common.timeout == 3000); /* the global one would be longer than the interval */
	assert_true(j->common.native_histograms == 1 && j->common.protocols[0] == PROTOCOL_PROTO && j->common.protocols[4] == PROTOCOL_TEXT_0);
	assert_true(j->common.legacy_names);
	assert_string_equal(j->common.escaping, "underscores");
	uint64_t before = j->fingerprint;
	config_free(cfg);
	cfg = parse_ok("scrape_configs: [{job_name: native, scrape_native_histograms: true, scrape_interval: 3s, metric_name_validation_scheme: legacy}]\n"
		       "global: {scrape_interval: 20s, scrape_timeout: 4s, label_limit: 6}\n");
	assert_true(cfg->scraping->v[0].fingerprint != before);
	config_free(cfg);
	expect_error("scrape_configs: [{job_name: a, scrape_timeout: 90s}]\n",
		     "t.yml:1:18: scrape timeout greater than scrape interval for scrape config with job name \"a\"");
	cfg = parse_ok("scrape_configs: [{job_name: a, scrape_interval: 0s, scrape_timeout: 0}]\n"); /* as if they were not there */
	assert_true(cfg->scraping->v[0].common.interval == 60000 && cfg->scraping->v[0].common.timeout == 10000);
	config_free(cfg);
	expect_error("scrape_configs: [{job_name: ''}]\n", "t.yml:1:29: job_name is empty");
	expect_error("scrape_configs: [{job_name: a, scheme: ftp}]\n", "t.yml:1:40: scrape_configs[0].scheme: want http or https, got \"ftp\"");
	expect_error("scrape_configs: [{job_name: a, scrape_protocols: [Foo]}]\n",
		     "t.yml:1:51: scrape_configs[0].scrape_protocols[0]: unknown scrape protocol \"Foo\"; accepted: PrometheusProto,");
	expect_error("scrape_configs: [{job_name: a, scrape_protocols: [PrometheusProto, PrometheusProto]}]\n",
		     "t.yml:1:68: scrape_configs[0].scrape_protocols: duplicated protocol \"PrometheusProto\"");
	expect_error("scrape_configs: [{job_name: a, static_configs: [{targets: ['http://x']}]}]\n",
		     "t.yml:1:60: \"http://x\" is not a valid hostname");
	expect_error("scrape_configs: [{job_name: a, native_histogram_min_bucket_factor: 0.5}]\n", "t.yml:1:68: ");
	expect_error("scrape_configs: [{job_name: a, body_size_limit: 5XB}]\n", "t.yml:1:49: scrape_configs[0].body_size_limit: want a size");
	expect_error("scrape_configs: [{job_name: a, params: {x: y}}]\n", "t.yml:1:44: scrape_configs[0].params: want a list");
	expect_error("scrape_configs: [{job_name: a, basic_auth: {}, bearer_token: x}]\n", "t.yml:1:62: scrape_configs[0]: at most one of");
}

static void test_numbers(void **state)
{
	struct config *cfg = parse_ok("global: {sample_limit: 100_000, label_limit: 0x20, target_limit: 1e3}\nscrape_configs: [{job_name: x}]\n");
	const struct config_scrape_limits *l = &cfg->scraping->v[0].common.limits;
	assert_true(l->samples == 100000 && l->labels == 32 && l->targets == 1000);
	config_free(cfg);
	static const char *const bad[] = {"-1", "1.5", "1e30", "x", "''", "1x", "0x", "18446744073709551616", "NaN", "_"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		char *text = xasprintf("global: {sample_limit: %s}\n", bad[i]);
		expect_error(text, "t.yml:1:24: global.sample_limit: want a whole number, got ");
		free(text);
	}
}

/* What is not acted on has the right form all the same. */
static void test_inert_values(void **state)
{
	config_free(parse_ok("storage: {tsdb: {out_of_order_time_window: 30m, retention: {time: 1d, size: 1GB, percentage: 5}, newer: 1},"
			     " exemplars: {max_exemplars: 1e5}}\n"
			     "tracing: {endpoint: x, client_type: http}\nremote_write: [{url: 'http://a/'}, {url: 'http://a/'}]\n"));
	expect_error("storage: {tsdb: {out_of_order_time_window: 30}}\n", "t.yml:1:44: storage.tsdb: not a valid duration string: \"30\"");
	expect_error("storage: {tsdb: {retention: {size: 1x}}}\n", "t.yml:1:36: storage.tsdb: want a size with a unit");
	expect_error("storage: {exemplars: {max_exemplars: 10MB}}\n", "t.yml:1:38: storage.exemplars: want a number");
	expect_error("tracing: {endpoint: x, client_type: tcp}\n", "t.yml:1:37: tracing.client_type: want http or grpc, got \"tcp\"");
	expect_error("remote_write: [{url: 'http://a/', name: n}, {url: 'http://b/', name: n}]\n",
		     "t.yml:1:70: found multiple remote write configs with job name \"n\"");
	expect_error("remote_read: [{url: 'http://a/', name: n}, {url: 'http://b/', name: n}]\n",
		     "t.yml:1:69: found multiple remote read configs with job name \"n\"");
}

/* Discoveries that are not done are checked all the same. */
static void test_discovery_keys(void **state)
{
#define SD "scrape_configs:\n- job_name: x\n  "
	static const char *const good[] = {
		"kubernetes_sd_configs: [{role: endpoints, api_server: 'https://k:1', tls_config: {cert_file: a, key_file: b}, basic_auth: {username: u,"
		" password: p}, namespaces: {own_namespace: true, names: [d]}, selectors: [{role: node, label: 'a in (b)', field: f}],"
		" attach_metadata: {node: true}}]",
		"consul_sd_configs: [{server: 'h:1', token: t, services: [nginx], tags: [c], node_meta: {rack: '1'}, allow_stale: true, scheme: https}]",
		"ec2_sd_configs: [{region: r, access_key: a, secret_key: s, profile: p, filters: [{name: 'tag:e', values: [prod]}]}]",
		"dns_sd_configs: [{names: [a.b], type: A, port: 80, refresh_interval: 15s}]",
		"marathon_sd_configs: [{servers: ['https://m'], auth_token: t}]",
		"elasticache_sd_configs: [{whatever: it takes}]",
		"azure_sd_configs: []",
	};
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		char *text = xasprintf(SD "%s\n", good[i]);
		struct config *cfg = parse_ok(text);
		assert_int_equal(cfg->warnings.n, i + 1 < ARRAY_SIZE(good)); /* that it is not done, once */
		assert_int_equal(cfg->not_acted_on.n, 0);
		config_free(cfg);
		free(text);
	}
	expect_error(SD "kubernetes_sd_configs: [{role: pods}]\n",
		     "t.yml:3:34: scrape_configs[0].kubernetes_sd_configs[0].role: unknown Kubernetes SD role \"pods\"; accepted: pod, service, ");
	expect_error(SD "kubernetes_sd_configs: [{}]\n", "t.yml:3:27: scrape_configs[0].kubernetes_sd_configs[0] needs a value for \"role\"");
	expect_error(SD "consul_sd_configs: [{sever: x}]\n",
		     "t.yml:3:24: unknown key \"sever\" in scrape_configs[0].consul_sd_configs[0]; did you mean \"server\"? ");
	expect_error(SD "nomad_sd_configs: [{basic_auth: {usernam: x}}]\n", "t.yml:3:36: unknown key \"usernam\"");
	expect_error(SD "ec2_sd_configs: [{port: x}]\n", "t.yml:3:27: scrape_configs[0].ec2_sd_configs[0].port: want a whole number, got \"x\"");
	expect_error("alerting: {alertmanagers: [{dns_sd_configs: [{type: A}]}]}\n",
		     "t.yml:1:46: alerting.alertmanagers[0].dns_sd_configs[0] needs a value for \"names\"");
}

static void test_scrape_config_files(void **state)
{
	char *dir = temp_dir(), *path = xasprintf("%s/p.yml", dir), *error = NULL;
	struct config *cfg;
	write_file(dir, "p.yml", "scrape_config_files: ['x-*.yml', 'none.yml']\nscrape_configs: [{job_name: a}]\nglobal: {sample_limit: 3}\n");
	write_file(dir, "x-1.yml", "scrape_configs: [{job_name: b, file_sd_configs: [{files: [t.json]}]}]\n");
	write_file(dir, "x-2.yml", "");
	if (config_load(path, &cfg, &error) < 0)
		fail_msg("%s", error);
	assert_int_equal(cfg->scraping->n, 2);
	assert_string_equal(cfg->scraping->v[1].name, "b");
	assert_int_equal(cfg->scraping->v[1].common.limits.samples, 3);
	char *want = xasprintf("%s/t.json", dir);
	assert_string_equal(cfg->scraping->v[1].file_sd[0].files.v[0], want);
	assert_int_equal(cfg->warnings.n, 1);
	config_free(cfg);
	free(want);
	write_file(dir, "x-2.yml", "scrape_configs:\n- job_name: a\n");
	assert_int_equal(config_load(path, &cfg, &error), -EINVAL);
	assert_non_null(strstr(error, "x-2.yml:2:13: found multiple scrape configs with job name \"a\""));
	free(error);
	write_file(dir, "x-2.yml", "scrape_config: []\n");
	assert_int_equal(config_load(path, &cfg, &error), -EINVAL);
	assert_non_null(strstr(error, "x-2.yml:1:1: unknown key \"scrape_config\""));
	free(error);
	free(path);
	remove_dir(dir);
}

static void test_window(void **state)
{
	struct config *cfg = parse_ok("window: {retention: 2h, size: 128MB}\n");
	assert_true(cfg->window.retention == 7200000 && cfg->window.size == 128 << 20);
	config_free(cfg);
	cfg = parse_ok("window: {size: 1.5GiB}\n");
	assert_true(cfg->window.retention == 3600000 && cfg->window.size == 3ull << 29);
	config_free(cfg);
	expect_error("window: {retention: 5s}\n", "t.yml:1:21: window.retention: want at least 1m, got \"5s\"");
	expect_error("window: {size: 5KB}\n", "t.yml:1:16: window.size: want 1MB to 16GB, got \"5KB\"");
	expect_error("window: {size: 5}\n", "t.yml:1:16: window.size: want a size with a unit such as 512MB, got \"5\"");
}

static void test_files(void **state)
{
	struct config *cfg = NULL;
	char *error = NULL;
	assert_int_equal(config_load("/nonexistent/p.yml", &cfg, &error), -ENOENT);
	assert_string_equal(error, "/nonexistent/p.yml: No such file or directory");
	free(error);
	assert_int_equal(config_load("/tmp", &cfg, &error), -EISDIR);
	assert_string_equal(error, "/tmp: Is a directory");
	free(error);
}

static void test_target_files(void **state)
{
	char *dir = temp_dir(), *error = NULL;
	struct target_groups groups = {0};
	write_file(dir, "a.json", "[{\"targets\": [\"x:1\", \"y:2\"], \"labels\": {\"z\": \"1\"}}, {\"targets\": []}]");
	write_file(dir, "b.yml", "- targets: [w:3]\n  labels: {q: 5}\n");
	write_file(dir, "bad.json", "[{\"targets\": [1]}]");
	write_file(dir, "bad.yml", "- target: [x]\n");
	write_file(dir, "bad2.json", "[{\"targets\"");
	char *p = xasprintf("%s/a.json", dir);
	assert_int_equal(targets_read_file(p, &groups, &error), 0);
	assert_int_equal(groups.n, 2);
	assert_string_equal(groups.v[0].targets.v[1], "y:2");
	assert_true(sv_eqs(labels_get(groups.v[0].labels, SV("__meta_filepath")), p));
	free(p);
	p = xasprintf("%s/b.yml", dir);
	assert_int_equal(targets_read_file(p, &groups, &error), 0);
	assert_int_equal(groups.n, 3);
	assert_true(sv_eqs(labels_get(groups.v[2].labels, SV("q")), "5"));
	free(p);
	static const char *const bad[] = {"bad.json", "bad.yml", "bad2.json", "none.yml"},
				 *const want[] = {"targets must be strings", ":1:3: unknown key \"target\"", ":1:", "No such file"};
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		p = xasprintf("%s/%s", dir, bad[i]);
		error = NULL;
		assert_true(targets_read_file(p, &groups, &error) < 0);
		assert_non_null(strstr(error, want[i]));
		assert_int_equal(groups.n, 3);
		free(error);
		free(p);
	}
	target_groups_free(&groups);
	remove_dir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),     cmocka_unit_test(test_minimal_prometheus_yml),
		cmocka_unit_test(test_debian_prometheus_yml), cmocka_unit_test(test_rule_globs),
		cmocka_unit_test(test_global),	     cmocka_unit_test(test_environment), cmocka_unit_test(test_printed), cmocka_unit_test(test_unknown_keys),
		cmocka_unit_test(test_alerting),     cmocka_unit_test(test_bad_alerting),
		cmocka_unit_test(test_scrape_configs), cmocka_unit_test(test_numbers), cmocka_unit_test(test_inert_values), cmocka_unit_test(test_discovery_keys), cmocka_unit_test(test_scrape_config_files),
		cmocka_unit_test(test_window),	     cmocka_unit_test(test_http),	     cmocka_unit_test(test_not_acted_on),
		cmocka_unit_test(test_oauth2),
		cmocka_unit_test(test_files),	     cmocka_unit_test(test_target_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
