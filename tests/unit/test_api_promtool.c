// SPDX-License-Identifier: GPL-2.0-or-later
/* Prometheus' own client, in promtool, understands our API over real HTTP. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/alloc.h"
#include "base/cleanup.h"

#define T0 1700000000000

static char *run(const char *cmd)
{
	struct buf b = BUF_INIT;
	char p[4096];
	size_t n;
	FILE *f = popen(cmd, "r");
	while ((n = fread(p, 1, sizeof(p), f)))
		buf_add(&b, p, n);
	pclose(f);
	return buf_steal(&b);
}

static void expect_output(struct web *w, const char *args, const char *query, const char *want)
{
	char part[512];
	snprintf(part, sizeof(part), args, web_address(w, 0));
	_cleanup_free_ char *cmd = xasprintf("promtool query %s %s 2>&1", part, query);
	_cleanup_free_ char *got = run(cmd);
	if (strcmp(got, want) != 0)
		fail_msg("%s\nprints\n%snot\n%s", cmd, got, want);
}

static void test_promtool(void **state)
{
	if (access("/usr/bin/promtool", X_OK)) {
		print_message("SKIP promtool is not installed (Debian package prometheus)\n");
		skip();
	}
	static const char *const any[] = {"127.0.0.1:0"};
	struct api api = {.store = store_new(NULL), .version = "0"};
	struct web_route routes[API_MAX_ROUTES];
	struct web_options opt = {.addresses = any, .n_addresses = 1, .routes = routes, .n_routes = api_routes(&api, routes)};
	struct web *w = NULL;
	char *error = NULL;
	assert_int_equal(web_new(&opt, &w, &error), 0);
	assert_int_equal(web_start(w, &error), 0);
	for (int i = 0; i <= 4; i++) {
		_cleanup_labels_ struct labels *a = labels_from("__name__", "x", "path", "/a\"b\\ \xc3\xa9<", NULL);
		_cleanup_labels_ struct labels *b = labels_from("__name__", "x", "path", "/c", NULL);
		store_append(api.store, a, T0 + i * 15000, i);
		store_append(api.store, b, T0 + i * 15000, i * 0.1);
	}
	expect_output(w, "instant --time=1700000030.500 http://%s", "'x'",
		      "x{path=\"/a\\\"b\\\\ \xc3\xa9<\"} => 2 @[1700000030.5]\nx{path=\"/c\"} => 0.2 @[1700000030.5]\n");
	expect_output(w, "instant --time=1700000030 http://%s", "'sum(increase(x[1m])) > bool 100'", "{} => 0 @[1700000030]\n");
	expect_output(w, "instant --time=1700000030 http://%s", "'1/0'", "scalar: +Inf @[1700000030]\n");
	expect_output(w, "range --start=1700000000 --end=1700000030 --step=15s http://%s", "'x{path=\"/c\"}'",
		      "x{path=\"/c\"} =>\n0 @[1700000000]\n0.1 @[1700000015]\n0.2 @[1700000030]\n");
	expect_output(w, "series --match=x --start=1700000000 --end=1700000030 http://%s", "",
		      "{__name__=\"x\", path=\"/a\\\"b\\\\ \xc3\xa9<\"}\n{__name__=\"x\", path=\"/c\"}\n");
	expect_output(w, "labels --start=1700000000 --end=1700000030 http://%s", "path", "/a\"b\\ \xc3\xa9<\n/c\n");
	_cleanup_free_ char *cmd = xasprintf("promtool query instant http://%s 'x +' 2>&1", web_address(w, 0));
	_cleanup_free_ char *got = run(cmd);
	assert_non_null(strstr(got, "bad_data: invalid parameter \"query\": 1:4: parse error: unexpected end of input"));
	web_free(w);
	store_free(api.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_promtool)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
