// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "base/clock.h"
#include "http_server.h"
#include "net/http.h"

#define TIMEOUT 15000

static struct http_server *server;

static int setup(void **state)
{
	server = server_start();
	return 0;
}

static int teardown(void **state)
{
	server_stop(server);
	return 0;
}

/* One POST with OPTIONS; returns the status, or the negative error with *ERROR. */
static int post(const struct net_options *o, const char *path, char **error)
{
	struct http_client *c = http_client_new(o);
	struct http_reply r = {0};
	char *url = xasprintf("http://127.0.0.1:%d%s", server->port, path);
	int err = http_client_post(c, url, "application/json", "[1]", 3, TIMEOUT, 16, &r, error);
	int status = err ? err : r.status;
	http_reply_free(&r);
	http_client_free(c);
	free(url);
	return status;
}

static bool has(const char *head, const char *line)
{
	return strcasestr(head, line) != NULL;
}

static void test_post(void **state)
{
	struct net_options o;
	struct http_reply r;
	char *error = NULL, *url = xasprintf("http://127.0.0.1:%d/a/b", server->port);
	net_options_init(&o);
	struct http_client *c = http_client_new(&o);
	server_set(server, 418, "", "0123456789abcdefXYZ", false);
	/* The proxy variables of the environment are not for us. */
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	if (http_client_post(c, url, "application/json", "{\"x\":1}", 7, TIMEOUT, 16, &r, &error))
		fail_msg("%s", error);
	assert_int_equal(r.status, 418);
	assert_int_equal(r.n, 16);
	assert_string_equal(r.body, "0123456789abcdef");
	http_reply_free(&r);
	/* The same connection again. */
	assert_int_equal(http_client_post(c, url, "application/json", "", 0, TIMEOUT, 16, &r, &error), 0);
	http_reply_free(&r);
	unsetenv("http_proxy");
	http_client_free(c);
	const struct recorded *q = &server->requests[0];
	assert_int_equal(server->n, 2);
	assert_true(strncmp(q->head, "POST /a/b HTTP/1.1\r\n", 20) == 0);
	assert_true(has(q->head, "\r\nContent-Type: application/json\r\n"));
	assert_true(has(q->head, "\r\nUser-Agent: reqtally/" REQTALLY_VERSION "\r\n"));
	assert_false(has(q->head, "\r\nExpect:") || has(q->head, "\r\nAuthorization:"));
	assert_string_equal(q->body, "{\"x\":1}");
	net_options_free(&o);
	free(url);
}

static void test_auth(void **state)
{
	struct net_options o;
	char path[] = "/tmp/reqtally-net-XXXXXX", *error = NULL;
	int fd = mkstemp(path);
	net_options_init(&o);
	o.basic_auth = true;
	o.username = xstrdup("u");
	o.password_file = xstrdup(path);
	assert_int_equal(write(fd, " p:w\n\n", 6), 6);
	assert_int_equal(post(&o, "/", &error), 200);
	/* Changed meanwhile: read again for each request. */
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pwrite(fd, "new", 3, 0), 3);
	assert_int_equal(post(&o, "/", &error), 200);
	unlink(path);
	assert_int_equal(post(&o, "/", &error), -EACCES);
	assert_non_null(strstr(error, "cannot read password_file /tmp/reqtally-net-"));
	free(error);
	net_options_free(&o);
	net_options_init(&o);
	o.auth_type = xstrdup("Bearer");
	o.credentials = xstrdup("tok");
	array_grow(o.headers.v, o.headers.n, o.headers.cap);
	o.headers.v[o.headers.n++] = (struct net_header){.name = xstrdup("X-Org")};
	strings_add(&o.headers.v[0].values, "a");
	strings_add(&o.headers.v[0].values, "");
	assert_int_equal(post(&o, "/", &error), 200);
	strings_add(&o.headers.v[0].values, "a\r\nX-Evil: 1");
	assert_int_equal(post(&o, "/", &error), -EIO);
	assert_string_equal(error, "header X-Org: a header cannot hold a line break");
	free(error);
	net_options_free(&o);
	assert_int_equal(server->n, 3);
	assert_true(has(server->requests[0].head, "\r\nAuthorization: Basic dTpwOnc=\r\n"));
	assert_true(has(server->requests[1].head, "\r\nAuthorization: Basic dTpuZXc=\r\n"));
	assert_true(has(server->requests[2].head, "\r\nAuthorization: Bearer tok\r\n"));
	assert_true(has(server->requests[2].head, "\r\nX-Org: a\r\n") && has(server->requests[2].head, "\r\nX-Org:\r\n"));
	close(fd);
}

