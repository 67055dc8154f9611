// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/json.h"
#include "http_server.h"
#include "notifier/message.h"
#include "notifier/metrics.h"
#include "notifier/notifier.h"

static struct http_server *server, *other;
static struct strings reports;
static pthread_mutex_t reports_lock = PTHREAD_MUTEX_INITIALIZER;

static void report(void *self, const char *message)
{
	pthread_mutex_lock(&reports_lock);
	strings_add(&reports, message);
	pthread_mutex_unlock(&reports_lock);
}

static int setup(void **state)
{
	server = server_start();
	other = server_start();
	return 0;
}

static int teardown(void **state)
{
	server_stop(server);
	server_stop(other);
	strings_free(&reports);
	return 0;
}

/* The alerting section of TEXT, in which $1 and $2 are the servers' ports. */
static struct config_alerting *alerting(const char *text)
{
	struct buf b = BUF_INIT;
	struct config *cfg;
	char *error;
	for (const char *p = text; *p; p++) {
		if (*p == '$' && (p[1] == '1' || p[1] == '2'))
			buf_addf(&b, "127.0.0.1:%d", *++p == '1' ? server->port : other->port);
		else
			buf_addc(&b, *p);
	}
	if (config_parse("t.yml", ".", b.p, b.n, &cfg, &error) < 0)
		fail_msg("%s", error);
	struct config_alerting *a = config_alerting_ref(cfg->alerting);
	config_free(cfg);
	buf_free(&b);
	return a;
}

static struct notifier *start(const char *text, size_t capacity, size_t batch)
{
	struct notifier_options o = {.capacity = capacity, .batch = batch, .report = report};
	struct notifier *n = notifier_new(&o);
	struct config_alerting *a = alerting(text);
	notifier_reload(n, a);
	config_alerting_unref(a);
	return n;
}

static void reload(struct notifier *n, const char *text)
{
	struct config_alerting *a = alerting(text);
	notifier_reload(n, a);
	config_alerting_unref(a);
}

/* Alerts called NAME0 .. NAME(COUNT-1), in one call. */
static void send_named(struct notifier *n, const char *name, size_t count, const char *extra_name, const char *extra_value)
{
	struct notifier_alert *a = xcalloc(count, sizeof(*a));
	for (size_t i = 0; i < count; i++) {
		char *text = xasprintf("%s%zu", name, i);
		a[i] = (struct notifier_alert){.labels = labels_from("alertname", text, extra_name ? extra_name : "x", extra_value ? extra_value : "", NULL),
					       .annotations = labels_from("summary", "s", NULL),
					       .starts_at = 1700000000007,
					       .ends_at = 1700000240000,
					       .generator_url = "http://h/graph?g0.expr=up&g0.tab=1"};
		free(text);
	}
	notifier_send(n, a, count);
	for (size_t i = 0; i < count; i++) {
		labels_unref(a[i].labels);
		labels_unref(a[i].annotations);
	}
	free(a);
}

static const char *label_of(json_t *alert, const char *name)
{
	return json_string_value(json_object_get(json_object_get(alert, "labels"), name));
}

/* The alertnames of request I, "a0 a1 ". */
static char *names_in(struct http_server *s, size_t i)
{
	struct buf b = BUF_INIT;
	pthread_mutex_lock(&s->lock);
	json_t *list = json_loads(s->requests[i].body, 0, NULL), *alert;
	pthread_mutex_unlock(&s->lock);
	size_t k;
	assert_true(json_is_array(list));
	json_array_foreach(list, k, alert)
		buf_addf(&b, "%s ", label_of(alert, "alertname"));
	json_decref(list);
	return buf_steal(&b);
}

static void expect_names(struct http_server *s, size_t i, const char *want)
{
	char *names = names_in(s, i);
	assert_string_equal(names, want);
	free(names);
}

static void test_json(void **state)
{
	struct notifier_alert a = {.labels = labels_from("alertname", "x", "bad", "a\xff" "b", NULL), .starts_at = 1, .ends_at = 951782400123};
	struct message *m[2] = {message_new(&a, labels_ref(a.labels)), NULL};
	a.annotations = labels_from("d", "\"q\"\n", NULL);
	a.generator_url = "http://h/g?a=b&c";
	a.ends_at = 0;
	m[1] = message_new(&a, labels_ref(a.labels));
	char *text = message_json(m, 2);
	assert_string_equal(text, "[{\"labels\":{\"alertname\":\"x\",\"bad\":\"a\xef\xbf\xbd" "b\"},\"annotations\":{},"
				  "\"startsAt\":\"1970-01-01T00:00:00.001Z\",\"endsAt\":\"2000-02-29T00:00:00.123Z\"},"
				  "{\"labels\":{\"alertname\":\"x\",\"bad\":\"a\xef\xbf\xbd" "b\"},\"annotations\":{\"d\":\"\\\"q\\\"\\n\"},"
				  "\"startsAt\":\"1970-01-01T00:00:00.001Z\",\"generatorURL\":\"http://h/g?a=b&c\"}]");
	free(text);
	message_free(m[0]);
	message_free(m[1]);
	labels_unref(a.labels);
	labels_unref(a.annotations);
}

