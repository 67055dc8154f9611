// SPDX-License-Identifier: GPL-2.0-or-later
/* series, labels, label values, metadata: what there is to query. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/param.h"
#include "api/reply.h"
#include "api/targets_json.h"
#include "base/alloc.h"
#include "base/cleanup.h"
#include "exposition/escape.h"
#include "model/text.h"

struct found {
	struct labels **labels; /* references, sorted, each once */
	size_t n, cap;
	struct store *store;
	int64_t start, end;
};

static void add_matching(void *arg, const struct matcher *m, size_t n, int64_t range_ms)
{
	struct found *f = arg;
	struct labels **some;
	size_t n_some;
	store_select_labels(f->store, m, n, f->start, f->end, &some, &n_some);
	for (size_t i = 0; i < n_some; i++) {
		array_grow(f->labels, f->n, f->cap);
		f->labels[f->n++] = some[i];
	}
	free(some);
}

/* Does at least one matcher leave out series without its label? */
static void note_selects(void *arg, const struct matcher *m, size_t n, int64_t range_ms)
{
	for (size_t i = 0; i < n; i++)
		*(bool *)arg |= !matcher_matches(&m[i], SV(""));
}

static int by_labels(const void *a, const void *b)
{
	return labels_cmp(*(struct labels *const *)a, *(struct labels *const *)b);
}

static void found_sort(struct found *f)
{
	if (!f->n)
		return;
	qsort(f->labels, f->n, sizeof(*f->labels), by_labels);
	size_t n = 1;
	for (size_t i = 1; i < f->n; i++) {
		if (labels_equal(f->labels[i], f->labels[n - 1]))
			labels_unref(f->labels[i]);
		else
			f->labels[n++] = f->labels[i];
	}
	f->n = n;
}

static bool add_selector(struct web_response *res, struct found *f, const char *text, const char *before)
{
	struct promql_expr *expr;
	char *error = NULL;
	if (promql_parse_selector(sv_of(text), &expr, &error)) {
		reply_error(res, REPLY_BAD_DATA, "%s%s", before, error);
		free(error);
		return false;
	}
	bool selects = false;
	promql_selectors(expr, note_selects, &selects);
	if (selects) {
		promql_selectors(expr, add_matching, f);
		found_sort(f); /* each once: a hundred selectors may find the same */
	} else {
		reply_error(res, REPLY_BAD_DATA, "%smatch[] must contain at least one non-empty matcher", before);
	}
	promql_expr_free(expr);
	return selects;
}

/* All series that a match[] selects; without any, REQUIRED is an error and otherwise all series. */
static bool find(const struct api *api, struct web_request *req, struct web_response *res, bool is_required, struct found *f,
		 uint64_t *limit)
{
	*f = (struct found){.store = api->store};
	bool any = false, ok = param_limit(req, res, "limit", limit) && param_optional_time(req, res, "start", INT64_MIN, &f->start) &&
			       param_optional_time(req, res, "end", INT64_MAX, &f->end);
	for (size_t i = 0; ok && i < req->n_params; i++)
		if (strcmp(req->params[i].name, "match[]") == 0) {
			any = true;
			ok = add_selector(res, f, req->params[i].value, is_required ? "invalid parameter \"match[]\": " : "");
		}
	if (ok && !any && is_required) {
		reply_error(res, REPLY_BAD_DATA, "no match[] parameter provided");
		ok = false;
	} else if (ok && !any) {
		add_matching(f, NULL, 0, 0);
	}
	if (ok)
		found_sort(f);
	else
		store_labels_free(f->labels, f->n);
	return ok;
}

/* Appends `[...]` of the strings, sorted, each once. */
static int by_text(const void *a, const void *b)
{
	return sv_cmp(*(const struct sv *)a, *(const struct sv *)b);
}

static const char *truncated = "results truncated due to limit";

static void reply_texts(struct web_response *res, struct sv *v, size_t n, uint64_t limit)
{
	json_t *a = json_array();
	bool cut = false;
	if (n)
		qsort(v, n, sizeof(*v), by_text);
	for (size_t i = 0; i < n; i++) {
		if (i && sv_eq(v[i], v[i - 1]))
			continue;
		cut = limit && json_array_size(a) >= limit;
		if (cut)
			break;
		json_array_append_new(a, reply_text(v[i]));
	}
	reply_begin(res);
	reply_dump(a, &res->body);
	reply_end(res, (char *const *)&truncated, cut, NULL, 0);
}

