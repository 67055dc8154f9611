// SPDX-License-Identifier: GPL-2.0-or-later
/* UTF-8, and lines of the log that hold what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/log.h"
#include "base/unicode.h"
#include "base/utf8.h"

static void test_every_character(void **state)
{
	for (uint32_t c = 0; c <= 0x110000; c++) {
		char text[4];
		uint32_t got = 0;
		bool valid = c <= 0x10ffff && !(c >= 0xd800 && c < 0xe000);
		size_t n = utf8_encode(c, text);
		assert_int_equal(utf8_decode(text, n, &got), valid ? n : 0);
		assert_true(!valid || got == c);
		assert_true(n == 1 || !utf8_decode(text, n - 1, &got)); /* cut */
	}
}

static void test_what_is_none(void **state)
{
	static const char *const bad[] = {"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xf5\x80\x80\x80",
					  "\xff", "\xc3(", "\xe2\x82(", "\xf0\x9f\x92("};
	uint32_t c;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(utf8_decode(bad[i], strlen(bad[i]), &c), 0);
}

/* What log_info prints of TEXT, as JSON. */
static char *logged(const char *text)
{
	char name[] = "/tmp/test_base_utf8XXXXXX", line[65536];
	int fd = mkstemp(name), before = dup(STDERR_FILENO);
	unlink(name);
	dup2(fd, STDERR_FILENO);
	log_setup(LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_info("%s", text);
	dup2(before, STDERR_FILENO);
	ssize_t n = pread(fd, line, sizeof(line), 0);
	assert_true(n > 0 && line[n - 1] == '\n' && !memchr(line, '\n', (size_t)n - 1));
	close(fd);
	close(before);
	json_t *o = json_loadb(line, (size_t)n, 0, NULL);
	assert_non_null(o);
	char *message = xstrdup(json_string_value(json_object_get(o, "msg")));
	json_decref(o);
	return message;
}

static void test_kinds(void **state)
{
	static const uint32_t print[] = {' ', '~', 0xe9, 0x301, 0x660, 0x2160, 0x20ac, 0x4e2d, 0xfffd, 0x1f600}, alnum[] = {'a', '9', 0xaa, 0xe9, 0x660, 0x4e2d},
			      no_print[] = {0, 0x7f, 0x80, 0xa0, 0xad, 0x378, 0x61c, 0x1680, 0x200b, 0x2028, 0xe000, 0xfeff, 0xffff, 0xe0001},
			      no_alnum[] = {'_', ' ', 0xa0, 0xb2, 0x301, 0x2160, 0x20ac, 0xfeff, 0xfffd};
	for (size_t i = 0; i < ARRAY_SIZE(print); i++)
		assert_true(unicode_is_print(print[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no_print); i++)
		assert_false(unicode_is_print(no_print[i]));
	for (size_t i = 0; i < ARRAY_SIZE(alnum); i++)
		assert_true(unicode_is_alnum(alnum[i]));
	for (size_t i = 0; i < ARRAY_SIZE(no_alnum); i++)
		assert_false(unicode_is_alnum(no_alnum[i]));
}

static void test_log_lines(void **state)
{
	char *s = logged("a \"b\" \\ \n \x01 \xc3\xa4 \xff \xe2\x82\xac \xe2\x82");
	assert_string_equal(s, "a \"b\" \\ \n \x01 \xc3\xa4 \xef\xbf\xbd \xe2\x82\xac \xef\xbf\xbd\xef\xbf\xbd");
	free(s);
	/* One that is too long says its beginning, wherever it is cut. */
	for (size_t n = 8180; n < 8200; n++) {
		char *text = xmalloc(n + 1);
		for (size_t i = 0; i < n; i++)
			text[i] = i % 2 ? '\xa4' : '\xc3';
		text[n] = 0;
		s = logged(text);
		assert_memory_equal(s, text, 8000);
		if (n >= 8192)
			assert_string_equal(s + strlen(s) - 3, "...");
		free(s);
		free(text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_character),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_log_lines),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
