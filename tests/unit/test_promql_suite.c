// SPDX-License-Identifier: GPL-2.0-or-later
/* Runs Prometheus' PromQL test cases where they are at hand (RT_SHARED, ../shared): no more may fail than
 * known-failures.txt explains. And a few cases of our own in the same language, which are always there. */
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "promql/test.h"

static int known_failures(void)
{
	char line[1024];
	int n = 0;
	FILE *f = fopen("tests/promql/known-failures.txt", "re");
	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		n += line[0] != '#' && line[0] != '\n' && line[0] != ' ' && line[0] != '\t';
	fclose(f);
	return n;
}

static void run_files(const char *pattern, int *passed, int *failed)
{
	glob_t g;
	char text[4096];
	FILE *log = tmpfile();
	assert_non_null(log);
	if (glob(pattern, 0, NULL, &g))
		fail_msg("no files match %s", pattern);
	for (size_t i = 0; i < g.gl_pathc; i++)
		if (promql_test_file(g.gl_pathv[i], log, passed, failed))
			fail_msg("%s: not in the test language", g.gl_pathv[i]);
	rewind(log);
	while (fgets(text, sizeof(text), log))
		if (text[0] == 'F')
			fputs(text, stderr);
	fclose(log);
	globfree(&g);
}

static void prometheus_suite(void **state)
{
	const char *shared = getenv("RT_SHARED") ?: "../shared";
	static const char *const parts[] = {"promqltest/*.test", "promqltest/native/*.test"};
	int passed = 0, failed = 0;
	char *dir = xasprintf("%s/promqltest", shared);
	bool there = access(dir, R_OK) == 0;
	free(dir);
	if (!there) {
		print_message("SKIP %s/promqltest is not there\n", shared);
		skip();
	}
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
		char *pattern = xasprintf("%s/%s", shared, parts[i]);
		run_files(pattern, &passed, &failed);
		free(pattern);
	}
	print_message("%d passed, %d failed\n", passed, failed);
	assert_true(passed > 1000);
	assert_true(failed <= known_failures());
}

static void own_cases(void **state)
{
	int passed = 0, failed = 0;
	run_files("tests/promql/*.test", &passed, &failed);
	assert_int_equal(failed, 0);
	assert_true(passed > 0);
}

/* The runner itself must notice: each of these is wrong in one way. */
static void wrong_cases_fail(void **state)
{
	static const char text[] =
	    "load 1m\n a{x=\"1\"} 1 2 3\n a{x=\"2\"} 4 5 6\n\n"
	    "eval instant at 1m a\n a{x=\"1\"} 2\n\n"
	    "eval instant at 1m a\n a{x=\"1\"} 2\n a{x=\"2\"} 5.1\n\n"
	    "eval instant at 1m a\n a{x=\"1\"} 2\n a{x=\"3\"} 5\n\n"
	    "eval instant at 1m sum(a)\n expect fail\n\n"
	    "eval instant at 1m sum(a)\n expect warn\n {} 7\n\n"
	    "eval instant at 1m sum(a)\n 7\n\n"
	    "eval instant at 1m sum(\n {} 7\n\n"
	    "eval instant at 1m topk(2, a)\n expect ordered\n a{x=\"1\"} 2\n a{x=\"2\"} 5\n\n"
	    "eval range from 0 to 2m step 1m a\n a{x=\"1\"} 1 2 3\n a{x=\"2\"} 4 5\n\n"
	    "eval range from 0 to 2m step 1m a\n a{x=\"1\"} 1 2 3\n a{x=\"2\"} 4 5 6\n";
	char path[] = "/tmp/promql-test-XXXXXX";
	int fd = mkstemp(path), passed = 0, failed = 0;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	assert_int_equal(promql_test_file(path, NULL, &passed, &failed), 0);
	unlink(path);
	assert_int_equal(failed, 9);
	assert_int_equal(passed, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(prometheus_suite),
	    cmocka_unit_test(own_cases),
	    cmocka_unit_test(wrong_cases_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
