// SPDX-License-Identifier: GPL-2.0-or-later
#include "exposition/writer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "exposition/number.h"
#include "exposition/protobuf.h"
#include "model/text.h"

/* Nearly all of a scrape is bucket lines, and of a bucket line only the count is new: `name_bucket{labels,` is the same for a
 * metric and `le="bound"} ` for a bound. Both are rendered once and copied, and the room for a metric is reserved at once. */
struct writer {
	struct snapshot *snapshot;
	enum exposition_format format;
	enum escaping escaping;
	size_t family, metric;
	bool in_family; /* its metadata is written, `name` and `les` are its own */
	bool done;
	struct buf name;   /* of the samples: escaped, without a suffix of the type */
	bool quoted;	   /* the name goes quoted into the braces */
	struct buf les;	   /* the `le="bound"} ` of every bound and of +Inf, one after the other */
	size_t *le_ends;   /* n_bounds + 1 */
	size_t le_bounds;  /* for how many bounds le_ends has room */
	struct buf labels; /* scratch: `a="b",c="d"` */
	struct buf head;   /* scratch: `name_bucket{a="b",c="d",` */
};

struct writer *writer_new(struct snapshot *snapshot, enum exposition_format format, enum escaping escaping)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	w->snapshot = snapshot_ref(snapshot);
	w->format = format;
	w->escaping = escaping;
	w->name = w->les = w->labels = w->head = BUF_LIMIT(1 << 20);
	return w;
}

void writer_free(struct writer *w)
{
	if (!w)
		return;
	snapshot_unref(w->snapshot);
	buf_free(&w->name);
	buf_free(&w->les);
	buf_free(&w->labels);
	buf_free(&w->head);
	free(w->le_ends);
	free(w);
}

static bool is_openmetrics(const struct writer *w)
{
	return w->format == EXPOSITION_OPENMETRICS_001 || w->format == EXPOSITION_OPENMETRICS_100;
}

static bool ends_with(struct sv s, struct sv suffix)
{
	return s.n >= suffix.n && memcmp(s.p + s.n - suffix.n, suffix.p, suffix.n) == 0;
}

static void add_metadata(struct writer *w, const struct family *f, struct buf *out)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	const char *type = types[f->type];
	bool om = is_openmetrics(w);
	struct sv name = sv_make(w->name.p, w->name.n);
	if (om && f->type == FAMILY_COUNTER) {
		if (ends_with(name, SV("_total")))
			name.n -= strlen("_total");
		else
			type = "unknown"; /* no suffix is invented: the sample name is a promise */
	}
	const char *quote = w->quoted ? "\"" : "";
	if (f->help && !om) {
		buf_addf(out, "# HELP %s%.*s%s ", quote, SV_ARG(name), quote);
		escape_help(sv_of(f->help), false, out);
		buf_addc(out, '\n');
	}
	buf_addf(out, "# TYPE %s%.*s%s %s\n", quote, SV_ARG(name), quote, type);
	if (!om)
		return;
	if (f->unit) {
		/* A unit that is no suffix of the name makes Prometheus reject the scrape. */
		char suffix[64];
		int n = snprintf(suffix, sizeof(suffix), "_%s", f->unit);
		if (n > 1 && (size_t)n < sizeof(suffix) && ends_with(name, sv_make(suffix, (size_t)n)))
			buf_addf(out, "# UNIT %s%.*s%s %s\n", quote, SV_ARG(name), quote, f->unit);
	}
	if (f->help) {
		buf_addf(out, "# HELP %s%.*s%s ", quote, SV_ARG(name), quote);
		escape_help(sv_of(f->help), true, out);
		buf_addc(out, '\n');
	}
}

static void render_bounds(struct writer *w, const struct family *f)
{
	buf_reset(&w->les);
	if (!w->le_ends || f->n_bounds > w->le_bounds) {
		w->le_ends = xreallocarray(w->le_ends, f->n_bounds + 1, sizeof(*w->le_ends));
		w->le_bounds = f->n_bounds;
	}
	for (size_t i = 0; i <= f->n_bounds; i++) {
		buf_adds(&w->les, "le=\"");
		double bound = i < f->n_bounds ? f->bounds[i] : INFINITY;
		if (is_openmetrics(w))
			text_canonical_bound(bound, &w->les);
		else
			text_float(bound, 'g', &w->les);
		buf_adds(&w->les, "\"} ");
		w->le_ends[i] = w->les.n;
	}
}

/* A message begins with its length. To know it without keeping a family of any size, its metrics are rendered twice. */
static void begin_message(struct writer *w, const struct family *f, struct buf *out)
{
	struct sv name = sv_make(w->name.p, w->name.n);
	struct buf some = BUF_INIT;
	size_t n;
	protobuf_family(f, name, &some);
	n = some.n;
	for (size_t i = 0; i < f->n; i++) {
		buf_reset(&some);
		protobuf_metric(f, &f->metrics[i], w->escaping, &w->head, &some);
		n += some.n;
	}
	buf_free(&some);
	protobuf_varint(n, out);
	protobuf_family(f, name, out);
}

