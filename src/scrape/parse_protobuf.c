// SPDX-License-Identifier: GPL-2.0-or-later
/* io.prometheus.client.MetricFamily, one message after the other, each behind its length. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/sample.h"
#include "model/text.h"
#include "scrape/protobuf.h"

#define STRING(x) STRING_(x)
#define STRING_(x) #x

enum family_kind { COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM };

struct reader {
	const struct parse_options *opt;
	const struct parse_sink *sink;
	char *error;
	struct sv family;
	uint64_t kind;
	struct parsed_label *labels; /* of the metric; one more may follow */
	size_t n_labels, cap_labels;
	struct buf key, name, bound; /* of the sample being made */
	bool has_t;
	int64_t t;
};

static int failed(struct reader *r, const char *what)
{
	if (!r->error)
		r->error = xasprintf("metric \"%.*s\": %s", r->family.n > 200 ? 200 : (int)r->family.n, r->family.p, what);
	return -EBADMSG;
}

static void key_part(struct reader *r, struct sv s)
{
	buf_addsv(&r->key, s);
	buf_addc(&r->key, (char)0xff); /* in no UTF-8 */
}

/* The sample NAME + SUFFIX; with BOUND_NAME a label more. */
static int emit(struct reader *r, const char *suffix, const char *bound_name, double bound, double v, const struct histogram *h)
{
	struct parsed_sample s = {.v = v, .h = h, .has_t = r->has_t, .t = r->t, .n_labels = r->n_labels};
	buf_reset(&r->name);
	buf_addsv(&r->name, r->family);
	buf_adds(&r->name, suffix);
	buf_reset(&r->key);
	key_part(r, sv_make(r->name.p, r->name.n));
	if (bound_name) {
		buf_reset(&r->bound);
		text_canonical_bound(bound, &r->bound);
		array_grow(r->labels, r->n_labels, r->cap_labels);
		r->labels[s.n_labels++] = (struct parsed_label){.name = sv_of(bound_name), .value = sv_make(r->bound.p, r->bound.n)};
	}
	for (size_t i = 0; i < s.n_labels; i++) {
		key_part(r, r->labels[i].name);
		key_part(r, r->labels[i].value);
	}
	if (r->name.failed || r->key.failed)
		return failed(r, "its labels are too long");
	s.key = sv_make(r->key.p, r->key.n);
	s.name = sv_make(r->name.p, r->name.n);
	s.labels = r->labels;
	if (!h && isnan(v)) {
		uint64_t bits = NORMAL_NAN_BITS; /* a marker of staleness is not for targets to set */
		memcpy(&s.v, &bits, sizeof(bits));
	}
	return r->sink->sample(r->sink->arg, &s, &r->error);
}

static int read_label(struct reader *r, struct pb m)
{
	struct parsed_label l = {.name = SV(""), .value = SV("")};
	struct pb_field f;
	while (pb_next(&m, &f))
		if (f.number == 1)
			l.name = pb_string(&f);
		else if (f.number == 2)
			l.value = pb_string(&f);
	if (m.broken || !text_is_utf8(l.value))
		return failed(r, m.broken ? "a broken label" : "invalid UTF-8 label value");
	if (r->n_labels == PARSED_LABELS_MAX)
		return failed(r, "more than " STRING(PARSED_LABELS_MAX) " labels");
	array_grow(r->labels, r->n_labels, r->cap_labels);
	r->labels[r->n_labels++] = l;
	return 0;
}

/* Gauge, Counter, Untyped: all have their value in field 1. */
static int read_value(struct reader *r, struct pb m)
{
	struct pb_field f;
	double v = 0;
	while (pb_next(&m, &f))
		if (f.number == 1)
			v = pb_double(&f);
	return m.broken ? failed(r, "a broken value") : emit(r, "", NULL, 0, v, NULL);
}

static int read_pair(struct reader *r, struct pb m, double *a, double *b)
{
	struct pb_field f;
	*a = *b = 0;
	while (pb_next(&m, &f))
		if (f.number == 1)
			*a = pb_double(&f);
		else if (f.number == 2)
			*b = pb_double(&f);
	return m.broken ? failed(r, "a broken quantile") : 0;
}

static int read_summary(struct reader *r, struct pb message)
{
	struct pb_field f;
	struct pb m = message;
	uint64_t count = 0;
	double sum = 0, q, v;
	while (pb_next(&m, &f))
		if (f.number == 1)
			count = f.v;
		else if (f.number == 2)
			sum = pb_double(&f);
	int err = m.broken ? failed(r, "a broken summary") : emit(r, "_count", NULL, 0, (double)count, NULL);
	if (!err)
		err = emit(r, "_sum", NULL, 0, sum, NULL);
	for (m = message; !err && pb_next(&m, &f);)
		if (f.number == 3 && !(err = read_pair(r, f.bytes, &q, &v)))
			err = emit(r, "", "quantile", q, v, NULL);
	return err;
}

static int read_bucket(struct reader *r, struct pb m, bool *infinite)
{
	struct pb_field f;
	double count = 0, count_float = 0, bound = 0;
	while (pb_next(&m, &f))
		if (f.number == 1)
			count = (double)f.v;
		else if (f.number == 4)
			count_float = pb_double(&f);
		else if (f.number == 2)
			bound = pb_double(&f);
	if (m.broken)
		return failed(r, "a broken bucket");
	*infinite |= isinf(bound) && bound > 0;
	return emit(r, "_bucket", "le", bound, count_float > 0 ? count_float : count, NULL);
}

