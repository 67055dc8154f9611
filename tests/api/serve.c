// SPDX-License-Identifier: GPL-2.0-or-later
/* The API over invented samples, so that it can be compared with Prometheus over the same ones, without a kernel:
 *   apiserve dump            the samples in OpenMetrics form, for `promtool tsdb create-blocks-from openmetrics`
 *   apiserve serve RULES     serves them and evaluates RULES each second; prints its address, ends with its standard input
 *   apiserve bench SERIES SAMPLES   the same without rules, over SERIES counters and others, with SAMPLES samples each
 *   apiserve file FILE       the same over the series of FILE, one a line as in the test language, a value each 15 s from T0 + 517 ms on */
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/alloc.h"
#include "base/clock.h"
#include "base/resident.h"
#include "promql/test_storage.h"

#define T0 1700000000000ll
#define STEP 15000
#define STEPS 80

typedef void sample_fn(void *arg, struct labels *ls, int64_t t, double v);

static void give(sample_fn *fn, void *arg, int64_t t, double v, struct labels *ls)
{
	fn(arg, ls, t, v);
	labels_unref(ls);
}

/* Values of all shapes, counters that are reset, gaps, buckets. The numbers only have to be the same at each call. */
static void samples(sample_fn *fn, void *arg)
{
	static const char *const codes[] = {"200", "404", "500"}, *const les[] = {"0.1", "0.5", "1.0", "+Inf"};
	static const double odd[] = {0, -0.0, 1e-7, 123456789, 1e21, 1e20, -1.5, INFINITY, -INFINITY, NAN, 0.1, 1.0 / 3, 5e-324};
	for (int i = 0; i < STEPS; i++) {
		int64_t t = T0 + i * STEP;
		for (int k = 0; k < 3; k++)
			for (int n = 0; n < 4; n++) {
				char instance[16];
				snprintf(instance, sizeof(instance), "h%d:80", n);
				if (n == 3 && i % 20 > 10)
					continue; /* stays away for minutes */
				give(fn, arg, t, (i % (17 + n * 9)) * (k + 1) * 1.5 + n,
				     labels_from("__name__", "requests_total", "code", codes[k], "instance", instance, "job", n % 2 ? "a" : "b", NULL));
			}
		for (int k = 0; k < 4; k++)
			give(fn, arg, t, i * (k + 1) * (k + 1),
			     labels_from("__name__", "latency_seconds_bucket", "le", les[k], "job", "a", NULL));
		give(fn, arg, t, odd[i % ARRAY_SIZE(odd)], labels_from("__name__", "odd", "path", "/a\"b\\ \xc3\xa9<&>", NULL));
		give(fn, arg, t, sin(i), labels_from("__name__", "wave", NULL));
		if (i < 20)
			give(fn, arg, t, i, labels_from("__name__", "gone", "job", "a", NULL));
		give(fn, arg, t, 1, labels_from("__name__", "info", "instance", "h1:80", "job", "a", "version", "1.2", NULL));
	}
}

static void append(void *self, struct labels *ls, int64_t t, double v, const struct histogram *h)
{
	struct store_sample s = {.labels = ls, .t = t, .h = h, .marker = !h && sample_is_stale(&v)};
	memcpy(&s.v, &v, sizeof(v));
	store_append_batch(self, &s, 1);
}

static void load(void *store, struct labels *ls, int64_t t, double v)
{
	store_append(store, ls, t, v);
}

static void dump(void *arg, struct labels *ls, int64_t t, double v)
{
	const char *name = labels_get(ls, SV(LABEL_NAME)).p;
	printf("%s", name);
	for (uint32_t i = 0, n = 0; i < ls->n; i++) {
		if (sv_eqs(ls->l[i].name, LABEL_NAME))
			continue;
		printf("%c%s=\"", n++ ? ',' : '{', ls->l[i].name.p);
		for (const char *p = ls->l[i].value.p; *p; p++)
			printf(*p == '"' || *p == '\\' ? "\\%c" : "%c", *p);
		putchar('"');
	}
	printf("%s ", ls->n > 1 ? "}" : "");
	if (isnan(v))
		printf("NaN");
	else if (isinf(v))
		printf(v < 0 ? "-Inf" : "+Inf");
	else
		printf("%.17g", v);
	printf(" %lld\n", (long long)t / 1000);
}

/* The samples of one series, in the order of time. */
static void bench_series(sample_fn *fn, void *arg, struct labels *ls, int n_samples, double (*value)(int series, int i), int series)
{
	for (int i = 0; i < n_samples; i++)
		fn(arg, ls, T0 + (int64_t)i * STEP, value(series, i));
	labels_unref(ls);
}

static double counter_value(int k, int i)
{
	return (double)i * (k % 7 + 1) + (i * 31 + k) % 5;
}

/* No two of a series are near each other, and few are short as text. */
static double gauge_value(int k, int i)
{
	return 100 + (k % 50) + 40 * sin(i * 0.05 + k) + ((i * 7919 + k * 104729) % 1000) / 997.0;
}

static double bucket_value(int k, int i)
{
	return (double)i * (k % 10 + 1) * (k / 10 % 3 + 1);
}

