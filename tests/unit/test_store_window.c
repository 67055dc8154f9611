// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/regex.h"
#include "store/metrics.h"
#include "store/store.h"

#define T0 1700000000000

static struct matcher eq(const char *name, const char *value)
{
	return (struct matcher){.type = MATCH_EQUAL, .name = sv_of(name), .value = sv_of(value)};
}

static struct series_set find(struct store *s, const struct matcher *m, size_t n, int64_t mint, int64_t maxt)
{
	struct series_set set;
	char *error = NULL;
	const struct sample_source *src = store_source(s);
	if (src->select(src->self, m, n, mint, maxt, &set, &error))
		fail_msg("%s", error);
	return set;
}

/* The samples of the one series that matches, as text: "t:v t:v", times relative to T0 in seconds. */
static void expect_samples(struct store *s, const struct matcher *m, size_t n, int64_t mint, int64_t maxt, const char *want)
{
	struct series_set set = find(s, m, n, mint, maxt);
	_cleanup_buf_ struct buf b = BUF_INIT;
	assert_true(set.n <= 1);
	for (size_t i = 0; set.n && i < set.series[0].n; i++) {
		const struct sample *p = &set.series[0].samples[i];
		buf_addf(&b, "%s%g:", i ? " " : "", (double)(p->t - T0) / 1000);
		if (sample_is_stale(&p->v))
			buf_adds(&b, "stale");
		else
			buf_addf(&b, "%g", p->v);
	}
	set.release(&set);
	assert_string_equal(buf_str(&b), want);
}

static void test_append_and_select(void **state)
{
	struct store *s = store_new(NULL);
	_cleanup_labels_ struct labels *a = labels_from("__name__", "x", "job", "a", NULL);
	_cleanup_labels_ struct labels *b = labels_from("__name__", "x", "job", "b", NULL);
	_cleanup_labels_ struct labels *c = labels_from("__name__", "y", NULL);
	assert_int_equal(store_append(s, a, T0, 1), 0);
	assert_int_equal(store_append(s, b, T0, 10), 0);
	assert_int_equal(store_append(s, c, T0, 100), 0);
	assert_int_equal(store_append(s, a, T0 + 1000, 2), 0);
	assert_int_equal(store_append(s, a, T0 + 1000, 2), 0); /* the same again */
	assert_int_equal(store_append(s, a, T0 + 1000, 3), -EEXIST);
	assert_int_equal(store_append(s, a, T0 + 500, 3), -ESTALE);
	assert_int_equal(store_append(s, a, T0 + 2000, sample_stale_marker()), 0);
	struct matcher xa[] = {eq("__name__", "x"), eq("job", "a")}, x = eq("__name__", "x"), any = eq("nothing", "");
	expect_samples(s, xa, 2, T0, T0 + 10000, "0:1 1:2 2:stale");
	expect_samples(s, xa, 2, T0 + 1, T0 + 1000, "1:2");
	expect_samples(s, xa, 2, T0 + 1, T0 + 999, "");
	expect_samples(s, xa, 2, T0 - 10, T0 - 1, "");
	struct series_set set = find(s, &x, 1, T0, T0);
	assert_int_equal(set.n, 2);
	set.release(&set);
	set = find(s, &any, 1, T0, T0);
	assert_int_equal(set.n, 3);
	set.release(&set);
	struct matcher re = {.type = MATCH_NOT_REGEXP, .name = SV("job"), .value = SV("a|b")};
	char *error;
	assert_int_equal(regex_new(re.value, REGEX_ANCHORED | REGEX_DOTALL, &re.re, &error), 0);
	expect_samples(s, &re, 1, T0, T0, "0:100");
	regex_free(re.re);
	struct labels **ls;
	size_t n;
	store_select_labels(s, &x, 1, T0 + 1, T0 + 5000, &ls, &n);
	assert_int_equal(n, 1);
	assert_true(labels_equal(ls[0], a));
	store_labels_free(ls, n);
	struct store_stats st;
	store_stats(s, &st);
	assert_int_equal(st.series, 3);
	assert_int_equal(st.samples, 5);
	assert_int_equal(st.appended_total, 5);
	assert_int_equal(st.duplicate_total, 1);
	assert_int_equal(st.out_of_order_total, 1);
	assert_int_equal(st.oldest_t, T0);
	store_free(s);
}

