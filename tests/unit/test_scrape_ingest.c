// SPDX-License-Identifier: GPL-2.0-or-later
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "config/config.h"
#include "scrape/format.h"
#include "scrape/ingest.h"

#define T0 1700000000000
#define TEXT "text/plain; version=0.0.4"

static struct config *parse_config(const char *text)
{
	struct config *cfg = NULL;
	char *error = NULL;
	if (config_parse("t.yml", ".", text, strlen(text), &cfg, &error))
		fail_msg("%s", error);
	return cfg;
}

/* The target of the one job that JOB describes, at h:1 with the group's labels LABELS (name, value, ... NULL). */
static struct target *target(const char *job, const char *label, const char *value)
{
	_cleanup_free_ char *text = xasprintf("scrape_configs: [{job_name: j%s%s}]\n", *job ? ", " : "", job);
	struct config *cfg = parse_config(text);
	_cleanup_labels_ struct labels *group = labels_from(label, value, NULL), *discovered = NULL;
	struct target *t = NULL;
	char *error = NULL;
	if (target_new(cfg->scraping, &cfg->scraping->v[0], "h:1", group, &t, &discovered, &error))
		fail_msg("%s", error);
	config_free(cfg);
	return t;
}

static struct ingest_counts counts;

static void scrape(struct target *t, struct store *s, int second, const char *body)
{
	char *error = NULL;
	if (ingest_body(t, s, T0 + second * 1000, TEXT, sv_of(body), 100000, &counts, &error))
		fail_msg("%s", error);
}

static void scrape_fails(struct target *t, struct store *s, int second, const char *type, const char *body, const char *want)
{
	char *error = NULL;
	assert_true(ingest_body(t, s, T0 + second * 1000, type, sv_of(body), 100000, &counts, &error) < 0);
	if (!strstr(error, want))
		assert_string_equal(error, want);
	free(error);
}

/* Everything the store has, a line a series: labels and samples, times in seconds from T0. */
static void expect(struct store *s, const char *want)
{
	struct matcher any = {.type = MATCH_EQUAL, .name = SV("nothing"), .value = SV("")};
	const struct sample_source *src = store_source(s);
	struct series_set set;
	char *error = NULL;
	_cleanup_buf_ struct buf b = BUF_INIT;
	char *lines[64];
	size_t n = 0;
	assert_int_equal(src->select(src->self, &any, 1, 0, INT64_MAX, &set, &error), 0);
	for (size_t i = 0; i < set.n && n < ARRAY_SIZE(lines); i++) {
		struct buf line = BUF_INIT;
		labels_print(set.series[i].labels, &line);
		for (size_t k = 0; k < set.series[i].n; k++) {
			const struct sample *p = &set.series[i].samples[k];
			if (p->h) {
				buf_addf(&line, " %g:", (double)(p->t - T0) / 1000);
				histogram_print(p->h, &line);
			} else if (sample_is_stale(&p->v))
				buf_addf(&line, " %g:stale", (double)(p->t - T0) / 1000);
			else
				buf_addf(&line, " %g:%g", (double)(p->t - T0) / 1000, p->v);
		}
		buf_addc(&line, '\n');
		lines[n++] = buf_steal(&line);
	}
	for (size_t i = 0; i < n; i++)
		for (size_t k = i + 1; k < n; k++)
			if (strcmp(lines[k], lines[i]) < 0) {
				char *swap = lines[i];
				lines[i] = lines[k];
				lines[k] = swap;
			}
	for (size_t i = 0; i < n; i++) {
		buf_adds(&b, lines[i]);
		free(lines[i]);
	}
	set.release(&set);
	assert_string_equal(buf_str(&b), want);
}

