// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/cli.h"

#define FLAGS                                                                                                \
	{                                                                                                    \
		{.name = "config.file", .arg = "FILE"}, {.name = "level", .arg = "L", .initial = "info"},    \
			{.name = "address", .arg = "A", .repeats = true}, {.name = "fatal"},                 \
	}

static int parse(struct flag *f, char **rest, int *n, int argc, char **argv)
{
	return flags_parse(f, 4, argc, argv, rest, n);
}

static void test_forms(void **state)
{
	struct flag f[] = FLAGS;
	char *argv[] = {"--config.file=a=b", "-level", "debug", "x", "--address", "1", "--address=2", "--fatal", "--", "--y"}, *rest[10];
	int n;
	assert_int_equal(parse(f, rest, &n, 10, argv), 0);
	assert_string_equal(flag_get(f, 4, "config.file"), "a=b");
	assert_string_equal(flag_get(f, 4, "level"), "debug");
	assert_int_equal(f[2].n, 2);
	assert_string_equal(f[2].values[0], "1");
	assert_string_equal(f[2].values[1], "2");
	assert_true(flag_given(f, 4, "fatal"));
	assert_int_equal(n, 2);
	assert_string_equal(rest[0], "x");
	assert_string_equal(rest[1], "--y");
	flags_free(f, 4);
}

static void test_defaults_and_last_wins(void **state)
{
	struct flag f[] = FLAGS;
	char *argv[] = {"--level=a", "--level=b", "--fatal=false"}, *rest[3];
	int n;
	assert_string_equal(flag_get(f, 4, "level"), "info");
	assert_null(flag_get(f, 4, "config.file"));
	assert_int_equal(parse(f, rest, &n, 3, argv), 0);
	assert_string_equal(flag_get(f, 4, "level"), "b");
	assert_false(flag_given(f, 4, "fatal"));
	flags_free(f, 4);
}

static void test_letters(void **state)
{
	struct flag f[] = {{.name = "iterations", .letter = 'n', .arg = "N"}, {.name = "batch", .letter = 'b'}, {.name = "d", .arg = "D"}};
	char *argv[] = {"-n", "1", "-b", "-d=3"}, *rest[4];
	int n;
	assert_int_equal(flags_parse(f, 3, 4, argv, rest, &n), 0);
	assert_int_equal(n, 0);
	assert_string_equal(flag_get(f, 3, "iterations"), "1");
	assert_true(flag_given(f, 3, "batch"));
	assert_string_equal(flag_get(f, 3, "d"), "3");
	flags_free(f, 3);
	char *wrong[] = {"-x"};
	assert_int_equal(flags_parse(f, 3, 1, wrong, rest, &n), -1);
	flags_free(f, 3);
}

static void test_wrong(void **state)
{
	char *wrong[] = {"--levle=x", "--fatal=1", "--level", "--config"};
	for (int i = 0; i < 4; i++) {
		struct flag f[] = FLAGS;
		char *rest[1];
		int n;
		assert_int_equal(parse(f, rest, &n, 1, &wrong[i]), -1);
		flags_free(f, 4);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_defaults_and_last_wins),
					   cmocka_unit_test(test_letters), cmocka_unit_test(test_wrong)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
