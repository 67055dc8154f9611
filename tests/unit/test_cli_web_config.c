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
#include "cli/web_config.h"

#define HASH "$2b$04$abcdefghijklmnopqrstuu2r9OfJnfCsdneAXAGHnS4UpFFP8WIrW"

static char dir[] = "/tmp/reqtally-webcfg-XXXXXX";

static void put(const char *name, const char *text)
{
	char *path = xasprintf("%s/%s", dir, name), *tmp = xasprintf("%s.new", path);
	FILE *f = fopen(tmp, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	assert_int_equal(rename(tmp, path), 0);
	free(path);
	free(tmp);
}

static void test_follows_the_files(void **state)
{
	assert_non_null(mkdtemp(dir));
	char *path = xasprintf("%s/web.yml", dir), *error = NULL;
	struct web_config *c;
	put("c.pem", "one");
	put("k.pem", "key");
	put("web.yml", "tls_server_config: {cert_file: c.pem, key_file: k.pem, min_version: TLS13, client_auth_type: RequireAnyClientCert}\n"
		       "basic_auth_users: {u: " HASH "}\nhttp_server_config: {headers: {X-Frame-Options: deny}}\n"
		       "rate_limit: {interval: 1s, burst: 3}\n");
	if (web_config_open(path, &c, &error) < 0)
		fail_msg("%s", error);
	const struct web_security *s = web_config_security(c);
	assert_string_equal(s->tls->cert_pem, "one");
	assert_string_equal(s->tls->key_pem, "key");
	assert_int_equal(s->tls->min_version, 13);
	assert_int_equal(s->tls->max_version, 13);
	assert_int_equal(s->tls->client_auth, WEB_REQUIRE_ANY_CLIENT_CERT);
	assert_int_equal(s->n_users, 1);
	assert_string_equal(s->users[0].name, "u");
	assert_string_equal(s->users[0].bcrypt, HASH);
	assert_string_equal(s->headers[0].value, "deny");
	assert_true(s->rate_interval_ns == 1000000000 && s->rate_burst == 3);
	assert_int_equal(web_config_refresh(c, &error), 0);
	/* A new certificate alone is news. */
	put("c.pem", "two");
	assert_int_equal(web_config_refresh(c, &error), 1);
	assert_string_equal(web_config_security(c)->tls->cert_pem, "two");
	assert_int_equal(web_config_refresh(c, &error), 0);
	/* What is broken is said once and changes nothing. */
	put("web.yml", "basic_auth_users: {u: plain}\n");
	assert_true(web_config_refresh(c, &error) < 0);
	assert_non_null(strstr(error, "web.yml:1:23: basic_auth_users: "));
	free(error);
	assert_int_equal(web_config_refresh(c, &error), 0);
	assert_int_equal(web_config_security(c)->n_users, 1);
	put("web.yml", "");
	assert_int_equal(web_config_refresh(c, &error), 1);
	assert_null(web_config_security(c)->tls);
	assert_int_equal(web_config_security(c)->n_users, 0);
	web_config_free(c);
	web_config_free(NULL);
	unlink(path);
	assert_true(web_config_open(path, &c, &error) < 0);
	assert_non_null(strstr(error, "No such file"));
	free(error);
	free(path);
	char *cmd = xasprintf("rm -r %s", dir);
	assert_int_equal(system(cmd), 0);
	free(cmd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_follows_the_files)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
