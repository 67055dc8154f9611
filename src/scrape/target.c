// SPDX-License-Identifier: GPL-2.0-or-later
#include "scrape/target.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "model/text.h"

#define PARAM_PREFIX "__param_"

static void set_default(struct labels_builder *b, const char *name, const char *value)
{
	if (!labels_builder_get(b, sv_of(name)).n)
		labels_builder_set(b, sv_of(name), sv_of(value));
}

static void set_default_duration(struct labels_builder *b, const char *name, int64_t ms)
{
	_cleanup_buf_ struct buf text = BUF_INIT;
	text_duration(ms, &text);
	set_default(b, name, buf_str(&text));
}

static void set_job_labels(struct labels_builder *b, const struct config_job *job)
{
	set_default(b, "job", job->name);
	set_default_duration(b, "__scrape_interval__", job->common.interval);
	set_default_duration(b, "__scrape_timeout__", job->common.timeout);
	set_default(b, "__metrics_path__", job->metrics_path);
	set_default(b, "__scheme__", job->scheme);
	for (size_t i = 0; i < job->n_params; i++) {
		_cleanup_free_ char *name = xasprintf(PARAM_PREFIX "%s", job->params[i].name);
		if (job->params[i].values.n)
			set_default(b, name, job->params[i].values.v[0]);
	}
}

static int take_duration(const struct labels_builder *b, const char *label, const char *what, int64_t *ms, char **error)
{
	struct sv s = labels_builder_get(b, sv_of(label));
	if (!text_parse_duration(s, ms)) {
		*error = xasprintf("error parsing scrape %s: not a valid duration string: \"%.*s\"", what, SV_ARG(s));
		return -EINVAL;
	}
	if (*ms <= 0) {
		*error = xasprintf("scrape %s cannot be 0", what);
		return -EINVAL;
	}
	return 0;
}

/* Percent-encoding; SAFE are characters that may stand beside letters, digits and -_.~ */
static void add_escaped(struct sv s, const char *safe, bool plus, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
		if (word || strchr("-_.~", c) || strchr(safe, c))
			buf_addc(out, (char)c);
		else if (plus && c == ' ')
			buf_addc(out, '+');
		else
			buf_addf(out, "%%%02X", c);
	}
}

struct query {
	struct sv name;
	const struct strings *values; /* of the configuration */
	struct sv first;	      /* replaces the first of them */
};

static int by_name(const void *a, const void *b)
{
	return sv_cmp(((const struct query *)a)->name, ((const struct query *)b)->name);
}

static void add_query_value(const struct query *q, struct sv value, bool *first, struct buf *out)
{
	buf_addc(out, *first ? '?' : '&');
	*first = false;
	add_escaped(q->name, "", true, out);
	buf_addc(out, '=');
	add_escaped(value, "", true, out);
}

/* The parameters of the job, the first value of each as the label says, and parameters that only a label has. Sorted by name. */
static void add_query(const struct config_job *job, const struct labels *ls, struct buf *out)
{
	struct query *q = NULL;
	size_t n = 0, cap = 0;
	bool first = true;
	for (size_t i = 0; i < job->n_params; i++) {
		array_grow(q, n, cap);
		q[n++] = (struct query){.name = sv_of(job->params[i].name), .values = &job->params[i].values};
	}
	for (uint32_t i = 0; i < ls->n; i++) {
		struct sv name = ls->l[i].name;
		if (!sv_starts_with(name, SV(PARAM_PREFIX)))
			continue;
		name = sv_make(name.p + strlen(PARAM_PREFIX), name.n - strlen(PARAM_PREFIX));
		size_t k = 0;
		while (k < n && !sv_eq(q[k].name, name))
			k++;
		array_grow(q, n, cap);
		if (k == n)
			q[n++] = (struct query){.name = name};
		q[k].first = ls->l[i].value;
	}
	if (n)
		qsort(q, n, sizeof(*q), by_name);
	for (size_t i = 0; i < n; i++) {
		size_t from = 0;
		if (q[i].first.p) {
			add_query_value(&q[i], q[i].first, &first, out);
			from = 1;
		}
		for (size_t k = from; q[i].values && k < q[i].values->n; k++)
			add_query_value(&q[i], sv_of(q[i].values->v[k]), &first, out);
	}
	free(q);
}

static char *url_of(const struct config_job *job, const struct labels *ls)
{
	struct buf b = BUF_LIMIT(64 << 10);
	struct sv path = labels_get(ls, SV("__metrics_path__"));
	struct sv scheme = labels_get(ls, SV("__scheme__"));
	buf_addsv(&b, scheme);
	buf_adds(&b, scheme.n ? "://" : "//");
	buf_addsv(&b, labels_get(ls, SV("__address__")));
	if (path.n && path.p[0] != '/')
		buf_addc(&b, '/');
	add_escaped(path, "/$&+,:;=@", false, &b);
	add_query(job, ls, &b);
	return buf_steal(&b);
}

