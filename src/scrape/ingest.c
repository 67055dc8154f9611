// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/ingest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"
#include "scrape/format.h"
#include "scrape/nhcb.h"

#define HISTOGRAMS_MAX ((size_t)64 << 20) /* bytes of all native histograms of one scrape: a byte of a body may be a bucket of 16 */
#define FUTURE_MS (10 * 60 * 1000) /* a target's own timestamps may be so far ahead */
#define PAST_MS (10 * 366 * 86400000ll) /* and so far back: no window reaches there, and times can be subtracted */

struct pending {
	struct series_entry *entry;
	int64_t t;
	double v;
	struct histogram *h; /* owned */
	bool own_time;
};

struct ingest {
	struct target *t;
	const struct config_job *job;
	int64_t time;
	uint64_t max_samples;
	struct ingest_counts *counts;
	struct pending *v;
	size_t n, cap;
	uint64_t limited; /* samples that sample_limit counts */
	struct label *pairs; /* room for PARSED_LABELS_MAX, the name and a bound */
	struct buf text;
	void *owned; /* blocks of copied histograms */
	size_t owned_bytes;
};

/* --- names --- */

static bool has_name(const struct label *pairs, size_t n, struct sv name)
{
	for (size_t i = 0; i < n; i++)
		if (sv_eq(pairs[i].name, name))
			return true;
	return false;
}

static int by_pair_name(const void *a, const void *b)
{
	const struct label *const *x = a, *const *y = b;
	return sv_cmp((*x)->name, (*y)->name);
}

