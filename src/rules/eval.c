// SPDX-License-Identifier: GPL-2.0-or-later
/* One evaluation of one rule: query, then record, or expand the texts and move the alerts. A failure stores
 * and sends nothing and leaves the alerts alone (but for the limit). */
#include "rules/manager_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "rules/label_set.h"
#include "rules/url.h"

void produced_add(struct produced *p, struct labels *labels, double v, const struct histogram *h)
{
	array_grow(p->v, p->n, p->cap);
	p->v[p->n].labels = labels;
	p->v[p->n].h = h;
	p->v[p->n++].v = v;
}

void produced_free(struct produced *p)
{
	for (size_t i = 0; i < p->n; i++)
		labels_unref(p->v[i].labels);
	free(p->v);
	*p = (struct produced){0};
}

/* `query` in a template: at the rule's time, without the group's offset. */
static int template_query(void *arg, struct sv text, int64_t t, struct promql_value *out, char **error)
{
	struct rule_manager *m = arg;
	struct promql_expr *expr;
	int rc = promql_parse(text, &expr, error);
	if (rc < 0)
		return rc;
	rc = promql_eval_instant(&m->opt.promql, expr, &m->opt.source, t, out, error);
	promql_expr_free(expr);
	return rc;
}

/* A label or annotation, ready for all samples of one evaluation. */
struct text {
	const struct rule_text *t;
	struct template *template; /* NULL: constant, or broken */
	char *error;
};

static struct text *prepare(const struct rule_def *def, const struct rule_text *texts, size_t n)
{
	struct text *v = xcalloc(n + 1, sizeof(*v));
	_cleanup_free_ char *name = xasprintf("__alert_%s", def->name);
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *cause = NULL;
		v[i].t = &texts[i];
		/* Only a group's label can be a template that does not parse. */
		if (texts[i].is_template && template_parse(name, texts[i].value, &v[i].template, &cause) < 0)
			v[i].error = xasprintf("error parsing template %s: %s", name, cause);
	}
	return v;
}

static void release(struct text *v, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		template_free(v[i].template);
		free(v[i].error);
	}
	free(v);
}

/* A failure becomes the text, and the evaluation goes on. */
static void expand(const struct text *t, const struct template_env *env, struct buf *out)
{
	_cleanup_free_ char *error = NULL;
	if (!t->template && !t->error)
		buf_addsv(out, t->t->value);
	else if (t->error || template_expand(t->template, env, out, &error) < 0)
		buf_addf(out, "<error expanding template: %s>", t->error ? t->error : error);
}

static struct labels *build_annotations(const struct rule_def *def, const struct text *annotations, const struct template_env *env)
{
	size_t n = def->n_annotations;
	struct buf *texts = xcalloc(n + 1, sizeof(*texts));
	struct label *pairs = xcalloc(n + 1, sizeof(*pairs));
	for (size_t i = 0; i < n; i++) {
		texts[i] = BUF_INIT;
		expand(&annotations[i], env, &texts[i]);
		pairs[i] = (struct label){def->annotations[i].name, sv_make(buf_str(&texts[i]), texts[i].n)};
	}
	struct labels *ls = annotations_new(pairs, n);
	for (size_t i = 0; i < n; i++)
		buf_free(&texts[i]);
	free(texts);
	free(pairs);
	return ls;
}

static struct labels *build_alert_labels(const struct rule_def *def, const struct text *texts, const struct labels *sample,
					 const struct template_env *env)
{
	struct labels_builder b;
	_cleanup_buf_ struct buf text = BUF_INIT;
	labels_builder_init(&b, sample);
	labels_builder_del(&b, SV(LABEL_NAME));
	for (size_t i = 0; i < def->n_labels; i++) {
		buf_reset(&text);
		expand(&texts[i], env, &text);
		labels_builder_set(&b, def->labels[i].name, sv_make(buf_str(&text), text.n));
	}
	labels_builder_set(&b, SV("alertname"), sv_of(def->name));
	struct labels *ls = labels_builder_build(&b);
	labels_builder_free(&b);
	return ls;
}

