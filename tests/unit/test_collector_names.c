// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "collector/names.h"
#include "model/text.h"

static void expect_label(const char *in, size_t len, const char *want)
{
	_cleanup_buf_ struct buf b = BUF_INIT;
	endpoint_label(in, len, &b);
	assert_string_equal(buf_str(&b), want);
	assert_true(text_is_utf8(sv_make(buf_str(&b), b.n)));
}

static void test_endpoint_label(void **state)
{
	expect_label("/a", 2, "/a");
	expect_label("/\xc3\xa9t\xc3\xa9", 6, "/\xc3\xa9t\xc3\xa9");
	expect_label("/\xff/x", 4, "/%FF/x");
	expect_label("/\xc3", 2, "/%C3");		  /* a sequence cut off */
	expect_label("/\xc3\xa9\x80", 4, "/\xc3\xa9%80"); /* a valid one, then a stray byte */
	expect_label("/\xed\xa0\x80", 4, "/%ED%A0%80");	  /* a surrogate */
	expect_label("/\xf0\x9f\x98\x80\xfe", 6, "/\xf0\x9f\x98\x80%FE");
	expect_label("/%FF", 4, "/%FF");
	expect_label("", 0, "");
}

/* Every two bytes: what comes out is UTF-8, and what was UTF-8 is unchanged. */
static void test_all_pairs(void **state)
{
	for (int a = 1; a < 256; a++)
		for (int b = 1; b < 256; b++) {
			char in[2] = {(char)a, (char)b};
			_cleanup_buf_ struct buf out = BUF_INIT;
			endpoint_label(in, 2, &out);
			assert_true(text_is_utf8(sv_make(buf_str(&out), out.n)));
			if (text_is_utf8(sv_make(in, 2)))
				assert_true(out.n == 2 && memcmp(out.p, in, 2) == 0);
		}
}

static void test_names(void **state)
{
	assert_string_equal(method_name(RT_METHOD_GET), "GET");
	assert_string_equal(method_name(RT_METHOD_PATCH), "PATCH");
	assert_string_equal(method_name(RT_METHOD_OTHER), "_OTHER");
	assert_string_equal(method_name(RT_METHODS), "_OTHER");
	/* Each loss has a name of its own. */
	for (int i = RT_LOST_FIRST; i <= RT_LOST_LAST; i++) {
		assert_non_null(lost_reason(i));
		for (int k = RT_LOST_FIRST; k < i; k++)
			assert_string_not_equal(lost_reason(i), lost_reason(k));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_endpoint_label), cmocka_unit_test(test_all_pairs),
					   cmocka_unit_test(test_names)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
