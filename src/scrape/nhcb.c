// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/nhcb.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "model/histogram.h"
#include "model/text.h"

struct bound {
	double le, count; /* cumulative */
};

struct nhcb {
	struct parse_sink sink;
	const struct parse_sink *to;
	bool keep;
	size_t max_buckets;
	/* The family that the samples belong to. */
	struct buf family;
	enum metric_type type;
	/* What was said last of a family, and holds from the next sample on. */
	struct buf said;
	enum metric_type said_type;
	bool is_said;
	/* The histogram that is being collected: samples of the same labels follow each other. */
	bool collecting, has_count, has_t;
	struct buf key, other; /* of it, and of the sample at hand */
	struct parsed_label *labels;
	size_t n_labels, cap_labels;
	struct bound *v;
	size_t n, cap;
	double count, sum;
	int64_t t;
};

enum part { PART_NONE, PART_BUCKET, PART_COUNT, PART_SUM };

/* Which part of a classic histogram S is. */
static enum part part_of(const struct nhcb *c, const struct parsed_sample *s)
{
	struct sv family = sv_make(buf_str(&c->family), c->family.n);
	if (c->type != METRIC_HISTOGRAM || s->h || !sv_starts_with(s->name, family))
		return PART_NONE;
	struct sv suffix = sv_make(s->name.p + family.n, s->name.n - family.n);
	return sv_eqs(suffix, "_bucket") ? PART_BUCKET : sv_eqs(suffix, "_count") ? PART_COUNT : sv_eqs(suffix, "_sum") ? PART_SUM : PART_NONE;
}

/* The key of the histogram that S belongs to: no parser makes such a one. *LE: its bound, NULL if it has none. */
static void make_key(const struct nhcb *c, const struct parsed_sample *s, struct buf *key, const struct parsed_label **le)
{
	*le = NULL;
	buf_reset(key);
	buf_add(key, buf_str(&c->family), c->family.n);
	buf_addc(key, (char)0xfe);
	for (size_t i = 0; i < s->n_labels; i++) {
		if (sv_eqs(s->labels[i].name, "le")) {
			*le = &s->labels[i];
			continue;
		}
		buf_addsv(key, s->labels[i].name);
		buf_addc(key, (char)0xff);
		buf_addsv(key, s->labels[i].value);
		buf_addc(key, (char)0xff);
	}
}

static int by_bound(const void *a, const void *b)
{
	double x = ((const struct bound *)a)->le, y = ((const struct bound *)b)->le;
	return (x > y) - (x < y);
}

/* False: its counts contradict each other. */
static bool build(struct nhcb *c, struct histogram *h)
{
	double below = 0;
	size_t i = 0;
	if (c->n)
		qsort(c->v, c->n, sizeof(*c->v), by_bound);
	bool has_inf = c->n && c->v[c->n - 1].le == INFINITY;
	if (!c->has_count)
		c->count = c->n ? c->v[c->n - 1].count : 0;
	if (!(c->count >= 0) || (has_inf && c->v[c->n - 1].count != c->count))
		return false;
	*h = (struct histogram){.schema = HISTOGRAM_CUSTOM, .count = c->count, .sum = c->sum};
	h->custom = xcalloc(c->n + 1, sizeof(*h->custom));
	h->pos = xcalloc(c->n + 2, sizeof(*h->pos));
	for (; i <= c->n; i++) {
		bool last = i == c->n || c->v[i].le == INFINITY;
		double count = last ? c->count : c->v[i].count;
		if (!(count >= below) || (i && !last && c->v[i].le == c->v[i - 1].le))
			return false;
		if (count > below)
			h->pos[h->n_pos++] = (struct histogram_bucket){(int32_t)h->n_custom, count - below};
		below = count;
		if (last)
			return true;
		h->custom[h->n_custom++] = c->v[i].le;
	}
	return true;
}

static int flush(struct nhcb *c, char **error)
{
	struct histogram h = {0};
	int err = 0;
	if (!c->collecting)
		return 0;
	c->collecting = false;
	if ((c->n || c->has_count) && build(c, &h)) {
		struct parsed_sample s = {.key = sv_make(buf_str(&c->key), c->key.n),
					  .name = sv_make(buf_str(&c->family), c->family.n),
					  .labels = c->labels,
					  .n_labels = c->n_labels,
					  .h = &h,
					  .has_t = c->has_t,
					  .t = c->t};
		err = c->to->sample(c->to->arg, &s, error);
	}
	free(h.custom);
	free(h.pos);
	return err;
}

