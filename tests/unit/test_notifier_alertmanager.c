// SPDX-License-Identifier: GPL-2.0-or-later
/* Against Debian's prometheus-alertmanager on a free loopback port. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/json.h"
#include "http_server.h"
#include "notifier/notifier.h"

#define ALERTMANAGER "/usr/bin/prometheus-alertmanager"

/* bcrypt of "secret" at the least cost. */
#define BCRYPT_OF_SECRET "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

static char dir[] = "/tmp/reqtally-am-XXXXXX";

static char *in_dir(const char *name)
{
	return xasprintf("%s/%s", dir, name);
}

static void put(const char *name, const char *text)
{
	char *path = in_dir(name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(path);
}

static int setup(void **state)
{
	if (!mkdtemp(dir))
		return -1;
	put("am.yml", "route: {receiver: none}\nreceivers: [{name: none}]\n");
	return 0;
}

static int teardown(void **state)
{
	char *cmd = xasprintf("rm -r %s", dir);
	int r = system(cmd);
	free(cmd);
	return r;
}

struct alertmanager {
	pid_t pid;
	int port;
};

static bool can_connect(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool ok = connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0;
	close(fd);
	return ok;
}

static struct alertmanager alertmanager_start(const char *web_config)
{
	struct alertmanager am = {.port = free_port()};
	char *listen = xasprintf("--web.listen-address=127.0.0.1:%d", am.port), *config = xasprintf("--config.file=%s/am.yml", dir),
	     *storage = xasprintf("--storage.path=%s/data%d", dir, am.port), *log = in_dir("am.log"),
	     *web = xasprintf("--web.config.file=%s%s%s", web_config ? dir : "", web_config ? "/" : "", web_config ? web_config : "");
	am.pid = fork();
	if (am.pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL); /* a failed test leaves nothing behind */
		int fd = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600);
		dup2(fd, 1);
		dup2(fd, 2);
		execl(ALERTMANAGER, ALERTMANAGER, listen, config, storage, web, "--cluster.listen-address=", NULL);
		_exit(127);
	}
	free(listen);
	free(config);
	free(storage);
	free(web);
	for (int i = 0; i < 2000 && !can_connect(am.port); i++) {
		if (waitpid(am.pid, NULL, WNOHANG) == am.pid)
			fail_msg("%s ended, see %s", ALERTMANAGER, log);
		usleep(10000);
	}
	free(log);
	return am;
}

static void alertmanager_stop(struct alertmanager *am)
{
	kill(am->pid, SIGTERM);
	waitpid(am->pid, NULL, 0);
}

#define SKIP_WITHOUT_ALERTMANAGER()                                                                                                          \
	do {                                                                                                                                 \
		if (access(ALERTMANAGER, X_OK) < 0) {                                                                                        \
			print_message("SKIP " ALERTMANAGER " is not installed\n");                                                           \
			skip();                                                                                                              \
		}                                                                                                                            \
	} while (0)

static struct notifier *notifier_for(const char *settings, int port)
{
	char *text = xasprintf("global: {external_labels: {cluster: test}}\nalerting:\n  alertmanagers:\n"
			       "  - static_configs: [{targets: ['127.0.0.1:%d']}]\n%s", port, settings), *error;
	struct config *cfg;
	struct notifier_options o = {0};
	if (config_parse("t.yml", dir, text, strlen(text), &cfg, &error) < 0)
		fail_msg("%s", error);
	struct notifier *n = notifier_new(&o);
	notifier_reload(n, cfg->alerting);
	config_free(cfg);
	free(text);
	return n;
}

static void send_alert(struct notifier *n, const char *name, int64_t ends_in_ms)
{
	int64_t now = clock_unix_ms();
	struct notifier_alert a = {.labels = labels_from("alertname", name, "path", "/a \"b\" \xc3\xb6 <&>", NULL),
				   .annotations = labels_from("summary", "High latency", NULL),
				   .starts_at = now - 60000,
				   .ends_at = now + ends_in_ms,
				   .generator_url = "http://host:9839/graph?g0.expr=up+%3E+0&g0.tab=1"};
	notifier_send(n, &a, 1);
	labels_unref(a.labels);
	labels_unref(a.annotations);
}

