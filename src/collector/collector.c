// SPDX-License-Identifier: GPL-2.0-or-later
#include "collector/collector.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "collector/names.h"
#include "collector/process.h"
#include "collector/series.h"
#include "discovery/discovery.h"
#include "loader/features.h"
#include "loader/loader.h"

struct collector {
	struct loader *l;
	struct discovery *d;
	struct collector_options opt;
	struct series_reader *reader;
	double *bounds;
	uint64_t started_ns;
	int cpus;
};

_Static_assert(sizeof(struct service_name) == sizeof(struct loader_name) && offsetof(struct service_name, container) ==
		       offsetof(struct loader_name, container), "one is kept as the other");

static bool recall_name(void *arg, uint64_t cgroup_id, const char *comm, struct service_name *out)
{
	return loader_recall_name(arg, cgroup_id, comm, (struct loader_name *)out);
}

static void keep_name(void *arg, uint64_t cgroup_id, const char *comm, const struct service_name *name)
{
	loader_keep_name(arg, cgroup_id, comm, (const struct loader_name *)name);
}

struct collector *collector_new(struct loader *l, struct discovery *d, const struct collector_options *opt)
{
	struct collector *c = xcalloc(1, sizeof(*c));
	c->l = l;
	c->d = d;
	c->opt = *opt;
	c->bounds = xmemdup(opt->bounds, opt->n_bounds * sizeof(*opt->bounds));
	c->opt.bounds = c->bounds;
	discovery_set_memory(d, &(struct discovery_memory){.recall = recall_name, .keep = keep_name, .arg = l});
	c->reader = series_reader_new(l, d, opt);
	c->cpus = libbpf_num_possible_cpus();
	return c;
}

void collector_free(struct collector *c)
{
	if (!c)
		return;
	series_reader_free(c->reader);
	free(c->bounds);
	free(c);
}

static uint64_t count_of(const uint64_t *buckets, size_t n)
{
	uint64_t sum = 0;
	for (size_t i = 0; i < n; i++)
		sum += buckets[i];
	return sum;
}

static void add_value(struct family *f, const struct row *row, uint64_t v)
{
	family_add_value(f, labels_ref(row->labels), (double)v);
}

static void add_histogram(struct family *f, const struct row *row, const uint64_t *buckets, uint64_t sum_ns)
{
	family_add_histogram(f, labels_ref(row->labels), buckets, (double)sum_ns / 1e9);
}

static void add_figure(struct snapshot *s, const struct rows *rows, const char *name, const char *help, int figure)
{
	struct family *f = snapshot_family(s, name, FAMILY_COUNTER, "bytes", help);
	family_reserve(f, rows->n);
	for (size_t i = 0; i < rows->n; i++)
		if (rows->v[i].seen)
			add_value(f, &rows->v[i], row_figures(rows, i)[figure]);
}

static void add_request_families(struct snapshot *s, const struct rows *rows)
{
	static const struct {
		const char *name, *help;
	} histograms[ROW_HISTOGRAMS] = {
		[ROW_DURATION] = {"http_requests_duration_seconds",
				  "First request byte at the server's socket to last response byte leaving it."},
		[ROW_TTFB] = {"http_requests_ttfb_seconds",
			      "First request byte at the server's socket to first byte of the final response."},
		[ROW_QUEUE] = {"http_requests_queue_seconds",
			       "First request byte at the socket to the application's first read of it."},
	};
	struct family *f = snapshot_family(s, "http_requests_total", FAMILY_COUNTER, NULL, "Requests that ended.");
	family_reserve(f, rows->n);
	for (size_t i = 0; i < rows->n; i++)
		/* Of one source with the histogram, so that the two cannot disagree. */
		if (rows->v[i].seen)
			add_value(f, &rows->v[i],
				  count_of(row_histogram(rows, i, ROW_DURATION) + 1, rows->n_buckets) + row_figures(rows, i)[FIGURE_STREAMS]);
	for (int k = 0; k < ROW_HISTOGRAMS; k++) {
		f = snapshot_family(s, histograms[k].name, FAMILY_HISTOGRAM, "seconds", histograms[k].help);
		family_reserve(f, rows->n);
		for (size_t i = 0; i < rows->n; i++) {
			if (!rows->v[i].seen)
				continue;
			const uint64_t *h = row_histogram(rows, i, k);
			if (count_of(h + 1, rows->n_buckets))
				add_histogram(f, &rows->v[i], h + 1, *h);
		}
	}
	add_figure(s, rows, "http_request_body_bytes_total", "Bytes of request bodies.", FIGURE_REQUEST_BYTES);
	add_figure(s, rows, "http_response_body_bytes_total", "Bytes of response bodies.", FIGURE_RESPONSE_BYTES);
	f = snapshot_family(s, "http_streams_total", FAMILY_COUNTER, NULL, "Requests that became a stream: upgrades, event streams.");
	for (size_t i = 0; i < rows->n; i++)
		if (rows->v[i].has_streams)
			add_value(f, &rows->v[i], rows->v[i].streams->opened);
	f = snapshot_family(s, "http_streams_duration_seconds", FAMILY_HISTOGRAM, "seconds", "First request byte to the end of the stream.");
	for (size_t i = 0; i < rows->n; i++) {
		const struct rt_streams *t = rows->v[i].streams;
		if (rows->v[i].has_streams && count_of((const uint64_t *)t->duration.buckets, rows->n_buckets))
			add_histogram(f, &rows->v[i], (const uint64_t *)t->duration.buckets, t->duration.sum_ns);
	}
}

