// SPDX-License-Identifier: GPL-2.0-or-later
/* /federate: the newest samples of what match[] selects, for another Prometheus to scrape: what rules
 * recorded here, ALERTS, all that is in the window. As Prometheus: with their own times and the external
 * labels, every metric untyped. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "exposition/escape.h"
#include "exposition/negotiate.h"
#include "model/text.h"

#define LOOKBACK_MS 300000

struct latest {
	struct labels *labels; /* a reference */
	int64_t t;
	double v;
};

struct federation {
	const struct sample_source *source;
	int64_t mint, maxt;
	struct latest *v;
	size_t n, cap;
	char *error;
};

/* Native histograms do not go into the text formats. */
static void keep_newest(struct federation *f, const struct series *s)
{
	const struct sample *last = s->n ? &s->samples[s->n - 1] : NULL;
	if (!last || last->h || sample_is_stale(&last->v))
		return;
	array_grow(f->v, f->n, f->cap);
	f->v[f->n++] = (struct latest){labels_ref(s->labels), last->t, last->v};
}

/* {} selects nothing, as in Prometheus. */
static void select_matching(void *arg, const struct matcher *m, size_t n, int64_t range_ms)
{
	struct federation *f = arg;
	struct series_set set;
	if (!n || f->error || f->source->select(f->source->self, m, n, f->mint, f->maxt, &set, &f->error))
		return;
	for (size_t i = 0; i < set.n; i++)
		keep_newest(f, &set.series[i]);
	set.release(&set);
}

static int by_name(const void *a, const void *b)
{
	const struct latest *x = a, *y = b;
	int r = sv_cmp(labels_get(x->labels, SV(LABEL_NAME)), labels_get(y->labels, SV(LABEL_NAME)));
	return r ? r : labels_cmp(x->labels, y->labels);
}

static void add_label(const struct label *l, enum escaping escaping, size_t *n, struct buf *out)
{
	bool quoted = escaping == ESCAPING_ALLOW_UTF8 && !text_is_legacy_label_name(l->name);
	buf_adds(out, (*n)++ ? "," : "{");
	if (quoted)
		buf_addc(out, '"');
	escape_name(l->name, escaping, out);
	buf_adds(out, quoted ? "\"=\"" : "=\"");
	escape_label_value(l->value, out);
	buf_addc(out, '"');
}

static void add_sample(const struct latest *p, struct sv name, const struct labels *external,
		       enum escaping escaping, struct buf *out)
{
	_cleanup_buf_ struct buf escaped = BUF_INIT;
	size_t n = 0;
	escape_name(name, escaping, &escaped);
	bool quoted = !text_is_legacy_metric_name(sv_make(buf_str(&escaped), escaped.n));
	if (quoted)
		buf_addf(out, "{\"%s\"", buf_str(&escaped));
	else
		buf_add(out, escaped.p, escaped.n);
	n += quoted;
	for (uint32_t i = 0; i < p->labels->n; i++)
		if (!sv_eqs(p->labels->l[i].name, LABEL_NAME))
			add_label(&p->labels->l[i], escaping, &n, out);
	for (uint32_t i = 0; i < external->n; i++)
		if (!labels_get(p->labels, external->l[i].name).n)
			add_label(&external->l[i], escaping, &n, out);
	/* Empty, so that whoever scrapes this does not put its own there. */
	if (!labels_get(p->labels, SV("instance")).n && !labels_get(external, SV("instance")).n)
		add_label(&(struct label){SV("instance"), SV("")}, escaping, &n, out);
	buf_adds(out, n ? "} " : " ");
	text_float(p->v, 'g', out);
	buf_addf(out, " %lld\n", (long long)p->t);
}

static void write_all(const struct federation *f, const struct labels *external, enum escaping escaping,
		      struct buf *out)
{
	struct sv family = {0};
	for (size_t i = 0; i < f->n && !out->failed; i++) {
		struct sv name = labels_get(f->v[i].labels, SV(LABEL_NAME));
		if (i && labels_equal(f->v[i].labels, f->v[i - 1].labels))
			continue; /* several selectors found it */
		if (!family.p || !sv_eq(name, family)) {
			_cleanup_buf_ struct buf escaped = BUF_INIT;
			escape_name(name, escaping, &escaped);
			bool quoted = !text_is_legacy_metric_name(sv_make(buf_str(&escaped), escaped.n));
			buf_addf(out, quoted ? "# TYPE \"%s\" untyped\n" : "# TYPE %s untyped\n",
				 buf_str(&escaped));
			family = name;
		}
		add_sample(&f->v[i], name, external, escaping, out);
	}
}

/* False: answered. */
static bool select_all(struct federation *f, const struct web_request *req, struct web_response *res)
{
	for (size_t i = 0; i < req->n_params && !f->error; i++) {
		struct promql_expr *expr;
		char *error = NULL;
		if (strcmp(req->params[i].name, "match[]") != 0)
			continue;
		if (promql_parse_selector(sv_of(req->params[i].value), &expr, &error)) {
			web_response_text(res, 400, "%s", error);
			free(error);
			return false;
		}
		promql_selectors(expr, select_matching, f);
		promql_expr_free(expr);
	}
	if (f->error)
		web_response_text(res, 500, "%s", f->error);
	return !f->error;
}

void api_federate(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	int64_t now = clock_unix_ms(),
		lookback = api->promql.lookback_ms ? api->promql.lookback_ms : LOOKBACK_MS;
	struct federation f = {.source = store_source(api->store), .mint = now - lookback, .maxt = now};
	struct negotiated n = negotiate_accept(web_request_header(req, "Accept"));
	n.format = n.format == EXPOSITION_TEXT_100 ? EXPOSITION_TEXT_100 : EXPOSITION_TEXT_004;
	if (select_all(&f, req, res)) {
		_cleanup_labels_ struct labels *external =
		    api->external_labels ? api->external_labels(api->arg) : labels_empty();
		if (f.n)
			qsort(f.v, f.n, sizeof(*f.v), by_name);
		res->status = 200;
		res->content_type = negotiated_content_type(n);
		write_all(&f, external, n.escaping, &res->body);
	}
	for (size_t i = 0; i < f.n; i++)
		labels_unref(f.v[i].labels);
	free(f.v);
	free(f.error);
}