/* Are two of the N label sets that GET gives the same? */
static bool have_duplicates(void *v, size_t n, struct labels *(*get)(void *v, size_t i))
{
	struct label_set seen = {0};
	size_t at;
	bool twice = false;
	for (size_t i = 0; i < n && !twice; i++)
		twice = label_set_add(&seen, get(v, i), i, &at);
	label_set_free(&seen);
	return twice;
}

static struct labels *candidate_labels(void *v, size_t i)
{
	return ((struct alert_candidate *)v)[i].labels;
}

static struct labels *produced_labels(void *v, size_t i)
{
	return ((struct produced *)v)->v[i].labels;
}

static int eval_alert(struct rule_manager *m, struct rule_group *g, struct rule *r, int64_t ts,
		      const struct promql_value *v, struct produced *out, char **error)
{
	const struct rule_def *def = r->def;
	struct alert_candidate *c = xcalloc(v->n + 1, sizeof(*c));
	struct text *labels = v->n ? prepare(def, def->labels, def->n_labels) : NULL;
	struct text *annotations = v->n ? prepare(def, def->annotations, def->n_annotations) : NULL;
	for (size_t i = 0; i < v->n; i++) {
		struct template_env env = {
		    .labels = v->series[i].labels,
		    .external_labels = m->opt.external_labels,
		    .external_url = m->opt.external_url,
		    .url_is_nil = m->opt.url_is_nil,
		    .value = v->series[i].points[0].v,
		    .histogram = v->series[i].points[0].h,
		    .now_ms = ts,
		    .query = template_query,
		    .query_arg = m,
		};
		c[i].value = env.value;
		c[i].labels = build_alert_labels(def, labels, env.labels, &env);
		c[i].annotations = build_annotations(def, annotations, &env);
	}
	if (v->n) {
		release(labels, def->n_labels);
		release(annotations, def->n_annotations);
	}
	int rc = 0;
	if (have_duplicates(c, v->n, candidate_labels)) {
		*error =
		    xstrdup("vector contains metrics with the same labelset after applying alert labels");
		rc = -EINVAL;
		for (size_t i = 0; i < v->n; i++) {
			labels_unref(c[i].labels);
			labels_unref(c[i].annotations);
		}
	} else {
		pthread_mutex_lock(&m->state_lock);
		rc = alerts_step(r, g, c, v->n, ts, out, error);
		pthread_mutex_unlock(&m->state_lock);
	}
	free(c);
	return rc;
}

static int eval_record(struct rule_group *g, struct rule *r, const struct promql_value *v,
		       struct produced *out, char **error)
{
	for (size_t i = 0; i < v->n; i++) {
		struct labels_builder b;
		labels_builder_init(&b, v->series[i].labels);
		labels_builder_set(&b, SV(LABEL_NAME), sv_of(r->def->name));
		for (size_t k = 0; k < r->def->n_labels; k++)
			labels_builder_set(&b, r->def->labels[k].name, r->def->labels[k].value);
		produced_add(out, labels_builder_build(&b), v->series[i].points[0].v, v->series[i].points[0].h);
		labels_builder_free(&b);
	}
	if (have_duplicates(out, out->n, produced_labels)) {
		*error = xstrdup("vector contains metrics with the same labelset after applying rule labels");
		return -EINVAL;
	}
	if (g->def.limit > 0 && out->n > (size_t)g->def.limit) {
		*error = xasprintf("exceeded limit of %lld with %zu series", (long long)g->def.limit, out->n);
		return -E2BIG;
	}
	return 0;
}

/* *RESULT holds the histograms that OUT points to. */
static int eval_query(struct rule_manager *m, struct rule_group *g, struct rule *r, int64_t ts, struct promql_value *result,
		      struct produced *out, char **error)
{
	int rc = promql_eval_instant(&m->opt.promql, r->def->expr, &m->opt.source, ts - g->query_offset_ms,
				     result, error);
	if (rc < 0)
		return rc;
	struct promql_value v = *result;
	/* A scalar is one sample without labels. */
	struct sample point = {.t = v.t, .v = v.scalar};
	struct promql_series series = {.points = &point, .n = 1};
	struct promql_value vector = v;
	if (v.type == PROMQL_SCALAR) {
		series.labels = labels_empty();
		vector.series = &series;
		vector.n = 1;
	}
	if (v.type != PROMQL_SCALAR && v.type != PROMQL_VECTOR) {
		*error = xstrdup("rule result is not a vector or scalar");
		rc = -EINVAL;
	} else {
		rc = r->def->is_alert ? eval_alert(m, g, r, ts, &vector, out, error)
				      : eval_record(g, r, &vector, out, error);
	}
	labels_unref(series.labels);
	return rc;
}