/* Gauges of requests in flight: those that there are, and zeros for what has been seen before, so that a graph comes down. */
static void add_flight_families(struct snapshot *s, const struct rows *rows)
{
	uint64_t now = clock_mono_ns();
	size_t cap = 64;

	while (cap < (rows->n + rows->n_flights) * 2)
		cap *= 2;
	const struct labels **done = xcalloc(cap, sizeof(*done));
	struct labels **zero = xcalloc(rows->n + 1, sizeof(*zero));
	size_t n_zero = 0;
	for (size_t i = 0; i < rows->n_flights + rows->n; i++) {
		struct labels *l = i < rows->n_flights ? rows->flights[i].labels : rows->v[i - rows->n_flights].without_code;
		size_t at = l->hash & (cap - 1);
		while (done[at] && !labels_equal(done[at], l))
			at = (at + 1) & (cap - 1);
		if (done[at])
			continue;
		done[at] = l;
		if (i >= rows->n_flights)
			zero[n_zero++] = l;
	}
	struct family *f = snapshot_family(s, "http_requests_in_flight", FAMILY_GAUGE, NULL, "Requests begun and not ended.");
	family_reserve(f, rows->n_flights + n_zero);
	for (size_t i = 0; i < rows->n_flights; i++)
		family_add_value(f, labels_ref(rows->flights[i].labels), (double)rows->flights[i].count);
	for (size_t i = 0; i < n_zero; i++)
		family_add_value(f, labels_ref(zero[i]), 0);
	f = snapshot_family(s, "http_requests_oldest_in_flight_seconds", FAMILY_GAUGE, "seconds", "Age of the oldest request in flight.");
	family_reserve(f, rows->n_flights + n_zero);
	for (size_t i = 0; i < rows->n_flights; i++)
		family_add_value(f, labels_ref(rows->flights[i].labels),
				 now > rows->flights[i].oldest_ns ? (double)(now - rows->flights[i].oldest_ns) / 1e9 : 0);
	for (size_t i = 0; i < n_zero; i++)
		family_add_value(f, labels_ref(zero[i]), 0);
	free(done);
	free(zero);
}

static void add_plain(struct snapshot *s, const char *name, enum family_type type, const char *unit, const char *help, double value)
{
	family_add_value(snapshot_family(s, name, type, unit, help), labels_empty(), value);
}

static int read_ledger(struct collector *c, const struct rows *rows, uint64_t *total)
{
	uint64_t *per_cpu = xcalloc((size_t)c->cpus, sizeof(*per_cpu));
	int err = 0;

	for (uint32_t i = 0; i < RT_LEDGER_SIZE && !err; i++) {
		total[i] = rows->earlier[i];
		if (bpf_map_lookup_elem(loader_map_fd(c->l, LOADER_LEDGER), &i, per_cpu))
			err = -errno;
		for (int k = 0; k < c->cpus; k++)
			total[i] += per_cpu[k];
	}
	free(per_cpu);
	return err;
}

static void add_ledger(struct snapshot *s, const uint64_t *v)
{
	add_plain(s, "reqtally_requests_seen_total", FAMILY_COUNTER, NULL,
		  "Requests seen. Equals recorded + lost + in flight at all times.", (double)v[RT_SEEN]);
	add_plain(s, "reqtally_requests_recorded_total", FAMILY_COUNTER, NULL, "Requests counted in the http_ families.",
		  (double)v[RT_RECORDED]);
	struct family *f = snapshot_family(s, "reqtally_requests_lost_total", FAMILY_COUNTER, NULL, "Requests not counted, and why.");
	for (int i = RT_LOST_FIRST; i <= RT_LOST_LAST; i++)
		family_add_value(f, labels_from("reason", lost_reason(i), NULL), (double)v[i]);
	static const struct {
		enum rt_ledger what;
		const char *name, *help;
	} others[] = {
		{RT_UNSOLICITED, "reqtally_responses_unsolicited_total", "Responses with no request before them."},
		{RT_SERIES_OVERFLOW, "reqtally_series_overflow_total", "Requests counted in an overflow series: the series budget was spent."},
		{RT_ENDPOINT_OVERFLOW, "reqtally_endpoint_overflow_total",
		 "Requests counted under endpoint {other}: their service's budget was spent."},
		{RT_CONNECTIONS, "reqtally_connections_http_total", "Connections recognised as HTTP/1."},
		{RT_NOT_HTTP, "reqtally_connections_ignored_total", "Sockets left alone: clients, and servers of other protocols."},
		{RT_REORDERED, "reqtally_segments_reordered_total", "Segments kept until an earlier one had come."},
	};
	_Static_assert(ARRAY_SIZE(others) == RT_RECLAIMED_FIRST - RT_LEDGER_FIRST_OTHER, "a counter without a name");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		add_plain(s, others[i].name, FAMILY_COUNTER, NULL, others[i].help, (double)v[others[i].what]);
	f = snapshot_family(s, "reqtally_connections_reclaimed_total", FAMILY_COUNTER, NULL,
			    "States of connections taken back because the budget was short, by what they were in.");
	for (int i = 0; i < RT_RECLAIM_CLASSES; i++)
		family_add_value(f, labels_from("state", reclaimed_state(i), NULL), (double)v[RT_RECLAIMED_FIRST + i]);
}

