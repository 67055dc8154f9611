// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "api/param.h"
#include "api/reply.h"
#include "base/alloc.h"

static void test_time(void **state)
{
	static const struct {
		const char *in;
		int64_t ms;
	} good[] = {{"0", 0}, {"1700000000.123", 1700000000123}, {"-1.5", -1500}, {"1e3", 1000000}, {"1700000000.0005", 1700000000001},
		    {"1970-01-01T00:00:00Z", 0}, {"2015-07-01T20:10:51.781Z", 1435781451781}, {"2015-07-01T20:10:51.781999+02:00", 1435774251781},
		    {"2015-07-01T20:10:51-00:30", 1435783251000}, {"2024-02-29T00:00:00Z", 1709164800000}};
	static const char *const bad[] = {"", "x", "NaN", "Inf", "1e300", "2015-07-01", "2015-07-01T20:10:51", "2015-07-01T20:10:51.Z",
					  "2015-07-01T20:10:51Zx", "2015-13-01T20:10:51Z", "2015-02-30T00:00:00Z", "2015-07-01T24:00:00Z",
					  "2015-07-01T20:10:51+2:00", "2015-07-01T20:10:51+02:60", "2015-07-01 20:10:51Z", "  15-07-01T20:10:51Z"};
	int64_t ms;
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		if (!param_parse_time(good[i].in, &ms) || ms != good[i].ms)
			fail_msg("%s: %lld", good[i].in, (long long)ms);
	}
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		if (param_parse_time(bad[i], &ms))
			fail_msg("%s is taken", bad[i]);
	assert_true(param_parse_duration("1m30s", &ms) && ms == 90000);
	assert_true(param_parse_duration("0.25", &ms) && ms == 250);
	assert_false(param_parse_duration("1x", &ms));
}

static void expect_json(json_t *v, const char *want)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	reply_dump(v, &b);
	assert_string_equal(buf_str(&b), want);
}

static void test_json(void **state)
{
	expect_json(reply_value(1), "\"1\"");
	expect_json(reply_value(0.1 + 0.2), "\"0.30000000000000004\"");
	expect_json(reply_value(1e-9), "\"1e-09\"");
	expect_json(reply_value(1e-6), "\"0.000001\"");
	expect_json(reply_value(1e20), "\"100000000000000000000\"");
	expect_json(reply_value(1e21), "\"1e+21\"");
	expect_json(reply_value(NAN), "\"NaN\"");
	expect_json(reply_value(-INFINITY), "\"-Inf\"");
	expect_json(reply_seconds(1700000000000), "1700000000");
	expect_json(reply_seconds(1700000000123), "1700000000.123");
	expect_json(reply_seconds(1700000000500), "1700000000.5");
	expect_json(reply_seconds(-1), "-0.001");
	expect_json(reply_time(1700000000120), "\"2023-11-14T22:13:20.12Z\"");
	expect_json(reply_time(1700000000000), "\"2023-11-14T22:13:20Z\"");
	expect_json(reply_text(SV("<a & b>\"\n")), "\"\\u003ca \\u0026 b\\u003e\\\"\\n\"");
	expect_json(reply_text(SV("\xff\xc3\xa9")), "\"\xef\xbf\xbd\xc3\xa9\"");
	struct labels *ls = labels_from("a", "1", "__name__", "x", NULL);
	expect_json(reply_labels(ls), "{\"__name__\":\"x\",\"a\":\"1\"}");
	labels_unref(ls);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_time), cmocka_unit_test(test_json)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