static void test_staleness(void **state)
{
	struct store *s = store_new(NULL);
	struct target *t = target("", "zone", "z");
	scrape(t, s, 0, "a 1\nb 2\nc{x=\"1\",y=\"2\"} 3\n");
	assert_true(counts.scraped == 3 && counts.added == 3 && counts.series_added == 3);
	scrape(t, s, 1, "a 1\nc{y=\"2\",x=\"1\"} 4\n"); /* b is gone; c is spelled in another order */
	assert_true(counts.scraped == 2 && counts.series_added == 1);
	scrape_fails(t, s, 2, TEXT, "a 9\nb 9\nbroken\n", "line 3: expected value after metric");
	ingest_nothing(t, s, T0 + 3000);
	scrape(t, s, 4, "a 5\nb 5\n");
	ingest_nothing(t, s, T0 + 5000);
	expect(s, "a{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:1 1:1 2:stale 4:5 5:stale\n"
		  "b{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:2 1:stale 4:5 5:stale\n"
		  "c{instance=\"h:1\", job=\"j\", x=\"1\", y=\"2\", zone=\"z\"} 0:3 1:4 2:stale\n");
	ingest_reports(t, s, T0 + 6000, true, 0.25, &(struct ingest_counts){.scraped = 7}, false);
	ingest_reports(t, s, T0 + 7000, false, 0, &counts, true);
	struct matcher up = {.type = MATCH_EQUAL, .name = SV("__name__"), .value = SV("up")};
	struct labels **ls;
	size_t n;
	store_select_labels(s, &up, 1, T0 + 7000, T0 + 7000, &ls, &n);
	assert_int_equal(n, 1);
	store_labels_free(ls, n);
	target_free(t);
	store_free(s);
}

static void test_own_timestamps(void **state)
{
	static const char body[] = "a 1 1699999990000\nb 2\nfuture 3 1700000700000\nancient 4 1\n";
	struct store *s = store_new(NULL);
	struct target *t = target("", "", "");
	scrape(t, s, 0, body);
	assert_int_equal(counts.out_of_bounds, 2); /* more than ten minutes ahead, and of another age */
	scrape(t, s, 1, body);			   /* the same again is no error */
	assert_int_equal(counts.out_of_order + counts.duplicate, 0);
	scrape(t, s, 2, "a 7 1699999980000\nb 3\n");
	assert_int_equal(counts.out_of_order, 1);
	ingest_nothing(t, s, T0 + 3000); /* no marker for what has times of its own */
	expect(s, "a{instance=\"h:1\", job=\"j\"} -10:1\nb{instance=\"h:1\", job=\"j\"} 0:2 1:2 2:3 3:stale\n");
	target_free(t);
	store_free(s);
	s = store_new(NULL);
	t = target("track_timestamps_staleness: true", "", "");
	scrape(t, s, 0, "a 1 1699999990000\n");
	ingest_nothing(t, s, T0 + 3000);
	expect(s, "a{instance=\"h:1\", job=\"j\"} -10:1 3:stale\n");
	target_free(t);
	store_free(s);
	s = store_new(NULL);
	t = target("honor_timestamps: false", "", "");
	scrape(t, s, 0, "a 1 1699999990000\n");
	expect(s, "a{instance=\"h:1\", job=\"j\"} 0:1\n");
	target_free(t);
	store_free(s);
}

static void test_duplicates(void **state)
{
	struct store *s = store_new(NULL);
	struct target *t = target("", "", "");
	scrape(t, s, 0, "a 1\na 2\nb{x=\"1\",y=\"2\"} 1\nb{y=\"2\",x=\"1\"} 2\n");
	assert_true(counts.scraped == 4 && counts.added == 4 && counts.duplicate == 2);
	expect(s, "a{instance=\"h:1\", job=\"j\"} 0:1\nb{instance=\"h:1\", job=\"j\", x=\"1\", y=\"2\"} 0:1\n");
	target_free(t);
	store_free(s);
}