static void test_many_chunks(void **state)
{
	struct store *s = store_new(NULL);
	_cleanup_labels_ struct labels *a = labels_from("__name__", "x", NULL);
	for (int i = 0; i < 1000; i++)
		assert_int_equal(store_append(s, a, T0 + i * 1000, i), 0);
	struct matcher x = eq("__name__", "x");
	struct series_set set = find(s, &x, 1, T0 + 115000, T0 + 605000);
	assert_int_equal(set.n, 1);
	assert_int_equal(set.series[0].n, 491);
	for (int i = 0; i < 491; i++)
		assert_true(set.series[0].samples[i].t == T0 + (115 + i) * 1000 && set.series[0].samples[i].v == 115 + i);
	set.release(&set);
	struct store_stats st;
	store_stats(s, &st);
	assert_int_equal(st.chunks, 9);
	store_free(s);
}

static void test_retention(void **state)
{
	struct store *s = store_new(&(struct store_options){.retention_ms = 600000});
	_cleanup_labels_ struct labels *a = labels_from("__name__", "x", NULL), *gone = labels_from("__name__", "gone", NULL);
	store_append(s, gone, T0, 1);
	for (int i = 0; i < 3600; i++)
		store_append(s, a, T0 + i * 1000, i);
	struct store_stats st;
	store_stats(s, &st);
	assert_int_equal(st.series, 1); /* nobody appended to `gone` */
	assert_true(st.samples >= 600 && st.samples <= 600 + 2 * 120);
	assert_int_equal(st.samples + st.expired_total, 3601);
	assert_int_equal(st.dropped_total, 0);
	struct matcher x = eq("__name__", "x");
	struct series_set set = find(s, &x, 1, T0 + 3000000, T0 + 3600000);
	assert_int_equal(set.series[0].n, 600);
	set.release(&set);
	store_free(s);
}

static void test_budget(void **state)
{
	struct store *s = store_new(&(struct store_options){.budget = 300000});
	struct labels *ls[20];
	for (int i = 0; i < 20; i++) {
		char n[16];
		snprintf(n, sizeof(n), "s%d", i);
		ls[i] = labels_from("__name__", n, NULL);
	}
	struct store_stats st;
	uint64_t x = 88172645463325252u;
	for (int i = 0; i < 5000; i++)
		for (int k = 0; k < 20; k++) {
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			assert_int_equal(store_append(s, ls[k], T0 + i * 100, (double)x), 0);
		}
	store_stats(s, &st);
	assert_true(st.bytes <= 300000 + 1000);
	assert_true(st.bytes > 200000);
	assert_true(st.dropped_total > 0);
	assert_int_equal(st.samples + st.dropped_total, 100000);
	/* The newest of each is there, the oldest is not. */
	for (int k = 0; k < 20; k++) {
		struct matcher m = {.type = MATCH_EQUAL, .name = SV("__name__"), .value = labels_get(ls[k], SV("__name__"))};
		struct series_set set = find(s, &m, 1, 0, INT64_MAX);
		assert_int_equal(set.n, 1);
		assert_true(set.series[0].samples[set.series[0].n - 1].t == T0 + 4999 * 100);
		assert_true(set.series[0].samples[0].t > T0);
		assert_true(set.series[0].n >= 100);
		set.release(&set);
		labels_unref(ls[k]);
	}
	store_free(s);

	/* More series than fit: refused, and those that are in live on. */
	s = store_new(&(struct store_options){.budget = 20000});
	int in = 0;
	for (int round = 0; round < 300; round++)
		for (int k = 0; k < 200; k++) {
			char n[16];
			snprintf(n, sizeof(n), "s%d", k);
			_cleanup_labels_ struct labels *l = labels_from("__name__", n, NULL);
			int r = store_append(s, l, T0 + round * 1000, round * 1.1);
			assert_true(r == 0 || r == -ENOSPC);
			in += r == 0;
		}
	store_stats(s, &st);
	assert_true(st.refused_series_total > 0);
	assert_int_equal(in, st.appended_total);
	assert_int_equal(st.appended_total, st.samples + st.dropped_total);
	assert_true(st.bytes <= 20000 + 2000);
	store_free(s);
}

