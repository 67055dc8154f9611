// SPDX-License-Identifier: GPL-2.0-or-later
/* OAuth 2.0 with a server of tokens and one that wants them, by both clients. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>

#include "base/clock.h"
#include "http_server.h"
#include "net/fetch.h"
#include "net/http.h"
#include "net/oauth2.h"

#define TIMEOUT 15000
#define CLOSE "Connection: close\r\n"

static struct http_server *tokens, *target;
static struct net_options options;
static char *url;

static int setup(void **state)
{
	tokens = server_start();
	target = server_start();
	server_set(target, 200, CLOSE, "ok", false);
	server_set(tokens, 200, CLOSE "Content-Type: application/json\r\n", "{\"access_token\":\"T1\",\"token_type\":\"bearer\",\"expires_in\":3600}", false);
	net_options_init(&options);
	options.oauth2 = net_oauth2_new();
	options.oauth2->client_id = xstrdup("me:too");
	options.oauth2->client_secret = xstrdup("s c");
	options.oauth2->token_url = xasprintf("http://127.0.0.1:%d/token", tokens->port);
	strings_add(&options.oauth2->scopes, "read");
	strings_add(&options.oauth2->scopes, "all&sundry");
	strings_add(&options.oauth2->params, "audience");
	strings_add(&options.oauth2->params, "https://x/");
	url = xasprintf("http://127.0.0.1:%d/", target->port);
	return 0;
}

static int teardown(void **state)
{
	net_options_free(&options);
	server_stop(target);
	server_stop(tokens);
	free(url);
	return 0;
}

static int post(char **error)
{
	struct http_client *c = http_client_new(&options);
	struct http_reply r = {0};
	int err = http_client_post(c, url, "application/json", "[1]", 3, TIMEOUT, 16, &r, error);
	int status = err ? err : r.status;
	http_reply_free(&r);
	http_client_free(c);
	return status;
}

static void must_post(int want)
{
	char *error = NULL;
	int status = post(&error);
	if (status != want)
		fail_msg("%d: %s", status, error ? error : "");
}

static void test_post(void **state)
{
	must_post(200);
	must_post(200);
	/* One token for both, asked for as the standard says. */
	assert_int_equal(tokens->n, 1);
	assert_non_null(strstr(tokens->requests[0].head, "POST /token HTTP/1.1\r\n"));
	assert_non_null(strcasestr(tokens->requests[0].head, "\r\nContent-Type: application/x-www-form-urlencoded\r\n"));
	assert_non_null(strstr(tokens->requests[0].head, "\r\nAuthorization: Basic bWUlM0F0b286cytj\r\n")); /* me%3Atoo:s+c */
	assert_string_equal(tokens->requests[0].body, "grant_type=client_credentials&scope=read+all%26sundry&audience=https%3A%2F%2Fx%2F");
	assert_int_equal(target->n, 2);
	assert_non_null(strstr(target->requests[1].head, "\r\nAuthorization: Bearer T1\r\n"));
}

static void test_renewed(void **state)
{
	char secret[] = "/tmp/reqtally-secret-XXXXXX";
	int fd = mkstemp(secret);
	assert_true(fd >= 0 && write(fd, "one\n", 4) == 4);
	/* Over before it is used: asked for each time. */
	server_set(tokens, 200, CLOSE, "{\"access_token\":\"T2\",\"token_type\":\"MAC\",\"expires_in\":\"9\"}", false);
	must_post(200);
	must_post(200);
	assert_int_equal(tokens->n, 2);
	assert_non_null(strstr(target->requests[1].head, "\r\nAuthorization: MAC T2\r\n"));
	/* Without an end it stays; a form is as good. */
	server_set(tokens, 200, CLOSE "Content-Type: application/x-www-form-urlencoded\r\n", "access_token=a%2Fb+c&foo", false);
	must_post(200);
	must_post(200);
	assert_int_equal(tokens->n, 3);
	assert_non_null(strstr(target->requests[3].head, "\r\nAuthorization: Bearer a/b c\r\n"));
	/* Refused: the next request asks for another. */
	server_set(target, 401, CLOSE, "", false);
	must_post(401);
	server_set(target, 200, CLOSE, "", false);
	must_post(200);
	assert_int_equal(tokens->n, 4);
	/* So does a rotated secret. */
	free(options.oauth2->client_secret);
	options.oauth2->client_secret = NULL;
	options.oauth2->client_secret_file = xstrdup(secret);
	must_post(200);
	must_post(200);
	assert_int_equal(tokens->n, 5);
	assert_true(pwrite(fd, "two\n", 4, 0) == 4);
	must_post(200);
	assert_int_equal(tokens->n, 6);
	close(fd);
	unlink(secret);
	char *error = NULL;
	assert_int_equal(post(&error), -EACCES);
	free(error);
	assert_int_equal(tokens->n, 6);
}

/* A server that looks into the form only. */
static void decide(struct http_server *s, const struct recorded *r)
{
	bool ok = strstr(r->body, "&client_id=me%3Atoo&client_secret=s+c") && !strcasestr(r->head, "\r\nAuthorization:");
	s->status = ok ? 200 : 401;
	s->reply = ok ? "{\"access_token\":\"T3\",\"expires_in\":1}" : "who are\nyou";
}

