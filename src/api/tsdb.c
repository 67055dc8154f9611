// SPDX-License-Identifier: GPL-2.0-or-later
/* status/tsdb: what takes the room in the window, by metric and label. */
#include <stdlib.h>
#include <string.h>

#include "api/handlers.h"
#include "api/param.h"
#include "api/reply.h"
#include "base/alloc.h"
#include "base/cleanup.h"

#define STATS_DEFAULT 10
#define STATS_MAX 10000

struct stat {
	struct sv name, value; /* with a value shown as `name=value` */
	uint64_t n;
};

struct stats {
	struct stat *v;
	size_t n, cap;
};

static int by_label(const void *a, const void *b)
{
	const struct label *x = a, *y = b;
	int r = sv_cmp(x->name, y->name);
	return r ? r : sv_cmp(x->value, y->value);
}

static int by_count(const void *a, const void *b)
{
	const struct stat *x = a, *y = b;
	if (x->n != y->n)
		return x->n > y->n ? -1 : 1;
	int r = sv_cmp(x->name, y->name);
	return r ? r : sv_cmp(x->value, y->value);
}

static void add(struct stats *s, struct sv name, struct sv value, uint64_t n)
{
	array_grow(s->v, s->n, s->cap);
	s->v[s->n++] = (struct stat){name, value, n};
}

/* The MOST largest, and releases S. */
static json_t *largest(struct stats *s, size_t most)
{
	json_t *a = json_array();
	if (s->n)
		qsort(s->v, s->n, sizeof(*s->v), by_count);
	for (size_t i = 0; i < s->n && i < most; i++) {
		_cleanup_buf_ struct buf name = BUF_INIT;
		buf_addsv(&name, s->v[i].name);
		if (s->v[i].value.p)
			buf_addc(&name, '=');
		buf_addsv(&name, s->v[i].value);
		json_t *o = json_object();
		json_object_set_new(o, "name", reply_text(sv_make(buf_str(&name), name.n)));
		json_object_set_new(o, "value", json_integer((json_int_t)s->v[i].n));
		json_array_append_new(a, o);
	}
	free(s->v);
	return a;
}

/* Adds what the N labels of all series, sorted, tell. */
static void count(const struct label *l, size_t n, json_t *o, size_t most)
{
	struct stats metrics = {0}, values = {0}, bytes = {0}, pairs = {0};
	for (size_t i = 0; i < n;) {
		struct sv name = l[i].name;
		uint64_t n_values = 0, n_bytes = 0;
		while (i < n && sv_eq(l[i].name, name)) {
			struct sv value = l[i].value;
			size_t from = i;
			while (i < n && sv_eq(l[i].name, name) && sv_eq(l[i].value, value))
				i++;
			if (sv_eqs(name, LABEL_NAME))
				add(&metrics, value, (struct sv){0}, i - from);
			add(&pairs, name, value, i - from);
			n_values++;
			n_bytes += value.n * (i - from);
		}
		add(&values, name, (struct sv){0}, n_values);
		add(&bytes, name, (struct sv){0}, n_bytes);
	}
	json_object_set_new(json_object_get(o, "headStats"), "numLabelPairs",
			    json_integer((json_int_t)pairs.n));
	json_object_set_new(o, "seriesCountByMetricName", largest(&metrics, most));
	json_object_set_new(o, "labelValueCountByLabelName", largest(&values, most));
	json_object_set_new(o, "memoryInBytesByLabelName", largest(&bytes, most));
	json_object_set_new(o, "seriesCountByLabelValuePair", largest(&pairs, most));
}

void api_tsdb(void *ctx, struct web_request *req, struct web_response *res)
{
	const struct api *api = ctx;
	struct store_stats st;
	struct label *all = NULL;
	struct labels **series;
	size_t n_series, n = 0;
	int64_t most = STATS_DEFAULT;
	if (!param_number(req, res, "limit", &most))
		return;
	if (most < 1 || most > STATS_MAX) {
		reply_error(res, REPLY_BAD_DATA, "limit must be a positive number, at most %d", STATS_MAX);
		return;
	}
	store_stats(api->store, &st);
	store_select_labels(api->store, NULL, 0, INT64_MIN, INT64_MAX, &series, &n_series);
	for (size_t i = 0; i < n_series; i++)
		n += series[i]->n;
	all = xreallocarray(NULL, n + 1, sizeof(*all));
	n = 0;
	for (size_t i = 0; i < n_series; i++)
		for (uint32_t k = 0; k < series[i]->n; k++)
			all[n++] = series[i]->l[k];
	if (n)
		qsort(all, n, sizeof(*all), by_label);
	json_t *o = json_object(), *head = json_object();
	json_object_set_new(head, "numSeries", json_integer((json_int_t)n_series));
	json_object_set_new(head, "chunkCount", json_integer((json_int_t)st.chunks));
	json_object_set_new(head, "minTime", json_integer(st.oldest_t));
	json_object_set_new(head, "maxTime", json_integer(st.newest_t));
	json_object_set_new(o, "headStats", head);
	count(all, n, o, (size_t)most);
	free(all);
	store_labels_free(series, n_series);
	reply_json(res, o);
}