static void test_request(void **state)
{
	struct notifier *n = start("global: {external_labels: {site: x, team: default}}\n"
				   "alerting:\n"
				   "  alert_relabel_configs: [{source_labels: [alertname], regex: a1, action: drop}, {regex: replica, action: labeldrop}]\n"
				   "  alertmanagers: [{path_prefix: /am/, static_configs: [{targets: ['$1', '$1']}]}]\n", 0, 0);
	send_named(n, "a", 3, "team", "own");
	assert_true(server_wait(server, 1));
	assert_true(strncmp(server->requests[0].head, "POST /am/api/v2/alerts HTTP/1.1\r\n", 33) == 0);
	assert_non_null(strcasestr(server->requests[0].head, "\r\nContent-Type: application/json\r\n"));
	expect_names(server, 0, "a0 a2 ");
	json_t *list = json_loads(server->requests[0].body, 0, NULL), *alert = json_array_get(list, 0);
	assert_string_equal(label_of(alert, "site"), "x");
	assert_string_equal(label_of(alert, "team"), "own");
	assert_string_equal(json_string_value(json_object_get(alert, "startsAt")), "2023-11-14T22:13:20.007Z");
	assert_string_equal(json_string_value(json_object_get(alert, "endsAt")), "2023-11-14T22:17:20.000Z");
	assert_string_equal(json_string_value(json_object_get(alert, "generatorURL")), "http://h/graph?g0.expr=up&g0.tab=1");
	json_decref(list);
	notifier_stop(n, 10000);
	struct notifier_stats s;
	notifier_stats(n, &s);
	assert_int_equal(s.n, 1); /* the same URL twice is one Alertmanager */
	assert_int_equal(s.v[0].sent, 2);
	assert_int_equal(s.v[0].errors + s.v[0].dropped, 0);
	assert_int_equal(s.v[0].latency_count, 1);
	assert_int_equal(s.v[0].queue_capacity, NOTIFIER_CAPACITY);
	assert_null(s.v[0].last_error);
	assert_false(s.v[0].failing);
	notifier_stats_free(&s);
	/* Stopped: nothing is taken any more. */
	send_named(n, "late", 1, NULL, NULL);
	notifier_free(n);
	assert_int_equal(server->n, 1);
}

static void test_blocks(void **state)
{
	struct notifier *n = start("alerting:\n  alertmanagers:\n"
				   "  - static_configs: [{targets: ['$1']}]\n"
				   "    alert_relabel_configs: [{source_labels: [alertname], regex: a0, action: drop}, {target_label: to, replacement: one}]\n"
				   "  - static_configs: [{targets: ['x', '$2']}]\n"
				   "    relabel_configs: [{source_labels: [__address__], regex: x, action: drop}, {target_label: __alerts_path__, replacement: /p}]\n", 0, 0);
	send_named(n, "a", 2, NULL, NULL);
	assert_true(server_wait(server, 1) && server_wait(other, 1));
	expect_names(server, 0, "a1 ");
	assert_non_null(strstr(server->requests[0].body, "\"to\":\"one\""));
	expect_names(other, 0, "a0 a1 ");
	assert_null(strstr(other->requests[0].body, "\"to\""));
	assert_true(strncmp(other->requests[0].head, "POST /p HTTP/1.1\r\n", 18) == 0);
	notifier_free(n);
}

