// SPDX-License-Identifier: GPL-2.0-or-later
/* Reading is cheap because names do not change: the label set of each key of the kernel is made once and kept, so that a scrape is
 * a batched copy of the map, a hash look-up a key, and additions. */
#include "collector/series.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "collector/names.h"
#include "discovery/discovery.h"
#include "loader/loader.h"

#define BATCH 256

/* Open addressing, by key; never shrinks: bounded by the kernel's map, whose keys are never deleted while we run. */
struct known {
	struct rt_series_key key;
	uint32_t row; /* index + 1; 0: free */
};

struct series_reader {
	struct loader *l;
	struct discovery *d;
	struct collector_options opt;
	struct known *known;
	size_t n_known, cap_known; /* a power of two */
	uint32_t *by_labels;	   /* open addressing: row index + 1 */
	size_t cap_by_labels;
	struct rows rows;
	uint32_t *flight_index; /* open addressing, by label set: index + 1 */
	size_t cap_flight_index;
	void *keys, *values;
};

struct series_reader *series_reader_new(struct loader *l, struct discovery *d, const struct collector_options *opt)
{
	struct series_reader *r = xcalloc(1, sizeof(*r));
	r->l = l;
	r->d = d;
	r->opt = *opt;
	r->cap_known = 1024;
	r->known = xcalloc(r->cap_known, sizeof(*r->known));
	r->cap_by_labels = 1024;
	r->by_labels = xcalloc(r->cap_by_labels, sizeof(*r->by_labels));
	r->rows.n_buckets = opt->n_bounds + 1;
	r->cap_flight_index = 64;
	r->flight_index = xcalloc(r->cap_flight_index, sizeof(*r->flight_index));
	r->keys = xcalloc(BATCH, sizeof(struct rt_series_key));
	r->values = xcalloc(BATCH, sizeof(struct rt_series));
	return r;
}

void series_reader_free(struct series_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->rows.n; i++) {
		labels_unref(r->rows.v[i].labels);
		labels_unref(r->rows.v[i].without_code);
		free(r->rows.v[i].streams);
	}
	for (size_t i = 0; i < r->rows.n_flights; i++)
		labels_unref(r->rows.flights[i].labels);
	free(r->rows.v);
	free(r->rows.flights);
	free(r->rows.figures);
	free(r->flight_index);
	free(r->known);
	free(r->by_labels);
	free(r->keys);
	free(r->values);
	free(r);
}

/* The labels of who serves and what; CODE < 0: without. NULL if the configuration hides the service. */
static struct labels *make_labels(struct series_reader *r, uint64_t service, struct sv endpoint, uint8_t method, uint16_t port, int code)
{
	struct rt_service s;
	struct label l[8];
	char code_text[8], port_text[8];
	size_t n = 0;

	if (bpf_map_lookup_elem(loader_map_fd(r->l, LOADER_SERVICES), &service, &s))
		s = (struct rt_service){.comm = "unknown"};
	s.comm[RT_COMM_MAX - 1] = 0;
	_cleanup_buf_ struct buf comm = BUF_LIMIT(256), path = BUF_LIMIT(4096);
	endpoint_label(s.comm, strlen(s.comm), &comm);
	endpoint_label(endpoint.p, endpoint.n, &path);
	const struct service_id *id = discovery_lookup(r->d, s.cgroup_id, buf_str(&comm));
	if (r->opt.shows && !r->opt.shows(r->opt.arg, id->service, buf_str(&comm)))
		return NULL;
	snprintf(code_text, sizeof(code_text), "%03d", code);
	snprintf(port_text, sizeof(port_text), "%u", port);
	l[n++] = (struct label){SV("service"), sv_of(id->service)};
	l[n++] = (struct label){SV("method"), sv_of(method_name(method))};
	l[n++] = (struct label){SV("endpoint"), sv_make(buf_str(&path), path.n)};
	l[n++] = (struct label){SV("port"), sv_of(port_text)};
	if (code >= 0)
		l[n++] = (struct label){SV("code"), sv_of(code_text)};
	l[n++] = (struct label){SV("namespace"), sv_of(id->namespace)};
	l[n++] = (struct label){SV("pod"), sv_of(id->pod)};
	l[n++] = (struct label){SV("container"), sv_of(id->container)};
	return labels_new(l, n);
}