void api_series(void *ctx, struct web_request *req, struct web_response *res)
{
	struct found f;
	uint64_t limit;
	if (!find(ctx, req, res, true, &f, &limit))
		return;
	size_t n = limit && limit < f.n ? limit : f.n;
	reply_begin(res);
	buf_addc(&res->body, '[');
	for (size_t i = 0; i < n; i++) {
		if (i)
			buf_addc(&res->body, ',');
		reply_dump(reply_labels(f.labels[i]), &res->body);
	}
	buf_addc(&res->body, ']');
	reply_end(res, (char *const *)&truncated, n < f.n, NULL, 0);
	store_labels_free(f.labels, f.n);
}

void api_labels(void *ctx, struct web_request *req, struct web_response *res)
{
	struct found f;
	uint64_t limit;
	if (!find(ctx, req, res, false, &f, &limit))
		return;
	/* There are few names: keep each once from the start. */
	struct sv *names = NULL;
	size_t n = 0, cap = 0;
	for (size_t i = 0; i < f.n; i++)
		for (uint32_t k = 0; k < f.labels[i]->n; k++) {
			size_t j = 0;
			while (j < n && !sv_eq(names[j], f.labels[i]->l[k].name))
				j++;
			if (j < n)
				continue;
			array_grow(names, n, cap);
			names[n++] = f.labels[i]->l[k].name;
		}
	reply_texts(res, names, n, limit);
	free(names);
	store_labels_free(f.labels, f.n);
}

/* /api/v1/label/NAME/values */
void api_label_values(void *ctx, struct web_request *req, struct web_response *res)
{
	static const char prefix[] = "/api/v1/label/", suffix[] = "/values";
	struct sv name = sv_of(req->path + strlen(prefix));
	if (name.n <= strlen(suffix) || strcmp(name.p + name.n - strlen(suffix), suffix) != 0) {
		web_response_text(res, 404, "404 page not found");
		return;
	}
	name.n -= strlen(suffix);
	if (!text_is_utf8(name)) {
		reply_error(res, REPLY_BAD_DATA, "invalid label name: not UTF-8");
		return;
	}
	/* A name that does not go into a path comes escaped. */
	_cleanup_buf_ struct buf unescaped = BUF_INIT;
	if (unescape_values(name, &unescaped))
		name = sv_make(buf_str(&unescaped), unescaped.n);
	struct found f;
	uint64_t limit;
	if (!find(ctx, req, res, false, &f, &limit))
		return;
	struct sv *values = xreallocarray(NULL, f.n, sizeof(*values));
	size_t n = 0;
	for (size_t i = 0; i < f.n; i++) {
		values[n] = labels_get(f.labels[i], name);
		n += values[n].n > 0;
	}
	reply_texts(res, values, n, limit);
	free(values);
	store_labels_free(f.labels, f.n);
}

void api_metadata(void *ctx, struct web_request *req, struct web_response *res)
{
	static const char *const types[] = {"counter", "gauge", "histogram"};
	const struct api *api = ctx;
	const char *only = web_request_param(req, "metric");
	int64_t limit = -1, per_metric = -1; /* below 0: none */
	if (!param_number(req, res, "limit", &limit) || !param_number(req, res, "limit_per_metric", &per_metric))
		return;
	struct snapshot *s = api->latest ? api->latest(api->arg) : NULL;
	json_t *o = json_object();
	for (size_t i = 0; s && i < s->n; i++) {
		const struct family *f = &s->families[i];
		if (only && *only && strcmp(only, f->name) != 0)
			continue;
		json_t *m = json_object(), *a = json_array();
		json_object_set_new(m, "type", json_string(types[f->type]));
		json_object_set_new(m, "unit", reply_string(f->unit));
		json_object_set_new(m, "help", reply_string(f->help));
		json_array_append_new(a, m);
		json_object_set_new(o, f->name, a);
	}
	snapshot_unref(s);
	scraped_metadata_json(api, only, per_metric > 0 ? (size_t)per_metric : SIZE_MAX, o);
	const char *name;
	json_t *list;
	void *next;
	int64_t n = 0;
	json_object_foreach_safe(o, next, name, list) {
		if (limit >= 0 && n++ >= limit)
			json_object_del(o, name);
	}
	reply_json(res, o);
}