static void test_batches_and_overflow(void **state)
{
	struct notifier *n = start("alerting: {alertmanagers: [{static_configs: [{targets: ['$1', '$2']}]}]}\n", 10, 4);
	server_set(server, 200, "", "", true); /* the first request stays unanswered: what follows waits in the queue */
	send_named(n, "first", 1, NULL, NULL);
	assert_true(server_wait(server, 1) && server_wait(other, 1));
	send_named(n, "a", 8, NULL, NULL);
	send_named(n, "b", 5, NULL, NULL); /* 13 for 10 places: a0, a1, a2 go */
	/* The other Alertmanager is not held up. */
	assert_true(server_wait(other, 2));
	struct notifier_stats s;
	notifier_stats(n, &s);
	assert_int_equal(s.v[0].dropped, 3);
	assert_int_equal(s.v[0].errors, 0);
	assert_int_equal(s.v[0].queue_length, 10);
	assert_int_equal(s.v[0].queue_capacity, 10);
	notifier_stats_free(&s);
	server_set(server, 200, "", "", false);
	assert_true(server_wait(server, 4));
	expect_names(server, 0, "first0 ");
	expect_names(server, 1, "a3 a4 a5 a6 ");
	expect_names(server, 2, "a7 b0 b1 b2 ");
	expect_names(server, 3, "b3 b4 ");
	notifier_stop(n, 10000);
	notifier_stats(n, &s);
	assert_int_equal(s.v[0].sent, 11);
	assert_int_equal(s.v[0].latency_count, 4);
	notifier_stats_free(&s);
	notifier_free(n);
	assert_true(reports.n > 0);
	assert_non_null(strstr(reports.v[0], "alert queue full"));
}

static void test_errors(void **state)
{
	struct notifier *n = start("alerting: {alertmanagers: [{static_configs: [{targets: ['$1']}]}]}\n", 0, 0);
	server_set(server, 400, "", "\"at least one\nlabel\"", false);
	send_named(n, "a", 2, NULL, NULL);
	assert_true(server_wait(server, 1));
	notifier_stop(n, 10000);
	struct notifier_stats s;
	notifier_stats(n, &s);
	assert_int_equal(s.v[0].errors, 2);
	assert_int_equal(s.v[0].dropped, 2);
	assert_int_equal(s.v[0].sent, 0);
	assert_true(s.v[0].failing);
	assert_true(s.v[0].last_error_at > 0);
	assert_string_equal(s.v[0].last_error, "bad response status 400: \"at least one label\"");
	notifier_stats_free(&s);
	notifier_free(n);
	assert_int_equal(server->n, 1); /* no retry */
	assert_non_null(strstr(reports.v[0], "error sending 2 alerts to http://127.0.0.1:"));
}

static void test_down(void **state)
{
	char *text = xasprintf("alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:%d', '$2']}]}]}\n", free_port());
	struct notifier *n = start(text, 0, 0);
	send_named(n, "a", 1, NULL, NULL);
	assert_true(server_wait(other, 1));
	notifier_stop(n, 10000);
	struct notifier_stats s;
	notifier_stats(n, &s);
	assert_int_equal(s.v[0].errors, 1);
	assert_int_equal(s.v[1].sent, 1);
	notifier_stats_free(&s);
	notifier_free(n);
	free(text);
}

/* One that takes its time has that of `timeout`; what it was to get is lost, and the next goes out. The other knows nothing of it. */
static void test_slow(void **state)
{
	struct notifier *n = start("alerting:\n  alertmanagers:\n  - {timeout: 200ms, static_configs: [{targets: ['$1']}]}\n"
				   "  - static_configs: [{targets: ['$2']}]\n", 0, 0);
	struct notifier_stats s;
	server_set(server, 200, "", "", true);
	send_named(n, "a", 2, NULL, NULL);
	assert_true(server_wait(other, 1));
	for (int i = 0; i < 1000; i++) {
		notifier_stats(n, &s);
		bool failed = s.v[0].errors == 2;
		if (failed)
			assert_non_null(strstr(s.v[0].last_error, "timed out"));
		notifier_stats_free(&s);
		if (failed)
			break;
		usleep(10000);
	}
	server_set(server, 200, "", "", false);
	send_named(n, "b", 1, NULL, NULL);
	assert_true(server_wait(other, 2));
	notifier_stop(n, 10000);
	notifier_stats(n, &s);
	assert_int_equal(s.v[0].errors, 2);
	assert_int_equal(s.v[0].dropped, 2);
	assert_int_equal(s.v[0].sent, 1);
	assert_int_equal(s.v[1].errors, 0);
	assert_int_equal(s.v[1].sent, 3);
	notifier_stats_free(&s);
	notifier_free(n);
}

static void test_drain(void **state)
{
	/* What is queued goes out at the end ... */
	struct notifier *n = start("alerting: {alertmanagers: [{static_configs: [{targets: ['$1']}]}]}\n", 0, 2);
	send_named(n, "a", 5, NULL, NULL);
	notifier_stop(n, 20000);
	assert_int_equal(server->n, 3);
	notifier_free(n);
	/* ... but an Alertmanager that does not answer cannot hold us back: the rest is dropped and counted. */
	n = start("alerting: {alertmanagers: [{timeout: 10m, static_configs: [{targets: ['$2']}]}]}\n", 0, 2);
	server_set(other, 200, "", "", true);
	send_named(n, "b", 5, NULL, NULL);
	assert_true(server_wait(other, 1));
	notifier_stop(n, 100);
	struct notifier_stats s;
	notifier_stats(n, &s);
	assert_int_equal(s.v[0].sent, 0);
	assert_int_equal(s.v[0].dropped, 5);
	assert_int_equal(s.v[0].queue_length, 0);
	notifier_stats_free(&s);
	notifier_free(n);
}

