// SPDX-License-Identifier: GPL-2.0-or-later
/* The lowest memory limit above a process, in both versions of cgroups, from texts and a folder made here. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "discovery/memory_limit.h"

static char root[] = "/tmp/reqtally-limit-XXXXXX";

static int setup(void **state)
{
	return mkdtemp(root) ? 0 : -1;
}

static int teardown(void **state)
{
	char command[128];
	snprintf(command, sizeof(command), "rm -rf %s", root);
	return system(command);
}

static void put(const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", root, name);
	for (char *p = path + strlen(root) + 1; (p = strchr(p, '/')); p++) {
		*p = 0;
		mkdir(path, 0755);
		*p = '/';
	}
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static uint64_t limit(const char *cgroup, const char *root_field, const char *mount, const char *type, const char *options)
{
	_cleanup_free_ char *info = xasprintf("22 1 0:20 / /proc rw - proc proc rw\n30 1 0:26 %s %s/%s rw,nosuid shared:9 - %s cgroup %s\n",
					      root_field, root, mount, type, options);
	return memory_limit_from(cgroup, info);
}

static void test_version_2(void **state)
{
	put("two/a/memory.max", "268435456\n");
	put("two/a/b/memory.max", "max\n");
	put("two/a/b/c/memory.max", "67108864\n");
	assert_int_equal(limit("0::/a/b/c\n", "/", "two", "cgroup2", "rw"), 64 << 20);
	assert_int_equal(limit("0::/a/b\n", "/", "two", "cgroup2", "rw"), 256 << 20);
	assert_int_equal(limit("0::/other\n", "/", "two", "cgroup2", "rw"), MEMORY_UNLIMITED);
	assert_int_equal(limit("0::/\n", "/", "two", "cgroup2", "rw"), MEMORY_UNLIMITED);
	/* A hierarchy that is not mounted here says nothing. */
	assert_int_equal(limit("0::/a/b/c\n", "/", "two", "tmpfs", "rw"), MEMORY_UNLIMITED);
}

static void test_version_1(void **state)
{
	put("one/memory.limit_in_bytes", "9223372036854771712\n");
	put("one/x/memory.limit_in_bytes", "134217728\n");
	put("one/x/y/memory.limit_in_bytes", "9223372036854771712\n");
	const char *cgroup = "5:cpu,cpuacct:/z\n4:memory:/x/y\n0::/\n";
	assert_int_equal(limit(cgroup, "/", "one", "cgroup", "rw,memory"), 128 << 20);
	assert_int_equal(limit(cgroup, "/", "one", "cgroup", "rw,cpu,cpuacct"), MEMORY_UNLIMITED);
	assert_int_equal(limit("4:memory:/\n", "/", "one", "cgroup", "rw,memory"), MEMORY_UNLIMITED);
}

static void test_a_part_is_mounted(void **state)
{
	/* As in a container: the mount is the process's own cgroup, or one above it. */
	put("part/memory.max", "100000000\n");
	put("part/in/memory.max", "90000000\n");
	assert_int_equal(limit("0::/pods/p1\n", "/pods/p1", "part", "cgroup2", "rw"), 100000000);
	assert_int_equal(limit("0::/pods/p1/in\n", "/pods/p1", "part", "cgroup2", "rw"), 90000000);
	assert_int_equal(limit("0::/elsewhere\n", "/pods/p1", "part", "cgroup2", "rw"), 100000000);
}

static void test_nonsense(void **state)
{
	put("bad/memory.max", "lots\n");
	assert_int_equal(limit("0::/\n", "/", "bad", "cgroup2", "rw"), MEMORY_UNLIMITED);
	assert_int_equal(memory_limit_from("", ""), MEMORY_UNLIMITED);
	assert_int_equal(memory_limit_from("0:\n::\n:::", " - \nx - cgroup2\n1 2 3 / - cgroup2 a b"), MEMORY_UNLIMITED);
	assert_true(memory_limit() > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_version_2), cmocka_unit_test(test_version_1), cmocka_unit_test(test_a_part_is_mounted),
	    cmocka_unit_test(test_nonsense),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