/* What the target has a label for may stand there twice. */
static void test_twice_and_replaced(void **state)
{
	struct store *s = store_new(NULL);
	struct target *t = target("", "zone", "z");
	scrape(t, s, 0, "a{zone=\"1\",b=\"x\",zone=\"2\"} 1\n");
	expect(s, "a{b=\"x\", exported_zone=\"1\", instance=\"h:1\", job=\"j\", zone=\"z\"} 0:1\n");
	scrape_fails(t, s, 1, TEXT, "a{b=\"x\",b=\"y\"} 1\n", "label name \"b\" is not unique");
	target_free(t);
	store_free(s);
	s = store_new(NULL);
	t = target("honor_labels: true", "zone", "z");
	scrape_fails(t, s, 0, TEXT, "a{zone=\"1\",zone=\"2\"} 1\n", "label name \"zone\" is not unique");
	target_free(t);
	store_free(s);
}

static void test_conflicts(void **state)
{
	static const char body[] = "a{job=\"own\",exported_job=\"e\",n=\"\"} 1\nb{instance=\"\"} 2\nc{zone=\"x\"} 3\n";
	struct store *s = store_new(NULL);
	struct target *t = target("", "zone", "z");
	scrape(t, s, 0, body);
	expect(s, "a{exported_exported_job=\"own\", exported_job=\"e\", instance=\"h:1\", job=\"j\", zone=\"z\"} 0:1\n"
		  "b{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:2\nc{exported_zone=\"x\", instance=\"h:1\", job=\"j\", zone=\"z\"} 0:3\n");
	target_free(t);
	store_free(s);
	s = store_new(NULL);
	t = target("honor_labels: true", "zone", "z");
	scrape(t, s, 0, body);
	expect(s, "a{exported_job=\"e\", instance=\"h:1\", job=\"own\", zone=\"z\"} 0:1\nb{job=\"j\", zone=\"z\"} 0:2\n"
		  "c{instance=\"h:1\", job=\"j\", zone=\"x\"} 0:3\n");
	target_free(t);
	store_free(s);
}

static void test_metric_relabelling(void **state)
{
	struct store *s = store_new(NULL);
	struct target *t = target("metric_relabel_configs: [{source_labels: [__name__], regex: 'no.*', action: drop},"
				  "{source_labels: [x], target_label: y, replacement: '$1$1'}, {regex: x, action: labeldrop}]",
				  "", "");
	scrape(t, s, 0, "a{x=\"1\"} 1\nnot 2\na{x=\"2\"} 3\n");
	assert_true(counts.scraped == 3 && counts.added == 2);
	scrape(t, s, 1, "not 2\n");
	assert_true(counts.scraped == 1 && counts.added == 0);
	expect(s, "a{instance=\"h:1\", job=\"j\", y=\"11\"} 0:1 1:stale\na{instance=\"h:1\", job=\"j\", y=\"22\"} 0:3 1:stale\n");
	target_free(t);
	t = target("metric_relabel_configs: [{target_label: __name__, replacement: ''}]", "", "");
	scrape_fails(t, s, 2, TEXT, "a 1\n", "missing metric name (__name__ label)");
	target_free(t);
	store_free(s);
}

/* A reload with other rules: series that are named anew end under the old name, those that are not go on. */
static void test_reload(void **state)
{
	struct store *s = store_new(NULL);
	struct target *t = target("", "", ""),
		      *fresh = target("metric_relabel_configs: [{source_labels: [__name__], regex: b, target_label: __name__, replacement: c}]", "", "");
	scrape(t, s, 0, "a 1\nb 2\n");
	assert_string_equal(t->key, fresh->key);
	target_adopt(t, fresh);
	target_free(fresh);
	scrape(t, s, 1, "a 1\nb 2\n");
	expect(s, "a{instance=\"h:1\", job=\"j\"} 0:1 1:1\nb{instance=\"h:1\", job=\"j\"} 0:2 1:stale\nc{instance=\"h:1\", job=\"j\"} 1:2\n");
	/* The same configuration again: nothing is forgotten. */
	fresh = target("metric_relabel_configs: [{source_labels: [__name__], regex: b, target_label: __name__, replacement: c}]", "", "");
	target_adopt(t, fresh);
	target_free(fresh);
	scrape(t, s, 2, "a 1\nb 2\n");
	assert_int_equal(counts.series_added, 0);
	target_free(t);
	store_free(s);
}