static void begin_family(struct writer *w, const struct family *f, struct buf *out)
{
	buf_reset(&w->name);
	escape_name(sv_of(f->name), w->escaping, &w->name);
	w->in_family = true;
	w->metric = 0;
	if (w->format == EXPOSITION_PROTOBUF) {
		begin_message(w, f, out);
		return;
	}
	w->quoted = !text_is_legacy_metric_name(sv_make(w->name.p, w->name.n));
	if (f->type == FAMILY_HISTOGRAM)
		render_bounds(w, f);
	add_metadata(w, f, out);
}

static void render_labels(struct writer *w, const struct labels *ls)
{
	struct buf *b = &w->labels;
	buf_reset(b);
	for (uint32_t i = 0; i < ls->n; i++) {
		const struct label *l = &ls->l[i];
		if (b->n)
			buf_addc(b, ',');
		if (text_is_legacy_label_name(l->name) && w->escaping != ESCAPING_DOTS) {
			buf_addsv(b, l->name);
		} else if (w->escaping == ESCAPING_ALLOW_UTF8) {
			buf_addc(b, '"');
			escape_name(l->name, w->escaping, b);
			buf_addc(b, '"');
		} else {
			size_t from = b->n;
			escape_name(l->name, w->escaping, b);
			for (size_t k = from; k < b->n; k++) /* legal in a metric's name, not in a label's */
				if (b->p[k] == ':')
					b->p[k] = '_';
		}
		buf_adds(b, "=\"");
		escape_label_value(l->value, b);
		buf_addc(b, '"');
	}
}

/* Leaves `name_suffix{labels,` (or `{"name_suffix",labels,`) in w->head. */
static void render_head(struct writer *w, struct sv suffix)
{
	struct buf *b = &w->head;
	buf_reset(b);
	if (w->quoted)
		buf_adds(b, "{\"");
	buf_add(b, w->name.p, w->name.n);
	buf_addsv(b, suffix);
	if (w->quoted)
		buf_adds(b, "\",");
	else
		buf_addc(b, '{');
	if (w->labels.n) {
		buf_add(b, w->labels.p, w->labels.n);
		buf_addc(b, ',');
	}
}

/* Appends what stands before the value of a sample that has no further label. */
static void add_series(struct writer *w, struct sv suffix, struct buf *out)
{
	render_head(w, suffix);
	if (!w->quoted && !w->labels.n)
		w->head.n--; /* `name{`: no braces */
	else
		w->head.p[w->head.n - 1] = '}';
	buf_add(out, w->head.p, w->head.n);
	buf_addc(out, ' ');
}

static char *put(char *p, const void *from, size_t n)
{
	memcpy(p, from, n);
	return p + n;
}

static void add_histogram(struct writer *w, const struct family *f, const struct metric *m, struct buf *out)
{
	render_head(w, SV("_bucket"));
	size_t lines = f->n_bounds + 1;
	if (!buf_reserve(out, lines * (w->head.n + NUMBER_U64_MAX + 1) + w->les.n))
		return;
	char *p = out->p + out->n;
	const char *le = w->les.p;
	uint64_t cumulative = 0;
	for (size_t i = 0; i < lines; i++) {
		const char *end = w->les.p + w->le_ends[i];
		cumulative += m->buckets[i];
		p = put(p, w->head.p, w->head.n);
		p = put(p, le, (size_t)(end - le));
		p = number_u64(p, cumulative);
		*p++ = '\n';
		le = end;
	}
	*p = 0;
	out->n = (size_t)(p - out->p);

	char count[NUMBER_U64_MAX];
	size_t digits = (size_t)(number_u64(count, cumulative) - count);
	/* The order each format's own tools use; both accept either. */
	for (int part = 0; part < 2; part++) {
		if ((part == 0) == is_openmetrics(w)) {
			add_series(w, SV("_count"), out);
			buf_add(out, count, digits);
		} else {
			add_series(w, SV("_sum"), out);
			number_double(m->sum, out);
		}
		buf_addc(out, '\n');
	}
}

static void add_metric(struct writer *w, const struct family *f, const struct metric *m, struct buf *out)
{
	if (w->format == EXPOSITION_PROTOBUF) {
		protobuf_metric(f, m, w->escaping, &w->head, out);
		return;
	}
	render_labels(w, m->labels);
	if (f->type == FAMILY_HISTOGRAM) {
		add_histogram(w, f, m, out);
	} else {
		add_series(w, SV(""), out);
		number_double(m->value, out);
		buf_addc(out, '\n');
	}
	if (w->labels.failed || w->head.failed) /* more than a mebibyte of labels */
		out->failed = true;
}

bool writer_more(struct writer *w, struct buf *out, size_t want)
{
	const struct snapshot *s = w->snapshot;
	while (!w->done && !out->failed && out->n < want) {
		if (w->family == s->n) {
			if (is_openmetrics(w))
				buf_adds(out, "# EOF\n");
			w->done = true;
			break;
		}
		const struct family *f = &s->families[w->family];
		if (!f->n) { /* metadata alone says nothing */
			w->family++;
			continue;
		}
		if (!w->in_family)
			begin_family(w, f, out);
		add_metric(w, f, &f->metrics[w->metric], out);
		if (++w->metric == f->n) {
			w->family++;
			w->in_family = false;
		}
	}
	return !w->done && !out->failed;
}

void exposition_write(struct snapshot *snapshot, enum exposition_format format, struct buf *out)
{
	struct writer *w = writer_new(snapshot, format, ESCAPING_ALLOW_UTF8);
	while (writer_more(w, out, SIZE_MAX))
		;
	writer_free(w);
}
