// SPDX-License-Identifier: GPL-2.0-or-later
/* Budgets under a memory limit. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/budget.h"

static struct budgets defaults(void)
{
	return (struct budgets){.series = 16384, .connections = 65536};
}

static void test_no_limit(void **state)
{
	struct budgets b = defaults();
	assert_false(budget_fit(&b, UINT64_MAX));
	assert_int_equal(b.series, 16384);
	assert_int_equal(b.connections, 65536);
	assert_false(b.lean);
}

static void test_64_mib(void **state)
{
	struct budgets b = defaults();
	assert_true(budget_fit(&b, 64 << 20));
	assert_true(b.lean);
	/* Ten thousand connections are below the mark from which states are taken back. */
	assert_true(b.connections - b.connections / 8 > 10000);
	assert_true(b.series > 8000 && b.series < 16384);
	assert_true((uint64_t)b.series * 3600 + (uint64_t)b.connections * 1536 < 52 << 20);
}

static void test_never_more_and_never_none(void **state)
{
	struct budgets before = {0};
	for (uint64_t mib = 1; mib < 2048; mib++) {
		struct budgets b = defaults();
		budget_fit(&b, mib << 20);
		assert_true(b.series >= 64 && b.series <= 16384 && b.series >= before.series);
		assert_true(b.connections >= 64 && b.connections <= 65536 && b.connections >= before.connections);
		before = b;
	}
	assert_int_equal(before.series, 16384);
	assert_int_equal(before.connections, 65536);
	struct budgets small = {.series = 100, .connections = 70};
	assert_false(budget_fit(&small, 64 << 20));
	assert_int_equal(small.series, 100);
}

static void test_queries(void **state)
{
	assert_int_equal(budget_query_samples(UINT64_MAX, 4000000), 4000000);
	assert_int_equal(budget_query_samples((uint64_t)8 << 30, 4000000), 4000000);
	/* Two of them and an answer each leave most of the memory to the figures. */
	uint64_t n = budget_query_samples(64 << 20, 4000000);
	assert_true(n > 144000 && 2 * (n * 25 + budget_answer(64 << 20)) < 13 << 20);
	assert_int_equal(budget_answer(UINT64_MAX), 32 << 20);
	assert_int_equal(budget_answer(64 << 20), 2 << 20);
}

static void test_samples(void **state)
{
	uint64_t window = 64 << 20, bodies = 64 << 20;
	budget_samples(UINT64_MAX, &window, &bodies);
	assert_true(window == 64 << 20 && bodies == 64 << 20);
	budget_samples(64 << 20, &window, &bodies);
	assert_true(window == 16 << 20 && bodies == 4 << 20);
	window = 5 << 20;
	budget_samples(64 << 20, &window, &bodies);
	assert_true(window == 5 << 20);
	budget_samples(0, &window, &bodies);
	assert_true(window == 1 << 20 && bodies == 1 << 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_limit), cmocka_unit_test(test_samples),
		cmocka_unit_test(test_queries), cmocka_unit_test(test_64_mib), cmocka_unit_test(test_never_more_and_never_none)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