/* Waits for the first request to have an outcome. */
static struct notifier_stats outcome(struct notifier *n, uint64_t requests)
{
	struct notifier_stats s;
	for (int i = 0; i < 2000; i++) {
		notifier_stats(n, &s);
		if (s.v[0].latency_count >= requests)
			return s;
		notifier_stats_free(&s);
		usleep(10000);
	}
	fail_msg("no outcome");
	return s;
}

/* The active alerts that Alertmanager shows, over plain HTTP/1.0. */
static json_t *alerts_of(int port)
{
	static const char ask[] = "GET /api/v2/alerts HTTP/1.0\r\n\r\n";
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct buf b = BUF_LIMIT((size_t)1 << 20);
	char chunk[4096];
	ssize_t n;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(write(fd, ask, sizeof(ask) - 1), sizeof(ask) - 1);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_add(&b, chunk, (size_t)n);
	close(fd);
	char *body = strstr(buf_str(&b), "\r\n\r\n");
	assert_non_null(body);
	json_t *list = json_loads(body, 0, NULL);
	buf_free(&b);
	assert_true(json_is_array(list));
	return list;
}

static json_t *wait_alerts(int port, size_t want)
{
	for (int i = 0; i < 2000; i++) {
		json_t *list = alerts_of(port);
		if (json_array_size(list) == want)
			return list;
		json_decref(list);
		usleep(10000);
	}
	fail_msg("Alertmanager does not show %zu alerts", want);
	return NULL;
}

static const char *text_at(json_t *alert, const char *group, const char *name)
{
	json_t *o = group ? json_object_get(alert, group) : alert;
	return json_string_value(json_object_get(o, name));
}

static void test_arrives_and_resolves(void **state)
{
	SKIP_WITHOUT_ALERTMANAGER();
	struct alertmanager am = alertmanager_start(NULL);
	struct notifier *n = notifier_for("", am.port);
	send_alert(n, "HighRequestLatency", 240000);
	struct notifier_stats s = outcome(n, 1);
	if (s.v[0].last_error)
		fail_msg("%s", s.v[0].last_error);
	assert_int_equal(s.v[0].sent, 1);
	notifier_stats_free(&s);
	json_t *list = wait_alerts(am.port, 1), *alert = json_array_get(list, 0);
	assert_string_equal(text_at(alert, "labels", "alertname"), "HighRequestLatency");
	assert_string_equal(text_at(alert, "labels", "cluster"), "test");
	assert_string_equal(text_at(alert, "labels", "path"), "/a \"b\" \xc3\xb6 <&>");
	assert_string_equal(text_at(alert, "annotations", "summary"), "High latency");
	assert_string_equal(text_at(alert, NULL, "generatorURL"), "http://host:9839/graph?g0.expr=up+%3E+0&g0.tab=1");
	json_decref(list);
	/* The same alert with its end in the past is resolved. */
	send_alert(n, "HighRequestLatency", -1000);
	json_decref(wait_alerts(am.port, 0));
	notifier_free(n);
	alertmanager_stop(&am);
}

static void test_invalid_alert_is_an_error(void **state)
{
	SKIP_WITHOUT_ALERTMANAGER();
	struct alertmanager am = alertmanager_start(NULL);
	struct notifier *n = notifier_for("", am.port);
	struct notifier_alert a = {.labels = labels_from("alertname", "x", "a b", "no legacy name", NULL), .starts_at = clock_unix_ms()};
	notifier_send(n, &a, 1);
	labels_unref(a.labels);
	struct notifier_stats s = outcome(n, 1);
	assert_int_equal(s.v[0].errors, 1);
	assert_int_equal(s.v[0].sent, 0);
	assert_non_null(strstr(s.v[0].last_error, "bad response status 400: "));
	assert_non_null(strstr(s.v[0].last_error, "invalid label set"));
	notifier_stats_free(&s);
	notifier_free(n);
	alertmanager_stop(&am);
}