static void test_redirects(void **state)
{
	struct net_options o;
	char *error = NULL;
	net_options_init(&o);
	o.follow_redirects = false;
	server_set(server, 307, "Location: /next\r\n", "", false);
	assert_int_equal(post(&o, "/first", &error), 307);
	assert_int_equal(server->n, 1);
	o.follow_redirects = true;
	assert_int_equal(post(&o, "/first", &error), -EIO); /* round and round */
	assert_non_null(strstr(error, "redirects"));
	free(error);
	assert_int_equal(server->n, 1 + 11);
	assert_true(strncmp(server->requests[2].head, "POST /next ", 11) == 0);
	assert_string_equal(server->requests[2].body, "[1]");
	/* Only to the web. */
	server_set(server, 307, "Location: file:///etc/passwd\r\n", "", false);
	assert_int_equal(post(&o, "/first", &error), -EIO);
	free(error);
	net_options_free(&o);
}

static void *abort_soon(void *arg)
{
	server_wait(server, 2);
	http_client_abort_at(arg, clock_mono_ns());
	return NULL;
}

static void test_timeout_and_abort(void **state)
{
	struct net_options o;
	struct http_reply r;
	char *error = NULL, *url = xasprintf("http://127.0.0.1:%d/", server->port);
	pthread_t t;
	net_options_init(&o);
	struct http_client *c = http_client_new(&o);
	server_set(server, 200, "", "", true);
	assert_int_equal(http_client_post(c, url, "text/plain", "x", 1, 200, 16, &r, &error), -ETIMEDOUT);
	free(error);
	server_set(server, 200, "", "", false);
	server_wait(server, 1);
	server_set(server, 200, "", "", true);
	pthread_create(&t, NULL, abort_soon, c);
	assert_int_equal(http_client_post(c, url, "text/plain", "x", 1, 600000, 16, &r, &error), -ECANCELED);
	free(error);
	pthread_join(t, NULL);
	assert_int_equal(http_client_post(c, url, "text/plain", "x", 1, 600000, 16, &r, &error), -ECANCELED);
	assert_string_equal(error, "cancelled");
	free(error);
	http_client_free(c);
	net_options_free(&o);
	free(url);
}

static void test_failures(void **state)
{
	struct net_options o;
	struct http_reply r;
	char *error = NULL, *url = xasprintf("http://127.0.0.1:%d/", free_port());
	net_options_init(&o);
	struct http_client *c = http_client_new(&o);
	assert_int_equal(http_client_post(c, url, "text/plain", "", 0, TIMEOUT, 16, &r, &error), -EIO);
	assert_non_null(strstr(error, "Failed to connect"));
	free(error);
	assert_int_equal(http_client_post(c, "file:///etc/passwd", "text/plain", "", 0, TIMEOUT, 16, &r, &error), -EIO);
	free(error);
	o.tls.ca_file = xstrdup("/nonexistent/ca.pem");
	assert_int_equal(http_client_post(c, url, "text/plain", "", 0, TIMEOUT, 16, &r, &error), -EACCES);
	assert_string_equal(error, "cannot read ca_file /nonexistent/ca.pem: No such file or directory");
	free(error);
	http_client_free(c);
	http_client_free(NULL);
	net_options_free(&o);
	free(url);
}

static void test_url_shown(void **state)
{
	static const char *const cases[][2] = {
		{"http://bob:s3cret@h:80/p?a=b:c@d", "http://bob:xxxxx@h:80/p?a=b:c@d"},
		{"https://bob:s3:cr@t@h", "https://bob:xxxxx@h"},
		{"http://:x@h/", "http://:xxxxx@h/"},
		{"http://bob@h/", "http://bob@h/"},
		{"http://h:80/a:b@c", "http://h:80/a:b@c"},
		{"h:80", "h:80"},
		{"", ""},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *shown = net_url_shown(cases[i][0]);
		assert_string_equal(shown, cases[i][1]);
		free(shown);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_post, setup, teardown),
		cmocka_unit_test_setup_teardown(test_auth, setup, teardown),
		cmocka_unit_test_setup_teardown(test_redirects, setup, teardown),
		cmocka_unit_test_setup_teardown(test_timeout_and_abort, setup, teardown),
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test(test_url_shown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