static struct labels *key_labels(struct series_reader *r, const struct rt_series_key *k, bool with_code)
{
	struct rt_endpoint e = {0};
	struct sv text = k->endpoint == RT_ENDPOINT_INCOMPLETE ? SV("{incomplete}") : SV("{other}");

	if (k->endpoint > RT_ENDPOINT_INCOMPLETE &&
	    !bpf_map_lookup_elem(loader_map_fd(r->l, LOADER_ENDPOINTS), &k->endpoint, &e) && e.len <= RT_ENDPOINT_MAX)
		text = sv_make(e.text, e.len);
	return make_labels(r, k->service, text, k->method, k->port, with_code ? k->code : -1);
}

static void by_labels_insert(struct series_reader *r, uint32_t row)
{
	size_t mask = r->cap_by_labels - 1, i = r->rows.v[row].labels->hash & mask;
	while (r->by_labels[i])
		i = (i + 1) & mask;
	r->by_labels[i] = row + 1;
}

/* The row of LABELS, whose reference is taken, made if there is none. */
static uint32_t row_of(struct series_reader *r, struct labels *labels, const struct rt_series_key *key)
{
	size_t mask = r->cap_by_labels - 1;
	for (size_t i = labels->hash & mask; r->by_labels[i]; i = (i + 1) & mask)
		if (labels_equal(r->rows.v[r->by_labels[i] - 1].labels, labels)) {
			labels_unref(labels);
			return r->by_labels[i] - 1;
		}
	array_grow(r->rows.v, r->rows.n, r->rows.cap);
	uint32_t row = (uint32_t)r->rows.n++;
	r->rows.v[row] = (struct row){.labels = labels, .without_code = key_labels(r, key, false)};
	if (r->rows.n * 2 > r->cap_by_labels) {
		r->cap_by_labels *= 2;
		free(r->by_labels);
		r->by_labels = xcalloc(r->cap_by_labels, sizeof(*r->by_labels));
		for (uint32_t k = 0; k < r->rows.n; k++)
			by_labels_insert(r, k);
	} else {
		by_labels_insert(r, row);
	}
	return row;
}

static struct known *known_slot(struct known *v, size_t cap, const struct rt_series_key *key)
{
	size_t i = hash_bytes(key, sizeof(*key), 0) & (cap - 1);
	while (v[i].row && memcmp(&v[i].key, key, sizeof(*key)))
		i = (i + 1) & (cap - 1);
	return &v[i];
}

#define HIDDEN UINT32_MAX

static struct row *row_for(struct series_reader *r, const struct rt_series_key *key)
{
	struct known *k = known_slot(r->known, r->cap_known, key);
	if (!k->row) {
		struct labels *labels = key_labels(r, key, true);
		k->key = *key;
		k->row = labels ? row_of(r, labels, key) + 1 : HIDDEN;
		if (++r->n_known * 2 > r->cap_known) {
			size_t cap = r->cap_known * 2;
			struct known *v = xcalloc(cap, sizeof(*v));
			for (size_t i = 0; i < r->cap_known; i++)
				if (r->known[i].row)
					*known_slot(v, cap, &r->known[i].key) = r->known[i];
			free(r->known);
			r->known = v;
			r->cap_known = cap;
			k = known_slot(v, cap, key);
		}
	}
	return k->row == HIDDEN ? NULL : &r->rows.v[k->row - 1];
}

/* The figures of a row; zeros if it is new. */
static uint64_t *figures_of(struct series_reader *r, const struct row *row)
{
	size_t i = (size_t)(row - r->rows.v), stride = rows_stride(&r->rows), old = r->rows.n_figures;
	if (i >= old) {
		size_t n = r->rows.n + r->rows.n / 8 + 64;
		r->rows.figures = xreallocarray(r->rows.figures, n, stride * sizeof(uint64_t));
		memset(r->rows.figures + old * stride, 0, (n - old) * stride * sizeof(uint64_t));
		r->rows.n_figures = n;
	}
	return row_figures(&r->rows, i);
}