static const double bounds[] = {0.5, 1};

static struct snapshot *scrape(int64_t t, const char *const *services, uint64_t k)
{
	struct snapshot *s = snapshot_new(bounds, 2);
	s->t = t;
	struct family *f = snapshot_family(s, "d_seconds", FAMILY_HISTOGRAM, "seconds", "");
	for (const char *const *p = services; *p; p++)
		family_add_histogram(f, labels_from("service", *p, "job", "own", NULL), (uint64_t[]){k, 1, 2}, 0.5 * (double)k);
	f = snapshot_family(s, "n_total", FAMILY_COUNTER, NULL, "");
	for (const char *const *p = services; *p; p++)
		family_add_value(f, labels_from("service", *p, NULL), (double)k);
	return s;
}

#define SERVICES(...) ((const char *const[]){__VA_ARGS__, NULL})

static void feed(struct store *s, int64_t t, const char *const *services, uint64_t k, const char *instance)
{
	_cleanup_labels_ struct labels *extra = labels_from("job", "reqtally", "instance", instance, NULL);
	struct snapshot *snap = scrape(t, services, k);
	store_append_snapshot(s, snap, extra);
	snapshot_unref(snap);
}

static void test_snapshot(void **state)
{
	struct store *s = store_new(NULL);
	feed(s, T0, SERVICES("a", "b"), 5, "h:1");
	feed(s, T0 + 1000, SERVICES("a"), 6, "h:1");
	feed(s, T0 + 2000, SERVICES("a"), 7, "h:1");
	feed(s, T0 + 3000, SERVICES("a", "b"), 8, "h:1");
	struct matcher m[] = {eq("__name__", "d_seconds_bucket"), eq("service", "a"), eq("le", "1.0"), eq("job", "reqtally"),
			      eq("instance", "h:1"), eq("exported_job", "own")};
	expect_samples(s, m, 6, T0, T0 + 9000, "0:6 1:7 2:8 3:9");
	m[2] = eq("le", "+Inf");
	expect_samples(s, m, 6, T0, T0 + 9000, "0:8 1:9 2:10 3:11");
	m[2] = eq("le", "0.5");
	expect_samples(s, m, 6, T0, T0, "0:5");
	m[2] = eq("le", "1");
	expect_samples(s, m, 6, T0, T0, "");
	struct matcher sum[] = {eq("__name__", "d_seconds_sum"), eq("service", "b")};
	expect_samples(s, sum, 2, T0, T0 + 9000, "0:2.5 1:stale 3:4");
	struct matcher count[] = {eq("__name__", "d_seconds_count"), eq("service", "a")};
	expect_samples(s, count, 2, T0, T0 + 9000, "0:8 1:9 2:10 3:11");
	struct matcher n[] = {eq("__name__", "n_total"), eq("service", "b"), eq("instance", "h:1"), eq("exported_job", "")};
	expect_samples(s, n, 4, T0, T0 + 9000, "0:5 1:stale 3:8");
	/* Other extra labels are other series: the old ones go stale. */
	feed(s, T0 + 4000, SERVICES("a", "b"), 9, "h:2");
	expect_samples(s, n, 4, T0, T0 + 9000, "0:5 1:stale 3:8 4:stale");
	n[2] = eq("instance", "h:2");
	expect_samples(s, n, 4, T0, T0 + 9000, "4:9");
	/* All gone. */
	feed(s, T0 + 5000, SERVICES(NULL), 0, "h:2");
	expect_samples(s, n, 4, T0, T0 + 9000, "4:9 5:stale");
	struct store_stats st;
	store_stats(s, &st);
	assert_int_equal(st.series, 2 * 2 * 6);
	store_free(s);
}

