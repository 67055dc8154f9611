// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/histogram.h"
#include "store/chunk.h"
#include "store/store.h"

#define T0 1700000000000

static uint64_t seed = 88172645463325252u;
static uint64_t rnd(void)
{
	seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
	return seed;
}

static void print(const struct histogram *h, struct buf *out)
{
	buf_addf(out, "%d %d %a ", h->schema, h->hint == HINT_GAUGE, h->zero_threshold);
	buf_addf(out, "%a ", isnan(h->sum) ? 0 : h->sum);
	histogram_print(h, out);
	for (size_t i = 0; i < h->n_custom; i++)
		buf_addf(out, " %g", h->custom[i]);
	for (int side = 0; side < 2; side++)
		for (size_t i = 0; i < (side ? h->n_neg : h->n_pos); i++) {
			const struct histogram_bucket *b = &(side ? h->neg : h->pos)[i];
			buf_addf(out, " %d:%a", b->i, b->n);
		}
}

static void expect_equal(const struct histogram *got, const struct histogram *want)
{
	_cleanup_buf_ struct buf a = BUF_INIT, b = BUF_INIT;
	print(got, &a);
	print(want, &b);
	assert_string_equal(buf_str(&a), buf_str(&b));
}

static struct series_set find(struct store *s, const char *name)
{
	struct series_set set;
	struct matcher m = {.type = MATCH_EQUAL, .name = SV("__name__"), .value = sv_of(name)};
	const struct sample_source *src = store_source(s);
	char *error = NULL;
	if (src->select(src->self, &m, 1, 0, INT64_MAX, &set, &error))
		fail_msg("%s", error);
	return set;
}

#define BUCKETS 40
struct state {
	struct histogram h;
	struct histogram_bucket pos[BUCKETS], neg[BUCKETS];
	double all_pos[BUCKETS], all_neg[BUCKETS];
};

static void build(struct state *s)
{
	s->h.n_pos = s->h.n_neg = 0;
	s->h.pos = s->pos;
	s->h.neg = s->neg;
	for (int i = 0; i < BUCKETS; i++) {
		if (s->all_pos[i] != 0)
			s->pos[s->h.n_pos++] = (struct histogram_bucket){i - 20, s->all_pos[i]};
		if (s->all_neg[i] != 0)
			s->neg[s->h.n_neg++] = (struct histogram_bucket){i - 20, s->all_neg[i]};
	}
}

/* Any sequence comes out as it went in: whole and broken counts, buckets that come and go, resets, other resolutions, gauges, floats and
 * stale markers in between. */
static void test_round_trip(void **state)
{
	for (int round = 0; round < 60; round++) {
		struct store *s = store_new(NULL);
		_cleanup_labels_ struct labels *ls = labels_from("__name__", "h", NULL);
		static struct state now, kept[400];
		static bool floats[400];
		memset(&now, 0, sizeof(now));
		now.h.sum = 0;
		for (int i = 0; i < 400; i++) {
			uint64_t what = rnd() % 100;
			if (what == 0) {
				memset(&now, 0, sizeof(now));
				now.h.schema = (int32_t)(rnd() % 13) - 4;
			} else if (what == 1) {
				now.h.hint = rnd() % 2 ? HINT_GAUGE : HINT_UNKNOWN;
			} else if (what == 2) {
				now.h.zero_threshold = (double)(rnd() % 3);
			} else if (what == 3) {
				now.all_pos[rnd() % BUCKETS] = 0;
			} else if (what == 4) {
				now.h.sum = round % 3 ? -INFINITY : NAN;
			}
			for (uint64_t k = rnd() % 4; k; k--) {
				double step = round % 2 ? (double)(rnd() % 50) : (double)(rnd() % 1000) / 7;
				if (rnd() % 50 == 0)
					step *= 1e6;
				(rnd() % 3 ? now.all_pos : now.all_neg)[rnd() % (round % 5 ? 6 : BUCKETS)] += step;
				now.h.count += step;
				now.h.sum += step / 3;
			}
			now.h.zero_count += (double)(rnd() % 2);
			build(&now);
			floats[i] = rnd() % 60 == 0;
			kept[i] = now;
			kept[i].h.pos = kept[i].pos;
			kept[i].h.neg = kept[i].neg;
			if (floats[i])
				assert_int_equal(store_append(s, ls, T0 + i * 1000, i % 2 ? i : sample_stale_marker()), 0);
			else
				assert_int_equal(store_append_histogram(s, ls, T0 + i * 1000, &now.h), 0);
		}
		struct series_set set = find(s, "h");
		assert_int_equal(set.n, 1);
		assert_int_equal(set.series[0].n, 400);
		for (int i = 0; i < 400; i++) {
			const struct sample *p = &set.series[0].samples[i];
			assert_true(p->t == T0 + i * 1000);
			if (!floats[i]) {
				assert_non_null(p->h);
				expect_equal(p->h, &kept[i].h);
			} else {
				assert_null(p->h);
				assert_true(i % 2 ? p->v == i : sample_is_stale(&p->v));
			}
		}
		set.release(&set);
		store_free(s);
	}
}