static uint64_t *add_histogram(const struct series_reader *r, uint64_t *to, const struct rt_histogram *from)
{
	*to++ += from->sum_ns;
	for (size_t i = 0; i < r->rows.n_buckets; i++)
		*to++ += from->buckets[i];
	return to;
}

static void add_series(struct series_reader *r, const struct rt_series_key *key, const void *value)
{
	struct row *row = row_for(r, key);
	const struct rt_series *s = value;
	if (!row)
		return;
	row->seen = true;
	uint64_t *to = figures_of(r, row);
	to[FIGURE_STREAMS] += s->streams;
	to[FIGURE_REQUEST_BYTES] += s->request_bytes;
	to[FIGURE_RESPONSE_BYTES] += s->response_bytes;
	to = add_histogram(r, to + FIGURE_HISTOGRAMS, &s->duration);
	to = add_histogram(r, to, &s->ttfb);
	add_histogram(r, to, &s->queue);
}

static void add_streams(struct series_reader *r, const struct rt_series_key *key, const void *value)
{
	struct row *row = row_for(r, key);
	const struct rt_streams *s = value;
	if (!row)
		return;
	if (!row->streams)
		row->streams = xcalloc(1, sizeof(*row->streams));
	row->has_streams = true;
	row->streams->opened += s->opened;
	row->streams->duration.sum_ns += s->duration.sum_ns;
	for (int i = 0; i < RT_BUCKETS; i++)
		row->streams->duration.buckets[i] += s->duration.buckets[i];
}

/* Every element of a hash map keyed by series, BATCH at a time. */
static int for_each(struct series_reader *r, enum loader_map map, size_t value_size,
		    void (*fn)(struct series_reader *r, const struct rt_series_key *key, const void *value), size_t *total)
{
	LIBBPF_OPTS(bpf_map_batch_opts, opts);
	/* The cursor is opaque: for hash maps a u32 bucket number, but libbpf wants room for a key. */
	struct rt_series_key cursor = {0};
	bool first = true;
	int err = 0;

	while (!err) {
		uint32_t n = BATCH;
		err = bpf_map_lookup_batch(loader_map_fd(r->l, map), first ? NULL : &cursor, &cursor, r->keys, r->values, &n, &opts);
		if (err && err != -ENOENT)
			return err; /* -ENOSPC cannot be: a bucket of a preallocated map holds a few elements, not BATCH */
		first = false;
		for (uint32_t i = 0; i < n; i++)
			fn(r, (struct rt_series_key *)r->keys + i, (char *)r->values + i * value_size);
		*total += n;
	}
	return 0;
}

/* Has the budget of series ever been spent? */
static bool overflowed(struct series_reader *r)
{
	int cpus = libbpf_num_possible_cpus();
	_cleanup_free_ uint64_t *v = xcalloc(cpus > 0 ? (size_t)cpus : 1, sizeof(*v));
	uint64_t n = 0;

	if (cpus < 1 || bpf_map_lookup_elem(loader_map_fd(r->l, LOADER_LEDGER), &(uint32_t){RT_SERIES_OVERFLOW}, v))
		return true;
	for (int k = 0; k < cpus; k++)
		n += v[k];
	return n;
}

static void add_overflow(struct series_reader *r)
{
	struct rt_series *s = r->values;

	if (!overflowed(r)) /* a thousand look-ups otherwise */
		return;
	for (uint32_t code = 0; code < 1000; code++) {
		if (bpf_map_lookup_elem(loader_map_fd(r->l, LOADER_OVERFLOW), &code, s))
			continue;
		uint64_t any = s->streams;
		for (int i = 0; i < RT_BUCKETS; i++)
			any |= s->duration.buckets[i];
		if (any) {
			struct rt_series_key key = {.service = 0, .endpoint = RT_ENDPOINT_OTHER, .code = (uint16_t)code};
			add_series(r, &key, s);
		}
	}
}

