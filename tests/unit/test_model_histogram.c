// SPDX-License-Identifier: GPL-2.0-or-later
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/alloc.h"
#include "model/histogram.h"

static void *blocks[4096];
static size_t n_blocks;

static void *block(void *arg, size_t n)
{
	assert_true(n_blocks < ARRAY_SIZE(blocks));
	return blocks[n_blocks++] = xmalloc(n);
}

static const struct histogram_alloc heap = {block, NULL};

static int free_blocks(void **state)
{
	while (n_blocks)
		free(blocks[--n_blocks]);
	return 0;
}

/* Schema 0: (0.5,1]:1 (1,2]:2 (2,4]:1 */
static struct histogram_bucket three[] = {{0, 1}, {1, 2}, {2, 1}};

static struct histogram sample(void)
{
	return (struct histogram){.count = 4, .sum = 5, .pos = three, .n_pos = 3};
}

static void near(double a, double b)
{
	if (!(fabs(a - b) <= 1e-12 * fmax(fabs(a), fabs(b))))
		fail_msg("%.17g is not %.17g", a, b);
}

static enum histogram_note note;

static void quantiles(void **state)
{
	struct histogram h = sample();
	near(histogram_quantile(&h, 0.5, &note), sqrt(2));
	near(histogram_quantile(&h, 0, &note), 0.5);
	near(histogram_quantile(&h, 1, &note), 4);
	assert_true(isnan(histogram_quantile(&h, NAN, &note)));
	assert_true(histogram_quantile(&h, -1, &note) == -INFINITY);
	assert_true(histogram_quantile(&h, 2, &note) == INFINITY);
	struct histogram mirrored = {.count = 4, .sum = -5, .neg = three, .n_neg = 3};
	near(histogram_quantile(&mirrored, 0.5, &note), -sqrt(2));
	struct histogram empty = {0};
	assert_true(isnan(histogram_quantile(&empty, 0.5, &note)));
	/* NaN observations are in no bucket. */
	h.count = 8;
	h.sum = NAN;
	assert_true(isnan(histogram_quantile(&h, 0.9, &note)) && note == NOTE_NAN_RESULT);
	near(histogram_quantile(&h, 0.25, &note), sqrt(2));
	assert_int_equal(note, NOTE_NAN_SKEW);
}

static void fractions(void **state)
{
	struct histogram h = sample();
	near(histogram_fraction(&h, 0, 1, &note), 0.25);
	near(histogram_fraction(&h, 1, 2, &note), 0.5);
	near(histogram_fraction(&h, 0, sqrt(2), &note), 0.5);
	near(histogram_fraction(&h, -INFINITY, INFINITY, &note), 1);
	assert_true(histogram_fraction(&h, 2, 1, &note) == 0);
	assert_true(isnan(histogram_fraction(&h, NAN, 1, &note)));
}

static void adding_takes_the_coarser_schema(void **state)
{
	struct histogram_bucket fine[] = {{1, 1}, {2, 1}, {3, 5}}; /* schema 1: (1,1.41] (1.41,2] (2,2.83] */
	struct histogram a = sample(), b = {.schema = 1, .count = 7, .sum = 10, .pos = fine, .n_pos = 3};
	struct histogram *r = histogram_add(&b, &a, 1, &heap, NULL);
	assert_int_equal(r->schema, 0);
	assert_int_equal(r->n_pos, 3);
	near(r->pos[0].n, 1);
	near(r->pos[1].n, 4);
	near(r->pos[2].n, 6);
	near(r->count, 11);
	r = histogram_add(r, &b, -1, &heap, NULL);
	assert_true(histogram_equal(r, &a));
}

static void zero_buckets_widen_to_a_bucket_end(void **state)
{
	struct histogram a = sample(), b = {.count = 3, .zero_count = 3, .zero_threshold = 0.7};
	struct histogram *r = histogram_add(&a, &b, 1, &heap, NULL);
	/* 0.7 is inside (0.5,1], so that whole bucket is zero now. */
	near(r->zero_threshold, 1);
	near(r->zero_count, 4);
	assert_int_equal(r->n_pos, 2);
}