static void test_custom_bounds(void **state)
{
	struct store *s = store_new(NULL);
	_cleanup_labels_ struct labels *ls = labels_from("__name__", "h", NULL);
	double bounds[] = {0.5, 1}, other[] = {0.5, 2};
	struct histogram_bucket b[] = {{0, 3}, {2, 1}};
	struct histogram h = {.schema = HISTOGRAM_CUSTOM, .count = 4, .sum = 5, .pos = b, .n_pos = 2, .custom = bounds, .n_custom = 2};
	assert_int_equal(store_append_histogram(s, ls, T0, &h), 0);
	h.custom = other;
	assert_int_equal(store_append_histogram(s, ls, T0 + 1000, &h), 0);
	struct series_set set = find(s, "h");
	assert_int_equal(set.series[0].n, 2);
	expect_equal(set.series[0].samples[1].h, &h);
	h.custom = bounds;
	expect_equal(set.series[0].samples[0].h, &h);
	set.release(&set);
	store_free(s);
}

static void test_refused(void **state)
{
	struct store *s = store_new(NULL);
	_cleanup_labels_ struct labels *ls = labels_from("__name__", "h", NULL);
	struct histogram_bucket b[] = {{0, 3}};
	struct histogram h = {.count = 3, .sum = 5, .pos = b, .n_pos = 1};
	assert_int_equal(store_append_histogram(s, ls, T0, &h), 0);
	assert_int_equal(store_append_histogram(s, ls, T0, &h), 0); /* the same again */
	h.sum = 6;
	assert_int_equal(store_append_histogram(s, ls, T0, &h), -EEXIST);
	assert_int_equal(store_append(s, ls, T0, 6), -EEXIST);
	assert_int_equal(store_append_histogram(s, ls, T0 - 1, &h), -ESTALE);
	assert_int_equal(store_append(s, ls, T0 + 1, 6), 0);
	assert_int_equal(store_append_histogram(s, ls, T0 + 1, &h), -EEXIST);
	struct store_stats st;
	store_stats(s, &st);
	assert_int_equal(st.samples, 2);
	assert_int_equal(st.duplicate_total, 3);
	assert_int_equal(st.out_of_order_total, 1);
	/* A marker after the end of the series' time says nothing and is not counted; one for a stranger makes no series. */
	_cleanup_labels_ struct labels *stranger = labels_from("__name__", "x", NULL);
	struct store_sample markers[] = {{.labels = ls, .t = T0 + 1, .v = sample_stale_marker(), .marker = true},
					 {.labels = stranger, .t = T0 + 1, .v = sample_stale_marker(), .marker = true},
					 {.labels = ls, .t = T0 + 2, .v = sample_stale_marker(), .marker = true}};
	store_append_batch(s, markers, 3);
	assert_true(!markers[0].err && !markers[1].err && !markers[2].err);
	store_stats(s, &st);
	assert_int_equal(st.samples, 3);
	assert_int_equal(st.series, 1);
	assert_int_equal(st.duplicate_total, 3);
	store_free(s);
}

static void observe(struct state *h, uint64_t n)
{
	for (; n; n--) {
		h->all_pos[rnd() % 8 + (rnd() % 10 == 0 ? rnd() % 20 : 0)]++;
		h->h.count++;
		h->h.sum += (double)(rnd() % 100000) / 1e6;
	}
	build(h);
}