static void test_reload(void **state)
{
	struct notifier *n = start("alerting: {alertmanagers: [{static_configs: [{targets: ['$1']}]}]}\n", 0, 1);
	server_set(server, 200, "", "", true);
	send_named(n, "a", 3, NULL, NULL);
	assert_true(server_wait(server, 1));
	/* The first one stays and keeps its queue, with new settings; there is a second one. */
	reload(n, "alerting: {alertmanagers: [{static_configs: [{targets: ['$2']}]}, {static_configs: [{targets: ['$1']}],"
		  " authorization: {credentials: new}}]}\n");
	send_named(n, "b", 1, NULL, NULL);
	assert_true(server_wait(other, 1));
	server_set(server, 200, "", "", false);
	assert_true(server_wait(server, 4));
	expect_names(server, 2, "a2 ");
	expect_names(server, 3, "b0 ");
	assert_null(strcasestr(server->requests[0].head, "Authorization"));
	assert_non_null(strcasestr(server->requests[3].head, "\r\nAuthorization: Bearer new\r\n"));
	struct notifier_stats s;
	/* The second goes; it is told no more. What it did stays in the books. */
	reload(n, "alerting: {alertmanagers: [{static_configs: [{targets: ['$1']}]}]}\n");
	send_named(n, "c", 1, NULL, NULL);
	assert_true(server_wait(server, 5));
	notifier_stop(n, 10000);
	assert_int_equal(other->n, 1);
	notifier_stats(n, &s);
	assert_int_equal(s.n, 1);
	assert_int_equal(s.v[0].sent, 5);
	assert_int_equal(s.gone_sent, 1);
	notifier_stats_free(&s);
	notifier_free(n);
}

static void write_target(const char *path, const char *text)
{
	char *tmp = xasprintf("%s.tmp", path);
	FILE *f = fopen(tmp, "w");
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(tmp, path), 0);
	free(tmp);
}

static void wait_peers(struct notifier *n, size_t want, uint64_t errors)
{
	for (int i = 0; i < 2000; i++) {
		struct notifier_stats s;
		notifier_stats(n, &s);
		bool ok = s.n == want && s.discovery_errors >= errors;
		notifier_stats_free(&s);
		if (ok)
			return;
		usleep(10000);
	}
	fail_msg("there are not %zu Alertmanagers", want);
}

static void test_file_sd(void **state)
{
	char dir[] = "/tmp/reqtally-sd-XXXXXX";
	assert_non_null(mkdtemp(dir));
	char *file = xasprintf("%s/a.json", dir), *one = xasprintf("[{\"targets\": [\"127.0.0.1:%d\"]}]", server->port),
	     *two = xasprintf("[{\"targets\": [\"127.0.0.1:%d\", \"127.0.0.1:%d\"]}]", server->port, other->port),
	     *text = xasprintf("alerting: {alertmanagers: [{file_sd_configs: [{files: ['%s/*.json'], refresh_interval: 100ms}]}]}\n", dir);
	write_target(file, one);
	struct notifier *n = start(text, 0, 0);
	wait_peers(n, 1, 0);
	send_named(n, "a", 1, NULL, NULL);
	assert_true(server_wait(server, 1));
	write_target(file, two);
	wait_peers(n, 2, 0);
	send_named(n, "b", 1, NULL, NULL);
	assert_true(server_wait(server, 2) && server_wait(other, 1));
	expect_names(other, 0, "b0 ");
	/* A broken file keeps what was. */
	write_target(file, "[{");
	wait_peers(n, 2, 1);
	send_named(n, "c", 1, NULL, NULL);
	assert_true(server_wait(other, 2));
	unlink(file);
	wait_peers(n, 0, 1);
	notifier_free(n);
	assert_int_equal(rmdir(dir), 0);
	free(file);
	free(one);
	free(two);
	free(text);
}