static double usage_of(struct collector *c, uint32_t what)
{
	int64_t n = 0;
	return bpf_map_lookup_elem(loader_map_fd(c->l, LOADER_USAGE), &what, &n) ? 0 : (double)n;
}

static void add_bpf(struct collector *c, struct snapshot *s, const struct rows *rows)
{
	struct loader_program p[LOADER_PROGRAMS_MAX];
	size_t n = loader_programs(c->l, p, ARRAY_SIZE(p));
	struct family *f = snapshot_family(s, "reqtally_bpf_program_run_seconds_total", FAMILY_COUNTER, "seconds",
					   "Time spent in each program; counted by the kernel while kernel.bpf_stats_enabled is 1.");
	for (size_t i = 0; i < n; i++)
		family_add_value(f, labels_from("program", p[i].name, NULL), (double)p[i].run_ns / 1e9);
	f = snapshot_family(s, "reqtally_bpf_program_runs_total", FAMILY_COUNTER, NULL,
			    "Runs of each program; counted by the kernel while kernel.bpf_stats_enabled is 1.");
	for (size_t i = 0; i < n; i++)
		family_add_value(f, labels_from("program", p[i].name, NULL), (double)p[i].runs);
	f = snapshot_family(s, "reqtally_bpf_program_verified_instructions", FAMILY_GAUGE, NULL, "Instructions the verifier walked to admit each program.");
	for (size_t i = 0; i < n; i++)
		family_add_value(f, labels_from("program", p[i].name, NULL), (double)p[i].verified_instructions);
	add_plain(s, "reqtally_bpf_pinned", FAMILY_GAUGE, NULL, "1 if programs and maps outlive the process.", loader_pinned(c->l));
	add_plain(s, "reqtally_bpf_program_sets", FAMILY_GAUGE, NULL,
		  "Sets of programs attached: 2 while the one before an upgrade finishes what it has begun.", loader_sets(c->l));
	f = snapshot_family(s, "reqtally_bpf_map_entries", FAMILY_GAUGE, NULL, "Entries in a map.");
	family_add_value(f, labels_from("map", "series", NULL), (double)rows->series);
	family_add_value(f, labels_from("map", "connections", NULL), usage_of(c, RT_USAGE_CONNECTIONS));
	family_add_value(f, labels_from("map", "pipelines", NULL), usage_of(c, RT_USAGE_PIPELINES));
	f = snapshot_family(s, "reqtally_bpf_map_max_entries", FAMILY_GAUGE, NULL, "Entries a map may hold.");
	family_add_value(f, labels_from("map", "series", NULL), loader_map_capacity(c->l, LOADER_SERIES));
	family_add_value(f, labels_from("map", "endpoints", NULL), loader_map_capacity(c->l, LOADER_ENDPOINTS));
	family_add_value(f, labels_from("map", "connections", NULL), c->opt.max_connections);
	family_add_value(f, labels_from("map", "pipelines", NULL), c->opt.max_connections / 16);
}

static void add_features(struct collector *c, struct snapshot *s)
{
	const struct loader_feature *features = loader_features(c->l);
	struct family *f = snapshot_family(s, "reqtally_feature_enabled", FAMILY_GAUGE, NULL,
					   "1 if the kernel has what the feature needs, 0 if it is switched off; `reqtally doctor` says what that costs.");
	for (int i = 0; i < LOADER_FEATURES; i++)
		family_add_value(f, labels_from("feature", features[i].name, NULL), features[i].available);
}

int collector_snapshot(struct collector *c, struct snapshot **out)
{
	uint64_t ledger[RT_LEDGER_SIZE];
	const struct rows *rows;

	discovery_refresh(c->d);
	int err = series_reader_read(c->reader, &rows);
	if (!err)
		err = read_ledger(c, rows, ledger);
	if (err) {
		series_reader_done(c->reader);
		return err;
	}
	struct snapshot *s = snapshot_new(c->bounds, c->opt.n_bounds);
	s->t = clock_unix_ms();
	add_request_families(s, rows);
	add_flight_families(s, rows);
	series_reader_done(c->reader);
	add_ledger(s, ledger);
	add_bpf(c, s, rows);
	add_features(c, s);
	process_families(s);
	*out = s;
	return 0;
}