static uint32_t *flight_slot(struct series_reader *r, const struct labels *labels)
{
	size_t mask = r->cap_flight_index - 1, i = labels->hash & mask;
	while (r->flight_index[i] && !labels_equal(r->rows.flights[r->flight_index[i] - 1].labels, labels))
		i = (i + 1) & mask;
	return &r->flight_index[i];
}

static void add_flight(void *arg, const struct rt_in_flight *f)
{
	struct series_reader *r = arg;
	struct labels *labels = make_labels(r, f->service, sv_make(f->text, f->len <= RT_ENDPOINT_MAX ? f->len : 0), f->method, f->port, -1);
	if (!labels)
		return;
	uint32_t *slot = flight_slot(r, labels);
	if (*slot) {
		struct flight *x = &r->rows.flights[*slot - 1];
		x->count++;
		if (f->start_ns < x->oldest_ns)
			x->oldest_ns = f->start_ns;
		labels_unref(labels);
		return;
	}
	array_grow(r->rows.flights, r->rows.n_flights, r->rows.cap_flights);
	r->rows.flights[r->rows.n_flights++] = (struct flight){.labels = labels, .count = 1, .oldest_ns = f->start_ns};
	*slot = (uint32_t)r->rows.n_flights;
	if (r->rows.n_flights * 2 < r->cap_flight_index)
		return;
	free(r->flight_index);
	r->cap_flight_index *= 2;
	r->flight_index = xcalloc(r->cap_flight_index, sizeof(*r->flight_index));
	for (uint32_t i = 0; i < r->rows.n_flights; i++)
		*flight_slot(r, r->rows.flights[i].labels) = i + 1;
}

/* Lets go of the requests in flight of the last time, and of their table if it is large: a flood is seldom followed by another. */
static void forget_flights(struct series_reader *r)
{
	for (size_t i = 0; i < r->rows.n_flights; i++)
		labels_unref(r->rows.flights[i].labels);
	if (r->cap_flight_index > 4096) {
		free(r->flight_index);
		free(r->rows.flights);
		r->rows.flights = NULL;
		r->rows.cap_flights = 0;
		r->cap_flight_index = 64;
		r->flight_index = xcalloc(r->cap_flight_index, sizeof(*r->flight_index));
	}
	memset(r->flight_index, 0, r->cap_flight_index * sizeof(*r->flight_index));
	r->rows.n_flights = 0;
}

static void earlier_series(void *arg, const struct rt_series_key *key, const struct rt_series *s)
{
	add_series(arg, key, s);
}

static void earlier_streams(void *arg, const struct rt_series_key *key, const struct rt_streams *s)
{
	add_streams(arg, key, s);
}

static void earlier_ledger(void *arg, const uint64_t *counters)
{
	struct series_reader *r = arg;
	for (int i = 0; i < RT_LEDGER_SIZE; i++)
		r->rows.earlier[i] += counters[i];
}

void series_reader_done(struct series_reader *r)
{
	free(r->rows.figures);
	r->rows.figures = NULL;
	r->rows.n_figures = 0;
}

int series_reader_read(struct series_reader *r, const struct rows **rows)
{
	size_t streams = 0;

	series_reader_done(r);
	for (size_t i = 0; i < r->rows.n; i++) {
		struct row *x = &r->rows.v[i];
		if (x->streams)
			memset(x->streams, 0, sizeof(*x->streams));
		x->seen = x->has_streams = false;
	}
	forget_flights(r);
	r->rows.series = 0;
	memset(r->rows.earlier, 0, sizeof(r->rows.earlier));
	int err = for_each(r, LOADER_SERIES, sizeof(struct rt_series), add_series, &r->rows.series);
	if (!err)
		err = for_each(r, LOADER_STREAMS, sizeof(struct rt_streams), add_streams, &streams);
	struct loader_figures earlier = {.series = earlier_series, .streams = earlier_streams, .ledger = earlier_ledger, .arg = r};
	if (!err)
		err = loader_earlier(r->l, &earlier);
	if (!err) {
		add_overflow(r);
		err = loader_in_flight(r->l, add_flight, r);
	}
	*rows = &r->rows;
	return err;
}