static void test_filter(void **state)
{
	struct store *s = store_new(NULL);
	struct store_filter *f = store_filter_new();
	struct matcher want[] = {eq("__name__", "d_seconds_sum"), eq("service", "a")}, total = eq("__name__", "n_total"),
		       other = eq("service", "b");
	store_filter_add(f, want, 2, 300000);
	assert_int_equal(store_filter_range(f), 300000);
	store_set_filter(s, f);
	feed(s, T0, SERVICES("a", "b"), 5, "h:1");
	struct store_stats st;
	store_stats(s, &st);
	assert_int_equal(st.series, 1);
	expect_samples(s, want, 2, T0, T0 + 9000, "0:2.5");
	/* Twice in a row before the next scrape: nothing is forgotten. */
	f = store_filter_new();
	store_set_filter(s, f);
	f = store_filter_new();
	store_filter_add(f, &total, 1, 0);
	store_set_filter(s, f);
	feed(s, T0 + 1000, SERVICES("a", "b"), 6, "h:1");
	expect_samples(s, want, 2, T0, T0 + 9000, "0:2.5 1:stale");
	struct matcher b[] = {total, other};
	expect_samples(s, b, 2, T0, T0 + 9000, "1:6");
	f = store_filter_new();
	store_filter_add(f, &other, 1, 0); /* no name: any */
	struct matcher bad = {.type = MATCH_REGEXP, .name = SV("__name__"), .value = SV("d_.*_(sum|count)")};
	char *error;
	assert_int_equal(regex_new(bad.value, REGEX_ANCHORED | REGEX_DOTALL, &bad.re, &error), 0);
	store_filter_add(f, &bad, 1, 0);
	regex_free(bad.re);
	store_set_filter(s, f);
	feed(s, T0 + 2000, SERVICES("a", "b"), 7, "h:1");
	expect_samples(s, b, 2, T0, T0 + 9000, "1:6 2:7"); /* kept all along: no marker */
	struct matcher a[] = {total, eq("service", "a")};
	expect_samples(s, a, 2, T0, T0 + 9000, "1:6 2:stale");
	store_stats(s, &st);
	assert_int_equal(st.series, 6 + 3);
	store_set_filter(s, NULL);
	feed(s, T0 + 3000, SERVICES("a", "b"), 7, "h:1");
	store_stats(s, &st);
	assert_int_equal(st.series, 12);
	store_set_filter(s, store_filter_new()); /* nothing at all */
	feed(s, T0 + 4000, SERVICES("a", "b"), 7, "h:1");
	expect_samples(s, b, 2, T0 + 3000, T0 + 9000, "3:7 4:stale");
	store_free(s);
}

