// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/protobuf.h"

#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "model/histogram.h"

enum wire { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_32 = 5 };

bool pb_varint(struct pb *m, uint64_t *v)
{
	*v = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		if (m->p == m->end)
			break;
		uint8_t byte = *m->p++;
		*v |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return true;
	}
	m->broken = true;
	return false;
}

static bool fixed(struct pb *m, unsigned n, uint64_t *v)
{
	*v = 0;
	if ((size_t)(m->end - m->p) < n) {
		m->broken = true;
		return false;
	}
	for (unsigned i = 0; i < n; i++)
		*v |= (uint64_t)*m->p++ << 8 * i;
	return true;
}

bool pb_next(struct pb *m, struct pb_field *f)
{
	uint64_t key;
	*f = (struct pb_field){0};
	if (m->broken || m->p == m->end || !pb_varint(m, &key))
		return false;
	f->number = key >> 3 > UINT32_MAX ? 0 : (unsigned)(key >> 3);
	f->wire = (unsigned)key & 7;
	if (f->number) {
		switch (f->wire) {
		case WIRE_VARINT:
			return pb_varint(m, &f->v);
		case WIRE_64:
			return fixed(m, 8, &f->v);
		case WIRE_32:
			return fixed(m, 4, &f->v);
		case WIRE_BYTES:
			if (!pb_varint(m, &f->v))
				return false;
			if (f->v > (uint64_t)(m->end - m->p))
				break;
			f->bytes = (struct pb){m->p, m->p + f->v, false};
			m->p += f->v;
			return true;
		}
	}
	m->broken = true;
	return false;
}

struct sv pb_string(const struct pb_field *f)
{
	return f->wire == WIRE_BYTES ? sv_make((const char *)f->bytes.p, (size_t)(f->bytes.end - f->bytes.p)) : SV("");
}

double pb_double(const struct pb_field *f)
{
	double v = 0;
	if (f->wire == WIRE_64)
		memcpy(&v, &f->v, sizeof(v));
	return v;
}

