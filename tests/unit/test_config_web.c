// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "config/web.h"

#define HASH "$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy"

static char dir[] = "/tmp/reqtally-web-XXXXXX";
static char path[64];

static void put(const char *name, const char *text)
{
	char *p = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(p, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	free(p);
}

static struct config_web *load(const char *text)
{
	struct config_web *w = NULL;
	char *error = NULL;
	put("web.yml", text);
	if (config_web_load(path, &w, &error) < 0)
		fail_msg("%s", error);
	return w;
}

/* WANT follows "PATH". */
static void expect_error(const char *text, const char *want)
{
	struct config_web *w = NULL;
	char *error = NULL;
	put("web.yml", text);
	if (config_web_load(path, &w, &error) == 0)
		fail_msg("accepted: %s", text);
	assert_null(w);
	assert_memory_equal(error, path, strlen(path));
	if (strncmp(error + strlen(path), want, strlen(want)) != 0)
		assert_string_equal(error + strlen(path), want);
	free(error);
}

static int setup(void **state)
{
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/web.yml", dir);
	put("cert.pem", "CERT\n");
	put("key.pem", "KEY\n");
	put("ca.pem", "CA\n");
	return 0;
}

static int teardown(void **state)
{
	char *cmd = xasprintf("rm -r %s", dir);
	int r = system(cmd);
	free(cmd);
	return r;
}

static void test_empty(void **state)
{
	struct config_web *w = load("");
	assert_false(w->tls.enabled);
	assert_int_equal(w->users.n + w->header_names.n, 0);
	assert_int_equal(w->rate_interval_ns, 0);
	assert_int_equal(w->files.n, 1);
	config_web_free(w);
	config_web_free(NULL);
}

static void test_full(void **state)
{
	struct config_web *w = load("tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\n  client_ca_file: ca.pem\n"
				    "  client_auth_type: RequireAndVerifyClientCert\n  client_allowed_sans: [a.example, b.example]\n"
				    "  min_version: TLS13\n  cipher_suites: [TLS_AES_128_GCM_SHA256]\n  curve_preferences: [X25519]\n"
				    "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: DENY\n"
				    "    Strict-Transport-Security: max-age=3600\n    X-XSS-Protection: ''\n"
				    "basic_auth_users:\n  alice: " HASH "\n  bob: " HASH "\n"
				    "rate_limit: {interval: 1m1.5s, burst: 20}\n");
	assert_true(w->tls.enabled);
	assert_string_equal(w->tls.cert, "CERT\n");
	assert_string_equal(w->tls.key, "KEY\n");
	assert_string_equal(w->tls.client_ca, "CA\n");
	assert_int_equal(w->tls.client_auth, CLIENT_AUTH_REQUIRE_AND_VERIFY);
	assert_int_equal(w->tls.client_allowed_sans.n, 2);
	assert_int_equal(w->tls.min_version, NET_TLS_13);
	assert_int_equal(w->tls.max_version, NET_TLS_13);
	assert_int_equal(w->header_names.n, 2);
	assert_string_equal(w->header_values.v[0], "DENY");
	assert_string_equal(w->users.v[1], "bob");
	assert_string_equal(w->hashes.v[1], HASH);
	assert_int_equal(w->rate_interval_ns, 61500000000);
	assert_int_equal(w->rate_burst, 20);
	assert_int_equal(w->files.n, 4);
	assert_true(strings_has(&w->not_acted_on, "tls_server_config.cipher_suites"));
	config_web_free(w);
	w = load("tls_server_config: {cert: C, key: K}\nrate_limit: {interval: 0}\n");
	assert_string_equal(w->tls.cert, "C");
	assert_int_equal(w->tls.client_auth, CLIENT_AUTH_NONE);
	assert_int_equal(w->tls.min_version, NET_TLS_12);
	config_web_free(w);
}

static void test_bad(void **state)
{
	expect_error("basic_auth_user: {}\n", ":1:1: unknown key \"basic_auth_user\" in the configuration; did you mean \"basic_auth_users\"?");
	expect_error("basic_auth_users: {a: secret}\n", ":1:23: basic_auth_users: what stands for user \"a\" is not a bcrypt hash");
	expect_error("basic_auth_users: {a: '$2y$99$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy'}\n", ":1:23: basic_auth_users:");
	expect_error("tls_server_config: {cert_file: cert.pem}\n", ":1:20: tls_server_config: missing one of key or key_file");
	expect_error("tls_server_config: {key_file: key.pem}\n", ":1:20: tls_server_config: missing one of cert or cert_file");
	expect_error("tls_server_config: {client_auth_type: X}\n", ":1:39: tls_server_config.client_auth_type: invalid ClientAuth: \"X\"; accepted: NoClientCert,");
	expect_error("tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: ca.pem}\n",
		     ":1:20: tls_server_config: client_ca needs a client_auth_type");
	expect_error("tls_server_config: {cert: C, cert_file: cert.pem, key: K}\n", ":1:20: tls_server_config: cert and cert_file");
	expect_error("tls_server_config: {cert_file: none.pem, key_file: key.pem}\n", ": cert_file /tmp/reqtally-web-");
	expect_error("tls_server_config: {cert: C, key: K, min_version: SSL3}\n", ":1:51: tls_server_config.min_version: unknown TLS version: \"SSL3\"");
	expect_error("tls_server_config: {cert: C, key: K, min_version: TLS13, max_version: TLS12}\n", ":1:20: tls_server_config: min_version is above");
	expect_error("http_server_config: {headers: {X-Powered-By: x}}\n", ":1:32: http_server_config.headers: HTTP header \"X-Powered-By\" can not");
	expect_error("http_server_config: {headers: {X-Frame-Options: maybe}}\n",
		     ":1:49: http_server_config.headers: invalid value for X-Frame-Options: \"maybe\"; accepted: deny, sameorigin");
	expect_error("rate_limit: {interval: 5}\n", ":1:24: rate_limit.interval: want a duration such as 1s, 100ms or 1m30s, got \"5\"");
	expect_error("rate_limit: {interval: 1.2.3s}\n", ":1:24: rate_limit.interval: want a duration");
	expect_error("rate_limit: {burst: -1}\n", ":1:21: rate_limit.burst: want a whole number");
	expect_error("a: [\n", ":2:1: did not find expected node content");
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_empty), cmocka_unit_test(test_full), cmocka_unit_test(test_bad)};
	return cmocka_run_group_tests(tests, setup, teardown);
}