static const char classic[] = "# TYPE h histogram\n"
			      "h_bucket{a=\"1\",le=\"0.5\"} 1\nh_bucket{a=\"1\",le=\"1\"} 3\nh_bucket{a=\"1\",le=\"+Inf\"} 4\nh_sum{a=\"1\"} 5.5\nh_count{a=\"1\"} 4\n"
			      "h_bucket{le=\"1\",a=\"2\"} 2\nh_bucket{le=\"0.5\",a=\"2\"} 0\nh_sum{a=\"2\"} 1\nh_count{a=\"2\"} 2\n"
			      "h_bucket{a=\"bad\",le=\"0.5\"} 3\nh_bucket{a=\"bad\",le=\"+Inf\"} 2\nh_count{a=\"bad\"} 2\n"
			      "# TYPE g gauge\ng_bucket{le=\"1\"} 1\ng_count 1\n"
			      "# TYPE e histogram\ne_bucket{le=\"+Inf\"} 0\ne_sum 0\ne_count 0\n";

/* Classic histograms become native ones; what only looks like one, and what contradicts itself, does not. */
static void test_nhcb(void **state)
{
	struct store *s = store_new(NULL);
	struct target *t = target("convert_classic_histograms_to_nhcb: true", "zone", "z");
	scrape(t, s, 0, classic);
	assert_true(counts.scraped == 5 && counts.added == 5 && counts.series_added == 5);
	scrape(t, s, 1, "# TYPE h histogram\nh_bucket{a=\"1\",le=\"0.5\"} 2\nh_bucket{a=\"1\",le=\"1\"} 3\nh_bucket{a=\"1\",le=\"+Inf\"} 5\nh_sum{a=\"1\"} 7\nh_count{a=\"1\"} 5\n");
	expect(s, "e{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:{count:0, sum:0} 1:stale\n"
		  "g_bucket{instance=\"h:1\", job=\"j\", le=\"1\", zone=\"z\"} 0:1 1:stale\n"
		  "g_count{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:1 1:stale\n"
		  "h{a=\"1\", instance=\"h:1\", job=\"j\", zone=\"z\"} 0:{count:4, sum:5.5, (-Inf,0.5]:1, (0.5,1]:2, (1,+Inf]:1} "
		  "1:{count:5, sum:7, (-Inf,0.5]:2, (0.5,1]:1, (1,+Inf]:2}\n"
		  "h{a=\"2\", instance=\"h:1\", job=\"j\", zone=\"z\"} 0:{count:2, sum:1, (0.5,1]:2} 1:stale\n");
	target_free(t);
	store_free(s);
	/* With the classic series too. */
	s = store_new(NULL);
	t = target("convert_classic_histograms_to_nhcb: true, always_scrape_classic_histograms: true", "zone", "z");
	scrape(t, s, 0, "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 1\nh_sum 1\nh_count 1\n");
	assert_int_equal(counts.added, 5);
	expect(s, "h_bucket{instance=\"h:1\", job=\"j\", le=\"+Inf\", zone=\"z\"} 0:1\n"
		  "h_bucket{instance=\"h:1\", job=\"j\", le=\"1.0\", zone=\"z\"} 0:1\n"
		  "h_count{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:1\n"
		  "h_sum{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:1\n"
		  "h{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:{count:1, sum:1, (-Inf,1]:1}\n");
	target_free(t);
	store_free(s);
	s = store_new(NULL);
	t = target("convert_classic_histograms_to_nhcb: true, native_histogram_bucket_limit: 2", "zone", "z");
	scrape_fails(t, s, 0, TEXT, classic, "more than 2 buckets of a histogram");
	target_free(t);
	store_free(s);
}

