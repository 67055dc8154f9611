// SPDX-License-Identifier: GPL-2.0-or-later
/* What of a scrape matters to top: counters and durations put together by labels. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "cli/top.h"
#include "model/labels.h"
#include "model/text.h"
#include "scrape/parse.h"

bool top_by_parse(struct sv text, struct top_by *by)
{
	by->n = 0;
	for (const char *p = text.p, *end = text.p + text.n;;) {
		const char *comma = memchr(p, ',', (size_t)(end - p));
		struct sv name = sv_make(p, (size_t)((comma ? comma : end) - p));
		if (by->n == TOP_LABELS || !text_is_legacy_label_name(name))
			return false;
		for (size_t i = 0; i < by->n; i++)
			if (sv_eq(by->label[i], name))
				return false;
		by->label[by->n++] = name;
		if (!comma)
			return true;
		p = comma + 1;
	}
}

/* ---- groups ---- */

static size_t slot_of(const struct top_figures *f, const char *key, size_t n, uint64_t hash)
{
	size_t i = hash & (f->n_slots - 1);
	for (; f->slots[i]; i = (i + 1) & (f->n_slots - 1)) {
		const struct top_group *g = &f->groups[f->slots[i] - 1];
		if (g->hash == hash && g->n_key == n && memcmp(g->key, key, n) == 0)
			break;
	}
	return i;
}

static void grow(struct top_figures *f)
{
	f->n_slots = f->n_slots ? 2 * f->n_slots : 256;
	free(f->slots);
	f->slots = xcalloc(f->n_slots, sizeof(*f->slots));
	for (size_t i = 0; i < f->n; i++)
		f->slots[slot_of(f, f->groups[i].key, f->groups[i].n_key, f->groups[i].hash)] = (uint32_t)i + 1;
}

static struct top_group *group_of(struct top_figures *f, const char *key, size_t n)
{
	if (2 * (f->n + 1) > f->n_slots)
		grow(f);
	uint64_t hash = hash_bytes(key, n, hash_secret());
	size_t slot = slot_of(f, key, n, hash);
	if (!f->slots[slot]) {
		array_grow(f->groups, f->n, f->cap);
		f->groups[f->n++] = (struct top_group){.key = xmemdup(key, n), .n_key = n, .hash = hash};
		f->slots[slot] = (uint32_t)f->n;
	}
	return &f->groups[f->slots[slot] - 1];
}

const struct top_group *top_figures_find(const struct top_figures *f, const struct top_group *like)
{
	size_t slot = f->n ? slot_of(f, like->key, like->n_key, like->hash) : 0;
	return f->n && f->slots[slot] ? &f->groups[f->slots[slot] - 1] : NULL;
}

/* ---- samples ---- */

enum metric { REQUESTS, BUCKET, SUM, COUNT, IN_FLIGHT, OLDEST, GROUPED, LOST = GROUPED, ALERTS, SEEN, METRICS };

static const char *const names[METRICS] = {
	[REQUESTS] = "http_requests_total",
	[BUCKET] = "http_requests_duration_seconds_bucket",
	[SUM] = "http_requests_duration_seconds_sum",
	[COUNT] = "http_requests_duration_seconds_count",
	[IN_FLIGHT] = "http_requests_in_flight",
	[OLDEST] = "http_requests_oldest_in_flight_seconds",
	[LOST] = "reqtally_requests_lost_total",
	[ALERTS] = "reqtally_rule_alerts",
	[SEEN] = "reqtally_requests_seen_total",
};

struct reader {
	struct top_figures *f;
	struct buf text, key;
	struct label *labels;
	size_t cap;
};

static struct sv value(const struct label *l, size_t n, struct sv name)
{
	for (size_t i = 0; i < n; i++)
		if (sv_eq(l[i].name, name))
			return l[i].value;
	return SV("");
}