static int read_classic(struct reader *r, const struct pb_histogram *h)
{
	double count = h->count_float > 0 ? h->count_float : (double)h->count;
	struct pb m = h->message;
	struct pb_field f;
	bool infinite = false;
	int err = emit(r, "_count", NULL, 0, count, NULL);
	if (!err)
		err = emit(r, "_sum", NULL, 0, h->sum, NULL);
	while (!err && pb_next(&m, &f))
		if (f.number == 3)
			err = read_bucket(r, f.bytes, &infinite);
	return err || infinite ? err : emit(r, "_bucket", "le", INFINITY, count, NULL);
}

static int read_histogram(struct reader *r, struct pb message)
{
	struct pb_histogram h;
	char *error = NULL;
	int err = 0;
	if (!pb_histogram_read(message, &h))
		return failed(r, "a broken histogram");
	bool native = h.native && r->opt->native;
	if (native) {
		struct histogram *made = pb_histogram_native(&h, r->kind == GAUGE_HISTOGRAM, r->opt, &error);
		err = made ? emit(r, "", NULL, 0, 0, made) : failed(r, error);
		pb_histogram_free(made);
		free(error);
	}
	return err || (native && !r->opt->classic) ? err : read_classic(r, &h);
}

static int read_metric(struct reader *r, struct pb message)
{
	static const unsigned fields[] = {[COUNTER] = 3, [GAUGE] = 2, [SUMMARY] = 4, [UNTYPED] = 5, [HISTOGRAM] = 7, [GAUGE_HISTOGRAM] = 7};
	struct pb m = message, body = {0};
	struct pb_field f;
	int err = 0;
	r->n_labels = 0;
	r->has_t = false;
	while (!err && pb_next(&m, &f))
		if (f.number == 1) {
			err = read_label(r, f.bytes);
		} else if (f.number == 6) {
			r->t = (int64_t)f.v;
			r->has_t = r->t != 0;
		} else if (f.number == fields[r->kind]) {
			body = f.bytes;
		}
	if (err || m.broken)
		return err ? err : failed(r, "a broken metric");
	if (r->kind == SUMMARY)
		return read_summary(r, body);
	return r->kind == HISTOGRAM || r->kind == GAUGE_HISTOGRAM ? read_histogram(r, body) : read_value(r, body);
}

static void tell(const struct reader *r, struct sv help, struct sv unit)
{
	static const enum metric_type types[] = {[COUNTER] = METRIC_COUNTER, [GAUGE] = METRIC_GAUGE, [SUMMARY] = METRIC_SUMMARY,
						 [UNTYPED] = METRIC_UNKNOWN, [HISTOGRAM] = METRIC_HISTOGRAM,
						 [GAUGE_HISTOGRAM] = METRIC_GAUGEHISTOGRAM};
	const struct parse_sink *s = r->sink;
	if (s->type)
		s->type(s->arg, r->family, types[r->kind]);
	if (s->help && help.n)
		s->help(s->arg, r->family, help);
	if (s->unit && unit.n)
		s->unit(s->arg, r->family, unit);
}

static int read_family(struct reader *r, struct pb message)
{
	struct pb m = message;
	struct pb_field f;
	struct sv help = SV(""), unit = SV("");
	bool empty = true;
	r->family = SV("");
	r->kind = COUNTER;
	while (pb_next(&m, &f))
		switch (f.number) {
		case 1:
			r->family = pb_string(&f);
			break;
		case 2:
			help = pb_string(&f);
			break;
		case 3:
			r->kind = f.v;
			break;
		case 4:
			empty = false;
			break;
		case 5:
			unit = pb_string(&f);
			break;
		}
	if (m.broken)
		return failed(r, "a broken message");
	if (empty) /* as if it were not there, even without a name */
		return 0;
	if (!r->family.n || !text_is_utf8(r->family))
		return failed(r, "invalid metric name");
	if (r->kind > GAUGE_HISTOGRAM)
		return failed(r, "unknown metric type");
	if (!text_is_utf8(help) || !text_is_utf8(unit))
		return failed(r, "help or unit is not a valid utf8 string");
	tell(r, help, unit);
	int err = 0;
	for (m = message; !err && pb_next(&m, &f);)
		if (f.number == 4)
			err = read_metric(r, f.bytes);
	return err;
}

int parse_protobuf(struct sv body, const struct parse_options *opt, const struct parse_sink *sink, char **error)
{
	struct reader r = {.opt = opt, .sink = sink, .key = BUF_LIMIT(1 << 20), .name = BUF_LIMIT(1 << 20), .bound = BUF_LIMIT(64)};
	struct pb m = pb_of(body);
	uint64_t n;
	int err = 0;
	while (!err && m.p < m.end) {
		const uint8_t *at = m.p;
		if (!pb_varint(&m, &n) || n > (uint64_t)(m.end - m.p)) {
			r.error = xasprintf("byte %zu: not a delimited protobuf message", (size_t)(at - (const uint8_t *)body.p));
			err = -EBADMSG;
			break;
		}
		struct pb message = {m.p, m.p + n, false};
		m.p += n;
		err = read_family(&r, message);
	}
	if (err)
		*error = r.error;
	free(r.labels);
	buf_free(&r.key);
	buf_free(&r.name);
	buf_free(&r.bound);
	return err;
}