static void test_extra_metrics(void **state)
{
	struct store *s = store_new(NULL);
	struct target *t = target("extra_scrape_metrics: true, scrape_interval: 5s, scrape_timeout: 2s, sample_limit: 7", "zone", "z");
	t->body_bytes = 123;
	ingest_reports(t, s, T0, true, 0.5, &(struct ingest_counts){.scraped = 3, .added = 2, .series_added = 1}, false);
	expect(s, "scrape_body_size_bytes{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:123\n"
		  "scrape_duration_seconds{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:0.5\n"
		  "scrape_sample_limit{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:7\n"
		  "scrape_samples_post_metric_relabeling{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:2\n"
		  "scrape_samples_scraped{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:3\n"
		  "scrape_series_added{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:1\n"
		  "scrape_timeout_seconds{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:2\n"
		  "up{instance=\"h:1\", job=\"j\", zone=\"z\"} 0:1\n");
	target_free(t);
	store_free(s);
}

static void test_limits(void **state)
{
	static const struct {
		const char *job, *type, *body, *want;
	} cases[] = {
		{"sample_limit: 2", TEXT, "a 1\nb 1\nc 1\n", "sample limit exceeded"},
		{"label_limit: 3", TEXT, "abc{x=\"1\"} 1\n", "label_limit exceeded (metric: abc, number of labels: 4, limit: 3)"},
		{"label_name_length_limit: 8", TEXT, "a{long_name=\"1\"} 1\n",
		 "label_name_length_limit exceeded (metric: a, label name: long_name, length: 9, limit: 8)"},
		{"label_value_length_limit: 5", TEXT, "a{x=\"123456\"} 1\n",
		 "label_value_length_limit exceeded (metric: a, label name: x, value: \"123456\", length: 6, limit: 5)"},
		{"", TEXT, "a{b=\"1\",b=\"2\"} 1\n", "label name \"b\" is not unique: invalid sample"},
		{"metric_name_validation_scheme: legacy", TEXT, "{\"a.b\"} 1\n", "invalid metric name or label names: {\"a.b\""},
		{"", "application/json", "{}", "received unsupported Content-Type \"application/json\" and no fallback_scrape_protocol"},
		{"", NULL, "a 1\n", "non-compliant scrape target sending blank Content-Type"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct store *s = store_new(NULL);
		struct target *t = target(cases[i].job, "", "");
		scrape_fails(t, s, 0, cases[i].type, cases[i].body, cases[i].want);
		expect(s, "");
		target_free(t);
		store_free(s);
	}
	struct store *s = store_new(NULL);
	struct target *t = target("sample_limit: 2", "", "");
	scrape_fails(t, s, 0, TEXT, "a 1\nb 1\nc 1\nd 1\n", "sample limit");
	assert_true(counts.scraped == 4 && counts.added == 4); /* it says how many there were */
	scrape(t, s, 1, "a 1\nb 1\n");
	target_free(t);
	store_free(s);
}

/* As Prometheus 3: an empty answer is a good one whatever its type, and series past a limit are as good as never seen. */
static void test_empty_and_new(void **state)
{
	struct store *s = store_new(NULL);
	struct target *t = target("sample_limit: 2", "", "");
	char *error = NULL;
	scrape(t, s, 0, "a 1\nb 1\n");
	for (int i = 1; i <= 3; i++)
		assert_int_equal(ingest_body(t, s, T0 + i * 1000, i == 1 ? NULL : i == 2 ? "application/openmetrics-text; version=1.0.0" : "text/html",
					     SV(""), 100, &counts, &error), 0);
	assert_true(counts.scraped == 0 && counts.series_added == 0);
	expect(s, "a{instance=\"h:1\", job=\"j\"} 0:1 1:stale\nb{instance=\"h:1\", job=\"j\"} 0:1 1:stale\n");
	scrape(t, s, 4, "a 1\na 2\nb 1\n"); /* a duplicate is no sample to the limit; what was known before nothing came is no new series */
	assert_true(counts.scraped == 3 && counts.added == 3 && counts.duplicate == 1 && counts.series_added == 0);
	scrape_fails(t, s, 5, TEXT, "a 1\nc 1\nd 1\n", "sample limit exceeded");
	assert_int_equal(counts.series_added, 1);
	scrape(t, s, 6, "c 1\nd 1\n");
	assert_int_equal(counts.series_added, 1); /* c was in the scrape that failed, d behind its limit */
	target_free(t);
	store_free(s);
}

static void count_families(void *arg, const char *name, enum metric_type type, const char *help, const char *unit)
{
	(*(int *)arg)++;
}

/* What a target said of a family is known for ten scrapes more. */
static void test_metadata_stays(void **state)
{
	struct store *s = store_new(NULL);
	struct target *t = target("", "", "");
	scrape(t, s, 0, "# TYPE a counter\na 1\n# TYPE b counter\nb 1\n");
	for (int i = 1; i <= 11; i++) {
		int n = 0;
		scrape(t, s, i, "# TYPE a counter\na 1\n");
		scraper_families(&(struct scrape_target){.families = &t->metadata}, count_families, &n);
		assert_int_equal(n, i <= 10 ? 2 : 1);
	}
	target_free(t);
	store_free(s);
}

/* A flood of names is let go of; a few that failed are still known. */
static void test_flood(void **state)
{
	struct store *s = store_new(NULL);
	struct target *t = target("", "", "");
	_cleanup_buf_ struct buf b = BUF_INIT;
	char *error = NULL;
	for (int i = 0; i < 5000; i++)
		buf_addf(&b, "a{n=\"%d\"} 1\n", i);
	assert_int_equal(ingest_body(t, s, T0, TEXT, sv_make(b.p, b.n), 4000, &counts, &error), -E2BIG);
	assert_string_equal(error, "more than 4000 samples");
	free(error);
	assert_int_equal(t->cache.n, 0);
	assert_int_equal(ingest_body(t, s, T0 + 1, TEXT, sv_make(b.p, b.n), 900, &counts, &error), -E2BIG);
	free(error);
	assert_int_equal(t->cache.n, 900);
	expect(s, "");
	target_free(t);
	store_free(s);
}

static void test_no_room(void **state)
{
	struct store *s = store_new(&(struct store_options){.budget = 20000});
	struct target *t = target("", "", "");
	_cleanup_buf_ struct buf b = BUF_INIT;
	for (int i = 0; i < 1000; i++)
		buf_addf(&b, "a{n=\"%d\"} 1\n", i);
	scrape(t, s, 0, buf_str(&b));
	assert_true(counts.no_room > 900 && counts.no_room < 1000);
	assert_int_equal(counts.series_added, 1000 - counts.no_room);
	assert_int_equal(t->cache.n, 1000 - counts.no_room); /* no memory for what is not stored */
	scrape(t, s, 1, buf_str(&b));
	assert_true(counts.no_room > 900);
	target_free(t);
	store_free(s);
}

static void test_many_labels(void **state)
{
	struct store *s = store_new(NULL);
	struct target *t = target("", "", "");
	_cleanup_buf_ struct buf b = BUF_INIT;
	buf_adds(&b, "a{");
	for (int i = 0; i < 990; i++)
		buf_addf(&b, "l%d=\"1\",", i * 7919 % 990);
	size_t n = b.n;
	buf_adds(&b, "} 1\n");
	scrape(t, s, 0, buf_str(&b));
	assert_int_equal(counts.series_added, 1);
	b.n = n;
	buf_adds(&b, "l33=\"2\"} 1\n");
	scrape_fails(t, s, 1, TEXT, buf_str(&b), "label name \"l33\" is not unique: invalid sample");
	target_free(t);
	store_free(s);
}

static void bad_target(const char *relabel, const char *address, const char *want)
{
	_cleanup_free_ char *text = xasprintf("scrape_configs: [{job_name: j, relabel_configs: [%s]}]\n", relabel);
	struct config *cfg = parse_config(text);
	_cleanup_labels_ struct labels *group = labels_empty(), *discovered = NULL;
	struct target *t = NULL;
	char *error = NULL;
	assert_int_equal(target_new(cfg->scraping, &cfg->scraping->v[0], address, group, &t, &discovered, &error), -EINVAL);
	assert_string_equal(error, want);
	assert_null(t);
	free(error);
	config_free(cfg);
}

static void test_targets(void **state)
{
	static const struct {
		const char *job, *url;
	} urls[] = {
		{"", "http://h:1/metrics"},
		{"scheme: https, metrics_path: 'a b?c%d'", "https://h:1/a%20b%3Fc%25d"},
		{"params: {z: [1], 'a&b': ['x y', 'ä']}", "http://h:1/metrics?a%26b=x+y&a%26b=%C3%A4&z=1"},
		{"params: {a: [1, 2]}, relabel_configs: [{target_label: __param_a, replacement: 3}, {target_label: __param_b, replacement: 4}]",
		 "http://h:1/metrics?a=3&a=2&b=4"},
		{"relabel_configs: [{target_label: __address__, replacement: '[::1]:9'}, {target_label: __scheme__, replacement: https},"
		 "{target_label: __metrics_path__, replacement: /x}]",
		 "https://[::1]:9/x"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(urls); i++) {
		struct target *t = target(urls[i].job, "", "");
		assert_string_equal(t->url, urls[i].url);
		target_free(t);
	}
	struct target *t = target("scrape_interval: 30s, scrape_timeout: 4s, relabel_configs: [{target_label: __scrape_interval__, replacement: 1m30s},"
				  "{source_labels: [__meta_x], target_label: y}, {target_label: instance, replacement: me}]",
				  "__meta_x", "1");
	_cleanup_buf_ struct buf b = BUF_INIT;
	labels_print(t->labels, &b);
	assert_string_equal(buf_str(&b), "{instance=\"me\", job=\"j\", y=\"1\"}");
	buf_reset(&b);
	labels_print(t->discovered, &b);
	assert_string_equal(buf_str(&b), "{__address__=\"h:1\", __meta_x=\"1\", __metrics_path__=\"/metrics\", __scheme__=\"http\", "
					 "__scrape_interval__=\"30s\", __scrape_timeout__=\"4s\", job=\"j\"}");
	assert_true(t->interval == 90000 && t->timeout == 4000 && t->offset >= 0 && t->offset < 90000);
	target_free(t);
	bad_target("{target_label: __address__, replacement: ''}", "h:1", "no address");
	bad_target("", "http://h:1", "\"http://h:1\" is not a valid hostname");
	t = target("relabel_configs: [{target_label: __scheme__, replacement: ftp}]", "", "");
	assert_string_equal(t->forced_error, "Get \"ftp://h:1/metrics\": unsupported protocol scheme \"ftp\"");
	target_free(t);
	t = target("relabel_configs: [{target_label: __scheme__, replacement: ''}]", "", "");
	assert_string_equal(t->forced_error, "Get \"//h:1/metrics\": unsupported protocol scheme \"\"");
	target_free(t);
	bad_target("{target_label: __scrape_interval__, replacement: 5}", "h:1",
		   "error parsing scrape interval: not a valid duration string: \"5\"");
	bad_target("{target_label: __scrape_timeout__, replacement: 0s}", "h:1", "scrape timeout cannot be 0");
	bad_target("{target_label: __scrape_timeout__, replacement: 2m}", "h:1",
		   "scrape timeout cannot be greater than scrape interval (\"2m\" > \"1m\")");
}

static void test_format(void **state)
{
	struct config *cfg = parse_config("scrape_configs: [{job_name: a}, {job_name: b, scrape_native_histograms: true, metric_name_validation_scheme: "
					  "legacy}, {job_name: c, scrape_protocols: [PrometheusText0.0.4]}]\n");
	static const char *const want[] = {
		"application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
		"text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
		"application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
		"application/openmetrics-text;version=1.0.0;escaping=underscores;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,"
		"text/plain;version=1.0.0;escaping=underscores;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
		"text/plain;version=0.0.4;q=0.6,*/*;q=0.5",
	};
	for (size_t i = 0; i < 3; i++) {
		_cleanup_buf_ struct buf b = BUF_INIT;
		format_accept(&cfg->scraping->v[i].common, &b);
		assert_string_equal(buf_str(&b), want[i]);
	}
	config_free(cfg);
	char *error = NULL;
	static const struct {
		const char *type, *why; /* NULL: it is text */
	} types[] = {
		{"text/plain", NULL}, {"text/plain;", NULL}, {"text/plain ; ", NULL}, {"TEXT/plain;version=\"0.0.4\"", NULL},
		{" text/plain; a = b", NULL}, {"text/plain; charset=utf-8;version=0.0.4;", NULL}, {"text/plain;a=\"x;\\\"y\"", NULL},
		{"text/plain; charset", "mime: invalid media parameter"}, {"text/plain; =x", "mime: invalid media parameter"},
		{"text/plain;;", "mime: invalid media parameter"}, {"text/plain; a=", "mime: invalid media parameter"},
		{"text/plain; a=\"b", "mime: invalid media parameter"}, {"text/plain x", "mime: unexpected content after media subtype"},
		{"/plain", "mime: no media type"}, {"text/", "mime: expected token after slash"}, {";", "mime: no media type"},
		{"text", "received unsupported Content-Type \"text\""}, {"text/plainer", "received unsupported"},
	};
	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		char *why = NULL;
		enum config_protocol p = format_of(types[i].type, PROTOCOL_NONE, &why);
		if (types[i].why ? p != PROTOCOL_NONE || !strstr(why, types[i].why) : p != PROTOCOL_TEXT_0)
			fail_msg("%s: %d %s", types[i].type, p, why);
		free(why);
		assert_int_equal(format_of(types[i].type, PROTOCOL_OM_1, &why), types[i].why ? PROTOCOL_OM_1 : PROTOCOL_TEXT_0);
	}
	assert_int_equal(format_of("Text/Plain ; charset=utf-8", PROTOCOL_NONE, &error), PROTOCOL_TEXT_0);
	assert_int_equal(format_of("application/openmetrics-text; version=0.0.1", PROTOCOL_NONE, &error), PROTOCOL_OM_1);
	assert_int_equal(format_of("application/vnd.google.protobuf", PROTOCOL_TEXT_0, &error), PROTOCOL_PROTO);
	assert_int_equal(format_of("text/html", PROTOCOL_OM_0, &error), PROTOCOL_OM_1);
	assert_int_equal(format_of(NULL, PROTOCOL_TEXT_1, &error), PROTOCOL_TEXT_0);
	assert_null(error);
	assert_int_equal(format_of("text/plainer", PROTOCOL_NONE, &error), PROTOCOL_NONE);
	free(error);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_staleness), cmocka_unit_test(test_own_timestamps), cmocka_unit_test(test_duplicates),
		cmocka_unit_test(test_twice_and_replaced), cmocka_unit_test(test_conflicts), cmocka_unit_test(test_metric_relabelling), cmocka_unit_test(test_reload),
		cmocka_unit_test(test_nhcb), cmocka_unit_test(test_extra_metrics),
		cmocka_unit_test(test_limits),	  cmocka_unit_test(test_no_room),	     cmocka_unit_test(test_targets),
		cmocka_unit_test(test_format),	  cmocka_unit_test(test_empty_and_new), cmocka_unit_test(test_metadata_stays), cmocka_unit_test(test_flood),	     cmocka_unit_test(test_many_labels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