static void append(struct rule_manager *m, struct labels *labels, int64_t t, double v, const struct histogram *h)
{
	if (m->opt.append)
		m->opt.append(m->opt.self, labels, t, v, h);
}

/* Appends what was produced, then ends the series that the evaluation before had and this one has not. */
static void store(struct rule_manager *m, struct rule_group *g, struct rule *r, int64_t t,
		  struct produced *out)
{
	struct label_set now = {0};
	size_t at, n_old = r->n_produced;
	struct labels **old = r->produced, **fresh = xcalloc(out->n + 1, sizeof(*fresh));
	for (size_t i = 0; i < out->n; i++) {
		append(m, out->v[i].labels, t, out->v[i].v, out->v[i].h);
		label_set_add(&now, out->v[i].labels, i, &at);
		fresh[i] = labels_ref(out->v[i].labels);
	}
	for (size_t i = 0; i < n_old; i++)
		if (!label_set_find(&now, old[i], &at))
			append(m, old[i], t, sample_stale_marker(), NULL);
	label_set_free(&now);
	pthread_mutex_lock(&m->state_lock);
	r->produced = fresh;
	r->n_produced = out->n;
	if (r->def->is_alert && r->restored && (out->n || n_old)) {
		r->seen = t;
		m->states_version++;
	}
	g->last_samples += out->n;
	pthread_mutex_unlock(&m->state_lock);
	for (size_t i = 0; i < n_old; i++)
		labels_unref(old[i]);
	free(old);
}

static void send(struct rule_manager *m, struct rule_group *g, struct rule *r, int64_t ts)
{
	struct rule_alert *alerts = xcalloc(r->n_active + 1, sizeof(*alerts));
	_cleanup_buf_ struct buf url = BUF_INIT;
	pthread_mutex_lock(&m->state_lock);
	size_t n = alerts_to_send(m, r, g, ts, alerts);
	pthread_mutex_unlock(&m->state_lock);
	if (n && m->opt.notify) {
		buf_addf(&url, "%s/graph?g0.expr=", m->opt.external_url);
		url_query_escape(sv_of(r->def->query), &url);
		buf_adds(&url, "&g0.tab=1");
		for (size_t i = 0; i < n; i++)
			alerts[i].generator_url = buf_str(&url);
		m->opt.notify(m->opt.self, alerts, n);
	}
	for (size_t i = 0; i < n; i++) {
		labels_unref(alerts[i].labels);
		labels_unref(alerts[i].annotations);
	}
	free(alerts);
}

void rule_eval(struct rule_manager *m, struct rule_group *g, struct rule *r, int64_t ts)
{
	struct produced out = {0};
	char *error = NULL;
	uint64_t start = clock_mono_ns();
	struct promql_value result = {0};
	int rc = eval_query(m, g, r, ts, &result, &out, &error);
	if (rc < 0 && !error)
		error = xasprintf("evaluation failed: %s", strerror(-rc));
	if (rc == 0) {
		/* Sent first, as Prometheus does: an alert does not wait for the storage. */
		if (r->def->is_alert)
			send(m, g, r, ts);
		store(m, g, r, ts - g->query_offset_ms, &out);
	} else if (m->opt.failed && rc != -ECANCELED) { /* at the end of the program */
		_cleanup_free_ char *group = xasprintf("%s;%s", g->def.file, g->def.name);
		m->opt.failed(m->opt.self, group, r->def->name, error);
	}
	pthread_mutex_lock(&m->state_lock);
	g->evaluations++;
	g->failures += rc < 0;
	free(r->last_error);
	r->last_error = error;
	r->health = rc < 0 ? RULE_ERR : RULE_OK;
	r->last_evaluation = ts;
	r->duration_ns = clock_mono_ns() - start;
	pthread_mutex_unlock(&m->state_lock);
	produced_free(&out);
	promql_value_free(&result);
}