static void test_http_sd(void **state)
{
	struct http_server *sd = server_start();
	char *one = xasprintf("[{\"targets\": [\"127.0.0.1:%d\"]}]", server->port),
	     *two = xasprintf("[{\"targets\": [\"127.0.0.1:%d\"], \"labels\": {\"a\": \"b\"}}, {\"targets\": [\"127.0.0.1:%d\"]}]", server->port, other->port),
	     *text = xasprintf("alerting: {alertmanagers: [{http_sd_configs: [{url: 'http://127.0.0.1:%d/sd', refresh_interval: 100ms}]}]}\n", sd->port);
	static const char json[] = "Content-Type: application/json\r\n";
	server_set(sd, 200, json, one, false);
	struct notifier *n = start(text, 0, 0);
	wait_peers(n, 1, 0);
	send_named(n, "a", 1, NULL, NULL);
	assert_true(server_wait(server, 1));
	server_set(sd, 200, json, two, false);
	wait_peers(n, 2, 0);
	send_named(n, "b", 1, NULL, NULL);
	assert_true(server_wait(server, 2) && server_wait(other, 1));
	/* Errors and nonsense change nothing; a configuration that stays keeps what the server told. */
	server_set(sd, 500, json, "[]", false);
	wait_peers(n, 2, 1);
	server_set(sd, 200, "Content-Type: text/html\r\n", "[]", false);
	wait_peers(n, 2, 2);
	reload(n, text);
	wait_peers(n, 2, 2);
	send_named(n, "c", 1, NULL, NULL);
	assert_true(server_wait(server, 3) && server_wait(other, 2));
	server_set(sd, 200, json, "[]", false);
	wait_peers(n, 0, 2);
	/* One that hangs does not hold up the end. */
	server_set(sd, 200, json, one, true);
	usleep(200000);
	notifier_free(n);
	server_set(sd, 200, json, "[]", false);
	server_stop(sd);
	free(one);
	free(two);
	free(text);
}

static void test_none(void **state)
{
	struct notifier_options o = {0};
	struct notifier *n = notifier_new(&o);
	send_named(n, "a", 1, NULL, NULL); /* before any configuration */
	struct notifier_stats s;
	notifier_stats(n, &s);
	assert_int_equal(s.n, 0);
	notifier_stats_free(&s);
	reload(n, "alerting: {alertmanagers: []}\n");
	send_named(n, "a", 1, NULL, NULL);
	notifier_free(n);
	notifier_free(NULL);
}

static double value_of(const struct snapshot *s, const char *name, size_t metric)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->families[i].name, name) == 0) {
			assert_true(metric < s->families[i].n);
			return s->families[i].metrics[metric].value;
		}
	}
	fail_msg("no family %s", name);
	return 0;
}

static void test_metrics(void **state)
{
	/* The same URL in two items is sent to twice and shown once. */
	struct notifier *n = start("alerting: {alertmanagers: [{static_configs: [{targets: ['$1', '$2']}]},"
				   " {static_configs: [{targets: ['$1']}]}]}\n", 0, 0);
	server_set(server, 200, "Connection: close\r\n", "", false); /* it serves one connection at a time */
	send_named(n, "a", 3, NULL, NULL);
	assert_true(server_wait(server, 2) && server_wait(other, 1));
	notifier_stop(n, 10000);
	struct snapshot *s = snapshot_new(NULL, 0);
	notifier_metrics(n, s);
	assert_true(value_of(s, "reqtally_notifications_sent_total", 0) == 6);
	assert_true(value_of(s, "reqtally_notifications_sent_total", 1) == 3);
	assert_true(value_of(s, "reqtally_notifications_requests_total", 0) == 2);
	assert_true(value_of(s, "reqtally_notifications_errors_total", 0) == 0);
	assert_true(value_of(s, "reqtally_notifications_alertmanagers", 0) == 2);
	assert_int_equal(s->families[0].n, 2);
	char *url = xasprintf("http://127.0.0.1:%d/api/v2/alerts", server->port);
	assert_true(sv_eqs(labels_get(s->families[0].metrics[0].labels, SV("alertmanager")), url));
	free(url);
	snapshot_unref(s);
	notifier_free(n);
	assert_int_equal(server->n, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_json, setup, teardown),
		cmocka_unit_test_setup_teardown(test_request, setup, teardown),
		cmocka_unit_test_setup_teardown(test_blocks, setup, teardown),
		cmocka_unit_test_setup_teardown(test_batches_and_overflow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
		cmocka_unit_test_setup_teardown(test_down, setup, teardown),
		cmocka_unit_test_setup_teardown(test_slow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_drain, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file_sd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_http_sd, setup, teardown),
		cmocka_unit_test_setup_teardown(test_metrics, setup, teardown),
		cmocka_unit_test_setup_teardown(test_none, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
