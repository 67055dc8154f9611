// SPDX-License-Identifier: GPL-2.0-or-later
/* Debian's Prometheus scrapes our server, as OpenMetrics (which it prefers), as text 0.0.4, and as protobuf (which it prefers when it
 * looks for native histograms), and its API gives back what we wrote. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/json.h"
#include "exposition/scrape.h"

#define PROMETHEUS "/usr/bin/prometheus"

static struct snapshot *snapshot;
static char last_type[128];

static void handle_metrics(void *ctx, struct web_request *req, struct web_response *res)
{
	scrape_respond(req, res, snapshot);
	snprintf(last_type, sizeof(last_type), "%s", res->content_type);
}

static void handle_text(void *ctx, struct web_request *req, struct web_response *res)
{
	res->content_type = negotiated_content_type(negotiate_accept(NULL));
	exposition_write(snapshot, EXPOSITION_TEXT_004, &res->body);
}

static int free_port(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	getsockname(fd, (struct sockaddr *)&sa, &len);
	close(fd);
	return ntohs(sa.sin_port);
}

/* The result array of an instant query; NULL if there is none (yet). */
static json_t *query(int port, const char *expr)
{
	_cleanup_free_ char *cmd = xasprintf("curl -sS -m 10 --data-urlencode 'query=%s' http://127.0.0.1:%d/api/v1/query 2>/dev/null",
					     expr, port);
	FILE *f = popen(cmd, "r");
	json_t *root = json_loadf(f, JSON_ALLOW_NUL, NULL);
	pclose(f);
	json_t *result = json_incref(json_object_get(json_object_get(root, "data"), "result"));
	json_decref(root);
	return result;
}

static double only_value(int port, const char *expr)
{
	json_t *r = query(port, expr);
	if (json_array_size(r) != 1)
		fail_msg("%s: %zu results", expr, json_array_size(r));
	double v = atof(json_string_value(json_array_get(json_object_get(json_array_get(r, 0), "value"), 1)));
	json_decref(r);
	return v;
}

static void build_snapshot(void)
{
	static const double bounds[] = {0.005, 1, 2.5};
	snapshot = snapshot_new(bounds, ARRAY_SIZE(bounds));
	struct family *f = snapshot_family(snapshot, "bytes_seen_total", FAMILY_COUNTER, NULL, "One of each \"byte\" \\ \n");
	for (int c = 0; c < 256; c++) {
		char n[16], value[8] = {'<', (char)c, '>', 0};
		snprintf(n, sizeof(n), "%d", c);
		struct label l[2] = {{SV("c"), sv_of(n)}, {SV("value"), sv_make(value, 3)}};
		family_add_value(f, labels_new(l, 2), c + 0.25);
	}
	f = snapshot_family(snapshot, "http_requests_duration_seconds", FAMILY_HISTOGRAM, "seconds", "Duration.");
	family_add_histogram(f, labels_from("service", "nginx", NULL), (uint64_t[]){1, 2, 0, 3}, 1.234567891);
	family_add_histogram(f, labels_from("service", "big", NULL), (uint64_t[]){1ull << 52, 0, 1ull << 51, 1}, 1e18);
	f = snapshot_family(snapshot, "temperature_celsius", FAMILY_GAUGE, "celsius", "");
	family_add_value(f, labels_empty(), -1.5e-9);
}

