// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "exposition/negotiate.h"

#define TEXT "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"
#define TEXT1 "text/plain; version=1.0.0; charset=utf-8; escaping="
#define OM1 "application/openmetrics-text; version=1.0.0; charset=utf-8; escaping="
#define PROTOBUF "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; escaping="
#define OM0 "application/openmetrics-text; version=0.0.1; charset=utf-8; escaping=underscores"

static void test_accept(void **state)
{
	static const struct {
		const char *accept, *type;
	} cases[] = {
		{NULL, TEXT},
		{"", TEXT},
		{"*/*", TEXT},
		{"text/html, */*;q=0.1", TEXT},
		{"application/json", TEXT},
		/* Prometheus 3.x, text first and protobuf first, and 2.42. */
		{"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;"
		 "q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		 OM1 "allow-utf-8"},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,application/"
		 "openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
		 PROTOBUF "underscores"},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;escaping=allow-utf-8",
		 PROTOBUF "allow-utf-8"},
		{"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=text;q=0.6,text/plain;q=0.5", TEXT},
		{"application/vnd.google.protobuf;proto=other;encoding=delimited;q=0.6,text/plain;q=0.5", TEXT},
		{"application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0."
		 "4;q=0.5,*/*;q=0.1",
		 OM1 "underscores"},
		{"text/plain;version=1.0.0;escaping=dots", TEXT1 "dots"},
		{"text/plain;version=1.0.0;escaping=values;q=0.9,text/plain", TEXT},
		{"text/plain;q=0.5,application/openmetrics-text;version=1.0.0;q=0.4", TEXT},
		{"text/plain;q=0.5,application/openmetrics-text;version=1.0.0;q=0.501", OM1 "underscores"},
		{"text/plain;q=0.5,application/openmetrics-text;version=1.0.0;q=0.5", TEXT}, /* a tie: the first */
		{"application/openmetrics-text", OM0},
		{"application/openmetrics-text; version=0.0.1 ; q=0.3", OM0},
		{"application/openmetrics-text;version=2.0.0", TEXT},
		{"text/plain;version=0.0.3,application/openmetrics-text;version=1.0.0;q=0.1", OM1 "underscores"},
		{"application/openmetrics-text;version=1.0.0;q=0", TEXT},
		{"application/openmetrics-text;version=1.0.0;q=0.000, text/plain;version=1.0.0", TEXT1 "underscores"},
		{"APPLICATION/OpenMetrics-Text; Version=\"1.0.0\"; escaping=\"allow-utf-8\"", OM1 "allow-utf-8"},
		{"application/openmetrics-text;version=1.0.0;escaping=nonsense", OM1 "underscores"},
		{"application/openmetrics-text;version=1.0.0;q=7,*/*;q=0.1", TEXT}, /* no weight: 0 */
		{"application/openmetrics-text;version=1.0.0;q=0.1234,*/*;q=0.1", TEXT},
		{"x/y;p=\"a,b\";q=1,application/openmetrics-text;version=1.0.0", OM1 "underscores"},
		{",,;;,=,;q=,application/openmetrics-text;version=1.0.0", OM1 "underscores"},
		{"\"", TEXT},
		{"\"\\", TEXT},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_string_equal(negotiated_content_type(negotiate_accept(cases[i].accept)), cases[i].type);
}

static void test_gzip(void **state)
{
	static const struct {
		const char *header;
		bool gzip;
	} cases[] = {
		{NULL, false}, {"", false}, {"identity", false}, {"gzip", true}, {"GZIP", true}, {"x-gzip", true},
		{"deflate, gzip;q=1.0, *;q=0.5", true}, {"gzip;q=0", false}, {"*", true}, {"*;q=0", false},
		{"*;q=1, gzip;q=0", false}, {"gzip;q=0.5, identity", false}, {"gzip;q=0.5, identity;q=0.5", true}, {"br, zstd", false},
		{"gzipped", false}, {"gzip;q=nonsense", false},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_int_equal(negotiate_gzip(cases[i].header), cases[i].gzip);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_accept), cmocka_unit_test(test_gzip)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