static void custom_bounds_are_reconciled(void **state)
{
	double ab[] = {5, 10}, a[] = {5};
	struct histogram_bucket one[] = {{0, 1}, {1, 2}, {2, 3}}, two[] = {{0, 4}, {1, 5}};
	struct histogram x = {
	    .schema = HISTOGRAM_CUSTOM, .count = 6, .custom = ab, .n_custom = 2, .pos = one, .n_pos = 3};
	struct histogram y = {
	    .schema = HISTOGRAM_CUSTOM, .count = 9, .custom = a, .n_custom = 1, .pos = two, .n_pos = 2};
	bool reconciled = false;
	struct histogram *r = histogram_add(&x, &y, 1, &heap, &reconciled);
	assert_true(reconciled);
	assert_int_equal(r->n_custom, 1);
	near(r->pos[0].n, 5);
	near(r->pos[1].n, 10);
	struct histogram e = sample();
	assert_null(histogram_add(&e, &x, 1, &heap, NULL));
}

static void resets(void **state)
{
	struct histogram a = sample(), b = sample();
	assert_false(histogram_was_reset(&b, &a));
	struct histogram_bucket moved[] = {{0, 0.5}, {1, 2}, {2, 3}};
	b.pos = moved;
	b.count = 6;
	assert_true(histogram_was_reset(&b, &a)); /* the count rose, a bucket fell */
	b.hint = HINT_NOT_RESET;
	assert_false(histogram_was_reset(&b, &a));
	b = sample();
	b.hint = HINT_RESET;
	assert_true(histogram_was_reset(&b, &a));
	b = sample();
	b.schema = 1;
	assert_true(histogram_was_reset(&b, &a));
}

static void compensated_sums(void **state)
{
	struct histogram big = {.sum = 1e100}, one = {.sum = 1}, minus = {.sum = -1e100};
	struct histogram *s = histogram_copy(&one, &heap), *c = histogram_scale(&one, 0, &heap);
	assert_true(histogram_kahan_add(&s, &c, &big, &heap, NULL));
	assert_true(histogram_kahan_add(&s, &c, &one, &heap, NULL));
	assert_true(histogram_kahan_add(&s, &c, &minus, &heap, NULL));
	near(s->sum + c->sum, 2);
}

static void trimming(void **state)
{
	struct histogram h = sample();
	struct histogram *r = histogram_trim(&h, 2, true, &heap);
	near(r->count, 3);
	near(r->sum, sqrt(0.5) + 2 * sqrt(2));
	r = histogram_trim(&h, 2, false, &heap);
	near(r->count, 1);
	assert_true(histogram_equal(histogram_trim(&h, INFINITY, true, &heap), &h));
	near(histogram_trim(&h, INFINITY, false, &heap)->count, 0);
}

static void prints(void **state)
{
	struct histogram_bucket low[] = {{1, 1}};
	struct histogram h = sample();
	struct buf b = BUF_INIT;
	h.neg = low;
	h.n_neg = 1;
	h.zero_count = 2;
	h.zero_threshold = 0.001;
	histogram_print(&h, &b);
	assert_string_equal(buf_str(&b),
			    "{count:4, sum:5, [-2,-1):1, [-0.001,0.001]:2, (0.5,1]:1, (1,2]:2, (2,4]:1}");
	buf_free(&b);
}

/* Prometheus' own bounds, not the C library's, which are one bit off at these. */
static void bounds_are_those_of_prometheus(void **state)
{
	assert_true(histogram_bound(1, 1) == 1.414213562373095);
	assert_true(histogram_bound(2, 3) == 1.6817928305074288);
	assert_true(histogram_bound(3, 7) == 1.8340080864093422);
	assert_true(histogram_bound(2, -2) == 0.7071067811865475);
	for (int32_t schema = 0; schema <= 8; schema++) {
		assert_true(histogram_bound(schema, 0) == 1 && histogram_bound(schema, 1 << schema) == 2);
		for (int32_t i = -300; i < 300; i++) {
			assert_true(histogram_bound(schema, i) > histogram_bound(schema, i - 1));
			if (schema)
				assert_true(histogram_bound(schema, 2 * i) == histogram_bound(schema - 1, i));
		}
	}
}

#define TEST(f) cmocka_unit_test_teardown(f, free_blocks)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(quantiles),
	    TEST(fractions),
	    TEST(adding_takes_the_coarser_schema),
	    TEST(zero_buckets_widen_to_a_bucket_end),
	    TEST(custom_bounds_are_reconciled),
	    TEST(resets),
	    TEST(compensated_sums),
	    TEST(trimming),
	    TEST(prints),
	    TEST(bounds_are_those_of_prometheus),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