static void begin(struct nhcb *c, const struct parsed_sample *s)
{
	struct buf old = c->key;
	c->key = c->other;
	c->other = old;
	c->collecting = true;
	c->has_count = c->has_t = false;
	c->n = c->n_labels = 0;
	c->count = c->sum = 0;
	/* They point into the body. */
	for (size_t i = 0; i < s->n_labels; i++) {
		if (sv_eqs(s->labels[i].name, "le"))
			continue;
		array_grow(c->labels, c->n_labels, c->cap_labels);
		c->labels[c->n_labels++] = s->labels[i];
	}
}

static int next_family(struct nhcb *c, char **error)
{
	int err = flush(c, error);
	buf_reset(&c->family);
	buf_add(&c->family, buf_str(&c->said), c->said.n);
	c->type = c->said_type;
	c->is_said = false;
	return err;
}

static int on_sample(void *arg, const struct parsed_sample *s, char **error)
{
	struct nhcb *c = arg;
	const struct parsed_label *le;
	double bound = 0;
	int err = c->is_said ? next_family(c, error) : 0;
	if (err)
		return err;
	enum part part = part_of(c, s);
	if (part != PART_NONE)
		make_key(c, s, &c->other, &le);
	if (part == PART_BUCKET && (!le || !text_parse_float(le->value, &bound) || isnan(bound)))
		part = PART_NONE;
	if (part == PART_NONE) {
		err = flush(c, error);
		return err ? err : c->to->sample(c->to->arg, s, error);
	}
	bool same = c->collecting && sv_eq(sv_make(buf_str(&c->key), c->key.n), sv_make(buf_str(&c->other), c->other.n));
	if (!same) {
		if ((err = flush(c, error)))
			return err;
		begin(c, s);
	}
	c->has_t |= s->has_t;
	c->t = s->has_t ? s->t : c->t;
	if (part == PART_COUNT) {
		c->has_count = true;
		c->count = s->v;
	} else if (part == PART_SUM) {
		c->sum = s->v;
	} else if (c->n == c->max_buckets) {
		*error = xasprintf("more than %zu buckets of a histogram", c->max_buckets);
		return -E2BIG;
	} else {
		array_grow(c->v, c->n, c->cap);
		c->v[c->n++] = (struct bound){bound, s->v};
	}
	return c->keep ? c->to->sample(c->to->arg, s, error) : 0;
}

static void on_type(void *arg, struct sv name, enum metric_type type)
{
	struct nhcb *c = arg;
	buf_reset(&c->said);
	buf_addsv(&c->said, name);
	c->said_type = type;
	c->is_said = true;
	c->to->type(c->to->arg, name, type);
}

static void on_help(void *arg, struct sv name, struct sv text)
{
	struct nhcb *c = arg;
	c->to->help(c->to->arg, name, text);
}

static void on_unit(void *arg, struct sv name, struct sv unit)
{
	struct nhcb *c = arg;
	c->to->unit(c->to->arg, name, unit);
}

struct nhcb *nhcb_new(const struct parse_sink *to, bool keep, size_t max_buckets)
{
	struct nhcb *c = xcalloc(1, sizeof(*c));
	c->to = to;
	c->keep = keep;
	c->max_buckets = max_buckets;
	c->family = c->said = c->key = c->other = BUF_LIMIT((size_t)64 << 20);
	c->sink = (struct parse_sink){.sample = on_sample, .type = on_type, .help = on_help, .unit = on_unit, .arg = c};
	return c;
}

const struct parse_sink *nhcb_sink(const struct nhcb *c)
{
	return &c->sink;
}

int nhcb_end(struct nhcb *c, char **error)
{
	return flush(c, error);
}

void nhcb_free(struct nhcb *c)
{
	if (!c)
		return;
	buf_free(&c->family);
	buf_free(&c->said);
	buf_free(&c->key);
	buf_free(&c->other);
	free(c->labels);
	free(c->v);
	free(c);
}