/* One alert with SETTINGS; returns the error, NULL if it was taken. */
static char *try(const char *settings, int port)
{
	struct notifier *n = notifier_for(settings, port);
	send_alert(n, "x", 60000);
	struct notifier_stats s = outcome(n, 1);
	assert_int_equal(s.v[0].errors, s.v[0].last_error ? 1 : 0);
	assert_int_equal(s.v[0].dropped, s.v[0].errors);
	assert_int_equal(s.v[0].sent, s.v[0].last_error ? 0 : 1);
	char *error = s.v[0].last_error ? xstrdup(s.v[0].last_error) : NULL;
	notifier_stats_free(&s);
	notifier_free(n);
	return error;
}

static void expect(const char *settings, int port, const char *want_error)
{
	char *error = try(settings, port);
	if (!want_error && error)
		fail_msg("%s: %s", settings, error);
	if (want_error && (!error || !strstr(error, want_error)))
		fail_msg("%s: got %s, want %s", settings, error ? error : "success", want_error);
	free(error);
}

static void test_tls_and_basic_auth(void **state)
{
	SKIP_WITHOUT_ALERTMANAGER();
	if (access("/usr/bin/openssl", X_OK) < 0) {
		print_message("SKIP /usr/bin/openssl is not installed\n");
		skip();
	}
	char *cmd = xasprintf("cd %s && exec 2>/dev/null && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 "
			      "-subj /CN=am.test -addext subjectAltName=DNS:am.test -keyout key.pem -out cert.pem && "
			      "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=other "
			      "-keyout other-key.pem -out other.pem", dir);
	assert_int_equal(system(cmd), 0);
	free(cmd);
	put("password", "secret\n");
	put("web.yml", "tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: RequireAndVerifyClientCert,"
		       " client_ca_file: other.pem, min_version: TLS12, max_version: TLS12}\n"
		       "basic_auth_users: {u: " BCRYPT_OF_SECRET "}\n");
	struct alertmanager am = alertmanager_start("web.yml");
#define TLS(more) "    scheme: https\n    tls_config: {ca_file: cert.pem, server_name: am.test" more "}\n"
#define CLIENT ", cert_file: other.pem, key_file: other-key.pem"
#define AUTH "    basic_auth: {username: u, password_file: password}\n"
	expect(TLS(CLIENT) AUTH, am.port, NULL);
	expect(TLS(CLIENT) "    basic_auth: {username: u, password: wrong}\n", am.port, "bad response status 401");
	expect(TLS(CLIENT), am.port, "bad response status 401");
	expect(TLS(CLIENT) "    authorization: {credentials: x}\n", am.port, "bad response status 401");
	/* Without the client's certificate, for another name, with another CA, in the clear, with a version the server has not. */
	expect(TLS("") AUTH, am.port, "SSL");
	expect("    scheme: https\n    tls_config: {ca_file: cert.pem" CLIENT "}\n" AUTH, am.port, "SSL");
	expect("    scheme: https\n    tls_config: {ca_file: other.pem, server_name: am.test" CLIENT "}\n" AUTH, am.port, "SSL");
	expect("    scheme: https\n    tls_config: {insecure_skip_verify: true" CLIENT "}\n" AUTH, am.port, NULL);
	expect(AUTH, am.port, "bad response status 400");
	expect(TLS(CLIENT ", min_version: TLS13") AUTH, am.port, "SSL");
	put("password", "stale");
	expect(TLS(CLIENT) AUTH, am.port, "bad response status 401");
	alertmanager_stop(&am);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_arrives_and_resolves),
		cmocka_unit_test(test_invalid_alert_is_an_error),
		cmocka_unit_test(test_tls_and_basic_auth),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