/* The place of bound LE, or TOP_BUCKETS. Buckets come in order, so it is nearly always the one behind the last. */
static size_t bound_of(struct top_figures *f, struct sv le)
{
	double bound;
	size_t i = 0;
	if (!text_parse_float(le, &bound))
		return TOP_BUCKETS;
	while (i < f->n_bounds && f->bounds[i] < bound)
		i++;
	if (i < f->n_bounds)
		return f->bounds[i] == bound ? i : TOP_BUCKETS;
	if (i < TOP_BUCKETS)
		f->bounds[f->n_bounds++] = bound;
	return i;
}

static void add_group_sample(struct reader *r, enum metric m, const struct label *l, size_t n, double v)
{
	struct top_figures *f = r->f;
	buf_reset(&r->key);
	if (m >= IN_FLIGHT && f->by_code)
		return;
	for (size_t i = 0; i < f->by.n; i++) {
		buf_addsv(&r->key, value(l, n, f->by.label[i]));
		buf_addc(&r->key, 0);
	}
	struct top_group *g = group_of(f, r->key.p, r->key.n);
	struct top_counts *c = &g->counts;
	struct sv code = value(l, n, SV("code"));
	size_t k;
	switch (m) {
	case REQUESTS:
		c->requests += v;
		c->failed += sv_eqs(code, "000") || sv_starts_with(code, SV("5")) ? v : 0;
		c->client_errors += sv_starts_with(code, SV("4")) ? v : 0;
		break;
	case BUCKET:
		k = bound_of(f, value(l, n, SV("le")));
		if (k < TOP_BUCKETS)
			c->buckets[k] += v;
		break;
	case SUM:
		c->seconds += v;
		break;
	case COUNT:
		c->timed += v;
		break;
	case IN_FLIGHT:
		g->in_flight += v;
		break;
	default:
		g->oldest = v > g->oldest ? v : g->oldest;
	}
}

static void add_loss(struct top_figures *f, struct sv reason, double v)
{
	if (f->n_lost < TOP_REASONS)
		f->lost[f->n_lost++] = (struct top_loss){xmemdup(reason.p, reason.n), v};
}

static int on_sample(void *arg, const struct parsed_sample *s, char **error)
{
	struct reader *r = arg;
	enum metric m = 0;
	while (m < METRICS && !sv_eqs(s->name, names[m]))
		m++;
	if (m == METRICS || s->h)
		return 0;
	if (s->n_labels + 1 > r->cap) {
		r->cap = s->n_labels + 1;
		r->labels = xreallocarray(r->labels, r->cap, sizeof(*r->labels));
	}
	parsed_labels(s, &r->text, r->labels);
	const struct label *l = r->labels + 1; /* the first one is the name */
	if (m < GROUPED)
		add_group_sample(r, m, l, s->n_labels, s->v);
	else if (m == LOST)
		add_loss(r->f, value(l, s->n_labels, SV("reason")), s->v);
	else if (m == SEEN)
		r->f->ours = true;
	else if (sv_eqs(value(l, s->n_labels, SV("state")), "firing"))
		r->f->firing = s->v;
	else
		r->f->pending = s->v;
	return 0;
}

int top_figures_parse(struct sv body, const struct top_by *by, double at, struct top_figures **out, char **error)
{
	struct reader r = {.f = xcalloc(1, sizeof(*r.f)), .text = BUF_INIT, .key = BUF_INIT};
	struct parse_sink sink = {.sample = on_sample, .arg = &r};
	r.f->by = *by;
	r.f->at = at;
	for (size_t i = 0; i < by->n; i++)
		r.f->by_code |= sv_eqs(by->label[i], "code");
	int err = parse_text(body, &sink, error);
	buf_free(&r.text);
	buf_free(&r.key);
	free(r.labels);
	if (!err && !r.f->ours) {
		*error = xstrdup("these are not the metrics of a reqtally");
		err = -EPROTO;
	}
	if (err)
		top_figures_free(r.f);
	else
		*out = r.f;
	return err;
}

void top_figures_free(struct top_figures *f)
{
	if (!f)
		return;
	for (size_t i = 0; i < f->n; i++)
		free(f->groups[i].key);
	for (size_t i = 0; i < f->n_lost; i++)
		free(f->lost[i].reason);
	free(f->groups);
	free(f->slots);
	free(f);
}
