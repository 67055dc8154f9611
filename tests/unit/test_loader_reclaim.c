// SPDX-License-Identifier: GPL-2.0-or-later
/* Which states of connections are taken back: the kind that loses least first, of each kind the oldest. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "loader/reclaim.h"

/* How many of a class a plan takes, if there are as many of its boundary age as it may take. */
static uint64_t takes(const struct rt_reclaim *o, int class)
{
	uint64_t n = 0;
	for (uint32_t age = 0; age < RT_AGES; age++)
		if (age > o->youngest[class])
			n += o->ages[class][age];
		else if (age == o->youngest[class])
			n += o->ages[class][age] < o->quota[class] ? o->ages[class][age] : o->quota[class];
	return n;
}

static void test_nothing_needed(void **state)
{
	struct rt_reclaim o = {0};
	o.ages[RT_RECLAIM_IDLE][3] = o.ages[RT_RECLAIM_MESSAGE][127] = 5;
	reclaim_plan(&o, 0);
	for (int i = 0; i < RT_RECLAIM_CLASSES; i++) {
		assert_int_equal(o.youngest[i], RT_AGES);
		assert_int_equal(takes(&o, i), 0);
	}
}

static void test_oldest_idle_ones(void **state)
{
	struct rt_reclaim o = {0};
	o.ages[RT_RECLAIM_IDLE][127] = 10;
	o.ages[RT_RECLAIM_IDLE][50] = 20;
	o.ages[RT_RECLAIM_IDLE][0] = 30;
	o.ages[RT_RECLAIM_LINE][100] = 40;
	reclaim_plan(&o, 15);
	assert_int_equal(o.youngest[RT_RECLAIM_IDLE], 50);
	assert_int_equal(o.quota[RT_RECLAIM_IDLE], 5);
	assert_int_equal(takes(&o, RT_RECLAIM_IDLE), 15);
	assert_int_equal(takes(&o, RT_RECLAIM_LINE), 0);
}

static void test_the_next_class(void **state)
{
	struct rt_reclaim o = {0};
	o.ages[RT_RECLAIM_IDLE][0] = 7;
	o.ages[RT_RECLAIM_LINE][90] = 4;
	o.ages[RT_RECLAIM_STREAM][90] = 4;
	o.ages[RT_RECLAIM_MESSAGE][90] = 4;
	reclaim_plan(&o, 12);
	assert_int_equal(takes(&o, RT_RECLAIM_IDLE), 7);
	assert_int_equal(takes(&o, RT_RECLAIM_LINE), 4);
	assert_int_equal(takes(&o, RT_RECLAIM_STREAM), 1);
	assert_int_equal(takes(&o, RT_RECLAIM_MESSAGE), 0);
}

static void test_all_of_them(void **state)
{
	struct rt_reclaim o = {0};
	for (int i = 0; i < RT_RECLAIM_CLASSES; i++)
		o.ages[i][0] = o.ages[i][RT_AGES - 1] = 3;
	reclaim_plan(&o, 1000);
	/* But what has only just begun. */
	for (int i = 0; i < RT_RECLAIM_CLASSES; i++)
		assert_int_equal(takes(&o, i), i == RT_RECLAIM_IDLE ? 6 : 3);
}

static void test_any_need_is_met_exactly(void **state)
{
	uint32_t seed = 1;
	for (int round = 0; round < 20000; round++) {
		struct rt_reclaim o = {0};
		uint64_t all = 0, taken = 0;
		for (int i = 0; i < 12; i++) {
			seed = seed * 1664525 + 1013904223;
			uint32_t n = seed >> 28;
			o.ages[seed >> 8 & 3][32 | (seed >> 16 & (RT_AGES - 1))] += n;
			all += n;
		}
		uint64_t need = seed % 120;
		reclaim_plan(&o, need);
		for (int i = 0; i < RT_RECLAIM_CLASSES; i++)
			taken += takes(&o, i);
		assert_int_equal(taken, need < all ? need : all);
		/* Nothing of a later class while an earlier one has some left. */
		for (int i = 1; i < RT_RECLAIM_CLASSES; i++) {
			uint64_t left = 0;
			for (int age = 0; age < RT_AGES; age++)
				left += o.ages[i - 1][age];
			if (takes(&o, i - 1) < left)
				assert_int_equal(takes(&o, i), 0);
		}
	}
}

static void test_marks(void **state)
{
	for (uint32_t budget = 64; budget <= 1 << 20; budget *= 2) {
		assert_true(reclaim_target(budget) < reclaim_mark(budget));
		assert_true(reclaim_mark(budget) < budget);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_nothing_needed), cmocka_unit_test(test_oldest_idle_ones), cmocka_unit_test(test_the_next_class),
	    cmocka_unit_test(test_all_of_them),	   cmocka_unit_test(test_any_need_is_met_exactly),
	    cmocka_unit_test(test_marks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