/* An hour of 10,000 series every 15 s fits the default budget. */
static void test_hour_of_ten_thousand(void **state)
{
	struct store *s = store_new(NULL);
	uint64_t x = 88172645463325252u;
	static uint64_t n[5000];
	for (int i = 0; i < 240; i++) {
		struct snapshot *snap = snapshot_new(NULL, 0);
		snap->t = T0 + i * 15000 + (int64_t)(x % 7);
		struct family *sum = snapshot_family(snap, "http_requests_duration_seconds_sum", FAMILY_GAUGE, NULL, "");
		for (int k = 0; k < 5000; k++) {
			char endpoint[64];
			snprintf(endpoint, sizeof(endpoint), "/api/v1/users/{id}/orders/%d", k);
			x ^= x << 13, x ^= x >> 7, x ^= x << 17;
			n[k] += x % 1000000000;
			family_add_value(sum,
					 labels_from("service", "checkout", "method", "GET", "endpoint", endpoint, "code", "200", "port",
						     "8080", NULL),
					 (double)n[k] / 1e9);
		}
		struct family *count = snapshot_family(snap, "http_requests_duration_seconds_count", FAMILY_GAUGE, NULL, "");
		for (int k = 0; k < 5000; k++)
			family_add_value(count, labels_ref(snap->families[0].metrics[k].labels), (double)(n[k] >> 27));
		store_append_snapshot(s, snap, NULL);
		snapshot_unref(snap);
	}
	struct store_stats st;
	store_stats(s, &st);
	print_message("10,000 series, 240 samples each: %llu bytes, %.1f a sample\n", (unsigned long long)st.bytes,
		      (double)st.bytes / (double)st.samples);
	assert_int_equal(st.series, 10000);
	assert_int_equal(st.samples, 2400000);
	assert_int_equal(st.dropped_total + st.expired_total, 0);
	assert_true(st.bytes < 64 << 20);
	/* Past the bound: with less room than that the oldest go, no more than need be, every series keeps its newest, and it is counted. */
	store_set_limits(s, 3600000, 20 << 20);
	_cleanup_labels_ struct labels *one = labels_from("__name__", "one", NULL);
	assert_int_equal(store_append(s, one, T0 + 240 * 15000, 1), 0);
	store_stats(s, &st);
	assert_true(st.bytes <= 20 << 20 && st.bytes > 19 << 20);
	assert_true(st.dropped_total > 0);
	assert_int_equal(st.samples + st.dropped_total, 2400001);
	struct matcher any = eq("service", "checkout");
	struct labels **left;
	size_t n_left;
	store_select_labels(s, &any, 1, T0 + 239 * 15000, T0 + 239 * 15000 + 10, &left, &n_left);
	assert_int_equal(n_left, 10000);
	store_labels_free(left, n_left);
	struct snapshot *own = snapshot_new(NULL, 0);
	double counted = -1;
	store_metrics(s, own);
	for (size_t i = 0; i < own->n; i++)
		for (size_t k = 0; k < own->families[i].n && strcmp(own->families[i].name, "reqtally_window_samples_removed_total") == 0; k++)
			if (sv_eqs(labels_get(own->families[i].metrics[k].labels, SV("reason")), "no_room"))
				counted = own->families[i].metrics[k].value;
	assert_true(counted == (double)st.dropped_total);
	snapshot_unref(own);
	store_free(s);
}

static void test_select_limit(void **state)
{
	struct store *s = store_new(&(struct store_options){.max_select = 10});
	_cleanup_labels_ struct labels *a = labels_from("__name__", "x", NULL);
	for (int i = 0; i < 11; i++)
		store_append(s, a, T0 + i, i);
	struct matcher x = eq("__name__", "x");
	struct series_set set;
	char *error = NULL;
	const struct sample_source *src = store_source(s);
	assert_int_equal(src->select(src->self, &x, 1, T0, T0 + 11, &set, &error), -E2BIG);
	assert_non_null(error);
	free(error);
	set = find(s, &x, 1, T0, T0 + 9);
	assert_int_equal(set.series[0].n, 10);
	set.release(&set);
	store_free(s);
}

static double metric(const struct snapshot *s, const char *name, const char *reason)
{
	for (size_t i = 0; i < s->n; i++)
		for (size_t k = 0; strcmp(s->families[i].name, name) == 0 && k < s->families[i].n; k++)
			if (sv_eqs(labels_get(s->families[i].metrics[k].labels, SV("reason")), reason))
				return s->families[i].metrics[k].value;
	fail_msg("no %s{reason=\"%s\"}", name, reason);
	return 0;
}