int64_t pb_zigzag(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

bool pb_histogram_read(struct pb m, struct pb_histogram *h)
{
	struct pb_field f;
	double zero_count_float = 0;
	*h = (struct pb_histogram){.message = m};
	while (pb_next(&m, &f))
		switch (f.number) {
		case 1:
			h->count = f.v;
			break;
		case 2:
			h->sum = pb_double(&f);
			break;
		case 4:
			h->count_float = pb_double(&f);
			break;
		case 6:
			h->native |= pb_double(&f) > 0; /* zero_threshold */
			break;
		case 7:
			h->native |= f.v > 0; /* zero_count */
			break;
		case 8:
			zero_count_float = pb_double(&f);
			h->native |= zero_count_float > 0;
			break;
		case 9:
		case 12: /* spans */
			h->native = true;
			break;
		}
	h->is_float = h->count_float > 0 || zero_count_float > 0;
	return !m.broken;
}

/* Of one side. A byte of a body may be a bucket, which takes 24 here; at the finest resolution all numbers there are have 524,288. */
#define BUCKETS_MAX ((size_t)1 << 20)

/* One side as it is read: spans say which indices there are, deltas or counts how much is in them. */
struct side {
	struct span {
		int64_t offset;
		uint64_t length;
	} *spans;
	double *counts; /* absolute */
	size_t n_spans, cap_spans, n_counts, cap_counts;
	int64_t last;	/* sum of the deltas so far */
	bool overflow, too_many_spans;
};

static void add_span(struct side *s, struct pb m)
{
	struct pb_field f;
	if (s->n_spans >= BUCKETS_MAX) {
		s->too_many_spans = true;
		return;
	}
	array_grow(s->spans, s->n_spans, s->cap_spans);
	struct span *span = &s->spans[s->n_spans++];
	*span = (struct span){0};
	while (pb_next(&m, &f)) {
		if (f.number == 1)
			span->offset = (int32_t)pb_zigzag(f.v);
		else if (f.number == 2)
			span->length = (uint32_t)f.v;
	}
}

static void add_count(struct side *s, double v)
{
	if (s->n_counts >= BUCKETS_MAX) {
		s->overflow = true;
		return;
	}
	array_grow(s->counts, s->n_counts, s->cap_counts);
	s->counts[s->n_counts++] = v;
}

static void add_delta(struct side *s, uint64_t raw)
{
	s->overflow |= __builtin_add_overflow(s->last, pb_zigzag(raw), &s->last);
	add_count(s, (double)s->last);
}

/* Repeated numbers stand packed in one field or one in a field. */
static void add_deltas(struct side *s, const struct pb_field *f, bool floats)
{
	if (floats) {
		uint64_t v;
		if (f->wire == WIRE_64) {
			add_count(s, pb_double(f));
			return;
		}
		for (struct pb m = f->bytes; f->wire == WIRE_BYTES && m.p < m.end && fixed(&m, 8, &v);)
			add_count(s, pb_double(&(struct pb_field){.wire = WIRE_64, .v = v}));
		return;
	}
	if (f->wire == WIRE_VARINT)
		add_delta(s, f->v);
	uint64_t v;
	for (struct pb m = f->bytes; f->wire == WIRE_BYTES && m.p < m.end && pb_varint(&m, &v);)
		add_delta(s, v);
}

static struct histogram_bucket *buckets_of(const struct side *s, const char *name, size_t *n, double *total, char **error)
{
	uint64_t need = 0;
	size_t k = 0;
	int64_t i = 0;
	*n = 0;
	if (s->too_many_spans) {
		*error = xasprintf("%s side: more than %zu spans", name, BUCKETS_MAX);
		return NULL;
	}
	for (size_t j = 0; j < s->n_spans; j++)
		need += s->spans[j].length;
	if (need != s->n_counts) {
		*error = xasprintf("%s side: spans require %llu buckets, have %zu: histogram spans and buckets mismatch", name,
				   (unsigned long long)need, s->n_counts);
		return NULL;
	}
	struct histogram_bucket *b = xcalloc(s->n_counts + 1, sizeof(*b));
	for (size_t j = 0; j < s->n_spans && !*error; j++) {
		if (j && s->spans[j].offset < 0)
			*error = xasprintf("%s side: span number %zu with offset %lld: histogram has a span whose offset is negative", name,
					   j + 1, (long long)s->spans[j].offset);
		i += s->spans[j].offset;
		for (uint64_t m = 0; m < s->spans[j].length && !*error; m++, i++, k++) {
			double count = s->counts[k];
			if (s->overflow || !(count >= 0) || isinf(count))
				*error = xasprintf("%s side: bucket number %zu has observation count of %g: negative or no number", name, k + 1,
						   count);
			else if (i > INT32_MAX || i < INT32_MIN)
				*error = xasprintf("%s side: index of bucket number %zu is out of range", name, k + 1);
			else if (count > 0)
				b[(*n)++] = (struct histogram_bucket){(int32_t)i, count};
			*total += count;
		}
	}
	if (*error) {
		free(b);
		return NULL;
	}
	return b;
}

static void check_total(const struct histogram *h, double total, bool is_float, char **error)
{
	/* Observations of NaN are in no bucket. Floats are not exact. */
	bool enough = isnan(h->sum) || is_float ? total <= h->count * (1 + 1e-9) : total == h->count;
	if (!*error && !enough)
		*error = xasprintf("%.0f observations found in buckets, but the Count field is %.0f: histogram's observation count should equal the "
				   "number of observations found in the buckets",
				   total, h->count);
}

static void coarsen(struct histogram_bucket *b, size_t *n)
{
	size_t k = 0;
	for (size_t i = 0; i < *n; i++) {
		int32_t at = ((b[i].i - 1) >> 1) + 1;
		if (k && b[k - 1].i == at)
			b[k - 1].n += b[i].n;
		else
			b[k++] = (struct histogram_bucket){at, b[i].n};
	}
	*n = k;
}

static void limit_resolution(struct histogram *h, const struct parse_options *opt, char **error)
{
	int32_t finest = 8;
	if (opt->min_factor > 1) {
		double floor_of = floor(log2(log2(opt->min_factor)));
		finest = floor_of <= -8 ? 8 : floor_of >= 4 ? -4 : -(int32_t)floor_of;
	}
	while (h->schema > finest || (opt->max_buckets && h->n_pos + h->n_neg > opt->max_buckets)) {
		if (h->schema <= -4) {
			*error = xstrdup("histogram bucket limit exceeded");
			return;
		}
		coarsen(h->pos, &h->n_pos);
		coarsen(h->neg, &h->n_neg);
		h->schema--;
	}
}

struct histogram *pb_histogram_native(const struct pb_histogram *in, bool gauge, const struct parse_options *opt, char **error)
{
	struct histogram *h = xcalloc(1, sizeof(*h));
	struct side pos = {0}, neg = {0};
	struct pb m = in->message;
	struct pb_field f;
	int64_t schema = 0;
	h->sum = in->sum;
	h->hint = gauge ? HINT_GAUGE : HINT_UNKNOWN;
	h->count = in->is_float ? in->count_float : (double)in->count;
	while (pb_next(&m, &f)) {
		bool floats = f.number == 11 || f.number == 14;
		if (f.number == 5)
			schema = (int32_t)pb_zigzag(f.v);
		else if (f.number == 6)
			h->zero_threshold = pb_double(&f);
		else if (f.number == 7 && !in->is_float)
			h->zero_count = (double)f.v;
		else if (f.number == 8 && in->is_float)
			h->zero_count = pb_double(&f);
		else if (f.number == 9 || f.number == 12)
			add_span(f.number == 9 ? &neg : &pos, f.bytes);
		else if ((f.number == 10 || f.number == 11) && floats == in->is_float)
			add_deltas(&neg, &f, floats);
		else if ((f.number == 13 || f.number == 14) && floats == in->is_float)
			add_deltas(&pos, &f, floats);
	}
	double total = h->zero_count;
	h->schema = (int32_t)schema;
	if (schema < -4 || schema > 8)
		*error = xasprintf("histogram schema %lld is not supported", (long long)schema);
	else if (!(h->zero_threshold >= 0) || !(h->zero_count >= 0))
		*error = xstrdup("histogram has a negative zero threshold or zero bucket");
	if (!*error)
		h->neg = buckets_of(&neg, "negative", &h->n_neg, &total, error);
	if (!*error)
		h->pos = buckets_of(&pos, "positive", &h->n_pos, &total, error);
	check_total(h, total, in->is_float, error);
	if (!*error)
		limit_resolution(h, opt, error);
	free(pos.spans);
	free(pos.counts);
	free(neg.spans);
	free(neg.counts);
	if (!*error)
		return h;
	pb_histogram_free(h);
	return NULL;
}

void pb_histogram_free(struct histogram *h)
{
	if (!h)
		return;
	free(h->pos);
	free(h->neg);
	free(h);
}
