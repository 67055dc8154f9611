// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/sample.h"
#include "store/chunk.h"

static uint64_t seed = 88172645463325252u;
static uint64_t rnd(void)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return seed;
}

static double from_bits(uint64_t bits)
{
	double v;
	memcpy(&v, &bits, sizeof(v));
	return v;
}

static void round_trip(const int64_t *t, const double *v, uint32_t n, double max_bytes_per_sample)
{
	struct chunk_tail tail;
	struct chunk *c = chunk_new(NULL);
	for (uint32_t i = 0; i < n; i++)
		c = chunk_append(c, &tail, t[i], v[i]);
	assert_true(c->bits <= c->cap * 8);
	c = chunk_seal(c);
	assert_int_equal(c->n, n);
	assert_true(c->t_first == t[0] && c->t_last == t[n - 1]);
	assert_true(c->cap <= max_bytes_per_sample * n + 16);
	struct chunk_iter it;
	chunk_iter_init(&it, c);
	for (uint32_t i = 0; i < n; i++) {
		assert_true(chunk_iter_next(&it));
		if (it.t != t[i] || memcmp(&it.v, &v[i], sizeof(double)) != 0)
			fail_msg("sample %u: %lld %.17g, not %lld %.17g", i, (long long)it.t, it.v, (long long)t[i], v[i]);
	}
	assert_false(chunk_iter_next(&it));
	assert_false(chunk_iter_next(&it));
	/* All at once, and parts that begin and end within. */
	struct sample *got = xcalloc(n, sizeof(*got));
	for (int part = 0; part < 3; part++) {
		uint32_t from = part ? (uint32_t)(rnd() % n) : 0, to = part ? from + (uint32_t)(rnd() % (n - from)) : n - 1;
		assert_int_equal(chunk_decode(c, t[from], t[to], got), to - from + 1);
		for (uint32_t i = from; i <= to; i++)
			if (got[i - from].t != t[i] || memcmp(&got[i - from].v, &v[i], sizeof(double)) != 0 || got[i - from].h)
				fail_msg("decoded %u: %lld %.17g, not %lld %.17g", i, (long long)got[i - from].t, got[i - from].v, (long long)t[i], v[i]);
	}
	if (t[n - 1] < INT64_MAX)
		assert_int_equal(chunk_decode(c, t[n - 1] + 1, INT64_MAX, got), 0);
	free(got);
	free(c);
}

static void test_special_values(void **state)
{
	const double v[] = {0, -0.0, 1, NAN, sample_stale_marker(), INFINITY, -INFINITY, from_bits(NORMAL_NAN_BITS), 5e-324, 1.7976931348623157e308,
			    from_bits(~0ull), from_bits(0), sample_stale_marker(), 1, 1, 1, from_bits(1), from_bits(1ull << 63), 2};
	int64_t t[ARRAY_SIZE(v)];
	for (size_t i = 0; i < ARRAY_SIZE(v); i++)
		t[i] = 1700000000000 + 15000 * (int64_t)i;
	for (uint32_t n = 1; n <= ARRAY_SIZE(v); n++)
		round_trip(t, v, n, 18);
}

static void test_times(void **state)
{
	/* Around every step width, from both sides, and the extremes. */
	static const int64_t deltas[] = {1, 2, 15000, 15000, 15001, 14999, 15127, 15000, 15128, 15000, 14872, 14871, 23191, 15000, 6808, 15000, 539287,
					 15000, 539288, 1, 600000000000, 1, 1, INT64_MAX / 2, 5};
	int64_t t[ARRAY_SIZE(deltas) + 1] = {-1000};
	double v[ARRAY_SIZE(t)] = {0};
	for (size_t i = 0; i < ARRAY_SIZE(deltas); i++)
		t[i + 1] = t[i] + deltas[i];
	round_trip(t, v, ARRAY_SIZE(t), 18);
	const int64_t wide[] = {INT64_MIN, -1, 0, INT64_MAX};
	round_trip(wide, v, 4, 18);
}

static void test_random(void **state)
{
	for (int round = 0; round < 2000; round++) {
		int64_t t[CHUNK_SAMPLES], now = (int64_t)(rnd() >> 20);
		double v[CHUNK_SAMPLES], x = 0;
		uint32_t n = 1 + (uint32_t)(rnd() % CHUNK_SAMPLES);
		for (uint32_t i = 0; i < n; i++) {
			now += 1 + (int64_t)(rnd() % (round % 2 ? 1u << 21 : 20));
			t[i] = now;
			switch (round % 4) {
			case 0:
				v[i] = from_bits(rnd());
				break;
			case 1:
				v[i] = x += (double)(rnd() % 1000);
				break;
			case 2:
				v[i] = x += (double)(rnd() % 1000000000) / 1e9;
				break;
			default:
				v[i] = rnd() % 8 ? x : (x = from_bits(rnd()));
			}
		}
		round_trip(t, v, n, 19);
	}
}

static void test_compression(void **state)
{
	int64_t t[CHUNK_SAMPLES];
	double constant[CHUNK_SAMPLES], counter[CHUNK_SAMPLES];
	for (int i = 0; i < CHUNK_SAMPLES; i++) {
		t[i] = 1700000000000 + 15000 * (int64_t)i + (int64_t)(rnd() % 5);
		constant[i] = 42;
		counter[i] = 1000 + 7 * i;
	}
	round_trip(t, constant, CHUNK_SAMPLES, 1.7);
	round_trip(t, counter, CHUNK_SAMPLES, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_special_values),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_compression),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
