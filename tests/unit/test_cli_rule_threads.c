// SPDX-License-Identifier: GPL-2.0-or-later
/* Threads of rules: every group by one of them at a time, reloads in between, an end that waits for nobody. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "cli/rule_threads.h"
#include "rules/memory.h"
#include "rules/rule_file.h"

struct world {
	struct memory_source memory; /* holds nothing */
	struct rule_manager *m;
	int inside[3]; /* of each group: evaluations under way */
	bool overlap;
	unsigned after, afters;
};

static void on_append(void *self, struct labels *labels, int64_t t, double v, const struct histogram *h)
{
	struct world *w = self;
	struct sv name = labels_get(labels, SV(LABEL_NAME));
	if (name.p[0] != 'r') /* ALERTS */
		return;
	int *inside = &w->inside[name.p[1] - '0'];
	if (__atomic_add_fetch(inside, 1, __ATOMIC_SEQ_CST) > 1)
		__atomic_store_n(&w->overlap, true, __ATOMIC_SEQ_CST);
	nanosleep(&(struct timespec){.tv_nsec = 300000}, NULL);
	__atomic_sub_fetch(inside, 1, __ATOMIC_SEQ_CST);
}

static void after(void *self)
{
	struct world *w = self;
	if (w->after++) /* one at a time, so no lock */
		__atomic_store_n(&w->overlap, true, __ATOMIC_SEQ_CST);
	w->afters++;
	w->after--;
}

static struct rule_set *rules(const char *more)
{
	struct strings errors = {0};
	struct rule_set *set = rule_set_new();
	char text[512];
	snprintf(text, sizeof(text),
		 "groups:\n- {name: a, interval: 10ms, rules: [{record: r0, expr: '1'}, {alert: A, expr: '1', labels: {a: '{{ $value }}'}}]}\n"
		 "- {name: b, interval: 15ms, rules: [{record: r1, expr: '1'}%s]}\n- {name: c, interval: 1h, rules: [{record: r2, expr: '1'}]}\n", more);
	if (rule_file_parse("f", text, strlen(text), set, &errors) < 0)
		fail_msg("%s", errors.v[0]);
	return set;
}

static uint64_t iterations(struct world *w)
{
	struct rule_manager_stats s;
	rule_manager_stats(w->m, &s);
	return s.iterations;
}

static void test_threads(void **state)
{
	struct world w = {0};
	w.m = rule_manager_new(&(struct rule_manager_options){.source = memory_source(&w.memory), .append = on_append, .self = &w});
	rule_manager_apply(w.m, rules(""), NULL, clock_unix_ms());
	struct rule_threads *t = rule_threads_start(w.m, 3, after, &w);
	assert_non_null(t);
	uint64_t until = clock_mono_ns() + 20000000000u;
	for (int i = 0; i < 20; i++) {
		uint64_t before = iterations(&w);
		rule_manager_apply(w.m, rules(i % 2 ? "" : ", {record: r1, expr: '2', labels: {a: b}}"), NULL, clock_unix_ms());
		rule_threads_wake(t);
		while (iterations(&w) < before + 3 && clock_mono_ns() < until)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
		assert_true(iterations(&w) >= before + 3);
	}
	rule_threads_stop(t);
	assert_false(w.overlap);
	assert_int_equal(w.afters, iterations(&w));
	uint64_t end = iterations(&w);
	nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
	assert_int_equal(iterations(&w), end);
	rule_manager_free(w.m);
}

/* They sleep for an hour; rules that are due at once are noticed all the same, and so is the end. */
static void test_woken(void **state)
{
	struct world w = {0};
	w.m = rule_manager_new(&(struct rule_manager_options){.source = memory_source(&w.memory), .append = on_append, .self = &w});
	struct rule_threads *t = rule_threads_start(w.m, 2, after, &w);
	nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
	rule_manager_apply(w.m, rules(""), NULL, clock_unix_ms());
	rule_threads_wake(t);
	uint64_t until = clock_mono_ns() + 20000000000u;
	while (!iterations(&w) && clock_mono_ns() < until)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	assert_true(iterations(&w) > 0);
	rule_manager_apply(w.m, rule_set_new(), NULL, clock_unix_ms());
	nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
	rule_threads_stop(t);
	rule_threads_stop(NULL);
	rule_manager_free(w.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_threads), cmocka_unit_test(test_woken)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