static void check_job(int port, const char *job, const char *le1)
{
	_cleanup_free_ char *expr = xasprintf("bytes_seen_total{job=\"%s\"}", job);
	json_t *r = query(port, expr), *e;
	assert_int_equal(json_array_size(r), 256);
	size_t i;
	json_array_foreach(r, i, e) {
		json_t *m = json_object_get(e, "metric");
		int c = atoi(json_string_value(json_object_get(m, "c")));
		const char *got = json_string_value(json_object_get(m, "value"));
		char want[8] = {'<', (char)c, '>', 0};
		assert_string_equal(got, c && c < 128 ? want : "<\xef\xbf\xbd>");
		assert_true(atof(json_string_value(json_array_get(json_object_get(e, "value"), 1))) == c + 0.25);
	}
	json_decref(r);
	static const struct {
		const char *expr;
		double want;
	} cases[] = {
		{"http_requests_duration_seconds_bucket{job=\"%s\",service=\"nginx\",le=\"0.005\"}", 1},
		{"http_requests_duration_seconds_bucket{job=\"%s\",service=\"nginx\",le=\"+Inf\"}", 6},
		{"http_requests_duration_seconds_sum{job=\"%s\",service=\"nginx\"}", 1.234567891},
		{"http_requests_duration_seconds_count{job=\"%s\",service=\"nginx\"}", 6},
		{"http_requests_duration_seconds_count{job=\"%s\",service=\"big\"}", 6755399441055745.0},
		{"temperature_celsius{job=\"%s\"}", -1.5e-9},
		{"up{job=\"%s\"}", 1},
	};
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		char text[256];
		snprintf(text, sizeof(text), cases[i].expr, job);
		if (only_value(port, text) != cases[i].want)
			fail_msg("%s: %.17g, not %.17g", text, only_value(port, text), cases[i].want);
	}
	_cleanup_free_ char *one = xasprintf("http_requests_duration_seconds_bucket{job=\"%s\",service=\"nginx\",le=\"%s\"}", job, le1);
	assert_true(only_value(port, one) == 3);
}

/* FLAG: one more of Prometheus' flags; WANT: the type it then asks of /metrics. */
static void scrape_with(const char *flag, const char *want)
{
	if (access(PROMETHEUS, X_OK) || access("/usr/bin/curl", X_OK)) {
		print_message("SKIP prometheus or curl is not installed (Debian packages)\n");
		skip();
	}
	build_snapshot();
	static const char *const any[] = {"127.0.0.1:0"};
	const struct web_route routes[] = {{"GET", "/metrics", false, handle_metrics, NULL, false},
					   {"GET", "/text", false, handle_text, NULL, false}};
	struct web_options opt = {.addresses = any, .n_addresses = 1, .routes = routes, .n_routes = 2};
	struct web *w = NULL;
	char *error = NULL;
	assert_int_equal(web_new(&opt, &w, &error), 0);
	assert_int_equal(web_start(w, &error), 0);

	char dir[] = "/tmp/test_exposition_prometheus.XXXXXX";
	assert_non_null(mkdtemp(dir));
	_cleanup_free_ char *config = xasprintf("%s/prometheus.yml", dir);
	FILE *f = fopen(config, "w");
	fprintf(f,
		"global: {scrape_interval: 1s, scrape_timeout: 1s}\nscrape_configs:\n"
		"- {job_name: openmetrics, static_configs: [{targets: ['%s']}]}\n"
		"- {job_name: text, metrics_path: /text, static_configs: [{targets: ['%s']}]}\n",
		web_address(w, 0), web_address(w, 0));
	fclose(f);
	int port = free_port();
	_cleanup_free_ char *arg_config = xasprintf("--config.file=%s", config);
	_cleanup_free_ char *arg_storage = xasprintf("--storage.tsdb.path=%s/tsdb", dir);
	_cleanup_free_ char *arg_listen = xasprintf("--web.listen-address=127.0.0.1:%d", port);
	_cleanup_free_ char *log = xasprintf("%s/log", dir);
	pid_t pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed assertion leaves by longjmp */
		(void)!freopen(log, "w", stderr);
		execl(PROMETHEUS, "prometheus", arg_config, arg_storage, arg_listen, flag, NULL);
		_exit(127);
	}
	bool up = false;
	for (int i = 0; i < 300 && !up; i++) {
		usleep(100000);
		json_t *r = query(port, "count(scrape_samples_scraped > 0) == 2 and sum(up) == 2");
		up = json_array_size(r) == 1;
		json_decref(r);
	}
	if (up) {
		check_job(port, "openmetrics", "1.0");
		check_job(port, "text", "1"); /* 2.x keeps the spelling of 0.0.4 */
	}
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	web_free(w);
	snapshot_unref(snapshot);
	if (!up)
		fail_msg("prometheus did not scrape both jobs, see %s", log);
	assert_non_null(strstr(last_type, want));
	_cleanup_free_ char *rm = xasprintf("rm -r %s", dir);
	assert_int_equal(system(rm), 0);
}

static void test_text_formats(void **state)
{
	scrape_with("--log.level=info", "application/openmetrics-text; version=1.0.0;");
}

static void test_protobuf(void **state)
{
	scrape_with("--enable-feature=native-histograms", "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily;");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_text_formats), cmocka_unit_test(test_protobuf)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