static void test_credentials_in_the_form(void **state)
{
	tokens->decide = decide;
	must_post(200);
	must_post(200);
	assert_int_equal(tokens->n, 3); /* it is not tried again in the other way */
	assert_non_null(strstr(target->requests[1].head, "\r\nAuthorization: Bearer T3\r\n"));
	/* What it says is told. */
	free(options.oauth2->client_secret);
	options.oauth2->client_secret = xstrdup("wrong");
	char *error = NULL;
	assert_int_equal(post(&error), -EIO);
	assert_non_null(strstr(error, "/token: HTTP status 401: who are you"));
	free(error);
	assert_int_equal(target->n, 2);
}

static void test_no_token(void **state)
{
	static const char *const replies[] = {"{}", "[]", "", "{\"access_token\":\"\"}", "{\"access_token\":5}", "{\"access_token\":\"a\\r\\nX: y\"}"};
	for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
		char *error = NULL;
		server_set(tokens, 200, CLOSE, replies[i], false);
		assert_int_equal(post(&error), -EIO);
		assert_non_null(strstr(error, "there is no access_token in the answer"));
		free(error);
	}
	char *error = NULL;
	free(options.oauth2->token_url);
	options.oauth2->token_url = xasprintf("http://127.0.0.1:%d/", free_port());
	assert_int_equal(post(&error), -EIO);
	assert_non_null(strstr(error, "cannot fetch a token from http://127.0.0.1:"));
	free(error);
	assert_int_equal(target->n, 0);
}

/* The client of scrapes */

struct ended {
	size_t n;
	int status[8], err[8];
	char *error;
};

static void on_done(void *ctx, const struct http_fetched *r)
{
	struct ended *e = ctx;
	e->status[e->n] = r->status;
	e->err[e->n++] = r->err;
	if (r->err) {
		free(e->error);
		e->error = xstrdup(r->error);
	}
}

static void fetch(struct http_fetcher *f, size_t n, int64_t timeout_ms, struct ended *e)
{
	uint64_t until = clock_mono_ns() + 20000000000u;
	static int arg[8];
	for (size_t i = 0; i < n; i++)
		http_fetcher_start(f, &(struct http_fetch){.url = url, .options = &options, .timeout_ms = timeout_ms, .max_body = 1000, .arg = &arg[i]});
	while (http_fetcher_running(f) && clock_mono_ns() < until)
		http_fetcher_run(f, 100, on_done, e);
	assert_int_equal(http_fetcher_running(f), 0);
	assert_int_equal(e->n, n);
}

static void test_fetcher(void **state)
{
	struct http_fetcher *f = http_fetcher_new(1 << 20);
	struct ended e = {0};
	fetch(f, 4, TIMEOUT, &e);
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(e.status[i], 200);
	assert_int_equal(tokens->n, 1); /* one for those who wait together */
	for (size_t i = 0; i < 4; i++)
		assert_non_null(strstr(target->requests[i].head, "\r\nAuthorization: Bearer T1\r\n"));
	e.n = 0;
	fetch(f, 2, TIMEOUT, &e);
	assert_int_equal(tokens->n, 1);
	server_set(target, 401, CLOSE, "", false);
	e.n = 0;
	fetch(f, 1, TIMEOUT, &e);
	server_set(target, 200, CLOSE, "", false);
	tokens->decide = decide; /* known to be asked in the other way: no second attempt */
	e.n = 0;
	fetch(f, 1, TIMEOUT, &e);
	assert_int_equal(e.err[0], -EIO);
	assert_non_null(strstr(e.error, "HTTP status 401"));
	free(e.error);
	http_fetcher_free(f);
}

static void test_fetcher_probes(void **state)
{
	struct http_fetcher *f = http_fetcher_new(1 << 20);
	struct ended e = {0};
	tokens->decide = decide;
	fetch(f, 3, TIMEOUT, &e);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(e.status[i], 200);
	assert_int_equal(tokens->n, 2);
	http_fetcher_free(f);
}

/* A server of tokens that says nothing costs the requests their time and no more; one that waits can be cancelled. */
static void test_fetcher_waits(void **state)
{
	struct http_fetcher *f = http_fetcher_new(1 << 20);
	struct ended e = {0};
	int arg;
	server_set(tokens, 200, "", "", true);
	fetch(f, 2, 200, &e);
	assert_int_equal(e.err[0], -ETIMEDOUT);
	assert_int_equal(e.err[1], -ETIMEDOUT);
	assert_int_equal(target->n, 0);
	free(e.error);
	http_fetcher_start(f, &(struct http_fetch){.url = url, .options = &options, .timeout_ms = 100000, .max_body = 1000, .arg = &arg});
	http_fetcher_run(f, 10, on_done, &e);
	http_fetcher_cancel(f, &arg);
	assert_int_equal(http_fetcher_running(f), 1); /* the token's */
	http_fetcher_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_post, setup, teardown),
		cmocka_unit_test_setup_teardown(test_renewed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_credentials_in_the_form, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_token, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fetcher, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fetcher_probes, setup, teardown),
		cmocka_unit_test_setup_teardown(test_fetcher_waits, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