/* Checks what relabelling has left and takes it over. */
static int settle(struct target *t, struct labels_builder *b, char **error)
{
	struct sv address = labels_builder_get(b, SV("__address__")), scheme = labels_builder_get(b, SV("__scheme__"));
	struct labels_builder shown;
	int err;
	if (!address.n || memchr(address.p, '/', address.n)) {
		*error = address.n ? xasprintf("\"%.*s\" is not a valid hostname", SV_ARG(address)) : xstrdup("no address");
		return -EINVAL;
	}
	if ((err = take_duration(b, "__scrape_interval__", "interval", &t->interval, error)) ||
	    (err = take_duration(b, "__scrape_timeout__", "timeout", &t->timeout, error)))
		return err;
	if (t->timeout > t->interval) {
		struct sv timeout = labels_builder_get(b, SV("__scrape_timeout__")), interval = labels_builder_get(b, SV("__scrape_interval__"));
		*error = xasprintf("scrape timeout cannot be greater than scrape interval (\"%.*s\" > \"%.*s\")", SV_ARG(timeout),
				   SV_ARG(interval));
		return -EINVAL;
	}
	if (!labels_builder_get(b, SV("instance")).n)
		labels_builder_set(b, SV("instance"), address);
	_cleanup_labels_ struct labels *all = labels_builder_build(b);
	labels_builder_init(&shown, NULL);
	for (uint32_t i = 0; i < all->n && !*error; i++) {
		if (!text_is_utf8(all->l[i].value))
			*error = xasprintf("invalid label value for \"%.*s\"", SV_ARG(all->l[i].name));
		else if (!sv_starts_with(all->l[i].name, SV("__")))
			labels_builder_set(&shown, all->l[i].name, all->l[i].value);
	}
	t->labels = labels_builder_build(&shown);
	labels_builder_free(&shown);
	t->url = url_of(t->job, all);
	/* As in Prometheus it is a target, and down. */
	if (!sv_eqs(scheme, "http") && !sv_eqs(scheme, "https"))
		t->forced_error = xasprintf("Get \"%s\": unsupported protocol scheme \"%.*s\"", t->url, SV_ARG(scheme));
	return *error ? -EINVAL : 0;
}

static void name_reports(struct target *t)
{
	static const char *const names[REPORTS + REPORTS_EXTRA] = {"up", "scrape_duration_seconds", "scrape_samples_scraped",
						   "scrape_samples_post_metric_relabeling", "scrape_series_added",
						   "scrape_timeout_seconds", "scrape_sample_limit", "scrape_body_size_bytes"};
	t->n_reports = t->job->common.extra > 0 ? REPORTS + REPORTS_EXTRA : REPORTS;
	for (size_t i = 0; i < REPORTS + REPORTS_EXTRA; i++) {
		struct labels_builder b;
		labels_builder_init(&b, t->labels);
		labels_builder_set(&b, SV(LABEL_NAME), sv_of(names[i]));
		t->reports[i] = labels_builder_build(&b);
		labels_builder_free(&b);
	}
}

static char *key_of(const struct target *t)
{
	struct buf b = BUF_INIT;
	buf_addf(&b, "%s\n%s\n%lld %lld\n", t->job->name, t->url, (long long)t->interval, (long long)t->timeout);
	labels_print(t->labels, &b);
	return buf_steal(&b);
}

int target_new(struct config_scraping *config, const struct config_job *job, const char *address, const struct labels *group,
	       struct target **out, struct labels **discovered, char **error)
{
	struct target *t = xcalloc(1, sizeof(*t));
	struct labels_builder b;
	t->config = config_scraping_ref(config);
	t->job = job;
	labels_builder_init(&b, group);
	labels_builder_set(&b, SV("__address__"), sv_of(address));
	set_job_labels(&b, job);
	t->discovered = labels_builder_build(&b);
	*discovered = labels_ref(t->discovered);
	*out = NULL;
	int err = 0;
	bool kept = relabel_apply(&job->relabel, &b);
	if (kept)
		err = settle(t, &b, error);
	labels_builder_free(&b);
	if (!kept || err) {
		target_free(t);
		return err;
	}
	name_reports(t);
	t->key = key_of(t);
	t->key_hash = hash_bytes(t->key, strlen(t->key), 0);
	t->offset = (int64_t)(t->key_hash % (uint64_t)t->interval);
	*out = t;
	return 0;
}

void target_free(struct target *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < REPORTS + REPORTS_EXTRA; i++)
		labels_unref(t->reports[i]);
	labels_unref(t->discovered);
	labels_unref(t->labels);
	series_cache_free(&t->cache);
	metadata_free(&t->metadata);
	config_scraping_unref(t->config);
	free(t->key);
	free(t->url);
	free(t->forced_error);
	free(t->error);
	free(t);
}

void target_adopt(struct target *t, struct target *fresh)
{
	if (t->job->fingerprint != fresh->job->fingerprint)
		series_cache_forget(&t->cache);
	struct config_scraping *config = t->config;
	t->config = fresh->config;
	t->job = fresh->job;
	fresh->config = config;
	char *forced = t->forced_error;
	t->forced_error = fresh->forced_error;
	fresh->forced_error = forced;
	t->n_reports = fresh->n_reports;
	struct labels *discovered = t->discovered;
	t->discovered = fresh->discovered;
	fresh->discovered = discovered;
}