/* A clock that was a year ahead for a while, as before the first answer of a time server. */
static void test_clock_set_back(void **state)
{
	struct store *s = store_new(NULL);
	_cleanup_labels_ struct labels *early = labels_from("__name__", "early", NULL), *both = labels_from("__name__", "both", NULL);
	struct matcher is_both = eq("__name__", "both"), is_early = eq("__name__", "early"), is_own = eq("__name__", "n_total");
	const int64_t year = 365 * 86400000ll;
	assert_int_equal(store_append(s, early, T0, 1), 0);
	assert_int_equal(store_append(s, both, T0, 1), 0);
	for (int i = 0; i < 300; i++) { /* more than a chunk */
		assert_int_equal(store_append(s, both, T0 + year + i * 1000, 2), 0);
		feed(s, T0 + year + i * 1000, SERVICES("a"), (uint64_t)i, "h:1");
	}
	assert_int_equal(store_append(s, both, T0 + 5000, 3), -ESTALE);
	assert_true(store_set_back(s, T0 + 5000) > 1);
	assert_int_equal(store_append(s, early, T0 + 5000, 3), 0);
	assert_int_equal(store_append(s, both, T0 + 5000, 3), 0);
	feed(s, T0 + 6000, SERVICES("a"), 7, "h:1");
	expect_samples(s, &is_both, 1, 0, INT64_MAX, "5:3");
	expect_samples(s, &is_early, 1, 0, INT64_MAX, "5:3"); /* what was before is too old by the clock that was */
	expect_samples(s, &is_own, 1, 0, INT64_MAX, "6:7");
	assert_int_equal(store_set_back(s, T0 + 6000), 0);
	store_free(s);
}

static void test_metrics(void **state)
{
	struct store *s = store_new(NULL);
	_cleanup_labels_ struct labels *a = labels_from("__name__", "x", NULL);
	for (int i = 0; i < 3; i++)
		store_append(s, a, T0 + i, i);
	store_append(s, a, T0, 0);
	struct snapshot *snap = snapshot_new(NULL, 0);
	store_metrics(s, snap);
	assert_true(metric(snap, "reqtally_window_series", "") == 1);
	assert_true(metric(snap, "reqtally_window_samples", "") == 3);
	assert_true(metric(snap, "reqtally_window_samples_appended_total", "") == 3);
	assert_true(metric(snap, "reqtally_window_samples_refused_total", "out_of_order") == 1);
	assert_true(metric(snap, "reqtally_window_samples_refused_total", "duplicate") == 0);
	assert_true(metric(snap, "reqtally_window_samples_removed_total", "age") == 0);
	snapshot_unref(snap);
	store_free(s);
}

static void *reader(void *arg)
{
	struct matcher x = eq("__name__", "d_seconds_sum");
	for (int i = 0; i < 300; i++) {
		struct series_set set = find(arg, &x, 1, T0, INT64_MAX);
		for (size_t k = 0; k < set.n; k++)
			for (size_t j = 1; j < set.series[k].n; j++)
				assert_true(set.series[k].samples[j].t > set.series[k].samples[j - 1].t);
		set.release(&set);
	}
	return NULL;
}

static void test_threads(void **state)
{
	struct store *s = store_new(&(struct store_options){.budget = 60000, .retention_ms = 100000});
	pthread_t threads[3];
	for (int i = 0; i < 3; i++)
		pthread_create(&threads[i], NULL, reader, s);
	for (int i = 0; i < 1500; i++)
		feed(s, T0 + i * 1000, i % 3 ? SERVICES("a", "b") : SERVICES("b", "c"), (uint64_t)i, "h:1");
	for (int i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	store_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_append_and_select), cmocka_unit_test(test_many_chunks),
		cmocka_unit_test(test_retention),	  cmocka_unit_test(test_budget),
		cmocka_unit_test(test_snapshot),	  cmocka_unit_test(test_filter),
		cmocka_unit_test(test_hour_of_ten_thousand), cmocka_unit_test(test_select_limit),
		cmocka_unit_test(test_threads),		  cmocka_unit_test(test_metrics),
		cmocka_unit_test(test_clock_set_back),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