/* A pair with the name of another one, which is none of REPLACED; NULL if there is none. */
static const struct label *name_that_is_twice(const struct label *pairs, size_t n, const struct labels *replaced)
{
	const struct label *sorted[PARSED_LABELS_MAX + 2];
	if (n <= 32) {
		for (size_t i = 1; i < n; i++)
			if (has_name(pairs, i, pairs[i].name) && !labels_get(replaced, pairs[i].name).n)
				return &pairs[i];
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		sorted[i] = &pairs[i];
	qsort(sorted, n, sizeof(*sorted), by_pair_name);
	for (size_t i = 1; i < n; i++)
		if (sv_eq(sorted[i]->name, sorted[i - 1]->name) && !labels_get(replaced, sorted[i]->name).n)
			return sorted[i];
	return NULL;
}

static struct sv first_value(const struct label *pairs, size_t n, struct sv name)
{
	for (size_t i = 0; i < n; i++)
		if (sv_eq(pairs[i].name, name))
			return pairs[i].value;
	return SV("");
}

struct conflict {
	struct sv name, value;
};

static int by_length(const void *a, const void *b)
{
	const struct conflict *x = a, *y = b;
	if (x->name.n != y->name.n)
		return x->name.n < y->name.n ? -1 : 1;
	return sv_cmp(x->name, y->name);
}

/* The target's labels win; what the sample had under their names becomes exported_NAME, with as many prefixes as it takes. */
static void add_target_labels(struct labels_builder *b, const struct label *pairs, size_t n_pairs, const struct labels *target)
{
	struct conflict *c = xcalloc(target->n + 1, sizeof(*c));
	size_t n = 0;
	for (uint32_t i = 0; i < target->n; i++) {
		struct sv taken = first_value(pairs, n_pairs, target->l[i].name);
		if (taken.n)
			c[n++] = (struct conflict){target->l[i].name, taken};
		labels_builder_set(b, target->l[i].name, target->l[i].value);
	}
	qsort(c, n, sizeof(*c), by_length);
	for (size_t i = 0; i < n; i++) {
		_cleanup_buf_ struct buf name = BUF_INIT;
		buf_addsv(&name, c[i].name);
		do {
			_cleanup_free_ char *longer = xasprintf("exported_%s", buf_str(&name));
			buf_reset(&name);
			buf_adds(&name, longer);
		} while (labels_builder_get(b, sv_make(name.p, name.n)).n);
		labels_builder_set(b, sv_make(name.p, name.n), c[i].value);
	}
	free(c);
}

static int check_limits(const struct config_scrape_limits *l, const struct labels *ls, char **error)
{
	struct sv name = labels_get(ls, SV(LABEL_NAME));
	int shown = name.n > 50 ? 50 : (int)name.n;
	if (l->labels && ls->n > l->labels) {
		*error = xasprintf("label_limit exceeded (metric: %.*s, number of labels: %u, limit: %llu)", shown, name.p, ls->n,
				   (unsigned long long)l->labels);
		return -E2BIG;
	}
	for (uint32_t i = 0; i < ls->n; i++) {
		const struct label *p = &ls->l[i];
		int label = p->name.n > 50 ? 50 : (int)p->name.n;
		if (l->label_name_length && p->name.n > l->label_name_length) {
			*error = xasprintf("label_name_length_limit exceeded (metric: %.*s, label name: %.*s, length: %zu, limit: %llu)", shown,
					   name.p, label, p->name.p, p->name.n, (unsigned long long)l->label_name_length);
			return -E2BIG;
		}
		if (l->label_value_length && p->value.n > l->label_value_length) {
			*error = xasprintf(
				"label_value_length_limit exceeded (metric: %.*s, label name: %.*s, value: \"%.*s\", length: %zu, limit: %llu)",
				shown, name.p, label, p->name.p, p->value.n > 50 ? 50 : (int)p->value.n, p->value.p, p->value.n,
				(unsigned long long)l->label_value_length);
			return -E2BIG;
		}
	}
	return 0;
}

static bool names_are_valid(const struct labels *ls, bool legacy)
{
	for (uint32_t i = 0; i < ls->n; i++) {
		const struct label *l = &ls->l[i];
		bool is_name = sv_eqs(l->name, LABEL_NAME);
		if (!text_is_utf8(l->value) || !(legacy ? text_is_legacy_label_name(l->name) : text_is_utf8(l->name)) ||
		    (is_name && legacy && !text_is_legacy_metric_name(l->value)))
			return false;
	}
	return true;
}

static int check_series(const struct ingest *in, const struct labels *ls, char **error)
{
	if (!labels_get(ls, SV(LABEL_NAME)).n) {
		*error = xstrdup("missing metric name (__name__ label)");
		return -EBADMSG;
	}
	if (!names_are_valid(ls, in->job->common.legacy_names)) {
		_cleanup_buf_ struct buf b = BUF_LIMIT(4096);
		labels_print(ls, &b);
		*error = xasprintf("invalid metric name or label names: %s", buf_str(&b));
		return -EBADMSG;
	}
	return check_limits(&in->job->common.limits, ls, error);
}

/* *LS: the series as it is stored, or NULL if relabelling drops it. */
static int name_series(struct ingest *in, const struct parsed_sample *p, struct labels **ls, char **error)
{
	*ls = NULL;
	size_t n = p->n_labels + 1;
	if (!in->pairs)
		in->pairs = xcalloc(PARSED_LABELS_MAX + 2, sizeof(*in->pairs));
	parsed_labels(p, &in->text, in->pairs);
	const struct labels *target = in->t->labels;
	_cleanup_labels_ struct labels *none = labels_empty();
	/* What the target's labels replace may stand there twice, as in Prometheus: the first becomes exported_NAME. */
	const struct label *twice = name_that_is_twice(in->pairs, n, in->job->honor_labels ? none : target);
	if (twice) {
		*error = xasprintf("label name \"%.*s\" is not unique: invalid sample", SV_ARG(twice->name));
		return -EBADMSG;
	}
	_cleanup_labels_ struct labels *own = labels_new(in->pairs, n);
	struct labels_builder b;
	labels_builder_init(&b, own);
	if (in->job->honor_labels) {
		/* An empty label of the sample keeps the target's away, too. */
		for (uint32_t i = 0; i < target->n; i++)
			if (!has_name(in->pairs, n, target->l[i].name))
				labels_builder_set(&b, target->l[i].name, target->l[i].value);
	} else {
		add_target_labels(&b, in->pairs, n, target);
	}
	int err = 0;
	if (relabel_apply(&in->job->metric_relabel, &b)) {
		_cleanup_labels_ struct labels *made = labels_builder_build(&b);
		if (made->n && !(err = check_series(in, made, error)))
			*ls = labels_ref(made);
	}
	labels_builder_free(&b);
	return err;
}

/* --- one scrape --- */

static void *own_block(void *arg, size_t n)
{
	struct ingest *in = arg;
	/* A chain of blocks, each behind a pointer to the one before. */
	void **block = xmalloc(sizeof(void *) + n);
	block[0] = in->owned;
	in->owned = block;
	return block + 1;
}

static int on_sample(void *arg, const struct parsed_sample *p, char **error)
{
	struct ingest *in = arg;
	struct series_cache *cache = &in->t->cache;
	if (++in->counts->scraped > in->max_samples) {
		*error = xasprintf("more than %llu samples", (unsigned long long)in->max_samples);
		return -E2BIG;
	}
	struct series_entry *e = series_cache_find(cache, p->key);
	bool again = e && e->seen == cache->scrape, own_time = p->has_t && in->job->honor_timestamps;
	if (!e) {
		struct labels *ls;
		int err = name_series(in, p, &ls, error);
		if (err)
			return err;
		e = series_cache_add(cache, p->key, ls);
	}
	e->seen = cache->scrape;
	if (!e->labels)
		return 0;
	in->counts->added++;
	if (again && !own_time) {
		in->counts->duplicate++;
		return 0;
	}
	in->limited++;
	if (in->job->common.limits.samples && in->limited > in->job->common.limits.samples)
		return 0; /* counted to the end, so that the report says how many there were */
	if (own_time && (p->t > in->time + FUTURE_MS || p->t < in->time - PAST_MS)) {
		in->counts->out_of_bounds++;
		return 0;
	}
	array_grow(in->v, in->n, in->cap);
	struct pending *q = &in->v[in->n++];
	*q = (struct pending){.entry = e, .t = own_time ? p->t : in->time, .v = p->v, .own_time = own_time};
	in->owned_bytes += p->h ? (p->h->n_pos + p->h->n_neg) * sizeof(struct histogram_bucket) + sizeof(struct histogram) : 0;
	if (in->owned_bytes > HISTOGRAMS_MAX) {
		*error = xstrdup("its native histograms have too many buckets");
		return -E2BIG;
	}
	if (p->h)
		q->h = histogram_copy(p->h, &(struct histogram_alloc){own_block, in});
	return 0;
}

static void on_type(void *arg, struct sv name, enum metric_type type)
{
	struct ingest *in = arg;
	metadata_type(&in->t->metadata, in->t->cache.scrape, name, type);
}

static void on_help(void *arg, struct sv name, struct sv text)
{
	struct ingest *in = arg;
	metadata_help(&in->t->metadata, in->t->cache.scrape, name, text);
}

static void on_unit(void *arg, struct sv name, struct sv unit)
{
	struct ingest *in = arg;
	metadata_unit(&in->t->metadata, in->t->cache.scrape, name, unit);
}

static int parse(struct ingest *in, const char *content_type, struct sv body, char **error)
{
	const struct config_job *job = in->job;
	struct parse_sink own = {.sample = on_sample, .type = on_type, .help = on_help, .unit = on_unit, .arg = in};
	const struct parse_sink *sink = &own;
	struct nhcb *nhcb = NULL;
	uint64_t limit = job->common.limits.histogram_buckets;
	struct parse_options opt = {.native = job->common.native_histograms > 0,
				    .classic = job->common.always_classic > 0,
				    .max_buckets = limit && limit < SCRAPE_BUCKETS_MAX ? limit : SCRAPE_BUCKETS_MAX,
				    .min_factor = job->min_bucket_factor};
	int err;
	if (!body.n) /* whatever the type says: nothing is there, and that is no failure */
		return 0;
	enum config_protocol format = format_of(content_type, job->fallback, error);
	if (job->common.nhcb > 0 && format != PROTOCOL_NONE) {
		nhcb = nhcb_new(&own, job->common.always_classic > 0, (size_t)opt.max_buckets);
		sink = nhcb_sink(nhcb);
	}
	switch (format) {
	case PROTOCOL_NONE:
		return -EBADMSG;
	case PROTOCOL_PROTO:
		err = parse_protobuf(body, &opt, sink, error);
		break;
	case PROTOCOL_OM_1:
		err = parse_openmetrics(body, sink, error);
		break;
	default:
		err = parse_text(body, sink, error);
		break;
	}
	if (!err && nhcb)
		err = nhcb_end(nhcb, error);
	nhcb_free(nhcb);
	if (!err && job->common.limits.samples && in->limited > job->common.limits.samples) {
		*error = xstrdup("sample limit exceeded");
		err = -E2BIG;
	}
	return err;
}

struct markers {
	struct store_sample *v;
	size_t n, cap;
	int64_t t;
};

static void add_marker(void *arg, struct labels *labels)
{
	struct markers *m = arg;
	array_grow(m->v, m->n, m->cap);
	m->v[m->n++] = (struct store_sample){.labels = labels_ref(labels), .t = m->t, .v = sample_stale_marker(), .marker = true};
}

static void end_series(struct target *t, struct store *store, int64_t time, bool all)
{
	struct markers m = {.t = time};
	series_cache_gone(&t->cache, all, add_marker, &m);
	store_append_batch(store, m.v, m.n);
	for (size_t i = 0; i < m.n; i++)
		labels_unref(m.v[i].labels);
	free(m.v);
}

/* A series is new once, with its first sample that is taken. */
static void count_added(struct ingest *in, struct series_entry *e)
{
	in->counts->series_added += !e->taken;
	e->taken = true;
}

static void commit(struct ingest *in, struct store *store)
{
	struct store_sample *s = xcalloc(in->n + 1, sizeof(*s));
	for (size_t i = 0; i < in->n; i++)
		s[i] = (struct store_sample){.labels = in->v[i].entry->labels, .t = in->v[i].t, .v = in->v[i].v, .h = in->v[i].h};
	store_append_batch(store, s, in->n);
	for (size_t i = 0; i < in->n; i++) {
		struct pending *p = &in->v[i];
		in->counts->out_of_order += s[i].err == -ESTALE;
		in->counts->duplicate += s[i].err == -EEXIST;
		in->counts->no_room += s[i].err == -ENOSPC;
		/* A second spelling of a series in the same scrape counts, as in Prometheus, which notices it only later. */
		if (!s[i].err || s[i].err == -EEXIST)
			count_added(in, p->entry);
		if (s[i].err == -ENOSPC)
			p->entry->seen--; /* not kept here either: the memory of what is known is that of what is stored */
		p->entry->live = s[i].err != -ENOSPC && (!p->own_time || in->job->track_timestamps_staleness);
	}
	free(s);
}

int ingest_body(struct target *t, struct store *store, int64_t time, const char *content_type, struct sv body, uint64_t max_samples,
		struct ingest_counts *counts, char **error)
{
	struct ingest in = {.t = t, .job = t->job, .max_samples = max_samples, .time = time, .counts = counts, .text = BUF_LIMIT((size_t)64 << 20)};
	*counts = (struct ingest_counts){0};
	t->cache.scrape++;
	int err = parse(&in, content_type, body, error);
	if (!err)
		commit(&in, store);
	else
		/* As Prometheus 2 and 3: those of a scrape that failed count as new there, and are known from then on. */
		for (size_t i = 0; i < in.n; i++)
			count_added(&in, in.v[i].entry);
	end_series(t, store, time, err != 0);
	series_cache_trim(&t->cache, !err && body.n);
	if (!err && body.n)
		metadata_trim(&t->metadata, t->cache.scrape);
	for (void **block = in.owned, **before; block; block = before) {
		before = block[0];
		free(block);
	}
	free(in.v);
	free(in.pairs);
	buf_free(&in.text);
	return err;
}

void ingest_nothing(struct target *t, struct store *store, int64_t time)
{
	t->cache.scrape++;
	end_series(t, store, time, true);
	series_cache_trim(&t->cache, false);
}

void ingest_reports(struct target *t, struct store *store, int64_t time, bool up, double seconds, const struct ingest_counts *counts,
		    bool stale)
{
	double values[] = {up,
			   seconds,
			   (double)counts->scraped,
			   (double)counts->added,
			   (double)counts->series_added,
			   (double)t->timeout / 1000,
			   (double)t->job->common.limits.samples,
			   t->body_bytes};
	struct store_sample s[ARRAY_SIZE(values)];
	for (size_t i = 0; i < t->n_reports; i++)
		s[i] = (struct store_sample){
			.labels = t->reports[i], .t = time, .v = stale ? sample_stale_marker() : values[i], .marker = stale};
	store_append_batch(store, s, t->n_reports);
}
