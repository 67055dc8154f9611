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
#include "base/clock.h"
#include "exposition/web_message.h"

static struct labels *external_labels(void *arg)
{
	return labels_from("job", "theirs", "site", "a\"b", "zone", "z", NULL);
}

static struct api api = {.external_labels = external_labels};

static int64_t now;

static void put(int64_t ago, double v, const char *name, const char *label, const char *value)
{
	_cleanup_labels_ struct labels *ls = labels_from("__name__", name, label, value, NULL);
	assert_int_equal(store_append(api.store, ls, now - ago, v), 0);
}

static void expect(const char *form, int status, const char *want)
{
	struct web_request req = {.method = "GET", .path = "/federate"};
	struct web_response res = {.body = BUF_LIMIT(1 << 20)};
	assert_true(web_request_parse_form(&req, sv_of(form)));
	api_federate(&api, &req, &res);
	/* Times are those of the samples. */
	_cleanup_buf_ struct buf got = BUF_INIT;
	char at[32];
	for (const char *p = buf_str(&res.body); *p;) {
		int n = snprintf(at, sizeof(at), " %lld", (long long)(now - 1000));
		if (strncmp(p, at, (size_t)n) == 0) {
			buf_adds(&got, " T");
			p += n;
		} else {
			buf_addc(&got, *p++);
		}
	}
	assert_string_equal(buf_str(&got), want);
	assert_int_equal(res.status, status);
	web_request_clear(&req);
	web_response_clear(&res);
}

static void test_federate(void **state)
{
	now = clock_unix_ms();
	api.store = store_new(NULL);
	put(30000, 1, "b", "instance", "i");
	put(1000, 1e9, "b", "instance", "i");
	put(1000, 2.5, "a:x", "job", "own");
	put(1000, 3, "a:x", "q", "\\\n\"");
	put(400000, 4, "b", "instance", "older than what is looked back at");
	put(1000, 5, "my.metric", "my.label", "v");
	put(30000, 6, "gone", "instance", "i");
	put(1000, sample_stale_marker(), "gone", "instance", "i");
#define A "# TYPE a:x untyped\na:x{job=\"own\",site=\"a\\\"b\",zone=\"z\",instance=\"\"} 2.5 T\n" \
	  "a:x{q=\"\\\\\\n\\\"\",job=\"theirs\",site=\"a\\\"b\",zone=\"z\",instance=\"\"} 3 T\n"
#define B "# TYPE b untyped\nb{instance=\"i\",job=\"theirs\",site=\"a\\\"b\",zone=\"z\"} 1e+09 T\n"
	expect("match[]=b&match[]=%7B__name__%3D~%22b|a:.*%22%7D", 200, A B);
	expect("match[]=gone&match[]=nope", 200, "");
	expect("match[]=%7B%22my.metric%22%7D", 200,
	       "# TYPE my_metric untyped\nmy_metric{my_label=\"v\",job=\"theirs\",site=\"a\\\"b\",zone=\"z\",instance=\"\"} 5 T\n");
	expect("", 200, "");
	expect("match[]=%7B%7D", 200, "");
	expect("match[]=x+%2B", 400, "1:3: parse error: unexpected <op:+>\n");
	store_free(api.store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_federate)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