/* Histograms of a service that answers a few requests a second, for an hour: what they cost. */
static void test_size(void **state)
{
	struct store *s = store_new(NULL);
	struct labels *ls[100];
	static struct state h[100];
	for (int i = 0; i < 100; i++) {
		char name[32];
		snprintf(name, sizeof(name), "h%d", i);
		ls[i] = labels_from("__name__", name, NULL);
		memset(&h[i], 0, sizeof(h[i]));
		h[i].h.schema = 3;
	}
	for (int k = 0; k < 240; k++)
		for (int i = 0; i < 100; i++) {
			observe(&h[i], rnd() % 60);
			assert_int_equal(store_append_histogram(s, ls[i], T0 + k * 15000, &h[i].h), 0);
		}
	struct store_stats st;
	store_stats(s, &st);
	print_message("histograms of 28 buckets: %.1f bytes a sample\n", (double)st.bytes / (double)st.samples);
	assert_int_equal(st.samples, 24000);
	assert_true(st.bytes / st.samples < 60);
	store_free(s);
	for (int i = 0; i < 100; i++)
		labels_unref(ls[i]);
}

/* Past the budget the oldest go, whatever they are, and the books balance. */
static void test_budget(void **state)
{
	struct store *s = store_new(&(struct store_options){.budget = 400000});
	struct labels *ls[20];
	static struct state h[20];
	uint64_t appended = 0;
	for (int i = 0; i < 20; i++) {
		char name[32];
		snprintf(name, sizeof(name), "h%d", i);
		ls[i] = labels_from("__name__", name, NULL);
		memset(&h[i], 0, sizeof(h[i]));
	}
	struct store_stats st;
	for (int k = 0; k < 2000; k++)
		for (int i = 0; i < 20; i++) {
			h[i].all_pos[(k / 97 + i) % BUCKETS] += (double)(rnd() % 100000) / 3;
			build(&h[i]);
			appended += store_append_histogram(s, ls[i], T0 + k * 1000, &h[i].h) == 0;
			if (k % 5 == 0)
				appended += store_append(s, ls[i], T0 + k * 1000 + 1, 1) == 0;
		}
	store_stats(s, &st);
	assert_int_equal(appended, st.appended_total);
	assert_int_equal(st.samples + st.dropped_total, appended);
	assert_true(st.dropped_total > 0);
	assert_true(st.bytes <= 400000 + 4000);
	struct series_set set = find(s, "h7");
	assert_int_equal(set.n, 1);
	expect_equal(set.series[0].samples[set.series[0].n - 1].h, &h[7].h);
	set.release(&set);
	/* All of it can be given back: what was counted was what there was. */
	store_set_limits(s, 1, 400000);
	_cleanup_labels_ struct labels *last = labels_from("__name__", "last", NULL);
	store_append(s, last, T0 + 100000000, 1);
	store_append(s, last, T0 + 200000000, 1);
	store_stats(s, &st);
	assert_int_equal(st.series, 1);
	assert_int_equal(st.samples, 1);
	assert_true(st.bytes < 1000);
	store_free(s);
	for (int i = 0; i < 20; i++)
		labels_unref(ls[i]);
}

static void test_select_limit(void **state)
{
	struct store *s = store_new(&(struct store_options){.max_select = 500});
	_cleanup_labels_ struct labels *ls = labels_from("__name__", "h", NULL);
	static struct state h;
	for (int i = 0; i < BUCKETS; i++)
		h.all_pos[i] = i + 1;
	build(&h);
	for (int i = 0; i < 100; i++)
		assert_int_equal(store_append_histogram(s, ls, T0 + i, &h.h), 0);
	struct matcher m = {.type = MATCH_EQUAL, .name = SV("__name__"), .value = SV("h")};
	const struct sample_source *src = store_source(s);
	struct series_set set;
	char *error = NULL;
	assert_int_equal(src->select(src->self, &m, 1, 0, INT64_MAX, &set, &error), -E2BIG);
	free(error);
	assert_int_equal(src->select(src->self, &m, 1, T0, T0 + 4, &set, &error), 0);
	assert_int_equal(set.series[0].n, 5);
	set.release(&set);
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip), cmocka_unit_test(test_custom_bounds), cmocka_unit_test(test_refused),
		cmocka_unit_test(test_size),	   cmocka_unit_test(test_budget),	 cmocka_unit_test(test_select_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