/* N_SERIES counters; a fifth as many gauges, and as many series of buckets; what is known of each instance. */
static void bench_samples(sample_fn *fn, void *arg, int n_series, int n_samples)
{
	static const char *const les[] = {"0.005", "0.01", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "10.0", "+Inf"};
	for (int k = 0; k < n_series; k++) {
		char instance[16], path[24];
		snprintf(instance, sizeof(instance), "h%d", k % 20);
		snprintf(path, sizeof(path), "/p%d", k / 20);
		bench_series(fn, arg, labels_from("__name__", "bench_total", "instance", instance, "path", path, "job", "a", NULL), n_samples, counter_value, k);
	}
	for (int k = 0; k < n_series / 5; k++) {
		char instance[16], disk[24];
		snprintf(instance, sizeof(instance), "h%d", k % 20);
		snprintf(disk, sizeof(disk), "sd%d", k / 20);
		bench_series(fn, arg, labels_from("__name__", "bench_gauge", "disk", disk, "instance", instance, "job", "a", NULL), n_samples, gauge_value, k);
	}
	for (int k = 0; k < n_series / 5; k++) {
		char instance[16], path[24];
		snprintf(instance, sizeof(instance), "h%d", k / 10 % 20);
		snprintf(path, sizeof(path), "/p%d", k / 200);
		bench_series(fn, arg, labels_from("__name__", "bench_seconds_bucket", "instance", instance, "job", "a", "le", les[k % 10], "path", path, NULL),
			     n_samples, bucket_value, k);
	}
	for (int k = 0; k < 20; k++) {
		char instance[16], zone[16];
		snprintf(instance, sizeof(instance), "h%d", k);
		snprintf(zone, sizeof(zone), "z%d", k % 3);
		bench_series(fn, arg, labels_from("__name__", "bench_info", "instance", instance, "job", "a", "zone", zone, NULL), n_samples, bucket_value, 0);
	}
}

static void load_file(struct store *store, const char *path)
{
	FILE *f = fopen(path, "r");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	struct arena arena = {0};
	while (f && (n = getline(&line, &cap, f)) > 0) {
		struct test_row row = {0};
		const char *error;
		while (n && line[n - 1] == '\n')
			n--;
		if (!test_row_parse(sv_make(line, (size_t)n), &arena, &row, &error)) {
			fprintf(stderr, "%s: %s\n", line, error);
			exit(1);
		}
		for (size_t i = 0; i < row.n; i++) {
			int64_t t = T0 + 517 + (int64_t)i * STEP;
			struct store_sample s = {.labels = row.labels, .t = t, .h = row.v[i].h};
			memcpy(&s.v, &row.v[i].v, sizeof(s.v));
			if (!row.v[i].omitted)
				store_append_batch(store, &s, 1);
		}
		labels_unref(row.labels);
		arena_reset(&arena);
	}
	if (!f)
		exit(1);
	fclose(f);
	free(line);
	arena_free(&arena);
}

static struct rule_manager *rules_start(struct store *store, const char *path)
{
	struct rule_manager_options opt = {
	    .source = *store_source(store), .append = append, .self = store, .evaluation_interval_ms = 1000};
	struct rule_manager *m = rule_manager_new(&opt);
	struct strings patterns = {0}, errors = {0};
	strings_add(&patterns, path);
	if (rule_manager_reload(m, &patterns, NULL, clock_unix_ms(), &errors) < 0) {
		fprintf(stderr, "%s\n", errors.v[0]);
		exit(1);
	}
	strings_free(&patterns);
	return m;
}

static int serve(const char *rules, const char *file, int n_series, int n_samples)
{
	static const char *const any[] = {"127.0.0.1:0"};
	struct store *store = store_new(&(struct store_options){.retention_ms = INT64_MAX / 4});
	struct api api = {.store = store, .version = "0", .telemetry_path = "/metrics", .promql = {.subquery_step_ms = 1000, .experimental_functions = file}};
	struct web_route routes[API_MAX_ROUTES];
	struct web *w = NULL;
	char *error = NULL;
	if (file)
		load_file(store, file);
	else if (n_series)
		bench_samples(load, store, n_series, n_samples);
	else
		samples(load, store);
	if (rules)
		api.rules = rules_start(store, rules);
	struct web_options opt = {.addresses = any, .n_addresses = 1, .routes = routes, .n_routes = api_routes(&api, routes)};
	if (web_new(&opt, &w, &error) || web_start(w, &error)) {
		fprintf(stderr, "%s\n", error);
		return 1;
	}
	memory_give_back(); /* as app_run does after each scrape */
	resident_forget_code(); /* as it does when it has begun */
	printf("%s\n", web_address(w, 0));
	fflush(stdout);
	struct pollfd in = {.fd = 0, .events = POLLIN};
	while (poll(&in, 1, 200) == 0)
		if (api.rules)
			rule_manager_run(api.rules, clock_unix_ms());
	web_free(w);
	rule_manager_free(api.rules);
	store_free(store);
	return 0;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	memory_set_up();
	if (!strcmp(what, "dump") || (!strcmp(what, "bench-dump") && argc == 4)) {
		if (argc == 4)
			bench_samples(dump, NULL, atoi(argv[2]), atoi(argv[3]));
		else
			samples(dump, NULL);
		printf("# EOF\n");
		return 0;
	}
	if (!strcmp(what, "serve") && argc == 3)
		return serve(argv[2], NULL, 0, 0);
	if (!strcmp(what, "bench") && argc == 4)
		return serve(NULL, NULL, atoi(argv[2]), atoi(argv[3]));
	if (!strcmp(what, "file") && argc == 3)
		return serve(NULL, argv[2], 0, 0);
	fprintf(stderr, "usage: %s dump | serve RULES | bench SERIES SAMPLES | bench-dump SERIES SAMPLES | file FILE\n", argv[0]);
	return 2;
}
